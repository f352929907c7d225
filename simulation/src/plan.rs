//! What a seed fixes before a run begins: where and when it happens, what the site's rules and prices are, how good its
//! field is, and everything that people and fate will do unprovoked.

use std::fmt;

use domain::{
    energy::Energy,
    money::Money,
    reading::Registers,
    site::{AutomaticDisconnection, FriendlyHours},
    tariff::TariffVersion,
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, date, time},
    tz::TimeZone,
};
use rand::{RngExt, SeedableRng};
use simulator::{faults::FaultRates, site::SiteSpec};
use wattgate::settings::Settings;

use crate::{
    aid,
    clock::shift,
    contract, control, counter,
    fate::{self, Event},
    gate::GateRates,
    leaving, price_lists, replacement,
    run::Failure,
    till,
};

/// Where everything drawn comes from.
pub type Random = rand::rngs::Xoshiro256PlusPlus;

/// How large and how long runs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Days, at least 2.
    pub days: u16,
    /// Concentrators.
    pub concentrators: u16,
    /// Meters in all.
    pub meters: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { days: 3, concentrators: 2, meters: 20 }
    }
}

/// Sets the generator apart that draws refunds and closings.
const LEAVINGS: u64 = 0x6c65_6176_696e_6773;
/// Sets the generator apart that draws transfers.
const TRANSFERS: u64 = 0x7472_616e_7366_6572;
/// Sets the generator apart that draws debts, subsidies and the like.
const AID: u64 = 0x6169_6421_6169_6421;
/// Sets the generator apart that draws changes of tariffs and suspensions.
const CONTRACTS: u64 = 0x636f_6e74_7261_6374;
/// Sets the generator apart that draws groups of orders and stops.
const CONTROLS: u64 = 0x636f_6e74_726f_6c73;
/// Sets the generator apart that draws groups for safety, and of buildings.
const RESERVED: u64 = 0x7265_7365_7276_6564;
/// Sets the generator apart that draws shifts.
const TILLS: u64 = 0x7469_6c6c_735f_5f21;
/// Sets the generator apart that draws replacements of meters.
const REPLACEMENTS: u64 = 0x7265_706c_6163_6564;

/// Local hour at which a run ends: every day before is settled by then, and supply was cut where it had to be.
const END: jiff::civil::Time = time(16, 30, 0, 0);
/// Local hour of the evening before, from which nothing goes wrong any more.
const QUIET: jiff::civil::Time = time(22, 0, 0, 0);

/// Makes of a seed that of the generator from which reversals are drawn.
const REVERSALS: u64 = 0x7265_7665_7273_616c;

/// What a seed fixes.
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Its size.
    pub size: Size,
    /// The zone's name.
    pub zone_name: &'static str,
    /// Where the site is.
    pub zone: TimeZone,
    /// When it begins.
    pub start: Timestamp,
    /// From when on nothing goes wrong.
    pub quiet_from: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// The head end's settings.
    pub settings: Settings,
    /// What the simulated field consists of.
    pub field: SiteSpec,
    /// The versions of each tariff.
    pub tariffs: Vec<Vec<TariffVersion>>,
    /// What people and fate do, in the order of time.
    pub events: Vec<(Timestamp, Event)>,
    /// The database's faults.
    pub gate: GateRates,
    /// Whether each concentrator has a meter to spare, so that meters can be replaced.
    pub spares: bool,
    /// Most automatic disconnects in an hour and a day, where the plan has few.
    pub cut_limits: Option<(usize, usize)>,
    /// Whether counters are registered and sell in shifts; then what their vendor may hold back, where that has a limit.
    pub tills: Option<Option<i64>>,
    /// Whether those are attached to accounts as further ones instead.
    pub further: bool,
    /// Whether meters hang in buildings, and a control room orders many of them at once and by calendars.
    pub controlled: bool,
}

/// What decides money and supply, for whoever reads the log.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, zone_name, start, quiet_from, end, .. } = self;
        write!(f, "seed {seed} in {zone_name} from {start} to {end}, quiet from {quiet_from}; times here are UTC")?;
        for (nth, versions) in self.tariffs.iter().enumerate() {
            for one in versions {
                write!(f, "; tariff {nth} from {}, window from day {}:", one.valid_from, one.window_start_day)?;
                for block in &one.blocks {
                    let upto = block.upto.map_or_else(|| "any".to_owned(), |upto| upto.to_string());
                    write!(f, " up to {upto} kWh {}", block.price)?;
                }
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The multiplier with which a meter's account is opened: in every fifth run every third has one.
    #[must_use]
    pub fn multiplier(&self, meter: usize) -> Option<u32> {
        (self.seed % 5 == 4 && meter.is_multiple_of(3)).then_some(if meter.is_multiple_of(2) { 2 } else { 3 })
    }

    /// The plan of this seed.
    ///
    /// # Errors
    /// The settings do not hold.
    pub fn draw(seed: u64, size: Size) -> Result<Self, Failure> {
        let mut random = Random::seed_from_u64(seed);
        let (zone_name, day) = place(&mut random);
        let zone = TimeZone::get(zone_name).map_err(Failure::other)?;
        let hour = random.random_range(0..24);
        let at = |day: Date, time: jiff::civil::Time| {
            day.to_datetime(time).to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(Failure::other)
        };
        let start = at(day, time(hour, random.random_range(0..60), 0, 0))?;
        let last = day.saturating_add(SignedDuration::from_hours(24 * i64::from(size.days)));
        let eve = last.saturating_sub(SignedDuration::from_hours(24));
        let (quiet_from, end) = (at(eve, QUIET)?, at(last, END)?);
        let mut settings = settings(&mut random, last)?;
        let mut field = field(&mut random, size, &settings, &zone)?;
        let mut tariffs = price_lists::draw(&mut random, seed, day, size.days);
        let gate = gate(&mut random);
        let mut events = fate::draw(&mut random, size, start, quiet_from);
        // Drawn apart from the rest, so that known seeds keep their meaning.
        events.extend(fate::reversals(&mut Random::seed_from_u64(seed ^ REVERSALS), size, start, quiet_from));
        let mut apart = Random::seed_from_u64(seed ^ REPLACEMENTS);
        let replaced = apart.random_bool(0.4);
        // A meter to spare replaces one or is a further one; not both in one run.
        let further = matches!(seed % 7, 3 | 4);
        let spares = replaced || further;
        if spares {
            field.meters += size.concentrators;
        }
        if replaced && !further {
            events.extend(replacement::draw(&mut apart, size, start, quiet_from));
        }
        if seed % 4 >= 2 {
            events.extend(leaving::draw(&mut Random::seed_from_u64(seed ^ LEAVINGS), size, start, quiet_from));
        }
        if matches!(seed % 8, 3 | 4) {
            events.extend(leaving::transfers(&mut Random::seed_from_u64(seed ^ TRANSFERS), size, start, quiet_from));
        }
        if seed % 3 == 1 {
            help(seed, size, (start, quiet_from), &mut settings, &mut events);
        }
        let cut_limits =
            if further { contracts(seed, size, (start, quiet_from), &mut settings, &mut events) } else { None };
        // Groups name meters by their place, where another must not come to hang meanwhile.
        let controlled = seed % 5 == 1 && (further || !replaced);
        if controlled {
            control(seed, size, (start, quiet_from), &mut events);
        }
        counter::narrow(seed, (size, start, quiet_from), (&mut settings, tariffs.as_mut_slice()), &mut events);
        let tills = tills(seed, size, (start, quiet_from), &mut events);
        events.sort_by_key(|(at, _)| *at);
        Ok(Self {
            seed,
            size,
            zone_name,
            zone,
            start,
            quiet_from,
            end,
            settings,
            field,
            tariffs,
            events,
            gate,
            spares,
            cut_limits,
            tills,
            further,
            controlled,
        })
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn is_quiet(&self, now: Timestamp) -> bool {
        now >= self.quiet_from
    }
}

/// Where, and on which day it begins. Days on which clocks or months change are drawn more often than they come.
fn place(random: &mut Random) -> (&'static str, Date) {
    let near =
        |random: &mut Random, day: Date| day.saturating_sub(SignedDuration::from_hours(24 * random.random_range(0..3)));
    match random.random_range(0..20) {
        0..=1 => ("Europe/Berlin", near(random, date(2026, 3, 29))),
        2..=3 => ("Europe/Berlin", near(random, date(2026, 10, 25))),
        4 => ("America/New_York", near(random, date(2026, 3, 8))),
        5 => ("America/New_York", near(random, date(2026, 11, 1))),
        // Half an hour, and at midnight: the awkward ones.
        6 => ("Australia/Lord_Howe", near(random, date(2026, 4, 5))),
        7 => ("America/Santiago", near(random, date(2026, 9, 6))),
        8 => ("America/Santiago", near(random, date(2026, 4, 5))),
        9..=13 => {
            let month = random.random_range(2..=12);
            ("Asia/Shanghai", near(random, date(2026, month, 1)))
        }
        _ => {
            let days = random.random_range(0..360);
            ("Asia/Shanghai", date(2026, 1, 1).saturating_add(SignedDuration::from_hours(24 * days)))
        }
    }
}

/// What the simulation changes of the defaults: looks are rarer, so that a day is cheap, and the rules vary.
const SETTINGS: &str = r#"
[fleet]
arbiters = 0
due_scan_ms = 60000
heartbeat_interval_ms = 600000
heartbeat_report_ms = 600000
break_ms = 600000

[jobs]
decide_ms = 60000
notices_ms = 60000
settle_s = 900

[outages]
heartbeat_s = 900

[policy.relay]
proven_before_opening = false

[policy.disconnection]
automatic = "on"

[policy.disconnection.mass_cut]
per_hour = 1000
per_day = 1000
per_day_percent = 0
"#;

fn settings(random: &mut Random, last: Date) -> Result<Settings, Failure> {
    let mut settings = wattgate::settings::read(Some(SETTINGS), None).map_err(Failure::other)?;
    let policy = &mut settings.policy;
    let slot = match random.random_range(0..10) {
        0 => 15,
        1 => 30,
        _ => 60,
    };
    policy.polling.slot = SignedDuration::from_mins(slot);
    let cut = &mut policy.disconnection;
    cut.held_recheck = SignedDuration::from_hours(random.random_range(1..=4));
    cut.friendly_hours = match random.random_range(0..4) {
        0 => vec![FriendlyHours { from: time(18, 0, 0, 0), to: time(9, 0, 0, 0) }],
        1 => vec![FriendlyHours { from: time(22, 0, 0, 0), to: time(6, 0, 0, 0) }],
        2 => vec![FriendlyHours { from: time(11, 30, 0, 0), to: time(13, 30, 0, 0) }],
        _ => Vec::new(),
    };
    cut.protected_weekdays.retain(|_| random.random_bool(0.3));
    if random.random_bool(0.2) {
        cut.holidays = vec![last.saturating_sub(SignedDuration::from_hours(24))];
    }
    policy.credit.warning_lead = SignedDuration::from_mins(random.random_range(30..=360));
    policy.credit.forecast_minimum = SignedDuration::from_hours(random.random_range(6..=24));
    let limits = &mut policy.credit.limits;
    limits.overdraft = Money::new(if random.random_bool(0.3) { 1000 } else { 0 });
    limits.restore_margin = Money::new(if random.random_bool(0.3) { 300 } else { 1 });
    limits.alarm_2 = Money::new(random.random_range(0..=1500));
    Ok(settings)
}

/// Debts, subsidies, payments in flight; in most such runs emergency credit is offered.
fn help(
    seed: u64,
    size: Size,
    (start, quiet_from): (Timestamp, Timestamp),
    settings: &mut Settings,
    events: &mut Vec<(Timestamp, Event)>,
) {
    let mut apart = Random::seed_from_u64(seed ^ AID);
    events.extend(aid::draw(&mut apart, size, start, quiet_from));
    if apart.random_bool(0.7) {
        settings.policy.credit.limits.emergency_credit = Money::new(apart.random_range(300..1_500));
    }
    events.extend(aid::payments(&mut apart, size, start, quiet_from));
    events.extend(aid::adjustments(&mut apart, size, start, quiet_from));
}

/// What a control room does with many meters.
fn control(seed: u64, size: Size, (start, quiet_from): (Timestamp, Timestamp), events: &mut Vec<(Timestamp, Event)>) {
    let mut apart = Random::seed_from_u64(seed ^ CONTROLS);
    events.extend(control::draw(&mut apart, size, start, quiet_from));
    events.extend(control::by_calendar(&mut apart, size, start, quiet_from));
    let mut apart = Random::seed_from_u64(seed ^ RESERVED);
    events.extend(control::reserved(&mut apart, size, start, quiet_from));
}

/// What an office changes of accounts; in one run of three, few cuts an hour and a day, which it gives.
fn contracts(
    seed: u64,
    size: Size,
    (start, quiet_from): (Timestamp, Timestamp),
    settings: &mut Settings,
    events: &mut Vec<(Timestamp, Event)>,
) -> Option<(usize, usize)> {
    let mut apart = Random::seed_from_u64(seed ^ CONTRACTS);
    events.extend(contract::draw(&mut apart, size, start, quiet_from));
    let few = seed.is_multiple_of(3).then(|| few_cuts(&mut apart, settings));
    // What vends recover of debts depends on limits: not both in one run.
    if seed % 3 != 1 {
        events.extend(contract::limits(&mut apart, size, start, quiet_from));
    }
    events.extend(contract::wishes(&mut apart, size, start, quiet_from));
    few
}

/// In one run of five, registered counters with their shifts; gives their vendor's limit.
fn tills(
    seed: u64,
    size: Size,
    (start, quiet_from): (Timestamp, Timestamp),
    events: &mut Vec<(Timestamp, Event)>,
) -> Option<Option<i64>> {
    (seed % 5 == 3).then(|| {
        let mut apart = Random::seed_from_u64(seed ^ TILLS);
        events.extend(till::draw(&mut apart, size, start, quiet_from));
        apart.random_bool(0.7).then(|| apart.random_range(10_000..90_000))
    })
}

/// Limits of automatic disconnects that a small site reaches: in an hour and in a day.
fn few_cuts(random: &mut Random, settings: &mut Settings) -> (usize, usize) {
    let (hour, day) = (random.random_range(1..=2_u8), random.random_range(2..=4_u8));
    let most = &mut settings.policy.disconnection.mass_cut;
    (most.per_hour, most.per_day) = (u32::from(hour), u32::from(day));
    (usize::from(hour), usize::from(day))
}

/// Meters that cannot be switched at all: one of so many.
pub const READ_ONLY_EVERY: usize = 13;
/// Meters whose customers press a button: one of so many.
pub const PERMIT_EVERY: usize = 4;

fn field(random: &mut Random, size: Size, settings: &Settings, zone: &TimeZone) -> Result<SiteSpec, Failure> {
    let password = settings.meter_profile("dlt645_direct").map_err(Failure::other)?.wire.relay_password;
    let mut field = SiteSpec::small(random.random(), zone.clone(), password);
    (field.concentrators, field.meters) = (size.concentrators, size.meters);
    field.age = SignedDuration::from_hours(2);
    field.near_rollover = random.random_range(0..=2);
    if random.random_bool(0.4) {
        field.start_below = Energy::new(10_000);
    }
    field.load_w = random.random_range(1_500..=7_000);
    field.settings.heartbeat = SignedDuration::from_mins(8);
    field.faults = frame_rates(random);
    Ok(field)
}

/// How bad the lines are, in per mille of all answers.
fn frame_rates(random: &mut Random) -> FaultRates {
    let most = [0, 4, 15, 40].get(random.random_range(0..4_usize)).copied().unwrap_or_default();
    let mut one = || random.random_range(0..=most);
    let mut rates = FaultRates::all(0);
    for rate in [
        &mut rates.no_answer,
        &mut rates.delay,
        &mut rates.wrong_checksum,
        &mut rates.cut_frame,
        &mut rates.refusal,
        &mut rates.flipped,
        &mut rates.glued,
        &mut rates.repeated,
        &mut rates.late_delivery,
    ] {
        *rate = one();
    }
    rates.reconnect = one() / 8;
    rates
}

/// How bad the database is.
fn gate(random: &mut Random) -> GateRates {
    match random.random_range(0..3) {
        0 => GateRates::NONE,
        1 => GateRates { slow: 20, slow_ms: 50, refused: 1, answer_lost: 1 },
        _ => GateRates { slow: 60, slow_ms: 3000, refused: 3, answer_lost: 3 },
    }
}

/// What an operator reads off a meter's display: two decimal places of kWh.
#[must_use]
pub fn displayed(registers: &Registers) -> Energy {
    Energy::new(registers.total.get() - registers.total.get().rem_euclid(100))
}

/// Automatic disconnection as the plan's people set it.
#[must_use]
pub fn switch_of(nth: u8) -> AutomaticDisconnection {
    match nth {
        0 => AutomaticDisconnection::Off,
        1 => AutomaticDisconnection::ReportOnly,
        _ => AutomaticDisconnection::On,
    }
}

/// A moment between two.
#[must_use]
pub fn between(random: &mut Random, from: Timestamp, to: Timestamp) -> Timestamp {
    let span = i64::try_from(to.duration_since(from).as_millis()).unwrap_or_default().max(1);
    shift(from, SignedDuration::from_millis(random.random_range(0..span)))
}

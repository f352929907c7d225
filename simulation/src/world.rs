//! What outlives the head end's process: the true time, the database, the field, the people with what they want, the
//! auditor. A crash takes nothing away from it.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use domain::{
    energy::Energy,
    ids::{AccountId, BuildingId, ConcentratorId, MeterId, SiteId, TariffId},
};
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp, civil::Date};
use rand::SeedableRng;
use simulator::site::{ConcentratorHandle, MeterHandle, Site};
use store::Db;
use wattgate::{app::App, operations::Error};

use crate::{
    auditor::{Auditor, Fact, Request, Violation},
    clock::{TrueTime, shift},
    counter::Sold,
    coverage::Counts,
    errand::{Deed, Errand},
    eyes::Eyes,
    fate::Trouble,
    gate::{FaultyGate, GateRates},
    log::Log,
    plan::{Plan, Random},
    run::Failure,
    till::Tills,
};

/// A meter with its customer.
pub struct Place {
    /// The customer's account.
    pub account: AccountId,
    /// The meter as the head end knows it.
    pub meter: MeterId,
    /// What prices it.
    pub tariff: TariffId,
    /// Its concentrator, by its place in the site.
    pub concentrator: usize,
    /// Whether its relay can be moved.
    pub switchable: bool,
    /// Whether it waits for the customer's button.
    pub permit: bool,
    /// The meter itself.
    pub handle: MeterHandle,
    /// What its register would show had nothing ever flowed, however often it begins at 0 again.
    pub base: Energy,
    /// Relay movements and commands the auditor was told.
    pub told: Cell<(usize, usize)>,
}

/// A meter that hangs on a concentrator and counts for nobody, so that it can take another's place.
pub struct Spare {
    /// The meter as the head end knows it.
    pub meter: MeterId,
    /// Its concentrator, by its place in the site.
    pub concentrator: usize,
    /// Whether its relay can be moved.
    pub switchable: bool,
    /// Whether it waits for the customer's button.
    pub permit: bool,
    /// The meter itself.
    pub handle: MeterHandle,
    /// See [`Place::base`].
    pub base: Energy,
    /// See [`Place::told`].
    pub told: Cell<(usize, usize)>,
}

impl Place {
    /// A spare meter takes the place of the one that hangs here.
    pub fn swap(&mut self, spare: &mut Spare) {
        std::mem::swap(&mut self.meter, &mut spare.meter);
        std::mem::swap(&mut self.switchable, &mut spare.switchable);
        std::mem::swap(&mut self.permit, &mut spare.permit);
        std::mem::swap(&mut self.handle, &mut spare.handle);
        std::mem::swap(&mut self.base, &mut spare.base);
        self.told.swap(&spare.told);
    }
}

/// A concentrator.
pub struct Station {
    /// As the head end knows it.
    pub id: ConcentratorId,
    /// The concentrator itself.
    pub handle: ConcentratorHandle,
}

/// The site as it was entered.
#[derive(Default)]
pub struct Entered {
    /// The site as the head end knows it.
    pub site: Option<SiteId>,
    /// Its concentrators.
    pub stations: Vec<Station>,
    /// Its meters.
    pub places: Vec<Place>,
    /// Meters that can take another's place: one for each concentrator, or none at all.
    pub spares: Vec<Spare>,
    /// Its buildings with the meters in them, where it has some.
    pub buildings: Vec<(BuildingId, Vec<MeterId>)>,
    /// Its counters, where they are registered.
    pub tills: Option<Tills>,
    /// The tariffs, with their place in the plan.
    pub tariffs: BTreeMap<TariffId, usize>,
}

/// For so many days before it is removed a meter's freezes may not have been read.
const UNREAD_DAYS: i64 = 2;

/// Whose midnights may be inexact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blurred {
    /// All meters'.
    All,
    /// Those behind a concentrator.
    Behind(usize),
    /// One meter's.
    Meter(MeterId),
}

/// Something that makes midnights of meters inexact.
#[derive(Debug, Clone, Copy)]
pub struct Blur {
    /// Its name, as a trouble.
    pub what: &'static str,
    /// What it concerns.
    pub of: Blurred,
    /// The first and the last day whose end may be settled otherwise than it truly was.
    pub days: (Date, Date),
}

/// See the module.
pub struct World {
    /// What the seed fixes.
    pub plan: Plan,
    /// The time.
    pub time: TrueTime,
    /// The database's gate.
    pub gate: Arc<FaultyGate>,
    /// The database.
    pub db: Db,
    /// The field.
    pub field: Site,
    /// The site as it was entered.
    pub entered: RefCell<Entered>,
    /// Who checks.
    pub auditor: RefCell<Option<Auditor>>,
    /// What the auditor sees the rows with.
    pub eyes: RefCell<Option<Eyes>>,
    /// What happened.
    pub log: RefCell<Log>,
    /// What was counted.
    pub counts: RefCell<Counts>,
    /// What people's reactions are drawn from.
    pub random: RefCell<Random>,
    /// Faults that stand.
    pub standing: RefCell<Vec<Trouble>>,
    /// Meters whose password was refused, until an operator has cleared that.
    pub blocked: RefCell<BTreeSet<usize>>,
    /// Meters that are being replaced.
    pub replacing: RefCell<BTreeSet<usize>>,
    /// What makes midnights inexact, or did.
    pub blurs: RefCell<Vec<Blur>>,
    /// The day whose midnight the auditor was told last, by meter.
    pub midnight: Cell<Option<jiff::civil::Date>>,
    /// How long the head end stays away after the next death.
    pub away: Cell<SignedDuration>,
    agenda: RefCell<BTreeMap<(Timestamp, u64), Deed>>,
    /// What people began and have no answer to.
    pub outstanding: RefCell<BTreeMap<u64, Errand>>,
    /// Vends that were acknowledged, in that order.
    pub sold: RefCell<Vec<Sold>>,
    numbers: Cell<u64>,
}

impl World {
    /// The world of a plan, before the head end ever ran.
    ///
    /// # Errors
    /// The field cannot be built, or the database in memory not be opened.
    pub fn new(plan: Plan, whole_log: bool) -> Result<Rc<Self>, Failure> {
        let time = TrueTime::standing_at(plan.start);
        let gate = Arc::new(FaultyGate::new(plan.seed));
        let db = Db::inline_behind(gate.clone()).map_err(Failure::other)?;
        let true_time = time.clone();
        let field = Site::new(&plan.field, Arc::new(move || true_time.now())).map_err(Failure::other)?;
        let agenda = (0..).zip(&plan.events).map(|(nth, (at, event))| ((*at, nth), Deed::Happens(event.clone())));
        let agenda: BTreeMap<_, _> = agenda.collect();
        let numbers = Cell::new(u64::try_from(agenda.len()).unwrap_or(u64::MAX));
        Ok(Rc::new(Self {
            random: RefCell::new(Random::seed_from_u64(plan.seed.wrapping_mul(31).wrapping_add(7))),
            plan,
            time,
            gate,
            db,
            field,
            entered: RefCell::default(),
            auditor: RefCell::new(None),
            eyes: RefCell::new(None),
            log: RefCell::new(Log::new(whole_log)),
            counts: RefCell::new(Counts::default()),
            standing: RefCell::default(),
            blocked: RefCell::default(),
            replacing: RefCell::default(),
            blurs: RefCell::default(),
            midnight: Cell::new(None),
            away: Cell::new(SignedDuration::ZERO),
            agenda: RefCell::new(agenda),
            outstanding: RefCell::default(),
            sold: RefCell::default(),
            numbers,
        }))
    }

    /// A number that was not used before.
    pub fn number(&self) -> u64 {
        let next = self.numbers.get() + 1;
        self.numbers.set(next);
        next
    }

    /// One more line of the log.
    pub fn note(&self, what: &str) {
        self.log.borrow_mut().note(self.time.now(), what);
    }

    /// Counts something.
    pub fn count(&self, group: &str, what: &str) {
        self.counts.borrow_mut().add(&format!("{group}: {what}"));
    }

    /// Tells the auditor.
    pub fn tell(&self, fact: Fact) {
        if let Some(auditor) = self.auditor.borrow_mut().as_mut() {
            auditor.told(self.time.now(), fact);
        }
    }

    /// A client asks; the number is to be given back with the answer.
    pub fn ask(&self, what: Request) -> u64 {
        let request = self.number();
        self.note(&format!("asked {request}: {what:?}"));
        self.tell(Fact::Asked { request, what });
        request
    }

    /// Something will be done after a while.
    pub fn later(&self, after: SignedDuration, deed: Deed) {
        let at = shift(self.time.now(), after);
        self.agenda.borrow_mut().insert((at, self.number()), deed);
    }

    /// What is to be done by now, first things first; one at a time.
    pub fn due(&self) -> Option<Deed> {
        let mut agenda = self.agenda.borrow_mut();
        let first = agenda.first_entry()?;
        (first.key().0 <= self.time.now()).then(|| first.remove())
    }

    /// When the next deed is due.
    #[must_use]
    pub fn next_deed(&self) -> Option<Timestamp> {
        self.agenda.borrow().first_key_value().map(|((at, _), _)| *at)
    }

    /// From the day of a moment `by` ago on, midnights may be inexact.
    pub fn blur(&self, what: &'static str, of: Blurred, by: SignedDuration) {
        let from = self.day_of(shift(self.time.now(), -by.abs())).saturating_sub(jiff::Span::new().days(1));
        self.blurs.borrow_mut().push(Blur { what, of, days: (from, Date::MAX) });
    }

    /// After the day of a moment in `by` they are exact again.
    pub fn sharpen(&self, what: &'static str, of: Blurred, by: SignedDuration) {
        let to = self.day_of(shift(self.time.now(), by.abs()));
        let mut blurs = self.blurs.borrow_mut();
        for blur in blurs.iter_mut().filter(|blur| (blur.what, blur.of) == (what, of)) {
            blur.days.1 = blur.days.1.min(to);
        }
    }

    /// A meter is removed: midnights that it was not asked for yet cannot be any more.
    pub fn blur_removed(&self, meter: MeterId) {
        let today = self.day_of(self.time.now());
        let days = (today.saturating_sub(jiff::Span::new().days(UNREAD_DAYS)), today);
        self.blurs.borrow_mut().push(Blur { what: "replaced", of: Blurred::Meter(meter), days });
    }

    /// From which day until which the midnights of a meter may be inexact.
    #[must_use]
    pub fn inexact_days(&self, concentrator: usize, meter: MeterId) -> Vec<(Date, Date)> {
        let blurs = self.blurs.borrow();
        let concerned = [Blurred::All, Blurred::Behind(concentrator), Blurred::Meter(meter)];
        let of_it = blurs.iter().filter(|blur| concerned.contains(&blur.of));
        of_it.map(|blur| blur.days).collect()
    }

    fn day_of(&self, at: Timestamp) -> Date {
        self.plan.zone.to_datetime(at).date()
    }

    /// Whether nothing goes wrong any more.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.plan.is_quiet(self.time.now())
    }

    /// From now on nothing goes wrong in the database or on the lines.
    pub fn calm(&self) {
        self.note("quiet from now on");
        self.gate.set_rates(GateRates::NONE);
        self.gate.reborn();
        for station in &self.entered.borrow().stations {
            station.handle.set_faults(simulator::faults::FaultRates::NONE);
        }
    }

    /// Reads rows beside the run.
    ///
    /// # Errors
    /// The database fails.
    pub fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut store::Conn) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let done = self.gate.aside(|| self.db.read(read).now_or_never());
        done.ok_or_else(|| Failure::Other("a look at the rows had to wait".to_owned()))?.map_err(Failure::other)
    }

    /// Looks at rows, hot balances and the field, and has the auditor judge.
    ///
    /// # Errors
    /// What it found.
    pub fn look(&self, app: Option<&App>) -> Result<(), Failure> {
        crate::sight::look(self, app, false)
    }

    /// The last look, with the strict checks.
    ///
    /// # Errors
    /// What it found.
    pub fn last_look(&self, app: &App) -> Result<(), Failure> {
        crate::sight::look(self, Some(app), true)
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Violation { invariant: violation.invariant, detail: violation.detail }
    }
}

//! The field as it truly is: what every meter's customer used and when its relay stood how.

use std::collections::{BTreeMap, VecDeque};

use domain::{
    energy::Energy,
    ids::{AccountId, InstallationId, MeterId},
    money::Money,
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
};

use super::{
    MeterTruth, Supply, Truth, Version, Violation,
    cost::{Used, When, at_most, is_peak, whole},
    ledger::Account,
    seen::InstallationSeen,
    time::local,
};

/// Changes of the price in a day, times looks that fit between two readings.
const PRICE_CHANGES: i64 = 2 * 12;

/// Whoever can be reached for so long was read: the longest slot is an hour, and a clock may be set forward by one.
const SURELY_READ: SignedDuration = SignedDuration::from_hours(4);

/// Where every register begins again: 1,000,000 kWh.
const REGISTER_MODULUS: i64 = 10_000_000_000;

/// All meters and the energy of all accounts.
#[derive(Debug, Clone, Default)]
pub struct Field {
    meters: BTreeMap<MeterId, Meter>,
    /// Each account's meters, one after the other.
    accounts: BTreeMap<AccountId, Vec<Use>>,
    /// The day on which each account was opened.
    pub opened: BTreeMap<AccountId, Date>,
    /// The true local time.
    pub now: DateTime,
    /// What each account had used, and when; the newest last.
    used: BTreeMap<AccountId, VecDeque<(DateTime, Money)>>,
}

/// What is remembered of a meter.
#[derive(Debug, Clone)]
struct Meter {
    energy: Energy,
    exact: bool,
    /// See [`MeterTruth::inexact`].
    inexact: Vec<(Date, Date)>,
    /// Energy at the midnights that ended days.
    midnights: BTreeMap<Date, Energy>,
    /// Energy when the day began, or the run.
    day_began: Energy,
    /// The most that a day took.
    largest_day: i64,
    /// The relay from the beginning, and every move.
    relay: Vec<(Timestamp, Supply)>,
    /// Since when, in true local time, it can be read without a break, and tells the truth.
    reached: Option<DateTime>,
}

/// What an account truly used by one meter.
#[derive(Debug, Clone)]
struct Use {
    installation: InstallationId,
    meter: MeterId,
    /// The day on which it began to count.
    first_day: Date,
    /// The meter's energy then.
    origin: i64,
    start_value: Energy,
    multiplier: i64,
    /// Days that are over.
    closed: Used,
    /// The day that is not, and the meter's energy at its beginning.
    open: (Date, i64),
    /// Where prices depend on the time of day: what was used between two looks counts as used at the second.
    rough: (Used, i64),
    /// The day on which it was removed, and its energy then.
    end: Option<(Date, i64)>,
}

impl Field {
    /// Takes what is true now.
    pub fn look(&mut self, truth: &Truth) {
        for (id, one) in &truth.meters {
            let meter = self.meters.entry(*id).or_insert_with(|| Meter::new(one));
            meter.take(one);
            meter.reached = meter.reached.or(Some(self.now)).filter(|_| one.reachable && one.truthful);
        }
    }

    /// Whether all meters that count for an account could be read, and told the truth, for long enough that they were.
    pub fn surely_read(&self, account: AccountId) -> bool {
        let since = self.now.saturating_sub(SURELY_READ);
        self.uses(account).all(|(one, meter)| one.end.is_some() || meter.reached.is_some_and(|from| from <= since))
    }

    /// An account has used so much by now: what of it the head end surely knows, where its meters were [surely read].
    ///
    /// [surely read]: Self::surely_read
    pub fn surely_known(&mut self, account: AccountId, used: Money) -> Money {
        let since = self.now.saturating_sub(SURELY_READ);
        let all = self.used.entry(account).or_default();
        while all.get(1).is_some_and(|(at, _)| *at <= since) {
            all.pop_front();
        }
        all.push_back((self.now, used));
        all.front().filter(|(at, _)| *at <= since).map_or(Money::ZERO, |(_, used)| *used)
    }

    /// An account's meter counts, from a register's value on, or to one.
    ///
    /// # Errors
    /// The register stood otherwise.
    pub fn installed(
        &mut self,
        row: &InstallationSeen,
        truth: &MeterTruth,
        zone: &jiff::tz::TimeZone,
        slack: Energy,
    ) -> Result<(), Violation> {
        let Some(meter) = self.meters.get(&row.meter) else { return Ok(()) };
        let uses = self.accounts.entry(row.account).or_default();
        if !uses.iter().any(|one| one.installation == row.id) {
            let origin = meter.stood_at(row.account, row.start_value, truth, slack)?;
            let first_day = local(row.start_at, zone).date();
            uses.push(Use {
                installation: row.id,
                meter: row.meter,
                first_day,
                origin,
                start_value: row.start_value,
                multiplier: i64::from(row.multiplier),
                closed: Used::default(),
                open: (first_day, origin),
                rough: (Used::default(), origin),
                end: None,
            });
        }
        for one in uses.iter_mut().filter(|one| one.installation == row.id && one.end.is_none()) {
            if let Some((at, value)) = row.end {
                meter.stood_at(row.account, value, truth, slack)?;
                one.end = Some((local(at, zone).date(), one.origin + (value - one.start_value).get()));
            }
        }
        Ok(())
    }

    /// What an account still has of what it paid, by the true energy until now; none before it was opened.
    pub fn available(&mut self, account: AccountId, paid: Money, versions: &[Version]) -> Option<Money> {
        let mut used = Used::default();
        let opened = self.opened.get(&account).copied().unwrap_or(Date::MIN);
        for one in self.accounts.get_mut(&account)? {
            let meter = self.meters.get(&one.meter)?;
            if versions.iter().any(|version| version.peak.is_some()) {
                one.roughly(meter, opened, self.now, versions);
                used.add_all(&one.rough.0);
                continue;
            }
            one.close(meter, opened, versions);
            used.add_all(&one.closed);
            if one.end.is_none() {
                let when = When { day: one.open.0, opened, peak: false };
                used.add(when, (meter.energy.get() - one.open.1) * one.multiplier, versions);
            }
        }
        Some(paid - whole(used.cost(versions)).0)
    }

    /// What the head end may believe to be used more, or less, than truly is.
    pub fn doubt(&self, account: AccountId, slack: Energy, versions: &[Version]) -> Money {
        // Every change of price may be off by what flows between two looks, or between two readings.
        let by_time = versions.iter().any(|version| version.peak.is_some());
        let changes = |(one, meter): (&Use, &Meter)| {
            i64::try_from(meter.midnights.len() + 1).unwrap_or(i64::MAX) * PRICE_CHANGES * slack.get() * one.multiplier
        };
        let rough = self.uses(account).map(changes).sum::<i64>();
        let rough = if by_time { at_most(Energy::new(rough), versions) } else { Money::ZERO };
        rough + self.worth(account, slack, versions, |meter| meter.exact)
    }

    /// What the energy costs at most by which meters may be off that are not `exact`.
    fn worth(&self, of: AccountId, slack: Energy, versions: &[Version], exact: impl Fn(&Meter) -> bool) -> Money {
        let tolerance = |(one, meter): (&Use, &Meter)| meter.tolerance(slack, exact(meter)).get() * one.multiplier;
        let energy = self.uses(of).map(tolerance).sum::<i64>();
        at_most(Energy::new(energy.max(slack.get())), versions)
    }

    /// Whether a relay stood so at some moment of a span.
    pub fn stood(&self, meter: MeterId, supply: Supply, from: Timestamp, to: Timestamp) -> bool {
        let Some(meter) = self.meters.get(&meter) else { return false };
        let ends = meter.relay.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::MAX]);
        meter.relay.iter().zip(ends).any(|((begin, was), end)| *was == supply && *begin <= to && from <= end)
    }

    /// No settled day may hold more than was used by now.
    ///
    /// # Errors
    /// One does.
    pub fn not_ahead(&self, id: AccountId, account: &Account, slack: Energy) -> Result<(), Violation> {
        for (one, meter) in self.uses(id) {
            let Some((day, end_value)) = account.days(one.installation).next_back() else { continue };
            let used = one.end.map_or(meter.energy.get(), |(_, energy)| energy) - one.origin;
            let settled = (end_value - one.start_value).get();
            if settled > used + meter.tolerance(slack, meter.exact && meter.exact_on(day)).get() {
                let (settled, used) = (Energy::new(settled), Energy::new(used));
                let detail =
                    format!("account {id}: settled to {settled} kWh by {day}, its meter counted {used} until now");
                return Err(Violation::of("double charge", detail));
            }
        }
        Ok(())
    }

    /// At the end every midnight is settled, and but for inexact ones with what truly flowed.
    ///
    /// # Errors
    /// One is not.
    pub fn settled(&self, id: AccountId, account: &Account) -> Result<(), Violation> {
        for (one, meter) in self.uses(id) {
            let settled: BTreeMap<Date, Energy> = account.days(one.installation).collect();
            for (day, energy) in one.boundaries(meter) {
                let Some(end_value) = settled.get(&day) else {
                    return Err(Violation::of("free energy", format!("account {id}: {day} was never settled")));
                };
                let (is, was) = ((*end_value - one.start_value).get(), energy - one.origin);
                if is != was && meter.exact_on(day) {
                    let (is, was) = (Energy::new(is), Energy::new(was));
                    let detail = format!("account {id}: settled to {is} kWh by the end of {day}, truly {was}");
                    return Err(Violation::of(if is < was { "free energy" } else { "double charge" }, detail));
                }
            }
        }
        Ok(())
    }

    /// At the end an account's balance is what it paid less what it truly used until its last settled midnight.
    ///
    /// # Errors
    /// It differs by more than inexact midnights can.
    pub fn balanced(
        &self,
        id: AccountId,
        account: &Account,
        posted: Money,
        versions: &[Version],
        slack: Energy,
    ) -> Result<(), Violation> {
        // By the time of day what flowed is known roughly only; the charges are checked by what was settled.
        if versions.iter().any(|version| version.peak.is_some()) {
            return Ok(());
        }
        let opened = self.opened.get(&id).copied().unwrap_or(Date::MIN);
        let mut used = Used::default();
        let mut exact = true;
        for (one, meter) in self.uses(id) {
            let boundaries: BTreeMap<Date, i64> = one.boundaries(meter).collect();
            let last = account.days(one.installation).next_back().map(|(day, _)| day);
            let mut value = one.origin;
            for (day, _) in account.days(one.installation) {
                let Some(energy) = boundaries.get(&day) else { continue };
                used.add(When { day, opened, peak: false }, (energy - value) * one.multiplier, versions);
                value = *energy;
                // Inside a window at one price only the sum counts.
                let counts = Some(day) == last || new_price(day.tomorrow().unwrap_or(Date::MAX), versions);
                exact &= !counts || meter.exact_on(day);
            }
        }
        let balance = account.for_energy() - whole(used.cost(versions)).0;
        let tolerance = if exact { Money::ZERO } else { self.worth(id, slack, versions, |_| false) };
        if posted > balance + tolerance || posted < balance - tolerance {
            let detail =
                format!("account {id}: balance {posted}, paid less truly used until its last settled day is {balance}");
            return Err(Violation::of(if posted > balance { "free energy" } else { "double charge" }, detail));
        }
        Ok(())
    }

    fn uses(&self, id: AccountId) -> impl Iterator<Item = (&Use, &Meter)> {
        let uses = self.accounts.get(&id).map(Vec::as_slice).unwrap_or_default();
        uses.iter().filter_map(|one| Some((one, self.meters.get(&one.meter)?)))
    }
}

impl Meter {
    fn new(truth: &MeterTruth) -> Self {
        // How it stood before the moves that are told now.
        let first = truth.moves.first().map_or(truth.supply, |(_, to)| other(*to));
        Self {
            energy: truth.energy,
            exact: truth.exact,
            inexact: truth.inexact.clone(),
            midnights: BTreeMap::new(),
            day_began: truth.energy,
            largest_day: 0,
            relay: vec![(Timestamp::MIN, first)],
            reached: None,
        }
    }

    fn take(&mut self, truth: &MeterTruth) {
        (self.energy, self.exact) = (truth.energy, truth.exact);
        self.inexact.clone_from(&truth.inexact);
        self.relay.extend(&truth.moves);
        for (day, energy) in &truth.midnights {
            self.largest_day = self.largest_day.max((*energy - self.day_began).get());
            self.day_began = *energy;
            self.midnights.insert(*day, *energy);
        }
        self.largest_day = self.largest_day.max((self.energy - self.day_began).get());
    }

    /// Its energy when its register stood so, lately.
    fn stood_at(&self, of: AccountId, value: Energy, truth: &MeterTruth, slack: Energy) -> Result<i64, Violation> {
        // Registers are compared as they are shown. One above the present register is one that was off.
        let past = (truth.register - value).get().rem_euclid(REGISTER_MODULUS);
        let since = if past > REGISTER_MODULUS / 2 { past - REGISTER_MODULUS } else { past };
        let tolerance = self.tolerance(slack, self.exact).get();
        // Opening takes a while, and a concentrator may answer with a copy it keeps: hours old, not days.
        if (-tolerance..=tolerance + self.largest_day).contains(&since) {
            return Ok(truth.energy.get() - since);
        }
        let detail = format!("account {of}: begins or ends at register {value}, it stands at {}", truth.register);
        Err(Violation::of(if since > 0 { "double charge" } else { "free energy" }, detail))
    }

    /// By how much what is known of it may be off. A clock that is off, or another's register taken for this one's, moves
    /// a midnight by less than a day.
    fn tolerance(&self, slack: Energy, exact: bool) -> Energy {
        if exact { slack } else { slack + Energy::new(self.largest_day) }
    }

    /// Whether the end of a day must be settled as it was.
    fn exact_on(&self, day: Date) -> bool {
        !self.inexact.iter().any(|(from, to)| (*from..=*to).contains(&day))
    }
}

/// Whether another price, or the first block, begins with a day.
fn new_price(day: Date, versions: &[Version]) -> bool {
    versions.iter().any(|version| {
        let month = version.window_start_month.is_none_or(|month| month == day.month());
        version.valid_from == day || (month && version.window_start_day == day.day())
    })
}

fn other(supply: Supply) -> Supply {
    match supply {
        Supply::On => Supply::Off,
        Supply::Off => Supply::On,
    }
}

impl Use {
    /// The ends of its days: midnights, and its removal.
    fn boundaries<'a>(&'a self, meter: &'a Meter) -> impl Iterator<Item = (Date, i64)> + 'a {
        let removed = self.end.map_or(Date::MAX, |(day, _)| day);
        let midnights = meter.midnights.range(self.first_day..removed).map(|(day, energy)| (*day, energy.get()));
        midnights.chain(self.end)
    }

    /// Counts what was used since the last look, as of now.
    fn roughly(&mut self, meter: &Meter, opened: Date, now: DateTime, versions: &[Version]) {
        let upto = self.end.map_or(meter.energy.get(), |(_, energy)| energy);
        let peak = versions.iter().rfind(|one| one.valid_from <= now.date()).is_some_and(|one| is_peak(one, now));
        self.rough.0.add(When { day: now.date(), opened, peak }, (upto - self.rough.1) * self.multiplier, versions);
        self.rough.1 = upto;
    }

    /// Counts the days that ended.
    fn close(&mut self, meter: &Meter, opened: Date, versions: &[Version]) {
        let from = self.open.0;
        let ended: Vec<(Date, i64)> = self.boundaries(meter).filter(|(day, _)| *day >= from).collect();
        for (day, energy) in ended {
            self.closed.add(When { day, opened, peak: false }, (energy - self.open.1) * self.multiplier, versions);
            self.open = (day.tomorrow().unwrap_or(Date::MAX), energy);
        }
    }
}

#[cfg(test)]
mod tests;

//! The independent auditor of a run. It knows what is true in the field and what was asked and answered, and computes from
//! that, its own simple way, what the head end's rows must say and what its orders may do. Of the head end it knows the
//! units of energy and money, and not one rule.
//!
//! | rule | checked in |
//! |---|---|
//! | I1 balances, charges, carry | `ledger`, `settled`, `prices`, `cost`, `fixed` |
//! | I2, I3 keys, answers, what was sold, taken and given back, printed, closed | `people`, `reversals`, `reprints`, `leaving`, `passing`, `aid`, `ledger` |
//! | limits of vends, refunds | `selling`, `standing` |
//! | who may switch, the stop button | `permits`, `stops` |
//! | debts and what vends recover, emergency credit | `owed`, `aid` |
//! | I4 hot balances | `hot` |
//! | I5 relay orders | `orders` |
//! | I6 readings are stored once | here |
//! | I8 automatic cuts, operators' cuts, a calendar's | here, `cuts`, `calendars`, `turned`, `toggle`, `time` |
//! | free energy, double charge | `field`, `ledger` |
//! | restore, cut | `standing`, `supply` |

mod aid;
mod calendars;
mod cost;
mod cuts;
mod facts;
mod field;
mod fixed;
#[cfg(test)]
mod fixtures;
mod further;
mod groups;
mod hot;
mod leaving;
mod ledger;
mod masses;
mod orders;
mod owed;
mod passing;
mod people;
mod permits;
mod prices;
mod reprints;
mod request;
mod reversals;
mod seen;
mod selling;
mod settled;
mod shifts;
mod spans;
mod standing;
mod stops;
mod supply;
mod time;
mod toggle;
mod turned;

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{AccountId, MeterId};
use jiff::Timestamp;

use self::{
    cuts::{Grounds, Warnings},
    field::Field,
    further::Further,
    hot::Hot,
    ledger::Ledger,
    masses::Masses,
    orders::Orders,
    passing::Passing,
    people::People,
    permits::Permits,
    prices::Prices,
    reprints::Reprints,
    settled::Tariffs,
    stops::Stops,
    supply::Promises,
    time::HeadEndClock,
    toggle::Outcome,
};
pub use self::{
    facts::{Answer, Automatic, Fact, MeterTruth, Peak, Rules, Supply, Truth, Version, Violation},
    fixed::FixedCharge,
    owed::Terms,
    request::{Request, Whose},
    seen::{
        AccountSeen, Cause, CutSeen, DaySeen, HotSeen, InstallationSeen, Kind, LineSeen, MeterSeen, OrderSeen,
        RefundSeen, ReversalSeen, Seen, ShiftSeen, State, TariffSeen, TransactionSeen, VendSeen,
    },
    turned::Limits,
};

/// See the module.
#[derive(Debug)]
pub struct Auditor {
    rules: Rules,
    accounts: BTreeMap<AccountId, Told>,
    prices: Prices,
    /// Further meters of accounts.
    further: Further,
    /// Changes of accounts under way.
    contracts: BTreeMap<u64, Request>,
    clock: HeadEndClock,
    people: People,
    ledger: Ledger,
    field: Field,
    hot: Hot,
    orders: Orders,
    warnings: Warnings,
    masses: Masses,
    stops: Stops,
    reprints: Reprints,
    permits: Permits,
    promises: Promises,
    /// Meters to which nothing automatic goes.
    blocked: BTreeSet<MeterId>,
    /// What was wrong with an answer, to be told at the next look.
    wrong: Option<Violation>,
}

/// Whether it changes an account beside its money, or supply of many.
fn is_contract(what: &Request) -> bool {
    use Request::{
        Allow, Attach, EndSchedule, Group, GuardBuilding, Limits, Remove, Schedule, Stop, Suspend, Tariff, Wish,
    };
    let of_many = matches!(what, Group { .. } | GuardBuilding { .. } | Schedule { .. } | EndSchedule { .. } | Stop);
    of_many
        || matches!(what, Tariff { .. } | Suspend { .. } | Limits { .. } | Attach { .. } | Remove { .. } | Wish { .. })
        || matches!(what, Allow { .. })
}

/// What was told of an account.
#[derive(Debug, Clone, Copy)]
struct Told {
    meter: MeterId,
    switchable: bool,
}

impl Auditor {
    /// An auditor at the beginning of a run: nobody has an account yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            accounts: BTreeMap::new(),
            prices: Prices::default(),
            further: Further::default(),
            contracts: BTreeMap::new(),
            clock: HeadEndClock::default(),
            people: People::default(),
            ledger: Ledger::default(),
            field: Field::default(),
            hot: Hot::default(),
            orders: Orders::default(),
            warnings: Warnings::default(),
            masses: Masses::default(),
            stops: Stops::default(),
            reprints: Reprints::default(),
            permits: Permits::default(),
            promises: Promises::default(),
            blocked: BTreeSet::new(),
            wrong: None,
        }
    }

    /// Takes note of what happened at `at`, the true time, in the order in which it happened.
    pub fn told(&mut self, at: Timestamp, fact: Fact) {
        match fact {
            Fact::Account { account, meter, tariff, switchable, .. } => {
                self.accounts.insert(account, Told { meter, switchable });
                self.prices.begin(account, tariff, &self.rules);
            }
            Fact::Asked { request, what } => {
                self.prices.ask(&what);
                self.further.ask(&what);
                self.masses.ask(request, &what);
                self.reprints.ask(request, &what);
                self.stops.ask(request, &what, || self.orders.live_cuts());
                let account = if let Request::Wish { meter, .. } = &what { self.account_of(*meter) } else { None };
                self.permits.ask(at, request, &what, account);
                self.leaves(at, &what);
                if is_contract(&what) {
                    self.contracts.insert(request, what.clone());
                }
                self.people.ask(at, request, what);
            }
            Fact::Answered { request, answer } => self.answered(at, request, &answer),
            Fact::Passed { from, to } => {
                let judged = self.pass(at, from, to);
                self.wrong = self.wrong.take().or(judged.err());
            }
            Fact::Crashed => {
                self.people.crashed();
                self.stops.crashed();
                self.permits.crashed();
                self.masses.crashed(|| self.orders.held_cuts());
                self.hinder(at, None);
            }
            Fact::Started => self.hinder(at, None),
            Fact::Clock { offset } => {
                self.clock.set(at, offset);
                self.masses.forget();
            }
            Fact::Fault { meter, .. } => self.hinder(at, meter),
        }
    }

    fn answered(&mut self, at: Timestamp, request: u64, answer: &Answer) {
        let contract = self.contracts.remove(&request);
        let outcome = Outcome::of(answer);
        self.masses.answer(request, outcome, || self.orders.held_cuts());
        self.stops.answer(at, request, outcome);
        let judged = self.reprints.answer(request, answer);
        self.wrong = self.wrong.take().or(judged.err());
        if let Some(what) = &contract {
            let judged = self.permits.answer(at, request, (what, outcome), &self.people.turned);
            self.wrong = self.wrong.take().or(judged.err());
        }
        match &contract {
            Some(
                Request::Stop | Request::Group { .. } | Request::GuardBuilding { .. } | Request::EndSchedule { .. },
            ) => self.hinder(at, None),
            Some(Request::Wish { meter, .. }) => self.hinder(at, Some(*meter)),
            // It is decided over anew.
            Some(Request::Suspend { account, .. } | Request::Limits { account, .. }) => {
                self.meters_of(*account).into_iter().for_each(|meter| self.hinder(at, Some(meter)));
            }
            _ => {}
        }
        if let (Some(what), Answer::Done { .. }) = (&contract, answer) {
            self.prices.done(what);
            self.further.done(what);
        }
        let judged = self.people.answer(at, request, answer);
        self.wrong = self.wrong.take().or(judged.err());
    }

    /// The meters that count for an account.
    fn meters_of(&self, account: AccountId) -> Vec<MeterId> {
        self.accounts.get(&account).map(|told| told.meter).into_iter().chain(self.further.of(account)).collect()
    }

    /// The account for which a meter counts, as far as is known.
    fn account_of(&self, meter: MeterId) -> Option<AccountId> {
        let first = self.accounts.iter().find(|(_, told)| told.meter == meter).map(|(account, _)| *account);
        first.or_else(|| self.further.account_of(meter))
    }

    /// What somebody wants takes meters from their account: no calendar and no customer surely cuts them any more.
    fn leaves(&mut self, at: Timestamp, what: &Request) {
        let meters = match what {
            Request::Close { account, .. } | Request::Transfer { account, .. } => self.meters_of(*account),
            Request::Remove { meter } => vec![*meter],
            _ => return,
        };
        self.people.turned.may_end(at, &meters);
        meters.into_iter().for_each(|meter| self.people.calendars.leave(meter));
    }

    /// An account took another's place, with its meters and what prices it.
    fn pass(&mut self, at: Timestamp, from: AccountId, to: AccountId) -> Result<(), Violation> {
        if !self.people.passing.pass(from, to)? {
            return Ok(());
        }
        self.people.turned.pass(from, to);
        self.prices.pass(from, to);
        self.meters_of(from).into_iter().for_each(|meter| self.hinder(at, Some(meter)));
        self.further.pass(from, to);
        let first = self.accounts.remove(&from);
        self.accounts.extend(first.map(|told| (to, told)));
        Ok(())
    }

    /// Something that concerns a meter, or all: then hot balances may have been lost as well.
    fn hinder(&mut self, at: Timestamp, meter: Option<MeterId>) {
        if meter.is_none() {
            self.hot.forget();
        }
        self.promises.hinder(at, meter);
    }

    /// Compares what is true at `at` with what the rows and hot balances say.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn look(&mut self, at: Timestamp, truth: &Truth, seen: &Seen) -> Result<(), Violation> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        self.field.now = time::local(at, &self.rules.zone);
        self.field.look(truth);
        for (id, row) in &seen.accounts {
            if let Some(opened) = row.opened_at {
                self.field.opened.insert(*id, time::local(opened, &self.rules.zone).date());
            }
        }
        for (from, to) in Passing::pairs(seen) {
            self.pass(at, from, to)?;
        }
        self.people.passing.kept(seen)?;
        self.prices.look(seen, &self.rules)?;
        let tariffs = Tariffs { of: &self.prices.of, rules: &self.rules };
        self.ledger.look(seen, &self.people, &tariffs)?;
        self.people.kept(self.ledger.vends(), seen.whole)?;
        self.people.leaving.kept(seen, self.ledger.refunds())?;
        self.people.aid.kept(self.ledger.aid(), seen.whole)?;
        self.people.reversals.kept(self.ledger.reversals(), seen.whole)?;
        for row in &seen.installations {
            if self.further.concerns(row) {
                let left = self.people.asked_to_leave(row.account);
                if self.further.take(row, left)? {
                    self.promises.hinder(at, Some(row.meter));
                }
            } else {
                self.replaced(at, row)?;
            }
            if let Some(meter) = truth.meters.get(&row.meter) {
                self.field.installed(row, meter, &self.rules.zone, self.rules.slack)?;
            }
        }
        self.further.kept()?;
        for (old, new) in self.people.told_replaced() {
            if self.accounts.values().any(|told| told.meter == old) {
                let detail = format!("meter {old} was told to be replaced by {new}, and is not");
                return Err(Violation::of("I3", detail));
            }
        }
        self.warnings.look(seen);
        let blocked_before = self.blocked.clone();
        for (meter, row) in &seen.meters {
            match row.blocked {
                true => self.blocked.insert(*meter),
                false => self.blocked.remove(meter),
            };
            if row.blocked || blocked_before.contains(meter) {
                self.people.calendars.blocked(*meter, at);
            }
        }
        self.hot.look(seen)?;
        // Between two looks it may have been cleared, and something sent.
        let blocked = self.blocked.intersection(&blocked_before).copied().collect();
        self.sent(at, seen, &blocked)?;
        self.orders.look(at, truth, seen, &self.field, &self.clock)?;
        seen.orders.iter().for_each(|order| self.masses.see(order));
        for (order, read_at) in seen.orders.iter().filter_map(|order| Some((order, order.read_at?))) {
            self.people.calendars.see(order, self.clock.moments(read_at, at).1);
        }
        if !seen.orders.is_empty() {
            self.people.asked_to_order(self.orders.all(), at, &self.rules.zone)?;
        }
        self.standing(at, truth, seen)
    }

    /// A meter that takes another's place must have been asked for; what people turned at the old one goes on at it.
    fn replaced(&mut self, at: Timestamp, row: &InstallationSeen) -> Result<(), Violation> {
        let Some(told) = self.accounts.get_mut(&row.account).filter(|told| told.meter != row.meter) else {
            return Ok(());
        };
        if row.end.is_some() {
            return Ok(());
        }
        let Some(switchable) = self.people.asked_to_replace(told.meter, row.meter) else {
            let detail = format!(
                "account {}: meter {} took the place of {}, which nobody asked for",
                row.account, row.meter, told.meter
            );
            return Err(Violation::of("I3", detail));
        };
        self.people.hand_over(told.meter, row.meter, row.id);
        *told = Told { meter: row.meter, switchable };
        self.promises.hinder(at, Some(row.meter));
        Ok(())
    }

    /// The last look, with everything there is, after a quiet time: nothing may be open any more.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn end(&mut self, at: Timestamp, truth: &Truth, seen: &Seen) -> Result<(), Violation> {
        self.look(at, truth, seen)?;
        if let Some(twice) = seen.repeated_readings.first() {
            return Err(Violation::of("I6", format!("stored twice: {twice}")));
        }
        Hot::end(seen)?;
        self.ledger.receipts()?;
        self.reprints.kept(&seen.reprints)?;
        shifts::add_up(seen)?;
        for (id, row) in &seen.accounts {
            let Some(account) = self.ledger.of(*id) else { continue };
            let prices = self.prices.of.get(id).map(Vec::as_slice).unwrap_or_default();
            self.field.settled(*id, account)?;
            let tomorrow = self.field.now.date().tomorrow().unwrap_or(jiff::civil::Date::MAX);
            if row.active && row.fixed_to.is_none_or(|to| to < tomorrow) {
                let detail = format!("account {id}: fixed charges are posted to {:?}, not to {tomorrow}", row.fixed_to);
                return Err(Violation::of("I1", detail));
            }
            self.field.balanced(*id, account, row.posted, prices, self.rules.slack)?;
        }
        Ok(())
    }

    /// What was stored and sent since the last look.
    fn sent(&mut self, now: Timestamp, seen: &Seen, blocked: &BTreeSet<MeterId>) -> Result<(), Violation> {
        let (rules, people, warnings) = (&self.rules, &self.people, &self.warnings);
        let grounds = Grounds { rules, people, warnings, now };
        grounds.stored(self.orders.new_in(seen), &self.clock)?;
        for sending in self.orders.sendings(seen, &self.clock, now) {
            grounds.restored(sending.order, (sending.when, sending.line.at), "sent")?;
            self.masses.sent(sending, rules)?;
            self.stops.sent(sending)?;
            if (sending.order.supply, sending.order.cause) == (Supply::Off, Cause::Schedule) {
                grounds.scheduled(sending)?;
            }
            if sending.order.cause == Cause::Credit && blocked.contains(&sending.order.meter) {
                let detail =
                    format!("order {} went to {}, which refused a password", sending.order.id, sending.order.meter);
                return Err(Violation::of("I8", detail));
            }
            let by_credit = sending.order.supply == Supply::Off && sending.order.cause == Cause::Credit;
            let Some(account) = sending.order.account.filter(|_| by_credit) else { continue };
            let prices = self.prices.of.get(&account).map(Vec::as_slice).unwrap_or_default();
            // Only what was surely paid by then.
            let opening = self.ledger.of(account).map(ledger::Account::opening).unwrap_or_default();
            let charged = self.ledger.of(account).map(ledger::Account::taken).unwrap_or_default();
            let paid = opening + people.surely_paid(account, sending.when) - charged;
            let doubt = self.field.doubt(account, rules.slack, prices);
            let left = self.field.available(account, paid, prices).map(|available| available - doubt);
            grounds.cut(sending, account, left)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! What people turn of accounts and meters, which way it stands: guards, suspensions, holds, limits.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    ids::{AccountId, MeterId},
    money::Money,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    Request, Supply, Whose,
    time::shift,
    toggle::{Outcome, Toggle},
};

/// How far an account's money carries its supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Limits {
    /// How far below zero it may go before it is cut.
    pub overdraft: Money,
    /// How much above the end of its overdraft it is restored.
    pub restore_margin: Money,
    /// Where its credit is low.
    pub low: Money,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Turned {
    meter_guards: BTreeMap<MeterId, Toggle<bool>>,
    account_guards: BTreeMap<AccountId, Toggle<bool>>,
    /// The guard of the building in which a meter hangs.
    building_guards: BTreeMap<MeterId, Toggle<bool>>,
    /// Whether an account is suspended.
    suspended: BTreeMap<AccountId, Toggle<bool>>,
    /// Until when an account is held.
    holds: BTreeMap<AccountId, Toggle<Option<Timestamp>>>,
    /// Other limits than the site's; none: the site's.
    limits: BTreeMap<AccountId, Toggle<Option<Limits>>>,
    /// Whether a meter is wanted off by others than operators.
    wishes: BTreeMap<(MeterId, Whose), Toggle<bool>>,
    /// The keys under which that was asked, each where it came first.
    wish_keys: BTreeMap<(MeterId, Whose), Vec<String>>,
    /// When a payment of an account was announced last, answered or not.
    announced: BTreeMap<AccountId, Timestamp>,
    /// Payments that are in flight, as clients were told.
    payments: BTreeMap<AccountId, Vec<Payment>>,
}

const WHOSE: [Whose; 2] = [Whose::Customer, Whose::Safety];

/// A payment in flight.
#[derive(Debug, Clone, Copy)]
struct Payment {
    /// When a client was told of it.
    told_at: Timestamp,
    /// From when until when it holds a cut, by the head end's clock.
    holds: (Timestamp, Timestamp),
    /// When somebody first asked for its end.
    withdrawn: Option<Timestamp>,
}

/// A payment that nobody was told of holds a cut no longer than this.
const UNTOLD: SignedDuration = SignedDuration::from_mins(20);

/// One that is off until somebody turns it on.
pub fn off<K: Ord, V: Ord + Copy + Default>(all: &mut BTreeMap<K, Toggle<V>>, key: K) -> &mut Toggle<V> {
    all.entry(key).or_insert_with(|| Toggle::new([V::default()]))
}

/// Whether something was on, or off, for all of a span.
pub fn throughout<K: Ord>(all: &BTreeMap<K, Toggle<bool>>, key: &K, on: bool, from: Timestamp, to: Timestamp) -> bool {
    all.get(key).map_or(!on, |toggle| toggle.is_surely(on, from, to))
}

/// What `to` begins with is what `from` has.
fn copy<V: Clone>(all: &mut BTreeMap<AccountId, V>, from: AccountId, to: AccountId) {
    if let Some(toggle) = all.get(&from).cloned() {
        all.insert(to, toggle);
    }
}

impl Turned {
    /// Somebody asks.
    pub fn ask(&mut self, at: Timestamp, request: u64, what: &Request) {
        match what {
            Request::GuardMeter { meter, on } => off(&mut self.meter_guards, *meter).asked(at, request, *on),
            Request::GuardAccount { account, on } => off(&mut self.account_guards, *account).asked(at, request, *on),
            Request::GuardBuilding { meters, on } => {
                meters.iter().for_each(|meter| off(&mut self.building_guards, *meter).asked(at, request, *on));
            }
            Request::Suspend { account, on } => off(&mut self.suspended, *account).asked(at, request, *on),
            Request::Hold { account, until } => off(&mut self.holds, *account).asked(at, request, *until),
            Request::Limits { account, to } => off(&mut self.limits, *account).asked(at, request, Some(*to)),
            Request::Wish { key, whose, meter, supply } => {
                let keys = self.wish_keys.entry((*meter, *whose)).or_default();
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
                off(&mut self.wishes, (*meter, *whose)).asked(at, request, *supply == Supply::Off);
            }
            // An operator's reconnect lifts what a customer may lift no more.
            Request::Order { meter, supply: Supply::On, .. } => self.may_end(at, &[*meter]),
            Request::Group { meters, supply: Supply::On, emergency: false, .. } => self.may_end(at, meters),
            Request::Stop => self.wishes.values_mut().for_each(|toggle| toggle.may_become(at, false)),
            Request::Announce { account } => drop(self.announced.insert(*account, at)),
            Request::Withdraw { account } => {
                let all = self.payments.get_mut(account).into_iter().flatten();
                all.for_each(|payment| payment.withdrawn = payment.withdrawn.or(Some(at)));
            }
            _ => {}
        }
    }

    /// Somebody gets an answer.
    pub fn answer(&mut self, at: Timestamp, request: u64, what: &Request, outcome: Outcome) {
        match what {
            Request::GuardMeter { meter, .. } => off(&mut self.meter_guards, *meter).answered(at, request, outcome),
            Request::GuardAccount { account, .. } => {
                off(&mut self.account_guards, *account).answered(at, request, outcome);
            }
            Request::GuardBuilding { meters, .. } => {
                meters.iter().for_each(|meter| off(&mut self.building_guards, *meter).answered(at, request, outcome));
            }
            Request::Suspend { account, .. } => off(&mut self.suspended, *account).answered(at, request, outcome),
            Request::Hold { account, .. } => off(&mut self.holds, *account).answered(at, request, outcome),
            Request::Limits { account, .. } => off(&mut self.limits, *account).answered(at, request, outcome),
            Request::Wish { key, whose, meter, .. } => {
                // What a key did long ago it does not do again where another was used since.
                let newest = self.wish_keys.get(&(*meter, *whose)).and_then(|keys| keys.last());
                let overtaken = outcome == Outcome::Done && newest != Some(key);
                let outcome = if overtaken { Outcome::Unknown } else { outcome };
                off(&mut self.wishes, (*meter, *whose)).answered(at, request, outcome);
            }
            _ => {}
        }
    }

    /// What customers wanted of these meters may be over.
    pub fn may_end(&mut self, at: Timestamp, meters: &[MeterId]) {
        for meter in meters {
            self.wishes.get_mut(&(*meter, Whose::Customer)).into_iter().for_each(|toggle| toggle.may_become(at, false));
        }
    }

    /// Whether a meter is wanted off for safety.
    pub fn lock(&mut self, meter: MeterId) -> &mut Toggle<bool> {
        off(&mut self.wishes, (meter, Whose::Safety))
    }

    /// Whether a meter was wanted off for safety at no moment of a span.
    pub fn surely_not_locked(&self, meter: MeterId, from: Timestamp, to: Timestamp) -> bool {
        throughout(&self.wishes, &(meter, Whose::Safety), false, from, to)
    }

    /// Whether somebody but an operator wanted a meter off for all of a span, the same all the time.
    pub fn surely_wished_off(&self, meter: MeterId, from: Timestamp, to: Timestamp) -> bool {
        WHOSE.iter().any(|whose| throughout(&self.wishes, &(meter, *whose), true, from, to))
    }

    /// Whether nobody but operators wanted a meter off at any moment of a span.
    pub fn surely_not_wished_off(&self, meter: MeterId, from: Timestamp, to: Timestamp) -> bool {
        WHOSE.iter().all(|whose| throughout(&self.wishes, &(meter, *whose), false, from, to))
    }

    /// Somebody was told that a payment is in flight, and from when until when it holds a cut.
    pub fn told_of_payment(&mut self, at: Timestamp, account: AccountId, told: &str) {
        let mut words = told.split(' ');
        let mut instant = || words.next()?.parse().ok();
        let span = instant().zip(instant());
        let payment = span.map(|holds| Payment { told_at: at, holds, withdrawn: None });
        self.payments.entry(account).or_default().extend(payment);
    }

    /// Whether a payment surely was in flight at a moment at which the head end's clock showed `shown`.
    pub fn paying_surely(&self, account: AccountId, at: Timestamp, shown: Timestamp) -> bool {
        let all = self.payments.get(&account).into_iter().flatten();
        all.filter(|one| one.told_at < at && one.withdrawn.is_none_or(|asked| at < asked))
            .any(|one| one.holds.0 <= shown && shown < one.holds.1)
    }

    /// Whether one may be.
    pub fn may_be_paying(&self, account: AccountId, at: Timestamp, shown: Timestamp) -> bool {
        let told = self.payments.get(&account).into_iter().flatten();
        let asked = self.announced.get(&account).is_some_and(|asked| at <= shift(*asked, UNTOLD));
        asked || told.into_iter().any(|one| shown < one.holds.1)
    }

    /// The process died, and goes on with some requests when it lives again.
    pub fn crashed(&mut self, goes_on: impl Fn(u64) -> bool) {
        self.holds.values_mut().for_each(Toggle::crashed);
        self.limits.values_mut().for_each(Toggle::crashed);
        self.wishes.values_mut().for_each(|toggle| toggle.crashed_but(&goes_on));
        let meters = self.meter_guards.values_mut().chain(self.building_guards.values_mut());
        let accounts = self.account_guards.values_mut().chain(self.suspended.values_mut());
        meters.chain(accounts).for_each(Toggle::crashed);
    }

    /// A meter took another's place: its guard goes on, and nothing is left at the old one.
    pub fn hand_over(&mut self, old: MeterId, new: MeterId) {
        match self.meter_guards.remove(&old) {
            Some(toggle) => drop(self.meter_guards.insert(new, toggle)),
            None => drop(self.meter_guards.remove(&new)),
        }
    }

    /// An account took another's place: its guard and its limits go on; it is neither suspended nor held.
    pub fn pass(&mut self, from: AccountId, to: AccountId) {
        copy(&mut self.account_guards, from, to);
        copy(&mut self.limits, from, to);
    }

    /// Whether neither the meter, its building nor its account was under a guard at any moment of a span.
    pub fn surely_unguarded(&self, meter: MeterId, account: AccountId, from: Timestamp, to: Timestamp) -> bool {
        throughout(&self.meter_guards, &meter, false, from, to)
            && throughout(&self.building_guards, &meter, false, from, to)
            && throughout(&self.account_guards, &account, false, from, to)
    }

    /// Whether the meter, its building or its account was under a guard for all of a span.
    pub fn surely_guarded(&self, meter: MeterId, account: AccountId, from: Timestamp, to: Timestamp) -> bool {
        throughout(&self.meter_guards, &meter, true, from, to)
            || throughout(&self.building_guards, &meter, true, from, to)
            || throughout(&self.account_guards, &account, true, from, to)
    }

    /// Whether an account was held (or was not) for all of a span in which the head end's clock shows `shown`.
    pub fn held_surely(
        &self,
        on: bool,
        account: AccountId,
        (from, to): (Timestamp, Timestamp),
        shown: Timestamp,
    ) -> bool {
        let holds = |until: Option<Timestamp>| until.is_some_and(|until| shown < until) == on;
        self.holds.get(&account).map_or(!on, |toggle| toggle.is_always(from, to, holds))
    }

    /// Whether an account was suspended (or was not) for all of a span.
    pub fn suspended_surely(&self, on: bool, account: AccountId, from: Timestamp, to: Timestamp) -> bool {
        throughout(&self.suspended, &account, on, from, to)
    }

    /// The limits that an account may have had at some moment of a span; `site`: those of whoever was given no others.
    pub fn limits(&self, account: AccountId, (from, to): (Timestamp, Timestamp), site: Limits) -> BTreeSet<Limits> {
        match self.limits.get(&account) {
            None => BTreeSet::from([site]),
            Some(toggle) => toggle.values(from, to).map(|limits| limits.unwrap_or(site)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{account, at, meter};

    fn turn(turned: &mut Turned, second: i64, what: &Request) {
        let request = u64::try_from(second).unwrap_or_default();
        turned.ask(at(second), request, what);
        turned.answer(at(second), request, what, Outcome::Done);
    }

    #[test]
    fn a_guard_stands_over_the_meter_its_building_or_its_account() {
        for what in [
            Request::GuardMeter { meter: meter(1), on: true },
            Request::GuardBuilding { meters: vec![meter(2), meter(1)], on: true },
            Request::GuardAccount { account: account(1), on: true },
        ] {
            let mut turned = Turned::default();
            turn(&mut turned, 10, &what);
            assert!(turned.surely_guarded(meter(1), account(1), at(11), at(20)), "{what:?}");
            assert!(!turned.surely_unguarded(meter(1), account(1), at(0), at(20)), "{what:?}");
            assert!(turned.surely_unguarded(meter(3), account(3), at(0), at(20)), "{what:?}");
        }
    }

    #[test]
    fn each_wish_is_ended_by_its_own_alone_but_a_customers_by_operators_too() {
        let wish = |whose, supply| Request::Wish { key: "k".to_owned(), whose, meter: meter(1), supply };
        let wished = |turned: &Turned, second| {
            let (from, to) = (at(second), at(second + 5));
            (turned.surely_wished_off(meter(1), from, to), turned.surely_not_wished_off(meter(1), from, to))
        };
        for whose in WHOSE {
            let mut turned = Turned::default();
            turn(&mut turned, 10, &wish(whose, Supply::Off));
            assert_eq!(wished(&turned, 20), (true, false));
            let other = if whose == Whose::Safety { Whose::Customer } else { Whose::Safety };
            turn(&mut turned, 30, &wish(other, Supply::On));
            assert_eq!(wished(&turned, 40), (true, false));
            let reconnect = Request::Order { key: "k".to_owned(), meter: meter(1), supply: Supply::On };
            turn(&mut turned, 50, &reconnect);
            assert_eq!(wished(&turned, 60), (whose == Whose::Safety, false));
            turn(&mut turned, 70, &wish(whose, Supply::On));
            assert_eq!(wished(&turned, 80), (false, true));
        }
    }

    #[test]
    fn a_key_that_comes_again_after_another_says_nothing_of_what_is_wished_now() {
        let wish =
            |key: &str, supply| Request::Wish { key: key.to_owned(), whose: Whose::Customer, meter: meter(1), supply };
        let mut turned = Turned::default();
        turned.ask(at(0), 1, &wish("off", Supply::Off));
        turned.answer(at(1), 1, &wish("off", Supply::Off), Outcome::Unknown);
        turned.ask(at(2), 2, &wish("on", Supply::On));
        turned.answer(at(3), 2, &wish("on", Supply::On), Outcome::Done);
        let mut again = turned.clone();
        again.ask(at(4), 3, &wish("off", Supply::Off));
        again.answer(at(5), 3, &wish("off", Supply::Off), Outcome::Done);
        assert!(!again.surely_wished_off(meter(1), at(6), at(9)), "the answer is an old one");
        turned.ask(at(4), 3, &wish("off again", Supply::Off));
        turned.answer(at(5), 3, &wish("off again", Supply::Off), Outcome::Done);
        assert!(turned.surely_wished_off(meter(1), at(6), at(9)));
    }

    #[test]
    fn a_payment_holds_from_when_it_is_told_to_its_end() {
        let mut turned = Turned::default();
        let surely = |turned: &Turned, second| turned.paying_surely(account(1), at(second), at(second));
        turned.ask(at(0), 1, &Request::Announce { account: account(1) });
        assert!(!surely(&turned, 5) && turned.may_be_paying(account(1), at(5), at(5)), "nobody was told");
        turned.told_of_payment(at(10), account(1), &format!("{} {}", at(2), at(900)));
        assert_eq!([10, 11, 899, 900].map(|second| surely(&turned, second)), [false, true, true, false]);
        assert!(!turned.may_be_paying(account(1), at(1_300), at(1_300)));
        turned.ask(at(500), 2, &Request::Withdraw { account: account(1) });
        assert_eq!([499, 500].map(|second| surely(&turned, second)), [true, false], "it may be over");
        assert!(!turned.may_be_paying(account(2), at(5), at(5)));
    }

    #[test]
    fn limits_are_the_sites_until_they_are_changed_and_go_over_to_an_heir() {
        let limits =
            |overdraft| Limits { overdraft: Money::new(overdraft), restore_margin: Money::new(1), low: Money::ZERO };
        let mut turned = Turned::default();
        let of = |turned: &Turned, of, from, to| {
            let all = turned.limits(account(of), (at(from), at(to)), limits(7));
            all.into_iter().map(|one| one.overdraft.get()).collect::<Vec<_>>()
        };
        assert_eq!(of(&turned, 1, 0, 5), [7]);
        turned.ask(at(10), 1, &Request::Limits { account: account(1), to: limits(9) });
        assert_eq!(of(&turned, 1, 11, 12), [7, 9], "it may be done");
        turned.answer(at(20), 1, &Request::Limits { account: account(1), to: limits(9) }, Outcome::Done);
        assert_eq!((of(&turned, 1, 21, 22), of(&turned, 2, 21, 22)), (vec![9], vec![7]));
        turned.pass(account(1), account(2));
        assert_eq!(of(&turned, 2, 21, 22), [9]);
    }
}

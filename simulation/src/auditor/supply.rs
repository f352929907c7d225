//! Supply in time: who has paid and can be reached is supplied within a bound, who has not paid and is held by nothing is
//! cut within one.

use std::collections::BTreeMap;

use domain::{
    ids::{AccountId, MeterId},
    money::Money,
};
use jiff::{SignedDuration, Timestamp};

use super::{MeterTruth, Rules, Supply, Violation};

/// Since when each meter waits for its supply to follow its money.
#[derive(Debug, Clone, Default)]
pub struct Promises {
    /// What stands in the way of meters, or did until then.
    hindered: BTreeMap<MeterId, Timestamp>,
    all_hindered: Option<Timestamp>,
    restore_since: BTreeMap<MeterId, Timestamp>,
    cut_since: BTreeMap<MeterId, Timestamp>,
}

/// An account and its meter as they stand at a look.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The account.
    pub account: AccountId,
    /// The meter, one of its own.
    pub id: MeterId,
    /// The meter, truly.
    pub meter: &'a MeterTruth,
    /// What is left of what it paid, by the true energy.
    pub available: Money,
    /// By how much the head end may know that otherwise.
    pub doubt: Money,
    /// How far below zero it surely may go.
    pub overdraft: Money,
    /// How far below zero it may go at most.
    pub overdraft_at_most: Money,
    /// How much above the end of its overdraft it surely is restored.
    pub restore_margin: Money,
    /// Nothing automatic goes to the meter: it refused a password.
    pub blocked: bool,
    /// Whether the head end runs.
    pub up: bool,
    /// From when on nothing that it put off waits longer than it should, since its clock was turned.
    pub steady_since: Timestamp,
    /// Whether neither an operator nor a calendar may want it off.
    pub unhampered: bool,
    /// Whether an operator or a calendar surely wants it off, and it can be moved.
    pub unwanted: bool,
    /// Whether the automatic cut is surely on, and nothing holds it: no guard, no friendly hour, a warning in time.
    pub unheld: bool,
}

impl Promises {
    /// Something may delay a meter (none: all of them) around now.
    pub fn hinder(&mut self, now: Timestamp, meter: Option<MeterId>) {
        match meter {
            Some(meter) => drop(self.hindered.insert(meter, now)),
            None => self.all_hindered = Some(now),
        }
    }

    /// Judges an account.
    ///
    /// # Errors
    /// It waits for too long.
    pub fn look(&mut self, now: Timestamp, one: &Standing<'_>, rules: &Rules) -> Result<(), Violation> {
        let reached = one.up && one.meter.reachable && !one.blocked;
        let hindered = self.hindered.get(&one.id).copied().into_iter().chain(self.all_hindered).max();
        let begin = hindered.map_or(one.steady_since, |at| at.max(one.steady_since));
        // Paid for all that the head end may believe to be used.
        let paid = one.available - one.doubt >= one.restore_margin - one.overdraft;
        // A permit waits for the customer's button only.
        let dark = one.meter.supply == Supply::Off && !one.meter.permitted;
        let waits = paid && dark && reached && one.unhampered;
        let waited = wait_so_far(&mut self.restore_since, one.id, waits, now, begin);
        if waited > rules.restore_within {
            return Err(one.late("restore", waited));
        }
        let owes = one.available + one.doubt < Money::ZERO - one.overdraft_at_most;
        let waits = (owes && one.unheld || one.unwanted) && one.meter.supply == Supply::On && reached;
        let waited = wait_so_far(&mut self.cut_since, one.id, waits, now, begin);
        if waited > rules.cut_within {
            return Err(one.late("cut", waited));
        }
        Ok(())
    }
}

impl Standing<'_> {
    fn late(&self, invariant: &'static str, waited: SignedDuration) -> Violation {
        let Self { account, id, available, .. } = self;
        let supply = self.meter.supply;
        Violation::of(
            invariant,
            format!("account {account} has {available} minor units, its meter {id} is {supply} since {waited:#}"),
        )
    }
}

/// How long something waits: from the first look that found it so without a break, or from what hindered it last.
fn wait_so_far(
    since: &mut BTreeMap<MeterId, Timestamp>,
    meter: MeterId,
    waits: bool,
    now: Timestamp,
    begin: Timestamp,
) -> SignedDuration {
    if !waits {
        since.remove(&meter);
        return SignedDuration::ZERO;
    }
    let since = *since.entry(meter).or_insert(now);
    now.duration_since(since.max(begin))
}

#[cfg(test)]
mod tests {
    use domain::energy::Energy;

    use super::*;
    use crate::auditor::fixtures::{account, at, meter, rules};

    /// Restored within 30 minutes, cut within 2 hours.
    const MINUTE: i64 = 60;

    fn truth(supply: Supply) -> MeterTruth {
        MeterTruth {
            energy: Energy::ZERO,
            register: Energy::ZERO,
            supply,
            permitted: false,
            reachable: true,
            truthful: true,
            exact: true,
            inexact: Vec::new(),
            moves: Vec::new(),
            disconnects_taken: Vec::new(),
            midnights: Vec::new(),
        }
    }

    fn standing(meter_truth: &MeterTruth, available: i64) -> Standing<'_> {
        Standing {
            account: account(1),
            id: meter(1),
            meter: meter_truth,
            available: Money::new(available),
            doubt: Money::new(5),
            overdraft: Money::ZERO,
            overdraft_at_most: Money::ZERO,
            restore_margin: Money::new(1),
            blocked: false,
            up: true,
            steady_since: Timestamp::MIN,
            unhampered: true,
            unwanted: false,
            unheld: true,
        }
    }

    /// What is found of one that stands so from minute 0 to `until`, looked at each minute.
    fn after(until: i64, one: &Standing<'_>) -> Result<(), &'static str> {
        let mut promises = Promises::default();
        (0..=until)
            .try_for_each(|minute| promises.look(at(minute * MINUTE), one, &rules()).map_err(|wrong| wrong.invariant))
    }

    #[test]
    fn who_has_paid_is_supplied_in_time() {
        let dark = truth(Supply::Off);
        assert_eq!(after(30, &standing(&dark, 6)), Ok(()));
        assert_eq!(after(31, &standing(&dark, 6)), Err("restore"));
        assert_eq!(after(500, &standing(&dark, 5)), Ok(()), "within doubt");
        assert_eq!(after(500, &standing(&truth(Supply::On), 6)), Ok(()));
    }

    #[test]
    fn who_cannot_be_restored_need_not_be() {
        let dark = truth(Supply::Off);
        let paid = standing(&dark, 100);
        assert_eq!(after(500, &Standing { blocked: true, ..paid }), Ok(()));
        assert_eq!(after(500, &Standing { up: false, ..paid }), Ok(()));
        assert_eq!(after(500, &Standing { unhampered: false, ..paid }), Ok(()));
        assert_eq!(after(500, &standing(&MeterTruth { permitted: true, ..dark.clone() }, 100)), Ok(()));
        assert_eq!(after(500, &standing(&MeterTruth { reachable: false, ..dark.clone() }, 100)), Ok(()));
    }

    #[test]
    fn who_owes_is_cut_in_time() {
        let lit = truth(Supply::On);
        assert_eq!(after(120, &standing(&lit, -6)), Ok(()));
        assert_eq!(after(121, &standing(&lit, -6)), Err("cut"));
        assert_eq!(after(500, &standing(&lit, -5)), Ok(()), "within doubt");
        assert_eq!(after(500, &Standing { unheld: false, ..standing(&lit, -6) }), Ok(()));
        assert_eq!(after(500, &standing(&truth(Supply::Off), -6)), Ok(()));
    }

    #[test]
    fn what_an_operator_wants_off_is_cut_in_time() {
        let lit = truth(Supply::On);
        let unwanted = Standing { unwanted: true, unheld: false, ..standing(&lit, 500) };
        assert_eq!(after(120, &unwanted), Ok(()));
        assert_eq!(after(121, &unwanted), Err("cut"));
    }

    #[test]
    fn what_stands_in_the_way_begins_the_wait_again() {
        let dark = truth(Supply::Off);
        let paid = standing(&dark, 100);
        for of in [None, Some(meter(1)), Some(meter(2))] {
            let mut promises = Promises::default();
            let look = |promises: &mut Promises, minute: i64| promises.look(at(minute * MINUTE), &paid, &rules());
            assert_eq!(look(&mut promises, 0), Ok(()));
            promises.hinder(at(20 * MINUTE), of);
            assert_eq!(look(&mut promises, 40).is_ok(), of != Some(meter(2)));
            assert!(look(&mut promises, 51).is_err());
        }
        let turned = Standing { steady_since: at(20 * MINUTE), ..paid };
        assert_eq!(after(50, &turned), Ok(()));
        assert_eq!(after(51, &turned), Err("restore"));
    }
}

//! Who may switch the own meters: a customer's order is taken only while an operator allows it, and the account is active.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::AccountId;
use jiff::Timestamp;

use super::{
    Request, Violation, Whose,
    toggle::{Outcome, Toggle},
    turned::{Turned, off, throughout},
};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Permits {
    /// Whether an account's customer may.
    of: BTreeMap<AccountId, Toggle<bool>>,
    /// Keys of customers' orders: what is asked again is answered as it was first.
    keys: BTreeSet<String>,
    /// Customers' orders under new keys that were not answered: when they were asked, for whose meter.
    asked: BTreeMap<u64, (Timestamp, AccountId)>,
}

impl Permits {
    /// Somebody asks. `account`: the one for which the meter of an order counts.
    pub fn ask(&mut self, at: Timestamp, request: u64, what: &Request, account: Option<AccountId>) {
        match what {
            Request::Allow { account, on } => off(&mut self.of, *account).asked(at, request, *on),
            Request::Wish { whose: Whose::Customer, key, .. } if self.keys.insert(key.clone()) => {
                self.asked.extend(account.map(|account| (request, (at, account))));
            }
            _ => {}
        }
    }

    /// Somebody gets an answer.
    ///
    /// # Errors
    /// A customer switched who may not.
    pub fn answer(
        &mut self,
        at: Timestamp,
        request: u64,
        (what, outcome): (&Request, Outcome),
        turned: &Turned,
    ) -> Result<(), Violation> {
        if let Request::Allow { account, .. } = what {
            off(&mut self.of, *account).answered(at, request, outcome);
        }
        let Some((asked, account)) = self.asked.remove(&request).filter(|_| outcome == Outcome::Done) else {
            return Ok(());
        };
        let why = if throughout(&self.of, &account, false, asked, at) {
            "its operator does not allow that"
        } else if turned.suspended_surely(true, account, asked, at) {
            "it is suspended"
        } else {
            return Ok(());
        };
        Err(Violation::of("I8", format!("the customer of account {account} switched its meter, and {why}")))
    }

    /// The process died.
    pub fn crashed(&mut self) {
        self.of.values_mut().for_each(Toggle::crashed);
        self.asked.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::{
        Supply,
        fixtures::{account, at, meter},
    };

    /// Whether an order under this key, taken from one second to the next, is in order.
    fn may(permits: &mut Permits, turned: &Turned, second: i64, key: &str, outcome: Outcome) -> bool {
        let (whose, meter, supply) = (Whose::Customer, meter(1), Supply::Off);
        let wish = Request::Wish { key: key.to_owned(), whose, meter, supply };
        permits.ask(at(second), 77, &wish, Some(account(1)));
        permits.answer(at(second + 1), 77, (&wish, outcome), turned).is_ok()
    }

    fn allow(permits: &mut Permits, second: i64, on: bool, outcome: Outcome) {
        let what = Request::Allow { account: account(1), on };
        permits.ask(at(second), 1, &what, None);
        assert_eq!(permits.answer(at(second + 1), 1, (&what, outcome), &Turned::default()), Ok(()));
    }

    #[test]
    fn a_customer_switches_only_while_that_is_allowed() {
        let (mut permits, turned) = (Permits::default(), Turned::default());
        assert!(!may(&mut permits, &turned, 0, "a", Outcome::Done));
        assert!(may(&mut permits, &turned, 2, "b", Outcome::Refused));
        allow(&mut permits, 10, true, Outcome::Done);
        assert!(may(&mut permits, &turned, 20, "c", Outcome::Done));
        allow(&mut permits, 30, false, Outcome::Unknown);
        assert!(may(&mut permits, &turned, 40, "d", Outcome::Done), "it may be allowed still");
        permits.crashed();
        allow(&mut permits, 50, false, Outcome::Done);
        assert!(!may(&mut permits, &turned, 60, "e", Outcome::Done));
        assert!(may(&mut permits, &turned, 70, "c", Outcome::Done), "it was done before");
    }

    #[test]
    fn nor_while_the_account_is_suspended() {
        let (mut permits, mut turned) = (Permits::default(), Turned::default());
        allow(&mut permits, 0, true, Outcome::Done);
        let suspend = Request::Suspend { account: account(1), on: true };
        turned.ask(at(10), 2, &suspend);
        assert!(may(&mut permits, &turned, 12, "a", Outcome::Done), "it may not be yet");
        turned.answer(at(20), 2, &suspend, Outcome::Done);
        assert!(!may(&mut permits, &turned, 30, "b", Outcome::Done));
    }
}

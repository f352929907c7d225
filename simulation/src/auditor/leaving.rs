//! Money that is given back, and accounts that are closed: what was asked for, and what was told to be done.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ids::AccountId, money::Money};

use super::{Answer, Request, Violation, seen::Seen};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    /// Refunds by their keys.
    refunds: BTreeMap<String, BTreeSet<(AccountId, Money)>>,
    /// Accounts that were to be closed, and whether what they owe was to be written off.
    closings: BTreeMap<AccountId, bool>,
    /// Refunds that were answered, with their receipts.
    paid_out: BTreeMap<String, String>,
    /// Accounts that were told to be closed.
    closed: BTreeSet<AccountId>,
}

impl Leaving {
    /// Somebody asks.
    pub fn ask(&mut self, what: &Request) {
        match what {
            Request::Refund { key, account, amount } => {
                self.refunds.entry(key.clone()).or_default().insert((*account, *amount));
            }
            Request::Close { account, write_off } => *self.closings.entry(*account).or_default() |= write_off,
            _ => {}
        }
    }

    /// Somebody gets an answer.
    ///
    /// # Errors
    /// A key has two receipts.
    pub fn answer(&mut self, what: &Request, answer: &Answer) -> Result<(), Violation> {
        match (what, answer) {
            (Request::Refund { key, .. }, Answer::Done { receipt: Some(receipt) }) => {
                let before = self.paid_out.insert(key.clone(), receipt.clone());
                if before.as_ref().is_some_and(|before| before != receipt) {
                    let detail = format!("refund {key}: first {before:?}, then {receipt}");
                    return Err(Violation::of("I2", detail));
                }
            }
            (Request::Close { account, .. }, Answer::Done { .. }) => drop(self.closed.insert(*account)),
            _ => {}
        }
        Ok(())
    }

    /// Whether a transaction under this key may pay so much out: a refund that was asked for, or what a closing leaves.
    pub fn asked_to_pay_out(&self, key: &str, account: AccountId, amount: Money) -> bool {
        let asked = key.strip_prefix("refund:").and_then(|key| self.refunds.get(key));
        asked.is_some_and(|all| all.contains(&(account, amount))) || self.asked_to_close(account)
    }

    /// Whether somebody asked for an account to be closed.
    pub fn asked_to_close(&self, account: AccountId) -> bool {
        self.closings.contains_key(&account)
    }

    /// Whether what it owed was to be written off then.
    pub fn asked_to_write_off(&self, account: AccountId) -> bool {
        self.closings.get(&account) == Some(&true)
    }

    /// What was told to be done is done.
    ///
    /// # Errors
    /// It is not.
    pub fn kept(&self, seen: &Seen, receipts: &BTreeSet<String>) -> Result<(), Violation> {
        let open = |id: &&AccountId| seen.accounts.get(id).is_some_and(|row| row.closed_at.is_none());
        if let Some(id) = self.closed.iter().find(open) {
            return Err(Violation::of("I3", format!("account {id}: told to be closed, and is not")));
        }
        match self.paid_out.iter().find(|(_, receipt)| !receipts.contains(*receipt)) {
            Some((key, receipt)) => {
                Err(Violation::of("I3", format!("refund {key}: told {receipt}, and is not stored")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{account, account_seen};

    #[test]
    fn only_what_was_asked_for_is_paid_out() {
        let mut leaving = Leaving::default();
        let pay = |leaving: &Leaving, key: &str, of, amount| {
            leaving.asked_to_pay_out(&format!("refund:{key}"), account(of), Money::new(amount))
        };
        leaving.ask(&Request::Refund { key: "k".to_owned(), account: account(1), amount: Money::new(5) });
        assert!(pay(&leaving, "k", 1, 5));
        assert!(!pay(&leaving, "k", 1, 6) && !pay(&leaving, "k", 2, 5) && !pay(&leaving, "other", 1, 5));
        leaving.ask(&Request::Close { account: account(2), write_off: false });
        assert!(pay(&leaving, "close", 2, 77) && !leaving.asked_to_write_off(account(2)));
        leaving.ask(&Request::Close { account: account(2), write_off: true });
        assert!(leaving.asked_to_write_off(account(2)) && !leaving.asked_to_close(account(1)));
    }

    #[test]
    fn what_was_told_is_done() {
        let mut leaving = Leaving::default();
        let refund = Request::Refund { key: "k".to_owned(), account: account(1), amount: Money::new(5) };
        let told = |receipt: &str| Answer::Done { receipt: Some(receipt.to_owned()) };
        let word = |judged: Result<(), Violation>| judged.map_err(|wrong| wrong.invariant);
        assert_eq!(leaving.answer(&refund, &told("r")), Ok(()));
        assert_eq!(word(leaving.answer(&refund, &told("s"))), Err("I2"));
        assert_eq!(leaving.answer(&refund, &told("r")).map_err(|wrong| wrong.invariant), Err("I2"));
        let row = |closed_at| {
            let row = super::super::AccountSeen { closed_at, ..account_seen(1, 0, 0) };
            Seen { accounts: BTreeMap::from([(account(1), row)]), ..Seen::default() }
        };
        let stored = BTreeSet::from(["r".to_owned()]);
        assert_eq!(leaving.kept(&row(None), &stored), Ok(()));
        assert_eq!(word(leaving.kept(&row(None), &BTreeSet::new())), Err("I3"));
        let close = Request::Close { account: account(1), write_off: false };
        assert_eq!(leaving.answer(&close, &Answer::Done { receipt: None }), Ok(()));
        assert_eq!(word(leaving.kept(&row(None), &stored)), Err("I3"));
        assert_eq!(leaving.kept(&row(Some(jiff::Timestamp::UNIX_EPOCH)), &stored), Ok(()));
    }
}

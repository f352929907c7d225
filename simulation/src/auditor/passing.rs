//! Accounts that pass to other customers: because somebody asked for it, once, to an account that begins with what the old one
//! had.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ids::AccountId, money::Money};

use super::{
    Answer, Request, Violation,
    seen::{Kind, Seen, TransactionSeen},
};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Passing {
    /// Accounts that were to be passed on, and whether what they owe apart from the balance was to be written off.
    asked: BTreeMap<AccountId, bool>,
    /// What clients were told of a key.
    told: BTreeMap<String, String>,
    /// Which account took which one's place.
    heirs: BTreeMap<AccountId, AccountId>,
    /// Those of whose transfer rows were seen.
    stored: BTreeSet<AccountId>,
}

impl Passing {
    /// Somebody asks.
    pub fn ask(&mut self, what: &Request) {
        if let Request::Transfer { account, write_off, .. } = what {
            *self.asked.entry(*account).or_default() |= write_off;
        }
    }

    /// Somebody gets an answer.
    ///
    /// # Errors
    /// A key has two.
    pub fn answer(&mut self, what: &Request, answer: &Answer) -> Result<(), Violation> {
        let (Request::Transfer { key, .. }, Answer::Done { receipt: Some(receipt) }) = (what, answer) else {
            return Ok(());
        };
        let before = self.told.insert(key.clone(), receipt.clone());
        if before.as_ref().is_some_and(|before| before != receipt) {
            return Err(Violation::of("I2", format!("transfer {key}: first {before:?}, then {receipt}")));
        }
        Ok(())
    }

    /// An account takes another's place; `true` where that is news.
    ///
    /// # Errors
    /// Nobody asked for it, or another took it before.
    pub fn pass(&mut self, from: AccountId, to: AccountId) -> Result<bool, Violation> {
        if !self.asked_to_pass(from) {
            return Err(Violation::of("I3", format!("account {to} took the place of {from}, which nobody asked for")));
        }
        match self.heirs.insert(from, to) {
            None => Ok(true),
            Some(before) if before == to => Ok(false),
            Some(before) => Err(Violation::of("I2", format!("account {from} passed to {before}, then to {to}"))),
        }
    }

    /// The accounts that take others' places by these rows.
    pub fn pairs(seen: &Seen) -> impl Iterator<Item = (AccountId, AccountId)> + '_ {
        let into = seen.transactions.iter().filter(|one| one.kind == Kind::Transfer);
        into.filter_map(|one| Some((into_from(one)?, one.account)))
    }

    /// Whether somebody asked for an account to pass to another customer.
    pub fn asked_to_pass(&self, account: AccountId) -> bool {
        self.asked.contains_key(&account)
    }

    /// Whether what it owes apart from the balance was to be written off then.
    pub fn asked_to_write_off(&self, account: AccountId) -> bool {
        self.asked.get(&account) == Some(&true)
    }

    /// What was told to be passed on has passed.
    ///
    /// # Errors
    /// It has not.
    pub fn kept(&mut self, seen: &Seen) -> Result<(), Violation> {
        self.stored.extend(Self::pairs(seen).map(|(from, _)| from));
        match self.heirs.iter().find(|(from, _)| !self.stored.contains(from)) {
            Some((from, to)) => {
                let detail = format!("account {from}: told to have passed to {to}, and has not");
                Err(Violation::of("I3", detail))
            }
            None => Ok(()),
        }
    }
}

/// Of a transaction that brings an account what another had: which one.
fn into_from(one: &TransactionSeen) -> Option<AccountId> {
    one.key.strip_prefix("transfer:in:")?.parse().ok()
}

/// What passes from accounts to those that take their places.
#[derive(Debug, Clone, Default)]
pub struct Passed(BTreeMap<AccountId, Money>);

impl Passed {
    /// A transaction that moves `moved` to its account's balance, which is `left` then. `true` where it leaves the account,
    /// `false` where it comes to it.
    ///
    /// # Errors
    /// Something stays behind, or gets lost on the way.
    pub fn post(&mut self, one: &TransactionSeen, moved: Money, left: Money) -> Result<bool, Violation> {
        let wrong = |what: String| Err(Violation::of("I1", format!("transaction {} {what}", one.id)));
        let Some(from) = into_from(one) else {
            if left != Money::ZERO {
                return wrong(format!("leaves {left} on an account that passes on"));
            }
            return match self.0.insert(one.account, -moved) {
                None => Ok(true),
                Some(before) => wrong(format!("passes {moved} on, after {before}")),
            };
        };
        match self.0.get(&from) {
            Some(had) if *had == moved && one.sequence == 1 => Ok(false),
            had => wrong(format!("is number {} and brings {moved} of {had:?}", one.sequence)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{account, transaction};

    fn transfer(key: &str, of: i64, sequence: i64) -> TransactionSeen {
        let one = transaction(sequence, Kind::Transfer, 0);
        TransactionSeen { account: account(of), key: format!("transfer:{key}:{}", account(1)), ..one }
    }

    fn word<T>(judged: Result<T, Violation>) -> Result<T, &'static str> {
        judged.map_err(|wrong| wrong.invariant)
    }

    #[test]
    fn an_account_passes_once_and_only_where_somebody_asked() {
        let mut passing = Passing::default();
        assert_eq!(word(passing.pass(account(1), account(2))), Err("I3"));
        passing.ask(&Request::Transfer { key: "k".to_owned(), account: account(1), write_off: false });
        assert_eq!(word(passing.pass(account(1), account(2))), Ok(true));
        assert_eq!(word(passing.pass(account(1), account(2))), Ok(false));
        assert_eq!(word(passing.kept(&Seen::default())), Err("I3"), "told, and not stored");
        let seen = Seen { transactions: vec![transfer("in", 2, 1)], ..Seen::default() };
        assert_eq!(Passing::pairs(&seen).collect::<Vec<_>>(), [(account(1), account(2))]);
        assert_eq!(word(passing.kept(&seen)), Ok(()));
        assert_eq!(word(passing.pass(account(1), account(3))), Err("I2"));
    }

    #[test]
    fn a_key_has_one_answer() {
        let mut passing = Passing::default();
        let what = Request::Transfer { key: "k".to_owned(), account: account(1), write_off: false };
        let told = |receipt: &str| Answer::Done { receipt: Some(receipt.to_owned()) };
        assert_eq!(word(passing.answer(&what, &told("r"))), Ok(()));
        assert_eq!(word(passing.answer(&what, &told("s"))), Err("I2"));
    }

    #[test]
    fn all_of_it_passes_and_arrives() {
        let (five, nothing) = (Money::new(5), Money::ZERO);
        let mut passed = Passed::default();
        assert_eq!(word(passed.post(&transfer("in", 2, 1), five, five)), Err("I1"), "of nobody");
        assert_eq!(word(passed.clone().post(&transfer("out", 1, 7), -five, Money::new(1))), Err("I1"));
        assert_eq!(word(passed.post(&transfer("out", 1, 7), -five, nothing)), Ok(true));
        assert_eq!(word(passed.post(&transfer("in", 2, 1), Money::new(4), Money::new(4))), Err("I1"));
        assert_eq!(word(passed.post(&transfer("in", 2, 2), five, five)), Err("I1"), "not the first");
        assert_eq!(word(passed.post(&transfer("in", 2, 1), five, five)), Ok(false));
    }
}

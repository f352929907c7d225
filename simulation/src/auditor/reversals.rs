//! Reversals as people asked for them: a vend is taken back once, under one key with one receipt (I2), only where somebody
//! asked for it, and what was answered is kept (I3).

use std::collections::{BTreeMap, BTreeSet};

use domain::{ids::AccountId, money::Money};
use jiff::Timestamp;

use super::{Answer, Request, Violation, seen::ReversalSeen};

/// Every vend that somebody wanted taken back, by its key.
#[derive(Debug, Clone, Default)]
pub struct Reversals {
    wanted: BTreeMap<String, Wanted>,
    /// Whether what a request asks for had been done under its key before.
    repeats: BTreeSet<u64>,
    /// Vends whose reversal was answered since the last look.
    news: BTreeSet<String>,
}

/// A vend that is to be taken back.
#[derive(Debug, Clone)]
struct Wanted {
    account: AccountId,
    amount: Money,
    /// Requests that were not refused, and when they were sent: each may have done it from then on.
    open: BTreeMap<u64, Timestamp>,
    done: Option<Done>,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Done {
    key: String,
    content: String,
    receipt: String,
}

impl Reversals {
    /// A client sends a request.
    pub fn ask(&mut self, at: Timestamp, request: u64, what: &Request) {
        let Request::Reverse { key, vend, account, amount, content } = what else { return };
        let fresh = || Wanted { account: *account, amount: *amount, open: BTreeMap::new(), done: None };
        let wanted = self.wanted.entry(vend.clone()).or_insert_with(fresh);
        wanted.open.insert(request, at);
        if wanted.done.as_ref().is_some_and(|done| (&done.key, &done.content) == (key, content)) {
            self.repeats.insert(request);
        }
    }

    /// A client gets an answer to what it asked.
    ///
    /// # Errors
    /// The vend was taken back twice, or what was done is told otherwise.
    pub fn answer(&mut self, request: u64, what: &Request, answer: &Answer) -> Result<(), Violation> {
        let Request::Reverse { key, vend, content, .. } = what else { return Ok(()) };
        let repeats = self.repeats.remove(&request);
        let Some(wanted) = self.wanted.get_mut(vend) else { return Ok(()) };
        let wrong = |detail: String| Err(Violation::of("I2", format!("reversal {key} of vend {vend}: {detail}")));
        let receipt = match answer {
            Answer::Refused { code } if repeats => return wrong(format!("done before, now refused as {code}")),
            Answer::Refused { .. } => {
                wanted.open.remove(&request);
                return Ok(());
            }
            Answer::Unknown => return Ok(()),
            Answer::Done { receipt: None } => return wrong("done without a receipt".to_owned()),
            Answer::Done { receipt: Some(receipt) } => receipt,
        };
        let done = Done { key: key.clone(), content: content.clone(), receipt: receipt.clone() };
        self.news.insert(vend.clone());
        match &wanted.done {
            Some(before) if *before != done => wrong(format!("done twice, first {before:?}, then {done:?}")),
            _ => {
                wanted.done = Some(done);
                Ok(())
            }
        }
    }

    /// Whether a vend may have been taken back by then.
    pub fn may_be_done(&self, vend: &str, until: Timestamp) -> bool {
        self.wanted.get(vend).is_some_and(|wanted| wanted.open.values().any(|asked| *asked <= until))
    }

    /// A reversal that was stored must have been asked for.
    ///
    /// # Errors
    /// Nobody did, or not for this.
    pub fn asked_for(&self, row: &ReversalSeen) -> Result<(), Violation> {
        let wanted = self.wanted.get(&row.vend).filter(|wanted| !wanted.open.is_empty());
        if wanted.is_some_and(|wanted| (wanted.account, wanted.amount) == (row.account, row.amount)) {
            return Ok(());
        }
        let (vend, amount, account) = (&row.vend, row.amount, row.account);
        let detail = format!("reversal of vend {vend}, {amount} of account {account}: nobody asked for it");
        Err(Violation::of("I3", detail))
    }

    /// What clients were told (`all` of it, or since the last look) must be stored, as they were told.
    ///
    /// # Errors
    /// It is not.
    pub fn kept(&mut self, rows: &BTreeMap<String, ReversalSeen>, all: bool) -> Result<(), Violation> {
        let news = std::mem::take(&mut self.news);
        for (vend, wanted) in self.wanted.iter().filter(|(vend, _)| all || news.contains(*vend)) {
            let Some(done) = &wanted.done else { continue };
            let stored = rows.get(vend);
            if stored.is_none_or(|row| row.receipt != done.receipt) {
                let detail = format!("reversal of vend {vend}: answered with {}, stored {stored:?}", done.receipt);
                return Err(Violation::of("I3", detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::auditor::fixtures::{account, at, reversal};

    fn wish(key: &str) -> Request {
        let (key, vend, content) = (key.to_owned(), "a".to_owned(), key.to_owned());
        Request::Reverse { key, vend, account: account(1), amount: Money::new(100), content }
    }

    /// Vend `a` of 100, asked to be taken back by these requests, each under its key.
    fn asked(keys: &[&str]) -> Reversals {
        let mut reversals = Reversals::default();
        (1..).zip(keys).for_each(|(request, key)| reversals.ask(at(10), request, &wish(key)));
        reversals
    }

    fn done(reversals: &mut Reversals, request: u64, key: &str, receipt: &str) -> Result<(), &'static str> {
        let answer = Answer::Done { receipt: Some(receipt.to_owned()) };
        reversals.answer(request, &wish(key), &answer).map_err(|wrong| wrong.invariant)
    }

    fn refused(reversals: &mut Reversals, request: u64, key: &str) -> Result<(), &'static str> {
        let answer = Answer::Refused { code: "already_reversed".to_owned() };
        reversals.answer(request, &wish(key), &answer).map_err(|wrong| wrong.invariant)
    }

    #[test]
    fn a_vend_is_taken_back_under_one_key_with_one_receipt() {
        let mut reversals = asked(&["k", "k", "l"]);
        assert_eq!(done(&mut reversals, 1, "k", "r"), Ok(()));
        assert_eq!(done(&mut reversals, 2, "k", "r"), Ok(()));
        assert_eq!(refused(&mut reversals.clone(), 3, "l"), Ok(()));
        assert_eq!(done(&mut reversals, 3, "l", "s"), Err("I2"));
        let mut reversals = asked(&["k", "k"]);
        assert_eq!(done(&mut reversals, 1, "k", "r"), Ok(()));
        assert_eq!(done(&mut reversals, 2, "k", "s"), Err("I2"));
    }

    #[test]
    fn what_was_done_is_not_refused_when_it_is_repeated() {
        let mut reversals = asked(&["k"]);
        assert_eq!(done(&mut reversals, 1, "k", "r"), Ok(()));
        reversals.ask(at(20), 2, &wish("k"));
        assert_eq!(refused(&mut reversals, 2, "k"), Err("I2"));
    }

    #[test]
    fn what_was_asked_may_be_done_until_it_is_refused() {
        let mut reversals = asked(&["k", "l"]);
        assert!(!reversals.may_be_done("a", at(9)) && !reversals.may_be_done("b", at(10)));
        assert!(reversals.may_be_done("a", at(10)));
        refused(&mut reversals, 1, "k").unwrap();
        reversals.answer(2, &wish("l"), &Answer::Unknown).unwrap();
        assert!(reversals.may_be_done("a", at(10)), "nobody knows of the other");
        reversals.ask(at(20), 3, &wish("l"));
        refused(&mut reversals, 3, "l").unwrap();
        assert!(reversals.may_be_done("a", at(10)), "what refused it may have been the one before");
        let mut reversals = asked(&["k"]);
        refused(&mut reversals, 1, "k").unwrap();
        assert!(!reversals.may_be_done("a", at(99)));
        assert!(reversals.asked_for(&reversal("a", 1, 100, "r")).is_err());
    }

    #[test]
    fn nothing_is_taken_back_that_nobody_asked_for() {
        let reversals = asked(&["k"]);
        assert_eq!(reversals.asked_for(&reversal("a", 1, 100, "r")), Ok(()));
        for strange in [reversal("b", 1, 100, "r"), reversal("a", 2, 100, "r"), reversal("a", 1, 99, "r")] {
            assert_eq!(reversals.asked_for(&strange).unwrap_err().invariant, "I3");
        }
    }

    #[test]
    fn what_was_answered_is_stored_as_answered() {
        let mut reversals = asked(&["k"]);
        let stored = |row: ReversalSeen| BTreeMap::from([(row.vend.clone(), row)]);
        assert_eq!(reversals.kept(&BTreeMap::new(), true), Ok(()));
        done(&mut reversals, 1, "k", "r").unwrap();
        assert_eq!(reversals.clone().kept(&BTreeMap::new(), false).unwrap_err().invariant, "I3");
        assert_eq!(reversals.kept(&stored(reversal("a", 1, 100, "r")), false), Ok(()));
        assert_eq!(reversals.kept(&stored(reversal("a", 1, 100, "s")), true).unwrap_err().invariant, "I3");
    }
}

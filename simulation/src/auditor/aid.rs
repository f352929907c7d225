//! What people asked for beside paying: debts that were entered or written off, money that others give, emergency credit. A key
//! has one effect and one answer (I2); what was answered is kept (I3).

use std::collections::{BTreeMap, BTreeSet};

use domain::{ids::AccountId, money::Money};
use jiff::Timestamp;

use super::{Answer, Request, Violation, owed::Terms};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Aid {
    /// Debts to be entered, by their keys.
    debts: BTreeMap<String, (AccountId, Money, Terms)>,
    /// Debts to be written off; none: all of it.
    forgiven: BTreeMap<String, (AccountId, Option<Money>)>,
    /// What accounts are opened with that they owe.
    brought: BTreeMap<AccountId, (Money, Terms)>,
    /// Accounts that were told to be open.
    opened: BTreeSet<AccountId>,
    /// Balances to be put right.
    adjusted: BTreeMap<String, (AccountId, Money)>,
    /// Money to be given, in this order.
    gifts: BTreeMap<String, Vec<(AccountId, Money)>>,
    /// What was answered under a key, and when first.
    done: BTreeMap<String, (String, Timestamp)>,
    /// Requests whose key had been answered before.
    repeats: BTreeSet<u64>,
    /// Keys that were answered since the last look.
    news: BTreeSet<String>,
    emergencies: BTreeMap<AccountId, Emergency>,
    /// Accounts whose credit was surely low at the last look.
    low: BTreeSet<AccountId>,
}

/// What is known of an account's emergency credit.
#[derive(Debug, Clone, Default)]
struct Emergency {
    /// Requests that were not refused.
    open: BTreeSet<u64>,
    /// The key under which it was activated last.
    active: Option<String>,
    /// Since it was asked for nobody paid or gave anything: it is as it was.
    untouched: bool,
    /// Credit was surely low when it was activated: that only money ends. (It may be low by a forecast as well.)
    low: bool,
    /// What was left has surely been below zero since it may be active.
    drawn: bool,
}

impl Aid {
    /// Somebody asks.
    pub fn ask(&mut self, request: u64, what: &Request) {
        match what {
            Request::Owe { key, account, amount, share_ppm, weekly_cap } => {
                let terms = Terms { share_ppm: *share_ppm, weekly_cap: *weekly_cap };
                self.debts.insert(key.clone(), (*account, *amount, terms));
            }
            Request::Open { account, debt: Some(debt), .. } => drop(self.brought.insert(*account, *debt)),
            Request::Adjust { key, account, amount } => {
                self.touch(*account);
                self.adjusted.insert(key.clone(), (*account, *amount));
            }
            Request::Forgive { key, account, amount } => drop(self.forgiven.insert(key.clone(), (*account, *amount))),
            Request::Give { key, lines, .. } => {
                lines.iter().for_each(|(account, _)| self.touch(*account));
                self.gifts.insert(key.clone(), lines.clone());
            }
            Request::Help { account, .. } => {
                let one = self.emergencies.entry(*account).or_default();
                if one.open.is_empty() && one.active.is_none() {
                    (one.untouched, one.drawn) = (true, false);
                }
                one.open.insert(request);
            }
            Request::Vend { account, .. } | Request::Reverse { account, .. } | Request::Limits { account, .. } => {
                self.touch(*account);
            }
            _ => {}
        }
        if key(what).is_some_and(|key| self.done.contains_key(key)) {
            self.repeats.insert(request);
        }
    }

    /// What an account has may rise.
    fn touch(&mut self, account: AccountId) {
        if let Some(one) = self.emergencies.get_mut(&account) {
            one.untouched = false;
        }
    }

    /// Somebody gets an answer.
    ///
    /// # Errors
    /// A key has two answers; emergency credit is activated twice while credit is low.
    pub fn answer(&mut self, at: Timestamp, request: u64, what: &Request, answer: &Answer) -> Result<(), Violation> {
        if let (Request::Open { account, .. }, Answer::Done { .. }) = (what, answer) {
            self.opened.insert(*account);
        }
        let Some(key) = key(what) else { return Ok(()) };
        let repeats = self.repeats.remove(&request);
        let wrong = |invariant, detail: String| Err(Violation::of(invariant, format!("{key}: {detail}")));
        let emergency = match what {
            Request::Help { account, .. } => self.emergencies.get_mut(account),
            _ => None,
        };
        let receipt = match answer {
            Answer::Refused { code } if repeats => return wrong("I2", format!("done before, now refused as {code}")),
            Answer::Refused { .. } => {
                if let Some(one) = emergency {
                    one.open.remove(&request);
                }
                return Ok(());
            }
            Answer::Unknown => return Ok(()),
            Answer::Done { receipt: None } => return wrong("I2", "done without a receipt".to_owned()),
            Answer::Done { receipt: Some(receipt) } => receipt,
        };
        if let Some(one) = emergency.filter(|_| !repeats) {
            one.open.remove(&request);
            if one.untouched && one.low && one.active.as_ref().is_some_and(|before| before != key) {
                let detail = format!("activated while {:?} stands, and nobody paid in between", one.active);
                return wrong("emergency", detail);
            }
            if one.active.as_ref() != Some(key) {
                one.active = Some(key.clone());
                (one.untouched, one.drawn) = (true, false);
                one.low = matches!(what, Request::Help { account, .. } if self.low.contains(account));
            }
        }
        self.news.insert(key.clone());
        let (before, _) = self.done.entry(key.clone()).or_insert_with(|| (receipt.clone(), at));
        if before != receipt {
            return wrong("I2", format!("first {before}, then {receipt}"));
        }
        Ok(())
    }

    /// The terms of a debt that somebody wanted entered so.
    pub fn asked_to_owe(&self, key: &str, account: AccountId, amount: Money) -> Option<Terms> {
        if let Some(of) = key.strip_prefix("opening_debt:") {
            let brought = self.brought.get(&account).filter(|_| of == account.to_string());
            return brought.filter(|(wanted, _)| *wanted == amount).map(|(_, terms)| *terms);
        }
        let asked = self.debts.get(key.strip_prefix("debt:")?);
        asked.filter(|(of, wanted, _)| (*of, *wanted) == (account, amount)).map(|(_, _, terms)| *terms)
    }

    /// Whether somebody wanted so much of `owed` written off.
    pub fn asked_to_forgive(&self, key: &str, account: AccountId, amount: Money, owed: Money) -> bool {
        let asked = key.strip_prefix("debt_write_off:").and_then(|key| self.forgiven.get(key));
        asked.is_some_and(|(of, wanted)| *of == account && wanted.unwrap_or(owed) == amount)
    }

    /// Whether somebody wanted so much given. Of a batch only its lines are known, not its number.
    pub fn asked_to_give(&self, key: &str, account: AccountId, amount: Money) -> bool {
        if let Some(key) = key.strip_prefix("subsidy:") {
            return self.gifts.get(key).is_some_and(|lines| *lines == [(account, amount)]);
        }
        let nth = key.strip_prefix("batch_credit:").and_then(|key| key.rsplit_once(':')?.1.parse::<usize>().ok());
        let Some(place) = nth.and_then(|nth| nth.checked_sub(1)) else { return false };
        self.gifts.values().any(|lines| lines.get(place) == Some(&(account, amount)))
    }

    /// Whether somebody wanted a balance put right by so much.
    pub fn asked_to_adjust(&self, key: &str, account: AccountId, amount: Money) -> bool {
        key.strip_prefix("adjustment:").and_then(|key| self.adjusted.get(key)) == Some(&(account, amount))
    }

    /// What an account surely was given by then, to it alone, less what may have been taken.
    pub fn surely_given(&self, account: AccountId, by: Timestamp) -> Money {
        let given = self.gifts.iter().filter(|(key, _)| self.done.get(*key).is_some_and(|(_, at)| *at <= by));
        let to_it = given.filter_map(|(_, lines)| match lines.as_slice() {
            [(of, amount)] if *of == account => Some(*amount),
            _ => None,
        });
        let adjusted = self.adjusted.iter().filter(|(_, (of, _))| *of == account);
        let adjusted = adjusted
            .filter(|(key, (_, amount))| *amount < Money::ZERO || self.done.get(*key).is_some_and(|(_, at)| *at <= by));
        to_it.chain(adjusted.map(|(_, (_, amount))| *amount)).sum()
    }

    /// What was left of an account at a look, give or take a doubt: emergency credit is over once that came back to zero.
    pub fn left(&mut self, account: AccountId, available: Money, doubt: Money, low: Money) {
        if available + doubt <= low {
            self.low.insert(account);
        } else {
            self.low.remove(&account);
        }
        let Some(one) = self.emergencies.get_mut(&account) else { return };
        if one.drawn && available - doubt >= Money::ZERO && one.open.is_empty() {
            (one.active, one.untouched) = (None, false);
        }
        one.drawn |= available + doubt < Money::ZERO;
    }

    /// Whether emergency credit may be active.
    pub fn may_be_helped(&self, account: AccountId) -> bool {
        self.emergencies.get(&account).is_some_and(|one| one.active.is_some() || !one.open.is_empty())
    }

    /// Whether emergency credit is surely active.
    pub fn surely_helped(&self, account: AccountId) -> bool {
        self.emergencies.get(&account).is_some_and(|one| one.active.is_some() && one.untouched)
    }

    /// What was told to be done (`all` of it, or since the last look) is posted; `posted` holds amounts by transactions' keys.
    ///
    /// # Errors
    /// It is not.
    pub fn kept(&mut self, posted: &BTreeMap<String, Money>, all: bool) -> Result<(), Violation> {
        let news = std::mem::take(&mut self.news);
        for (key, (receipt, _)) in self.done.iter().filter(|(key, _)| all || news.contains(*key)) {
            let there = match self.gifts.get(key) {
                Some(lines) if key.starts_with("batch") => whole(receipt, lines, posted),
                Some(_) => posted.contains_key(&format!("subsidy:{key}")),
                None if self.debts.contains_key(key) => posted.contains_key(&format!("debt:{key}")),
                None if self.adjusted.contains_key(key) => posted.contains_key(&format!("adjustment:{key}")),
                None if self.forgiven.contains_key(key) => posted.contains_key(&format!("debt_write_off:{key}")),
                None => true,
            };
            if !there {
                return Err(Violation::of("I3", format!("{key}: answered with {receipt}, and not posted so")));
            }
        }
        let lost = self.opened.iter().filter(|account| self.brought.contains_key(*account));
        match lost.into_iter().find(|account| !posted.contains_key(&format!("opening_debt:{account}"))) {
            Some(account) => Err(Violation::of("I3", format!("account {account}: opened without its debt"))),
            None => Ok(()),
        }
    }
}

/// Whether a batch posted what its answer says.
fn whole(receipt: &str, lines: &[(AccountId, Money)], posted: &BTreeMap<String, Money>) -> bool {
    let Ok(told) = serde_json::from_str::<serde_json::Value>(receipt) else { return false };
    let Some(id) = told.get("id").and_then(|id| id.as_str()) else { return false };
    let keys = (1..=lines.len()).map(|nth| format!("batch_credit:{id}:{nth}"));
    let sum: Money = keys.filter_map(|key| posted.get(&key).copied()).sum();
    told.get("posted").and_then(serde_json::Value::as_i64) == Some(sum.get())
}

fn key(what: &Request) -> Option<&String> {
    match what {
        Request::Owe { key, .. }
        | Request::Adjust { key, .. }
        | Request::Forgive { key, .. }
        | Request::Give { key, .. }
        | Request::Help { key, .. } => Some(key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{account, at};

    fn told(receipt: &str) -> Answer {
        Answer::Done { receipt: Some(receipt.to_owned()) }
    }

    fn word(judged: Result<(), Violation>) -> Result<(), &'static str> {
        judged.map_err(|wrong| wrong.invariant)
    }

    #[test]
    fn only_what_was_asked_for_is_owed_forgiven_and_given() {
        let mut aid = Aid::default();
        let amount = Money::new(5);
        let terms = Terms { share_ppm: 1, weekly_cap: None };
        let owe = Request::Owe { key: "d".to_owned(), account: account(1), amount, share_ppm: 1, weekly_cap: None };
        aid.ask(1, &owe);
        assert_eq!(aid.asked_to_owe("debt:d", account(1), amount), Some(terms));
        assert_eq!(aid.asked_to_owe("debt:d", account(2), amount), None);
        aid.ask(2, &Request::Forgive { key: "f".to_owned(), account: account(1), amount: None });
        assert!(aid.asked_to_forgive("debt_write_off:f", account(1), amount, amount));
        assert!(!aid.asked_to_forgive("debt_write_off:f", account(1), amount, Money::new(6)));
        let lines = vec![(account(1), amount), (account(2), Money::new(6))];
        aid.ask(3, &Request::Give { key: "batch-g".to_owned(), lines });
        assert!(aid.asked_to_give("batch_credit:77:2", account(2), Money::new(6)));
        assert!(!aid.asked_to_give("batch_credit:77:1", account(2), Money::new(6)));
        assert!(!aid.asked_to_give("subsidy:g", account(1), amount));
        assert_eq!(word(aid.answer(at(1), 1, &owe, &told("r"))), Ok(()));
        assert_eq!(word(aid.kept(&BTreeMap::new(), false)), Err("I3"));
        assert_eq!(word(aid.kept(&BTreeMap::from([("debt:d".to_owned(), amount)]), true)), Ok(()));
        aid.ask(4, &owe);
        assert_eq!(word(aid.answer(at(2), 4, &owe, &told("s"))), Err("I2"));
    }

    #[test]
    fn what_an_account_is_opened_with_is_owed_and_what_was_put_right_was_asked_for() {
        let mut aid = Aid::default();
        let (amount, terms) = (Money::new(5), Terms { share_ppm: 1, weekly_cap: None });
        let (key, credit, debt) = ("open".to_owned(), Money::ZERO, Some((amount, terms)));
        let open = Request::Open { key, account: account(1), credit, debt };
        aid.ask(1, &open);
        let brought = format!("opening_debt:{}", account(1));
        assert_eq!(aid.asked_to_owe(&brought, account(1), amount), Some(terms));
        assert_eq!(aid.asked_to_owe(&brought, account(1), Money::new(6)), None);
        assert_eq!(aid.asked_to_owe(&brought, account(2), amount), None);
        assert_eq!(word(aid.kept(&BTreeMap::new(), false)), Ok(()), "nobody was told");
        assert_eq!(word(aid.answer(at(1), 1, &open, &Answer::Done { receipt: None })), Ok(()));
        assert_eq!(word(aid.kept(&BTreeMap::new(), false)), Err("I3"));
        assert_eq!(word(aid.kept(&BTreeMap::from([(brought, amount)]), false)), Ok(()));

        let adjust = |key: &str, amount| Request::Adjust { key: key.to_owned(), account: account(2), amount };
        let (up, down) = (adjust("up", amount), adjust("down", -Money::new(2)));
        aid.ask(2, &up);
        assert_eq!(aid.surely_given(account(2), at(9)), Money::ZERO, "it may not be done");
        assert_eq!(word(aid.answer(at(3), 2, &up, &told("r"))), Ok(()));
        assert!(aid.asked_to_adjust("adjustment:up", account(2), amount));
        assert!(!aid.asked_to_adjust("adjustment:up", account(1), amount));
        aid.ask(3, &down);
        assert_eq!(aid.surely_given(account(2), at(9)), Money::new(3), "it may be taken");
    }

    #[test]
    fn emergency_credit_is_activated_once_while_nobody_pays() {
        let help = |key: &str| Request::Help { key: key.to_owned(), account: account(1) };
        let mut aid = Aid::default();
        aid.left(account(1), Money::new(9), Money::new(1), Money::new(10));
        aid.ask(1, &help("a"));
        assert!(aid.may_be_helped(account(1)) && !aid.surely_helped(account(1)));
        assert_eq!(word(aid.answer(at(1), 1, &help("a"), &told("r"))), Ok(()));
        assert!(aid.surely_helped(account(1)));
        let mut paid = aid.clone();
        aid.ask(2, &help("b"));
        assert_eq!(word(aid.answer(at(2), 2, &help("b"), &told("s"))), Err("emergency"));
        paid.ask(2, &Request::Give { key: "g".to_owned(), lines: vec![(account(1), Money::new(9))] });
        assert!(paid.may_be_helped(account(1)) && !paid.surely_helped(account(1)));
        paid.left(account(1), Money::new(-5), Money::new(1), Money::ZERO);
        paid.left(account(1), Money::new(4), Money::new(1), Money::ZERO);
        assert!(!paid.may_be_helped(account(1)), "it is over when nothing is owed any more");
    }
}

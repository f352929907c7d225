//! Money that adds up, and every way in which it may not.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::civil::date;

use super::*;
use crate::auditor::{
    FixedCharge, Request, Rules,
    fixtures::{account, account_seen, at, installation, installation_id, reversal, rules, transaction, vend},
};

/// A run in which account 1 was opened with 1000 and was asked to be paid 300.
struct Run {
    ledger: Ledger,
    people: People,
    rules: Rules,
}

impl Run {
    fn new() -> Self {
        let mut people = People::default();
        let open = Request::Open { key: "o".to_owned(), account: account(1), credit: Money::new(1000), debt: None };
        people.ask(at(0), 1, open);
        let (key, content) = ("a".to_owned(), "a".to_owned());
        people.ask(at(0), 2, Request::Vend { key, account: account(1), amount: Money::new(300), content });
        let mut run = Self { ledger: Ledger::default(), people, rules: rules() };
        let opened = Seen {
            installations: vec![installation()],
            transactions: vec![transaction(1, Kind::Opening, 1000)],
            ..row(2, 1000, 0)
        };
        assert_eq!(run.look(&opened), Ok(()));
        run
    }

    fn look(&mut self, seen: &Seen) -> Result<(), &'static str> {
        let of = BTreeMap::from([(account(1), self.rules.tariffs.values().next().unwrap().clone())]);
        let tariffs = Tariffs { of: &of, rules: &self.rules };
        self.ledger.look(seen, &self.people, &tariffs).map_err(|wrong| wrong.invariant)
    }
}

fn row(version: i64, posted: i64, carry: i64) -> Seen {
    Seen { accounts: BTreeMap::from([(account(1), account_seen(version, posted, carry))]), ..Seen::default() }
}

fn day(day: i8, revision: i64, end_value: i64) -> DaySeen {
    let (account, installation) = (account(1), installation_id(1));
    let (day, end_value, cuts) = (date(2026, 5, day), Energy::new(end_value), Vec::new());
    DaySeen { account, installation, day, revision, end_value, ends_at_peak: false, cuts }
}

/// The first day used 250, which is 2 fen and a half.
fn settled() -> Seen {
    let charge = transaction(2, Kind::Charge, -2);
    Seen { transactions: vec![charge], days: vec![day(1, 1, 5250)], ..row(3, 998, 50_000_000) }
}

#[test]
fn money_that_adds_up_is_left_alone() {
    let mut run = Run::new();
    assert_eq!(run.look(&settled()), Ok(()));
    // The next day used 50 and makes the half a whole; then the first is corrected down and takes 1 back.
    let charge =
        Seen { transactions: vec![transaction(3, Kind::Charge, -1)], days: vec![day(2, 1, 5300)], ..row(4, 997, 0) };
    assert_eq!(run.look(&charge), Ok(()));
    let correction = Seen {
        transactions: vec![transaction(4, Kind::Charge, 1)],
        days: vec![day(1, 2, 5240), day(2, 2, 5290)],
        ..row(5, 998, 90_000_000)
    };
    assert_eq!(run.look(&correction), Ok(()));
    let vended = Seen {
        transactions: vec![transaction(5, Kind::Vend, 300)],
        vends: vec![vend("a", 1, 300, "r")],
        ..row(6, 1298, 90_000_000)
    };
    assert_eq!(run.look(&vended), Ok(()));
    assert_eq!(run.ledger.of(account(1)).unwrap().for_energy(), Money::new(1300));
    assert_eq!(run.look(&row(7, 1298, 90_000_000)), Ok(()));
}

#[test]
fn a_balance_is_the_sum_of_its_postings() {
    let mut run = Run::new();
    assert_eq!(run.look(&row(3, 1001, 0)), Err("I1"));
    let mut run = Run::new();
    assert_eq!(run.look(&Seen { transactions: Vec::new(), ..settled() }), Err("I1"));
}

#[test]
fn charges_are_what_the_settled_energy_costs() {
    for (charge, posted, carry) in [(-3, 997, 50_000_000), (-2, 998, 0), (0, 1000, 50_000_000)] {
        let mut run = Run::new();
        let charge = transaction(2, Kind::Charge, charge);
        let seen = Seen { transactions: vec![charge], days: vec![day(1, 1, 5250)], ..row(3, posted, carry) };
        assert_eq!(run.look(&seen), Err("I1"), "{posted} {carry}");
    }
}

#[test]
fn days_follow_each_other_and_registers_do_not_run_back() {
    let mut run = Run::new();
    let late = Seen { days: vec![day(2, 1, 5000)], ..row(3, 1000, 0) };
    assert_eq!(run.look(&late), Err("free energy"));
    let mut run = Run::new();
    assert_eq!(run.look(&settled()), Ok(()));
    assert_eq!(run.look(&Seen { days: vec![day(2, 1, 5249)], ..row(4, 998, 50_000_000) }), Err("double charge"));
    let mut run = Run::new();
    assert_eq!(run.look(&settled()), Ok(()));
    assert_eq!(run.look(&Seen { days: vec![day(1, 3, 5250)], ..row(4, 998, 50_000_000) }), Err("I1"));
}

#[test]
fn postings_move_something_and_transactions_leave_no_gap() {
    let strange = |change: fn(&mut TransactionSeen)| {
        let mut seen = settled();
        seen.transactions.iter_mut().for_each(change);
        Run::new().look(&seen)
    };
    assert_eq!(strange(|_| {}), Ok(()));
    assert_eq!(strange(|one| one.sequence = 3), Err("I1"));
    assert_eq!(strange(|one| one.postings.iter_mut().for_each(|posting| posting.2 = Money::ZERO)), Err("I1"));
    assert_eq!(strange(|one| one.postings.iter_mut().for_each(|posting| posting.0 = "opening".to_owned())), Err("I1"));
}

#[test]
fn what_opened_or_paid_must_have_been_asked_for() {
    let mut run = Run::new();
    let again = Seen { transactions: vec![transaction(2, Kind::Opening, 1000)], ..row(3, 2000, 0) };
    assert_eq!(run.look(&again), Err("I1"));
    let vended = |key: &str| Seen {
        transactions: vec![transaction(2, Kind::Vend, 300)],
        vends: vec![vend(key, 1, 300, "r")],
        ..row(3, 1300, 0)
    };
    let mut run = Run::new();
    assert_eq!(run.look(&vended("b")), Err("I3"));
    let mut run = Run::new();
    assert_eq!(run.look(&Seen { transactions: Vec::new(), ..vended("a") }), Err("I1"));
    let mut run = Run::new();
    assert_eq!(run.look(&vended("a")), Ok(()));
    assert_eq!(run.look(&Seen { transactions: Vec::new(), ..vended("a") }), Err("I2"));
}

#[test]
fn what_rows_and_receipts_say_of_the_balance_is_the_sum() {
    let sold = |row_says: i64, receipt_says: i64| {
        let paid = TransactionSeen { balance_after: Some(Money::new(row_says)), ..transaction(2, Kind::Vend, 300) };
        let vend = VendSeen { told_balance: Some(Money::new(receipt_says)), ..vend("a", 1, 300, "r") };
        Run::new().look(&Seen { transactions: vec![paid], vends: vec![vend], ..row(3, 1300, 0) })
    };
    assert_eq!(sold(1300, 1300), Ok(()));
    assert_eq!(sold(1000, 1300), Err("I1"));
    assert_eq!(sold(1300, 1000), Err("I1"));
}

#[test]
fn receipts_have_no_gaps_and_stand_once() {
    let numbered = |numbers: &[&str]| {
        let mut ledger = Ledger::default();
        for (nth, number) in (1..).zip(numbers) {
            let row = VendSeen { receipt_number: (*number).to_owned(), ..vend("a", 1, nth, "r") };
            ledger.vends.insert(nth.to_string(), row);
        }
        ledger.receipts().map_err(|wrong| wrong.invariant)
    };
    assert_eq!(numbered(&["t-2", "t-1", "u-1-1", "u-1-2"]), Ok(()));
    for wrong in [&["t-1", "t-3"][..], &["t-2"], &["t-1", "t-1"], &["t"], &["t-x"]] {
        assert_eq!(numbered(wrong), Err("I3"), "{wrong:?}");
    }
}

/// A run that sold the 300; with `asked`, somebody wants them back.
fn sold(asked: bool) -> Run {
    let mut run = Run::new();
    let vend = vend("a", 1, 300, "r");
    let paid = Seen { transactions: vec![transaction(2, Kind::Vend, 300)], vends: vec![vend], ..row(3, 1300, 0) };
    assert_eq!(run.look(&paid), Ok(()));
    if asked {
        let (key, vend, content) = ("b".to_owned(), "a".to_owned(), String::new());
        let reverse = Request::Reverse { key, vend, account: account(1), amount: Money::new(300), content };
        run.people.ask(at(1), 3, reverse);
    }
    run
}

/// The 300 are given back.
fn given_back() -> Seen {
    let transactions = vec![transaction(3, Kind::Reversal, -300)];
    Seen { transactions, reversals: vec![reversal("a", 1, 300, "r")], ..row(4, 1000, 0) }
}

#[test]
fn what_is_taken_back_counts_as_never_paid() {
    let mut run = sold(true);
    assert_eq!(run.look(&given_back()), Ok(()));
    assert_eq!(run.ledger.of(account(1)).unwrap().for_energy(), Money::new(1000));
    assert_eq!(sold(false).look(&given_back()), Err("I3"), "nobody asked for it");
    let unposted = Seen { transactions: Vec::new(), ..given_back() };
    assert_eq!(sold(true).look(&unposted), Err("I1"));
    let unnamed = Seen { reversals: Vec::new(), ..given_back() };
    assert_eq!(sold(true).look(&unnamed), Err("I1"));
    let unsold = Seen { transactions: vec![transaction(2, Kind::Reversal, -300)], ..given_back() };
    let mut run = Run::new();
    let (key, vend, content) = ("b".to_owned(), "a".to_owned(), String::new());
    run.people.ask(at(1), 3, Request::Reverse { key, vend, account: account(1), amount: Money::new(300), content });
    assert_eq!(run.look(&unsold), Err("I3"));
}

#[test]
fn nothing_is_taken_back_twice() {
    let again = |reversals| {
        let mut run = sold(true);
        assert_eq!(run.look(&given_back()), Ok(()));
        let transactions = vec![transaction(4, Kind::Reversal, -300)];
        run.look(&Seen { transactions, reversals, ..row(5, 700, 0) })
    };
    assert_eq!(again(vec![reversal("a", 1, 300, "s")]), Err("I2"));
    assert_eq!(again(Vec::new()), Err("I1"));
}

#[test]
fn an_account_told_to_be_open_is_open() {
    let mut run = Run::new();
    run.people.answer(at(1), 1, &crate::auditor::Answer::Done { receipt: None }).unwrap();
    assert_eq!(run.look(&row(3, 1000, 0)), Ok(()));
    let mut closed = row(4, 1000, 0);
    closed.accounts.values_mut().for_each(|row| row.active = false);
    assert_eq!(run.look(&closed), Err("I3"));
}

#[test]
fn all_that_was_read_is_read_again_at_the_end() {
    let mut run = Run::new();
    assert_eq!(run.look(&settled()), Ok(()));
    let opening = transaction(1, Kind::Opening, 1000);
    let whole = Seen {
        whole: true,
        installations: vec![installation()],
        transactions: vec![opening, transaction(2, Kind::Charge, -2)],
        ..settled()
    };
    assert_eq!(run.look(&whole), Ok(()));
    let mut short = Run::new();
    assert_eq!(short.look(&settled()), Ok(()));
    let less = Seen {
        whole: true,
        installations: vec![installation()],
        transactions: vec![transaction(1, Kind::Opening, 1000)],
        ..row(3, 1000, 0)
    };
    assert_eq!(short.look(&less), Err("I1"));
}

#[test]
fn fixed_charges_are_those_of_the_days_posted_each_once() {
    let charged = |daily: i64, moved: &[(&str, i64)]| {
        let mut run = Run::new();
        let charge = FixedCharge { monthly: false, amount: Money::new(daily) };
        run.rules.tariffs.values_mut().flatten().for_each(|version| version.fixed = vec![charge]);
        let posted = (2..).zip(moved).map(|(sequence, (object, amount))| TransactionSeen {
            object: (*object).to_owned(),
            ..transaction(sequence, Kind::Fixed, *amount)
        });
        let left = 1000 + moved.iter().map(|(_, amount)| amount).sum::<i64>();
        let (opened_at, fixed_to) = (Some(at(0)), Some(date(2026, 5, 3)));
        let row = AccountSeen { opened_at, fixed_to, ..account_seen(3, left, 0) };
        let accounts = BTreeMap::from([(account(1), row)]);
        run.look(&Seen { transactions: posted.collect(), accounts, ..Seen::default() })
    };
    assert_eq!(charged(10, &[("first", -10), ("second", -10)]), Ok(()));
    assert_eq!(charged(10, &[("first", -10), ("first", -10)]), Err("I1"), "twice for one day");
    assert_eq!(charged(10, &[("first", -10)]), Err("I1"), "a day is missing");
    assert_eq!(charged(10, &[("first", -10), ("second", -11)]), Err("I1"));
    assert_eq!(charged(0, &[]), Ok(()));
}

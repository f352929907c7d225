//! What people asked for and were told, and what is made of it.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::auditor::{
    Whose,
    fixtures::{account, at, meter, order, rules, vend},
};

fn ask(people: &mut People, request: u64, key: &str, amount: i64) {
    let (amount, content) = (Money::new(amount), format!("{amount}"));
    people.ask(at(0), request, Request::Vend { key: key.to_owned(), account: account(1), amount, content });
}

fn done(people: &mut People, request: u64, receipt: &str) -> Result<(), &'static str> {
    let answer = Answer::Done { receipt: Some(receipt.to_owned()) };
    people.answer(at(1), request, &answer).map_err(|wrong| wrong.invariant)
}

#[test]
fn a_key_gives_one_receipt() {
    let mut people = People::default();
    (1..=3).for_each(|request| ask(&mut people, request, "a", 100));
    assert_eq!(done(&mut people, 1, "r1"), Ok(()));
    assert_eq!(done(&mut people, 2, "r1"), Ok(()));
    assert_eq!(done(&mut people, 3, "r2"), Err("I2"));
}

#[test]
fn a_key_has_one_content() {
    let mut people = People::default();
    ask(&mut people, 1, "a", 100);
    ask(&mut people, 2, "a", 200);
    assert_eq!(done(&mut people, 1, "r1"), Ok(()));
    let refused = Answer::Refused { code: "idempotency_key_reused".to_owned() };
    assert_eq!(people.answer(at(2), 2, &refused), Ok(()));
    ask(&mut people, 3, "a", 200);
    assert_eq!(done(&mut people, 3, "r1"), Err("I2"));
}

#[test]
fn what_was_sold_is_not_refused_when_it_is_repeated() {
    let mut people = People::default();
    ask(&mut people, 1, "a", 100);
    assert_eq!(done(&mut people, 1, "r1"), Ok(()));
    ask(&mut people, 2, "a", 100);
    assert_eq!(people.answer(at(2), 2, &Answer::Unknown), Ok(()));
    ask(&mut people, 3, "a", 100);
    let refused = Answer::Refused { code: "cashier_day_limit".to_owned() };
    assert_eq!(people.answer(at(2), 3, &refused).unwrap_err().invariant, "I2");
}

#[test]
fn what_was_answered_is_stored_as_answered() {
    let mut people = People::default();
    ask(&mut people, 1, "a", 100);
    let stored = |row: VendSeen| BTreeMap::from([(row.key.clone(), row)]);
    assert_eq!(people.kept(&BTreeMap::new(), true), Ok(()));
    done(&mut people, 1, "r1").unwrap();
    assert_eq!(people.clone().kept(&BTreeMap::new(), false).unwrap_err().invariant, "I3");
    assert_eq!(people.kept(&stored(vend("a", 1, 100, "r1")), false), Ok(()));
    assert_eq!(people.kept(&stored(vend("a", 1, 100, "r2")), true).unwrap_err().invariant, "I3");
    assert_eq!(people.kept(&stored(vend("a", 1, 99, "r1")), true).unwrap_err().invariant, "I3");
    assert_eq!(people.surely_paid(account(1), (at(0), at(9))), Money::ZERO);
    assert_eq!(people.surely_paid(account(1), (at(1), at(9))), Money::new(100));
    assert_eq!(people.surely_paid(account(2), (at(1), at(9))), Money::ZERO);
    let (key, vend, content) = ("k".to_owned(), "a".to_owned(), String::new());
    people.ask(at(5), 9, Request::Reverse { key, vend, account: account(1), amount: Money::new(100), content });
    assert_eq!(people.surely_paid(account(1), (at(1), at(4))), Money::new(100));
    assert_eq!(people.surely_paid(account(1), (at(1), at(5))), Money::ZERO, "it may be taken back");
}

#[test]
fn nothing_is_sold_that_nobody_asked_for() {
    let mut people = People::default();
    ask(&mut people, 1, "a", 100);
    assert_eq!(people.asked_to_sell(&vend("a", 1, 100, "r")), Ok(()));
    for strange in [vend("b", 1, 100, "r"), vend("a", 2, 100, "r"), vend("a", 1, 101, "r")] {
        assert_eq!(people.asked_to_sell(&strange).unwrap_err().invariant, "I3");
    }
}

#[test]
fn an_operators_key_orders_once() {
    let mut people = People::default();
    let what = Request::Order { key: "k".to_owned(), meter: meter(1), supply: Supply::Off };
    people.ask(at(0), 1, what.clone());
    people.answer(at(1), 1, &Answer::Done { receipt: None }).unwrap();
    people.ask(at(2), 2, what);
    let one = order(1, 1, Supply::Off, Cause::Operator);
    let zone = rules().zone;
    assert_eq!(people.asked_to_order([&one], at(0), &zone), Ok(()));
    let two = order(2, 1, Supply::Off, Cause::Operator);
    assert_eq!(people.asked_to_order([&one, &two], at(0), &zone).unwrap_err().invariant, "I2");
    let over = Request::Wish { key: "over".to_owned(), whose: Whose::Safety, meter: meter(1), supply: Supply::On };
    people.ask(at(3), 3, over);
    assert_eq!(people.asked_to_order([&one, &two], at(3), &zone), Ok(()), "the cut goes on in the place of another's");
    assert!(people.operator_surely(true, meter(1), at(2), at(9)), "a repetition changes nothing");
    assert!(people.operator_surely(false, meter(2), at(2), at(9)));
}

#[test]
fn guards_stand_from_answer_to_request() {
    let mut people = People::default();
    people.ask(at(0), 1, Request::GuardMeter { meter: meter(1), on: true });
    assert!(!people.turned.surely_unguarded(meter(1), account(1), at(0), at(0)));
    people.answer(at(10), 1, &Answer::Done { receipt: None }).unwrap();
    assert!(people.turned.surely_guarded(meter(1), account(1), at(11), at(20)));
    people.ask(at(30), 2, Request::GuardMeter { meter: meter(1), on: false });
    people.crashed();
    assert!(!people.turned.surely_guarded(meter(1), account(1), at(31), at(40)));
    assert!(!people.turned.surely_unguarded(meter(1), account(1), at(31), at(40)));
    assert!(people.turned.surely_unguarded(meter(2), account(1), at(0), at(40)));
}

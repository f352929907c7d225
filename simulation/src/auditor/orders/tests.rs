//! The life of an order, and every way in which it may not go.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::energy::Energy;

use super::*;
use crate::auditor::{
    MeterTruth,
    fixtures::{at, line, meter, order, then},
    seen::Cause,
};

/// Meter 1 is cut at second 20 and takes a command for it then.
fn truth() -> Truth {
    let one = MeterTruth {
        energy: Energy::ZERO,
        register: Energy::ZERO,
        supply: Supply::Off,
        permitted: false,
        reachable: true,
        truthful: true,
        exact: true,
        inexact: Vec::new(),
        moves: vec![(at(20), Supply::Off)],
        disconnects_taken: vec![at(19)],
        midnights: Vec::new(),
    };
    Truth { meters: BTreeMap::from([(meter(1), one)]), up: true }
}

/// What is wrong with these orders, seen together at second 100.
fn judge(orders: &[OrderSeen]) -> Result<(), String> {
    let mut field = Field::default();
    field.look(&truth());
    let seen = Seen { orders: orders.to_vec(), ..Seen::default() };
    let judged = Orders::default().look(at(100), &truth(), &seen, &field, &HeadEndClock::default());
    judged.map_err(|wrong| format!("{}: {}", wrong.invariant, wrong.detail.split(": ").nth(1).unwrap()))
}

fn cut() -> OrderSeen {
    order(1, 1, Supply::Off, Cause::Credit)
}

fn sent() -> OrderSeen {
    then(cut(), 15, State::Sent)
}

fn done() -> OrderSeen {
    then(then(sent(), 20, State::Acknowledged), 25, State::Confirmed)
}

#[test]
fn an_order_that_goes_its_way_is_left_alone() {
    assert_eq!(judge(&[done()]), Ok(()));
    assert_eq!(judge(&[then(sent(), 30, State::Superseded), order(2, 1, Supply::On, Cause::Credit)]), Ok(()));
}

#[test]
fn a_meter_has_one_live_order() {
    let two = [sent(), order(2, 1, Supply::On, Cause::Credit)];
    assert!(judge(&two).unwrap_err().starts_with("I5: orders"));
}

#[test]
fn orders_end_once_and_are_not_sent_after_their_end() {
    let after = then(then(sent(), 16, State::Superseded), 17, State::Sent);
    assert_eq!(judge(&[after]).unwrap_err(), "I5: became Sent after Some(Superseded)");
    let twice = then(done(), 30, State::Failed);
    assert_eq!(judge(&[twice]).unwrap_err(), "I5: became Failed after Some(Confirmed)");
    let sent = then(sent(), 16, State::Ordered);
    assert_eq!(judge(&[sent]).unwrap_err(), "I5: became Ordered after Some(Sent)");
}

#[test]
fn rows_and_lines_say_the_same() {
    let other = OrderSeen { state: State::Acknowledged, ..sent() };
    assert_eq!(judge(&[other]).unwrap_err(), "I5: is Acknowledged, its last line says otherwise");
    let more = OrderSeen { attempts: 2, ..sent() };
    assert_eq!(judge(&[more]).unwrap_err(), "I5: was sent 2 times, its lines say Ok(1)");
}

#[test]
fn an_order_is_confirmed_by_a_look_at_the_relay() {
    let unread = OrderSeen { read_at: None, ..done() };
    assert_eq!(judge(&[unread]).unwrap_err(), "I5: confirmed, and the relay was not read");
    let early = OrderSeen { read_at: Some(at(14)), ..done() };
    assert!(judge(&[early]).unwrap_err().starts_with("I5: confirmed by a relay read at"));
    let mut untrue = then(then(order(2, 1, Supply::On, Cause::Credit), 30, State::Sent), 40, State::Confirmed);
    assert!(judge(&[done(), untrue.clone()]).unwrap_err().starts_with("I5: confirmed, and the relay was never on"));
    // It was on until second 20.
    untrue.sent_at = Some(at(19));
    assert_eq!(judge(&[done(), untrue]), Ok(()));
}

#[test]
fn a_meter_takes_no_command_that_was_not_sent() {
    assert!(judge(&[]).unwrap_err().starts_with("I5: took a disconnect at"));
    let withdrawn = then(cut(), 10, State::Superseded);
    assert!(judge(&[withdrawn]).unwrap_err().starts_with("I5: took a disconnect at"));
    let late = then(cut(), 21, State::Sent);
    assert!(judge(&[late]).unwrap_err().starts_with("I5: took a disconnect at"));
    let long_ago = OrderSeen { lines: vec![line(-700, State::Ordered)], ..cut() };
    let long_ago = then(long_ago, -600, State::Sent);
    assert!(judge(&[long_ago]).unwrap_err().starts_with("I5: took a disconnect at"));
}

#[test]
fn history_is_not_rewritten_and_nothing_is_lost() {
    let mut orders = Orders::default();
    let (field, clock, calm) = (Field::default(), HeadEndClock::default(), Truth::default());
    let mut look = |seen: &Seen| {
        let judged = orders.look(at(100), &calm, seen, &field, &clock);
        judged.map_err(|wrong| wrong.detail)
    };
    let with = |orders: Vec<OrderSeen>, whole| Seen { orders, whole, ..Seen::default() };
    assert_eq!(look(&with(vec![sent()], false)), Ok(()));
    assert_eq!(look(&with(vec![then(sent(), 20, State::Acknowledged)], false)), Ok(()));
    let rewritten = then(then(cut(), 16, State::Sent), 20, State::Acknowledged);
    assert!(look(&with(vec![rewritten], false)).unwrap_err().ends_with("its history was rewritten"));
    assert_eq!(look(&with(Vec::new(), true)).unwrap_err(), "1 orders were stored, and 0 are");
}

#[test]
fn what_was_sent_is_told_once() {
    let mut orders = Orders::default();
    let clock = HeadEndClock::default();
    let seen = Seen { orders: vec![sent()], ..Seen::default() };
    assert_eq!(orders.sendings(&seen, &clock, at(100)).map(|one| one.when.0).collect::<Vec<_>>(), [at(15)]);
    assert_eq!(orders.new_in(&seen).count(), 1);
    orders.look(at(100), &Truth::default(), &seen, &Field::default(), &clock).unwrap();
    assert_eq!(orders.sendings(&seen, &clock, at(100)).count(), 0);
    assert_eq!(orders.new_in(&seen).count(), 0);
}

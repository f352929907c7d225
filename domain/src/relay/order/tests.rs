//! Relay orders: the life of one, told step by step, and what holds for every life.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{at, hours, meter_id, minutes, order_id, policy};

fn start() -> Timestamp {
    at("2026-05-01T10:00:00Z")
}

fn after(seconds: i64) -> Timestamp {
    shift(start(), SignedDuration::from_secs(seconds))
}

fn order(action: Action, permit: bool) -> Order {
    let wish = Wish { action, cause: Cause::Credit, permit };
    Order::new(order_id(), meter_id(), None, wish, start(), &policy().relay)
}

fn reading(relay: RelayState, command: RelayState) -> RelayReading {
    RelayReading { relay, command, local_prepay: false }
}

const CONNECTED: (RelayState, RelayState) = (RelayState::Connected, RelayState::Connected);
const DISCONNECTED: (RelayState, RelayState) = (RelayState::Disconnected, RelayState::Disconnected);
const PERMITTED: (RelayState, RelayState) = (RelayState::Disconnected, RelayState::Connected);

fn read((relay, command): (RelayState, RelayState)) -> Event {
    Event::RelayRead(reading(relay, command))
}

/// An order and what happens to it, second by second.
struct Story {
    order: Order,
    now: Timestamp,
}

impl Story {
    fn of(action: Action, permit: bool) -> Self {
        Self { order: order(action, permit), now: start() }
    }

    /// `event` happens `seconds` after the start; the order is `expected` then.
    fn then(mut self, seconds: i64, event: Event, expected: State) -> Self {
        self.now = after(seconds);
        self.order = apply(&self.order, event, self.now, &policy().relay).unwrap().order;
        assert_eq!(self.order.state, expected, "{event:?} after {seconds} s");
        self
    }

    /// What is to be done now.
    fn next(self, expected: Move) -> Self {
        assert_eq!(next_move(&self.order, self.now, &policy().relay), expected);
        self
    }
}

fn read_back(seconds: i64) -> Move {
    Move::ReadBack { not_before: after(seconds) }
}

fn wait(seconds: i64) -> Move {
    Move::Wait { until: after(seconds) }
}

#[test]
fn sent_acknowledged_read_back_confirmed() {
    let story = Story::of(Action::Disconnect, false)
        .next(Move::Send)
        .then(0, Event::Authorized, State::Sent)
        .then(1, Event::Acknowledged, State::Acknowledged)
        .next(read_back(6))
        .then(6, read(DISCONNECTED), State::Confirmed)
        .next(Move::Ended);
    assert_eq!(story.order.ended_at, Some(after(6)));
}

#[test]
fn an_acknowledgement_alone_confirms_nothing() {
    Story::of(Action::Reconnect, false)
        .then(0, Event::Authorized, State::Sent)
        .then(1, Event::Acknowledged, State::Acknowledged)
        .then(6, read(DISCONNECTED), State::Acknowledged)
        .next(read_back(11))
        .then(59, read(DISCONNECTED), State::Acknowledged)
        .then(64, read(DISCONNECTED), State::Acknowledged)
        .next(wait(74))
        .then(74, Event::Reachable, State::Acknowledged)
        .next(Move::Send)
        .then(74, Event::Authorized, State::Sent)
        .then(80, read(CONNECTED), State::Confirmed);
}

#[test]
fn after_a_timeout_the_relay_is_read_before_anything_is_sent_again() {
    let story = Story::of(Action::Reconnect, false)
        .then(0, Event::Authorized, State::Sent)
        .then(20, Event::NoAnswer, State::Sent)
        .next(read_back(30))
        .then(31, Event::NoAnswer, State::Sent)
        .next(read_back(51));
    let refused = apply(&story.order, Event::Authorized, after(60), &policy().relay);
    assert_eq!(refused, Err(OutOfTurn { state: State::Sent, event: Event::Authorized }));
    story.then(62, read(DISCONNECTED), State::Sent).next(wait(72));
}

#[test]
fn a_command_that_worked_unheard_is_not_sent_twice() {
    let story = Story::of(Action::Disconnect, false)
        .then(0, Event::Authorized, State::Sent)
        .then(20, Event::NoAnswer, State::Sent)
        .then(30, read(DISCONNECTED), State::Confirmed);
    assert_eq!(story.order.attempts, 1);
}

#[test]
fn a_permit_waits_for_the_customers_button() {
    Story::of(Action::Reconnect, true)
        .then(0, Event::Authorized, State::Sent)
        .then(1, Event::Acknowledged, State::Acknowledged)
        .then(6, read(PERMITTED), State::AwaitingCustomer)
        .next(read_back(306))
        .then(306, read(PERMITTED), State::AwaitingCustomer)
        .next(read_back(606))
        .then(606, read(CONNECTED), State::Confirmed);
}

#[test]
fn a_permit_that_was_withdrawn_is_given_again() {
    Story::of(Action::Reconnect, true)
        .then(0, Event::Authorized, State::Sent)
        .then(6, read(PERMITTED), State::AwaitingCustomer)
        .then(306, read(DISCONNECTED), State::Sent)
        .next(wait(316))
        .then(316, Event::Held { until: after(300) }, State::Sent)
        .next(Move::Send);
}

#[test]
fn a_disconnect_withdraws_a_permit_and_is_confirmed_only_then() {
    Story::of(Action::Disconnect, false)
        .then(0, Event::Authorized, State::Sent)
        .then(6, read(PERMITTED), State::Sent)
        .then(11, read(DISCONNECTED), State::Confirmed);
}

#[test]
fn an_unsent_disconnect_expires_after_a_day() {
    let day = 24 * 3_600;
    let story = Story::of(Action::Disconnect, false)
        .then(10, Event::Held { until: after(day + 9) }, State::Ordered)
        .next(wait(day))
        .then(day - 1, Event::Reachable, State::Ordered)
        .next(wait(day));
    let early = apply(&story.order, Event::Expire, after(day - 1), &policy().relay);
    assert!(early.is_err());
    assert_eq!(next_move(&story.order, after(day), &policy().relay), Move::Expire);
    story.then(day, Event::Expire, State::Expired);
}

#[test]
fn a_held_order_goes_on_as_soon_as_nothing_holds_it() {
    let held = Story::of(Action::Disconnect, false).then(10, Event::Held { until: after(3_600) }, State::Ordered);
    assert!(held.order.is_held(after(20)) && !held.order.is_held(after(3_600)));
    held.next(wait(3_600)).then(20, Event::Released, State::Ordered).next(Move::Send);
    let sent = Story::of(Action::Disconnect, false).then(0, Event::Authorized, State::Sent);
    assert!(!sent.order.is_held(after(1)));
    assert!(apply(&sent.order, Event::Released, after(1), &policy().relay).is_err());
}

#[test]
fn a_sent_disconnect_and_any_reconnect_never_expire() {
    let late = 40 * 24 * 3_600;
    let sent = Story::of(Action::Disconnect, false).then(0, Event::Authorized, State::Sent);
    assert!(apply(&sent.order, Event::Expire, after(late), &policy().relay).is_err());
    let unsent = order(Action::Reconnect, false);
    assert!(apply(&unsent, Event::Expire, after(late), &policy().relay).is_err());
    assert_eq!(next_move(&unsent, after(late), &policy().relay), Move::Send);
}

#[test]
fn a_disconnect_without_effect_fails_by_a_relay_read() {
    let mut story = Story::of(Action::Disconnect, false);
    for (attempt, expected) in [(0, State::Sent), (1, State::Sent), (2, State::Failed)] {
        let seconds = attempt * 1_000;
        story = story.then(seconds, Event::Authorized, State::Sent).then(seconds + 60, read(CONNECTED), expected);
    }
}

#[test]
fn waits_double_up_to_ten_minutes_and_end_when_the_meter_is_reachable() {
    let mut story = Story::of(Action::Reconnect, false).then(0, Event::Authorized, State::Sent);
    let mut now = 20;
    for waits in [10, 20, 40, 80, 160, 320, 600, 600] {
        story = story.then(now, Event::NoAnswer, State::Sent).next(read_back(now + waits));
        now += waits;
    }
    story
        .then(now + 1, Event::NoAnswer, State::Sent)
        .then(now + 2, Event::Reachable, State::Sent)
        .next(read_back(now + 2));
}

#[test]
fn a_reconnect_that_was_not_heard_is_sent_again_after_one_look() {
    Story::of(Action::Reconnect, false)
        .then(0, Event::Authorized, State::Sent)
        .then(5, Event::NoAnswer, State::Sent)
        .then(15, read(DISCONNECTED), State::Sent)
        .next(wait(25))
        .then(25, Event::Authorized, State::Sent)
        .then(26, Event::Acknowledged, State::Acknowledged)
        // This one was heard: it gets its time.
        .then(31, read(DISCONNECTED), State::Acknowledged)
        .next(read_back(36));
}

#[test]
fn an_answer_ends_the_waiting() {
    Story::of(Action::Disconnect, false)
        .then(0, Event::Authorized, State::Sent)
        .then(20, Event::NoAnswer, State::Sent)
        .then(30, Event::NoAnswer, State::Sent)
        .then(50, read(CONNECTED), State::Sent)
        .then(55, Event::NoAnswer, State::Sent)
        .next(read_back(65));
}

#[test]
fn a_wrong_password_fails_the_order_and_blocks_the_meter() {
    for action in [Action::Disconnect, Action::Reconnect] {
        let sent = Story::of(action, false).then(0, Event::Authorized, State::Sent);
        let refused = apply(&sent.order, Event::Refused(Refusal::Password), after(1), &policy().relay).unwrap();
        assert_eq!((refused.order.state, refused.block_meter), (State::Failed, true));
        assert_eq!(refused.reconnect_refused, action == Action::Reconnect);
    }
}

#[test]
fn another_refusal_is_retried_and_fails_a_disconnect_only_after_its_last_attempt() {
    let sent = |action| Story::of(action, false).then(0, Event::Authorized, State::Sent).order;
    let refuse = |order: &Order| apply(order, Event::Refused(Refusal::Other), after(1), &policy().relay).unwrap();
    let (cut, restore) = (refuse(&sent(Action::Disconnect)), refuse(&sent(Action::Reconnect)));
    assert_eq!((cut.order.state, cut.block_meter, cut.reconnect_refused), (State::Sent, false, false));
    assert_eq!((restore.order.state, restore.block_meter, restore.reconnect_refused), (State::Sent, false, true));
    let attempts = policy().relay.disconnect_attempts;
    let (last_cut, last_restore) = (
        refuse(&Order { attempts, ..sent(Action::Disconnect) }),
        refuse(&Order { attempts, ..sent(Action::Reconnect) }),
    );
    assert_eq!((last_cut.order.state, last_restore.order.state), (State::Failed, State::Sent));
}

#[test]
fn a_refused_look_at_the_relay_does_not_end_an_order_whose_command_was_taken() {
    let policy = policy().relay;
    let taken = Story::of(Action::Disconnect, false).then(0, Event::Authorized, State::Sent);
    let taken = taken.then(1, Event::Acknowledged, State::Acknowledged).order;
    let taken = Order { attempts: policy.disconnect_attempts, ..taken };
    let refused = apply(&taken, Event::Refused(Refusal::Other), after(2), &policy).unwrap();
    assert_eq!(refused.order.state, State::Acknowledged);
}

#[test]
fn a_command_sent_while_the_clock_was_ahead_is_looked_after_when_it_is_right_again() {
    let (hour, window) = (3600, policy().relay.read_back_window.as_secs());
    let sent = Story::of(Action::Disconnect, false).then(4 * hour, Event::Authorized, State::Sent);
    let looked = Story { now: after(5), ..sent }.next(Move::ReadBack { not_before: after(5) });
    let again = looked.then(10, read(CONNECTED), State::Sent).then(10 + window, read(CONNECTED), State::Sent);
    assert!(matches!(next_move(&again.order, again.now, &policy().relay), Move::Wait { .. }), "sent again before long");
    again.then(20 + window, read(DISCONNECTED), State::Confirmed);
}

#[test]
fn a_restart_between_sending_and_answer_reads_the_relay_first() {
    let sent = Story::of(Action::Reconnect, false).then(0, Event::Authorized, State::Sent);
    sent.then(3_600, Event::Reachable, State::Sent).next(read_back(5));
}

fn any_event() -> impl Strategy<Value = Event> {
    let looks = prop::sample::select(vec![CONNECTED, DISCONNECTED, PERMITTED]);
    prop_oneof![
        6 => Just(Event::Authorized),
        1 => (0_i64..9_000).prop_map(|seconds| Event::Held { until: after(seconds) }),
        3 => Just(Event::Acknowledged),
        6 => looks.prop_map(read),
        1 => prop::sample::select(vec![Refusal::Password, Refusal::Other]).prop_map(Event::Refused),
        3 => Just(Event::NoAnswer),
        2 => Just(Event::Reachable),
        1 => Just(Event::Released),
        1 => Just(Event::Superseded),
        1 => Just(Event::Expire),
    ]
}

fn any_order() -> impl Strategy<Value = Order> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(cut, permit)| order(if cut { Action::Disconnect } else { Action::Reconnect }, permit))
}

proptest! {
    #[test]
    fn every_order_ends_once_and_is_confirmed_only_by_a_matching_read_back(
        first in any_order(),
        events in prop::collection::vec((0_i64..200, any_event()), 0..60),
    ) {
        let policy = policy().relay;
        let (mut order, mut now) = (first, start());
        let mut read_since_sent: Option<Timestamp> = None;
        for (seconds, event) in events {
            now = shift(now, SignedDuration::from_secs(seconds));
            let Ok(Transition { order: next, .. }) = apply(&order, event, now, &policy) else {
                continue;
            };
            prop_assert!(!order.state.is_end(), "an ended order took {event:?}");
            prop_assert_eq!(next.state.is_end(), next.ended_at.is_some());
            if event == Event::Authorized {
                // Sent again only after the relay was read, and had its time; a reconnect that was not heard gets none.
                let unheard = order.action == Action::Reconnect && order.state == State::Sent;
                let window = if unheard { SignedDuration::ZERO } else { policy.read_back_window };
                let sent_before = order.sent_at.map(|sent| shift(sent, window));
                prop_assert!(sent_before.is_none_or(|moved| read_since_sent.is_some_and(|read| read >= moved)));
                read_since_sent = None;
            }
            if let Event::RelayRead(_) = event {
                read_since_sent = Some(now);
            }
            let matches = matches!(event, Event::RelayRead(reading) if next.is_met_by(&reading));
            prop_assert_eq!(next.state == State::Confirmed, matches && order.attempts > 0);
            prop_assert!(next.state != State::Expired || (next.attempts == 0 && next.action == Action::Disconnect));
            prop_assert!(next.state != State::AwaitingCustomer || next.permit);
            order = next;
        }
    }

    /// Exchanges get lost as they like for a while; then the meter answers. The reconnect is confirmed, and soon.
    #[test]
    fn a_reconnect_is_confirmed_once_the_meter_can_be_reached(
        lost in prop::collection::vec(any::<bool>(), 0..30),
        permit in any::<bool>(),
    ) {
        let policy = policy().relay;
        let (mut order, mut now) = (order(Action::Reconnect, permit), start());
        let mut relay = DISCONNECTED;
        let (mut exchanges, mut lost) = (0, lost.into_iter());
        let mut reached_at = None;
        while !order.state.is_end() {
            exchanges += 1;
            prop_assert!(exchanges < 200, "{order:?}");
            if reached_at.is_none() && lost.len() == 0 {
                reached_at = Some(now);
                order = apply(&order, Event::Reachable, now, &policy).unwrap().order;
            }
            let event = match next_move(&order, now, &policy) {
                Move::Send => {
                    order = apply(&order, Event::Authorized, now, &policy).unwrap().order;
                    relay = if lost.next() == Some(true) { relay } else if permit { PERMITTED } else { CONNECTED };
                    if lost.next() == Some(true) { Event::NoAnswer } else { Event::Acknowledged }
                }
                Move::ReadBack { not_before } => {
                    now = now.max(not_before);
                    relay = if relay == PERMITTED && lost.len() == 0 { CONNECTED } else { relay };
                    if lost.next() == Some(true) { Event::NoAnswer } else { read(relay) }
                }
                Move::Wait { until } => {
                    prop_assert!(until > now);
                    now = until;
                    continue;
                }
                Move::Expire | Move::Ended => unreachable!(),
            };
            now = shift(now, SignedDuration::from_secs(1));
            order = apply(&order, event, now, &policy).unwrap().order;
        }
        prop_assert_eq!(order.state, State::Confirmed);
        prop_assert!(reached_at.is_none_or(|reached| now.duration_since(reached) < minutes(20) + hours(0)));
    }
}

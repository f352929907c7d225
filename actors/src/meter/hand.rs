//! A meter's live relay order: the row says what comes next, here it is done and recorded.

use std::time::Duration;

use domain::relay::{
    RelayReading,
    order::{Event as OrderEvent, Move, Order, Refusal, next_move},
};
use jiff::Timestamp;
use protocols::dlt645::MeterError;

use super::state::{Effect, State};
use crate::{
    job::{Outcome, Task},
    ports::{PortError, Report},
    seams::Moment,
};

/// The live relay order in hand.
#[derive(Debug)]
pub(super) struct Hand {
    order: Order,
    /// A read-back whose record is under way.
    seen: Option<(RelayReading, Timestamp)>,
    /// A record is under way.
    recording: bool,
}

impl State {
    pub(super) fn is_order_under_way(&self) -> bool {
        let Some(hand) = &self.hand else { return false };
        hand.recording || self.asked.contains(&Task::ReadBack) || self.asked.contains(&Task::Command(hand.order.id))
    }

    /// An order that is being worked on stays in hand: the row it ends in is the truth, and what comes after it is due.
    pub(super) fn take_in_hand(&mut self, order: Order) {
        if self.online && !self.is_order_under_way() {
            self.hand = Some(Hand { order, seen: None, recording: false });
        }
    }

    pub(super) fn move_order(&mut self, now: Moment, wake: &mut Duration, effects: &mut Vec<Effect>) {
        if self.is_order_under_way() {
            return;
        }
        let Some(hand) = &mut self.hand else { return };
        match next_move(&hand.order, now.wall, &self.around.policy.relay) {
            Move::Send => {
                let task = Task::Command(hand.order.id);
                self.ask(task, effects);
            }
            Move::ReadBack { not_before } if not_before <= now.wall => self.ask(Task::ReadBack, effects),
            Move::ReadBack { not_before } => *wake = now.mono_at(not_before).min(*wake),
            Move::Expire => {
                hand.recording = true;
                effects.push(Effect::Record(hand.order.id, OrderEvent::Expire));
            }
            // The row knows when it is due again.
            Move::Wait { .. } | Move::Ended => self.hand = None,
        }
    }

    pub(super) fn order_done(&mut self, outcome: &Outcome, now: Timestamp, effects: &mut Vec<Effect>) {
        let event = match outcome {
            Outcome::Taken => OrderEvent::Acknowledged,
            Outcome::Relay(reading) => OrderEvent::RelayRead(*reading),
            Outcome::Refused(error) => OrderEvent::Refused(refusal(*error)),
            Outcome::NoAnswer => OrderEvent::NoAnswer,
            // Nothing was sent, so nothing happened to the order; its row brings it back.
            _ => {
                self.hand = None;
                return effects.extend((*outcome == Outcome::Superseded).then_some(Effect::AskDue));
            }
        };
        self.order_unanswered |= *outcome == Outcome::NoAnswer;
        let Some(hand) = &mut self.hand else { return };
        hand.recording = true;
        hand.seen = if let Outcome::Relay(reading) = outcome { Some((*reading, now)) } else { None };
        effects.push(Effect::Record(hand.order.id, event));
    }

    pub(super) fn recorded(&mut self, outcome: Result<Order, PortError>, now: Moment, effects: &mut Vec<Effect>) {
        let Some(hand) = self.hand.take() else { return };
        if let Some((reading, at)) = hand.seen {
            effects.push(Effect::Report(Report::RelaySeen { meter: self.plan.id, reading, at }));
        }
        match outcome {
            Ok(order) if order.state.is_end() => {
                self.doubt_relay(now);
                effects.push(Effect::AskDue);
            }
            Ok(order) if self.online => self.hand = Some(Hand { order, seen: None, recording: false }),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Meters lock after repeated wrong passwords, so those are told apart.
fn refusal(error: MeterError) -> Refusal {
    if error.password() { Refusal::Password } else { Refusal::Other }
}

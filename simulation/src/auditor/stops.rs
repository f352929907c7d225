//! The stop button: what was ordered when it was pressed is neither sent nor sent again.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::OrderId;
use jiff::Timestamp;

use super::{Request, Violation, orders::Sending, toggle::Outcome};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Stops {
    /// Disconnects that were under way when it was pressed, by the presses that were not answered.
    pressed: BTreeMap<u64, BTreeSet<OrderId>>,
    /// When they surely were stopped.
    stopped: BTreeMap<OrderId, Timestamp>,
}

impl Stops {
    /// Somebody asks. `live`: the disconnects that surely are stored and have not ended.
    pub fn ask(&mut self, request: u64, what: &Request, live: impl FnOnce() -> BTreeSet<OrderId>) {
        if *what == Request::Stop {
            self.pressed.insert(request, live());
        }
    }

    /// Somebody gets an answer.
    pub fn answer(&mut self, at: Timestamp, request: u64, outcome: Outcome) {
        let stopped = self.pressed.remove(&request).filter(|_| outcome == Outcome::Done);
        for order in stopped.into_iter().flatten() {
            self.stopped.entry(order).or_insert(at);
        }
    }

    /// The process died.
    pub fn crashed(&mut self) {
        self.pressed.clear();
    }

    /// An order was sent.
    ///
    /// # Errors
    /// It was stopped.
    pub fn sent(&self, sending: Sending<'_>) -> Result<(), Violation> {
        let Sending { order, line, when } = sending;
        match self.stopped.get(&order.id).filter(|at| **at < when.0) {
            Some(at) => {
                let detail = format!("order {} cut meter {} at {}", order.id, order.meter, line.at);
                Err(Violation::of("I8", format!("{detail}: cuts were stopped by {at}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::{
        Cause, State, Supply,
        fixtures::{at, order, then},
        seen::OrderSeen,
    };

    fn press(outcome: Outcome) -> Stops {
        let mut stops = Stops::default();
        stops.ask(1, &Request::Stop, || BTreeSet::from([order(1, 1, Supply::Off, Cause::Operator).id]));
        stops.answer(at(10), 1, outcome);
        stops
    }

    /// Whether the last sending of an order is in order.
    fn may(stops: &Stops, order: &OrderSeen) -> bool {
        let line = order.lines.iter().rfind(|line| line.sends);
        line.is_none_or(|line| stops.sent(Sending { order, line, when: (line.at, line.at) }).is_ok())
    }

    #[test]
    fn what_was_not_sent_is_not_sent_once_it_was_stopped() {
        let cut = |nth, second| then(order(nth, nth, Supply::Off, Cause::Operator), second, State::Sent);
        let stops = press(Outcome::Done);
        assert!(!may(&stops, &cut(1, 11)));
        assert!(may(&stops, &cut(1, 10)), "while it was pressed");
        assert!(!may(&stops, &then(cut(1, 9), 20, State::Sent)), "nor is it sent again");
        assert!(may(&stops, &cut(2, 11)), "it came later");
        assert!(may(&press(Outcome::Unknown), &cut(1, 11)));
    }
}

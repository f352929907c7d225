//! The mass-cut limits: no more automatic disconnects in a local hour than it may have, and in a local day no more than that
//! may have but for those that an operator released.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::MeterId;
use jiff::{Timestamp, civil::Date};

use super::{
    Request, Rules, Supply, Violation,
    orders::Sending,
    seen::{Cause, OrderSeen, State},
    toggle::Outcome,
};

/// Disconnects that were sent, by the head end's clock.
#[derive(Debug, Clone, Default)]
pub struct Masses {
    hours: BTreeMap<(Date, i8, i32), usize>,
    days: BTreeMap<Date, usize>,
    /// Requests to release that were not answered: what is held may be released at any time.
    releasing: BTreeSet<u64>,
    /// Meters whose cut an operator may have released.
    released: BTreeSet<MeterId>,
}

impl Masses {
    /// Somebody asks.
    pub fn ask(&mut self, request: u64, what: &Request) {
        if *what == Request::ReleaseCuts {
            self.releasing.insert(request);
        }
    }

    /// Somebody gets an answer. `held`: meters whose cut waits.
    pub fn answer(&mut self, request: u64, outcome: Outcome, held: impl FnOnce() -> BTreeSet<MeterId>) {
        if !self.releasing.contains(&request) {
            return;
        }
        self.released.extend(held());
        // One that is cut off may be done at any time.
        if outcome != Outcome::Unknown {
            self.releasing.remove(&request);
        }
    }

    /// The process died: what was not answered was done by now, or never will be.
    pub fn crashed(&mut self, held: impl FnOnce() -> BTreeSet<MeterId>) {
        if !self.releasing.is_empty() {
            self.released.extend(held());
            self.releasing.clear();
        }
    }

    /// The head end's clock was set: what hour it is was decided anew.
    pub fn forget(&mut self) {
        (self.hours, self.days) = (BTreeMap::new(), BTreeMap::new());
    }

    /// An order was seen: a release is good until its meter is cut.
    pub fn see(&mut self, order: &OrderSeen) {
        if (order.supply, order.cause, order.state) == (Supply::Off, Cause::Credit, State::Confirmed) {
            self.released.remove(&order.meter);
        }
    }

    /// A disconnect was sent.
    ///
    /// # Errors
    /// It is one too many.
    pub fn sent(&mut self, sending: Sending<'_>, rules: &Rules) -> Result<(), Violation> {
        let Sending { order, line, .. } = sending;
        let automatic = order.supply == Supply::Off && order.cause == Cause::Credit;
        let first = order.lines.iter().find(|line| line.sends).is_some_and(|first| first.at == line.at);
        let Some((per_hour, per_day)) = rules.cut_limits.filter(|_| automatic && first) else { return Ok(()) };
        let (day, hour) = place_of(line.at, rules);
        let in_hour = self.hours.entry((day, hour.0, hour.1)).or_default();
        *in_hour += 1;
        let in_day = self.days.entry(day).or_default();
        *in_day += 1;
        let released = self.released.contains(&order.meter) || !self.releasing.is_empty();
        if *in_hour > per_hour || *in_day > per_day && !released {
            let detail = format!(
                "order {} cut meter {} at {}: number {in_hour} of its hour, {in_day} of its day",
                order.id, order.meter, line.at
            );
            return Err(Violation::of("I8", detail));
        }
        Ok(())
    }
}

/// The local day, and its hour with the offset that tells two of the same name apart.
fn place_of(at: Timestamp, rules: &Rules) -> (Date, (i8, i32)) {
    let local = at.to_zoned(rules.zone.clone());
    (local.date(), (local.hour(), local.offset().seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{meter, order, rules, then};

    fn cut(nth: i64, minute: i64) -> OrderSeen {
        then(order(nth, nth, Supply::Off, Cause::Credit), minute * 60, State::Sent)
    }

    fn judge(masses: &mut Masses, order: &OrderSeen, rules: &Rules) -> bool {
        let lines = order.lines.iter().filter(|line| line.sends);
        let mut judged = lines.map(|line| masses.sent(Sending { order, line, when: (line.at, line.at) }, rules));
        judged.all(|judged| judged.is_ok())
    }

    #[test]
    fn an_hour_and_a_day_have_their_limits() {
        let rules = Rules { cut_limits: Some((2, 3)), ..rules() };
        let mut masses = Masses::default();
        assert!(judge(&mut masses, &cut(1, 0), &rules) && judge(&mut masses, &cut(2, 59), &rules));
        assert!(judge(&mut masses.clone(), &cut(3, 60), &rules));
        assert!(!judge(&mut masses.clone(), &cut(3, 59), &rules), "a third in one hour");
        assert!(judge(&mut masses, &then(cut(3, 60), 62 * 60, State::Sent), &rules), "sent again, it is one cut");
        assert!(!judge(&mut masses.clone(), &cut(4, 120), &rules), "a fourth in one day");
        assert!(judge(&mut masses.clone(), &cut(4, 24 * 60), &rules));
        masses.ask(1, &Request::ReleaseCuts);
        assert!(judge(&mut masses.clone(), &cut(4, 120), &rules), "an operator may have released it");
        let held = || BTreeSet::from([meter(4)]);
        masses.answer(1, Outcome::Done, held);
        assert!(!judge(&mut masses.clone(), &cut(5, 120), &rules), "it did not wait when others were released");
        assert!(judge(&mut masses, &cut(4, 120), &rules));
        assert!(judge(&mut masses, &cut(4, 180), &rules), "it was not cut yet");
        masses.see(&then(cut(4, 180), 181 * 60, State::Confirmed));
        assert!(!judge(&mut masses.clone(), &cut(4, 240), &rules), "a release is good for one cut");
        masses.ask(2, &Request::ReleaseCuts);
        masses.crashed(held);
        assert!(!judge(&mut masses.clone(), &cut(5, 240), &rules) && judge(&mut masses, &cut(4, 240), &rules));
    }

    #[test]
    fn what_people_order_is_not_counted() {
        let rules = Rules { cut_limits: Some((1, 1)), ..rules() };
        let mut masses = Masses::default();
        let by_hand = |nth| then(order(nth, nth, Supply::Off, Cause::Operator), 60, State::Sent);
        assert!((1..4).all(|nth| judge(&mut masses, &by_hand(nth), &rules)));
        assert!(judge(&mut masses, &cut(5, 1), &rules));
    }
}

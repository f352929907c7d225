//! Cuts by a calendar: meters that are off each day from one local time until a later one, and on again from then on.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::MeterId;
use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

use super::{
    Request, Supply,
    seen::{Cause, OrderSeen, State},
    time::{local, shift},
    toggle::Outcome,
};

/// What a calendar wants is done, and what it wants no longer is not sent any more, within this.
const LAG: SignedDuration = SignedDuration::from_mins(10);

/// All of them.
#[derive(Debug, Clone, Default)]
pub struct Calendars {
    all: BTreeMap<String, Calendar>,
    /// Meters whose accounts were to end: they may have left theirs.
    unsure: BTreeSet<MeterId>,
    /// When a cut by a calendar was confirmed last.
    cut: BTreeMap<MeterId, Timestamp>,
    /// Until when a meter surely took no orders.
    blocked: BTreeMap<MeterId, Timestamp>,
}

/// One of them.
#[derive(Debug, Clone)]
struct Calendar {
    meters: BTreeSet<MeterId>,
    off: Time,
    on: Time,
    flying: BTreeSet<u64>,
    /// When it was asked for first.
    asked_at: Timestamp,
    /// Since when it surely runs.
    runs_from: Option<Timestamp>,
    /// When somebody wanted it to end, or all cuts to stop.
    to_end: Option<Timestamp>,
    /// Since when it has surely ended.
    ended: Option<Timestamp>,
}

impl Calendar {
    /// When it cut today, or will; none where it is not between that and the end of its cut.
    fn began(&self, meter: MeterId, at: Timestamp, zone: &TimeZone, lag: SignedDuration) -> Option<Timestamp> {
        let time = local(at, zone).time();
        let (since, until) = (time.duration_since(self.off), self.on.duration_since(time));
        let inside = self.meters.contains(&meter) && !since.is_negative() && until + lag > SignedDuration::ZERO;
        inside.then(|| shift(at, -since))
    }
}

impl Calendars {
    /// Somebody asks.
    pub fn ask(&mut self, at: Timestamp, request: u64, what: &Request) {
        match what {
            Request::Schedule { key, meters, off, on } => {
                let one = self.all.entry(key.clone()).or_insert_with(|| Calendar {
                    meters: meters.iter().copied().collect(),
                    off: *off,
                    on: *on,
                    flying: BTreeSet::new(),
                    asked_at: at,
                    runs_from: None,
                    to_end: None,
                    ended: None,
                });
                one.flying.insert(request);
            }
            Request::EndSchedule { meter } => {
                self.of(*meter).for_each(|one| one.to_end = one.to_end.or(Some(at)));
            }
            Request::Stop => self.all.values_mut().for_each(|one| one.to_end = one.to_end.or(Some(at))),
            _ => {}
        }
    }

    /// Somebody gets an answer.
    pub fn answer(&mut self, at: Timestamp, request: u64, what: &Request, outcome: Outcome) {
        match (what, outcome) {
            (Request::Schedule { key, .. }, Outcome::Done) => {
                self.all.get_mut(key).into_iter().for_each(|one| one.runs_from = one.runs_from.or(Some(at)));
            }
            (Request::Schedule { key, .. }, Outcome::Refused) => {
                let Some(one) = self.all.get_mut(key) else { return };
                one.flying.remove(&request);
                if one.flying.is_empty() && one.runs_from.is_none() {
                    self.all.remove(key);
                }
            }
            // What was entered since it was asked for is another one.
            (Request::EndSchedule { meter }, Outcome::Done) => self
                .of(*meter)
                .filter(|one| one.to_end.is_some() && one.runs_from < one.to_end)
                .for_each(|one| one.ended = one.ended.or(Some(at))),
            _ => {}
        }
    }

    /// How many of a meter's cuts by calendars may have ended by a moment: one a day, and one where the calendar ends.
    pub fn ends(&self, meter: MeterId, at: Timestamp, zone: &TimeZone) -> usize {
        let days = |one: &Calendar| {
            let days = local(at, zone).date().since(local(one.asked_at, zone).date()).map_or(0, |span| span.get_days());
            usize::try_from(days).unwrap_or(0) + 2
        };
        self.all.values().filter(|one| one.meters.contains(&meter)).map(days).sum()
    }

    fn of(&mut self, meter: MeterId) -> impl Iterator<Item = &mut Calendar> {
        self.all.values_mut().filter(move |one| one.meters.contains(&meter))
    }

    /// A meter's account is to end, or the meter to be removed.
    pub fn leave(&mut self, meter: MeterId) {
        self.unsure.insert(meter);
    }

    /// A meter takes no orders now.
    pub fn blocked(&mut self, meter: MeterId, now: Timestamp) {
        self.blocked.insert(meter, now);
    }

    /// An order was seen; its relay was read by `read_at` at the latest.
    pub fn see(&mut self, order: &OrderSeen, read_at: Timestamp) {
        if order.cause == Cause::Schedule && order.supply == Supply::Off && order.state == State::Confirmed {
            self.cut.entry(order.meter).and_modify(|at| *at = read_at.max(*at)).or_insert(read_at);
        }
    }

    /// Whether a calendar may want a meter off at a moment, or did until lately.
    pub fn may_cut(&self, meter: MeterId, at: Timestamp, zone: &TimeZone) -> bool {
        let over = |one: &Calendar| one.ended.is_some_and(|ended| shift(ended, LAG) < at);
        self.all.values().any(|one| !over(one) && one.began(meter, at, zone, LAG).is_some())
    }

    /// Since when a calendar surely wants a meter off, if one does. Its cut began by then, and could be ordered.
    pub fn surely_cuts(&self, meter: MeterId, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.unsure.contains(&meter) {
            return None;
        }
        let runs = self.all.values().filter(|one| one.to_end.is_none());
        let began = runs.filter_map(|one| Some((one.runs_from?, one.began(meter, now, zone, SignedDuration::ZERO)?)));
        let began = began.filter(|(runs_from, began)| runs_from < began).map(|(_, began)| began).min()?;
        self.blocked.get(&meter).is_none_or(|until| *until < began).then_some(began)
    }

    /// Whether a calendar has surely cut a meter by `at`, and surely wants it off still.
    pub fn keeps_off(&self, meter: MeterId, at: Timestamp, zone: &TimeZone) -> bool {
        let cut = self.cut.get(&meter);
        self.surely_cuts(meter, at, zone).is_some_and(|began| cut.is_some_and(|cut| began <= *cut && *cut <= at))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;
    use crate::auditor::fixtures::{at, meter, order, rules, then};

    const HOUR: i64 = 3600;

    /// Meter 1 is off from 13:00 to 15:00, which was told at noon.
    fn calendars() -> Calendars {
        let mut calendars = Calendars::default();
        let what = schedule();
        calendars.ask(at(0), 1, &what);
        calendars.answer(at(0), 1, &what, Outcome::Done);
        calendars
    }

    fn schedule() -> Request {
        let (off, on) = (time(13, 0, 0, 0), time(15, 0, 0, 0));
        Request::Schedule { key: "k".to_owned(), meters: vec![meter(1)], off, on }
    }

    #[test]
    fn a_calendar_cuts_its_meters_in_its_hours() {
        let (calendars, zone) = (calendars(), rules().zone);
        let surely = |of, second| calendars.surely_cuts(meter(of), at(second), &zone);
        assert_eq!((surely(1, HOUR - 1), surely(2, HOUR)), (None, None));
        assert_eq!((surely(1, HOUR), surely(1, 3 * HOUR - 1)), (Some(at(HOUR)), Some(at(HOUR))));
        assert_eq!(surely(1, 3 * HOUR), None);
        let may = |second| calendars.may_cut(meter(1), at(second), &zone);
        assert_eq!([HOUR - 1, HOUR, 3 * HOUR, 3 * HOUR + 600].map(may), [false, true, true, false]);
    }

    #[test]
    fn what_is_ended_stopped_or_refused_is_not_surely_wanted() {
        let zone = rules().zone;
        for what in [Request::Stop, Request::EndSchedule { meter: meter(1) }] {
            let mut calendars = calendars();
            calendars.ask(at(2 * HOUR), 2, &what);
            assert_eq!(calendars.surely_cuts(meter(1), at(2 * HOUR), &zone), None);
            assert!(calendars.may_cut(meter(1), at(2 * HOUR + 700), &zone));
            calendars.answer(at(2 * HOUR), 2, &what, Outcome::Done);
            let stops = what == Request::Stop;
            assert_eq!(calendars.may_cut(meter(1), at(2 * HOUR + 700), &zone), stops, "{what:?}");
        }
        let mut calendars = Calendars::default();
        calendars.ask(at(0), 1, &schedule());
        calendars.answer(at(0), 1, &schedule(), Outcome::Refused);
        assert!(!calendars.may_cut(meter(1), at(2 * HOUR), &zone));
    }

    #[test]
    fn what_it_cut_it_keeps_off() {
        let (mut calendars, zone) = (calendars(), rules().zone);
        assert!(!calendars.keeps_off(meter(1), at(2 * HOUR), &zone), "not cut yet");
        let sent = then(order(1, 1, Supply::Off, Cause::Schedule), HOUR, State::Sent);
        calendars.see(&then(sent, HOUR + 5, State::Confirmed), at(HOUR + 9));
        assert!(calendars.keeps_off(meter(1), at(2 * HOUR), &zone));
        assert!(
            !calendars.keeps_off(meter(1), at(HOUR + 8), &zone) && !calendars.keeps_off(meter(1), at(4 * HOUR), &zone)
        );
        calendars.blocked(meter(1), at(HOUR + 30));
        assert_eq!(calendars.surely_cuts(meter(1), at(2 * HOUR), &zone), None, "it may not have been ordered");
    }
}

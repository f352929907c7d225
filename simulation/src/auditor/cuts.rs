//! Automatic cuts (I8): none while a guard holds, none without a warning and a fresh reading, none of a paying customer; and
//! what an operator cut stays cut until an operator lifts that.

use std::collections::{BTreeMap, BTreeSet};

use domain::{ids::AccountId, money::Money};
use jiff::Timestamp;

use super::{
    Automatic, Rules, Supply, Violation,
    orders::Sending,
    people::People,
    seen::{Cause, OrderSeen, Seen},
    time::{HeadEndClock, mercy, shift},
};

/// When accounts were warned, by the head end's clock.
#[derive(Debug, Clone, Default)]
pub struct Warnings(BTreeMap<AccountId, BTreeSet<Timestamp>>);

impl Warnings {
    /// Takes what was sent since.
    pub fn look(&mut self, seen: &Seen) {
        for (account, sent_at) in &seen.warnings {
            self.0.entry(*account).or_default().insert(*sent_at);
        }
    }

    /// Whether a warning was sent until then.
    pub fn any_until(&self, account: AccountId, until: Timestamp) -> bool {
        self.0.get(&account).is_some_and(|sent| sent.iter().any(|at| *at <= until))
    }
}

/// What a cut is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Grounds<'a> {
    /// The site's rules.
    pub rules: &'a Rules,
    /// What people turned.
    pub people: &'a People,
    /// Who was warned.
    pub warnings: &'a Warnings,
    /// The present true time: what a line decides is decided between its time and this.
    pub now: Timestamp,
}

impl Grounds<'_> {
    /// An automatic disconnect that was sent. `left`: what the account had left at least, by the true energy until now and
    /// by what it paid before.
    ///
    /// # Errors
    /// Something stood against it.
    pub fn cut(&self, sending: Sending<'_>, account: AccountId, left: Option<Money>) -> Result<(), Violation> {
        let (order, line, (first, last)) = (sending.order, sending.line, sending.when);
        let id = order.id;
        let wrong = |why: &str| {
            let detail = format!("order {id} cut meter {} of account {account} at {}: {why}", order.meter, line.at);
            Err(Violation::of("I8", detail))
        };
        if !self.people.switch.may_be(Automatic::On, first, self.now) {
            return wrong("the switch was not on");
        }
        if self.people.turned.surely_guarded(order.meter, account, first, self.now) {
            return wrong("it was guarded");
        }
        if self.people.turned.suspended_surely(true, account, first, self.now) {
            return wrong("it was suspended");
        }
        if self.people.turned.held_surely(true, account, (first, self.now), line.at) {
            return wrong("it was held");
        }
        if self.people.turned.paying_surely(account, first, line.at) {
            return wrong("a payment was in flight");
        }
        // By the head end's clock: its hours are those that people live by, wherever it is.
        if let Some(mercy) = mercy(line.at, self.rules) {
            return wrong(mercy);
        }
        if !self.warnings.any_until(account, shift(line.at, -self.rules.warning_lead)) {
            return wrong("it was not warned in time");
        }
        if line.evidence.is_none_or(|as_of| as_of < shift(line.at, -self.rules.reading_freshness)) {
            return wrong(&format!("its last good reading was of {:?}", line.evidence));
        }
        let helped = self.people.aid.surely_helped(account);
        let limits = self.people.turned.limits(account, (first, self.now), self.rules.limits);
        let overdraft = limits.iter().map(|limits| limits.overdraft).min().unwrap_or_default();
        let limit = overdraft + if helped { self.rules.emergency } else { Money::ZERO };
        if let Some(left) = left.filter(|left| *left > Money::ZERO - limit) {
            return wrong(&format!("it had {left} left at {last}"));
        }
        Ok(())
    }

    /// A reconnect that money asked for, or that was sent, while an operator's cut or a calendar's stood.
    ///
    /// # Errors
    /// One stood.
    pub fn restored(
        &self,
        order: &OrderSeen,
        (when, shown): ((Timestamp, Timestamp), Timestamp),
        did: &str,
    ) -> Result<(), Violation> {
        let zone = &self.rules.zone;
        // The clock may have been turned between two moments that are possible, or be ahead of the end of a calendar's hours.
        let keeps_off = |at: &Timestamp| self.people.calendars.keeps_off(order.meter, *at, zone);
        let by_calendar = when.0 == when.1 && [when.0, shown].iter().all(keeps_off);
        let by_operator = self.people.operator_surely(true, order.meter, when.0, self.now);
        let by_others = self.people.turned.surely_wished_off(order.meter, when.0, self.now);
        if order.supply == Supply::On && (by_operator || by_calendar || by_others) {
            let whose = match (by_operator, by_calendar) {
                (true, _) => "an operator",
                (_, true) => "a calendar",
                _ => "a customer, or whoever works on the line,",
            };
            let detail = format!("order {} {did} a reconnect of meter {}, which {whose} cut", order.id, order.meter);
            return Err(Violation::of("I8", detail));
        }
        Ok(())
    }

    /// A cut by a calendar that was sent.
    ///
    /// # Errors
    /// It was not its hour.
    pub fn scheduled(&self, sending: Sending<'_>) -> Result<(), Violation> {
        let (meter, (first, last)) = (sending.order.meter, sending.when);
        // By the head end's clock, wherever it is.
        let shown = sending.line.at;
        if [first, last, shown].iter().any(|at| self.people.calendars.may_cut(meter, *at, &self.rules.zone)) {
            return Ok(());
        }
        let detail = format!("order {} cut meter {meter} at {shown}, when no calendar wants that", sending.order.id);
        Err(Violation::of("I8", detail))
    }

    /// Orders that were stored since the last look.
    ///
    /// # Errors
    /// Money brought back what an operator cut, or an operator cut what was guarded.
    pub fn stored<'a>(
        &self,
        orders: impl Iterator<Item = &'a OrderSeen>,
        clock: &HeadEndClock,
    ) -> Result<(), Violation> {
        for order in orders {
            let (first, last) = clock.moments(order.created_at, self.now);
            if order.cause == Cause::Credit {
                self.restored(order, ((first, last), order.created_at), "stored")?;
            }
            let cuts_for_safety = (order.supply, order.cause) == (Supply::Off, Cause::Safety);
            if cuts_for_safety && self.people.turned.surely_not_locked(order.meter, first, self.now) {
                let detail = format!("order {} cuts meter {} for safety, which nobody", order.id, order.meter);
                return Err(Violation::of("I8", format!("{detail} asked for, or approved")));
            }
            let approved = self.people.was_in_a_group(order.meter);
            let asked = order.cause == Cause::Operator && !approved && !self.people.took_a_place(order.meter);
            let cuts = asked && order.supply == Supply::Off;
            let guarded = |account| self.people.turned.surely_guarded(order.meter, account, first, self.now);
            if cuts && order.account.is_some_and(guarded) {
                let detail = format!("order {} of an operator cuts meter {}, which is guarded", order.id, order.meter);
                return Err(Violation::of("I8", detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use jiff::civil::time;

    use super::*;
    use crate::auditor::{
        Answer, Request,
        fixtures::{account, at, meter, order, rules, then},
        seen::{LineSeen, State},
    };

    const HOUR: i64 = 3600;

    /// A cut of account 1 at 4 hours past noon, with all that it needs.
    struct Case {
        rules: Rules,
        people: People,
        warnings: Warnings,
        order: OrderSeen,
        left: Option<Money>,
        requests: u64,
    }

    impl Case {
        fn new() -> Self {
            let mut warnings = Warnings::default();
            let seen = Seen { warnings: vec![(account(1), at(3 * HOUR))], ..Seen::default() };
            warnings.look(&seen);
            let mut order = then(order(1, 1, Supply::Off, Cause::Credit), 4 * HOUR, State::Sent);
            order.lines.last_mut().unwrap().evidence = Some(at(2 * HOUR));
            let (rules, people, left) = (rules(), People::default(), Some(Money::ZERO));
            let mut case = Self { rules, people, warnings, order, left, requests: 0 };
            case.turn(0, Request::Switch { automatic: Automatic::On });
            case
        }

        fn turn(&mut self, second: i64, what: Request) {
            self.requests += 1;
            self.people.ask(at(second), self.requests, what);
            self.people.answer(at(second), self.requests, &Answer::Done { receipt: None }).unwrap();
        }

        fn judge(&self) -> Result<(), String> {
            let line: &LineSeen = self.order.lines.last().unwrap();
            let when = (at(4 * HOUR), at(4 * HOUR));
            let now = at(4 * HOUR + 1);
            let grounds = Grounds { rules: &self.rules, people: &self.people, warnings: &self.warnings, now };
            let judged = grounds.cut(Sending { order: &self.order, line, when }, account(1), self.left);
            judged.map_err(|wrong| format!("{}: {}", wrong.invariant, wrong.detail.rsplit(": ").next().unwrap()))
        }
    }

    #[test]
    fn a_cut_with_all_that_it_needs_is_left_alone() {
        assert_eq!(Case::new().judge(), Ok(()));
    }

    #[test]
    fn the_switch_must_be_on() {
        let mut case = Case::new();
        case.turn(HOUR, Request::Switch { automatic: Automatic::ReportOnly });
        assert_eq!(case.judge().unwrap_err(), "I8: the switch was not on");
        case.people.ask(at(2 * HOUR), 99, Request::Switch { automatic: Automatic::On });
        assert_eq!(case.judge(), Ok(()), "it may have been done");
    }

    #[test]
    fn nobody_guarded_is_cut() {
        for guard in
            [Request::GuardMeter { meter: meter(1), on: true }, Request::GuardAccount { account: account(1), on: true }]
        {
            let mut case = Case::new();
            case.turn(HOUR, guard);
            assert_eq!(case.judge().unwrap_err(), "I8: it was guarded");
        }
        let mut case = Case::new();
        case.turn(HOUR, Request::GuardMeter { meter: meter(2), on: true });
        assert_eq!(case.judge(), Ok(()));
        case.turn(HOUR, Request::GuardMeter { meter: meter(1), on: true });
        case.people.ask(at(2 * HOUR), 99, Request::GuardMeter { meter: meter(1), on: false });
        assert_eq!(case.judge(), Ok(()), "it may have been lifted");
    }

    #[test]
    fn nobody_held_is_cut_until_the_hold_ends() {
        let mut case = Case::new();
        let hold = |until| Request::Hold { account: account(1), until };
        case.turn(HOUR, hold(Some(at(4 * HOUR))));
        assert_eq!(case.judge(), Ok(()), "it has just ended");
        case.turn(HOUR + 1, hold(Some(at(4 * HOUR + 1))));
        assert_eq!(case.judge().unwrap_err(), "I8: it was held");
        case.people.ask(at(2 * HOUR), 99, hold(None));
        assert_eq!(case.judge(), Ok(()), "it may have been lifted");
    }

    #[test]
    fn nobody_is_cut_in_friendly_hours() {
        let mut case = Case::new();
        case.rules.friendly_hours = vec![(time(16, 0, 0, 0), time(17, 0, 0, 0))];
        assert_eq!(case.judge().unwrap_err(), "I8: friendly hours");
    }

    #[test]
    fn a_warning_goes_before_a_cut_by_its_lead() {
        let mut case = Case::new();
        case.rules.warning_lead = jiff::SignedDuration::from_secs(HOUR + 1);
        assert_eq!(case.judge().unwrap_err(), "I8: it was not warned in time");
        case.warnings = Warnings::default();
        assert_eq!(case.judge().unwrap_err(), "I8: it was not warned in time");
    }

    #[test]
    fn a_cut_needs_a_fresh_reading() {
        for evidence in [None, Some(at(2 * HOUR - 1))] {
            let mut case = Case::new();
            case.order.lines.last_mut().unwrap().evidence = evidence;
            assert!(case.judge().unwrap_err().starts_with("I8: its last good reading"), "{evidence:?}");
        }
    }

    #[test]
    fn who_has_something_left_is_not_cut() {
        let mut case = Case::new();
        case.left = Some(Money::new(1));
        assert!(case.judge().unwrap_err().starts_with("I8: it had 1 left"));
        case.rules.limits.overdraft = Money::new(100);
        case.left = Some(Money::new(-99));
        assert!(case.judge().unwrap_err().starts_with("I8: it had -99 left"));
        case.left = Some(Money::new(-100));
        assert_eq!(case.judge(), Ok(()));
    }

    #[test]
    fn money_brings_nothing_back_that_an_operator_cut() {
        let mut case = Case::new();
        case.turn(HOUR, Request::Order { key: "off".to_owned(), meter: meter(1), supply: Supply::Off });
        let stored = |case: &Case, cause| {
            let mut order = order(2, 1, Supply::On, cause);
            order.created_at = at(2 * HOUR);
            let Case { rules, people, warnings, .. } = case;
            let grounds = Grounds { rules, people, warnings, now: at(3 * HOUR) };
            let sent = grounds.restored(&order, ((at(2 * HOUR), at(2 * HOUR)), at(2 * HOUR)), "sent").is_ok();
            (grounds.stored([&order].into_iter(), &HeadEndClock::default()).is_ok(), sent)
        };
        assert_eq!(stored(&case, Cause::Credit), (false, false));
        case.people.ask(at(HOUR + 1), 98, Request::Order { key: "on".to_owned(), meter: meter(1), supply: Supply::On });
        assert_eq!(stored(&case, Cause::Credit), (true, true), "an operator may have lifted it");
    }

    #[test]
    fn an_operator_cuts_nothing_that_is_guarded() {
        let mut case = Case::new();
        let judge = |case: &Case, cause| {
            let Case { rules, people, warnings, .. } = case;
            let grounds = Grounds { rules, people, warnings, now: at(3 * HOUR) };
            let order = OrderSeen { created_at: at(2 * HOUR), ..order(2, 1, Supply::Off, cause) };
            grounds.stored([&order].into_iter(), &HeadEndClock::default()).is_ok()
        };
        assert!(judge(&case, Cause::Operator));
        case.turn(HOUR, Request::GuardMeter { meter: meter(1), on: true });
        assert!(!judge(&case, Cause::Operator));
        assert!(judge(&case, Cause::Other), "only what people order is judged here");
        case.people.hand_over(meter(2), meter(1), crate::auditor::fixtures::installation().id);
        case.turn(HOUR + 60, Request::GuardMeter { meter: meter(1), on: true });
        assert!(judge(&case, Cause::Operator), "it was cut before, in the place it took");
    }
}

//! When a meter is asked, and what is asked for again.
//!
//! The head end's clock may be set wrong, and right again. What was noted at a time that has not come was noted by a
//! clock that was ahead; nothing waits for that time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::{at, day_before, day_of, next_at, shift},
    site::{DisconnectionPolicy, PollingPolicy, Site, back_off},
};

/// The first slot after `after`: slots lie at whole multiples of `slot` since 1970, each moved by the meter's `jitter`
/// (at least 0, below a slot).
#[must_use]
pub fn next_slot(after: Timestamp, slot: SignedDuration, jitter: SignedDuration) -> Timestamp {
    let slot = slot.as_micros().max(1);
    let jitter = jitter.as_micros().rem_euclid(slot);
    let number = (i128::from(after.as_microsecond()) - jitter).div_euclid(slot) + 1;
    let next = i64::try_from(number * slot + jitter).ok();
    next.and_then(|micros| Timestamp::from_microsecond(micros).ok()).unwrap_or(Timestamp::MAX)
}

/// A poll to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedPoll {
    /// When it is due.
    pub at: Timestamp,
    /// When that was planned.
    pub planned_at: Timestamp,
}

impl PlannedPoll {
    /// Whether it is due: its time has come, or it was planned by a clock that was ahead.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.at <= now || now < self.planned_at
    }
}

/// When a meter that can be reached from `now` on is polled: in the first slot that its `last_reading` did not serve.
#[must_use]
pub fn first_poll(
    last_reading: Option<Timestamp>,
    now: Timestamp,
    slot: SignedDuration,
    jitter: SignedDuration,
) -> Timestamp {
    let served = last_reading.filter(|last| *last <= now);
    served.map_or(now, |last| next_slot(last, slot, jitter).max(now))
}

/// When a meter is polled next after a poll at `polled_at` that was the `failures`-th in a row without an answer. A
/// silent meter is asked ever more rarely, but always again when the daily freezes are.
#[must_use]
pub fn next_poll(polled_at: Timestamp, failures: u32, jitter: SignedDuration, site: Site<'_>) -> Timestamp {
    let policy = &site.policy.polling;
    let wait = back_off(failures, policy.slot, policy.silent_cap);
    if failures <= 1 || wait <= policy.slot {
        return next_slot(polled_at, policy.slot, jitter);
    }
    let rarely = next_slot(shift(polled_at, wait - policy.slot), policy.slot, jitter);
    let freeze = shift(next_at(polled_at, policy.freeze_from, site.zone), jitter);
    rarely.min(freeze)
}

/// What is to be asked for of a meter's daily freezes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezePlan {
    /// The days to ask for now, the oldest first.
    pub due: Vec<Date>,
    /// When to look again.
    pub next: Timestamp,
}

/// Plans the question for the freezes of the last days. `since` is the first day the meter was here for; `have` are the
/// days whose freeze is stored; `asked` tells when a missing one was last answered "not available".
#[must_use]
pub fn freezes(
    now: Timestamp,
    since: Date,
    have: &BTreeSet<Date>,
    asked: &BTreeMap<Date, Timestamp>,
    site: Site<'_>,
) -> FreezePlan {
    let policy = &site.policy.polling;
    let today = day_of(now, site.zone);
    let (from, until) = (at(today, policy.freeze_from, site.zone), at(today, policy.freeze_until, site.zone));
    let tomorrow = next_at(now.max(until), policy.freeze_from, site.zone);
    if now < from {
        return FreezePlan { due: Vec::new(), next: from };
    }
    let missing = last_days(today, policy.backfill_days).filter(|day| *day >= since && !have.contains(day));
    // Not available: again after a while in the morning, then not before tomorrow.
    let again = |day: &Date| match asked.get(day).filter(|last| **last <= now) {
        Some(last) => Some(shift(*last, policy.freeze_retry)).filter(|again| *again < until).unwrap_or(tomorrow),
        None => now,
    };
    let mut missing: Vec<(Date, Timestamp)> = missing.map(|day| (day, again(&day))).collect();
    missing.sort();
    let due = missing.iter().filter(|(_, again)| *again <= now).map(|(day, _)| *day).collect();
    let next = missing.iter().map(|(_, again)| *again).filter(|again| *again > now).min();
    FreezePlan { due, next: next.unwrap_or(tomorrow) }
}

/// The oldest day whose freeze is asked for at `now`; what is known of days before it need not be kept.
#[must_use]
pub fn oldest_freeze(now: Timestamp, site: Site<'_>) -> Date {
    let today = day_of(now, site.zone);
    last_days(today, site.policy.polling.backfill_days).last().unwrap_or(today)
}

/// The `count` days before `today`, the newest first.
fn last_days(today: Date, count: u8) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(day_before(today)), |day| Some(day_before(*day))).take(usize::from(count))
}

/// When a meter was seen. A stored row of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sightings {
    /// When it last answered.
    pub last_seen_at: Option<Timestamp>,
    /// When it answered again after the last gap.
    pub seen_again_at: Option<Timestamp>,
    /// How many gaps ended on the local day of `seen_again_at`.
    pub gaps_that_day: u32,
}

impl Sightings {
    /// The meter answered at `now`.
    #[must_use]
    pub fn seen(mut self, now: Timestamp, site: Site<'_>) -> Self {
        let slots = i32::try_from(site.policy.disconnection.seen_again_gap_slots).unwrap_or(i32::MAX);
        let gap = site.policy.polling.slot.checked_mul(slots).unwrap_or(SignedDuration::MAX);
        if self.last_seen_at.is_some_and(|last| now.duration_since(last) > gap) {
            let same_day = self.seen_again_at.is_some_and(|last| day_of(last, site.zone) == day_of(now, site.zone));
            self.gaps_that_day = if same_day { self.gaps_that_day.saturating_add(1) } else { 1 };
            self.seen_again_at = Some(now);
        }
        // A grace that a clock ahead of time began begins now at the latest.
        self.seen_again_at = self.seen_again_at.map(|again| again.min(now));
        self.last_seen_at = Some(now);
        self
    }

    /// Where the meter may not be cut yet because it was seen again only just: until when. A meter that comes and goes
    /// all day gets no more grace than the policy gives per day.
    #[must_use]
    pub fn grace_until(&self, policy: &DisconnectionPolicy, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let again = self.seen_again_at?;
        let until = shift(again, policy.seen_again_grace);
        let gaps = i32::try_from(self.gaps_that_day).unwrap_or(i32::MAX);
        let given = policy.seen_again_grace.checked_mul(gaps).unwrap_or(SignedDuration::MAX);
        let used_up = day_of(again, zone) == day_of(now, zone) && given > policy.seen_again_grace_per_day;
        (now < until && !used_up).then_some(until)
    }
}

/// What a round over a concentrator's meters is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Meters behind the concentrator.
    pub meters: u32,
    /// Meters asked for in one request, at least 1.
    pub points_per_request: u32,
    /// Time of one request and its answer, whatever it asks for.
    pub per_request: SignedDuration,
    /// Time each meter of a request adds.
    pub per_point: SignedDuration,
}

impl Round {
    /// How long it takes.
    #[must_use]
    pub fn time(&self) -> SignedDuration {
        let times = |each: SignedDuration, count: u32| {
            i32::try_from(count).ok().and_then(|count| each.checked_mul(count)).unwrap_or(SignedDuration::MAX)
        };
        let requests = self.meters.div_ceil(self.points_per_request.max(1));
        times(self.per_request, requests).saturating_add(times(self.per_point, self.meters))
    }

    /// Checks that it leaves enough of each slot free.
    ///
    /// # Errors
    /// [`TooSlow`] above the policy's share of a slot.
    pub fn check(&self, policy: &PollingPolicy) -> Result<(), TooSlow> {
        let micros = policy.slot.as_micros() * i128::from(policy.round_limit_percent) / 100;
        let allowed = SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        let round = self.time();
        if round > allowed { Err(TooSlow { round, allowed }) } else { Ok(()) }
    }
}

/// A plan that asks for more than fits into its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a round takes {round:#}, only {allowed:#} of a slot are allowed")]
pub struct TooSlow {
    /// How long a round takes.
    pub round: SignedDuration,
    /// How long it may take.
    pub allowed: SignedDuration,
}

/// The points to ask for in one request after a refusal or a partial answer: half as many, down to 1.
#[must_use]
pub fn fewer_points(points_per_request: u32) -> u32 {
    (points_per_request / 2).max(1)
}

#[cfg(test)]
mod tests;

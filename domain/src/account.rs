//! An account's credit: limits, headroom, the crossing of alarm levels, and the credit episode with its warning.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::shift,
    money::{Currency, Exact, Money},
    notice::Notice,
    site::CreditPolicy,
};

mod emergency;
pub mod payment;

pub use emergency::{Emergency, NotActivated, activate};

words! {
    /// Where an account is in its life.
    pub enum State {
        /// Not opened yet: nothing is charged, nobody is cut.
        Pending = "pending",
        /// Opened: energy is charged, credit decides over supply.
        Active = "active",
        /// Energy is charged, but nothing is sold, and credit decides over nothing, until it goes on.
        Suspended = "suspended",
        /// Settled to its last reading and left without money; it never opens again.
        Closed = "closed",
    }
}

/// What credit means for an account, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// A notice is due when available falls to or below this.
    pub alarm_1: Money,
    /// A second notice is due, and a credit episode begins, when available falls to or below this.
    pub alarm_2: Money,
    /// A level is armed again, and an episode ends, only above the level plus this.
    pub rearm_margin: Money,
    /// How far below zero available may fall before a disconnect is due.
    pub overdraft: Money,
    /// Headroom from which supply is restored.
    pub restore_margin: Money,
    /// What may be used beyond that once per episode, when the customer asks for it; 0: it is not offered.
    pub emergency_credit: Money,
}

/// What is wrong with limits, and in which field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadLimits {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Limits {
    /// Every limit with its name.
    #[must_use]
    pub fn fields(&self) -> [(&'static str, Money); 6] {
        [
            ("alarm_1", self.alarm_1),
            ("alarm_2", self.alarm_2),
            ("rearm_margin", self.rearm_margin),
            ("overdraft", self.overdraft),
            ("restore_margin", self.restore_margin),
            ("emergency_credit", self.emergency_credit),
        ]
    }

    /// Checks that the limits fit each other: an account whose disconnect is due always stands in an episode.
    ///
    /// # Errors
    /// Names the first field that does not fit.
    pub fn validate(&self) -> Result<(), BadLimits> {
        let bad = |field, problem| Err(BadLimits { field, problem });
        if self.overdraft < Money::ZERO {
            return bad("overdraft", "must not be negative");
        }
        if self.alarm_2 < -self.overdraft {
            return bad("alarm_2", "must not be below minus the overdraft");
        }
        if self.alarm_1 < self.alarm_2 {
            return bad("alarm_1", "must not be below alarm_2");
        }
        if self.rearm_margin < Money::new(1) {
            return bad("rearm_margin", "must be at least 1 minor unit");
        }
        if self.restore_margin < Money::new(1) {
            return bad("restore_margin", "must be at least 1 minor unit");
        }
        if self.emergency_credit < Money::ZERO {
            return bad("emergency_credit", "must not be negative");
        }
        if self.emergency_credit > Money::ZERO && self.restore_margin > self.emergency_credit {
            return bad("restore_margin", "must not be above the emergency credit");
        }
        Ok(())
    }

    /// What may still be used before a disconnect is due.
    #[must_use]
    pub fn headroom(&self, available: Money) -> Money {
        available + self.overdraft
    }

    /// Whether a disconnect is due.
    #[must_use]
    pub fn disconnect_due(&self, available: Money) -> bool {
        self.headroom(available) <= Money::ZERO
    }

    /// Whether money wants supply back.
    #[must_use]
    pub fn restore_due(&self, available: Money) -> bool {
        self.headroom(available) >= self.restore_margin
    }
}

/// A time of low credit. A warning served in it stays served, also over several cuts and small vends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// When it began.
    pub began_at: Timestamp,
    /// Whether the forecast says that the credit ends soon.
    pub forecast: bool,
    /// When its first warning was sent, delivered or handed over; none until then.
    pub warning_served_at: Option<Timestamp>,
    /// Whether a warning was written in it.
    pub warned: bool,
    /// Where its emergency credit stands; none: it was not asked for.
    pub emergency: Option<Emergency>,
}

/// What is remembered of an account's credit between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Whether the next fall to `alarm_1` sends a notice.
    pub alarm_1_armed: bool,
    /// Whether the next fall to `alarm_2` sends a notice.
    pub alarm_2_armed: bool,
    /// The episode the account stands in.
    pub episode: Option<Episode>,
    /// When the last warning was written, in this episode or an earlier one.
    pub last_warning_at: Option<Timestamp>,
}

impl Default for Credit {
    fn default() -> Self {
        Self { alarm_1_armed: true, alarm_2_armed: true, episode: None, last_warning_at: None }
    }
}

impl Credit {
    /// With a warning written at `written_at` served at `served_at`. The first of an episode counts; one written before
    /// the episode began does not.
    #[must_use]
    pub fn warning_served(mut self, written_at: Timestamp, served_at: Timestamp) -> Self {
        if let Some(episode) = self.episode.as_mut().filter(|episode| episode.began_at <= written_at) {
            episode.warning_served_at.get_or_insert(served_at);
        }
        self
    }

    /// Whether a warning written at `written_at` would serve the episode that stands, which no other has served.
    #[must_use]
    pub fn awaits_service(&self, written_at: Timestamp) -> bool {
        self.episode.is_some_and(|episode| episode.began_at <= written_at && episode.warning_served_at.is_none())
    }
}

/// What an account has and uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Balance less accrued.
    pub available: Money,
    /// Mean cost per hour, see [`mean_cost_per_hour`].
    pub mean_cost_per_hour: Option<Exact>,
}

/// Takes note of an account's standing: returns what to remember, and the notices to write.
#[must_use]
pub fn watch(
    credit: &Credit,
    standing: &Standing,
    limits: &Limits,
    currency: &Currency,
    policy: &CreditPolicy,
    now: Timestamp,
) -> (Credit, Vec<Notice>) {
    let available = standing.available;
    let mut next = *credit;
    let mut notices = Vec::new();
    let margin = limits.rearm_margin;
    if falls(&mut next.alarm_1_armed, available, limits.alarm_1, margin) {
        notices.push(Notice::LowBalance1 { available });
    }
    if falls(&mut next.alarm_2_armed, available, limits.alarm_2, margin) {
        notices.push(Notice::LowBalance2 { available });
    }
    let forecast_before = credit.episode.is_some_and(|episode| episode.forecast);
    let active = limits.with_emergency(credit);
    let forecast = ends_soon(forecast_before, standing, &active, currency, policy.warning_lead);
    // What a customer was lent ends no episode, for that would take it away: without it, credit ends as soon as before.
    let helped = active != *limits && ends_soon(true, standing, limits, currency, policy.warning_lead);
    next.episode = match credit.episode {
        None if available <= limits.alarm_2 || forecast => {
            Some(Episode { began_at: now, forecast, warning_served_at: None, warned: false, emergency: None })
        }
        Some(_) if available > limits.alarm_2 + margin && !forecast && !helped => None,
        episode => episode.map(|episode| Episode {
            forecast,
            emergency: emergency::after(episode.emergency, available),
            ..episode
        }),
    };
    if let Some(episode) = next.episode.as_mut() {
        let older_than = |span| next.last_warning_at.is_none_or(|last| now >= shift(last, span));
        let repeat = forecast && !forecast_before && older_than(policy.warning_repeat_after);
        if older_than(policy.warning_spacing) && (!episode.warned || repeat) {
            episode.warned = true;
            next.last_warning_at = Some(now);
            notices.push(Notice::DisconnectWarning { available, lead: policy.warning_lead });
        }
    }
    (next, notices)
}

/// Whether a level is crossed downward; keeps its arm.
fn falls(armed: &mut bool, available: Money, level: Money, margin: Money) -> bool {
    let crossed = *armed && available <= level;
    *armed = (*armed && !crossed) || available > level + margin;
    crossed
}

/// Whether headroom lasts no longer than `lead`; once so, until it lasts longer than twice that.
fn ends_soon(already: bool, standing: &Standing, limits: &Limits, currency: &Currency, lead: SignedDuration) -> bool {
    let Some(per_hour) = standing.mean_cost_per_hour.filter(|cost| *cost > Exact::ZERO) else { return false };
    let lasts =
        Exact::of(limits.headroom(standing.available), currency).get() * SignedDuration::from_hours(1).as_micros();
    let spans = if already { 2 } else { 1 };
    lasts <= per_hour.get() * lead.as_micros() * spans
}

/// The mean cost per hour of what cost `cost` over `time`; none where that is shorter than the policy's minimum.
#[must_use]
pub fn mean_cost_per_hour(cost: Exact, time: SignedDuration, policy: &CreditPolicy) -> Option<Exact> {
    if time < policy.forecast_minimum || time <= SignedDuration::ZERO {
        return None;
    }
    Some(Exact::new(cost.get() * SignedDuration::from_hours(1).as_micros() / time.as_micros()))
}

#[cfg(test)]
mod tests;

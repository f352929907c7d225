//! How customers are told, and when.

use jiff::{SignedDuration, civil::Time};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{BadPolicy, FriendlyHours};
use crate::notice::Channel;

/// How customers are told, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticePolicy {
    /// How the site tells its customers.
    pub channel: Channel,
    /// Local time of day from which on notices that are not urgent wait; none: they never do.
    #[serde(deserialize_with = "time_or_none")]
    pub quiet_from: Option<Time>,
    /// Local time of day at which they are handed over.
    #[serde(deserialize_with = "time_or_none")]
    pub quiet_to: Option<Time>,
    /// First wait after a failure; doubled by each further one.
    pub retry_first: SignedDuration,
    /// Longest wait after a failure.
    pub retry_cap: SignedDuration,
    /// Attempts after which a notice has failed.
    pub attempts: u32,
    /// A warning that waits for longer to be served by hand raises an alarm.
    pub by_hand_alarm_after: SignedDuration,
}

impl NoticePolicy {
    /// The hours in which notices that are not urgent wait.
    #[must_use]
    pub fn quiet_hours(&self) -> Option<FriendlyHours> {
        self.quiet_from.zip(self.quiet_to).map(|(from, to)| FriendlyHours { from, to })
    }

    /// Checks every setting that would break a rule.
    ///
    /// # Errors
    /// Names the first such field.
    pub(super) fn check(&self) -> Result<(), BadPolicy> {
        let bad = |field, problem| Err(BadPolicy { field, problem });
        if self.retry_first <= SignedDuration::ZERO {
            return bad("notices.retry_first", "must be above 0");
        }
        if self.retry_cap < self.retry_first {
            return bad("notices.retry_cap", "is too short");
        }
        if self.by_hand_alarm_after <= SignedDuration::ZERO {
            return bad("notices.by_hand_alarm_after", "must be above 0");
        }
        match (self.quiet_from, self.quiet_to) {
            (None, None) => Ok(()),
            (Some(from), Some(to)) if from != to => Ok(()),
            (Some(_), Some(_)) => bad("notices.quiet_to", "must not be quiet_from: no hour would be left"),
            _ => bad("notices.quiet_to", "must be empty where quiet_from is, and only there"),
        }
    }
}

/// A local time of day; none where the text is empty.
fn time_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
    let text = Option::<String>::deserialize(from)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

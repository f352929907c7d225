//! What a site's operator decides: every number the rules use, with its unit in its type or name. The values come from
//! `config/default.toml` and the site's own settings; none stands here.

mod notices;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use crate::{
    account::{BadLimits, Limits},
    calendar::{Weekday, next_at},
    debt::Terms,
    energy::Energy,
    money::Money,
};

pub use notices::NoticePolicy;

words! {
    /// Whether accounts without credit are cut by the head end itself.
    pub enum AutomaticDisconnection {
        /// Never.
        Off = "off",
        /// Listed as "would have been cut", never cut.
        ReportOnly = "report_only",
        /// Cut when due and not held.
        On = "on",
    }
}

/// All settings of the rules. A duration is written as text with its units (`"24h"`, `"90s"`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// When an account without credit may be cut.
    pub disconnection: DisconnectionPolicy,
    /// Warnings, forecast and the limits of an account that has none of its own.
    pub credit: CreditPolicy,
    /// What makes a reading plausible.
    pub reading: ReadingPolicy,
    /// When days are settled and corrected.
    pub settlement: SettlementPolicy,
    /// How relay orders are sent, read back and given up.
    pub relay: RelayPolicy,
    /// What may be sold at once.
    pub vending: VendPolicy,
    /// What may be owed apart from a balance, and how it is recovered.
    pub debts: DebtPolicy,
    /// When meters are asked.
    pub polling: PollingPolicy,
    /// How customers are told, and when.
    pub notices: NoticePolicy,
}

/// What is wrong with a policy, and in which field (`relay.retry_first`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadPolicy {
    /// The field, as a path.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl Policy {
    /// Checks every setting that would break a rule.
    ///
    /// # Errors
    /// Names the first such field.
    pub fn validate(&self) -> Result<(), BadPolicy> {
        let positive = [
            ("disconnection.held_recheck", self.disconnection.held_recheck),
            ("disconnection.hold_longest", self.disconnection.hold_longest),
            ("disconnection.payment_longest", self.disconnection.payment_longest),
            ("disconnection.payments_per_episode", self.disconnection.payments_per_episode),
            ("disconnection.reading_freshness", self.disconnection.reading_freshness),
            ("disconnection.unread_alarm_after", self.disconnection.unread_alarm_after),
            ("relay.disconnect_expiry", self.relay.disconnect_expiry),
            ("relay.read_back_interval", self.relay.read_back_interval),
            ("relay.customer_interval", self.relay.customer_interval),
            ("relay.retry_first", self.relay.retry_first),
            ("polling.slot", self.polling.slot),
            ("polling.freeze_retry", self.polling.freeze_retry),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, span)| *span <= SignedDuration::ZERO) {
            return Err(BadPolicy { field, problem: "must be above 0" });
        }
        let not_below = [
            ("relay.retry_cap", self.relay.retry_cap, self.relay.retry_first),
            ("polling.silent_cap", self.polling.silent_cap, self.polling.slot),
            ("credit.warning_lead", self.credit.warning_lead, SignedDuration::ZERO),
            ("settlement.correction_horizon", self.settlement.correction_horizon, SignedDuration::ZERO),
        ];
        if let Some((field, ..)) = not_below.into_iter().find(|(_, span, least)| span < least) {
            return Err(BadPolicy { field, problem: "is too short" });
        }
        let (mass_cut, vending) = (&self.disconnection.mass_cut, &self.vending);
        let further = [
            ("polling.freeze_until", self.polling.freeze_from < self.polling.freeze_until, "must be after freeze_from"),
            ("polling.round_limit_percent", (1..=100).contains(&self.polling.round_limit_percent), "must be 1 to 100"),
            ("relay.disconnect_attempts", self.relay.disconnect_attempts > 0, "must be at least 1"),
            ("disconnection.mass_cut.per_hour", mass_cut.per_hour > 0, "must be at least 1"),
            ("disconnection.mass_cut.per_day_percent", mass_cut.per_day_percent <= 100, "must be 0 to 100"),
            ("vending.maximum_per_vend", vending.maximum_per_vend > Money::ZERO, "must be above 0"),
            ("vending.maximum_per_cashier_day", vending.maximum_per_cashier_day > Money::ZERO, "must be above 0"),
            ("debts.maximum", self.debts.maximum >= Money::ZERO, "must not be negative"),
            ("settlement.meters_per_account", self.settlement.meters_per_account > 0, "must be at least 1"),
        ];
        if let Some((field, _, problem)) = further.into_iter().find(|(_, holds, _)| !holds) {
            return Err(BadPolicy { field, problem });
        }
        if let Some((_, problem)) = self.debts.terms.problem() {
            return Err(BadPolicy { field: "debts.terms", problem });
        }
        self.notices.check()?;
        self.credit
            .check(&self.credit.limits)
            .map_err(|_| BadPolicy { field: "credit.limits", problem: "do not fit each other or the maximum" })
    }
}

/// A site's settings and its clock.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The numbers of the rules.
    pub policy: &'a Policy,
    /// Where its days, dates and hours are.
    pub zone: &'a TimeZone,
}

/// When an account without credit may be cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisconnectionPolicy {
    /// The site switch.
    pub automatic: AutomaticDisconnection,
    /// Hours of each day in which nobody is cut; may be empty.
    pub friendly_hours: Vec<FriendlyHours>,
    /// Days of the week on which nobody is cut.
    pub protected_weekdays: Vec<Weekday>,
    /// Local dates on which nobody is cut.
    pub holidays: Vec<Date>,
    /// Age above which a meter's last good reading is no evidence for a cut, where its profile does not say otherwise.
    pub reading_freshness: SignedDuration,
    /// A cut that waits for its meter to be read raises an alarm after this.
    pub unread_alarm_after: SignedDuration,
    /// Time after which a meter that was seen again after a gap may be cut.
    pub seen_again_grace: SignedDuration,
    /// A silence longer than this many poll slots is a gap.
    pub seen_again_gap_slots: u32,
    /// Most of such graces added up that a meter gets in one local day.
    pub seen_again_grace_per_day: SignedDuration,
    /// Most that a meter's or concentrator's clock may be off.
    pub clock_tolerance: SignedDuration,
    /// A held cut is decided again after this long at the latest.
    pub held_recheck: SignedDuration,
    /// Longest time ahead to which an operator's hold may reach.
    pub hold_longest: SignedDuration,
    /// Longest time that one payment in flight holds a cut.
    pub payment_longest: SignedDuration,
    /// Longest time that payments in flight of one credit episode hold a cut together.
    pub payments_per_episode: SignedDuration,
    /// How many may be cut.
    pub mass_cut: MassCutPolicy,
}

/// How many automatic disconnects a site may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MassCutPolicy {
    /// Most in a local hour; the rest waits for the next one.
    pub per_hour: u32,
    /// Most in a local day, where the share below is not more; the rest is quarantined.
    pub per_day: u32,
    /// Most in a local day, in per cent of the site's meters.
    pub per_day_percent: u32,
}

impl MassCutPolicy {
    /// Most in a local day of a site with so many meters.
    #[must_use]
    pub fn per_day_of(&self, meters: u32) -> u32 {
        let share = u64::from(meters) * u64::from(self.per_day_percent) / 100;
        self.per_day.max(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

impl DisconnectionPolicy {
    /// Whether a clock that is ahead or behind by this is off: what it stamped is no evidence for a cut.
    #[must_use]
    pub fn is_off(&self, offset: SignedDuration) -> bool {
        offset.abs() > self.clock_tolerance
    }
}

/// Local hours, from `from` up to but not including `to`; they wrap over midnight where `from` is not before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FriendlyHours {
    /// First local time of day inside.
    pub from: Time,
    /// First local time of day outside again. Equal to `from`: the whole day is inside.
    pub to: Time,
}

impl FriendlyHours {
    /// Whether a local clock showing `time` is inside.
    #[must_use]
    pub fn cover(&self, time: Time) -> bool {
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }

    /// Where `now` is inside, the instant they end.
    #[must_use]
    pub fn end(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.cover(zone.to_datetime(now).time()).then(|| next_at(now, self.to, zone))
    }
}

/// Warnings, forecast and the limits of an account that has none of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditPolicy {
    /// A cut needs a warning served this long before; a forecast at or below it begins an episode, above twice as much
    /// no longer holds one.
    pub warning_lead: SignedDuration,
    /// At most one warning per account in this time.
    pub warning_spacing: SignedDuration,
    /// A forecast that begins inside an episode repeats a warning older than this.
    pub warning_repeat_after: SignedDuration,
    /// The mean cost per hour is taken over this time.
    pub forecast_window: SignedDuration,
    /// Without readings over at least this time there is no forecast.
    pub forecast_minimum: SignedDuration,
    /// Most that any limit of an account may be, in minor units.
    pub maximum_limit: Money,
    /// Limits of an account that has none of its own.
    pub limits: Limits,
}

impl CreditPolicy {
    /// Checks that limits fit each other, and that none is above the most that it may be.
    ///
    /// # Errors
    /// Names the first field that does not hold.
    pub fn check(&self, limits: &Limits) -> Result<(), BadLimits> {
        let fields = limits.fields();
        if let Some((field, _)) = fields.into_iter().find(|(_, limit)| *limit > self.maximum_limit) {
            return Err(BadLimits { field, problem: "is above the most that a limit may be" });
        }
        limits.validate()
    }
}

/// What makes a reading plausible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingPolicy {
    /// Most that `as_of` may lie after the reading was received.
    pub future_tolerance: SignedDuration,
    /// Most that two different clocks are taken to disagree.
    pub cross_clock_tolerance: SignedDuration,
    /// The power a meter is believed to pass, in percent of its maximum.
    pub overload_percent: u32,
    /// Most that the sum of the periods may differ from the total, per period.
    pub period_tolerance: Energy,
}

/// When days are settled and corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettlementPolicy {
    /// Local time of the next day from which a day without a reading at its midnight is settled by interpolation.
    pub interpolate_from: Time,
    /// A settled boundary is corrected up to this long after it.
    pub correction_horizon: SignedDuration,
    /// Most meters that count for an account at once.
    pub meters_per_account: usize,
}

/// How relay orders are sent, read back and given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayPolicy {
    /// A disconnect not sent within this time expires.
    pub disconnect_expiry: SignedDuration,
    /// A disconnect sent this often and read back without effect fails. A reconnect is never given up.
    pub disconnect_attempts: u32,
    /// Time between two looks at the relay after a command.
    pub read_back_interval: SignedDuration,
    /// The relay is given this long to move before the command is sent again.
    pub read_back_window: SignedDuration,
    /// Time between two looks at a relay that waits for the customer's button.
    pub customer_interval: SignedDuration,
    /// First wait after a failure; doubled by each further one.
    pub retry_first: SignedDuration,
    /// Longest wait after a failure.
    pub retry_cap: SignedDuration,
    /// Whether a meter must have been cut once, by an order that was confirmed, before an account that may be cut
    /// automatically is opened with it, or an operator waives it.
    pub proven_before_opening: bool,
}

/// What may be sold at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendPolicy {
    /// Most that one vend may bring, in minor units.
    pub maximum_per_vend: Money,
    /// Most that one cashier may sell in a local day, in minor units.
    pub maximum_per_cashier_day: Money,
    /// Whether only terminals that are registered may sell, reverse and refund.
    pub registered_terminals_only: bool,
}

/// What may be owed apart from a balance, and how it is recovered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebtPolicy {
    /// Most that an account may owe apart from its balance, in minor units.
    pub maximum: Money,
    /// How a debt is recovered that is entered without terms of its own.
    pub terms: Terms,
}

/// When meters are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PollingPolicy {
    /// Time between two polls of a meter.
    pub slot: SignedDuration,
    /// Longest time between two polls of a silent meter.
    pub silent_cap: SignedDuration,
    /// Local time of day from which yesterday's freeze is asked for.
    pub freeze_from: Time,
    /// Local time of day from which a freeze that was not available is left for the next day.
    pub freeze_until: Time,
    /// Time between two questions for a freeze that was not available.
    pub freeze_retry: SignedDuration,
    /// Days whose missing freezes are asked for.
    pub backfill_days: u8,
    /// Share of a slot, in percent, that a round over a concentrator's meters may take.
    pub round_limit_percent: u32,
}

/// The wait after the `failures`-th failure in a row: `first`, doubled each time, at most `cap`.
#[must_use]
pub fn back_off(failures: u32, first: SignedDuration, cap: SignedDuration) -> SignedDuration {
    let doubled = 2_i32.checked_pow(failures.saturating_sub(1)).and_then(|factor| first.checked_mul(factor));
    doubled.map_or(cap, |wait| wait.min(cap))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, de::IntoDeserializer};

    use super::*;
    use crate::fixtures::{at, hours, minutes, policy, zone};

    fn span(from: &str, to: &str) -> FriendlyHours {
        FriendlyHours { from: from.parse().unwrap_or_default(), to: to.parse().unwrap_or_default() }
    }

    #[test]
    fn friendly_hours_may_wrap_over_midnight() {
        let zone = zone("Asia/Shanghai");
        let (night, noon) = (span("18:00", "09:00"), span("11:30", "14:00"));
        for (hours, now, end) in [
            (night, "2026-05-01T18:00:00+08:00", Some("2026-05-02T09:00:00+08:00")),
            (night, "2026-05-01T23:59:59+08:00", Some("2026-05-02T09:00:00+08:00")),
            (night, "2026-05-02T08:59:59+08:00", Some("2026-05-02T09:00:00+08:00")),
            (night, "2026-05-02T09:00:00+08:00", None),
            (night, "2026-05-02T17:59:59+08:00", None),
            (noon, "2026-05-01T11:30:00+08:00", Some("2026-05-01T14:00:00+08:00")),
            (noon, "2026-05-01T14:00:00+08:00", None),
            (span("09:00", "09:00"), "2026-05-01T12:00:00+08:00", Some("2026-05-02T09:00:00+08:00")),
        ] {
            assert_eq!(hours.end(at(now), &zone), end.map(at), "{now}");
        }
    }

    #[test]
    fn friendly_hours_keep_to_the_wall_clock_when_it_jumps() {
        // In the night of 29 March 2026 the clocks of Berlin skip 02:00 to 03:00.
        let end = span("18:00", "09:00").end(at("2026-03-28T20:00:00+01:00"), &zone("Europe/Berlin"));
        assert_eq!(end, Some(at("2026-03-29T09:00:00+02:00")));
    }

    #[test]
    fn back_off_doubles_up_to_its_cap() {
        let waits: Vec<_> = (0..6).map(|failures| back_off(failures, minutes(10), hours(1))).collect();
        assert_eq!(waits, [minutes(10), minutes(10), minutes(20), minutes(40), hours(1), hours(1)]);
        assert_eq!(back_off(u32::MAX, minutes(10), hours(1)), hours(1));
    }

    #[test]
    fn a_duration_is_written_with_its_unit() {
        let read = |text: &'static str| {
            let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
            SignedDuration::deserialize(text)
        };
        assert_eq!(read("24h"), Ok(hours(24)));
        assert_eq!(read("90s"), Ok(SignedDuration::from_secs(90)));
        assert!(read("24").is_err());
    }

    #[test]
    fn a_policy_that_breaks_a_rule_is_refused_by_name() {
        type Change = fn(&mut Policy);
        let cases: [(&str, Change); 19] = [
            ("vending.maximum_per_vend", |policy| policy.vending.maximum_per_vend = Money::ZERO),
            ("vending.maximum_per_cashier_day", |policy| policy.vending.maximum_per_cashier_day = Money::ZERO),
            ("debts.maximum", |policy| policy.debts.maximum = Money::new(-1)),
            ("settlement.meters_per_account", |policy| policy.settlement.meters_per_account = 0),
            ("notices.quiet_to", |policy| policy.notices.quiet_to = None),
            ("notices.quiet_to", |policy| policy.notices.quiet_to = policy.notices.quiet_from),
            ("notices.by_hand_alarm_after", |policy| policy.notices.by_hand_alarm_after = SignedDuration::ZERO),
            ("polling.slot", |policy| policy.polling.slot = SignedDuration::ZERO),
            ("relay.retry_cap", |policy| policy.relay.retry_cap = SignedDuration::from_secs(1)),
            ("disconnection.mass_cut.per_hour", |policy| policy.disconnection.mass_cut.per_hour = 0),
            ("disconnection.mass_cut.per_day_percent", |policy| policy.disconnection.mass_cut.per_day_percent = 101),
            ("credit.warning_lead", |policy| policy.credit.warning_lead = -hours(1)),
            ("polling.freeze_until", |policy| policy.polling.freeze_until = policy.polling.freeze_from),
            ("polling.round_limit_percent", |policy| policy.polling.round_limit_percent = 101),
            ("relay.disconnect_attempts", |policy| policy.relay.disconnect_attempts = 0),
            ("debts.terms", |policy| policy.debts.terms.share_ppm = 0),
            ("credit.limits", |policy| {
                (policy.credit.limits.emergency_credit, policy.credit.limits.restore_margin) =
                    (Money::new(5), Money::new(6));
            }),
            ("credit.limits", |policy| policy.credit.limits.rearm_margin = Money::ZERO),
            ("credit.limits", |policy| policy.credit.maximum_limit = policy.credit.limits.alarm_1 - Money::new(1)),
        ];
        assert_eq!(policy().validate(), Ok(()));
        for (field, change) in cases {
            let mut policy = policy();
            change(&mut policy);
            assert_eq!(policy.validate().map_err(|bad| bad.field), Err(field));
        }
    }
}

//! Payments in flight: money that a customer is paying and that has not arrived yet. While it is under way the account's supply
//! is not cut for credit, but not for longer than a payment may take, nor for longer in a credit episode than several may.

use jiff::{SignedDuration, Timestamp};

use crate::{calendar::shift, site::DisconnectionPolicy};

/// A time that payments of an account held a cut, or will: from its begin to its end.
pub type Span = (Timestamp, Timestamp);

/// Until when a payment that begins at `now` holds a cut: for as long as a payment may take, where the episode's payments have so
/// much left. `earlier`: what the payments before it in this credit episode held. `now` where nothing is left.
#[must_use]
pub fn holds_until(now: Timestamp, earlier: &[Span], policy: &DisconnectionPolicy) -> Timestamp {
    let left = policy.payments_per_episode - held(earlier);
    // Until then it is held already, which counts once.
    let running = earlier.iter().map(|(_, end)| *end).max().unwrap_or(now).max(now);
    let latest = shift(running, left.max(SignedDuration::ZERO));
    shift(now, policy.payment_longest).min(latest).max(now)
}

/// How long these times are together, each moment counted once.
fn held(spans: &[Span]) -> SignedDuration {
    let mut spans: Vec<Span> = spans.iter().copied().filter(|(begin, end)| begin < end).collect();
    spans.sort_unstable();
    let mut sum = SignedDuration::ZERO;
    let mut reached = Timestamp::MIN;
    for (begin, end) in spans {
        sum += end.duration_since(end.min(begin.max(reached)));
        reached = reached.max(end);
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{at, minutes, policy};

    fn begin() -> Timestamp {
        at("2026-05-01T12:00:00+08:00")
    }

    fn after(count: i64) -> Timestamp {
        shift(begin(), minutes(count))
    }

    #[test]
    fn a_payment_holds_for_a_quarter_of_an_hour_and_an_episode_for_half_of_one() {
        let policy = policy().disconnection;
        let first = holds_until(after(0), &[], &policy);
        assert_eq!(first, after(15));
        let second = holds_until(after(10), &[(after(0), first)], &policy);
        assert_eq!(second, after(25), "five minutes of it were held already");
        let third = holds_until(after(60), &[(after(0), first), (after(10), second)], &policy);
        assert_eq!(third, after(65));
        let all = [(after(0), first), (after(10), second), (after(60), third)];
        assert_eq!(holds_until(after(90), &all, &policy), after(90), "nothing is left");
        // What ended early left more.
        assert_eq!(holds_until(after(90), &[(after(0), after(2))], &policy), after(105));
    }

    proptest! {
        #[test]
        fn however_payments_follow_each_other_they_hold_no_longer_than_they_may(
            paid in prop::collection::vec((0_i64..40, prop::option::of(0_i64..20)), 1..12),
        ) {
            let policy = policy().disconnection;
            let mut all: Vec<Span> = Vec::new();
            let mut now = begin();
            for (pause, ended_after) in paid {
                now = shift(now, minutes(pause));
                let until = holds_until(now, &all, &policy);
                prop_assert!(now <= until && until <= shift(now, policy.payment_longest));
                all.push((now, until));
                prop_assert!(held(&all) <= policy.payments_per_episode);
                if let (Some(early), Some(last)) = (ended_after, all.last_mut()) {
                    last.1 = last.1.min(shift(last.0, minutes(early)));
                }
            }
        }
    }
}

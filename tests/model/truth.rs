//! What meters truly count: a load of its own for each hour, so that registers rise on straight lines within hours.

use jiff::Timestamp;

/// Hours that a meter knows its load for.
const HOURS: i64 = 24 * 150;
/// Largest load in W; an hour of 1 W are 10 units of 0.1 Wh.
const LOAD_W: u64 = 2_500;

/// A meter's register, unwrapped, in 0.1 Wh.
pub struct Truth {
    began: Timestamp,
    /// What it shows at the beginning of each hour.
    hours: Vec<i64>,
}

impl Truth {
    /// A register that begins somewhere.
    pub fn drawn(seed: u64, began: Timestamp) -> Self {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let mut value = i64::try_from(next() % 9_000_000).unwrap();
        let mut hours = vec![value];
        for _ in 0..HOURS {
            value += i64::try_from(next() % LOAD_W).unwrap() * 10;
            hours.push(value);
        }
        Self { began, hours }
    }

    /// What it shows at an instant.
    pub fn at(&self, at: Timestamp) -> i64 {
        let seconds = at.as_second() - self.began.as_second();
        let hour = usize::try_from(seconds / 3600).unwrap();
        let (before, after) = (self.hours[hour], self.hours[hour + 1]);
        before + (after - before) * (seconds % 3600) / 3600
    }
}

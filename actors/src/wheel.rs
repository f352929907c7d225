//! The timers of one concentrator: a sorted set of deadlines, one tokio timer for the earliest.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// At most one deadline per key; setting a key again moves it.
#[derive(Debug)]
pub(crate) struct Wheel<K> {
    by_time: BTreeSet<(Duration, K)>,
    by_key: BTreeMap<K, Duration>,
}

impl<K: Ord + Copy> Wheel<K> {
    pub(crate) const fn new() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, key: K, at: Duration) {
        self.clear(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
    }

    pub(crate) fn clear(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes one key whose deadline has come, earliest first.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<K> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_fires_once_at_its_last_deadline_and_in_order(
            sets in prop::collection::vec((0_u8..8, 0_u64..100), 1..60),
        ) {
            let mut wheel = Wheel::new();
            let mut expected = BTreeMap::new();
            for (key, at) in &sets {
                wheel.set(*key, Duration::from_secs(*at));
                expected.insert(*key, *at);
            }
            let mut fired = Vec::new();
            for now in 0..100 {
                while let Some(key) = wheel.pop_due(Duration::from_secs(now)) {
                    fired.push((now, key));
                }
            }
            let mut expected: Vec<(u64, u8)> = expected.into_iter().map(|(key, at)| (at, key)).collect();
            expected.sort_unstable();
            prop_assert_eq!(fired, expected);
            prop_assert_eq!(wheel.next(), None);
        }
    }

    #[test]
    fn a_cleared_key_does_not_fire() {
        let mut wheel = Wheel::new();
        wheel.set('a', Duration::from_secs(1));
        wheel.clear('a');
        assert_eq!(wheel.pop_due(Duration::from_secs(2)), None);
    }
}

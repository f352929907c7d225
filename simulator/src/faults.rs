//! Faults drawn by seed: how often each kind happens, and what it does to an answer's bytes.

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// How often an answer goes wrong, each in per mille of all answers. Of their sum only the first 1,000 count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRates {
    /// The request is carried out and the answer is lost.
    pub no_answer: u16,
    /// The answer comes later than usual.
    pub delay: u16,
    /// The answer's checksum is wrong.
    pub wrong_checksum: u16,
    /// Only the beginning of the answer comes.
    pub cut_frame: u16,
    /// The request is denied (AFN00 F2) and not carried out.
    pub refusal: u16,
    /// The link drops instead of the answer, after the request was carried out.
    pub reconnect: u16,
    /// The longest additional delay of an answer that comes later than usual.
    pub delay_max: SignedDuration,
    /// How long the concentrator stays away after a drop.
    pub reconnect_after: SignedDuration,
}

impl FaultRates {
    /// A faultless site.
    pub const NONE: Self = Self {
        no_answer: 0,
        delay: 0,
        wrong_checksum: 0,
        cut_frame: 0,
        refusal: 0,
        reconnect: 0,
        delay_max: SignedDuration::ZERO,
        reconnect_after: SignedDuration::ZERO,
    };

    /// The same rate, in per mille, for every kind; delays of up to 5 s, 10 s away after a drop.
    #[must_use]
    pub const fn all(per_mille: u16) -> Self {
        Self {
            no_answer: per_mille,
            delay: per_mille,
            wrong_checksum: per_mille,
            cut_frame: per_mille,
            refusal: per_mille,
            reconnect: per_mille,
            delay_max: SignedDuration::from_secs(5),
            reconnect_after: SignedDuration::from_secs(10),
        }
    }
}

/// What goes wrong with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// See [`FaultRates::no_answer`].
    NoAnswer,
    /// The answer comes this much later.
    Delay(SignedDuration),
    /// See [`FaultRates::wrong_checksum`].
    WrongChecksum,
    /// See [`FaultRates::cut_frame`].
    CutFrame,
    /// See [`FaultRates::refusal`].
    Refusal,
    /// The link drops for this long.
    Reconnect(SignedDuration),
}

/// The faults of one concentrator: the same seed and the same sequence of requests give the same faults.
#[derive(Debug)]
pub struct Faults {
    rates: FaultRates,
    random: Xoshiro256PlusPlus,
}

impl Faults {
    /// Faults at these rates, drawn from this seed.
    #[must_use]
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        Self { rates, random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    /// Other rates from now on; the sequence of random numbers goes on.
    pub fn set_rates(&mut self, rates: FaultRates) {
        self.rates = rates;
    }

    /// What goes wrong with the next answer; mostly nothing.
    pub fn draw(&mut self) -> Option<Fault> {
        let rates = self.rates;
        let delay = SignedDuration::from_millis(
            self.random.random_range(0..=i64::try_from(rates.delay_max.as_millis()).unwrap_or(i64::MAX).max(0)),
        );
        let kinds = [
            (rates.no_answer, Fault::NoAnswer),
            (rates.delay, Fault::Delay(delay)),
            (rates.wrong_checksum, Fault::WrongChecksum),
            (rates.cut_frame, Fault::CutFrame),
            (rates.refusal, Fault::Refusal),
            (rates.reconnect, Fault::Reconnect(rates.reconnect_after)),
        ];
        let mut lot = self.random.random_range(0..1000_u32);
        for (rate, fault) in kinds {
            match lot.checked_sub(rate.into()) {
                Some(left) => lot = left,
                None => return Some(fault),
            }
        }
        None
    }

    /// The beginning of a frame, at least one byte and never all of it.
    #[must_use]
    pub fn cut(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        frame.truncate(self.random.random_range(1..frame.len().max(2)));
        frame
    }
}

/// A frame whose checksum, the byte before the last, is wrong.
#[must_use]
pub fn spoil_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some(checksum) = frame.iter_mut().rev().nth(1) {
        *checksum = checksum.wrapping_add(1);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rates: FaultRates, seed: u64, answers: usize) -> Vec<Option<Fault>> {
        let mut faults = Faults::new(rates, seed);
        (0..answers).map(|_| faults.draw()).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_faults() {
        let rates = FaultRates::all(50);
        assert_eq!(drawn(rates, 9, 500), drawn(rates, 9, 500));
        assert_ne!(drawn(rates, 9, 500), drawn(rates, 10, 500));
    }

    #[test]
    fn every_kind_happens_with_roughly_its_rate() {
        let all = drawn(FaultRates { delay: 100, cut_frame: 10, ..FaultRates::all(40) }, 1, 100_000);
        let share = |kind: fn(&Fault) -> bool| all.iter().flatten().filter(|fault| kind(fault)).count();
        let near = |count: usize, per_mille: usize| count.abs_diff(per_mille * 100) < per_mille * 10 + 100;
        assert!(near(share(|fault| matches!(fault, Fault::NoAnswer)), 40));
        assert!(near(share(|fault| matches!(fault, Fault::Delay(_))), 100));
        assert!(near(share(|fault| matches!(fault, Fault::WrongChecksum)), 40));
        assert!(near(share(|fault| matches!(fault, Fault::CutFrame)), 10));
        assert!(near(share(|fault| matches!(fault, Fault::Refusal)), 40));
        assert!(near(share(|fault| matches!(fault, Fault::Reconnect(_))), 40));
        assert!(near(all.iter().filter(|fault| fault.is_none()).count(), 730));
    }

    #[test]
    fn a_faultless_site_stays_faultless() {
        assert!(drawn(FaultRates::NONE, 1, 10_000).iter().all(Option::is_none));
    }

    #[test]
    fn delays_stay_within_their_limit() {
        let limit = SignedDuration::from_millis(300);
        let rates = FaultRates { delay: 1000, delay_max: limit, ..FaultRates::NONE };
        let delays = drawn(rates, 4, 1000);
        assert!(delays.iter().all(|fault| matches!(fault, Some(Fault::Delay(delay)) if *delay <= limit)));
        assert!(delays.iter().any(|fault| matches!(fault, Some(Fault::Delay(delay)) if *delay > limit / 2)));
    }
}

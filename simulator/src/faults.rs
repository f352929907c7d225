//! Faults drawn by seed: how often each kind happens, how often it did, and what it does to an answer's bytes.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// The byte that begins every frame.
const START: u8 = 0x68;

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
    /// One bit of the answer is flipped, anywhere.
    pub flipped: u16,
    /// 1 to 16 stray bytes, some of them 68H, come glued to the front of the answer.
    pub glued: u16,
    /// The answer comes twice, glued.
    pub repeated: u16,
    /// A frame for a meter (AFN10) reaches it only later, and nobody hears what it answers. No fault of other requests.
    pub late_delivery: u16,
    /// The longest additional delay of an answer that comes later than usual.
    pub delay_max: SignedDuration,
    /// How long the concentrator stays away after a drop.
    pub reconnect_after: SignedDuration,
    /// The longest time, from 1 s on, by which a frame for a meter is late.
    pub late_max: SignedDuration,
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
        flipped: 0,
        glued: 0,
        repeated: 0,
        late_delivery: 0,
        delay_max: SignedDuration::ZERO,
        reconnect_after: SignedDuration::ZERO,
        late_max: SignedDuration::ZERO,
    };

    /// The same rate, in per mille, for every kind; delays of up to 5 s, 10 s away after a drop, frames for meters up to
    /// 10 min late.
    #[must_use]
    pub const fn all(per_mille: u16) -> Self {
        Self {
            no_answer: per_mille,
            delay: per_mille,
            wrong_checksum: per_mille,
            cut_frame: per_mille,
            refusal: per_mille,
            reconnect: per_mille,
            flipped: per_mille,
            glued: per_mille,
            repeated: per_mille,
            late_delivery: per_mille,
            delay_max: SignedDuration::from_secs(5),
            reconnect_after: SignedDuration::from_secs(10),
            late_max: SignedDuration::from_mins(10),
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
    /// See [`FaultRates::flipped`].
    Flipped,
    /// See [`FaultRates::glued`].
    Glued,
    /// See [`FaultRates::repeated`].
    Repeated,
    /// The frame reaches its meter this much later.
    LateDelivery(SignedDuration),
}

impl Fault {
    /// The field of [`FaultRates`] that it is drawn by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Delay(_) => "delay",
            Self::WrongChecksum => "wrong_checksum",
            Self::CutFrame => "cut_frame",
            Self::Refusal => "refusal",
            Self::Reconnect(_) => "reconnect",
            Self::Flipped => "flipped",
            Self::Glued => "glued",
            Self::Repeated => "repeated",
            Self::LateDelivery(_) => "late_delivery",
        }
    }
}

/// The faults of one concentrator: the same seed and the same sequence of requests give the same faults.
#[derive(Debug)]
pub struct Faults {
    rates: FaultRates,
    random: Xoshiro256PlusPlus,
    counted: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Faults at these rates, drawn from this seed.
    #[must_use]
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        Self { rates, random: Xoshiro256PlusPlus::seed_from_u64(seed), counted: BTreeMap::new() }
    }

    /// Other rates from now on; the sequence of random numbers goes on.
    pub fn set_rates(&mut self, rates: FaultRates) {
        self.rates = rates;
    }

    /// How often each kind was drawn, by the name of its rate; kinds that never were are missing.
    #[must_use]
    pub fn counted(&self) -> &BTreeMap<&'static str, u64> {
        &self.counted
    }

    /// What goes wrong with the next answer; mostly nothing. Only the answer to a request that goes on to a meter
    /// (`forwarded`) can have been a late delivery.
    pub fn draw(&mut self, forwarded: bool) -> Option<Fault> {
        let rates = self.rates;
        let delay = self.time(SignedDuration::ZERO, rates.delay_max);
        let late = self.time(SignedDuration::from_secs(1), rates.late_max);
        let kinds = [
            (rates.no_answer, Fault::NoAnswer),
            (rates.delay, Fault::Delay(delay)),
            (rates.wrong_checksum, Fault::WrongChecksum),
            (rates.cut_frame, Fault::CutFrame),
            (rates.refusal, Fault::Refusal),
            (rates.reconnect, Fault::Reconnect(rates.reconnect_after)),
            (rates.flipped, Fault::Flipped),
            (rates.glued, Fault::Glued),
            (rates.repeated, Fault::Repeated),
            (rates.late_delivery, Fault::LateDelivery(late)),
        ];
        let mut lot = self.random.random_range(0..1000_u32);
        let drawn = kinds.into_iter().find_map(|(rate, fault)| {
            let left = lot.checked_sub(rate.into());
            lot = left.unwrap_or_default();
            left.is_none().then_some(fault)
        });
        let fault = drawn.filter(|fault| forwarded || !matches!(fault, Fault::LateDelivery(_)))?;
        *self.counted.entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    /// A time between the two, in whole milliseconds; the first where the second is shorter.
    fn time(&mut self, from: SignedDuration, to: SignedDuration) -> SignedDuration {
        let ms = |time: SignedDuration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        SignedDuration::from_millis(self.random.random_range(ms(from)..=ms(to.max(from))))
    }

    /// The beginning of a frame, at least one byte and never all of it.
    #[must_use]
    pub fn cut(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        frame.truncate(self.random.random_range(1..frame.len().max(2)));
        frame
    }

    /// The frame with one of its bits flipped.
    #[must_use]
    pub fn flip(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let place = self.random.random_range(0..frame.len().max(1));
        if let Some(byte) = frame.get_mut(place) {
            *byte ^= 1 << self.random.random_range(0..8_u8);
        }
        frame
    }

    /// The frame with 1 to 16 stray bytes in front; about every fourth of them looks like the start of a frame.
    #[must_use]
    pub fn glue(&mut self, frame: &[u8]) -> Vec<u8> {
        let strays = self.random.random_range(1..=16_usize);
        let mut glued = Vec::with_capacity(strays + frame.len());
        for _ in 0..strays {
            glued.push(if self.random.random_range(0..4_u8) == 0 { START } else { self.random.random() });
        }
        glued.extend(frame);
        glued
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
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;

    use super::*;

    fn drawn(rates: FaultRates, seed: u64, answers: usize) -> Vec<Option<Fault>> {
        let mut faults = Faults::new(rates, seed);
        (0..answers).map(|_| faults.draw(true)).collect()
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
        assert!(near(share(|fault| matches!(fault, Fault::Flipped)), 40));
        assert!(near(share(|fault| matches!(fault, Fault::Glued)), 40));
        assert!(near(share(|fault| matches!(fault, Fault::Repeated)), 40));
        assert!(near(share(|fault| matches!(fault, Fault::LateDelivery(_))), 40));
        assert!(near(all.iter().filter(|fault| fault.is_none()).count(), 570));
    }

    #[test]
    fn what_was_drawn_is_counted_by_name() {
        let mut faults = Faults::new(FaultRates { glued: 300, late_delivery: 700, ..FaultRates::NONE }, 5);
        let drawn = (0..1000).filter_map(|_| faults.draw(true)).filter(|fault| *fault == Fault::Glued).count();
        let glued = u64::try_from(drawn).unwrap();
        assert!(glued > 0);
        assert_eq!(*faults.counted(), BTreeMap::from([("glued", glued), ("late_delivery", 1000 - glued)]));
    }

    #[test]
    fn only_what_goes_on_to_a_meter_is_delivered_late_and_within_its_time() {
        let rates = FaultRates { late_delivery: 1000, late_max: SignedDuration::from_secs(3), ..FaultRates::NONE };
        let mut faults = Faults::new(rates, 5);
        assert_eq!((0..100).find_map(|_| faults.draw(false)), None);
        assert!(faults.counted().is_empty());
        let late = SignedDuration::from_secs(1)..=SignedDuration::from_secs(3);
        assert!(
            (0..1000).all(|_| matches!(faults.draw(true), Some(Fault::LateDelivery(after)) if late.contains(&after)))
        );
        faults.set_rates(FaultRates { late_max: SignedDuration::ZERO, ..rates });
        assert_eq!(faults.draw(true), Some(Fault::LateDelivery(SignedDuration::from_secs(1))));
    }

    #[test]
    fn a_flip_changes_one_bit_and_glue_leaves_the_frame_whole() {
        let mut faults = Faults::new(FaultRates::NONE, 5);
        let frame = vec![0xA5; 40];
        let (mut places, mut starts) = (BTreeSet::new(), 0);
        for _ in 0..2000 {
            let flipped = faults.flip(frame.clone());
            let changed: Vec<_> = (0..40).filter(|place| flipped.get(*place) != frame.get(*place)).collect();
            let bits: u32 = flipped.iter().map(|byte| (byte ^ 0xA5).count_ones()).sum();
            assert_eq!((flipped.len(), changed.len(), bits), (40, 1, 1));
            places.extend(changed);
            let glued = faults.glue(&frame);
            let (strays, rest) = glued.split_at(glued.len() - 40);
            assert!((1..=16).contains(&strays.len()) && rest == frame);
            starts += strays.iter().filter(|byte| **byte == START).count();
        }
        assert_eq!(places.len(), 40, "anywhere");
        assert!(starts > 1000, "{starts}");
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

//! What a line can do to frames: cut, flip, insert, glue, flood. Both formats go through the same dialogues.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::{dlt645, qgdw376};

const LIMIT: usize = 512;

/// A read of 00010000, its answer, and a read of an address, all of real meters.
const METER: [&[u8]; 3] = [
    &[0x68, 0x61, 0x10, 0x01, 0x30, 0x12, 0x15, 0x68, 0x11, 0x04, 0x33, 0x33, 0x34, 0x33, 0x7B, 0x16],
    &[
        0x68, 0x61, 0x10, 0x01, 0x30, 0x12, 0x15, 0x68, 0x91, 0x08, 0x33, 0x33, 0x34, 0x33, 0xAB, 0x39, 0x33, 0x33,
        0x49, 0x16,
    ],
    &[0x68, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0x68, 0x13, 0x00, 0xDF, 0x16],
];

/// A login, a confirmation and a clock, all of real concentrators.
const CONCENTRATOR: [&[u8]; 3] = [
    &[
        0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0xC9, 0x05, 0x21, 0xB2, 0xA1, 0x00, 0x02, 0x79, 0x00, 0x00, 0x01, 0x00,
        0xBE, 0x16,
    ],
    &[
        0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0x0B, 0x00, 0x02, 0x34, 0x12, 0x00, 0x00, 0x61, 0x00, 0x00, 0x01, 0x00,
        0xB5, 0x16,
    ],
    &[
        0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0xC9, 0x00, 0x02, 0x34, 0x12, 0x00, 0x02, 0x71, 0x00, 0x00, 0x04, 0x00,
        0x88, 0x16,
    ],
];

/// One line: everything sent over it, everything that came out, in order.
struct Line<F> {
    framer: Framer<F>,
    frames: Vec<F>,
    errors: Vec<FrameError>,
}

impl<F: FrameFormat + Debug + PartialEq> Line<F> {
    fn new() -> Self {
        Self { framer: Framer::new(LIMIT), frames: Vec::new(), errors: Vec::new() }
    }

    fn sends(&mut self, mut bytes: &[u8]) {
        loop {
            match self.framer.next(&mut bytes) {
                Ok(Some(frame)) => self.frames.push(frame),
                Err(error) => self.errors.push(error),
                Ok(None) => break,
            }
            assert!(self.framer.pending() <= LIMIT);
        }
        assert!(bytes.is_empty());
    }

    fn is_silent(&mut self) {
        loop {
            match self.framer.flush() {
                Ok(Some(frame)) => self.frames.push(frame),
                Err(error) => self.errors.push(error),
                Ok(None) => break,
            }
        }
        assert_eq!(self.framer.pending(), 0);
    }

    fn count(&self) -> usize {
        self.frames.len()
    }
}

fn decoded<F: FrameFormat>(wires: &[&[u8]]) -> Vec<F> {
    wires.iter().map(|wire| F::decode(wire).unwrap()).collect()
}

/// Runs a dialogue with the frames of both formats.
macro_rules! both {
    ($dialogue:ident) => {
        $dialogue::<dlt645::Frame>(METER);
        $dialogue::<qgdw376::Frame>(CONCENTRATOR);
    };
}

#[test]
fn glued_frames_come_out_one_by_one() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>(frames: [&[u8]; 3]) {
        let mut line = Line::<F>::new();
        line.sends(&frames.concat());
        assert_eq!(line.frames, decoded::<F>(&frames));
        assert_eq!(*line.framer.discarded(), Discarded::default());
    }
    both!(dialogue);
}

#[test]
fn a_frame_may_come_byte_by_byte() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>(frames: [&[u8]; 3]) {
        let mut line = Line::<F>::new();
        for byte in frames.concat() {
            line.sends(&[byte]);
        }
        assert_eq!(line.frames, decoded::<F>(&frames));
    }
    both!(dialogue);
}

#[test]
fn after_a_flipped_bit_the_next_frame_comes_out() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>([first, second, third]: [&[u8]; 3]) {
        for at in 0..first.len() {
            for bit in 0..8 {
                let mut flipped = first.to_vec();
                flipped.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
                let mut line = Line::<F>::new();
                line.sends(&flipped);
                line.sends(second);
                line.sends(third);
                line.is_silent();
                assert_eq!(line.frames, decoded::<F>(&[second, third]), "bit {bit} of byte {at}");
                assert!(line.framer.discarded().bytes >= u64::try_from(first.len() - 1).unwrap());
            }
        }
    }
    both!(dialogue);
}

#[test]
fn after_a_lost_byte_the_next_frame_comes_out() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>([first, second, third]: [&[u8]; 3]) {
        for at in 0..first.len() {
            let mut shorter = first.to_vec();
            shorter.remove(at);
            let mut line = Line::<F>::new();
            line.sends(&[&shorter, second, third].concat());
            line.is_silent();
            assert_eq!(line.frames, decoded::<F>(&[second, third]), "byte {at}");
        }
    }
    both!(dialogue);
}

#[test]
fn after_an_inserted_byte_the_next_frame_comes_out() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>([first, second, third]: [&[u8]; 3]) {
        for at in 1..first.len() {
            for byte in [0x00, 0x16, 0x68, 0xFE] {
                let mut longer = first.to_vec();
                longer.insert(at, byte);
                let mut line = Line::<F>::new();
                line.sends(&[&longer, second, third].concat());
                line.is_silent();
                // A byte equal to its neighbour changes nothing; a 68H before the whole frame neither.
                let whole = if longer.starts_with(first) || longer.ends_with(first) { 1 } else { 0 };
                assert_eq!(line.count(), 2 + whole, "{byte:02X}H at {at}");
                assert!(line.frames.ends_with(&decoded::<F>(&[second, third])));
            }
        }
    }
    both!(dialogue);
}

#[test]
fn a_frame_cut_short_holds_the_next_one_up_no_longer_than_the_silence() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>([first, second, third]: [&[u8]; 3]) {
        for length in 1..first.len() {
            let mut line = Line::<F>::new();
            line.sends(first.split_at(length).0);
            assert_eq!((line.count(), line.framer.pending()), (0, length));
            line.sends(second);
            line.is_silent();
            assert_eq!(line.frames, decoded::<F>(&[second]), "{length} bytes");
            line.sends(third);
            assert_eq!(line.count(), 2);
        }
    }
    both!(dialogue);
}

#[test]
fn silence_after_a_cut_frame_leaves_nothing_behind() {
    fn dialogue<F: FrameFormat + Debug + PartialEq>([first, second, _]: [&[u8]; 3]) {
        let mut line = Line::<F>::new();
        line.sends(first.split_at(5).0);
        line.is_silent();
        assert_eq!((line.framer.discarded().cut, line.framer.discarded().bytes), (1, 5));
        line.sends(second);
        assert_eq!(line.frames, decoded::<F>(&[second]));
    }
    both!(dialogue);
}

#[test]
fn noise_between_frames_is_counted_and_a_preamble_is_not() {
    let mut line = Line::<dlt645::Frame>::new();
    line.sends(&[&[0xFE, 0xFE, 0xFE, 0xFE], METER[0], &[0x00, 0xFE, 0x16], METER[1]].concat());
    assert_eq!(line.frames, decoded::<dlt645::Frame>(&METER[..2]));
    assert_eq!(*line.framer.discarded(), Discarded { bytes: 2, noise: 2, ..Discarded::default() });
}

#[test]
fn a_wrong_checksum_a_wrong_end_and_a_wrong_start_are_told_apart() {
    let change = |at: usize, byte: u8| {
        let mut wire = METER[0].to_vec();
        wire.iter_mut().skip(at).take(1).for_each(|old| *old = byte);
        let mut line = Line::<dlt645::Frame>::new();
        line.sends(&wire);
        line.errors.first().copied().unwrap()
    };
    assert_eq!(change(14, 0x00), FrameError::Checksum { computed: 0x7B, found: 0x00 });
    assert_eq!(change(15, 0x17), FrameError::End(0x17));
    assert_eq!(change(7, 0x69), FrameError::SecondStart(0x69));
}

#[test]
fn lengths_that_cannot_be_are_refused_before_anything_is_stored_for_them() {
    let said = |header: &[u8]| {
        let mut line = Line::<qgdw376::Frame>::new();
        line.sends(header);
        assert!(line.framer.pending() < 6);
        line.errors.first().copied().unwrap()
    };
    assert_eq!(said(&[0x68, 0x32, 0x00, 0x36, 0x00, 0x68]), FrameError::LengthsDiffer(0x32, 0x36));
    assert_eq!(said(&[0x68, 0x1E, 0x00, 0x1E, 0x00, 0x68]), FrameError::TooShort(15));
    assert_eq!(said(&[0x68, 0xFE, 0xFF, 0xFE, 0xFF, 0x68]), FrameError::TooLong { length: 16_391, limit: LIMIT });
}

#[test]
fn a_sound_frame_of_another_edition_is_skipped_whole() {
    // AFN0C of the 2005 edition, carrying the bytes of a login as its data.
    let mut body = vec![0x4B, 0x11, 0x11, 0x11, 0x11, 0x02, 0x0C, 0x60];
    body.extend(CONCENTRATOR[0]);
    let length = u8::try_from(body.len() << 2 | 0b01).unwrap();
    let mut wire = vec![0x68, length, 0, length, 0, 0x68];
    wire.extend(&body);
    wire.extend([checksum(&body), END]);

    let mut line = Line::<qgdw376::Frame>::new();
    line.sends(&[&wire, CONCENTRATOR[1]].concat());
    assert_eq!(line.errors, [FrameError::Edition(qgdw376::Edition::Qgdw130)]);
    assert_eq!(line.frames, decoded::<qgdw376::Frame>(&CONCENTRATOR[1..2]));
    assert_eq!(line.framer.discarded().refused, 1);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_grow_or_lose_the_next_frame(
        chunks in prop::collection::vec(
            prop::collection::vec(prop_oneof![4 => any::<u8>(), 1 => Just(0x68), 1 => Just(0x16), 1 => 0_u8..16], 0..200),
            0..8,
        ),
    ) {
        fn dialogue<F: FrameFormat + Debug + PartialEq>(chunks: &[Vec<u8>], frame: &[u8]) {
            let mut line = Line::<F>::new();
            for chunk in chunks {
                line.sends(chunk);
            }
            line.is_silent();
            let (before, bytes) = (line.count(), chunks.iter().map(Vec::len).sum::<usize>());
            assert!(line.framer.discarded().bytes <= u64::try_from(bytes).unwrap());
            line.sends(frame);
            assert_eq!(line.count(), before + 1);
        }
        dialogue::<dlt645::Frame>(&chunks, METER[0]);
        dialogue::<qgdw376::Frame>(&chunks, CONCENTRATOR[0]);
    }

    #[test]
    fn it_makes_no_difference_where_the_stream_is_cut(
        noise in prop::collection::vec(any::<u8>(), 0..40),
        cuts in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let stream = [METER[0], &noise, METER[1], METER[2]].concat();
        let mut at_once = Line::<dlt645::Frame>::new();
        at_once.sends(&stream);
        let mut in_pieces = Line::<dlt645::Frame>::new();
        let mut rest = &stream[..];
        for cut in cuts.into_iter().cycle() {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            in_pieces.sends(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(at_once.frames, in_pieces.frames);
        prop_assert_eq!(at_once.errors, in_pieces.errors);
        prop_assert_eq!(at_once.framer.discarded(), in_pieces.framer.discarded());
    }
}

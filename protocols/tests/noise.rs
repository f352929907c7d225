//! A line that brings nothing but noise costs no more memory than one frame, however long it lasts.
#![expect(clippy::unwrap_used, reason = "tests")]

use protocols::{FrameFormat, Framer, dlt645, qgdw376};

/// Longest frame, in bytes.
const LIMIT: usize = 4096;
/// Bytes that arrive at once.
const PIECE: usize = 64 << 10;

/// Megabytes of noise; more by `WATTGATE_NOISE_MB`.
fn megabytes() -> usize {
    std::env::var("WATTGATE_NOISE_MB").map_or(8, |megabytes| megabytes.parse().unwrap())
}

/// Noise that is full of bytes with which frames begin, end and go on.
fn noise(state: &mut u64, piece: &mut [u8]) {
    for byte in piece {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let [drawn, kind, ..] = state.to_le_bytes();
        *byte = match kind % 8 {
            0 | 1 => 0x68,
            2 => 0x16,
            3 => 0xFE,
            4 => 0x32,
            _ => drawn,
        };
    }
}

fn holds_no_more<F: FrameFormat>() {
    let (mut framer, mut state, mut piece) = (Framer::<F>::new(LIMIT), 0x9E37_79B9_7F4A_7C15, vec![0; PIECE]);
    let pieces = megabytes() << 20 >> PIECE.trailing_zeros();
    let mut most = 0;
    let allocated = allocation_counter::measure(|| {
        for _ in 0..pieces {
            noise(&mut state, &mut piece);
            let mut input = piece.as_slice();
            while !matches!(framer.visit(&mut input, |_| ()), Ok(None)) {
                most = most.max(framer.pending());
            }
        }
    });
    let bytes = u64::try_from(pieces * PIECE).unwrap();
    assert!(framer.discarded().bytes > bytes / 2, "{:?}", framer.discarded());
    // While its buffer grows, the old one and one of twice its size are there.
    let bound = u64::try_from(3 * LIMIT).unwrap();
    assert!(most <= LIMIT && allocated.bytes_max <= bound, "{most} held, {allocated:?}");
}

#[test]
fn noise_costs_no_more_memory_than_one_meters_frame() {
    holds_no_more::<dlt645::Frame>();
}

#[test]
fn noise_costs_no_more_memory_than_one_concentrators_frame() {
    holds_no_more::<qgdw376::Frame>();
}

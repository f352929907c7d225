//! What reading a frame costs, beside a trivial codec that gathers bytes and looks at length and checksum only, in the same
//! run.
//!
//! `cargo bench -p protocols` times both by criterion, then prints how many frames a second each takes, their ratio, and the
//! allocations of a frame that is read where it stands.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to tell")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput};
use domain::energy::Energy;
use jiff::civil::date;
use protocols::{
    Framer,
    dlt645::{self, Answer, Item, MeterAddress, Request, Value},
    qgdw376::{self, Address, AnswerHeader, PointEnergy, Uplink},
};

/// How long each codec is timed for the last lines.
const TIMED: Duration = Duration::from_secs(2);
/// Frames between two looks at the clock.
const FRAMES: u32 = 1000;

fn energy(units: i64) -> Result<Option<Energy>, protocols::bcd::BadBcd> {
    Ok(Some(Energy::new(units)))
}

/// An answer to F129 of so many meters with a total and four periods each.
fn polled(points: u16) -> Vec<u8> {
    let points = (1..=points).map(|point| PointEnergy {
        point,
        read_at: Ok(Some(date(2026, 3, 2).at(10, 15, 0, 0))),
        total: energy(12_345_678),
        periods: (1..=4).map(|period| energy(period * 1_000_000)).collect(),
    });
    let address = Address::new("2105-00007".parse().unwrap(), 1);
    let header = AnswerHeader { address, number: 3, events: None, time_tag: None };
    Uplink::Energy(points.collect()).frame(&header).unwrap().encode().unwrap()
}

fn meter() -> MeterAddress {
    "201905241006".parse().unwrap()
}

fn read_total() -> Vec<u8> {
    Answer::Value(Value::ForwardActiveTotal(energy(12_345_600))).frame(meter()).unwrap().encode().unwrap()
}

/// What any codec must do: gather bytes, find the end by the length, check the sum, and hand the frame out.
#[derive(Default)]
struct Trivial(Vec<u8>);

impl Trivial {
    fn frame(&mut self, input: &[u8], length: impl Fn(&[u8]) -> Option<usize>, summed: usize) -> bool {
        self.0.extend_from_slice(input);
        let Some(length) = length(&self.0) else { return false };
        let Some((body, [sum, end])) = self.0.get(..length).and_then(<[u8]>::split_last_chunk) else { return false };
        let body = body.get(summed..).unwrap_or_default();
        let good = *end == 0x16 && body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == *sum;
        self.0.drain(..length);
        good
    }

    fn of_376(&mut self, input: &[u8]) -> bool {
        let length = |bytes: &[u8]| match bytes.first_chunk()? {
            [0x68, low, high, _, _, 0x68] => Some(usize::from(u16::from_le_bytes([*low, *high]) >> 2) + 8),
            _ => None,
        };
        self.frame(input, length, 6)
    }

    fn of_645(&mut self, input: &[u8]) -> bool {
        let length = |bytes: &[u8]| match bytes.first_chunk()? {
            [0x68, _, _, _, _, _, _, 0x68, _, length] => Some(usize::from(*length) + 12),
            _ => None,
        };
        self.frame(input, length, 0)
    }
}

fn full_376(framer: &mut Framer<qgdw376::Frame>, bytes: &[u8]) -> i64 {
    let sum = framer.visit(&mut &bytes[..], |frame| {
        let readings = frame.energies().unwrap().map(Result::unwrap);
        let value = |register: Result<Option<Energy>, _>| register.ok().flatten().map_or(0, Energy::get);
        readings.map(|one| value(one.total) + one.periods.map(value).sum::<i64>()).sum()
    });
    sum.unwrap().unwrap()
}

fn full_645(framer: &mut Framer<dlt645::Frame>, bytes: &[u8], request: &Request) -> Answer {
    framer.visit(&mut &bytes[..], |frame| frame.answers(request, meter()).unwrap()).unwrap().unwrap()
}

fn per_second(mut frame: impl FnMut()) -> f64 {
    let (begun, mut frames) = (Instant::now(), 0_u32);
    while begun.elapsed() < TIMED {
        (0..FRAMES).for_each(|_| frame());
        frames += FRAMES;
    }
    f64::from(frames) / begun.elapsed().as_secs_f64()
}

fn told(what: &str, trivial: f64, full: f64, allocations: u64) {
    let millions = |rate: f64| rate / 1e6;
    println!(
        "{what}: trivial {:.2} M/s, full {:.2} M/s, ratio {:.2}, {allocations} allocations in {FRAMES} frames",
        millions(trivial),
        millions(full),
        full / trivial,
    );
}

fn main() {
    let request = Request::Read(Item::ForwardActiveTotal);
    let frames = [("F129 of 1 meter", polled(1)), ("F129 of 8 meters", polled(8))];
    let total = read_total();
    let mut criterion = Criterion::default().configure_from_args();
    for (name, bytes) in &frames {
        let mut group = criterion.benchmark_group(*name);
        group.throughput(Throughput::Elements(1));
        let (mut trivial, mut framer) = (Trivial::default(), Framer::new(4096));
        group.bench_function("trivial", |bench| bench.iter(|| assert!(trivial.of_376(black_box(bytes)))));
        group.bench_function("full", |bench| bench.iter(|| full_376(&mut framer, black_box(bytes))));
    }
    let mut group = criterion.benchmark_group("645 total");
    group.throughput(Throughput::Elements(1));
    let (mut trivial, mut framer) = (Trivial::default(), Framer::new(267));
    group.bench_function("trivial", |bench| bench.iter(|| assert!(trivial.of_645(black_box(&total)))));
    group.bench_function("full", |bench| bench.iter(|| full_645(&mut framer, black_box(&total), &request)));
    group.finish();
    criterion.final_summary();

    for (name, bytes) in &frames {
        let (mut trivial, mut framer) = (Trivial::default(), Framer::new(4096));
        let mut full = || {
            black_box(full_376(&mut framer, black_box(bytes)));
        };
        let rate = per_second(&mut full);
        let allocated = allocation_counter::measure(|| (0..FRAMES).for_each(|_| full())).count_total;
        told(name, per_second(|| assert!(trivial.of_376(black_box(bytes)))), rate, allocated);
    }
    let mut full = || drop(black_box(full_645(&mut framer, black_box(&total), &request)));
    let rate = per_second(&mut full);
    let allocated = allocation_counter::measure(|| (0..FRAMES).for_each(|_| full())).count_total;
    told("645 total", per_second(|| assert!(trivial.of_645(black_box(&total)))), rate, allocated);
}

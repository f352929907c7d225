//! `wattgate-sim`: runs seeds, tells how they went, and replays one that failed.

use std::{
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use clap::{
    Parser,
    builder::{PossibleValuesParser, TypedValueParser},
};
use domain::bug::Bug;
use simulation::{
    coverage::{self, Counts},
    mutation,
    plan::{Plan, Size},
    run::{Report, run},
};

/// No seed is so high: counting on past the last one never begins anew.
const SEEDS_END: u64 = 1 << 63;

/// Runs the whole head end on paused time, with faults by seed, under the eyes of an independent auditor.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// One seed, below 2^63
    #[arg(long, conflicts_with = "seeds", value_parser = clap::value_parser!(u64).range(..SEEDS_END))]
    seed: Option<u64>,
    /// Seeds from A to before B, as A..B
    #[arg(long, value_parser = range, default_value = "0..20")]
    seeds: (u64, u64),
    /// Days of each run
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=400))]
    days: u16,
    /// Meters of each run
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=500))]
    meters: u16,
    /// Concentrators of each run
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=50))]
    concentrators: u16,
    /// Seeds that run at once; 0: one for each core
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Write the whole log of each run
    #[arg(long)]
    verbose: bool,
    /// Write what was counted
    #[arg(long)]
    coverage: bool,
    /// Fail where something expected was never seen
    #[arg(long)]
    covered: bool,
    /// Plant each deliberate bug and hunt it from the first seed on
    #[arg(long, conflicts_with_all = ["bug", "verbose", "coverage", "covered"])]
    mutations: bool,
    /// Plant this deliberate bug
    #[arg(long, value_parser = PossibleValuesParser::new(Bug::ALL.iter().map(|bug| bug.as_str())).try_map(|word| word.parse::<Bug>()))]
    bug: Option<Bug>,
}

impl Options {
    fn size(&self) -> Size {
        Size { days: self.days, concentrators: self.concentrators, meters: self.meters }
    }

    fn seeds(&self) -> (u64, u64) {
        self.seed.map_or(self.seeds, |seed| (seed, seed.saturating_add(1)))
    }

    fn jobs(&self) -> usize {
        match self.jobs {
            0 => thread::available_parallelism().map_or(1, usize::from),
            jobs => jobs,
        }
    }

    /// What replays a seed.
    fn replay(&self, seed: u64) -> String {
        let usual = Size::default();
        let mut command = format!("cargo run --release -p simulation -- --seed {seed}");
        for (name, is, usual) in [
            ("days", self.days, usual.days),
            ("meters", self.meters, usual.meters),
            ("concentrators", self.concentrators, usual.concentrators),
        ] {
            if is != usual {
                command.push_str(&format!(" --{name} {is}"));
            }
        }
        if let Some(bug) = self.bug {
            command.push_str(&format!(" --bug {bug}"));
        }
        command + " --verbose"
    }
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let bad = || "seeds are two whole numbers with two dots between them, as 0..20".to_owned();
    let (from, to) = text.split_once("..").ok_or_else(bad)?;
    let (from, to): (u64, u64) = (from.parse().map_err(|_| bad())?, to.parse().map_err(|_| bad())?);
    if from < to && to <= SEEDS_END {
        Ok((from, to))
    } else {
        Err("the first seed must be below the second number, and that at most 2^63".to_owned())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    // Actors panic on purpose, and are supervised; what is not shows in the outcome.
    std::panic::set_hook(Box::new(|_| {}));
    let planned = Plan::draw(options.seeds().0, options.size());
    if let Err(failure) = planned {
        eprintln!("wattgate-sim: {failure}");
        return ExitCode::from(2);
    }
    if options.mutations { hunt_all(&options) } else { run_all(&options) }
}

/// What all threads add to.
#[derive(Default)]
struct Sum {
    counts: Counts,
    virtual_s: i64,
    lines: u64,
    failed: Vec<Report>,
    done: u64,
}

/// Failed seeds after which no more are begun.
const FAILURES: usize = 10;

fn run_all(options: &Options) -> ExitCode {
    let (from, to) = options.seeds();
    let began = Instant::now();
    let (next, sum, enough) = (AtomicU64::new(from), Mutex::new(Sum::default()), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..options.jobs() {
            scope.spawn(|| {
                domain::bug::plant(options.bug);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to || enough.load(Ordering::Relaxed) {
                        return;
                    }
                    let report = run(seed, options.size(), options.verbose);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    tell(options, &report);
                    add(&mut sum, report, began, to - from);
                    enough.store(sum.failed.len() >= FAILURES, Ordering::Relaxed);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary(options, &sum, began)
}

fn tell(options: &Options, report: &Report) {
    if options.verbose || report.outcome.is_err() {
        report.log.iter().for_each(|line| println!("{line}"));
    }
    match &report.outcome {
        Ok(()) if options.verbose => println!("seed {} held; digest of its log {:016x}", report.seed, report.digest),
        Ok(()) => {}
        Err(failure) => {
            println!("\nseed {} failed at {}: {failure}", report.seed, report.at);
            println!("the lines above are its last; replay: {}\n", options.replay(report.seed));
        }
    }
}

/// Most seeds between two lines of progress; of fewer than ten times as many, each tenth is told.
const PROGRESS: u64 = 100;

fn add(sum: &mut Sum, report: Report, began: Instant, all: u64) {
    sum.done += 1;
    sum.counts.merge(&report.counts);
    sum.virtual_s += report.lasted.as_secs();
    sum.lines += report.lines;
    if report.outcome.is_err() {
        sum.failed.push(report);
    }
    if sum.done.is_multiple_of((all / 10).clamp(1, PROGRESS)) && all > 1 {
        println!("{} of {all} seeds, {} failed, {} s", sum.done, sum.failed.len(), began.elapsed().as_secs());
    }
}

fn summary(options: &Options, sum: &Sum, began: Instant) -> ExitCode {
    let mut all = coverage::expected();
    all.merge(&sum.counts);
    if options.coverage {
        println!("{all}");
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} seeds, {} virtual days, {} lines of log, {seconds:.1} s: {} failed",
        sum.done,
        sum.virtual_s / 86_400,
        sum.lines,
        sum.failed.len()
    );
    for report in &sum.failed {
        println!("  seed {}: {}", report.seed, report.outcome.as_ref().err().map_or("", |failure| failure.invariant()));
    }
    let missing = all.missing();
    match (options.covered, missing.is_empty()) {
        (true, true) => println!("everything expected was seen"),
        (true, false) => println!("never seen (rare things need hundreds of seeds): {}", missing.join(", ")),
        (false, _) => {}
    }
    let held = sum.failed.is_empty() && (!options.covered || missing.is_empty());
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn hunt_all(options: &Options) -> ExitCode {
    let (from, _) = options.seeds();
    let (next, found_all) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..options.jobs() {
            scope.spawn(|| {
                loop {
                    let nth = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
                    let Some(bug) = Bug::ALL.get(nth).copied() else { return };
                    match mutation::hunt(bug, from, mutation::SEEDS, options.size()) {
                        Some(found) => {
                            found_all.fetch_add(1, Ordering::Relaxed);
                            let (seeds, seed, failure) = (found.seeds, found.seed, &found.failure);
                            let by = failure.invariant();
                            println!("{bug:<28} found after {seeds:>3} seeds, by {by} (seed {seed}): {failure}");
                        }
                        None => println!("{bug:<28} NOT FOUND in {} seeds", mutation::SEEDS),
                    }
                }
            });
        }
    });
    let (found, all) = (found_all.into_inner(), u64::try_from(Bug::ALL.len()).unwrap_or(u64::MAX));
    println!("{found} of {all} bugs found");
    if found == all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The simulation itself: a seed fixes everything, many seeds hold, a planted bug is found.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use domain::bug::Bug;
use simulation::{
    mutation::hunt,
    plan::{Plan, Size},
    run::{Failure, run},
};
use store::Db;
use wattgate::app::App;

/// Actors panic on purpose; only what escapes supervision is of interest, and it shows in the outcome.
fn without_noise() {
    std::panic::set_hook(Box::new(|_| {}));
}

#[test]
fn the_same_seed_twice_gives_the_same_log() {
    without_noise();
    for seed in [3, 4] {
        let (first, second) = (run(seed, Size::default(), true), run(seed, Size::default(), true));
        assert!(first.lines > 1_000, "seed {seed} logged {} lines", first.lines);
        let differs = first.log.iter().zip(&second.log).find(|(one, other)| one != other);
        assert_eq!(differs, None);
        assert_eq!((first.lines, first.digest), (second.lines, second.digest));
    }
    assert_ne!(run(3, Size::default(), false).digest, run(4, Size::default(), false).digest);
}

/// Thousands of lives follow each other in one process. (The fleet once held the program that held it.)
#[test]
fn a_life_leaves_nothing_behind() {
    let settings = Plan::draw(1, Size::default()).unwrap().settings;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let local = tokio::task::LocalSet::new();
    let parts = local.block_on(&runtime, async {
        let app = App::new(settings, Db::inline().unwrap(), Arc::new(actors::SystemClock)).unwrap();
        app.start(1).await.unwrap();
        app.downgrade()
    });
    assert!(parts.upgrade().is_some(), "while it lives");
    drop((local, runtime));
    assert!(parts.upgrade().is_none());
}

/// Seeds that are tried where `WATTGATE_SEEDS=A..B` names no others.
const SEEDS: (u64, u64) = (0, 60);

#[test]
fn these_seeds_hold() {
    without_noise();
    let named = env::var("WATTGATE_SEEDS").ok().map(|text| {
        let (from, to) = text.split_once("..").unwrap();
        (from.parse().unwrap(), to.parse().unwrap())
    });
    let (from, to): (u64, u64) = named.unwrap_or(SEEDS);
    let next = AtomicU64::new(from);
    let work = || {
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|seed| *seed < to);
        seeds.filter_map(|seed| Some((seed, run(seed, Size::default(), false).outcome.err()?))).collect::<Vec<_>>()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let failed: Vec<(u64, Failure)> = thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        working.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "replay with `wattgate-sim --seed N --verbose`: {failed:#?}");
}

#[test]
fn a_planted_bug_is_found_and_gone_with_its_planting() {
    without_noise();
    let found = hunt(Bug::SkipCarry, 0, 10, Size::default()).unwrap();
    assert_eq!(found.failure.invariant(), "I1");
    assert_eq!(run(found.seed, Size::default(), false).outcome, Ok(()));
}

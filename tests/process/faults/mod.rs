//! Faults that only real processes and real servers show: the head end killed at named points, one key from many
//! clients, Redis and PostgreSQL killed under load.
//!
//! `WATTGATE_FAULT_ROUNDS=n` plays n times as many rounds of each; what is random in a test that failed comes back by
//! `WATTGATE_FAULT_SEED`, as the test tells.

mod counter;
mod field;
mod kill;
mod office;
mod one_key;
mod postmaster;
mod redis;
mod servers;

use std::{env, fmt::Debug, ops::Range, str::FromStr, thread};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use self::counter::Counter;
use super::{
    Shop,
    program::{Config, Serving},
};
use crate::support::Rest;

/// The rounds that a test plays which plays this many in a hurry.
fn rounds(short: usize) -> usize {
    short * variable("WATTGATE_FAULT_ROUNDS").unwrap_or(1)
}

fn variable<T: FromStr<Err: Debug>>(name: &str) -> Option<T> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Random moments, the same again by their seed.
struct Moments {
    seed: u64,
    random: StdRng,
}

impl Moments {
    fn new() -> Self {
        let seed = variable("WATTGATE_FAULT_SEED").unwrap_or_else(rand::random);
        Self { seed, random: StdRng::seed_from_u64(seed) }
    }

    /// One of these numbers.
    fn one_of(&mut self, numbers: Range<usize>) -> usize {
        self.random.random_range(numbers)
    }
}

impl Drop for Moments {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("its random moments: WATTGATE_FAULT_SEED={}", self.seed);
        }
    }
}

/// The opening credit of every account, in fen.
const OPENING: i64 = 500;

/// A street of shops, each with a meter, an account and a counter that sells to it alone.
struct Street {
    key: String,
    counters: Vec<Counter>,
}

impl Street {
    /// Enters this many, by an administrator's key.
    async fn enter(config: &Config, serving: &Serving, shops: usize) -> Self {
        let key = config.key("admin");
        let rest = serving.rest(&key);
        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        let mut counters = Vec::new();
        for nth in 1..=shops {
            let meter = shop.meter(&rest, &concentrator, &format!("2026{nth:08}"), "dlt645_direct").await;
            let account = shop.open(&rest, &meter, opening("12.5")).await;
            counters.push(Counter::new(nth, &key, &account));
        }
        Self { key, counters }
    }

    fn rest(&self, serving: &Serving) -> Rest {
        serving.rest(&self.key)
    }

    /// What is known at the counters, held against what the head end says; then it stops in order, and its audit is asked.
    async fn differences(&mut self, config: &Config, serving: Serving) -> Vec<String> {
        let rest = self.rest(&serving);
        let mut differences = Vec::new();
        for counter in &mut self.counters {
            differences.extend(counter.differences(&rest).await);
        }
        serving.stop().await;
        let audited = config.command(&["audit"]).output().unwrap();
        let told = String::from_utf8_lossy(&audited.stdout).into_owned();
        differences.extend(Some(format!("audit: {told}")).filter(|told| !told.ends_with(" 0 differences\n")));
        differences
    }
}

/// An account's opening, with a reading entered by hand.
fn opening(kwh: &str) -> Value {
    json!({ "initial_reading": kwh, "reason": "read on site", "opening_credit": OPENING })
}

/// The head end, to be killed when it passes this point: `NAME`, or `NAME:N` for its N-th pass.
async fn serve_to(config: &Config, point: &str) -> Serving {
    config.serve_in(&[("WATTGATE_FAULT_POINT", point)]).await
}

/// Waits until the head end stands at its point, and kills it there.
async fn kill_at_its_point(mut serving: Serving, point: &str) {
    let reached = |line: &str| line.starts_with("fault point ").then_some(());
    serving.program.line(&format!("it reaches {point}"), reached).await;
    serving.program.kill();
}

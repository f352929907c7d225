//! Dialogues between a fleet and a scripted concentrator, in real bytes over in-memory links, on paused time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod archive;
mod clock;
mod enquiries;
mod events;
mod faults;
mod fixtures;
mod orders;
mod polls;
mod session;
mod terminal;
mod world;

use std::{future::Future, time::Duration};

use prometheus::Registry;
use tokio::{task::LocalSet, time::sleep};

/// Runs a test with room for actors.
async fn local<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(test).await
}

/// Lets time pass.
async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

/// The sum of a figure over its labels.
fn figure(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let metrics = families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
    metrics.map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value()).sum()
}

/// A figure with this label.
fn figure_of(registry: &Registry, name: &str, label: &str) -> f64 {
    let families = registry.gather();
    let metrics = families.iter().filter(|family| family.name() == name).flat_map(|family| family.get_metric());
    let labelled = metrics.filter(|metric| metric.get_label().iter().any(|pair| pair.value() == label));
    labelled.map(|metric| metric.get_counter().get_value()).sum()
}

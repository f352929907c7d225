//! What Prometheus sees of the fleet.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, core::Collector};

/// The fleet's figures; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) sessions: IntGauge,
    pub(crate) refused_links: IntCounterVec,
    pub(crate) frames_in: IntCounter,
    pub(crate) frames_out: IntCounter,
    pub(crate) frames_bad: IntCounterVec,
    exchanges: IntCounterVec,
    exchange_seconds: Histogram,
    pub(crate) queue_depth: IntGauge,
    pub(crate) queue_refused: IntCounter,
    pub(crate) restarts: IntCounterVec,
    pub(crate) quarantined: IntGauge,
    pub(crate) polls: IntCounterVec,
    pub(crate) readings_lost: IntCounter,
    pub(crate) port_errors: IntCounterVec,
    pub(crate) messages_lost: IntCounter,
}

impl Metrics {
    /// Registers all figures; fails if a fleet was registered there before.
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = HistogramOpts::new("wattgate_exchange_seconds", "From a request to the end of its answer")
            .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0]);
        Ok(Self {
            sessions: add(registry, IntGauge::new("wattgate_sessions", "Concentrators online")?)?,
            refused_links: counters(registry, "wattgate_links_refused_total", "Links closed at once", "reason")?,
            frames_in: add(registry, IntCounter::new("wattgate_frames_received_total", "Sound frames received")?)?,
            frames_out: add(registry, IntCounter::new("wattgate_frames_sent_total", "Frames sent")?)?,
            frames_bad: counters(registry, "wattgate_frames_bad_total", "Frames that were no use", "reason")?,
            exchanges: add(
                registry,
                IntCounterVec::new(Opts::new("wattgate_exchanges_total", "Exchanges ended"), &["kind", "outcome"])?,
            )?,
            exchange_seconds: add(registry, Histogram::with_opts(seconds)?)?,
            queue_depth: add(registry, IntGauge::new("wattgate_jobs_waiting", "Jobs waiting for their exchange")?)?,
            queue_refused: add(
                registry,
                IntCounter::new("wattgate_jobs_refused_total", "Jobs refused by a full queue")?,
            )?,
            restarts: counters(registry, "wattgate_actor_restarts_total", "Actors started again", "actor")?,
            quarantined: add(
                registry,
                IntGauge::new("wattgate_actors_quarantined", "Actors that failed too often and are left out")?,
            )?,
            polls: counters(registry, "wattgate_polls_total", "Poll slots by whether they were kept", "slot")?,
            readings_lost: add(
                registry,
                IntCounter::new("wattgate_readings_not_stored_total", "Readings the world did not take")?,
            )?,
            port_errors: counters(registry, "wattgate_port_errors_total", "Calls the world did not answer", "call")?,
            messages_lost: add(
                registry,
                IntCounter::new("wattgate_messages_lost_total", "Messages no mailbox had room for")?,
            )?,
        })
    }

    pub(crate) fn exchange(&self, kind: &str, outcome: &str, took: Duration) {
        self.exchanges.with_label_values(&[kind, outcome]).inc();
        self.exchange_seconds.observe(took.as_secs_f64());
    }
}

fn counters(registry: &Registry, name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
    add(registry, IntCounterVec::new(Opts::new(name, help), &[label])?)
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, figure: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(figure.clone()))?;
    Ok(figure)
}

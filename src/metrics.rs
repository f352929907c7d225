//! What the business counts for Prometheus; the fleet counts its own.

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

use crate::changes::{Changed, RestoreStep};

/// Bounds in seconds: a good line restores within a minute; what takes a day is a case for people.
const RESTORE_BUCKETS: [f64; 12] =
    [5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0];

/// Counters since the start.
pub struct Metrics {
    /// Hot balances that did not answer.
    pub hot_failures: IntCounter,
    readings: IntCounterVec,
    vends: IntCounter,
    reversals: IntCounter,
    refunds: IntCounter,
    notices: IntCounterVec,
    holds: IntCounterVec,
    restores: HistogramVec,
}

impl Metrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// A name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let readings = Opts::new("wattgate_readings_total", "Readings taken in, by what they were found to be");
        let notices = Opts::new("wattgate_notices_total", "Notices handed to their channel or given up, by kind");
        let holds = Opts::new("wattgate_holds_total", "Looks at a due cut or reconnect that found it held, by guard");
        let restores = HistogramOpts::new(
            "wattgate_restore_seconds",
            "From a vend to its meter's permission to connect, and to its supply, both as read back",
        );
        let metrics = Self {
            hot_failures: IntCounter::new("wattgate_hot_failures_total", "Hot balances that did not answer")?,
            readings: IntCounterVec::new(readings, &["quality"])?,
            vends: IntCounter::new("wattgate_vends_total", "Vends made")?,
            reversals: IntCounter::new("wattgate_reversals_total", "Vends reversed")?,
            refunds: IntCounter::new("wattgate_refunds_total", "Refunds paid out")?,
            notices: IntCounterVec::new(notices, &["kind"])?,
            holds: IntCounterVec::new(holds, &["guard"])?,
            restores: HistogramVec::new(restores.buckets(RESTORE_BUCKETS.to_vec()), &["to"])?,
        };
        registry.register(Box::new(metrics.hot_failures.clone()))?;
        registry.register(Box::new(metrics.readings.clone()))?;
        registry.register(Box::new(metrics.vends.clone()))?;
        registry.register(Box::new(metrics.reversals.clone()))?;
        registry.register(Box::new(metrics.refunds.clone()))?;
        registry.register(Box::new(metrics.notices.clone()))?;
        registry.register(Box::new(metrics.holds.clone()))?;
        registry.register(Box::new(metrics.restores.clone()))?;
        Ok(metrics)
    }

    /// Counts what changed.
    pub fn count(&self, change: &Changed) {
        match change {
            Changed::Reading { duplicate: true, .. } => self.readings.with_label_values(&["duplicate"]).inc(),
            Changed::Reading { quality, .. } => self.readings.with_label_values(&[quality.as_str()]).inc(),
            Changed::Vend { .. } => self.vends.inc(),
            Changed::Reversal { .. } => self.reversals.inc(),
            Changed::Refund { .. } => self.refunds.inc(),
            Changed::Notice { kind, .. } => self.notices.with_label_values(&[kind.as_str()]).inc(),
            Changed::Held { guards, .. } => {
                guards.iter().for_each(|guard| self.holds.with_label_values(&[guard.as_str()]).inc());
            }
            Changed::Restored { step, after, .. } => {
                let to = match step {
                    RestoreStep::Permitted => "permitted",
                    RestoreStep::Supplied => "supplied",
                };
                self.restores.with_label_values(&[to]).observe(after.as_secs_f64());
            }
            Changed::Order { .. }
            | Changed::Account { .. }
            | Changed::ReadRequest { .. }
            | Changed::Concentrator { .. } => {}
        }
    }
}

//! Every limit and interval of the fleet, as `config/default.toml` states them under `[fleet]`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::supervise::RestartPolicy;

/// Limits and intervals; the unit ends each name. The root crate fills it from its configuration; there are no
/// defaults here.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetSettings {
    /// Threads that concentrators are spread over; 0: all on the thread that started the fleet (simulation, tests).
    pub arbiters: usize,
    /// Messages an actor's mailbox holds; what does not fit waits for `message_deadline_ms`.
    pub mailbox_messages: usize,
    /// How long a message may wait for room in a mailbox, in ms.
    pub message_deadline_ms: u64,

    /// Links open at once, first frames included; more are closed at once and counted.
    pub max_sessions: usize,
    /// From accepting a link to its first whole frame, in ms.
    pub first_frame_deadline_ms: u64,
    /// From a frame's first byte to its last, in ms; then what came of it is thrown away.
    pub frame_deadline_ms: u64,
    /// Longest frame accepted, in bytes.
    pub max_frame_bytes: usize,
    /// How long the peer may take to accept our bytes, in ms; then the link is closed.
    pub write_deadline_ms: u64,
    /// Frames waiting to be written to one link; more close it.
    pub outgoing_frames: usize,
    /// Frames of one concentrator that are kept to be looked at, while its trace is on.
    pub trace_frames: usize,
    /// Peers whose refusal is remembered, so that each is logged once.
    pub refused_peers_logged: usize,

    /// Interval at which terminals send heartbeats, in ms.
    pub heartbeat_interval_ms: u64,
    /// Heartbeats that may be missed before the link is given up.
    pub missed_heartbeats: u32,
    /// Least time between two heartbeats reported to the world, in ms.
    pub heartbeat_report_ms: u64,
    /// Offline for longer than this, in ms, the archive is checked again at login.
    pub break_ms: u64,

    /// How long a terminal may take to answer from its own memory, in ms.
    pub answer_deadline_ms: u64,
    /// What a forward may take beyond the time the concentrator itself is given for it, in ms.
    pub forward_margin_ms: u64,
    /// How long a concentrator waits for the answer that no meter gives to a broadcast, in seconds.
    pub broadcast_wait_s: u8,
    /// Times one request is sent before it counts as unanswered.
    pub attempts: u32,
    /// Pause before the second attempt, in ms; doubled for each further one, with up to half of it as jitter.
    pub retry_back_off_ms: u64,
    /// Longest such pause, in ms.
    pub retry_back_off_max_ms: u64,
    /// Jobs waiting at one concentrator; more are refused.
    pub queue_jobs: usize,
    /// How long a poll waits for others to share its request, in ms.
    pub batch_linger_ms: u64,
    /// Archive records (27 bytes each) in one F10 request.
    pub archive_records_per_request: usize,
    /// Records of events in one AFN0E request.
    pub events_per_request: u8,
    /// Batches of readings one concentrator may have waiting for their commit; polls pause at the limit.
    pub uncommitted_batches: usize,

    /// How long the world may take to answer a call, in ms.
    pub port_deadline_ms: u64,
    /// Interval of the scan for due relay orders, in ms.
    pub due_scan_ms: u64,
    /// Pause before an order's next step is tried again after the world did not answer, in ms.
    pub order_retry_ms: u64,
    /// How long a read now may take in all, in ms.
    pub read_now_deadline_ms: u64,
    /// Read-now requests that may wait at one meter; more are refused.
    pub read_now_waiting: usize,

    /// Polls of different concentrators are spread over this share of a slot, in per cent.
    pub poll_spread_percent: u32,
    /// Interval of archive checks while online, in seconds.
    pub archive_check_s: u64,
    /// Interval of reading the concentrator's clock while online, in seconds.
    pub clock_check_s: u64,
    /// Interval of reading a relay without an order, in seconds; 0: never.
    pub relay_check_s: u64,
    /// How long after an order's end, or after we began to look, its command or that of an order before it may still take
    /// effect, in seconds: then the relay is read once more.
    pub relay_doubt_s: u64,
    /// Pause before a check of archive, clock or relay that failed is tried again, and between looks at a clock that is
    /// off, in seconds.
    pub check_retry_s: u64,

    /// Pause before a failed actor's first restart, in ms; doubled for each further one.
    pub restart_back_off_ms: u64,
    /// Longest such pause, in ms.
    pub restart_back_off_max_ms: u64,
    /// Restarts allowed within `restart_window_s`; then the actor is quarantined.
    pub restart_limit: u32,
    /// The window of `restart_limit`, in seconds.
    pub restart_window_s: u64,
}

impl FleetSettings {
    /// The policy of supervision.
    pub(crate) const fn restarts(&self) -> RestartPolicy {
        RestartPolicy {
            back_off: Duration::from_millis(self.restart_back_off_ms),
            back_off_max: Duration::from_millis(self.restart_back_off_max_ms),
            limit: self.restart_limit,
            window: Duration::from_secs(self.restart_window_s),
        }
    }

    /// How long a link may stay silent.
    pub(crate) fn idle_deadline(&self) -> Duration {
        Duration::from_millis(self.heartbeat_interval_ms).saturating_mul(self.missed_heartbeats.saturating_add(1))
    }

    /// A terminal that is online was reported as heard within this time.
    #[must_use]
    pub fn silence_limit(&self) -> SignedDuration {
        let millis = self.idle_deadline().saturating_add(Duration::from_millis(self.heartbeat_report_ms)).as_millis();
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    /// The pause before attempt `attempt` (the second is 2), without jitter.
    pub(crate) fn retry_back_off(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(2));
        let pause = Duration::from_millis(self.retry_back_off_ms).saturating_mul(factor);
        pause.min(Duration::from_millis(self.retry_back_off_max_ms))
    }
}

//! What changes while the program runs, told after each commit to whoever listens: narrators, waiters, counters.

use domain::{
    ids::{AccountId, ConcentratorId, MeterId, NoticeId, OrderId, ReadRequestId, RefundId, VendId},
    notice,
    reading::Quality,
    relay::decide::Guard,
};
use jiff::SignedDuration;
use tokio::{sync::broadcast, time::Instant};

/// The steps of the restore promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreStep {
    /// The meter took the command: supply is back, or the customer may press the meter's button.
    Permitted,
    /// Supply was read to be back.
    Supplied,
}

/// Something changed, after its commit. A hint: whoever misses some reads the rows again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// A reading came in.
    Reading {
        /// Of which meter.
        meter: MeterId,
        /// What it was found to be.
        quality: Quality,
        /// Whether it was there already.
        duplicate: bool,
    },
    /// An order was written or moved on.
    Order {
        /// Which.
        order: OrderId,
    },
    /// The reconnect that a vend asked for went so far.
    Restored {
        /// Of which meter.
        meter: MeterId,
        /// How far.
        step: RestoreStep,
        /// How long after the vend.
        after: SignedDuration,
    },
    /// A cut or a reconnect is due and held.
    Held {
        /// Of which meter.
        meter: MeterId,
        /// By what.
        guards: Vec<Guard>,
    },
    /// A notice was handed to its channel, or given up.
    Notice {
        /// Which.
        notice: NoticeId,
        /// To whom.
        account: AccountId,
        /// What it is about.
        kind: notice::Kind,
    },
    /// A vend was made.
    Vend {
        /// Which.
        vend: VendId,
        /// For whom.
        account: AccountId,
    },
    /// A vend was reversed.
    Reversal {
        /// Which vend.
        vend: VendId,
        /// Whose.
        account: AccountId,
    },
    /// Money was refunded.
    Refund {
        /// Which refund.
        refund: RefundId,
        /// Whose.
        account: AccountId,
    },
    /// An account was opened, changed its meter, or was closed.
    Account {
        /// Which.
        account: AccountId,
    },
    /// A read-now request ended.
    ReadRequest {
        /// Which.
        request: ReadRequestId,
    },
    /// A concentrator's session changed.
    Concentrator {
        /// Which.
        concentrator: ConcentratorId,
    },
}

/// What happened since somebody began to look.
pub struct Changes(pub(crate) broadcast::Receiver<Changed>);

impl Changes {
    /// Waits for a change that `wanted` wants, or one that was missed; `false` when the deadline comes first.
    pub async fn until(&mut self, deadline: Instant, wanted: impl Fn(&Changed) -> bool) -> bool {
        loop {
            match tokio::time::timeout_at(deadline, self.0.recv()).await {
                Ok(Ok(change)) if !wanted(&change) => {}
                Ok(Ok(_) | Err(broadcast::error::RecvError::Lagged(_))) => return true,
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => return false,
            }
        }
    }

    /// The next change; `None` once there will be none.
    pub async fn next(&mut self) -> Option<Changed> {
        loop {
            match self.0.recv().await {
                Ok(change) => return Some(change),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

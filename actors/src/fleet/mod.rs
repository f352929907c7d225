//! The fleet: all concentrators of this process, and the handle by which the rest of the program speaks to them.

mod accept;
mod actor;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix::{Actor, Addr, ArbiterHandle};
use domain::ids::{ConcentratorId, MeterId};
use jiff::Timestamp;
use prometheus::Registry;
use protocols::{
    dlt645::{self, DataId},
    qgdw376,
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use actor::{FleetActor, ToFleet};

use crate::{
    messages::ToConcentrator, metrics::Metrics, ports::Ack, seams::Seams, settings::FleetSettings, trace::Traced,
};

/// Why a fleet did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A fleet was registered with the same registry before.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a read now brought no reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadNowError {
    /// No meter of that concentrator.
    #[error("the concentrator has no such meter")]
    UnknownMeter,
    /// The concentrator is not connected, or its link broke meanwhile.
    #[error("the concentrator is offline")]
    Offline,
    /// Too many wait already.
    #[error("too many requests are waiting")]
    Full,
    /// The meter did not answer.
    #[error("the meter did not answer")]
    NoAnswer,
    /// The meter answered with an error.
    #[error("the meter refused")]
    Refused,
    /// The reading could not be stored, so it does not count.
    #[error("the reading could not be stored")]
    NotStored,
    /// `read_now_deadline_ms` is over.
    #[error("took too long")]
    Deadline,
    /// Whoever worked on it ended without an answer.
    #[error("given up")]
    Gone,
}

/// What an operator wants to know, or to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enquiry {
    /// An item of a meter, asked of the meter itself (DL/T 645 11H and 12H in AFN10 F1).
    Item {
        /// The meter.
        meter: MeterId,
        /// Which item.
        id: DataId,
    },
    /// Whatever the concentrator itself knows.
    Functions(qgdw376::Enquiry),
    /// Set a parameter of the concentrator.
    SetParameter(qgdw376::Parameter),
    /// Set the concentrator's clock to ours; it is read soon afterwards.
    SetClock,
    /// Tell the meters on a port the time; nobody answers.
    SetMeterClocks {
        /// The concentrator's port.
        port: u8,
    },
}

/// What was answered, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// By a meter; a long answer put together.
    Meter(dlt645::Frame),
    /// By the concentrator, in one frame or several.
    Concentrator(Vec<qgdw376::Frame>),
    /// It was set, or sent on.
    Done,
}

/// Why nothing was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnquiryError {
    /// No such meter, or no meter on that port.
    #[error("the concentrator has no such meter")]
    UnknownMeter,
    /// The concentrator is not connected, or its link broke meanwhile.
    #[error("the concentrator is offline")]
    Offline,
    /// Too many wait already.
    #[error("too many requests are waiting")]
    Full,
    /// Nobody answered, or something else.
    #[error("no answer came")]
    NoAnswer,
    /// The concentrator denies it.
    #[error("the concentrator denies it")]
    Denied,
    /// `read_now_deadline_ms` is over.
    #[error("took too long")]
    Deadline,
    /// Whoever worked on it ended without an answer.
    #[error("given up")]
    Gone,
}

/// Why an archive is not being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// The concentrator is not connected.
    #[error("the concentrator is offline")]
    Offline,
    /// Whoever worked on it ended without an answer.
    #[error("given up")]
    Gone,
}

/// How much of a concentrator's frames is logged and kept to be looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeLevel {
    /// Nothing.
    #[default]
    Off,
    /// Direction, AFN and number.
    Headers,
    /// Whole frames, with zeros for passwords.
    Messages,
}

/// A concentrator as the operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Which.
    pub concentrator: ConcentratorId,
    /// Where it dialled in from; `None`: offline.
    pub peer: Option<String>,
    /// When its session began.
    pub online_since: Option<Timestamp>,
    /// When it was last heard in this session.
    pub last_frame_at: Option<Timestamp>,
    /// Sound frames of this session.
    pub frames: u64,
    /// Bad ones.
    pub bad_frames: u64,
    /// Jobs waiting for their exchange.
    pub jobs_waiting: usize,
    /// Points asked for in one request at present.
    pub points_per_request: u32,
    /// Meters in its plan.
    pub meters: usize,
    /// Meters whose archive record was found to be ours.
    pub verified_meters: usize,
    /// Meters whose actor failed too often.
    pub quarantined_meters: usize,
    /// How much of its frames goes to the log.
    pub decode_level: DecodeLevel,
}

/// Where a poisoned meter actor panics, in tests of supervision.
#[cfg(feature = "faults")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// While it handles a message, once.
    Handler,
    /// In a future of its own, once.
    Future,
    /// While it handles a message, and at each start from then on.
    Started,
}

/// A place among the links allowed at once; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let seat = Self(Arc::clone(taken));
        (taken.fetch_add(1, Ordering::Relaxed) < limit).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The handle of a fleet. Clones are the same fleet.
#[derive(Clone)]
pub struct Fleet {
    settings: Arc<FleetSettings>,
    seams: Seams,
    metrics: Metrics,
    actor: Addr<FleetActor>,
    seats: Arc<AtomicUsize>,
    refused: Arc<accept::RefusedPeers>,
    stop: Arc<watch::Sender<bool>>,
    arbiters: Arc<Vec<ArbiterHandle>>,
}

impl Fleet {
    /// Starts a fleet without any concentrator; they come by [`Fleet::accept`] or [`Fleet::serve`]. Call it inside an
    /// actix `System`, or inside a tokio `LocalSet` if `settings.arbiters` is 0.
    ///
    /// # Errors
    /// [`StartError`] if a fleet was registered with `registry` before.
    pub fn start(settings: FleetSettings, seams: Seams, registry: &Registry) -> Result<Self, StartError> {
        let metrics = Metrics::register(registry)?;
        let settings = Arc::new(settings);
        let arbiters: Vec<_> = (0..settings.arbiters).map(|_| actix::Arbiter::new().handle()).collect();
        let actor = FleetActor::new(Arc::clone(&settings), seams.clone(), metrics.clone(), arbiters.clone()).start();
        Ok(Self {
            refused: Arc::new(accept::RefusedPeers::new(settings.refused_peers_logged)),
            settings,
            seams,
            metrics,
            actor,
            seats: Arc::new(AtomicUsize::new(0)),
            stop: Arc::new(watch::Sender::new(false)),
            arbiters: Arc::new(arbiters),
        })
    }

    /// A hint that orders of this concentrator are due. It may be lost: the scan finds them too.
    pub fn wake(&self, concentrator: ConcentratorId) {
        self.hint(concentrator, ToConcentrator::Wake);
    }

    /// The plan of this concentrator changed: it is loaded again and quarantined actors get a new chance.
    pub fn reload(&self, concentrator: ConcentratorId) {
        self.hint(concentrator, ToConcentrator::Reload);
    }

    /// Changes how much of a concentrator's frames is traced, whether it is there or yet to dial in.
    pub fn set_decode_level(&self, concentrator: ConcentratorId, level: DecodeLevel) {
        self.hint(concentrator, ToConcentrator::SetDecodeLevel(level));
    }

    /// What passed over a concentrator's links last, the newest last, and how much of it is traced.
    pub async fn trace(&self, concentrator: ConcentratorId) -> Option<(DecodeLevel, Vec<Traced>)> {
        let (reply, answer) = oneshot::channel();
        self.tell(concentrator, ToConcentrator::Trace(reply)).await?;
        timeout(self.patience(), answer).await.ok()?.ok()
    }

    fn hint(&self, concentrator: ConcentratorId, message: ToConcentrator) {
        if self.actor.try_send(ToFleet::Tell(concentrator, message)).is_err() {
            self.metrics.messages_lost.inc();
            tracing::warn!(%concentrator, "the fleet is too busy for a hint");
        }
    }

    /// Reads a meter now, before the polls, and waits until the reading is stored.
    ///
    /// # Errors
    /// [`ReadNowError`]; every call ends within `read_now_deadline_ms`.
    pub async fn read_now(&self, concentrator: ConcentratorId, meter: MeterId) -> Result<Vec<Ack>, ReadNowError> {
        let (reply, answer) = oneshot::channel();
        let deadline = Duration::from_millis(self.settings.read_now_deadline_ms);
        let asked = async {
            self.tell(concentrator, ToConcentrator::ReadNow(meter, reply)).await.ok_or(ReadNowError::Full)?;
            answer.await.unwrap_or(Err(ReadNowError::Gone))
        };
        timeout(deadline, asked).await.unwrap_or(Err(ReadNowError::Deadline))
    }

    /// Asks a meter or a concentrator something, before the polls, and waits for the answer.
    ///
    /// # Errors
    /// [`EnquiryError`]; every call ends within `read_now_deadline_ms`.
    pub async fn enquire(&self, concentrator: ConcentratorId, enquiry: Enquiry) -> Result<Told, EnquiryError> {
        let (reply, answer) = oneshot::channel();
        let deadline = Duration::from_millis(self.settings.read_now_deadline_ms);
        let asked = async {
            self.tell(concentrator, ToConcentrator::Enquire(enquiry, reply)).await.ok_or(EnquiryError::Full)?;
            answer.await.unwrap_or(Err(EnquiryError::Gone))
        };
        timeout(deadline, asked).await.unwrap_or(Err(EnquiryError::Deadline))
    }

    /// Writes our archive into a concentrator, foreign records included, and reads it back. The outcome comes as
    /// [`crate::ports::Report::Archive`].
    ///
    /// # Errors
    /// [`SyncError`] where nothing was begun.
    pub async fn sync_archive(&self, concentrator: ConcentratorId) -> Result<(), SyncError> {
        let (reply, answer) = oneshot::channel();
        self.tell(concentrator, ToConcentrator::SyncArchive(reply)).await.ok_or(SyncError::Gone)?;
        answer.await.unwrap_or(Err(SyncError::Gone))
    }

    /// A concentrator as it is; `None` if it has not dialled in since this process started.
    pub async fn link(&self, concentrator: ConcentratorId) -> Option<LinkState> {
        let (reply, answer) = oneshot::channel();
        self.tell(concentrator, ToConcentrator::State(reply)).await?;
        timeout(self.patience(), answer).await.ok()?.ok()
    }

    /// All concentrators that dialled in since this process started.
    pub async fn links(&self) -> Vec<LinkState> {
        let ids = self.concentrators().await.unwrap_or_default();
        let states = futures_util::future::join_all(ids.into_iter().map(|id| self.link(id))).await;
        states.into_iter().flatten().collect()
    }

    /// The concentrators that have an actor; none where the fleet itself does not answer.
    pub async fn concentrators(&self) -> Option<Vec<ConcentratorId>> {
        let (reply, answer) = oneshot::channel();
        timeout(self.patience(), self.actor.send(ToFleet::List(reply))).await.ok()?.ok()?;
        answer.await.ok()
    }

    async fn tell(&self, concentrator: ConcentratorId, message: ToConcentrator) -> Option<()> {
        let sent = timeout(self.patience(), self.actor.send(ToFleet::Tell(concentrator, message))).await;
        sent.ok()?.ok()
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.settings.message_deadline_ms)
    }

    /// Takes no more links, lets every concentrator finish its exchange and its meters their records, then ends; what
    /// is not finished by `deadline` is cut off.
    pub fn stop(&self, deadline: Duration) -> impl Future<Output = ()> + use<> {
        self.stop.send_replace(true);
        let (reply, stopped) = oneshot::channel();
        let (actor, arbiters, patience) = (self.actor.clone(), Arc::clone(&self.arbiters), self.patience());
        async move {
            // An error means that the fleet's actor has ended, which is what is waited for.
            let mut all = std::pin::pin!(async {
                if actor.send(ToFleet::Stop(reply)).await.is_ok() {
                    let _ = stopped.await;
                }
            });
            if timeout(deadline, all.as_mut()).await.is_err() {
                tracing::warn!("some concentrators did not finish in time and are cut off");
                let _ = timeout(patience, async { (actor.send(ToFleet::CutOff).await, all.await) }).await;
            }
            for arbiter in arbiters.iter() {
                arbiter.stop();
            }
        }
    }

    /// Makes a meter's actor panic, in tests of supervision.
    #[cfg(feature = "faults")]
    pub fn poison(&self, meter: MeterId, place: Where) {
        self.actor.do_send(ToFleet::Poison(meter, Some(place)));
    }

    /// Ends [`Where::Started`].
    #[cfg(feature = "faults")]
    pub fn cure(&self, meter: MeterId) {
        self.actor.do_send(ToFleet::Poison(meter, None));
    }

    /// Makes a concentrator's actor panic, once, in tests of supervision.
    #[cfg(feature = "faults")]
    pub fn poison_concentrator(&self, concentrator: ConcentratorId) {
        self.hint(concentrator, ToConcentrator::PoisonYou);
    }
}

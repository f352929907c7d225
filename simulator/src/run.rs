//! Runs a concentrator over real or in-memory links: dials, carries bytes both ways, dials again after a loss.
//!
//! Sleeps on tokio's time and reads an injected clock, so that both may be paused. May be dropped at any moment, with its
//! runtime too, and begun again: what a link leaves behind ends with it.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::debug;

use crate::concentrator::{Concentrator, Step};

/// Tells the true time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a concentrator's modem behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModemSettings {
    /// Pause before dialling again after a session; doubled after each attempt that did not get as far as a confirmed
    /// login.
    pub redial_min: Duration,
    /// The longest such pause.
    pub redial_max: Duration,
    /// How long the other side may take no bytes before the link counts as lost.
    pub write_timeout: Duration,
}

/// A concentrator that its driver and the site's handles share.
#[derive(Debug)]
pub struct Station {
    machine: Mutex<Concentrator>,
    nudge: Notify,
    /// How many links there were.
    links: AtomicU64,
}

impl Station {
    /// Shares a concentrator.
    #[must_use]
    pub fn new(machine: Concentrator) -> Self {
        Self { machine: Mutex::new(machine), nudge: Notify::new(), links: AtomicU64::new(0) }
    }

    /// Does something to the concentrator and has its driver look at it again.
    pub fn with<T>(&self, act: impl FnOnce(&mut Concentrator) -> T) -> T {
        let result = act(&mut self.lock());
        self.nudge.notify_one();
        result
    }

    /// Looks at the concentrator and leaves its driver alone.
    pub fn look<T>(&self, see: impl FnOnce(&mut Concentrator) -> T) -> T {
        see(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Concentrator> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives as `station` does: dials, talks, and dials again, until `stop` becomes true (or its sender is gone); then logs
/// out and hangs up.
pub async fn run<D, F, L>(
    station: Arc<Station>,
    clock: Clock,
    modem: ModemSettings,
    mut dial: D,
    mut stop: watch::Receiver<bool>,
) where
    D: FnMut() -> F,
    F: Future<Output = io::Result<L>>,
    L: AsyncRead + AsyncWrite + Unpin,
{
    let mut pause = modem.redial_min;
    loop {
        let dialled = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            dialled = dial() => dialled,
        };
        match dialled {
            Ok(link) => {
                if session(&station, &clock, modem, link, &mut stop).await {
                    pause = modem.redial_min;
                }
            }
            Err(error) => debug!(%error, "a virtual concentrator could not dial"),
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = rest(&station, &clock, pause) => {}
        }
        pause = (pause * 2).min(modem.redial_max);
    }
}

/// At least `pause`, and as long as the concentrator was told to stay away, even if it is told so meanwhile.
async fn rest(station: &Station, clock: &Clock, pause: Duration) {
    sleep(pause).await;
    loop {
        let away = station.lock().away(clock());
        match away {
            Some(away) => sleep(Duration::try_from(away).unwrap_or(Duration::ZERO)).await,
            None => return,
        }
    }
}

/// A link that is up. However it ends, also with its future dropped, the concentrator gets to know.
struct Linked<'a> {
    station: &'a Station,
    number: u64,
}

impl<'a> Linked<'a> {
    fn begin(station: &'a Station, now: Timestamp) -> Self {
        let number = station.links.fetch_add(1, Ordering::SeqCst) + 1;
        station.lock().link_up(now);
        Self { station, number }
    }
}

impl Drop for Linked<'_> {
    fn drop(&mut self) {
        // A runtime may drop an old link only after a newer one has begun.
        if self.station.links.load(Ordering::SeqCst) == self.number {
            self.station.lock().link_down();
        }
    }
}

/// One link from beginning to end. Returns whether its login was confirmed.
async fn session<L>(
    station: &Station,
    clock: &Clock,
    modem: ModemSettings,
    mut link: L,
    stop: &mut watch::Receiver<bool>,
) -> bool
where
    L: AsyncRead + AsyncWrite + Unpin,
{
    let _linked = Linked::begin(station, clock());
    let mut buffer = [0; 2048];
    let mut stopping = false;
    loop {
        let step = station.lock().step(clock());
        match step {
            Step::Send(bytes) => match timeout(modem.write_timeout, link.write_all(&bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => break,
            },
            Step::HangUp => break,
            Step::Wait(until) => tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop), if !stopping => {
                    stopping = true;
                    station.lock().log_out(clock());
                }
                () = station.nudge.notified() => {}
                read = link.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(length) => station.lock().receive(buffer.get(..length).unwrap_or_default(), clock()),
                },
                () = sleep(until_then(clock, until)) => {}
            },
        }
    }
    // The other side may be gone; there is nobody to tell.
    let _ = timeout(modem.write_timeout, link.shutdown()).await;
    station.lock().link_down()
}

fn until_then(clock: &Clock, then: Timestamp) -> Duration {
    Duration::try_from(clock().duration_until(then)).unwrap_or(Duration::ZERO)
}

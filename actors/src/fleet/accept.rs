//! Links before they have a concentrator: a limit on their number, a deadline for the first frame, and who it is.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use protocols::qgdw376::Frame;
use tokio::{net::TcpListener, time::timeout};

use super::{Fleet, Seat, actor::ToFleet};
use crate::{
    deliver::call,
    link::{Incoming, Link, Received},
};

/// Pause after the system refused to accept a connection (too many open files).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Peers whose refusal was logged; bounded, and forgotten when full.
pub(super) struct RefusedPeers {
    logged: Mutex<BTreeSet<String>>,
    limit: usize,
}

impl RefusedPeers {
    pub(super) const fn new(limit: usize) -> Self {
        Self { logged: Mutex::new(BTreeSet::new()), limit }
    }

    /// Whether this peer's refusal, whatever its port, was not logged before.
    fn is_news(&self, peer: &str) -> bool {
        let host = peer.rsplit_once(':').map_or(peer, |(host, _port)| host);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= self.limit {
            logged.clear();
        }
        logged.insert(host.to_owned())
    }
}

impl Fleet {
    /// Accepts connections until the fleet stops. Spawn it on a thread with a `LocalSet` or actix `System`.
    pub async fn serve(&self, listener: TcpListener) {
        let mut stop = self.stop.subscribe();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Small frames, each waited for.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "no immediate sending");
                    }
                    let fleet = self.clone();
                    actix::spawn(async move { fleet.accept(Link::Tcp(stream), peer.to_string()).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Takes a link: reads its first frame, finds out whose it is, and hands it over. Returns when that is done or the
    /// link was refused.
    pub async fn accept(&self, mut link: Link, peer: String) {
        if *self.stop.borrow() {
            return;
        }
        let Some(seat) = Seat::take(&self.seats, self.settings.max_sessions) else {
            return self.refuse("full", &peer, "too many links");
        };
        let frame_deadline = Duration::from_millis(self.settings.frame_deadline_ms);
        let mut incoming = Incoming::new(self.settings.max_frame_bytes, frame_deadline);
        let deadline = Duration::from_millis(self.settings.first_frame_deadline_ms);
        let frame = match timeout(deadline, self.first_frame(&mut incoming, &mut link)).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(why)) => return self.refuse("closed", &peer, &why),
            Err(_elapsed) => return self.refuse("silent", &peer, "no frame in time"),
        };
        let terminal = frame.address.terminal;
        let port_deadline = Duration::from_millis(self.settings.port_deadline_ms);
        let identified = self.seams.port.identify(terminal, peer.clone());
        let concentrator = match call("identify", identified, port_deadline, &self.metrics).await {
            Ok(Some(concentrator)) => concentrator,
            Ok(None) => return self.refuse("unknown", &peer, &format!("unknown terminal {terminal}")),
            Err(error) => return self.refuse("unavailable", &peer, &error.to_string()),
        };
        incoming.give_back(frame);
        let link = match link.detach() {
            Ok(link) => link,
            Err(error) => return self.refuse("detach", &peer, &error.to_string()),
        };
        let attach = ToFleet::Attach { concentrator, link, incoming: Box::new(incoming), peer: peer.clone(), seat };
        if !matches!(timeout(self.patience(), self.actor.send(attach)).await, Ok(Ok(()))) {
            self.refuse("busy", &peer, "the fleet is too busy");
        }
    }

    async fn first_frame(&self, incoming: &mut Incoming, link: &mut Link) -> Result<Frame, String> {
        loop {
            match incoming.next(link).await {
                Received::Frame(frame) if frame.control.uplink => return Ok(frame),
                Received::Frame(_) => self.metrics.frames_bad.with_label_values(&["direction"]).inc(),
                Received::Bad(error) => self.metrics.frames_bad.with_label_values(&[error.reason()]).inc(),
                Received::Closed(why) => return Err(why),
            }
        }
    }

    fn refuse(&self, reason: &'static str, peer: &str, detail: &str) {
        self.metrics.refused_links.with_label_values(&[reason]).inc();
        if self.refused.is_news(peer) {
            tracing::warn!(peer, reason, detail, "link refused; further ones of this peer are only counted");
        }
    }
}

//! The actor of the fleet: starts, finds and supervises concentrators, and scans for due relay orders.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;
use domain::{ids::ConcentratorId, relay::order::Order};
use tokio::{sync::oneshot, time::Instant};

use super::{DecodeLevel, EnquiryError, ReadNowError, Seat, SyncError};
use crate::{
    concentrator::{Birth, Concentrator},
    deliver::{call, deliver},
    link::{Detached, Incoming},
    messages::{ConcentratorExit, ToConcentrator},
    metrics::Metrics,
    ports::{DueOrder, Report, Supervised},
    seams::Seams,
    settings::FleetSettings,
    supervise::{ExitGuard, Restarts, Verdict},
};

/// Handle to fleet.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum ToFleet {
    /// This concentrator dialled in.
    Attach {
        concentrator: ConcentratorId,
        link: Detached,
        incoming: Box<Incoming>,
        peer: String,
        seat: Seat,
    },
    Tell(ConcentratorId, ToConcentrator),
    List(oneshot::Sender<Vec<ConcentratorId>>),
    Stop(oneshot::Sender<()>),
    CutOff,
    #[cfg(feature = "faults")]
    Poison(domain::ids::MeterId, Option<super::Where>),
}

/// The actor of the fleet.
pub(crate) struct FleetActor {
    settings: Arc<FleetSettings>,
    seams: Seams,
    metrics: Metrics,
    arbiters: Vec<ArbiterHandle>,
    origin: Instant,
    children: BTreeMap<ConcentratorId, Child>,
    /// How much of a concentrator's frames is traced, also of one that has not dialled in; none: nothing.
    levels: BTreeMap<ConcentratorId, DecodeLevel>,
    lives: u64,
    scanning: bool,
    /// Who waits for the end.
    stopped: Vec<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Child {
    /// `None`: between two lives, or quarantined.
    address: Option<Addr<Concentrator>>,
    life: u64,
    restarts: Restarts,
    quarantined: bool,
}

impl FleetActor {
    pub(super) fn new(
        settings: Arc<FleetSettings>,
        seams: Seams,
        metrics: Metrics,
        arbiters: Vec<ArbiterHandle>,
    ) -> Self {
        Self {
            settings,
            seams,
            metrics,
            arbiters,
            origin: Instant::now(),
            children: BTreeMap::new(),
            levels: BTreeMap::new(),
            lives: 0,
            scanning: false,
            stopped: Vec::new(),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.settings.message_deadline_ms)
    }

    fn tell(&self, concentrator: ConcentratorId, message: ToConcentrator, ctx: &mut Context<Self>) {
        match self.children.get(&concentrator).and_then(|child| child.address.as_ref()) {
            Some(address) => deliver(ctx, address, message, self.patience(), &self.metrics),
            None => nobody_there(message, self.level(concentrator)),
        }
    }

    fn level(&self, concentrator: ConcentratorId) -> DecodeLevel {
        self.levels.get(&concentrator).copied().unwrap_or_default()
    }

    fn tell_all(&self, message: impl Fn() -> ToConcentrator, ctx: &mut Context<Self>) {
        for concentrator in self.children.keys() {
            self.tell(*concentrator, message(), ctx);
        }
    }

    /// A concentrator's link brings its actor to life, unless it is quarantined.
    fn attach(&mut self, concentrator: ConcentratorId, attach: ToConcentrator, ctx: &mut Context<Self>) {
        if !self.stopped.is_empty() {
            return;
        }
        let child = self.children.entry(concentrator).or_default();
        if child.quarantined {
            self.metrics.refused_links.with_label_values(&["quarantined"]).inc();
        } else {
            if child.address.is_none() {
                self.start_concentrator(concentrator, ctx);
            }
            self.tell(concentrator, attach, ctx);
        }
    }

    fn start_concentrator(&mut self, concentrator: ConcentratorId, ctx: &mut Context<Self>) {
        self.lives = self.lives.wrapping_add(1);
        let (life, parent) = (self.lives, ctx.address());
        let level = self.level(concentrator);
        let (settings, seams, metrics) = (Arc::clone(&self.settings), self.seams.clone(), self.metrics.clone());
        let born = move |ctx: &mut Context<Concentrator>| {
            // One-shot, and there is no later moment to try again.
            let guard = ExitGuard::new(move |exit| parent.do_send(ConcentratorExit { concentrator, life, exit }));
            Concentrator::new(Birth { id: concentrator, settings, seams, metrics, guard, level }, ctx)
        };
        let address = match self.arbiter_of(concentrator) {
            Some(arbiter) => Concentrator::start_in_arbiter(arbiter, born),
            None => Concentrator::create(born),
        };
        let child = self.children.entry(concentrator).or_default();
        (child.life, child.address) = (life, Some(address));
    }

    /// A concentrator always lives on the same thread, with all its meters.
    fn arbiter_of(&self, concentrator: ConcentratorId) -> Option<&ArbiterHandle> {
        let place = usize::try_from(concentrator.get().unsigned_abs()).unwrap_or(0);
        self.arbiters.get(place.checked_rem(self.arbiters.len())?)
    }

    fn scan(&mut self, ctx: &mut Context<Self>) {
        if self.scanning || !self.stopped.is_empty() {
            return;
        }
        self.scanning = true;
        let deadline = Duration::from_millis(self.settings.port_deadline_ms);
        let called = call("due", self.seams.port.due(None), deadline, &self.metrics);
        ctx.spawn(called.into_actor(self).map(|due, fleet, ctx| {
            fleet.scanning = false;
            fleet.hand_out(due.unwrap_or_default(), ctx);
        }));
    }

    fn hand_out(&self, due: Vec<DueOrder>, ctx: &mut Context<Self>) {
        let mut orders: BTreeMap<ConcentratorId, Vec<Order>> = BTreeMap::new();
        for due in due {
            orders.entry(due.concentrator).or_default().push(due.order);
        }
        for (concentrator, orders) in orders {
            self.tell(concentrator, ToConcentrator::Orders(orders), ctx);
        }
    }

    fn release(&mut self, concentrator: ConcentratorId) {
        if let Some(child) = self.children.get_mut(&concentrator).filter(|child| child.quarantined) {
            (child.quarantined, child.restarts) = (false, Restarts::default());
            self.metrics.quarantined.dec();
        }
    }

    fn obey(&mut self, concentrator: ConcentratorId, life: u64, verdict: Verdict, ctx: &mut Context<Self>) {
        match verdict {
            Verdict::Forget => {}
            _ if !self.stopped.is_empty() => {}
            Verdict::RestartAfter(pause) => {
                tracing::error!(%concentrator, ?pause, "concentrator actor failed; it is started again");
                self.metrics.restarts.with_label_values(&["concentrator"]).inc();
                ctx.run_later(pause, move |fleet, ctx| {
                    let child = fleet.children.get(&concentrator);
                    if child.is_some_and(|child| child.life == life && child.address.is_none()) {
                        fleet.start_concentrator(concentrator, ctx);
                    }
                });
            }
            Verdict::Quarantine { restarts } => {
                tracing::error!(%concentrator, restarts, "concentrator actor failed too often; left out until a reload");
                if let Some(child) = self.children.get_mut(&concentrator) {
                    child.quarantined = true;
                }
                self.metrics.quarantined.inc();
                let (what, at) = (Supervised::Concentrator(concentrator), self.seams.clock.now());
                let report = self.seams.port.report(Report::Quarantined { what, restarts, at });
                let deadline = Duration::from_millis(self.settings.port_deadline_ms);
                ctx.spawn(call("report", report, deadline, &self.metrics).into_actor(self).map(|_, _, _| ()));
            }
        }
    }

    fn stop_if_alone(&mut self, ctx: &mut Context<Self>) {
        if !self.stopped.is_empty() && self.children.values().all(|child| child.address.is_none()) {
            for stopped in self.stopped.drain(..) {
                let _ = stopped.send(());
            }
            ctx.stop();
        }
    }
}

/// Answers what cannot be passed on.
fn nobody_there(message: ToConcentrator, level: DecodeLevel) {
    match message {
        ToConcentrator::Trace(reply) => {
            let _ = reply.send((level, Vec::new()));
        }
        ToConcentrator::ReadNow(_, reply) => {
            let _ = reply.send(Err(ReadNowError::Offline));
        }
        ToConcentrator::Enquire(_, reply) => {
            let _ = reply.send(Err(EnquiryError::Offline));
        }
        ToConcentrator::SyncArchive(reply) => {
            let _ = reply.send(Err(SyncError::Offline));
        }
        // Hints, and questions whose dropped reply is the answer.
        _ => {}
    }
}

impl Actor for FleetActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(self.settings.mailbox_messages);
        let interval = Duration::from_millis(self.settings.due_scan_ms.max(1));
        ctx.run_interval(interval, Self::scan);
    }
}

impl Handler<ToFleet> for FleetActor {
    type Result = ();

    fn handle(&mut self, message: ToFleet, ctx: &mut Context<Self>) {
        match message {
            ToFleet::Attach { concentrator, link, incoming, peer, seat } => {
                self.attach(concentrator, ToConcentrator::Attach { link, incoming, peer, seat }, ctx);
            }
            ToFleet::Tell(concentrator, message) => {
                match message {
                    ToConcentrator::Reload => self.release(concentrator),
                    ToConcentrator::SetDecodeLevel(DecodeLevel::Off) => drop(self.levels.remove(&concentrator)),
                    ToConcentrator::SetDecodeLevel(level) => drop(self.levels.insert(concentrator, level)),
                    _ => {}
                }
                self.tell(concentrator, message, ctx);
            }
            ToFleet::List(reply) => {
                let alive = self.children.iter().filter(|(_, child)| child.address.is_some());
                let _ = reply.send(alive.map(|(id, _)| *id).collect());
            }
            ToFleet::Stop(reply) => {
                self.stopped.push(reply);
                self.tell_all(|| ToConcentrator::Stop, ctx);
                self.stop_if_alone(ctx);
            }
            ToFleet::CutOff => self.tell_all(|| ToConcentrator::CutOff, ctx),
            #[cfg(feature = "faults")]
            ToFleet::Poison(meter, place) => {
                self.tell_all(|| ToConcentrator::Poison(meter, place), ctx);
            }
        }
    }
}

impl Handler<ConcentratorExit> for FleetActor {
    type Result = ();

    fn handle(&mut self, exit: ConcentratorExit, ctx: &mut Context<Self>) {
        let concentrator = exit.concentrator;
        if let Some(child) = self.children.get_mut(&concentrator).filter(|child| child.life == exit.life) {
            child.address = None;
            let verdict = child.restarts.on_exit(exit.exit, &self.settings.restarts(), self.origin.elapsed());
            self.obey(concentrator, exit.life, verdict, ctx);
        }
        self.stop_if_alone(ctx);
    }
}

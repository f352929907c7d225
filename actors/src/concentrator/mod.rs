//! The actor of a concentrator: receives, calls [`State::step`], does what it returns.
//!
//! | to change | go to |
//! |---|---|
//! | login, heartbeat, loss of a link, the archive check's course | `session.rs` |
//! | what is sent when, retries, deadlines | `exchange.rs`, priorities in `queue.rs` |
//! | which request carries a task | `ask.rs` |
//! | what an answer means | `answer.rs`, readings in `observe.rs`, the archive in `archive.rs`, events in `events.rs`, enquiries in `enquiry.rs` |
//! | what a changed plan means | `plan.rs` |
//! | restarts of meter actors | `children.rs` and [`crate::supervise`] |

mod answer;
mod archive;
mod ask;
mod children;
mod enquiry;
mod events;
mod exchange;
mod observe;
mod plan;
mod queue;
mod session;
mod state;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;
use domain::ids::ConcentratorId;
use futures_util::stream;
use tokio::{io::split, sync::mpsc};

use children::Children;
use state::{Alarm, Effect, Event, State};

use crate::{
    deliver::{call, deliver},
    fleet::{DecodeLevel, LinkState, Seat, SyncError},
    link::{Detached, Incoming, Received, write_frames},
    messages::{EnquiryReply, FromMeter, MeterExit, ToConcentrator, ToMeter, Wish},
    metrics::Metrics,
    ports::{PortError, Report, SessionEvent},
    seams::{Seams, Stopwatch},
    settings::FleetSettings,
    supervise::ExitGuard,
    trace::Trace,
};

/// What a concentrator's actor is given by the fleet.
pub(crate) struct Birth {
    pub(crate) id: ConcentratorId,
    pub(crate) settings: Arc<FleetSettings>,
    pub(crate) seams: Seams,
    pub(crate) metrics: Metrics,
    pub(crate) guard: ExitGuard,
    pub(crate) level: DecodeLevel,
}

/// A link's writing half, and its place among the links allowed at once.
struct Outgoing {
    frames: mpsc::Sender<Vec<u8>>,
    reader: SpawnHandle,
    _seat: Seat,
}

/// The actor of a concentrator.
pub(crate) struct Concentrator {
    id: ConcentratorId,
    settings: Arc<FleetSettings>,
    seams: Seams,
    metrics: Metrics,
    guard: ExitGuard,
    watch: Stopwatch,
    state: State,
    children: Children,
    links: BTreeMap<u64, Outgoing>,
    next_link: u64,
    timer: Option<(Duration, SpawnHandle)>,
    trace: Trace,
    /// Who waits for the answer to which enquiry.
    enquirers: BTreeMap<u64, EnquiryReply>,
    next_enquiry: u64,
    /// What this actor has added to the figures that many actors share.
    counted: Counted,
}

/// This actor's share of the gauges; taken back when it ends, however it ends.
struct Counted {
    metrics: Metrics,
    jobs: i64,
    online: bool,
}

impl Counted {
    fn show(&mut self, jobs: usize, online: bool) {
        let jobs = i64::try_from(jobs).unwrap_or(i64::MAX);
        self.metrics.queue_depth.add(jobs - self.jobs);
        self.metrics.sessions.add(i64::from(online) - i64::from(self.online));
        (self.jobs, self.online) = (jobs, online);
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.show(0, false);
    }
}

impl Concentrator {
    pub(crate) fn new(birth: Birth, ctx: &mut Context<Self>) -> Self {
        ctx.set_mailbox_capacity(birth.settings.mailbox_messages);
        let random = birth.seams.random(birth.id);
        Self {
            id: birth.id,
            watch: birth.seams.stopwatch(),
            state: State::new(Arc::clone(&birth.settings), random),
            children: Children::default(),
            links: BTreeMap::new(),
            next_link: 0,
            timer: None,
            trace: Trace::new(birth.id, birth.level, birth.settings.trace_frames),
            enquirers: BTreeMap::new(),
            next_enquiry: 0,
            counted: Counted { metrics: birth.metrics.clone(), jobs: 0, online: false },
            settings: birth.settings,
            seams: birth.seams,
            metrics: birth.metrics,
            guard: birth.guard,
        }
    }

    fn happened(&mut self, event: Event, ctx: &mut Context<Self>) {
        for effect in self.state.step(event, self.watch.now()) {
            self.perform(effect, ctx);
        }
        self.counted.show(self.state.waiting(), self.state.is_online());
        self.set_timer(ctx);
    }

    fn set_timer(&mut self, ctx: &mut Context<Self>) {
        let next = self.state.next_deadline();
        if self.timer.as_ref().map(|(at, _)| *at) == next {
            return;
        }
        if let Some((_, handle)) = self.timer.take() {
            ctx.cancel_future(handle);
        }
        self.timer = next.map(|at| {
            let sleep = tokio::time::sleep_until(self.watch.instant(at)).into_actor(self);
            let tick = sleep.map(|(), concentrator: &mut Self, ctx| {
                concentrator.timer = None;
                concentrator.happened(Event::Tick, ctx);
            });
            (at, ctx.spawn(tick))
        });
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        let port = &self.seams.port;
        match effect {
            Effect::Send { link, frame } => self.send(link, frame, ctx),
            Effect::Close { link } => self.close(link, ctx),
            Effect::Load => self.call("load", port.load(self.id), ctx, Event::Loaded),
            Effect::Authorize(order) => self.call("authorize", port.authorize(order), ctx, Event::Authorized),
            Effect::Ingest { batch, observations, urgent } => {
                let answer = port.ingest(observations, urgent);
                self.call("ingest", answer, ctx, move |outcome| Event::Ingested(batch, outcome));
            }
            Effect::AskDue => self.ask_due(ctx),
            Effect::Session(event) => self.report_session(event, ctx),
            Effect::Report(report) => {
                let looked = match &report {
                    Report::ConcentratorClock { .. } => Some(Alarm::Clock),
                    Report::Archive { .. } => Some(Alarm::Archive),
                    Report::Events(_) => Some(Alarm::Events),
                    _ => None,
                };
                let called = call("report", port.report(report), self.port_deadline(), &self.metrics);
                ctx.spawn(called.into_actor(self).map(move |outcome, concentrator, ctx| {
                    if let (Err(_), Some(looked)) = (outcome, looked) {
                        concentrator.happened(Event::NotReported(looked), ctx);
                    }
                }));
            }
            Effect::Meters(plans, around) => self.set_meters(plans, &around, ctx),
            Effect::Tell(meter, event) => self.tell(meter, ToMeter::Event(Box::new(event)), ctx),
            Effect::Exchanged { kind, outcome, took } => self.metrics.exchange(kind, outcome, took),
            Effect::Useless { reason, detail } => self.useless(reason, &detail),
            Effect::Told(number, told) => {
                if let Some(reply) = self.enquirers.remove(&number) {
                    let _ = reply.send(told);
                }
            }
            Effect::Refused => self.metrics.queue_refused.inc(),
            Effect::NotStored(readings) => {
                self.metrics.readings_lost.inc_by(u64::try_from(readings).unwrap_or(u64::MAX));
            }
            Effect::Drained => self.stop_meters(ctx),
        }
    }

    fn port_deadline(&self) -> Duration {
        Duration::from_millis(self.settings.port_deadline_ms)
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(self.settings.message_deadline_ms)
    }

    fn call<T: 'static>(
        &self,
        name: &'static str,
        answer: crate::ports::Answer<T>,
        ctx: &mut Context<Self>,
        event: impl FnOnce(Result<T, PortError>) -> Event + 'static,
    ) {
        let called = call(name, answer, self.port_deadline(), &self.metrics);
        ctx.spawn(called.into_actor(self).map(|outcome, concentrator, ctx| concentrator.happened(event(outcome), ctx)));
    }

    fn ask_due(&self, ctx: &mut Context<Self>) {
        self.call("due", self.seams.port.due(Some(self.id)), ctx, |orders| {
            Event::Due(orders.unwrap_or_default().into_iter().map(|due| due.order).collect())
        });
    }

    /// After a login the world lets waiting orders go, so they are asked for once it has heard of it.
    fn report_session(&self, event: SessionEvent, ctx: &mut Context<Self>) {
        let login = matches!(event, SessionEvent::Login { .. });
        tracing::info!(concentrator = %self.id, ?event, "session");
        let called = call("session", self.seams.port.session(self.id, event), self.port_deadline(), &self.metrics);
        ctx.spawn(called.into_actor(self).map(move |_, concentrator, ctx| {
            if login {
                concentrator.ask_due(ctx);
            }
        }));
    }

    /// Counted always, logged once per link and reason at `warn`.
    fn useless(&mut self, reason: &'static str, detail: &str) {
        self.metrics.frames_bad.with_label_values(&[reason]).inc();
        if self.state.is_news(reason) {
            tracing::warn!(concentrator = %self.id, reason, detail, "useless frame; further ones of this link are only counted");
        }
    }

    // --- links -------------------------------------------------------------------------------------------------------

    fn attach(&mut self, link: Detached, incoming: Incoming, peer: String, seat: Seat, ctx: &mut Context<Self>) {
        let stream = match link.attach() {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(concentrator = %self.id, %error, "a link cannot be handed over"),
        };
        self.next_link = self.next_link.wrapping_add(1);
        let link = self.next_link;
        let (reading, writing) = split(stream);
        let received = stream::unfold(Some((incoming, reading)), move |open| async move {
            let (mut incoming, mut reading) = open?;
            let received = incoming.next(&mut reading).await;
            let open = if matches!(received, Received::Closed(_)) { None } else { Some((incoming, reading)) };
            Some((FromLink(link, received), open))
        });
        let (frames, waiting) = mpsc::channel(self.settings.outgoing_frames.max(1));
        let deadline = Duration::from_millis(self.settings.write_deadline_ms);
        let written = write_frames(writing, waiting, deadline).into_actor(self);
        ctx.spawn(written.map(move |why, concentrator, ctx| concentrator.happened(Event::Closed { link, why }, ctx)));
        // Attached before the reader runs, so that the first frame finds its session.
        self.happened(Event::Attached { link, peer }, ctx);
        let reader = ctx.add_stream(received);
        self.links.insert(link, Outgoing { frames, reader, _seat: seat });
    }

    fn send(&mut self, link: u64, frame: Vec<u8>, ctx: &mut Context<Self>) {
        let Some(outgoing) = self.links.get(&link) else { return };
        self.trace.sent(&frame, self.watch.now().wall);
        if outgoing.frames.try_send(frame).is_ok() {
            self.metrics.frames_out.inc();
        } else {
            // Told as a message of its own, because this is in the middle of a step.
            ctx.notify(FromLink(link, Received::Closed("the peer does not read".into())));
        }
    }

    /// Stops reading; what is queued is still written, by a writer that ends by itself.
    fn close(&mut self, link: u64, ctx: &mut Context<Self>) {
        if let Some(outgoing) = self.links.remove(&link) {
            ctx.cancel_future(outgoing.reader);
        }
    }
}

/// What came in on a link.
#[derive(Message)]
#[rtype(result = "()")]
struct FromLink(u64, Received);

impl Actor for Concentrator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.happened(Event::Reload, ctx);
    }
}

impl StreamHandler<FromLink> for Concentrator {
    fn handle(&mut self, received: FromLink, ctx: &mut Context<Self>) {
        Handler::handle(self, received, ctx);
    }

    // A link's end is told by its last item; the actor lives on.
    fn finished(&mut self, _ctx: &mut Context<Self>) {}
}

impl Handler<FromLink> for Concentrator {
    type Result = ();

    fn handle(&mut self, FromLink(link, received): FromLink, ctx: &mut Context<Self>) {
        match received {
            Received::Frame(frame) => {
                self.metrics.frames_in.inc();
                self.trace.received(&frame, self.watch.now().wall);
                self.happened(Event::Frame { link, frame }, ctx);
            }
            Received::Bad(error) => {
                self.trace.refused(error, self.watch.now().wall);
                self.happened(Event::Bad { link, error }, ctx);
            }
            Received::Closed(why) => self.happened(Event::Closed { link, why }, ctx),
        }
    }
}

impl Handler<FromMeter> for Concentrator {
    type Result = ();

    fn handle(&mut self, message: FromMeter, ctx: &mut Context<Self>) {
        let FromMeter { meter, life, wish } = message;
        if !self.children.is_alive(meter, life) {
            return;
        }
        match wish {
            Wish::Enqueue(task) => self.happened(Event::Enqueue(meter, task), ctx),
            Wish::WakeAt(at) => self.happened(Event::WakeAt(meter, at), ctx),
            Wish::AskDue => self.ask_due(ctx),
        }
    }
}

impl Handler<MeterExit> for Concentrator {
    type Result = ();

    fn handle(&mut self, exit: MeterExit, ctx: &mut Context<Self>) {
        self.meter_ended(&exit, ctx);
    }
}

impl Handler<ToConcentrator> for Concentrator {
    type Result = ();

    fn handle(&mut self, message: ToConcentrator, ctx: &mut Context<Self>) {
        match message {
            ToConcentrator::Attach { link, incoming, peer, seat } => self.attach(link, *incoming, peer, seat, ctx),
            ToConcentrator::Wake => self.ask_due(ctx),
            ToConcentrator::Orders(orders) => self.happened(Event::Due(orders), ctx),
            ToConcentrator::Reload => self.happened(Event::Reload, ctx),
            ToConcentrator::ReadNow(meter, reply) => self.read_now(meter, reply, ctx),
            ToConcentrator::Enquire(enquiry, reply) => {
                self.next_enquiry = self.next_enquiry.wrapping_add(1);
                self.enquirers.insert(self.next_enquiry, reply);
                self.happened(Event::Enquire(self.next_enquiry, enquiry), ctx);
            }
            ToConcentrator::SyncArchive(reply) => {
                let answer = if self.state.can_check() { Ok(()) } else { Err(SyncError::Offline) };
                let _ = reply.send(answer);
                self.happened(Event::SyncArchive, ctx);
            }
            ToConcentrator::State(reply) => {
                let _ = reply.send(self.link_state());
            }
            ToConcentrator::SetDecodeLevel(level) => self.trace.set_level(level),
            ToConcentrator::Trace(reply) => {
                let _ = reply.send((self.trace.level(), self.trace.kept()));
            }
            ToConcentrator::Stop => self.happened(Event::Drain, ctx),
            ToConcentrator::CutOff => {
                self.guard.stopped_as_told();
                ctx.stop();
            }
            #[cfg(feature = "faults")]
            ToConcentrator::Poison(meter, place) => self.poison(meter, place, ctx),
            #[cfg(feature = "faults")]
            ToConcentrator::PoisonYou => poisoned(),
        }
    }
}

impl Concentrator {
    fn tell(&self, meter: domain::ids::MeterId, message: ToMeter, ctx: &mut Context<Self>) {
        if let Some(address) = self.children.address(meter) {
            deliver(ctx, address, message, self.patience(), &self.metrics);
        }
    }

    fn link_state(&self) -> LinkState {
        self.state.link_state(self.id, self.children.quarantined(), self.trace.level())
    }
}

/// Panics on purpose.
#[cfg(feature = "faults")]
#[expect(clippy::panic, reason = "tests of supervision")]
fn poisoned() {
    panic!("poisoned concentrator");
}

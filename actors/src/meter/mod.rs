//! The actor of a meter: receives, calls [`State::step`], does what it returns.

mod hand;
mod state;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use actix::prelude::*;
use domain::ids::MeterId;

pub(crate) use state::{Effect, Event, State};

use crate::{
    concentrator::Concentrator,
    deliver::{call, deliver},
    messages::{FromMeter, ReadNowReply, Surroundings, ToMeter, Wish},
    metrics::Metrics,
    ports::{MeterPlan, Port, Report},
    seams::Stopwatch,
    supervise::ExitGuard,
};

/// What a meter's actor is given by its concentrator's.
pub(crate) struct Birth {
    pub(crate) plan: MeterPlan,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) life: u64,
    pub(crate) concentrator: Addr<Concentrator>,
    /// The concentrator's: both speak of the same monotonic time.
    pub(crate) watch: Stopwatch,
    pub(crate) port: Arc<dyn Port>,
    pub(crate) metrics: Metrics,
    pub(crate) guard: ExitGuard,
    /// Whether to panic at the start, for tests of supervision.
    #[cfg(feature = "faults")]
    pub(crate) poisoned: bool,
}

/// The actor of a meter.
pub(crate) struct Meter {
    id: MeterId,
    birth: Birth,
    state: State,
    patience: Duration,
    port_deadline: Duration,
    askers: u64,
    replies: BTreeMap<u64, ReadNowReply>,
    /// Calls to the world that are not answered yet; a told stop waits for them.
    calls: usize,
    stopping: bool,
    woken_at: Option<Duration>,
}

impl Meter {
    pub(crate) fn start_now(birth: Birth) -> Addr<Self> {
        let settings = Arc::clone(&birth.around.settings);
        Self::create(move |ctx| {
            ctx.set_mailbox_capacity(settings.mailbox_messages);
            Self {
                id: birth.plan.id,
                state: State::new(birth.plan.clone(), Arc::clone(&birth.around)),
                birth,
                patience: Duration::from_millis(settings.message_deadline_ms),
                port_deadline: Duration::from_millis(settings.port_deadline_ms),
                askers: 0,
                replies: BTreeMap::new(),
                calls: 0,
                stopping: false,
                woken_at: None,
            }
        })
    }

    fn happened(&mut self, event: Event, ctx: &mut Context<Self>) {
        if matches!(event, Event::Wake) {
            self.woken_at = None;
        }
        for effect in self.state.step(event, self.birth.watch.now()) {
            self.perform(effect, ctx);
        }
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Enqueue(task) => self.wish(Wish::Enqueue(task), ctx),
            Effect::AskDue => self.wish(Wish::AskDue, ctx),
            Effect::WakeAt(at) if self.woken_at == Some(at) => {}
            Effect::WakeAt(at) => {
                self.woken_at = Some(at);
                self.wish(Wish::WakeAt(at), ctx);
            }
            Effect::Record(order, event) => {
                let answer = self.birth.port.record(order, event);
                let called = call("record", answer, self.port_deadline, &self.birth.metrics);
                self.call_world(called, ctx, |meter, outcome, ctx| meter.happened(Event::Recorded(outcome), ctx));
            }
            Effect::Report(report) => {
                let called = call("report", self.birth.port.report(report), self.port_deadline, &self.birth.metrics);
                self.call_world(called, ctx, |_, _, _| {});
            }
            Effect::ReportReachable(at) => {
                let report = self.birth.port.report(Report::Reachable { meter: self.id, at });
                let called = call("report", report, self.port_deadline, &self.birth.metrics);
                self.call_world(called, ctx, |meter, _, ctx| meter.wish(Wish::AskDue, ctx));
            }
            Effect::Answer(asker, answer) => {
                // Whoever asked may have stopped waiting.
                let _ = self.replies.remove(&asker).map(|reply| reply.send(answer));
            }
            Effect::Polled { on_time } => {
                let slot = if on_time { "kept" } else { "missed" };
                self.birth.metrics.polls.with_label_values(&[slot]).inc();
            }
        }
    }

    fn wish(&self, wish: Wish, ctx: &mut Context<Self>) {
        let message = FromMeter { meter: self.id, life: self.birth.life, wish };
        deliver(ctx, &self.birth.concentrator, message, self.patience, &self.birth.metrics);
    }

    fn call_world<T: 'static>(
        &mut self,
        called: impl Future<Output = T> + 'static,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, T, &mut Context<Self>) + 'static,
    ) {
        self.calls = self.calls.saturating_add(1);
        ctx.spawn(called.into_actor(self).map(move |outcome, meter, ctx| {
            meter.calls = meter.calls.saturating_sub(1);
            then(meter, outcome, ctx);
            meter.stop_if_told(ctx);
        }));
    }

    fn stop_if_told(&mut self, ctx: &mut Context<Self>) {
        if self.stopping && self.calls == 0 {
            self.birth.guard.stopped_as_told();
            ctx.stop();
        }
    }
}

impl Actor for Meter {
    type Context = Context<Self>;

    #[cfg(feature = "faults")]
    fn started(&mut self, _ctx: &mut Context<Self>) {
        assert!(!self.birth.poisoned, "poisoned start");
    }
}

impl Handler<ToMeter> for Meter {
    type Result = ();

    fn handle(&mut self, message: ToMeter, ctx: &mut Context<Self>) {
        match message {
            ToMeter::Event(event) => self.happened(*event, ctx),
            ToMeter::ReadNow(reply) => {
                self.askers = self.askers.wrapping_add(1);
                self.replies.insert(self.askers, reply);
                self.happened(Event::ReadNow(self.askers), ctx);
            }
            ToMeter::Stop => {
                self.stopping = true;
                self.stop_if_told(ctx);
            }
            #[cfg(feature = "faults")]
            ToMeter::Poison(place) => poisoned(place, ctx),
        }
    }
}

/// Panics on purpose.
#[cfg(feature = "faults")]
#[expect(clippy::panic, reason = "tests of supervision")]
fn poisoned(place: crate::fleet::Where, ctx: &mut Context<Meter>) {
    if place == crate::fleet::Where::Future {
        ctx.spawn(fut::wrap_future(async { panic!("poisoned future") }));
    } else {
        panic!("poisoned message");
    }
}

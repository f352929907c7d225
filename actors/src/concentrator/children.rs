//! The meter actors of a concentrator: started from its plan, started again when they fail, quarantined when they fail
//! too often. A failing one never touches its neighbours.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::prelude::*;
use domain::ids::MeterId;

use super::{Concentrator, state::Event};
use crate::{
    deliver::call,
    fleet::ReadNowError,
    messages::{MeterExit, ReadNowReply, Surroundings, ToMeter},
    meter::{self, Birth, Meter},
    ports::{MeterPlan, Report, Supervised},
    supervise::{ExitGuard, Restarts, Verdict},
};

/// The meter actors.
#[derive(Default)]
pub(super) struct Children {
    all: BTreeMap<MeterId, Child>,
    lives: u64,
    stopping: bool,
}

#[derive(Default)]
struct Child {
    /// `None`: between two lives, or quarantined.
    address: Option<Addr<Meter>>,
    life: u64,
    restarts: Restarts,
    quarantined: bool,
    /// Panics at its start, for tests of supervision.
    #[cfg(feature = "faults")]
    poisoned: bool,
}

impl Children {
    pub(super) fn address(&self, meter: MeterId) -> Option<&Addr<Meter>> {
        self.all.get(&meter)?.address.as_ref()
    }

    pub(super) fn is_alive(&self, meter: MeterId, life: u64) -> bool {
        self.all.get(&meter).is_some_and(|child| child.life == life && child.address.is_some())
    }

    pub(super) fn quarantined(&self) -> usize {
        self.all.values().filter(|child| child.quarantined).count()
    }
}

impl Concentrator {
    /// Makes the meter actors those of a plan. Whoever was quarantined gets a new chance.
    pub(super) fn set_meters(&mut self, plans: Vec<MeterPlan>, around: &Arc<Surroundings>, ctx: &mut Context<Self>) {
        let unwanted: Vec<MeterId> =
            self.children.all.keys().copied().filter(|id| plans.iter().all(|plan| plan.id != *id)).collect();
        for meter in unwanted {
            self.tell(meter, ToMeter::Stop, ctx);
            self.release(meter);
            self.children.all.remove(&meter);
        }
        for plan in plans {
            if self.children.address(plan.id).is_some() {
                let planned = meter::Event::Planned(plan.clone(), Arc::clone(around));
                self.tell(plan.id, ToMeter::Event(Box::new(planned)), ctx);
            } else {
                self.release(plan.id);
                self.start_meter(plan, ctx);
            }
        }
    }

    fn release(&mut self, meter: MeterId) {
        if let Some(child) = self.children.all.get_mut(&meter).filter(|child| child.quarantined) {
            (child.quarantined, child.restarts) = (false, Restarts::default());
            self.metrics.quarantined.dec();
        }
    }

    fn start_meter(&mut self, plan: MeterPlan, ctx: &mut Context<Self>) {
        let Some(around) = self.state.surroundings() else { return };
        self.children.lives = self.children.lives.wrapping_add(1);
        let (id, life, parent) = (plan.id, self.children.lives, ctx.address());
        let child = self.children.all.entry(id).or_default();
        child.life = life;
        // One-shot, and there is no later moment to try again.
        let guard = ExitGuard::new(move |exit| parent.do_send(MeterExit { meter: id, life, exit }));
        child.address = Some(Meter::start_now(Birth {
            plan,
            around,
            life,
            concentrator: ctx.address(),
            watch: self.watch.clone(),
            port: Arc::clone(&self.seams.port),
            metrics: self.metrics.clone(),
            guard,
            #[cfg(feature = "faults")]
            poisoned: child.poisoned,
        }));
    }

    pub(super) fn meter_ended(&mut self, exit: &MeterExit, ctx: &mut Context<Self>) {
        let (meter, now) = (exit.meter, self.watch.now());
        if let Some(child) = self.children.all.get_mut(&meter).filter(|child| child.life == exit.life) {
            child.address = None;
            let verdict = child.restarts.on_exit(exit.exit, &self.settings.restarts(), now.mono);
            self.happened(Event::MeterGone(meter), ctx);
            self.obey(meter, exit, verdict, ctx);
        }
        if self.children.stopping {
            self.stop_if_alone(ctx);
        }
    }

    fn obey(&mut self, meter: MeterId, exit: &MeterExit, verdict: Verdict, ctx: &mut Context<Self>) {
        match verdict {
            Verdict::Forget => {}
            _ if self.children.stopping => {}
            Verdict::RestartAfter(pause) => {
                tracing::error!(%meter, exit = ?exit.exit, ?pause, "meter actor failed; it is started again");
                self.metrics.restarts.with_label_values(&["meter"]).inc();
                let life = exit.life;
                ctx.run_later(pause, move |concentrator, ctx| concentrator.start_again(meter, life, ctx));
            }
            Verdict::Quarantine { restarts } => {
                tracing::error!(%meter, restarts, "meter actor failed too often; it is left out until a reload");
                if let Some(child) = self.children.all.get_mut(&meter) {
                    child.quarantined = true;
                }
                self.metrics.quarantined.inc();
                let at = self.watch.now().wall;
                let report = Report::Quarantined { what: Supervised::Meter(meter), restarts, at };
                let called = call("report", self.seams.port.report(report), self.port_deadline(), &self.metrics);
                ctx.spawn(called.into_actor(self).map(|_, _, _| ()));
            }
        }
    }

    fn start_again(&mut self, meter: MeterId, life: u64, ctx: &mut Context<Self>) {
        let waits = self.children.all.get(&meter).is_some_and(|child| child.life == life && child.address.is_none());
        if let (true, false, Some(plan)) = (waits, self.children.stopping, self.state.meter_plan(meter)) {
            self.start_meter(plan, ctx);
            self.happened(Event::MeterStarted(meter), ctx);
        }
    }

    // --- read now ----------------------------------------------------------------------------------------------------

    pub(super) fn read_now(&self, meter: MeterId, reply: ReadNowReply, ctx: &mut Context<Self>) {
        if self.children.address(meter).is_some() {
            return self.tell(meter, ToMeter::ReadNow(reply), ctx);
        }
        let known = self.children.all.contains_key(&meter);
        let _ = reply.send(Err(if known { ReadNowError::Gone } else { ReadNowError::UnknownMeter }));
    }

    // --- stop --------------------------------------------------------------------------------------------------------

    /// Everything asked is answered: the meters finish their records, then this actor ends.
    pub(super) fn stop_meters(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.children.stopping, true) {
            return;
        }
        let alive: Vec<MeterId> = self.children.all.keys().copied().collect();
        for meter in alive {
            self.tell(meter, ToMeter::Stop, ctx);
        }
        self.stop_if_alone(ctx);
    }

    fn stop_if_alone(&mut self, ctx: &mut Context<Self>) {
        if self.children.all.values().all(|child| child.address.is_none()) {
            self.guard.stopped_as_told();
            // Room for the last frames to be written.
            ctx.run_later(Duration::ZERO, |_, ctx| ctx.stop());
        }
    }

    #[cfg(feature = "faults")]
    pub(super) fn poison(&mut self, meter: MeterId, place: Option<crate::fleet::Where>, ctx: &mut Context<Self>) {
        if let Some(child) = self.children.all.get_mut(&meter) {
            child.poisoned = place == Some(crate::fleet::Where::Started);
            if let Some(place) = place {
                self.tell(meter, ToMeter::Poison(place), ctx);
            }
        }
    }
}

impl Drop for Concentrator {
    fn drop(&mut self) {
        self.metrics.quarantined.sub(i64::try_from(self.children.quarantined()).unwrap_or(i64::MAX));
    }
}

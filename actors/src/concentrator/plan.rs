//! A concentrator's plan: taken over when loaded, kept fresh by what is read, and shown to operators.

use std::{sync::Arc, time::Duration};

use domain::{
    ids::{ConcentratorId, MeterId},
    reading::Kind,
};
use jiff::SignedDuration;
use rand::RngExt;

use super::{
    archive::is_same,
    ask::record,
    state::{Alarm, Effect, State},
};
use crate::{
    fleet::{DecodeLevel, LinkState},
    job::{Job, Task},
    messages::Surroundings,
    meter,
    ports::{Ack, ConcentratorPlan, MeterPlan, PortError},
    seams::Moment,
};

/// Whether the plan is being fetched; not for longer than `port_deadline_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loading {
    No,
    UnderWay,
    /// It changed again meanwhile: what comes back may be old.
    Again,
}

impl State {
    /// Fetches the plan, once at a time.
    pub(super) fn load(&mut self, effects: &mut Vec<Effect>) {
        if self.loading == Loading::No {
            self.loading = Loading::UnderWay;
            effects.push(Effect::Load);
        } else {
            self.loading = Loading::Again;
        }
    }

    pub(super) fn loaded(&mut self, plan: Result<ConcentratorPlan, PortError>, now: Moment, effects: &mut Vec<Effect>) {
        if std::mem::replace(&mut self.loading, Loading::No) == Loading::Again {
            return self.load(effects);
        }
        match plan {
            Ok(plan) => self.take_over(plan, now, effects),
            Err(error) => {
                tracing::warn!(%error, "concentrator's plan cannot be loaded yet");
                let pause = Duration::from_millis(self.settings.order_retry_ms);
                self.wheel.set(Alarm::Load, now.mono.saturating_add(pause));
            }
        }
    }

    fn take_over(&mut self, plan: ConcentratorPlan, now: Moment, effects: &mut Vec<Effect>) {
        let before = self.plan.take().map(|plan| plan.meters).unwrap_or_default();
        for meter in before {
            let after = plan.meters.iter().find(|after| after.id == meter.id);
            if after.is_none() {
                self.meter_gone(meter.id);
            }
            // Whose record changed is not known to be in the concentrator's archive.
            if !after.is_some_and(|after| is_same(&record(after), &record(&meter))) {
                self.verified.remove(&meter.id);
            }
        }
        let around = Arc::new(Surroundings {
            zone: plan.zone.clone(),
            policy: Arc::clone(&plan.policy),
            settings: Arc::clone(&self.settings),
            jitter: self.jitter(&plan),
        });
        effects.push(Effect::Meters(plan.meters.clone(), Arc::clone(&around)));
        self.around = Some(around);
        self.points = plan.profile.points_per_request;
        self.lists.take_over(&plan);
        self.check = None;
        self.plan = Some(plan);
        if self.session.is_some() {
            self.begin_check(now, effects);
            self.wheel.set(Alarm::Clock, now.mono);
            self.ask_for_events(now, effects);
            self.tell_all(&meter::Event::Online, effects);
            effects.push(Effect::AskDue);
        }
    }

    /// How far its poll slots lie behind the full ones: drawn once, so that a changed plan does not move them.
    fn jitter(&mut self, plan: &ConcentratorPlan) -> SignedDuration {
        if let Some(around) = &self.around {
            return around.jitter;
        }
        let slot = Duration::try_from(plan.policy.polling.slot).unwrap_or(Duration::ZERO);
        let spread = slot.saturating_mul(self.settings.poll_spread_percent) / 100;
        SignedDuration::try_from(self.random.random_range(Duration::ZERO..=spread)).unwrap_or(SignedDuration::ZERO)
    }

    pub(super) fn meter_gone(&mut self, meter: MeterId) {
        self.wheel.clear(Alarm::Meter(meter));
        self.queue.drain(|job| job.meter == Some(meter));
    }

    pub(super) fn meter_started(&self, meter: MeterId, effects: &mut Vec<Effect>) {
        if self.session.is_some() {
            effects.push(Effect::Tell(meter, meter::Event::Online));
            effects.push(Effect::AskDue);
        }
    }

    /// Keeps the plan fresh, so that a meter actor that is started again does not ask for what is known.
    pub(super) fn remember(&mut self, ack: &Ack, job: &Job) {
        let mut meters = self.plan.iter_mut().flat_map(|plan| &mut plan.meters);
        let Some(meter) = meters.find(|meter| meter.id == ack.meter) else { return };
        match (&job.task, ack.kind) {
            (Task::Freeze(day), _) if ack.is_done_with() => {
                meter.freezes_held.insert(*day);
            }
            (_, Kind::Instant) => meter.last_reading_at = meter.last_reading_at.max(Some(ack.as_of)),
            _ => {}
        }
    }

    pub(crate) fn surroundings(&self) -> Option<Arc<Surroundings>> {
        self.around.clone()
    }

    pub(crate) fn meter_plan(&self, meter: MeterId) -> Option<MeterPlan> {
        self.plan.iter().flat_map(|plan| &plan.meters).find(|plan| plan.id == meter).cloned()
    }

    pub(crate) fn link_state(
        &self,
        concentrator: ConcentratorId,
        quarantined_meters: usize,
        decode_level: DecodeLevel,
    ) -> LinkState {
        let session = self.session.as_ref();
        LinkState {
            concentrator,
            peer: session.map(|session| session.peer.clone()),
            online_since: session.map(|session| session.since),
            last_frame_at: session.map(|session| session.last_frame_at),
            frames: session.map_or(0, |session| session.frames),
            bad_frames: session.map_or(0, |session| session.bad),
            jobs_waiting: self.queue.len(),
            points_per_request: self.points,
            meters: self.plan.as_ref().map_or(0, |plan| plan.meters.len()),
            verified_meters: self.verified.len(),
            quarantined_meters,
            decode_level,
        }
    }
}

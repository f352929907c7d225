//! The events that a concentrator counts (ACD, EC): read list by list, in their order, and told to the world.
//!
//! Source: docs/protocols/qgdw376.md, AFN0E.

use std::time::Duration;

use protocols::qgdw376::{EventClass, EventCounters, EventRange, EventRecord, Events, Uplink};

use super::{
    observe,
    state::{Alarm, Effect, State},
};
use crate::{
    job::Task,
    meter,
    ports::{ConcentratorPlan, EventSeen, EventsRead, Report},
    seams::Moment,
};

/// ERC 1 to 3: its data, its version or its parameters may be others, and so may its archive.
const ARCHIVE_IN_DOUBT: [u8; 3] = [1, 2, 3];
/// ERC 33: a meter's status words changed; one of them holds its relay.
const STATUS_CHANGED: u8 = 33;

/// What is known of a concentrator's lists of events.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    counted: Option<EventCounters>,
    important: List,
    general: List,
}

#[derive(Debug, Default)]
struct List {
    /// The record behind the last one that was told; none: none ever was.
    read_to: Option<u8>,
    /// Some are asked for.
    asked: bool,
}

impl Lists {
    /// A new plan says how far the world has been told.
    pub(super) fn take_over(&mut self, plan: &ConcentratorPlan) {
        self.important.read_to = plan.important_events_read_to;
        self.general.read_to = plan.general_events_read_to;
    }

    /// Whatever was asked for is void.
    pub(super) fn forget_asked(&mut self) {
        (self.important.asked, self.general.asked) = (false, false);
    }

    const fn of(&mut self, class: EventClass) -> &mut List {
        match class {
            EventClass::Important => &mut self.important,
            EventClass::General => &mut self.general,
        }
    }
}

impl State {
    /// A frame told how many events there were.
    pub(super) fn counted(&mut self, counters: EventCounters, now: Moment, effects: &mut Vec<Effect>) {
        self.lists.counted = Some(counters);
        self.ask_for_events(now, effects);
    }

    /// Asks for what was counted and not told yet. Of a concentrator that is heard for the first time that is the newest event:
    /// nobody waits for what was before.
    pub(super) fn ask_for_events(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let Some(counters) = self.lists.counted else { return };
        if self.plan.is_none() || self.session.is_none() || self.draining || self.events_rest_until > now.mono {
            return;
        }
        for class in [EventClass::Important, EventClass::General] {
            let (list, counted) = (self.lists.of(class), counters.of(class));
            let from = list.read_to.unwrap_or(counted.saturating_sub(1));
            let wanted = EventRange { class, from, to: counted };
            if list.asked || wanted.records() == 0 {
                continue;
            }
            list.asked = true;
            let to = from.wrapping_add(wanted.records().min(self.settings.events_per_request.max(1)));
            self.enqueue(None, Task::Events(EventRange { class, from, to }), now, effects);
        }
    }

    /// Records came.
    pub(super) fn events_read(
        &mut self,
        asked: EventRange,
        parts: Vec<Uplink>,
        now: Moment,
        effects: &mut Vec<Effect>,
    ) {
        let parts: Vec<Events> = parts.into_iter().filter_map(events).collect();
        let told = parts.last().map_or(asked, |last| EventRange { to: last.range.to, ..asked });
        // It may have told of fewer than it was asked for, but hardly of others.
        let reached = if (1..=asked.records()).contains(&told.records()) { told.to } else { asked.to };
        if let Some(plan) = &self.plan {
            let seen: Vec<EventSeen> = parts.iter().flat_map(|part| self.seen(plan, part)).collect();
            let report = EventsRead {
                concentrator: plan.id,
                important: asked.class == EventClass::Important,
                from: asked.from,
                at: now.wall,
                events: seen.clone(),
            };
            effects.push(Effect::Report(Report::Events(report)));
            if seen.iter().any(|event| ARCHIVE_IN_DOUBT.contains(&event.code)) {
                self.begin_check(now, effects);
            }
            let changed = seen.iter().filter(|event| event.code == STATUS_CHANGED).filter_map(|event| event.meter);
            effects.extend(changed.map(|meter| Effect::Tell(meter, meter::Event::RelayInDoubt)));
        }
        self.told_to(asked.class, reached);
        self.ask_for_events(now, effects);
    }

    /// It says that it has no such records: then nobody will ever have them.
    pub(super) fn events_denied(&mut self, asked: EventRange, now: Moment, effects: &mut Vec<Effect>) {
        let detail = format!("events {} to {} are counted and denied", asked.from, asked.to.wrapping_sub(1));
        effects.push(Effect::Useless { reason: "events_denied", detail });
        self.told_to(asked.class, asked.to);
        self.ask_for_events(now, effects);
    }

    /// Nobody answered: asked again after a while.
    pub(super) fn events_unanswered(&mut self, class: EventClass, now: Moment) {
        self.lists.of(class).asked = false;
        self.events_rest_until = now.mono.saturating_add(Duration::from_secs(self.settings.check_retry_s));
        self.wheel.set(Alarm::Events, self.events_rest_until);
    }

    fn told_to(&mut self, class: EventClass, reached: u8) {
        let list = self.lists.of(class);
        (list.read_to, list.asked) = (Some(reached), false);
    }

    fn seen(&self, plan: &ConcentratorPlan, part: &Events) -> Vec<EventSeen> {
        let numbered = (0_u8..).zip(&part.records);
        numbered.map(|(nth, record)| self.event(plan, part.range.from.wrapping_add(nth), record)).collect()
    }

    fn event(&self, plan: &ConcentratorPlan, number: u8, record: &EventRecord) -> EventSeen {
        // A point names a meter only as far as the archive was proved.
        let meter = record.point().and_then(|point| plan.meters.iter().find(|meter| meter.point == point));
        EventSeen {
            number,
            code: record.code,
            name: record.name().en,
            content: record.content.clone(),
            occurred_at: record.at().ok().flatten().and_then(|time| observe::local(time, &plan.zone)),
            meter: meter.map(|meter| meter.id).filter(|meter| self.verified.contains(meter)),
            is_end: record.is_end(),
        }
    }
}

fn events(part: Uplink) -> Option<Events> {
    match part {
        Uplink::Events(events) => Some(events),
        _ => None,
    }
}

//! The session: login, heartbeat and logout are confirmed with their own number; a newer link replaces an older one; a
//! silent link is given up.

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use protocols::{
    FrameError,
    qgdw376::{Events, Frame, LinkReport, MessageError, TerminalAddress, Uplink},
};

use super::{
    archive::Check,
    exchange::Stage,
    state::{Alarm, Effect, State},
};
use crate::{
    job::{Class, Outcome, Task},
    meter,
    ports::{Report, SessionEvent},
    seams::Moment,
};

/// A link in use.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) link: u64,
    pub(crate) peer: String,
    pub(crate) since: Timestamp,
    pub(crate) last_frame_at: Timestamp,
    pub(crate) frames: u64,
    pub(crate) bad: u64,
    /// Who speaks, once it has spoken; a terminal is asked nothing before its login is confirmed.
    terminal: Option<TerminalAddress>,
    heartbeat_reported: Duration,
    /// Reasons of useless frames that were logged.
    logged: BTreeSet<&'static str>,
}

impl State {
    pub(super) fn attached(&mut self, link: u64, peer: String, now: Moment, effects: &mut Vec<Effect>) {
        if let Some(older) = self.session.as_ref().map(|session| session.link) {
            self.lose(SessionEvent::Lost { at: now.wall, why: "replaced by a newer link".into() }, now, effects);
            effects.push(Effect::Close { link: older });
        }
        effects.push(Effect::Session(SessionEvent::Login { peer: peer.clone(), at: now.wall }));
        self.session = Some(Session {
            link,
            peer,
            since: now.wall,
            last_frame_at: now.wall,
            frames: 0,
            bad: 0,
            terminal: None,
            heartbeat_reported: now.mono,
            logged: BTreeSet::new(),
        });
        self.wheel.set(Alarm::Idle, now.mono.saturating_add(self.settings.idle_deadline()));
        self.wheel.set(Alarm::Clock, now.mono);
        let pause = self.offline_since.map(|since| now.mono.saturating_sub(since));
        if pause.is_none_or(|pause| pause >= Duration::from_millis(self.settings.break_ms)) {
            self.verified.clear();
        }
        if self.verified.is_empty() {
            self.begin_check(now, effects);
        } else {
            self.wheel.set(Alarm::Archive, self.check_at);
        }
        if let Some(plan) = &self.plan {
            self.points = plan.profile.points_per_request;
        }
        self.tell_all(&meter::Event::Online, effects);
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.terminal.is_some())
    }

    pub(super) fn frame(&mut self, link: u64, frame: &Frame, now: Moment, effects: &mut Vec<Effect>) {
        let Some(session) = self.session.as_mut().filter(|session| session.link == link) else { return };
        session.frames = session.frames.saturating_add(1);
        session.last_frame_at = now.wall;
        self.wheel.set(Alarm::Idle, now.mono.saturating_add(self.settings.idle_deadline()));
        if *session.terminal.get_or_insert(frame.address.terminal) != frame.address.terminal {
            let detail = format!("terminal {} on this link", frame.address.terminal);
            return effects.push(Effect::Useless { reason: "other_terminal", detail });
        }
        if let Some(counters) = frame.events {
            self.counted(counters, now, effects);
        }
        match self.message_of(frame) {
            Ok(Uplink::Link(report)) => self.link_report(link, frame, report, now, effects),
            Ok(Uplink::Events(events)) if frame.control.primary => self.events_told(link, frame, &events, now, effects),
            Ok(message) if !frame.control.primary => self.answer(frame, message, now, effects),
            Ok(message) => effects.push(Effect::Useless { reason: "unexpected", detail: format!("{message:?}") }),
            Err(error) => {
                effects.push(Effect::Useless { reason: word(&error), detail: error.to_string() });
                if !frame.control.primary {
                    self.answered_nonsense(frame, now, effects);
                }
            }
        }
    }

    fn link_report(&mut self, link: u64, frame: &Frame, report: LinkReport, now: Moment, effects: &mut Vec<Effect>) {
        match frame.confirmation().encode() {
            Ok(frame) => effects.push(Effect::Send { link, frame }),
            Err(error) => tracing::error!(%error, "a confirmation cannot be encoded"),
        }
        match report {
            LinkReport::Login | LinkReport::Heartbeat => self.heartbeat(now, effects),
            LinkReport::Logout => {
                self.lose(SessionEvent::Logout { at: now.wall }, now, effects);
                effects.push(Effect::Close { link });
            }
        }
    }

    /// A concentrator that may speak by itself tells of an event: it is asked for with all that was not told yet.
    fn events_told(&mut self, link: u64, frame: &Frame, events: &Events, now: Moment, effects: &mut Vec<Effect>) {
        if frame.sequence.confirm
            && let Ok(frame) = frame.confirmation().encode()
        {
            effects.push(Effect::Send { link, frame });
        }
        self.counted(events.counters, now, effects);
    }

    fn heartbeat(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let interval = Duration::from_millis(self.settings.heartbeat_report_ms);
        let Some(session) = &mut self.session else { return };
        if now.mono.saturating_sub(session.heartbeat_reported) >= interval {
            session.heartbeat_reported = now.mono;
            effects.push(Effect::Session(SessionEvent::Heartbeat { at: now.wall }));
        }
    }

    pub(super) fn bad(&mut self, link: u64, error: &FrameError, effects: &mut Vec<Effect>) {
        if let Some(session) = self.session.as_mut().filter(|session| session.link == link) {
            session.bad = session.bad.saturating_add(1);
            effects.push(Effect::Useless { reason: error.reason(), detail: error.to_string() });
        }
    }

    /// Whether this link has not sent frames that are useless for this reason before.
    pub(crate) fn is_news(&mut self, reason: &'static str) -> bool {
        self.session.as_mut().is_some_and(|session| session.logged.insert(reason))
    }

    pub(super) fn closed(&mut self, link: u64, why: String, now: Moment, effects: &mut Vec<Effect>) {
        if self.session.as_ref().is_some_and(|session| session.link == link) {
            self.lose(SessionEvent::Lost { at: now.wall, why }, now, effects);
            effects.push(Effect::Close { link });
        }
    }

    pub(super) fn idle(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        if let Some(link) = self.session.as_ref().map(|session| session.link) {
            self.lose(SessionEvent::Lost { at: now.wall, why: "silent for too long".into() }, now, effects);
            effects.push(Effect::Close { link });
        }
    }

    /// The one place where an online concentrator goes offline: every job gets its outcome here.
    fn lose(&mut self, how: SessionEvent, now: Moment, effects: &mut Vec<Effect>) {
        self.session = None;
        self.offline_since = Some(now.mono);
        for alarm in [Alarm::Idle, Alarm::Answer, Alarm::Queue, Alarm::Archive, Alarm::Clock, Alarm::Events] {
            self.wheel.clear(alarm);
        }
        self.lists.forget_asked();
        if self.check.take().is_some() {
            self.check_at = now.mono;
        }
        if let Some(flight) = self.stage.take_flight() {
            effects.push(flight.ended("lost", now));
            for job in flight.jobs {
                // A command's bytes are on their way: only a read-back can tell what came of it.
                let sent = matches!(job.task, Task::Command(_));
                self.done(&job, if sent { Outcome::NoAnswer } else { Outcome::Offline }, effects);
            }
        }
        for job in self.queue.drain(|_| true) {
            self.done(&job, Outcome::Offline, effects);
        }
        self.tell_all(&meter::Event::Offline, effects);
        effects.push(Effect::Session(how));
    }

    // --- the archive -------------------------------------------------------------------------------------------------

    pub(super) fn begin_check(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let (Some(plan), Some(_)) = (&self.plan, &self.session) else { return };
        self.queue.drain(|job| job.task.class() == Class::Archive);
        self.check = Some(Check::new(&plan.meters, self.settings.archive_records_per_request, self.overwrite));
        self.go_on_checking(now, effects);
    }

    /// The check's next request, or its end.
    pub(super) fn go_on_checking(&mut self, now: Moment, effects: &mut Vec<Effect>) {
        let (Some(check), Some(plan)) = (&mut self.check, &self.plan) else { return };
        if let Some(task) = check.next() {
            return self.enqueue(None, task, now, effects);
        }
        self.verified = check.verified(&plan.meters);
        effects.push(Effect::Report(Report::Archive {
            concentrator: plan.id,
            at: now.wall,
            meters: check.findings(&plan.meters),
        }));
        (self.check, self.overwrite) = (None, false);
        self.check_again(Duration::from_secs(self.settings.archive_check_s), now);
    }

    /// What was not found out stays unverified; the check begins anew after a while.
    pub(super) fn give_up_checking(&mut self, now: Moment) {
        self.check = None;
        self.check_again(Duration::from_secs(self.settings.check_retry_s), now);
    }

    /// The world goes by what it last heard: a look that was lost on the way to it is repeated soon, not tomorrow.
    pub(super) fn look_again(&mut self, alarm: Alarm, now: Moment, effects: &mut Vec<Effect>) {
        let soon = Duration::from_secs(self.settings.check_retry_s);
        match alarm {
            // How far it was told of events stands in the plan.
            Alarm::Events => self.load(effects),
            // A login looks at both anyway.
            _ if self.session.is_none() => {}
            Alarm::Archive => self.check_again(soon, now),
            alarm => self.wheel.set(alarm, now.mono.saturating_add(soon)),
        }
    }

    fn check_again(&mut self, after: Duration, now: Moment) {
        self.check_at = now.mono.saturating_add(after);
        self.wheel.set(Alarm::Archive, self.check_at);
    }
}

impl Stage {
    fn take_flight(&mut self) -> Option<super::exchange::Flight> {
        match std::mem::replace(self, Self::Idle) {
            Self::Waiting(flight) => Some(*flight),
            // The world may be about to mark the order as sent; its word is still awaited.
            authorizing @ Self::Authorizing(_) => {
                *self = authorizing;
                None
            }
            Self::Idle => None,
        }
    }
}

/// The word for a message that makes no sense, for metrics.
const fn word(error: &MessageError) -> &'static str {
    match error {
        MessageError::UnknownAfn(_) => "unknown_afn",
        MessageError::UnknownFunction { .. } => "unknown_function",
        MessageError::Direction => "direction",
        _ => "content",
    }
}

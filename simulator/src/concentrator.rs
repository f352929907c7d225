//! A virtual concentrator: its side of Q/GDW 376.1 as a pure machine. Bytes and the present go in; bytes to send, a
//! moment to wait for, or the wish to hang up come out. Habits: docs/protocols/qgdw376.md sections 1 and 6.
//!
//! It takes one request at a time and carries it out at the moment its answer leaves, so an answer that is lost or
//! spoilt leaves a request carried out.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use protocols::{
    EncodeError, Framer, Secret,
    qgdw376::{
        Address, Afn, AnswerHeader, Confirmation, Downlink, EventClass, EventRecord, Forward, Forwarded, Frame,
        LinkReport, MAX_FRAME, TerminalAddress, TimeTag, Timeout, Uplink,
    },
};
use tracing::debug;

use crate::{
    bus::Bus,
    faults::{Fault, Faults, spoil_checksum},
    notes::Notes,
};

/// How a concentrator keeps its link and answers.
#[derive(Debug, Clone)]
pub struct ConcentratorSettings {
    /// From one confirmed heartbeat to the next.
    pub heartbeat: SignedDuration,
    /// How long it waits for the confirmation of a login or heartbeat before it sends it again.
    pub confirm_timeout: SignedDuration,
    /// How often it sends one before it hangs up.
    pub confirm_tries: u32,
    /// From a request to the answer that the concentrator can give by itself.
    pub answer_delay: SignedDuration,
    /// From a request to the answer that a meter gives (AFN10).
    pub meter_delay: SignedDuration,
    /// The most measuring points in one answer; those above it are left out.
    pub points_per_answer: usize,
    /// The most requests that wait while one is worked on; those above it are lost.
    pub requests_waiting: usize,
    /// PW that it wants with AFN04 and AFN10.
    pub password: Secret<16>,
}

/// What a concentrator wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These bytes go out.
    Send(Vec<u8>),
    /// The link shall end.
    HangUp,
    /// Nothing before this moment, unless bytes come.
    Wait(Timestamp),
}

/// A login, heartbeat or logout that is not confirmed.
#[derive(Debug)]
struct Report {
    kind: LinkReport,
    tries: u32,
    due: Timestamp,
}

/// A request that is worked on.
#[derive(Debug)]
struct Work {
    request: Frame,
    fault: Option<Fault>,
    due: Timestamp,
}

/// A concentrator with the meters behind it.
#[derive(Debug)]
pub struct Concentrator {
    address: TerminalAddress,
    settings: ConcentratorSettings,
    faults: Faults,
    bus: Bus,
    framer: Framer<Frame>,
    logged_in: bool,
    hang_up: bool,
    away_until: Timestamp,
    report: Option<Report>,
    report_number: u8,
    heartbeat_due: Timestamp,
    waiting: VecDeque<Frame>,
    work: Option<Work>,
    /// The last request's SEQ number with the answer, for repeats.
    answered: Option<(u8, Vec<u8>)>,
    notes: Notes,
}

impl Concentrator {
    /// A concentrator that has not dialled yet.
    #[must_use]
    pub fn new(address: TerminalAddress, settings: ConcentratorSettings, faults: Faults, bus: Bus) -> Self {
        Self {
            address,
            settings,
            faults,
            bus,
            framer: Framer::new(MAX_FRAME),
            logged_in: false,
            hang_up: false,
            away_until: Timestamp::MIN,
            report: None,
            report_number: 0,
            heartbeat_due: Timestamp::MAX,
            waiting: VecDeque::new(),
            work: None,
            answered: None,
            notes: Notes::default(),
        }
    }

    /// Something happens that it notes; an important event is announced until the head end has read it.
    pub fn note(&mut self, class: EventClass, event: EventRecord) {
        self.notes.take(class, event);
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> TerminalAddress {
        self.address
    }

    /// The meters behind it and its memory of them.
    pub fn bus(&mut self) -> &mut Bus {
        &mut self.bus
    }

    /// The faults of its answers.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// Whether the head end confirmed a login on the present link.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    /// A link is there: begins with a login.
    pub fn link_up(&mut self, now: Timestamp) {
        self.link_down();
        self.begin_report(LinkReport::Login, now);
    }

    /// The link is gone, and with it all that was under way. Returns whether its login was confirmed.
    pub fn link_down(&mut self) -> bool {
        self.framer = Framer::new(MAX_FRAME);
        self.hang_up = false;
        self.report = None;
        self.heartbeat_due = Timestamp::MAX;
        self.waiting.clear();
        self.work = None;
        self.answered = None;
        std::mem::take(&mut self.logged_in)
    }

    /// Hangs up, and dials no earlier than `away` from now.
    pub fn drop_link(&mut self, away: SignedDuration, now: Timestamp) {
        self.hang_up = true;
        self.away_until = now.saturating_add(away).unwrap_or(now);
    }

    /// How long it still wants to stay away; `None` when it may dial.
    #[must_use]
    pub fn away(&self, now: Timestamp) -> Option<SignedDuration> {
        Some(now.duration_until(self.away_until)).filter(SignedDuration::is_positive)
    }

    /// Tells the head end that it leaves, then hangs up.
    pub fn log_out(&mut self, now: Timestamp) {
        self.begin_report(LinkReport::Logout, now);
    }

    /// Takes bytes from the head end.
    pub fn receive(&mut self, mut bytes: &[u8], now: Timestamp) {
        loop {
            match self.framer.next(&mut bytes) {
                Ok(Some(frame)) => self.take(frame, now),
                Ok(None) => return,
                Err(error) => debug!(concentrator = %self.address, %error, "a virtual concentrator refused bytes"),
            }
        }
    }

    fn take(&mut self, frame: Frame, now: Timestamp) {
        if frame.control.uplink || frame.address.terminal != self.address {
            return;
        }
        if frame.afn == Afn::Confirm {
            self.take_confirmation(&frame, now);
        } else if self.waiting.len() < self.settings.requests_waiting {
            self.waiting.push_back(frame);
        }
    }

    fn take_confirmation(&mut self, frame: &Frame, now: Timestamp) {
        let denied = matches!(Downlink::decode(frame), Err(_) | Ok(Downlink::Confirm(Confirmation::Denied)));
        if denied || frame.sequence.number != self.report_number {
            return;
        }
        if let Some(report) = self.report.take() {
            self.logged_in |= report.kind == LinkReport::Login;
            self.heartbeat_due = now.saturating_add(self.settings.heartbeat).unwrap_or(Timestamp::MAX);
        }
    }

    /// What to do now. Call it again after each [`Step::Send`], when the awaited moment has come, and after
    /// [`Self::receive`].
    pub fn step(&mut self, now: Timestamp) -> Step {
        let round = self.bus.round(now);
        if self.heartbeat_due <= now && self.report.is_none() {
            self.begin_report(LinkReport::Heartbeat, now);
        }
        if self.hang_up {
            return Step::HangUp;
        }
        if self.report.as_ref().is_some_and(|report| report.due <= now) {
            return self.send_report(now);
        }
        loop {
            self.begin_work(now);
            match self.work.take_if(|work| work.due <= now) {
                None => break,
                Some(work) => match self.finish(work, now) {
                    Some(bytes) => return Step::Send(bytes),
                    None if self.hang_up => return Step::HangUp,
                    None => {}
                },
            }
        }
        let report_due = self.report.as_ref().map_or(self.heartbeat_due, |report| report.due);
        let work_due = self.work.as_ref().map(|work| work.due);
        Step::Wait(report_due.min(work_due.unwrap_or(report_due)).min(round.unwrap_or(report_due)))
    }

    fn begin_report(&mut self, kind: LinkReport, now: Timestamp) {
        self.report_number = (self.report_number + 1) & 0x0F;
        self.report = Some(Report { kind, tries: 0, due: now });
    }

    fn send_report(&mut self, now: Timestamp) -> Step {
        let Some(report) = self.report.as_mut().filter(|report| report.tries < self.settings.confirm_tries) else {
            return Step::HangUp;
        };
        report.tries += 1;
        report.due = now.saturating_add(self.settings.confirm_timeout).unwrap_or(Timestamp::MAX);
        let kind = report.kind;
        // Nobody waits for the confirmation of a logout.
        self.hang_up = kind == LinkReport::Logout;
        let header = AnswerHeader {
            address: Address::new(self.address, 0),
            number: self.report_number,
            events: self.notes.announced(),
            time_tag: None,
        };
        encode(&Uplink::Link(kind), &header).map_or(Step::HangUp, Step::Send)
    }

    fn begin_work(&mut self, now: Timestamp) {
        if self.work.is_some() {
            return;
        }
        let Some(request) = self.waiting.pop_front() else { return };
        let forwarded = self.forwarded(&request).is_some();
        let fault = self.faults.draw(forwarded);
        let later = if let Some(Fault::Delay(later)) = fault { later } else { SignedDuration::ZERO };
        let due = now.saturating_add(self.duration(&request).saturating_add(later)).unwrap_or(now);
        self.work = Some(Work { request, fault, due });
    }

    /// What a request sends on to a meter: nothing without the right password, nor where it is answered from memory.
    fn forwarded(&self, request: &Frame) -> Option<Forward> {
        let remembered = self.answered.as_ref().is_some_and(|(number, _)| repeats(request, *number));
        match Downlink::decode(request) {
            Ok(Downlink::Forward(forward)) if self.permits(request) && !remembered => Some(forward),
            _ => None,
        }
    }

    fn permits(&self, request: &Frame) -> bool {
        !request.afn.has_password() || request.password == Some(self.settings.password)
    }

    fn duration(&self, request: &Frame) -> SignedDuration {
        match Downlink::decode(request) {
            Ok(Downlink::Forward(forward)) if self.bus.reaches(&forward.bytes) => self.settings.meter_delay,
            Ok(Downlink::Forward(forward)) => match forward.frame_timeout {
                Timeout::Seconds(seconds) => SignedDuration::from_secs(seconds.into()),
                Timeout::Centiseconds(centiseconds) => SignedDuration::from_millis(i64::from(centiseconds) * 10),
            },
            _ => self.settings.answer_delay,
        }
    }

    fn finish(&mut self, work: Work, now: Timestamp) -> Option<Vec<u8>> {
        if let Some(Fault::LateDelivery(after)) = work.fault {
            let late = self.forwarded(&work.request)?;
            self.answered = None;
            self.bus.forward_late(&late.bytes, now.saturating_add(after).unwrap_or(now));
            return None;
        }
        let header = self.answer_header(&work.request, now);
        let bytes = if work.fault == Some(Fault::Refusal) {
            encode(&Uplink::Confirm(Confirmation::Denied), &header).ok()?
        } else {
            self.answer(&work.request, &header, now)?
        };
        match work.fault {
            None | Some(Fault::Delay(_) | Fault::Refusal) => Some(bytes),
            Some(Fault::NoAnswer | Fault::LateDelivery(_)) => None,
            Some(Fault::WrongChecksum) => Some(spoil_checksum(bytes)),
            Some(Fault::CutFrame) => Some(self.faults.cut(bytes)),
            Some(Fault::Flipped) => Some(self.faults.flip(bytes)),
            Some(Fault::Glued) => Some(self.faults.glue(&bytes)),
            Some(Fault::Repeated) => Some(bytes.repeat(2)),
            Some(Fault::Reconnect(away)) => {
                self.drop_link(away, now);
                None
            }
        }
    }

    fn answer_header(&self, request: &Frame, now: Timestamp) -> AnswerHeader {
        let own_clock = |tag: TimeTag| TimeTag::new(tag.counter, self.bus.clock(now), tag.permitted_delay).ok();
        AnswerHeader {
            address: request.address,
            number: request.sequence.number,
            events: self.notes.announced(),
            time_tag: request.time_tag.and_then(own_clock),
        }
    }

    /// The answer to a request; the stored one where it repeats the last request's number without a time tag.
    fn answer(&mut self, request: &Frame, header: &AnswerHeader, now: Timestamp) -> Option<Vec<u8>> {
        let number = request.sequence.number;
        let repeated = self.answered.take().filter(|(last, _)| repeats(request, *last));
        let bytes = match repeated {
            Some((_, stored)) => stored,
            None => {
                let answer = self.carry_out(request, now);
                // What does not fit into a frame is refused.
                encode(&answer, header).or_else(|_| encode(&Uplink::Confirm(Confirmation::Denied), header)).ok()?
            }
        };
        if request.time_tag.is_none() {
            self.answered = Some((number, bytes.clone()));
        }
        Some(bytes)
    }

    fn carry_out(&mut self, request: &Frame, now: Timestamp) -> Uplink {
        let denied = Uplink::Confirm(Confirmation::Denied);
        if !self.permits(request) {
            return denied;
        }
        let most = self.settings.points_per_answer;
        match Downlink::decode(request) {
            Ok(Downlink::SetArchive(records)) if self.bus.set_archive(&records) => Uplink::Confirm(Confirmation::All),
            Ok(Downlink::QueryArchive(serials)) => Uplink::Archive(self.bus.query_archive(&serials)),
            Ok(Downlink::QueryClock) => Uplink::Clock(Ok(Some(self.bus.clock(now)))),
            Ok(Downlink::QueryEventCounters) => Uplink::EventCounters(self.notes.counters()),
            Ok(Downlink::QueryEnergy(points)) => {
                let known = self.bus.energy(points.get(..most).unwrap_or(&points), now);
                if known.is_empty() { denied } else { Uplink::Energy(known) }
            }
            Ok(Downlink::QueryDailyFreeze(requests)) => {
                let known = self.bus.daily_freezes(requests.get(..most).unwrap_or(&requests), now);
                if known.is_empty() { denied } else { Uplink::DailyFreeze(known) }
            }
            Ok(Downlink::QueryEvents(range)) => self.notes.read(range).map_or(denied, Uplink::Events),
            Ok(Downlink::Forward(forward)) => match self.bus.forward(&forward.bytes, now) {
                Some(bytes) => Uplink::Forwarded(Forwarded { port: forward.port, bytes }),
                None => denied,
            },
            Ok(
                Downlink::SetArchive(_)
                | Downlink::SetParameter(_)
                | Downlink::SetClock(_)
                | Downlink::Confirm(_)
                | Downlink::Enquiry(_),
            )
            | Err(_) => denied,
        }
    }
}

/// Whether a request has the number of the last one, and no time tag that makes it one of its own.
fn repeats(request: &Frame, last: u8) -> bool {
    request.time_tag.is_none() && request.sequence.number == last
}

fn encode(uplink: &Uplink, header: &AnswerHeader) -> Result<Vec<u8>, EncodeError> {
    uplink.frame(header)?.encode()
}

#[cfg(test)]
mod tests;

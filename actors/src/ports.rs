//! The one door from the actors to the world: [`Port`], what it hands in and what it is told.
//!
//! The root crate implements it by calling its operations. Every answer is a future that may be awaited on any thread;
//! actors put a deadline on each (`port_deadline_s`) and treat a missed one as [`PortError::Unavailable`].

use std::{collections::BTreeSet, sync::Arc};

use domain::{
    ids::{ConcentratorId, MeterId, OrderId},
    reading::{Kind, Observation, Quality, Registers},
    relay::{
        RelayControl, RelayReading,
        order::{Event, Order},
    },
    site::Policy,
};
use futures_util::future::BoxFuture;
use jiff::{
    Timestamp,
    civil::Date,
    tz::{Offset, TimeZone},
};
use protocols::{
    Secret,
    dlt645::{MeterAddress, Password},
    qgdw376::{LineSettings, TerminalAddress},
};

/// What a [`Port`] call resolves to.
pub type Answer<T> = BoxFuture<'static, Result<T, PortError>>;

/// Why the world did not answer. Nothing here is the peer's fault; the actors try again later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortError {
    /// The database or a queue before it is full or away; the same call may succeed later.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The row asked about does not exist or contradicts the call; repeating the call will not help.
    #[error("refused: {0}")]
    Refused(String),
}

/// Everything the actors need from the world, and nothing else.
pub trait Port: Send + Sync + 'static {
    /// Whose terminal dialled in. `None`: unknown; the implementor lists it and the session is refused.
    fn identify(&self, terminal: TerminalAddress, peer: String) -> Answer<Option<ConcentratorId>>;

    /// The archive and state of a concentrator. Called when its actor starts and on `reload`; what is read
    /// in between is kept up here from the [`Ack`]s.
    fn load(&self, concentrator: ConcentratorId) -> Answer<ConcentratorPlan>;

    /// A session began, is alive, or ended. After a login `due` is asked for next: live orders of its meters need not wait
    /// any longer ([`Event::Reachable`]).
    fn session(&self, concentrator: ConcentratorId, event: SessionEvent) -> Answer<()>;

    /// Stores what was read. `Ok` only after the commit, one [`Ack`] per observation in the same order. `urgent`: somebody
    /// waits (a read now, an order), so do not wait for the batch to fill.
    fn ingest(&self, observations: Vec<Observation>, urgent: bool) -> Answer<Vec<Ack>>;

    /// Live relay orders whose next move is due, of one concentrator or (`None`: the scan each second) of all.
    fn due(&self, of: Option<ConcentratorId>) -> Answer<Vec<DueOrder>>;

    /// Decides again, immediately before the bytes. [`Authorization::Send`] means: durably marked `sent`.
    fn authorize(&self, order: OrderId) -> Answer<Authorization>;

    /// Stores what happened to an order and returns the row after the transition, durably.
    fn record(&self, order: OrderId, event: Event) -> Answer<Order>;

    /// Something the operators or the rules should know; see [`Report`].
    fn report(&self, report: Report) -> Answer<()>;
}

/// A concentrator as the archive has it.
#[derive(Debug, Clone)]
pub struct ConcentratorPlan {
    /// Its identifier.
    pub id: ConcentratorId,
    /// The terminal address it answers to (A1 region, A2 terminal).
    pub terminal: TerminalAddress,
    /// The site's time zone: days and slots are local ones.
    pub zone: TimeZone,
    /// The site's rules, of which polling and relay are used here.
    pub policy: Arc<Policy>,
    /// How to talk to it.
    pub profile: ConcentratorProfile,
    /// The meters behind it.
    pub meters: Vec<MeterPlan>,
    /// The number behind that of the last important event that is stored; none: none is.
    pub important_events_read_to: Option<u8>,
    /// The same of general events.
    pub general_events_read_to: Option<u8>,
}

/// How to talk to a concentrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcentratorProfile {
    /// Measuring points asked for in one F129 or F161 request (default 8); halved on refusal or partial answers.
    pub points_per_request: u32,
    /// The message authentication field of setting and forwarding requests (PW, 16 bytes).
    pub password: Secret<16>,
    /// Our master station address (MSA, 0 to 127), copied by the terminal into its answers.
    pub msa: u8,
    /// What the concentrator is given to reach a meter for a relay order, its read-back or a read now, in seconds (default 60).
    pub order_forward_timeout_s: u8,
    /// The same for scheduled forwards (default 20), so that a poll never blocks an order for a minute.
    pub poll_forward_timeout_s: u8,
    /// Gap between bytes of a meter's answer after which the concentrator stops listening, in units of 10 ms (default 10).
    pub byte_timeout_10ms: u8,
}

/// A meter as the archive has it, and what is already known of it.
#[derive(Debug, Clone)]
pub struct MeterPlan {
    /// Its identifier.
    pub id: MeterId,
    /// Its DL/T 645 address (12 digits).
    pub address: MeterAddress,
    /// Serial number of its record in the concentrator's archive (F10), 1 to 2040.
    pub serial: u16,
    /// Its measuring point (pn), 1 to 2040.
    pub point: u16,
    /// The concentrator's port it hangs on, 1 to 31 (31 = carrier).
    pub port: u8,
    /// Rate of that port as its archive record (F10) codes it, 0 to 7; see [`protocols::qgdw376::ArchiveRecord::rate`].
    pub rate: u8,
    /// How the concentrator sets that port for a forwarded frame.
    pub line: LineSettings,
    /// How to read and switch it.
    pub profile: MeterProfile,
    /// The first local day whose freeze is wanted.
    pub since: Date,
    /// Days of the last few whose freeze reading is stored.
    pub freezes_held: BTreeSet<Date>,
    /// When its newest good instant reading was taken.
    pub last_reading_at: Option<Timestamp>,
}

/// How to read and switch a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterProfile {
    /// Tariff periods the meter keeps (1 to 48), as the F10 record states it.
    pub tariffs: u8,
    /// Whether and how its relay takes commands; without, it is not read either.
    pub relay_control: RelayControl,
    /// The DL/T 645 password of relay control, usually of level 2.
    pub relay_password: Password,
    /// The operator code of relay control, up to 8 digits.
    pub relay_operator: u32,
    /// The password written into the archive record (F10), six bytes as they are.
    pub archive_password: Secret<6>,
    /// The offset from UTC that its clock keeps all year, where it is not set as the site's clocks are: its days end at that
    /// clock's midnight, and so do its daily freezes.
    pub utc_offset: Option<Offset>,
}

/// What a session reports of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The terminal logged in, or spoke first on a new link.
    Login {
        /// Where it dialled in from.
        peer: String,
        /// When.
        at: Timestamp,
    },
    /// The terminal was heard; at most one per `heartbeat_report_s`.
    Heartbeat {
        /// When.
        at: Timestamp,
    },
    /// The terminal logged out.
    Logout {
        /// When.
        at: Timestamp,
    },
    /// The link broke, stayed silent too long, or was replaced.
    Lost {
        /// When.
        at: Timestamp,
        /// Why, in a few words for operators.
        why: String,
    },
}

/// What became of one observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The meter.
    pub meter: MeterId,
    /// When the registers stood so.
    pub as_of: Timestamp,
    /// How it came about.
    pub kind: Kind,
    /// What the meter showed.
    pub registers: Registers,
    /// How it was judged.
    pub quality: Quality,
    /// Whether the same reading was stored before.
    pub duplicate: bool,
}

/// An order whose next move is due, and where.
#[derive(Debug, Clone)]
pub struct DueOrder {
    /// The concentrator the meter is behind.
    pub concentrator: ConcentratorId,
    /// The stored order.
    pub order: Order,
}

/// The last word before the bytes.
#[derive(Debug, Clone)]
pub enum Authorization {
    /// Send it: the row is durably marked `sent`.
    Send(Order),
    /// Not now; ask again then.
    Held {
        /// The latest known end of what holds it.
        until: Timestamp,
    },
    /// It must not be sent any more (superseded, expired, failed).
    Ended(Order),
}

/// What the actors found out.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// The archive read back from the concentrator, compared with ours.
    Archive {
        /// Where it was read.
        concentrator: ConcentratorId,
        /// When.
        at: Timestamp,
        /// Each meter and what the concentrator holds under its serial number.
        meters: Vec<(MeterId, ArchiveFinding)>,
    },
    /// A meter answered after a silence: its live order need not wait any longer. `due` is asked for next.
    Reachable {
        /// The meter.
        meter: MeterId,
        /// When.
        at: Timestamp,
    },
    /// A relay was read, for an order or without.
    RelaySeen {
        /// The meter.
        meter: MeterId,
        /// What it showed.
        reading: RelayReading,
        /// When.
        at: Timestamp,
    },
    /// The concentrator's clock against ours.
    ConcentratorClock {
        /// The concentrator.
        concentrator: ConcentratorId,
        /// Its clock minus ours, in seconds.
        drift_s: i64,
        /// When.
        at: Timestamp,
    },
    /// Events that a concentrator counted were read.
    Events(EventsRead),
    /// An actor failed too often and is no longer started; `reload` of its concentrator starts it again.
    Quarantined {
        /// Which.
        what: Supervised,
        /// Restarts within the window before it was given up.
        restarts: u32,
        /// When.
        at: Timestamp,
    },
}

/// Records of one of a concentrator's lists of events (AFN0E), in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsRead {
    /// The concentrator.
    pub concentrator: ConcentratorId,
    /// Of the important ones; otherwise of the general ones.
    pub important: bool,
    /// The number of the first record that was asked for.
    pub from: u8,
    /// When they were read.
    pub at: Timestamp,
    /// The events; some of them may have been told before.
    pub events: Vec<EventSeen>,
}

/// An event that a concentrator noted.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSeen {
    /// Its number in its list, modulo 256.
    pub number: u8,
    /// ERC: what happened.
    pub code: u8,
    /// The same in English.
    pub name: String,
    /// The record's content, as it came.
    pub content: Vec<u8>,
    /// When, by the concentrator's clock; none: it does not say.
    pub occurred_at: Option<Timestamp>,
    /// The meter that it is about; none: the concentrator itself, or a meter that its archive does not prove.
    pub meter: Option<MeterId>,
    /// Whether something is over that an earlier event began.
    pub is_end: bool,
}

/// An actor under supervision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supervised {
    /// The actor of a meter.
    Meter(MeterId),
    /// The actor of a concentrator.
    Concentrator(ConcentratorId),
}

/// What a concentrator's archive holds under a meter's serial number (AFN0A F10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFinding {
    /// Our record.
    Matches,
    /// Nothing; a download is due.
    Absent,
    /// Another meter, port or protocol. Its readings bill nobody until an operator orders `sync_archive`.
    Foreign {
        /// The address in the record.
        address: MeterAddress,
    },
}

//! What meters and concentrators want asked, and what came of it.

use std::time::Duration;

use domain::{
    ids::{MeterId, OrderId},
    reading::Quality,
    relay::RelayReading,
};
use jiff::{Timestamp, civil::Date};
use protocols::{dlt645::MeterError, qgdw376::EventRange};

use crate::ports::Ack;

/// One thing to be asked. At most one of each per asker is in the queue at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Task {
    /// Send the command of a relay order (DL/T 645 1CH in AFN10 F1).
    Command(OrderId),
    /// Read the relay back for an order (04000503 in AFN10 F1).
    ReadBack,
    /// Read the registers from the meter itself (in AFN10 F1).
    ReadNow {
        /// Total and periods (0001FF00) or the total alone (00010000).
        block: bool,
    },
    /// Ask what an operator wants to know; the number of the enquiry.
    Enquire(u64),
    /// Compare records of the archive, by serial number (AFN0A F10).
    ReadArchive(Vec<u16>),
    /// Write records of the archive, by serial number (AFN04 F10).
    WriteArchive(Vec<u16>),
    /// The instant registers (AFN0C F129).
    Instant,
    /// The freeze at the end of a day (AFN0D F161).
    Freeze(Date),
    /// Read the relay without an order.
    RelayCheck,
    /// The concentrator's clock (AFN0C F2).
    Clock,
    /// How many events there were (AFN0C F7).
    EventCounters,
    /// Records of events (AFN0E F1, F2).
    Events(EventRange),
}

/// Who goes first: the order of the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    RelayOrder,
    ReadNow,
    /// Before the polls, which are worth more once the archive is known to match.
    Archive,
    Event,
    Poll,
    Backfill,
    Clock,
}

impl Task {
    pub(crate) const fn class(&self) -> Class {
        match self {
            Self::Command(_) | Self::ReadBack => Class::RelayOrder,
            Self::ReadNow { .. } | Self::Enquire(_) => Class::ReadNow,
            Self::ReadArchive(_) | Self::WriteArchive(_) => Class::Archive,
            Self::Events(_) => Class::Event,
            Self::Instant => Class::Poll,
            Self::Freeze(_) | Self::RelayCheck => Class::Backfill,
            Self::Clock | Self::EventCounters => Class::Clock,
        }
    }

    /// Whether jobs of several meters may share one request.
    pub(crate) const fn is_batched(&self) -> bool {
        matches!(self, Self::Instant | Self::Freeze(_))
    }

    /// Whether an unanswered request is sent again by the queue. An order's next step is decided from its row instead,
    /// somebody waits for a read now or an enquiry, and a relay check has an interval of its own.
    pub(crate) const fn is_repeated(&self) -> bool {
        !matches!(self, Self::Command(_) | Self::ReadBack | Self::ReadNow { .. } | Self::Enquire(_) | Self::RelayCheck)
    }

    /// The word for it in metrics.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "relay_command",
            Self::ReadBack => "relay_read_back",
            Self::ReadNow { .. } => "read_now",
            Self::Enquire(_) => "enquiry",
            Self::ReadArchive(_) => "archive_read",
            Self::WriteArchive(_) => "archive_write",
            Self::Instant => "poll",
            Self::Freeze(_) => "daily_freeze",
            Self::RelayCheck => "relay_check",
            Self::Clock => "clock",
            Self::EventCounters => "event_counters",
            Self::Events(_) => "events",
        }
    }
}

/// A task in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// The meter it is about; `None`: the concentrator itself.
    pub(crate) meter: Option<MeterId>,
    pub(crate) task: Task,
    /// How often it was sent already.
    pub(crate) attempts: u32,
    /// When it came into the queue.
    pub(crate) since: Duration,
    /// It rests until then.
    pub(crate) not_before: Duration,
}

impl Job {
    pub(crate) const fn new(meter: Option<MeterId>, task: Task, now: Duration) -> Self {
        Self { meter, task, attempts: 0, since: now, not_before: now }
    }
}

/// What came of a job: each job has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A reading, committed.
    Stored(Ack),
    /// A reading that the world did not take; it will be asked for again.
    NotStored,
    /// The concentrator has no value (yet).
    NotAvailable,
    /// The relay was read.
    Relay(RelayReading),
    /// The meter took the command.
    Taken,
    /// The meter answered with an error.
    Refused(MeterError),
    /// Nobody answered, or with something else.
    NoAnswer,
    /// The command was not sent: ask for the order again then.
    Held(Timestamp),
    /// The command was not sent, and must not be any more.
    Superseded,
    /// The command was not sent, because the world did not say whether to.
    NotAuthorized,
    /// There is no link, or it broke before the job's turn.
    Offline,
    /// The queue is full.
    QueueFull,
}

impl Ack {
    /// Whether the same need not be asked for again: a suspect reading may yet come as a good one, once the archive is proved.
    pub(crate) fn is_done_with(&self) -> bool {
        self.quality != Quality::Suspect
    }
}

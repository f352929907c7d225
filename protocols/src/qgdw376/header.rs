//! What travels around a message: addresses, counters, passwords.

use super::{Address, EventCounters, TimeTag};
use crate::Secret;

/// What a request carries besides its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader {
    /// The concentrator, and the master that asks.
    pub address: Address,
    /// PFC: one more for each new request to a concentrator (modulo 256), the same when repeated. Its low four bits
    /// are sent as PSEQ.
    pub counter: u8,
    /// FCB: toggled for each new request to a concentrator, the same when repeated; `None` where it is not used.
    pub fcb: Option<bool>,
    /// PW: sent with the AFNs that want one.
    pub password: Secret<16>,
    /// Tp, if wanted.
    pub time_tag: Option<TimeTag>,
}

/// What an answer or a report of a concentrator carries besides its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerHeader {
    /// The concentrator, with the master of the request (0 in reports).
    pub address: Address,
    /// The request's SEQ number, or the report's own.
    pub number: u8,
    /// EC, if important events wait.
    pub events: Option<EventCounters>,
    /// Tp, if the request had one.
    pub time_tag: Option<TimeTag>,
}

//! Relays: what they are found to be, who wants them so, and the orders that change them.

use serde::{Deserialize, Serialize};

/// A relay's state as read, and the state last commanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayState {
    /// Supply flows.
    Connected,
    /// Supply is cut.
    Disconnected,
}

/// One look at a relay: DL/T 645 status word 3 (04000503), bit 4 and bit 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayReading {
    /// The relay itself (bit 4).
    pub relay: RelayState,
    /// The command it last took (bit 6). Commanded connected while disconnected: a permit waits for the customer's button.
    pub command: RelayState,
    /// Whether the meter itself sells electricity (bits 8-9 not 00); such a meter is refused for head-end credit.
    pub local_prepay: bool,
}

/// What an order does to supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// 拉闸
    Disconnect,
    /// 合闸
    Reconnect,
}

/// Why supply is not wanted at a meter. Supply is wanted when a meter's set of causes is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The money ran out. The only cause that money removes.
    Credit,
    /// An operator ordered it.
    Operator,
    /// The customer ordered it.
    Customer,
    /// A calendar ordered it.
    Schedule,
    /// Work on the line.
    Safety,
    /// The account was closed.
    AccountClosed,
    /// Found disconnected without an order of ours.
    Unknown,
}

//! Relays: what they are found to be, who wants them so, and the orders that change them.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

pub mod ask;
pub mod decide;
pub mod found;
pub mod mass_cut;
pub mod order;
pub mod proof;
pub mod schedule;
pub mod wait;

words! {
    /// A relay's state as read, and the state last commanded.
    pub enum RelayState {
        /// Supply flows.
        Connected = "connected",
        /// Supply is cut.
        Disconnected = "disconnected",
    }
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

impl RelayReading {
    /// Whether supply is cut and stays so: a permit that waits for the customer's button counts as connected.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.relay == RelayState::Disconnected && self.command == RelayState::Disconnected
    }

    /// Whether a permit waits for the customer's button.
    #[must_use]
    pub fn awaits_customer(&self) -> bool {
        self.relay == RelayState::Disconnected && self.command == RelayState::Connected
    }
}

words! {
    /// What an order does to supply.
    pub enum Action {
        /// 拉闸
        Disconnect = "disconnect",
        /// 合闸
        Reconnect = "reconnect",
    }
}

words! {
    /// Whether and how a meter's profile lets us move its relay.
    pub enum RelayControl {
        /// Not at all.
        None = "none",
        /// By DL/T 645 0x1C with a password.
        Plain = "plain",
    }
}

words! {
    /// Why supply is not wanted at a meter. Supply is wanted when a meter's set of causes is empty.
    pub enum Cause {
        /// The money ran out. The only cause that money removes.
        Credit = "credit",
        /// An operator ordered it.
        Operator = "operator",
        /// The customer ordered it.
        Customer = "customer",
        /// A calendar ordered it.
        Schedule = "schedule",
        /// Work on the line.
        Safety = "safety",
        /// The account was closed.
        AccountClosed = "account_closed",
        /// Found disconnected without an order of ours.
        Unknown = "unknown",
    }
}

/// A meter's set of causes; empty where supply is wanted. Text: the words in order, parted by commas. JSON: a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Causes(BTreeSet<Cause>);

impl Causes {
    /// No cause: supply is wanted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether supply is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `cause` is among them.
    #[must_use]
    pub fn contains(&self, cause: Cause) -> bool {
        self.0.contains(&cause)
    }

    /// With `cause` as well.
    #[must_use]
    pub fn with(&self, cause: Cause) -> Self {
        let mut causes = self.0.clone();
        causes.insert(cause);
        Self(causes)
    }

    /// Without `cause`.
    #[must_use]
    pub fn without(&self, cause: Cause) -> Self {
        let mut causes = self.0.clone();
        causes.remove(&cause);
        Self(causes)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Cause> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Cause> for Causes {
    fn from_iter<I: IntoIterator<Item = Cause>>(causes: I) -> Self {
        Self(causes.into_iter().collect())
    }
}

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cause) in self.iter().enumerate() {
            write!(f, "{}{cause}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

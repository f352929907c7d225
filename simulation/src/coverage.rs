//! What runs went through: how often each fault happened, each state was visited. What is expected and was never seen is
//! listed with a zero, so that a fault that silently stopped happening is noticed.

use std::{collections::BTreeMap, fmt};

use domain::{
    notice,
    reading::Quality,
    relay::{decide::Guard, order},
};

use crate::errand::Wish;

/// How often things happened, by group and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// One more.
    pub fn add(&mut self, what: &str) {
        self.add_many(what, 1);
    }

    /// So many more; 0 lists it.
    pub fn add_many(&mut self, what: &str, times: u64) {
        match self.0.get_mut(what) {
            Some(count) => *count += times,
            None => drop(self.0.insert(what.to_owned(), times)),
        }
    }

    /// All of `other`, each name under `group`.
    pub fn add_all(&mut self, group: &str, other: &Self) {
        for (what, times) in &other.0 {
            self.add_many(&format!("{group}: {what}"), *times);
        }
    }

    /// All of another run's.
    pub fn merge(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            self.add_many(what, *times);
        }
    }

    /// What never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, times)| **times == 0).map(|(what, _)| what.as_str()).collect()
    }

    /// How often something happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:>12}  {what}"))
    }
}

/// Every name that many seeds together are expected to see.
#[must_use]
pub fn expected() -> Counts {
    let mut all = Counts::default();
    let mut list = |group: &str, names: &[&str]| {
        names.iter().for_each(|name| all.add_many(&format!("{group}: {name}"), 0));
    };
    list("order", &order::State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>());
    list("step", STEPS);
    list("guard", &Guard::ALL.iter().map(|guard| guard.as_str()).collect::<Vec<_>>());
    list("notice", &notice::Kind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
    list("reading", &[Quality::Good.as_str(), Quality::Suspect.as_str(), Quality::Conflict.as_str(), "duplicate"]);
    list(
        "account",
        &[
            "pending",
            "opened",
            "opened by hand",
            "episode begun",
            "episode over",
            "cut",
            "restored",
            "closed",
            "closing refused",
            "transferred",
            "transferred by hand",
            "transfer refused",
        ],
    );
    list("meter", &["replaced", "replaced by hand"]);
    list(
        "money",
        &[
            "charge",
            "correction",
            "fixed_charge",
            "vend",
            "vend repeated",
            "vend refused",
            "key reused",
            "client cut off",
        ],
    );
    list("money", VEND_REFUSALS);
    list("money", &["reversal", "vend withdrawn", "reversal repeated", "reversal refused", "refund", "refund refused"]);
    list("aid", crate::aid::NAMES);
    list("contract", crate::contract::NAMES);
    list("control", crate::control::NAMES);
    list("request", REQUESTS);
    list("group", &["done", "rejected", "expired", "stopped"]);
    list("till", crate::till::NAMES);
    list("database", &["slow work", "work refused", "commit answer lost", "crash before work", "crash after work"]);
    list("frame", FRAME_FAULTS);
    list("fate", crate::fate::NAMES);
    list(
        "calendar",
        &["month end", "price change", "clocks go forward", "clocks go back", "midnight", "midnight of a meter"],
    );
    all
}

/// What people ask for, by its kind.
#[must_use]
pub const fn kind(wish: &Wish) -> &'static str {
    match wish {
        Wish::Open { .. } => "open",
        Wish::Vend { .. } => "vend",
        Wish::Reverse { .. } => "reverse",
        Wish::Reprint { .. } => "reprint",
        Wish::Order { off: true, .. } => "disconnect",
        Wish::Order { off: false, .. } => "reconnect",
        Wish::Replace { .. } => "replace",
        Wish::Leave { .. } => "leave",
        Wish::Aid { .. } => "aid",
        Wish::Contract { .. } => "contract",
        Wish::Control { .. } => "control",
        Wish::Till { .. } => "till",
        Wish::Guard { .. } => "guard",
        Wish::Switch(_) => "switch",
        Wish::ClearBlock(_) => "clear block",
        Wish::SyncArchive(_) => "sync archive",
        Wish::ReadNow(_) => "read now",
    }
}

/// Requests by kind and answer.
const REQUESTS: &[&str] = &[
    "open done",
    "open refused",
    "open unknown",
    "vend done",
    "vend refused",
    "vend unknown",
    "reverse done",
    "reverse refused",
    "reprint done",
    "reprint refused",
    "disconnect done",
    "disconnect refused",
    "reconnect done",
    "reconnect refused",
    "replace done",
    "replace refused",
    "leave done",
    "leave refused",
    "aid done",
    "aid refused",
    "contract done",
    "contract refused",
    "control done",
    "control refused",
    "till done",
    "till refused",
    "guard done",
    "switch done",
    "clear block done",
    "sync archive done",
    "read now done",
];

/// Why vends are refused.
const VEND_REFUSALS: &[&str] = &[
    "vend refused: account_not_active",
    "vend refused: below_minimum_vend",
    "vend refused: above_maximum_vend",
    "vend refused: cashier_day_limit",
];

/// The steps of relay orders from one state to another.
const STEPS: &[&str] = &[
    "ordered to sent",
    "ordered to expired",
    "ordered to superseded",
    "sent to acknowledged",
    "sent to awaiting_customer",
    "sent to confirmed",
    "sent to failed",
    "sent to superseded",
    "acknowledged to sent",
    "acknowledged to awaiting_customer",
    "acknowledged to confirmed",
    "acknowledged to superseded",
    "acknowledged to failed",
    "awaiting_customer to confirmed",
    "awaiting_customer to superseded",
];

/// The faults of frames that the simulated concentrators draw.
const FRAME_FAULTS: &[&str] = &[
    "no_answer",
    "delay",
    "wrong_checksum",
    "cut_frame",
    "refusal",
    "reconnect",
    "flipped",
    "glued",
    "repeated",
    "late_delivery",
];

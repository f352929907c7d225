//! What the business does: one verb a file, one database transaction a verb. Rows are the truth; what is sent to the
//! fleet or the hot balances after a commit is a hint that may be lost.

pub mod acknowledge_alarm;
pub mod adjust;
pub mod archive;
pub mod attach_meter;
pub mod audit_line;
pub mod authorize_order;
pub mod balance;
pub mod batch_credit;
pub mod begin_installation;
pub mod books;
pub mod boundary_reading;
pub mod buildings;
pub mod by_hand;
pub mod change_limits;
pub mod change_tariff;
pub mod close_account;
pub mod counter;
pub mod customer_control;
pub mod debts;
pub mod decide_relay;
pub mod emergency_credit;
pub mod end_installation;
pub mod events;
pub mod explain;
pub mod field;
pub mod fixed_charges;
pub mod guard;
pub mod hold;
pub mod ingest;
pub mod job;
pub mod judge_reading;
pub mod mass_cut;
pub mod meter_selection;
pub mod notices;
pub mod once;
pub mod open_account;
pub mod order_group;
pub mod order_relay;
pub mod outage;
pub mod passwords;
pub mod payment_in_flight;
pub mod post;
pub mod price_change;
pub mod quote;
pub mod read_now;
pub mod receipt;
pub mod record_order;
pub mod refund;
pub mod register;
pub mod remove_meter;
pub mod replace_meter;
pub mod replay;
pub mod reprint;
pub mod reverse_vend;
pub mod schedule;
pub mod settle;
pub mod shifts;
pub mod site;
pub mod subsidize;
pub mod suspend_account;
pub mod tariff_limits;
pub mod tariff_preset;
pub mod tariffs;
pub mod transfer_account;
mod unread;
pub mod vend;
pub mod vendors;

use std::borrow::Cow;

use crate::hot::HotError;

/// Why a verb was not done. Nothing has changed when one of these is returned, except where `Busy` or `Store` leave the
/// outcome unknown: then the same idempotency key tells.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something named does not exist.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The state of things is against it: used key, double entry, an outdated version.
    #[error("{detail}")]
    Conflict {
        /// Stable name of the conflict.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// A rule is against it.
    #[error("{detail}")]
    Refused {
        /// Stable name of the rule.
        code: &'static str,
        /// For people.
        detail: String,
        /// The field at fault, where there is one; a path such as `blocks[1].upto`.
        field: Option<Cow<'static, str>>,
    },
    /// Several rules are against it, each at a place of its own.
    #[error("not right in so many places: {}", fields.len())]
    Many {
        /// Stable name of the rules.
        code: &'static str,
        /// Every place at fault.
        fields: Vec<FieldError>,
    },
    /// Too much waits already; ask again.
    #[error("busy: too much is waiting, ask again")]
    Busy,
    /// The database failed.
    #[error(transparent)]
    Store(store::Error),
    /// The hot balances failed.
    #[error(transparent)]
    Hot(#[from] HotError),
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field; a path such as `lines[3].amount`.
    pub field: String,
    /// What is wrong with it, for people.
    pub detail: String,
}

impl Error {
    /// A refusal by the rule `code`.
    pub fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Refused { code, detail: detail.into(), field: None }
    }

    /// A refusal by the rule `code` that names the field at fault.
    pub fn field(code: &'static str, field: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Refused { code, detail: detail.into(), field: Some(field.into()) }
    }

    /// Whether the database failed as a whole: then a batch cannot go on. Everything else is about one item of it.
    #[must_use]
    pub fn is_of_the_database(&self) -> bool {
        matches!(self, Self::Busy | Self::Store(store::Error::Database(_) | store::Error::Open { .. }))
    }

    /// A row that would stand twice.
    fn taken(constraint: &str) -> Self {
        let what = match constraint {
            "vends_key" | "transactions_key" | "idempotency_keys_key" => {
                return Self::conflict("idempotency_key_reused", "the key was used with other content");
            }
            "relay_schedule_meters_meter_id" => {
                return Self::conflict("meter_scheduled", "a meter belongs to another relay schedule");
            }
            "concentrators_region_terminal" => "a concentrator with this region and terminal",
            "meters_address" => "a meter with this address",
            "meters_concentrator_id_point" | "meters_concentrator_id_serial" => "a meter at this point",
            "accounts_number" => "an account with this number",
            "buildings_name" => "a building with this name",
            "meter_selections_name" => "a selection with this name",
            "installations_meter_id" => "an account with this meter",
            other => other,
        };
        Self::conflict("already_exists", format!("{what} exists already"))
    }

    /// A conflict with the state of things.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into() }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound { noun } => Self::NotFound(noun),
            store::Error::Unique { constraint } => Self::taken(&constraint),
            store::Error::Stale => Self::conflict("version", "it was changed by somebody else meanwhile"),
            store::Error::Busy => Self::Busy,
            other => Self::Store(other),
        }
    }
}

impl From<domain::charge::ChargeError> for Error {
    fn from(error: domain::charge::ChargeError) -> Self {
        Self::refused("tariff", error.to_string())
    }
}

/// A text for people: neither empty nor long, without control characters.
///
/// # Errors
/// Names the field that is otherwise.
pub fn label(field: &'static str, text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LABEL_MAX || text.chars().any(char::is_control) {
        return Err(Error::field("label", field, format!("must be 1 to {LABEL_MAX} printable characters")));
    }
    Ok(text.to_owned())
}

/// Longest name, number or phone number, in characters.
const LABEL_MAX: usize = 120;

//! Reprinting a vend's receipt (重印): a row that says who and when, and a number that the paper is marked with.

use domain::ids::VendId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Error, audit_line, counter::check_name, once};
use crate::app::App;

/// A receipt to be printed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReprintReceipt {
    /// The terminal that prints, 1 to 40 letters, digits, `-` or `_`.
    pub terminal: String,
}

/// A reprint of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reprint {
    /// The vend.
    #[schema(value_type = String)]
    pub vend_id: VendId,
    /// Its receipt.
    pub receipt_number: String,
    /// 1, 2, 3, .. for each vend; printed on it.
    pub number: i64,
    /// Where it was printed.
    pub terminal: String,
    /// The public part of the key that asked.
    pub operator_key: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl Reprint {
    /// A stored reprint of the receipt with this number.
    #[must_use]
    pub fn of(row: store::reprint::Reprint, receipt_number: &str) -> Self {
        Self {
            vend_id: row.vend_id,
            receipt_number: receipt_number.to_owned(),
            number: row.number,
            terminal: row.terminal,
            operator_key: row.operator_key,
            created_at: row.created_at,
        }
    }
}

/// Records a reprint. `true` beside it: the key was used before with the same content, and this is what it came to.
///
/// # Errors
/// No such vend; a conflict where the key was used with other content; a refusal of one reprint too many.
pub async fn reprint(
    app: &App,
    id: VendId,
    how: ReprintReceipt,
    key: &str,
    by: &str,
) -> Result<(Reprint, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("reprint", id, &how))?;
    check_name("terminal", &how.terminal)?;
    let (by, now, most) = (by.to_owned(), app.clock.now(), app.settings.receipts.reprints);
    app.db
        .write(move |conn| {
            let vend = store::vend::by_id(conn, id)?;
            // Numbers have no gaps because reprints of a vend wait for each other here.
            store::account::lock(conn, vend.account_id)?;
            if let Some(earlier) = once::find(conn, &asked)? {
                return Ok((earlier, true));
            }
            let number = store::reprint::last(conn, id)? + 1;
            if number > most {
                return Err(Error::refused("reprint_limit", format!("it was reprinted {most} times already")));
            }
            let row = store::reprint::Reprint {
                vend_id: id,
                number,
                terminal: how.terminal.clone(),
                operator_key: by.clone(),
                created_at: now,
            };
            store::reprint::insert(conn, &row)?;
            let detail = format!("reprint {number} of {} at {}", vend.receipt_number, row.terminal);
            let by = (row.operator_key.as_str(), now);
            audit_line::write(conn, id.site(), by, "reprint_receipt", format!("vend:{id}"), detail)?;
            let reprint = Reprint::of(row, &vend.receipt_number);
            once::store(conn, &asked, &reprint, now)?;
            Ok((reprint, false))
        })
        .await
}

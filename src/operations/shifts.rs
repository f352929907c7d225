//! Shifts (班次): opened with a float, closed with what is counted; a closed one never changes.

use domain::{
    bug::{Bug, is_planted},
    ids::{ShiftId, TerminalId, VendorId},
    money::Money,
    vending::{self, Totals},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, vendor::Standing};
use utoipa::ToSchema;

use super::{Error, audit_line, counter::Seller, once};
use crate::app::App;

/// A shift to be opened.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenShift {
    /// The terminal.
    #[schema(value_type = String)]
    pub terminal_id: TerminalId,
    /// Cash in the drawer, in minor units.
    #[schema(value_type = i64, minimum = 0)]
    pub float: Money,
}

/// How a shift is closed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseShift {
    /// Cash that was counted in the drawer, in minor units.
    #[schema(value_type = i64, minimum = 0)]
    pub counted_cash: Money,
}

/// A shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Shift {
    /// Identifier.
    #[schema(value_type = String)]
    pub id: ShiftId,
    /// The terminal.
    #[schema(value_type = String)]
    pub terminal_id: TerminalId,
    /// The terminal's name.
    pub terminal: String,
    /// The terminal's vendor when the shift was opened.
    #[schema(value_type = String)]
    pub vendor_id: VendorId,
    /// 1, 2, .. of the terminal; its receipts are numbered `terminal-number-n`.
    pub number: i64,
    /// What the amounts are in.
    pub currency: String,
    /// Cash in the drawer at the opening.
    #[schema(value_type = i64)]
    pub float: Money,
    /// How many receipts it has given: vends, reversals and refunds.
    pub receipts: i64,
    /// What passed through it, by tender.
    pub totals: Vec<Total>,
    /// Cash that must be in the drawer: the float and what is left of cash.
    #[schema(value_type = i64)]
    pub expected_cash: Money,
    /// Cash that was counted at the closing.
    #[schema(value_type = Option<i64>)]
    pub counted_cash: Option<Money>,
    /// Counted less expected: above 0 where there was too much.
    #[schema(value_type = Option<i64>)]
    pub difference: Option<Money>,
    /// The key of who opened it.
    pub opened_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// The key of who closed it.
    pub closed_by: Option<String>,
    /// When; null: it is open.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
}

/// What passed through a shift by one tender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Total {
    /// The tender.
    #[schema(value_type = String)]
    pub tender: domain::ledger::Tender,
    /// Paid in.
    #[schema(value_type = i64)]
    pub vends: Money,
    /// Given back for vends made by mistake.
    #[schema(value_type = i64)]
    pub reversals: Money,
    /// Paid out of balances.
    #[schema(value_type = i64)]
    pub refunds: Money,
    /// What is left of it.
    #[schema(value_type = i64)]
    pub net: Money,
}

impl From<&Totals> for Total {
    fn from(of: &Totals) -> Self {
        Self { tender: of.tender, vends: of.vends, reversals: of.reversals, refunds: of.refunds, net: of.net() }
    }
}

/// Opens a shift. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content or the terminal has an open shift; a refusal where it may not sell.
pub async fn open(app: &App, new: OpenShift, key: &str, by: &str) -> Result<(Shift, bool), Error> {
    let site = new.terminal_id.site();
    let asked = once::Asked::new(site, key, &("open_shift", &new))?;
    let (by, now, limit) = (by.to_owned(), app.clock.now(), app.settings.policy.vending.maximum_per_cashier_day);
    app.db
        .write(move |conn| {
            let terminal = store::terminal::by_id(conn, new.terminal_id)?;
            // Whoever opens one of its shifts at the same time is through by then: its key is found, or its shift is open.
            store::vendor::lock(conn, terminal.vendor_id)?;
            if let Some(earlier) = once::find::<ShiftId>(conn, &asked)? {
                return Ok((of_id(conn, earlier)?, true));
            }
            if terminal.state == Standing::Blocked {
                return Err(Error::refused("terminal_blocked", "the terminal is blocked"));
            }
            if !(Money::ZERO..=limit).contains(&new.float) {
                return Err(Error::field("float", "float", format!("must be 0 to {limit} minor units")));
            }
            if let Some(open) = store::shift::open_of(conn, terminal.id)? {
                let detail = format!("shift {} of the terminal is open: close it first", open.number);
                return Err(Error::conflict("shift_open", detail));
            }
            let row = store::shift::Shift {
                id: store::ids::next(conn, site)?,
                terminal_id: terminal.id,
                vendor_id: terminal.vendor_id,
                number: store::shift::last_number(conn, terminal.id)? + 1,
                opening_float: new.float,
                receipts: 0,
                opened_by: by.clone(),
                opened_at: now,
                closed_by: None,
                closed_at: None,
                totals: None,
                net: None,
                counted_cash: None,
            };
            store::shift::insert(conn, &row)?;
            let detail = format!("{}-{} with {}", terminal.name, row.number, row.opening_float);
            audit_line::write(conn, site, (&by, now), "open_shift", format!("shift:{}", row.id), detail)?;
            once::store(conn, &asked, &row.id, now)?;
            store::fault::point("shift.opened");
            Ok((view(conn, row)?, false))
        })
        .await
}

/// Closes a shift: its totals are kept, and nothing passes through it any more. `true` beside it: the key was used before with
/// the same content.
///
/// # Errors
/// A conflict where the key was used with other content or the shift is closed; names the field that does not hold.
pub async fn close(
    app: &App,
    id: ShiftId,
    how: CloseShift,
    key: &str,
    seller: impl Into<Seller>,
) -> Result<(Shift, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("close_shift", id, &how))?;
    if how.counted_cash < Money::ZERO {
        return Err(Error::field("counted_cash", "counted_cash", "must not be below 0"));
    }
    let (seller, now) = (seller.into(), app.clock.now());
    app.db
        .write(move |conn| {
            if let Some(earlier) = once::find::<ShiftId>(conn, &asked)? {
                return Ok((of_id(conn, earlier)?, true));
            }
            let store::shift::Shift { vendor_id: vendor, opened_by, .. } = store::shift::by_id(conn, id)?;
            // First the vendor, then the shift, as a sale does; what it holds is never counted twice or not at all.
            store::vendor::lock(conn, vendor)?;
            let Some(mut row) = store::shift::lock(conn, id)? else {
                if let Some(earlier) = once::find::<ShiftId>(conn, &asked)? {
                    return Ok((of_id(conn, earlier)?, true));
                }
                return Err(Error::conflict("shift_closed", "the shift is closed"));
            };
            seller.check_shift(&opened_by)?;
            let by = seller.key.as_str();
            let mut totals = store::shift::totals(conn, id)?;
            if is_planted(Bug::ForgetShiftReversals) {
                totals.iter_mut().for_each(|total| total.reversals = Money::ZERO);
            }
            (row.closed_by, row.closed_at) = (Some(by.to_owned()), Some(now));
            (row.net, row.counted_cash) = (Some(vending::net(&totals)), Some(how.counted_cash));
            row.totals = Some(totals);
            store::shift::close(conn, &row)?;
            let shift = view(conn, row)?;
            let detail = format!(
                "{}-{}: {} counted, {} expected",
                shift.terminal, shift.number, how.counted_cash, shift.expected_cash
            );
            audit_line::write(conn, id.site(), (by, now), "close_shift", format!("shift:{id}"), detail)?;
            once::store(conn, &asked, &id, now)?;
            store::fault::point("shift.closed");
            Ok((shift, false))
        })
        .await
}

/// A shift with what passed through it.
///
/// # Errors
/// The database fails.
pub fn view(conn: &mut Conn, row: store::shift::Shift) -> Result<Shift, Error> {
    let terminal = store::terminal::by_id(conn, row.terminal_id)?;
    let currency = store::site::by_id(conn, row.id.site())?.currency;
    let totals = match row.totals {
        Some(totals) => totals,
        None => store::shift::totals(conn, row.id)?,
    };
    let expected_cash = vending::expected_cash(row.opening_float, &totals);
    Ok(Shift {
        id: row.id,
        terminal_id: row.terminal_id,
        terminal: terminal.name,
        vendor_id: row.vendor_id,
        number: row.number,
        currency,
        float: row.opening_float,
        receipts: row.receipts,
        totals: totals.iter().map(Total::from).collect(),
        expected_cash,
        counted_cash: row.counted_cash,
        difference: row.counted_cash.map(|counted| counted - expected_cash),
        opened_by: row.opened_by,
        opened_at: row.opened_at,
        closed_by: row.closed_by,
        closed_at: row.closed_at,
    })
}

/// See [`view`].
///
/// # Errors
/// There is no such shift; the database fails.
pub fn of_id(conn: &mut Conn, id: ShiftId) -> Result<Shift, Error> {
    let row = store::shift::by_id(conn, id)?;
    view(conn, row)
}

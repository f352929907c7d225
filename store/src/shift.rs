//! Shifts (班次) of terminals: what passed through them, and how they were closed.

use std::collections::BTreeMap;

use diesel::prelude::*;
use domain::{
    ids::{ShiftId, SiteId, TerminalId, VendorId},
    ledger::Tender,
    money::Money,
    vending::Totals,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{refunds, reversals, shifts, vends},
};

row! {
    /// A shift.
    pub struct Shift in shifts {
        /// Its identifier.
        pub id: ShiftId,
        /// The terminal.
        pub terminal_id: TerminalId,
        /// The terminal's vendor when it was opened.
        pub vendor_id: VendorId,
        /// 1, 2, .. of the terminal.
        pub number: i64,
        /// Cash in the drawer at the opening.
        pub opening_float: Money,
        /// Number of its last receipt.
        pub receipts: i64,
        /// Prefix of the API key that opened it.
        pub opened_by: String,
        /// When.
        pub opened_at: Timestamp,
        /// Prefix of the API key that closed it.
        pub closed_by: Option<String>,
        /// When; none: it is open.
        pub closed_at: Option<Timestamp>,
        /// What passed through it, kept when it was closed.
        pub totals: Option<Vec<Totals>>,
        /// What of that is left, of all tenders.
        pub net: Option<Money>,
        /// Cash in the drawer at the closing.
        pub counted_cash: Option<Money>,
    }
}

/// Stores a new shift.
///
/// # Errors
/// [`crate::Error::Unique`] `shifts_terminal_id` where the terminal has an open one, `shifts_terminal_id_number`.
pub fn insert(conn: &mut Conn, new: &Shift) -> Result<()> {
    let values = (new, shifts::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(shifts::table).values(values).execute(c)).map(drop)
}

/// The shift with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: ShiftId) -> Result<Shift> {
    let row =
        on!(conn, |c| shifts::table.find((val(id.site()), val(id))).select(Shift::as_select()).first(c).optional())?;
    found("shift", row)
}

/// The open shift of a terminal.
///
/// # Errors
/// Whatever the database answers.
pub fn open_of(conn: &mut Conn, terminal: TerminalId) -> Result<Option<Shift>> {
    on!(conn, |c| shifts::table
        .filter(shifts::site_id.eq(val(terminal.site())))
        .filter(shifts::terminal_id.eq(val(terminal)))
        .filter(shifts::closed_at.is_null())
        .select(Shift::as_select())
        .first(c)
        .optional())
}

/// The number of a terminal's last shift; 0 where it had none.
///
/// # Errors
/// Whatever the database answers.
pub fn last_number(conn: &mut Conn, terminal: TerminalId) -> Result<i64> {
    let last: Option<i64> = on!(conn, |c| shifts::table
        .filter(shifts::site_id.eq(val(terminal.site())))
        .filter(shifts::terminal_id.eq(val(terminal)))
        .order(shifts::number.desc())
        .select(shifts::number)
        .first(c)
        .optional())?;
    Ok(last.unwrap_or(0))
}

/// At most `limit` of a site's shifts before one, the newest first; of one terminal where one is named.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    terminal: Option<TerminalId>,
    before: Option<ShiftId>,
    limit: i64,
) -> Result<Vec<Shift>> {
    let before = before.map_or(i64::MAX, ShiftId::get);
    let (least, most) = terminal.map_or((0, i64::MAX), |terminal| (terminal.get(), terminal.get()));
    on!(conn, |c| shifts::table
        .filter(shifts::site_id.eq(val(site)))
        .filter(shifts::terminal_id.between(val(least), val(most)))
        .filter(shifts::id.lt(val(before)))
        .order(shifts::id.desc())
        .limit(limit)
        .select(Shift::as_select())
        .load(c))
}

/// The number of an open shift's next receipt, of a vend, a reversal or a refund: 1, 2, 3, .. without gaps, since it is given
/// back with the transaction. Other receipts of the shift, and its closing, wait for the transaction's end. None: the shift
/// was closed.
///
/// # Errors
/// Whatever the database answers.
pub fn next_receipt(conn: &mut Conn, id: ShiftId) -> Result<Option<i64>> {
    on!(conn, |c| diesel::update(shifts::table.find((val(id.site()), val(id))))
        .filter(shifts::closed_at.is_null())
        .set(shifts::receipts.eq(shifts::receipts + 1))
        .returning(shifts::receipts)
        .get_result(c)
        .optional())
}

/// Holds an open shift until the transaction ends: nothing passes through it meanwhile. None: it is closed.
///
/// # Errors
/// [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: ShiftId) -> Result<Option<Shift>> {
    on!(conn, |c| diesel::update(shifts::table.find((val(id.site()), val(id))))
        .filter(shifts::closed_at.is_null())
        .set(shifts::receipts.eq(shifts::receipts))
        .returning(Shift::as_returning())
        .get_result(c)
        .optional())
}

/// Writes how a shift was closed.
///
/// # Errors
/// [`crate::Error::NotFound`] where it is closed already.
pub fn close(conn: &mut Conn, closed: &Shift) -> Result<()> {
    let rows = on!(conn, |c| diesel::update(shifts::table.find((val(closed.id.site()), val(closed.id))))
        .filter(shifts::closed_at.is_null())
        .set((
            shifts::closed_by.eq(&closed.closed_by),
            shifts::closed_at.eq(val(closed.closed_at)),
            shifts::totals.eq(val(closed.totals.clone())),
            shifts::net.eq(val(closed.net)),
            shifts::counted_cash.eq(val(closed.counted_cash)),
        ))
        .execute(c))?;
    found("open shift", (rows > 0).then_some(()))
}

/// What passed through a shift, by tender.
///
/// # Errors
/// Whatever the database answers.
pub fn totals(conn: &mut Conn, id: ShiftId) -> Result<Vec<Totals>> {
    let mut all: BTreeMap<Tender, Totals> = BTreeMap::new();
    macro_rules! add {
        ($table:ident, $field:ident) => {
            let rows: Vec<(Tender, Money)> = on!(conn, |c| $table::table
                .filter($table::site_id.eq(val(id.site())))
                .filter($table::shift_id.eq(val(Some(id))))
                .select(($table::tender, $table::amount))
                .load(c))?;
            for (tender, amount) in rows {
                let total = all.entry(tender).or_insert_with(|| Totals::none(tender));
                total.$field = total.$field + amount;
            }
        };
    }
    add!(vends, vends);
    add!(reversals, reversals);
    add!(refunds, refunds);
    Ok(all.into_values().collect())
}

/// The numbers on a shift's receipts, in no order.
///
/// # Errors
/// Whatever the database answers.
pub fn receipt_numbers(conn: &mut Conn, id: ShiftId) -> Result<Vec<String>> {
    let mut all = Vec::new();
    macro_rules! add {
        ($table:ident) => {
            let numbers: Vec<String> = on!(conn, |c| $table::table
                .filter($table::site_id.eq(val(id.site())))
                .filter($table::shift_id.eq(val(Some(id))))
                .select($table::receipt_number)
                .load(c))?;
            all.extend(numbers);
        };
    }
    add!(vends);
    add!(reversals);
    add!(refunds);
    Ok(all)
}

/// What a vendor's closed shifts left, and which of its shifts are open.
///
/// # Errors
/// Whatever the database answers.
pub fn of_vendor(conn: &mut Conn, vendor: VendorId) -> Result<(Money, Vec<ShiftId>)> {
    let rows: Vec<(ShiftId, Option<Money>)> = on!(conn, |c| shifts::table
        .filter(shifts::site_id.eq(val(vendor.site())))
        .filter(shifts::vendor_id.eq(val(vendor)))
        .select((shifts::id, shifts::net))
        .load(c))?;
    let open = rows.iter().filter(|(_, net)| net.is_none()).map(|(id, _)| *id).collect();
    Ok((rows.iter().filter_map(|(_, net)| *net).sum(), open))
}

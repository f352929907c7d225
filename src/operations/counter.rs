//! The counter that money passes through: a terminal with its open shift where it is registered, its name alone where not.

use domain::{
    bug::{Bug, is_planted},
    ids::{ShiftId, SiteId, VendorId},
    money::Money,
    vending,
};
use store::{
    Conn,
    vendor::{Standing, Vendor},
};

use super::Error;
use crate::settings::Settings;

/// Longest terminal name, in characters.
const TERMINAL_MAX: usize = 40;

/// Who stands at a counter.
#[derive(Debug, Clone)]
pub struct Seller {
    /// Their key.
    pub key: String,
    /// Whether they may use a shift that another key opened, and undo what another shift sold.
    pub supervises: bool,
    /// Whether the key is the terminal's own: whoever has it shares the terminal's shifts.
    pub of_terminal: bool,
}

impl Seller {
    /// Whether they may sell in a shift, or close it.
    ///
    /// # Errors
    /// `other_shift` where another key opened it.
    pub fn check_shift(&self, opened_by: &str) -> Result<(), Error> {
        if self.supervises || self.of_terminal || self.key == opened_by {
            return Ok(());
        }
        Err(Error::refused("other_shift", "another key opened the terminal's shift: close that one first"))
    }
}

impl From<&str> for Seller {
    fn from(key: &str) -> Self {
        Self { key: key.to_owned(), supervises: false, of_terminal: false }
    }
}

/// Where money is taken or paid out.
pub struct Counter<'a> {
    site: SiteId,
    terminal: &'a str,
    registered: Option<Registered>,
}

struct Registered {
    vendor: Vendor,
    shift: ShiftId,
    opened_by: String,
    number: i64,
}

impl<'a> Counter<'a> {
    /// The counter of this terminal.
    ///
    /// # Errors
    /// A name that is none; a terminal that must be registered and is not, is blocked, or has no open shift.
    pub fn of(conn: &mut Conn, settings: &Settings, site: SiteId, terminal: &'a str) -> Result<Self, Error> {
        check_name("terminal", terminal)?;
        let Some(row) = store::terminal::by_name(conn, site, terminal)? else {
            if settings.policy.vending.registered_terminals_only {
                return Err(Error::field("terminal_unknown", "terminal", "the terminal is not registered"));
            }
            if let Some((stem, _)) = terminal.rsplit_once('-')
                && looks_like_a_shift(terminal, stem)
                && store::terminal::by_name(conn, site, stem)?.is_some()
            {
                let detail = format!("its receipts would look like those of {stem}, which is registered");
                return Err(Error::field("terminal_unknown", "terminal", detail));
            }
            return Ok(Self { site, terminal, registered: None });
        };
        let vendor = store::vendor::by_id(conn, row.vendor_id)?;
        if row.state == Standing::Blocked {
            return Err(Error::field("terminal_blocked", "terminal", "the terminal is blocked"));
        }
        if vendor.state == Standing::Blocked {
            return Err(Error::field("vendor_blocked", "terminal", "the terminal's vendor is blocked"));
        }
        let none = || Error::field("no_open_shift", "terminal", "the terminal has no open shift");
        let shift = store::shift::open_of(conn, row.id)?.ok_or_else(none)?;
        let store::shift::Shift { id: shift, opened_by, number, .. } = shift;
        Ok(Self { site, terminal, registered: Some(Registered { vendor, shift, opened_by, number }) })
    }

    /// Whether this one may sell, or take back, in its open shift.
    ///
    /// # Errors
    /// See [`Seller::check_shift`].
    pub fn check_seller(&self, seller: &Seller) -> Result<(), Error> {
        self.registered.as_ref().map_or(Ok(()), |registered| seller.check_shift(&registered.opened_by))
    }

    /// Its name.
    #[must_use]
    pub fn terminal(&self) -> &str {
        self.terminal
    }

    /// Its open shift.
    #[must_use]
    pub fn shift(&self) -> Option<ShiftId> {
        self.registered.as_ref().map(|registered| registered.shift)
    }

    /// Whether its vendor may sell `amount` more.
    ///
    /// # Errors
    /// `vendor_credit`.
    pub fn check_credit(&self, conn: &mut Conn, amount: Money) -> Result<(), Error> {
        let Some(vendor) = self.limited() else { return Ok(()) };
        if is_planted(Bug::IgnoreVendorCredit) {
            return Ok(());
        }
        let held = held(conn, vendor.id)?;
        vending::within_credit(amount, held, vendor.credit_limit)
            .map_err(|refused| Error::refused(refused.code(), refused.to_string()))
    }

    /// Holds its vendor until the transaction ends where that has a limit: no two sales count past each other.
    ///
    /// # Errors
    /// The database fails.
    pub fn lock_credit(&mut self, conn: &mut Conn) -> Result<(), Error> {
        if let Some(registered) = &mut self.registered
            && registered.vendor.credit_limit.is_some()
        {
            registered.vendor = store::vendor::lock(conn, registered.vendor.id)?;
        }
        Ok(())
    }

    fn limited(&self) -> Option<&Vendor> {
        let vendor = self.registered.as_ref().map(|registered| &registered.vendor);
        vendor.filter(|vendor| vendor.credit_limit.is_some())
    }

    /// The number of its next receipt: `terminal-shift-n`, gapless in the shift; `terminal-n` where it is not registered.
    ///
    /// # Errors
    /// The shift was closed meanwhile; the database fails.
    pub fn receipt_number(&self, conn: &mut Conn) -> Result<String, Error> {
        let Some(registered) = &self.registered else {
            let mut number = store::vend::next_receipt(conn, self.site, self.terminal)?;
            if is_planted(Bug::SkipReceiptNumber) {
                number = store::vend::next_receipt(conn, self.site, self.terminal)?;
            }
            return Ok(format!("{}-{number}", self.terminal));
        };
        let closed = || Error::field("no_open_shift", "terminal", "the terminal's shift was closed meanwhile");
        let number = store::shift::next_receipt(conn, registered.shift)?.ok_or_else(closed)?;
        Ok(format!("{}-{}-{number}", self.terminal, registered.number))
    }
}

/// What a vendor holds of what it sold: less what it gave back, paid out and handed over.
///
/// # Errors
/// The database fails.
pub fn held(conn: &mut Conn, vendor: VendorId) -> Result<Money, Error> {
    let (mut sold, open) = store::shift::of_vendor(conn, vendor)?;
    for shift in open {
        sold = sold + vending::net(&store::shift::totals(conn, shift)?);
    }
    Ok(sold - store::vendor::deposited(conn, vendor)?)
}

/// Whether a terminal's name is another's with a number behind it, as a shift has: then their receipts are numbered alike.
#[must_use]
pub fn looks_like_a_shift(name: &str, of: &str) -> bool {
    let number = name.strip_prefix(of).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A terminal's name, as receipts carry it.
///
/// # Errors
/// Names the field that does not hold.
pub fn check_name(field: &'static str, terminal: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=TERMINAL_MAX).contains(&terminal.len()) && terminal.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::field("terminal", field, format!("must be 1 to {TERMINAL_MAX} letters, digits, - or _")))
}

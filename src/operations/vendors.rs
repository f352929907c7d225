//! Vendors (售电商) with their terminals: entering and changing them, their keys, and what they hand over.

use domain::{
    ids::{DepositId, SiteId, TerminalId, VendorId},
    money::Money,
};
use serde::{Deserialize, Serialize};
use store::{
    api_key::Role,
    terminal::Terminal,
    vendor::{Deposit, Standing, Vendor},
};
use utoipa::ToSchema;

use super::{Error, audit_line, counter, label, once};
use crate::{app::App, keys};

/// A vendor to be entered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVendor {
    /// The site it sells for.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Name.
    pub name: String,
    /// Most of what was sold that it may hold back, in minor units; absent: no limit.
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub credit_limit: Option<Money>,
}

/// How a vendor is from now on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeVendor {
    /// Name.
    pub name: String,
    /// Whether it may sell: `active` or `blocked`.
    #[schema(value_type = String)]
    pub state: Standing,
    /// Most of what was sold that it may hold back, in minor units; null: no limit.
    #[schema(value_type = Option<i64>, minimum = 0, required)]
    #[serde(deserialize_with = "Option::deserialize")]
    pub credit_limit: Option<Money>,
}

/// A terminal to be registered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTerminal {
    /// Whose it is.
    #[schema(value_type = String)]
    pub vendor_id: VendorId,
    /// Its name, as receipts carry it: 1 to 40 letters, digits, `-` or `_`.
    pub name: String,
}

/// Money that a vendor hands over.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDeposit {
    /// How much, in minor units.
    #[schema(value_type = i64, minimum = 1)]
    pub amount: Money,
    /// What it is in: the site's currency.
    pub currency: String,
    /// How it is handed over.
    pub reason: String,
}

/// Enters a vendor.
///
/// # Errors
/// Names the field that does not hold.
pub async fn enter(app: &App, new: NewVendor, by: &str) -> Result<Vendor, Error> {
    let name = label("name", &new.name)?;
    check_limit(new.credit_limit)?;
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            store::site::by_id(conn, new.site_id)?;
            let id = store::ids::next(conn, new.site_id)?;
            let (name, state, credit_limit) = (name.clone(), Standing::Active, new.credit_limit);
            let vendor = Vendor { id, name, state, credit_limit, version: 1 };
            store::vendor::insert(conn, &vendor)?;
            audit_line::write(conn, id.site(), (&by, now), "enter_vendor", format!("vendor:{id}"), told(&vendor))?;
            Ok(vendor)
        })
        .await
}

/// Changes a vendor. `expected`: the version that was seen; another one is a conflict.
///
/// # Errors
/// Names the field that does not hold; the vendor does not exist, or was changed meanwhile.
pub async fn change(
    app: &App,
    id: VendorId,
    to: ChangeVendor,
    expected: Option<i64>,
    by: &str,
) -> Result<Vendor, Error> {
    let name = label("name", &to.name)?;
    check_limit(to.credit_limit)?;
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let seen = store::vendor::by_id(conn, id)?;
            let version = expected.unwrap_or(seen.version);
            let new = Vendor { id, name: name.clone(), state: to.state, credit_limit: to.credit_limit, version };
            let vendor = store::vendor::save(conn, &new)?;
            audit_line::write(conn, id.site(), (&by, now), "change_vendor", format!("vendor:{id}"), told(&vendor))?;
            Ok(vendor)
        })
        .await
}

/// Registers a terminal: from now on it sells in shifts only.
///
/// # Errors
/// Names the field that does not hold; a conflict where the name is taken.
pub async fn register_terminal(app: &App, new: NewTerminal, by: &str) -> Result<Terminal, Error> {
    counter::check_name("name", &new.name)?;
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let site = new.vendor_id.site();
            let vendor = store::vendor::by_id(conn, new.vendor_id)?;
            if store::terminal::by_name(conn, site, &new.name)?.is_some() {
                return Err(Error::conflict("terminal_taken", "the site has a terminal of this name"));
            }
            // Its receipts would look like those of a terminal whose name ends as theirs do: `shop-1` and the first shift of `shop`.
            let sold = store::vend::unregistered_after(conn, site, &new.name)?;
            if let Some(like) = sold.iter().find(|sold| counter::looks_like_a_shift(sold, &new.name)) {
                let detail = format!("receipts were given at {like}, and its own would look like them");
                return Err(Error::conflict("terminal_taken", detail));
            }
            let id = store::ids::next(conn, site)?;
            let (vendor_id, name, state) = (vendor.id, new.name.clone(), Standing::Active);
            let terminal = Terminal { id, vendor_id, name, state, version: 1 };
            store::terminal::insert(conn, &terminal)?;
            let detail = format!("{} of {}", terminal.name, vendor.name);
            audit_line::write(conn, site, (&by, now), "register_terminal", format!("terminal:{id}"), detail)?;
            Ok(terminal)
        })
        .await
}

/// Blocks a terminal, or lets it sell again. `expected`: the version that was seen; another one is a conflict.
///
/// # Errors
/// The terminal does not exist, or was changed meanwhile.
pub async fn set_terminal(
    app: &App,
    id: TerminalId,
    state: Standing,
    expected: Option<i64>,
    by: &str,
) -> Result<Terminal, Error> {
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let mut terminal = store::terminal::by_id(conn, id)?;
            (terminal.state, terminal.version) = (state, expected.unwrap_or(terminal.version));
            let terminal = store::terminal::save(conn, &terminal)?;
            let verb = if state == Standing::Blocked { "block_terminal" } else { "release_terminal" };
            let detail = terminal.name.clone();
            audit_line::write(conn, id.site(), (&by, now), verb, format!("terminal:{id}"), detail)?;
            Ok(terminal)
        })
        .await
}

/// Makes a cashier's key that sells at one terminal only; the key itself cannot be had again.
///
/// # Errors
/// A name that is none; the terminal does not exist.
pub async fn make_key(app: &App, id: TerminalId, name: &str, by: &str) -> Result<String, Error> {
    let (key, row) = keys::draw(name, Role::Cashier, Some(id.site()), Some(id), app.clock.now())?;
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let terminal = store::terminal::by_id(conn, id)?;
            store::api_key::insert(conn, &row)?;
            let detail = format!("{} for {}", row.prefix, terminal.name);
            audit_line::write(conn, id.site(), (&by, now), "make_terminal_key", format!("terminal:{id}"), detail)
        })
        .await?;
    Ok(key)
}

/// Revokes a key of a terminal.
///
/// # Errors
/// The terminal has no such key, or it is revoked already.
pub async fn revoke_key(app: &App, id: TerminalId, prefix: String, by: &str) -> Result<(), Error> {
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let key = store::api_key::by_prefix(conn, &prefix)?.filter(|key| key.terminal_id == Some(id));
            let key = key.ok_or(Error::NotFound("key of this terminal"))?;
            store::api_key::revoke(conn, &key.prefix, now)?;
            audit_line::write(conn, id.site(), (&by, now), "revoke_terminal_key", format!("terminal:{id}"), key.prefix)
        })
        .await
}

/// Enters what a vendor hands over. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; names the field that does not hold.
pub async fn deposit(
    app: &App,
    vendor_id: VendorId,
    new: NewDeposit,
    key: &str,
    by: &str,
) -> Result<(Deposit, bool), Error> {
    let site = vendor_id.site();
    let asked = once::Asked::new(site, key, &("deposit", vendor_id, &new))?;
    let reason = label("reason", &new.reason)?;
    let (by, now, limit) = (by.to_owned(), app.clock.now(), app.settings.policy.vending.maximum_per_cashier_day);
    app.db
        .write(move |conn| {
            store::vendor::lock(conn, vendor_id)?;
            if let Some(earlier) = once::find::<DepositId>(conn, &asked)? {
                return Ok((store::vendor::deposit_by_id(conn, earlier)?, true));
            }
            let kept_in = store::site::by_id(conn, site)?.currency;
            if new.currency != kept_in {
                return Err(Error::field("currency_mismatch", "currency", format!("the site's money is {kept_in}")));
            }
            if new.amount <= Money::ZERO || new.amount > limit {
                return Err(Error::field("amount", "amount", format!("must be 1 to {limit} minor units")));
            }
            let id: DepositId = store::ids::next(conn, site)?;
            let (amount, reason, operator_key) = (new.amount, reason.clone(), by.clone());
            let row = Deposit { id, vendor_id, amount, reason, operator_key, created_at: now };
            store::vendor::deposit(conn, &row)?;
            let detail = format!("{amount}: {}", row.reason);
            audit_line::write(conn, site, (&by, now), "enter_deposit", format!("vendor:{vendor_id}"), detail)?;
            once::store(conn, &asked, &id, now)?;
            store::fault::point("deposit.written");
            Ok((row, false))
        })
        .await
}

fn told(vendor: &Vendor) -> String {
    let limit = vendor.credit_limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    let state = if vendor.state == Standing::Blocked { "blocked" } else { "active" };
    format!("{}: {state}, {limit}", vendor.name)
}

fn check_limit(limit: Option<Money>) -> Result<(), Error> {
    match limit {
        Some(limit) if limit < Money::ZERO => Err(Error::field("credit_limit", "credit_limit", "must not be below 0")),
        _ => Ok(()),
    }
}

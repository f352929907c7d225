//! Accounts (户): a customer's money, and what it means for supply.
//!
//! The row is the account's only lock. Whoever changes money, limits or the credit episode calls [`lock`] first, decides
//! on what it gives, and ends with [`save`], all in one transaction.

use diesel::prelude::*;
use domain::{
    account::{Credit, Emergency, Episode, Limits, State},
    ids::{AccountId, CustomerId, MeterId, SiteId, TariffId},
    money::{Carry, Money},
};
use jiff::{Timestamp, civil::Date};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Error, Result, found},
    prepared::Prepare,
    schema::{accounts, customers, installations},
    search::{lower, lower_or_null, pattern},
};

row! {
    /// An account.
    pub struct Account in accounts {
        /// Its identifier.
        pub id: AccountId,
        /// Its number as printed on receipts; unique within the site.
        pub number: String,
        /// Whose it is.
        pub customer_id: CustomerId,
        /// Its prices.
        pub tariff_id: TariffId,
        /// Where it is in its life.
        pub state: State,
        /// ISO 4217 code of its money.
        pub currency: String,
        /// Supply guard (保电): no meter of it is cut.
        pub guarded: bool,
        /// Why it is guarded.
        pub guard_reason: Option<String>,
        /// See [`Limits::alarm_1`].
        pub alarm_1: Money,
        /// See [`Limits::alarm_2`].
        pub alarm_2: Money,
        /// See [`Limits::rearm_margin`].
        pub rearm_margin: Money,
        /// See [`Limits::overdraft`].
        pub overdraft: Money,
        /// See [`Limits::restore_margin`].
        pub restore_margin: Money,
        /// The balance: the sum of its postings.
        pub posted: Money,
        /// What was used beyond posted minor units.
        pub carry: Carry,
        /// See [`Credit::alarm_1_armed`].
        pub alarm_1_armed: bool,
        /// See [`Credit::alarm_2_armed`].
        pub alarm_2_armed: bool,
        /// When the credit episode began that it stands in.
        pub episode_began_at: Option<Timestamp>,
        /// See [`Episode::forecast`].
        pub episode_forecast: bool,
        /// See [`Episode::warned`].
        pub episode_warned: bool,
        /// See [`Episode::warning_served_at`].
        pub warning_served_at: Option<Timestamp>,
        /// See [`Credit::last_warning_at`].
        pub last_warning_at: Option<Timestamp>,
        /// When to decide over its supply again, at the latest; none: when something happens.
        pub decide_at: Option<Timestamp>,
        /// When it was opened; none while pending.
        pub opened_at: Option<Timestamp>,
        /// The first local day whose fixed charges are not posted; none: the day of the opening.
        pub fixed_to: Option<Date>,
        /// When it was closed or transferred.
        pub closed_at: Option<Timestamp>,
        /// What is owed apart from the balance.
        pub debt: Money,
        /// See [`Limits::emergency_credit`].
        pub emergency_credit: Money,
        /// See [`Episode::emergency`].
        pub episode_emergency: Option<Emergency>,
        /// Until when an operator keeps it from being cut for credit; one that is past holds nothing.
        pub hold_until: Option<Timestamp>,
        /// Grows by one with every [`lock`].
        pub version: i64,
    }
}

impl Account {
    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            alarm_1: self.alarm_1,
            alarm_2: self.alarm_2,
            rearm_margin: self.rearm_margin,
            overdraft: self.overdraft,
            restore_margin: self.restore_margin,
            emergency_credit: self.emergency_credit,
        }
    }

    /// Gives it other limits.
    pub fn set_limits(&mut self, limits: Limits) {
        self.alarm_1 = limits.alarm_1;
        self.alarm_2 = limits.alarm_2;
        self.rearm_margin = limits.rearm_margin;
        self.overdraft = limits.overdraft;
        self.restore_margin = limits.restore_margin;
        self.emergency_credit = limits.emergency_credit;
    }

    /// What is remembered of its credit.
    #[must_use]
    pub fn credit(&self) -> Credit {
        Credit {
            alarm_1_armed: self.alarm_1_armed,
            alarm_2_armed: self.alarm_2_armed,
            episode: self.episode_began_at.map(|began_at| Episode {
                began_at,
                forecast: self.episode_forecast,
                warning_served_at: self.warning_served_at,
                warned: self.episode_warned,
                emergency: self.episode_emergency,
            }),
            last_warning_at: self.last_warning_at,
        }
    }

    /// Remembers of its credit.
    pub fn set_credit(&mut self, credit: &Credit) {
        self.alarm_1_armed = credit.alarm_1_armed;
        self.alarm_2_armed = credit.alarm_2_armed;
        self.episode_began_at = credit.episode.map(|episode| episode.began_at);
        self.episode_forecast = credit.episode.is_some_and(|episode| episode.forecast);
        self.episode_warned = credit.episode.is_some_and(|episode| episode.warned);
        self.warning_served_at = credit.episode.and_then(|episode| episode.warning_served_at);
        self.episode_emergency = credit.episode.and_then(|episode| episode.emergency);
        self.last_warning_at = credit.last_warning_at;
    }
}

/// Stores a new account.
///
/// # Errors
/// [`Error::Unique`] `accounts_number`.
pub fn insert(conn: &mut Conn, new: &Account) -> Result<()> {
    let values = (new, accounts::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(accounts::table).values(values).execute(c)).map(drop)
}

/// The account with this identifier.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: AccountId) -> Result<Account> {
    let row = on!(conn, |c| accounts::table
        .find((val(id.site()), val(id)))
        .select(Account::as_select())
        .first(c)
        .optional())?;
    found("account", row)
}

/// A site's account with this number.
///
/// # Errors
/// Whatever the database answers.
pub fn by_number(conn: &mut Conn, site: SiteId, number: &str) -> Result<Option<Account>> {
    on!(conn, |c| accounts::table
        .filter(accounts::site_id.eq(val(site)))
        .filter(accounts::number.eq(number))
        .select(Account::as_select())
        .first(c)
        .optional())
}

/// The account that a meter counts for now.
///
/// # Errors
/// Whatever the database answers.
pub fn by_meter(conn: &mut Conn, meter: MeterId) -> Result<Option<Account>> {
    let same_account = accounts::site_id.eq(installations::site_id).and(accounts::id.eq(installations::account_id));
    on!(conn, |c| accounts::table
        .inner_join(installations::table.on(same_account))
        .filter(installations::site_id.eq(val(meter.site())))
        .filter(installations::meter_id.eq(val(meter)))
        .filter(installations::end_at.is_null())
        .select(Account::as_select())
        .first(c)
        .optional())
}

/// At most `limit` of a site's accounts after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<AccountId>, limit: i64) -> Result<Vec<Account>> {
    search(conn, site, "", after, limit)
}

/// The same of those with `part` in their number, or in their customer's name or phone.
///
/// # Errors
/// Whatever the database answers.
pub fn search(conn: &mut Conn, site: SiteId, part: &str, after: Option<AccountId>, limit: i64) -> Result<Vec<Account>> {
    let (after, wanted) = (after.map_or(0, AccountId::get), pattern(part));
    let same_customer = customers::site_id.eq(accounts::site_id).and(customers::id.eq(accounts::customer_id));
    let number = lower(accounts::number).like(&wanted).escape('!');
    let name = lower(customers::name).like(&wanted).escape('!');
    let phone = lower_or_null(customers::phone).like(&wanted).escape('!');
    on!(conn, |c| accounts::table
        .inner_join(customers::table.on(same_customer))
        .filter(accounts::site_id.eq(val(site)))
        .filter(accounts::id.gt(val(after)))
        .filter(number.or(name).or(phone))
        .order(accounts::id)
        .limit(limit)
        .select(Account::as_select())
        .load(c))
}

/// At most `limit` of a customer's accounts after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn of_customer(
    conn: &mut Conn,
    customer: CustomerId,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<Account>> {
    let after = after.map_or(0, AccountId::get);
    on!(conn, |c| accounts::table
        .filter(accounts::site_id.eq(val(customer.site())))
        .filter(accounts::customer_id.eq(val(customer)))
        .filter(accounts::id.gt(val(after)))
        .order(accounts::id)
        .limit(limit)
        .select(Account::as_select())
        .load(c))
}

/// At most `limit` of a site's accounts after one, by identifier, that an operator's hold keeps from being cut at `now`.
///
/// # Errors
/// Whatever the database answers.
pub fn held(
    conn: &mut Conn,
    site: SiteId,
    now: Timestamp,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<Account>> {
    let after = after.map_or(0, AccountId::get);
    on!(conn, |c| accounts::table
        .filter(accounts::site_id.eq(val(site)))
        .filter(accounts::id.gt(val(after)))
        .filter(accounts::hold_until.gt(val(Some(now))))
        .order(accounts::id)
        .limit(limit)
        .select(Account::as_select())
        .load(c))
}

/// Holds the account until the transaction ends, and gives it as it is now, with its version raised.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: AccountId) -> Result<Account> {
    let row = on!(conn, |c| diesel::update(accounts::table.find((val(id.site()), val(id))))
        .set(accounts::version.eq(accounts::version + 1))
        .returning(Account::as_returning())
        .prepared()
        .get_result(c)
        .optional())?;
    found("account", row)
}

/// Stores an account as changed since [`lock`].
///
/// # Errors
/// [`Error::Stale`] where the row is not the one that was locked.
pub fn save(conn: &mut Conn, account: &Account) -> Result<()> {
    let rows: Vec<SiteId> =
        on!(conn, |c| diesel::update(accounts::table.find((val(account.id.site()), val(account.id))))
            .filter(accounts::version.eq(account.version))
            .set(account.changes())
            .returning(accounts::site_id)
            .prepared()
            .load(c))?;
    if !rows.is_empty() { Ok(()) } else { Err(Error::Stale) }
}

/// At most `limit` of a site's open accounts after one, by identifier, that have fixed charges to be looked at for days up to
/// `today`.
///
/// # Errors
/// Whatever the database answers.
pub fn fixed_due(
    conn: &mut Conn,
    site: SiteId,
    today: Date,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<AccountId>> {
    let after = after.map_or(0, AccountId::get);
    on!(conn, |c| accounts::table
        .filter(accounts::site_id.eq(val(site)))
        .filter(accounts::id.gt(val(after)))
        .filter(accounts::state.eq(val(State::Active)).or(accounts::state.eq(val(State::Suspended))))
        .filter(accounts::fixed_to.is_null().or(accounts::fixed_to.le(val(Some(today)))))
        .order(accounts::id)
        .limit(limit)
        .select(accounts::id)
        .load(c))
}

/// All active accounts of a site are to be decided again now.
///
/// # Errors
/// Whatever the database answers.
pub fn decide_soon(conn: &mut Conn, site: SiteId, now: Timestamp) -> Result<()> {
    on!(conn, |c| diesel::update(accounts::table)
        .filter(accounts::site_id.eq(val(site)))
        .filter(accounts::state.eq(val(State::Active)))
        .set(accounts::decide_at.eq(val(Some(now))))
        .execute(c))
    .map(drop)
}

/// At most `limit` accounts of all sites that are to be decided again by `now`, oldest first; also those that are to wait
/// beyond `latest`, which a clock that was ahead has put there.
///
/// # Errors
/// Whatever the database answers.
pub fn due(conn: &mut Conn, now: Timestamp, latest: Timestamp, limit: i64) -> Result<Vec<AccountId>> {
    on!(conn, |c| accounts::table
        .filter(accounts::decide_at.le(val(Some(now))).or(accounts::decide_at.gt(val(Some(latest)))))
        .order((accounts::decide_at, accounts::id))
        .limit(limit)
        .select(accounts::id)
        .load(c))
}

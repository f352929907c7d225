//! Installations: which meter counts for which account, from which register value on.

use diesel::prelude::*;
use domain::{
    energy::Energy,
    ids::{AccountId, InstallationId, MeterId, ReadingId, SiteId},
    reading::registers::ByPeriod,
    settlement::{self, registers::RegisterInstallation},
    tariff::Period,
};
use jiff::{Timestamp, civil::Date};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{installations, meters, settled_days},
    supply_wait,
};

row! {
    /// A meter at a supply.
    pub struct Installation in installations {
        /// Its identifier.
        pub id: InstallationId,
        /// The account it counts for.
        pub account_id: AccountId,
        /// The meter; it has one live installation at most.
        pub meter_id: MeterId,
        /// CT x PT (倍率), at least 1.
        pub multiplier: u32,
        /// When it began to count.
        pub start_at: Timestamp,
        /// What its register showed then, unwrapped.
        pub start_value: Energy,
        /// The reading that says so.
        pub start_reading_id: ReadingId,
        /// When it ceased to count; none: it still does.
        pub end_at: Option<Timestamp>,
        /// What its register showed then, unwrapped.
        pub end_value: Option<Energy>,
        /// The reading that says so.
        pub end_reading_id: Option<ReadingId>,
        /// Readings from here on may change settled days, which was not looked into yet.
        pub resettle_since: Option<Timestamp>,
        /// The period registers that are billed, and what each showed at the start, unwrapped; the start value is their sum.
        /// Empty: the total is billed. Fixed once and for all.
        pub start_registers: ByPeriod,
        /// What each of them showed at the end, unwrapped; the end value is their sum.
        pub end_registers: ByPeriod,
    }
}

impl Installation {
    /// As settlement needs it.
    #[must_use]
    pub fn settlement(&self) -> settlement::Installation {
        settlement::Installation {
            start_at: self.start_at,
            start_value: self.start_value,
            multiplier: self.multiplier,
            end: self.end_at.zip(self.end_value),
        }
    }

    /// As settlement needs it where its period registers are billed; none where its total is.
    #[must_use]
    pub fn registers(&self) -> Option<RegisterInstallation> {
        let (whole, start, end) = (self.settlement(), self.start_registers.clone(), self.end_registers.clone());
        (!start.is_empty()).then_some(RegisterInstallation { whole, start, end })
    }

    /// The periods whose registers are billed; none where its total is.
    #[must_use]
    pub fn billed(&self) -> Vec<Period> {
        self.start_registers.keys().copied().collect()
    }
}

/// Stores a new installation.
///
/// # Errors
/// [`crate::Error::Unique`] `installations_meter_id` where the meter counts for an account already.
pub fn insert(conn: &mut Conn, new: &Installation) -> Result<()> {
    let values = (new, installations::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(installations::table).values(values).execute(c)).map(drop)
}

/// The installation with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: InstallationId) -> Result<Installation> {
    let row = on!(conn, |c| installations::table
        .find((val(id.site()), val(id)))
        .select(Installation::as_select())
        .first(c)
        .optional())?;
    found("installation", row)
}

/// The one a meter has now.
///
/// # Errors
/// Whatever the database answers.
pub fn live_of_meter(conn: &mut Conn, meter: MeterId) -> Result<Option<Installation>> {
    on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(meter.site())))
        .filter(installations::meter_id.eq(val(meter)))
        .filter(installations::end_at.is_null())
        .select(Installation::as_select())
        .first(c)
        .optional())
}

/// The one a meter had at an instant; at the instant of a change the new one.
///
/// # Errors
/// Whatever the database answers.
pub fn at(conn: &mut Conn, meter: MeterId, instant: Timestamp) -> Result<Option<Installation>> {
    on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(meter.site())))
        .filter(installations::meter_id.eq(val(meter)))
        .filter(installations::start_at.le(val(instant)))
        .filter(installations::end_at.is_null().or(installations::end_at.gt(val(Some(instant)))))
        .order(installations::start_at.desc())
        .select(Installation::as_select())
        .first(c)
        .optional())
}

/// The newest that a meter had before an instant, where it has none now.
///
/// # Errors
/// Whatever the database answers.
pub fn last_before(conn: &mut Conn, meter: MeterId, instant: Timestamp) -> Result<Option<Installation>> {
    let newest: Option<Installation> = on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(meter.site())))
        .filter(installations::meter_id.eq(val(meter)))
        .order((installations::start_at.desc(), installations::id.desc()))
        .select(Installation::as_select())
        .first(c)
        .optional())?;
    Ok(newest.filter(|one| one.end_at.is_some_and(|end| end < instant)))
}

/// Whether one began or ended with this reading.
///
/// # Errors
/// Whatever the database answers.
pub fn is_bound(conn: &mut Conn, reading: ReadingId) -> Result<bool> {
    let bound = installations::table.filter(installations::site_id.eq(val(reading.site()))).filter(
        installations::start_reading_id
            .eq(val(reading))
            .or(installations::end_reading_id.eq(val(Some(reading))).assume_not_null()),
    );
    on!(conn, |c| diesel::select(diesel::dsl::exists(bound)).get_result(c))
}

/// All that an account ever had, by their start.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(conn: &mut Conn, account: AccountId) -> Result<Vec<Installation>> {
    on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(account.site())))
        .filter(installations::account_id.eq(val(account)))
        .order((installations::start_at, installations::id))
        .select(Installation::as_select())
        .load(c))
}

/// At most `limit` of a site's live ones after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn live_page(
    conn: &mut Conn,
    site: SiteId,
    after: Option<InstallationId>,
    limit: i64,
) -> Result<Vec<Installation>> {
    let after = after.map_or(0, InstallationId::get);
    on!(conn, |c| installations::table
        .filter(installations::site_id.eq(val(site)))
        .filter(installations::id.gt(val(after)))
        .filter(installations::end_at.is_null())
        .order(installations::id)
        .limit(limit)
        .select(Installation::as_select())
        .load(c))
}

/// Ends an installation with the last reading of its meter: the value that is billed, or that of each billed register and
/// their sum. The meter waits for nothing any more.
///
/// # Errors
/// [`crate::Error::Stale`] where it ended already.
pub fn end(
    conn: &mut Conn,
    id: InstallationId,
    at: Timestamp,
    (value, registers): (Energy, &ByPeriod),
    reading: ReadingId,
) -> Result<()> {
    let meter: Option<MeterId> = on!(conn, |c| diesel::update(installations::table.find((val(id.site()), val(id))))
        .filter(installations::end_at.is_null())
        .set((
            installations::end_at.eq(val(Some(at))),
            installations::end_value.eq(val(Some(value))),
            installations::end_reading_id.eq(val(Some(reading))),
            installations::end_registers.eq(val(registers)),
        ))
        .returning(installations::meter_id)
        .get_result(c)
        .optional())?;
    supply_wait::remove(conn, meter.ok_or(crate::Error::Stale)?)
}

/// Notes from when on readings may change what is settled, or that this was looked into.
///
/// # Errors
/// Whatever the database answers.
pub fn set_resettle(conn: &mut Conn, id: InstallationId, since: Option<Timestamp>) -> Result<()> {
    on!(conn, |c| diesel::update(installations::table.find((val(id.site()), val(id))))
        .set(installations::resettle_since.eq(val(since)))
        .execute(c))
    .map(drop)
}

/// At most `limit` of a site's accounts after one, with a meter whose `day` is not settled though a good reading at or
/// after the midnight that ends it is known, or whose settled days may have changed.
///
/// # Errors
/// Whatever the database answers.
pub fn behind(
    conn: &mut Conn,
    site: SiteId,
    day: Date,
    midnight: Timestamp,
    after: Option<AccountId>,
    limit: i64,
) -> Result<Vec<AccountId>> {
    let after = after.map_or(0, AccountId::get);
    let same_meter = installations::site_id.eq(meters::site_id).and(installations::meter_id.eq(meters::id));
    let settled = settled_days::table
        .filter(settled_days::site_id.eq(installations::site_id))
        .filter(settled_days::account_id.eq(installations::account_id))
        .filter(settled_days::day.eq(val(day)))
        .filter(settled_days::installation_id.eq(installations::id));
    on!(conn, |c| installations::table
        .inner_join(meters::table.on(same_meter))
        .filter(installations::site_id.eq(val(site)))
        .filter(installations::account_id.gt(val(after)))
        .filter(
            installations::resettle_since.is_not_null().or(installations::end_at
                .is_null()
                .and(installations::start_at.lt(val(midnight)))
                .and(meters::last_good_as_of.ge(val(Some(midnight))).assume_not_null())
                .and(diesel::dsl::not(diesel::dsl::exists(settled)))),
        )
        .order(installations::account_id)
        .limit(limit)
        .select(installations::account_id)
        .distinct()
        .load(c))
}

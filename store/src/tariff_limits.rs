//! The limits with which accounts of a tariff are entered, where those are not the settings'.

use diesel::prelude::*;
use domain::{account::Limits, ids::TariffId, money::Money};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::tariff_limits,
};

row! {
    /// A tariff's limits.
    pub struct Row in tariff_limits {
        /// The tariff.
        pub tariff_id: TariffId,
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
        /// See [`Limits::emergency_credit`].
        pub emergency_credit: Money,
    }
}

/// A tariff's limits; none: those of the settings.
///
/// # Errors
/// Whatever the database answers.
pub fn of(conn: &mut Conn, tariff: TariffId) -> Result<Option<Limits>> {
    let key = (val(tariff.site()), val(tariff));
    let row: Option<Row> = on!(conn, |c| tariff_limits::table.find(key).select(Row::as_select()).first(c).optional())?;
    Ok(row.map(|row| Limits {
        alarm_1: row.alarm_1,
        alarm_2: row.alarm_2,
        rearm_margin: row.rearm_margin,
        overdraft: row.overdraft,
        restore_margin: row.restore_margin,
        emergency_credit: row.emergency_credit,
    }))
}

/// Gives a tariff limits, in place of those that it has; none: those of the settings.
///
/// # Errors
/// Whatever the database answers.
pub fn set(conn: &mut Conn, tariff: TariffId, limits: Option<&Limits>) -> Result<()> {
    let key = (val(tariff.site()), val(tariff));
    on!(conn, |c| diesel::delete(tariff_limits::table.find(key)).execute(c))?;
    let Some(limits) = limits else { return Ok(()) };
    let row = Row {
        tariff_id: tariff,
        alarm_1: limits.alarm_1,
        alarm_2: limits.alarm_2,
        rearm_margin: limits.rearm_margin,
        overdraft: limits.overdraft,
        restore_margin: limits.restore_margin,
        emergency_credit: limits.emergency_credit,
    };
    let values = (&row, tariff_limits::site_id.eq(val(tariff.site())));
    on!(conn, |c| diesel::insert_into(tariff_limits::table).values(values).execute(c)).map(drop)
}

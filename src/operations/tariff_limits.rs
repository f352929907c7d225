//! The limits with which accounts of a tariff are entered. From then on an account's limits are its own.

use domain::{account::Limits, ids::TariffId, money::Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Error, audit_line};
use crate::app::App;

/// Limits of accounts, in minor units of the site's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TariffLimits {
    /// A first notice is due at or below this; not below `alarm_2`.
    #[schema(value_type = i64)]
    pub alarm_1: Money,
    /// A second notice is due, and a credit episode begins, at or below this; not below minus the overdraft.
    #[schema(value_type = i64)]
    pub alarm_2: Money,
    /// A level is armed again only above itself and this.
    #[schema(value_type = i64, minimum = 1)]
    pub rearm_margin: Money,
    /// How far below zero a disconnect is due.
    #[schema(value_type = i64, minimum = 0)]
    pub overdraft: Money,
    /// Headroom from which supply is restored; not above the emergency credit, where that is offered.
    #[schema(value_type = i64, minimum = 1)]
    pub restore_margin: Money,
    /// What may be used beyond that once per credit episode, when the customer asks for it; 0: it is not offered.
    #[schema(value_type = i64, minimum = 0)]
    pub emergency_credit: Money,
}

impl From<TariffLimits> for Limits {
    fn from(limits: TariffLimits) -> Self {
        let TariffLimits { alarm_1, alarm_2, rearm_margin, overdraft, restore_margin, emergency_credit } = limits;
        Self { alarm_1, alarm_2, rearm_margin, overdraft, restore_margin, emergency_credit }
    }
}

impl From<Limits> for TariffLimits {
    fn from(limits: Limits) -> Self {
        let Limits { alarm_1, alarm_2, rearm_margin, overdraft, restore_margin, emergency_credit } = limits;
        Self { alarm_1, alarm_2, rearm_margin, overdraft, restore_margin, emergency_credit }
    }
}

/// Gives a tariff limits for the accounts that are entered with it; none: those of the settings. Accounts that there are keep
/// theirs.
///
/// # Errors
/// There is no such tariff; names the limit that does not hold.
pub async fn set(app: &App, id: TariffId, limits: Option<TariffLimits>, by: &str) -> Result<(), Error> {
    let limits = limits.map(Limits::from);
    if let Some(limits) = &limits {
        let checked = app.settings.policy.credit.check(limits);
        checked.map_err(|bad| Error::field("limits", bad.field, bad.problem))?;
    }
    let (by, now) = (by.to_owned(), app.clock.now());
    let detail = limits.map_or_else(
        || "those of the settings".to_owned(),
        |limits| limits.fields().map(|(field, limit)| format!("{field} {limit}")).join(", "),
    );
    app.db
        .write(move |conn| {
            store::tariff::by_id(conn, id)?;
            store::tariff_limits::set(conn, id, limits.as_ref())?;
            audit_line::write(conn, id.site(), (&by, now), "set_tariff_limits", format!("tariff:{id}"), detail.clone())
        })
        .await
}

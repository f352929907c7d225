//! Another tariff for an account, from a day to come on: what was used before stays as it was priced, and the blocks of a
//! window go on where both tariffs' windows are alike.

use domain::{
    account::State,
    calendar::{day_of, next_day},
    ids::{AccountId, TariffId},
    tariff::CHANGES_MAX,
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::account_tariff::AccountTariff;
use utoipa::ToSchema;

use super::{Error, audit_line, balance, books, label, once, price_change};
use crate::{app::App, changes::Changed};

/// The tariff that an account is to have.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTariff {
    /// The tariff.
    #[schema(value_type = String)]
    pub tariff_id: TariffId,
    /// The first local day it holds for, tomorrow or later; tomorrow if absent.
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_from: Option<Date>,
    /// Why.
    pub reason: String,
}

/// Changes an account's tariff. It takes the place of changes that were entered before for its day or later. The customer is
/// told of the prices in the same transaction.
///
/// # Errors
/// A conflict where the key was used with other content or the account is closed; a refusal that names the field.
pub async fn change(app: &App, id: AccountId, to: ChangeTariff, key: &str, by: &str) -> Result<AccountTariff, Error> {
    if to.tariff_id.site() != id.site() {
        return Err(Error::field("tariff", "tariff_id", "belongs to another site"));
    }
    let asked = once::Asked::new(id.site(), key, &("change_tariff", id, &to))?;
    let reason = label("reason", &to.reason)?;
    let (by, now) = (by.to_owned(), app.clock.now());
    let (changed, done) = app
        .db
        .write(move |conn| {
            let account = store::account::lock(conn, id)?;
            let before = store::account_tariff::of_account(conn, id)?;
            if let Some(place) = once::find::<i64>(conn, &asked)? {
                let earlier = before.into_iter().find(|one| one.place == place);
                return earlier.map(|one| (one, false)).ok_or(Error::NotFound("change of tariff"));
            }
            if account.state == State::Closed {
                return Err(Error::conflict("account_not_active", "the account is closed"));
            }
            let site = store::site::by_id(conn, id.site())?;
            let tariff = store::tariff::lock(conn, to.tariff_id)?;
            let tomorrow = next_day(day_of(now, &books::zone(&site)?));
            let valid_from = to.valid_from.unwrap_or(tomorrow);
            // What is used today is priced today.
            if valid_from < tomorrow {
                return Err(Error::field("tariff", "valid_from", "must be tomorrow or later"));
            }
            let prices = books::tariff(conn, to.tariff_id, &site)?;
            if prices.at(valid_from).is_none() {
                return Err(Error::field("tariff_not_valid", "valid_from", "the tariff is not valid yet on that day"));
            }
            let place = before.last().map_or(0, |last| last.place) + 1;
            if place > i64::from(CHANGES_MAX) {
                return Err(Error::refused("too_many_changes", "the account changed its tariff too often"));
            }
            let row = AccountTariff {
                account_id: id,
                place,
                tariff_id: to.tariff_id,
                valid_from,
                entered_at: now,
                operator_key: by.clone(),
                reason: reason.clone(),
                told_version: prices.versions.last().map(|last| i64::from(last.version)),
            };
            store::account_tariff::insert(conn, &row)?;
            price_change::tell_of_change(conn, &account, &tariff.name, &prices, valid_from, now)?;
            store::account::save(conn, &account)?;
            let detail = format!("{reason}; tariff {} from {valid_from} on", to.tariff_id);
            audit_line::write(conn, id.site(), (&by, now), "change_tariff", format!("account:{id}"), detail)?;
            once::store(conn, &asked, &place, now)?;
            store::fault::point("change_tariff.written");
            Ok((row, true))
        })
        .await?;
    if done {
        // The hot balance is behind until then, and asks the rows where it cannot tell.
        if let Err(error) = balance::refresh(app, id).await {
            tracing::warn!(account = %id, %error, "a hot balance was not brought up to a change of tariff");
        }
        app.announce(Changed::Account { account: id });
    }
    Ok(changed)
}

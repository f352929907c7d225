//! Entering the archive (档案): sites, concentrators, meters, customers and accounts that are not open yet.

use std::collections::BTreeSet;

use domain::{
    account::State,
    ids::{AccountId, ConcentratorId, CustomerId, MeterId, SiteId, TariffId},
    money::{Carry, Currency, Money},
    notice::Language,
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use store::{
    account::Account,
    concentrator::Concentrator,
    customer::Customer,
    ids,
    meter::{Identity, Meter},
    site::Site,
};
use utoipa::ToSchema;

use super::{Error, audit_line, label};
use crate::app::App;

/// A site to be entered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSite {
    /// Its name.
    pub name: String,
    /// IANA time zone, such as `Asia/Shanghai`.
    pub time_zone: String,
    /// ISO 4217 code; `CNY` if absent.
    pub currency: Option<String>,
    /// Decimal places of its minor unit, 0 to 4; 2 if absent.
    pub currency_exponent: Option<u32>,
}

/// A concentrator to be entered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConcentrator {
    /// The site it stands on.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Its name.
    pub name: String,
    /// Region code (A1), 4 digits.
    pub region: String,
    /// Terminal number (A2), 1 to 65534.
    pub terminal: u16,
    /// A profile from the settings.
    pub profile: String,
}

/// A meter to be entered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMeter {
    /// The concentrator it hangs on.
    #[schema(value_type = String)]
    pub concentrator_id: ConcentratorId,
    /// Its name.
    pub name: String,
    /// The 12 digits on its face.
    pub address: String,
    /// Measuring point, 1 to 2040, also its serial number in the concentrator's archive; the next free one if absent.
    pub point: Option<u16>,
    /// Port of the concentrator, 1 to 31; 31 (carrier) if absent.
    pub port: Option<u8>,
    /// A profile from the settings.
    pub profile: String,
}

/// A customer to be entered.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCustomer {
    /// The site the customer belongs to.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Name.
    pub name: String,
    /// Phone number for notices.
    pub phone: Option<String>,
    /// Language of notices, `zh` or `en`; `zh` if absent.
    #[schema(value_type = Option<String>)]
    pub language: Option<Language>,
}

/// What a customer is from now on.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeCustomer {
    /// Name.
    pub name: String,
    /// Phone number for notices; null: none.
    #[schema(required)]
    #[serde(deserialize_with = "Option::deserialize")]
    pub phone: Option<String>,
    /// Language of notices, `zh` or `en`.
    #[schema(value_type = String)]
    pub language: Language,
}

/// An account to be entered; it is opened by a verb of its own.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Whose it is.
    #[schema(value_type = String)]
    pub customer_id: CustomerId,
    /// What prices it.
    #[schema(value_type = String)]
    pub tariff_id: TariffId,
    /// Number for people, unique on the site; made from the identifier if absent.
    pub number: Option<String>,
}

/// Enters a site. Its switch for automatic disconnection comes from the settings.
///
/// # Errors
/// Names the field that does not hold.
pub async fn site(app: &App, new: NewSite) -> Result<Site, Error> {
    let name = label("name", &new.name)?;
    TimeZone::get(&new.time_zone).map_err(|_| Error::field("time_zone", "time_zone", "no such time zone"))?;
    let currency = Currency::new(new.currency.as_deref().unwrap_or("CNY"), new.currency_exponent.unwrap_or(2))
        .map_err(|bad| Error::field("currency", "currency", bad.to_string()))?;
    let automatic_disconnection = app.settings.policy.disconnection.automatic;
    app.db
        .write(move |conn| {
            let site = Site {
                cuts_stopped_before: None,
                id: store::site::next_id(conn)?,
                name: name.clone(),
                time_zone: new.time_zone.clone(),
                currency: currency.code().to_owned(),
                currency_exponent: currency.exponent(),
                automatic_disconnection,
                version: 1,
            };
            store::site::insert(conn, &site)?;
            Ok(site)
        })
        .await
}

/// Enters a concentrator; it is expected from now on.
///
/// # Errors
/// Names the field that does not hold; a conflict where the address is taken.
pub async fn concentrator(app: &App, new: NewConcentrator) -> Result<Concentrator, Error> {
    let name = label("name", &new.name)?;
    if new.region.len() != 4 || !new.region.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::field("region", "region", "must be 4 digits"));
    }
    if !(1..=65534).contains(&new.terminal) {
        return Err(Error::field("terminal", "terminal", "must be 1 to 65534"));
    }
    if !app.settings.profiles.concentrator.contains_key(&new.profile) {
        return Err(Error::field("profile", "profile", "no such concentrator profile"));
    }
    app.db
        .write(move |conn| {
            store::site::by_id(conn, new.site_id)?;
            let concentrator = Concentrator {
                id: ids::next(conn, new.site_id)?,
                name: name.clone(),
                region: new.region.clone(),
                terminal: new.terminal,
                profile: new.profile.clone(),
                password: None,
                clock_drift_s: None,
                clock_read_at: None,
                last_login_at: None,
                last_seen_at: None,
                identity_checked_at: None,
                version: 1,
            };
            store::concentrator::insert(conn, &concentrator)?;
            store::unknown_concentrator::forget(conn, &new.region, concentrator.terminal)?;
            Ok(concentrator)
        })
        .await
}

/// Enters a meter; its concentrator receives it in its archive.
///
/// # Errors
/// Names the field that does not hold; a conflict where the address or the point is taken.
pub async fn meter(app: &App, new: NewMeter) -> Result<Meter, Error> {
    let name = label("name", &new.name)?;
    if new.address.len() != 12 || !new.address.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::field("address", "address", "must be the 12 digits on the meter"));
    }
    if !app.settings.profiles.meter.contains_key(&new.profile) {
        return Err(Error::field("profile", "profile", "no such meter profile"));
    }
    let port = new.port.unwrap_or(CARRIER_PORT);
    if !(1..=CARRIER_PORT).contains(&port) {
        return Err(Error::field("port", "port", "must be 1 to 31"));
    }
    let (concentrator, settings) = (new.concentrator_id, app.settings.clone());
    let meter = app
        .db
        .write(move |conn| {
            let behind = store::concentrator::by_id(conn, new.concentrator_id)?;
            let others = store::meter::of_concentrator(conn, new.concentrator_id)?;
            let round = settings.concentrator_profile(&behind.profile)?.round(others.len() + 1);
            round
                .check(&settings.policy.polling)
                .map_err(|slow| Error::field("round_too_long", "concentrator_id", slow.to_string()))?;
            let point = new.point.unwrap_or_else(|| free_point(&others));
            if !(1..=POINT_MAX).contains(&point) {
                return Err(Error::field("point", "point", "must be 1 to 2040, and one must be free"));
            }
            let meter = Meter {
                id: ids::next(conn, new.concentrator_id.site())?,
                concentrator_id: new.concentrator_id,
                address: new.address.clone(),
                serial: point,
                point,
                port,
                profile: new.profile.clone(),
                name: name.clone(),
                guarded: false,
                guard_reason: None,
                relay: None,
                relay_command: None,
                relay_local_prepay: None,
                relay_read_at: None,
                relay_blocked: false,
                identity: Identity::Unverified,
                identity_at: None,
                last_seen_at: None,
                seen_again_at: None,
                seen_gaps: 0,
                last_good_as_of: None,
                version: 1,
            };
            store::meter::insert(conn, &meter)?;
            Ok::<_, Error>(meter)
        })
        .await?;
    app.reload(concentrator);
    Ok(meter)
}

/// The port of a carrier (PLC) module.
const CARRIER_PORT: u8 = 31;
/// Highest measuring point of a concentrator (Q/GDW 376.1 AFN04 F10, docs/protocols/qgdw376.md).
const POINT_MAX: u16 = 2040;

fn free_point(taken: &[Meter]) -> u16 {
    let taken: BTreeSet<u16> = taken.iter().map(|meter| meter.point).collect();
    (1..=POINT_MAX).find(|point| !taken.contains(point)).unwrap_or(POINT_MAX + 1)
}

/// Enters a customer.
///
/// # Errors
/// Names the field that does not hold.
pub async fn customer(app: &App, new: NewCustomer) -> Result<Customer, Error> {
    let name = label("name", &new.name)?;
    if let Some(phone) = &new.phone {
        label("phone", phone)?;
    }
    app.db
        .write(move |conn| {
            store::site::by_id(conn, new.site_id)?;
            let customer = Customer {
                id: ids::next(conn, new.site_id)?,
                name: name.clone(),
                phone: new.phone.clone(),
                language: new.language.unwrap_or(Language::Zh),
                version: 1,
            };
            store::customer::insert(conn, &customer)?;
            Ok(customer)
        })
        .await
}

/// Changes a customer. `expected`: the version that was seen; another one is a conflict.
///
/// # Errors
/// Names the field that does not hold; the customer does not exist, or was changed meanwhile.
pub async fn change_customer(
    app: &App,
    id: CustomerId,
    to: ChangeCustomer,
    expected: Option<i64>,
    by: &str,
) -> Result<Customer, Error> {
    let name = label("name", &to.name)?;
    if let Some(phone) = &to.phone {
        label("phone", phone)?;
    }
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let seen = store::customer::by_id(conn, id)?;
            let version = expected.unwrap_or(seen.version);
            let new = Customer { id, name: name.clone(), phone: to.phone.clone(), language: to.language, version };
            let customer = store::customer::save(conn, &new)?;
            let detail = format!("{} to {}", seen.name, customer.name);
            audit_line::write(conn, id.site(), (&by, now), "change_customer", format!("customer:{id}"), detail)?;
            Ok(customer)
        })
        .await
}

/// Gives a meter another name. `expected`: the version that was seen; another one is a conflict.
///
/// # Errors
/// A name that is none; the meter does not exist, or was changed meanwhile.
pub async fn rename_meter(app: &App, id: MeterId, name: &str, expected: Option<i64>, by: &str) -> Result<Meter, Error> {
    let name = label("name", name)?;
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let seen = store::meter::by_id(conn, id)?;
            let detail = format!("{} to {name}", seen.name);
            let version = expected.unwrap_or(seen.version);
            let meter = store::meter::save(conn, &Meter { name: name.clone(), version, ..seen })?;
            audit_line::write(conn, id.site(), (&by, now), "rename_meter", format!("meter:{id}"), detail)?;
            Ok(meter)
        })
        .await
}

/// Enters an account that is not open yet; its limits come from its tariff, or else from the settings.
///
/// # Errors
/// Names the field that does not hold; a conflict where the number is taken.
pub async fn account(app: &App, new: NewAccount) -> Result<Account, Error> {
    let site = new.customer_id.site();
    if new.tariff_id.site() != site {
        return Err(Error::field("tariff", "tariff_id", "belongs to another site"));
    }
    let limits = app.settings.policy.credit.limits;
    app.db
        .write(move |conn| {
            let currency = store::site::by_id(conn, site)?.currency;
            store::customer::by_id(conn, new.customer_id)?;
            store::tariff::by_id(conn, new.tariff_id)?;
            let limits = store::tariff_limits::of(conn, new.tariff_id)?.unwrap_or(limits);
            let id: AccountId = ids::next(conn, site)?;
            let number = match &new.number {
                Some(number) => label("number", number)?,
                None => id.to_string(),
            };
            let account = Account {
                id,
                number,
                customer_id: new.customer_id,
                tariff_id: new.tariff_id,
                state: State::Pending,
                currency,
                guarded: false,
                guard_reason: None,
                alarm_1: limits.alarm_1,
                alarm_2: limits.alarm_2,
                rearm_margin: limits.rearm_margin,
                overdraft: limits.overdraft,
                restore_margin: limits.restore_margin,
                posted: Money::ZERO,
                carry: Carry::ZERO,
                alarm_1_armed: true,
                alarm_2_armed: true,
                episode_began_at: None,
                episode_forecast: false,
                episode_warned: false,
                warning_served_at: None,
                last_warning_at: None,
                decide_at: None,
                opened_at: None,
                fixed_to: None,
                closed_at: None,
                debt: Money::ZERO,
                emergency_credit: limits.emergency_credit,
                episode_emergency: None,
                hold_until: None,
                version: 1,
            };
            store::account::insert(conn, &account)?;
            Ok(account)
        })
        .await
}

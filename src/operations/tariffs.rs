//! Entering tariffs (电价) and their versions.

use domain::{
    calendar::day_of,
    energy::Energy,
    ids::{SiteId, TariffId},
    money::{Money, Price},
    tariff::{BadTariff, Block, FixedCharge, HORIZON_DAYS, TariffVersion, TimeOfUse, VERSIONS_MAX},
};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};
use store::{Conn, ids, tariff::Tariff};
use utoipa::ToSchema;

use super::{Error, audit_line, books, label, price_change};
use crate::app::App;

/// A block of a tariff to be entered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBlock {
    /// Upper bound of the block in kWh per window; absent for the last block.
    #[schema(value_type = Option<String>, example = "240")]
    pub upto_kwh: Option<Energy>,
    /// Price per kWh, at most 6 decimal places.
    #[schema(value_type = String, example = "0.5889")]
    pub price: Price,
}

/// A tariff to be entered, with its first version.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTariff {
    /// The site it applies on.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Its name.
    pub name: String,
    /// First local day it is valid; today if absent.
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_from: Option<Date>,
    /// One block for a flat price, several for a tiered one (阶梯).
    pub blocks: Vec<NewBlock>,
    /// Prices by the time of day (分时): then the blocks' are added to them, and the first block's is 0. `prices` per kWh of
    /// `sharp`, `peak`, `flat`, `valley`, `deep_valley`; `day_types`: from when which period counts; `seasons`: which days are
    /// of which type from a day of the year on; `holidays`: those of a single date.
    #[schema(value_type = Option<Object>, example = json!({
        "prices": { "peak": "1.15", "valley": "0.35" },
        "day_types": { "usual": [{ "at": "00:00:00", "period": "valley" }, { "at": "08:00:00", "period": "peak" }] },
        "seasons": [{ "from_month": 1, "from_day": 1, "weekdays": "usual", "weekends": "usual" }],
    }))]
    pub time_of_use: Option<TimeOfUse>,
    /// Day of the month, 1 to 28, on which the blocks begin anew; 1 if absent.
    pub window_start_day: Option<i8>,
    /// The month, 1 to 12, in which they do where a window lasts a year; every month if absent.
    pub window_start_month: Option<i8>,
    /// Whether an account that is opened inside a window has bounds lower by the days gone; `false` if absent.
    pub prorate_opening: Option<bool>,
    /// Charges that come whatever was used, each with `name`, `every` (`day` or `month`) and `amount` in minor units.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{ "name": "service", "every": "month", "amount": 500 }]))]
    pub fixed_charges: Option<Vec<FixedCharge>>,
    /// Tax contained in the price, in millionths (130000 = 13 %); 0 if absent.
    pub tax_rate_ppm: Option<u32>,
    /// Least amount of a vend in minor units; 1 if absent.
    #[schema(value_type = Option<i64>)]
    pub minimum_vend: Option<Money>,
}

/// A further version of a tariff, for all accounts that it prices.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    /// First local day it is valid: tomorrow or later, and after every version before it.
    #[schema(value_type = String, format = Date)]
    pub valid_from: Date,
    /// One block for a flat price, several for a tiered one (阶梯).
    pub blocks: Vec<NewBlock>,
    /// Prices by the time of day (分时): then the blocks' are added to them, and the first block's is 0. `prices` per kWh of
    /// `sharp`, `peak`, `flat`, `valley`, `deep_valley`; `day_types`: from when which period counts; `seasons`: which days are
    /// of which type from a day of the year on; `holidays`: those of a single date.
    #[schema(value_type = Option<Object>, example = json!({
        "prices": { "peak": "1.15", "valley": "0.35" },
        "day_types": { "usual": [{ "at": "00:00:00", "period": "valley" }, { "at": "08:00:00", "period": "peak" }] },
        "seasons": [{ "from_month": 1, "from_day": 1, "weekdays": "usual", "weekends": "usual" }],
    }))]
    pub time_of_use: Option<TimeOfUse>,
    /// Day of the month, 1 to 28, on which the blocks begin anew.
    pub window_start_day: Option<i8>,
    /// The month, 1 to 12, in which they do where a window lasts a year; every month where only the day is named. With neither,
    /// both are as in the version before.
    pub window_start_month: Option<i8>,
    /// Whether an account that is opened inside a window has bounds lower by the days gone; as before if absent.
    pub prorate_opening: Option<bool>,
    /// Charges that come whatever was used, each with `name`, `every` (`day` or `month`) and `amount` in minor units; as before
    /// if absent, and none if empty.
    #[schema(value_type = Option<Vec<Object>>, example = json!([{ "name": "service", "every": "month", "amount": 500 }]))]
    pub fixed_charges: Option<Vec<FixedCharge>>,
    /// Tax contained in the price, in millionths (130000 = 13 %); as before if absent.
    pub tax_rate_ppm: Option<u32>,
    /// Least amount of a vend in minor units; as before if absent.
    #[schema(value_type = Option<i64>)]
    pub minimum_vend: Option<Money>,
}

impl NewTariff {
    /// Its first version.
    fn first(&self, today: Date) -> NewVersion {
        NewVersion {
            valid_from: self.valid_from.unwrap_or(today),
            blocks: self.blocks.clone(),
            time_of_use: self.time_of_use.clone(),
            window_start_day: self.window_start_day,
            window_start_month: self.window_start_month,
            prorate_opening: self.prorate_opening,
            fixed_charges: self.fixed_charges.clone(),
            tax_rate_ppm: self.tax_rate_ppm,
            minimum_vend: self.minimum_vend,
        }
    }
}

impl NewVersion {
    /// The version that says so; what it leaves open, but for prices, is as in the one before, where there is one.
    ///
    /// # Errors
    /// Names the field that does not hold.
    pub fn numbered(&self, version: i32, before: Option<&TariffVersion>) -> Result<TariffVersion, Error> {
        let window = match (self.window_start_day, self.window_start_month, before) {
            (None, None, Some(before)) => (before.window_start_day, before.window_start_month),
            (day, month, _) => (day.unwrap_or(1), month),
        };
        let terms = TariffVersion {
            version,
            valid_from: self.valid_from,
            blocks: self.blocks.iter().map(|block| Block { upto: block.upto_kwh, price: block.price }).collect(),
            time_of_use: self.time_of_use.clone(),
            window_start_day: window.0,
            window_start_month: window.1,
            prorate_opening: self.prorate_opening.unwrap_or(before.is_some_and(|before| before.prorate_opening)),
            fixed_charges: self
                .fixed_charges
                .clone()
                .unwrap_or_else(|| before.map_or(Vec::new(), |before| before.fixed_charges.clone())),
            tax_rate_ppm: self.tax_rate_ppm.unwrap_or(before.map_or(0, |before| before.tax_rate_ppm)),
            minimum_vend: self.minimum_vend.unwrap_or(before.map_or(Money::new(1), |before| before.minimum_vend)),
        };
        let named = |bad: BadTariff| Error::field("tariff", bad.field.replace(".upto", ".upto_kwh"), bad.problem);
        terms.validate().map_err(named)?;
        Ok(terms)
    }
}

/// Enters a tariff with its first version.
///
/// # Errors
/// Names the field that does not hold.
pub async fn enter(app: &App, new: NewTariff, by: &str) -> Result<(Tariff, TariffVersion), Error> {
    let name = new.name.clone();
    enter_first(app, new.site_id, &name, by, move |today| new.first(today)).await
}

/// Enters a tariff whose first version is told by the site's present day.
///
/// # Errors
/// Names the field that does not hold.
pub(super) async fn enter_first(
    app: &App,
    site_id: SiteId,
    name: &str,
    by: &str,
    first: impl Fn(Date) -> NewVersion + Send + 'static,
) -> Result<(Tariff, TariffVersion), Error> {
    let name = label("name", name)?;
    let (now, by, most) = (app.clock.now(), by.to_owned(), app.settings.policy.vending.maximum_per_vend);
    app.db
        .write(move |conn| {
            let site = store::site::by_id(conn, site_id)?;
            let today = day_of(now, &books::zone(&site)?);
            let terms = first(today).numbered(1, None)?;
            check_slips(&terms, today, most)?;
            let tariff = Tariff { id: ids::next(conn, site_id)?, name: name.clone() };
            store::tariff::insert(conn, &tariff)?;
            store::tariff::insert_version(conn, tariff.id, &terms, now)?;
            entered(conn, (&by, now), &tariff, &terms)?;
            Ok((tariff, terms))
        })
        .await
}

/// What is mistyped by a century would be in every later version's way, and below a least vend above the most nothing is sold.
fn check_slips(terms: &TariffVersion, today: Date, most: Money) -> Result<(), Error> {
    if terms.valid_from.duration_since(today).as_hours() / 24 > HORIZON_DAYS {
        return Err(Error::field("tariff", "valid_from", format!("must be within {HORIZON_DAYS} days")));
    }
    if terms.minimum_vend > most {
        let detail = format!("must be at most {most} minor units, the most of a vend");
        return Err(Error::field("tariff", "minimum_vend", detail));
    }
    Ok(())
}

/// Enters a further version of a tariff. The customers of its accounts are told by recurring work.
///
/// # Errors
/// Names the field that does not hold.
pub async fn enter_version(app: &App, id: TariffId, new: NewVersion, by: &str) -> Result<(), Error> {
    let (now, by, most) = (app.clock.now(), by.to_owned(), app.settings.policy.vending.maximum_per_vend);
    app.db
        .write(move |conn| {
            let site = store::site::by_id(conn, id.site())?;
            let tariff = store::tariff::lock(conn, id)?;
            let versions = store::tariff::versions(conn, id)?;
            // A version is never changed once in force, and what is used today is priced today.
            let today = day_of(now, &books::zone(&site)?);
            let earliest = versions.last().map(|last| last.valid_from).max(Some(today));
            if earliest.is_some_and(|earliest| new.valid_from <= earliest) {
                let detail = "must be tomorrow or later, and after the versions before it";
                return Err(Error::field("tariff", "valid_from", detail));
            }
            let number = versions.last().map_or(0, |last| last.version) + 1;
            if number > VERSIONS_MAX {
                return Err(Error::refused(
                    "too_many_versions",
                    format!("a tariff has {VERSIONS_MAX} versions at most"),
                ));
            }
            let version = new.numbered(number, versions.last())?;
            check_slips(&version, today, most)?;
            store::tariff::insert_version(conn, id, &version, now)?;
            price_change::begin(conn, id, &version, now)?;
            entered(conn, (&by, now), &tariff, &version)
        })
        .await?;
    app.forget_tariff(id);
    Ok(())
}

/// Writes who entered a version.
fn entered(conn: &mut Conn, by: (&str, Timestamp), tariff: &Tariff, version: &TariffVersion) -> Result<(), Error> {
    let detail = format!("{}: version {} from {} on", tariff.name, version.version, version.valid_from);
    audit_line::write(conn, tariff.id.site(), by, "enter_tariff_version", format!("tariff:{}", tariff.id), detail)
}

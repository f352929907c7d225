//! Tariffs entered from a preset: price lists to begin with, as the settings say them.

use domain::{
    ids::SiteId,
    money::Money,
    tariff::{FixedCharge, TimeOfUse},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use store::tariff::Tariff;
use utoipa::ToSchema;

use super::{
    Error,
    tariffs::{self, NewBlock, NewVersion},
};
use crate::app::App;

/// What a preset says: all of a version but its day.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// See [`NewVersion::blocks`].
    pub blocks: Vec<NewBlock>,
    /// See [`NewVersion::time_of_use`].
    pub time_of_use: Option<TimeOfUse>,
    /// See [`NewVersion::window_start_day`].
    pub window_start_day: Option<i8>,
    /// See [`NewVersion::window_start_month`].
    pub window_start_month: Option<i8>,
    /// See [`NewVersion::prorate_opening`].
    pub prorate_opening: Option<bool>,
    /// See [`NewVersion::fixed_charges`].
    pub fixed_charges: Option<Vec<FixedCharge>>,
    /// See [`NewVersion::tax_rate_ppm`].
    pub tax_rate_ppm: Option<u32>,
    /// See [`NewVersion::minimum_vend`].
    pub minimum_vend: Option<Money>,
}

impl Terms {
    /// The version that says so from a day on.
    #[must_use]
    pub fn version(&self, valid_from: Date) -> NewVersion {
        let Self { window_start_day, window_start_month, prorate_opening, tax_rate_ppm, minimum_vend, .. } = *self;
        NewVersion {
            valid_from,
            blocks: self.blocks.clone(),
            time_of_use: self.time_of_use.clone(),
            window_start_day,
            window_start_month,
            prorate_opening,
            fixed_charges: self.fixed_charges.clone(),
            tax_rate_ppm,
            minimum_vend,
        }
    }
}

/// A tariff to be entered from a preset.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FromPreset {
    /// The site it applies on.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// The preset.
    pub preset: String,
    /// Its name.
    pub name: String,
    /// First local day it is valid; today if absent.
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_from: Option<Date>,
}

/// Enters a tariff from a preset.
///
/// # Errors
/// Names the field that does not hold.
pub async fn enter(app: &App, from: FromPreset, by: &str) -> Result<Tariff, Error> {
    let FromPreset { site_id, preset, name, valid_from } = from;
    let unknown = || Error::field("preset", "preset", "the settings have no such preset");
    let preset = app.settings.tariff_presets.get(&preset).ok_or_else(unknown)?;
    let currency = app.db.read(move |conn| store::site::by_id(conn, site_id)).await?.currency;
    if currency != preset.currency {
        let detail = format!("the site's money is {currency}, the preset's {}", preset.currency);
        return Err(Error::field("currency_mismatch", "preset", detail));
    }
    let terms = preset.terms.clone();
    Ok(tariffs::enter_first(app, site_id, &name, by, move |today| terms.version(valid_from.unwrap_or(today))).await?.0)
}

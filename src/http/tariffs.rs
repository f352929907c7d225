//! Tariffs (电价) and their versions.

use actix_web::{HttpResponse, delete, get, post, put, web};
use domain::{
    energy::Energy,
    ids::TariffId,
    money::{Money, Price},
    tariff,
};
use jiff::civil::Date;
use serde::Serialize;
use store::Conn;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, Query},
    located,
    page::{Ask, OfSite, Page},
    problem::Problem,
};
use crate::{
    app::App,
    operations::{
        quote::{self, AskQuote, Quote},
        tariff_limits::{self, TariffLimits},
        tariffs::{self, NewTariff, NewVersion},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_tariffs).service(enter_tariff).service(show_tariff).service(enter_version).service(show_quote);
    config.service(set_limits).service(clear_limits);
}

/// A tariff.
#[derive(Serialize, ToSchema)]
struct Tariff {
    /// Identifier.
    #[schema(value_type = String)]
    id: TariffId,
    /// Name.
    name: String,
}

impl From<store::tariff::Tariff> for Tariff {
    fn from(row: store::tariff::Tariff) -> Self {
        Self { id: row.id, name: row.name }
    }
}

/// A tariff and its versions.
#[derive(Serialize, ToSchema)]
pub(super) struct TariffAndVersions {
    #[serde(flatten)]
    tariff: Tariff,
    /// What prices and amounts are in, ISO 4217.
    currency: String,
    /// By the day they are valid from.
    versions: Vec<TariffVersion>,
    /// The limits with which accounts are entered; null: those of the settings.
    limits: Option<TariffLimits>,
}

/// A version of a tariff: a price list from a day on.
#[derive(Serialize, ToSchema)]
struct TariffVersion {
    /// Its number within the tariff, from 1.
    version: i32,
    /// First local day it is valid.
    #[schema(value_type = String, format = Date)]
    valid_from: Date,
    /// Prices by the energy used so far in the window; one for a flat price.
    blocks: Vec<Block>,
    /// Prices by the time of day, to which the blocks' are added; null: the time does not matter.
    #[schema(value_type = Option<Object>)]
    time_of_use: Option<tariff::TimeOfUse>,
    /// Day of the month on which the blocks begin anew.
    window_start_day: i8,
    /// The month in which they do where a window lasts a year; null: every month.
    window_start_month: Option<i8>,
    /// Whether an account that is opened inside a window has bounds lower by the days gone.
    prorate_opening: bool,
    /// Charges that come whatever was used, in advance, by the day or the month; money in minor units.
    #[schema(value_type = Vec<Object>)]
    fixed_charges: Vec<tariff::FixedCharge>,
    /// Tax contained in the price, in millionths of the price before tax.
    tax_rate_ppm: u32,
    /// Least amount of a vend, in minor units.
    #[schema(value_type = i64)]
    minimum_vend: Money,
}

/// A price up to a bound.
#[derive(Serialize, ToSchema)]
struct Block {
    /// Upper bound in kWh per window; null for the last block.
    #[schema(value_type = Option<String>)]
    upto_kwh: Option<Energy>,
    /// Price per kWh.
    #[schema(value_type = String)]
    price: Price,
}

impl From<tariff::TariffVersion> for TariffVersion {
    fn from(terms: tariff::TariffVersion) -> Self {
        let block = |block: tariff::Block| Block { upto_kwh: block.upto, price: block.price };
        Self {
            version: terms.version,
            valid_from: terms.valid_from,
            blocks: terms.blocks.into_iter().map(block).collect(),
            time_of_use: terms.time_of_use,
            window_start_day: terms.window_start_day,
            window_start_month: terms.window_start_month,
            prorate_opening: terms.prorate_opening,
            fixed_charges: terms.fixed_charges,
            tax_rate_ppm: terms.tax_rate_ppm,
            minimum_vend: terms.minimum_vend,
        }
    }
}

/// Lists a site's tariffs
#[utoipa::path(tag = "tariffs", params(OfSite), responses((status = 200, description = "By identifier", body = Page<Tariff>)))]
#[get("/tariffs")]
async fn list_tariffs(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<OfSite>,
) -> Result<web::Json<Page<Tariff>>, Problem> {
    let site = caller.list_of(query.0.site_id)?;
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| store::tariff::page(conn, site, after, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.id, Tariff::from)))
}

/// Enters a tariff with its first version
#[utoipa::path(tag = "tariffs", request_body = NewTariff, responses(
    (status = 201, description = "Entered", body = TariffAndVersions),
))]
#[post("/tariffs")]
async fn enter_tariff(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewTariff>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let (entered, _) = tariffs::enter(&app, body.0, &caller.prefix).await?;
    let shown = app.db.read(move |conn| show(conn, entered.id)).await?;
    Ok(located(HttpResponse::Created(), &format!("/tariffs/{}", shown.tariff.id), &shown))
}

/// Shows a tariff and its versions
#[utoipa::path(tag = "tariffs", responses((status = 200, description = "The tariff", body = TariffAndVersions)))]
#[get("/tariffs/{id}")]
async fn show_tariff(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<TariffId>,
) -> Result<web::Json<TariffAndVersions>, Problem> {
    Ok(web::Json(app.db.read(move |conn| show(conn, id.0)).await?))
}

/// Enters a further version of a tariff
#[utoipa::path(tag = "tariffs", request_body = NewVersion, responses(
    (status = 201, description = "Entered: the tariff with all its versions", body = TariffAndVersions),
))]
#[post("/tariffs/{id}/versions")]
async fn enter_version(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<TariffId>,
    body: Body<NewVersion>,
) -> Result<HttpResponse, Problem> {
    tariffs::enter_version(&app, id.0, body.0, &caller.prefix).await?;
    let shown = app.db.read(move |conn| show(conn, id.0)).await?;
    Ok(located(HttpResponse::Created(), &format!("/tariffs/{}", id.0), &shown))
}

/// Gives a tariff the limits with which accounts are entered from now on; accounts that there are keep theirs
#[utoipa::path(tag = "tariffs", request_body = TariffLimits, responses((status = 204, description = "Done")))]
#[put("/tariffs/{id}/limits")]
async fn set_limits(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<TariffId>,
    body: Body<TariffLimits>,
) -> Result<HttpResponse, Problem> {
    tariff_limits::set(&app, id.0, Some(body.0), &caller.prefix).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a tariff's limits away: accounts are entered with those of the settings
#[utoipa::path(tag = "tariffs", responses((status = 204, description = "Done")))]
#[delete("/tariffs/{id}/limits")]
async fn clear_limits(caller: May<Operate>, app: web::Data<App>, id: At<TariffId>) -> Result<HttpResponse, Problem> {
    tariff_limits::set(&app, id.0, None, &caller.prefix).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Tells how much energy an amount buys by today's prices, or what energy costs
#[utoipa::path(tag = "tariffs", params(AskQuote), responses((status = 200, description = "The quote", body = Quote)))]
#[get("/tariffs/{id}/quote")]
async fn show_quote(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<TariffId>,
    query: Query<AskQuote>,
) -> Result<web::Json<Quote>, Problem> {
    if query.0.account_id.is_some_and(|account| account.site() != id.0.site()) {
        return Err(Problem::not_found("account"));
    }
    Ok(web::Json(quote::quote(&app, id.0, query.0).await?))
}

pub(super) fn show(conn: &mut Conn, id: TariffId) -> store::Result<TariffAndVersions> {
    Ok(TariffAndVersions {
        tariff: store::tariff::by_id(conn, id)?.into(),
        currency: store::site::by_id(conn, id.site())?.currency,
        versions: store::tariff::versions(conn, id)?.into_iter().map(TariffVersion::from).collect(),
        limits: store::tariff_limits::of(conn, id)?.map(TariffLimits::from),
    })
}

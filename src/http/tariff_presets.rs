//! Tariff presets: price lists to begin with.

use actix_web::{HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::Body,
    located,
    problem::Problem,
    tariffs::{TariffAndVersions, show},
};
use crate::{
    app::App,
    operations::tariff_preset::{self, FromPreset, Terms},
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(list_tariff_presets).service(enter_preset);
}

/// A price list to begin with.
#[derive(Serialize, ToSchema)]
struct TariffPreset {
    /// What it is called in a request.
    preset: String,
    /// Its name in Chinese.
    name_zh: String,
    /// Its name in English.
    name_en: String,
    /// Where its figures come from.
    source: String,
    /// What its prices are in, ISO 4217.
    currency: String,
    /// What it says, as a new tariff would.
    #[schema(value_type = Object)]
    terms: Terms,
}

/// Lists the price lists that the settings offer to begin with
#[utoipa::path(tag = "tariffs", responses((status = 200, description = "By name", body = Vec<TariffPreset>)))]
#[get("/tariff_presets")]
async fn list_tariff_presets(_caller: May<Read>, app: web::Data<App>) -> web::Json<Vec<TariffPreset>> {
    let shown = app.settings.tariff_presets.iter().map(|(name, preset)| TariffPreset {
        preset: name.clone(),
        name_zh: preset.name_zh.clone(),
        name_en: preset.name_en.clone(),
        source: preset.source.clone(),
        currency: preset.currency.clone(),
        terms: preset.terms.clone(),
    });
    web::Json(shown.collect())
}

/// Enters a tariff with a preset as its first version
#[utoipa::path(tag = "tariffs", request_body = FromPreset, responses(
    (status = 201, description = "Entered", body = TariffAndVersions),
))]
#[post("/tariffs/from_preset")]
async fn enter_preset(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<FromPreset>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.site_id)?;
    let entered = tariff_preset::enter(&app, body.0, &caller.prefix).await?;
    let shown = app.db.read(move |conn| show(conn, entered.id)).await?;
    Ok(located(HttpResponse::Created(), &format!("/tariffs/{}", entered.id), &shown))
}

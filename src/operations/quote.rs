//! Quotes: how much energy an amount buys now, and what energy would cost.

use domain::{
    calendar::day_of,
    charge::{ChargeError, Priced, Slice, Usage, quote, used_in_window},
    energy::Energy,
    ids::{AccountId, TariffId},
    money::{Carry, Exact, Money, Price},
    tariff::{Period, Tariff, TariffVersion, number_within, tariff_on},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Error, books, books::Books};
use crate::app::App;

/// What is asked: an amount, or energies.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AskQuote {
    /// An account of the tariff: what it used in its window of blocks counts. Nothing was used if absent.
    #[param(value_type = Option<String>)]
    pub account_id: Option<AccountId>,
    /// An amount, in minor units: how much energy does it buy?
    #[param(value_type = Option<i64>)]
    pub amount: Option<Money>,
    /// The period in which that energy is used; the present one if absent.
    #[param(value_type = Option<String>)]
    pub period: Option<Period>,
    /// Energy used in the sharp period, in kWh: what does it cost?
    #[param(value_type = Option<String>)]
    pub sharp_kwh: Option<Energy>,
    /// Energy used in the peak period.
    #[param(value_type = Option<String>)]
    pub peak_kwh: Option<Energy>,
    /// Energy used in the flat period, or where the time of day does not matter.
    #[param(value_type = Option<String>)]
    pub flat_kwh: Option<Energy>,
    /// Energy used in the valley period.
    #[param(value_type = Option<String>)]
    pub valley_kwh: Option<Energy>,
    /// Energy used in the deep valley period.
    #[param(value_type = Option<String>)]
    pub deep_valley_kwh: Option<Energy>,
}

/// What energy costs by today's prices. Fixed charges and debts are no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Quote {
    /// The tariff.
    #[schema(value_type = String)]
    pub tariff_id: TariffId,
    /// Its version that holds today.
    pub version: i32,
    /// First local day of the window of blocks.
    #[schema(value_type = String, format = Date)]
    pub window: Date,
    /// What was used in it before, in kWh.
    #[schema(value_type = String)]
    pub used_kwh: Energy,
    /// What the amounts are in.
    pub currency: String,
    /// The amount that was asked about, or the least that pays for the energy, in minor units.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// The energy, in kWh.
    #[schema(value_type = String)]
    pub energy_kwh: Energy,
    /// What the energy costs exactly, in currency units.
    #[schema(value_type = String)]
    pub cost: Exact,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// A part of a quote: energy in a block, or in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// The block, from 1.
    pub block: Option<usize>,
    /// The period.
    #[schema(value_type = Option<String>)]
    pub period: Option<Period>,
    /// The price per kWh there.
    #[schema(value_type = String)]
    pub price: Price,
    /// The energy, in kWh.
    #[schema(value_type = String)]
    pub energy_kwh: Energy,
    /// What it costs exactly, in currency units.
    #[schema(value_type = String)]
    pub cost: Exact,
}

impl From<Slice> for Part {
    fn from(slice: Slice) -> Self {
        let (block, period) = match slice.priced {
            Priced::Block(block) => (Some(block), None),
            Priced::Period(period) => (None, Some(period)),
        };
        Self { block, period, price: slice.price, energy_kwh: slice.energy, cost: slice.cost }
    }
}

/// Makes a quote; nothing is stored.
///
/// # Errors
/// A refusal that names the field which does not hold.
pub async fn quote(app: &App, id: TariffId, ask: AskQuote) -> Result<Quote, Error> {
    let now = app.clock.now();
    app.db
        .snapshot(move |conn| {
            store::tariff::by_id(conn, id)?;
            let site = store::site::by_id(conn, id.site())?;
            let zone = books::zone(&site)?;
            let today = day_of(now, &zone);
            let (tariff, used, opened) = match ask.account_id {
                None => (books::tariff(conn, id, &site)?, Usage::none(), Date::MIN),
                Some(account) => {
                    let row = store::account::by_id(conn, account)?;
                    let books = Books::load(conn, row)?;
                    if tariff_on(today, books.account.tariff_id, &books.changes) != id {
                        return Err(Error::field("account", "account_id", "is priced by another tariff"));
                    }
                    let used = books.settled.plus(&books.unsettled());
                    (books.tariff, used, books.opened)
                }
            };
            let version = tariff.at(today).ok_or(ChargeError::NoVersion(today))?;
            let (window, number) = tariff.window(today, opened)?;
            let standing = Standing { used: &used, window, version, tariff: &tariff };
            let more = match (ask.amount, ask.energies()) {
                (Some(amount), energies) if energies.is_empty() => {
                    let spans = tariff.spans(today, &zone)?;
                    let present = spans.iter().find(|span| now < span.until).map_or(Period::Flat, |span| span.period);
                    standing.bought(amount, ask.period.unwrap_or(present))?
                }
                (None, energies) if !energies.is_empty() && ask.period.is_none() => standing.wanted(&energies)?,
                _ => {
                    return Err(Error::refused(
                        "quote",
                        "either an amount, or energies by period, must be asked about",
                    ));
                }
            };
            let cost = quote::cost(&used, &more, &tariff)?;
            Ok(Quote {
                tariff_id: id,
                version: number_within(number),
                window,
                used_kwh: used_in_window(&used, &tariff, window, number)?,
                currency: site.currency.clone(),
                amount: ask.amount.map_or_else(|| least(cost, &tariff.currency), Ok)?,
                energy_kwh: more.total(),
                cost,
                parts: quote::parts(&used, &more, &tariff)?.into_iter().map(Part::from).collect(),
            })
        })
        .await
}

/// Where a window of blocks stands.
struct Standing<'a> {
    used: &'a Usage,
    window: Date,
    version: &'a TariffVersion,
    tariff: &'a Tariff,
}

impl Standing<'_> {
    /// What an amount buys.
    fn bought(&self, amount: Money, period: Period) -> Result<Usage, Error> {
        if amount < Money::ZERO {
            return Err(Error::field("quote", "amount", "must not be negative"));
        }
        check_period(self.version, period, "period")?;
        let (amount, key) = (Exact::of(amount, &self.tariff.currency), (self.window, self.version.version, period));
        let free = || {
            let detail = format!("buys more than {} kWh, or energy is free", quote::ENERGY_MAX);
            Error::field("quote", "amount", detail)
        };
        let energy = quote::energy_for(amount, self.used, key, self.tariff)?.ok_or_else(free)?;
        Ok([(key, energy)].into_iter().collect())
    }

    /// Energies by period.
    fn wanted(&self, energies: &[(&'static str, Period, Energy)]) -> Result<Usage, Error> {
        for (field, period, energy) in energies {
            check_period(self.version, *period, field)?;
            if *energy < Energy::ZERO || *energy > quote::ENERGY_MAX {
                let detail = format!("must be 0 to {} kWh", quote::ENERGY_MAX);
                return Err(Error::field("quote", *field, detail));
            }
        }
        let at = |period| (self.window, self.version.version, period);
        Ok(energies.iter().map(|(_, period, energy)| (at(*period), *energy)).collect())
    }
}

/// The fewest whole minor units that pay for a cost.
fn least(cost: Exact, currency: &domain::money::Currency) -> Result<Money, Error> {
    let (whole, rest) = cost.split(currency).ok_or(ChargeError::TooLarge)?;
    Ok(if rest == Carry::ZERO { whole } else { whole + Money::new(1) })
}

/// A period that the version has a price for.
fn check_period(version: &TariffVersion, period: Period, field: &'static str) -> Result<(), Error> {
    let priced = match &version.time_of_use {
        Some(time_of_use) => time_of_use.prices.contains_key(&period),
        None => period == Period::Flat,
    };
    if priced { Ok(()) } else { Err(Error::field("period", field, format!("the tariff has no price for {period}"))) }
}

impl AskQuote {
    /// The energies that are asked about, with their fields.
    fn energies(&self) -> Vec<(&'static str, Period, Energy)> {
        let all = [
            ("sharp_kwh", Period::Sharp, self.sharp_kwh),
            ("peak_kwh", Period::Peak, self.peak_kwh),
            ("flat_kwh", Period::Flat, self.flat_kwh),
            ("valley_kwh", Period::Valley, self.valley_kwh),
            ("deep_valley_kwh", Period::DeepValley, self.deep_valley_kwh),
        ];
        all.into_iter().filter_map(|(field, period, energy)| Some((field, period, energy?))).collect()
    }
}

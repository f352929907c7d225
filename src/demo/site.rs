//! Entering the simulated site: the same verbs an installer uses.

use domain::{
    ids::{AccountId, MeterId, SiteId},
    money::{Money, Price},
    reading::registers::ByPeriod,
};
use futures_util::{StreamExt, stream};

use crate::{
    app::{App, Problem},
    operations::{
        open_account::{self, OpenAccount},
        register::{self, NewAccount, NewConcentrator, NewCustomer, NewMeter, NewSite},
        tariffs::{self, NewBlock, NewTariff},
    },
};

/// Where the site is.
pub const ZONE: &str = "Asia/Shanghai";
/// What its meters are.
pub const METER_PROFILE: &str = "dlt645_direct";
/// 1.20 yuan per kWh, in millionths.
const PRICE: Price = Price::new(1_200_000);
/// What the first account brings along, in fen: a few seconds' worth at 10 kW.
const FIRST_CREDIT: i64 = 6;
/// What each further account brings along more, in fen.
const MORE_CREDIT: i64 = 40;
/// Accounts opened at once.
const AT_ONCE: usize = 12;

/// What was entered.
pub struct Entered {
    /// The site.
    pub site: SiteId,
    /// Its accounts, not open yet, with their meters; the first gets the least credit.
    pub accounts: Vec<(AccountId, MeterId)>,
}

/// Enters the simulated concentrators and meters, and a customer and an account for each meter.
///
/// # Errors
/// A verb is refused, or the database fails.
pub async fn enter(app: &App, simulated: &simulator::site::Site) -> Result<Entered, Problem> {
    let new = NewSite {
        name: "示范小区 Demo Court".to_owned(),
        time_zone: ZONE.to_owned(),
        currency: None,
        currency_exponent: None,
    };
    let site = register::site(app, new).await?.id;
    let block = NewBlock { upto_kwh: None, price: PRICE };
    let tariff = NewTariff {
        site_id: site,
        name: "1.20/kWh".to_owned(),
        valid_from: None,
        blocks: vec![block],
        time_of_use: None,
        window_start_day: None,
        window_start_month: None,
        prorate_opening: None,
        fixed_charges: None,
        tax_rate_ppm: Some(130_000),
        minimum_vend: None,
    };
    let tariff_id = tariffs::enter(app, tariff, "demo").await?.0.id;
    let mut accounts = Vec::new();
    for listing in simulated.concentrators() {
        let new = NewConcentrator {
            site_id: site,
            name: format!("Building {}", listing.address.terminal),
            region: format!("{:04X}", listing.address.region),
            terminal: listing.address.terminal,
            profile: "standard".to_owned(),
        };
        let concentrator_id = register::concentrator(app, new).await?.id;
        for meter in &listing.meters {
            let new = NewMeter {
                concentrator_id,
                name: format!("Room {}-{:02}", listing.address.terminal, meter.point),
                address: meter.address.to_string(),
                point: Some(meter.point),
                port: None,
                profile: METER_PROFILE.to_owned(),
            };
            let meter_id = register::meter(app, new).await?.id;
            let customer = NewCustomer {
                site_id: site,
                name: format!("Customer {}-{:02}", listing.address.terminal, meter.point),
                phone: None,
                language: Some(domain::notice::Language::En),
            };
            let customer_id = register::customer(app, customer).await?.id;
            let number = format!("{}-{:02}", listing.address.terminal, meter.point);
            let new = NewAccount { customer_id, tariff_id, number: Some(number) };
            accounts.push((register::account(app, new).await?.id, meter_id));
        }
    }
    Ok(Entered { site, accounts })
}

/// Opens all accounts but the first.
///
/// # Errors
/// A verb is refused, or the database fails.
pub async fn open_others(app: &App, entered: &Entered) -> Result<(), Problem> {
    let credits = (0..).map(|nth| FIRST_CREDIT + MORE_CREDIT * nth);
    let others = entered.accounts.iter().zip(credits).skip(1);
    let opened = stream::iter(others).map(|(&(account, meter), credit)| open(app, account, meter, credit));
    let results: Vec<_> = opened.buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

/// Opens the first account, whose credit lasts for seconds.
///
/// # Errors
/// A verb is refused, or the database fails.
pub async fn open_first(app: &App, entered: &Entered) -> Result<(), Problem> {
    match entered.accounts.first() {
        Some(&(account, meter)) => open(app, account, meter, FIRST_CREDIT).await,
        None => Ok(()),
    }
}

/// Opens an account with a reading of its meter taken now.
async fn open(app: &App, account: AccountId, meter_id: MeterId, credit: i64) -> Result<(), Problem> {
    let new = OpenAccount {
        meter_id,
        multiplier: None,
        initial_reading: None,
        initial_registers: ByPeriod::new(),
        reason: None,
        opening_credit: Some(Money::new(credit)),
        opening_debt: None,
        confirmed: false,
        relay_waiver: None,
    };
    open_account::open(app, account, new, &format!("demo-open-{account}"), "demo").await?;
    Ok(())
}

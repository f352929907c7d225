//! Entering the simulated site, as an installer does, and telling the auditor what was entered.

use std::cell::Cell;

use domain::{
    energy::Energy,
    ids::{ConcentratorId, TariffId},
    tariff::{Every, Period, TariffVersion, TimeOfUse},
};
use jiff::SignedDuration;
use simulator::site::{ConcentratorListing, MeterHandle, MeterListing};
use wattgate::{
    app::App,
    operations::{
        buildings::{self, NewBuilding},
        register::{self, NewAccount, NewConcentrator, NewCustomer, NewMeter, NewSite},
        tariffs::{self, NewBlock, NewTariff},
    },
};

use crate::{
    auditor::{Answer, Auditor, Automatic, Fact, FixedCharge, Limits, Peak, Request, Rules, Version},
    eyes::Eyes,
    plan::{PERMIT_EVERY, READ_ONLY_EVERY},
    run::Failure,
    till,
    world::{Entered, Place, Spare, Station, World},
};

/// Who has paid and can be reached is supplied within this: a few rounds of retries on bad lines.
const RESTORE_WITHIN: SignedDuration = SignedDuration::from_mins(40);
/// Who has not paid and is not guarded is cut within this: a poll slot, the
/// longest time that a held cut waits for its next look, and a few rounds of retries.
const CUT_WITHIN: SignedDuration = SignedDuration::from_mins(240);

/// Enters everything, faultlessly.
///
/// # Errors
/// A verb is refused.
pub async fn enter(world: &World, app: &App) -> Result<(), Failure> {
    let new = NewSite {
        name: "simulated".to_owned(),
        time_zone: world.plan.zone_name.to_owned(),
        currency: None,
        currency_exponent: None,
    };
    let site = register::site(app, new).await.map_err(Failure::other)?;
    let mut entered = Entered { site: Some(site.id), ..Entered::default() };
    let mut tariffs = Vec::new();
    for (nth, versions) in world.plan.tariffs.iter().enumerate() {
        let id = tariff(world, app, site.id, versions).await?;
        entered.tariffs.insert(id, nth);
        tariffs.push(id);
    }
    for listing in world.field.concentrators() {
        concentrator(world, app, site.id, listing, &tariffs, &mut entered).await?;
    }
    if world.plan.controlled {
        buildings(app, site.id, &mut entered).await?;
    }
    entered.tills = till::enter(world, app, site.id).await?;
    *world.eyes.borrow_mut() = Some(Eyes::new(site.id));
    *world.auditor.borrow_mut() = Some(Auditor::new(rules(world, &entered)));
    // What a new site's switch is set to.
    let request = world.ask(Request::Switch { automatic: Automatic::On });
    world.tell(Fact::Answered { request, answer: Answer::Done { receipt: None } });
    for (nth, place) in entered.places.iter().enumerate() {
        let (permit, switchable) = (place.permit, place.switchable);
        let Place { meter, account, concentrator, .. } = place;
        world.note(&format!("place {nth}: meter {meter} behind concentrator {concentrator}, account {account}"));
        world.tell(Fact::Account {
            account: place.account,
            meter: place.meter,
            tariff: place.tariff,
            permit,
            switchable,
        });
    }
    *world.entered.borrow_mut() = entered;
    world.gate.set_rates(world.plan.gate);
    Ok(())
}

/// Meters hang in three buildings, one after the other.
async fn buildings(app: &App, site_id: domain::ids::SiteId, entered: &mut Entered) -> Result<(), Failure> {
    for nth in 0..3 {
        let new = NewBuilding { site_id, name: format!("building {nth}") };
        let id = buildings::enter(app, new).await.map_err(Failure::other)?.id;
        let meters: Vec<_> = entered.places.iter().skip(nth).step_by(3).map(|place| place.meter).collect();
        for meter in &meters {
            buildings::hang(app, *meter, Some(id), "simulation").await.map_err(Failure::other)?;
        }
        entered.buildings.push((id, meters));
    }
    Ok(())
}

async fn tariff(
    world: &World,
    app: &App,
    site_id: domain::ids::SiteId,
    versions: &[TariffVersion],
) -> Result<TariffId, Failure> {
    let first = versions.first().ok_or_else(|| Failure::Other("a tariff without versions".to_owned()))?;
    let blocks = first.blocks.iter().map(|block| NewBlock { upto_kwh: block.upto, price: block.price }).collect();
    let new = NewTariff {
        site_id,
        name: "simulated".to_owned(),
        valid_from: Some(first.valid_from),
        blocks,
        time_of_use: first.time_of_use.clone(),
        window_start_day: Some(first.window_start_day),
        window_start_month: first.window_start_month,
        prorate_opening: Some(first.prorate_opening),
        fixed_charges: Some(first.fixed_charges.clone()),
        tax_rate_ppm: Some(first.tax_rate_ppm),
        minimum_vend: Some(first.minimum_vend),
    };
    let id = tariffs::enter(app, new, "simulation").await.map_err(Failure::other)?.0.id;
    let (later, now) = (versions.get(1..).unwrap_or_default().to_vec(), world.time.now());
    let insert = move |conn: &mut store::Conn| {
        later.iter().try_for_each(|version| store::tariff::insert_version(conn, id, version, now))
    };
    app.db.write(insert).await.map_err(Failure::other)?;
    Ok(id)
}

async fn concentrator(
    world: &World,
    app: &App,
    site_id: domain::ids::SiteId,
    listing: &ConcentratorListing,
    tariffs: &[TariffId],
    entered: &mut Entered,
) -> Result<(), Failure> {
    let new = NewConcentrator {
        site_id,
        name: format!("{}", listing.address),
        region: format!("{:04X}", listing.address.region),
        terminal: listing.address.terminal,
        profile: "standard".to_owned(),
    };
    let id = register::concentrator(app, new).await.map_err(Failure::other)?.id;
    let handle = world.field.concentrator(listing.address);
    let handle = handle.ok_or_else(|| Failure::Other("a concentrator without a machine".to_owned()))?;
    let spares = usize::from(world.plan.spares);
    let (of_customers, to_spare) = listing.meters.split_at(listing.meters.len().saturating_sub(spares));
    for meter in of_customers {
        let nth = entered.places.len();
        let profile = match nth {
            nth if nth % READ_ONLY_EVERY == READ_ONLY_EVERY - 1 => "dlt645_read_only",
            nth if nth % PERMIT_EVERY == PERMIT_EVERY - 1 => "dlt645_permit",
            _ => "dlt645_direct",
        };
        let meter_id = register::meter(app, new_meter(id, format!("room {nth}"), meter, profile)).await;
        let meter_id = meter_id.map_err(Failure::other)?.id;
        let customer = NewCustomer { site_id, name: format!("customer {nth}"), phone: None, language: None };
        let customer_id = register::customer(app, customer).await.map_err(Failure::other)?.id;
        let tariff_id = tariffs.get(nth % tariffs.len().max(1)).copied();
        let tariff_id = tariff_id.ok_or_else(|| Failure::Other("no tariff".to_owned()))?;
        let account = NewAccount { customer_id, tariff_id, number: None };
        let account = register::account(app, account).await.map_err(Failure::other)?.id;
        world.count("account", "pending");
        let handle = machine(world, meter)?;
        entered.places.push(Place {
            account,
            meter: meter_id,
            tariff: tariff_id,
            concentrator: entered.stations.len(),
            switchable: profile != "dlt645_read_only",
            permit: profile == "dlt645_permit",
            base: handle.registers().total - handle.true_energy(),
            handle,
            told: Cell::new((0, 0)),
        });
    }
    for meter in to_spare {
        let new = new_meter(id, "to spare".to_owned(), meter, "dlt645_direct");
        let meter_id = register::meter(app, new).await.map_err(Failure::other)?.id;
        let handle = machine(world, meter)?;
        entered.spares.push(Spare {
            meter: meter_id,
            concentrator: entered.stations.len(),
            switchable: true,
            permit: false,
            base: handle.registers().total - handle.true_energy(),
            handle,
            told: Cell::new((0, 0)),
        });
    }
    entered.stations.push(Station { id, handle });
    Ok(())
}

fn new_meter(concentrator_id: ConcentratorId, name: String, listed: &MeterListing, profile: &str) -> NewMeter {
    NewMeter {
        concentrator_id,
        name,
        address: listed.address.to_string(),
        point: Some(listed.point),
        port: None,
        profile: profile.to_owned(),
    }
}

fn machine(world: &World, listed: &MeterListing) -> Result<MeterHandle, Failure> {
    world.field.meter(listed.address).ok_or_else(|| Failure::Other("a meter without a machine".to_owned()))
}

/// The plan's prices by the time of day, as the auditor knows them.
fn peak(prices: &TimeOfUse) -> Option<Peak> {
    let working = prices.day_types.get("working")?;
    let price = |period| prices.prices.get(&period).copied();
    Some(Peak {
        from: working.get(1)?.at.hour(),
        to: working.get(2)?.at.hour(),
        peak: price(Period::Peak)?,
        valley: price(Period::Valley)?,
    })
}

fn fixed(charge: &domain::tariff::FixedCharge) -> FixedCharge {
    FixedCharge { monthly: charge.every == Every::Month, amount: charge.amount }
}

fn rules(world: &World, entered: &Entered) -> Rules {
    let policy = &world.plan.settings.policy;
    let (limits, cut) = (&policy.credit.limits, &policy.disconnection);
    let versions = |nth: &usize| {
        let version = |one: &TariffVersion| Version {
            valid_from: one.valid_from,
            window_start_day: one.window_start_day,
            window_start_month: one.window_start_month,
            prorated: one.prorate_opening,
            peak: one.time_of_use.as_ref().and_then(peak),
            fixed: one.fixed_charges.iter().map(fixed).collect(),
            blocks: one.blocks.iter().map(|block| (block.upto, block.price)).collect(),
        };
        world.plan.tariffs.get(*nth).into_iter().flatten().map(version).collect()
    };
    Rules {
        zone: world.plan.zone.clone(),
        tariffs: entered.tariffs.iter().map(|(id, nth)| (*id, versions(nth))).collect(),
        limits: Limits { overdraft: limits.overdraft, restore_margin: limits.restore_margin, low: limits.alarm_2 },
        emergency: limits.emergency_credit,
        friendly_hours: cut.friendly_hours.iter().map(|hours| (hours.from, hours.to)).collect(),
        protected_weekdays: (1..=7)
            .filter_map(|day| jiff::civil::Weekday::from_monday_one_offset(day).ok())
            .filter(|day| cut.protected_weekdays.contains(&(*day).into()))
            .collect(),
        holidays: cut.holidays.clone(),
        warning_lead: policy.credit.warning_lead,
        cut_limits: world.plan.cut_limits,
        vends: [
            world.plan.tariffs.iter().flatten().map(|one| one.minimum_vend).min().unwrap_or_default(),
            policy.vending.maximum_per_vend,
            policy.vending.maximum_per_cashier_day,
        ],
        reading_freshness: cut.reading_freshness,
        restore_within: RESTORE_WITHIN,
        cut_within: CUT_WITHIN,
        slack: slack(world.plan.field.load_w),
    }
}

/// Minutes by which the time of a reading may be off: copies in concentrators carry whole minutes, and their clocks may be
/// off by a little.
const OFF_MINUTES: i64 = 4;
/// The most that a customer draws, in per cent of the nominal load.
const PEAK_PERCENT: i64 = 190;

/// Energy that flows meanwhile.
fn slack(load_w: u16) -> Energy {
    Energy::new(i64::from(load_w) * PEAK_PERCENT / 100 * OFF_MINUTES / 6 + 100)
}

//! What an account owes and owns at one moment, read from its rows: the base of every verb that touches money or supply.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    bug::{Bug, is_planted},
    calendar::{day_of, midnight},
    charge::{self, Usage},
    ids::{AccountId, InstallationId, MeterId, TariffId},
    money::{Exact, Money},
    settlement::{self, SettledDay},
    tariff::{Tariff, TariffChange},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;
use store::{Conn, account::Account, reading::Reading, site::Site};

use super::Error;
use crate::hot::{AccountPart, MeterPart, Update};

/// An account with everything its balance is made of.
pub struct Books {
    /// Its row.
    pub account: Account,
    /// Its site.
    pub site: Site,
    /// Where the site's days begin.
    pub zone: TimeZone,
    /// What prices it: its tariff's price list and, from the days on which it changed to others, theirs.
    pub tariff: Tariff,
    /// Its changes to other tariffs, in the order in which they were entered.
    pub changes: Vec<TariffChange>,
    /// The day it was opened.
    pub opened: Date,
    /// Its meters.
    pub meters: Vec<MeterBooks>,
    /// Meters that counted for it once and do not any more.
    pub removed: BTreeSet<MeterId>,
    /// Energies settled in the windows that can still change.
    pub settled: Usage,
    /// The first of these windows; none: no meter counts.
    settled_since: Option<Date>,
}

/// A meter of an account.
pub struct MeterBooks {
    /// Its installation's row.
    pub installation: store::installation::Installation,
    /// Its newest settled day.
    pub last: Option<SettledDay>,
    /// What it used since.
    pub unsettled: Usage,
    /// The time of its newest good reading.
    pub as_of: Timestamp,
}

impl Books {
    /// Reads an account's books.
    ///
    /// # Errors
    /// A row is missing or does not parse, or the tariff does not hold on one of the days.
    pub fn load(conn: &mut Conn, account: Account) -> Result<Self, Error> {
        let site = store::site::by_id(conn, account.id.site())?;
        let zone = zone(&site)?;
        let (tariff, changes) = priced(conn, &account, &site)?;
        let opened = opened(&account, &zone);
        let (mut meters, mut removed) = (Vec::new(), BTreeSet::new());
        let mut oldest: Option<Date> = None;
        for installation in store::installation::of_account(conn, account.id)? {
            if installation.end_at.is_some() {
                removed.insert(installation.meter_id);
                continue;
            }
            let meter = MeterBooks::load(conn, installation, (&tariff, opened), &zone)?;
            // A meter that replaced another goes on in the windows that the other began.
            let began = day_of(meter.installation.start_at, &zone);
            oldest = oldest.into_iter().chain([meter.last.as_ref().map_or(began, |last| last.day)]).min();
            meters.push(meter);
        }
        for meter in &meters {
            removed.remove(&meter.installation.meter_id);
        }
        let settled_since = oldest.map(|day| tariff.earliest_window(day));
        let settled = match settled_since {
            None => Usage::none(),
            Some(window) => store::settled_energy::since(conn, account.id, Some(window))?,
        };
        Ok(Self { account, site, zone, tariff, changes, opened, meters, removed, settled, settled_since })
    }

    /// Locks an account's row until the transaction ends, then reads its books.
    ///
    /// # Errors
    /// See [`Books::load`].
    pub fn lock(conn: &mut Conn, account: AccountId) -> Result<Self, Error> {
        let row = store::account::lock(conn, account)?;
        Self::load(conn, row)
    }

    /// The newest settled boundary of an installation that has not ended, or its start.
    #[must_use]
    pub fn settled_to(&self, installation: InstallationId) -> Option<Timestamp> {
        self.meter(installation).map(|meter| meter.settled_to(&self.zone))
    }

    /// The last day that was settled of it.
    #[must_use]
    pub fn last_settled(&self, installation: InstallationId) -> Option<&SettledDay> {
        self.meter(installation)?.last.as_ref()
    }

    fn meter(&self, installation: InstallationId) -> Option<&MeterBooks> {
        self.meters.iter().find(|meter| meter.installation.id == installation)
    }

    /// Energy used since the last settled boundaries.
    #[must_use]
    pub fn unsettled(&self) -> Usage {
        self.meters.iter().fold(Usage::none(), |sum, meter| sum.plus(&meter.unsettled))
    }

    /// Energy used but not yet posted, in money.
    ///
    /// # Errors
    /// The tariff does not price it.
    pub fn accrued(&self) -> Result<Money, Error> {
        Ok(charge::accrued(&self.settled, &self.unsettled(), self.account.carry, &self.tariff)?)
    }

    /// Posted less accrued.
    ///
    /// # Errors
    /// The tariff does not price what was used.
    pub fn available(&self) -> Result<Money, Error> {
        Ok(self.account.posted - self.accrued()?)
    }

    /// What may be used before a disconnect is due, active emergency credit with it.
    ///
    /// # Errors
    /// The tariff does not price what was used.
    pub fn headroom(&self) -> Result<Money, Error> {
        Ok(self.account.limits().with_emergency(&self.account.credit()).headroom(self.available()?))
    }

    /// The mean cost per hour of late; none without enough readings.
    ///
    /// # Errors
    /// A row does not parse, or the tariff does not price what was used.
    pub fn mean_cost_per_hour(
        &self,
        conn: &mut Conn,
        policy: &domain::site::CreditPolicy,
        now: Timestamp,
    ) -> Result<Option<Exact>, Error> {
        let first = day_of(domain::calendar::shift(now, -policy.forecast_window), &self.zone);
        let mut late = self.unsettled();
        let multipliers = self.meters.iter().map(|meter| (meter.installation.id, meter.installation.multiplier));
        let multipliers: BTreeMap<InstallationId, u32> = multipliers.collect();
        for day in store::settled_day::current(conn, self.account.id, Some(first))? {
            if let Some(multiplier) = multipliers.get(&day.installation_id) {
                late = late.plus(&day.usage(*multiplier)?);
            }
        }
        let begin = midnight(first, &self.zone);
        let spans = self.meters.iter().map(|meter| meter.as_of.duration_since(begin.max(meter.installation.start_at)));
        // What a window before the present one had used decides over the blocks of what was used in it of late.
        let window = self.tariff.earliest_window(first);
        let all = match self.settled_since.filter(|since| window < *since) {
            Some(_) => store::settled_energy::since(conn, self.account.id, Some(window))?.plus(&self.unsettled()),
            None => self.settled.plus(&self.unsettled()),
        };
        let cost = charge::exact_cost(&all, &self.tariff)? - charge::exact_cost(&all.minus(&late), &self.tariff)?;
        Ok(domain::account::mean_cost_per_hour(cost, spans.max().unwrap_or_default(), policy))
    }

    /// The account's part of the hot balances, meters included. One that was removed holds nothing any more, whatever comes
    /// late.
    #[must_use]
    pub fn hot(&self) -> Update {
        let ledger = AccountPart {
            version: self.account.version,
            posted: self.account.posted,
            carry: self.account.carry,
            settled: self.settled.clone(),
            tariff: self.account.tariff_id,
            changes: self.changes.clone(),
        };
        let mut meters: Vec<_> =
            self.meters.iter().map(|meter| (meter.installation.meter_id, self.hot_meter(meter))).collect();
        let nothing = |meter: &MeterId| {
            let (position, unsettled) = (self.account.version, Usage::none());
            (*meter, MeterPart { position, as_of: Timestamp::MAX, unsettled })
        };
        meters.extend(self.removed.iter().map(nothing));
        Update { account: self.account.id, ledger: Some(ledger), meters }
    }

    /// One meter's part of the hot balances.
    #[must_use]
    pub fn hot_meter(&self, meter: &MeterBooks) -> MeterPart {
        MeterPart { position: self.account.version, as_of: meter.as_of, unsettled: meter.unsettled.clone() }
    }
}

impl MeterBooks {
    /// The newest settled boundary, or the installation's start.
    #[must_use]
    pub fn settled_to(&self, zone: &TimeZone) -> Timestamp {
        self.last.as_ref().map_or(self.installation.start_at, |last| boundary(last.day, zone))
    }

    fn load(
        conn: &mut Conn,
        installation: store::installation::Installation,
        priced: (&Tariff, Date),
        zone: &TimeZone,
    ) -> Result<Self, Error> {
        let last = store::settled_day::last(conn, installation.account_id, installation.id)?.map(|row| row.settled());
        let from = last.as_ref().map_or(installation.start_at, |last| boundary(last.day, zone));
        let (meter, to) = (installation.meter_id, Timestamp::MAX);
        let settled: Vec<SettledDay> = last.clone().into_iter().collect();
        let (unsettled, as_of) = if let Some(terms) = installation.registers() {
            let mut readings = store::reading::known_registers_between(conn, meter, from, to)?;
            if last.is_some() && readings.iter().all(|known| known.as_of > from) {
                let before = store::reading::register_neighbours(conn, meter, from)?.0;
                readings.extend(before.filter(|row| row.as_of >= installation.start_at).map(Reading::known_registers));
            }
            settlement::registers::unsettled(&terms, &settled, &readings, priced, zone)?
        } else {
            let mut readings = store::reading::known_between(conn, meter, from, to)?;
            if last.is_some() && readings.iter().all(|known| known.as_of > from) {
                let before = store::reading::neighbours(conn, meter, from)?.0;
                readings.extend(before.filter(|row| row.as_of >= installation.start_at).map(|row| row.known()));
            }
            settlement::unsettled(&installation.settlement(), &settled, &readings, priced, zone)?
        };
        Ok(Self { installation, last, unsettled, as_of })
    }
}

/// The midnight that ends a day.
#[must_use]
pub fn boundary(day: Date, zone: &TimeZone) -> Timestamp {
    midnight(domain::calendar::next_day(day), zone)
}

/// The local day an account was opened, from which windows of blocks may be prorated.
#[must_use]
pub fn opened(account: &Account, zone: &TimeZone) -> Date {
    account.opened_at.map_or(Date::MIN, |at| day_of(at, zone))
}

/// A site's time zone.
///
/// # Errors
/// The stored name is not, or no longer, a zone.
pub fn zone(site: &Site) -> Result<TimeZone, Error> {
    TimeZone::get(&site.time_zone).map_err(|_| corrupt(format!("time zone {} of site {}", site.time_zone, site.id)))
}

/// A tariff with all its versions.
///
/// # Errors
/// A stored version does not parse.
pub fn tariff(conn: &mut Conn, id: TariffId, site: &Site) -> Result<Tariff, Error> {
    let currency = site.currency().map_err(|bad| corrupt(format!("currency of site {}: {bad}", site.id)))?;
    Ok(Tariff { currency, versions: store::tariff::versions(conn, id)? })
}

/// The price list of an account over all its time, changes to other tariffs included.
///
/// # Errors
/// A stored version does not parse.
pub fn prices(conn: &mut Conn, account: &Account, site: &Site) -> Result<Tariff, Error> {
    Ok(priced(conn, account, site)?.0)
}

fn priced(conn: &mut Conn, account: &Account, site: &Site) -> Result<(Tariff, Vec<TariffChange>), Error> {
    let (mut prices, mut changes) = (tariff(conn, account.tariff_id, site)?, Vec::new());
    for row in store::account_tariff::of_account(conn, account.id)? {
        let change = row.change()?;
        if is_planted(Bug::KeepOldTariff) {
            continue;
        }
        prices = prices.followed_by(&change, &tariff(conn, change.tariff, site)?);
        changes.push(change);
    }
    Ok((prices, changes))
}

/// A row that does not say what it must.
#[must_use]
pub fn corrupt(what: String) -> Error {
    Error::Store(store::Error::Corrupt { what })
}

/// A value as stored JSON.
///
/// # Errors
/// It has no JSON form.
pub fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|bad| corrupt(bad.to_string()))
}

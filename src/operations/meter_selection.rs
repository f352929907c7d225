//! Which meters an order to several means: a list, what applies to them, or a selection that was given a name.

use std::collections::BTreeMap;

use domain::{
    account,
    ids::{AccountId, BuildingId, ConcentratorId, CustomerId, MeterId, SelectionId, SiteId},
    money::Money,
};
use serde::{Deserialize, Serialize};
use store::{Conn, meter_selection::MeterSelection, relay_order_group::Filter};
use utoipa::ToSchema;

use super::{
    Error, FieldError, audit_line,
    books::{self, Books},
    label,
};
use crate::app::App;

/// Which meters are meant: those that are listed, those of a saved selection, or all to which everything else that is given
/// applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// These meters, each once; then nothing else may be given.
    #[schema(value_type = Option<Vec<String>>)]
    pub meter_ids: Option<Vec<MeterId>>,
    /// Those that this saved selection means by now; then nothing else may be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub selection_id: Option<SelectionId>,
    /// Those behind this concentrator.
    #[schema(value_type = Option<String>)]
    pub concentrator_id: Option<ConcentratorId>,
    /// Those that hang in this building.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub building_id: Option<BuildingId>,
    /// Those of this customer's accounts.
    #[schema(value_type = Option<String>)]
    pub customer_id: Option<CustomerId>,
    /// Those of accounts in this state: `active` or `suspended`.
    #[schema(value_type = Option<String>)]
    pub account_state: Option<account::State>,
    /// Those of accounts that have so much headroom or less, in minor units: available, overdraft and active emergency credit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>)]
    pub headroom_at_most: Option<Money>,
}

impl Selection {
    fn filter(&self) -> Filter {
        Filter {
            concentrator: self.concentrator_id,
            building: self.building_id,
            customer: self.customer_id,
            account_state: self.account_state,
            counting: self.headroom_at_most.is_some(),
        }
    }

    /// Whether it says which meters, in one way.
    fn check(&self) -> Result<(), Error> {
        let ways = [self.meter_ids.is_some(), self.selection_id.is_some(), self.filter() != Filter::default()];
        match ways.into_iter().filter(|way| *way).count() {
            0 => Err(Error::field("selection", "selection", "say which meters")),
            1 => Ok(()),
            _ => Err(Error::field("selection", "selection", "list meters, or say what applies to them, not both")),
        }
    }
}

/// The meters that are meant now: 1 to `order_groups.meters`, all of the site. They are looked for before the transaction that
/// uses them, so that nobody waits while headrooms are reckoned.
///
/// # Errors
/// Names what does not hold.
pub(super) async fn select(app: &App, site: SiteId, selection: &Selection) -> Result<Vec<MeterId>, Error> {
    selection.check()?;
    let (selection, most) = (selection.clone(), app.settings.order_groups.meters);
    let read = app.db.read(move |conn| {
        store::site::by_id(conn, site)?;
        let selection = match selection.selection_id {
            Some(id) if id.site() != site => {
                return Err(Error::field("selection", "selection.selection_id", "no such selection"));
            }
            // A saved one names no other.
            Some(id) => read(&store::meter_selection::by_id(conn, id)?)?,
            None => selection,
        };
        let meters = match &selection.meter_ids {
            Some(ids) if ids.len() <= most => Some(listed(conn, site, ids)?),
            Some(ids) => Some(ids.clone()),
            None => None,
        };
        Ok((selection, meters))
    });
    let meters = match read.await? {
        (_, Some(meters)) => meters,
        (selection, None) => meant(app, site, &selection).await?,
    };
    if meters.is_empty() {
        return Err(Error::field("selection_empty", "selection", "no meter is meant"));
    }
    if meters.len() > most {
        return Err(Error::field("selection_too_large", "selection", format!("more than {most} meters are meant")));
    }
    Ok(meters)
}

/// The meters to which everything applies that is given; where they are more than may be meant, not all of them.
async fn meant(app: &App, site: SiteId, selection: &Selection) -> Result<Vec<MeterId>, Error> {
    let (filter, settings) = (selection.filter(), &app.settings.order_groups);
    let Some(level) = selection.headroom_at_most else {
        let limit = i64::try_from(settings.meters).unwrap_or(i64::MAX).saturating_add(1);
        let read = app.db.read(move |conn| store::relay_order_group::meant(conn, site, filter, None, limit));
        return Ok(read.await?.into_iter().map(|(meter, _)| meter).collect());
    };
    let (mut found, mut after, mut looked_at) = (Vec::new(), None, 0);
    let rows = settings.headroom_meters_at_once;
    while found.len() <= settings.meters {
        let read = app.db.snapshot(move |conn| {
            let page = store::relay_order_group::meant(conn, site, filter, after, rows)?;
            Ok::<_, Error>((page.len(), page.last().map(|(meter, _)| *meter), within(conn, &page, level)?))
        });
        let (looked, last, within) = read.await?;
        found.extend(within);
        looked_at += looked;
        if last.is_none() {
            break;
        }
        if looked_at > settings.headroom_meters {
            let detail = format!("headroom is reckoned for at most {} meters: narrow it", settings.headroom_meters);
            return Err(Error::field("selection_too_large", "selection", detail));
        }
        after = last;
    }
    Ok(found)
}

/// Those meters of a page whose accounts have no more headroom than `level`.
fn within(conn: &mut Conn, page: &[(MeterId, Option<AccountId>)], level: Money) -> Result<Vec<MeterId>, Error> {
    let mut reckoned: BTreeMap<AccountId, bool> = BTreeMap::new();
    let mut meters = Vec::new();
    for (meter, account) in page {
        let Some(id) = *account else { continue };
        let is_within = match reckoned.get(&id) {
            Some(before) => *before,
            None => {
                let row = store::account::by_id(conn, id)?;
                let is_within = Books::load(conn, row)?.headroom()? <= level;
                reckoned.insert(id, is_within);
                is_within
            }
        };
        if is_within {
            meters.push(*meter);
        }
    }
    Ok(meters)
}

/// The meters of a list, or every one that is bad.
fn listed(conn: &mut Conn, site: SiteId, ids: &[MeterId]) -> Result<Vec<MeterId>, Error> {
    let (mut named, mut bad) = (BTreeMap::new(), Vec::new());
    for (index, id) in ids.iter().enumerate() {
        let mut refuse = |detail: String| {
            bad.push(FieldError { field: format!("selection.meter_ids[{index}]"), detail });
        };
        if let Some(before) = named.insert(*id, index) {
            refuse(format!("meter_ids[{before}] is this meter, too"));
            continue;
        }
        let known = id.site() == site
            && match store::meter::by_id(conn, *id) {
                Ok(_) => true,
                Err(store::Error::NotFound { .. }) => false,
                Err(error) => return Err(error.into()),
            };
        if !known {
            refuse("no such meter".to_owned());
        }
    }
    if bad.is_empty() { Ok(named.into_keys().collect()) } else { Err(Error::Many { code: "selection", fields: bad }) }
}

/// A selection to be saved.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSelection {
    /// The site of the meters.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Its name, unique on the site.
    pub name: String,
    /// Which meters; they are looked for each time it is used.
    pub selection: Selection,
}

/// Saves a selection; it means some meter now.
///
/// # Errors
/// Names the field that does not hold; a conflict where the name is taken.
pub async fn save(app: &App, new: NewSelection, by: &str) -> Result<MeterSelection, Error> {
    let name = label("name", &new.name)?;
    if new.selection.selection_id.is_some() {
        return Err(Error::field("selection", "selection.selection_id", "a saved selection names no other"));
    }
    let text = books::json(&new.selection)?;
    select(app, new.site_id, &new.selection).await?;
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let id = store::ids::next(conn, new.site_id)?;
            let row = MeterSelection { id, name: name.clone(), selection: text.clone() };
            store::meter_selection::insert(conn, &row)?;
            let object = format!("meter_selection:{id}");
            audit_line::write(conn, id.site(), (&by, now), "save_meter_selection", object, name.clone())?;
            Ok(row)
        })
        .await
}

/// What a saved selection says.
///
/// # Errors
/// It does not parse.
pub fn read(row: &MeterSelection) -> Result<Selection, Error> {
    serde_json::from_str(&row.selection).map_err(|bad| books::corrupt(format!("meter selection {}: {bad}", row.id)))
}

/// Forgets a saved selection; what was ordered by it goes on.
///
/// # Errors
/// There is no such selection.
pub async fn forget(app: &App, id: SelectionId, by: &str) -> Result<(), Error> {
    let (by, now) = (by.to_owned(), app.clock.now());
    app.db
        .write(move |conn| {
            let row = store::meter_selection::by_id(conn, id)?;
            store::meter_selection::remove(conn, id)?;
            let object = format!("meter_selection:{id}");
            audit_line::write(conn, id.site(), (&by, now), "forget_meter_selection", object, row.name)
        })
        .await
}

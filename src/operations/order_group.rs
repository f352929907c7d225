//! Relay orders to several meters at once: the group first, with all its meters, then the orders, a number of meters a
//! transaction. What a second operator must approve is only stored until then.

use domain::{
    calendar::shift,
    ids::{AccountId, ConcentratorId, MeterId, OrderGroupId, OrderId, SiteId},
    relay::{
        Action, Cause,
        ask::{Group, Reservation, is_guarded},
    },
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use store::{
    Conn,
    relay_order_group::{GroupMeter, GroupState, OrderGroup, Outcome},
};
use utoipa::ToSchema;

use super::{
    Error, audit_line, decide_relay, label,
    meter_selection::{Selection, select},
    once,
    order_relay::{self, Gave, Given},
};
use crate::{app::App, changes::Changed, settings::Settings};

/// Orders to several meters.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrderGroup {
    /// The site of the meters.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// `disconnect` or `reconnect`.
    #[schema(value_type = String)]
    pub action: Action,
    /// Why, for people; stored with each order.
    pub reason: String,
    /// `true`: it is for safety, by an administrator or with a second operator's approval, and only such a reconnect lifts
    /// it, or one of a single meter with the cause `safety`. `false` if absent.
    #[serde(default)]
    pub emergency: bool,
    /// Which meters.
    pub selection: Selection,
}

/// Who asks, approves or rejects.
#[derive(Debug, Clone)]
pub struct By {
    /// Prefix of the API key.
    pub key: String,
    /// Whether it is an administrator's.
    pub administers: bool,
}

/// Asks for orders to several meters: the group is stored, and its orders are given at once where nobody needs to approve
/// them. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; a selection that is none, too large, or names what is not there.
pub async fn order(app: &App, new: NewOrderGroup, key: &str, by: By) -> Result<(OrderGroupId, bool), Error> {
    let (id, repeated) = enter(app, new, key, by).await?;
    while give_some(app, id).await? {}
    Ok((id, repeated))
}

/// Stores a group; no order is given yet. `true` beside it: it was stored before.
///
/// # Errors
/// See [`order`].
pub async fn enter(app: &App, new: NewOrderGroup, key: &str, by: By) -> Result<(OrderGroupId, bool), Error> {
    let site = new.site_id;
    let asked = once::Asked::new(site, key, &("order_group", &new))?;
    let reason = label("reason", &new.reason)?;
    let (before, earlier) = (asked.clone(), asked.clone());
    if let Some(earlier) = app.db.read(move |conn| once::find::<OrderGroupId>(conn, &before)).await? {
        return Ok((earlier, true));
    }
    let meters = select(app, site, &new.selection).await?;
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let entered = app
        .db
        .write(move |conn| {
            if let Some(earlier) = once::find::<OrderGroupId>(conn, &asked)? {
                return Ok((earlier, true));
            }
            let group = Group {
                action: new.action,
                meters: meters.len(),
                guarded: guarded(conn, &settings, &meters)?,
                emergency: new.emergency,
                by_administrator: by.administers,
            };
            let reservations = group.reservations(settings.order_groups.meters_alone);
            let words: Vec<&str> = reservations.iter().map(|reservation| reservation.as_str()).collect();
            let waits = !reservations.is_empty();
            let row = OrderGroup {
                id: store::ids::next(conn, site)?,
                action: new.action,
                cause: if new.emergency { Cause::Safety } else { Cause::Operator },
                reason: reason.clone(),
                emergency: new.emergency,
                state: if waits { GroupState::AwaitingApproval } else { GroupState::Running },
                reservations: words.join(","),
                operator_key: by.key.clone(),
                decided_by: None,
                created_at: now,
                expires_at: waits
                    .then(|| shift(now, SignedDuration::from_secs(settings.order_groups.approval_s.into()))),
                ended_at: None,
                version: 1,
                schedule_id: None,
            };
            store::relay_order_group::insert(conn, &row, &meters)?;
            audit(conn, &row, &by.key, "order_group", &format!("{} {} meters", row.action, meters.len()), now)?;
            once::store(conn, &asked, &row.id, now)?;
            store::fault::point("order_group.written");
            Ok::<_, Error>((row.id, false))
        })
        .await;
    // No row is locked: of two who ask at once, the slower finds what the faster stored.
    match entered {
        Err(Error::Conflict { .. }) => {
            let found = app.db.read(move |conn| once::find(conn, &earlier)).await?;
            let unknown = || Error::conflict("idempotency_key_reused", "the key was used for something else");
            Ok((found.ok_or_else(unknown)?, true))
        }
        other => other,
    }
}

/// Approves a group, by another key than the one that asked; its orders are given.
///
/// # Errors
/// `not_awaiting_approval`, `approval_expired`, `same_operator`.
pub async fn approve(app: &App, id: OrderGroupId, by: &str) -> Result<(), Error> {
    let (now, by) = (app.clock.now(), by.to_owned());
    let approved = app.db.write(move |conn| {
        let mut group = awaiting(conn, id, now)?;
        if group.operator_key == by {
            return Err(Error::refused("same_operator", "another operator than the one who asked must approve"));
        }
        group.state = GroupState::Running;
        group.decided_by = Some(by.clone());
        store::relay_order_group::save(conn, &group)?;
        audit(conn, &group, &by, "approve_order_group", &group.reservations, now)
    });
    approved.await?;
    while give_some(app, id).await? {}
    Ok(())
}

/// Rejects a group that waits for approval; whoever asked may take it back so. Nothing was sent, and nothing will be.
///
/// # Errors
/// `not_awaiting_approval`, `approval_expired`.
pub async fn reject(app: &App, id: OrderGroupId, by: &str) -> Result<(), Error> {
    let (now, by) = (app.clock.now(), by.to_owned());
    let rejected = app.db.write(move |conn| {
        let mut group = awaiting(conn, id, now)?;
        group.state = GroupState::Rejected;
        (group.decided_by, group.ended_at) = (Some(by.clone()), Some(now));
        store::relay_order_group::save(conn, &group)?;
        audit(conn, &group, &by, "reject_order_group", &group.reservations, now)
    });
    rejected.await
}

/// Ends a site's groups of disconnects that have not ended: no further order is given. Which these were.
///
/// # Errors
/// The database fails.
pub(super) fn stop(conn: &mut Conn, site: SiteId, by: &str, now: Timestamp) -> Result<Vec<OrderGroupId>, Error> {
    let mut rejected = Vec::new();
    for id in store::relay_order_group::open(conn, site)? {
        let mut group = store::relay_order_group::lock(conn, id)?;
        if group.ended_at.is_none() && group.action == Action::Disconnect {
            group.state = GroupState::Rejected;
            (group.decided_by, group.ended_at) = (Some(by.to_owned()), Some(now));
            store::relay_order_group::save(conn, &group)?;
            audit(conn, &group, by, "reject_order_group", "stop button", now)?;
            rejected.push(id);
        }
    }
    Ok(rejected)
}

/// Goes on with what was interrupted, and ends what nobody approved in time, of all sites; how many groups that were.
///
/// # Errors
/// The database fails.
pub async fn go_on(app: &App) -> Result<usize, Error> {
    let (now, rows) = (app.clock.now(), app.settings.jobs.rows);
    let (mut done, mut after) = (0, None);
    loop {
        let due =
            app.db.read(move |conn| Ok::<_, Error>(store::relay_order_group::due(conn, now, after, rows)?)).await?;
        let Some(last) = due.last() else { return Ok(done) };
        after = Some(*last);
        for id in due {
            match end_or_give(app, id, now).await {
                Ok(()) => done += 1,
                Err(error) if error.is_of_the_database() => return Err(error),
                // One group must not keep the others waiting.
                Err(error) => tracing::error!(group = %id, %error, "a relay order group stands still"),
            }
        }
    }
}

async fn end_or_give(app: &App, id: OrderGroupId, now: Timestamp) -> Result<(), Error> {
    let expire = app.db.write(move |conn| {
        let mut group = store::relay_order_group::lock(conn, id)?;
        if group.state == GroupState::AwaitingApproval && is_late(&group, now) {
            (group.state, group.ended_at) = (GroupState::Expired, Some(now));
            store::relay_order_group::save(conn, &group)?;
        }
        Ok::<_, Error>(())
    });
    expire.await?;
    while give_some(app, id).await? {}
    Ok(())
}

fn is_late(group: &OrderGroup, now: Timestamp) -> bool {
    group.expires_at.is_some_and(|end| end <= now)
}

/// Holds a group that may still be approved.
fn awaiting(conn: &mut Conn, id: OrderGroupId, now: Timestamp) -> Result<OrderGroup, Error> {
    let group = store::relay_order_group::lock(conn, id)?;
    if group.state == GroupState::Expired || (group.state == GroupState::AwaitingApproval && is_late(&group, now)) {
        return Err(Error::conflict("approval_expired", "nobody approved it in time: ask again"));
    }
    if group.state != GroupState::AwaitingApproval {
        return Err(Error::conflict("not_awaiting_approval", "it does not wait for an approval"));
    }
    Ok(group)
}

fn audit(conn: &mut Conn, group: &OrderGroup, by: &str, verb: &str, what: &str, now: Timestamp) -> Result<(), Error> {
    let detail = format!("{what}{}: {}", if group.emergency { ", emergency" } else { "" }, group.reason);
    audit_line::write(conn, group.id.site(), (by, now), verb, format!("relay_order_group:{}", group.id), detail)
}

/// How many of these meters must not be cut.
///
/// # Errors
/// A row does not parse; the database fails.
pub(super) fn guarded(conn: &mut Conn, settings: &Settings, meters: &[MeterId]) -> Result<usize, Error> {
    let mut guarded = 0;
    for id in meters {
        let meter = store::meter::by_id(conn, *id)?;
        let facts = decide_relay::meter_facts(conn, settings, &meter)?;
        let account = store::account::by_meter(conn, *id)?;
        let stands = is_guarded(&facts, None) || account.is_some_and(|account| account.guarded);
        guarded += usize::from(stands);
    }
    Ok(guarded)
}

/// Gives the orders of meters that wait, as many as one transaction may; whether there is more to be done.
///
/// # Errors
/// The database fails.
pub async fn give_some(app: &App, id: OrderGroupId) -> Result<bool, Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let (more, given) = app
        .db
        .write(move |conn| {
            let mut group = store::relay_order_group::lock(conn, id)?;
            if group.state != GroupState::Running {
                return Ok((false, Vec::new()));
            }
            let waiting = store::relay_order_group::waiting(conn, id, settings.order_groups.meters_per_transaction)?;
            if waiting.is_empty() {
                (group.state, group.ended_at) = (GroupState::Done, Some(now));
                store::relay_order_group::save(conn, &group)?;
                return Ok((false, Vec::new()));
            }
            let mut given = Vec::new();
            for (account, meter) in by_account(conn, waiting)? {
                given.extend(give(conn, &settings, &group, account, meter, now)?);
            }
            store::fault::point("order_group.given");
            Ok::<_, Error>((true, given))
        })
        .await?;
    for (order, concentrator) in given {
        app.announce(Changed::Order { order });
        app.wake(concentrator);
    }
    Ok(more)
}

/// Meters with their accounts, by account, so that two groups lock accounts in the same order.
fn by_account(conn: &mut Conn, meters: Vec<GroupMeter>) -> Result<Vec<(Option<AccountId>, GroupMeter)>, Error> {
    let mut all = Vec::new();
    for meter in meters {
        all.push((store::account::by_meter(conn, meter.meter_id)?.map(|account| account.id), meter));
    }
    all.sort_by_key(|(account, meter)| (*account, meter.meter_id));
    Ok(all)
}

/// Gives a meter's order; where a rule stands against it, it is refused alone.
fn give(
    conn: &mut Conn,
    settings: &Settings,
    group: &OrderGroup,
    account: Option<AccountId>,
    mut meter: GroupMeter,
    now: Timestamp,
) -> Result<Option<(OrderId, ConcentratorId)>, Error> {
    // Who approved for another reason did not see a guard that was set meanwhile.
    let saw_guard = group.reservations.split(',').any(|word| word == Reservation::SupplyGuard.as_str());
    let approved = group.decided_by.is_some() && saw_guard;
    let (action, cause) = (group.action, group.cause);
    let given = Given { action, cause, approved, why: group.reason.clone(), by: group.operator_key.clone() };
    let id = meter.meter_id;
    let done = conn.transaction(|conn| {
        let locked = order_relay::lock(conn, account)?;
        if let Some(schedule) = group.schedule_id.filter(|_| group.action == Action::Disconnect)
            && store::relay_schedule::of_meter(conn, id)?.is_none_or(|of| of.id != schedule)
        {
            return Err(Error::refused("not_scheduled", "the meter left the schedule, or the schedule ended"));
        }
        order_relay::give(conn, settings, id, locked.as_ref(), given, now)
    });
    let order = match done {
        Ok(Gave { order: Some(order), concentrator, .. }) => {
            (meter.outcome, meter.order_id) = (Outcome::Ordered, Some(order));
            Some((order, concentrator))
        }
        Ok(Gave { order: None, .. }) => {
            meter.outcome = Outcome::Lifted;
            None
        }
        Err(error) if error.is_of_the_database() => return Err(error),
        Err(error) => {
            let code = if let Error::Refused { code, .. } = &error { code } else { "failed" };
            (meter.outcome, meter.code) = (Outcome::Refused, Some(code.to_owned()));
            meter.detail = Some(error.to_string());
            None
        }
    };
    store::relay_order_group::save_meter(conn, &meter)?;
    Ok(order)
}

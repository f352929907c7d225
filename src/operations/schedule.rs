//! Relay orders by a calendar (定时遥控): meters are cut at one time of the day and reconnected at another. Each switching is a
//! relay order group, written by the transaction that moves the schedule on.

use std::collections::BTreeSet;

use domain::{
    calendar::{Weekday, day_of, shift},
    ids::{MeterId, OrderGroupId, ScheduleId, SiteId},
    relay::{Action, Cause, Causes, ask::Group, schedule::Schedule},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use store::{
    Conn,
    relay_order_group::{GroupState, OrderGroup},
    relay_schedule::{RelaySchedule, ScheduleState},
};
use utoipa::ToSchema;

use super::{
    Error, audit_line, books, label,
    meter_selection::{Selection, select},
    once, order_group,
};
use crate::{app::App, settings::Settings};

/// A schedule to be entered.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSchedule {
    /// The site of the meters.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// Local time of the disconnect, such as `23:00`.
    #[schema(value_type = String)]
    pub off_at: Time,
    /// Local time of the reconnect: of the same day where it is later than `off_at`, of the next day where it is not.
    #[schema(value_type = String)]
    pub on_at: Time,
    /// The days of the week with a disconnect: `monday` to `sunday`.
    #[schema(value_type = Vec<String>)]
    pub weekdays: BTreeSet<Weekday>,
    /// `true`: none on the settings' holidays. `false` if absent.
    #[serde(default)]
    pub except_holidays: bool,
    /// The first day that may have a disconnect; today if absent.
    #[schema(value_type = Option<String>, format = Date)]
    pub from: Option<Date>,
    /// The last day that may have one; there is none if absent.
    #[schema(value_type = Option<String>, format = Date)]
    pub until: Option<Date>,
    /// Why, for people; stored with each order.
    pub reason: String,
    /// Which meters: those that are meant when it is entered.
    pub selection: Selection,
}

/// How a schedule is ended.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndSchedule {
    /// Why, for people.
    pub reason: String,
}

impl NewSchedule {
    fn calendar(&self, today: Date) -> Result<Schedule, Error> {
        let calendar = Schedule {
            off_at: self.off_at,
            on_at: self.on_at,
            weekdays: self.weekdays.clone(),
            except_holidays: self.except_holidays,
            from: self.from.unwrap_or(today),
            until: self.until,
        };
        calendar.check().map_err(|bad| Error::field("schedule", bad.field(), bad.to_string()))?;
        Ok(calendar)
    }
}

/// Enters a schedule. Its first disconnect is the next one that begins; where a second operator must approve it, it does
/// nothing before that. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content, or a meter belongs to another schedule (`meter_scheduled`); a
/// calendar or a selection that is none.
pub async fn enter(app: &App, new: NewSchedule, key: &str, by: &str) -> Result<(ScheduleId, bool), Error> {
    let asked = once::Asked::new(new.site_id, key, &("relay_schedule", &new))?;
    let reason = label("reason", &new.reason)?;
    let (before, earlier) = (asked.clone(), asked.clone());
    if let Some(earlier) = app.db.read(move |conn| once::find::<ScheduleId>(conn, &before)).await? {
        return Ok((earlier, true));
    }
    let meters = select(app, new.site_id, &new.selection).await?;
    let (now, by, settings) = (app.clock.now(), by.to_owned(), app.settings.clone());
    let entered = app
        .db
        .write(move |conn| {
            if let Some(earlier) = once::find::<ScheduleId>(conn, &asked)? {
                return Ok((earlier, true));
            }
            let zone = zone(conn, new.site_id)?;
            let reservations = reservations(conn, &settings, &meters)?;
            let approval = SignedDuration::from_secs(settings.order_groups.approval_s.into());
            let mut row = RelaySchedule {
                id: store::ids::next(conn, new.site_id)?,
                calendar: new.calendar(day_of(now, &zone))?,
                reason: reason.clone(),
                state: ScheduleState::AwaitingApproval,
                expires_at: (!reservations.is_empty()).then(|| shift(now, approval)),
                reservations,
                operator_key: by.clone(),
                decided_by: None,
                created_at: now,
                next_at: None,
                next_action: None,
                reckoned_at: None,
                ended_at: None,
                version: 1,
            };
            let first = first(&settings, &row, &zone, now)?;
            if row.expires_at.is_none() {
                begin(&mut row, first, now);
            }
            are_free(conn, &meters)?;
            store::relay_schedule::insert(conn, &row, &meters)?;
            audit(conn, &row, (&by, now), "relay_schedule", &format!("{} meters: {}", meters.len(), row.reason))?;
            once::store(conn, &asked, &row.id, now)?;
            store::fault::point("schedule.written");
            Ok::<_, Error>((row.id, false))
        })
        .await;
    // No row is locked: of two who ask at once, the slower finds what the faster stored.
    match entered {
        Err(conflict @ Error::Conflict { .. }) => {
            let found = app.db.read(move |conn| once::find(conn, &earlier)).await?;
            Ok((found.ok_or(conflict)?, true))
        }
        other => other,
    }
}

/// Approves a schedule, by another key than the one that entered it: it begins with its next disconnect.
///
/// # Errors
/// `not_awaiting_approval`, `approval_expired`, `same_operator`; a calendar that has no disconnect any more.
pub async fn approve(app: &App, id: ScheduleId, by: &str) -> Result<(), Error> {
    let (now, by, settings) = (app.clock.now(), by.to_owned(), app.settings.clone());
    let approved = app.db.write(move |conn| {
        let mut schedule = awaiting(conn, id, now)?;
        if schedule.operator_key == by {
            return Err(Error::refused("same_operator", "another operator than the one who asked must approve"));
        }
        let zone = zone(conn, id.site())?;
        let first = first(&settings, &schedule, &zone, now)?;
        schedule.decided_by = Some(by.clone());
        begin(&mut schedule, first, now);
        store::relay_schedule::save(conn, &schedule)?;
        audit(conn, &schedule, (&by, now), "approve_relay_schedule", &schedule.reservations)
    });
    approved.await
}

/// Rejects a schedule that waits for approval; whoever entered it may take it back so.
///
/// # Errors
/// `not_awaiting_approval`, `approval_expired`.
pub async fn reject(app: &App, id: ScheduleId, by: &str) -> Result<(), Error> {
    let (now, by) = (app.clock.now(), by.to_owned());
    let rejected = app.db.write(move |conn| {
        let mut schedule = awaiting(conn, id, now)?;
        schedule.decided_by = Some(by.clone());
        close(&mut schedule, ScheduleState::Rejected, now);
        store::relay_schedule::save(conn, &schedule)?;
        audit(conn, &schedule, (&by, now), "reject_relay_schedule", &schedule.reservations)
    });
    rejected.await
}

/// Ends a schedule that was begun; what it cut is reconnected at once.
///
/// # Errors
/// `schedule_not_running`; a reason that is none.
pub async fn end(app: &App, id: ScheduleId, how: EndSchedule, by: &str) -> Result<(), Error> {
    let (now, by, reason) = (app.clock.now(), by.to_owned(), label("reason", &how.reason)?);
    let group = app
        .db
        .write(move |conn| {
            let mut schedule = store::relay_schedule::lock(conn, id)?;
            if !matches!(schedule.state, ScheduleState::Running | ScheduleState::Ending) {
                return Err(Error::conflict("schedule_not_running", "it has not begun, or has ended"));
            }
            close(&mut schedule, ScheduleState::Ended, now);
            store::relay_schedule::save(conn, &schedule)?;
            let group = switch(conn, &schedule, Action::Reconnect, (&by, &reason), now)?;
            audit(conn, &schedule, (&by, now), "end_relay_schedule", &reason)?;
            Ok(group)
        })
        .await?;
    if let Some(group) = group {
        while order_group::give_some(app, group).await? {}
    }
    Ok(())
}

/// Keeps a site's schedules from giving further disconnects: one that has cut goes on to its reconnect and ends with it, every
/// other one ends now. Which these were.
///
/// # Errors
/// The database fails.
pub(super) fn stop(conn: &mut Conn, site: SiteId, by: &str, now: Timestamp) -> Result<Vec<ScheduleId>, Error> {
    let mut ended = Vec::new();
    for id in store::relay_schedule::open(conn, site)? {
        let mut schedule = store::relay_schedule::lock(conn, id)?;
        match (schedule.state, schedule.next_action) {
            (ScheduleState::AwaitingApproval, _) => {
                schedule.decided_by = Some(by.to_owned());
                close(&mut schedule, ScheduleState::Rejected, now);
            }
            (ScheduleState::Running, Some(Action::Reconnect)) => schedule.state = ScheduleState::Ending,
            (ScheduleState::Running, _) => close(&mut schedule, ScheduleState::Ended, now),
            _ => continue,
        }
        store::relay_schedule::save(conn, &schedule)?;
        audit(conn, &schedule, (by, now), "end_relay_schedule", "stop button")?;
        ended.push(id);
    }
    Ok(ended)
}

/// Switches what is due, and ends what nobody approved in time, of all sites; how many schedules that were. The groups that it
/// writes are carried out by [`order_group::go_on`].
///
/// # Errors
/// The database fails.
pub async fn go_on(app: &App) -> Result<usize, Error> {
    let (now, rows) = (app.clock.now(), app.settings.jobs.rows);
    let (mut done, mut after) = (0, None);
    loop {
        let due = app.db.read(move |conn| Ok::<_, Error>(store::relay_schedule::due(conn, now, after, rows)?)).await?;
        let Some(last) = due.last() else { return Ok(done) };
        after = Some(*last);
        for id in due {
            let settings = app.settings.clone();
            match app.db.write(move |conn| move_on(conn, &settings, id, now)).await {
                Ok(()) => done += 1,
                Err(error) if error.is_of_the_database() => return Err(error),
                // One schedule must not keep the others waiting.
                Err(error) => tracing::error!(schedule = %id, %error, "a relay schedule stands still"),
            }
        }
    }
}

/// Does what its calendar wants by now, whatever was missed before, and reckons what comes next.
fn move_on(conn: &mut Conn, settings: &Settings, id: ScheduleId, now: Timestamp) -> Result<(), Error> {
    let mut schedule = store::relay_schedule::lock(conn, id)?;
    match schedule.state {
        ScheduleState::AwaitingApproval if is_late(&schedule, now) => {
            close(&mut schedule, ScheduleState::Expired, now);
            return Ok(store::relay_schedule::save(conn, &schedule)?);
        }
        ScheduleState::Running | ScheduleState::Ending => {}
        _ => return Ok(()),
    }
    let ahead = schedule.reckoned_at.is_some_and(|at| at > now);
    if !ahead && schedule.next_at.is_none_or(|at| at > now) {
        // Another process was faster.
        return Ok(());
    }
    let (zone, holidays) = (zone(conn, id.site())?, &settings.policy.disconnection.holidays);
    let running = schedule.state == ScheduleState::Running;
    let cuts = running && schedule.calendar.cuts_at(now, holidays, &zone);
    let action = if cuts { Action::Disconnect } else { Action::Reconnect };
    let (by, why) = (schedule.operator_key.clone(), schedule.reason.clone());
    let group = switch(conn, &schedule, action, (&by, &why), now)?;
    let next = schedule.calendar.next(now, holidays, &zone).filter(|_| running && group.is_some());
    match next {
        Some((at, next)) => {
            (schedule.next_at, schedule.next_action, schedule.reckoned_at) = (Some(at), Some(next), Some(now));
        }
        None => close(&mut schedule, ScheduleState::Ended, now),
    }
    store::relay_schedule::save(conn, &schedule)?;
    let what = group.map_or("no meter is left".to_owned(), |group| format!("{action} by relay_order_group:{group}"));
    audit(conn, &schedule, (&by, now), "switch_relay_schedule", &what)?;
    store::fault::point("schedule.switched");
    Ok(())
}

/// Writes the group of a switching; none where no meter is left. What an earlier one has not ordered yet is not ordered any
/// more.
fn switch(
    conn: &mut Conn,
    schedule: &RelaySchedule,
    action: Action,
    (by, why): (&str, &str),
    now: Timestamp,
) -> Result<Option<OrderGroupId>, Error> {
    for earlier in store::relay_order_group::open_of(conn, schedule.id)? {
        let mut group = store::relay_order_group::lock(conn, earlier)?;
        if group.ended_at.is_none() {
            (group.state, group.ended_at) = (GroupState::Expired, Some(now));
            store::relay_order_group::save(conn, &group)?;
        }
    }
    let meters = store::relay_schedule::meters(conn, schedule.id)?;
    if meters.is_empty() {
        return Ok(None);
    }
    let group = OrderGroup {
        id: store::ids::next(conn, schedule.id.site())?,
        action,
        cause: Cause::Schedule,
        reason: why.to_owned(),
        emergency: false,
        state: GroupState::Running,
        reservations: schedule.reservations.clone(),
        operator_key: by.to_owned(),
        decided_by: schedule.decided_by.clone(),
        created_at: now,
        expires_at: None,
        ended_at: None,
        version: 1,
        schedule_id: Some(schedule.id),
    };
    store::relay_order_group::insert(conn, &group, &meters)?;
    Ok(Some(group.id))
}

/// A meter takes another's place in its schedule; gives the causes that go with it: a cut by the schedule does while its
/// reconnect is still to come.
pub(super) fn hand_over(conn: &mut Conn, old: MeterId, new: MeterId, causes: &Causes) -> Result<Causes, Error> {
    let schedule = store::relay_schedule::of_meter(conn, old)?;
    store::relay_schedule::replace(conn, old, new)?;
    let cut = schedule.is_some_and(|schedule| schedule.next_action == Some(Action::Reconnect));
    Ok(if cut { causes.clone() } else { causes.without(Cause::Schedule) })
}

/// A meter that counts for nobody any more leaves its schedule, and the schedule's cause with it.
pub(super) fn leave(conn: &mut Conn, meter: MeterId) -> Result<(), Error> {
    store::relay_schedule::leave(conn, meter)?;
    store::meter::remove_cause(conn, meter, Cause::Schedule)?;
    Ok(())
}

/// Why a second operator must approve cuts of these meters: the words, parted by commas.
fn reservations(conn: &mut Conn, settings: &Settings, meters: &[MeterId]) -> Result<String, Error> {
    let group = Group {
        action: Action::Disconnect,
        meters: meters.len(),
        guarded: order_group::guarded(conn, settings, meters)?,
        emergency: false,
        by_administrator: false,
    };
    let reservations = group.reservations(settings.order_groups.meters_alone);
    Ok(reservations.iter().map(|reservation| reservation.as_str()).collect::<Vec<_>>().join(","))
}

/// Whether none of these meters belongs to a live schedule.
fn are_free(conn: &mut Conn, meters: &[MeterId]) -> Result<(), Error> {
    for meter in meters {
        if let Some(other) = store::relay_schedule::of_meter(conn, *meter)? {
            let detail = format!("meter {meter} belongs to relay schedule {}: end that first", other.id);
            return Err(Error::conflict("meter_scheduled", detail));
        }
    }
    Ok(())
}

fn first(settings: &Settings, row: &RelaySchedule, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Error> {
    let none = || Error::field("schedule", "until", "no day that is meant follows");
    row.calendar.next_disconnect(now, &settings.policy.disconnection.holidays, zone).ok_or_else(none)
}

fn begin(schedule: &mut RelaySchedule, first: Timestamp, now: Timestamp) {
    schedule.state = ScheduleState::Running;
    (schedule.next_at, schedule.next_action, schedule.reckoned_at) = (Some(first), Some(Action::Disconnect), Some(now));
}

fn close(schedule: &mut RelaySchedule, state: ScheduleState, now: Timestamp) {
    (schedule.state, schedule.ended_at) = (state, Some(now));
    (schedule.next_at, schedule.next_action, schedule.reckoned_at) = (None, None, None);
}

fn is_late(schedule: &RelaySchedule, now: Timestamp) -> bool {
    schedule.expires_at.is_some_and(|end| end <= now)
}

/// Holds a schedule that may still be approved.
fn awaiting(conn: &mut Conn, id: ScheduleId, now: Timestamp) -> Result<RelaySchedule, Error> {
    let schedule = store::relay_schedule::lock(conn, id)?;
    let waits = schedule.state == ScheduleState::AwaitingApproval;
    if schedule.state == ScheduleState::Expired || (waits && is_late(&schedule, now)) {
        return Err(Error::conflict("approval_expired", "nobody approved it in time: enter it again"));
    }
    if !waits {
        return Err(Error::conflict("not_awaiting_approval", "it does not wait for an approval"));
    }
    Ok(schedule)
}

fn zone(conn: &mut Conn, site: SiteId) -> Result<TimeZone, Error> {
    books::zone(&store::site::by_id(conn, site)?)
}

fn audit(
    conn: &mut Conn,
    schedule: &RelaySchedule,
    by: (&str, Timestamp),
    verb: &str,
    detail: &str,
) -> Result<(), Error> {
    let object = format!("relay_schedule:{}", schedule.id);
    audit_line::write(conn, schedule.id.site(), by, verb, object, detail.to_owned())
}

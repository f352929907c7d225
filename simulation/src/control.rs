//! What a control room does with many meters at once: orders to groups, cuts by calendars, guards over buildings, and the stop
//! button.

use std::fmt::Write;

use domain::{ids::MeterId, relay::Action};
use jiff::{Timestamp, civil::time};
use rand::RngExt;
use store::{
    relay_order_group::{GroupState, Outcome},
    relay_schedule::ScheduleState,
};
use wattgate::{
    app::App,
    operations::{
        Error,
        guard::{self, Target},
        meter_selection::Selection,
        order_group::{self, By, NewOrderGroup},
        schedule::{self, EndSchedule, NewSchedule},
        site,
    },
};

use crate::{
    auditor::{Answer, Request, Supply},
    clock::shift,
    errand::{Call, done},
    fate::{Event, minutes},
    plan::{Random, Size, between},
    world::{Entered, World},
};

/// What is done. Meters are named by their place in the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Orders to several meters; where a second operator must approve them, one does.
    Group {
        /// Whose.
        meters: Vec<usize>,
        /// Off or on.
        off: bool,
    },
    /// A calendar that cuts several meters each day; where a second operator must approve it, one does.
    Schedule {
        /// Whose.
        meters: Vec<usize>,
        /// From which local hour until which.
        hours: (i8, i8),
    },
    /// A meter's calendar is ended.
    EndSchedule(usize),
    /// A building's supply guard.
    Guard {
        /// Which.
        building: usize,
        /// Set or lifted.
        on: bool,
    },
    /// The stop button.
    Stop,
}

/// The names of all outcomes, as the coverage lists them.
pub const NAMES: &[&str] = &[
    "group ordered",
    "group approved",
    "member ordered",
    "member refused",
    "schedule entered",
    "schedule approved",
    "schedule refused: meter_scheduled",
    "schedule ended",
    "building guarded",
    "building guard lifted",
    "stopped",
];

/// The request and the call.
#[must_use]
pub fn ask(world: &World, app: App, what: &Control, key: &str) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let (site_id, reason, key) = (entered.site?, "simulated".to_owned(), key.to_owned());
    Some(match what {
        Control::Stop => (Request::Stop, done(async move { site::stop(&app, site_id, &reason, "operator").await })),
        Control::Guard { building, on } => {
            let (id, meters) = entered.buildings.get(*building)?.clone();
            let (on, reason) = (*on, on.then_some(reason));
            let set = async move { guard::set(&app, Target::Building(id), on, reason, "operator").await };
            (Request::GuardBuilding { meters, on }, done(set))
        }
        Control::Schedule { meters, hours } => {
            let ids = ids(&entered, meters);
            let (off, on) = (time(hours.0, 0, 0, 0), time(hours.1, 0, 0, 0));
            let selection = Selection { meter_ids: Some(ids.clone()), ..Selection::default() };
            let weekdays = (1..=7).filter_map(|day| jiff::civil::Weekday::from_monday_one_offset(day).ok());
            let new = NewSchedule {
                site_id,
                off_at: off,
                on_at: on,
                weekdays: weekdays.map(Into::into).collect(),
                except_holidays: false,
                from: None,
                until: None,
                reason,
                selection,
            };
            let request = Request::Schedule { key: key.clone(), meters: ids, off, on };
            (request, Box::pin(async move { schedule_meters(&app, new, &key).await.map(Some) }))
        }
        Control::EndSchedule(nth) => {
            let meter = entered.places.get(*nth)?.meter;
            let of_it = world.read(move |conn| Ok(store::relay_schedule::of_meter(conn, meter)?)).ok()??;
            let how = EndSchedule { reason };
            let end = async move { schedule::end(&app, of_it.id, how, "operator").await };
            (Request::EndSchedule { meter }, done(end))
        }
        Control::Group { meters, off } => {
            let ids = ids(&entered, meters);
            let (action, supply) =
                if *off { (Action::Disconnect, Supply::Off) } else { (Action::Reconnect, Supply::On) };
            // After a replacement other meters are meant.
            let key = ids.iter().fold(key, |key, id| format!("{key} {id}"));
            let selection = Selection { meter_ids: Some(ids.clone()), ..Selection::default() };
            let new = NewOrderGroup { site_id, action, reason, emergency: false, selection };
            let request = Request::Group { key: key.clone(), meters: ids, supply };
            (request, Box::pin(async move { order(&app, new, &key).await.map(Some) }))
        }
    })
}

fn ids(entered: &Entered, meters: &[usize]) -> Vec<MeterId> {
    meters.iter().filter_map(|nth| entered.places.get(*nth)).map(|place| place.meter).collect()
}

/// Enters a calendar, and has another operator approve it where that is needed; tells which it was.
async fn schedule_meters(app: &App, new: NewSchedule, key: &str) -> Result<String, Error> {
    let (id, _) = schedule::enter(app, new, key, "operator").await?;
    let state = app.db.read(move |conn| Ok::<_, Error>(store::relay_schedule::by_id(conn, id)?.state)).await?;
    let waits = state == ScheduleState::AwaitingApproval;
    if waits {
        schedule::approve(app, id, "another operator").await?;
    }
    Ok((if waits { "approved" } else { "entered" }).to_owned())
}

/// Orders, has another operator approve, and tells what became of each meter.
async fn order(app: &App, new: NewOrderGroup, key: &str) -> Result<String, Error> {
    let by = By { key: "operator".to_owned(), administers: false };
    let (id, _) = order_group::order(app, new, key, by).await?;
    let state = app.db.read(move |conn| Ok::<_, Error>(store::relay_order_group::by_id(conn, id)?.state)).await?;
    let approved = state == GroupState::AwaitingApproval;
    if approved {
        order_group::approve(app, id, "another operator").await?;
    }
    let meters = app.db.read(move |conn| Ok::<_, Error>(store::relay_order_group::meters(conn, id)?)).await?;
    let mut told = String::from(if approved { "approved" } else { "given" });
    for (meter, _) in meters {
        let outcome = match meter.outcome {
            Outcome::Ordered => "ordered",
            Outcome::Refused => "refused",
            Outcome::Waiting => "waiting",
            // Only what ends by itself is lifted.
            Outcome::Lifted => "lifted",
        };
        // Writing to a string does not fail.
        let _ = write!(told, " {}={outcome}", meter.meter_id);
    }
    Ok(told)
}

/// Counts an answer.
pub fn settle(world: &World, what: &Control, answer: &Answer) {
    match (what, answer) {
        (Control::Stop, Answer::Done { .. }) => world.count("control", "stopped"),
        (Control::Schedule { .. }, Answer::Done { receipt: Some(told) }) => {
            world.count("control", &format!("schedule {told}"));
        }
        (Control::Schedule { .. }, Answer::Refused { code }) => {
            world.count("control", &format!("schedule refused: {code}"));
        }
        (Control::EndSchedule(_), Answer::Done { .. }) => world.count("control", "schedule ended"),
        (Control::Guard { on: true, .. }, Answer::Done { .. }) => world.count("control", "building guarded"),
        (Control::Guard { on: false, .. }, Answer::Done { .. }) => world.count("control", "building guard lifted"),
        (Control::Group { .. }, Answer::Done { receipt: Some(told) }) => {
            world.count("control", "group ordered");
            for word in told.split(' ') {
                match word.rsplit_once('=') {
                    Some((_, outcome)) => world.count("control", &format!("member {outcome}")),
                    None if word == "approved" => world.count("control", "group approved"),
                    None => {}
                }
            }
        }
        (_, Answer::Refused { code }) => world.count("control", &format!("refused: {code}")),
        _ => {}
    }
}

/// Calendars, some of which end, and guards over buildings that are lifted again.
#[must_use]
pub fn by_calendar(
    random: &mut Random,
    size: Size,
    start: Timestamp,
    quiet_from: Timestamp,
) -> Vec<(Timestamp, Event)> {
    let (begin, days, meters) = (shift(start, minutes(60)), usize::from(size.days), usize::from(size.meters));
    let mut all = Vec::new();
    for _ in 0..random.random_range(1..=3) {
        let first = random.random_range(0..meters);
        let some: Vec<usize> = (first..meters).step_by(random.random_range(1..5)).take(6).collect();
        let off = random.random_range(5..11);
        let hours = (off, off + random.random_range(1..10));
        let from = between(random, begin, quiet_from);
        all.push((from, Control::Schedule { meters: some, hours }));
        if random.random_bool(0.5) {
            all.push((between(random, from, quiet_from), Control::EndSchedule(first)));
        }
    }
    for _ in 0..random.random_range(0..=days) {
        let building = random.random_range(0..3);
        let from = between(random, begin, quiet_from);
        all.push((from, Control::Guard { building, on: true }));
        all.push((between(random, from, quiet_from), Control::Guard { building, on: false }));
    }
    all.into_iter().map(|(at, what)| (at, Event::Control(what))).collect()
}

/// Groups that are cut and brought back, and now and then the stop button.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, days) = (shift(start, minutes(120)), usize::from(size.days));
    let mut all = Vec::new();
    for _ in 0..random.random_range(0..=2 * days) {
        let first = random.random_range(0..usize::from(size.meters));
        let meters: Vec<usize> = (first..usize::from(size.meters)).step_by(random.random_range(1..5)).take(6).collect();
        let from = between(random, begin, quiet_from);
        all.push((from, Control::Group { meters: meters.clone(), off: true }));
        if random.random_bool(0.9) {
            all.push((between(random, from, quiet_from), Control::Group { meters, off: false }));
        }
    }
    let stops = random.random_range(0..=days);
    for _ in 0..stops {
        all.push((between(random, begin, quiet_from), Control::Stop));
    }
    let mut events: Vec<_> = all.into_iter().map(|(at, what)| (at, Event::Control(what))).collect();
    // After a stop somebody looks into it, and lets cuts go on.
    let again = |(at, event): &(Timestamp, Event)| {
        (*event == Event::Control(Control::Stop)).then(|| (shift(*at, minutes(90)).min(quiet_from), Event::Switch(2)))
    };
    let switched: Vec<_> = events.iter().filter_map(again).collect();
    events.extend(switched);
    events
}

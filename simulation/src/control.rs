//! What a control room does with many meters at once: orders to groups, cuts by calendars, guards over buildings, and the stop
//! button.

use std::fmt::Write;

use domain::{account::State, ids::MeterId, relay::Action};
use jiff::{SignedDuration, Timestamp, civil::time};
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

/// Which meters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// These.
    Listed(Vec<usize>),
    /// Those of active accounts in a building.
    OfBuilding(usize),
}

/// What becomes of what a second operator must approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// One does.
    Given,
    /// Who asked tries to, and another one is against it.
    Refused,
    /// Nobody cares, until it expires.
    Left,
}

/// What is done. Meters are named by their place in the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// Orders to several meters.
    Group {
        /// Whose.
        meters: Meant,
        /// Off or on.
        off: bool,
        /// Whether it is for safety.
        emergency: bool,
        /// What becomes of it where a second operator must approve it.
        fate: Approval,
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
    "group rejected",
    "group left alone",
    "group for safety",
    "group of a building",
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
        Control::Group { meters, off, emergency, fate } => {
            let (ids, selection) = meant(&entered, meters)?;
            let (emergency, fate) = (*emergency, *fate);
            let (action, supply) =
                if *off { (Action::Disconnect, Supply::Off) } else { (Action::Reconnect, Supply::On) };
            // After a replacement other meters are meant.
            let key = ids.iter().fold(key, |key, id| format!("{key} {id}"));
            let new = NewOrderGroup { site_id, action, reason, emergency, selection };
            let approved = fate == Approval::Given;
            let request = Request::Group { key: key.clone(), meters: ids, supply, emergency, approved };
            (request, Box::pin(async move { order(&app, new, &key, fate).await.map(Some) }))
        }
    })
}

/// All meters that may be meant, and how they are asked for.
fn meant(entered: &Entered, meters: &Meant) -> Option<(Vec<MeterId>, Selection)> {
    Some(match meters {
        Meant::Listed(places) => {
            let ids = ids(entered, places);
            (ids.clone(), Selection { meter_ids: Some(ids), ..Selection::default() })
        }
        Meant::OfBuilding(nth) => {
            let (id, ids) = entered.buildings.get(*nth)?.clone();
            let account_state = Some(State::Active);
            (ids, Selection { building_id: Some(id), account_state, ..Selection::default() })
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

/// Orders, has another operator decide where that is needed, and tells what became of each meter.
async fn order(app: &App, new: NewOrderGroup, key: &str, fate: Approval) -> Result<String, Error> {
    let by = By { key: "operator".to_owned(), administers: false };
    let (id, _) = order_group::order(app, new, key, by).await?;
    let state = app.db.read(move |conn| Ok::<_, Error>(store::relay_order_group::by_id(conn, id)?.state)).await?;
    let waits = state == GroupState::AwaitingApproval;
    match fate {
        Approval::Given if waits => order_group::approve(app, id, "another operator").await?,
        Approval::Refused if waits => {
            return match order_group::approve(app, id, "operator").await {
                Err(Error::Refused { code: "same_operator", .. }) => {
                    order_group::reject(app, id, "another operator").await.map(|()| "rejected".to_owned())
                }
                approved => approved.map(|()| "approved by who asked".to_owned()),
            };
        }
        Approval::Left if waits => return Ok("left".to_owned()),
        _ => {}
    }
    let meters = app.db.read(move |conn| Ok::<_, Error>(store::relay_order_group::meters(conn, id)?)).await?;
    let mut told = String::from(if waits { "approved" } else { "given" });
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
        (Control::Group { meters, emergency, .. }, Answer::Done { receipt: Some(told) }) => {
            settle_group(world, meters, *emergency, told);
        }
        (_, Answer::Refused { code }) => world.count("control", &format!("refused: {code}")),
        _ => {}
    }
}

fn settle_group(world: &World, meters: &Meant, emergency: bool, told: &str) {
    let count = |what: &str| world.count("control", what);
    count("group ordered");
    if emergency {
        count("group for safety");
    }
    if matches!(meters, Meant::OfBuilding(_)) {
        count("group of a building");
    }
    for word in told.split(' ') {
        match word.rsplit_once('=') {
            Some((_, outcome)) => count(&format!("member {outcome}")),
            None if word == "approved" => count("group approved"),
            None if word == "rejected" => count("group rejected"),
            None if word == "left" => count("group left alone"),
            None => {}
        }
    }
}

/// Groups for safety that are approved, rejected or left alone; groups of a building; and the stop button just when many cuts
/// wait to be sent.
#[must_use]
pub fn reserved(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let (begin, days, meters) = (shift(start, minutes(150)), usize::from(size.days), usize::from(size.meters));
    let some = |random: &mut Random| {
        let first = random.random_range(0..meters);
        Meant::Listed((first..meters).step_by(random.random_range(1..3)).take(6).collect())
    };
    let mut all = Vec::new();
    for _ in 0..random.random_range(1..=2 * days) {
        let (meters, from) = (some(random), between(random, begin, quiet_from));
        let fate = match random.random_range(0..4) {
            0 => Approval::Refused,
            1 => Approval::Left,
            _ => Approval::Given,
        };
        all.push((from, Event::Control(Control::Group { meters: meters.clone(), off: true, emergency: true, fate })));
        // What is locked stays so, whoever reconnects it otherwise.
        let (on, fate) = (between(random, from, quiet_from), Approval::Given);
        if random.random_bool(0.5) {
            let meters = meters.clone();
            let reconnect = Control::Group { meters, off: false, emergency: false, fate };
            all.push((between(random, from, on), Event::Control(reconnect)));
        }
        if random.random_bool(0.8) {
            all.push((on, Event::Control(Control::Group { meters, off: false, emergency: true, fate })));
        }
    }
    for _ in 0..random.random_range(1..=days) {
        let (meters, fate) = (Meant::OfBuilding(random.random_range(0..3)), Approval::Given);
        let from = between(random, begin, quiet_from);
        let group = |meters, off| Event::Control(Control::Group { meters, off, emergency: false, fate });
        all.push((from, group(meters.clone(), true)));
        all.push((between(random, from, quiet_from), group(meters, false)));
    }
    for _ in 0..random.random_range(1..=days) {
        let (meters, fate) = (some(random), Approval::Given);
        let from = between(random, begin, quiet_from);
        let group = |meters, off| Event::Control(Control::Group { meters, off, emergency: false, fate });
        all.push((from, group(meters.clone(), true)));
        let soon = SignedDuration::from_millis(random.random_range(1..4_000));
        all.push((shift(from, soon), Event::Control(Control::Stop)));
        all.push((shift(from, minutes(30)).min(quiet_from), group(meters, false)));
        all.push((shift(from, minutes(90)).min(quiet_from), Event::Switch(2)));
    }
    all
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
        let group = |meters, off| {
            let (meters, fate) = (Meant::Listed(meters), Approval::Given);
            Control::Group { meters, off, emergency: false, fate }
        };
        all.push((from, group(meters.clone(), true)));
        if random.random_bool(0.9) {
            all.push((between(random, from, quiet_from), group(meters, false)));
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

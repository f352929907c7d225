//! What is put before the auditor at each look: the truth of the field, the rows, the hot balances.

use std::{cell::Cell, collections::BTreeMap};

use domain::{energy::Energy, ids::MeterId, relay::RelayState};
use futures_util::FutureExt;
use jiff::{Timestamp, civil::Date};
use protocols::dlt645::RelayCommand;
use simulator::site::MeterHandle;
use wattgate::{app::App, operations::balance};

use crate::{
    auditor::{Fact, HotSeen, MeterTruth, Seen, Supply, Truth},
    fate::Trouble,
    run::Failure,
    world::World,
};

/// Looks, and has the auditor judge.
///
/// # Errors
/// What it found.
pub fn look(world: &World, app: Option<&App>, last: bool) -> Result<(), Failure> {
    let at = world.time.now();
    remind(world);
    let truth = truth(world, app.is_some());
    let mut seen = rows(world, last)?;
    for one in seen.transactions.iter().filter(|_| !last) {
        let moved: Vec<String> =
            one.postings.iter().map(|(from, to, amount)| format!("{amount} {from} -> {to}")).collect();
        world.note(&format!("{:?} of account {}: {}", one.kind, one.account, moved.join(", ")));
    }
    if let Some(app) = app {
        hot(world, app, &mut seen)?;
    }
    let mut auditor = world.auditor.borrow_mut();
    let Some(auditor) = auditor.as_mut() else { return Ok(()) };
    let judged = if last { auditor.end(at, &truth, &seen) } else { auditor.look(at, &truth, &seen) };
    Ok(judged?)
}

/// What stands in the way of a cut without making a meter unreachable is told again as long as it stands.
fn remind(world: &World) {
    let entered = world.entered.borrow();
    for trouble in world.standing.borrow().iter() {
        let what = trouble.name();
        match (trouble.meter(), trouble.concentrator()) {
            (Some(meter), _) => {
                let meter = entered.places.get(meter).map(|place| place.meter);
                world.tell(Fact::Fault { what, meter });
            }
            (None, Some(concentrator)) => {
                for place in entered.places.iter().filter(|place| place.concentrator == concentrator) {
                    world.tell(Fact::Fault { what, meter: Some(place.meter) });
                }
            }
            (None, None) => {}
        }
    }
}

fn truth(world: &World, up: bool) -> Truth {
    let entered = world.entered.borrow();
    let midnights = midnights(world);
    let standing = world.standing.borrow();
    let mut meters: BTreeMap<MeterId, MeterTruth> = BTreeMap::new();
    for (nth, place) in entered.places.iter().enumerate() {
        let unreachable = |trouble: &Trouble| match trouble {
            Trouble::Silent(meter) | Trouble::Stuck(meter) | Trouble::Refusing(meter) | Trouble::Poisoned(meter) => {
                *meter == nth
            }
            _ => false,
        };
        let online = entered.stations.get(place.concentrator).is_some_and(|station| station.handle.is_logged_in());
        let blocked = world.blocked.borrow().contains(&nth);
        let reachable = online && !blocked && !standing.iter().any(unreachable);
        let truthful = !standing.iter().any(|trouble| matches!(trouble, Trouble::Lying(meter, _) if *meter == nth));
        let truth = of_meter(&place.handle, place.base, &place.told, &midnights);
        let (exact, inexact) = exactness(world, place.concentrator, place.meter);
        meters.insert(place.meter, MeterTruth { reachable, truthful, exact, inexact, ..truth });
    }
    for spare in &entered.spares {
        let (exact, inexact) = exactness(world, spare.concentrator, spare.meter);
        // Whatever happened to it before it came here: nobody counted it.
        let exact = exact && counts(world, spare.meter);
        let reachable = entered.stations.get(spare.concentrator).is_some_and(|station| station.handle.is_logged_in());
        let truth = of_meter(&spare.handle, spare.base, &spare.told, &midnights);
        meters.insert(spare.meter, MeterTruth { exact, inexact, reachable, ..truth });
    }
    Truth { meters, up }
}

/// Whether a meter to spare counts for somebody, as a further one.
fn counts(world: &World, meter: MeterId) -> bool {
    world.plan.further && world.read(move |conn| Ok(store::account::by_meter(conn, meter)?.is_some())).unwrap_or(false)
}

/// Whether nothing around now makes the midnights of a meter inexact, and which ones are.
fn exactness(world: &World, concentrator: usize, meter: MeterId) -> (bool, Vec<(Date, Date)>) {
    let today = world.plan.zone.to_datetime(world.time.now()).date();
    let a_day = jiff::Span::new().days(1);
    let around = |(from, to): &(Date, Date)| (from.saturating_sub(a_day)..=to.saturating_add(a_day)).contains(&today);
    let days = world.inexact_days(concentrator, meter);
    (!days.iter().any(around), days)
}

/// A meter, reachable and exact.
fn of_meter(handle: &MeterHandle, base: Energy, told: &Cell<(usize, usize)>, midnights: &[Date]) -> MeterTruth {
    let (moves, commands) = told.get();
    let (new_moves, new_commands) = (handle.moves_since(moves), handle.commands_since(commands));
    told.set((moves + new_moves.len(), commands + new_commands.len()));
    let taken = |command: &&simulator::meter::Commanded| command.taken && command.command == RelayCommand::Disconnect;
    let (relay, command) = (handle.relay(), handle.command());
    MeterTruth {
        energy: handle.true_energy(),
        register: base + handle.true_energy(),
        supply: supply(relay),
        permitted: relay == RelayState::Disconnected && command == RelayState::Connected,
        reachable: true,
        truthful: true,
        exact: true,
        inexact: Vec::new(),
        moves: new_moves.iter().map(|one| (one.at, supply(one.to))).collect(),
        disconnects_taken: new_commands.iter().filter(taken).map(|one| one.at).collect(),
        midnights: midnights.iter().filter_map(|day| Some((*day, handle.true_energy_at_midnight(*day)?))).collect(),
    }
}

fn supply(relay: RelayState) -> Supply {
    match relay {
        RelayState::Connected => Supply::On,
        RelayState::Disconnected => Supply::Off,
    }
}

/// The days that ended since the last look.
fn midnights(world: &World) -> Vec<Date> {
    let today = world.plan.zone.to_datetime(world.time.now()).date();
    let mut day = match world.midnight.get() {
        Some(last) => last,
        None => world.plan.zone.to_datetime(world.plan.start).date().yesterday().unwrap_or(Date::MIN),
    };
    let mut ended = Vec::new();
    while let Ok(next) = day.tomorrow()
        && next < today
    {
        ended.push(next);
        day = next;
    }
    world.midnight.set(Some(day));
    ended
}

fn rows(world: &World, whole: bool) -> Result<Seen, Failure> {
    let Some(mut eyes) = world.eyes.borrow_mut().take() else { return Ok(Seen::default()) };
    let (eyes, seen) = world.read(move |conn| {
        let seen = if whole { eyes.all(conn) } else { eyes.look(conn) }?;
        Ok((eyes, seen))
    })?;
    *world.eyes.borrow_mut() = Some(eyes);
    Ok(seen)
}

fn hot(world: &World, app: &App, seen: &mut Seen) -> Result<(), Failure> {
    for place in &world.entered.borrow().places {
        let Some(Ok(snapshot)) = app.hot.get(place.account).now_or_never() else { continue };
        let Some(part) = &snapshot.account else { continue };
        let tariff = world.gate.aside(|| balance::prices(app, part).now_or_never());
        let available = match tariff {
            Some(Ok(tariff)) => snapshot.available(&tariff).map_err(Failure::other)?,
            _ => None,
        };
        seen.hot.insert(place.account, HotSeen { version: part.version, posted: part.posted, available });
    }
    Ok(())
}

/// The instant a local day ends.
#[must_use]
pub fn end_of(world: &World, day: Date) -> Option<Timestamp> {
    Some(day.tomorrow().ok()?.to_zoned(world.plan.zone.clone()).ok()?.timestamp())
}

//! One life of the head end's process: it starts on what the rows say, the field dials in, people come and go, faults
//! begin and end; until it dies or the run is over. Everything that waits or runs then is gone with its runtime.

use std::rc::Rc;

use actors::{Link, fleet::Where};
use domain::relay::{Action, order::State};
use jiff::SignedDuration;
use rand::RngExt;
use store::meter::Identity;
use tokio::{io::DuplexStream, sync::mpsc, task::LocalSet, time::sleep_until};
use wattgate::{
    app::App,
    changes::{Changed, Changes},
};

use crate::{
    auditor::Fact,
    clock::shift,
    entry,
    errand::{Deed, Errand, Wish, set_out},
    fate::Trouble,
    run::Failure,
    sight::end_of,
    trouble,
    world::World,
};

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The run is over.
    Over,
    /// It died, and is started again after this.
    Death(SignedDuration),
}

/// The longest time between two looks.
const LOOK_S: i64 = 600;
/// Bytes under way on a link.
const PIPE: usize = 16 * 1024;
/// How long after a start an operator looks at the alarms that stand.
const OPERATOR_LOOKS: SignedDuration = SignedDuration::from_mins(60);
/// A process that did not come up is started again after this.
const START_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// Lives once.
///
/// # Errors
/// The auditor found something, or the world does not work.
pub fn live(world: &Rc<World>, number: u64) -> Result<End, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(Failure::other)?;
    let local = LocalSet::new();
    let end = local.block_on(&runtime, async {
        world.time.run();
        let end = begin(world, number).await;
        world.time.stand(world.time.now());
        end
    });
    // The process is gone, and with it all that was under way.
    drop(local);
    drop(runtime);
    end
}

async fn begin(world: &Rc<World>, number: u64) -> Result<End, Failure> {
    let app = App::new(world.plan.settings.clone(), world.db.clone(), std::sync::Arc::new(world.time.clone()));
    let app = app.map_err(Failure::other)?;
    let mut changes = app.changes();
    let started = tokio::select! {
        biased;
        () = world.gate.death.notified() => return Ok(End::Death(world.away.get())),
        started = app.start(world.plan.seed.wrapping_add(number)) => started,
    };
    if let Err(error) = started {
        world.note(&format!("did not start: {error}"));
        return Ok(End::Death(START_AGAIN));
    }
    if world.entered.borrow().site.is_none() {
        entry::enter(world, &app).await?;
    }
    world.note("started");
    world.tell(Fact::Started);
    let _running = dial_in(world, &app);
    ask_again(world);
    overwrite_again(world)?;
    tokio::select! {
        biased;
        () = world.gate.death.notified() => Ok(End::Death(world.away.get())),
        end = days(world, &app, &mut changes) => end,
    }
}

/// The field dials in, by links in memory.
fn dial_in(world: &World, app: &App) -> simulator::site::Running {
    let (dialled, mut accepted) = mpsc::unbounded_channel::<(DuplexStream, String)>();
    if let Some(fleet) = app.fleet().cloned() {
        tokio::task::spawn_local(async move {
            while let Some((link, peer)) = accepted.recv().await {
                let fleet = fleet.clone();
                tokio::task::spawn_local(async move { fleet.accept(Link::Memory(link), peer).await });
            }
        });
    }
    world.field.run_with(move |address| {
        let dialled = dialled.clone();
        async move {
            let (mine, theirs) = tokio::io::duplex(PIPE);
            dialled.send((theirs, address.to_string())).map_err(std::io::Error::other)?;
            Ok(mine)
        }
    })
}

/// Whoever had no answer when the process died asks again.
fn ask_again(world: &World) {
    let outstanding = std::mem::take(&mut *world.outstanding.borrow_mut());
    for errand in outstanding.into_values() {
        let seconds = world.random.borrow_mut().random_range(0..600);
        world.later(SignedDuration::from_secs(seconds), Deed::Run(errand));
    }
}

/// An operator who had a foreign archive overwritten just before the process died finds it foreign still, and orders it again.
fn overwrite_again(world: &World) -> Result<(), Failure> {
    let stations: Vec<_> = world.entered.borrow().stations.iter().map(|station| station.id).collect();
    for (nth, id) in stations.into_iter().enumerate() {
        let left_swapped = world.standing.borrow().contains(&Trouble::SwappedArchive(nth));
        let meters = world.read(move |conn| Ok(store::meter::of_concentrator(conn, id)?))?;
        if !left_swapped && meters.iter().any(|meter| meter.identity == Identity::Foreign) {
            world.later(OPERATOR_LOOKS, Deed::Run(Errand::patient(Wish::SyncArchive(nth))));
        }
    }
    Ok(())
}

async fn days(world: &Rc<World>, app: &App, changes: &mut Changes) -> Result<End, Failure> {
    let mut calm = false;
    loop {
        let now = world.time.now();
        if world.is_quiet() && !calm {
            world.calm();
            calm = true;
        }
        while let Some(deed) = world.due() {
            if let Some(end) = act(world, app, deed) {
                return Ok(end);
            }
        }
        world.look(Some(app))?;
        if now >= world.plan.end {
            world.last_look(app)?;
            return Ok(End::Over);
        }
        let second = now.as_second();
        let tick = shift(now, SignedDuration::from_secs(LOOK_S - second.rem_euclid(LOOK_S)));
        let mut until = tick.min(world.plan.end).min(world.next_deed().unwrap_or(tick));
        if now < world.plan.quiet_from {
            until = until.min(world.plan.quiet_from);
        }
        let until = world.time.instant(until);
        loop {
            tokio::select! {
                biased;
                change = changes.next() => match change {
                    Some(change) => if hear(world, change)? { break },
                    None => return Err(Failure::Other("the head end tells nothing any more".to_owned())),
                },
                () = sleep_until(until) => break,
            }
        }
    }
}

/// Does what is due; the end of the process where it dies of it.
fn act(world: &Rc<World>, app: &App, deed: Deed) -> Option<End> {
    match deed {
        Deed::Happens(event) => return trouble::happens(world, app, &event),
        Deed::Run(errand) => set_out(world, app, errand),
        Deed::Press(meter) => trouble::press(world, meter),
        Deed::PayUp(meter) => trouble::pay_up(world, app, meter),
        Deed::OldHot { kept, dump } => trouble::old_hot(world, app, &kept, dump),
    }
    None
}

/// Takes note of a change; `true` where the auditor is to look.
fn hear(world: &World, change: Changed) -> Result<bool, Failure> {
    world.note(&format!("{change:?}"));
    match change {
        Changed::Reading { duplicate: true, .. } => world.count("reading", "duplicate"),
        Changed::Reading { quality, .. } => world.count("reading", quality.as_str()),
        Changed::Held { guards, .. } => guards.iter().for_each(|guard| world.count("guard", guard.as_str())),
        Changed::Notice { kind, account, .. } => {
            world.count("notice", kind.as_str());
            trouble::warned(world, account, kind);
        }
        Changed::Order { order } => {
            let row = world.read(move |conn| Ok(store::relay_order::by_id(conn, order)?))?;
            world.note(&format!("order {order} of meter {}: {} {} {}", row.meter_id, row.action, row.cause, row.state));
            match (row.action, row.state) {
                (Action::Disconnect, State::Ordered) => trouble::about_to_be_cut(world, row.meter_id),
                (Action::Disconnect, State::Confirmed) => trouble::cut(world, row.meter_id),
                (Action::Reconnect, State::Confirmed) => world.count("account", "restored"),
                (Action::Reconnect, State::AwaitingCustomer) => trouble::may_press(world, row.meter_id),
                _ => {}
            }
            return Ok(true);
        }
        Changed::Vend { .. } | Changed::Reversal { .. } | Changed::Refund { .. } | Changed::Account { .. } => {
            return Ok(true);
        }
        _ => {}
    }
    Ok(false)
}

/// Makes a meter's actor panic.
pub fn poison(app: &App, meter: domain::ids::MeterId, place: Where) {
    if let Some(fleet) = app.fleet() {
        fleet.poison(meter, place);
    }
}

/// The midnights of a run, for its coverage.
#[must_use]
pub fn midnights(world: &World) -> Vec<jiff::Timestamp> {
    let mut day = world.plan.zone.to_datetime(world.plan.start).date();
    let mut all = Vec::new();
    while let Some(end) = end_of(world, day).filter(|end| *end < world.plan.end) {
        all.push(end);
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    all
}

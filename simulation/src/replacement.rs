//! Meters that are replaced: how a technician goes about it, and what becomes of the meters.

use jiff::Timestamp;
use rand::RngExt;
use simulator::site::MeterHandle;
use wattgate::{
    app::App,
    operations::replace_meter::{self, ReplaceMeter},
};

use crate::{
    auditor::Request,
    clock::shift,
    errand::{Call, Wish, done},
    fate::{Event, Trouble, minutes},
    plan::{self, Random, Size, between},
    trouble::afflict,
    world::{Entered, World},
};

/// Whether a technician and somebody else would handle one meter at a time: one of them comes again.
#[must_use]
pub fn collides(world: &World, wish: &Wish) -> bool {
    let Some(meter) = wish.meter() else { return false };
    let entered = world.entered.borrow();
    let station = |nth: usize| entered.places.get(nth).map(|place| place.concentrator);
    let replacing = world.replacing.borrow();
    if !wish.replaces() {
        return replacing.contains(&meter);
    }
    let outstanding = world.outstanding.borrow();
    let handled = outstanding.values().any(|errand| !errand.what.replaces() && errand.what.meter() == Some(meter));
    // A concentrator has one meter to spare.
    handled || replacing.iter().any(|other| *other != meter && station(*other) == station(meter))
}

/// The request for a replacement by the meter that the concentrator has to spare, and the call.
#[must_use]
pub fn ask(world: &World, app: App, nth: usize, by_hand: bool, key: &str) -> Option<(Request, Call)> {
    let entered = world.entered.borrow();
    let place = entered.places.get(nth)?;
    let spare = entered.spares.iter().find(|spare| spare.concentrator == place.concentrator)?;
    let shown = |handle: &MeterHandle| by_hand.then(|| plan::displayed(&handle.registers()));
    let new = ReplaceMeter {
        new_meter_id: Some(spare.meter),
        multiplier: None,
        final_reading: shown(&place.handle),
        final_registers: domain::reading::registers::ByPeriod::new(),
        initial_reading: shown(&spare.handle),
        initial_registers: domain::reading::registers::ByPeriod::new(),
        reason: by_hand.then(|| "read off the display".to_owned()),
        confirmed: false,
    };
    // What is read off the display anew is asked anew.
    let key = if by_hand { format!("{key}-{}", world.number()) } else { key.to_owned() };
    let old = place.meter;
    let request = Request::Replace { old, new: spare.meter, switchable: spare.switchable };
    Some((request, done(async move { replace_meter::replace(&app, old, new, &key, "operator").await })))
}

/// Whether an earlier attempt, whose answer was lost, replaced a meter: the technician asks before trying again.
#[must_use]
pub fn is_done(world: &World, nth: usize) -> bool {
    let entered = world.entered.borrow();
    let Some(place) = entered.places.get(nth) else { return false };
    let (meter, account) = (place.meter, place.account);
    let row = world.read(move |conn| {
        let all = store::installation::of_account(conn, account)?;
        Ok(all.iter().any(|one| one.end_at.is_none() && one.meter_id != meter))
    });
    row.unwrap_or(false)
}

/// The spare meter hangs in a meter's place now, and whatever happens to meters there happens to it.
pub fn hung_up(world: &World, app: &App, nth: usize) {
    let standing: Vec<Trouble> =
        world.standing.borrow().iter().copied().filter(|trouble| trouble.meter() == Some(nth)).collect();
    standing.iter().for_each(|trouble| afflict(world, app, *trouble, false));
    let mut entered = world.entered.borrow_mut();
    let Entered { places, spares, .. } = &mut *entered;
    if let Some(place) = places.get_mut(nth)
        && let Some(spare) = spares.iter_mut().find(|spare| spare.concentrator == place.concentrator)
    {
        world.blur_removed(place.meter);
        place.swap(spare);
    }
    drop(entered);
    standing.iter().for_each(|trouble| afflict(world, app, *trouble, true));
}

/// Meters that are replaced, at a site with meters to spare.
#[must_use]
pub fn draw(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let begin = shift(start, minutes(120));
    let count = random.random_range(1..=2 * i64::from(size.days));
    let replace = |random: &mut Random| Event::Replace {
        meter: random.random_range(0..usize::from(size.meters)),
        by_hand: random.random_bool(0.5),
    };
    (0..count).map(|_| (between(random, begin, quiet_from), replace(random))).collect()
}

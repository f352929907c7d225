//! Events taking place: what fate does to the field, to the process and to its clock, and how people react.

use std::rc::Rc;

use actors::fleet::Where;
use domain::{
    energy::Energy,
    ids::{AccountId, MeterId},
    notice::Kind,
};
use futures_util::FutureExt;
use jiff::SignedDuration;
use rand::RngExt;
use simulator::bus::Cache;
use wattgate::{
    app::App,
    hot::{Snapshot, Update},
};

use crate::{
    aid::{self, Aid},
    auditor::{Answer, Fact, Request},
    errand::{Deed, Errand, Wish, set_out},
    fate::{Event, Manner, Retraction, Trouble},
    life::{End, poison},
    plan::switch_of,
    world::{Blurred, World},
};

/// What somebody asks for, and asks again until it is answered.
fn wanted(world: &World, event: &Event) -> Option<Wish> {
    let key = |what: &str| format!("{what}-{}", world.number());
    Some(match *event {
        Event::Aid(ref what) => {
            Wish::Aid { what: what.clone(), key: key(if let Aid::GiveMany { .. } = what { "batch" } else { "aid" }) }
        }
        Event::Reprint { nth } => {
            let all = world.sold.borrow();
            let sold = all.get(nth.checked_rem(all.len())?)?.clone();
            Wish::Reprint { sold, key: key("reprint") }
        }
        Event::Open { meter, credit, by_hand } => Wish::Open { meter, credit, by_hand, key: key("open") },
        Event::Order { meter, off } => Wish::Order { meter, off, key: key("order") },
        Event::Replace { meter, by_hand } => Wish::Replace { meter, by_hand, key: key("replace") },
        Event::Leave(what) => Wish::Leave { what, key: key("leave") },
        Event::Contract(ref what) => Wish::Contract { what: what.clone(), key: key("contract") },
        Event::Control(ref what) => Wish::Control { what: what.clone(), key: key("control") },
        Event::Till(what) => Wish::Till { what, key: key("till") },
        Event::Guard { meter, account, on } => Wish::Guard { meter, account, on },
        Event::Switch(nth) => Wish::Switch(switch_of(nth)),
        _ => return None,
    })
}

/// An event takes place; the end of the process where it dies of it.
pub fn happens(world: &Rc<World>, app: &App, event: &Event) -> Option<End> {
    world.note(&format!("{event:?}"));
    if let Some(name) = event.name() {
        world.count("fate", name);
    }
    match event {
        Event::Open { .. }
        | Event::Reprint { .. }
        | Event::Order { .. }
        | Event::Replace { .. }
        | Event::Leave(_)
        | Event::Aid(_)
        | Event::Contract(_)
        | Event::Control(_)
        | Event::Till(_)
        | Event::Guard { .. }
        | Event::Switch(_) => {
            wanted(world, event).into_iter().for_each(|wish| set_out(world, app, Errand::patient(wish)))
        }
        Event::Pay { meter, amount, manner } => pay(world, app, *meter, *amount, *manner),
        Event::Reverse { nth, reason, manner } => reverse(world, app, *nth, *reason, *manner),
        Event::ReadNow(meter) => {
            set_out(world, app, Errand { persistent: false, ..Errand::patient(Wish::ReadNow(*meter)) });
        }
        Event::Begin(trouble, _) => begin(world, app, *trouble),
        Event::End(trouble) => end(world, app, *trouble),
        Event::Crash { passages: None, away } => return Some(End::Death(*away)),
        Event::Crash { passages: Some(passages), away } => {
            world.away.set(*away);
            world.gate.die_in(*passages);
        }
        Event::Storm(away) => {
            let entered = world.entered.borrow();
            entered.stations.iter().for_each(|station| station.handle.drop_link(*away));
        }
        Event::Drop(nth, away) => {
            let until_quiet = world.plan.quiet_from.duration_since(world.time.now());
            drop_link(world, *nth, (*away).min(until_quiet));
        }
        Event::WipeHot => wipe_hot(world, app),
        Event::OldHot { after, dump } => {
            let accounts: Vec<_> = world.entered.borrow().places.iter().map(|place| place.account).collect();
            let kept = accounts.into_iter().filter_map(|id| Some((id, app.hot.get(id).now_or_never()?.ok()?)));
            let until_quiet = world.plan.quiet_from.duration_since(world.time.now());
            world.later((*after).min(until_quiet), Deed::OldHot { kept: kept.collect(), dump: *dump });
        }
        Event::PanicMeter { meter, future } => {
            let place = if *future { Where::Future } else { Where::Handler };
            if let Some(meter) = id_of(world, *meter) {
                poison(app, meter, place);
                world.tell(Fact::Fault { what: "meter panic", meter: Some(meter) });
            }
        }
        Event::PanicConcentrator(nth) => {
            let id = world.entered.borrow().stations.get(*nth).map(|station| station.id);
            if let Some((fleet, id)) = app.fleet().zip(id) {
                fleet.poison_concentrator(id);
                world.tell(Fact::Fault { what: "concentrator panic", meter: None });
            }
        }
    }
    None
}

fn wipe_hot(world: &World, app: &App) {
    world.tell(Fact::Fault { what: "hot wiped", meter: None });
    for place in &world.entered.borrow().places {
        // In this process they neither wait nor fail.
        let _ = app.hot.forget(place.account).now_or_never();
    }
}

fn id_of(world: &World, nth: usize) -> Option<MeterId> {
    world.entered.borrow().places.get(nth).map(|place| place.meter)
}

fn drop_link(world: &World, nth: usize, away: SignedDuration) {
    if let Some(station) = world.entered.borrow().stations.get(nth) {
        station.handle.drop_link(away);
    }
}

fn pay(world: &Rc<World>, app: &App, meter: usize, amount: i64, manner: Manner) {
    let key = format!("pay-{}", world.number());
    let vend = |amount| Wish::Vend { meter, amount, key: key.clone() };
    let plain = Errand::patient(vend(amount));
    match manner {
        Manner::Plain => set_out(world, app, plain),
        Manner::Twice => {
            world.count("money", "vend repeated");
            set_out(world, app, plain.clone());
            set_out(world, app, plain);
        }
        Manner::OtherContent => {
            set_out(world, app, plain);
            let other = Errand { persistent: false, ..Errand::patient(vend(amount + 1)) };
            let seconds = world.random.borrow_mut().random_range(0..120);
            world.later(SignedDuration::from_secs(seconds), Deed::Run(other));
        }
        Manner::CutOff => {
            // In the middle of the vend: before its work, before its answer, or before what follows.
            world.gate.stall_in(world.random.borrow_mut().random_range(1..5));
            let patience = std::time::Duration::from_secs(2);
            set_out(world, app, Errand { patience, ..plain });
        }
        Manner::TooMuch => {
            let most = world.plan.settings.policy.vending.maximum_per_vend.get();
            set_out(world, app, Errand { persistent: false, ..Errand::patient(vend(most + amount)) });
        }
    }
}

fn reverse(world: &Rc<World>, app: &App, nth: usize, reason: bool, manner: Retraction) {
    let sold = {
        let all = world.sold.borrow();
        let Some(sold) = nth.checked_rem(all.len()).and_then(|nth| all.get(nth)) else { return };
        sold.clone()
    };
    let key = format!("reverse-{}", world.number());
    let reason = reason.then_some("sold by mistake");
    let wish = |key: String, reason| Wish::Reverse { sold: sold.clone(), reason, key };
    let plain = Errand::patient(wish(key.clone(), reason));
    match manner {
        Retraction::Plain => set_out(world, app, plain),
        Retraction::Twice => {
            world.count("money", "reversal repeated");
            set_out(world, app, plain.clone());
            set_out(world, app, plain);
        }
        Retraction::Again(after) => {
            set_out(world, app, plain);
            let other = wish(format!("{key}-again"), Some("another counter did not know"));
            world.later(after, Deed::Run(Errand::patient(other)));
        }
        Retraction::OtherContent(after) => {
            set_out(world, app, plain);
            let other = Errand::patient(wish(key, Some("another reason")));
            world.later(after, Deed::Run(Errand { persistent: false, ..other }));
        }
        Retraction::CutOff(passages) => {
            // As a vend: before its work, before its answer, or before what follows.
            world.gate.stall_in(passages);
            let patience = std::time::Duration::from_secs(2);
            set_out(world, app, Errand { patience, ..plain });
        }
    }
}

fn begin(world: &World, app: &App, trouble: Trouble) {
    world.standing.borrow_mut().push(trouble);
    let entered = world.entered.borrow();
    afflict(world, app, trouble, true);
    if let Trouble::Refusing(meter) = trouble {
        world.blocked.borrow_mut().insert(meter);
    }
    if let Some(station) = trouble.concentrator().and_then(|one| entered.stations.get(one)) {
        match trouble {
            Trouble::LostArchive(_) => {
                station.handle.lose_archive();
                station.handle.drop_link(RESTART);
            }
            Trouble::SwappedArchive(one) => {
                station.handle.swap_archive();
                station.handle.drop_link(RESTART);
                world.blur(trouble.name(), Blurred::Behind(one), SignedDuration::ZERO);
            }
            Trouble::WrongClock(one, by) => {
                station.handle.set_clock_offset(by);
                station.handle.drop_link(RESTART);
                world.blur(trouble.name(), Blurred::Behind(one), by);
            }
            Trouble::Cached(_, age) => station.handle.set_cache(Cache::Every(age)),
            _ => {}
        }
    }
    if let Trouble::HeadEndClock(by) = trouble {
        world.time.set_offset(by);
        world.tell(Fact::Clock { offset: by });
        world.blur(trouble.name(), Blurred::All, by);
    }
}

/// What is wrong with a meter befalls the one that hangs in its place, or is over.
pub fn afflict(world: &World, app: &App, trouble: Trouble, on: bool) {
    let entered = world.entered.borrow();
    let Some(place) = trouble.meter().and_then(|meter| entered.places.get(meter)) else { return };
    let handle = &place.handle;
    match trouble {
        Trouble::Silent(_) => handle.silence(on),
        Trouble::Slow(_, by) => handle.slow_relay(on.then_some(by)),
        Trouble::Stuck(_) => handle.stick(on),
        Trouble::Lying(_, kwh) => handle.lie(on.then(|| Energy::new(kwh * 10_000))),
        Trouble::Refusing(_) => handle.refuse_password(on),
        Trouble::Poisoned(_) if on => poison(app, place.meter, Where::Started),
        Trouble::Poisoned(_) => {
            if let Some((fleet, station)) = app.fleet().zip(entered.stations.get(place.concentrator)) {
                fleet.cure(place.meter);
                app.reload(station.id);
            }
        }
        _ => {}
    }
}

/// How long a concentrator is away that a technician restarts: long enough for the head end to look at its archive again.
const RESTART: SignedDuration = SignedDuration::from_mins(11);

fn end(world: &Rc<World>, app: &App, trouble: Trouble) {
    let mut standing = world.standing.borrow_mut();
    if let Some(nth) = standing.iter().position(|one| *one == trouble) {
        standing.remove(nth);
    }
    // The same fault may stand a second time.
    if standing.iter().any(|one| one.name() == trouble.name() && same_place(*one, trouble)) {
        return;
    }
    drop(standing);
    let mut errand = None;
    let entered = world.entered.borrow();
    afflict(world, app, trouble, false);
    if let Some(place) = trouble.meter().and_then(|meter| entered.places.get(meter)) {
        if let Trouble::Refusing(meter) = trouble {
            errand = Some(Wish::ClearBlock(meter));
        }
        world.tell(Fact::Fault { what: trouble.name(), meter: Some(place.meter) });
    }
    if let Some(station) = trouble.concentrator().and_then(|one| entered.stations.get(one)) {
        match trouble {
            Trouble::SwappedArchive(one) => {
                errand = Some(Wish::SyncArchive(one));
                world.sharpen(trouble.name(), Blurred::Behind(one), SignedDuration::ZERO);
            }
            Trouble::WrongClock(one, by) => {
                world.sharpen(trouble.name(), Blurred::Behind(one), by);
                station.handle.set_clock_offset(SignedDuration::ZERO);
                station.handle.drop_link(SignedDuration::from_secs(30));
            }
            Trouble::Cached(..) => station.handle.set_cache(Cache::Live),
            _ => {}
        }
    }
    if let Trouble::HeadEndClock(by) = trouble {
        world.sharpen(trouble.name(), Blurred::All, by);
        world.time.set_offset(SignedDuration::ZERO);
        world.tell(Fact::Clock { offset: SignedDuration::ZERO });
    }
    drop(entered);
    if let Some(wish) = errand {
        set_out(world, app, Errand::patient(wish));
    }
}

fn same_place(one: Trouble, other: Trouble) -> bool {
    one.meter() == other.meter() && one.concentrator() == other.concentrator()
}

/// Hot balances of long ago come back.
pub fn old_hot(world: &World, app: &App, kept: &[(AccountId, Snapshot)], dump: bool) {
    world.note(if dump { "hot balances from an old dump" } else { "late updates of hot balances" });
    if dump {
        world.tell(Fact::Fault { what: "hot from a dump", meter: None });
    }
    for (account, snapshot) in kept {
        let (ledger, meters) = (snapshot.account.clone(), snapshot.meters.clone().into_iter().collect());
        // In this process they neither wait nor fail.
        if dump {
            let _ = app.hot.forget(*account).now_or_never();
        }
        let _ = app.hot.put(Update { account: *account, ledger, meters }).now_or_never();
    }
}

// --- how people react ------------------------------------------------------------------------------------------------

fn nth_of(world: &World, is: impl Fn(&crate::world::Place) -> bool) -> Option<usize> {
    world.entered.borrow().places.iter().position(is)
}

/// A cut was ordered: now and then somebody pays in that very moment.
pub fn about_to_be_cut(world: &World, meter: MeterId) {
    let Some(nth) = nth_of(world, |place| place.meter == meter) else { return };
    let mut random = world.random.borrow_mut();
    if random.random_bool(0.2) {
        let wait = SignedDuration::from_millis(random.random_range(0..3_000));
        drop(random);
        world.later(wait, Deed::PayUp(nth));
    }
}

/// Supply is cut: most customers pay, some sooner, some later.
pub fn cut(world: &World, meter: MeterId) {
    world.count("account", "cut");
    let Some(nth) = nth_of(world, |place| place.meter == meter) else { return };
    aid::in_need(world, nth);
    let mut random = world.random.borrow_mut();
    if random.random_bool(0.7) {
        let wait = SignedDuration::from_secs(random.random_range(10..20_000));
        drop(random);
        world.later(wait, Deed::PayUp(nth));
    }
}

/// A customer was warned: some pay.
pub fn warned(world: &World, account: AccountId, kind: Kind) {
    let (low, warning) = (kind == Kind::LowBalance2, kind == Kind::DisconnectWarning);
    if warning {
        world.count("account", "episode begun");
    }
    let Some(nth) = nth_of(world, |place| place.account == account).filter(|_| low || warning) else { return };
    let mut random = world.random.borrow_mut();
    if random.random_bool(0.25) {
        let wait = SignedDuration::from_mins(random.random_range(5..400));
        drop(random);
        world.later(wait, Deed::PayUp(nth));
    }
}

/// A meter waits for its button: the customer comes home some time.
pub fn may_press(world: &World, meter: MeterId) {
    let Some(nth) = nth_of(world, |place| place.meter == meter) else { return };
    let wait = SignedDuration::from_secs(world.random.borrow_mut().random_range(5..7_200));
    world.later(wait, Deed::Press(nth));
}

/// A customer presses the button.
pub fn press(world: &World, nth: usize) {
    let Some(meter) = id_of(world, nth) else { return };
    let request = world.ask(Request::Press { meter });
    let pressed = world.entered.borrow().places.get(nth).is_some_and(|place| place.handle.press());
    world.note(&format!("pressed: {pressed}"));
    world.tell(Fact::Answered { request, answer: Answer::Done { receipt: None } });
}

/// A customer pays an amount of its own.
pub fn pay_up(world: &Rc<World>, app: &App, nth: usize) {
    let amount = world.random.borrow_mut().random_range(200..9_000);
    pay(world, app, nth, amount, Manner::Plain);
}

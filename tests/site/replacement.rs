//! Meters that are replaced: energy, blocks and money go on, what is late is still charged, and what stood at the old meter
//! stands at the new one.

use domain::{
    ids::MeterId,
    reading::Kind,
    relay::{Action, Cause, Causes},
};
use wattgate::operations::{
    Error,
    buildings::{self, NewBuilding},
    guard, ingest,
    order_relay::{self, OrderRelay},
    register::{self, NewMeter},
    replace_meter::{self, ReplaceMeter, Replacement},
};

use super::{settlement::kwh, several_meters::tiers};
use crate::support::{Database, Home, on_both};

on_both!(
    energy_blocks_and_money_go_on_with_the_new_meter,
    a_freeze_of_the_old_meter_that_comes_late_is_charged,
    a_replacement_happens_once,
    what_a_meter_showed_before_it_was_installed_never_counts,
    what_does_not_agree_is_refused_and_changes_nothing,
    another_multiplier_counts_from_its_reading_on,
    a_guard_and_an_operators_cut_stand_at_the_new_meter,
);

/// A meter that counts for nobody yet.
pub(super) async fn spare(home: &Home) -> MeterId {
    let meter = home.meter;
    let concentrator_id = home.app.db.read(move |conn| store::meter::by_id(conn, meter)).await.unwrap().concentrator_id;
    let new = NewMeter {
        concentrator_id,
        name: "New".to_owned(),
        address: "202600000002".to_owned(),
        point: None,
        port: None,
        profile: "dlt645_direct".to_owned(),
    };
    register::meter(&home.app, new).await.unwrap().id
}

fn by_hand(meter: MeterId, last: &str, first: &str) -> ReplaceMeter {
    ReplaceMeter {
        new_meter_id: Some(meter),
        multiplier: None,
        final_reading: Some(kwh(last)),
        final_registers: Default::default(),
        initial_reading: Some(kwh(first)),
        initial_registers: Default::default(),
        reason: Some("burnt".to_owned()),
        confirmed: false,
    }
}

async fn replaced(home: &mut Home, new: ReplaceMeter) -> Replacement {
    let replacement = replace_meter::replace(&home.app, home.meter, new, "replace-1", "tests").await.unwrap();
    home.meter = replacement.new_meter_id;
    replacement
}

pub(super) fn code(error: &Error) -> &'static str {
    match error {
        Error::Refused { code, .. } | Error::Conflict { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

async fn energy_blocks_and_money_go_on_with_the_new_meter(database: Database) {
    let mut home = Home::priced(&database, tiers()).await;
    let (old, new) = (home.meter, spare(&home).await);
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "1006")]).await;
    home.at("04 21:00");
    replaced(&mut home, by_hand(new, "1008", "50")).await;
    assert_eq!(home.used().await, (800, 0), "posted with the replacement");

    // The old meter lies in the workshop, where it is read all the same.
    let of_old = domain::reading::Observation { meter: old, ..home.reading(Kind::Instant, "04 21:30", "1009") };
    ingest::ingest(&home.app, vec![of_old], true).await.unwrap();
    home.at("04 22:00");
    home.arrives(&[home.reading(Kind::Instant, "04 22:00", "51")]).await;
    assert_eq!(home.used().await, (800, 100));
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "54")]).await;
    assert_eq!(home.used().await, (1400, 0), "the second block begins after 8 kWh of the old meter and 2 of the new");
    assert_eq!(home.closed().await.settled_days, 2);
}

async fn a_freeze_of_the_old_meter_that_comes_late_is_charged(database: Database) {
    let mut home = Home::priced(&database, tiers()).await;
    let (old, new) = (home.meter, spare(&home).await);
    // May ends between the two: what is used before belongs to its blocks.
    home.at("31 20:00");
    home.arrives(&[home.reading(Kind::Instant, "31 20:00", "1008")]).await;
    home.clock.set("2026-06-01T04:00:00+08:00".parse().unwrap());
    replaced(&mut home, by_hand(new, "1016", "0")).await;
    // The midnight lies half way: 12 kWh in May, 4 in June. 27 days before are interpolated, too.
    assert_eq!(home.used().await, (1800, 0));
    let midnight = "2026-06-01T00:00:00+08:00".parse().unwrap();
    let freeze = home.observation(Kind::DailyFreeze, midnight, kwh("1010"));
    home.arrives(&[domain::reading::Observation { meter: old, ..freeze }]).await;
    assert_eq!(home.used().await, (1600, 0), "10 kWh in May, 6 in June");
    home.closed().await;
}

async fn a_replacement_happens_once(database: Database) {
    let mut home = Home::priced(&database, tiers()).await;
    let (old, new) = (home.meter, spare(&home).await);
    home.at("04 21:00");
    let first = replaced(&mut home, by_hand(new, "1008", "50")).await;
    home.at("04 23:00");
    let again = replace_meter::replace(&home.app, old, by_hand(new, "1008", "50"), "replace-1", "tests").await;
    assert_eq!(again.unwrap(), first);
    let other = replace_meter::replace(&home.app, old, by_hand(new, "1009", "50"), "replace-1", "tests").await;
    assert_eq!(code(&other.unwrap_err()), "idempotency_key_reused");
    let twice = replace_meter::replace(&home.app, old, by_hand(new, "1008", "50"), "replace-2", "tests").await;
    assert_eq!(code(&twice.unwrap_err()), "meter_not_in_use");
    assert_eq!(home.used().await, (800, 0));
    home.closed().await;
}

async fn what_a_meter_showed_before_it_was_installed_never_counts(database: Database) {
    let mut home = Home::priced(&database, tiers()).await;
    let new = spare(&home).await;
    home.at("04 21:00");
    let before = home.reading(Kind::Instant, "04 21:00", "999999");
    home.arrives(&[domain::reading::Observation { meter: new, ..before }]).await;
    // The new register has gone round since, and the head end's clock has been put back.
    home.at("04 19:00");
    replaced(&mut home, by_hand(new, "1004", "5")).await;
    assert_eq!(home.used().await, (400, 0));
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "6")]).await;
    assert_eq!(home.used().await, (400, 100));
    home.closed().await;
}

async fn what_does_not_agree_is_refused_and_changes_nothing(database: Database) {
    let home = Home::priced(&database, tiers()).await;
    let (old, new) = (home.meter, spare(&home).await);
    home.at("04 21:00");
    let no_reason = ReplaceMeter { reason: None, ..by_hand(new, "1008", "50") };
    let cases = [
        (by_hand(new, "999", "50"), "implausible_reading"),
        (by_hand(new, "9999", "50"), "implausible_reading"),
        (by_hand(new, "1008", "-1"), "initial_reading"),
        (by_hand(old, "1008", "1008"), "meter_in_use"),
        (no_reason, "reason_missing"),
        (ReplaceMeter { new_meter_id: None, ..by_hand(new, "1008", "50") }, "meter"),
        (ReplaceMeter { multiplier: Some(0), ..by_hand(new, "1008", "50") }, "multiplier"),
    ];
    for (change, refused) in cases {
        let said = replace_meter::replace(&home.app, old, change.clone(), "replace-1", "tests").await.unwrap_err();
        assert_eq!(code(&said), refused, "{change:?}");
    }
    assert_eq!(home.used().await, (0, 0));
    let account = home.account;
    let rows = home.app.db.read(move |conn| store::installation::of_account(conn, account)).await.unwrap();
    assert!(rows.len() == 1 && rows[0].end_at.is_none(), "{rows:?}");
    home.closed().await;
}

async fn another_multiplier_counts_from_its_reading_on(database: Database) {
    let mut home = Home::priced(&database, tiers()).await;
    home.at("04 20:00");
    let change = ReplaceMeter {
        new_meter_id: None,
        multiplier: Some(4),
        final_reading: Some(kwh("1006")),
        final_registers: Default::default(),
        initial_reading: None,
        initial_registers: Default::default(),
        reason: Some("new transformers".to_owned()),
        confirmed: false,
    };
    let replacement = replaced(&mut home, change).await;
    assert_eq!((replacement.old_meter_id, replacement.multiplier), (replacement.new_meter_id, 4));
    assert_eq!(home.used().await, (600, 0));
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1008")]).await;
    assert_eq!(home.used().await, (1000 + 800, 0), "6 kWh, and 2 on the register four times");
    home.closed().await;
}

async fn a_guard_and_an_operators_cut_stand_at_the_new_meter(database: Database) {
    let mut home = Home::priced(&database, tiers()).await;
    let (old, new) = (home.meter, spare(&home).await);
    let cut = OrderRelay { action: Action::Disconnect, reason: "works".to_owned(), cause: Default::default() };
    order_relay::order(&home.app, old, cut, "cut-1", "tests").await.unwrap();
    let target = guard::Target::Meter(old);
    guard::set(&home.app, target, true, Some("lift".to_owned()), "operator").await.unwrap();
    let block = NewBuilding { site_id: home.account.site(), name: "Block 1".to_owned() };
    let block = buildings::enter(&home.app, block).await.unwrap().id;
    buildings::hang(&home.app, old, Some(block), "operator").await.unwrap();
    home.at("04 21:00");
    replaced(&mut home, by_hand(new, "1008", "50")).await;
    let read = home.app.db.read(move |conn| {
        let guarded = [store::meter::by_id(conn, old)?.guarded, store::meter::by_id(conn, new)?.guarded];
        let causes = [store::meter::causes(conn, old)?, store::meter::causes(conn, new)?];
        let orders = [store::relay_order::live_of(conn, old)?, store::relay_order::live_of(conn, new)?];
        let hang = [old, new].map(|meter| store::building::of_meter(conn, meter).unwrap().map(|building| building.id));
        assert_eq!(hang, [None, Some(block)], "and with it the building's guard");
        Ok::<_, Error>((guarded, causes, orders))
    });
    let (guarded, causes, [of_old, of_new]) = read.await.unwrap();
    assert_eq!(guarded, [false, true]);
    assert_eq!(causes, [Causes::none(), Causes::none().with(Cause::Operator)]);
    assert_eq!(of_old.map(|order| order.state), None, "superseded");
    assert_eq!(of_new.map(|order| (order.action, order.cause)), Some((Action::Disconnect, Cause::Operator)));
    home.closed().await;
}

//! Relay orders by a calendar, on both databases and a clock that is set by hand: who is cut by a schedule is reconnected by it,
//! whatever else happens between.

use std::sync::Arc;

use domain::{
    ids::{MeterId, OrderId, ScheduleId},
    relay::{Action, Cause, RelayReading, RelayState, order::State},
};
use serde_json::json;
use store::{
    Db,
    relay_schedule::{RelaySchedule, ScheduleState},
};
use wattgate::operations::{
    order_group, record_order,
    replace_meter::{self, ReplaceMeter},
    schedule::{self, EndSchedule},
    site,
};
use wattgate::{app::App, settings};

use super::{
    replacement::{code, spare},
    settlement::kwh,
};
use crate::support::{Database, Home, SetByHand, Terms, by_blocks, flat, on_both};

on_both!(
    a_schedule_cuts_and_reconnects_at_its_times,
    other_causes_stay_when_a_schedule_lifts_its_own,
    of_what_was_missed_only_the_newest_counts,
    what_was_interrupted_between_is_done_once,
    a_meter_that_is_replaced_is_followed_by_the_new_one,
    the_stop_button_leaves_only_the_reconnect,
    who_ends_a_schedule_reconnects_what_it_cut,
    a_night_in_which_clocks_jump_ends_in_its_morning,
);

impl Home {
    pub(super) async fn with_money(database: &Database, now: &str, time_zone: &'static str, credit: i64) -> Self {
        let tariff = by_blocks(flat("1"));
        let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register: kwh("1000"), credit };
        // What runs by itself is run by hand.
        let by_hand = format!("{}[jobs]\norder_groups_s = 86400\n", database.toml());
        let settings = settings::read(Some(&by_hand), None).unwrap();
        let clock = SetByHand::new(now.parse().unwrap());
        let db = Db::open(&settings.database).unwrap();
        let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
        app.start(1).await.unwrap();
        let home = Self::enter(&app, &clock, terms).await;
        home.relay_is(RelayState::Connected).await;
        home
    }

    pub(super) fn turns(&self, now: &str) {
        self.clock.set(now.parse().unwrap());
    }

    pub(super) async fn relay_is(&self, relay: RelayState) {
        let reading = RelayReading { relay, command: relay, local_prepay: false };
        record_order::relay_seen(&self.app, self.meter, reading, self.app.clock.now()).await.unwrap();
    }

    /// Every night from 23 to 6 o'clock.
    async fn scheduled(&self) -> ScheduleId {
        let new = json!({
            "site_id": self.account.site(), "off_at": "23:00", "on_at": "06:00", "reason": "night rest",
            "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
            "selection": { "meter_ids": [self.meter] },
        });
        let new = serde_json::from_value(new).unwrap();
        schedule::enter(&self.app, new, "s-1", "operator").await.unwrap().0
    }

    /// What runs by itself, once.
    async fn works(&self) {
        schedule::go_on(&self.app).await.unwrap();
        order_group::go_on(&self.app).await.unwrap();
    }

    async fn schedule(&self, id: ScheduleId) -> RelaySchedule {
        self.app.db.read(move |conn| store::relay_schedule::by_id(conn, id)).await.unwrap()
    }

    /// Its orders, the newest first.
    pub(super) async fn ordered_of(&self, meter: MeterId) -> Vec<(Action, Cause, State)> {
        let read = self.app.db.read(move |conn| store::relay_order::of_meter(conn, meter, None, 100));
        read.await.unwrap().into_iter().map(|row| (row.action, row.cause, row.state)).collect()
    }

    pub(super) async fn causes_of(&self, meter: MeterId) -> Vec<Cause> {
        self.app.db.read(move |conn| store::meter::causes(conn, meter)).await.unwrap().iter().collect()
    }

    /// The live order is carried out.
    pub(super) async fn moved(&self) -> OrderId {
        let meter = self.meter;
        let live = self.app.db.read(move |conn| store::relay_order::live_of(conn, meter)).await.unwrap().unwrap();
        let relay = match live.action {
            Action::Disconnect => RelayState::Disconnected,
            Action::Reconnect => RelayState::Connected,
        };
        record_order::authorize(&self.app, live.id).await.unwrap();
        self.clock.pass(jiff::SignedDuration::from_secs(1));
        let reading = RelayReading { relay, command: relay, local_prepay: false };
        record_order::record(&self.app, live.id, domain::relay::order::Event::Acknowledged).await.unwrap();
        record_order::record(&self.app, live.id, domain::relay::order::Event::RelayRead(reading)).await.unwrap();
        live.id
    }
}

const OFF: (Action, Cause, State) = (Action::Disconnect, Cause::Schedule, State::Ordered);
const WAS_OFF: (Action, Cause, State) = (Action::Disconnect, Cause::Schedule, State::Confirmed);
const ON: (Action, Cause, State) = (Action::Reconnect, Cause::Schedule, State::Ordered);

async fn a_schedule_cuts_and_reconnects_at_its_times(database: Database) {
    let home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    let id = home.scheduled().await;
    home.turns("2026-05-04T22:59:59+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [], "not yet");
    home.turns("2026-05-04T23:00:00+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [OFF]);
    assert_eq!(home.causes_of(home.meter).await, [Cause::Schedule]);
    home.moved().await;
    home.turns("2026-05-05T05:59:59+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [WAS_OFF]);
    home.turns("2026-05-05T06:00:00+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [ON, WAS_OFF]);
    assert_eq!(home.causes_of(home.meter).await, []);
    home.moved().await;
    let after = home.schedule(id).await;
    assert_eq!(after.next_at, Some("2026-05-05T23:00:00+08:00".parse().unwrap()));
    assert_eq!((after.next_action, after.state), (Some(Action::Disconnect), ScheduleState::Running));
    home.audited().await;
    home.app.stop().await;
}

async fn other_causes_stay_when_a_schedule_lifts_its_own(database: Database) {
    let home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    home.scheduled().await;
    home.turns("2026-05-04T23:00:00+08:00");
    home.works().await;
    home.moved().await;
    let meter = home.meter;
    home.app.db.write(move |conn| store::meter::add_cause(conn, meter, Cause::Safety)).await.unwrap();
    home.turns("2026-05-05T06:00:00+08:00");
    home.works().await;
    assert_eq!(home.causes_of(meter).await, [Cause::Safety]);
    assert_eq!(home.ordered_of(meter).await, [WAS_OFF], "nothing is reconnected");
    home.app.stop().await;
}

async fn of_what_was_missed_only_the_newest_counts(database: Database) {
    let home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    let id = home.scheduled().await;
    home.turns("2026-05-06T12:00:00+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [], "two nights are over, and nobody is cut or reconnected");
    home.turns("2026-05-09T01:00:00+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [OFF], "late, but its night is not over");
    assert_eq!(home.schedule(id).await.next_at, Some("2026-05-09T06:00:00+08:00".parse().unwrap()));
    // The cut was never sent: it is withdrawn, and supply was not interrupted.
    home.turns("2026-05-09T06:00:00+08:00");
    home.works().await;
    let superseded = (Action::Disconnect, Cause::Schedule, State::Superseded);
    assert_eq!((home.ordered_of(home.meter).await, home.causes_of(home.meter).await), (vec![superseded], vec![]));
    home.app.stop().await;
}

async fn what_was_interrupted_between_is_done_once(database: Database) {
    let home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    home.scheduled().await;
    home.turns("2026-05-04T23:00:00+08:00");
    // Two switch at once, and both are gone before any order was given.
    let (one, other) = futures_util::future::join(schedule::go_on(&home.app), schedule::go_on(&home.app)).await;
    assert!(one.unwrap() + other.unwrap() >= 1);
    assert_eq!(home.ordered_of(home.meter).await, []);
    home.works().await;
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [OFF]);
    let site = home.account.site();
    let groups = home.app.db.read(move |conn| store::relay_order_group::page(conn, site, None, 10)).await.unwrap();
    assert_eq!(groups.len(), 1);
    home.app.stop().await;
}

async fn a_meter_that_is_replaced_is_followed_by_the_new_one(database: Database) {
    let mut home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    let id = home.scheduled().await;
    let (old, new) = (home.meter, spare(&home).await);
    home.turns("2026-05-04T23:00:00+08:00");
    home.works().await;
    home.moved().await;
    home.turns("2026-05-05T01:00:00+08:00");
    let replace = ReplaceMeter {
        new_meter_id: Some(new),
        multiplier: None,
        final_reading: Some(kwh("1008")),
        final_registers: Default::default(),
        initial_reading: Some(kwh("50")),
        initial_registers: Default::default(),
        reason: Some("burnt".to_owned()),
        confirmed: false,
    };
    replace_meter::replace(&home.app, old, replace, "replace-1", "tests").await.unwrap();
    home.meter = new;
    assert_eq!((home.causes_of(old).await, home.causes_of(new).await), (vec![], vec![Cause::Schedule]));
    let meters = home.app.db.read(move |conn| store::relay_schedule::meters(conn, id)).await.unwrap();
    assert_eq!(meters, [new]);
    home.moved().await;
    home.turns("2026-05-05T06:00:00+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(new).await, [ON, WAS_OFF]);
    assert_eq!(home.causes_of(new).await, []);
    home.app.stop().await;
}

async fn the_stop_button_leaves_only_the_reconnect(database: Database) {
    let home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    let id = home.scheduled().await;
    home.turns("2026-05-04T23:00:00+08:00");
    home.works().await;
    home.moved().await;
    site::stop(&home.app, home.account.site(), "fire", "tests").await.unwrap();
    assert_eq!(home.schedule(id).await.state, ScheduleState::Ending);
    home.turns("2026-05-05T06:00:00+08:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [ON, WAS_OFF]);
    assert_eq!(home.schedule(id).await.state, ScheduleState::Ended);
    home.turns("2026-05-05T23:00:00+08:00");
    home.works().await;
    assert_eq!(home.causes_of(home.meter).await, []);
    home.app.stop().await;
}

async fn who_ends_a_schedule_reconnects_what_it_cut(database: Database) {
    let home = Home::with_money(&database, "2026-05-04T12:00:00+08:00", "Asia/Shanghai", 10_000).await;
    let id = home.scheduled().await;
    home.turns("2026-05-04T23:00:00+08:00");
    home.works().await;
    home.moved().await;
    let how = EndSchedule { reason: "a mistake".to_owned() };
    schedule::end(&home.app, id, how.clone(), "tests").await.unwrap();
    assert_eq!(home.ordered_of(home.meter).await, [ON, WAS_OFF]);
    let again = schedule::end(&home.app, id, how, "tests").await.unwrap_err();
    assert_eq!(code(&again), "schedule_not_running");
    home.app.stop().await;
}

async fn a_night_in_which_clocks_jump_ends_in_its_morning(database: Database) {
    let home = Home::with_money(&database, "2026-03-28T12:00:00+01:00", "Europe/Berlin", 10_000).await;
    home.scheduled().await;
    home.turns("2026-03-28T23:00:00+01:00");
    home.works().await;
    home.moved().await;
    home.turns("2026-03-29T05:59:59+02:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [WAS_OFF]);
    home.turns("2026-03-29T06:00:00+02:00");
    home.works().await;
    assert_eq!(home.ordered_of(home.meter).await, [ON, WAS_OFF]);
    home.app.stop().await;
}

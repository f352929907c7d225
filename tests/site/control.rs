//! Whose wish a relay order is, on both databases: the customer's, where the operator allows it, and a lock for work on the line.

use domain::{
    ids::CustomerId,
    ledger::Tender,
    money::Money,
    relay::{
        Action, Cause,
        order::{Event, Refusal, State},
    },
};
use jiff::SignedDuration;
use serde_json::json;
use store::supply_wait::Filter;
use wattgate::operations::{
    Error,
    change_limits::{self, ChangeLimits},
    close_account::{FinalReading, close},
    customer_control::{self, SetCustomerControl},
    emergency_credit,
    meter_selection::Selection,
    order_group::{self, By, NewOrderGroup},
    order_relay::{self, Done, Lifted, Maker, OrderRelay},
    record_order,
    register::{self, NewCustomer},
    transfer_account::{TransferAccount, transfer},
    vend::{self, Vend},
};

use super::{account_life::closing, interleavings::DISCONNECTED, notices::home, replacement::code, settlement::kwh};
use crate::support::{Court, Database, HeadEnd, Home, SOON, eventually, on_both};

on_both!(
    a_customer_switches_where_the_operator_allows_it,
    a_customer_does_not_come_back_without_headroom,
    operator_and_customer_each_lift_their_own_and_none_waits_for_the_other,
    what_a_customer_cut_who_may_no_longer_switch_is_reconnected_by_the_operator,
    a_transfer_and_a_closing_end_what_the_customer_cut,
    money_does_not_lift_a_lock_and_neither_does_anybody_else,
    what_else_keeps_supply_off_is_told_when_a_lock_is_lifted,
    a_lock_is_lifted_by_one_rule_whether_one_meter_or_a_group_is_meant,
    a_lock_is_told_to_who_has_paid_until_it_is_lifted,
    meters_are_meant_by_the_headroom_of_their_accounts,
    headroom_counts_what_was_used_since_and_active_emergency_credit,
    a_cut_of_a_clock_that_was_ahead_is_still_known_when_it_is_set_back,
);

const NOON: &str = "2026-05-04T12:00:00+08:00";

impl Home {
    async fn with_fen(database: &Database, credit: i64) -> Self {
        Self::with_money(database, NOON, "Asia/Shanghai", credit).await
    }

    async fn allows(&self, allowed: bool) {
        let new = SetCustomerControl { allowed, reason: "asked for in writing".to_owned() };
        customer_control::set(&self.app, self.account, new, "operator").await.unwrap();
    }

    async fn asks(&self, action: Action, cause: Maker, key: &str) -> Result<Done, Error> {
        let order = OrderRelay { action, reason: "a wish".to_owned(), cause };
        order_relay::order(&self.app, self.meter, order, key, "operator").await
    }

    /// What is asked is ordered, and carried out.
    async fn moves(&self, action: Action, cause: Maker, key: &str) {
        let done = self.asks(action, cause, key).await.unwrap();
        assert!(matches!(done, Done::Ordered(_)), "{done:?}");
        self.moved().await;
    }

    async fn refused(&self, action: Action, cause: Maker) -> &'static str {
        code(&self.asks(action, cause, "refused").await.unwrap_err())
    }

    /// The causes that are left after one was lifted without an order.
    async fn lifted(&self, cause: Maker, key: &str) -> (Cause, Vec<Cause>) {
        match self.asks(Action::Reconnect, cause, key).await.unwrap() {
            Done::Lifted(Lifted { lifted, causes, .. }) => (lifted, causes.iter().collect()),
            Done::Ordered(order) => panic!("{order:?}"),
        }
    }

    async fn pays(&self, fen: i64, key: &str) -> bool {
        let vend = Vend {
            account_id: self.account,
            amount: Money::new(fen),
            currency: "CNY".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
        };
        vend::vend(&self.app, vend, key, "cashier").await.unwrap().0.restores
    }

    async fn orders(&self) -> Vec<(Action, Cause, State)> {
        self.ordered_of(self.meter).await
    }

    async fn causes_now(&self) -> Vec<Cause> {
        self.causes_of(self.meter).await
    }

    async fn may_switch(&self) -> bool {
        let account = self.account;
        let read = self.app.db.read(move |conn| store::customer_control::of_account(conn, account));
        read.await.unwrap().is_some()
    }
}

async fn a_customer_switches_where_the_operator_allows_it(database: Database) {
    let home = Home::with_fen(&database, 10_000).await;
    for action in [Action::Disconnect, Action::Reconnect] {
        assert_eq!(home.refused(action, Maker::Customer).await, "customer_control_not_allowed");
    }
    home.allows(true).await;
    home.moves(Action::Disconnect, Maker::Customer, "off").await;
    assert_eq!(home.causes_now().await, [Cause::Customer]);
    assert!(!home.pays(5_000, "vend-1").await, "money does not undo what the customer wants");
    assert_eq!(home.orders().await, [(Action::Disconnect, Cause::Customer, State::Confirmed)]);

    home.moves(Action::Reconnect, Maker::Customer, "on").await;
    assert_eq!(home.causes_now().await, []);
    assert_eq!(home.orders().await[0], (Action::Reconnect, Cause::Customer, State::Confirmed));
    home.allows(false).await;
    assert_eq!(home.refused(Action::Disconnect, Maker::Customer).await, "customer_control_not_allowed");
    assert_eq!(home.orders().await.len(), 2);
    home.audited().await;
    home.app.stop().await;
}

async fn a_customer_does_not_come_back_without_headroom(database: Database) {
    let home = Home::with_fen(&database, 0).await;
    home.allows(true).await;
    home.moves(Action::Disconnect, Maker::Customer, "off").await;
    assert_eq!(home.refused(Action::Reconnect, Maker::Customer).await, "supply_not_wanted");
    assert_eq!(home.causes_now().await, [Cause::Customer], "who is refused changes nothing");
    home.pays(5_000, "vend-1").await;
    home.moves(Action::Reconnect, Maker::Customer, "on").await;
    assert_eq!(home.causes_now().await, []);
    home.app.stop().await;
}

async fn operator_and_customer_each_lift_their_own_and_none_waits_for_the_other(database: Database) {
    let home = Home::with_fen(&database, 10_000).await;
    home.allows(true).await;
    home.moves(Action::Disconnect, Maker::Customer, "off").await;
    home.moves(Action::Disconnect, Maker::Operator, "works").await;
    assert_eq!(home.refused(Action::Reconnect, Maker::Customer).await, "supply_not_wanted");
    assert_eq!(home.lifted(Maker::Operator, "works are over").await, (Cause::Operator, vec![Cause::Customer]));
    assert_eq!(home.orders().await.len(), 2, "nobody is reconnected against his wish");
    assert_eq!(home.refused(Action::Reconnect, Maker::Operator).await, "supply_not_wanted");
    home.moves(Action::Reconnect, Maker::Customer, "on").await;
    assert_eq!(home.causes_now().await, []);
    home.app.stop().await;
}

async fn what_a_customer_cut_who_may_no_longer_switch_is_reconnected_by_the_operator(database: Database) {
    let home = Home::with_fen(&database, 10_000).await;
    home.allows(true).await;
    home.moves(Action::Disconnect, Maker::Customer, "off").await;
    home.allows(false).await;
    assert_eq!(home.causes_now().await, [Cause::Customer], "nobody is there who expects the light to come on");
    assert_eq!(home.refused(Action::Reconnect, Maker::Customer).await, "customer_control_not_allowed");
    home.moves(Action::Reconnect, Maker::Operator, "on").await;
    assert_eq!(home.causes_now().await, []);
    home.app.stop().await;
}

async fn a_transfer_and_a_closing_end_what_the_customer_cut(database: Database) {
    let mut home = Home::with_fen(&database, 10_000).await;
    home.allows(true).await;
    home.moves(Action::Disconnect, Maker::Customer, "off").await;
    let new = NewCustomer { site_id: home.account.site(), name: "Wu".to_owned(), phone: None, language: None };
    let customer_id: CustomerId = register::customer(&home.app, new).await.unwrap().id;
    let to = TransferAccount {
        customer_id,
        number: None,
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh("1000"),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "sold".to_owned(),
        write_off: false,
        pay_out: None,
    };
    let transferred = transfer(&home.app, home.account, to, "transfer-1", "operator").await.unwrap();
    assert!(!home.may_switch().await);
    home.account = transferred.new_account_id;
    assert!(!home.may_switch().await, "it was allowed to somebody else");
    assert_eq!(home.causes_now().await, []);
    assert_eq!(home.orders().await[0].0, Action::Reconnect, "what the one before wanted is over");
    home.moved().await;

    home.allows(true).await;
    home.asks(Action::Disconnect, Maker::Customer, "off again").await.unwrap();
    close(&home.app, home.account, closing(&home, "1000"), "close-1", "operator").await.unwrap();
    assert!(!home.may_switch().await);
    assert_eq!(home.causes_now().await, []);
    assert_eq!(home.orders().await[0], (Action::Disconnect, Cause::Customer, State::Superseded));
    let new = SetCustomerControl { allowed: true, reason: "too late".to_owned() };
    let late = customer_control::set(&home.app, home.account, new, "operator").await.unwrap_err();
    assert_eq!(code(&late), "account_closed");
    home.audited().await;
    home.app.stop().await;
}

async fn money_does_not_lift_a_lock_and_neither_does_anybody_else(database: Database) {
    let home = Home::with_fen(&database, 0).await;
    home.allows(true).await;
    home.moves(Action::Disconnect, Maker::Safety, "lock").await;
    assert!(!home.pays(10_000, "vend-1").await, "the cashier must not promise what a lock holds back");
    for maker in [Maker::Operator, Maker::Customer] {
        assert_eq!(home.refused(Action::Reconnect, maker).await, "supply_not_wanted");
    }
    assert_eq!(home.causes_now().await, [Cause::Safety]);
    assert_eq!(home.orders().await.len(), 1);
    let site = home.account.site();
    let read = home.app.db.read(move |conn| store::supply_wait::page(conn, site, Filter::default(), None, 9));
    let waits: Vec<_> = read.await.unwrap().into_iter().map(|wait| wait.meter_id).collect();
    assert_eq!(waits, [home.meter], "who has paid is listed, whatever holds it");

    home.moves(Action::Reconnect, Maker::Safety, "unlock").await;
    assert_eq!(home.causes_now().await, []);
    home.audited().await;
    home.app.stop().await;
}

async fn what_else_keeps_supply_off_is_told_when_a_lock_is_lifted(database: Database) {
    let home = Home::with_fen(&database, 10_000).await;
    home.moves(Action::Disconnect, Maker::Operator, "off").await;
    home.moves(Action::Disconnect, Maker::Safety, "lock").await;
    assert_eq!(home.causes_now().await, [Cause::Operator, Cause::Safety]);
    assert_eq!(home.refused(Action::Reconnect, Maker::Operator).await, "supply_not_wanted");
    assert_eq!(home.lifted(Maker::Safety, "unlock").await, (Cause::Safety, vec![Cause::Operator]));
    assert_eq!(home.causes_now().await, [Cause::Operator]);
    home.moves(Action::Reconnect, Maker::Operator, "on").await;
    assert_eq!(home.lifted(Maker::Safety, "unlock").await.1, [Cause::Operator], "the key tells what it came to then");
    assert_eq!(home.orders().await.len(), 3);
    home.audited().await;
    home.app.stop().await;
}

async fn a_lock_is_lifted_by_one_rule_whether_one_meter_or_a_group_is_meant(database: Database) {
    let home = Home::with_fen(&database, 10_000).await;
    let group = async |action: &str, key: &str| {
        let new = json!({
            "site_id": home.account.site(), "action": action, "reason": "smoke", "emergency": true,
            "selection": { "meter_ids": [home.meter] },
        });
        let by = By { key: "admin".to_owned(), administers: true };
        order_group::order(&home.app, serde_json::from_value(new).unwrap(), key, by).await.unwrap()
    };
    group("disconnect", "fire").await;
    home.moved().await;
    home.moves(Action::Reconnect, Maker::Safety, "fire is out").await;

    home.moves(Action::Disconnect, Maker::Operator, "off").await;
    home.moves(Action::Disconnect, Maker::Safety, "lock").await;
    let (id, _) = group("reconnect", "all is well").await;
    let meters = home.app.db.read(move |conn| store::relay_order_group::meters(conn, id)).await.unwrap();
    assert_eq!(meters[0].0.outcome, store::relay_order_group::Outcome::Lifted);
    assert_eq!(home.causes_now().await, [Cause::Operator]);
    assert_eq!(home.orders().await.len(), 4, "an emergency's end orders nothing where an operator keeps it off");
    home.app.stop().await;
}

async fn a_lock_is_told_to_who_has_paid_until_it_is_lifted(database: Database) {
    let head_end = HeadEnd::start(&database).await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let hero = &court.supplies[0];
    hero.open(rest, 100_000).await;
    let orders = format!("/meters/{}/relay_orders", hero.meter);
    let order = |action: &str| json!({ "action": action, "reason": "works on the riser", "cause": "safety" });
    rest.post_once(&orders, "lock", &order("disconnect")).await.ok();
    hero.confirmed(rest, "disconnect").await;
    let waits = format!("/supply_waits?site_id={}&wanted=connected", court.site);
    eventually(SOON, "the lock is listed", async || {
        (rest.get(&waits).await["items"][0]["causes"] == json!(["safety"])).then_some(())
    })
    .await;
    assert_eq!(hero.vend(rest, "vend-1", 100_000).await["restores"], false);
    hero.polled(rest, 6).await;
    assert_eq!(hero.balance(rest).await["supply"][0]["causes"], json!(["safety"]));
    assert_eq!(hero.orders(rest).await.len(), 1);

    rest.post_once(&orders, "unlock", &order("reconnect")).await.ok();
    assert_eq!(hero.confirmed(rest, "reconnect").await["cause"], "safety");
    head_end.audited().await;
}

async fn meters_are_meant_by_the_headroom_of_their_accounts(database: Database) {
    // One meter a look, so that there are several.
    let head_end = HeadEnd::start_with(&database, "[order_groups]\nheadroom_meters_at_once = 1\n").await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 4).await;
    court.read(rest).await;
    let [poor, rich, trusted, nobody] = court.supplies.as_slice() else { panic!("four") };
    poor.open(rest, 100_000).await;
    rich.open(rest, 1_000_000).await;
    trusted.open(rest, 100_000).await;
    let overdraft = json!({ "overdraft": 9_000_000, "reason": "a hospital" });
    rest.patch(&format!("/accounts/{}", trusted.account), "*", &overdraft).await.ok();
    let group = async |key: &str, fen: i64| {
        let order = json!({
            "site_id": court.site, "action": "disconnect", "reason": "works",
            "selection": { "headroom_at_most": fen },
        });
        rest.post_once("/relay_order_groups", key, &order).await
    };
    assert_eq!(group("none", -10_000_000).await.problem(), (422, "selection_empty"));
    let meant = group("some", 500_000).await.ok();
    assert_eq!(meant["counts"], json!({ "ordered": 1 }));
    assert_eq!(meant["meters"][0]["meter_id"], json!(poor.meter));
    let meant = group("all", 100_000_000).await.ok();
    let meters: Vec<_> = meant["meters"].as_array().unwrap().iter().map(|one| one["meter_id"].clone()).collect();
    assert_eq!(meters, [json!(poor.meter), json!(rich.meter), json!(trusted.meter)]);
    assert!(!meters.contains(&json!(nobody.meter)), "it counts for no account");
    let again = group("none", 1_000_000_000).await;
    assert_eq!(again.status, 202, "a refused key may be used again");
    let told = group("some", 500_000).await.ok();
    assert_eq!(told["meters"][0]["meter_id"], json!(poor.meter), "the key means what it meant");
}

async fn headroom_counts_what_was_used_since_and_active_emergency_credit(database: Database) {
    let home = home(&database, "", 300).await;
    home.sends().await;
    home.clock.pass(SignedDuration::from_hours(24));
    let offer = ChangeLimits {
        alarm_1: None,
        alarm_2: None,
        rearm_margin: None,
        overdraft: None,
        restore_margin: None,
        emergency_credit: Some(Money::new(200)),
        reason: "agreed".to_owned(),
    };
    change_limits::change(&home.app, home.account, offer, None, "tests").await.unwrap();
    home.shows("1003.1").await;
    let meant = async |fen: i64, key: &str| {
        let selection = Selection { headroom_at_most: Some(Money::new(fen)), ..Selection::default() };
        let (site_id, reason) = (home.account.site(), "works".to_owned());
        let new = NewOrderGroup { site_id, action: Action::Disconnect, reason, emergency: false, selection };
        let by = By { key: "tests".to_owned(), administers: false };
        order_group::enter(&home.app, new, key, by).await.is_ok()
    };
    assert_eq!((meant(-11, "a").await, meant(-10, "b").await), (false, true), "3.10 were used of 3.00");
    emergency_credit::activate(&home.app, home.account, "emergency", "tests").await.unwrap();
    assert_eq!((meant(189, "c").await, meant(190, "d").await), (false, true), "and 2.00 stand in");
    home.app.stop().await;
}

/// Found by the simulation: a cut that was sent and confirmed while the head end's clock was ahead made every later look at the
/// relay seem older than it, and a meter that could be moved again stayed dark.
async fn a_cut_of_a_clock_that_was_ahead_is_still_known_when_it_is_set_back(database: Database) {
    let home = Home::with_fen(&database, 10_000).await;
    let noon = home.app.clock.now();
    home.clock.pass(SignedDuration::from_hours(4));
    home.moves(Action::Disconnect, Maker::Operator, "off").await;
    home.clock.set(noon + SignedDuration::from_mins(5));
    let Done::Ordered(order) = home.asks(Action::Reconnect, Maker::Operator, "on").await.unwrap() else {
        panic!("a reconnect")
    };
    record_order::authorize(&home.app, order.id).await.unwrap();
    record_order::record(&home.app, order.id, Event::Refused(Refusal::Password)).await.unwrap();
    record_order::relay_seen(&home.app, home.meter, DISCONNECTED, home.app.clock.now()).await.unwrap();
    let tried = home.orders().await.len();
    order_relay::clear_block(&home.app, home.meter, "operator").await.unwrap();
    let orders = home.orders().await;
    assert_eq!(orders.len(), tried + 1, "{orders:?}");
    assert!(orders.contains(&(Action::Reconnect, Cause::Credit, State::Ordered)), "{orders:?}");
    home.app.stop().await;
}

//! Whatever changes what an account's money asks of its supply decides over it at once: no reading comes, and no job runs.

use domain::{
    ledger::Tender,
    money::Money,
    notice::Kind,
    relay::{Action, Cause, decide::Guard},
    site::AutomaticDisconnection,
};
use jiff::{SignedDuration, Timestamp};
use wattgate::{
    jobs,
    operations::{
        adjust::{self, NewAdjustment},
        attach_meter::{AttachMeter, attach},
        buildings,
        change_limits::{ChangeLimits, change},
        close_account::FinalReading,
        guard::{self, Target},
        hold::{self, Hold},
        order_relay::{Maker, OrderRelay, order},
        payment_in_flight::{self, AnnouncePayment},
        refund::{RefundMoney, refund},
        remove_meter::{RemoveMeter, remove},
        reverse_vend::{ReverseVend, reverse},
        site,
        subsidize::{NewSubsidy, subsidize},
        suspend_account,
        transfer_account::{TransferAccount, transfer},
        vend::{Vend, vend},
    },
};

use super::{notices::home, replacement::spare, settlement::kwh};
use crate::support::{Database, Home, on_both};

on_both!(
    money_that_goes_out_orders_a_cut_and_money_that_comes_in_takes_it_back,
    guards_holds_and_suspensions_decide_when_they_begin_and_when_they_end,
    the_money_of_a_suspended_account_cuts_nobody_until_it_goes_on,
    adjustments_guards_of_meters_and_buildings_and_holds_decide_at_once,
    limits_decide_when_they_change,
    the_switch_and_the_stop_button_have_every_account_decided_over,
    a_meter_that_is_removed_leaves_no_order_behind,
    a_payment_in_flight_holds_at_once_and_so_does_its_end,
    what_the_customer_before_owed_does_not_cut_the_next,
);

/// What is there of a meter's order and of what keeps it waiting.
type Supply = (Option<(Action, Cause)>, Option<Vec<Guard>>);

impl Home {
    async fn supply(&self) -> Supply {
        let meter = self.meter;
        let read = move |conn: &mut store::Conn| {
            let order = store::relay_order::live_of(conn, meter)?.map(|order| (order.action, order.cause));
            let wait = store::supply_wait::of_meter(conn, meter)?.map(|wait| wait.guards);
            Ok::<_, store::Error>((order, wait))
        };
        self.app.db.read(read).await.unwrap()
    }

    fn vend(&self, fen: i64) -> Vend {
        let (currency, terminal) = ("CNY".to_owned(), "till-1".to_owned());
        Vend { account_id: self.account, amount: Money::new(fen), currency, tender: Tender::Cash, terminal }
    }

    async fn refunds(&self, fen: i64, key: &str) {
        let new = RefundMoney {
            account_id: self.account,
            amount: Money::new(fen),
            currency: "CNY".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
            reason: "paid twice".to_owned(),
        };
        refund(&self.app, new, key, "tests").await.unwrap();
    }

    async fn guarded(&self, guarded: bool) {
        let reason = Some("a hospital".to_owned());
        guard::set(&self.app, Target::Account(self.account), guarded, reason, "tests").await.unwrap();
    }

    async fn held(&self, hours: i64) {
        let until = (hours > 0).then(|| self.app.clock.now() + SignedDuration::from_hours(hours));
        hold::set(&self.app, self.account, Hold { until, reason: "exams".to_owned() }, "tests").await.unwrap();
    }

    async fn suspended(&self, suspended: bool) {
        suspend_account::set(&self.app, self.account, suspended, "a dispute", "tests").await.unwrap();
    }

    /// When the account is looked at again, whatever happens.
    async fn decides_at(&self) -> Option<Timestamp> {
        let account = self.account;
        self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().decide_at
    }

    async fn overdraft(&self, fen: i64) {
        let to = ChangeLimits {
            alarm_1: None,
            alarm_2: None,
            rearm_margin: None,
            overdraft: Some(Money::new(fen)),
            restore_margin: None,
            emergency_credit: None,
            reason: "agreed".to_owned(),
        };
        change(&self.app, self.account, to, None, "tests").await.unwrap();
    }
}

const NOTHING: Supply = (None, None);

/// A cut is ordered, and nothing holds it.
fn cut() -> Supply {
    (Some((Action::Disconnect, Cause::Credit)), Some(vec![]))
}

/// A home with 3 CNY that was warned a day ago, and whose meter was read just now.
async fn warned(database: &Database) -> Home {
    let home = home(database, "", 300).await;
    home.sends().await;
    home.clock.pass(SignedDuration::from_hours(24));
    home.shows("1000").await;
    assert_eq!(home.supply().await, NOTHING);
    home
}

async fn money_that_goes_out_orders_a_cut_and_money_that_comes_in_takes_it_back(database: Database) {
    let home = warned(&database).await;
    home.refunds(300, "refund-1").await;
    assert_eq!(home.supply().await, cut(), "refunded");
    let subsidy = |amount: i64| NewSubsidy {
        amount: Money::new(amount),
        currency: "CNY".to_owned(),
        reason: "winter aid".to_owned(),
    };
    subsidize(&home.app, home.account, subsidy(40), "subsidy", "tests").await.unwrap();
    assert_eq!(home.supply().await, NOTHING, "subsidized");
    home.refunds(40, "refund-2").await;
    assert_eq!(home.supply().await, cut());
    let (sold, _) = vend(&home.app, home.vend(100), "sale", "tests").await.unwrap();
    assert_eq!(home.supply().await, NOTHING, "sold");
    let how = ReverseVend { terminal: "till-1".to_owned(), reason: None };
    reverse(&home.app, sold.vend_id, how, "back", "tests").await.unwrap();
    assert_eq!(home.supply().await, cut(), "reversed");
    assert_eq!(home.states(Kind::DisconnectWarning).await.len(), 1, "all in one episode");
    home.audited().await;
}

async fn guards_holds_and_suspensions_decide_when_they_begin_and_when_they_end(database: Database) {
    let home = warned(&database).await;
    home.guarded(true).await;
    home.refunds(300, "refund-3").await;
    assert_eq!(home.supply().await, (None, Some(vec![Guard::SupplyGuard])));
    home.guarded(false).await;
    assert_eq!(home.supply().await, cut(), "the guard ended");
    home.guarded(true).await;
    let order = Some((Action::Disconnect, Cause::Credit));
    assert_eq!(home.supply().await, (order, Some(vec![Guard::SupplyGuard])), "told though it was ordered before");
    home.held(5).await;
    home.guarded(false).await;
    assert_eq!(home.supply().await, (order, Some(vec![Guard::Hold])));
    home.held(0).await;
    assert_eq!(home.supply().await, cut(), "the hold ended");
    home.suspended(true).await;
    assert_eq!(home.supply().await.1, None, "credit decides over nothing");
    home.suspended(false).await;
    assert_eq!(home.supply().await, cut());
    home.audited().await;
}

async fn the_money_of_a_suspended_account_cuts_nobody_until_it_goes_on(database: Database) {
    let home = warned(&database).await;
    home.suspended(true).await;
    home.clock.pass(SignedDuration::from_mins(15));
    home.shows("1004").await;
    assert_eq!(home.supply().await, NOTHING, "4 kWh cost more than there is");
    home.suspended(false).await;
    assert_eq!(home.supply().await, cut());
    home.audited().await;
}

async fn adjustments_guards_of_meters_and_buildings_and_holds_decide_at_once(database: Database) {
    let home = warned(&database).await;
    let adjust = |amount: i64| NewAdjustment {
        amount: Money::new(amount),
        currency: "CNY".to_owned(),
        reason: "a reading was wrong".to_owned(),
    };
    adjust::adjust(&home.app, home.account, adjust(-300), "down", "tests").await.unwrap();
    assert_eq!(home.supply().await, cut(), "adjusted");
    adjust::adjust(&home.app, home.account, adjust(300), "up", "tests").await.unwrap();
    assert_eq!(home.supply().await, NOTHING);

    let guarded = async |target: Target, guarded: bool| {
        guard::set(&home.app, target, guarded, Some("a hospital".to_owned()), "tests").await.unwrap();
    };
    let new = buildings::NewBuilding { site_id: home.account.site(), name: "Block 1".to_owned() };
    let building = buildings::enter(&home.app, new).await.unwrap().id;
    buildings::hang(&home.app, home.meter, Some(building), "tests").await.unwrap();
    for target in [Target::Meter(home.meter), Target::Building(building)] {
        guarded(target, true).await;
        home.refunds(300, &format!("of {target:?}")).await;
        assert_eq!(home.supply().await, (None, Some(vec![Guard::SupplyGuard])), "{target:?}");
        guarded(target, false).await;
        assert_eq!(home.supply().await, cut(), "{target:?}");
        home.pays_in(&format!("{target:?}"), 300).await;
        assert_eq!(home.supply().await, NOTHING);
    }

    home.held(5).await;
    home.refunds(300, "refund-5").await;
    assert_eq!(home.supply().await, (None, Some(vec![Guard::Hold])));
    let minutes = SignedDuration::from_mins(20);
    let until = home.app.clock.now() + minutes;
    hold::set(&home.app, home.account, Hold { until: Some(until), reason: "exams".to_owned() }, "tests").await.unwrap();
    assert_eq!(home.decides_at().await, Some(until), "looked at again when the hold ends");
    home.held(5).await;
    let recheck = home.app.clock.now() + SignedDuration::from_hours(1);
    assert_eq!(home.decides_at().await, Some(recheck), "and once an hour at least");
    home.clock.pass(minutes);
    home.audited().await;
}

async fn the_switch_and_the_stop_button_have_every_account_decided_over(database: Database) {
    let home = warned(&database).await;
    let switched = async |to: AutomaticDisconnection| {
        site::set_switch(&home.app, home.account.site(), to, None, "tests").await.unwrap();
        jobs::decide_due(&home.app).await.unwrap();
        home.supply().await
    };
    switched(AutomaticDisconnection::Off).await;
    home.refunds(300, "refund-6").await;
    assert_eq!(home.supply().await, (None, Some(vec![Guard::SiteSwitch])));
    assert_eq!(switched(AutomaticDisconnection::On).await, cut());
    let ordered = cut().0;
    assert_eq!(switched(AutomaticDisconnection::ReportOnly).await, (ordered, Some(vec![Guard::SiteSwitch])));
    assert_eq!(switched(AutomaticDisconnection::On).await, cut());
    let stopped = site::stop(&home.app, home.account.site(), "a wrong tariff", "tests").await.unwrap();
    assert_eq!((stopped.cancelled.len(), stopped.sent.len()), (1, 0));
    jobs::decide_due(&home.app).await.unwrap();
    assert_eq!(home.supply().await, (None, Some(vec![Guard::SiteSwitch])), "with its reason");
    home.audited().await;
}

async fn limits_decide_when_they_change(database: Database) {
    let home = warned(&database).await;
    home.refunds(300, "refund-7").await;
    home.overdraft(50).await;
    assert_eq!(home.supply().await, NOTHING, "an overdraft");
    home.overdraft(0).await;
    assert_eq!(home.supply().await, cut(), "and none");
    home.audited().await;
}

async fn a_meter_that_is_removed_leaves_no_order_behind(database: Database) {
    let home = warned(&database).await;
    let attic = spare(&home).await;
    let new = AttachMeter {
        meter_id: attic,
        multiplier: None,
        initial_reading: Some(kwh("5")),
        initial_registers: Default::default(),
        reason: "attic let".to_owned(),
        confirmed: false,
    };
    attach(&home.app, home.account, new, "attach", "tests").await.unwrap();
    let wish = OrderRelay { action: Action::Disconnect, reason: "no tenant".to_owned(), cause: Maker::Operator };
    order(&home.app, attic, wish, "cut", "tests").await.unwrap();
    let live = async || {
        home.app.db.read(move |conn| store::relay_order::live_of(conn, attic)).await.unwrap().map(|order| order.state)
    };
    assert!(live().await.is_some());
    home.clock.pass(SignedDuration::from_mins(1));
    let how = RemoveMeter {
        final_reading: Some(kwh("5")),
        final_registers: Default::default(),
        reason: "attic empty".to_owned(),
        confirmed: false,
        disconnect: false,
    };
    remove(&home.app, attic, how, "remove", "tests").await.unwrap();
    assert_eq!(live().await, None, "whoever has it next is not cut by what was ordered before");
    home.audited().await;
}

async fn a_payment_in_flight_holds_at_once_and_so_does_its_end(database: Database) {
    let home = warned(&database).await;
    let payment = AnnouncePayment {
        account_id: home.account,
        amount: Money::new(900),
        currency: "CNY".to_owned(),
        tender: Tender::Wechat,
    };
    let announced = payment_in_flight::announce(&home.app, payment.clone(), "wechat-1", "tests").await.unwrap();
    home.refunds(300, "refund-6").await;
    assert_eq!(home.supply().await, (None, Some(vec![Guard::PaymentInFlight])));
    payment_in_flight::end(&home.app, announced.id).await.unwrap();
    assert_eq!(home.supply().await, cut(), "the customer gave up");
    payment_in_flight::announce(&home.app, payment, "wechat-2", "tests").await.unwrap();
    let order = Some((Action::Disconnect, Cause::Credit));
    assert_eq!(home.supply().await, (order, Some(vec![Guard::PaymentInFlight])), "told though it was ordered before");
    home.audited().await;
}

async fn what_the_customer_before_owed_does_not_cut_the_next(database: Database) {
    let mut home = warned(&database).await;
    home.refunds(300, "refund-7").await;
    assert_eq!(home.supply().await, cut());
    let to = TransferAccount {
        customer_id: home.customer("Wu").await,
        number: None,
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh("1000"),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "sold the flat".to_owned(),
        write_off: false,
        pay_out: None,
    };
    home.account = transfer(&home.app, home.account, to, "pass-1", "tests").await.unwrap().new_account_id;
    let (order, guards) = home.supply().await;
    assert_eq!(order, None, "it has nothing, and was not warned either");
    assert!(guards.is_some_and(|guards| guards.contains(&Guard::WarningNotServed)));
    home.audited().await;
}

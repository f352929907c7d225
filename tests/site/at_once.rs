//! Whatever changes what an account's money asks of its supply decides over it at once: no reading comes, and no job runs.

use domain::{
    ledger::Tender,
    money::Money,
    notice::Kind,
    relay::{Action, Cause, decide::Guard},
};
use jiff::SignedDuration;
use wattgate::operations::{
    attach_meter::{AttachMeter, attach},
    change_limits::{ChangeLimits, change},
    guard::{self, Target},
    hold::{self, Hold},
    order_relay::{Maker, OrderRelay, order},
    refund::{RefundMoney, refund},
    remove_meter::{RemoveMeter, remove},
    reverse_vend::{ReverseVend, reverse},
    subsidize::{NewSubsidy, subsidize},
    suspend_account,
    vend::{Vend, vend},
};

use super::{notices::home, replacement::spare, settlement::kwh};
use crate::support::{Database, Home, on_both};

on_both!(
    money_that_goes_out_orders_a_cut_and_money_that_comes_in_takes_it_back,
    guards_holds_and_suspensions_decide_when_they_begin_and_when_they_end,
    limits_decide_when_they_change,
    a_meter_that_is_removed_leaves_no_order_behind,
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

    async fn refunds(&self, fen: i64) {
        let new = RefundMoney {
            account_id: self.account,
            amount: Money::new(fen),
            currency: "CNY".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
            reason: "paid twice".to_owned(),
        };
        refund(&self.app, new, &format!("refund-{fen}"), "tests").await.unwrap();
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
    home.refunds(300).await;
    assert_eq!(home.supply().await, cut(), "refunded");
    let subsidy = |amount: i64| NewSubsidy {
        amount: Money::new(amount),
        currency: "CNY".to_owned(),
        reason: "winter aid".to_owned(),
    };
    subsidize(&home.app, home.account, subsidy(40), "subsidy", "tests").await.unwrap();
    assert_eq!(home.supply().await, NOTHING, "subsidized");
    home.refunds(40).await;
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
    home.refunds(300).await;
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

async fn limits_decide_when_they_change(database: Database) {
    let home = warned(&database).await;
    home.refunds(300).await;
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

//! The stop button: what was not sent yet is cancelled, and nothing more is cut.

use domain::{
    ids::{MeterId, OrderId},
    relay::{
        Action, Cause,
        order::{State, Wish},
    },
    site::AutomaticDisconnection,
};
use jiff::SignedDuration;
use wattgate::operations::{
    authorize_order::{self, Authorized},
    decide_relay::{self, Asked},
    record_order,
    site::{self, Stopped},
};

use super::notices::CONNECTED;
use crate::support::{Database, Home, Terms, by_blocks, flat, on_both};

on_both!(
    the_stop_button_works_for_all_who_press_it_at_once,
    the_stop_button_cancels_what_was_not_sent_and_nothing_else,
    what_was_sent_before_the_stop_is_read_and_not_sent_again
);

impl Home {
    async fn ordered(&self, meter: MeterId, cause: Cause) -> OrderId {
        let (account, settings, now) = (self.account, self.app.settings.clone(), self.app.clock.now());
        let write = move |conn: &mut store::Conn| {
            let meter = store::meter::by_id(conn, meter)?;
            store::meter::add_cause(conn, meter.id, cause)?;
            let asked = Asked { account: Some(account), vend: None, by: None, why: "used up".to_owned() };
            let wish = Wish { action: Action::Disconnect, cause, permit: false };
            decide_relay::place(conn, &meter, wish, asked, &settings.policy.relay, now)
        };
        self.app.db.write(write).await.unwrap()
    }

    async fn order(&self, id: OrderId) -> (State, Vec<Cause>) {
        let read = move |conn: &mut store::Conn| {
            let row = store::relay_order::by_id(conn, id)?;
            Ok::<_, store::Error>((row.state, store::meter::causes(conn, row.meter_id)?.iter().collect()))
        };
        self.app.db.read(read).await.unwrap()
    }

    async fn switch(&self) -> AutomaticDisconnection {
        let site = self.account.site();
        self.app.db.read(move |conn| store::site::by_id(conn, site)).await.unwrap().automatic_disconnection
    }

    async fn switched(&self, to: AutomaticDisconnection) {
        site::set_switch(&self.app, self.account.site(), to, None, "tests").await.unwrap();
    }

    async fn stops(&self) -> Stopped {
        site::stop(&self.app, self.account.site(), "fire in the street", "tests").await.unwrap()
    }

    async fn stopped(&self) -> Vec<OrderId> {
        self.stops().await.cancelled
    }

    async fn authorized(&self, order: OrderId) -> Authorized {
        let (settings, at) = (self.app.settings.clone(), self.app.clock.now());
        self.app.db.write(move |conn| authorize_order::authorize(conn, &settings, order, at)).await.unwrap()
    }
}

async fn what_was_sent_before_the_stop_is_read_and_not_sent_again(database: Database) {
    let now = "2026-05-04T12:00:00+08:00".parse().unwrap();
    let (tariff, register) = (by_blocks(flat("0.5")), "1000".parse().unwrap());
    let terms = Terms { nth: 1, time_zone: "Asia/Shanghai", tariff, multiplier: 1, register, credit: 10_000 };
    let home = Home::start(&database, now, terms).await;
    let minute = SignedDuration::from_mins(1);
    let cut = home.ordered(home.meter, Cause::Operator).await;
    assert!(matches!(home.authorized(cut).await, Authorized::Send(_)));
    home.clock.pass(minute);
    assert_eq!(
        home.stops().await,
        Stopped { cancelled: vec![], sent: vec![cut], groups_rejected: vec![], schedules_ended: vec![] }
    );
    assert_eq!(home.order(cut).await, (State::Sent, vec![Cause::Operator]), "its relay may be open");

    home.clock.pass(minute + minute);
    record_order::relay_seen(&home.app, home.meter, CONNECTED, home.app.clock.now()).await.unwrap();
    assert!(matches!(home.authorized(cut).await, Authorized::Ended(_)), "it would be sent again");
    assert_eq!(home.order(cut).await, (State::Superseded, vec![]), "and leaves nothing behind");

    home.clock.pass(minute);
    let later = home.ordered(home.meter, Cause::Operator).await;
    assert!(matches!(home.authorized(later).await, Authorized::Send(_)), "what is ordered later goes out");
    home.app.stop().await;
}

async fn the_stop_button_works_for_all_who_press_it_at_once(database: Database) {
    let now = "2026-05-04T12:00:00+08:00".parse().unwrap();
    let (tariff, register) = (by_blocks(flat("0.5")), "1000".parse().unwrap());
    let terms = Terms { nth: 1, time_zone: "Asia/Shanghai", tariff, multiplier: 1, register, credit: 10_000 };
    let home = Home::start(&database, now, terms).await;
    let cut = home.ordered(home.meter, Cause::Operator).await;
    let all = futures_util::future::join_all((0..8).map(|_| home.stopped())).await;
    assert_eq!(all.concat(), [cut], "cancelled once, and nobody was refused");
    let later = home.ordered(home.meter, Cause::Operator).await;
    assert!(matches!(home.authorized(later).await, Authorized::Send(_)), "what is ordered later goes out");
    home.app.stop().await;
}

async fn the_stop_button_cancels_what_was_not_sent_and_nothing_else(database: Database) {
    let now = "2026-05-04T12:00:00+08:00".parse().unwrap();
    let (tariff, register) = (by_blocks(flat("0.5")), "1000".parse().unwrap());
    let terms = Terms { nth: 1, time_zone: "Asia/Shanghai", tariff, multiplier: 1, register, credit: 10_000 };
    let home = Home::start(&database, now, terms).await;
    home.switched(AutomaticDisconnection::On).await;

    let by_operator = home.ordered(home.meter, Cause::Operator).await;
    assert_eq!(home.stopped().await, [by_operator]);
    assert_eq!(home.order(by_operator).await, (State::Superseded, vec![]));
    assert_eq!(home.switch().await, AutomaticDisconnection::ReportOnly);
    assert_eq!(home.stopped().await, [], "pressed twice is pressed once");

    // One whose bytes may be on the wire goes on to its end: a relay may be open.
    home.switched(AutomaticDisconnection::On).await;
    let sent = home.ordered(home.meter, Cause::Operator).await;
    assert!(matches!(home.authorized(sent).await, Authorized::Send(_)));
    assert_eq!(home.stopped().await, []);
    assert_eq!(home.order(sent).await, (State::Sent, vec![Cause::Operator]));

    // A switch that is off is not switched to report.
    home.switched(AutomaticDisconnection::Off).await;
    let unsent = home.ordered(home.meter, Cause::Credit).await;
    assert_eq!(home.stopped().await, [unsent]);
    assert_eq!(home.switch().await, AutomaticDisconnection::Off);
    home.app.stop().await;
}

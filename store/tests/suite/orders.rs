//! Relay orders: one live per meter, each change a line, due at their time; and the story told by counting.

use domain::{
    ids::{OrderId, VendId},
    ledger::{Tender, TransactionKind},
    money::Money,
    relay::{
        Action, Cause,
        order::{Order, State},
    },
};
use jiff::SignedDuration;
use store::{
    Conn, Error, concentrator, ids,
    relay_order::{self, Whose},
    story, transaction, vend,
};

use crate::support::{Town, at, found_town};

fn new_order(conn: &mut Conn, town: Town, action: Action, second: i64) -> store::Result<relay_order::RelayOrder> {
    let order = Order {
        id: ids::next(conn, town.site)?,
        meter: town.meter,
        account: Some(town.account),
        action,
        cause: Cause::Credit,
        permit: false,
        state: State::Ordered,
        attempts: 0,
        failures: 0,
        created_at: at(second),
        sent_at: None,
        acknowledged_at: None,
        read_at: None,
        next_attempt_at: None,
        expires_at: None,
        ended_at: None,
    };
    Ok(relay_order::RelayOrder::new(&order, "headroom is used up"))
}

/// The order in another state, ended where that is an end.
fn moved(row: &relay_order::RelayOrder, state: State, second: i64) -> relay_order::RelayOrder {
    let order = Order { state, ended_at: state.is_end().then(|| at(second)), ..row.order() };
    row.with(&order)
}

on_both! {
    async fn an_order_comes_back_with_its_history(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let new = relay_order::RelayOrder {
                ordered_by: Some("k7d2".to_owned()), ..new_order(conn, town, Action::Disconnect, 0)?
            };
            relay_order::insert(conn, &new)?;
            assert_eq!(relay_order::by_id(conn, new.id)?, new);
            assert_eq!(relay_order::live_of(conn, town.meter)?, Some(new.clone()));
            assert_eq!(relay_order::last_disconnect(conn, town.meter)?, None);

            let order = Order { state: State::Sent, sent_at: Some(at(1)), attempts: 1, ..new.order() };
            let sent = new.with(&order);
            assert!(relay_order::transition(conn, &sent, State::Ordered, at(1), "AFN10 F1")?);
            assert_eq!(relay_order::by_id(conn, new.id)?, sent);
            assert_eq!(relay_order::last_disconnect(conn, town.meter)?, Some(sent.clone()));
            let done = moved(&sent, State::Confirmed, 2);
            assert!(relay_order::transition(conn, &done, State::Sent, at(2), "read back")?);
            assert_eq!(relay_order::live_of(conn, town.meter)?, None);
            // The clock was ahead then: what is ordered later was sent later, whatever its time.
            let early = relay_order::RelayOrder {
                state: State::Sent, sent_at: Some(at(0)), ..new_order(conn, town, Action::Disconnect, 0)?
            };
            relay_order::insert(conn, &early)?;
            assert_eq!(relay_order::last_disconnect(conn, town.meter)?.map(|row| row.id), Some(early.id));

            let lines = relay_order::lines(conn, new.id)?;
            let told: Vec<_> = lines.iter().map(|line| (line.line, line.state, line.detail.as_str())).collect();
            assert_eq!(told, [
                (1, State::Ordered, "headroom is used up"),
                (2, State::Sent, "AFN10 F1"),
                (3, State::Confirmed, "read back"),
            ]);
            Ok(())
        }).await.unwrap();
    }

    async fn a_transition_from_another_state_changes_nothing(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let new = new_order(conn, town, Action::Disconnect, 0)?;
            relay_order::insert(conn, &new)?;
            let superseded = moved(&new, State::Superseded, 1);
            assert!(relay_order::transition(conn, &superseded, State::Ordered, at(1), "paid")?);
            assert!(!relay_order::transition(conn, &moved(&new, State::Sent, 2), State::Ordered, at(2), "late")?);
            assert_eq!(relay_order::by_id(conn, new.id)?, superseded);
            assert_eq!(relay_order::lines(conn, new.id)?.len(), 2);
            let nobody = OrderId::new(town.site, 1 << 40).unwrap();
            assert_eq!(relay_order::by_id(conn, nobody), Err(Error::NotFound { noun: "relay order" }));
            Ok(())
        }).await.unwrap();
    }

    async fn a_meter_has_one_live_order(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let first = new_order(conn, town, Action::Disconnect, 0)?;
            relay_order::insert(conn, &first)?;
            let second = new_order(conn, town, Action::Reconnect, 1)?;
            let refused = conn.transaction(|conn| relay_order::insert(conn, &second));
            assert_eq!(refused, Err(Error::Unique { constraint: "relay_orders_meter_id".to_owned() }));
            for state in [State::Sent, State::Acknowledged, State::AwaitingCustomer] {
                let from = relay_order::by_id(conn, first.id)?;
                assert!(relay_order::transition(conn, &moved(&from, state, 1), from.state, at(1), "")?);
                assert!(conn.transaction(|conn| relay_order::insert(conn, &second)).is_err(), "{state}");
            }
            let from = relay_order::by_id(conn, first.id)?;
            assert!(relay_order::transition(conn, &moved(&from, State::Failed, 2), from.state, at(2), "")?);
            relay_order::insert(conn, &second)?;
            let all = relay_order::of_meter(conn, town.meter, None, 9)?;
            assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [second.id, first.id]);
            assert_eq!(relay_order::page(conn, town.site, Some((second.created_at, second.id)), 9)?.len(), 1);
            Ok(())
        }).await.unwrap();
    }

    async fn an_order_has_ended_exactly_where_its_state_says_so(base) {
        let town = base.town().await;
        for (state, ended_at) in [(State::Confirmed, None), (State::Sent, Some(at(1)))] {
            let refused = base.run(move |conn| {
                let new = new_order(conn, town, Action::Disconnect, 0)?;
                relay_order::insert(conn, &relay_order::RelayOrder { state, ended_at, ..new })
            }).await;
            assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
        }
    }

    async fn orders_nobody_can_reach_do_not_keep_others_from_their_turn(base) {
        base.run(|conn| {
            let towns = [found_town(conn, 1)?, found_town(conn, 2)?, found_town(conn, 3)?];
            for town in towns {
                let new = new_order(conn, town, Action::Reconnect, 0)?;
                relay_order::insert(conn, &new)?;
            }
            let [never, long_ago, lately] = towns.map(|town| town.concentrator);
            concentrator::record_login(conn, long_ago, at(10))?;
            concentrator::record_login(conn, lately, at(90))?;
            let online = relay_order::due(conn, at(100), Whose::HeardSince(at(60)), 1)?;
            assert_eq!(online.iter().map(|(_, of)| *of).collect::<Vec<_>>(), [lately]);
            assert_eq!(relay_order::due(conn, at(100), Whose::Of(never), 9)?.len(), 1, "asked for by name");
            Ok(())
        }).await.unwrap();
    }

    async fn orders_are_due_at_their_time_with_their_concentrator(base) {
        base.run(|conn| {
            let towns = [found_town(conn, 1)?, found_town(conn, 2)?, found_town(conn, 3)?];
            for (town, next) in towns.iter().zip([Some(at(20)), None, Some(at(10))]) {
                let new = new_order(conn, *town, Action::Reconnect, 0)?;
                relay_order::insert(conn, &relay_order::RelayOrder { next_attempt_at: next, ..new })?;
            }
            let [first, second, third] = towns.map(|town| town.concentrator);
            for concentrator in [first, second, third] {
                concentrator::record_login(conn, concentrator, at(0))?;
            }
            let all = Whose::HeardSince(at(0));
            let due = |conn: &mut Conn, second, whose, limit| {
                let rows = relay_order::due(conn, at(second), whose, limit)?;
                Ok::<_, Error>(rows.into_iter().map(|(_, concentrator)| concentrator).collect::<Vec<_>>())
            };
            assert_eq!(due(conn, 0, all, 9)?, [second], "a new one at once");
            assert_eq!(due(conn, 20, all, 9)?, [second, third, first]);
            assert_eq!(due(conn, 20, all, 2)?, [second, third]);
            assert_eq!(due(conn, 20, Whose::Of(first), 9)?, [first]);
            assert_eq!(due(conn, 19, Whose::Of(first), 9)?, []);
            let row = relay_order::live_of(conn, towns[1].meter)?.unwrap();
            assert!(relay_order::transition(conn, &moved(&row, State::Superseded, 1), State::Ordered, at(1), "")?);
            assert_eq!(due(conn, 20, all, 9)?, [third, first]);
            Ok(())
        }).await.unwrap();
    }

    async fn the_history_of_an_order_is_never_changed_or_deleted(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let new = new_order(conn, town, Action::Disconnect, 0)?;
            relay_order::insert(conn, &new)
        }).await.unwrap();
        for statement in ["UPDATE relay_order_lines SET detail = ''", "DELETE FROM relay_order_lines"] {
            let refused = base.console(statement).unwrap_err().to_string();
            assert!(refused.contains("relay_order_lines is append-only"), "{statement}: {refused}");
        }
    }

    async fn the_story_is_told_by_counting(base) {
        let town = base.town().await;
        base.run(move |conn| {
            assert_eq!(story::count(conn, town.site)?.restore, None);
            let new = new_order(conn, town, Action::Disconnect, 0)?;
            relay_order::insert(conn, &new)?;
            relay_order::transition(conn, &moved(&new, State::Confirmed, 5), State::Ordered, at(5), "")?;
            let sold = sell(conn, town)?;
            let reconnect = relay_order::RelayOrder {
                vend_id: Some(sold), ..new_order(conn, town, Action::Reconnect, 100)?
            };
            relay_order::insert(conn, &reconnect)?;
            let before = story::count(conn, town.site)?;
            assert_eq!((before.disconnects_confirmed, before.reconnects_confirmed, before.restore), (1, 0, None));
            relay_order::transition(conn, &moved(&reconnect, State::Confirmed, 107), State::Ordered, at(107), "")?;
            let told = story::Story {
                readings: 1,
                notices: 0,
                disconnects_confirmed: 1,
                vends: 1,
                reconnects_confirmed: 1,
                restore: Some(SignedDuration::from_secs(7)),
            };
            assert_eq!(story::count(conn, town.site)?, told);
            Ok(())
        }).await.unwrap();
    }
}

/// A vend at second 100.
fn sell(conn: &mut Conn, town: Town) -> store::Result<VendId> {
    let posted = transaction::Transaction {
        id: ids::next(conn, town.site)?,
        account_id: town.account,
        sequence: 1,
        kind: TransactionKind::Vend,
        key: "vend:1".to_owned(),
        object: "vend:1".to_owned(),
        at: at(100),
        cost_before: None,
        cost_after: None,
        carry_before: None,
        carry_after: None,
        balance_after: Money::new(1000),
    };
    transaction::insert(conn, &posted, &[])?;
    let row = vend::Vend {
        id: ids::next(conn, town.site)?,
        key: "1".to_owned(),
        content_hash: "ab".to_owned(),
        account_id: town.account,
        transaction_id: posted.id,
        terminal: "T1".to_owned(),
        tender: Tender::Cash,
        amount: Money::new(1000),
        tax: Money::ZERO,
        balance_before: Money::ZERO,
        balance_after: Money::new(1000),
        receipt_number: "T1-1".to_owned(),
        operator_key: "k7d2".to_owned(),
        created_at: at(100),
        receipt: "{}".to_owned(),
        shift_id: None,
    };
    vend::insert(conn, &row)?;
    Ok(row.id)
}

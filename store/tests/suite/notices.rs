//! Notices: those that are due, those to be served by hand, and how far customers are told of new prices.

use domain::{
    ids::{AccountId, TariffId},
    notice::{Kind, Language, State},
};
use store::{account, account_tariff, ids, notice, price_change, tariff};

use crate::support::{at, new_account, version};

on_both! {
    async fn a_notice_is_due_until_it_is_sent(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let written = notice::Notice {
                id: ids::next(conn, town.site)?,
                account_id: town.account,
                kind: Kind::DisconnectWarning,
                channel: "log".to_owned(),
                language: Language::Zh,
                text_zh: "余额不足".to_owned(),
                text_en: "low".to_owned(),
                state: State::Queued,
                attempts: 0,
                created_at: at(0),
                next_attempt_at: Some(at(10)),
                sent_at: None,
                by_hand_since: None,
                by_hand_ended_at: None,
                served_at: None,
                served_how: None,
                served_by: None,
            };
            notice::insert(conn, &written)?;
            assert!(notice::due(conn, at(9), 9)?.is_empty());
            assert_eq!(notice::due(conn, at(10), 9)?, std::slice::from_ref(&written));
            let sent = notice::Notice {
                state: State::Sent, attempts: 1, next_attempt_at: None, sent_at: Some(at(11)), ..written
            };
            notice::save(conn, &sent)?;
            assert!(notice::due(conn, at(99), 9)?.is_empty());
            assert_eq!(notice::of_account(conn, town.account, None, 9)?, std::slice::from_ref(&sent));
            assert_eq!(notice::by_id(conn, sent.id)?, sent);
            Ok(())
        }).await.unwrap();
    }

    async fn a_warning_is_to_be_served_by_hand_while_its_episode_awaits_it(base) {
        let town = base.town().await;
        let by_hand = move |conn: &mut store::Conn| notice::by_hand(conn, town.site, None, 9);
        base.run(move |conn| {
            let failed = notice::Notice {
                id: ids::next(conn, town.site)?,
                account_id: town.account,
                kind: Kind::DisconnectWarning,
                channel: "none".to_owned(),
                language: Language::Zh,
                text_zh: "余额不足".to_owned(),
                text_en: "low".to_owned(),
                state: State::Failed,
                attempts: 0,
                created_at: at(5),
                next_attempt_at: None,
                sent_at: None,
                by_hand_since: Some(at(6)),
                by_hand_ended_at: None,
                served_at: None,
                served_how: None,
                served_by: None,
            };
            notice::insert(conn, &failed)?;
            assert!(by_hand(conn)?.is_empty(), "no episode stands");
            let mut episode = |began, served| {
                let mut row = account::lock(conn, town.account)?;
                (row.episode_began_at, row.warning_served_at) = (Some(at(began)), served);
                account::save(conn, &row)?;
                by_hand(conn)
            };
            assert!(episode(6, None)?.is_empty(), "one that began after it was written");
            assert!(episode(5, Some(at(7)))?.is_empty(), "one that is served");
            assert_eq!(episode(5, None)?, std::slice::from_ref(&failed));
            assert_eq!(notice::open_by_hand(conn, None, 9)?, std::slice::from_ref(&failed));
            assert_eq!(notice::open_by_hand(conn, Some(failed.id), 9)?, []);

            let served = notice::Notice {
                by_hand_ended_at: Some(at(9)),
                served_at: Some(at(8)),
                served_how: Some("a letter".to_owned()),
                served_by: Some("wg".to_owned()),
                ..notice::lock(conn, failed.id)?
            };
            notice::end_by_hand(conn, &served)?;
            assert_eq!((by_hand(conn)?, notice::open_by_hand(conn, None, 9)?), (Vec::new(), Vec::new()));
            assert_eq!(notice::page(conn, town.site, None, 9)?, std::slice::from_ref(&served));
            Ok(())
        }).await.unwrap();
    }

    async fn a_price_change_goes_through_the_accounts_that_its_tariff_may_price(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let mut others: Vec<AccountId> = Vec::new();
            let second: TariffId = ids::next(conn, town.site)?;
            tariff::insert(conn, &tariff::Tariff { id: second, name: "Shops".to_owned() })?;
            for (number, of) in [("2", second), ("3", second), ("4", town.tariff)] {
                let id = ids::next(conn, town.site)?;
                account::insert(conn, &new_account(id, town.customer, of, number))?;
                others.push(id);
            }
            let [shop, changed, closed] = others[..] else { panic!("three") };
            let change = account_tariff::AccountTariff {
                account_id: changed,
                place: 1,
                tariff_id: town.tariff,
                valid_from: version(1, "2026-02-01").valid_from,
                entered_at: at(1),
                operator_key: "wg".to_owned(),
                reason: "moved".to_owned(),
                told_version: Some(1),
            };
            account_tariff::insert(conn, &change)?;
            assert_eq!(account_tariff::of_account(conn, changed)?, std::slice::from_ref(&change));
            let mut row = account::lock(conn, closed)?;
            row.state = domain::account::State::Closed;
            account::save(conn, &row)?;

            let mut those = |tariff, after| {
                let found = price_change::accounts(conn, tariff, after, 9)?;
                Ok::<_, store::Error>(found.into_iter().map(|account| account.id).collect::<Vec<_>>())
            };
            assert_eq!(those(town.tariff, None)?, [town.account, changed]);
            assert_eq!(those(town.tariff, Some(town.account))?, [changed]);
            assert_eq!(those(second, None)?, [shop, changed]);

            let new = price_change::PriceChange {
                tariff_id: town.tariff, version: 1, entered_at: at(2), cursor: None, told: 0, ended_at: None,
            };
            price_change::insert(conn, &new)?;
            assert_eq!(price_change::open(conn, 9)?, std::slice::from_ref(&new));
            let held = price_change::lock(conn, town.tariff, 1)?;
            assert_eq!(held, new);
            let done = price_change::PriceChange { cursor: Some(changed), told: 2, ended_at: Some(at(3)), ..held };
            price_change::save(conn, &done)?;
            assert_eq!(price_change::lock(conn, town.tariff, 1)?, done);
            assert_eq!(price_change::open(conn, 9)?, []);
            assert_eq!(tariff::lock(conn, second)?.name, "Shops");
            Ok(())
        }).await.unwrap();
    }
}

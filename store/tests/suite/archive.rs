//! The archive: what is entered comes back, is found, is unique, and is changed by one person at a time.

use domain::{
    ids::{MeterId, SiteId},
    polling::Sightings,
    relay::{Cause, Causes, RelayReading, RelayState},
};
use store::{
    Error, account, alarm,
    api_key::{self, ApiKey, Role},
    concentrator, customer, idempotency, ids, meter,
    read_request::{self, ReadRequest, ReadState},
    site, tariff, unknown_concentrator,
};

use crate::support::{at, found_town, new_concentrator, new_meter, new_site, version};

fn taken<T>(constraint: &str) -> Result<T, Error> {
    Err(Error::Unique { constraint: constraint.to_owned() })
}

on_both! {
    async fn what_is_entered_comes_back(base) {
        let town = base.town().await;
        base.run(move |conn| {
            assert_eq!(site::by_id(conn, town.site)?, new_site(town.site));
            assert_eq!(site::next_id(conn)?, SiteId::new(2).unwrap());
            let concentrator = new_concentrator(town.concentrator, 1);
            assert_eq!(concentrator::by_id(conn, town.concentrator)?, concentrator);
            assert_eq!(concentrator::by_address(conn, "1101", 1)?, Some(concentrator));
            assert_eq!(concentrator::by_address(conn, "1101", 2)?, None);
            let meter = new_meter(town.meter, town.concentrator, 1);
            assert_eq!(meter::by_id(conn, town.meter)?, meter);
            assert_eq!(meter::by_address(conn, town.site, "000000000001")?, Some(meter.clone()));
            assert_eq!(meter::of_concentrator(conn, town.concentrator)?, [meter]);
            assert_eq!(customer::by_id(conn, town.customer)?.name, "李华");
            assert_eq!(tariff::by_id(conn, town.tariff)?.name, "Residential");
            assert_eq!(tariff::versions(conn, town.tariff)?, [version(1, "2026-01-01")]);
            let nobody = MeterId::new(town.site, 1 << 40).unwrap();
            assert_eq!(meter::by_id(conn, nobody), Err(Error::NotFound { noun: "meter" }));
            Ok(())
        }).await.unwrap();
    }

    async fn what_must_be_unique_is_named_alike_on_both_databases(base) {
        let town = base.town().await;
        let other = base.run(move |conn| ids::next::<MeterId>(conn, town.site)).await.unwrap();
        let add = |change: fn(&mut meter::Meter)| {
            let mut new = new_meter(other, town.concentrator, 2);
            change(&mut new);
            base.run(move |conn| meter::insert(conn, &new))
        };
        assert_eq!(add(|new| new.address = "000000000001".to_owned()).await, taken("meters_address"));
        assert_eq!(add(|new| new.point = 1).await, taken("meters_concentrator_id_point"));
        assert_eq!(add(|new| new.serial = 1).await, taken("meters_concentrator_id_serial"));
        assert_eq!(add(|_| ()).await, Ok(()));
    }

    async fn an_address_logs_in_at_one_site_only(base) {
        base.town().await;
        let second = base.run(move |conn| {
            let site = SiteId::new(2).unwrap();
            site::insert(conn, &new_site(site))?;
            let id = ids::next(conn, site)?;
            concentrator::insert(conn, &new_concentrator(id, 1))
        }).await;
        assert_eq!(second, taken("concentrators_region_terminal"));
    }

    async fn two_people_never_overwrite_each_other(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let read = meter::by_id(conn, town.meter)?;
            let renamed = meter::Meter { name: "Shop".to_owned(), ..read.clone() };
            let saved = meter::save(conn, &renamed)?;
            assert_eq!(saved, meter::Meter { version: 2, ..renamed });
            assert_eq!(meter::save(conn, &meter::Meter { name: "Store".to_owned(), ..read }), Err(Error::Stale));
            assert_eq!(meter::by_id(conn, town.meter)?, saved);
            let site = site::by_id(conn, town.site)?;
            assert_eq!(site::save(conn, &site)?.version, 2);
            assert_eq!(site::save(conn, &site), Err(Error::Stale));
            let row = customer::by_id(conn, town.customer)?;
            let phone = customer::Customer { phone: Some("139".to_owned()), ..row.clone() };
            assert_eq!(customer::save(conn, &phone)?.phone, phone.phone);
            assert_eq!(customer::save(conn, &row), Err(Error::Stale));
            let row = concentrator::by_id(conn, town.concentrator)?;
            assert_eq!(concentrator::save(conn, &row)?.version, 2);
            assert_eq!(concentrator::save(conn, &row), Err(Error::Stale));
            Ok(())
        }).await.unwrap();
    }

    async fn what_is_seen_of_a_meter_is_kept_beside_what_an_operator_enters(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let look = RelayReading {
                relay: RelayState::Disconnected, command: RelayState::Connected, local_prepay: false,
            };
            let sightings = Sightings { last_seen_at: Some(at(9)), seen_again_at: Some(at(5)), gaps_that_day: 1 };
            let before = meter::by_id(conn, town.meter)?;
            assert_eq!(before.relay_reading(), None);
            meter::record_relay(conn, town.meter, look, at(7))?;
            meter::record_seen(conn, town.meter, &sightings)?;
            meter::record_identity(conn, town.meter, meter::Identity::Foreign, at(8))?;
            meter::record_good(conn, town.meter, at(900), at(900))?;
            meter::record_good(conn, town.meter, at(6), at(99))?;
            meter::record_good(conn, town.meter, at(4), at(99))?;
            meter::block_relay(conn, town.meter, true)?;
            let seen = meter::save(conn, &before)?;
            assert_eq!(seen.relay_reading(), Some((look, at(7))));
            assert_eq!(seen.sightings(), sightings);
            assert_eq!((seen.identity, seen.identity_at), (meter::Identity::Foreign, Some(at(8))));
            assert_eq!((seen.last_good_as_of, seen.relay_blocked), (Some(at(6)), true));

            concentrator::record_login(conn, town.concentrator, at(1))?;
            concentrator::record_seen(conn, town.concentrator, at(2))?;
            concentrator::record_clock(conn, town.concentrator, -75, at(3))?;
            concentrator::record_identity(conn, town.concentrator, at(4))?;
            let row = concentrator::by_id(conn, town.concentrator)?;
            assert_eq!((row.last_login_at, row.last_seen_at), (Some(at(1)), Some(at(2))));
            assert_eq!((row.clock_drift_s, row.clock_read_at), (Some(-75), Some(at(3))));
            assert_eq!(row.identity_checked_at, Some(at(4)));
            Ok(())
        }).await.unwrap();
    }

    async fn causes_are_a_set(base) {
        let town = base.town().await;
        base.run(move |conn| {
            assert!(meter::add_cause(conn, town.meter, Cause::Credit)?);
            assert!(!meter::add_cause(conn, town.meter, Cause::Credit)?);
            assert!(meter::add_cause(conn, town.meter, Cause::Safety)?);
            let both: Causes = [Cause::Credit, Cause::Safety].into_iter().collect();
            assert_eq!(meter::causes(conn, town.meter)?, both);
            assert_eq!(meter::causes_of_account(conn, town.account)?, [(town.meter, both)].into());
            assert!(meter::remove_cause(conn, town.meter, Cause::Credit)?);
            assert!(!meter::remove_cause(conn, town.meter, Cause::Credit)?);
            meter::remove_cause(conn, town.meter, Cause::Safety)?;
            assert_eq!(meter::causes_of_account(conn, town.account)?, [(town.meter, Causes::none())].into());
            Ok(())
        }).await.unwrap();
    }

    async fn lists_go_on_after_the_last_one_seen(base) {
        let town = base.town().await;
        base.run(move |conn| {
            for (number, id) in (2..).zip(ids::many::<MeterId>(conn, town.site, 5)?) {
                meter::insert(conn, &new_meter(id, town.concentrator, number))?;
            }
            found_town(conn, 2)?;
            let first = meter::page(conn, town.site, None, 4)?;
            let rest = meter::page(conn, town.site, first.last().map(|last| last.id), 4)?;
            let all: Vec<u16> = first.iter().chain(&rest).map(|meter| meter.point).collect();
            assert_eq!(all, [1, 2, 3, 4, 5, 6], "of this site only, each once");
            assert_eq!(site::page(conn, Some(town.site), 9)?.len(), 1);
            Ok(())
        }).await.unwrap();
    }

    async fn a_part_of_a_name_or_number_finds_its_rows(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let id = ids::next(conn, town.site)?;
            let row = customer::by_id(conn, town.customer)?;
            let named = customer::Customer { id, name: "王丽 WANG_1".to_owned(), phone: Some("0139 7%".to_owned()), ..row };
            customer::insert(conn, &named)?;
            for part in ["丽 wang", "g_1", "7%", "0139"] {
                assert_eq!(customer::search(conn, town.site, part, None, 9)?, std::slice::from_ref(&named), "{part}");
            }
            assert_eq!(customer::search(conn, town.site, "丽%", None, 9)?, []);
            assert_eq!(customer::search(conn, town.site, "", None, 9)?.len(), 2);
            let (meter, account) = (meter::by_id(conn, town.meter)?, account::by_id(conn, town.account)?);
            let part = meter.address.get(4..).unwrap_or_default();
            assert_eq!(meter::search(conn, town.site, part, None, 9)?, std::slice::from_ref(&meter));
            assert_eq!(account::search(conn, town.site, &account.number, None, 9)?, std::slice::from_ref(&account));
            assert_eq!(account::of_customer(conn, town.customer, None, 9)?, std::slice::from_ref(&account));
            assert_eq!(account::of_customer(conn, town.customer, Some(account.id), 9)?, []);
            Ok(())
        }).await.unwrap();
    }

    async fn unknown_concentrators_are_counted_and_bounded(base) {
        base.run(|conn| {
            for (terminal, second) in [(1, 0), (2, 1), (1, 2), (3, 3)] {
                unknown_concentrator::record(conn, "1101", terminal, "10.0.0.9:5000", at(second), 2)?;
            }
            let listed = unknown_concentrator::page(conn, None, 9)?;
            let seen: Vec<_> = listed.iter().map(|one| (one.terminal, one.attempts, one.last_seen_at)).collect();
            assert_eq!(seen, [(1, 2, at(2)), (2, 1, at(1))]);
            assert_eq!(unknown_concentrator::page(conn, Some(("1101".to_owned(), 1)), 9)?.len(), 1);
            unknown_concentrator::forget(conn, "1101", 1)?;
            assert_eq!(unknown_concentrator::page(conn, None, 9)?.len(), 1);
            Ok(())
        }).await.unwrap();
    }

    async fn an_alarm_stands_once_and_counts(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let raise = |conn: &mut _, second| {
                alarm::raise(conn, town.site, "foreign_archive", "meter:1", &format!("seen at {second}"), at(second))
            };
            assert!(raise(conn, 1)?);
            assert!(!raise(conn, 2)?);
            let standing = alarm::page(conn, town.site, true, None, 9)?;
            let [one] = standing.as_slice() else { panic!("{standing:?}") };
            assert_eq!((one.count, one.raised_at, one.last_at), (2, at(1), at(2)));
            assert_eq!(one.detail, "seen at 2");
            assert!(alarm::clear(conn, town.site, "foreign_archive", "meter:1", at(3))?);
            assert!(!alarm::clear(conn, town.site, "foreign_archive", "meter:1", at(4))?);
            assert!(alarm::page(conn, town.site, true, None, 9)?.is_empty());
            assert!(raise(conn, 5)?);
            let all = alarm::page(conn, town.site, false, None, 9)?;
            assert_eq!(all.iter().map(|one| one.cleared_at).collect::<Vec<_>>(), [None, Some(at(3))]);
            Ok(())
        }).await.unwrap();
    }

    async fn keys_are_found_until_they_are_revoked_and_answers_are_kept_once(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let key = ApiKey {
                prefix: "k7d2".to_owned(),
                name: "Counter 1".to_owned(),
                role: Role::Cashier,
                hash: "00ff".to_owned(),
                site_id: Some(town.site),
                created_at: at(0),
                revoked_at: None,
                terminal_id: None,
            };
            api_key::insert(conn, &key)?;
            assert_eq!(api_key::by_prefix(conn, "k7d2")?, Some(key.clone()));
            assert_eq!(api_key::page(conn, None, 9)?, std::slice::from_ref(&key));
            api_key::revoke(conn, "k7d2", at(9))?;
            assert_eq!(api_key::by_prefix(conn, "k7d2")?.and_then(|key| key.revoked_at), Some(at(9)));
            assert_eq!(api_key::revoke(conn, "k7d2", at(10)), Err(Error::NotFound { noun: "API key" }));

            let answer = idempotency::IdempotencyKey {
                site_id: town.site,
                key: "order-1".to_owned(),
                content_hash: "ab".to_owned(),
                status: 202,
                body: "{}".to_owned(),
                created_at: at(0),
            };
            idempotency::insert(conn, &answer)?;
            assert_eq!(idempotency::find(conn, town.site, "order-1")?, Some(answer.clone()));
            assert_eq!(idempotency::find(conn, town.site, "order-2")?, None);
            assert_eq!(conn.transaction(|conn| idempotency::insert(conn, &answer)), taken("idempotency_keys_key"));
            assert_eq!(conn.transaction(|conn| api_key::insert(conn, &key)), taken("api_keys_prefix"));
            Ok(())
        }).await.unwrap();
    }

    async fn a_read_request_ends_once(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let asked = ReadRequest {
                id: ids::next(conn, town.site)?,
                meter_id: town.meter,
                state: ReadState::Requested,
                requested_by: "k7d2".to_owned(),
                created_at: at(0),
                ended_at: None,
                reading_id: None,
                detail: None,
            };
            read_request::insert(conn, &asked)?;
            let done = ReadRequest {
                state: ReadState::Done, ended_at: Some(at(1)), reading_id: Some(town.first_reading), ..asked.clone()
            };
            assert!(read_request::finish(conn, &done)?);
            let late = ReadRequest { state: ReadState::Failed, detail: Some("timeout".to_owned()), ..asked };
            assert!(!read_request::finish(conn, &late)?);
            assert_eq!(read_request::by_id(conn, done.id)?, done);
            assert_eq!(read_request::end_open(conn, "restarted", at(9), 9)?, 0);

            let left = ReadRequest { id: ids::next(conn, town.site)?, ..late.clone() };
            read_request::insert(conn, &ReadRequest { state: ReadState::Requested, detail: None, ..left.clone() })?;
            assert_eq!(read_request::end_open(conn, "restarted", at(9), 9)?, 1);
            let ended = ReadRequest { ended_at: Some(at(9)), detail: Some("restarted".to_owned()), ..left };
            assert_eq!(read_request::by_id(conn, ended.id)?, ended);
            Ok(())
        }).await.unwrap();
    }
}

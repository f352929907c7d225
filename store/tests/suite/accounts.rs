//! Accounts, and which meters count for them.

use domain::{
    account::{Credit, Emergency, Episode, State},
    energy::Energy,
    money::{Carry, Money},
    reading::Kind,
};
use store::{Error, account, ids, installation, reading};

use crate::support::{at, found_town, new_account, new_reading};

on_both! {
    async fn an_account_comes_back_as_it_was_saved(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let fresh = account::by_id(conn, town.account)?;
            assert_eq!(fresh, new_account(town.account, town.customer, town.tariff, "0001"));
            let mut row = account::lock(conn, town.account)?;
            let credit = Credit {
                alarm_1_armed: false,
                alarm_2_armed: true,
                episode: Some(Episode {
                    began_at: at(1), forecast: true, warning_served_at: Some(at(2)), warned: true,
                    emergency: Some(Emergency::Drawn),
                }),
                last_warning_at: Some(at(2)),
            };
            row.set_credit(&credit);
            row.posted = Money::new(-1);
            row.carry = Carry::new(99_999_999);
            row.decide_at = Some(at(5));
            row.guard_reason = Some("hospital".to_owned());
            account::save(conn, &row)?;
            let saved = account::by_id(conn, town.account)?;
            assert_eq!((&saved, saved.credit()), (&row, credit));
            assert_eq!(account::by_number(conn, town.site, "0001")?, Some(saved.clone()));
            assert_eq!(account::by_meter(conn, town.meter)?, Some(saved.clone()));
            assert_eq!(account::of_customer(conn, town.customer, None, 9)?, std::slice::from_ref(&saved));
            assert_eq!(account::page(conn, town.site, None, 9)?, [saved]);

            // What is taken away is gone, and does not stay as it was.
            let mut row = account::lock(conn, town.account)?;
            row.set_credit(&Credit::default());
            row.guard_reason = None;
            row.decide_at = None;
            row.state = State::Pending;
            account::save(conn, &row)?;
            assert_eq!(account::by_id(conn, town.account)?, row);
            Ok(())
        }).await.unwrap();
    }

    async fn accounts_are_due_from_their_instant_on_oldest_first(base) {
        base.run(|conn| {
            let towns = [found_town(conn, 1)?, found_town(conn, 2)?, found_town(conn, 3)?];
            for (town, due) in towns.iter().zip([Some(at(20)), Some(at(10)), None]) {
                let mut row = account::lock(conn, town.account)?;
                row.decide_at = due;
                account::save(conn, &row)?;
            }
            let [first, second, _] = towns.map(|town| town.account);
            assert_eq!(account::due(conn, at(9), at(99), 9)?, []);
            assert_eq!(account::due(conn, at(20), at(99), 9)?, [second, first]);
            assert_eq!(account::due(conn, at(20), at(99), 1)?, [second]);
            assert_eq!(account::due(conn, at(1), at(2), 9)?, [second, first], "a clock that was ahead put them there");
            Ok(())
        }).await.unwrap();
    }

    async fn an_account_number_is_unique_in_its_site(base) {
        let town = base.town().await;
        let twice = base.run(move |conn| {
            let id = ids::next(conn, town.site)?;
            account::insert(conn, &new_account(id, town.customer, town.tariff, "0001"))
        }).await;
        assert_eq!(twice, Err(Error::Unique { constraint: "accounts_number".to_owned() }));
    }

    async fn a_meter_counts_for_one_account_at_a_time(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let live = installation::live_of_meter(conn, town.meter)?.unwrap();
            assert_eq!(installation::by_id(conn, town.installation)?, live);
            assert_eq!(installation::of_account(conn, town.account)?, std::slice::from_ref(&live));
            assert_eq!(installation::live_page(conn, town.site, None, 9)?, std::slice::from_ref(&live));
            assert_eq!(installation::at(conn, town.meter, at(-1))?, None);
            assert_eq!(installation::at(conn, town.meter, at(0))?, Some(live.clone()));
            let again = installation::Installation { id: ids::next(conn, town.site)?, ..live };
            let refused = conn.transaction(|conn| installation::insert(conn, &again));
            assert_eq!(refused, Err(Error::Unique { constraint: "installations_meter_id".to_owned() }));
            let last = new_reading(ids::next(conn, town.site)?, town.meter, at(60), Kind::Final, 7);
            reading::insert_batch(conn, std::slice::from_ref(&last))?;
            installation::end(conn, town.installation, at(60), (Energy::new(7), &Default::default()), last.id)?;
            let twice = installation::end(conn, town.installation, at(60), (Energy::new(7), &Default::default()), last.id);
            assert_eq!(twice, Err(Error::Stale));
            let ended = installation::by_id(conn, town.installation)?;
            assert_eq!((ended.end_at, ended.end_value, ended.end_reading_id), (Some(at(60)), Some(Energy::new(7)), Some(last.id)));
            assert_eq!(installation::at(conn, town.meter, at(59))?, Some(ended));
            assert_eq!(installation::at(conn, town.meter, at(60))?, None);
            installation::insert(conn, &again)
        }).await.unwrap();
    }
}

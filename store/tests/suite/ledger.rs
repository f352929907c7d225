//! Money: the append-only ledger, settled days and vends.

use domain::{
    debt::Change,
    energy::Energy,
    ids::{AccountId, TransactionId, VendId},
    ledger::{self, LedgerAccount, Posting, Tender, TransactionKind},
    money::{Carry, Exact, Money},
};
use jiff::{
    Timestamp,
    civil::{Date, date},
};
use store::{
    Conn, Error, account, debt_line, ids, installation, meter, reprint, reversal, settled_day, settled_energy,
    transaction, vend,
};

use crate::support::{Town, at, found_town};

/// All that happened.
fn ever() -> std::ops::Range<Timestamp> {
    Timestamp::UNIX_EPOCH..Timestamp::MAX
}

/// Stores a charge of `amount` under a key; gives its row.
fn charge(conn: &mut Conn, town: Town, key: &str, amount: i64) -> store::Result<transaction::Transaction> {
    let row = transaction::Transaction {
        id: ids::next(conn, town.site)?,
        account_id: town.account,
        sequence: transaction::next_sequence(conn, town.account)?,
        kind: TransactionKind::Charge,
        key: key.to_owned(),
        object: "day:2026-03-31".to_owned(),
        at: at(0),
        cost_before: Some(Exact::ZERO),
        cost_after: Some(Exact::new(i128::from(i64::MAX) * 7)),
        carry_before: Some(Carry::ZERO),
        carry_after: Some(Carry::new(99)),
        balance_after: Money::new(-amount),
    };
    let postings: Vec<Posting> = ledger::charge(town.account, Money::new(amount)).into_iter().collect();
    transaction::insert(conn, &row, &postings)?;
    Ok(row)
}

fn sold(conn: &mut Conn, town: Town, key: &str, second: i64) -> store::Result<vend::Vend> {
    let posted = charge(conn, town, &format!("vend:{key}"), 1)?;
    let number = vend::next_receipt(conn, town.site, "T1")?;
    let row = vend::Vend {
        id: ids::next(conn, town.site)?,
        key: key.to_owned(),
        content_hash: "ab".to_owned(),
        account_id: town.account,
        transaction_id: posted.id,
        terminal: "T1".to_owned(),
        tender: Tender::Wechat,
        amount: Money::new(5000),
        tax: Money::new(575),
        balance_before: Money::ZERO,
        balance_after: Money::new(5000),
        receipt_number: format!("T1-{number}"),
        operator_key: "k7d2".to_owned(),
        created_at: at(second),
        receipt: "{}".to_owned(),
        shift_id: None,
    };
    vend::insert(conn, &row)?;
    Ok(row)
}

fn reversed(conn: &mut Conn, town: Town, sold: &vend::Vend) -> store::Result<reversal::Reversal> {
    let id = ids::next(conn, town.site)?;
    let posted = charge(conn, town, &format!("reversal:{id}"), 1)?;
    let number = vend::next_receipt(conn, town.site, "T1")?;
    let row = reversal::Reversal {
        id,
        vend_id: sold.id,
        account_id: town.account,
        transaction_id: posted.id,
        terminal: "T1".to_owned(),
        tender: sold.tender,
        amount: sold.amount,
        balance_before: Money::new(5000),
        balance_after: Money::ZERO,
        receipt_number: format!("T1-{number}"),
        operator_key: "k7d2".to_owned(),
        reason: Some("wrong account".to_owned()),
        created_at: at(30),
        receipt: "{}".to_owned(),
        shift_id: None,
    };
    reversal::insert(conn, &row)?;
    Ok(row)
}

fn settled(town: Town, by: TransactionId, day: Date, revision: i64, tenth_wh: i64) -> settled_day::SettledDay {
    settled_day::SettledDay {
        account_id: town.account,
        day,
        revision,
        end_value: Energy::new(tenth_wh),
        reading_id: town.first_reading,
        later_reading_id: None,
        energy: Energy::new(tenth_wh),
        block_window: day.first_of_month(),
        tariff_version: 1,
        transaction_id: by,
        installation_id: town.installation,
        period: domain::tariff::Period::Flat,
        cuts: Vec::new(),
        registers: Default::default(),
    }
}

on_both! {
    async fn a_transaction_happens_once_under_its_key(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let first = charge(conn, town, "day-1", 52)?;
            assert_eq!(transaction::by_id(conn, first.id)?, first);
            assert_eq!(transaction::by_key(conn, town.site, "day-1")?, Some(first.clone()));
            let again = conn.transaction(|conn| charge(conn, town, "day-1", 52));
            assert_eq!(again, Err(Error::Unique { constraint: "transactions_key".to_owned() }));
            let unlocked = transaction::Transaction { id: ids::next(conn, town.site)?, key: "x".to_owned(), ..first };
            assert_eq!(
                conn.transaction(|conn| transaction::insert(conn, &unlocked, &[])),
                Err(Error::Unique { constraint: "transactions_account_id_sequence".to_owned() })
            );
            Ok(())
        }).await.unwrap();
    }

    async fn transactions_and_postings_are_read_page_by_page(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let mut keys = Vec::new();
            for number in 0..5 {
                keys.push(charge(conn, town, &format!("day-{number}"), 10)?.key);
            }
            let forward = transaction::of_account(conn, town.account, 0, 3)?;
            let rest = transaction::of_account(conn, town.account, 3, 3)?;
            let all: Vec<_> = forward.iter().chain(&rest).map(|row| row.key.clone()).collect();
            assert_eq!(all, keys);
            let statement = transaction::statement(conn, town.account, None, 2)?;
            assert_eq!(statement.iter().map(|row| row.sequence).collect::<Vec<_>>(), [5, 4]);
            let older = transaction::statement(conn, town.account, Some(4), 9)?;
            assert_eq!(older.iter().map(|row| row.sequence).collect::<Vec<_>>(), [3, 2, 1]);

            let mut postings = Vec::new();
            let mut after = None;
            loop {
                let page = transaction::postings_page(conn, town.site, after, 2)?;
                let Some(last) = page.last() else { break };
                after = Some((last.transaction_id, last.line));
                postings.extend(page.iter().map(transaction::Entry::posting));
            }
            assert_eq!(ledger::balance_of(LedgerAccount::Balance(town.account), &postings), Money::new(-50));
            assert_eq!(ledger::balance_of(LedgerAccount::RevenueEnergy, &postings), Money::new(50));
            Ok(())
        }).await.unwrap();
    }

    async fn a_posting_moves_something_or_is_refused(base) {
        let town = base.town().await;
        let refused = base.run(move |conn| {
            let nothing = Posting { from: LedgerAccount::Opening, to: LedgerAccount::RevenueEnergy, amount: Money::ZERO };
            let row = transaction::Transaction { id: ids::next(conn, town.site)?, ..charge(conn, town, "a", 1)? };
            let row = transaction::Transaction { sequence: 2, key: "b".to_owned(), ..row };
            transaction::insert(conn, &row, &[nothing])
        }).await;
        assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
    }

    async fn what_was_posted_is_never_changed_or_deleted(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let row = sold(conn, town, "v-1", 0)?;
            reversed(conn, town, &row)?;
            let again = reprint::Reprint {
                vend_id: row.id,
                number: reprint::last(conn, row.id)? + 1,
                terminal: "till-1".to_owned(),
                operator_key: "k".to_owned(),
                created_at: at(0),
            };
            reprint::insert(conn, &again)?;
            assert_eq!((reprint::last(conn, row.id)?, reprint::of_vend(conn, row.id)?), (1, vec![again]));
            let entered = debt_line::DebtLine {
                id: ids::next(conn, town.site)?,
                account_id: town.account,
                transaction_id: row.transaction_id,
                change: Change::Entered,
                amount: Money::new(5),
                owed_after: Money::new(5),
                share_ppm: Some(1),
                weekly_cap: None,
                vend_id: None,
                reason: None,
                operator_key: "k".to_owned(),
                created_at: at(0),
            };
            debt_line::insert(conn, &entered)?;
            settled_day::insert_batch(conn, &[settled(town, row.transaction_id, date(2026, 3, 31), 1, 5)])
        }).await.unwrap();
        for table in ["transactions", "postings", "settled_days", "vends", "reversals", "debt_lines", "reprints"] {
            for statement in [format!("UPDATE {table} SET site_id = 1"), format!("DELETE FROM {table}")] {
                let refused = base.console(&statement).unwrap_err().to_string();
                assert!(refused.contains(&format!("{table} is append-only")), "{statement}: {refused}");
            }
        }
        assert_eq!(base.run(move |conn| vend::page(conn, town.site, ever(), None, 9)).await.unwrap().len(), 1);
    }

    async fn the_newest_revision_of_a_day_counts(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let by = charge(conn, town, "days", 1)?.id;
            let days = [
                settled(town, by, date(2026, 3, 30), 1, 100),
                settled(town, by, date(2026, 3, 31), 1, 200),
                settled(town, by, date(2026, 4, 1), 1, 400),
                settled(town, by, date(2026, 3, 31), 2, 250),
            ];
            settled_day::insert_batch(conn, &days)?;
            let current = settled_day::current(conn, town.account, None)?;
            let [first, second, third, correction] = &days;
            assert_eq!(current, [first.clone(), correction.clone(), third.clone()]);
            let since = settled_day::current(conn, town.account, Some(date(2026, 4, 1)))?;
            assert_eq!(since, std::slice::from_ref(third));
            assert_eq!(settled_day::last(conn, town.account, town.installation)?, Some(third.clone()));
            assert_eq!(settled_day::history(conn, town.account, None)?.len(), 4);
            let twice = conn.transaction(|conn| settled_day::insert_batch(conn, std::slice::from_ref(second)));
            assert!(matches!(twice, Err(Error::Unique { .. })), "{twice:?}");
            Ok(())
        }).await.unwrap();
    }

    async fn an_upgrade_sums_up_what_was_settled_before_it(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let by = charge(conn, town, "days", 1)?.id;
            settled_day::insert_batch(conn, &[
                settled(town, by, date(2026, 3, 30), 1, 100),
                settled(town, by, date(2026, 3, 31), 1, 200),
                settled(town, by, date(2026, 3, 31), 2, 250),
                settled(town, by, date(2026, 4, 1), 1, 400),
            ])
        }).await.unwrap();
        base.console(
            "DROP TABLE settled_energies; ALTER TABLE settled_days DROP COLUMN period; \
             ALTER TABLE settled_days DROP COLUMN cuts; \
             DELETE FROM __diesel_schema_migrations WHERE version = '0010'",
        ).unwrap();
        assert_eq!(base.db.migrate().await, Ok(()));
        base.run(move |conn| {
            let sums = |conn: &mut Conn, from| settled_energy::since(conn, town.account, from);
            let of = |month, energy| ((date(2026, month, 1), 1, domain::tariff::Period::Flat), Energy::new(energy));
            assert_eq!(sums(conn, None)?, [of(3, 350), of(4, 400)].into_iter().collect());
            assert_eq!(sums(conn, Some(date(2026, 4, 1)))?, [of(4, 400)].into_iter().collect());
            settled_energy::keep(conn, town.account, [of(4, 500), of(5, 7)])?;
            assert_eq!(sums(conn, None)?, [of(3, 350), of(4, 500), of(5, 7)].into_iter().collect());
            let day = settled_day::last(conn, town.account, town.installation)?.unwrap();
            assert_eq!((day.period, day.cuts), (domain::tariff::Period::Flat, Vec::new()));
            Ok(())
        }).await.unwrap();
    }

    async fn an_account_is_behind_once_a_reading_after_an_unsettled_midnight_is_known(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let day = date(2026, 3, 31);
            let behind = |conn: &mut Conn, after| installation::behind(conn, town.site, day, at(100), after, 9);
            assert_eq!(behind(conn, None)?, []);
            meter::record_good(conn, town.meter, at(99), at(200))?;
            assert_eq!(behind(conn, None)?, []);
            meter::record_good(conn, town.meter, at(100), at(200))?;
            assert_eq!(behind(conn, None)?, [town.account]);
            assert_eq!(behind(conn, Some(town.account))?, []);
            let by = charge(conn, town, "day", 1)?.id;
            settled_day::insert_batch(conn, &[settled(town, by, day, 1, 5)])?;
            assert_eq!(behind(conn, None)?, []);
            Ok(())
        }).await.unwrap();
    }

    async fn a_vend_is_found_by_key_terminal_account_and_time(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let first = sold(conn, town, "v-1", 10)?;
            let second = sold(conn, town, "v-2", 20)?;
            assert_eq!(vend::by_key(conn, town.site, "v-1")?, Some(first.clone()));
            assert_eq!(vend::by_key(conn, town.site, "v-3")?, None);
            assert_eq!(vend::by_id(conn, first.id)?, first);
            assert_eq!(vend::last_of_terminal(conn, town.site, "T1")?, Some(second.clone()));
            assert_eq!(vend::last_of_terminal(conn, town.site, "T2")?, None);
            assert_eq!(vend::page(conn, town.site, ever(), None, 1)?, std::slice::from_ref(&second));
            let before = Some((second.created_at, second.id));
            assert_eq!(vend::page(conn, town.site, ever(), before, 9)?, std::slice::from_ref(&first));
            assert_eq!(vend::of_account(conn, town.account, before, 9)?, [first]);
            assert_eq!(vend::sold_by(conn, town.site, "k7d2", at(0))?, Money::new(10_000));
            assert_eq!(vend::sold_by(conn, town.site, "k7d2", at(11))?, Money::new(5000));
            assert_eq!(vend::sold_by(conn, town.site, "other", at(0))?, Money::ZERO);
            let nobody = VendId::new(town.site, 1 << 40).unwrap();
            assert_eq!(vend::by_id(conn, nobody), Err(Error::NotFound { noun: "vend" }));
            Ok(())
        }).await.unwrap();
    }

    async fn a_vend_is_reversed_once_and_counts_no_longer_as_sold(base) {
        let town = base.town().await;
        base.run(move |conn| {
            let (first, second) = (sold(conn, town, "v-1", 10)?, sold(conn, town, "v-2", 20)?);
            assert_eq!(reversal::of_vend(conn, first.id)?, None);
            let row = reversed(conn, town, &first)?;
            assert_eq!(row.receipt_number, "T1-3", "receipts of vends and reversals have one counter");
            assert_eq!(reversal::of_vend(conn, first.id)?, Some(row.clone()));
            assert_eq!(reversal::of_vend(conn, second.id)?, None);
            assert_eq!(reversal::of_account(conn, town.account)?, [row]);
            assert_eq!(vend::sold_by(conn, town.site, "k7d2", at(0))?, Money::new(5000));
            let twice = conn.transaction(|conn| reversed(conn, town, &first));
            assert_eq!(twice, Err(Error::Unique { constraint: "reversals_vend_id".to_owned() }));
            Ok(())
        }).await.unwrap();
    }

    async fn sixty_four_vends_at_once_on_one_key_are_one(base) {
        let town = base.town().await;
        let all: Vec<_> = (0..64).map(|_| {
            let db = base.db.clone();
            tokio::spawn(async move {
                db.write(move |conn| {
                    account::lock(conn, town.account)?;
                    match vend::by_key(conn, town.site, "v-1")? {
                        Some(row) => Ok(row),
                        None => sold(conn, town, "v-1", 0),
                    }
                }).await
            })
        }).collect();
        let mut receipts = std::collections::BTreeSet::new();
        for one in all {
            receipts.insert(one.await.unwrap().unwrap().receipt_number);
        }
        assert_eq!(receipts, ["T1-1".to_owned()].into());
        assert_eq!(base.run(move |conn| vend::page(conn, town.site, ever(), None, 99)).await.unwrap().len(), 1);
    }

    async fn receipts_are_numbered_without_gaps_although_vends_fail(base) {
        let town = base.town().await;
        let next = |fails: bool| base.run(move |conn| {
            let number = vend::next_receipt(conn, town.site, "T1")?;
            if fails { Err(Error::Stale) } else { Ok(number) }
        });
        assert_eq!(next(false).await, Ok(1));
        assert_eq!(next(true).await, Err(Error::Stale));
        assert_eq!(next(false).await, Ok(2));
    }

    async fn another_sites_rows_are_not_in_the_way(base) {
        base.run(|conn| {
            let (one, two) = (found_town(conn, 1)?, found_town(conn, 2)?);
            sold(conn, one, "v-1", 0)?;
            sold(conn, two, "v-1", 0)?;
            assert_eq!(vend::next_receipt(conn, two.site, "T1")?, 2);
            let nobody = AccountId::new(two.site, one.account.get() & 0xff_ffff).unwrap();
            assert_eq!(transaction::of_account(conn, nobody, 0, 9)?.len(), usize::from(nobody == two.account));
            assert_eq!(vend::page(conn, one.site, ever(), None, 9)?.len(), 1);
            Ok(())
        }).await.unwrap();
    }
}

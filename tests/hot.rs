//! Hot balances in the process and in a real Redis: the same list for both.

use std::{
    collections::BTreeMap,
    env,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use domain::{
    charge::Usage,
    energy::Energy,
    ids::{AccountId, MeterId, SiteId, TariffId},
    money::{Carry, Money},
    tariff::{Period, TariffChange},
};
use jiff::Timestamp;
use proptest::prelude::*;
use wattgate::hot::{AccountPart, HotBalances, HotSettings, MeterPart, Snapshot, Update, open};

fn in_process() -> Arc<dyn HotBalances> {
    open(&HotSettings::InProcess).unwrap()
}

fn redis() -> Arc<dyn HotBalances> {
    let url = env::var("WATTGATE_TEST_REDIS").expect("WATTGATE_TEST_REDIS is not set: run scripts/test");
    open(&HotSettings::Redis { url, timeout_ms: 2000 }).unwrap()
}

fn site() -> SiteId {
    SiteId::new(1).unwrap()
}

/// An account that no other test of this or an earlier run uses.
fn account(nth: i64) -> AccountId {
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    AccountId::new(site(), i64::try_from(run % (1 << 40)).unwrap() + nth).unwrap()
}

fn meter(nth: i64) -> MeterId {
    MeterId::new(site(), nth).unwrap()
}

fn ledger(version: i64) -> AccountPart {
    AccountPart {
        version,
        posted: Money::new(version * 100),
        carry: Carry::ZERO,
        settled: Usage::none(),
        tariff: TariffId::new(site(), 7).unwrap(),
        changes: vec![TariffChange {
            place: 1,
            from: jiff::civil::date(2026, 12, 1),
            tariff: TariffId::new(site(), 8).unwrap(),
        }],
    }
}

fn part(position: i64, second: i64) -> MeterPart {
    let key = (jiff::civil::date(2026, 11, 1), 1, Period::Peak);
    MeterPart {
        position,
        as_of: Timestamp::from_second(1_800_000_000 + second).unwrap(),
        unsettled: [(key, Energy::new(position * 1000 + second))].into_iter().collect(),
    }
}

async fn parts_only_move_forward(hot: Arc<dyn HotBalances>, account: AccountId) {
    let put = |ledger: Option<AccountPart>, meters: Vec<(MeterId, MeterPart)>| {
        let hot = hot.clone();
        async move { hot.put(Update { account, ledger, meters }).await.unwrap() }
    };
    put(Some(ledger(5)), vec![(meter(1), part(5, 10))]).await;
    put(Some(ledger(4)), vec![(meter(1), part(5, 9)), (meter(2), part(5, 1))]).await;
    let after = put(None, vec![(meter(1), part(4, 99))]).await;
    let meters = BTreeMap::from([(meter(1), part(5, 10)), (meter(2), part(5, 1))]);
    assert_eq!(after, Snapshot { account: Some(ledger(5)), meters });
    assert_eq!(hot.get(account).await.unwrap(), after);
    let after = put(Some(ledger(6)), vec![(meter(1), part(6, 2))]).await;
    assert_eq!((after.account, after.meters.get(&meter(1))), (Some(ledger(6)), Some(&part(6, 2))));
    hot.forget(account).await.unwrap();
    assert_eq!(hot.get(account).await.unwrap(), Snapshot::default());
    let wiped = put(None, vec![(meter(1), part(6, 3))]).await;
    assert_eq!(wiped.account, None, "what was wiped is missed, not made up");
}

#[actix::test]
async fn parts_only_move_forward_in_process() {
    parts_only_move_forward(in_process(), account(0)).await;
}

#[actix::test]
async fn parts_only_move_forward_in_redis() {
    parts_only_move_forward(redis(), account(1)).await;
}

#[actix::test]
async fn a_redis_that_is_not_there_is_an_error_and_not_a_hang() {
    let nobody = HotSettings::Redis { url: "redis://127.0.0.1:1/".to_owned(), timeout_ms: 200 };
    assert!(open(&nobody).unwrap().get(account(2)).await.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_order_of_updates_ends_the_same(
        updates in proptest::collection::vec((1..4_i64, 1..3_i64, 0..6_i64), 1..12),
        seed in any::<u64>(),
    ) {
        let end = |updates: &[(i64, i64, i64)], account: AccountId| {
            let hot = in_process();
            futures_util::FutureExt::now_or_never(async {
                for (version, nth, second) in updates {
                    let meters = vec![(meter(*nth), part(*version, *second))];
                    hot.put(Update { account, ledger: Some(ledger(*version)), meters }).await.unwrap();
                }
                hot.get(account).await.unwrap()
            })
        };
        let mut shuffled = updates.clone();
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        prop_assert_eq!(end(&updates, account(3)), end(&shuffled, account(3)));
    }
}

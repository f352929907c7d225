//! Redis flushed, hung, killed, restarted empty and restarted with old balances, under load (F4): vending goes on, what
//! REST shows is what the rows say, and the hot balances never run ahead of the rows and find back to them.

use std::{cell::Cell, net::SocketAddr, sync::Arc};

use domain::ids::AccountId;
use futures_util::future::{join, join_all};
use serde_json::Value;
use wattgate::hot::{self, HotBalances, HotSettings, Snapshot, Update};

use super::{Config, Counter, Serving, Street, kill_at_its_point, rounds, serve_to, servers};
use crate::{
    process::peer::Peer,
    support::{Database, Rest, SOON, eventually, play},
};

const COUNTERS: usize = 3;
/// Milliseconds that the head end waits for Redis.
const PATIENCE_MS: u64 = 300;

#[test]
fn vending_goes_on_whatever_becomes_of_redis() {
    play(Database::sqlite(), async |database| {
        let redis = servers::Redis::start().await;
        let config = configured(&database, &redis);
        let serving = config.serve().await;
        let mut street = Street::enter(&config, &serving, COUNTERS).await;
        let load = Load::new(&street, &serving, &redis);
        let at = serving.rest;
        let first = street.counters[0].account().to_owned();
        let selling = join_all(street.counters.iter_mut().map(|counter| load.sell(counter, at)));
        let (_, (_redis, old)) = join(selling, load.torment(redis, &first)).await;

        for counter in &mut street.counters {
            assert_eq!(counter.sell(at).await, Some(201));
            load.agrees(counter).await;
        }
        // Late writers with what was true long ago change nothing.
        let account = account(&first);
        let now = load.hot.get(account).await.unwrap();
        assert!(version(&old) < version(&now), "{old:?} {now:?}");
        let late = Update { account, ledger: old.account, meters: old.meters.into_iter().collect() };
        assert_eq!(load.hot.put(late).await.unwrap(), now);
        assert_eq!(street.differences(&config, serving).await, Vec::<String>::new());
    });
}

#[test]
fn balances_that_redis_has_from_long_ago_find_back_with_the_next_readings() {
    play(Database::sqlite(), async |database| {
        let mut redis = servers::Redis::start().await;
        let config = configured(&database, &redis);
        let serving = config.serve().await;
        let mut street = Street::enter(&config, &serving, COUNTERS).await;
        let load = Load::new(&street, &serving, &redis);
        redis.save();
        for counter in &mut street.counters {
            assert_eq!(counter.sell(serving.rest).await, Some(201));
            load.agrees(counter).await;
        }
        redis.kill();
        redis.start_again().await;
        // From here on nobody pays: only readings come.
        let meters: Vec<String> = (1..=COUNTERS).map(|nth| format!("2026{nth:08}=12.5")).collect();
        let mut peer = Peer::dial(serving.concentrators, &["--meters", &meters.join(",")]);
        peer.event("it is polled", |event| event["fn"] == 129).await;
        for counter in &street.counters {
            load.agrees(counter).await;
        }
        assert_eq!(street.differences(&config, serving).await, Vec::<String>::new());
    });
}

#[test]
fn redis_is_told_of_a_vend_after_its_commit_only() {
    play(Database::sqlite(), async |database| {
        let redis = servers::Redis::start().await;
        let config = configured(&database, &redis);
        let serving = config.serve().await;
        let mut street = Street::enter(&config, &serving, 1).await;
        let hot = Load::new(&street, &serving, &redis).hot;
        serving.stop().await;
        let id = account(street.counters[0].account());
        let posted = async || hot.get(id).await.unwrap().account.map(|part| part.posted.get());
        for (point, first_answer) in [("vend.posted", 201), ("vend.written", 201), ("vend.committed", 200)] {
            let serving = serve_to(&config, point).await;
            let (before, counter) = (posted().await, &mut street.counters[0]);
            let (key, body) = counter.next();
            let (answer, ()) = join(counter.ask(serving.rest, &key, &body), kill_at_its_point(serving, point)).await;
            assert_eq!(answer, None, "the answer is lost at {point}");
            assert_eq!((posted().await, before.is_some()), (before, true), "nothing was told at {point}");

            let serving = config.serve().await;
            assert_eq!(counter.sell(serving.rest).await, Some(first_answer), "asked again after {point}");
            Load::new(&street, &serving, &redis).agrees(&street.counters[0]).await;
            serving.stop().await;
        }
    });
}

/// A head end with its hot balances in this Redis, which polls at short intervals.
fn configured(database: &Database, redis: &servers::Redis) -> Config {
    let free = "http.bind = \"127.0.0.1:0\"\nlisten.qgdw376 = \"127.0.0.1:0\"";
    let often = "policy.polling.slot = \"1s\"\npolicy.polling.silent_cap = \"1s\"";
    let hot = format!("hot = {{ kind = \"redis\", url = \"{}\", timeout_ms = {PATIENCE_MS} }}", redis.url());
    Config::new(&format!("{free}\n{often}\n{hot}\ndatabase.url = \"{}\"", database.url()))
}

/// Counters that sell all the time, and what they look at.
struct Load {
    rest: Rest,
    hot: Arc<dyn HotBalances>,
    sold: Cell<usize>,
    over: Cell<bool>,
}

impl Load {
    fn new(street: &Street, serving: &Serving, redis: &servers::Redis) -> Self {
        let settings = HotSettings::Redis { url: redis.url(), timeout_ms: PATIENCE_MS };
        let (rest, hot) = (street.rest(serving), hot::open(&settings).unwrap());
        Self { rest, hot, sold: Cell::new(0), over: Cell::new(false) }
    }

    /// Sells until all is over; each vend is made at once, and its balance is that of the rows.
    async fn sell(&self, counter: &mut Counter, at: SocketAddr) {
        while !self.over.get() {
            assert_eq!(counter.sell(at).await, Some(201));
            self.sold.set(self.sold.get() + 1);
            // Read first: the rows may be ahead of it, never the other way round.
            let hot = self.hot.get(account(counter.account())).await.ok();
            let rows = self.balance(counter).await;
            assert_eq!(rows["posted"], counter.paid());
            assert!(hot.is_none_or(|hot| version(&hot) <= rows["version"].as_i64()), "{rows}");
        }
    }

    /// Everything that can happen to Redis, with some vends after each; what an account's hot balance was at first.
    async fn torment(&self, mut redis: servers::Redis, first: &str) -> (servers::Redis, Snapshot) {
        self.more_vends().await;
        let old = self.hot.get(account(first)).await.unwrap();
        for _ in 0..rounds(1) {
            for _ in 0..5 {
                redis.flush();
                self.more_vends().await;
            }
            redis.hang(true);
            self.more_vends().await;
            redis.hang(false);
            self.more_vends().await;

            redis.kill();
            self.more_vends().await;
            redis.start_again().await;
            self.more_vends().await;

            redis.save();
            self.more_vends().await;
            redis.kill();
            self.more_vends().await;
            redis.start_again().await;
            self.more_vends().await;
        }
        self.over.set(true);
        (redis, old)
    }

    async fn more_vends(&self) {
        let wanted = self.sold.get() + 2 * COUNTERS;
        eventually(SOON, "vending goes on", async || (self.sold.get() >= wanted).then_some(())).await;
    }

    async fn balance(&self, counter: &Counter) -> Value {
        self.rest.get(&format!("/accounts/{}/balance", counter.account())).await
    }

    /// Waits until a hot balance holds the money that the rows hold. A version that moved on without money may be missed.
    async fn agrees(&self, counter: &Counter) {
        eventually(SOON, "the hot balance is that of the rows", async || {
            let hot = self.hot.get(account(counter.account())).await.ok()?.account?;
            let rows = self.balance(counter).await;
            (rows["posted"] == hot.posted.get() && Some(hot.version) <= rows["version"].as_i64()).then_some(())
        })
        .await;
    }
}

fn account(id: &str) -> AccountId {
    id.parse().unwrap()
}

fn version(hot: &Snapshot) -> Option<i64> {
    hot.account.as_ref().map(|part| part.version)
}

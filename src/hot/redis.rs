//! Hot balances in Redis: one hash per account, changed by one script that compares versions first.

use std::time::Duration;

use ::redis::{Client, RedisError, Script, aio::ConnectionManager, aio::ConnectionManagerConfig};
use domain::ids::{AccountId, MeterId};
use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::{HotBalances, HotError, Snapshot, Update};

/// `KEYS[1]` the account's hash; `ARGV` is any number of groups of four: field, version high, version low, value. A group
/// whose version pair is older than the stored one is left out. Versions are below 2^53, exact in Lua's numbers.
/// Answers with the whole hash.
const PUT: &str = r"
for i = 1, #ARGV, 4 do
  local field, high, low = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local held = redis.call('HGET', KEYS[1], 'v:' .. field)
  local newer = true
  if held then
    local h, l = string.match(held, '(%-?%d+):(%-?%d+)')
    h, l = tonumber(h), tonumber(l)
    newer = high > h or (high == h and low >= l)
  end
  if newer then
    redis.call('HSET', KEYS[1], field, ARGV[i + 3], 'v:' .. field, ARGV[i + 1] .. ':' .. ARGV[i + 2])
  end
end
return redis.call('HGETALL', KEYS[1])
";
const LEDGER: &str = "ledger";

/// Balances in Redis. It may be wiped, killed or restarted at any moment.
pub struct Redis {
    client: Client,
    timeout: Duration,
    connection: OnceCell<ConnectionManager>,
    put: Script,
}

impl Redis {
    /// Names the server without asking it yet.
    ///
    /// # Errors
    /// A malformed address.
    pub fn open(url: &str, timeout_ms: u64) -> Result<Self, HotError> {
        let client = Client::open(url).map_err(failed)?;
        Ok(Self {
            client,
            timeout: Duration::from_millis(timeout_ms),
            connection: OnceCell::new(),
            put: Script::new(PUT),
        })
    }

    async fn connection(&self) -> Result<ConnectionManager, HotError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_number_of_retries(1);
        let connect = || async { self.client.get_connection_manager_with_config(config).await.map_err(failed) };
        self.connection.get_or_try_init(connect).await.cloned()
    }
}

fn failed(error: RedisError) -> HotError {
    HotError(error.to_string())
}

/// The hash tag keeps all of an account's keys on one node of a cluster.
fn key(account: AccountId) -> String {
    format!("wattgate:{{{account}}}")
}

fn parse(hash: Vec<(String, String)>) -> Result<Snapshot, HotError> {
    let mut snapshot = Snapshot::default();
    let bad = |error: serde_json::Error| HotError(format!("a stored part does not parse: {error}"));
    for (field, value) in hash {
        if field == LEDGER {
            snapshot.account = Some(serde_json::from_str(&value).map_err(bad)?);
        } else if let Some(meter) = field.strip_prefix("m:").and_then(|id| id.parse::<MeterId>().ok()) {
            snapshot.meters.insert(meter, serde_json::from_str(&value).map_err(bad)?);
        }
    }
    Ok(snapshot)
}

impl HotBalances for Redis {
    fn put(&self, update: Update) -> BoxFuture<'_, Result<Snapshot, HotError>> {
        Box::pin(async move {
            let json = |error: serde_json::Error| HotError(error.to_string());
            let mut call = self.put.key(key(update.account));
            if let Some(part) = &update.ledger {
                call.arg(LEDGER).arg(part.version).arg(0).arg(serde_json::to_string(part).map_err(json)?);
            }
            for (meter, part) in &update.meters {
                call.arg(format!("m:{meter}")).arg(part.position).arg(part.as_of.as_microsecond());
                call.arg(serde_json::to_string(part).map_err(json)?);
            }
            let mut connection = self.connection().await?;
            parse(call.invoke_async(&mut connection).await.map_err(failed)?)
        })
    }

    fn get(&self, account: AccountId) -> BoxFuture<'_, Result<Snapshot, HotError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            let hash = ::redis::cmd("HGETALL").arg(key(account)).query_async(&mut connection).await;
            parse(hash.map_err(failed)?)
        })
    }

    fn forget(&self, account: AccountId) -> BoxFuture<'_, Result<(), HotError>> {
        Box::pin(async move {
            let mut connection = self.connection().await?;
            ::redis::cmd("DEL").arg(key(account)).query_async(&mut connection).await.map_err(failed)
        })
    }
}

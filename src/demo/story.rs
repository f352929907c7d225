//! Telling the story on the terminal as it happens.

use std::time::Duration;

use domain::{
    ids::{AccountId, MeterId, OrderId, SiteId},
    notice,
    relay::{Action, order::State},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::site::{self, Entered};
use crate::{
    app::{App, Problem, Running},
    changes::Changed,
    operations::{Error, balance},
};

/// What the vend of the story brings, in fen.
const VEND: i64 = 2000;
/// Pause between two looks at what has no change to wait for.
const LOOK: Duration = Duration::from_millis(200);
/// Time between two looks at the hero's balance.
const BETWEEN_BALANCES: Duration = Duration::from_secs(2);
/// Longest wait for an answer of our own REST side.
const REST_LIMIT: Duration = Duration::from_secs(10);

/// One run of the story; its hero is the account with the least credit.
pub struct Story<'a> {
    app: &'a App,
    entered: &'a Entered,
    hero: AccountId,
    meter: MeterId,
    /// Whom the watcher may sell to without changing the story.
    other: AccountId,
    key: &'a str,
    url: String,
    began: Instant,
}

impl<'a> Story<'a> {
    /// A story of this site.
    pub fn new(head_end: &'a Running, entered: &'a Entered, key: &'a str) -> Result<Self, Problem> {
        let none = || Problem::Other("the simulated site has no meters".to_owned());
        let (hero, meter) = entered.accounts.first().copied().ok_or_else(none)?;
        let (other, _) = entered.accounts.last().copied().ok_or_else(none)?;
        let url = format!("http://{}", head_end.http);
        Ok(Self { app: &head_end.app, entered, hero, meter, other, key, url, began: Instant::now() })
    }

    /// Tells it; `true` once supply is back.
    ///
    /// # Errors
    /// A verb is refused, REST does not answer, or the database fails.
    pub async fn tell(&self) -> Result<bool, Problem> {
        self.say(&format!("REST at {}, API document at {}/docs", self.url, self.url));
        self.invite();
        self.until_read().await?;
        self.say("opening the accounts, each with a reading of its meter taken now");
        site::open_others(self.app, self.entered).await?;
        let mut changes = self.app.changes();
        site::open_first(self.app, self.entered).await?;
        self.say(&format!("{} accounts opened; the first has credit for seconds", self.entered.accounts.len()));
        let mut vended = None;
        let mut told = None;
        let mut last_balance = Instant::now();
        loop {
            let look = Instant::now() + LOOK;
            let Some(change) = self.next(&mut changes, look).await else {
                if vended.is_none() && last_balance.elapsed() > BETWEEN_BALANCES {
                    last_balance = Instant::now();
                    let balance = balance::get(self.app, self.hero).await?;
                    self.say(&format!("available {}", yuan(balance.available.get())));
                }
                continue;
            };
            match change {
                Changed::Notice { notice, account, kind } if account == self.hero => {
                    let row = self.app.db.read(move |conn| Ok::<_, Error>(store::notice::by_id(conn, notice)?)).await?;
                    if kind != notice::Kind::VendReceipt {
                        self.say(&format!("notice: {}", row.text_en));
                    }
                }
                Changed::Order { order } => {
                    let Some((action, state)) = self.of_hero(order).await? else { continue };
                    if told.replace((order, state)) == Some((order, state)) {
                        continue;
                    }
                    self.say(&format!("relay order {action}: {state}"));
                    match (action, state) {
                        (Action::Disconnect, State::Confirmed) if vended.is_none() => {
                            self.say("the relay was read: supply is cut");
                            vended = Some(self.vend().await?);
                        }
                        (Action::Reconnect, State::Confirmed) => {
                            let ms = vended.map_or(0, |at| at.elapsed().as_millis());
                            self.say(&format!("the relay was read: supply is back, {ms} ms after the vend"));
                            return Ok(true);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }

    /// What to try, for whoever watches.
    pub fn invite(&self) {
        let (url, key, hero) = (&self.url, self.key, self.hero);
        let bearer = format!("-H 'Authorization: Bearer {key}'");
        println!("\ntry:");
        println!("  curl -s {bearer} {url}/api/v1/accounts/{hero}/balance");
        println!("  curl -s {bearer} '{url}/api/v1/meters/{}/readings?limit=3'", self.meter);
        println!(
            "  curl -s {bearer} -H 'Idempotency-Key: my-first-vend' -H 'Content-Type: application/json' \\\n    \
             -d '{}' {url}/api/v1/vends\n",
            Self::vend_body(self.other, "counter-2")
        );
    }

    /// Goes on telling, for all accounts.
    pub async fn go_on(&self) {
        let mut changes = self.app.changes();
        self.say("the site goes on; Ctrl-C ends it");
        while let Some(change) = changes.next().await {
            let Changed::Order { order } = change else { continue };
            let row = self.app.db.read(move |conn| Ok::<_, Error>(store::relay_order::by_id(conn, order)?)).await;
            if let Ok(row) = row.as_ref()
                && row.state == State::Confirmed
            {
                self.say(&format!("meter {}: {} confirmed ({})", row.meter_id, row.action, row.why));
            }
        }
    }

    fn say(&self, what: &str) {
        println!("[{:>3}.{} s] {what}", self.began.elapsed().as_secs(), self.began.elapsed().subsec_millis() / 100);
    }

    /// The next change, or none when it is time to look by itself.
    async fn next(&self, changes: &mut crate::changes::Changes, look: Instant) -> Option<Changed> {
        tokio::time::timeout_at(look, changes.next()).await.ok().flatten()
    }

    /// Waits until every meter was proved to be the one we mean, and was read.
    async fn until_read(&self) -> Result<(), Problem> {
        let site = self.entered.site;
        let all = self.entered.accounts.len();
        let rows = i64::try_from(all).unwrap_or(i64::MAX);
        let mut before = usize::MAX;
        loop {
            let meters =
                self.app.db.read(move |conn| Ok::<_, Error>(store::meter::page(conn, site, None, rows)?)).await?;
            let read = meters.iter().filter(|meter| meter.last_good_as_of.is_some()).count();
            if read != before {
                before = read;
                self.say(&format!("{read} of {all} meters read"));
            }
            if read == all {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What an order does and how far it is, if it is the hero's.
    async fn of_hero(&self, order: OrderId) -> Result<Option<(Action, State)>, Problem> {
        let row = self.app.db.read(move |conn| Ok::<_, Error>(store::relay_order::by_id(conn, order)?)).await?;
        Ok((row.account_id == Some(self.hero)).then_some((row.action, row.state)))
    }

    fn vend_body(account: AccountId, terminal: &str) -> Value {
        json!({
            "account_id": account,
            "amount": VEND,
            "currency": "CNY",
            "tender": "cash",
            "terminal": terminal,
        })
    }

    /// Sells through REST, as a counter does.
    async fn vend(&self) -> Result<Instant, Problem> {
        let failed = |bad: &dyn std::fmt::Display| Problem::Other(format!("vend by REST: {bad}"));
        let began = Instant::now();
        let request = awc::Client::default()
            .post(format!("{}/api/v1/vends", self.url))
            .timeout(REST_LIMIT)
            .insert_header(("Authorization", format!("Bearer {}", self.key)))
            .insert_header(("Idempotency-Key", format!("demo-{}", self.hero)));
        let mut response =
            request.send_json(&Self::vend_body(self.hero, "counter-1")).await.map_err(|bad| failed(&bad))?;
        let receipt: Value = response.json().await.map_err(|bad| failed(&bad))?;
        if !response.status().is_success() {
            return Err(failed(&receipt));
        }
        let number = receipt.get("receipt_number").and_then(Value::as_str).unwrap_or_default();
        self.say(&format!("vend of {} by REST, receipt {number}", yuan(VEND)));
        Ok(began)
    }
}

fn yuan(fen: i64) -> String {
    format!("{} CNY", domain::money::format_decimal(fen, 2))
}

/// The story as its database tells it.
///
/// # Errors
/// The database fails.
pub async fn counted(app: &App, site: SiteId) -> Result<Value, Problem> {
    let story = app.db.read(move |conn| Ok::<_, Error>(store::story::count(conn, site)?)).await?;
    let restore = story.restore.map(|delay| delay.as_millis());
    let seconds = restore.and_then(|ms| i64::try_from(ms).ok()).map(|ms| domain::money::format_decimal(ms, 3));
    Ok(json!({
        "readings": story.readings,
        "notices": story.notices,
        "disconnects_confirmed": story.disconnects_confirmed,
        "vends": story.vends,
        "reconnects_confirmed": story.reconnects_confirmed,
        "restore_seconds": seconds.and_then(|text| text.parse::<serde_json::Number>().ok()),
    }))
}

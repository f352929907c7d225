//! A simulated site that is entered by REST and dials in over TCP, with its customers.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::ids::{AccountId, ConcentratorId, MeterId, SiteId};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use simulator::site::{ConcentratorHandle, MeterHandle, Running, Site, SiteSpec};
use tokio::net::TcpStream;

use super::{HeadEnd, Rest, SOON, eventually};

/// 40 CNY per kWh: with the load below about 70 fen a second.
pub const FEN_PER_KWH: i64 = 4000;
/// Nominal load of each meter in W.
const LOAD_W: u16 = 60_000;

/// Where it is 1 p.m. now, and so far from midnight: no test sees a day end unless it means to.
fn zone() -> (String, TimeZone) {
    let hours_ahead = 13 - Timestamp::now().to_zoned(TimeZone::UTC).hour();
    // POSIX counts the hours behind.
    let name = format!("Etc/GMT{:+}", -hours_ahead);
    let zone = TimeZone::get(&name).unwrap();
    (name, zone)
}

/// A concentrator of the court.
pub struct Concentrator {
    /// As the head end knows it.
    pub id: ConcentratorId,
    /// Its fate.
    pub fate: ConcentratorHandle,
}

/// A meter of the court with its customer, whose account is not open at first.
pub struct Supply {
    /// The meter as the head end knows it.
    pub meter: MeterId,
    /// Which of the court's concentrators it is behind.
    pub concentrator: ConcentratorId,
    /// The customer's account.
    pub account: AccountId,
    /// The meter itself.
    pub truth: MeterHandle,
}

/// A site of simulated concentrators and meters.
pub struct Court {
    /// The site as the head end knows it.
    pub site: SiteId,
    /// Its concentrators.
    pub concentrators: Vec<Concentrator>,
    /// Its meters, those of the first concentrator first.
    pub supplies: Vec<Supply>,
    dial_to: Arc<Mutex<SocketAddr>>,
    _running: Running,
}

impl Court {
    /// Enters one concentrator with this many meters, which dials in at once.
    pub async fn enter(head_end: &HeadEnd, meters: u16) -> Self {
        Self::enter_with(head_end, "dlt645_direct", |spec| spec.meters = meters).await
    }

    /// Enters a site that `change` made, with meters of this profile.
    pub async fn enter_with(head_end: &HeadEnd, profile: &str, change: impl FnOnce(&mut SiteSpec)) -> Self {
        let (zone_name, zone) = zone();
        let password = head_end.app.settings.meter_profile(profile).unwrap().wire.relay_password;
        let mut spec = SiteSpec::small(1, zone, password);
        (spec.concentrators, spec.meters, spec.load_w) = (1, 1, LOAD_W);
        spec.settings.answer_delay = SignedDuration::from_millis(5);
        spec.settings.meter_delay = SignedDuration::from_millis(20);
        spec.settings.confirm_timeout = SignedDuration::from_secs(3);
        spec.modem.redial_min = Duration::from_millis(100);
        spec.modem.redial_max = Duration::from_millis(500);
        change(&mut spec);
        let simulated = Site::new(&spec, Arc::new(Timestamp::now)).unwrap();
        let (site, concentrators, supplies) = register(&head_end.rest, &zone_name, &simulated, profile).await;
        let dial_to = Arc::new(Mutex::new(head_end.concentrators));
        let dialled = Arc::clone(&dial_to);
        let running = simulated.run_with(move |_| {
            let to = *dialled.lock().unwrap_or_else(PoisonError::into_inner);
            TcpStream::connect(to)
        });
        Self { site, concentrators, supplies, dial_to, _running: running }
    }

    /// The concentrators dial this head end from their next attempt on.
    pub fn dial(&self, head_end: &HeadEnd) {
        *self.dial_to.lock().unwrap_or_else(PoisonError::into_inner) = head_end.concentrators;
    }

    /// What the site's standing alarms are about: kind and object.
    pub async fn alarms(&self, rest: &Rest) -> Vec<(String, String)> {
        let page = rest.get(&format!("/alarms?site_id={}&standing=true&limit=100", self.site)).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let alarms = page["items"].as_array().unwrap();
        alarms.iter().map(|alarm| (text(&alarm["kind"]), text(&alarm["object"]))).collect()
    }

    /// Waits until each meter was proved to be the one we mean.
    pub async fn verified(&self, rest: &Rest) {
        for supply in &self.supplies {
            eventually(SOON, "the meter is the one we mean", async || {
                (supply.shown(rest).await["identity"] == "verified").then_some(())
            })
            .await;
        }
    }

    /// Waits until each meter was proved to be the one we mean, and polled.
    pub async fn read(&self, rest: &Rest) {
        self.verified(rest).await;
        for supply in &self.supplies {
            eventually(SOON, "the meter is polled", async || {
                (!supply.shown(rest).await["last_good_as_of"].is_null()).then_some(())
            })
            .await;
        }
    }
}

impl Supply {
    /// Opens the account with a reading taken now and this credit, in fen.
    pub async fn open(&self, rest: &Rest, credit: i64) {
        let opening = json!({ "meter_id": self.meter, "opening_credit": credit });
        let path = format!("/accounts/{}/open", self.account);
        rest.post_once(&path, &format!("open-{}", self.account), &opening).await.ok();
    }

    /// The meter as REST shows it.
    pub async fn shown(&self, rest: &Rest) -> Value {
        rest.get(&format!("/meters/{}", self.meter)).await
    }

    /// The account's balance.
    pub async fn balance(&self, rest: &Rest) -> Value {
        rest.get(&format!("/accounts/{}/balance", self.account)).await
    }

    /// What a counter sends to sell so many fen.
    pub fn sale(&self, fen: i64) -> Value {
        json!({
            "account_id": self.account,
            "amount": fen,
            "currency": "CNY",
            "tender": "cash",
            "terminal": "counter-1",
        })
    }

    /// Sells so many fen, once per key.
    pub async fn vend(&self, rest: &Rest, key: &str, fen: i64) -> Value {
        rest.post_once("/vends", key, &self.sale(fen)).await.ok()
    }

    /// The meter's relay orders, the oldest first.
    pub async fn orders(&self, rest: &Rest) -> Vec<Value> {
        let page = rest.get(&format!("/meters/{}/relay_orders?limit=100", self.meter)).await;
        let mut orders = page["items"].as_array().unwrap().clone();
        orders.reverse();
        orders
    }

    /// Waits until the newest order is this one, confirmed, and returns it.
    pub async fn confirmed(&self, rest: &Rest, action: &str) -> Value {
        eventually(SOON, &format!("{action} confirmed"), async || {
            let newest = self.orders(rest).await.pop()?;
            (newest["action"] == action && newest["state"] == "confirmed").then_some(newest)
        })
        .await
    }

    /// Opens the account with next to nothing and waits until supply is cut. Returns the order.
    pub async fn run_out(&self, rest: &Rest) -> Value {
        self.open(rest, 60).await;
        self.confirmed(rest, "disconnect").await
    }

    /// The readings from an instant on, the oldest first.
    pub async fn readings(&self, rest: &Rest, from: Timestamp) -> Vec<Value> {
        let page = rest.get(&format!("/meters/{}/readings?from={from}&limit=500", self.meter)).await;
        let mut readings = page["items"].as_array().unwrap().clone();
        readings.sort_by_key(|reading| time(&reading["as_of"]));
        readings
    }

    /// Waits for so many further readings, and returns them.
    pub async fn polled(&self, rest: &Rest, rows: usize) -> Vec<Value> {
        let from = Timestamp::now();
        eventually(SOON, "further readings", async || {
            let readings = self.readings(rest, from).await;
            (readings.len() >= rows).then_some(readings)
        })
        .await
    }
}

/// An instant as REST writes it.
pub fn time(shown: &Value) -> Timestamp {
    shown.as_str().unwrap().parse().unwrap()
}

/// Enters what the simulated site lists, as an installer does, with a customer and an account for each meter.
async fn register(
    rest: &Rest,
    zone: &str,
    simulated: &Site,
    profile: &str,
) -> (SiteId, Vec<Concentrator>, Vec<Supply>) {
    let id = |entered: Value| entered["id"].as_str().unwrap().to_owned();
    let site = id(rest.post("/sites", &json!({ "name": "Test Court", "time_zone": zone })).await);
    let tariff = json!({ "site_id": site, "name": "dear", "blocks": [{ "price": format!("{}", FEN_PER_KWH / 100) }] });
    let tariff = id(rest.post("/tariffs", &tariff).await);
    let (mut concentrators, mut supplies) = (Vec::new(), Vec::new());
    for listing in simulated.concentrators() {
        let terminal = listing.address.terminal;
        let concentrator = id(rest
            .post(
                "/concentrators",
                &json!({
                    "site_id": site,
                    "name": format!("Building {terminal}"),
                    "region": format!("{:04X}", listing.address.region),
                    "terminal": terminal,
                    "profile": "standard",
                }),
            )
            .await);
        for meter in &listing.meters {
            let name = format!("{terminal}-{}", meter.point);
            let entered = id(rest
                .post(
                    "/meters",
                    &json!({
                        "concentrator_id": concentrator,
                        "name": name,
                        "address": meter.address.to_string(),
                        "point": meter.point,
                        "profile": profile,
                    }),
                )
                .await);
            let customer = id(rest.post("/customers", &json!({ "site_id": site, "name": name })).await);
            let account = json!({ "customer_id": customer, "tariff_id": tariff, "number": name });
            let account = id(rest.post("/accounts", &account).await);
            supplies.push(Supply {
                meter: entered.parse().unwrap(),
                concentrator: concentrator.parse().unwrap(),
                account: account.parse().unwrap(),
                truth: simulated.meter(meter.address).unwrap(),
            });
        }
        concentrators.push(Concentrator {
            id: concentrator.parse().unwrap(),
            fate: simulated.concentrator(listing.address).unwrap(),
        });
    }
    (site.parse().unwrap(), concentrators, supplies)
}

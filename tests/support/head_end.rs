//! A head end in this process, on a thread of its own, that listens on free ports.

use std::{net::SocketAddr, thread};

use domain::ids::SiteId;
use jiff::Timestamp;
use store::api_key::Role;
use tokio::sync::oneshot;
use wattgate::{
    app::{self, App},
    keys, settings,
};

use super::{Database, Rest};

/// An ordinary program whose hours pass in milliseconds. Nobody's hours are friendly, so that every hour is alike.
const FAST: &str = r#"
[http]
bind = "127.0.0.1:0"
workers = 1
stop_s = 5

[listen]
qgdw376 = "127.0.0.1:0"

[jobs]
decide_ms = 100
notices_ms = 100
settle_s = 1

[fleet]
poll_spread_percent = 20
heartbeat_report_ms = 500
break_ms = 100
answer_deadline_ms = 2000
forward_margin_ms = 1000
retry_back_off_ms = 100
retry_back_off_max_ms = 500
due_scan_ms = 200
order_retry_ms = 200
check_retry_s = 1
restart_back_off_ms = 100

[policy.disconnection]
automatic = "on"
friendly_hours = []
protected_weekdays = []
seen_again_grace = "0s"
held_recheck = "1s"

[policy.credit]
warning_lead = "1s"

[policy.relay]
read_back_interval = "200ms"
customer_interval = "300ms"
retry_first = "200ms"
retry_cap = "1s"

[policy.polling]
slot = "500ms"
silent_cap = "1s"

# A meter that does not answer keeps its bus busy for this long.
[profiles.concentrator.standard]
order_forward_timeout_s = 1
poll_forward_timeout_s = 1

# The simulated meters pass more than any home's.
[profiles.meter.dlt645_direct]
maximum_power_w = 200000

[profiles.meter.dlt645_permit]
maximum_power_w = 200000
"#;

/// How a head end ends.
enum End {
    /// As SIGTERM ends it.
    InOrder,
    /// As a crash: what is under way is dropped where it stands.
    AtOnce,
}

/// A head end that listens. Dropped, it crashes.
pub struct HeadEnd {
    /// The program.
    pub app: App,
    /// Where concentrators dial in.
    pub concentrators: SocketAddr,
    /// Its REST side, by an administrator's key.
    pub rest: Rest,
    running: Option<(oneshot::Sender<End>, thread::JoinHandle<()>)>,
}

impl HeadEnd {
    /// Starts on this database.
    pub async fn start(database: &Database) -> Self {
        Self::start_with(database, "").await
    }

    /// Starts with further settings, which go over the fast ones; each table may stand in it once.
    pub async fn start_with(database: &Database, extra: &str) -> Self {
        let base = settings_file(&format!("{FAST}\n{}", database.toml()));
        let more = settings_file(extra);
        let both = config_of(&[base.as_str(), more.as_str()]);
        let (started, listening) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || run(both, started, ended));
        let (app, rest, concentrators) = listening.await.expect("the head end did not start");
        let key = keys::make(&app.db, "tests", Role::Admin, None, Timestamp::now()).await.unwrap();
        Self { app, concentrators, rest: Rest::new(rest, key), running: Some((end, thread)) }
    }
}

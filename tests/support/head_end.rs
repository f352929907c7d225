//! A head end in this process, on a thread of its own, that listens on free ports.

use std::{io::Write, net::SocketAddr, thread};

use jiff::Timestamp;
use store::api_key::Role;
use tokio::sync::oneshot;
use wattgate::{
    app::{self, App},
    audit, keys,
    settings::{self, Settings},
};

use super::{Database, Rest};

/// An ordinary program whose hours pass in milliseconds. Nobody's hours are friendly or quiet, so that every hour is alike.
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

[policy.notices]
quiet_from = ""
quiet_to = ""

[policy.reading]
overload_percent = 1000

[policy.relay]
read_back_interval = "200ms"
read_back_window = "2s"
customer_interval = "300ms"
retry_first = "200ms"
retry_cap = "1s"
proven_before_opening = false

[policy.polling]
slot = "500ms"
silent_cap = "1s"

# A meter that does not answer keeps its bus busy for this long.
[profiles.concentrator.standard]
order_forward_timeout_s = 1
poll_forward_timeout_s = 1

# The simulated meters pass more than any home's, and of two readings half a second apart a busy machine may take the
# first for hundreds of milliseconds younger than it is.
[profiles.meter.dlt645_direct]
maximum_power_w = 1000000

[profiles.meter.dlt645_permit]
maximum_power_w = 1000000
"#;

/// Rows the audit reads at once: few, so that it pages.
const AUDIT_ROWS: i64 = 3;

/// A head end that listens. Dropped, it crashes.
pub struct HeadEnd {
    /// The program.
    pub app: App,
    /// Where concentrators dial in.
    pub concentrators: SocketAddr,
    /// Its REST side, by an administrator's key.
    pub rest: Rest,
    running: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl HeadEnd {
    /// Starts on this database.
    pub async fn start(database: &Database) -> Self {
        Self::start_with(database, "").await
    }

    /// Starts with further settings that go over the fast ones.
    pub async fn start_with(database: &Database, further: &str) -> Self {
        let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        file.write_all(further.as_bytes()).unwrap();
        let settings = settings::read(Some(&format!("{FAST}\n{}", database.toml())), Some(file.path())).unwrap();
        let (started, listening) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || run(settings, started, ended));
        let listening: Listening = listening.await.expect("the head end did not start");
        let key = keys::make(&listening.app.db, "tests", Role::Admin, None, Timestamp::now()).await.unwrap();
        Self {
            app: listening.app,
            concentrators: listening.concentrators,
            rest: Rest::new(listening.rest, key),
            running: Some((end, thread)),
        }
    }

    /// Replays every balance and every order; nothing may differ.
    pub async fn audited(&self) {
        let audit = self.app.db.read(|conn| audit::all(conn, AUDIT_ROWS)).await.unwrap();
        assert!(audit.differences.is_empty(), "{:#?}", audit.differences);
        assert!(audit.accounts > 0);
    }

    /// Ends it as a crash does, as far as that is possible inside a process: nothing that was under way goes on.
    pub async fn crash(mut self) {
        let Some((end, thread)) = self.running.take() else { return };
        drop(end);
        // Meters and concentrators go on meanwhile.
        let joined = tokio::task::spawn_blocking(|| thread.join()).await.unwrap();
        joined.expect("the head end panicked");
    }
}

impl Drop for HeadEnd {
    fn drop(&mut self) {
        let Some((end, thread)) = self.running.take() else { return };
        drop(end);
        let ended = thread.join();
        // A second panic would hide the first.
        assert!(ended.is_ok() || thread::panicking(), "the head end panicked");
    }
}

/// What a head end tells once it listens.
struct Listening {
    app: App,
    rest: SocketAddr,
    concentrators: SocketAddr,
}

fn run(settings: Settings, started: oneshot::Sender<Listening>, ended: oneshot::Receiver<()>) {
    let system = actix::System::new();
    system.block_on(async {
        let running = app::listen(settings, 1).await.unwrap();
        let (app, rest, concentrators) = (running.app.clone(), running.http, running.concentrators);
        let waits = started.send(Listening { app, rest, concentrators }).is_ok();
        assert!(waits, "nobody waits for the head end");
        // Its sender is only ever dropped.
        let _ = ended.await;
    });
    // Ends every thread of the system: those of REST and of the fleet.
    system.block_on(async { actix::System::current().stop() });
    system.run().unwrap();
}

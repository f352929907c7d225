//! The independent concentrator of `tests/peer/`, which shares no code with the program.

use std::{
    io::Write,
    net::SocketAddr,
    path::Path,
    process::{ChildStdin, Command},
};

use serde_json::Value;

use super::program::Program;

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peer");

/// A meter of the PyPI package `dlt645`, which shares no code with the program nor with the concentrator: see
/// `scripts/install-test-tools`.
pub struct PypiMeter {
    program: Program,
}

impl PypiMeter {
    /// Starts a meter of this address.
    pub fn start(address: &str) -> Self {
        let python = Path::new(PEERS).join(".venv/bin/python");
        assert!(python.exists(), "scripts/install-test-tools was not run");
        let meter = Path::new(PEERS).join("pypi/meter.py");
        Self { program: Program::start(Command::new(python).arg("-B").arg(meter).arg(address)) }
    }

    /// The port that it listens on.
    pub async fn port(&mut self) -> u64 {
        let listening = |line: &str| serde_json::from_str::<Value>(line).ok()?["port"].as_u64();
        self.program.line("the meter listens", listening).await
    }
}

/// A concentrator that dials in as terminal 17 of region 1101.
pub struct Peer {
    program: Program,
    orders: ChildStdin,
}

impl Peer {
    /// Dials this address; `options` go over those of a concentrator in Shanghai whose meters use nothing.
    pub fn dial(at: SocketAddr, options: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command.arg("-B").arg(Path::new(PEERS).join("concentrator.py")).args([
            "--host",
            &at.ip().to_string(),
            "--port",
            &at.port().to_string(),
        ]);
        command.args(["--region", "1101", "--terminal", "17", "--utc-offset-minutes", "480", "--redial-s", "0.2"]);
        let mut program = Program::start(command.args(options));
        let orders = program.stdin();
        Self { program, orders }
    }

    /// Everything that happened to it so far.
    pub fn events(&self) -> Vec<Value> {
        self.program.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The events of these names so far.
    pub fn events_of(&self, names: &[&str]) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| names.iter().any(|name| event["event"] == *name));
        events
    }

    /// Waits for an event.
    pub async fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let parsed = |line: &str| serde_json::from_str(line).ok().filter(|event| wanted(event));
        self.program.line(what, parsed).await
    }

    /// Waits until its login is confirmed.
    pub async fn logged_in(&mut self) {
        self.event("login confirmed", |event| event["event"] == "login_confirmed").await;
    }

    /// What the relay of each meter was made to do, in order.
    pub fn relay_moves(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let moves = self.events_of(&["relay"]);
        moves.iter().map(|event| (text(&event["address"]), text(&event["action"]))).collect()
    }

    /// Gives it a command.
    pub fn tell(&mut self, command: &str) {
        writeln!(self.orders, "{command}").unwrap();
    }

    /// Logs out and ends; everything that had happened to it.
    pub async fn quit(mut self) -> Vec<Value> {
        self.tell("quit");
        assert_eq!(self.program.status().await, Some(0));
        self.events()
    }
}

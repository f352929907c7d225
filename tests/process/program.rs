//! Starting the binary, reading what it says, and ending it.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use tempfile::TempDir;

use crate::support::{Database, Rest, SOON, eventually};

/// A command of the binary under test.
pub fn wattgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wattgate"));
    command.args(arguments);
    command
}

/// Settings on disk; gone with the value.
pub struct Config {
    folder: TempDir,
}

impl Config {
    /// Settings of this TOML, over the defaults.
    pub fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("site.toml"), toml).unwrap();
        Self { folder }
    }

    /// A head end with this database on free ports. `more` is written in dotted keys.
    pub fn head_end(database: &Database, more: &str) -> Self {
        let free = "http.bind = \"127.0.0.1:0\"\nlisten.qgdw376 = \"127.0.0.1:0\"";
        Self::new(&format!("{free}\n{more}\n{}", database.toml()))
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("site.toml")
    }

    /// A command with these settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = wattgate(arguments);
        command.arg("--config").arg(self.path());
        command
    }

    /// Standard output of a command that goes well.
    pub fn told(&self, arguments: &[&str]) -> String {
        text(&self.command(arguments).output().unwrap(), 0).0
    }

    /// What a command says on standard error that refuses these settings, or what they lead to.
    pub fn refused(&self, arguments: &[&str]) -> String {
        text(&self.command(arguments).output().unwrap(), 1).1
    }

    /// A new key with this role.
    pub fn key(&self, role: &str) -> String {
        self.told(&["create-key", "--name", "tests", "--role", role]).trim().to_owned()
    }

    /// Starts the head end and waits until it listens.
    pub async fn serve(&self) -> Serving {
        self.serve_in(&[]).await
    }

    /// The same with these variables in its environment.
    pub async fn serve_in(&self, environment: &[(&str, &str)]) -> Serving {
        let mut program = Program::start(self.command(&["serve"]).envs(environment.iter().copied()));
        let listening = program.line("it listens", |line| line.contains(" listening ").then(|| line.to_owned())).await;
        let address = |name: &str| -> SocketAddr {
            let value = listening.split(' ').find_map(|field| field.strip_prefix(name)).unwrap();
            value.parse().unwrap()
        };
        Serving { rest: address("rest="), concentrators: address("concentrators="), program }
    }
}

/// Standard output and standard error of what ended with this status.
pub fn text(output: &Output, status: i32) -> (String, String) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

/// A head end that listens.
pub struct Serving {
    pub program: Program,
    pub rest: SocketAddr,
    pub concentrators: SocketAddr,
}

impl Serving {
    /// Its REST side, by this key.
    pub fn rest(&self, key: &str) -> Rest {
        Rest::new(self.rest, key.to_owned())
    }

    /// Asks it to stop, and waits until it has, in order.
    pub async fn stop(mut self) {
        self.program.signal("TERM");
        assert_eq!(self.program.status().await, Some(0));
    }
}

/// A process and every line that it said. Killed when dropped; a test that failed shows the lines.
pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        follow(child.stdout.take().unwrap(), &lines);
        follow(child.stderr.take().unwrap(), &lines);
        Self { child, lines }
    }

    /// Its standard input, which ends with the value.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// What it said so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that `pick` finds something in.
    pub async fn line<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        eventually(SOON, what, async || {
            // Looked at before the lines, so that the last ones of a process that ended count.
            let ended = self.child.try_wait().unwrap();
            let found = self.lines().iter().find_map(|line| pick(line));
            assert!(found.is_some() || ended.is_none(), "it ended before this: {what}");
            found
        })
        .await
    }

    /// Sends the signal of this name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// `kill -9`, at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; its exit status, if it was not ended by a signal.
    pub async fn status(&mut self) -> Option<i32> {
        eventually(SOON, "it ends", async || self.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("process {} said:\n{}", self.child.id(), self.lines().join("\n"));
        }
    }
}

fn follow(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    });
}

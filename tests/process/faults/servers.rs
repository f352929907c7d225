//! A PostgreSQL and a Redis of the test's own, to be killed and started again.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{SOON, eventually};

/// A port that is free, and below those that outgoing connections take: whoever dials it while nobody listens cannot meet
/// himself.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (0..100).map(|_| rand::random_range(10_000..20_000)).find(free).unwrap()
}

/// A cluster of PostgreSQL with a server. Both end with the value.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    /// `name=value`, over the defaults.
    settings: Vec<String>,
    /// The postmaster, or what runs it as another user. Ours, since one that nobody waits for cannot be started again.
    server: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts its server with these settings, each `name=value`.
    pub async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            // PostgreSQL refuses to run as root.
            let of_postgres = fs::metadata("/var/lib/postgresql").unwrap();
            chown(folder.path(), Some(of_postgres.uid()), Some(of_postgres.gid())).unwrap();
        }
        let port = free_port();
        let mut all = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", folder.path().display()),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let mut server = Self { folder, port, settings: all, server: None };
        let mut initdb = server.tool("initdb");
        initdb.args(["--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]);
        run(initdb.args(["--no-sync", "--no-instructions"]));
        server.start_again().await;
        server
    }

    /// Its database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server on what the last one left, and waits until it answers.
    pub async fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut start = self.tool("postgres");
        start.args(["-p", &self.port.to_string()]).args(self.settings.iter().flat_map(|setting| ["-c", setting]));
        self.server = Some(start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let mut ready = Command::new(newest_postgres().join("pg_isready"));
        ready.args(["--quiet", "--host", "127.0.0.1", "--port", &self.port.to_string()]);
        eventually(SOON, "PostgreSQL answers", async || ready.status().unwrap().success().then_some(())).await;
    }

    /// `kill -9` of the postmaster alone. Its children notice, and have ended when this returns.
    pub async fn kill_postmaster(&mut self) {
        let postmaster = self.postmaster().unwrap();
        let children = children(postmaster);
        assert!(!children.is_empty());
        signal(postmaster, "KILL");
        self.server.take().unwrap().wait().unwrap();
        eventually(SOON, "the server's processes have ended", async || {
            children.iter().all(|process| parent_of_living(*process).is_none()).then_some(())
        })
        .await;
    }

    fn postmaster(&self) -> Option<u32> {
        fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?.lines().next()?.parse().ok()
    }

    fn cluster(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }

    /// One of PostgreSQL's own programs, to be run on the cluster by a user that may.
    fn tool(&self, name: &str) -> Command {
        let program = newest_postgres().join(name);
        let mut command = if is_root() { Command::new("runuser") } else { Command::new(&program) };
        if is_root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        command.current_dir(self.folder.path()).arg("-D").arg(self.cluster());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        match self.postmaster() {
            Some(postmaster) => signal(postmaster, "QUIT"),
            None => server.kill().unwrap(),
        }
        server.wait().unwrap();
    }
}

/// The folder of programs of the newest PostgreSQL here.
fn newest_postgres() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("no PostgreSQL: scripts/install-test-tools installs it");
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.map(|entry| entry.unwrap().path()).max_by_key(number).unwrap().join("bin")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs what must go well.
fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}");
}

fn signal(process: u32, name: &str) {
    run(Command::new("sh").args(["-c", &format!("kill -{name} {process}")]));
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| parent_of_living(*process) == Some(parent)).collect()
}

/// The parent of a process; none once it has ended, whether or not anybody has asked how.
fn parent_of_living(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which is in brackets and may hold anything: state, parent.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    fields.next()?.parse().ok().filter(|_| !matches!(state, "Z" | "X"))
}

/// A Redis that keeps nothing unless it is told to. It ends with the value.
pub struct Redis {
    folder: TempDir,
    port: u16,
    server: Child,
}

impl Redis {
    pub async fn start() -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let server = redis_server(folder.path(), port);
        let redis = Self { folder, port, server };
        redis.answers().await;
        redis
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Wipes all of it.
    pub fn flush(&self) {
        self.ask("FLUSHALL").unwrap();
    }

    /// Writes what it holds now to disk; a server that is started later begins with that.
    pub fn save(&self) {
        self.ask("SAVE").unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Lets it hang, with all connections open, or go on.
    pub fn hang(&self, hangs: bool) {
        signal(self.server.id(), if hangs { "STOP" } else { "CONT" });
    }

    /// Starts it with what was saved last, or with nothing.
    pub async fn start_again(&mut self) {
        self.server = redis_server(self.folder.path(), self.port);
        self.answers().await;
    }

    async fn answers(&self) {
        eventually(SOON, "Redis answers", async || self.ask("PING").ok()).await;
    }

    fn ask(&self, command: &str) -> redis::RedisResult<()> {
        redis::cmd(command).exec(&mut redis::Client::open(self.url())?.get_connection()?)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn redis_server(folder: &Path, port: u16) -> Child {
    let mut server = Command::new("redis-server");
    server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    server.arg("--dir").arg(folder).stdout(Stdio::null()).spawn().expect("no redis-server")
}

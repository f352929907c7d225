//! Starting the binary, reading what it says, and ending it.

use std::{
    fmt::Write,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::rest::Rest;

/// Longest wait for anything a process is to say or do.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test.
pub fn wattgate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wattgate"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command of the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    wattgate(arguments).output().unwrap()
}

/// Standard output of a command that must go well.
pub fn told(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Settings on disk, over the defaults; gone with the value.
pub struct Config {
    folder: TempDir,
    path: PathBuf,
}

impl Config {
    /// Settings of this TOML.
    pub fn of(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        std::fs::write(&path, text).unwrap();
        Self { folder, path }
    }

    /// A head end on free ports with this database and, for the rest, the settings of `more`.
    pub fn head_end(url: &str, more: &str) -> Self {
        Self::of(&format!(
            "http.bind = \"127.0.0.1:0\"\nlisten.qgdw376 = \"127.0.0.1:0\"\ndatabase.url = \"{url}\"\n{more}"
        ))
    }

    /// A head end with a migrated SQLite database beside its settings.
    pub fn embedded(more: &str) -> Self {
        let mut config = Self::of("");
        let url = config.sqlite_url();
        let mut text = format!("http.bind = \"127.0.0.1:0\"\nlisten.qgdw376 = \"127.0.0.1:0\"\n");
        writeln!(text, "database.url = \"{url}\"\n{more}").unwrap();
        config.rewrite(&text);
        config.told("migrate", &[]);
        config
    }

    fn rewrite(&mut self, text: &str) {
        std::fs::write(&self.path, text).unwrap();
    }
}

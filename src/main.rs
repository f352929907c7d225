//! The command line.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use wattgate::{app, audit, decode, demo, explain, keys, settings, telemetry};

/// Head end for centralized meter reading and prepaid electricity.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the whole story on a simulated site, in a temporary directory, with nothing installed
    Demo(demo::Options),
    /// Runs the head end until SIGTERM or Ctrl-C
    Serve(ConfigFile),
    /// Brings the database's schema up to date
    Migrate(ConfigFile),
    /// Reads the settings and says whether they hold
    CheckConfig(ConfigFile),
    /// Makes an API key, shows it once and stores its hash
    CreateKey(keys::Options),
    /// Replays every balance from readings and postings; exit status 1 on any difference
    Audit(audit::Options),
    /// Tells why the balance of an account is what it is, from its readings to the fen
    Explain(explain::Options),
    /// Explains frames of meters (DL/T 645) and concentrators (Q/GDW 376.1); exit status 1 where one is none
    Decode(decode::Options),
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The site's settings over the defaults (see config/default.toml)
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::start(matches!(cli.command, Command::Demo(_)));
    let done = match &cli.command {
        Command::Demo(options) => demo::run(options),
        Command::Serve(file) => read(file).and_then(app::serve),
        Command::Migrate(file) => read(file).and_then(app::migrate),
        Command::CheckConfig(file) => read(file).and_then(app::check_config),
        Command::CreateKey(options) => keys::create(options),
        Command::Audit(options) => audit::run(options),
        Command::Explain(options) => explain::run(options),
        Command::Decode(options) => decode::run(options),
    };
    match done {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("wattgate: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn read(file: &ConfigFile) -> Result<settings::Settings, app::Problem> {
    Ok(settings::read(None, file.config.as_deref())?)
}

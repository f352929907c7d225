//! `wattgate demo`: the whole story on a simulated site, in a temporary directory, with nothing installed.
//!
//! The head end is an ordinary one: it differs by `config/demo.toml` only. The site is simulated and dials in over TCP; it
//! is entered by the same verbs, and the vend goes through REST like anybody's.

mod site;
mod story;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use store::{Db, api_key::Role};

use self::story::Story;
use crate::{
    app::{self, Problem},
    keys, settings,
};

/// How the demo runs.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// End after one whole story, with a last line of JSON; exit status 1 if it has not happened within 50 s
    #[arg(long)]
    once: bool,
    /// Keep the database in this directory
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Fixes the simulated loads and everything else that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// A story that takes longer has failed.
const STORY_LIMIT: Duration = Duration::from_secs(50);

/// Runs the demo.
///
/// # Errors
/// The directory cannot be used, or a part does not start.
pub fn run(options: &Options) -> Result<ExitCode, Problem> {
    let temporary = tempfile::tempdir().map_err(Problem::io("temporary directory"))?;
    let folder = options.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).map_err(Problem::io(folder.display().to_string()))?;
    let mut settings = settings::read(Some(settings::DEMO), None)?;
    let file = folder.join("wattgate.db");
    if file.exists() {
        return Err(Problem::Other(format!("{} is there already; choose another directory", file.display())));
    }
    settings.database.url = format!("sqlite:{}", file.display());
    actix::System::new().block_on(async {
        let mut asked = std::pin::pin!(app::asked_to_stop()?);
        Db::open(&settings.database)?.migrate().await?;
        let (head_end, entered, simulated) = start(settings, options.seed).await?;
        let key = keys::make(&head_end.app.db, "demo", Role::Admin, None, Timestamp::now()).await?;
        let story = Story::new(&head_end, &entered, &key)?;
        let (told, stopped) = tokio::select! {
            told = tokio::time::timeout(STORY_LIMIT, story.tell()) => (told.unwrap_or(Ok(false))?, false),
            () = &mut asked => (false, true),
        };
        if !told && !stopped {
            println!("the story has not come to its end within {} s", STORY_LIMIT.as_secs());
        }
        if !stopped && !options.once {
            story.invite();
            tokio::select! {
                () = asked => {}
                () = story.go_on() => {}
            }
        }
        if !options.once {
            println!("\nstopping");
        }
        simulated.stop().await;
        let app = head_end.app.clone();
        drop(story);
        head_end.stop().await;
        if options.once {
            println!("{}", story::counted(&app, entered.site).await?);
        }
        // Whoever watches may leave before the end; whoever asked for one whole story has not got it.
        let ended_well = told || !options.once;
        Ok(if ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// The head end listens, the site is entered, and its concentrators dial in.
async fn start(
    settings: settings::Settings,
    seed: u64,
) -> Result<(app::Running, site::Entered, simulator::site::Running), Problem> {
    let zone = TimeZone::get(site::ZONE).map_err(|bad| Problem::Other(bad.to_string()))?;
    let password = settings.meter_profile(site::METER_PROFILE)?.wire.relay_password;
    let spec = simulator::site::SiteSpec::small(seed, zone, password);
    let simulated =
        simulator::site::Site::new(&spec, Arc::new(Timestamp::now)).map_err(|bad| Problem::Other(bad.to_string()))?;
    let head_end = app::listen(settings, seed).await?;
    let entered = site::enter(&head_end.app, &simulated).await?;
    let running = simulated.run(head_end.concentrators);
    Ok((head_end, entered, running))
}

//! `wattgate explain`: why the balance of an account is what it is, to the fen.

use std::{path::PathBuf, process::ExitCode};

use domain::{
    ids::{AccountId, SiteId},
    notice::Language,
};
use store::Conn;

use crate::{
    app::{self, Problem},
    operations::{
        Error,
        explain::{self, Moment, Span},
    },
    settings,
};

/// What to explain.
#[derive(clap::Args)]
pub struct Options {
    /// The account's number
    #[arg(long)]
    account: String,
    /// Its site, where several have an account of that number
    #[arg(long)]
    site: Option<SiteId>,
    /// From this local date or instant on
    #[arg(long)]
    from: Moment,
    /// Up to this local date, which is included, or this instant, which is not
    #[arg(long)]
    to: Moment,
    /// zh or en; the customer's own language where it is absent
    #[arg(long)]
    lang: Option<Language>,
    /// JSON in place of a text
    #[arg(long)]
    json: bool,
    /// The site's settings over the defaults
    #[arg(long)]
    config: Option<PathBuf>,
    /// The database, in place of the settings' (such as `sqlite:demo/wattgate.db`)
    #[arg(long)]
    database: Option<String>,
}

/// Explains and prints it; exit status 1 where anything does not agree with the books.
///
/// # Errors
/// The settings do not hold, there is no such account, the span is refused, or the database fails.
pub fn run(options: &Options) -> Result<ExitCode, Problem> {
    let mut settings = settings::read(None, options.config.as_deref())?;
    if let Some(url) = &options.database {
        settings.database.url.clone_from(url);
    }
    let (number, site, asked) = (options.account.clone(), options.site, options.lang);
    let (span, limits) = (Span { from: options.from, to: options.to }, settings.explain.clone());
    actix::System::new().block_on(async {
        let db = app::open(&settings)?;
        db.check_schema().await?;
        let read = db.snapshot(move |conn| {
            let id = found(conn, site, &number, limits.rows)?;
            let explanation = explain::explain(conn, id, span, &limits)?;
            Ok::<_, Error>((explanation, asked.map_or_else(|| explain::language(conn, id), Ok)?))
        });
        let (explanation, language) = read.await?;
        if options.json {
            println!("{}", serde_json::to_string_pretty(&explanation).map_err(|bad| Problem::Other(bad.to_string()))?);
        } else {
            print!("{}", explain::text(&explanation, language));
        }
        Ok(if explanation.agrees() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// The account with this number, of one site or of the only one that has it.
fn found(conn: &mut Conn, site: Option<SiteId>, number: &str, rows: i64) -> Result<AccountId, Error> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let sites = store::site::page(conn, after, rows)?;
        let Some(last) = sites.last().map(|site| site.id) else { break };
        after = Some(last);
        for id in sites.iter().map(|row| row.id).filter(|id| site.is_none_or(|site| site == *id)) {
            found.extend(store::account::by_number(conn, id, number)?.map(|account| account.id));
        }
    }
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::NotFound("account")),
        _ => Err(Error::field("account", "account", "several sites have it: --site says which")),
    }
}

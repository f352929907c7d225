//! Recurring work of one process: supply to be decided again, notices to be sent, days to be settled.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use domain::{
    calendar::{day_before, day_of, midnight, shift},
    ids::AccountId,
};
use futures_util::FutureExt;

use crate::{
    app::App,
    operations::{Error, books, decide_relay, fixed_charges, notices, settle},
};

/// Starts all of it; it ends with the program.
pub fn start(app: &App) {
    let jobs = &app.settings.jobs;
    every(app, "decide", Duration::from_millis(jobs.decide_ms), |app| async move { decide_due(&app).await });
    every(app, "notices", Duration::from_millis(jobs.notices_ms), |app| async move {
        notices::send_due(&app, app.settings.jobs.rows).await
    });
    every(
        app,
        "fixed_charges",
        Duration::from_secs(jobs.fixed_charges_s),
        |app| async move { charge_fixed(&app).await },
    );
    every(app, "settle", Duration::from_secs(jobs.settle_s), |app| async move { settle_open(&app).await });
}

/// Runs `work` every `period`, one run at a time; a run that fails is logged and tried again with the next.
fn every<F>(app: &App, name: &'static str, period: Duration, work: impl Fn(App) -> F + Send + 'static)
where
    F: Future<Output = Result<usize, Error>> + Send + 'static,
{
    let app = app.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A panic in one run must not end the job for good.
            match AssertUnwindSafe(work(app.clone())).catch_unwind().await {
                Ok(Ok(0)) => {}
                Ok(Ok(done)) => tracing::debug!(job = name, done, "done"),
                Ok(Err(error)) => tracing::warn!(job = name, %error, "tried again with the next run"),
                Err(_panic) => tracing::error!(job = name, "panicked; tried again with the next run"),
            }
        }
    });
}

/// Decides over the accounts whose time has come.
///
/// # Errors
/// The database fails.
pub async fn decide_due(app: &App) -> Result<usize, Error> {
    let (now, rows) = (app.clock.now(), app.settings.jobs.rows);
    let latest = shift(now, app.settings.policy.disconnection.held_recheck);
    let due = app.db.read(move |conn| Ok::<_, Error>(store::account::due(conn, now, latest, rows)?)).await?;
    for account in &due {
        // One account that cannot be decided over must not keep the others waiting.
        if let Err(error) = decide_relay::review(app, *account).await {
            tracing::warn!(%account, %error, "supply was not decided");
            if let Err(error) = decide_relay::postpone(app, *account).await {
                tracing::warn!(%account, %error, "its next look was not put off");
            }
        }
    }
    Ok(due.len())
}

/// Posts the fixed charges that are due, site by site.
///
/// # Errors
/// The database fails.
pub async fn charge_fixed(app: &App) -> Result<usize, Error> {
    let rows = app.settings.jobs.rows;
    let (mut charged, mut site) = (0, None);
    loop {
        let sites = app.db.read(move |conn| Ok::<_, Error>(store::site::page(conn, site, rows)?)).await?;
        let Some(last) = sites.last().map(|site| site.id) else { return Ok(charged) };
        site = Some(last);
        for site in sites {
            let mut after = None;
            loop {
                let (last, posted) = fixed_charges::post_due(app, site.id, after).await?;
                charged += posted;
                match last {
                    None => break,
                    last => after = last,
                }
            }
        }
    }
}

/// Settles the days that are open, site by site: most were settled when their freeze arrived, what is left waited for a
/// reading after it.
///
/// # Errors
/// The database fails.
pub async fn settle_open(app: &App) -> Result<usize, Error> {
    let (now, rows) = (app.clock.now(), app.settings.jobs.rows);
    let mut settled = 0;
    let mut site = None;
    loop {
        let sites = app.db.read(move |conn| Ok::<_, Error>(store::site::page(conn, site, rows)?)).await?;
        let Some(last) = sites.last().map(|site| site.id) else { return Ok(settled) };
        site = Some(last);
        for site in sites {
            let Ok(zone) = books::zone(&site) else {
                tracing::error!(site = %site.id, zone = site.time_zone, "no such time zone");
                continue;
            };
            let today = day_of(now, &zone);
            let (yesterday, midnight) = (day_before(today), midnight(today, &zone));
            let mut after: Option<AccountId> = None;
            loop {
                let behind = move |conn: &mut store::Conn| {
                    Ok::<_, Error>(store::installation::behind(conn, site.id, yesterday, midnight, after, rows)?)
                };
                let open = app.db.read(behind).await?;
                let Some(last) = open.last().copied() else { break };
                after = Some(last);
                for account in open {
                    match settle::settle(app, account, None).await {
                        Ok(days) => settled += days,
                        Err(error) => tracing::warn!(%account, %error, "an account was not settled"),
                    }
                }
            }
        }
    }
}

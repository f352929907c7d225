//! Recurring work of one process: supply to be decided again, notices to be written, sent and served, days to be settled,
//! heartbeats.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use domain::calendar::{at, day_before, day_of, shift};
use futures_util::FutureExt;
use store::job::JobKind;

use crate::{
    app::App,
    operations::{
        Error, books, by_hand, decide_relay, fixed_charges,
        job::{self, Claim, Run},
        notices, order_group, outage, price_change, schedule, settle,
    },
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
    every(app, "outages", Duration::from_secs(app.settings.outages.heartbeat_s), |app| async move {
        outage::beat(&app).await
    });
    every(app, "order_groups", Duration::from_secs(jobs.order_groups_s), |app| async move {
        Ok(schedule::go_on(&app).await? + order_group::go_on(&app).await?)
    });
    every(app, "settle", Duration::from_secs(jobs.settle_s), |app| async move { settle_open(&app).await });
    every(app, "price_changes", Duration::from_millis(jobs.notices_ms), |app| async move {
        price_change::go_on(&app).await
    });
    every(app, "by_hand", Duration::from_secs(jobs.by_hand_s), |app| async move { by_hand::look(&app).await });
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

/// Posts the fixed charges that are due, site by site: each local day's by a job, and what it left by every look after it.
///
/// # Errors
/// The database fails.
pub async fn charge_fixed(app: &App) -> Result<usize, Error> {
    site_by_site(app, JobKind::FixedCharges).await
}

/// Settles the days that are open, site by site: most were settled when their freeze arrived, what is left waited for a
/// reading after it. From the time on from which yesterday may be interpolated, a job does it once; every look before and
/// after that settles what can be settled then.
///
/// # Errors
/// The database fails.
pub async fn settle_open(app: &App) -> Result<usize, Error> {
    site_by_site(app, JobKind::Settlement).await
}

async fn site_by_site(app: &App, kind: JobKind) -> Result<usize, Error> {
    let rows = app.settings.jobs.rows;
    let (mut written, mut site) = (0, None);
    loop {
        let sites = app.db.read(move |conn| Ok::<_, Error>(store::site::page(conn, site, rows)?)).await?;
        let Some(last) = sites.last().map(|site| site.id) else { return Ok(written) };
        site = Some(last);
        for site in sites {
            match of_site(app, &site, kind).await {
                Ok(done) => written += done,
                Err(error) if error.is_of_the_database() => return Err(error),
                // One site must not keep the others waiting.
                Err(error) => tracing::error!(site = %site.id, %error, "a job was not done"),
            }
        }
    }
}

/// Goes through a site's accounts, by its job where that is due and was not done yet; what was written.
async fn of_site(app: &App, site: &store::site::Site, kind: JobKind) -> Result<usize, Error> {
    let now = app.clock.now();
    let zone = books::zone(site)?;
    let today = day_of(now, &zone);
    let due = match kind {
        JobKind::FixedCharges => Some(today),
        JobKind::Settlement => {
            let noon = at(today, app.settings.policy.settlement.interpolate_from, &zone);
            (now >= noon).then(|| day_before(today))
        }
    };
    let run = match due {
        None => None,
        Some(day) => match job::claim(app, site.id, kind, day).await? {
            Claim::Ours(run) => Some(run),
            Claim::Theirs => return Ok(0),
            Claim::Done => None,
        },
    };
    let (mut written, mut after) = (0, run.as_ref().and_then(Run::cursor));
    loop {
        let (last, done) = match kind {
            JobKind::FixedCharges => fixed_charges::post_due(app, site.id, after, run.as_ref()).await?,
            JobKind::Settlement => settle::settle_behind(app, site.id, after, run.as_ref()).await?,
        };
        written += done;
        match last {
            None => break,
            last => after = last,
        }
    }
    if let Some(run) = run {
        run.end(app).await?;
    }
    Ok(written)
}

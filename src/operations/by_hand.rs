//! Warnings that no channel took: somebody hands them over and records it, which counts as service. One that waits for too long
//! raises an alarm.

use domain::{
    account,
    calendar::shift,
    ids::NoticeId,
    notice::{Kind, State},
    site::NoticePolicy,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Conn, notice::Notice};
use utoipa::ToSchema;

use super::{Error, audit_line, decide_relay, label};
use crate::app::App;

/// The alarm that stands while a warning waits for too long.
const ALARM: &str = "warning_not_served";

/// How a warning was served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// When it was handed over: not in the future, not before it was written. The time before a cut begins with it.
    #[schema(value_type = String, format = DateTime)]
    pub served_at: Timestamp,
    /// How: to whom, by whom, on paper or by word.
    pub how: String,
}

fn object(notice: NoticeId) -> String {
    format!("notice:{notice}")
}

/// Notes of a notice that failed whether somebody is to serve it by hand: a warning that nobody was told.
pub(super) fn ask_for(notice: &mut Notice, now: Timestamp) {
    if notice.state == State::Failed && notice.kind == Kind::DisconnectWarning {
        notice.by_hand_since = Some(now);
    }
}

/// Records that a warning was served by hand; the account is decided over again. The same once more changes nothing.
///
/// # Errors
/// A conflict where it was recorded otherwise, its channel took it or still tries, or nothing is left to be warned of; a refusal
/// that names the field.
pub async fn serve(app: &App, id: NoticeId, how: Served, by: &str) -> Result<Notice, Error> {
    let told = label("how", &how.how)?;
    // As it is stored: what is finer than microseconds would make a repetition look like another record.
    let served_at = Timestamp::from_microsecond(how.served_at.as_microsecond()).unwrap_or(how.served_at);
    let (now, by) = (app.clock.now(), by.to_owned());
    let (notice, done) = app
        .db
        .write(move |conn| {
            let mut notice = store::notice::lock(conn, id)?;
            if notice.served_at == Some(served_at) && notice.served_how.as_ref() == Some(&told) {
                return Ok((notice, false));
            }
            check(&notice, served_at, now)?;
            let mut account = store::account::lock(conn, notice.account_id)?;
            let credit = account.credit();
            if account.state == account::State::Closed || !credit.awaits_service(notice.created_at) {
                return Err(Error::conflict("no_longer_needed", "nothing is left to be warned of"));
            }
            account.set_credit(&credit.warning_served(notice.created_at, served_at));
            store::account::save(conn, &account)?;
            notice.by_hand_ended_at = Some(now);
            notice.served_at = Some(served_at);
            (notice.served_how, notice.served_by) = (Some(told.clone()), Some(by.clone()));
            store::notice::end_by_hand(conn, &notice)?;
            store::alarm::clear(conn, id.site(), ALARM, &object(id), now)?;
            let detail = format!("account {}, at {}: {told}", account.number, served_at);
            audit_line::write(conn, id.site(), (&by, now), "serve_notice", object(id), detail)?;
            Ok::<_, Error>((notice, true))
        })
        .await?;
    if done {
        decide_relay::review(app, notice.account_id).await?;
    }
    Ok(notice)
}

fn check(notice: &Notice, served_at: Timestamp, now: Timestamp) -> Result<(), Error> {
    if notice.served_at.is_some() {
        return Err(Error::conflict("already_served", "it is recorded as served otherwise"));
    }
    if notice.by_hand_since.is_none() {
        return Err(Error::conflict("not_by_hand", "it is no warning that its channel gave up"));
    }
    if served_at > now {
        return Err(Error::field("served_at", "served_at", "must not be in the future"));
    }
    if served_at < notice.created_at {
        return Err(Error::field("served_at", "served_at", "must not be before the notice was written"));
    }
    Ok(())
}

/// Looks at the warnings that wait to be served by hand: those of which nothing is left to be warned of wait no longer, and those
/// that wait for too long raise an alarm, once. Returns how many were changed.
///
/// # Errors
/// The database fails.
pub async fn look(app: &App) -> Result<usize, Error> {
    let rows = app.settings.jobs.rows;
    let (mut done, mut after) = (0, None);
    loop {
        let open = app.db.read(move |conn| Ok::<_, Error>(store::notice::open_by_hand(conn, after, rows)?)).await?;
        let Some(last) = open.last() else { return Ok(done) };
        after = Some(last.id);
        for Notice { id, .. } in open {
            let (now, policy) = (app.clock.now(), app.settings.policy.notices.clone());
            done += usize::from(app.db.write(move |conn| look_at(conn, id, &policy, now)).await?);
        }
    }
}

/// Whether something changed.
fn look_at(conn: &mut Conn, id: NoticeId, policy: &NoticePolicy, now: Timestamp) -> Result<bool, Error> {
    let mut notice = store::notice::lock(conn, id)?;
    let Some(since) = notice.by_hand_since.filter(|_| notice.by_hand_ended_at.is_none()) else { return Ok(false) };
    let account = store::account::by_id(conn, notice.account_id)?;
    if account.state == account::State::Closed || !account.credit().awaits_service(notice.created_at) {
        notice.by_hand_ended_at = Some(now);
        store::notice::end_by_hand(conn, &notice)?;
        store::alarm::clear(conn, id.site(), ALARM, &object(id), now)?;
        return Ok(true);
    }
    let late = now >= shift(since, policy.by_hand_alarm_after);
    if !late || store::alarm::standing(conn, id.site(), ALARM, &object(id))?.is_some() {
        return Ok(false);
    }
    let detail = format!("account {} waits for its warning since {since}", account.number);
    store::alarm::raise(conn, id.site(), ALARM, &object(id), &detail, now)?;
    Ok(true)
}

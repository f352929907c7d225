//! Telling customers: a notice is a row of the outbox first, written with what it tells of, and sent afterwards.

use domain::{
    ids::NoticeId,
    money::Currency,
    notice::{self, Kind, Language, State},
};
use jiff::Timestamp;
use store::{Conn, account::Account, notice::Notice as Row};

use super::{Error, decide_relay};
use crate::{app::App, changes::Changed};

/// The channel that writes notices into the log.
pub const LOG: &str = "log";

/// Puts a notice into the outbox.
///
/// # Errors
/// The database fails.
pub fn write(
    conn: &mut Conn,
    account: &Account,
    currency: &Currency,
    notice: &notice::Notice,
    now: Timestamp,
) -> Result<NoticeId, Error> {
    let id: NoticeId = store::ids::next(conn, account.id.site())?;
    let row = Row {
        id,
        account_id: account.id,
        kind: notice.kind(),
        channel: LOG.to_owned(),
        language: store::customer::by_id(conn, account.customer_id)?.language,
        text_zh: notice.text(Language::Zh, &account.number, currency),
        text_en: notice.text(Language::En, &account.number, currency),
        state: State::Queued,
        attempts: 0,
        created_at: now,
        next_attempt_at: Some(now),
        sent_at: None,
    };
    store::notice::insert(conn, &row)?;
    Ok(id)
}

/// Sends what is due, at most `rows` notices; returns how many were sent. A warning that was sent counts as served.
///
/// # Errors
/// The database fails; what was not marked is sent again.
pub async fn send_due(app: &App, rows: i64) -> Result<usize, Error> {
    let now = app.clock.now();
    let due = app.db.read(move |conn| store::notice::due(conn, now, rows)).await?;
    let mut sent = 0;
    for row in due {
        let outcome = send(&row);
        if outcome.is_ok() {
            sent += 1;
        }
        settle(app, row, outcome).await?;
    }
    Ok(sent)
}

/// Hands one notice to its channel.
fn send(row: &Row) -> Result<(), String> {
    let text = match row.language {
        Language::Zh => &row.text_zh,
        Language::En => &row.text_en,
    };
    if row.channel == LOG {
        tracing::info!(account = %row.account_id, kind = %row.kind, text, "notice");
        Ok(())
    } else {
        Err(format!("no channel {}", row.channel))
    }
}

/// Stores what became of a notice.
async fn settle(app: &App, mut row: Row, outcome: Result<(), String>) -> Result<(), Error> {
    let now = app.clock.now();
    let policy = app.settings.policy.notices.clone();
    row.attempts += 1;
    match outcome {
        Ok(()) => (row.state, row.sent_at, row.next_attempt_at) = (State::Sent, Some(now), None),
        Err(reason) => {
            row.next_attempt_at = notice::retry_at(row.attempts, now, &policy);
            if row.next_attempt_at.is_none() {
                tracing::warn!(notice = %row.id, reason, "a notice is given up");
                row.state = State::Failed;
            }
        }
    }
    let served = row.state == State::Sent && row.kind == Kind::DisconnectWarning;
    let (id, account, kind) = (row.id, row.account_id, row.kind);
    app.db
        .write(move |conn| {
            store::notice::save(conn, &row)?;
            if served {
                let mut account = store::account::lock(conn, row.account_id)?;
                account.set_credit(&account.credit().warning_served(row.created_at, now));
                store::account::save(conn, &account)?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    app.announce(Changed::Notice { notice: id, account, kind });
    if served {
        decide_relay::review(app, account).await?;
    }
    Ok(())
}

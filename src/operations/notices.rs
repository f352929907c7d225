//! Telling customers: a notice is a row of the outbox first, written with what it tells of, and sent afterwards.

use std::collections::{BTreeMap, btree_map::Entry};

use domain::{
    ids::NoticeId,
    money::Currency,
    notice::{self, Channel, Kind, Language, State},
    site::NoticePolicy,
};
use jiff::Timestamp;
use store::{Conn, account::Account, notice::Notice as Row};

use super::{Error, books, by_hand, decide_relay};
use crate::{app::App, changes::Changed};

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
        channel: Channel::Log.as_str().to_owned(),
        language: store::customer::by_id(conn, account.customer_id)?.language,
        text_zh: notice.text(Language::Zh, &account.number, currency),
        text_en: notice.text(Language::En, &account.number, currency),
        state: State::Queued,
        attempts: 0,
        created_at: now,
        next_attempt_at: Some(now),
        sent_at: None,
        by_hand_since: None,
        by_hand_ended_at: None,
        served_at: None,
        served_how: None,
        served_by: None,
    };
    store::notice::insert(conn, &row)?;
    Ok(id)
}

/// Sends what is due, at most `rows` notices; returns how many were sent. A warning that was sent counts as served. What would
/// break quiet hours is put off to their end, and what is over by then is not sent.
///
/// # Errors
/// The database fails; what was not marked is sent again.
pub async fn send_due(app: &App, rows: i64) -> Result<usize, Error> {
    let (now, policy) = (app.clock.now(), app.settings.policy.notices.clone());
    let due = app.db.read(move |conn| due(conn, &policy, now, rows)).await?;
    let turn = |row: &Row| row.state == State::Queued && row.next_attempt_at <= Some(now);
    let (due, others): (Vec<Row>, Vec<Row>) = due.into_iter().partition(turn);
    if !others.is_empty() {
        let put_off =
            move |conn: &mut Conn| others.iter().try_for_each(|row| Ok::<_, Error>(store::notice::save(conn, row)?));
        app.db.write(put_off).await?;
    }
    let mut sent = 0;
    for mut row in due {
        let outcome = send(&mut row, app.settings.policy.notices.channel);
        if outcome.is_ok() {
            sent += 1;
        }
        settle(app, row, outcome).await?;
    }
    Ok(sent)
}

/// What is to be tried now, with a later time where it must wait until quiet hours end; overtaken where it is over.
fn due(conn: &mut Conn, policy: &NoticePolicy, now: Timestamp, rows: i64) -> Result<Vec<Row>, Error> {
    let mut due = store::notice::due(conn, now, rows)?;
    let mut zones = BTreeMap::new();
    for row in &mut due {
        let zone = match zones.entry(row.id.site()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(books::zone(&store::site::by_id(conn, row.id.site())?)?),
        };
        if let Some(end) = notice::quiet_until(row.kind, now, policy, zone) {
            row.next_attempt_at = Some(end);
        } else if is_over(conn, row)? {
            (row.state, row.next_attempt_at) = (State::Overtaken, None);
        }
    }
    Ok(due)
}

/// Whether what a notice tells is no longer so.
fn is_over(conn: &mut Conn, row: &Row) -> Result<bool, Error> {
    let credit = store::account::by_id(conn, row.account_id)?.credit();
    let mut relays = Vec::new();
    for installation in store::installation::of_account(conn, row.account_id)? {
        if installation.end_at.is_none() {
            let meter = store::meter::by_id(conn, installation.meter_id)?;
            relays.push(meter.relay_reading().map(|(relay, _)| relay));
        }
    }
    Ok(notice::is_over(row.kind, &credit, &relays))
}

/// Why a notice was not sent.
enum NotSent {
    /// Its channel failed; it is tried again.
    Failed(String),
    /// Its site tells nobody.
    NoChannel,
}

/// Hands one notice to its channel.
fn send(row: &mut Row, channel: Channel) -> Result<(), NotSent> {
    if channel == Channel::None {
        Channel::None.as_str().clone_into(&mut row.channel);
        return Err(NotSent::NoChannel);
    }
    let text = match row.language {
        Language::Zh => &row.text_zh,
        Language::En => &row.text_en,
    };
    if row.channel == Channel::Log.as_str() {
        tracing::info!(account = %row.account_id, kind = %row.kind, text, "notice");
        Ok(())
    } else {
        Err(NotSent::Failed(format!("no channel {}", row.channel)))
    }
}

/// Stores what became of a notice.
async fn settle(app: &App, mut row: Row, outcome: Result<(), NotSent>) -> Result<(), Error> {
    let now = app.clock.now();
    match outcome {
        Ok(()) => {
            row.attempts += 1;
            (row.state, row.sent_at, row.next_attempt_at) = (State::Sent, Some(now), None);
        }
        Err(NotSent::Failed(reason)) => {
            row.attempts += 1;
            row.next_attempt_at = notice::retry_at(row.attempts, now, &app.settings.policy.notices);
            if row.next_attempt_at.is_none() {
                tracing::warn!(notice = %row.id, reason, "a notice is given up");
                row.state = State::Failed;
            }
        }
        Err(NotSent::NoChannel) => (row.state, row.next_attempt_at) = (State::Failed, None),
    }
    by_hand::ask_for(&mut row, now);
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

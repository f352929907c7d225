//! Notices to customers: an outbox, sent from here and nowhere else.

use diesel::prelude::*;
use domain::{
    ids::{AccountId, NoticeId, SiteId},
    notice::{Kind, Language, State},
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    prepared::Prepare,
    schema::notices,
};

row! {
    /// A notice.
    pub struct Notice in notices {
        /// Its identifier.
        pub id: NoticeId,
        /// The account it is about.
        pub account_id: AccountId,
        /// What it is about.
        pub kind: Kind,
        /// How it is sent: `log`.
        pub channel: String,
        /// Which of its texts is sent.
        pub language: Language,
        /// 中文
        pub text_zh: String,
        /// English
        pub text_en: String,
        /// How far it has come.
        pub state: State,
        /// How often it was tried.
        pub attempts: u32,
        /// When it was written.
        pub created_at: Timestamp,
        /// When it is tried next; none: nothing more is tried.
        pub next_attempt_at: Option<Timestamp>,
        /// When a channel took it.
        pub sent_at: Option<Timestamp>,
    }
}

/// Stores a new notice.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &Notice) -> Result<()> {
    let values = (new, notices::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(notices::table).values(values).execute(c)).map(drop)
}

/// The notice with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: NoticeId) -> Result<Notice> {
    let row =
        on!(conn, |c| notices::table.find((val(id.site()), val(id))).select(Notice::as_select()).first(c).optional())?;
    found("notice", row)
}

/// At most `limit` notices of all sites to be tried at `now`, oldest first.
///
/// # Errors
/// Whatever the database answers.
pub fn due(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<Vec<Notice>> {
    on!(conn, |c| notices::table
        .filter(notices::next_attempt_at.le(val(Some(now))))
        .order((notices::next_attempt_at, notices::created_at, notices::id))
        .limit(limit)
        .select(Notice::as_select())
        .load(c))
}

/// Stores how far a notice has come: state, attempts, next attempt, when it was sent.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn save(conn: &mut Conn, notice: &Notice) -> Result<()> {
    let rows: Vec<SiteId> =
        on!(conn, |c| diesel::update(notices::table.find((val(notice.id.site()), val(notice.id))))
            .set((
                notices::state.eq(val(notice.state)),
                notices::attempts.eq(val(notice.attempts)),
                notices::next_attempt_at.eq(val(notice.next_attempt_at)),
                notices::sent_at.eq(val(notice.sent_at)),
            ))
            .returning(notices::site_id)
            .prepared()
            .load(c))?;
    found("notice", (!rows.is_empty()).then_some(()))
}

/// At most `limit` of an account's notices before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn of_account(
    conn: &mut Conn,
    account: AccountId,
    before: Option<(Timestamp, NoticeId)>,
    limit: i64,
) -> Result<Vec<Notice>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| notices::table
        .filter(notices::site_id.eq(val(account.site())))
        .filter(notices::account_id.eq(val(account)))
        .filter(notices::created_at.lt(val(at)).or(notices::created_at.eq(val(at)).and(notices::id.lt(val(id)))))
        .order((notices::created_at.desc(), notices::id.desc()))
        .limit(limit)
        .select(Notice::as_select())
        .load(c))
}

//! Notices to customers: an outbox, sent from here and nowhere else.

use diesel::prelude::*;
use domain::{
    account,
    ids::{AccountId, NoticeId, SiteId},
    notice::{Kind, Language, State},
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    prepared::Prepare,
    schema::{accounts, notices},
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
        /// How it is sent: `log`; `none` where its site told nobody when it was to be sent.
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
        /// Since when somebody is to serve it by hand; none: nobody ever was.
        pub by_hand_since: Option<Timestamp>,
        /// When it was recorded as served by hand, or nothing was left to be warned of.
        pub by_hand_ended_at: Option<Timestamp>,
        /// When it was handed over, as somebody recorded.
        pub served_at: Option<Timestamp>,
        /// How, in words.
        pub served_how: Option<String>,
        /// Prefix of the API key that recorded it.
        pub served_by: Option<String>,
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

/// Holds a notice until the transaction ends, and gives it as it is now.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Busy`] where somebody else held it too long.
pub fn lock(conn: &mut Conn, id: NoticeId) -> Result<Notice> {
    let row = on!(conn, |c| diesel::update(notices::table.find((val(id.site()), val(id))))
        .set(notices::attempts.eq(notices::attempts))
        .returning(Notice::as_returning())
        .get_result(c)
        .optional())?;
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

/// Stores how far a notice has come with its channel, and since when it is to be served by hand.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn save(conn: &mut Conn, notice: &Notice) -> Result<()> {
    let rows: Vec<SiteId> =
        on!(conn, |c| diesel::update(notices::table.find((val(notice.id.site()), val(notice.id))))
            .set((
                notices::channel.eq(&notice.channel),
                notices::state.eq(val(notice.state)),
                notices::attempts.eq(val(notice.attempts)),
                notices::next_attempt_at.eq(val(notice.next_attempt_at)),
                notices::sent_at.eq(val(notice.sent_at)),
                notices::by_hand_since.eq(val(notice.by_hand_since)),
            ))
            .returning(notices::site_id)
            .prepared()
            .load(c))?;
    found("notice", (!rows.is_empty()).then_some(()))
}

/// Stores that a notice is no longer to be served by hand, and how it was served if it was.
///
/// # Errors
/// Whatever the database answers.
pub fn end_by_hand(conn: &mut Conn, notice: &Notice) -> Result<()> {
    on!(conn, |c| diesel::update(notices::table.find((val(notice.id.site()), val(notice.id))))
        .set((
            notices::by_hand_ended_at.eq(val(notice.by_hand_ended_at)),
            notices::served_at.eq(val(notice.served_at)),
            notices::served_how.eq(&notice.served_how),
            notices::served_by.eq(&notice.served_by),
        ))
        .execute(c))
    .map(drop)
}

/// At most `limit` notices of all sites after one that stand as to be served by hand, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn open_by_hand(conn: &mut Conn, after: Option<NoticeId>, limit: i64) -> Result<Vec<Notice>> {
    on!(conn, |c| notices::table
        .filter(notices::by_hand_since.is_not_null())
        .filter(notices::by_hand_ended_at.is_null())
        .filter(notices::id.gt(val(after.map_or(0, NoticeId::get))))
        .order(notices::id)
        .limit(limit)
        .select(Notice::as_select())
        .load(c))
}

/// At most `limit` of a site's warnings after one, by identifier, that somebody is to serve by hand: no channel took them, and
/// the episodes that they were written in are not served yet.
///
/// # Errors
/// Whatever the database answers.
pub fn by_hand(conn: &mut Conn, site: SiteId, after: Option<NoticeId>, limit: i64) -> Result<Vec<Notice>> {
    let its_account = accounts::site_id.eq(notices::site_id).and(accounts::id.eq(notices::account_id));
    on!(conn, |c| notices::table
        .inner_join(accounts::table.on(its_account))
        .filter(notices::site_id.eq(val(site)))
        .filter(notices::id.gt(val(after.map_or(0, NoticeId::get))))
        .filter(notices::by_hand_since.is_not_null())
        .filter(notices::by_hand_ended_at.is_null())
        .filter(accounts::state.ne(val(account::State::Closed)))
        .filter(accounts::episode_began_at.le(notices::created_at.nullable()))
        .filter(accounts::warning_served_at.is_null())
        .order(notices::id)
        .limit(limit)
        .select(Notice::as_select())
        .load(c))
}

/// At most `limit` of a site's notices after one, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn page(conn: &mut Conn, site: SiteId, after: Option<NoticeId>, limit: i64) -> Result<Vec<Notice>> {
    on!(conn, |c| notices::table
        .filter(notices::site_id.eq(val(site)))
        .filter(notices::id.gt(val(after.map_or(0, NoticeId::get))))
        .order(notices::id)
        .limit(limit)
        .select(Notice::as_select())
        .load(c))
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

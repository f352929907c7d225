//! Relay orders: stored rows first, exchanges second; each change is a line that stays.
//!
//! An order is live while it has not ended; a meter has one live order at most.

use diesel::prelude::*;
use domain::{
    ids::{AccountId, ConcentratorId, MeterId, OrderId, SiteId, VendId},
    relay::{
        Action, Cause,
        order::{Order, State},
    },
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    prepared::Prepare,
    schema::{concentrators, meters, relay_order_lines, relay_orders},
};

row! {
    /// An order to a meter's relay: the domain's [`Order`], with what the head end keeps beside it.
    pub struct RelayOrder in relay_orders {
        /// See [`Order::id`].
        pub id: OrderId,
        /// See [`Order::meter`].
        pub meter_id: MeterId,
        /// See [`Order::account`].
        pub account_id: Option<AccountId>,
        /// See [`Order::action`].
        pub action: Action,
        /// See [`Order::cause`].
        pub cause: Cause,
        /// Why it was given, in words.
        pub why: String,
        /// See [`Order::permit`].
        pub permit: bool,
        /// See [`Order::state`].
        pub state: State,
        /// See [`Order::attempts`].
        pub attempts: u32,
        /// See [`Order::failures`].
        pub failures: u32,
        /// See [`Order::created_at`].
        pub created_at: Timestamp,
        /// See [`Order::sent_at`].
        pub sent_at: Option<Timestamp>,
        /// See [`Order::acknowledged_at`].
        pub acknowledged_at: Option<Timestamp>,
        /// See [`Order::read_at`].
        pub read_at: Option<Timestamp>,
        /// See [`Order::next_attempt_at`].
        pub next_attempt_at: Option<Timestamp>,
        /// See [`Order::expires_at`].
        pub expires_at: Option<Timestamp>,
        /// See [`Order::ended_at`].
        pub ended_at: Option<Timestamp>,
        /// The vend that wants supply back.
        pub vend_id: Option<VendId>,
        /// Prefix of the API key that gave it; none: the head end itself.
        pub ordered_by: Option<String>,
        /// The newer order that took its place.
        pub superseded_by: Option<OrderId>,
        /// Why it failed, in words.
        pub detail: Option<String>,
    }
}

impl RelayOrder {
    /// A row for a new order.
    #[must_use]
    pub fn new(order: &Order, why: &str) -> Self {
        Self {
            id: order.id,
            meter_id: order.meter,
            account_id: order.account,
            action: order.action,
            cause: order.cause,
            why: why.to_owned(),
            permit: order.permit,
            state: order.state,
            attempts: order.attempts,
            failures: order.failures,
            created_at: order.created_at,
            sent_at: order.sent_at,
            acknowledged_at: order.acknowledged_at,
            read_at: order.read_at,
            next_attempt_at: order.next_attempt_at,
            expires_at: order.expires_at,
            ended_at: order.ended_at,
            vend_id: None,
            ordered_by: None,
            superseded_by: None,
            detail: None,
        }
    }

    /// The order as the rules know it.
    #[must_use]
    pub fn order(&self) -> Order {
        Order {
            id: self.id,
            meter: self.meter_id,
            account: self.account_id,
            action: self.action,
            cause: self.cause,
            permit: self.permit,
            state: self.state,
            attempts: self.attempts,
            failures: self.failures,
            created_at: self.created_at,
            sent_at: self.sent_at,
            acknowledged_at: self.acknowledged_at,
            read_at: self.read_at,
            next_attempt_at: self.next_attempt_at,
            expires_at: self.expires_at,
            ended_at: self.ended_at,
        }
    }

    /// The row with the order as the rules left it.
    #[must_use]
    pub fn with(&self, order: &Order) -> Self {
        Self {
            vend_id: self.vend_id,
            ordered_by: self.ordered_by.clone(),
            superseded_by: self.superseded_by,
            detail: self.detail.clone(),
            ..Self::new(order, &self.why)
        }
    }
}

row! {
    /// What happened to an order.
    pub struct Line in relay_order_lines {
        /// The order.
        pub order_id: OrderId,
        /// Its place in the order's history: 1, 2, ..
        pub line: i64,
        /// When it happened.
        pub at: Timestamp,
        /// The state the order came to, or stayed in.
        pub state: State,
        /// The exchange, or the reason.
        pub detail: String,
    }
}

/// Stores a new order with its first line.
///
/// # Errors
/// [`crate::Error::Unique`] `relay_orders_meter_id` where the meter has a live order.
pub fn insert(conn: &mut Conn, new: &RelayOrder) -> Result<()> {
    let values = (new, relay_orders::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(relay_orders::table).values(values).execute(c))?;
    insert_line(conn, new, new.created_at, &new.why)
}

/// Changes an order that is still in the state `from`, and adds a line; whether it was. Where it was not, nothing changes.
///
/// # Errors
/// Whatever the database answers.
pub fn transition(conn: &mut Conn, new: &RelayOrder, from: State, at: Timestamp, detail: &str) -> Result<bool> {
    let rows: Vec<SiteId> = on!(conn, |c| diesel::update(relay_orders::table.find((val(new.id.site()), val(new.id))))
        .filter(relay_orders::state.eq(val(from)))
        .set(new.changes())
        .returning(relay_orders::site_id)
        .prepared()
        .load(c))?;
    if !rows.is_empty() {
        insert_line(conn, new, at, detail)?;
    }
    Ok(!rows.is_empty())
}

fn insert_line(conn: &mut Conn, order: &RelayOrder, at: Timestamp, detail: &str) -> Result<()> {
    let last: Option<i64> = on!(conn, |c| relay_order_lines::table
        .filter(relay_order_lines::site_id.eq(val(order.id.site())))
        .filter(relay_order_lines::order_id.eq(val(order.id)))
        .order(relay_order_lines::line.desc())
        .select(relay_order_lines::line)
        .first(c)
        .optional())?;
    let line =
        Line { order_id: order.id, line: last.unwrap_or(0) + 1, at, state: order.state, detail: detail.to_owned() };
    let values = (&line, relay_order_lines::site_id.eq(val(order.id.site())));
    on!(conn, |c| diesel::insert_into(relay_order_lines::table).values(values).execute(c)).map(drop)
}

/// The order with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: OrderId) -> Result<RelayOrder> {
    let row = on!(conn, |c| relay_orders::table
        .find((val(id.site()), val(id)))
        .select(RelayOrder::as_select())
        .first(c)
        .optional())?;
    found("relay order", row)
}

/// The live order of a meter.
///
/// # Errors
/// Whatever the database answers.
pub fn live_of(conn: &mut Conn, meter: MeterId) -> Result<Option<RelayOrder>> {
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(meter.site())))
        .filter(relay_orders::meter_id.eq(val(meter)))
        .filter(relay_orders::ended_at.is_null())
        .select(RelayOrder::as_select())
        .first(c)
        .optional())
}

/// Whether this meter's relay was ever seen cut by an order.
///
/// # Errors
/// Whatever the database answers.
pub fn was_cut(conn: &mut Conn, meter: MeterId) -> Result<bool> {
    let cut: Option<SiteId> = on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(meter.site())))
        .filter(relay_orders::meter_id.eq(val(meter)))
        .filter(relay_orders::action.eq(val(Action::Disconnect)))
        .filter(relay_orders::state.eq(val(State::Confirmed)))
        .select(relay_orders::site_id)
        .first(c)
        .optional())?;
    Ok(cut.is_some())
}

/// A site's live orders, by identifier.
///
/// # Errors
/// Whatever the database answers.
pub fn live(conn: &mut Conn, site: SiteId) -> Result<Vec<RelayOrder>> {
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(site)))
        .filter(relay_orders::ended_at.is_null())
        .order(relay_orders::id)
        .select(RelayOrder::as_select())
        .load(c))
}

/// Which orders are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those of a concentrator's meters.
    Of(ConcentratorId),
    /// Those whose concentrator was heard since then, so that those nobody can reach do not keep others from their turn.
    HeardSince(Timestamp),
}

/// At most `limit` live orders to be worked on at `now`, with their concentrators; those that have waited longest for
/// their next attempt first, and new ones before those.
///
/// # Errors
/// Whatever the database answers.
pub fn due(conn: &mut Conn, now: Timestamp, whose: Whose, limit: i64) -> Result<Vec<(RelayOrder, ConcentratorId)>> {
    let mut due = due_by(conn, None, whose, limit)?;
    let left = limit.saturating_sub(i64::try_from(due.len()).unwrap_or(i64::MAX));
    if left > 0 {
        due.extend(due_by(conn, Some(now), whose, left)?);
    }
    Ok(due)
}

/// New orders, or those whose next attempt is due `by` then: asked for one after the other, since no index serves both.
fn due_by(
    conn: &mut Conn,
    by: Option<Timestamp>,
    whose: Whose,
    limit: i64,
) -> Result<Vec<(RelayOrder, ConcentratorId)>> {
    let same_meter = relay_orders::site_id.eq(meters::site_id).and(relay_orders::meter_id.eq(meters::id));
    let same_concentrator =
        meters::site_id.eq(concentrators::site_id).and(meters::concentrator_id.eq(concentrators::id));
    // Each statement as a whole, so that diesel knows it again without its text.
    macro_rules! load {
        ($c:ident, $when:expr, $whose:expr) => {
            relay_orders::table
                .inner_join(meters::table.on(same_meter))
                .inner_join(concentrators::table.on(same_concentrator))
                .filter(relay_orders::ended_at.is_null())
                .filter($when)
                .filter($whose)
                .order((relay_orders::next_attempt_at, relay_orders::created_at, relay_orders::id))
                .limit(limit)
                .select((RelayOrder::as_select(), meters::concentrator_id))
                .load($c)
        };
    }
    let new = relay_orders::next_attempt_at.is_null();
    let waited = |by| relay_orders::next_attempt_at.le(val(Some(by)));
    let of = |id: ConcentratorId| meters::site_id.eq(val(id.site())).and(meters::concentrator_id.eq(val(id)));
    let heard = |since| concentrators::last_seen_at.ge(val(Some(since)));
    on!(conn, |c| match (by, whose) {
        (None, Whose::Of(id)) => load!(c, new, of(id)),
        (None, Whose::HeardSince(since)) => load!(c, new, heard(since)),
        (Some(by), Whose::Of(id)) => load!(c, waited(by), of(id)),
        (Some(by), Whose::HeardSince(since)) => load!(c, waited(by), heard(since)),
    })
}

/// What happened to an order, in its order.
///
/// # Errors
/// Whatever the database answers.
pub fn lines(conn: &mut Conn, id: OrderId) -> Result<Vec<Line>> {
    on!(conn, |c| relay_order_lines::table
        .filter(relay_order_lines::site_id.eq(val(id.site())))
        .filter(relay_order_lines::order_id.eq(val(id)))
        .order(relay_order_lines::line)
        .select(Line::as_select())
        .load(c))
}

/// At most `limit` of a meter's orders before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn of_meter(
    conn: &mut Conn,
    meter: MeterId,
    before: Option<(Timestamp, OrderId)>,
    limit: i64,
) -> Result<Vec<RelayOrder>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(meter.site())))
        .filter(relay_orders::meter_id.eq(val(meter)))
        .filter(
            relay_orders::created_at
                .lt(val(at))
                .or(relay_orders::created_at.eq(val(at)).and(relay_orders::id.lt(val(id))))
        )
        .order((relay_orders::created_at.desc(), relay_orders::id.desc()))
        .limit(limit)
        .select(RelayOrder::as_select())
        .load(c))
}

/// At most `limit` of a site's orders before one, the newest first.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    before: Option<(Timestamp, OrderId)>,
    limit: i64,
) -> Result<Vec<RelayOrder>> {
    let (at, id) = before.map_or((Timestamp::MAX, i64::MAX), |(at, id)| (at, id.get()));
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(site)))
        .filter(
            relay_orders::created_at
                .lt(val(at))
                .or(relay_orders::created_at.eq(val(at)).and(relay_orders::id.lt(val(id))))
        )
        .order((relay_orders::created_at.desc(), relay_orders::id.desc()))
        .limit(limit)
        .select(RelayOrder::as_select())
        .load(c))
}

/// The disconnect that was sent last to a meter, whatever became of it: the one ordered last, since no order is sent after a
/// newer one. Times of sending may come from a clock that was ahead.
///
/// # Errors
/// Whatever the database answers.
pub fn last_disconnect(conn: &mut Conn, meter: MeterId) -> Result<Option<RelayOrder>> {
    on!(conn, |c| relay_orders::table
        .filter(relay_orders::site_id.eq(val(meter.site())))
        .filter(relay_orders::meter_id.eq(val(meter)))
        .filter(relay_orders::action.eq(val(Action::Disconnect)))
        .filter(relay_orders::sent_at.is_not_null())
        .order(relay_orders::id.desc())
        .select(RelayOrder::as_select())
        .first(c)
        .optional())
}

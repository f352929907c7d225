//! What concentrators noted of themselves and of their meters (AFN0E), in the order in which it was read.

use diesel::prelude::*;
use domain::ids::{ConcentratorId, EventId, MeterId, SiteId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::Result,
    schema::concentrator_events,
};

/// Which of a concentrator's two lists an event stands in, by its own setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Told by the concentrator as soon as it can.
    Important,
    /// Read beside the important ones.
    General,
}

row! {
    /// An event.
    pub struct ConcentratorEvent in concentrator_events {
        /// Its identifier.
        pub id: EventId,
        /// Who noted it.
        pub concentrator_id: ConcentratorId,
        /// In which list.
        pub list: List,
        /// Its number there, modulo 256.
        pub number: u8,
        /// ERC: what happened.
        pub code: u8,
        /// The record behind code and length, in hex digits.
        pub content: String,
        /// When it happened, by the concentrator's clock; none: it does not say.
        pub occurred_at: Option<Timestamp>,
        /// The meter that it is about; none: the concentrator itself.
        pub meter_id: Option<MeterId>,
        /// When it was read.
        pub received_at: Timestamp,
    }
}

/// Stores an event.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &ConcentratorEvent) -> Result<()> {
    let values = (new, concentrator_events::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(concentrator_events::table).values(values).execute(c)).map(drop)
}

/// The number behind that of the last event stored of a list, modulo 256; none: none is.
///
/// # Errors
/// Whatever the database answers.
pub fn read_to(conn: &mut Conn, concentrator: ConcentratorId, list: List) -> Result<Option<u8>> {
    let last: Option<u8> = on!(conn, |c| concentrator_events::table
        .filter(concentrator_events::site_id.eq(val(concentrator.site())))
        .filter(concentrator_events::concentrator_id.eq(val(concentrator)))
        .filter(concentrator_events::list.eq(val(list)))
        .order(concentrator_events::id.desc())
        .select(concentrator_events::number)
        .first(c)
        .optional())?;
    Ok(last.map(|last| last.wrapping_add(1)))
}

/// At most `limit` of a site's events before one, the newest first; of one concentrator, or of all.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    site: SiteId,
    of: Option<ConcentratorId>,
    before: Option<EventId>,
    limit: i64,
) -> Result<Vec<ConcentratorEvent>> {
    let before = before.map_or(i64::MAX, EventId::get);
    on!(conn, |c| {
        let mut query = concentrator_events::table
            .filter(concentrator_events::site_id.eq(val(site)))
            .filter(concentrator_events::id.lt(val(before)))
            .order(concentrator_events::id.desc())
            .limit(limit)
            .select(ConcentratorEvent::as_select())
            .into_boxed();
        if let Some(of) = of {
            query = query.filter(concentrator_events::concentrator_id.eq(val(of)));
        }
        query.load(c)
    })
}

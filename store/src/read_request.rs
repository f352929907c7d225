//! Read-now requests (召测).

use diesel::prelude::*;
use domain::ids::{MeterId, ReadRequestId, ReadingId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::read_requests,
};

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadState {
    /// Not answered yet.
    Requested,
    /// The meter answered.
    Done,
    /// It did not.
    Failed,
}

row! {
    /// A request to read a meter now.
    pub struct ReadRequest in read_requests {
        /// Its identifier.
        pub id: ReadRequestId,
        /// The meter.
        pub meter_id: MeterId,
        /// How far it has come.
        pub state: ReadState,
        /// Prefix of the API key that asked.
        pub requested_by: String,
        /// When it was asked.
        pub created_at: Timestamp,
        /// When it was done or failed.
        pub ended_at: Option<Timestamp>,
        /// What was read.
        pub reading_id: Option<ReadingId>,
        /// Why it failed.
        pub detail: Option<String>,
    }
}

/// Stores a new request.
///
/// # Errors
/// Whatever the database answers.
pub fn insert(conn: &mut Conn, new: &ReadRequest) -> Result<()> {
    let values = (new, read_requests::site_id.eq(val(new.id.site())));
    on!(conn, |c| diesel::insert_into(read_requests::table).values(values).execute(c)).map(drop)
}

/// The request with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: ReadRequestId) -> Result<ReadRequest> {
    let row = on!(conn, |c| read_requests::table
        .find((val(id.site()), val(id)))
        .select(ReadRequest::as_select())
        .first(c)
        .optional())?;
    found("read request", row)
}

/// Stores the end of a request that had none; whether it had none.
///
/// # Errors
/// Whatever the database answers.
pub fn finish(conn: &mut Conn, request: &ReadRequest) -> Result<bool> {
    let rows = on!(conn, |c| diesel::update(read_requests::table.find((val(request.id.site()), val(request.id))))
        .filter(read_requests::state.eq(val(ReadState::Requested)))
        .set((
            read_requests::state.eq(val(request.state)),
            read_requests::ended_at.eq(val(request.ended_at)),
            read_requests::reading_id.eq(val(request.reading_id)),
            read_requests::detail.eq(&request.detail),
        ))
        .execute(c))?;
    Ok(rows > 0)
}

/// Ends at most `limit` requests that are still open, of all sites; how many those were.
///
/// # Errors
/// Whatever the database answers.
pub fn end_open(conn: &mut Conn, detail: &str, at: Timestamp, limit: i64) -> Result<usize> {
    let open: Vec<ReadRequest> = on!(conn, |c| read_requests::table
        .filter(read_requests::state.eq(val(ReadState::Requested)))
        .limit(limit)
        .select(ReadRequest::as_select())
        .load(c))?;
    for request in &open {
        let detail = Some(detail.to_owned());
        finish(conn, &ReadRequest { state: ReadState::Failed, ended_at: Some(at), detail, ..request.clone() })?;
    }
    Ok(open.len())
}

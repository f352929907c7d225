//! Updates that are prepared once for a connection and kept. Diesel prepares each update anew, since a changeset may name
//! other columns each time; ours name the same ones always.

use diesel::{
    backend::Backend,
    query_builder::{AstPass, Query, QueryFragment, QueryId, UpdateStatement},
    query_source::QuerySource,
    result::QueryResult,
};

/// See [`Prepare::prepared`].
pub(crate) struct Prepared<Q>(Q);

/// What can be prepared once.
pub(crate) trait Prepare: Sized {
    /// The same statement, prepared once for each connection and found again by its text.
    fn prepared(self) -> Prepared<Self> {
        Prepared(self)
    }
}

impl<T: QuerySource, U, V, R> Prepare for UpdateStatement<T, U, V, R> {}

impl<Q> QueryId for Prepared<Q> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Prepared<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q: Query> Query for Prepared<Q> {
    type SqlType = Q::SqlType;
}

impl<Q, C> diesel::RunQueryDsl<C> for Prepared<Q> {}

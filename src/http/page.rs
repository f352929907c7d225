//! Lists: keyset pagination with an opaque cursor.

use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::{IntoParams, ToSchema};

use domain::ids::SiteId;

use super::problem::Problem;
use crate::{hex, settings::HttpSettings};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The rows of this page.
    pub items: Vec<T>,
    /// What to give as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

/// The parameters of a list of one site's things.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfSite {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    pub site_id: Option<SiteId>,
    /// Most rows of the page; at most 500 by default settings.
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The parameters of a list of what happened at one site.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Dated {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    pub site_id: Option<SiteId>,
    /// Not before.
    #[param(value_type = Option<String>, format = DateTime)]
    pub from: Option<Timestamp>,
    /// Before.
    #[param(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// Most rows of the page; at most 500 by default settings.
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl Dated {
    /// The span that is asked for.
    #[must_use]
    pub fn within(&self) -> Range<Timestamp> {
        within(self.from, self.to)
    }
}

/// A span that is asked for. Nothing happened before 1970, and PostgreSQL knows no instant long before.
#[must_use]
pub fn within(from: Option<Timestamp>, to: Option<Timestamp>) -> Range<Timestamp> {
    let since = |at: Timestamp| at.max(Timestamp::UNIX_EPOCH);
    from.map_or(Timestamp::UNIX_EPOCH, since)..to.map_or(Timestamp::MAX, since)
}

/// The parameters of a list of one site's things that people look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// The site; may be left out by a key that is for one site only.
    #[param(value_type = Option<String>)]
    pub site_id: Option<SiteId>,
    /// A part of what people call it by, whatever its case; all if absent.
    pub search: Option<String>,
    /// Most rows of the page; at most 500 by default settings.
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// The parameters of a list that its address already narrows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Most rows of the page; at most 500 by default settings.
    pub limit: Option<i64>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A page that was asked for: after which key, and how many rows.
pub struct Ask<K> {
    /// The key of the last row of the page before; none for the first page.
    pub after: Option<K>,
    limit: usize,
}

impl<K: Serialize + DeserializeOwned> Ask<K> {
    /// Reads `limit` and `cursor`.
    ///
    /// # Errors
    /// 400 for a limit outside 1 to the settings' most, or a cursor that this list did not give out.
    pub fn new(limit: Option<i64>, cursor: Option<&str>, settings: &HttpSettings) -> Result<Self, Problem> {
        let most = settings.page_rows_max;
        let limit = Some(limit.unwrap_or(settings.page_rows))
            .filter(|limit| (1..=most).contains(limit))
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or_else(|| Problem::malformed("query", Some("limit"), format!("must be 1 to {most}")))?;
        let bad_cursor = || Problem::malformed("cursor", Some("cursor"), "is none that this list gave out");
        let after = cursor.map(|cursor| decode(cursor).ok_or_else(bad_cursor)).transpose()?;
        Ok(Self { after, limit })
    }

    /// Rows to fetch: one more than are shown, to know whether there is a next page.
    #[must_use]
    pub fn rows(&self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    /// Makes the page of the rows fetched; `key` gives a row's place in the list, `view` shows it.
    pub fn page<R, V>(&self, mut rows: Vec<R>, key: impl Fn(&R) -> K, view: impl FnMut(R) -> V) -> Page<V> {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next_cursor = rows.last().filter(|_| more).map(|last| encode(&key(last)));
        Page { items: rows.into_iter().map(view).collect(), next_cursor }
    }
}

/// A cursor is the hexadecimal form of its key's JSON: safe in an address, and nobody is tempted to make one.
fn encode(key: &impl Serialize) -> String {
    hex::text(&serde_json::to_vec(key).unwrap_or_default())
}

fn decode<K: DeserializeOwned>(cursor: &str) -> Option<K> {
    serde_json::from_slice(&hex::bytes(cursor)?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use domain::ids::VendId;

    use super::*;

    type Place = (Timestamp, VendId);

    fn place(counter: i64) -> Place {
        (
            Timestamp::from_microsecond(1_700_000_000_123_456 + counter).unwrap(),
            VendId::new(SiteId::new(1).unwrap(), counter).unwrap(),
        )
    }

    /// The rows after a place, as the store would fetch them.
    fn fetch(ask: &Ask<Place>) -> Vec<Place> {
        let from = ask.after.map_or(1, |(_, id)| (id.get() & 0xff) + 1);
        (from..=7).map(place).take(usize::try_from(ask.rows()).unwrap()).collect()
    }

    fn settings() -> HttpSettings {
        HttpSettings { page_rows: 3, page_rows_max: 500, ..crate::settings::read(None, None).unwrap().http }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repetition() {
        let (mut cursor, mut seen, mut pages) = (None, Vec::new(), 0);
        loop {
            let ask = Ask::new(None, cursor.as_deref(), &settings()).unwrap();
            let page = ask.page(fetch(&ask), |row| *row, |row| row);
            seen.extend(page.items);
            pages += 1;
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!((pages, seen), (3, (1..=7).map(place).collect()));
    }

    #[test]
    fn a_last_page_that_is_just_full_has_no_next() {
        let ask = Ask::<Place>::new(Some(7), None, &settings()).unwrap();
        assert_eq!(ask.page(fetch(&ask), |row| *row, |row| row).next_cursor, None);
    }

    #[test]
    fn a_limit_out_of_range_is_refused() {
        for limit in [0, -1, 501, i64::MAX] {
            assert_eq!(Ask::<Place>::new(Some(limit), None, &settings()).err().unwrap().status, 400, "{limit}");
        }
        assert!(Ask::<Place>::new(Some(500), None, &settings()).is_ok());
    }

    #[test]
    fn a_cursor_that_was_not_given_out_is_refused() {
        let of_another_list = encode(&"0001");
        for cursor in ["", "x", "zz", "5", "é", &of_another_list] {
            assert_eq!(Ask::<Place>::new(None, Some(cursor), &settings()).err().unwrap().code, "cursor", "{cursor}");
        }
    }
}

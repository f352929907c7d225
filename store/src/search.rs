//! Looking for rows by a part of what people call them.

use diesel::{
    define_sql_function,
    sql_types::{Nullable, Text},
};

define_sql_function! {
    /// The text in small letters: of all alphabets on PostgreSQL, of the Latin one on SQLite.
    fn lower(text: Text) -> Text;
}

define_sql_function! {
    /// The same of a text that may be missing.
    #[sql_name = "lower"]
    fn lower_or_null(text: Nullable<Text>) -> Nullable<Text>;
}

/// What `LIKE` looks for: all whose small letters contain `part`.
pub(crate) fn pattern(part: &str) -> String {
    format!("%{}%", plain(&part.to_lowercase()))
}

/// All that begins with `part`.
pub(crate) fn begins(part: &str) -> String {
    format!("{}%", plain(part))
}

/// A text with `!` before what would stand for other characters.
fn plain(part: &str) -> String {
    part.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

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

/// What `LIKE` looks for: all that contains `part`, with `!` before what would stand for other characters.
pub(crate) fn pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for letter in part.chars().flat_map(char::to_lowercase) {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

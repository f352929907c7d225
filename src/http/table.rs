//! A table as a request's body, refused with every row and column at fault.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;

use super::{input::read_whole, problem::Problem};

/// What a text in UTF-8 may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Most rows of a table that are told to be bad at once: one wrong column makes all of them so.
const BAD_ROWS_TOLD: usize = 100;

/// What a row of a table is read into.
pub trait Row: DeserializeOwned + 'static {
    /// Columns that hold whole numbers: decimal digits only, where the reader would take hexadecimal ones as well.
    const WHOLE: &[&str];
}

/// A table as a CSV body (RFC 4180), UTF-8, whose first row names the columns. Unknown columns are refused by the type
/// itself.
pub struct Table<T>(pub Vec<T>);

impl<T: Row> FromRequest for Table<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = read_whole(request, payload, "text/csv");
        Box::pin(async move {
            let bytes = bytes.await?;
            if bytes.contains(&0) {
                return Err(Problem::malformed(
                    "body",
                    None,
                    "a table is a text in UTF-8, which does not contain the character NUL",
                ));
            }
            // Spreadsheets write a byte order mark before the first column's name.
            let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
            let mut rows = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
            // Without the names of its columns a table would be read by their order.
            let columns = rows.headers().cloned();
            let columns = columns.map_err(|error| Problem::malformed("body", None, error.to_string()))?;
            let (mut good, mut bad) = (Vec::new(), Vec::new());
            for (nth, row) in (0..).zip(rows.records()) {
                if bad.len() == BAD_ROWS_TOLD {
                    break;
                }
                match row.map_err(|error| bad_row(nth, &columns, &error)).and_then(|row| read(nth, &columns, &row)) {
                    Ok(row) => good.push(row),
                    Err(problem) => bad.push(problem),
                }
            }
            bad.into_iter().reduce(Problem::and).map_or(Ok(Self(good)), Err)
        })
    }
}

fn read<T: Row>(nth: usize, columns: &csv::StringRecord, row: &csv::StringRecord) -> Result<T, Problem> {
    for (column, cell) in columns.iter().zip(row) {
        if T::WHOLE.contains(&column)
            && !cell.strip_prefix('-').unwrap_or(cell).bytes().all(|byte| byte.is_ascii_digit())
        {
            let field = format!("lines[{nth}].{column}");
            return Err(Problem::malformed(
                "body",
                Some(&field),
                "must be a whole number in decimal digits, such as 500",
            ));
        }
    }
    row.deserialize(Some(columns)).map_err(|error| bad_row(nth, columns, &error))
}

fn bad_row(nth: usize, columns: &csv::StringRecord, error: &csv::Error) -> Problem {
    let (field, detail) = match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => {
            let column = err.field().and_then(|column| columns.get(usize::try_from(column).ok()?));
            (column.map_or(format!("lines[{nth}]"), |column| format!("lines[{nth}].{column}")), err.kind().to_string())
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            (format!("lines[{nth}]"), format!("{len} columns in place of {expected_len}"))
        }
        _ => (format!("lines[{nth}]"), error.to_string()),
    };
    Problem::malformed("body", Some(&field), detail)
}

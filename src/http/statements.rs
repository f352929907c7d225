//! Statements: an account's transactions with their postings.

use actix_web::{get, web};
use domain::{
    ids::{AccountId, TransactionId},
    ledger::{self, LedgerAccount, TransactionKind},
    money::Money,
};
use jiff::Timestamp;
use serde::Serialize;
use store::Conn;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Read},
    input::{At, Query},
    page::{Ask, Page, Paging},
    problem::Problem,
};
use crate::app::App;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(show_statement);
}

/// A transaction of an account. Money is in minor units of `currency`.
#[derive(Serialize, ToSchema)]
struct Transaction {
    /// Identifier.
    #[schema(value_type = String)]
    id: TransactionId,
    /// Its place among the account's transactions, from 1.
    sequence: i64,
    /// What it is about: `opening`, `vend`, `reversal`, `charge`, `correction`, `fixed_charge`,
    /// `refund`, `debt`, `debt_recovery`, `subsidy`, `adjustment`, `write_off`, `transfer`.
    #[schema(value_type = String)]
    kind: TransactionKind,
    /// The thing it is about.
    object: String,
    /// When it was posted.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// ISO 4217.
    currency: String,
    /// How the money moved.
    postings: Vec<Posting>,
    /// The posted balance after it.
    #[schema(value_type = i64)]
    balance_after: Money,
}

/// A movement of money from one ledger account to another.
#[derive(Serialize, ToSchema)]
struct Posting {
    /// The ledger account that has less afterwards.
    #[schema(value_type = String)]
    from: LedgerAccount,
    /// The ledger account that has more afterwards.
    #[schema(value_type = String)]
    to: LedgerAccount,
    /// How much, above 0.
    #[schema(value_type = i64)]
    amount: Money,
}

/// Shows an account's transactions with their postings
#[utoipa::path(tag = "accounts", params(Paging), responses(
    (status = 200, description = "The newest first", body = Page<Transaction>),
))]
#[get("/accounts/{id}/statement")]
async fn show_statement(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
    query: Query<Paging>,
) -> Result<web::Json<Page<Transaction>>, Problem> {
    let ask = Ask::new(query.0.limit, query.0.cursor.as_deref(), &app.settings.http)?;
    let (before, most) = (ask.after, ask.rows());
    let rows = app.db.read(move |conn| lines(conn, id.0, before, most)).await?;
    Ok(web::Json(ask.page(rows, |row| row.sequence, |row| row)))
}

fn lines(conn: &mut Conn, account: AccountId, before: Option<i64>, most: i64) -> store::Result<Vec<Transaction>> {
    let currency = store::account::by_id(conn, account)?.currency;
    let rows = store::transaction::statement(conn, account, before, most)?;
    let line = |row: store::transaction::Transaction| {
        let postings = store::transaction::postings(conn, row.id)?;
        Ok(Transaction {
            id: row.id,
            sequence: row.sequence,
            kind: row.kind,
            object: row.object,
            at: row.at,
            currency: currency.clone(),
            postings: postings.into_iter().map(Posting::from).collect(),
            balance_after: row.balance_after,
        })
    };
    rows.into_iter().map(line).collect()
}

impl From<ledger::Posting> for Posting {
    fn from(posting: ledger::Posting) -> Self {
        Self { from: posting.from, to: posting.to, amount: posting.amount }
    }
}

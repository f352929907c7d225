//! Subsidies to many accounts at once. Every line is checked before any is posted; then they are posted a number of accounts
//! a transaction, each line once, and what was interrupted goes on when the key is used again.

use std::collections::BTreeMap;

use domain::{
    ids::{AccountId, BatchCreditId, SiteId},
    money::Money,
    vending::{self, Has},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{
    Conn,
    batch_credit::{Line, LineState},
};
use utoipa::ToSchema;

use super::{
    Error, FieldError, audit_line, balance,
    books::Books,
    decide_relay::{self, Reviewed},
    label, once,
    subsidize::{Given, What},
};
use crate::{app::App, changes::Changed, hot::Update, settings::Settings};

/// Subsidies to be given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBatchCredit {
    /// The site of the accounts.
    #[schema(value_type = String)]
    pub site_id: SiteId,
    /// What the amounts are in; must be the accounts' currency.
    pub currency: String,
    /// Who gives it, and why.
    pub reason: String,
    /// Whom, and how much; each account once.
    pub lines: Vec<NewLine>,
}

/// A line of a batch to be given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLine {
    /// The account's number for people.
    pub account_number: String,
    /// How much, in minor units.
    #[schema(value_type = i64, minimum = 1)]
    pub amount: Money,
}

/// A batch of subsidies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BatchCredit {
    /// Identifier; null where nothing was to be posted.
    #[schema(value_type = Option<String>)]
    pub id: Option<BatchCreditId>,
    /// What the amounts are in.
    pub currency: String,
    /// Who gives it, and why.
    pub reason: String,
    /// Prefix of the API key that asked.
    pub operator_key: String,
    /// When it was asked.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// All amounts together.
    #[schema(value_type = i64)]
    pub total: Money,
    /// What was posted of it.
    #[schema(value_type = i64)]
    pub posted: Money,
    /// Its lines.
    pub lines: Vec<BatchLine>,
}

/// A line of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BatchLine {
    /// Its place, from 1.
    pub line: i64,
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// How much.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// `waiting`, `posted`, or `refused` where the account could not be credited any more.
    #[schema(value_type = String)]
    pub state: LineState,
    /// Why it was refused.
    pub detail: Option<String>,
}

impl BatchCredit {
    fn of(row: store::batch_credit::BatchCredit, lines: Vec<Line>) -> Self {
        let sum = |of: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| of(line)).map(|line| line.amount).sum();
        Self {
            id: Some(row.id),
            currency: row.currency,
            reason: row.reason,
            operator_key: row.operator_key,
            created_at: row.created_at,
            total: sum(&|_| true),
            posted: sum(&|line| line.state == LineState::Posted),
            lines: lines.into_iter().map(BatchLine::from).collect(),
        }
    }
}

impl From<Line> for BatchLine {
    fn from(row: Line) -> Self {
        let Line { line, account_id, amount, state, detail, .. } = row;
        Self { line, account_id, amount, state, detail }
    }
}

/// Checks every line of a batch, and posts nothing.
///
/// # Errors
/// `batch_lines`, with every line that is bad.
pub async fn rehearse(app: &App, new: NewBatchCredit, by: &str) -> Result<BatchCredit, Error> {
    let reason = check_whole(app, &new)?;
    let (settings, now, operator_key) = (app.settings.clone(), app.clock.now(), by.to_owned());
    app.db
        .snapshot(move |conn| {
            let accounts = check(conn, &settings, &new)?;
            let lines = (1..).zip(accounts.iter().zip(&new.lines)).map(|(line, (account_id, new))| BatchLine {
                line,
                account_id: *account_id,
                amount: new.amount,
                state: LineState::Waiting,
                detail: None,
            });
            let (id, lines) = (None, lines.collect());
            let total = new.lines.iter().map(|line| line.amount).sum();
            let (currency, created_at, posted) = (new.currency, now, Money::ZERO);
            Ok(BatchCredit { id, currency, reason, operator_key, created_at, total, posted, lines })
        })
        .await
}

/// Posts a batch, or goes on with it. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; `batch_lines`, with every line that is bad: then none is posted.
pub async fn credit(app: &App, new: NewBatchCredit, key: &str, by: &str) -> Result<(BatchCredit, bool), Error> {
    let (id, repeated) = enter(app, new, key, by).await?;
    while post_some(app, id).await? {}
    Ok((show(app, id).await?, repeated))
}

/// Stores a batch whose lines are all good; none is posted yet. `true` beside it: it was stored before.
///
/// # Errors
/// See [`credit`].
pub async fn enter(app: &App, new: NewBatchCredit, key: &str, by: &str) -> Result<(BatchCreditId, bool), Error> {
    let site = new.site_id;
    let asked = once::Asked::new(site, key, &("batch_credit", &new))?;
    let reason = check_whole(app, &new)?;
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let earlier = asked.clone();
    let entered = app
        .db
        .write(move |conn| {
            if let Some(earlier) = once::find::<BatchCreditId>(conn, &asked)? {
                return Ok((earlier, true));
            }
            let accounts = check(conn, &settings, &new)?;
            let id: BatchCreditId = store::ids::next(conn, site)?;
            let (currency, operator_key) = (new.currency.clone(), by.clone());
            let reason = reason.clone();
            let row =
                store::batch_credit::BatchCredit { id, currency, reason, operator_key, created_at: now, version: 1 };
            let lines = (1..).zip(accounts.iter().zip(&new.lines)).map(|(line, (account_id, new))| Line {
                batch_id: id,
                line,
                account_id: *account_id,
                amount: new.amount,
                state: LineState::Waiting,
                transaction_id: None,
                detail: None,
            });
            store::batch_credit::insert(conn, &row, &lines.collect::<Vec<_>>())?;
            let detail = format!("{} lines: {}", new.lines.len(), row.reason);
            audit_line::write(conn, site, (&by, now), "batch_credit", format!("batch_credit:{id}"), detail)?;
            once::store(conn, &asked, &id, now)?;
            store::fault::point("batch_credit.written");
            Ok::<_, Error>((id, false))
        })
        .await;
    // No row is locked: of two who ask at once, the slower finds what the faster stored.
    match entered {
        Err(Error::Conflict { .. }) => {
            let found = app.db.read(move |conn| once::find(conn, &earlier)).await?;
            let unknown = || Error::conflict("idempotency_key_reused", "the key was used for something else");
            Ok((found.ok_or_else(unknown)?, true))
        }
        other => other,
    }
}

/// A batch with its lines.
///
/// # Errors
/// There is none; the database fails.
pub async fn show(app: &App, id: BatchCreditId) -> Result<BatchCredit, Error> {
    app.db
        .snapshot(move |conn| {
            let row = store::batch_credit::by_id(conn, id)?;
            Ok(BatchCredit::of(row, store::batch_credit::lines(conn, id)?))
        })
        .await
}

/// What a batch must be apart from its lines; gives its reason.
fn check_whole(app: &App, new: &NewBatchCredit) -> Result<String, Error> {
    let most = app.settings.batch_credit.lines;
    if !(1..=most).contains(&new.lines.len()) {
        return Err(Error::field("batch_lines", "lines", format!("must be 1 to {most} lines")));
    }
    label("reason", &new.reason)
}

/// The accounts of all lines, or every line that is bad.
fn check(conn: &mut Conn, settings: &Settings, new: &NewBatchCredit) -> Result<Vec<AccountId>, Error> {
    let (mut accounts, mut bad) = (Vec::new(), Vec::new());
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, line) in new.lines.iter().enumerate() {
        let mut refuse = |field: &str, detail: String| {
            bad.push(FieldError { field: format!("lines[{index}].{field}"), detail });
        };
        if let Some(before) = named.insert(&line.account_number, index) {
            refuse("account_number", format!("lines[{before}] names this account, too"));
        }
        let Some(account) = store::account::by_number(conn, new.site_id, &line.account_number)? else {
            refuse("account_number", "no such account".to_owned());
            continue;
        };
        if account.currency != new.currency {
            refuse("account_number", format!("the account is kept in {}", account.currency));
        }
        // What is available moves meanwhile; it is looked at when the line is posted.
        let before = Has { balance: account.posted, available: account.posted };
        if let Err(refused) = vending::subsidize(line.amount, account.state, before, &settings.policy.vending) {
            let amounts = account.state == domain::account::State::Active;
            refuse(if amounts { "amount" } else { "account_number" }, refused.to_string());
        }
        accounts.push(account.id);
    }
    if bad.is_empty() { Ok(accounts) } else { Err(Error::Many { code: "batch_lines", fields: bad }) }
}

/// Posts lines that wait, as many accounts as one transaction may change; whether there were any.
///
/// # Errors
/// The database fails.
pub async fn post_some(app: &App, id: BatchCreditId) -> Result<bool, Error> {
    let (now, settings) = (app.clock.now(), app.settings.clone());
    let (any, posted) = app
        .db
        .write(move |conn| {
            store::batch_credit::lock(conn, id)?;
            let mut posted: Vec<(AccountId, Reviewed, Update)> = Vec::new();
            let waiting = store::batch_credit::waiting(conn, id, settings.batch_credit.accounts_per_transaction)?;
            let any = !waiting.is_empty();
            for line in waiting {
                posted.extend(post_line(conn, &settings, line, now)?);
            }
            store::fault::point("batch_credit.posted");
            Ok::<_, Error>((any, posted))
        })
        .await?;
    for (account, reviewed, hot) in posted {
        // The money is in; what follows is a hint and may fail.
        if let Err(error) = balance::put(app, hot).await {
            tracing::warn!(%account, %error, "a hot balance was not brought up to a subsidy");
        }
        decide_relay::follow(app, reviewed);
        app.announce(Changed::Account { account });
    }
    Ok(any)
}

/// Posts a line; one whose account was closed or suspended meanwhile is refused alone.
fn post_line(
    conn: &mut Conn,
    settings: &Settings,
    mut line: Line,
    now: Timestamp,
) -> Result<Option<(AccountId, Reviewed, Update)>, Error> {
    let (batch, account) = (line.batch_id, line.account_id);
    let mut books = Books::lock(conn, account)?;
    let (key, object) = (format!("batch_credit:{batch}:{}", line.line), format!("batch_credit:{batch}"));
    let given = Given { what: What::Subsidy, amount: line.amount, key, object, now };
    let done = match given.check(settings, &books) {
        Ok(_) => {
            let (transaction, _, reviewed) = given.to(conn, settings, &mut books)?;
            (line.state, line.transaction_id) = (LineState::Posted, Some(transaction));
            Some((account, reviewed, books.hot()))
        }
        Err(Error::Refused { detail, .. }) => {
            (line.state, line.detail) = (LineState::Refused, Some(detail));
            None
        }
        Err(error) => return Err(error),
    };
    store::batch_credit::save(conn, &line)?;
    Ok(done)
}

//! Accounts (户): entering, opening (开户), balance, statement, supply guard and notices.

use actix_web::{HttpResponse, get, patch, post, put, web};
use domain::{
    account::{Emergency, State},
    ids::{AccountId, CustomerId, TariffId},
    money::Money,
};
use jiff::Timestamp;
use serde::Serialize;
use store::Conn;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::{
    auth::{May, Operate, Read},
    input::{At, Body, IdempotencyKey, IfMatch, Query, etag},
    located,
    meters::Guard,
    page::{Ask, Page, Search},
    problem::Problem,
    to_its_end,
};
use crate::{
    app::App,
    operations::{
        balance::{self, Balance},
        change_limits::{self, ChangeLimits},
        guard,
        open_account::{self, OpenAccount},
        register::{self, NewAccount},
    },
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(list_accounts)
        .service(enter_account)
        .service(show_account)
        .service(change_account_limits)
        .service(open_pending_account)
        .service(show_balance)
        .service(guard_account);
}

/// An account. Money is in minor units of `currency`.
#[derive(Serialize, ToSchema)]
pub(super) struct Account {
    /// Identifier.
    #[schema(value_type = String)]
    id: AccountId,
    /// Number for people.
    number: String,
    /// Whose it is.
    #[schema(value_type = String)]
    customer_id: CustomerId,
    /// What prices it at first; it may change to others: `/accounts/{id}/tariffs`.
    #[schema(value_type = String)]
    tariff_id: TariffId,
    /// `pending` until it is opened, then `active`, meanwhile `suspended`, at last `closed`.
    #[schema(value_type = String)]
    state: State,
    /// ISO 4217.
    currency: String,
    /// The posted balance, without the energy used since.
    #[schema(value_type = i64)]
    posted: Money,
    /// What is owed apart from the balance (旧欠).
    #[schema(value_type = i64)]
    debt: Money,
    /// A first notice is due at or below this.
    #[schema(value_type = i64)]
    alarm_1: Money,
    /// A second notice is due, and a credit episode begins, at or below this.
    #[schema(value_type = i64)]
    alarm_2: Money,
    /// A level is armed again only above itself and this.
    #[schema(value_type = i64)]
    rearm_margin: Money,
    /// How far below zero a disconnect is due.
    #[schema(value_type = i64)]
    overdraft: Money,
    /// Headroom from which supply is restored.
    #[schema(value_type = i64)]
    restore_margin: Money,
    /// What may be used beyond that once per credit episode, when the customer asks for it; 0: it is not offered.
    #[schema(value_type = i64)]
    emergency_credit: Money,
    /// Whether that was asked for in the present episode: `granted`, `drawn` once available is below 0, `used` once it is back.
    #[schema(value_type = Option<String>)]
    emergency: Option<Emergency>,
    /// Whether its supplies are guarded (保电): never cut automatically.
    guarded: bool,
    /// Why.
    guard_reason: Option<String>,
    /// Until when an operator's hold keeps it from being cut for credit, where one was given and not lifted.
    #[schema(value_type = Option<String>, format = DateTime)]
    hold_until: Option<Timestamp>,
    /// Whether the customer may disconnect and reconnect the account's meters, never around credit or safety.
    customer_control: bool,
    /// When the present credit episode began, if there is one.
    #[schema(value_type = Option<String>, format = DateTime)]
    episode_began_at: Option<Timestamp>,
    /// When the customer was served the warning of this episode.
    #[schema(value_type = Option<String>, format = DateTime)]
    warning_served_at: Option<Timestamp>,
    /// When it was opened.
    #[schema(value_type = Option<String>, format = DateTime)]
    opened_at: Option<Timestamp>,
    /// When it was closed or transferred.
    #[schema(value_type = Option<String>, format = DateTime)]
    closed_at: Option<Timestamp>,
}

impl Account {
    fn new(row: store::account::Account, customer_control: bool) -> Self {
        Self {
            customer_control,
            id: row.id,
            number: row.number,
            customer_id: row.customer_id,
            tariff_id: row.tariff_id,
            state: row.state,
            currency: row.currency,
            posted: row.posted,
            debt: row.debt,
            alarm_1: row.alarm_1,
            alarm_2: row.alarm_2,
            rearm_margin: row.rearm_margin,
            overdraft: row.overdraft,
            restore_margin: row.restore_margin,
            emergency_credit: row.emergency_credit,
            emergency: row.episode_emergency,
            guarded: row.guarded,
            guard_reason: row.guard_reason,
            hold_until: row.hold_until,
            episode_began_at: row.episode_began_at,
            warning_served_at: row.warning_served_at,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
        }
    }

    /// Each account of a page, with what stands beside its row.
    pub(super) fn all(conn: &mut Conn, rows: Vec<store::account::Account>) -> store::Result<Vec<Self>> {
        rows.into_iter().map(|row| Self::read(conn, row)).collect()
    }

    fn read(conn: &mut Conn, row: store::account::Account) -> store::Result<Self> {
        let control = store::customer_control::of_account(conn, row.id)?;
        Ok(Self::new(row, control.is_some()))
    }

    /// By what a page goes on.
    pub(super) fn id(&self) -> AccountId {
        self.id
    }
}

/// Lists a site's accounts
#[utoipa::path(tag = "accounts", params(Search), responses(
    (status = 200, description = "By identifier", body = Page<Account>),
))]
#[get("/accounts")]
async fn list_accounts(
    caller: May<Read>,
    app: web::Data<App>,
    query: Query<Search>,
) -> Result<web::Json<Page<Account>>, Problem> {
    let Search { site_id, search, limit, cursor } = query.0;
    let (site, part) = (caller.list_of(site_id)?, search.unwrap_or_default());
    let ask = Ask::new(limit, cursor.as_deref(), &app.settings.http)?;
    let (after, most) = (ask.after, ask.rows());
    let read = app.db.read(move |conn| {
        let rows = store::account::search(conn, site, &part, after, most)?;
        Account::all(conn, rows)
    });
    Ok(web::Json(ask.page(read.await?, Account::id, |account| account)))
}

/// Enters an account; it stays pending until it is opened
#[utoipa::path(tag = "accounts", request_body = NewAccount, responses(
    (status = 201, description = "Entered", body = Account),
))]
#[post("/accounts")]
async fn enter_account(
    caller: May<Operate>,
    app: web::Data<App>,
    body: Body<NewAccount>,
) -> Result<HttpResponse, Problem> {
    caller.within(body.0.customer_id.site())?;
    let entered = register::account(&app, body.0).await?;
    Ok(located(HttpResponse::Created(), &format!("/accounts/{}", entered.id), &Account::new(entered, false)))
}

/// Shows an account; its `ETag` is what a change of its limits needs as `If-Match`
#[utoipa::path(tag = "accounts", responses(
    (status = 200, description = "The account", body = Account, headers(("ETag" = String, description = "Its version"))),
))]
#[get("/accounts/{id}")]
async fn show_account(_caller: May<Read>, app: web::Data<App>, id: At<AccountId>) -> Result<HttpResponse, Problem> {
    let row = app.db.read(move |conn| store::account::by_id(conn, id.0)).await?;
    tagged(&app, row).await
}

/// Changes an account's limits; supply is decided again at once. Its `ETag` changes with everything that happens to the account
#[utoipa::path(
    tag = "accounts",
    request_body = ChangeLimits,
    params(("If-Match" = String, Header, description = "The ETag that was seen, or * for any")),
    responses((status = 200, description = "As it is now", body = Account, headers(("ETag" = String, description = "Its version")))),
)]
#[patch("/accounts/{id}")]
async fn change_account_limits(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    seen: IfMatch,
    body: Body<ChangeLimits>,
) -> Result<HttpResponse, Problem> {
    let changer = app.clone();
    let changing = async move { change_limits::change(&changer, id.0, body.0, seen.0, &caller.prefix).await };
    tagged(&app, to_its_end(changing).await?).await
}

async fn tagged(app: &App, row: store::account::Account) -> Result<HttpResponse, Problem> {
    let version = row.version;
    let account = app.db.read(move |conn| Account::read(conn, row)).await?;
    Ok(HttpResponse::Ok().insert_header(etag(version)).json(account))
}

/// Opens an account (开户): binds a meter and its initial reading to it
#[utoipa::path(
    tag = "accounts",
    request_body = OpenAccount,
    params(IdempotencyKey),
    responses((status = 200, description = "As it is now; the same for every repetition of the key", body = Account)),
)]
#[post("/accounts/{id}/open")]
async fn open_pending_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    key: IdempotencyKey,
    body: Body<OpenAccount>,
) -> Result<web::Json<Account>, Problem> {
    caller.within(body.0.meter_id.site())?;
    let opener = app.clone();
    let opening = async move { open_account::open(&opener, id.0, body.0, &key.0, &caller.prefix).await };
    let opened = to_its_end(opening).await?;
    Ok(web::Json(app.db.read(move |conn| Account::read(conn, opened)).await?))
}

/// Shows what an account has: posted, accrued, available
#[utoipa::path(tag = "accounts", responses((status = 200, description = "The balance", body = Balance)))]
#[get("/accounts/{id}/balance")]
async fn show_balance(
    _caller: May<Read>,
    app: web::Data<App>,
    id: At<AccountId>,
) -> Result<web::Json<Balance>, Problem> {
    Ok(web::Json(balance::get(&app, id.0).await?))
}

/// Sets or lifts an account's supply guard (保电)
#[utoipa::path(tag = "accounts", request_body = Guard, responses((status = 204, description = "Done")))]
#[put("/accounts/{id}/guard")]
async fn guard_account(
    caller: May<Operate>,
    app: web::Data<App>,
    id: At<AccountId>,
    body: Body<Guard>,
) -> Result<HttpResponse, Problem> {
    let (target, Guard { guarded, reason }) = (guard::Target::Account(id.0), body.0);
    to_its_end(async move { guard::set(&app, target, guarded, reason, &caller.prefix).await }).await?;
    Ok(HttpResponse::NoContent().finish())
}

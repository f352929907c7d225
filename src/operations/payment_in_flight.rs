//! Payments in flight: a customer is paying, and the money has not arrived yet. Meanwhile the account is not cut for credit.

use domain::{
    account::{State, payment::holds_until},
    calendar::shift,
    ids::{AccountId, PaymentId},
    ledger::Tender,
    money::Money,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::payment_in_flight::PaymentInFlight as Row;
use utoipa::ToSchema;

use super::{Error, decide_relay, once};
use crate::app::App;

/// A payment that begins.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnnouncePayment {
    /// The account that it is for.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// How much, in minor units; above 0.
    #[schema(value_type = i64, minimum = 1)]
    pub amount: Money,
    /// What it is in; that of the account.
    pub currency: String,
    /// How the customer pays: `cash`, `wechat`, `alipay`, `bank` or `card`.
    #[schema(value_type = String)]
    pub tender: Tender,
}

/// A payment in flight: the same for every repetition of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentInFlight {
    /// Its identifier.
    #[schema(value_type = String)]
    pub id: PaymentId,
    /// The account that it is for.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// When it was announced.
    #[schema(value_type = String, format = DateTime)]
    pub begun_at: Timestamp,
    /// Until when the account is not cut for credit because of it; `begun_at` where the payments of this credit episode have
    /// held for as long as they may.
    #[schema(value_type = String, format = DateTime)]
    pub holds_until: Timestamp,
}

/// Announces a payment: until it ends, or has taken too long, its account is not cut for credit. It moves no money: the vend
/// does, once the money is there.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal where the account is not active, or of the field that
/// does not hold.
pub async fn announce(app: &App, new: AnnouncePayment, key: &str, by: &str) -> Result<PaymentInFlight, Error> {
    let id = new.account_id;
    let asked = once::Asked::new(id.site(), key, &("payment_in_flight", &new))?;
    if new.amount <= Money::ZERO {
        return Err(Error::field("amount", "amount", "must be above 0"));
    }
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let payment = app
        .db
        .write(move |conn| {
            let account = store::account::lock(conn, id)?;
            if let Some(earlier) = once::find::<PaymentInFlight>(conn, &asked)? {
                return Ok(earlier);
            }
            if account.state != State::Active {
                return Err(Error::refused("account_not_active", "the account is not active"));
            }
            if account.currency != new.currency {
                return Err(Error::field("currency", "currency", format!("must be {}", account.currency)));
            }
            store::account::save(conn, &account)?;
            let policy = &settings.policy.disconnection;
            // Outside of an episode only those count that may still be under way.
            let running = shift(now, -policy.payment_longest);
            let since = account.credit().episode.map_or(running, |episode| episode.began_at);
            let earlier = store::payment_in_flight::spans(conn, id, since)?;
            let row = Row {
                id: store::ids::next(conn, id.site())?,
                account_id: id,
                amount: new.amount,
                tender: new.tender,
                begun_at: now,
                holds_until: holds_until(now, &earlier, policy),
                operator_key: by.clone(),
            };
            store::payment_in_flight::insert(conn, &row)?;
            let Row { id, account_id, begun_at, holds_until, .. } = row;
            let payment = PaymentInFlight { id, account_id, begun_at, holds_until };
            once::store(conn, &asked, &payment, now)?;
            store::fault::point("payment_in_flight.written");
            Ok::<_, Error>(payment)
        })
        .await?;
    decide_relay::review(app, id).await?;
    Ok(payment)
}

/// A payment is over, whatever became of it: it holds nothing any more. One that is over already stays so.
///
/// # Errors
/// There is no such payment.
pub async fn end(app: &App, id: PaymentId) -> Result<(), Error> {
    let now = app.clock.now();
    let account = app
        .db
        .write(move |conn| {
            let payment = store::payment_in_flight::by_id(conn, id)?;
            store::payment_in_flight::end(conn, id, now)?;
            Ok::<_, Error>(payment.account_id)
        })
        .await?;
    decide_relay::review(app, account).await
}

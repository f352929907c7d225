//! Emergency credit (应急额度): a customer in need asks for it once per credit episode; supply is decided over at once.

use domain::{
    account::{self, State},
    ids::AccountId,
    money::Money,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Error, audit_line, books::Books, decide_relay, once};
use crate::{app::App, changes::Changed};

/// What an activation came to: the same for every repetition of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Activation {
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// What the amounts are in.
    pub currency: String,
    /// The emergency credit.
    #[schema(value_type = i64)]
    pub emergency_credit: Money,
    /// Posted less accrued, which it leaves as it is.
    #[schema(value_type = i64)]
    pub available: Money,
    /// What may be used with it before supply is cut.
    #[schema(value_type = i64)]
    pub headroom: Money,
    /// When it was activated.
    #[schema(value_type = String, format = DateTime)]
    pub activated_at: Timestamp,
}

/// Activates an account's emergency credit.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn activate(app: &App, id: AccountId, key: &str, by: &str) -> Result<Activation, Error> {
    let asked = once::Asked::new(id.site(), key, &("emergency_credit", id))?;
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let (activation, reviewed) = app
        .db
        .write(move |conn| {
            let mut books = Books::lock(conn, id)?;
            if let Some(earlier) = once::find::<Activation>(conn, &asked)? {
                return Ok((earlier, None));
            }
            if books.account.state != State::Active {
                return Err(Error::refused("account_not_active", "the account is not active"));
            }
            let (available, limits) = (books.available()?, books.account.limits());
            let credit = account::activate(&books.account.credit(), available, &limits)
                .map_err(|refused| Error::refused(refused.code(), refused.to_string()))?;
            books.account.set_credit(&credit);
            let activation = Activation {
                account_id: id,
                currency: books.account.currency.clone(),
                emergency_credit: limits.emergency_credit,
                available,
                headroom: limits.with_emergency(&credit).headroom(available),
                activated_at: now,
            };
            let detail = format!("{} at available {available}", limits.emergency_credit);
            let verb = "activate_emergency_credit";
            audit_line::write(conn, id.site(), (&by, now), verb, format!("account:{id}"), detail)?;
            once::store(conn, &asked, &activation, now)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, None, now)?;
            store::fault::point("emergency_credit.written");
            Ok::<_, Error>((activation, Some(reviewed)))
        })
        .await?;
    if let Some(reviewed) = reviewed {
        decide_relay::follow(app, reviewed);
        app.announce(Changed::Account { account: id });
    }
    Ok(activation)
}

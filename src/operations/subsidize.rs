//! Subsidies (补贴): money for an account that somebody else gives; and how any money that an operator enters is posted.

use domain::{
    ids::{AccountId, TransactionId},
    ledger::{self, TransactionKind},
    money::Money,
    vending::{self, Has, Refused},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Conn;
use utoipa::ToSchema;

use super::{
    Error, audit_line, balance,
    books::Books,
    decide_relay::{self, Reviewed},
    label, once,
    post::{Entry, post},
};
use crate::{app::App, changes::Changed, settings::Settings};

/// A subsidy to be given.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubsidy {
    /// How much, in minor units.
    #[schema(value_type = i64, minimum = 1)]
    pub amount: Money,
    /// What the amount is in; must be the account's currency.
    pub currency: String,
    /// Who gives it, and why.
    pub reason: String,
}

/// What a subsidy or an adjustment came to: the same for every repetition of the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entered {
    /// The transaction that posted it.
    #[schema(value_type = String)]
    pub transaction_id: TransactionId,
    /// The account.
    #[schema(value_type = String)]
    pub account_id: AccountId,
    /// What the amounts are in.
    pub currency: String,
    /// How much; negative where it was taken away.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// The posted balance after.
    #[schema(value_type = i64)]
    pub balance_after: Money,
    /// Posted less accrued, after.
    #[schema(value_type = i64)]
    pub available_after: Money,
    /// Why, and who gave it.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// Gives an account a subsidy. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn subsidize(
    app: &App,
    id: AccountId,
    new: NewSubsidy,
    key: &str,
    by: &str,
) -> Result<(Entered, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("subsidize", id, &new))?;
    let NewSubsidy { amount, currency, reason } = new;
    enter(app, id, New { what: What::Subsidy, amount, currency, reason }, asked, (key, by)).await
}

/// What an operator enters on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Subsidy,
    Adjustment,
}

impl What {
    const fn kind(self) -> TransactionKind {
        match self {
            Self::Subsidy => TransactionKind::Subsidy,
            Self::Adjustment => TransactionKind::Adjustment,
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Subsidy => "subsidize",
            Self::Adjustment => "adjust",
        }
    }
}

/// Money to be entered on an account.
pub(super) struct New {
    pub(super) what: What,
    pub(super) amount: Money,
    pub(super) currency: String,
    pub(super) reason: String,
}

/// Enters money on an account, once for what was asked. `true` beside it: it was entered before.
///
/// # Errors
/// See [`subsidize`].
pub(super) async fn enter(
    app: &App,
    id: AccountId,
    new: New,
    asked: once::Asked,
    (key, by): (&str, &str),
) -> Result<(Entered, bool), Error> {
    let reason = label("reason", &new.reason)?;
    let (key, by, now, settings) = (key.to_owned(), by.to_owned(), app.clock.now(), app.settings.clone());
    let (entered, done) = app
        .db
        .write(move |conn| {
            let mut books = Books::lock(conn, id)?;
            if let Some(earlier) = once::find(conn, &asked)? {
                return Ok((earlier, None));
            }
            if new.currency != books.account.currency {
                let detail = format!("the account is kept in {}", books.account.currency);
                return Err(Error::field("currency_mismatch", "currency", detail));
            }
            let New { what, amount, .. } = new;
            let given =
                Given { what, amount, key: format!("{}:{key}", what.kind()), object: format!("account:{id}"), now };
            let (transaction_id, after, reviewed) = given.to(conn, &settings, &mut books)?;
            let entered = Entered {
                transaction_id,
                account_id: id,
                currency: new.currency.clone(),
                amount,
                balance_after: after.balance,
                available_after: after.available,
                reason: reason.clone(),
                created_at: now,
            };
            let detail = format!("{amount}: {reason}");
            audit_line::write(conn, id.site(), (&by, now), what.verb(), format!("account:{id}"), detail)?;
            once::store(conn, &asked, &entered, now)?;
            store::fault::point("subsidy.written");
            Ok::<_, Error>((entered, Some((reviewed, books.hot()))))
        })
        .await?;
    let Some((reviewed, hot)) = done else { return Ok((entered, true)) };
    // The money is in the books; what follows is a hint and may fail.
    if let Err(error) = balance::put(app, hot).await {
        tracing::warn!(account = %id, %error, "a hot balance was not brought up to what was entered");
    }
    decide_relay::follow(app, reviewed);
    app.announce(Changed::Account { account: id });
    Ok((entered, false))
}

/// Money given to a locked account, or taken away.
pub(super) struct Given {
    pub(super) what: What,
    pub(super) amount: Money,
    pub(super) key: String,
    pub(super) object: String,
    pub(super) now: Timestamp,
}

impl Given {
    /// What the account has after it.
    ///
    /// # Errors
    /// A refusal by the rule that stands against it.
    pub(super) fn check(&self, settings: &Settings, books: &Books) -> Result<Has, Error> {
        let before = Has { balance: books.account.posted, available: books.available()? };
        let rule = match self.what {
            What::Subsidy => vending::subsidize,
            What::Adjustment => vending::adjust,
        };
        let after = rule(self.amount, books.account.state, before, &settings.policy.vending);
        after.map_err(|refused| match refused {
            Refused::AmountNotPositive | Refused::AmountZero | Refused::AboveMaximum { .. } => {
                Error::field(refused.code(), "amount", refused.to_string())
            }
            _ => Error::refused(refused.code(), refused.to_string()),
        })
    }

    /// Posts it and decides over the account, whose row is saved.
    ///
    /// # Errors
    /// A refusal by the rule that stands against it.
    pub(super) fn to(
        self,
        conn: &mut Conn,
        settings: &Settings,
        books: &mut Books,
    ) -> Result<(TransactionId, Has, Reviewed), Error> {
        let after = self.check(settings, books)?;
        let posting = match self.what {
            What::Subsidy => ledger::subsidy,
            What::Adjustment => ledger::adjustment,
        };
        let entry = Entry {
            kind: self.what.kind(),
            key: self.key,
            object: self.object,
            postings: Vec::from_iter(posting(books.account.id, self.amount)),
        };
        let posted = post(conn, &mut books.account, entry, self.now)?;
        let reviewed = decide_relay::in_transaction(conn, settings, books, None, self.now)?;
        Ok((posted, after, reviewed))
    }
}

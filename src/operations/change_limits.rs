//! Changing an account's limits: when it is told of low credit, and how far its money carries supply.

use domain::{
    account::{Limits, State},
    bug::{Bug, is_planted},
    ids::AccountId,
    money::Money,
};
use serde::Deserialize;
use store::account::Account;
use utoipa::ToSchema;

use super::{Error, audit_line, books::Books, decide_relay, label};
use crate::{app::App, changes::Changed};

/// Other limits of an account, in minor units of its currency. What is absent stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeLimits {
    /// A first notice is due at or below this; not below `alarm_2`.
    #[schema(value_type = Option<i64>)]
    pub alarm_1: Option<Money>,
    /// A second notice is due, and a credit episode begins, at or below this; not below minus the overdraft.
    #[schema(value_type = Option<i64>)]
    pub alarm_2: Option<Money>,
    /// A level is armed again only above itself and this.
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub rearm_margin: Option<Money>,
    /// How far below zero a disconnect is due.
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub overdraft: Option<Money>,
    /// Headroom from which supply is restored; not above the emergency credit, where that is offered.
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub restore_margin: Option<Money>,
    /// What may be used beyond that once per credit episode, when the customer asks for it; 0: it is not offered.
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub emergency_credit: Option<Money>,
    /// Why; stands in the audit log.
    pub reason: String,
}

impl ChangeLimits {
    /// These limits with the changes.
    fn over(&self, limits: &Limits) -> Limits {
        Limits {
            alarm_1: self.alarm_1.unwrap_or(limits.alarm_1),
            alarm_2: self.alarm_2.unwrap_or(limits.alarm_2),
            rearm_margin: self.rearm_margin.unwrap_or(limits.rearm_margin),
            overdraft: self.overdraft.unwrap_or(limits.overdraft),
            restore_margin: self.restore_margin.unwrap_or(limits.restore_margin),
            emergency_credit: self.emergency_credit.unwrap_or(limits.emergency_credit),
        }
    }
}

/// Changes an account's limits; supply is decided again. `expected`: the version that was seen; another one is a conflict.
/// Limits that are so already are left so.
///
/// # Errors
/// Names the field that does not hold; a conflict where the account is closed, or was changed meanwhile.
pub async fn change(
    app: &App,
    id: AccountId,
    to: ChangeLimits,
    expected: Option<i64>,
    by: &str,
) -> Result<Account, Error> {
    let reason = label("reason", &to.reason)?;
    let (by, now, settings) = (by.to_owned(), app.clock.now(), app.settings.clone());
    let (account, reviewed) = app
        .db
        .write(move |conn| {
            let mut books = Books::lock(conn, id)?;
            // The lock itself is one step beyond what was seen.
            if expected.is_some_and(|seen| seen.checked_add(1) != Some(books.account.version)) {
                return Err(Error::from(store::Error::Stale));
            }
            if books.account.state == State::Closed {
                return Err(Error::conflict("account_closed", "the account is closed"));
            }
            let before = books.account.limits();
            let after = to.over(&before);
            if after == before {
                return Ok((books.account, None));
            }
            let checked = settings.policy.credit.check(&after);
            checked.map_err(|bad| Error::field("limits", bad.field, bad.problem))?;
            books.account.set_limits(if is_planted(Bug::KeepOldLimits) { before } else { after });
            let detail = format!("{}: {reason}", told(&before, &after));
            audit_line::write(conn, id.site(), (&by, now), "change_limits", format!("account:{id}"), detail)?;
            let reviewed = decide_relay::in_transaction(conn, &settings, &mut books, None, now)?;
            Ok((books.account, Some(reviewed)))
        })
        .await?;
    if let Some(reviewed) = reviewed {
        decide_relay::follow(app, reviewed);
        app.announce(Changed::Account { account: id });
    }
    Ok(account)
}

/// What changed, for people.
fn told(before: &Limits, after: &Limits) -> String {
    let both = before.fields().into_iter().zip(after.fields());
    let changed = both.filter(|(before, after)| before != after);
    let told: Vec<String> = changed.map(|((field, from), (_, to))| format!("{field} {from} to {to}")).collect();
    told.join(", ")
}

//! Adjustments (调整): an operator puts an account's balance right, up or down.

use domain::{ids::AccountId, money::Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Error, once,
    subsidize::{self, Entered, New, What},
};
use crate::app::App;

/// An adjustment to be made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAdjustment {
    /// By how much, in minor units: above 0 it is given, below 0 it is taken away, less than 0 may be left.
    #[schema(value_type = i64)]
    pub amount: Money,
    /// What the amount is in; must be the account's currency.
    pub currency: String,
    /// What is put right, and why.
    pub reason: String,
}

/// Adjusts an account's balance. `true` beside it: the key was used before with the same content.
///
/// # Errors
/// A conflict where the key was used with other content; a refusal by the rule that stands against it.
pub async fn adjust(
    app: &App,
    id: AccountId,
    new: NewAdjustment,
    key: &str,
    by: &str,
) -> Result<(Entered, bool), Error> {
    let asked = once::Asked::new(id.site(), key, &("adjust", id, &new))?;
    let NewAdjustment { amount, currency, reason } = new;
    subsidize::enter(app, id, New { what: What::Adjustment, amount, currency, reason }, asked, (key, by)).await
}

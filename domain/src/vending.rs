//! Vends: every check before money is taken, and what becomes of it; and their reversal (冲正), which gives it back.

mod counter;
mod subsidy;

use serde::{Deserialize, Serialize};

use crate::{
    account::{Limits, State},
    bug::{Bug, is_planted},
    debt::{self, Owed},
    money::Money,
    site::VendPolicy,
    tariff::TariffVersion,
};

pub use counter::{Totals, expected_cash, net, within_credit};
pub use subsidy::{Has, adjust, subsidize};

/// What is known of the account and the cashier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Where the account is in its life.
    pub state: State,
    /// Its posted balance.
    pub balance: Money,
    /// Its balance less accrued.
    pub available: Money,
    /// What the cashier sold on this local day so far.
    pub cashier_sold_today: Money,
    /// What it owes apart from its balance.
    pub owed: Owed,
    /// Emergency credit that counts as headroom until available is back at 0.
    pub emergency: Money,
}

/// What becomes of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// What was paid in.
    pub amount: Money,
    /// Tax contained in it, rounded half up; it stays part of the amount.
    pub tax: Money,
    /// The part of it that recovers debt.
    pub debt_recovered: Money,
    /// What is owed after.
    pub debt_left: Money,
    /// The posted balance before.
    pub balance_before: Money,
    /// The posted balance after.
    pub balance_after: Money,
    /// Balance less accrued after.
    pub available_after: Money,
    /// Whether that is enough to restore supply.
    pub restores: bool,
}

/// Why a vend is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The account is not open.
    #[error("the account is not active")]
    AccountNotActive,
    /// Nothing, or less, is paid in.
    #[error("the amount must be above 0")]
    AmountNotPositive,
    /// Nothing would be adjusted.
    #[error("the amount must not be 0")]
    AmountZero,
    /// Less than the tariff sells at once.
    #[error("the amount is below the minimum of {minimum} minor units")]
    BelowMinimum {
        /// The least that is sold at once.
        minimum: Money,
    },
    /// More than may be sold at once.
    #[error("the amount is above the maximum of {maximum} minor units")]
    AboveMaximum {
        /// The most that is sold at once.
        maximum: Money,
    },
    /// More than this cashier may sell on one day.
    #[error("the cashier may sell {left} minor units more today")]
    CashierDayLimit {
        /// What is left of it.
        left: Money,
    },
    /// More than the vendor may still sell before it hands money over.
    #[error("the vendor may sell {left} minor units more before it hands money over")]
    VendorCredit {
        /// What is left of its limit.
        left: Money,
    },
    /// The balance would be larger than can be kept.
    #[error("the balance would be too large")]
    BalanceTooLarge,
}

impl Refused {
    /// A stable word for clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccountNotActive => "account_not_active",
            Self::AmountNotPositive => "amount_not_positive",
            Self::AmountZero => "amount_zero",
            Self::BelowMinimum { .. } => "below_minimum_vend",
            Self::AboveMaximum { .. } => "above_maximum_vend",
            Self::CashierDayLimit { .. } => "cashier_day_limit",
            Self::VendorCredit { .. } => "vendor_credit",
            Self::BalanceTooLarge => "balance_too_large",
        }
    }
}

/// Checks a vend of `amount` minor units and tells what becomes of it; stores nothing, so that a trial is the same call.
///
/// # Errors
/// See [`Refused`].
pub fn split(
    amount: Money,
    facts: &Facts,
    limits: &Limits,
    tariff: &TariffVersion,
    policy: &VendPolicy,
) -> Result<Split, Refused> {
    if facts.state != State::Active {
        return Err(Refused::AccountNotActive);
    }
    if amount <= Money::ZERO {
        return Err(Refused::AmountNotPositive);
    }
    if amount < tariff.minimum_vend {
        return Err(Refused::BelowMinimum { minimum: tariff.minimum_vend });
    }
    if amount > policy.maximum_per_vend {
        return Err(Refused::AboveMaximum { maximum: policy.maximum_per_vend });
    }
    let left = policy.maximum_per_cashier_day - facts.cashier_sold_today;
    if amount > left {
        return Err(Refused::CashierDayLimit { left: left.max(Money::ZERO) });
    }
    let debt_recovered = debt::recovered(amount, facts.available, limits, &facts.owed);
    let credited = amount - debt_recovered;
    let balance_after = facts.balance.checked_add(credited).ok_or(Refused::BalanceTooLarge)?;
    let available_after = facts.available.checked_add(credited).ok_or(Refused::BalanceTooLarge)?;
    let emergency = if available_after < Money::ZERO { facts.emergency } else { Money::ZERO };
    Ok(Split {
        amount,
        tax: contained_tax(amount, tariff.tax_rate_ppm),
        debt_recovered,
        debt_left: facts.owed.left - debt_recovered,
        balance_before: facts.balance,
        balance_after,
        available_after,
        restores: limits.restore_due(available_after + emergency),
    })
}

/// What is known of a vend that is to be reversed, and of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sold {
    /// What was paid in.
    pub amount: Money,
    /// The part of it that recovered debt, which is owed again.
    pub debt_recovered: Money,
    /// Whether the vend was reversed before.
    pub reversed: bool,
    /// Where the account is in its life.
    pub state: State,
    /// Its posted balance.
    pub balance: Money,
    /// Its balance less accrued.
    pub available: Money,
}

/// What a reversal or a refund leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// What is given back.
    pub amount: Money,
    /// The posted balance before.
    pub balance_before: Money,
    /// The posted balance after.
    pub balance_after: Money,
    /// Balance less accrued after.
    pub available_after: Money,
}

/// Why a vend is not reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReversed {
    /// It was reversed before.
    #[error("the vend was reversed already")]
    AlreadyReversed,
    /// The account is not open.
    #[error("the account is not active")]
    AccountNotActive,
    /// The money is used up in part, and nobody says why it is given back all the same.
    #[error("a reversal that leaves {available} minor units available needs a reason")]
    ReasonMissing {
        /// What would be available after it; below 0.
        available: Money,
    },
    /// The balance would be further below zero than can be kept.
    #[error("the balance would be too far below zero")]
    BalanceTooSmall,
}

impl NotReversed {
    /// A stable word for clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyReversed => "already_reversed",
            Self::AccountNotActive => "account_not_active",
            Self::ReasonMissing { .. } => "reason_missing",
            Self::BalanceTooSmall => "balance_too_small",
        }
    }
}

/// Checks the reversal of a vend and tells what it leaves. `has_reason`: somebody says why it is reversed.
///
/// # Errors
/// See [`NotReversed`].
pub fn reverse(sold: &Sold, has_reason: bool) -> Result<Undone, NotReversed> {
    if sold.reversed && !is_planted(Bug::ReverseTwice) {
        return Err(NotReversed::AlreadyReversed);
    }
    if sold.state != State::Active {
        return Err(NotReversed::AccountNotActive);
    }
    let credited = sold.amount - sold.debt_recovered;
    let less = |money: Money| money.checked_add(-credited).ok_or(NotReversed::BalanceTooSmall);
    let (balance_after, available_after) = (less(sold.balance)?, less(sold.available)?);
    if available_after < Money::ZERO && !has_reason {
        return Err(NotReversed::ReasonMissing { available: available_after });
    }
    Ok(Undone { amount: sold.amount, balance_before: sold.balance, balance_after, available_after })
}

/// Why money is not refunded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRefunded {
    /// The account is not open.
    #[error("the account is not active")]
    AccountNotActive,
    /// Nothing, or less than nothing.
    #[error("the amount must be above 0")]
    AmountNotPositive,
    /// More than is there.
    #[error("only {available} minor units are available")]
    AboveAvailable {
        /// What is.
        available: Money,
    },
}

impl NotRefunded {
    /// A stable word for clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AccountNotActive => "account_not_active",
            Self::AmountNotPositive => "amount_not_positive",
            Self::AboveAvailable { .. } => "above_available",
        }
    }
}

/// Checks a refund of `amount` minor units from what is available and tells what it leaves.
///
/// # Errors
/// See [`NotRefunded`].
pub fn refund(amount: Money, state: State, balance: Money, available: Money) -> Result<Undone, NotRefunded> {
    if state != State::Active {
        return Err(NotRefunded::AccountNotActive);
    }
    if amount <= Money::ZERO {
        return Err(NotRefunded::AmountNotPositive);
    }
    if amount > available {
        return Err(NotRefunded::AboveAvailable { available });
    }
    let (balance_after, available_after) = (balance - amount, available - amount);
    Ok(Undone { amount, balance_before: balance, balance_after, available_after })
}

/// The tax contained in `amount` at `rate_ppm` millionths of the price before tax, rounded half up.
#[must_use]
pub fn contained_tax(amount: Money, rate_ppm: u32) -> Money {
    let rate = i128::from(rate_ppm);
    let whole = 1_000_000 + rate;
    let tax = (i128::from(amount.get()) * rate * 2 + whole).div_euclid(whole * 2);
    Money::new(i64::try_from(tax).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;

//! Vends: every check before money is taken, and what becomes of it; and their reversal (冲正), which gives it back.

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

pub use subsidy::{Has, subsidize};

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
            Self::BelowMinimum { .. } => "below_minimum_vend",
            Self::AboveMaximum { .. } => "above_maximum_vend",
            Self::CashierDayLimit { .. } => "cashier_day_limit",
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::debt::Terms;
    use crate::fixtures::{limits, policy, version};

    const FACTS: Facts = Facts {
        state: State::Active,
        balance: Money::new(-300),
        available: Money::new(-450),
        cashier_sold_today: Money::ZERO,
        owed: Owed::NOTHING,
        emergency: Money::ZERO,
    };

    fn try_split(amount: i64, facts: &Facts) -> Result<Split, Refused> {
        let tariff = version(1, "2026-01-01", &[(None, "0.5")]);
        split(Money::new(amount), facts, &limits(), &tariff, &policy().vending)
    }

    #[test]
    fn a_vend_shows_tax_balance_and_whether_supply_comes_back() {
        let split = try_split(11_300, &FACTS);
        let expected = Split {
            amount: Money::new(11_300),
            tax: Money::new(1_300),
            debt_recovered: Money::ZERO,
            debt_left: Money::ZERO,
            balance_before: Money::new(-300),
            balance_after: Money::new(11_000),
            available_after: Money::new(10_850),
            restores: true,
        };
        assert_eq!(split, Ok(expected));
        assert_eq!(try_split(450, &FACTS).map(|split| split.restores), Ok(false));
        assert_eq!(try_split(451, &FACTS).map(|split| split.restores), Ok(true));
        let helped = Facts { emergency: Money::new(300), ..FACTS };
        assert_eq!(try_split(150, &helped).map(|split| split.restores), Ok(false));
        assert_eq!(try_split(151, &helped).map(|split| split.restores), Ok(true), "emergency credit still counts");
        assert_eq!(try_split(450, &helped).map(|split| split.restores), Ok(false), "at 0 it is over");
    }

    #[test]
    fn every_limit_refuses_with_its_word() {
        let pending = Facts { state: State::Pending, ..FACTS };
        let busy = Facts { cashier_sold_today: Money::new(4_999_000), ..FACTS };
        let rich = Facts { balance: Money::new(i64::MAX - 50), ..FACTS };
        for (amount, facts, code) in [
            (500, pending, "account_not_active"),
            (0, FACTS, "amount_not_positive"),
            (-1, FACTS, "amount_not_positive"),
            (99, FACTS, "below_minimum_vend"),
            (1_000_001, FACTS, "above_maximum_vend"),
            (1_001, busy, "cashier_day_limit"),
            (100, rich, "balance_too_large"),
        ] {
            assert_eq!(try_split(amount, &facts).map_err(|refused| refused.code()), Err(code), "{amount}");
        }
        assert!(try_split(1_000, &busy).is_ok());
    }

    #[test]
    fn contained_tax_is_rounded_half_up() {
        assert_eq!(contained_tax(Money::new(113), 130_000), Money::new(13));
        assert_eq!(contained_tax(Money::new(100), 130_000), Money::new(12));
        assert_eq!(contained_tax(Money::new(3), 1_000_000), Money::new(2));
        assert_eq!(contained_tax(Money::new(100), 0), Money::ZERO);
    }

    const SOLD: Sold = Sold {
        amount: Money::new(500),
        debt_recovered: Money::ZERO,
        reversed: false,
        state: State::Active,
        balance: Money::new(700),
        available: Money::new(500),
    };

    #[test]
    fn a_reversal_takes_the_vend_back_from_balance_and_available() {
        let undone = Undone {
            amount: Money::new(500),
            balance_before: Money::new(700),
            balance_after: Money::new(200),
            available_after: Money::ZERO,
        };
        assert_eq!(reverse(&SOLD, false), Ok(undone));
    }

    #[test]
    fn below_zero_a_reversal_needs_a_reason() {
        let used = Sold { available: Money::new(499), ..SOLD };
        assert_eq!(reverse(&used, false), Err(NotReversed::ReasonMissing { available: Money::new(-1) }));
        assert_eq!(reverse(&used, true).map(|undone| undone.available_after), Ok(Money::new(-1)));
    }

    #[test]
    fn every_rule_against_a_reversal_has_its_word() {
        let poor = Money::new(i64::MIN + 499);
        for (sold, code) in [
            (Sold { reversed: true, ..SOLD }, "already_reversed"),
            (Sold { state: State::Pending, ..SOLD }, "account_not_active"),
            (Sold { balance: poor, available: poor, ..SOLD }, "balance_too_small"),
        ] {
            assert_eq!(reverse(&sold, true).map_err(|refused| refused.code()), Err(code));
        }
    }

    #[test]
    fn every_rule_against_a_refund_has_its_word() {
        let refunded = |amount, state| refund(Money::new(amount), state, Money::new(900), Money::new(700));
        let word = |amount, state| refunded(amount, state).map_err(|refused| refused.code());
        assert_eq!(word(701, State::Active), Err("above_available"));
        assert_eq!(word(0, State::Active), Err("amount_not_positive"));
        assert_eq!(word(1, State::Suspended), Err("account_not_active"));
        let undone = refunded(700, State::Active).map(|undone| (undone.balance_after, undone.available_after));
        assert_eq!(undone, Ok((Money::new(200), Money::ZERO)));
    }

    proptest! {
        #[test]
        fn a_refund_takes_what_it_says_and_never_more_than_is_available(
            amount in -100_i64..1_000,
            balance in -1_000_i64..1_000,
            accrued in 0_i64..1_000,
        ) {
            let (balance, available) = (Money::new(balance), Money::new(balance - accrued));
            let undone = refund(Money::new(amount), State::Active, balance, available);
            prop_assert_eq!(undone.is_ok(), amount > 0 && amount <= available.get());
            if let Ok(undone) = undone {
                prop_assert_eq!(undone.balance_after + undone.amount, balance);
                prop_assert!(undone.available_after >= Money::ZERO);
            }
        }

        #[test]
        fn a_vend_and_its_reversal_leave_the_account_as_it_was(
            amount in 100_i64..1_000_000,
            balance in -1_000_000_i64..1_000_000,
            accrued in 0_i64..1_000_000,
            (debt, share_ppm) in (0_i64..1_000_000, 1_u32..=1_000_000),
        ) {
            let owed = Owed { left: Money::new(debt), terms: Terms { share_ppm, weekly_cap: None }, ..Owed::NOTHING };
            let (balance, available) = (Money::new(balance), Money::new(balance - accrued));
            let before = Facts { balance, available, owed, ..FACTS };
            let split = try_split(amount, &before)?;
            prop_assert_eq!(split.debt_left + split.debt_recovered, owed.left);
            prop_assert_eq!(split.balance_after + split.debt_recovered, balance + split.amount);
            let (balance, available) = (split.balance_after, split.available_after);
            let (amount, debt_recovered) = (split.amount, split.debt_recovered);
            let sold = Sold { amount, debt_recovered, reversed: false, state: State::Active, balance, available };
            let undone = reverse(&sold, true)?;
            prop_assert_eq!((undone.balance_after, undone.available_after), (before.balance, before.available));
            prop_assert_eq!(reverse(&sold, false).is_ok(), before.available >= Money::ZERO);
        }
    }
}

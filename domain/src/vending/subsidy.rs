//! Subsidies (补贴): money for an account that somebody else gives.

use crate::{account::State, money::Money, site::VendPolicy};

use super::Refused;

/// What an account has before a subsidy, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Has {
    /// Its posted balance.
    pub balance: Money,
    /// Its balance less accrued.
    pub available: Money,
}

/// Checks a subsidy of `amount` minor units and tells what the account has after it.
///
/// # Errors
/// See [`Refused`].
pub fn subsidize(amount: Money, state: State, before: Has, policy: &VendPolicy) -> Result<Has, Refused> {
    if state != State::Active {
        return Err(Refused::AccountNotActive);
    }
    if amount <= Money::ZERO {
        return Err(Refused::AmountNotPositive);
    }
    if amount > policy.maximum_per_vend {
        return Err(Refused::AboveMaximum { maximum: policy.maximum_per_vend });
    }
    let more = |money: Money| money.checked_add(amount).ok_or(Refused::BalanceTooLarge);
    Ok(Has { balance: more(before.balance)?, available: more(before.available)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::policy;

    #[test]
    fn a_subsidy_raises_balance_and_available_or_is_refused_by_its_word() {
        let before = Has { balance: Money::new(-300), available: Money::new(-450) };
        let given = |amount, state, before| {
            subsidize(Money::new(amount), state, before, &policy().vending).map_err(|refused| refused.code())
        };
        let after = Has { balance: Money::new(200), available: Money::new(50) };
        assert_eq!(given(500, State::Active, before), Ok(after));
        let rich = Has { balance: Money::new(i64::MAX), available: Money::ZERO };
        assert_eq!(given(500, State::Suspended, before), Err("account_not_active"));
        assert_eq!(given(0, State::Active, before), Err("amount_not_positive"));
        assert_eq!(given(1_000_001, State::Active, before), Err("above_maximum_vend"));
        assert_eq!(given(1, State::Active, rich), Err("balance_too_large"));
    }
}

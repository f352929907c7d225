//! Money that operators enter on an account: subsidies (补贴), which somebody else gives, and adjustments (调整), which put something
//! right, up or down.

use crate::{account::State, money::Money, site::VendPolicy};

use super::Refused;

/// What an account has before money is entered on it, or after.
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
    if state == State::Active && amount <= Money::ZERO {
        return Err(Refused::AmountNotPositive);
    }
    adjust(amount, state, before, policy)
}

/// Checks an adjustment by `amount` minor units, up or down, and tells what the account has after it: less than 0, too.
///
/// # Errors
/// See [`Refused`].
pub fn adjust(amount: Money, state: State, before: Has, policy: &VendPolicy) -> Result<Has, Refused> {
    if state != State::Active {
        return Err(Refused::AccountNotActive);
    }
    if amount == Money::ZERO {
        return Err(Refused::AmountZero);
    }
    let maximum = policy.maximum_per_vend;
    if amount > maximum || amount < -maximum {
        return Err(Refused::AboveMaximum { maximum });
    }
    let more = |money: Money| money.checked_add(amount).ok_or(Refused::BalanceTooLarge);
    Ok(Has { balance: more(before.balance)?, available: more(before.available)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::policy;

    type Rule = fn(Money, State, Has, &VendPolicy) -> Result<Has, Refused>;

    const BEFORE: Has = Has { balance: Money::new(-300), available: Money::new(-450) };

    fn entered(rule: Rule, amount: i64, state: State, before: Has) -> Result<Has, &'static str> {
        rule(Money::new(amount), state, before, &policy().vending).map_err(|refused| refused.code())
    }

    #[test]
    fn a_subsidy_raises_balance_and_available_or_is_refused_by_its_word() {
        let given = |amount, state, before| entered(subsidize, amount, state, before);
        let after = Has { balance: Money::new(200), available: Money::new(50) };
        assert_eq!(given(500, State::Active, BEFORE), Ok(after));
        let rich = Has { balance: Money::new(i64::MAX), available: Money::ZERO };
        assert_eq!(given(500, State::Suspended, BEFORE), Err("account_not_active"));
        assert_eq!(given(0, State::Suspended, BEFORE), Err("account_not_active"));
        assert_eq!(given(0, State::Active, BEFORE), Err("amount_not_positive"));
        assert_eq!(given(-1, State::Active, BEFORE), Err("amount_not_positive"));
        assert_eq!(given(1_000_001, State::Active, BEFORE), Err("above_maximum_vend"));
        assert_eq!(given(1, State::Active, rich), Err("balance_too_large"));
    }

    #[test]
    fn an_adjustment_goes_up_or_down_or_is_refused_by_its_word() {
        let adjusted = |amount, state, before| entered(adjust, amount, state, before);
        let after = |balance, available| Has { balance: Money::new(balance), available: Money::new(available) };
        assert_eq!(adjusted(500, State::Active, BEFORE), Ok(after(200, 50)));
        assert_eq!(adjusted(-500, State::Active, BEFORE), Ok(after(-800, -950)), "below 0, too");
        assert_eq!(adjusted(1_000_000, State::Active, after(0, 0)), Ok(after(1_000_000, 1_000_000)));
        for state in [State::Pending, State::Suspended, State::Closed] {
            assert_eq!(adjusted(500, state, BEFORE), Err("account_not_active"));
        }
        assert_eq!(adjusted(0, State::Active, BEFORE), Err("amount_zero"));
        for amount in [1_000_001, -1_000_001, i64::MAX] {
            assert_eq!(adjusted(amount, State::Active, BEFORE), Err("above_maximum_vend"), "{amount}");
        }
        assert_eq!(adjusted(1, State::Active, after(i64::MAX, 0)), Err("balance_too_large"));
        assert_eq!(adjusted(-1, State::Active, after(0, i64::MIN)), Err("balance_too_large"));
    }

    proptest! {
        #[test]
        fn an_adjustment_and_its_opposite_leave_nothing_behind(
            amount in -1_000_000_i64..=1_000_000, balance in -9_000_000_i64..9_000_000, accrued in 0_i64..9_000_000,
        ) {
            prop_assume!(amount != 0);
            let before = Has { balance: Money::new(balance), available: Money::new(balance - accrued) };
            let there = entered(adjust, amount, State::Active, before);
            let back = there.and_then(|there| entered(adjust, -amount, State::Active, there));
            prop_assert_eq!(back, Ok(before));
            prop_assert_eq!(there.is_ok_and(|there| there.balance > before.balance), amount > 0);
        }
    }
}

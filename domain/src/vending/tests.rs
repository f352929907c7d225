//! Every rule against a vend, a reversal or a refund by its word, and what each leaves.

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

//! Counters: what passes through a shift (班次), and what a vendor may still sell.

use serde::{Deserialize, Serialize};

use super::Refused;
use crate::{ledger::Tender, money::Money};

/// What passed through a shift by one tender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The tender.
    pub tender: Tender,
    /// Paid in.
    pub vends: Money,
    /// Given back for vends made by mistake.
    pub reversals: Money,
    /// Paid out of balances.
    pub refunds: Money,
}

impl Totals {
    /// Nothing.
    #[must_use]
    pub const fn none(tender: Tender) -> Self {
        Self { tender, vends: Money::ZERO, reversals: Money::ZERO, refunds: Money::ZERO }
    }

    /// What is left of it at the counter.
    #[must_use]
    pub fn net(&self) -> Money {
        self.vends - self.reversals - self.refunds
    }
}

/// What is left at the counter of all tenders.
#[must_use]
pub fn net(totals: &[Totals]) -> Money {
    totals.iter().map(Totals::net).sum()
}

/// The cash that must be in the drawer.
#[must_use]
pub fn expected_cash(float: Money, totals: &[Totals]) -> Money {
    float + totals.iter().filter(|total| total.tender == Tender::Cash).map(Totals::net).sum::<Money>()
}

/// Whether a vendor that holds so much of what it sold may sell `amount` more.
///
/// # Errors
/// [`Refused::VendorCredit`] where it would hold more than its limit.
pub fn within_credit(amount: Money, held: Money, limit: Option<Money>) -> Result<(), Refused> {
    let Some(limit) = limit else { return Ok(()) };
    let left = limit - held;
    if amount <= left { Ok(()) } else { Err(Refused::VendorCredit { left: left.max(Money::ZERO) }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(tender: Tender, vends: i64, reversals: i64, refunds: i64) -> Totals {
        let (vends, reversals, refunds) = (Money::new(vends), Money::new(reversals), Money::new(refunds));
        Totals { tender, vends, reversals, refunds }
    }

    #[test]
    fn the_drawer_holds_its_float_and_what_came_in_cash() {
        let totals = [total(Tender::Cash, 10_000, 300, 50), total(Tender::Wechat, 7_000, 0, 0)];
        assert_eq!(expected_cash(Money::new(2_000), &totals), Money::new(11_650));
        assert_eq!(net(&totals), Money::new(16_650));
        assert_eq!(
            expected_cash(Money::ZERO, &[total(Tender::Cash, 0, 0, 80)]),
            Money::new(-80),
            "paid out of a pocket"
        );
    }

    #[test]
    fn a_vendor_sells_up_to_its_limit_and_no_further() {
        let within = |amount, held, limit: Option<i64>| {
            within_credit(Money::new(amount), Money::new(held), limit.map(Money::new))
        };
        assert_eq!(within(100, 900, Some(1_000)), Ok(()));
        assert_eq!(within(101, 900, Some(1_000)), Err(Refused::VendorCredit { left: Money::new(100) }));
        assert_eq!(within(1, 2_000, Some(1_000)), Err(Refused::VendorCredit { left: Money::ZERO }));
        assert_eq!(within(1_000_000, 2_000, None), Ok(()));
        assert_eq!(within(1_100, -100, Some(1_000)), Ok(()), "it handed over in advance");
    }

    proptest! {
        #[test]
        fn whatever_is_sold_and_handed_over_no_vendor_holds_more_than_its_limit(
            steps in prop::collection::vec((1_i64..5_000, any::<bool>()), 1..40),
            limit in 1_i64..20_000,
        ) {
            let mut held = Money::ZERO;
            for (amount, is_sale) in steps {
                let amount = Money::new(amount);
                match within_credit(amount, held, Some(Money::new(limit))) {
                    _ if !is_sale => held = held - amount,
                    Ok(()) => held = held + amount,
                    Err(Refused::VendorCredit { left }) => {
                        prop_assert!(amount > left);
                        prop_assert!(left == Money::ZERO || within_credit(left, held, Some(Money::new(limit))).is_ok());
                    }
                    Err(other) => prop_assert!(false, "{}", other),
                }
                prop_assert!(held <= Money::new(limit));
            }
        }
    }
}

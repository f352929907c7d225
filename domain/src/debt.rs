//! Debts (旧欠): what a customer owes apart from the balance, and the share of each vend that recovers it.

use serde::{Deserialize, Serialize};

use crate::{
    account::Limits,
    bug::{Bug, is_planted},
    money::Money,
};

words! {
    /// What happened to what an account owes.
    pub enum Change {
        /// A debt was entered.
        Entered = "entered",
        /// A vend's share went to it.
        Recovered = "recovered",
        /// That vend was reversed: what its share recovered is owed again.
        Restored = "restored",
        /// The balance of an account that ended went to it.
        Settled = "settled",
        /// Nobody pays it any more.
        WrittenOff = "written_off",
    }
}

impl Change {
    /// Whether more is owed after it.
    #[must_use]
    pub const fn adds(self) -> bool {
        matches!(self, Self::Entered | Self::Restored)
    }
}

/// The whole of a rest, in millionths.
pub const WHOLE_PPM: u32 = 1_000_000;

/// How a debt is recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The share of the rest of each vend, in millionths; 1 to [`WHOLE_PPM`].
    pub share_ppm: u32,
    /// Most that is recovered in a local week, which begins on Monday, in minor units; none: no such limit.
    pub weekly_cap: Option<Money>,
}

impl Terms {
    /// What is wrong with them: the field, and how it must be.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if !(1..=WHOLE_PPM).contains(&self.share_ppm) {
            return Some(("share_ppm", "must be 1 to 1000000"));
        }
        let capped = self.weekly_cap.is_some_and(|cap| cap <= Money::ZERO);
        capped.then_some(("weekly_cap", "must be above 0"))
    }
}

/// What an account owes when a vend is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// How much; 0: nothing.
    pub left: Money,
    /// How it is recovered.
    pub terms: Terms,
    /// What vends of this local week have recovered, without those that were reversed.
    pub recovered_this_week: Money,
}

impl Owed {
    /// Nothing.
    pub const NOTHING: Self = Self {
        left: Money::ZERO,
        terms: Terms { share_ppm: WHOLE_PPM, weekly_cap: None },
        recovered_this_week: Money::ZERO,
    };
}

/// What a vend of `amount` recovers. It first brings available to 0 and headroom, without emergency credit, to the restore
/// margin; of the rest the share is taken, rounded down, up to what the week's cap leaves and to what is owed.
#[must_use]
pub fn recovered(amount: Money, available: Money, limits: &Limits, owed: &Owed) -> Money {
    let wide = |money: Money| i128::from(money.get());
    let missing = (wide(limits.restore_margin) - wide(limits.overdraft) - wide(available)).max(-wide(available)).max(0);
    let missing = if is_planted(Bug::RecoverDebtFirst) { 0 } else { missing };
    let rest = (wide(amount) - missing).max(0);
    let share = rest * i128::from(owed.terms.share_ppm) / i128::from(WHOLE_PPM);
    let cap = owed.terms.weekly_cap.filter(|_| !is_planted(Bug::ForgetWeeklyCap));
    let week = cap.map_or(share, |cap| wide(cap) - wide(owed.recovered_this_week));
    let most = share.min(week).min(wide(owed.left)).max(0);
    Money::new(i64::try_from(most).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::limits;

    fn owed(left: i64, share_ppm: u32, weekly_cap: Option<i64>, week: i64) -> Owed {
        let terms = Terms { share_ppm, weekly_cap: weekly_cap.map(Money::new) };
        Owed { left: Money::new(left), terms, recovered_this_week: Money::new(week) }
    }

    fn takes(amount: i64, available: i64, limits: &Limits, owed: &Owed) -> i64 {
        recovered(Money::new(amount), Money::new(available), limits, owed).get()
    }

    #[test]
    fn supply_comes_first_and_the_debt_gets_a_share_of_the_rest() {
        let fifth = owed(10_000, 200_000, None, 0);
        assert_eq!(takes(1_000, 0, &limits(), &fifth), 199, "1 for the restore margin, a fifth of 999");
        assert_eq!(takes(1_000, 5, &limits(), &fifth), 200);
        assert_eq!(takes(1_000, -600, &limits(), &fifth), 79, "601 are needed first");
        assert_eq!(takes(600, -600, &limits(), &fifth), 0);
        let overdraft = Limits { overdraft: Money::new(500), ..limits() };
        assert_eq!(takes(1_000, -600, &overdraft, &fifth), 80, "headroom is there at -499, available at 0");
        let margin = Limits { restore_margin: Money::new(300), ..limits() };
        assert_eq!(takes(1_000, 0, &margin, &fifth), 140, "300 restore supply");
    }

    #[test]
    fn cap_and_debt_bound_the_share() {
        assert_eq!(takes(1_000, 5, &limits(), &owed(10_000, 1_000_000, Some(700), 0)), 700);
        assert_eq!(takes(1_000, 5, &limits(), &owed(10_000, 1_000_000, Some(700), 650)), 50);
        assert_eq!(takes(1_000, 5, &limits(), &owed(10_000, 1_000_000, Some(700), 800)), 0);
        assert_eq!(takes(1_000, 5, &limits(), &owed(30, 1_000_000, None, 0)), 30);
        assert_eq!(takes(1_000, 5, &limits(), &Owed::NOTHING), 0);
    }

    #[test]
    fn terms_that_recover_nothing_are_none() {
        let terms = |share_ppm, cap: Option<i64>| Terms { share_ppm, weekly_cap: cap.map(Money::new) };
        let field = |terms: Terms| terms.problem().map(|(field, _)| field);
        assert_eq!(field(terms(1, Some(1))), None);
        assert_eq!(field(terms(1_000_000, None)), None);
        assert_eq!((field(terms(0, None)), field(terms(1_000_001, None))), (Some("share_ppm"), Some("share_ppm")));
        assert_eq!(field(terms(1, Some(0))), Some("weekly_cap"));
    }

    proptest! {
        #[test]
        fn what_supply_needs_is_never_taken_and_nothing_beyond_share_cap_or_debt(
            amount in 1_i64..1_000_000,
            available in -1_000_000_i64..1_000_000,
            (overdraft, restore_margin) in (0_i64..1_000, 1_i64..1_000),
            left in 0_i64..1_000_000,
            share_ppm in 1_u32..=1_000_000,
            (cap, week) in (prop::option::of(1_i64..100_000), 0_i64..100_000),
        ) {
            let (overdraft, restore_margin) = (Money::new(overdraft), Money::new(restore_margin));
            let limits = Limits { overdraft, restore_margin, ..limits() };
            let taken = takes(amount, available, &limits, &owed(left, share_ppm, cap, week));
            prop_assert!((0..=left.min(amount)).contains(&taken));
            prop_assert!(cap.is_none_or(|cap| taken <= (cap - week).max(0)));
            prop_assert!(i128::from(taken) * 1_000_000 <= i128::from(amount) * i128::from(share_ppm));
            let after = Money::new(available + amount - taken);
            prop_assert!(taken == 0 || (limits.restore_due(after) && after >= Money::ZERO));
            // What restores supply without the debt does so with it.
            prop_assert_eq!(limits.restore_due(after), limits.restore_due(Money::new(available + amount)));
        }

        #[test]
        fn a_week_of_vends_in_any_order_stays_below_its_cap(
            vends in prop::collection::vec((1_i64..10_000, any::<bool>()), 1..20),
            cap in 1_i64..20_000,
            share_ppm in 1_u32..=1_000_000,
        ) {
            let (start, mut left, mut week, mut available) = (50_000, 50_000, 0, 0);
            for (amount, reversed) in vends {
                let taken = takes(amount, available, &limits(), &owed(left, share_ppm, Some(cap), week));
                if !reversed {
                    (left, week, available) = (left - taken, week + taken, available + amount - taken);
                }
                prop_assert!(week <= cap && left >= 0);
            }
            prop_assert_eq!(start - left, week);
        }
    }
}

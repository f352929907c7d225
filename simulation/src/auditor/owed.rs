//! What an account owes apart from its balance, and what of a vend recovers it: supply first, then a share of the rest, no more
//! than a week's cap leaves.

use domain::money::Money;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    Rules, Violation,
    people::People,
    seen::{Kind, ReversalSeen, TransactionSeen, VendSeen},
    time::local,
};

/// How a debt is recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The share of each vend's rest, in millionths.
    pub share_ppm: u32,
    /// Most that vends of a week recover.
    pub weekly_cap: Option<Money>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Owed {
    /// How much.
    pub left: Money,
    /// As the newest debt says.
    terms: Option<Terms>,
    /// What stands recovered by which vend, and when.
    recovered: Vec<(String, Timestamp, Money)>,
    /// The sum of that, and the most that it ever was.
    pub sum: (Money, Money),
}

impl Owed {
    /// A transaction of the account: what moved to its balance and what is owed more after it, and the balance then; and the vend
    /// or the reversal that it posts.
    ///
    /// # Errors
    /// Nobody asked for that, or it is another amount than it should be.
    pub fn post(
        &mut self,
        one: &TransactionSeen,
        (moved, owed, balance): (Money, Money, Money),
        (vend, reversal): (Option<&VendSeen>, Option<&ReversalSeen>),
        people: &People,
        rules: &Rules,
    ) -> Result<(), Violation> {
        let account = one.account;
        match (one.kind, vend, reversal) {
            (Kind::Vend, Some(row), _) => return self.vend(row, -owed, rules),
            (Kind::Reversal, _, Some(row)) if self.undo(&row.vend) == owed => return Ok(()),
            (Kind::Debt, ..) if moved == Money::ZERO => {
                if let Some(terms) = people.aid.asked_to_owe(&one.key, account, owed) {
                    self.enter(owed, terms);
                    return Ok(());
                }
            }
            // As much as there is, before the rest is written off.
            (Kind::DebtRecovery, ..) if people.asked_to_leave(account) && -owed == self.left.min(balance - moved) => {
                self.left = self.left + owed;
                return Ok(());
            }
            (Kind::WriteOff, ..) if owed != Money::ZERO && moved == Money::ZERO => {
                let may = people.leaving.asked_to_write_off(account) || people.passing.asked_to_write_off(account);
                let with_all = may && -owed == self.left;
                if with_all || people.aid.asked_to_forgive(&one.key, account, -owed, self.left) {
                    self.left = self.left + owed;
                    return Ok(());
                }
            }
            (Kind::Debt | Kind::DebtRecovery | Kind::Reversal, ..) => {}
            _ if owed == Money::ZERO => return Ok(()),
            _ => {}
        }
        let detail = format!("transaction {} {:?}: {owed} more is owed than {}", one.id, one.kind, self.left);
        Err(Violation::of("I1", format!("{detail}, as {}, which nobody asked for", one.key)))
    }

    /// A debt is entered.
    fn enter(&mut self, amount: Money, terms: Terms) {
        self.left = self.left + amount;
        self.terms = Some(terms);
    }

    /// A vend took this much for it.
    ///
    /// # Errors
    /// It is not the share that it should be.
    fn vend(&mut self, row: &VendSeen, taken: Money, rules: &Rules) -> Result<(), Violation> {
        let due = self.share(row, taken, rules);
        if taken != due {
            let detail = format!("vend {row:?} recovered {taken} of {}, due were {due} by {:?}", self.left, self.terms);
            return Err(Violation::of("I1", detail));
        }
        self.left = self.left - taken;
        if taken != Money::ZERO {
            self.recovered.push((row.key.clone(), row.at, taken));
            self.sum.0 = self.sum.0 + taken;
            self.sum.1 = self.sum.1.max(self.sum.0);
        }
        Ok(())
    }

    fn share(&self, row: &VendSeen, taken: Money, rules: &Rules) -> Money {
        let Some(terms) = self.terms.filter(|_| self.left != Money::ZERO) else { return Money::ZERO };
        // What was there before the vend, as the receipt tells it.
        let after = row.available_after.unwrap_or_default();
        let before = after - row.amount + taken;
        let needs = [Money::ZERO - before, rules.limits.restore_margin - rules.limits.overdraft - before, Money::ZERO];
        let rest = needs.into_iter().fold(row.amount, |rest, need| rest.min(row.amount - need)).max(Money::ZERO);
        let share = i128::from(rest.get()) * i128::from(terms.share_ppm) / 1_000_000;
        let share = Money::new(i64::try_from(share).unwrap_or(i64::MAX)).min(self.left);
        let monday = monday(row.at, &rules.zone);
        let of_week = self.recovered.iter().filter(|(_, at, _)| local(*at, &rules.zone).date() >= monday);
        let week: Money = of_week.map(|(_, _, amount)| *amount).sum();
        terms.weekly_cap.map_or(share, |cap| share.min((cap - week).max(Money::ZERO)))
    }

    /// A vend is taken back: what it recovered is owed again. Gives how much that is.
    fn undo(&mut self, vend: &str) -> Money {
        let Some(place) = self.recovered.iter().position(|(key, _, _)| key == vend) else { return Money::ZERO };
        let (_, _, amount) = self.recovered.remove(place);
        self.left = self.left + amount;
        self.sum.0 = self.sum.0 - amount;
        amount
    }
}

/// The Monday of a moment's week.
fn monday(at: Timestamp, zone: &TimeZone) -> Date {
    let day = local(at, zone).date();
    let since = i64::from(day.weekday().to_monday_zero_offset());
    day.saturating_sub(jiff::Span::new().days(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{at, rules, vend};

    /// A vend after which so much is available, so many days after a Friday.
    fn paid(key: &str, amount: i64, available: i64, day: i64) -> VendSeen {
        VendSeen { at: at(86_400 * day), available_after: Some(Money::new(available)), ..vend(key, 1, amount, "r") }
    }

    #[test]
    fn a_vend_recovers_its_share_of_what_supply_does_not_need_up_to_the_week_s_cap() {
        let mut owed = Owed::default();
        let rules = rules();
        let takes = |owed: &mut Owed, row: &VendSeen, amount| owed.vend(row, Money::new(amount), &rules).is_ok();
        assert!(takes(&mut owed, &paid("a", 1_000, 1_000, 0), 0), "nothing is owed");
        owed.enter(Money::new(5_000), Terms { share_ppm: 200_000, weekly_cap: Some(Money::new(250)) });
        // 401 are needed, a fifth of 599 is taken.
        assert!(!takes(&mut owed, &paid("b", 1_000, 600, 0), 0));
        assert!(takes(&mut owed, &paid("b", 1_000, 481, 0), 119));
        // 131 are left of the week's cap.
        assert!(!takes(&mut owed, &paid("c", 1_000, 1_281, 1), 200));
        assert!(takes(&mut owed, &paid("c", 1_000, 1_350, 1), 131));
        assert_eq!((owed.left, owed.sum), (Money::new(4_750), (Money::new(250), Money::new(250))));
        assert!(takes(&mut owed, &paid("d", 1_000, 2_350, 2), 0));
        // Monday.
        assert!(takes(&mut owed, &paid("e", 1_000, 3_150, 3), 200));
        assert_eq!((owed.undo("b"), owed.undo("b")), (Money::new(119), Money::ZERO));
        assert_eq!((owed.left, owed.sum.1), (Money::new(4_669), Money::new(450)));
    }
}

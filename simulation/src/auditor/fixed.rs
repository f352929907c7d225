//! What fixed charges come to, computed the auditor's own way: a version's days of a month cost their share of the month, and
//! the month that goes on is paid to its end.

use domain::money::Money;
use jiff::civil::Date;

use super::Version;

/// A charge that comes whatever is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedCharge {
    /// Whether it is by the month; by the day otherwise.
    pub monthly: bool,
    /// How much.
    pub amount: Money,
}

/// What an account that was opened on `opened` has paid, once all days before `posted_to` are posted: its last month to the end,
/// unless it is `over`.
pub fn due(opened: Date, posted_to: Date, over: bool, versions: &[Version]) -> Money {
    let mut sum = 0;
    let mut day = opened;
    while day < posted_to {
        let Some(nth) = versions.iter().rposition(|version| version.valid_from <= day) else { break };
        let next = versions.get(nth + 1).map_or(Date::MAX, |next| next.valid_from);
        let month_ends = day.last_of_month().tomorrow().unwrap_or(Date::MAX);
        // The days of this version in this month. If the next version has begun by now, they end with it.
        let paid_to = if next < posted_to { next.min(month_ends) } else { month_ends };
        let paid_to = if over { paid_to.min(posted_to) } else { paid_to };
        for charge in versions.get(nth).map_or(&[][..], |version| &version.fixed) {
            let amount = charge.amount.get();
            if charge.monthly {
                let until = if paid_to == month_ends { day.days_in_month() } else { paid_to.day() - 1 };
                let upto = |days: i8| amount * i64::from(days) / i64::from(day.days_in_month());
                sum += upto(until) - upto(day.day() - 1);
            } else {
                let days = paid_to.min(posted_to).duration_since(day).as_hours() / 24;
                sum += amount * days;
            }
        }
        day = paid_to;
    }
    Money::new(sum)
}

#[cfg(test)]
mod tests {
    use domain::money::Price;
    use jiff::civil::date;

    use super::*;
    use crate::auditor::fixtures::monthly;

    #[test]
    fn days_months_and_changes_cost_their_share() {
        let fixed = |daily, month| {
            let charge = |monthly, amount| FixedCharge { monthly, amount: Money::new(amount) };
            vec![charge(false, daily), charge(true, month)]
        };
        let first = Version { fixed: fixed(10, 3100), ..monthly(vec![(None, Price::new(1))]) };
        let second = Version { valid_from: date(2026, 5, 11), fixed: fixed(20, 6200), ..first.clone() };
        let versions = [first, second];
        let paid = |opened, posted_to| due(opened, posted_to, false, &versions).get();
        assert_eq!(paid(date(2026, 5, 5), date(2026, 5, 5)), 0);
        assert_eq!(paid(date(2026, 5, 5), date(2026, 5, 6)), 10 + 2700);
        assert_eq!(paid(date(2026, 5, 5), date(2026, 5, 11)), 60 + 2700);
        // Six days of the old version, and the rest of the month by the new one.
        assert_eq!(paid(date(2026, 5, 5), date(2026, 5, 12)), 60 + 600 + 20 + 4200);
        assert_eq!(paid(date(2026, 5, 5), date(2026, 6, 2)), 60 + 600 + 21 * 20 + 4200 + 20 + 6200);
        let over = |opened, closed| due(opened, closed, true, &versions).get();
        assert_eq!(over(date(2026, 5, 5), date(2026, 5, 5)), 0);
        assert_eq!(over(date(2026, 5, 5), date(2026, 5, 7)), 20 + 200);
        assert_eq!(over(date(2026, 5, 5), date(2026, 5, 12)), 60 + 600 + 20 + 200);
        assert_eq!(over(date(2026, 5, 31), date(2026, 6, 2)), 20 + 200 + 20 + 6200 / 30);
    }
}

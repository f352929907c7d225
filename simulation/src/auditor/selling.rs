//! The limits of vends: neither too little nor too much at once, and in a local day no more than a cashier may sell.

use std::collections::BTreeMap;

use domain::money::Money;
use jiff::civil::Date;

use super::{Rules, Violation, seen::VendSeen, time::local};

/// What was sold on each day by the head end's clock, and not taken back.
#[derive(Debug, Clone, Default)]
pub struct Selling {
    days: BTreeMap<Date, Money>,
}

impl Selling {
    /// A vend was stored. All of them are sold by one cashier.
    ///
    /// # Errors
    /// It is too little, or too much.
    pub fn sold(&mut self, row: &VendSeen, rules: &Rules) -> Result<(), Violation> {
        let [least, most, _] = rules.vends;
        if row.amount < least || row.amount > most {
            let detail = format!("vend {} of {}: at least {least} is sold, at most {most}", row.key, row.amount);
            return Err(Violation::of("I1", detail));
        }
        let sum = self.days.entry(local(row.at, &rules.zone).date()).or_default();
        *sum = *sum + row.amount;
        Ok(())
    }

    /// A vend was taken back: its cashier may sell as much again.
    pub fn taken_back(&mut self, vend: Option<&VendSeen>, rules: &Rules) {
        let sold = vend.and_then(|row| Some((self.days.get_mut(&local(row.at, &rules.zone).date())?, row.amount)));
        sold.into_iter().for_each(|(sum, amount)| *sum = *sum - amount);
    }

    /// Judges what was sold in each day.
    ///
    /// # Errors
    /// It is more than may be.
    pub fn in_limits(&self, rules: &Rules) -> Result<(), Violation> {
        let [_, _, most] = rules.vends;
        match self.days.iter().find(|(_, sum)| **sum > most) {
            Some((day, sum)) => Err(Violation::of("I1", format!("{sum} were sold on {day}, and {most} may be"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{at, rules, vend};

    #[test]
    fn a_vend_and_a_day_have_their_limits() {
        let rules = Rules { vends: [10, 100, 150].map(Money::new), ..rules() };
        let sold = |selling: &mut Selling, key: &str, amount, day: i64| {
            let row = VendSeen { at: at(86_400 * day), ..vend(key, 1, amount, "r") };
            selling.sold(&row, &rules).and_then(|()| selling.in_limits(&rules)).map(|()| row).ok()
        };
        let mut selling = Selling::default();
        assert!(sold(&mut selling, "a", 9, 0).is_none() && sold(&mut selling, "a", 101, 0).is_none());
        let first = sold(&mut selling, "a", 10, 0);
        assert!(first.is_some() && sold(&mut selling, "b", 100, 0).is_some());
        assert!(sold(&mut selling.clone(), "c", 41, 0).is_none(), "151 in a day");
        assert!(sold(&mut selling.clone(), "c", 41, 1).is_some());
        selling.taken_back(first.as_ref(), &rules);
        assert!(sold(&mut selling, "c", 41, 0).is_some());
    }
}

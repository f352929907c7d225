//! What prices each account: its tariff's price lists, and from the days on which it changed to others, theirs.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{AccountId, TariffId};
use jiff::civil::Date;

use super::{Request, Rules, Version, Violation, seen::Seen};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// Each account's price lists.
    pub of: BTreeMap<AccountId, Vec<Version>>,
    /// Changes that somebody asked for.
    asked: BTreeSet<(AccountId, TariffId, Date)>,
    /// Changes that were told to be done.
    told: BTreeSet<(AccountId, TariffId, Date)>,
    /// Changes that were seen, by account and place.
    known: BTreeMap<(AccountId, i64), (TariffId, Date)>,
}

impl Prices {
    /// An account begins with a tariff.
    pub fn begin(&mut self, account: AccountId, tariff: TariffId, rules: &Rules) {
        self.of.insert(account, rules.tariffs.get(&tariff).cloned().unwrap_or_default());
    }

    /// Somebody asks.
    pub fn ask(&mut self, what: &Request) {
        if let Request::Tariff { account, tariff, from } = what {
            self.asked.insert((*account, *tariff, *from));
        }
    }

    /// Somebody was told that it is done.
    pub fn done(&mut self, what: &Request) {
        if let Request::Tariff { account, tariff, from } = what {
            self.told.insert((*account, *tariff, *from));
        }
    }

    /// An account took another's place on a day: what prices it goes on, with the changes to come.
    pub fn pass(&mut self, from: AccountId, to: AccountId) {
        if let Some(prices) = self.of.get(&from).cloned() {
            self.of.insert(to, prices);
        }
        let its: Vec<_> =
            self.asked.iter().filter(|(of, ..)| *of == from).map(|(_, tariff, day)| (to, *tariff, *day)).collect();
        self.asked.extend(its);
    }

    /// Takes changes that are new.
    ///
    /// # Errors
    /// Nobody asked for one, one became another, or one that was told is not there.
    pub fn look(&mut self, seen: &Seen, rules: &Rules) -> Result<(), Violation> {
        for row in &seen.tariffs {
            let (account, change) = (row.account, (row.tariff, row.from));
            let wrong = |what: &str| {
                let detail = format!("account {account}: change {} to tariff {} {what}", row.place, row.tariff);
                Err(Violation::of("I3", detail))
            };
            match self.known.get(&(account, row.place)) {
                Some(before) if *before != change => return wrong("was another"),
                Some(_) => continue,
                None if !self.asked.contains(&(account, row.tariff, row.from)) => {
                    return wrong("was asked for by nobody");
                }
                None => drop(self.known.insert((account, row.place), change)),
            }
            let prices = self.of.entry(account).or_default();
            prices.retain(|version| version.valid_from < row.from);
            let next = rules.tariffs.get(&row.tariff).map(Vec::as_slice).unwrap_or_default();
            let holds = next.iter().rposition(|version| version.valid_from <= row.from).unwrap_or_default();
            let from_then_on =
                |version: &Version| Version { valid_from: version.valid_from.max(row.from), ..version.clone() };
            prices.extend(next.iter().skip(holds).map(from_then_on));
        }
        let there: BTreeSet<_> =
            self.known.iter().map(|((account, _), (tariff, from))| (*account, *tariff, *from)).collect();
        match self.told.difference(&there).next() {
            Some((account, tariff, from)) => {
                let detail = format!("account {account}: told to have tariff {tariff} from {from} on, and has not");
                Err(Violation::of("I3", detail))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::auditor::{
        fixtures::{account, monthly, rules, tariff},
        seen::TariffSeen,
    };

    #[test]
    fn another_tariff_holds_from_its_day_on_and_what_was_to_come_does_not() {
        let mut rules = rules();
        let later = Version { valid_from: date(2026, 6, 1), ..monthly(Vec::new()) };
        rules.tariffs.entry(tariff()).or_default().push(later);
        let mut prices = Prices::default();
        prices.begin(account(1), tariff(), &rules);
        let from = date(2026, 5, 3);
        let row = TariffSeen { account: account(1), place: 1, tariff: tariff(), from };
        let seen = Seen { tariffs: vec![row], ..Seen::default() };
        let word = |judged: Result<(), Violation>| judged.map_err(|wrong| wrong.invariant);
        assert_eq!(word(prices.look(&seen, &rules)), Err("I3"), "nobody asked");
        let what = Request::Tariff { account: account(1), tariff: tariff(), from };
        prices.ask(&what);
        prices.done(&what);
        assert_eq!(word(prices.look(&Seen::default(), &rules)), Err("I3"), "told, and not there");
        assert_eq!(word(prices.look(&seen, &rules)), Ok(()));
        let days: Vec<_> = prices.of.values().flatten().map(|version| version.valid_from).collect();
        assert_eq!(days, [date(2026, 1, 1), from, date(2026, 6, 1)]);
    }
}

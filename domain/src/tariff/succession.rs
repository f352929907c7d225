//! An account that changes its tariff: the price lists that follow each other become one.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Tariff, TariffVersion};
use crate::ids::TariffId;

/// The most versions that a tariff may have: beyond them the numbers of an account's next tariff begin.
pub const VERSIONS_MAX: i32 = 9_999;
/// The most times that an account may change its tariff.
pub const CHANGES_MAX: i32 = 999;

/// An account's change to another tariff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TariffChange {
    /// Which change of the account it is, from 1 to [`CHANGES_MAX`], in the order in which they were entered.
    pub place: i32,
    /// The first local day that the other tariff holds for.
    pub from: Date,
    /// The other tariff.
    pub tariff: TariffId,
}

impl Tariff {
    /// This price list until a change, `next` from then on. Versions of `next` get numbers of their own by the change's
    /// place, so that energy settled by either stays apart. What was to come on that day or later by this list does not.
    #[must_use]
    pub fn followed_by(self, change: &TariffChange, next: &Self) -> Self {
        let mut versions = self.versions;
        versions.retain(|version| version.valid_from < change.from);
        let holds = next.at(change.from).map(|version| version.version);
        let later = |version: &&TariffVersion| Some(version.version) == holds || version.valid_from > change.from;
        versions.extend(next.versions.iter().filter(later).map(|version| TariffVersion {
            version: change.place * (VERSIONS_MAX + 1) + version.version,
            valid_from: version.valid_from.max(change.from),
            ..version.clone()
        }));
        Self { currency: self.currency, versions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        charge::{Usage, exact_cost},
        fixtures::{cny, day, kwh, version},
        ids::SiteId,
        money::Exact,
        tariff::Period,
    };

    fn tariff(prices: &[(i32, &str, &str)]) -> Tariff {
        let versions = prices.iter().map(|(number, from, price)| version(*number, from, &[(None, price)])).collect();
        Tariff { currency: cny(), versions }
    }

    fn change(place: i32, from: &str) -> TariffChange {
        let tariff = SiteId::new(1).and_then(|site| TariffId::new(site, 1)).unwrap_or_else(|_| unreachable!());
        TariffChange { place, from: day(from), tariff }
    }

    fn numbers(tariff: &Tariff) -> Vec<(i32, Date)> {
        tariff.versions.iter().map(|version| (version.version, version.valid_from)).collect()
    }

    #[test]
    fn the_other_tariff_holds_from_the_day_of_the_change_on() {
        let home = tariff(&[(1, "2026-01-01", "0.5"), (2, "2026-06-01", "0.6")]);
        let shop = tariff(&[(1, "2025-01-01", "0.8"), (2, "2026-01-01", "0.9"), (3, "2026-04-01", "1")]);
        let both = home.followed_by(&change(1, "2026-03-10"), &shop);
        let expected = [(1, day("2026-01-01")), (10_002, day("2026-03-10")), (10_003, day("2026-04-01"))];
        assert_eq!(numbers(&both), expected);
        assert_eq!(both.validate(), Ok(()));
    }

    #[test]
    fn a_change_entered_later_takes_the_place_of_those_for_its_day_or_later() {
        let (a, b) =
            (tariff(&[(1, "2026-01-01", "0.5")]), tariff(&[(1, "2026-01-01", "0.6"), (2, "2026-05-01", "0.7")]));
        let first = a.clone().followed_by(&change(1, "2026-03-10"), &b);
        let second = first.followed_by(&change(2, "2026-03-10"), &a);
        assert_eq!(numbers(&second), [(1, day("2026-01-01")), (20_001, day("2026-03-10"))]);
    }

    #[test]
    fn blocks_go_on_where_windows_are_alike_and_begin_anew_where_not() {
        let tiers = |from, first_month| TariffVersion {
            window_start_month: first_month,
            ..version(1, from, &[(Some("100"), "1"), (None, "2")])
        };
        let of = |version| Tariff { currency: cny(), versions: vec![version] };
        let cost = |next: TariffVersion| {
            let both = of(tiers("2026-01-01", None)).followed_by(&change(1, "2026-03-10"), &of(next));
            let window = both.window(day("2026-03-10"), day("2026-01-01")).map(|(first, _)| first);
            let used = [((day("2026-03-01"), 1, Period::Flat), kwh("80"))];
            let then = window.map(|first| ((first, 10_001, Period::Flat), kwh("40")));
            exact_cost(&used.into_iter().chain(then).collect::<Usage>(), &both)
        };
        // 80 + 20 at 1, 20 at 2.
        assert_eq!(cost(tiers("2026-01-01", None)), Ok(Exact::new(140 * 10_i128.pow(10))));
        // The year's window begins at 0: 80 + 40.
        assert_eq!(cost(tiers("2026-01-01", Some(1))), Ok(Exact::new(120 * 10_i128.pow(10))));
    }
}

//! An account that changes its tariff: the price lists that follow each other become one.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Tariff, TariffVersion};
use crate::ids::TariffId;

/// The most versions that a tariff may have: beyond them the numbers of an account's next tariff begin.
pub const VERSIONS_MAX: i32 = 9_999;
/// The most times that an account may change its tariff.
pub const CHANGES_MAX: i32 = 999;

/// A version's number within its tariff, whichever change brought it to an account.
#[must_use]
pub const fn number_within(version: i32) -> i32 {
    version % (VERSIONS_MAX + 1)
}

/// The tariff that prices an account on a day which began with `first`; changes by their place.
#[must_use]
pub fn tariff_on(day: Date, first: TariffId, changes: &[TariffChange]) -> TariffId {
    let mut tariffs = vec![(Date::MIN, first)];
    for change in changes {
        tariffs.retain(|(from, _)| *from < change.from);
        tariffs.push((change.from, change.tariff));
    }
    tariffs.iter().rfind(|(from, _)| *from <= day).map_or(first, |(_, tariff)| *tariff)
}

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

/// A version that was entered for a tariff, as its accounts' customers are to be told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FurtherVersion {
    /// The tariff.
    pub tariff: TariffId,
    /// Its number within the tariff.
    pub version: i32,
    /// The first local day it holds for.
    pub from: Date,
    /// The first local day of the version after it; none: there is none yet.
    pub until: Option<Date>,
}

impl FurtherVersion {
    /// The first day on which it prices an account that began with the tariff `first`, where its customer is to be told of it;
    /// none where it never does, or where the change that brings the tariff told of it already. Each change stands with the
    /// newest version of its tariff that it told of.
    #[must_use]
    pub fn told_from(&self, first: TariffId, changes: &[(TariffChange, i32)]) -> Option<Date> {
        let mut tariffs = vec![(Date::MIN, first, 0)];
        for (change, told) in changes {
            tariffs.retain(|(from, ..)| *from < change.from);
            tariffs.push((change.from, change.tariff, *told));
        }
        let ends = tariffs.iter().skip(1).map(|(from, ..)| Some(*from)).chain([None]);
        let mut spans = tariffs.iter().zip(ends);
        let priced = |(from, tariff, told): (Date, TariffId, i32), end: Option<Date>| {
            let first = from.max(self.from);
            let holds = [self.until, end].into_iter().flatten().all(|end| first < end);
            (tariff == self.tariff && told < self.version && holds).then_some(first)
        };
        spans.find_map(|(span, end)| priced(*span, end))
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

    fn id(counter: i64) -> TariffId {
        SiteId::new(1).and_then(|site| TariffId::new(site, counter)).unwrap_or_else(|_| unreachable!())
    }

    /// Version 3 of tariff 1 holds in June.
    fn june() -> FurtherVersion {
        FurtherVersion { tariff: id(1), version: 3, from: day("2026-06-01"), until: Some(day("2026-07-01")) }
    }

    fn to(counter: i64, from: &str, told: i32) -> (TariffChange, i32) {
        (TariffChange { place: 1, from: day(from), tariff: id(counter) }, told)
    }

    #[test]
    fn who_is_priced_by_a_version_is_told_of_it_from_the_first_day_on_which_it_is() {
        let told = |first: i64, changes: &[(TariffChange, i32)]| june().told_from(id(first), changes);
        let (june_1, june_10) = (Some(day("2026-06-01")), Some(day("2026-06-10")));
        assert_eq!(told(1, &[]), june_1);
        assert_eq!(told(2, &[]), None, "another tariff");
        assert_eq!(told(2, &[to(1, "2026-05-01", 2)]), june_1, "changed to it before");
        assert_eq!(told(2, &[to(1, "2026-06-10", 2)]), june_10, "its change told of the prices before these");
        assert_eq!(told(1, &[to(2, "2026-06-01", 1)]), None, "it has another tariff by then");
        assert_eq!(told(1, &[to(2, "2026-06-10", 1)]), june_1, "for nine days");
        assert_eq!(told(2, &[to(1, "2026-07-01", 2)]), None, "the version after it holds by then");
        assert_eq!(told(1, &[to(2, "2026-05-01", 1), to(1, "2026-06-10", 2)]), june_10);
    }

    #[test]
    fn who_changes_to_a_tariff_is_told_by_the_change_what_was_known_then() {
        let told = |changes: &[(TariffChange, i32)]| june().told_from(id(2), changes);
        assert_eq!(told(&[to(1, "2026-05-01", 3)]), None);
        assert_eq!(told(&[to(1, "2026-06-10", 4)]), None);
        // What takes its place, too.
        assert_eq!(told(&[to(1, "2026-06-10", 2), to(1, "2026-06-10", 3)]), None);
        assert_eq!(told(&[to(1, "2026-06-10", 2), to(2, "2026-05-01", 3)]), None, "a change that was taken back");
    }
}

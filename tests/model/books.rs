//! The independent model: what each account must have, reckoned anew from everything that happened to it, in the plainest
//! way. It shares nothing with the program: energy is in 0.1 Wh, money in fen, prices in 1e-6 CNY per kWh, all as `i64`.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// 1e-10 CNY in a fen.
const FEN: i128 = 100_000_000;

/// One version of a tariff.
#[derive(Debug, Clone)]
pub struct Version {
    /// First day it holds for.
    pub from: Date,
    /// Upper bounds and prices; the last has no bound.
    pub blocks: Vec<(Option<i64>, i64)>,
    /// Day of the month on which a window begins.
    pub start_day: i8,
    /// The month in which it does, where it lasts a year.
    pub start_month: Option<i8>,
    /// Whether who opens inside a window has lower bounds there.
    pub prorated: bool,
    /// Prices from local hours on, the first from midnight, to which the blocks' are added; empty: the blocks price alone.
    pub hours: Vec<(i8, i64)>,
    /// Fixed charge of a day, in fen.
    pub daily: i64,
    /// Fixed charge of a month, in fen.
    pub monthly: i64,
}

/// A meter that counts for an account.
#[derive(Debug, Clone)]
pub struct Count {
    /// Which meter.
    pub meter: usize,
    /// CT x PT.
    pub multiplier: i64,
    /// From when and from what value on.
    pub start: (Timestamp, i64),
    /// Until when and what value.
    pub end: Option<(Timestamp, i64)>,
}

/// What an account owes apart from its balance.
#[derive(Debug, Clone)]
pub struct Debt {
    /// How much.
    pub owed: i64,
    /// The share of vends that goes to it, in millionths.
    pub share_ppm: i64,
    /// Most that the vends of a week bring.
    pub cap: Option<i64>,
    /// What they brought, by the week's Monday.
    pub weeks: BTreeMap<Date, i64>,
}

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was closed, and what energy had cost it by then: nothing is corrected after that.
    pub closed: Option<(Timestamp, i64)>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// All that was brought, paid in, given back and passed on.
    pub money: i64,
    /// What it owes apart from that.
    pub debt: Debt,
    /// How far below zero it keeps its supply.
    pub overdraft: i64,
    /// Its meters.
    pub counts: Vec<Count>,
    /// Its tariffs in the order in which they were entered, each from a day on.
    pub tariffs: Vec<(Date, usize)>,
}

/// Everything that is known of a site.
#[derive(Debug)]
pub struct Books {
    /// Where its days begin.
    pub zone: TimeZone,
    /// Tariffs with their versions.
    pub tariffs: Vec<Vec<Version>>,
    /// Accounts in the order of their opening.
    pub accounts: Vec<Account>,
    /// What meters showed, as far as it arrived and was not rejected.
    pub readings: BTreeMap<(usize, Timestamp), i64>,
    /// What is in the tills and at the banks.
    pub cash: i64,
}

/// What was used in a day, and what of its cost the time of day tells.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    energy: i64,
    by_hours: i128,
}

impl Debt {
    pub fn none() -> Self {
        Self { owed: 0, share_ppm: 0, cap: None, weeks: BTreeMap::new() }
    }

    /// Takes its part of a vend: first nothing may be owed for energy, and supply needs a fen within its overdraft.
    pub fn recovers(&mut self, amount: i64, (available, overdraft): (i64, i64), today: Date) -> i64 {
        let missing = (1 - overdraft - available).max(-available).max(0);
        let rest = (amount - missing).max(0);
        let week = self.weeks.entry(monday(today)).or_default();
        let left = self.cap.map_or(i64::MAX, |cap| (cap - *week).max(0));
        let taken = (rest * self.share_ppm / 1_000_000).min(left).min(self.owed);
        (self.owed, *week) = (self.owed - taken, *week + taken);
        taken
    }

    /// Owes again what a vend that is reversed had brought on a day.
    pub fn restore(&mut self, recovered: i64, on: Date) {
        self.owed += recovered;
        *self.weeks.entry(monday(on)).or_default() -= recovered;
    }
}

impl Account {
    /// Its meters that count now.
    pub fn live(&self) -> impl Iterator<Item = &Count> {
        self.counts.iter().filter(|count| count.end.is_none())
    }

    /// Which of its tariffs holds on a day: of those whose day has come, the one entered last.
    fn tariff(&self, day: Date) -> usize {
        self.tariffs.iter().rev().find(|(from, _)| *from <= day).unwrap().1
    }
}

impl Books {
    pub fn day(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    pub fn midnight(&self, day: Date) -> Timestamp {
        day.to_zoned(self.zone.clone()).unwrap().timestamp()
    }

    /// The version that prices a day of an account, with its tariff and its place there.
    fn version(&self, account: &Account, day: Date) -> (usize, usize, &Version) {
        let tariff = account.tariff(day);
        let (place, version) =
            self.tariffs[tariff].iter().enumerate().rev().find(|(_, version)| version.from <= day).unwrap();
        (tariff, place, version)
    }

    /// What is known of a meter while it counts, by time.
    fn points(&self, count: &Count) -> BTreeMap<Timestamp, i64> {
        let until = count.end.map_or(Timestamp::MAX, |(at, _)| at);
        let known = self.readings.range((count.meter, count.start.0)..(count.meter, until));
        let known = known.map(|((_, at), value)| (*at, *value));
        known.chain([count.start]).chain(count.end).collect()
    }

    /// What a count used on each day, as far as it is known: at midnights and changes of the price without a reading on a straight
    /// line.
    fn days(&self, account: &Account, count: &Count) -> Vec<(Date, Used)> {
        let points = self.points(count);
        let (last_at, last) = points.last_key_value().map(|(at, value)| (*at, *value)).unwrap();
        let value = |at: Timestamp| {
            let (t0, v0) = points.range(..=at).next_back().unwrap();
            let Some((t1, v1)) = points.range(at..).next() else { return last };
            if t0 == t1 {
                return *v0;
            }
            let seconds = |from: &Timestamp, to: &Timestamp| i128::from(to.as_second() - from.as_second());
            v0 + i64::try_from((i128::from(v1 - v0) * seconds(t0, &at)).div_euclid(seconds(t0, t1))).unwrap()
        };
        let (mut all, mut day, mut before) = (Vec::new(), self.day(count.start.0), count.start.1);
        while self.midnight(day) < last_at || all.is_empty() {
            let mut used = Used::default();
            for (ends, price) in self.spans(account, day) {
                if ends <= count.start.0 {
                    continue;
                }
                let now = if ends >= last_at { last } else { value(ends) };
                let energy = (now - before) * count.multiplier;
                used.energy += energy;
                used.by_hours += i128::from(energy) * i128::from(price);
                before = now;
            }
            all.push((day, used));
            day = day.tomorrow().unwrap();
        }
        all
    }

    /// The parts of a day with their ends and what the time of day costs in them.
    fn spans(&self, account: &Account, day: Date) -> Vec<(Timestamp, i64)> {
        let hours = &self.version(account, day).2.hours;
        let ends = hours
            .iter()
            .skip(1)
            .map(|(hour, _)| day.at(*hour, 0, 0, 0).to_zoned(self.zone.clone()).unwrap().timestamp());
        let ends = ends.chain([self.midnight(day.tomorrow().unwrap())]);
        ends.zip(hours.iter().map(|(_, price)| *price).chain([0])).collect()
    }

    /// What all known energy of an account costs, in whole fen, and of that what lies before the last midnight that each
    /// meter is known to have passed, or its end.
    pub fn energy(&self, account: &Account) -> (i64, i64) {
        let (mut all, mut settled): (BTreeMap<Date, Used>, BTreeMap<Date, Used>) = (BTreeMap::new(), BTreeMap::new());
        let add = |sum: &mut BTreeMap<Date, Used>, day: Date, used: Used| {
            let sum = sum.entry(day).or_default();
            (sum.energy, sum.by_hours) = (sum.energy + used.energy, sum.by_hours + used.by_hours);
        };
        for count in &account.counts {
            let last = *self.points(count).last_key_value().unwrap().0;
            for (day, used) in self.days(account, count) {
                add(&mut all, day, used);
                if count.end.is_some() || self.midnight(day.tomorrow().unwrap()) <= last {
                    add(&mut settled, day, used);
                }
            }
        }
        (self.cost(account, &all), self.cost(account, &settled))
    }

    /// Day by day up the blocks of its window, beside what the time of day costs.
    fn cost(&self, account: &Account, days: &BTreeMap<Date, Used>) -> i64 {
        let mut used: BTreeMap<(Date, bool), i64> = BTreeMap::new();
        let mut cost = 0_i128;
        for (day, Used { energy, by_hours }) in days {
            let version = self.version(account, *day).2;
            let (begins, share) = window(version, *day, self.day(account.opened));
            let before = used.entry((begins, version.start_month.is_some())).or_default();
            let mut lower = 0;
            cost += by_hours;
            for (upper, price) in &version.blocks {
                let upper = upper.map_or(i64::MAX, |upper| upper * share.0 / share.1);
                let inside = |used: i64| used.clamp(lower, upper) - lower;
                cost += i128::from(inside(*before + energy) - inside(*before)) * i128::from(*price);
                lower = upper;
            }
            *before += energy;
        }
        i64::try_from(cost.div_euclid(FEN)).unwrap()
    }

    /// What fixed charges come to by a day: each day's, and each month's in advance by the share of its days.
    fn fixed(&self, account: &Account, today: Date) -> i64 {
        let opened = self.day(account.opened);
        let until = account.closed.map_or(today.tomorrow().unwrap(), |(at, _)| self.day(at));
        let (mut sum, mut day) = (0, opened);
        while day < until {
            let (tariff, place, version) = self.version(account, day);
            sum += version.daily;
            // A version's first day of a month pays for the days until another holds, the account closes or the month ends.
            let yesterday = day.yesterday().unwrap();
            let same = |other: Date| {
                let (other_tariff, other_place, _) = self.version(account, other);
                (other_tariff, other_place) == (tariff, place) && other.month() == day.month()
            };
            if day == opened || !same(yesterday) {
                let mut next = day.tomorrow().unwrap();
                while next < until && same(next) {
                    next = next.tomorrow().unwrap();
                }
                let goes_on = next == until && account.closed.is_none() && next.month() == day.month();
                let (days, from) = (i64::from(day.days_in_month()), i64::from(day.day()) - 1);
                let to = if goes_on || next.month() != day.month() { days } else { i64::from(next.day()) - 1 };
                sum += version.monthly * to / days - version.monthly * from / days;
            }
            day = day.tomorrow().unwrap();
        }
        sum
    }

    /// What an account must have posted once every midnight it can know of is settled, and what must be available.
    pub fn balance(&self, account: &Account, now: Timestamp) -> (i64, i64) {
        let left = account.money - self.fixed(account, self.day(now));
        match account.closed {
            Some((_, cost)) => (left - cost, left - cost),
            None => {
                let (all, settled) = self.energy(account);
                (left - settled, left - all)
            }
        }
    }
}

/// The first day of the window that holds a day; and the share of its bounds where the account was opened inside it and they are
/// prorated: days that are left, of all.
fn window(version: &Version, day: Date, opened: Date) -> (Date, (i64, i64)) {
    let month = version.start_month.unwrap_or(day.month());
    let this = jiff::civil::date(day.year(), month, version.start_day);
    let long = if version.start_month.is_some() { jiff::Span::new().years(1) } else { jiff::Span::new().months(1) };
    let begins = if this <= day { this } else { this.saturating_sub(long) };
    if !version.prorated || opened <= begins {
        return (begins, (1, 1));
    }
    let next = begins.saturating_add(long);
    let days_from = |day: Date| i64::from(day.until((jiff::Unit::Day, next)).unwrap().get_days());
    (begins, (days_from(opened), days_from(begins)))
}

fn monday(day: Date) -> Date {
    day.saturating_sub(jiff::Span::new().days(day.weekday().to_monday_zero_offset()))
}

//! Price lists that a seed fixes: flat and tiered, with a change of price during the run, with peak and valley, with windows
//! of a year, with fixed charges.

use domain::{
    energy::Energy,
    money::{Money, Price},
    tariff::{Block, Every, FixedCharge, Period, Season, Switch, TariffVersion, TimeOfUse},
};
use jiff::{
    SignedDuration,
    civil::{Date, time},
};
use rand::{RngExt, SeedableRng};

use crate::plan::Random;

/// The versions of each tariff of a run that begins on `day`.
pub fn draw(random: &mut Random, seed: u64, day: Date, days: u16) -> Vec<Vec<TariffVersion>> {
    let mut all = tariffs(random, day, days);
    vary(&mut all, seed);
    fix(&mut all, seed);
    all
}

/// A flat tariff whose price changes during the run, and a tiered one whose month may begin during it.
fn tariffs(random: &mut Random, day: Date, days: u16) -> Vec<Vec<TariffVersion>> {
    let long_ago = day.saturating_sub(SignedDuration::from_hours(24 * 60));
    let later = day.saturating_add(SignedDuration::from_hours(24 * random.random_range(1..=i64::from(days))));
    let price = |random: &mut Random| Price::new(random.random_range(400_000..1_600_000));
    let version = |number, valid_from, window_start_day, blocks| TariffVersion {
        version: number,
        valid_from,
        blocks,
        time_of_use: None,
        window_start_day,
        window_start_month: None,
        prorate_opening: false,
        fixed_charges: Vec::new(),
        tax_rate_ppm: 130_000,
        minimum_vend: Money::new(1),
    };
    let flat = |random: &mut Random| vec![Block { upto: None, price: price(random) }];
    let tiers = |random: &mut Random| {
        let first = random.random_range(100_000..600_000);
        let second = first + random.random_range(100_000..1_000_000);
        let mut prices = [price(random), price(random), price(random)];
        prices.sort_unstable();
        let uptos = [Some(Energy::new(first)), Some(Energy::new(second)), None];
        uptos.into_iter().zip(prices).map(|(upto, price)| Block { upto, price }).collect::<Vec<_>>()
    };
    // The month begins on a day of the run, or on the first.
    let begins = if random.random_bool(0.5) { later.day().min(28) } else { 1 };
    vec![
        vec![version(1, long_ago, 1, flat(random)), version(2, later, 1, flat(random))],
        vec![version(1, long_ago, begins, tiers(random))],
        vec![version(1, long_ago, 1, tiers(random)), version(2, later, 1, tiers(random))],
    ]
}

/// In one run of four, prices that depend on the time of day, and blocks over a year that begins during the run, with bounds
/// prorated for whoever is opened in it. Drawn of its own, so that other runs are as they were.
fn vary(tariffs: &mut [Vec<TariffVersion>], seed: u64) {
    if !matches!(seed % 8, 1 | 6) {
        return;
    }
    let mut random = Random::seed_from_u64(seed ^ TARIFFS);
    let (flat, tiered) = tariffs.split_at_mut(1);
    for version in flat.iter_mut().flatten() {
        let (from, to) = (random.random_range(6..11), random.random_range(16..23));
        let switch = |hour, period| Switch { at: time(hour, 0, 0, 0), period };
        let working = [switch(0, Period::Valley), switch(from, Period::Peak), switch(to, Period::Valley)];
        let weekend = [switch(0, Period::Valley)];
        let day_types = [("working", &working[..]), ("weekend", &weekend)];
        let price = |random: &mut Random, most| Price::new(random.random_range(100_000..most));
        version.time_of_use = Some(TimeOfUse {
            prices: [(Period::Peak, price(&mut random, 2_000_000)), (Period::Valley, price(&mut random, 800_000))]
                .into(),
            day_types: day_types.into_iter().map(|(name, all)| (name.to_owned(), all.to_vec())).collect(),
            seasons: vec![Season {
                from_month: 1,
                from_day: 1,
                weekdays: "working".to_owned(),
                weekends: "weekend".to_owned(),
            }],
            holidays: std::collections::BTreeMap::new(),
        });
        version.blocks.iter_mut().for_each(|block| block.price = Price::new(0));
    }
    for versions in tiered {
        let month = versions.last().map(|version| version.valid_from.month());
        let month = if random.random_bool(0.5) { month } else { Some(random.random_range(1..=12)) };
        versions.iter_mut().for_each(|version| (version.window_start_month, version.prorate_opening) = (month, true));
    }
}

/// In one run of four, charges by the day and by the month, other ones with each version. Drawn of its own, as well.
fn fix(tariffs: &mut [Vec<TariffVersion>], seed: u64) {
    if !matches!(seed % 8, 2 | 6) {
        return;
    }
    let mut random = Random::seed_from_u64(seed ^ FIXED);
    for version in tariffs.iter_mut().flatten() {
        for (name, every, most) in [("meter", Every::Day, 100), ("service", Every::Month, 1500)] {
            let amount = Money::new(random.random_range(1..most));
            version.fixed_charges.push(FixedCharge { name: name.to_owned(), every, amount });
        }
    }
}

/// Tells the generator of [`fix`] from others of the same seed.
const FIXED: u64 = 0x6669_7865_6463_6867;

/// Tells the generator of [`vary`] from others of the same seed.
const TARIFFS: u64 = 0x7461_7269_6666_7321;

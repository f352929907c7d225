//! Tariffs of a sequence, drawn by chance: blocks over months and years, prices by the hour, fixed charges.

use domain::{
    energy::Energy,
    money::{Money, Price},
    tariff::{Every, FixedCharge, Period, Season, Switch, TimeOfUse},
};
use jiff::{ToSpan, civil::Date};
use rand::RngExt;
use wattgate::operations::tariffs::{self, NewBlock, NewTariff, NewVersion};

use super::{
    books::Version,
    deeds::{BY, word},
    sequence::Sequence,
};

impl Sequence {
    fn drawn_version(&mut self, from: Date) -> Version {
        let mut price = || self.random.random_range(200_000..1_500_000);
        let (mut first, second, third) = (price(), price(), price());
        let hours = [(0, price()), (7, price()), (22, price())];
        let hours = if self.chance(30) { hours.to_vec() } else { vec![] };
        if !hours.is_empty() {
            first = 0;
        }
        let bound = self.random.random_range(200_000..2_000_000);
        let blocks = match self.random.random_range(0..3) {
            0 => vec![(None, first)],
            1 => vec![(Some(bound), first), (None, second)],
            _ => vec![(Some(bound), first), (Some(bound * 2), second), (None, third)],
        };
        Version {
            from,
            blocks,
            start_day: [1, 1, 15, 28][self.random.random_range(0..4)],
            start_month: self.random.random_ratio(1, 3).then(|| self.random.random_range(1..=12)),
            prorated: self.chance(30),
            hours,
            daily: if self.chance(30) { self.random.random_range(1..50) } else { 0 },
            monthly: if self.chance(30) { self.random.random_range(1..3_000) } else { 0 },
        }
    }

    pub async fn enter_tariff(&mut self) {
        // It holds for some time already, whatever account comes to it.
        let version = self.drawn_version(jiff::civil::date(2025, 1, 1));
        let terms = terms(&version);
        let new = NewTariff {
            site_id: self.site,
            name: "Homes".to_owned(),
            valid_from: Some(version.from),
            blocks: terms.blocks,
            time_of_use: terms.time_of_use,
            window_start_day: terms.window_start_day,
            window_start_month: terms.window_start_month,
            prorate_opening: terms.prorate_opening,
            fixed_charges: terms.fixed_charges,
            tax_rate_ppm: None,
            minimum_vend: None,
        };
        let id = tariffs::enter(&self.app, new, BY).await.unwrap().0.id;
        self.note(format!("tariff {}: {version:?}", self.tariffs.len()));
        self.tariffs.push(id);
        self.books.tariffs.push(vec![version]);
    }

    pub async fn enter_version(&mut self) {
        let tariff = self.random.random_range(0..self.tariffs.len());
        let from = self.today().saturating_add(self.random.random_range(1..9).days());
        let version = self.drawn_version(from);
        let entered = tariffs::enter_version(&self.app, self.tariffs[tariff], terms(&version), BY).await;
        let after_the_last = self.books.tariffs[tariff].last().is_none_or(|last| last.from < from);
        assert_eq!(word(&entered), if after_the_last { "done" } else { "tariff" });
        if after_the_last {
            self.note(format!("version of tariff {tariff}: {version:?}"));
            self.books.tariffs[tariff].push(version);
        }
    }
}

fn terms(version: &Version) -> NewVersion {
    let block =
        |(upto, price): &(Option<i64>, i64)| NewBlock { upto_kwh: upto.map(Energy::new), price: Price::new(*price) };
    let charge =
        |name: &str, every, amount: i64| FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) };
    let charges = [charge("meter", Every::Day, version.daily), charge("service", Every::Month, version.monthly)];
    NewVersion {
        valid_from: version.from,
        blocks: version.blocks.iter().map(block).collect(),
        time_of_use: (!version.hours.is_empty()).then(|| by_hours(&version.hours)),
        window_start_day: Some(version.start_day),
        window_start_month: version.start_month,
        prorate_opening: Some(version.prorated),
        fixed_charges: Some(charges.into_iter().filter(|charge| charge.amount > Money::ZERO).collect()),
        tax_rate_ppm: None,
        minimum_vend: None,
    }
}

/// The same every day: valley, peak and flat.
fn by_hours(hours: &[(i8, i64)]) -> TimeOfUse {
    let periods = [Period::Valley, Period::Peak, Period::Flat];
    let switches = hours.iter().zip(periods);
    let prices = switches.clone().map(|((_, price), period)| (period, Price::new(*price))).collect();
    let switches =
        switches.map(|((hour, _), period)| Switch { at: jiff::civil::time(*hour, 0, 0, 0), period }).collect();
    let day = "day".to_owned();
    TimeOfUse {
        prices,
        day_types: [(day.clone(), switches)].into(),
        seasons: vec![Season { from_month: 1, from_day: 1, weekdays: day.clone(), weekends: day }],
        holidays: Default::default(),
    }
}

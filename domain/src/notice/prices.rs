//! What supply costs, in the few words of a notice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    energy::Energy,
    money::{Currency, Price},
    tariff::{Block, Every, FixedCharge, Period, TariffVersion},
};

/// The prices of a tariff's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prices {
    /// See [`TariffVersion::blocks`].
    pub blocks: Vec<Block>,
    /// By the time of day; empty: it does not matter.
    pub periods: BTreeMap<Period, Price>,
    /// Whether blocks begin anew with the year, not with the month.
    pub yearly: bool,
    /// What comes whatever was used; none in notices of older programs.
    #[serde(default)]
    pub fixed_charges: Vec<FixedCharge>,
}

impl Prices {
    /// The prices of a version.
    #[must_use]
    pub fn of(version: &TariffVersion) -> Self {
        Self {
            blocks: version.blocks.clone(),
            periods: version.time_of_use.as_ref().map(|of| of.prices.clone()).unwrap_or_default(),
            yearly: version.window_start_month.is_some(),
            fixed_charges: version.fixed_charges.clone(),
        }
    }

    /// What is told, in order.
    fn parts(&self) -> Vec<Part> {
        let below = self.blocks.iter().map(|block| block.upto);
        let blocks = std::iter::once(None).chain(below).zip(&self.blocks);
        if self.periods.is_empty() {
            let part = |(below, block): (Option<Energy>, &Block)| match (block.upto, below) {
                (Some(upto), _) => Part::UpTo(upto, block.price),
                (None, Some(below)) => Part::Above(below, block.price),
                (None, None) => Part::Always(block.price),
            };
            return blocks.map(part).collect();
        }
        // The first block adds nothing to the periods' prices.
        let more = blocks.filter_map(|(below, block)| Some(Part::More(below?, block.price)));
        self.periods.iter().map(|(period, price)| Part::In(*period, *price)).chain(more).collect()
    }

    pub(super) fn zh(&self, currency: &Currency) -> String {
        let price = |price: Price| format!("{} {}", short(price), currency.code());
        let window = if self.yearly { "每年" } else { "每月" };
        let told = self.parts().into_iter().map(|part| match part {
            Part::Always(of) => price(of),
            Part::UpTo(upto, of) => format!("{window}{}千瓦时以内{}", short(upto), price(of)),
            Part::Above(below, of) => format!("超过{}千瓦时{}", short(below), price(of)),
            Part::In(period, of) => format!("{}{}", period.zh(), price(of)),
            Part::More(below, of) => format!("{window}超过{}千瓦时加{}", short(below), price(of)),
        });
        let fixed = self.fixed_charges.iter().map(|charge| {
            let every = match charge.every {
                Every::Day => "每日",
                Every::Month => "每月",
            };
            format!("；{}{every}{}", charge.name, currency.show(charge.amount))
        });
        format!("每千瓦时{}{}", told.collect::<Vec<_>>().join("，"), fixed.collect::<String>())
    }

    pub(super) fn en(&self, currency: &Currency) -> String {
        let price = |price: Price| format!("{} {}", short(price), currency.code());
        let window = if self.yearly { "year" } else { "month" };
        let told = self.parts().into_iter().map(|part| match part {
            Part::Always(of) => price(of),
            Part::UpTo(upto, of) => format!("{} up to {} kWh a {window}", price(of), short(upto)),
            Part::Above(below, of) => format!("{} above {} kWh", price(of), short(below)),
            Part::In(period, of) => format!("{} {}", period.as_str().replace('_', " "), price(of)),
            Part::More(below, of) => format!("{} more above {} kWh a {window}", price(of), short(below)),
        });
        let fixed = self
            .fixed_charges
            .iter()
            .map(|charge| format!("; {} {} a {}", charge.name, currency.show(charge.amount), charge.every.as_str()));
        format!("per kWh {}{}", told.collect::<Vec<_>>().join(", "), fixed.collect::<String>())
    }
}

/// A price and when it holds.
enum Part {
    Always(Price),
    UpTo(Energy, Price),
    Above(Energy, Price),
    In(Period, Price),
    /// On top of a period's.
    More(Energy, Price),
}

/// A decimal number without zeros at its end.
fn short(number: impl ToString) -> String {
    let all = number.to_string();
    if all.contains('.') { all.trim_end_matches('0').trim_end_matches('.').to_owned() } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{cny, peak_and_valley, version};
    use crate::money::Money;

    fn told(version: &TariffVersion) -> (String, String) {
        let prices = Prices::of(version);
        (prices.zh(&cny()), prices.en(&cny()))
    }

    #[test]
    fn a_flat_price_is_one_number() {
        let flat = version(2, "2026-06-01", &[(None, "0.5889")]);
        assert_eq!(told(&flat), ("每千瓦时0.5889 CNY".to_owned(), "per kWh 0.5889 CNY".to_owned()));
    }

    #[test]
    fn blocks_are_told_with_their_bounds_and_their_window() {
        let monthly = version(2, "2026-06-01", &[(Some("240"), "0.5"), (Some("400.5"), "0.55"), (None, "0.8")]);
        let zh = "每千瓦时每月240千瓦时以内0.5 CNY，每月400.5千瓦时以内0.55 CNY，超过400.5千瓦时0.8 CNY";
        let en = "per kWh 0.5 CNY up to 240 kWh a month, 0.55 CNY up to 400.5 kWh a month, 0.8 CNY above 400.5 kWh";
        assert_eq!(told(&monthly), (zh.to_owned(), en.to_owned()));
        let yearly = TariffVersion { window_start_month: Some(1), ..monthly };
        assert!(told(&yearly).0.contains("每年240") && told(&yearly).1.contains("240 kWh a year"));
    }

    #[test]
    fn what_comes_whatever_was_used_is_told_with_its_name() {
        let charge =
            |name: &str, every, amount| FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) };
        let fixed_charges = vec![charge("Line", Every::Month, 1_000), charge("Meter", Every::Day, 5)];
        let (zh, en) = told(&TariffVersion { fixed_charges, ..version(2, "2026-06-01", &[(None, "0.5")]) });
        assert_eq!(zh, "每千瓦时0.5 CNY；Line每月10.00 CNY；Meter每日0.05 CNY");
        assert_eq!(en, "per kWh 0.5 CNY; Line 10.00 CNY a month; Meter 0.05 CNY a day");
    }

    #[test]
    fn periods_are_told_by_name_and_blocks_add_to_them() {
        let by_time =
            |blocks| TariffVersion { time_of_use: Some(peak_and_valley()), ..version(2, "2026-06-01", blocks) };
        let plain = ("每千瓦时峰1 CNY，谷0.25 CNY".to_owned(), "per kWh peak 1 CNY, valley 0.25 CNY".to_owned());
        assert_eq!(told(&by_time(&[(None, "0")])), plain);
        let (zh, en) = told(&by_time(&[(Some("2160"), "0"), (None, "0.05")]));
        assert_eq!(zh, "每千瓦时峰1 CNY，谷0.25 CNY，每月超过2160千瓦时加0.05 CNY");
        assert_eq!(en, "per kWh peak 1 CNY, valley 0.25 CNY, 0.05 CNY more above 2160 kWh a month");
    }
}

//! What an account's settled days cost, by its meters' registers and the prices of the days.

use std::collections::BTreeMap;

use domain::{ids::AccountId, money::Money};
use jiff::civil::Date;

use super::{
    Rules, Version, Violation,
    cost::{Used, When, whole},
    ledger::Account,
    spans,
    time::local,
};

/// What prices whose energy.
#[derive(Debug, Clone, Copy)]
pub struct Tariffs<'a> {
    /// Each account's price lists.
    pub of: &'a BTreeMap<AccountId, Vec<Version>>,
    /// Where days begin, and what else holds.
    pub rules: &'a Rules,
}

/// An account's price lists.
pub fn prices<'a>(id: AccountId, tariffs: &Tariffs<'a>) -> &'a [Version] {
    tariffs.of.get(&id).map(Vec::as_slice).unwrap_or_default()
}

/// Whole minor units that an account's settled days cost, and what is left over. They follow each other without a gap from
/// the day on which a meter began to count to the one on which it was removed.
pub fn settled_cost(id: AccountId, account: &Account, tariffs: &Tariffs<'_>) -> Result<(Money, i64), Violation> {
    let versions = prices(id, tariffs);
    let mut used = Used::default();
    for installation in account.installations.values() {
        let mut due = local(installation.start_at, &tariffs.rules.zone).date();
        let mut value = installation.start_value;
        let days = account.days.range((installation.id, Date::MIN)..=(installation.id, Date::MAX));
        for (day, row) in days.map(|((_, day), row)| (*day, row)) {
            let end_value = row.end_value;
            if day != due {
                return Err(Violation::of("free energy", format!("account {id}: {day} is settled, and {due} is not")));
            }
            if end_value < value {
                let detail = format!("account {id}: {day} ends at {end_value}, below the day before at {value}");
                return Err(Violation::of("double charge", detail));
            }
            for (peak, from, to) in spans::of(row, installation, value, versions, &tariffs.rules.zone)? {
                let energy = (to - from).get().saturating_mul(i64::from(installation.multiplier));
                used.add(When { day, opened: account.opened, peak }, energy, versions);
            }
            (due, value) = (day.tomorrow().unwrap_or(Date::MAX), end_value);
        }
        if let Some((_, last)) = installation.end.filter(|(_, last)| *last != value) {
            let meter = installation.meter;
            let detail = format!("account {id}: meter {meter} was removed at {last}, and is settled to {value}");
            return Err(Violation::of(if value < last { "free energy" } else { "double charge" }, detail));
        }
    }
    Ok(whole(used.cost(versions)))
}

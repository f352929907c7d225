//! The truth against the rows: what is settled, and what is left.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::money::Price;
use jiff::civil::date;

use super::*;
use crate::auditor::{
    fixtures::{account, at, installation, installation_id, meter, monthly, rules},
    ledger::Ledger,
    people::People,
    seen::{DaySeen, Seen},
    settled::Tariffs,
};

const SLACK: Energy = Energy::new(100);

fn truth(energy: i64, midnights: &[(i8, i64)]) -> MeterTruth {
    MeterTruth {
        energy: Energy::new(energy),
        register: Energy::new(3000 + energy),
        supply: Supply::On,
        permitted: false,
        reachable: true,
        truthful: true,
        exact: true,
        inexact: Vec::new(),
        moves: Vec::new(),
        disconnects_taken: Vec::new(),
        midnights: midnights.iter().map(|(day, energy)| (date(2026, 5, *day), Energy::new(*energy))).collect(),
    }
}

fn look(field: &mut Field, truth: &MeterTruth) {
    field.look(&Truth { meters: BTreeMap::from([(meter(1), truth.clone())]), up: true });
}

/// Account 1 began at noon of the first, when 2000 had flowed.
fn begun() -> Field {
    let mut field = Field { now: date(2026, 5, 1).at(12, 0, 0, 0), ..Field::default() };
    let now = truth(2000, &[]);
    look(&mut field, &now);
    field.installed(&installation(), &now, &rules().zone, SLACK).unwrap();
    field
}

#[test]
fn who_can_be_reached_for_hours_was_surely_read() {
    let mut field = begun();
    let mut after = |hours: i8, reachable: bool, truthful: bool| {
        field.now = date(2026, 5, 1).at(hours, 0, 0, 0);
        look(&mut field, &MeterTruth { reachable, truthful, ..truth(2000, &[]) });
        field.surely_read(account(1))
    };
    let mut well = |hours| after(hours, true, true);
    assert_eq!([12, 15, 16].map(&mut well), [false, false, true]);
    assert!(!after(17, false, true), "nobody reaches it");
    let mut well = |hours| after(hours, true, true);
    assert_eq!([18, 21, 22].map(&mut well), [false, false, true]);
    assert!(!after(23, true, false), "what it tells is kept aside");
}

#[test]
fn what_was_used_hours_ago_is_known_and_what_was_used_since_need_not_be() {
    let mut field = begun();
    let mut known = |hour: i8, used: i64| {
        field.now = date(2026, 5, 1).at(hour, 0, 0, 0);
        field.surely_known(account(1), Money::new(used)).get()
    };
    let told: Vec<i64> =
        [(12, 10), (13, 20), (15, 30), (16, 40), (18, 50), (23, 60)].map(|(hour, used)| known(hour, used)).to_vec();
    assert_eq!(told, [0, 0, 0, 10, 20, 50]);
}

fn versions() -> Vec<Version> {
    rules().tariffs.into_values().next().unwrap()
}

/// Account 1 as the rows would say, with the ends of its days from the first on.
fn settled_to(ends: &[i64]) -> Account {
    let mut ledger = Ledger::default();
    let ends = ends.iter().enumerate().map(|(nth, end)| DaySeen {
        account: account(1),
        installation: installation_id(1),
        day: date(2026, 5, i8::try_from(nth + 1).unwrap()),
        revision: 1,
        end_value: Energy::new(*end),
        ends_at_peak: false,
        cuts: Vec::new(),
    });
    let seen = Seen { installations: vec![installation()], days: ends.collect(), ..Seen::default() };
    let of = BTreeMap::new();
    ledger.look(&seen, &People::default(), &Tariffs { of: &of, rules: &rules() }).unwrap();
    ledger.of(account(1)).unwrap().clone()
}

fn broken(outcome: Result<(), Violation>) -> Option<&'static str> {
    outcome.err().map(|wrong| wrong.invariant)
}

#[test]
fn an_account_begins_where_its_register_stands() {
    let begin = |register: i64, exact: bool| {
        let mut field = Field::default();
        look(&mut field, &truth(1000, &[]));
        let now = MeterTruth { register: Energy::new(register), exact, ..truth(2000, &[]) };
        look(&mut field, &now);
        broken(field.installed(&installation(), &now, &rules().zone, SLACK))
    };
    assert_eq!(begin(5000, true), None);
    assert_eq!(begin(5000 + REGISTER_MODULUS, true), None);
    // A copy of earlier that day, with the slack of 100.
    assert_eq!(begin(6100, true), None);
    assert_eq!(begin(6101, true), Some("double charge"));
    assert_eq!(begin(4900, true), None);
    assert_eq!(begin(4899, true), Some("free energy"));
    // Whatever a clock does, another meter's register is none of this one's.
    assert_eq!(begin(4899, false), None);
    assert_eq!(begin(400_000_000, false), Some("double charge"));
}

#[test]
fn what_is_available_follows_the_true_energy_over_midnights() {
    let mut field = begun();
    let mut versions = versions();
    let dear = vec![(None, Price::new(2_000_000))];
    versions.push(Version { valid_from: date(2026, 5, 2), ..monthly(dear) });
    let available = |field: &mut Field| field.available(account(1), Money::new(1000), &versions).unwrap();
    look(&mut field, &truth(2300, &[]));
    assert_eq!(available(&mut field), Money::new(997));
    // 300 until midnight at the old price, 100 at the new one.
    look(&mut field, &truth(2400, &[(1, 2300)]));
    assert_eq!(available(&mut field), Money::new(995));
    assert_eq!(field.available(account(2), Money::ZERO, &versions), None);
}

#[test]
fn nothing_is_settled_that_was_not_used() {
    let mut field = begun();
    look(&mut field, &truth(2400, &[(1, 2300)]));
    assert_eq!(broken(field.not_ahead(account(1), &settled_to(&[5400]), SLACK)), None);
    assert_eq!(broken(field.not_ahead(account(1), &settled_to(&[5500]), SLACK)), None);
    assert_eq!(broken(field.not_ahead(account(1), &settled_to(&[5300, 5501]), SLACK)), Some("double charge"));
}

#[test]
fn at_the_end_every_midnight_is_settled_as_it_was() {
    let mut field = begun();
    look(&mut field, &truth(2400, &[(1, 2300)]));
    look(&mut field, &truth(2700, &[(2, 2600)]));
    let end = |ends: &[i64]| broken(field.settled(account(1), &settled_to(ends)));
    assert_eq!(end(&[5300, 5600]), None);
    assert_eq!(end(&[5300]), Some("free energy"));
    assert_eq!(end(&[]), Some("free energy"));
    assert_eq!(end(&[5299, 5600]), Some("free energy"));
    assert_eq!(end(&[5300, 5601]), Some("double charge"));
}

#[test]
fn at_the_end_the_balance_is_what_was_paid_less_what_was_used() {
    let mut field = begun();
    look(&mut field, &truth(2400, &[(1, 2300)]));
    let versions = versions();
    let mut end = |posted: i64, exact: bool| {
        let inexact = if exact { Vec::new() } else { vec![(Date::MIN, Date::MAX)] };
        look(&mut field, &MeterTruth { inexact, ..truth(2400, &[]) });
        broken(field.balanced(account(1), &settled_to(&[5300]), Money::new(posted), &versions, SLACK))
    };
    assert_eq!(end(-3, true), None);
    assert_eq!(end(-2, true), Some("free energy"));
    assert_eq!(end(-4, true), Some("double charge"));
    // Inexact midnights may move a day's energy, here 300, and the slack of 100: 4 fen, and 2 for rounding.
    assert_eq!(end(-9, false), None);
    assert_eq!(end(-10, false), Some("double charge"));
    assert_eq!(end(3, false), None);
    assert_eq!(end(4, false), Some("free energy"));
}

#[test]
fn a_relay_is_remembered_with_its_moves() {
    let mut field = Field::default();
    let moves = vec![(at(10), Supply::Off), (at(20), Supply::On)];
    look(&mut field, &MeterTruth { moves, ..truth(0, &[]) });
    assert!(field.stood(meter(1), Supply::On, at(0), at(5)));
    assert!(!field.stood(meter(1), Supply::Off, at(0), at(5)));
    assert!(field.stood(meter(1), Supply::Off, at(5), at(15)));
    assert!(!field.stood(meter(1), Supply::On, at(12), at(15)));
    assert!(field.stood(meter(1), Supply::On, at(12), at(30)));
    assert!(!field.stood(meter(2), Supply::On, at(0), at(30)));
}

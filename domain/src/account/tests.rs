//! Credit: levels, episodes and their warning, told as a life of one account.

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{at, cny, hours, limits, policy},
    notice::Kind,
};

/// An account watched hour by hour.
struct Watched {
    credit: Credit,
    written: Vec<(i64, Kind)>,
}

impl Watched {
    fn new() -> Self {
        Self { credit: Credit::default(), written: Vec::new() }
    }

    /// In hour `hour` there is `available` minor units; nothing is known of its use.
    fn has(self, hour: i64, available: i64) -> Self {
        self.has_and_uses(hour, available, None)
    }

    /// The same, and `per_hour` minor units are used in an hour.
    fn has_and_uses(mut self, hour: i64, available: i64, per_hour: Option<i64>) -> Self {
        let mean_cost_per_hour = per_hour.map(|cost| Exact::of(Money::new(cost), &cny()));
        let standing = Standing { available: Money::new(available), mean_cost_per_hour };
        let (credit, notices) = watch(&self.credit, &standing, &limits(), &cny(), &policy().credit, instant(hour));
        self.credit = credit;
        self.written.extend(notices.iter().map(|notice| (hour, notice.kind())));
        self
    }

    /// The notices written so far.
    fn wrote(mut self, expected: &[(i64, Kind)]) -> Self {
        assert_eq!(self.written, expected);
        self.written.clear();
        self
    }
}

fn instant(hour: i64) -> Timestamp {
    shift(at("2026-05-01T00:00:00Z"), hours(hour))
}

#[test]
fn each_level_tells_once_and_arms_again_above_its_margin() {
    Watched::new()
        .has(0, 2_001)
        .wrote(&[])
        .has(1, 2_000)
        .wrote(&[(1, Kind::LowBalance1)])
        .has(2, 1_900)
        .has(3, 2_100)
        .has(4, 1_900)
        .wrote(&[])
        .has(5, 2_101)
        .has(6, 2_000)
        .wrote(&[(6, Kind::LowBalance1)]);
}

#[test]
fn an_episode_begins_at_level_2_with_a_warning_and_ends_above_its_margin() {
    let low = Watched::new()
        .has(0, 500)
        .wrote(&[(0, Kind::LowBalance1), (0, Kind::LowBalance2), (0, Kind::DisconnectWarning)])
        .has(1, 600);
    assert_eq!(low.credit.episode.map(|episode| episode.began_at), Some(instant(0)));
    assert_eq!(low.has(2, 601).credit.episode, None);
}

#[test]
fn a_warning_served_stays_served_over_cuts_and_small_vends() {
    let mut account = Watched::new().has(0, 100);
    account.credit = account.credit.warning_served(instant(0), instant(1)).warning_served(instant(0), instant(5));
    let account = account.has(30, -10).has(40, 550).has(50, -20);
    let served = account.credit.episode.map(|episode| (episode.began_at, episode.warning_served_at));
    assert_eq!(served, Some((instant(0), Some(instant(1)))));
}

#[test]
fn a_warning_of_an_episode_that_is_over_serves_no_other() {
    let mut account = Watched::new().has(0, 100).has(1, 5_000).has(2, 100);
    account.credit = account.credit.warning_served(instant(0), instant(3));
    assert_eq!(account.credit.episode.and_then(|episode| episode.warning_served_at), None);
}

#[test]
fn a_warning_awaits_service_until_its_episode_was_served_or_is_over() {
    let account = Watched::new().has(1, 100);
    let awaits = |credit: &Credit, written| credit.awaits_service(instant(written));
    assert!(awaits(&account.credit, 1) && !awaits(&account.credit, 0), "one of an earlier episode serves nothing");
    assert!(!awaits(&account.credit.warning_served(instant(1), instant(2)), 1));
    assert!(!awaits(&account.has(3, 5_000).credit, 1));
}

#[test]
fn at_most_one_warning_a_day_and_the_next_episode_gets_its_own() {
    let warned = Kind::DisconnectWarning;
    Watched::new()
        .has(0, 400)
        .has(1, 5_000)
        .wrote(&[(0, Kind::LowBalance1), (0, Kind::LowBalance2), (0, warned)])
        .has(2, 400)
        .has(23, 400)
        .wrote(&[(2, Kind::LowBalance1), (2, Kind::LowBalance2)])
        .has(24, 400)
        .has(99, 400)
        .wrote(&[(24, warned)]);
}

#[test]
fn a_forecast_begins_an_episode_at_its_lead_and_holds_it_to_twice_that() {
    let account = Watched::new().has_and_uses(0, 24_001, Some(1_000)).wrote(&[]);
    let account = account.has_and_uses(1, 24_000, Some(1_000)).wrote(&[(1, Kind::DisconnectWarning)]);
    let account = account.has_and_uses(2, 48_000, Some(1_000));
    assert!(account.credit.episode.is_some());
    assert_eq!(account.has_and_uses(3, 48_001, Some(1_000)).credit.episode, None);
}

#[test]
fn a_forecast_repeats_only_a_warning_of_more_than_a_week() {
    let quiet = |account: Watched, hour| account.has_and_uses(hour, 100, Some(1));
    let urgent = |account: Watched, hour| account.has_and_uses(hour, 100, Some(100));
    let account = quiet(Watched::new(), 0);
    let account = quiet(urgent(account, 100), 101);
    let written = account.written.len();
    let mut account = urgent(account, 168);
    assert_eq!(account.written.split_off(written), [(168, Kind::DisconnectWarning)]);
    assert_eq!(account.credit.episode.map(|episode| episode.began_at), Some(instant(0)));
}

#[test]
fn the_mean_needs_a_day_of_readings() {
    let policy = policy().credit;
    let cost = Exact::new(48_000);
    assert_eq!(mean_cost_per_hour(cost, hours(23), &policy), None);
    assert_eq!(mean_cost_per_hour(cost, hours(24), &policy), Some(Exact::new(2_000)));
}

#[test]
fn limits_that_do_not_fit_are_refused_by_name() {
    type Change = fn(&mut Limits);
    let cases: [(&str, Change); 7] = [
        ("overdraft", |limits| limits.overdraft = Money::new(-1)),
        ("alarm_2", |limits| limits.alarm_2 = Money::new(-1)),
        ("alarm_1", |limits| limits.alarm_1 = Money::new(499)),
        ("rearm_margin", |limits| limits.rearm_margin = Money::ZERO),
        ("restore_margin", |limits| limits.restore_margin = Money::ZERO),
        ("emergency_credit", |limits| limits.emergency_credit = Money::new(-1)),
        ("restore_margin", |limits| (limits.emergency_credit, limits.restore_margin) = (Money::new(9), Money::new(10))),
    ];
    assert_eq!(limits().validate(), Ok(()));
    for (field, change) in cases {
        let mut limits = limits();
        change(&mut limits);
        assert_eq!(limits.validate().map_err(|bad| bad.field), Err(field));
    }
}

proptest! {
    #[test]
    fn whoever_is_due_stands_in_an_episode_and_warnings_keep_their_distance(
        steps in prop::collection::vec((0_i64..40, -1_000_i64..4_000, prop::option::of(0_i64..300)), 1..60),
    ) {
        let mut account = Watched::new();
        let mut hour = 0;
        for (wait, available, per_hour) in steps {
            hour += wait;
            account = account.has_and_uses(hour, available, per_hour);
            let due = limits().disconnect_due(Money::new(available));
            prop_assert!(!due || account.credit.episode.is_some());
        }
        let warned: Vec<i64> =
            account.written.iter().filter(|(_, kind)| *kind == Kind::DisconnectWarning).map(|(hour, _)| *hour).collect();
        prop_assert!(warned.windows(2).all(|pair| matches!(pair, [a, b] if b - a >= 24)));
    }
}

/// The limits with an emergency credit of 3.00.
fn offered() -> Limits {
    Limits { emergency_credit: Money::new(300), ..limits() }
}

/// Looks at an account with an emergency credit.
fn looks(credit: Credit, hour: i64, available: i64) -> Credit {
    let standing = Standing { available: Money::new(available), mean_cost_per_hour: None };
    watch(&credit, &standing, &offered(), &cny(), &policy().credit, instant(hour)).0
}

fn headroom(credit: &Credit, available: i64) -> i64 {
    offered().with_emergency(credit).headroom(Money::new(available)).get()
}

fn activated(credit: &Credit, available: i64) -> Result<Credit, &'static str> {
    activate(credit, Money::new(available), &offered()).map_err(|refused| refused.code())
}

#[test]
fn emergency_credit_is_headroom_until_available_is_back_at_0() {
    let low = looks(Credit::default(), 0, -50);
    assert_eq!(headroom(&low, -50), -50);
    let helped = activated(&low, -50).unwrap_or_default();
    assert_eq!(headroom(&helped, -50), 250);
    let helped = looks(looks(helped, 1, -299), 2, -1);
    assert_eq!(headroom(&helped, -1), 299);
    let over = looks(helped, 3, 0);
    assert_eq!(headroom(&over, 0), 0, "a limit that is over");
    assert_eq!(activated(&over, 0), Err("emergency_credit_used"));
    let again = looks(over, 4, -50);
    assert_eq!(
        (headroom(&again, -50), activated(&again, -50)),
        (-50, Err("emergency_credit_used")),
        "the same episode"
    );
    let next = looks(looks(again, 5, 601), 6, -50);
    assert_eq!(activated(&next, -50).map(|credit| headroom(&credit, -50)), Ok(250), "an episode of its own");
}

#[test]
fn emergency_credit_before_available_is_below_0_lasts_over_it() {
    let low = looks(Credit::default(), 0, 400);
    let helped = looks(activated(&low, 400).unwrap_or_default(), 1, 450);
    assert_eq!(headroom(&helped, 450), 750);
    let drawn = looks(helped, 2, -200);
    assert_eq!(headroom(&drawn, -200), 100);
    assert_eq!(headroom(&looks(drawn, 3, 1), 1), 1);
    assert_eq!(headroom(&looks(helped, 3, 601), 601), 601, "the episode is over");
}

#[test]
fn emergency_credit_asked_for_in_time_ends_no_episode_by_lasting_longer() {
    // 12 hours are left, and with the emergency credit 60: far above the second level, and more than twice the lead.
    let limits = Limits { emergency_credit: Money::new(4_800), ..limits() };
    let look = |credit: &Credit, hour, available| {
        let standing =
            Standing { available: Money::new(available), mean_cost_per_hour: Some(Exact::of(Money::new(100), &cny())) };
        watch(credit, &standing, &limits, &cny(), &policy().credit, instant(hour)).0
    };
    let lent = |credit: &Credit| limits.active_emergency(credit).get();
    let low = look(&Credit::default(), 0, 1_200);
    let helped = activate(&low, Money::new(1_200), &limits).unwrap_or_default();
    let helped = look(&look(&helped, 0, 1_200), 1, 1_100);
    assert_eq!(lent(&helped), 4_800, "it was answered so");
    assert!(!helped.episode.is_some_and(|episode| episode.forecast), "nobody is warned of it");
    assert_eq!(lent(&look(&look(&helped, 12, 0), 24, -1_200)), 4_800, "and it is there when it is needed");
    assert_eq!(lent(&look(&helped, 2, 4_800)), 4_800, "48 hours are left without it");
    assert_eq!(look(&helped, 2, 4_801).episode, None, "and now more");
}

#[test]
fn emergency_credit_that_does_not_help_is_refused_by_its_word() {
    let low = looks(Credit::default(), 0, -300);
    assert_eq!(activated(&low, -300), Err("emergency_credit_too_little"), "headroom would be 0");
    assert!(activated(&low, -299).is_ok());
    assert_eq!(activated(&Credit::default(), 700), Err("no_credit_episode"));
    let none = activate(&low, Money::new(-1), &limits());
    assert_eq!(none.map_err(|refused| refused.code()), Err("emergency_credit_not_offered"));
}

proptest! {
    /// What a customer was answered stands at the next look, whatever is left and however fast it goes.
    #[test]
    fn emergency_credit_outlasts_the_look_that_follows_it(
        available in -2_000_i64..9_000,
        per_hour in prop::option::of(0_i64..400),
        emergency in 1_i64..9_000,
    ) {
        let limits = Limits { emergency_credit: Money::new(emergency), ..limits() };
        let mean_cost_per_hour = per_hour.map(|cost| Exact::of(Money::new(cost), &cny()));
        let standing = Standing { available: Money::new(available), mean_cost_per_hour };
        let look = |credit: &Credit| watch(credit, &standing, &limits, &cny(), &policy().credit, instant(0)).0;
        if let Ok(helped) = activate(&look(&Credit::default()), Money::new(available), &limits) {
            prop_assert_eq!(limits.active_emergency(&look(&helped)).get(), emergency);
            prop_assert_eq!(look(&look(&helped)), look(&helped));
        }
    }
}

proptest! {
    /// Against a model that knows only the rule: active from an activation until available rises from below 0 to 0, or the
    /// episode ends; once per episode.
    #[test]
    fn emergency_credit_is_what_its_rule_says(
        steps in prop::collection::vec((-500_i64..900, any::<bool>()), 1..60),
    ) {
        let mut credit = Credit::default();
        let (mut active, mut asked, mut below) = (false, false, false);
        for (hour, (available, asks)) in (0_i64..).zip(steps) {
            credit = looks(credit, hour, available);
            let rises = below && available >= 0;
            below = available < 0;
            if credit.episode.is_none() {
                (active, asked) = (false, false);
            } else if rises {
                active = false;
            }
            if asks {
                let allowed = credit.episode.is_some() && !asked && available + 300 >= 1;
                let result = activated(&credit, available);
                prop_assert_eq!(result.is_ok(), allowed);
                if let Ok(next) = result {
                    (credit, active, asked) = (next, true, true);
                }
            }
            prop_assert_eq!(headroom(&credit, available), available + if active { 300 } else { 0 });
        }
    }
}

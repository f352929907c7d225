//! The decision: what holds whatever the facts are.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::{
    tests::{CONNECTED, DISCONNECTED, PERMITTED, account, order, sent},
    *,
};
use crate::{
    calendar::Weekday,
    fixtures::{at, day, hours, minutes, policy, zone},
    site::Policy,
};

/// Facts of every kind, most of them harmless.
#[derive(Debug, Clone)]
struct World {
    account: AccountFacts,
    meter: MeterFacts,
    policy: Policy,
    now: Timestamp,
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.1)
}

fn any_meter(now: Timestamp) -> impl Strategy<Value = MeterFacts> {
    let causes = prop::collection::vec(prop::sample::select(Cause::ALL), 0..3);
    let relay = prop::option::of(prop::sample::select(vec![CONNECTED, DISCONNECTED, PERMITTED]));
    let orders =
        prop::option::weighted(0.4, (prop::sample::select(Action::ALL), 0..4_usize, prop::sample::select(Cause::ALL)));
    let times = (0_i64..200, prop::option::weighted(0.2, 0_i64..20), 0_u32..20, -10_i64..10);
    (causes, relay, orders, rarely(), rarely(), rarely(), times).prop_map(
        move |(causes, relay, live, blocked, guarded, fixed, (age, again, gaps, offset))| MeterFacts {
            causes: causes.into_iter().collect(),
            relay,
            order: live.map(|(action, state, cause)| {
                let state = OrderState::ALL.get(state).copied().unwrap();
                let base = if state == OrderState::Ordered { order(action, cause) } else { sent(action, cause) };
                Order { state, ..base }
            }),
            relay_control: if fixed { RelayControl::None } else { RelayControl::Plain },
            blocked,
            supply_guard: guarded,
            quarantined: false,
            last_good_reading_at: (age < 190).then(|| shift(now, -minutes(age))),
            reading_freshness: hours(2),
            sightings: Sightings {
                last_seen_at: Some(now),
                seen_again_at: again.map(|ago| shift(now, -minutes(ago))),
                gaps_that_day: gaps,
            },
            clock_offset: Some(minutes(offset)),
            concentrator_clock_offset: None,
        },
    )
}

prop_compose! {
    fn any_world()(hour in 0_i64..24 * 14)(
        now in Just(shift(at("2026-05-01T00:30:00+08:00"), hours(hour))),
        meter in any_meter(shift(at("2026-05-01T00:30:00+08:00"), hours(hour))),
        available in -5_i64..10,
        served in prop::option::weighted(0.9, 0_i64..60),
        (guarded, holiday, weekday) in (rarely(), rarely(), rarely()),
        hold in prop::option::weighted(0.2, -2_i64..3),
        payment in prop::option::weighted(0.2, -20_i64..20),
        automatic in prop::sample::select(vec![
            AutomaticDisconnection::On, AutomaticDisconnection::On, AutomaticDisconnection::ReportOnly, AutomaticDisconnection::Off,
        ]),
        restore_margin in 1_i64..4,
    ) -> World {
        let mut account = account(available);
        account.supply_guard = guarded;
        account.hold_until = hold.map(|left| shift(now, hours(left)));
        account.payment_until = payment.map(|left| shift(now, minutes(left)));
        account.limits.restore_margin = Money::new(restore_margin);
        let served = served.map(|ago| shift(now, -hours(ago)));
        account.credit.episode.as_mut().unwrap().warning_served_at = served;
        let mut policy = policy();
        policy.disconnection.automatic = automatic;
        if holiday {
            policy.disconnection.holidays.push(day("2026-05-05"));
        }
        if weekday {
            policy.disconnection.protected_weekdays = vec![Weekday::Saturday, Weekday::Sunday];
        }
        World { account, meter, policy, now }
    }
}

/// Whether any guard holds, written out anew from the rules.
fn guarded(world: &World) -> bool {
    let local = zone("Asia/Shanghai").to_datetime(world.now);
    let (account, meter, rules) = (&world.account, &world.meter, &world.policy.disconnection);
    let ago = |instant: Timestamp| world.now.duration_since(instant).as_mins();
    let again = meter.sightings.seen_again_at;
    let same_day = again.is_some_and(|again| zone("Asia/Shanghai").to_datetime(again).date() == local.date());
    rules.automatic != AutomaticDisconnection::On
        || account.supply_guard
        || account.hold_until.is_some_and(|end| world.now < end)
        || account.payment_until.is_some_and(|end| world.now < end)
        || meter.supply_guard
        || local.hour() >= 18
        || local.hour() < 9
        || rules.holidays.contains(&local.date())
        || rules.protected_weekdays.iter().any(|day| *day == local.weekday().into())
        || account.credit.episode.unwrap().warning_served_at.is_none_or(|served| ago(served) < 24 * 60)
        || meter.last_good_reading_at.is_none_or(|read| ago(read) > 120)
        || (again.is_some_and(|again| ago(again) < 10) && !(same_day && meter.sightings.gaps_that_day > 12))
        || meter.clock_offset.is_some_and(|offset| offset.as_mins().abs() > 5)
        || meter.blocked
        || meter.relay_control == RelayControl::None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nobody_is_cut_while_a_guard_holds(world in any_world()) {
        let zone = zone("Asia/Shanghai");
        let site = Site { policy: &world.policy, zone: &zone };
        let decision = decide(&world.account, &world.meter, site, world.now);
        if decision.verdict == Verdict::Disconnect {
            prop_assert!(!guarded(&world));
            prop_assert!(world.account.available <= Money::ZERO);
            prop_assert!(decision.causes.contains(Cause::Credit));
        }
        if let Some(cut) = world.meter.order.as_ref().filter(|order| {
            order.action == Action::Disconnect && order.cause == Cause::Credit
        }) {
            let answer = authorize(cut, Some(&world.account), &world.meter, site, world.now);
            prop_assert_eq!(answer == Authorization::Send, !guarded(&world) && world.account.available <= Money::ZERO);
        }
        if let Verdict::Held { guards, until } = decision.verdict {
            prop_assert!(!guards.is_empty());
            prop_assert!(world.now < until && until <= shift(world.now, hours(1)));
        }
    }

    #[test]
    fn money_lifts_nothing_but_credit(world in any_world()) {
        let zone = zone("Asia/Shanghai");
        let site = Site { policy: &world.policy, zone: &zone };
        let decision = decide(&world.account, &world.meter, site, world.now);
        let others = world.meter.causes.without(Cause::Credit);
        prop_assert_eq!(decision.causes.without(Cause::Credit), others.clone());
        if matches!(decision.verdict, Verdict::Reconnect | Verdict::Withdraw) {
            prop_assert!(others.is_empty() && decision.causes.is_empty());
            prop_assert!(world.account.available > Money::ZERO);
        }
        let reconnect = order(Action::Reconnect, Cause::Credit);
        if authorize(&reconnect, Some(&world.account), &world.meter, site, world.now) == Authorization::Send {
            prop_assert!(world.meter.causes.is_empty());
        }
    }

    #[test]
    fn paid_supply_that_only_credit_cut_is_always_wanted_back(world in any_world(), enough in 4_i64..1_000) {
        let zone = zone("Asia/Shanghai");
        let site = Site { policy: &world.policy, zone: &zone };
        let causes = Causes::none().with(Cause::Credit);
        let account = AccountFacts { available: Money::new(enough), ..world.account };
        let meter = MeterFacts { causes, relay: Some(DISCONNECTED), blocked: false, ..world.meter };
        let meter = MeterFacts { relay_control: RelayControl::Plain, ..meter };
        let verdict = decide(&account, &meter, site, world.now).verdict;
        let going = meter.order.as_ref().is_some_and(|order| order.action == Action::Reconnect);
        prop_assert_eq!(verdict, if going { Verdict::Nothing } else { Verdict::Reconnect });
    }
}

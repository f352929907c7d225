//! Dialogues with a meter.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::{ToSpan, civil::date, tz::TimeZone};
use proptest::prelude::*;
use protocols::dlt645::RelayCommand;

use super::*;

mod relay_faults;
mod truth;

fn noon() -> Timestamp {
    "2026-03-05T12:00:00+08:00".parse().unwrap()
}

fn password() -> Password {
    Password::new(2, 123_456).unwrap()
}

fn spec() -> MeterSpec {
    MeterSpec {
        address: "202600000001".parse().unwrap(),
        password: password(),
        start: Energy::new(12_345_678),
        load: LoadCurve { load_w: 10_000, seed: 1, zone: TimeZone::get("Asia/Shanghai").unwrap() },
        clock_offset: SignedDuration::ZERO,
        local_prepay: false,
    }
}

fn ask(meter: &mut Meter, request: Request, now: Timestamp) -> Option<Answer> {
    let (address, frame) = (meter.address(), request.frame(meter.address()).unwrap());
    meter.answer(&frame, now).map(|frame| request.answer(address, &frame).unwrap())
}

fn control(command: RelayCommand) -> RelayControl {
    RelayControl { command, password: password(), operator: 1, expiry: None }
}

fn order(meter: &mut Meter, control: RelayControl, now: Timestamp) -> Answer {
    ask(meter, Request::Relay(control), now).unwrap()
}

fn relay_read(meter: &mut Meter, now: Timestamp) -> (RelayState, RelayState) {
    match ask(meter, Request::Read(Item::Relay), now) {
        Some(Answer::Value(Value::Relay(reading))) => (reading.relay, reading.command),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_flows_while_the_relay_is_disconnected() {
    let mut meter = Meter::new(spec(), noon());
    assert_eq!(order(&mut meter, control(RelayCommand::Disconnect), noon() + 1.hour()), Answer::RelayTaken);
    let at_the_cut = meter.true_energy(noon() + 1.hour());
    assert!(at_the_cut > Energy::new(80_000));
    assert_eq!(meter.true_energy(noon() + 9.hours()), at_the_cut);
    assert_eq!(order(&mut meter, control(RelayCommand::Reconnect), noon() + 9.hours()), Answer::RelayTaken);
    assert_eq!(meter.true_energy(noon() + 9.hours()), at_the_cut);
    assert!(meter.true_energy(noon() + 10.hours()) > at_the_cut + Energy::new(80_000));
}

#[test]
fn a_permit_waits_for_the_customer_and_a_disconnect_withdraws_it() {
    use RelayState::{Connected, Disconnected};
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    order(&mut meter, control(RelayCommand::Disconnect), now);
    assert!(!meter.press(now), "nothing is permitted");
    order(&mut meter, control(RelayCommand::PermitReconnect), now);
    assert_eq!(relay_read(&mut meter, now), (Disconnected, Connected));
    order(&mut meter, control(RelayCommand::Disconnect), now);
    assert!(!meter.press(now), "the permit is withdrawn");
    order(&mut meter, control(RelayCommand::PermitReconnect), now);
    assert!(meter.press(now));
    assert_eq!(relay_read(&mut meter, now), (Connected, Connected));
    assert!(!meter.press(now), "there is supply already");
}

#[test]
fn a_wrong_password_is_refused_and_moves_nothing() {
    let mut meter = Meter::new(spec(), noon());
    for wrong in [Password::new(2, 123_457).unwrap(), Password::new(4, 123_456).unwrap()] {
        let answer = order(&mut meter, RelayControl { password: wrong, ..control(RelayCommand::Disconnect) }, noon());
        let Answer::Refused { function: 0x1C, error } = answer else { panic!("{answer:?}") };
        assert!(error.password());
        assert_eq!(meter.relay(), RelayState::Connected);
    }
}

#[test]
fn an_order_is_refused_when_it_has_expired_by_the_meters_own_clock() {
    let spec = MeterSpec { clock_offset: SignedDuration::from_mins(3), ..spec() };
    let mut meter = Meter::new(spec, noon());
    let until = |minute| RelayControl {
        expiry: Some(date(2026, 3, 5).at(12, minute, 0, 0)),
        ..control(RelayCommand::Disconnect)
    };
    assert!(matches!(order(&mut meter, until(2), noon()), Answer::Refused { error: MeterError::OTHER, .. }));
    assert_eq!(order(&mut meter, until(3), noon()), Answer::RelayTaken);
}

#[test]
fn registers_are_cut_off_to_two_decimals_and_name_the_periods() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon() + 7.hours());
    let shown = meter.registers(now);
    let coarse = |energy: Energy| Ok(Some(Energy::new(energy.get() / 100 * 100)));
    let total = ask(&mut meter, Request::Read(Item::ForwardActiveTotal), now).unwrap();
    assert_eq!(total, Answer::Value(Value::ForwardActiveTotal(coarse(shown.total))));
    let periods = shown.periods.into_iter().flatten().map(coarse).collect::<Vec<_>>();
    assert_eq!(periods.len(), 4);
    let block = ask(&mut meter, Request::Read(Item::ForwardActiveBlock), now).unwrap();
    assert_eq!(block, Answer::Value(Value::ForwardActiveBlock { total: coarse(shown.total), periods }));
}

#[test]
fn what_it_does_not_know_it_refuses_and_what_is_not_for_it_it_ignores() {
    let mut meter = Meter::new(spec(), noon());
    let mut frame = Request::Read(Item::Relay).frame(meter.address()).unwrap();
    frame.data = vec![0x09, 0x09, 0x09, 0x02];
    let refusal = meter.answer(&frame, noon()).unwrap();
    assert!(refusal.control.abnormal);
    assert_eq!(refusal.data, [MeterError::NO_DATA.0]);
    frame.control.function = 0x14;
    assert_eq!(meter.answer(&frame, noon()).unwrap().data, [MeterError::OTHER.0]);
    frame.address = "202600000002".parse().unwrap();
    assert_eq!(meter.answer(&frame, noon()), None);
    frame.address = MeterAddress::BROADCAST;
    assert_eq!(meter.answer(&frame, noon()), None);
}

#[test]
fn a_silent_meter_answers_nothing_and_still_counts() {
    let mut meter = Meter::new(spec(), noon());
    meter.set_silent(true);
    assert_eq!(ask(&mut meter, Request::Read(Item::Relay), noon()), None);
    assert!(meter.true_energy(noon() + 1.hour()) > Energy::ZERO);
    meter.set_silent(false);
    assert!(ask(&mut meter, Request::Read(Item::Relay), noon()).is_some());
}

#[test]
fn a_freeze_is_the_register_at_the_end_of_the_day_by_the_meters_clock() {
    let ahead = SignedDuration::from_mins(10);
    let mut meter = Meter::new(MeterSpec { clock_offset: ahead, ..spec() }, noon());
    let mut witness = Meter::new(spec(), noon());
    let midnight_of_the_meter = noon() + 12.hours() - ahead;
    let day = date(2026, 3, 5);
    assert_eq!(meter.freeze(day, midnight_of_the_meter - SignedDuration::from_secs(1)), None);
    assert_eq!(meter.freeze(day, noon() + 20.hours()), Some(witness.registers(midnight_of_the_meter)));
    assert_eq!(meter.freeze(day.tomorrow().unwrap(), noon() + 20.hours()), None);
}

#[test]
fn a_disconnected_meter_still_freezes() {
    let mut meter = Meter::new(spec(), noon());
    order(&mut meter, control(RelayCommand::Disconnect), noon());
    assert_eq!(meter.freeze(date(2026, 3, 5), noon() + 13.hours()).unwrap().total, Energy::new(12_345_678));
}

#[test]
fn it_remembers_62_days_and_days_of_23_and_25_hours() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let spec = MeterSpec { load: LoadCurve { zone: zone.clone(), ..spec().load }, ..spec() };
    let born = date(2026, 3, 1).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
    let mut meter = Meter::new(spec.clone(), born);
    let now = date(2026, 5, 10).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
    assert_eq!(meter.freeze(date(2026, 3, 8), now), None);
    for day in [date(2026, 3, 9), date(2026, 3, 28), date(2026, 3, 29), date(2026, 5, 9)] {
        let end = day.tomorrow().unwrap().to_zoned(zone.clone()).unwrap().timestamp();
        let expected = Meter::new(spec.clone(), born).registers(end);
        assert_eq!(meter.freeze(day, now), Some(expected), "{day}");
    }
}

proptest! {
    #[test]
    fn registers_and_freezes_do_not_depend_on_when_anyone_looked(
        mut looks in prop::collection::vec(0i64..4 * 86_400_000, 0..30), cut in 0i64..4 * 86_400_000
    ) {
        let at = |ms: i64| noon() + SignedDuration::from_millis(ms);
        let (mut seen, mut unseen) = (Meter::new(spec(), noon()), Meter::new(spec(), noon()));
        looks.sort_unstable();
        for look in looks.iter().filter(|look| **look <= cut) {
            seen.registers(at(*look));
        }
        order(&mut seen, control(RelayCommand::Disconnect), at(cut));
        for look in looks.iter().filter(|look| **look > cut) {
            seen.registers(at(*look));
        }
        order(&mut unseen, control(RelayCommand::Disconnect), at(cut));
        let end = at(4 * 86_400_000);
        prop_assert_eq!(seen.registers(end), unseen.registers(end));
        prop_assert_eq!(seen.freezes, unseen.freezes);
    }
}

//! Slow, stuck and locked relays, and commands that come late.

use super::*;

const DISCONNECTED: (RelayState, RelayState) = (RelayState::Disconnected, RelayState::Disconnected);
const CONNECTED: (RelayState, RelayState) = (RelayState::Connected, RelayState::Connected);

fn secs(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn moved(at: Timestamp, to: RelayState, by: Mover) -> Move {
    Move { at, to, by }
}

#[test]
fn a_slow_relay_acknowledges_at_once_and_moves_at_its_time() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    meter.set_slowness(secs(600));
    assert_eq!(order(&mut meter, control(RelayCommand::Disconnect), now), Answer::RelayTaken);
    assert_eq!(relay_read(&mut meter, now + secs(599)), CONNECTED);
    assert_eq!(relay_read(&mut meter, now + secs(600)), DISCONNECTED);
    let drawn = meter.true_energy(now + secs(3600));
    assert_eq!(drawn, Meter::new(spec(), noon()).true_energy(now + secs(600)), "cut then, though seen only later");
    assert_eq!(meter.moves(), [moved(now + secs(600), RelayState::Disconnected, Mover::Command)]);
}

#[test]
fn slow_commands_are_executed_each_at_its_time_the_older_ones_after_newer_quick_ones() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    meter.set_slowness(secs(600));
    order(&mut meter, control(RelayCommand::Disconnect), now);
    meter.set_slowness(secs(100));
    order(&mut meter, control(RelayCommand::Disconnect), now + secs(10));
    meter.set_slowness(SignedDuration::ZERO);
    order(&mut meter, control(RelayCommand::Reconnect), now + secs(200));
    assert_eq!(relay_read(&mut meter, now + secs(599)), CONNECTED);
    assert_eq!(relay_read(&mut meter, now + secs(700)), DISCONNECTED, "the oldest had the last word");
    let moves = [
        moved(now + secs(110), RelayState::Disconnected, Mover::Command),
        moved(now + secs(200), RelayState::Connected, Mover::Command),
        moved(now + secs(600), RelayState::Disconnected, Mover::Command),
    ];
    assert_eq!(meter.moves(), moves);
    let came: Vec<_> = meter.commands().iter().map(|c| (now.duration_until(c.at).as_secs(), c.taken)).collect();
    assert_eq!(came, [(0, true), (10, true), (200, true)]);
}

#[test]
fn slow_commands_that_are_due_together_keep_their_order() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    meter.set_slowness(secs(60));
    for command in [RelayCommand::Disconnect, RelayCommand::Reconnect] {
        order(&mut meter, control(command), now);
    }
    assert_eq!(relay_read(&mut meter, now + secs(60)), CONNECTED);
    assert_eq!(meter.moves().len(), 2);
}

#[test]
fn a_slow_command_has_its_expiry_checked_when_it_is_taken() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    meter.set_slowness(secs(600));
    let expiry = Some(date(2026, 3, 5).at(12, 1, 0, 0));
    let brief = RelayControl { expiry, ..control(RelayCommand::Disconnect) };
    assert_eq!(order(&mut meter, brief, now), Answer::RelayTaken);
    assert_eq!(relay_read(&mut meter, now + secs(601)), DISCONNECTED);
}

#[test]
fn a_late_command_has_its_expiry_silence_and_slowness_judged_when_it_comes() {
    let now = noon();
    let late = |prepare: fn(&mut Meter), minute: i8| {
        let mut meter = Meter::new(spec(), now);
        prepare(&mut meter);
        let expiry = Some(date(2026, 3, 5).at(12, minute, 0, 0));
        let order = RelayControl { expiry, ..control(RelayCommand::Disconnect) };
        meter.receive_late(Request::Relay(order).frame(meter.address()).unwrap(), now + secs(120));
        meter.advance(now + secs(3600));
        let taken = meter.commands().iter().map(|command| (now.duration_until(command.at), command.taken)).collect();
        (taken, meter.moves().first().map(|moved| now.duration_until(moved.at)))
    };
    let none: Vec<(SignedDuration, bool)> = Vec::new();
    assert_eq!(late(|_| {}, 2), (vec![(secs(120), true)], Some(secs(120))));
    assert_eq!(late(|_| {}, 1), (vec![(secs(120), false)], None), "expired on its way");
    assert_eq!(late(|meter| meter.set_silent(true), 2), (none, None));
    assert_eq!(late(|meter| meter.set_slowness(secs(5)), 2), (vec![(secs(120), true)], Some(secs(125))));
}

#[test]
fn a_stuck_relay_acknowledges_stays_and_tells_the_truth() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    meter.set_stuck(true);
    assert_eq!(order(&mut meter, control(RelayCommand::Disconnect), now), Answer::RelayTaken);
    assert_eq!(relay_read(&mut meter, now), (RelayState::Connected, RelayState::Disconnected));
    meter.set_stuck(false);
    order(&mut meter, control(RelayCommand::Disconnect), now);
    order(&mut meter, control(RelayCommand::PermitReconnect), now);
    meter.set_stuck(true);
    assert!(!meter.press(now), "the button moves it no more than a command");
    assert_eq!(meter.moves(), [moved(now, RelayState::Disconnected, Mover::Command)]);
}

#[test]
fn a_locked_meter_refuses_the_right_password_until_it_is_unlocked() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    meter.set_refuses_passwords(true);
    let answer = order(&mut meter, control(RelayCommand::Disconnect), now);
    assert_eq!(answer, Answer::Refused { function: function::RELAY, error: MeterError::PASSWORD });
    assert_eq!(relay_read(&mut meter, now), CONNECTED);
    meter.set_refuses_passwords(false);
    assert_eq!(order(&mut meter, control(RelayCommand::Disconnect), now), Answer::RelayTaken);
    assert_eq!(meter.commands().iter().map(|command| command.taken).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn moves_are_true_movements_with_their_mover() {
    use RelayState::{Connected, Disconnected};
    let (mut meter, now) = (Meter::new(spec(), noon()), noon());
    order(&mut meter, control(RelayCommand::Reconnect), now);
    order(&mut meter, control(RelayCommand::Disconnect), now + 1.hour());
    order(&mut meter, control(RelayCommand::Disconnect), now + 2.hours());
    order(&mut meter, control(RelayCommand::PermitReconnect), now + 3.hours());
    assert!(meter.press(now + 4.hours()));
    let moves = [moved(now + 1.hour(), Disconnected, Mover::Command), moved(now + 4.hours(), Connected, Mover::Button)];
    assert_eq!(meter.moves(), moves);
    assert_eq!(meter.commands().len(), 4);
}

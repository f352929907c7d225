//! Dialogues between a head end and a meter, and round trips of every message.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::{
    energy::Energy,
    relay::{RelayReading, RelayState},
};
use jiff::civil::{DateTime, date};
use proptest::prelude::*;

use super::*;
use crate::{DecodeError, EncodeError, bcd::BadBcd, formats::Register};

const READ_TOTAL: Request = Request::Read(Item::ForwardActiveTotal);

fn meter() -> MeterAddress {
    "201905241006".parse().unwrap()
}

fn disconnect() -> RelayControl {
    RelayControl {
        command: RelayCommand::Disconnect,
        password: Password::new(2, 123_456).unwrap(),
        operator: 87_654_321,
        expiry: Some(date(2026, 3, 1).at(12, 34, 56, 0)),
    }
}

fn answer(control: u8, data: &[u8]) -> Frame {
    Frame { address: meter(), control: Control::from_byte(control), data: data.to_vec() }
}

#[test]
fn a_total_is_asked_and_answered() {
    let asked = READ_TOTAL.frame(meter()).unwrap();
    assert_eq!(asked.data, [0x00, 0x00, 0x01, 0x00]);
    assert_eq!(asked.control.to_byte(), 0x11);
    assert_eq!(Request::decode(&asked), Ok(READ_TOTAL));

    let answered = answer(0x91, &[0x00, 0x00, 0x01, 0x00, 0x78, 0x56, 0x34, 0x12]);
    let total = Value::ForwardActiveTotal(Ok(Some(Energy::new(1_234_567_800))));
    assert_eq!(READ_TOTAL.answer(meter(), &answered), Ok(Answer::Value(total.clone())));
    assert_eq!(Answer::Value(total).frame(meter()), Ok(answered));
}

#[test]
fn a_block_keeps_its_good_periods_beside_a_bad_and_a_missing_one() {
    let data = [0x00, 0xFF, 0x01, 0x00, 0x01, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0A, 0, 0, 0, 0x02, 0, 0, 0];
    let Ok(Answer::Value(value)) = Request::Read(Item::ForwardActiveBlock).answer(meter(), &answer(0x91, &data)) else {
        panic!("no value");
    };
    let periods = vec![Ok(None), Err(BadBcd(0x0A)), Ok(Some(Energy::new(200)))];
    assert_eq!(value, Value::ForwardActiveBlock { total: Ok(Some(Energy::new(100))), periods });
}

#[test]
fn a_disconnection_is_ordered_taken_and_proven() {
    let order = Request::Relay(disconnect());
    let asked = order.frame(meter()).unwrap();
    // PA P0-P2, C0-C3, N1 N2, ss mm hh DD MM YY: docs/protocols/dlt645.md section 6.
    let data = [2, 0x56, 0x34, 0x12, 0x21, 0x43, 0x65, 0x87, 0x1A, 0, 0x56, 0x34, 0x12, 0x01, 0x03, 0x26];
    assert_eq!((asked.control.to_byte(), &asked.data[..]), (0x1C, &data[..]));
    assert_eq!(Request::decode(&asked), Ok(order));

    assert_eq!(order.answer(meter(), &answer(0x9C, &[])), Ok(Answer::RelayTaken));
    assert_eq!(Answer::RelayTaken.frame(meter()), Ok(answer(0x9C, &[])));

    let cut = RelayReading { relay: RelayState::Disconnected, command: RelayState::Disconnected, local_prepay: false };
    let word = answer(0x91, &[0x03, 0x05, 0x00, 0x04, 0x50, 0x00]);
    assert_eq!(Request::Read(Item::Relay).answer(meter(), &word), Ok(Answer::Value(Value::Relay(cut))));
}

#[test]
fn the_three_relay_commands_are_1a_1b_and_1c() {
    for (command, code) in
        [(RelayCommand::Disconnect, 0x1A), (RelayCommand::PermitReconnect, 0x1B), (RelayCommand::Reconnect, 0x1C)]
    {
        let frame = Request::Relay(RelayControl { command, ..disconnect() }).frame(meter()).unwrap();
        assert_eq!(frame.data.get(8), Some(&code));
    }
}

#[test]
fn a_wrong_password_is_named() {
    let refused = answer(0xDC, &[0x04]);
    let error = MeterError::PASSWORD;
    assert_eq!(
        Request::Relay(disconnect()).answer(meter(), &refused),
        Ok(Answer::Refused { function: function::RELAY, error })
    );
    assert!(error.password() && !error.no_data());
    assert!(MeterError(0x06).password() && MeterError(0x06).no_data());
    assert!(!MeterError::OTHER.password());
    assert_eq!(Answer::Refused { function: function::RELAY, error }.frame(meter()), Ok(refused));
}

#[test]
fn a_refused_read_is_an_answer() {
    let refused = Answer::Refused { function: function::READ, error: MeterError::NO_DATA };
    assert_eq!(READ_TOTAL.answer(meter(), &answer(0xD1, &[0x02])), Ok(refused));
}

#[test]
fn late_and_foreign_answers_are_told_apart() {
    let total = [0x00, 0x00, 0x01, 0x00, 0, 0, 0, 0];
    let other: MeterAddress = "000000000001".parse().unwrap();
    let ask = |frame: &Frame| READ_TOTAL.answer(meter(), frame).unwrap_err();
    assert_eq!(READ_TOTAL.answer(other, &answer(0x91, &total)), Err(MessageError::OtherMeter(meter())));
    assert_eq!(ask(&answer(0x11, &total)), MessageError::Direction);
    assert_eq!(ask(&answer(0x9C, &[])), MessageError::OtherFunction { asked: 0x11, found: 0x1C });
    assert_eq!(ask(&answer(0xB1, &total)), MessageError::FollowUp);
    let relay = answer(0x91, &[0x03, 0x05, 0x00, 0x04, 0x50, 0x00]);
    assert_eq!(ask(&relay), MessageError::OtherItem { asked: Item::ForwardActiveTotal.id(), found: Item::Relay.id() });
}

#[test]
fn what_a_meter_does_not_speak_is_named() {
    let ask = |control: u8, data: &[u8]| Request::decode(&answer(control, data)).unwrap_err();
    assert_eq!(ask(0x11, &[0x00, 0x01, 0x01, 0x02]), MessageError::UnknownItem(DataId(0x0201_0100)));
    assert_eq!(ask(0x14, &[]), MessageError::UnknownFunction(0x14));
    assert_eq!(ask(0x01, &[0x10, 0x90]), MessageError::UnknownFunction(0x01));
    assert_eq!(ask(0x91, &[0x00, 0x00, 0x01, 0x00]), MessageError::Direction);
    let mut data = Request::Relay(disconnect()).frame(meter()).unwrap().data;
    data.iter_mut().skip(8).take(1).for_each(|n1| *n1 = 0x2A);
    let undefined = DecodeError::Undefined { field: "relay command N1", value: 0x2A };
    assert_eq!(ask(0x1C, &data), MessageError::Field(undefined));
}

#[test]
fn a_password_is_six_digits_and_is_never_printed() {
    assert_eq!(Password::new(2, 1_000_000), Err(EncodeError::OutOfRange("password")));
    let printed = format!("{:?}", disconnect().password);
    assert!(printed.contains("***") && !printed.contains("123456") && !printed.contains("86"), "{printed}");
}

#[test]
fn a_frame_of_1997_goes_round() {
    let wire = Frame {
        address: MeterAddress::from_wire([0x75, 0, 0, 0, 0, 0]),
        control: Control::from_byte(0x81),
        data: vec![0x10, 0x90, 0, 0, 1, 0],
    };
    assert_eq!(Frame::decode(&wire.encode().unwrap()), Ok(wire));
}

#[test]
fn more_than_255_bytes_of_data_are_refused() {
    assert!(answer(0x91, &[0; 255]).encode().is_ok());
    assert_eq!(answer(0x91, &[0; 256]).encode(), Err(EncodeError::OutOfRange("data length")));
}

fn register() -> impl Strategy<Value = Register> {
    prop_oneof![1 => Just(Ok(None)), 9 => (0_i64..100_000_000).prop_map(|steps| Ok(Some(Energy::new(steps * 100))))]
}

fn value() -> impl Strategy<Value = Value> {
    let state = || prop_oneof![Just(RelayState::Connected), Just(RelayState::Disconnected)];
    prop_oneof![
        register().prop_map(Value::ForwardActiveTotal),
        (register(), prop::collection::vec(register(), 0..60))
            .prop_map(|(total, periods)| Value::ForwardActiveBlock { total, periods }),
        (state(), state(), any::<bool>()).prop_map(|(relay, command, local_prepay)| Value::Relay(RelayReading {
            relay,
            command,
            local_prepay
        })),
    ]
}

fn time() -> impl Strategy<Value = DateTime> {
    (0_i32..36_525, 0_i32..86_400).prop_map(|(days, seconds)| {
        date(2000, 1, 1).at(0, 0, 0, 0).checked_add(jiff::Span::new().days(days).seconds(seconds)).unwrap()
    })
}

fn relay_control() -> impl Strategy<Value = RelayControl> {
    let command =
        prop_oneof![Just(RelayCommand::Disconnect), Just(RelayCommand::PermitReconnect), Just(RelayCommand::Reconnect)];
    (command, 0_u8..5, 0_u32..1_000_000, 0_u32..100_000_000, prop::option::of(time())).prop_map(
        |(command, level, digits, operator, expiry)| RelayControl {
            command,
            password: Password::new(level, digits).unwrap(),
            operator,
            expiry,
        },
    )
}

proptest! {
    #[test]
    fn every_frame_goes_round(
        address in any::<[u8; 6]>(),
        control in any::<u8>(),
        data in prop::collection::vec(any::<u8>(), 0..=255),
    ) {
        let address = MeterAddress::from_wire(address);
        let frame = Frame { address, control: Control::from_byte(control), data };
        let wire = frame.encode().unwrap();
        prop_assert!(wire.len() <= MAX_FRAME);
        prop_assert_eq!(frame.control.to_byte(), control);
        prop_assert_eq!(Frame::decode(&[&[0xFE; 4], &wire[..]].concat()), Ok(frame));
    }

    #[test]
    fn every_value_goes_round(value in value()) {
        let request = Request::Read(value.item());
        let frame = Answer::Value(value.clone()).frame(meter()).unwrap();
        let frame = Frame::decode(&frame.encode().unwrap()).unwrap();
        prop_assert_eq!(request.answer(meter(), &frame), Ok(Answer::Value(value)));
    }

    #[test]
    fn every_relay_command_goes_round(control in relay_control()) {
        let request = Request::Relay(control);
        let frame = Frame::decode(&request.frame(meter()).unwrap().encode().unwrap()).unwrap();
        prop_assert_eq!(Request::decode(&frame), Ok(request));
    }

    #[test]
    fn any_data_is_understood_or_refused(control in any::<u8>(), data in prop::collection::vec(any::<u8>(), 0..40)) {
        let frame = answer(control, &data);
        let _ = Request::decode(&frame);
        for item in Item::ALL {
            let _ = Request::Read(item).answer(meter(), &frame);
            let known = [&item.id().0.to_le_bytes()[..], &data].concat();
            let _ = Request::Read(item).answer(meter(), &answer(0x91, &known));
        }
    }

    #[test]
    fn any_bytes_decode_as_a_frame_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert!(bytes.ends_with(&frame.encode().unwrap()));
        }
    }
}

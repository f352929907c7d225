//! Dialogues between a head end and a concentrator.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::energy::Energy;
use jiff::civil::date;

use super::*;
use crate::{
    DecodeError, EncodeError, Secret,
    bcd::BadBcd,
    dlt645::{self, MeterAddress},
    formats::{BadTime, Register},
};

mod round_trips;

fn terminal() -> TerminalAddress {
    "2105-41394".parse().unwrap()
}

fn asking() -> RequestHeader {
    RequestHeader {
        address: Address::new(terminal(), 1),
        counter: 0x27,
        fcb: Some(true),
        password: Secret::new([7; 16]),
        time_tag: None,
    }
}

fn answering() -> AnswerHeader {
    AnswerHeader { address: Address::new(terminal(), 1), number: 7, events: None, time_tag: None }
}

/// A concentrator's frame with this data.
fn uplink(control: u8, afn: u8, data: &[u8]) -> Frame {
    let mut frame = Uplink::Clock(Ok(None)).frame(&answering()).unwrap();
    frame.control.primary = control & 0x40 != 0;
    frame.control.function = control & 0x0F;
    frame.afn = Afn::from_byte(afn);
    frame.data = data.to_vec();
    frame
}

fn kwh(text: &str) -> Register {
    Ok(Some(text.parse().unwrap()))
}

#[test]
fn a_login_is_confirmed_with_its_own_number() {
    // A captured login and the answer it would get: testdata/qgdw376.jsonl.
    let login = [
        0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0xC9, 0x05, 0x21, 0xB2, 0xA1, 0x00, 0x02, 0x79, 0x00, 0x00, 0x01, 0x00,
        0xBE, 0x16,
    ];
    let frame = Frame::decode(&login).unwrap();
    assert_eq!(Uplink::decode(&frame), Ok(Uplink::Link(LinkReport::Login)));
    assert_eq!(frame.address.terminal, terminal());

    let reply = frame.confirmation();
    assert_eq!(
        reply.encode().unwrap().get(6..18).unwrap(),
        [0x0B, 0x05, 0x21, 0xB2, 0xA1, 0x00, 0x00, 0x69, 0x00, 0x00, 0x01, 0x00]
    );
    assert_eq!(Downlink::decode(&reply), Ok(Downlink::Confirm(Confirmation::All)));
}

#[test]
fn reports_are_c9_and_ask_for_an_answer() {
    for (report, dt) in [(LinkReport::Login, 1), (LinkReport::Logout, 2), (LinkReport::Heartbeat, 4)] {
        let frame = Uplink::Link(report).frame(&answering()).unwrap();
        let wire = frame.encode().unwrap();
        assert_eq!((wire.get(6), wire.get(13)), (Some(&0xC9), Some(&0x77)));
        assert_eq!(frame.data, [0, 0, dt, 0]);
        assert_eq!(Uplink::decode(&frame), Ok(Uplink::Link(report)));
    }
}

#[test]
fn a_heartbeat_may_carry_more() {
    let frame = uplink(0xC9, 0x02, &[0, 0, 4, 0, 0x12, 0x34, 0x56]);
    assert_eq!(Uplink::decode(&frame), Ok(Uplink::Link(LinkReport::Heartbeat)));
}

#[test]
fn writing_the_archive_carries_the_password_and_asks_for_a_confirmation() {
    let frame = Downlink::SetArchive(vec![record(1), record(2)]).frame(&asking()).unwrap();
    let wire = frame.encode().unwrap();
    assert_eq!((wire.get(6), wire.get(12), wire.get(13)), (Some(&0x7A), Some(&0x04), Some(&0x77)));
    assert_eq!(wire.len(), 20 + 2 + 2 * ArchiveRecord::LENGTH + 16);
    assert_eq!(wire.get(14..20).unwrap(), [0, 0, 0x02, 0x01, 2, 0]);

    let received = Frame::decode(&wire).unwrap();
    assert_eq!(received.password, Some(asking().password));
    assert_eq!(Downlink::decode(&received), Ok(Downlink::SetArchive(vec![record(1), record(2)])));
}

#[test]
fn the_archive_is_read_back_by_serial_numbers() {
    let frame = Downlink::QueryArchive(vec![1, 258]).frame(&asking()).unwrap();
    assert_eq!((frame.afn, frame.password), (Afn::Query, None));
    assert_eq!(frame.data, [0, 0, 0x02, 0x01, 2, 0, 1, 0, 2, 1]);

    let answer = Uplink::Archive(vec![record(1)]).frame(&answering()).unwrap();
    assert_eq!(Uplink::decode(&answer), Ok(Uplink::Archive(vec![record(1)])));
}

#[test]
fn eight_points_are_asked_for_in_one_unit() {
    let frame = Downlink::QueryEnergy((1..=8).collect()).frame(&asking()).unwrap();
    assert_eq!(frame.data, [0xFF, 0x01, 0x01, 0x10]);
    assert_eq!(Downlink::decode(&frame), Ok(Downlink::QueryEnergy((1..=8).collect())));
}

#[test]
fn an_energy_answer_of_a_real_concentrator_reads_as_in_the_notes() {
    // docs/protocols/qgdw376.md section 4, last line.
    let data = [
        0x20, 0x01, 0x01, 0x10, 0x35, 0x17, 0x25, 0x01, 0x14, 4, 0x00, 0x79, 0x92, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x97,
        0x32, 0, 0, 0x00, 0x88, 0x45, 0, 0, 0x00, 0x94, 0x13, 0, 0,
    ];
    let energy = PointEnergy {
        point: 6,
        read_at: Ok(Some(date(2014, 1, 25).at(17, 35, 0, 0))),
        total: kwh("92.79"),
        periods: ["0", "32.97", "45.88", "13.94"].map(kwh).to_vec(),
    };
    assert_eq!(Uplink::decode(&uplink(0x88, 0x0C, &data)), Ok(Uplink::Energy(vec![energy.clone()])));
    assert_eq!(Uplink::Energy(vec![energy]).frame(&answering()).unwrap().data, data);
}

#[test]
fn an_energy_answer_of_the_independent_encoder_has_the_values_it_prints() {
    // CMD_AFN_C_F129 in testdata/qgdw376_k3761.jsonl, without EC and Tp.
    let data = [
        0x01, 0x01, 0x01, 0x10, 0x23, 0x10, 0x16, 0x09, 0x13, 4, 0x65, 0x87, 0x99, 0x99, 0x99, 0x90, 0x78, 0x56, 0x34,
        0x12, 0x76, 0x98, 0x21, 0x43, 0x65, 0x23, 0x10, 0x21, 0x33, 0x12, 0x35, 0x12, 0x87, 0x99, 0x78,
    ];
    let Ok(Uplink::Energy(points)) = Uplink::decode(&uplink(0x88, 0x0C, &data)) else { panic!("no energy") };
    let [point] = &points[..] else { panic!("one point: {points:?}") };
    assert_eq!(point.read_at, Ok(Some(date(2013, 9, 16).at(10, 23, 0, 0))));
    assert_eq!(point.total, kwh("999999.8765"));
    assert_eq!(point.periods, ["123456.7890", "654321.9876", "123321.1023", "789987.1235"].map(kwh));
}

#[test]
fn a_partial_answer_has_the_points_it_has() {
    let mut data = vec![0x05, 0x01, 0x01, 0x10];
    for low in [1, 2] {
        data.extend([0x35, 0x17, 0x25, 0x01, 0x14, 0, low, 0, 0, 0, 0]);
    }
    let Ok(Uplink::Energy(points)) = Uplink::decode(&uplink(0x88, 0x0C, &data)) else { panic!("no energy") };
    let got: Vec<_> = points.iter().map(|point| (point.point, point.total)).collect();
    assert_eq!(got, [(1, Ok(Some(Energy::new(1)))), (3, Ok(Some(Energy::new(2))))]);
}

#[test]
fn what_a_concentrator_does_not_have_is_no_number_and_costs_its_neighbours_nothing() {
    let mut data = vec![0x03, 0x01, 0x01, 0x10];
    data.extend([0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 1, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0x0A, 0, 0, 0, 0]);
    data.extend([0x00, 0x24, 0x31, 0x12, 0x25, 0, 0x01, 0, 0, 0, 0]);
    let Ok(Uplink::Energy(points)) = Uplink::decode(&uplink(0x88, 0x0C, &data)) else { panic!("no energy") };
    let [absent, good] = &points[..] else { panic!("two points: {points:?}") };
    assert_eq!((absent.read_at, absent.total), (Ok(None), Ok(None)));
    assert_eq!(absent.periods, [Err(BadBcd(0x0A))]);
    assert_eq!((good.read_at, good.total), (Err(BadTime::Impossible), Ok(Some(Energy::new(1)))));
}

#[test]
fn a_number_of_periods_that_cannot_be_is_refused() {
    let data = [0x01, 0x01, 0x01, 0x10, 0, 0, 1, 1, 0x25, 0xEE, 0, 0, 0, 0, 0];
    let undefined = DecodeError::Undefined { field: "number of periods", value: 0xEE };
    assert_eq!(Uplink::decode(&uplink(0x88, 0x0C, &data)), Err(MessageError::Field(undefined)));
}

#[test]
fn a_day_is_asked_for_point_by_point_and_answered_with_the_day_first() {
    let day = date(2026, 2, 28);
    let asked = vec![FreezeRequest { point: 1, day }, FreezeRequest { point: 2, day }];
    let frame = Downlink::QueryDailyFreeze(asked.clone()).frame(&asking()).unwrap();
    assert_eq!(frame.data, [1, 1, 1, 0x14, 0x28, 0x02, 0x26, 2, 1, 1, 0x14, 0x28, 0x02, 0x26]);
    assert_eq!(Downlink::decode(&frame), Ok(Downlink::QueryDailyFreeze(asked)));

    let data = [1, 1, 1, 0x14, 0x28, 0x02, 0x26, 0x05, 0x00, 0x01, 0x03, 0x26, 0, 0x00, 0x79, 0x92, 0, 0];
    let read_at = Ok(Some(date(2026, 3, 1).at(0, 5, 0, 0)));
    let energy = PointEnergy { point: 1, read_at, total: kwh("92.79"), periods: Vec::new() };
    let answer = Uplink::DailyFreeze(vec![DailyFreeze { day, energy }]);
    assert_eq!(Uplink::decode(&uplink(0x88, 0x0D, &data)), Ok(answer.clone()));
    assert_eq!(answer.frame(&answering()).unwrap().data, data);
}

#[test]
fn a_forward_of_a_real_head_end_carries_a_read_to_the_meter_and_back() {
    // docs/protocols/qgdw376.md, AFN10 F1: with password, time tag and, in the answer, event counters.
    let request = [
        0x68, 0xE2, 0x00, 0xE2, 0x00, 0x68, 0x4B, 0x00, 0x02, 0x34, 0x12, 0x04, 0x10, 0xE0, 0x00, 0x00, 0x01, 0x00,
        0x1F, 0x6B, 0xBC, 0x0A, 0x10, 0x00, 0x68, 0x61, 0x10, 0x01, 0x30, 0x12, 0x15, 0x68, 0x11, 0x04, 0x33, 0x33,
        0x34, 0x33, 0x7B, 0x16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x13, 0x51, 0x23, 0x21, 0x05,
        0xA1, 0x16,
    ];
    let frame = Frame::decode(&request).unwrap();
    let Ok(Downlink::Forward(forward)) = Downlink::decode(&frame) else { panic!("no forward") };
    assert_eq!((forward.port, forward.line), (31, LineSettings::BAUD_2400_8E1));
    assert_eq!((forward.frame_timeout, forward.byte_timeout), (Timeout::Seconds(60), 10));
    let asked = dlt645::Frame::decode(&forward.bytes).unwrap();
    let read = dlt645::Request::Read(dlt645::Item::ForwardActiveTotal);
    assert_eq!(dlt645::Request::decode(&asked), Ok(read));

    let header = RequestHeader {
        address: Address::new(TerminalAddress { region: 0x0200, terminal: 0x1234 }, 2),
        counter: 0,
        fcb: None,
        password: Secret::ZERO,
        time_tag: Some(TimeTag::new(0, date(2026, 1, 21).at(23, 51, 13, 0), 5).unwrap()),
    };
    assert_eq!(Downlink::Forward(forward).frame(&header).unwrap().encode().unwrap(), request);

    let answer = [
        0x68, 0xAE, 0x00, 0xAE, 0x00, 0x68, 0xA8, 0x00, 0x02, 0x34, 0x12, 0x04, 0x10, 0xE0, 0x00, 0x00, 0x01, 0x00,
        0x1F, 0x14, 0x00, 0x68, 0x61, 0x10, 0x01, 0x30, 0x12, 0x15, 0x68, 0x91, 0x08, 0x33, 0x33, 0x34, 0x33, 0xAB,
        0x39, 0x33, 0x33, 0x49, 0x16, 0x4F, 0x00, 0x00, 0x06, 0x50, 0x23, 0x21, 0x05, 0xAE, 0x16,
    ];
    let frame = Frame::decode(&answer).unwrap();
    assert_eq!(frame.events, Some(EventCounters { important: 0x4F, general: 0 }));
    let Ok(Uplink::Forwarded(forwarded)) = Uplink::decode(&frame) else { panic!("no answer") };
    let meter_frame = dlt645::Frame::decode(&forwarded.bytes).unwrap();
    let total = dlt645::Value::ForwardActiveTotal(kwh("6.78"));
    assert_eq!(read.answer(asked.address, &meter_frame), Ok(dlt645::Answer::Value(total)));
}

#[test]
fn a_silent_meter_is_a_denial() {
    let denied = Uplink::Confirm(Confirmation::Denied).frame(&answering()).unwrap();
    assert_eq!(denied.encode().unwrap().get(6), Some(&0x89));
    assert_eq!(Uplink::decode(&denied), Ok(Uplink::Confirm(Confirmation::Denied)));

    // As a real concentrator answers a forward: docs/protocols/qgdw376.md, "Known deny form".
    let one = UnitResult { point: 0, function: 1, error: 3 };
    let each = uplink(0x89, 0x00, &[0, 0, 4, 0, 0x10, 0, 0, 1, 0, 3]);
    let confirmation = Confirmation::OneByOne { afn: Afn::Forward, results: vec![one] };
    assert_eq!(Uplink::decode(&each), Ok(Uplink::Confirm(confirmation)));
}

#[test]
fn events_that_the_counter_announces_are_asked_for_and_say_when_and_where() {
    let asked = Downlink::QueryEvents(EventRange { class: EventClass::Important, from: 254, to: 2 });
    let frame = asked.frame(&asking()).unwrap();
    assert_eq!((frame.afn, frame.data.as_slice()), (Afn::Events, &[0, 0, 1, 0, 254, 2][..]));
    assert_eq!(Downlink::decode(&frame), Ok(asked));

    let record = |code, content: &[u8]| EventRecord { code, content: content.to_vec() };
    let began = record(30, &[0x30, 0x10, 0x01, 0x03, 0x26, 0x0B, 0x80, 0, 0, 0, 0, 0, 5]);
    let ended = record(30, &[0x45, 0x10, 0x01, 0x03, 0x26, 0x0B, 0x00, 0, 0, 0, 0, 0, 5]);
    let off = record(14, &[0x00, 0x08, 0x01, 0x03, 0x26, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE]);
    let on = record(14, &[0x00, 0x08, 0x01, 0x03, 0x26, 0x15, 0x09, 0x01, 0x03, 0x26]);
    let records = vec![began, ended, off, on];
    let range = EventRange { class: EventClass::Important, from: 254, to: 2 };
    assert_eq!(range.records(), 4);
    let events = Events { range, counters: EventCounters { important: 2, general: 9 }, records };
    let answer = Uplink::Events(events.clone()).frame(&answering()).unwrap();
    assert_eq!(Uplink::decode(&answer), Ok(Uplink::Events(events.clone())));

    let at = |hour, minute| Ok(Some(date(2026, 3, 1).at(hour, minute, 0, 0)));
    let told: Vec<_> = events.records.iter().map(|one| (one.at(), one.point(), one.is_end())).collect();
    assert_eq!(
        told,
        [(at(10, 30), Some(11), false), (at(10, 45), Some(11), true), (at(8, 0), None, false), (at(9, 15), None, true)]
    );
    let changed = record(33, &[0x30, 0x10, 0x01, 0x03, 0x26, 0x0B, 0x00, 0x10, 0x00]);
    assert_eq!((changed.point(), changed.is_end()), (Some(11), false), "a change neither begins nor ends");
    let unknown = record(200, &[0x30, 0x10, 0x01, 0x03, 0x26]);
    assert_eq!((unknown.at(), unknown.point(), unknown.is_end()), (Ok(None), None, false));
    let cut = record(12, &[0x30, 0x10, 0x01]);
    assert_eq!((cut.at(), cut.point()), (Ok(None), None));
}

#[test]
fn what_follows_the_announced_records_is_none() {
    let mut answer = vec![0, 0, 1, 0, 3, 0, 1, 2, 2, 1, 0xAA];
    answer.extend([7, 9]);
    let Ok(Uplink::Events(events)) = Uplink::decode(&uplink(0x88, 0x0E, &answer)) else { panic!("no events") };
    assert_eq!(events.records, [EventRecord { code: 2, content: vec![0xAA] }]);
    let cut = uplink(0x88, 0x0E, &[0, 0, 1, 0, 3, 0, 1, 2, 2, 9, 0xAA]);
    assert_eq!(Uplink::decode(&cut), Err(MessageError::Field(DecodeError::Truncated { wanted: 9, left: 1 })));
}

#[test]
fn a_frame_that_is_shown_holds_no_password_and_still_decodes() {
    let shown = |frame: &Frame| {
        let bytes = frame.blanked().encode().unwrap();
        assert!(
            !bytes.windows(3).any(|window| window == [0x56, 0x34, 0x12] || window == [0x89, 0x67, 0x45]),
            "{bytes:02X?}"
        );
        let decoded = Frame::decode(&bytes).unwrap();
        (decoded.afn, decoded.sequence, decoded.data.len())
    };
    let as_sent = |frame: &Frame| (frame.afn, frame.sequence, frame.data.len());
    let control = dlt645::RelayControl {
        command: dlt645::RelayCommand::Disconnect,
        password: dlt645::Password::new(2, 123_456).unwrap(),
        operator: 1,
        expiry: None,
    };
    let meter: MeterAddress = "201905241006".parse().unwrap();
    let command = dlt645::Request::Relay(control).frame(meter).unwrap();
    let cut = Downlink::Forward(forward(command.encode().unwrap())).frame(&asking()).unwrap();
    assert_eq!(shown(&cut), as_sent(&cut));
    let Ok(Downlink::Forward(inside)) = Downlink::decode(&cut.blanked()) else { panic!("no forward") };
    let inside = dlt645::Frame::decode(&inside.bytes).unwrap();
    assert_eq!((inside.data.get(..4), inside.data.get(8)), (Some(&[0, 0, 0, 0][..]), Some(&0x1A)));
    assert_eq!(cut.blanked().password, Some(Secret::ZERO));

    let records = vec![ArchiveRecord { password: Secret::new([0x56, 0x34, 0x12, 0, 0, 0]), ..record(1) }];
    let set = Downlink::SetArchive(records.clone()).frame(&asking()).unwrap();
    let held = Uplink::Archive(records).frame(&answering()).unwrap();
    assert_eq!((shown(&set), shown(&held)), (as_sent(&set), as_sent(&held)));
    let Ok(Uplink::Archive(held)) = Uplink::decode(&held.blanked()) else { panic!("no archive") };
    assert_eq!(held, [record(1)]);

    // What cannot be read may hold one.
    let unreadable = uplink(0x88, 0x0A, &[0, 0, 2, 1, 2, 0, 0x56, 0x34, 0x12]);
    assert_eq!(unreadable.blanked().data, [0, 0, 2, 1, 0, 0, 0, 0, 0]);
    let login = Uplink::Link(LinkReport::Login).frame(&answering()).unwrap();
    assert_eq!(login.blanked(), login);
}

#[test]
fn what_is_not_spoken_is_named_and_its_frame_still_decodes() {
    let decode = |afn, data: &[u8]| {
        let frame = uplink(0x88, afn, data);
        let frame = Frame::decode(&frame.encode().unwrap()).unwrap();
        assert_eq!(frame.data, data);
        Uplink::decode(&frame).unwrap_err()
    };
    assert_eq!(decode(0x0F, &[0, 0, 1, 0, 9]), MessageError::UnknownAfn(Afn::Other(0x0F)));
    let unknown = |afn, function| MessageError::UnknownFunction { afn, function };
    assert_eq!(decode(0x0C, &[1, 1, 1, 3, 9]), unknown(Afn::Realtime, 25));
    assert_eq!(decode(0x04, &[0, 0, 2, 1]), unknown(Afn::Set, 10));
    assert_eq!(decode(0x02, &[0, 0, 8, 0]), unknown(Afn::Link, 4));
    assert_eq!(decode(0x0C, &[0, 0]), MessageError::Field(DecodeError::Truncated { wanted: 2, left: 0 }));
    let login = Uplink::Link(LinkReport::Login).frame(&answering()).unwrap();
    assert_eq!(Downlink::decode(&login), Err(MessageError::Direction));
}

#[test]
fn units_that_do_not_go_together_are_refused() {
    let mut data = vec![1, 1, 1, 0x10, 0, 0, 1, 1, 0x25, 0, 0, 0, 0, 0, 0];
    data.extend([0, 0, 2, 0, 0, 0, 0, 1, 1, 0x25]);
    assert_eq!(Uplink::decode(&uplink(0x88, 0x0C, &data)), Err(MessageError::Mixed(Afn::Realtime)));
    assert_eq!(Uplink::decode(&uplink(0x88, 0x0C, &[0, 0, 6, 0])), Err(MessageError::Mixed(Afn::Realtime)));
}

#[test]
fn flags_that_promise_what_is_not_there_are_refused() {
    let mut frame = Uplink::Link(LinkReport::Login).frame(&answering()).unwrap();
    frame.data = vec![0];
    frame.events = Some(EventCounters { important: 1, general: 2 });
    let mut wire = frame.encode().unwrap();
    // TpV without the six bytes.
    wire.iter_mut().skip(13).take(1).for_each(|seq| *seq |= 0x80);
    let body = wire.get(6..wire.len() - 2).unwrap();
    let sum = crate::framer::checksum(body);
    let last = wire.len() - 2;
    wire.iter_mut().skip(last).take(1).for_each(|byte| *byte = sum);
    assert_eq!(Frame::decode(&wire), Err(crate::FrameError::Auxiliary));
}

#[test]
fn what_does_not_fit_is_not_sent() {
    let refused = |message: Downlink| message.frame(&asking()).unwrap_err();
    assert_eq!(refused(Downlink::QueryEnergy(vec![2041])), EncodeError::OutOfRange("measuring point"));
    let slow = Forward { frame_timeout: Timeout::Seconds(128), ..forward(vec![]) };
    assert_eq!(refused(Downlink::Forward(slow)), EncodeError::OutOfRange("frame timeout"));
    let long = Downlink::Forward(forward(vec![0; 16_383])).frame(&asking()).unwrap();
    assert_eq!(long.encode(), Err(EncodeError::OutOfRange("data length")));
}

fn forward(bytes: Vec<u8>) -> Forward {
    Forward {
        port: 31,
        line: LineSettings::BAUD_2400_8E1,
        frame_timeout: Timeout::Seconds(20),
        byte_timeout: 50,
        bytes,
    }
}

fn record(serial: u16) -> ArchiveRecord {
    ArchiveRecord {
        serial,
        point: serial,
        rate: 3,
        port: 31,
        protocol: MeterProtocol::Dlt645Of2007,
        meter: "201905241006".parse().unwrap(),
        password: Secret::ZERO,
        periods: 4,
        integer_digits: 6,
        decimals: 2,
        collector: MeterAddress::NONE,
        class: 0,
    }
}

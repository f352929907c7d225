//! What is encoded decodes to itself, with whatever surrounds it; what is garbage is refused.

use domain::energy::Energy;
use jiff::civil::{DateTime, date};
use proptest::prelude::*;

use super::{super::*, uplink};
use crate::{
    Secret,
    dlt645::MeterAddress,
    formats::{Register, WireTime},
};

fn archive() -> impl Strategy<Value = Vec<ArchiveRecord>> {
    let one = (any::<[u16; 2]>(), 0_u8..8, 0_u8..32, any::<[u8; 20]>(), 4_u8..8, 1_u8..5).prop_map(
        |([serial, point], rate, port, bytes, integer_digits, decimals)| {
            let [protocol, periods, class, _, _, _, _, _, rest @ ..] = bytes;
            let [a, b, c, d, e, f, g, h, i, j, k, l] = rest;
            ArchiveRecord {
                serial,
                point,
                rate,
                port,
                protocol: MeterProtocol::from_byte(protocol),
                meter: MeterAddress::from_wire([a, b, c, d, e, f]),
                password: Secret::new([l, k, j, i, h, g]),
                periods,
                integer_digits,
                decimals,
                collector: MeterAddress::from_wire([g, h, i, j, k, l]),
                class,
            }
        },
    );
    prop::collection::vec(one, 0..5)
}

fn register() -> impl Strategy<Value = Register> {
    prop_oneof![1 => Just(Ok(None)), 9 => (0_i64..10_000_000_000).prop_map(|units| Ok(Some(Energy::new(units))))]
}

fn minute() -> impl Strategy<Value = DateTime> {
    (0_i32..36_525, 0_i32..1_440).prop_map(|(days, minutes)| {
        date(2000, 1, 1).at(0, 0, 0, 0).checked_add(jiff::Span::new().days(days).minutes(minutes)).unwrap()
    })
}

fn wire_time() -> impl Strategy<Value = WireTime> {
    prop_oneof![1 => Just(Ok(None)), 9 => minute().prop_map(|time| Ok(Some(time)))]
}

fn energy() -> impl Strategy<Value = PointEnergy> {
    (1_u16..=2040, wire_time(), register(), prop::collection::vec(register(), 0..=63))
        .prop_map(|(point, read_at, total, periods)| PointEnergy { point, read_at, total, periods })
}

fn confirmation() -> impl Strategy<Value = Confirmation> {
    let result = (0_u16..=2040, 1_u16..=248, any::<u8>()).prop_map(|(point, function, error)| UnitResult {
        point,
        function,
        error,
    });
    prop_oneof![
        Just(Confirmation::All),
        Just(Confirmation::Denied),
        (any::<u8>(), prop::collection::vec(result, 0..9))
            .prop_map(|(afn, results)| Confirmation::OneByOne { afn: Afn::from_byte(afn), results }),
    ]
}

fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

fn event_class() -> impl Strategy<Value = EventClass> {
    prop_oneof![Just(EventClass::Important), Just(EventClass::General)]
}

fn events() -> impl Strategy<Value = Events> {
    let record = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..256))
        .prop_map(|(code, content)| EventRecord { code, content });
    (event_class(), any::<[u8; 3]>(), prop::collection::vec(record, 0..5)).prop_map(
        |(class, [important, general, from], records)| {
            let to = from.wrapping_add(u8::try_from(records.len()).unwrap());
            let counters = EventCounters { important, general };
            Events { range: EventRange { class, from, to }, counters, records }
        },
    )
}

fn downlink() -> impl Strategy<Value = Downlink> {
    let freeze = (1_u16..=2040, minute()).prop_map(|(point, at)| FreezeRequest { point, day: at.date() });
    let timeout = prop_oneof![(0_u8..128).prop_map(Timeout::Seconds), (0_u8..128).prop_map(Timeout::Centiseconds)];
    let forward =
        (any::<[u8; 3]>(), timeout, some_bytes()).prop_map(|([port, line, byte_timeout], frame_timeout, bytes)| {
            Forward { port, line: LineSettings(line), frame_timeout, byte_timeout, bytes }
        });
    prop_oneof![
        confirmation().prop_map(Downlink::Confirm),
        archive().prop_map(Downlink::SetArchive),
        prop::collection::vec(any::<u16>(), 0..9).prop_map(Downlink::QueryArchive),
        Just(Downlink::QueryClock),
        Just(Downlink::QueryEventCounters),
        prop::collection::btree_set(1_u16..=2040, 1..40).prop_map(|set| Downlink::QueryEnergy(Vec::from_iter(set))),
        prop::collection::vec(freeze, 1..9).prop_map(Downlink::QueryDailyFreeze),
        (event_class(), any::<[u8; 2]>()).prop_map(|(class, [from, to])| Downlink::QueryEvents(EventRange {
            class,
            from,
            to
        })),
        forward.prop_map(Downlink::Forward),
    ]
}

fn uplink_message() -> impl Strategy<Value = Uplink> {
    let report = prop_oneof![Just(LinkReport::Login), Just(LinkReport::Logout), Just(LinkReport::Heartbeat)];
    let freeze = (minute(), energy()).prop_map(|(at, energy)| DailyFreeze { day: at.date(), energy });
    prop_oneof![
        report.prop_map(Uplink::Link),
        confirmation().prop_map(Uplink::Confirm),
        archive().prop_map(Uplink::Archive),
        wire_time().prop_map(Uplink::Clock),
        any::<[u8; 2]>().prop_map(|[important, general]| Uplink::EventCounters(EventCounters { important, general })),
        prop::collection::vec(energy(), 1..9).prop_map(Uplink::Energy),
        prop::collection::vec(freeze, 1..9).prop_map(Uplink::DailyFreeze),
        events().prop_map(Uplink::Events),
        (any::<u8>(), some_bytes()).prop_map(|(port, bytes)| Uplink::Forwarded(Forwarded { port, bytes })),
    ]
}

fn time_tag() -> impl Strategy<Value = Option<TimeTag>> {
    let tag = any::<[u8; 6]>().prop_map(|[counter, a, b, c, d, permitted_delay]| TimeTag {
        counter,
        sent: [a, b, c, d],
        permitted_delay,
    });
    prop::option::of(tag)
}

fn address() -> impl Strategy<Value = Address> {
    (any::<[u16; 2]>(), any::<bool>(), 0_u8..128).prop_map(|([region, terminal], group, master)| Address {
        terminal: TerminalAddress { region, terminal },
        group,
        master,
    })
}

proptest! {
    #[test]
    fn every_downlink_message_goes_round_with_all_that_surrounds_it(
        message in downlink(),
        address in address(),
        counter in any::<u8>(),
        fcb in any::<Option<bool>>(),
        password in any::<[u8; 16]>(),
        time_tag in time_tag(),
    ) {
        let header = RequestHeader { address, counter, fcb, password: Secret::new(password), time_tag };
        let frame = message.frame(&header).unwrap();
        let received = Frame::decode(&frame.encode().unwrap()).unwrap();
        prop_assert_eq!(&received, &frame);
        prop_assert_eq!(received.sequence.number, counter & 0x0F);
        prop_assert_eq!(Downlink::decode(&received), Ok(message));
    }

    #[test]
    fn every_uplink_message_goes_round_with_all_that_surrounds_it(
        message in uplink_message(),
        address in address(),
        number in 0_u8..16,
        events in any::<Option<[u8; 2]>>(),
        time_tag in time_tag(),
    ) {
        let events = events.map(|[important, general]| EventCounters { important, general });
        let frame = message.frame(&AnswerHeader { address, number, events, time_tag }).unwrap();
        let received = Frame::decode(&frame.encode().unwrap()).unwrap();
        prop_assert_eq!(&received, &frame);
        prop_assert_eq!(Uplink::decode(&received), Ok(message));
    }

    #[test]
    fn any_data_is_understood_or_refused(
        afn in prop_oneof![any::<u8>(), Just(0x0C), Just(0x0D), Just(0x0E), Just(0x00), Just(0x10)],
        function in prop_oneof![Just(1_u16), Just(2), Just(3), Just(10), Just(129), Just(161)],
        mut data in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let dt = unit::function_dt(function).unwrap();
        for (byte, known) in data.iter_mut().skip(2).zip(dt) {
            *byte = known;
        }
        let mut frame = uplink(0x88, afn, &data);
        let _ = Uplink::decode(&frame);
        frame.control.uplink = false;
        let _ = Downlink::decode(&frame);
    }

    #[test]
    fn any_sound_body_decodes_or_is_refused(
        body in prop::collection::vec(any::<u8>(), 8..60),
    ) {
        let [low, high] = u16::try_from(body.len() << 2 | 0b10).unwrap().to_le_bytes();
        let mut wire = vec![0x68, low, high, low, high, 0x68];
        wire.extend(&body);
        wire.extend([crate::framer::checksum(&body), 0x16]);
        match Frame::decode(&wire) {
            Ok(frame) => prop_assert_eq!(frame.encode().unwrap(), wire),
            Err(error) => prop_assert_eq!(error, crate::FrameError::Auxiliary),
        }
    }
}

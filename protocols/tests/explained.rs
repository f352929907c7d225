//! Frames of real devices and of an independent encoder, explained, and compared with what is said of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use proptest::prelude::*;
use protocols::{
    dlt645,
    explain::{Explained, Fault, Protocol, Refused, Value, explain},
    qgdw376,
};
use serde_json::Value as Json;

#[path = "explained/stated.rs"]
mod stated;

fn lines(file: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn wire(line: &Json) -> Vec<u8> {
    bytes(line["hex"].as_str().unwrap())
}

fn meter(bytes: &[u8]) -> dlt645::Explained {
    match explain(bytes, Protocol::Auto).as_slice() {
        [Ok(Explained::Dlt645(one))] => (**one).clone(),
        other => panic!("{bytes:02X?}: {other:?}"),
    }
}

fn concentrator(bytes: &[u8]) -> qgdw376::Explained {
    match explain(bytes, Protocol::Auto).as_slice() {
        [Ok(Explained::Qgdw376(one))] => (**one).clone(),
        other => panic!("{bytes:02X?}: {other:?}"),
    }
}

/// The values by their English names.
fn shown(values: &[Value]) -> Vec<String> {
    let told = |one: &Value| format!("{}={}{}", one.name.en, one.value.as_deref().unwrap_or("-"), one.unit);
    values.iter().map(told).collect()
}

#[test]
fn every_dlt645_vector_is_explained_with_its_address_edition_and_identifier() {
    for line in lines("dlt645.jsonl") {
        let (one, auto) = (meter(&wire(&line)), &line["auto"]);
        assert_eq!(one.frame.address.to_string(), auto["addr"].as_str().unwrap(), "{line}");
        assert_eq!(one.id.as_deref(), auto["di"].as_str(), "{line}");
        if let Some(edition) = auto["edition"].as_str() {
            let expected = if edition == "1997" { dlt645::Edition::Of1997 } else { dlt645::Edition::Of2007 };
            assert_eq!(one.edition, expected, "{line}");
        }
        assert_eq!(one.error.is_some(), auto["abnormal"].as_bool().unwrap(), "{line}");
    }
}

#[test]
fn items_of_every_kind_are_read() {
    let read = |id: u32, value: &str| {
        let control = dlt645::Control { from_meter: true, abnormal: false, follow_up: false, function: 0x11 };
        let data = [&id.to_le_bytes()[..], &bytes(value)].concat();
        let address = dlt645::MeterAddress::from_wire([1, 0, 0, 0, 0, 0]);
        shown(&meter(&dlt645::Frame { address, control, data }.encode().unwrap()).values)
    };
    assert_eq!(read(0x0000_0000, "78563492"), ["combined active energy: total=-123456.78kWh"]);
    assert_eq!(
        read(0x0001_0201, "00010000"),
        ["forward active energy: tariff 2 (peak): 1 settlement days ago=1.00kWh"]
    );
    assert_eq!(
        read(0x0001_FF00, "0001000000020000"),
        ["forward active energy: total=1.00kWh", "forward active energy: tariff 1 (sharp)=2.00kWh"]
    );
    assert_eq!(
        read(0x0101_0000, "5634120130150326"),
        [
            "forward active maximum demand: total=12.3456kW",
            "forward active maximum demand: total: occurred at=2026-03-15T30:01"
        ]
    );
    assert_eq!(
        read(0x0201_FF00, "012202220322"),
        ["voltage: phase A=220.1V", "voltage: phase B=220.2V", "voltage: phase C=220.3V"]
    );
    assert_eq!(read(0x0203_FF00, "000080")[0], "active power: total=-0.0000kW");
    assert_eq!(read(0x0280_0002, "0150"), ["frequency=50.01Hz"]);
    assert_eq!(read(0x0090_0200, "FFFFFFFF"), ["remaining money=-元"]);
    let word = read(0x0400_0503, "5000");
    assert_eq!(word[0], "status word 3=0050");
    assert!(word.contains(&"status word 3: relay (0 connected, 1 disconnected)=1".to_owned()), "{word:?}");
    assert!(word.contains(&"status word 3: relay command (0 connect, 1 disconnect)=1".to_owned()), "{word:?}");
    assert_eq!(read(0x0506_0001, "0000020326"), ["daily freeze 1: time=2026-03-02T00:00"]);
    assert_eq!(
        read(0x0506_0101, "0001000000020000")[1],
        "daily freeze 1: forward active energy: tariff 1 (sharp)=2.00kWh"
    );
    assert_eq!(read(0x0311_0000, "030000"), ["power off: count=3"]);
    assert_eq!(read(0x0333_0301, "00010000"), ["purchased 1=1.00元"]);
    assert_eq!(read(0x1234_5678, "0102"), ["further bytes=0102hex"], "what is not known stands as it came");
    assert_eq!(read(0x0001_0000, "1A000000"), ["forward active energy: total (invalid)=-kWh"]);
}

#[test]
fn every_qgdw376_vector_is_explained_with_its_points_and_functions() {
    let mut others = 0;
    for line in lines("qgdw376.jsonl") {
        let auto = &line["auto"];
        if auto["pid"] != 2 {
            let explained = explain(&wire(&line), Protocol::Auto);
            let [Ok(Explained::OtherEdition { edition, .. })] = explained.as_slice() else { panic!("{line}") };
            assert_eq!(u64::from(edition.pid()), auto["pid"].as_u64().unwrap());
            others += 1;
            continue;
        }
        let one = concentrator(&wire(&line));
        assert_eq!(format!("{:02X}", one.frame.control_byte()), auto["C"].as_str().unwrap(), "{line}");
        assert_eq!(format!("{:02X}", one.frame.sequence_byte()), auto["SEQ"].as_str().unwrap(), "{line}");
        let listed = |key: &str| -> BTreeSet<u64> {
            auto[key].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).collect()
        };
        let (points, functions) = (listed("Pn"), listed("Fn"));
        let first: Vec<_> = one.units.iter().take(points.len() * functions.len()).collect();
        assert_eq!(first.iter().map(|unit| u64::from(unit.point)).collect::<BTreeSet<_>>(), points, "{line}");
        assert_eq!(first.iter().map(|unit| u64::from(unit.function)).collect::<BTreeSet<_>>(), functions, "{line}");
    }
    assert!(others >= 15, "{others}");
}

#[test]
fn a_meters_frame_inside_a_forwarded_one_is_found() {
    let mut forwarded = 0;
    for line in lines("qgdw376.jsonl").iter().filter(|line| line["auto"]["AFN"] == "10" && line["auto"]["pid"] == 2) {
        for inside in concentrator(&wire(line)).forwarded {
            meter(&inside);
            forwarded += 1;
        }
    }
    assert!(forwarded >= 3, "{forwarded}");
}

/// Values that the independent encoder's own decoder prints, by its name of the command.
const ENCODED: [(&str, &[&str]); 14] = [
    ("CMD_AFN_0_F3_ONE_BY_ONE", &["AFN=04", "unit 1: error (0 none)=0"]),
    ("CMD_AFN_4_F1_TML_UP_CFG", &["heartbeat=1min", "time-out (s) and repeats: repeats=3"]),
    ("CMD_AFN_4_F65_CFG_AUTO_1", &["period: period=3", "base time=2013-09-16T11:12:13", "ratio=10", "units=2"]),
    ("CMD_AFN_5_F31_CHECK_TIME", &["clock=2013-08-21T15:15:15"]),
    ("CMD_AFN_C_F17_TOTAL_POWER_HAVE", &["power=121kW"]),
    ("CMD_AFN_C_F18_TOTAL_POWER_NONE", &["power=999kvar"]),
    (
        "CMD_AFN_C_F25_POWER_RATE_CUR",
        &[
            "read at=2012-12-12T12:12",
            "active power: total=12.3456kW",
            "reactive power: phase C=34.5678kvar",
            "power factor: phase A=-123.4%",
            "voltage: phase B=123.4V",
            "current: neutral=-123.456A",
        ],
    ),
    (
        "CMD_AFN_C_F31_POWER_CUR",
        &["phase A: forward active=923456.1234kWh", "phase C: combined reactive 2=666666.77kvarh"],
    ),
    (
        "CMD_AFN_C_F57_CURT_HARM_VALUE",
        &[
            "harmonic 4: voltage: phase A=567.8V",
            "harmonic 3: voltage: phase B=-V",
            "harmonic 3: current: phase C=-55.63A",
        ],
    ),
    (
        "CMD_AFN_C_F58_CURT_HARM_RATE",
        &[
            "voltage ratio, total: phase A=-79.4%",
            "harmonic 2: voltage ratio: phase A=23.7%",
            "current ratio, total: phase B=66.4%",
        ],
    ),
    (
        "CMD_AFN_C_F129_FRTH_HAVE_POWR_C",
        &["read at=2013-09-16T10:23", "total=999999.8765kWh", "tariff 4 (valley)=789987.1235kWh"],
    ),
    ("CMD_AFN_C_F167_METR_BUY_USE", &["purchases=9999", "remaining money=789654.1235元", "fault energy=888888.66kWh"]),
    ("CMD_AFN_D_F105_CURVE_FACTOR_T", &["points=6", "point 2=-799.9%", "point 6=567.8%"]),
    (
        "CMD_AFN_D_F216_METR_BALANCE",
        &[
            "month (Td_m)=2012-06",
            "tariff 3 (flat): settled=444444.4444kWh",
            "total: not settled=666666.6666kWh",
            "fault energy=0.0000kWh",
        ],
    ),
];

#[test]
fn every_frame_of_the_independent_encoder_is_explained_as_it_explains_it() {
    let lines = lines("qgdw376_k3761.jsonl");
    for line in &lines {
        let one = concentrator(&wire(line));
        let mut words = line["decoded"]["cmd"].as_str().unwrap().trim_start_matches("CMD_AFN_").split('_').skip(1);
        let function: u16 = words.next().unwrap()[1..].parse().unwrap();
        assert!(one.units.iter().any(|unit| unit.function == function), "{line}");
        let told: Vec<String> = one.units.iter().flat_map(|unit| shown(&unit.values)).collect();
        // All that is uplink has a layout, except for three lists of what a terminal supports or is set to.
        let raw = told.iter().any(|value| value.starts_with("further bytes"));
        let lists = [(0x09, 6), (0x0C, 5)].contains(&(one.frame.afn.to_byte(), function));
        assert_eq!(raw, lists && one.frame.control.uplink, "{line}: {told:?}");
    }
    for (command, values) in ENCODED {
        let of_it = lines.iter().filter(|line| line["decoded"]["cmd"] == command);
        let told: Vec<Vec<String>> = of_it
            .map(|line| concentrator(&wire(line)).units.iter().flat_map(|unit| shown(&unit.values)).collect())
            .collect();
        for value in values {
            assert!(told.iter().any(|told| told.iter().any(|one| one == value)), "{command}: {value} in {told:?}");
        }
    }
}

#[test]
fn events_are_read_within_their_own_lengths() {
    let answer = |content: &str| {
        let data = [&bytes("00000100")[..], &bytes(content)].concat();
        let line = lines("qgdw376.jsonl").into_iter().find(|line| line["auto"]["AFN"] == "0E").unwrap();
        let frame = qgdw376::Frame { data, ..concentrator(&wire(&line)).frame };
        shown(&concentrator(&frame.encode().unwrap()).units[0].values)
    };
    // A power failure, an event that nobody knows, and one that is shorter than its layout.
    let told = answer("03020508 0E0A 0010010126 0512010126 C802 0102 0C03 001001".replace(' ', "").as_str());
    assert_eq!(told[..4], ["EC1 (important)=3", "EC2 (general)=2", "first (Pm)=5", "end (Pn)=8"]);
    assert_eq!(
        told[5..7],
        [
            "event 1 (terminal power off and on): off=2026-01-01T10:00",
            "event 1 (terminal power off and on): on=2026-01-01T12:05"
        ]
    );
    assert_eq!(told[7..9], ["event 2 (unknown event): ERC=200", "further bytes=0102hex"]);
    assert_eq!(told[9..], ["event 3 (meter clock deviates): ERC=12", "further bytes=001001hex"]);
}

#[test]
fn every_bad_vector_is_refused_with_the_first_fault() {
    let faults = |file: &str| -> BTreeSet<&'static str> {
        let fault = |line: &Json| match explain(&wire(line), Protocol::Auto).as_slice() {
            [Err(refused)] => refused.fault.code(),
            other => panic!("{line}: {other:?}"),
        };
        lines(file).iter().map(fault).collect()
    };
    assert_eq!(Vec::from_iter(faults("dlt645_bad.jsonl")), ["checksum"]);
    assert_eq!(Vec::from_iter(faults("qgdw376_bad.jsonl")), ["checksum", "truncated"]);
}

#[test]
fn each_fault_is_named_with_its_place() {
    let refused = |hex: &str| match explain(&bytes(hex), Protocol::Auto).as_slice() {
        [Err(Refused { fault, at, .. })] => (*fault, *at),
        other => panic!("{hex}: {other:?}"),
    };
    assert_eq!(refused("1668"), (Fault::Start, 0));
    assert_eq!(refused("FEFE11"), (Fault::Start, 2));
    assert_eq!(refused("68010000000000671300E416"), (Fault::Start, 7));
    assert_eq!(refused("68320032006 70BFFFFFFFF0100600000010000 16".replace(' ', "").as_str()).0, Fault::Start);
    assert_eq!(refused(""), (Fault::Truncated, 0));
    assert_eq!(refused("6801000000000068"), (Fault::Truncated, 8));
    assert_eq!(refused("68010000000000681304E416"), (Fault::Truncated, 12));
    assert_eq!(refused("683200330068C90521B2A100027900000100BE16"), (Fault::Length, 3));
    assert_eq!(refused("681200120068C905210000F716"), (Fault::Length, 1));
    assert_eq!(refused("68010000000000681300E516"), (Fault::Checksum, 10));
    assert_eq!(refused("68010000000000681300E517"), (Fault::Checksum, 10), "the checksum comes first");
    assert_eq!(refused("68010000000000681300E417"), (Fault::End, 11));
    assert_eq!(refused("683200320068C90521B2A100027900000100BE17"), (Fault::End, 19));
}

#[test]
fn glued_frames_come_out_one_by_one_also_behind_a_broken_one() {
    let (meter, terminal) = ("68010000000000681300E416", "683200320068C90521B2A100027900000100BE16");
    let glued = bytes(&format!("FEFE{meter}FEFEFEFE{terminal}{meter}FE"));
    let explained = explain(&glued, Protocol::Auto);
    assert!(matches!(
        explained.as_slice(),
        [Ok(Explained::Dlt645(_)), Ok(Explained::Qgdw376(_)), Ok(Explained::Dlt645(_))]
    ));
    let broken = bytes(&format!("68010000000000681300E516{meter}"));
    let explained = explain(&broken, Protocol::Auto);
    assert!(matches!(explained.as_slice(), [Err(Refused { at: 10, .. }), Ok(Explained::Dlt645(_))]));
    let noise = explain(&bytes(&format!("{meter}0102")), Protocol::Auto);
    assert!(matches!(noise.as_slice(), [Ok(_), Err(Refused { fault: Fault::Start, at: 12, .. })]));
}

fn functions() -> impl Strategy<Value = u8> {
    prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![0x11, 0x91, 0x14, 0x1C, 0x03, 0x83, 0x01, 0x81, 0xB1, 0xB2, 0xD1])
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_explained_or_refused_within_them(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        for protocol in [Protocol::Auto, Protocol::Dlt645, Protocol::Qgdw376] {
            for one in explain(&noise, protocol) {
                if let Err(refused) = one {
                    prop_assert!(refused.at <= noise.len());
                }
            }
        }
    }

    /// No byte of a frame is lost: each is in a value, or is a password's, an identifier's or one of a hidden sort.
    #[test]
    fn any_data_of_any_function_is_explained(function in functions(), id in any::<u32>(), data in prop::collection::vec(any::<u8>(), 0..120)) {
        let address = dlt645::MeterAddress::from_wire([1, 2, 3, 4, 5, 6]);
        let data = [&id.to_le_bytes()[..], &data].concat();
        let frame = dlt645::Frame { address, control: dlt645::Control::from_byte(function), data };
        let explained = explain(&frame.encode().unwrap(), Protocol::Dlt645);
        prop_assert!(matches!(explained.as_slice(), [Ok(Explained::Dlt645(one))] if one.frame == frame));
    }

    #[test]
    fn any_content_of_any_function_is_explained(
        afn in 0_u8..=0x10,
        uplink: bool,
        function in 1_u16..=248,
        point in 0_u16..=2040,
        content in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let line = bytes("683200320068C90521B2A100027900000100BE16");
        let mut frame = qgdw376::Frame::decode(&line).unwrap();
        frame.control.uplink = uplink;
        frame.afn = qgdw376::Afn::from_byte(afn);
        let (da, dt) = (qgdw376::point_da(point).unwrap(), qgdw376::function_dt(function).unwrap());
        frame.data = [&da[..], &dt, &content].concat();
        let explained = explain(&frame.encode().unwrap(), Protocol::Qgdw376);
        let [Ok(Explained::Qgdw376(one))] = explained.as_slice() else { panic!("{explained:?}") };
        prop_assert_eq!((one.units[0].point, one.units[0].function), (point, function));
    }
}

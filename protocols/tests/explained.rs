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

/// A frame in words: edition, direction and control, function or AFN, and every field.
fn facts(line: &Json) -> String {
    let told = |one: &Explained| match one {
        Explained::Dlt645(one) => of_meter(one),
        Explained::Qgdw376(one) => {
            let way = if one.frame.control.uplink { "uplink" } else { "downlink" };
            let head = format!("{way} AFN{:02X} {}", one.frame.afn.to_byte(), one.frame.address.terminal);
            let units = one.units.iter().map(|unit| {
                format!("p{}F{} {}: {}", unit.point, unit.function, unit.name.en, shown(&unit.values).join("; "))
            });
            let inside = one.forwarded.iter().map(|bytes| of_meter(&meter(bytes)));
            let ec = one.frame.events.map(|ec| format!("EC {:02X} {:02X}", ec.important, ec.general));
            let tp = one.frame.time_tag.map(|tag| format!("Tp {} {}", tag.counter, tag.time().unwrap_or_default()));
            let pw = one.frame.password.map(|_| "PW".to_owned());
            let all = std::iter::once(head).chain(units).chain(inside).chain(ec).chain(tp).chain(pw);
            all.collect::<Vec<_>>().join(" | ")
        }
        Explained::OtherEdition { edition, .. } => edition.to_string(),
    };
    explain(&wire(line), Protocol::Auto).iter().map(|one| told(one.as_ref().unwrap())).collect::<Vec<_>>().join(" || ")
}

fn of_meter(one: &dlt645::Explained) -> String {
    let way = if one.frame.control.from_meter { "answer" } else { "request" };
    let reasons: Vec<&str> = one.error.iter().flatten().map(|reason| reason.en.as_str()).collect();
    let (id, address) = (one.id.as_deref().unwrap_or("-"), one.frame.address);
    let values = shown(&one.values).join("; ");
    format!("{:?} {address} {way} {}: {id} [{}] {values}", one.edition, one.function.en, reasons.join(", "))
}

/// What sources say of DL/T 645 frames, and what must be in their explanation; ` & ` stands between several.
const STATED: &[(&str, &str)] = &[
    ("请求读数 AFN10 F1 port 1F ctrl 6B frame timeout BC byte timeout 0A len 0x10", "request read: 00010000"),
    (
        "答复的读数 AFN10 F1: port 1F len 0x14; then EC 4F 00, Tp 00 06 50 23 21 05",
        "answer read: 00010000 & total=6.78kWh",
    ),
    ("数据帧透传上行 (comment; length bytes do not match)", "answer read"),
    ("SendData69829_4851 485读表透抄", "request read: 00010000"),
    ("read address", "request read the address"),
    ("read-address answer", "answer read the address & address=000010604867"),
    ("读表地址 DI 04000401", "request read: 04000401"),
    ("source frame example", "answer read: 00010000"),
    ("control 1F", "request function 1F"),
    ("read 00-01-00-00 meter 000000000001", "000000000001 request read: 00010000"),
    ("read 02-01-01-00 meter 123456789012", "123456789012 request read: 02010100"),
    ("answer 00-01-00-00 = 123456.78 kWh", "answer read: 00010000 & forward active energy: total=123456.78kWh"),
    ("abnormal answer ERR=0x03", "answer read & [other error, no such data]"),
    ("read 00010000", "request read: 00010000"),
    ("Maxima demanda: DI 01010000", "request read: 01010000"),
    ("Total energia: DI 00010000", "request read: 00010000"),
    ("Factor de potencia: DI 02060000", "request read: 02060000"),
    (
        "relay control 1C: PA 02, pw 000000, op 00000000, N1 1A trip, N2 00, expiry 000000000000",
        "password level=2 & operator=00000000 & command (disconnect)=1A & reserved=00 & valid until=-",
    ),
    ("cut (trip 1A)", "command (disconnect)=1A"),
    ("con (close 1B)", "command (permit to reconnect)=1B"),
    ("read energy", "request read: 00010000"),
    ("read voltage", "request read: 02010100"),
    ("read current", "request read: 02020100"),
    ("读数据 00010000 当前正向有功总电能", "request read: 00010000"),
    ("当前正向有功总电能: 000000.26 kWh", "forward active energy: total=0.26kWh"),
    ("读 02010100", "request read: 02010100"),
    ("A相电压: 100.1 V", "voltage: phase A=100.1V"),
    ("读 02020100", "request read: 02020100"),
    ("A相电流: 004.999 A", "current: phase A=4.999A"),
    ("读 02030000", "request read: 02030000"),
    ("瞬时总有功功率: 00.2512 kW", "active power: total=0.2512kW"),
    ("读 02040000", "request read: 02040000"),
    ("瞬时总无功功率: 00.4331 kvar", "reactive power: total=0.4331kvar"),
    ("读 02050000", "request read: 02050000"),
    ("瞬时总视在功率: 00.5006 kVA", "apparent power: total=0.5006kVA"),
    ("读 02060000", "request read: 02060000"),
    ("总功率因数: 0.501", "power factor: total=0.501"),
    ("EnergyResponse data 56 34 12 00", "answer read: 00010000 & total=1234.56kWh"),
    ("request expected for 00010000", "request read: 00010000"),
    ("read-address answer 123456789012", "answer read the address & address=123456789012"),
    ("abnormal answer ERR 02 无请求数据", "answer read & [no such data]"),
    ("answer 00010000", "answer read: 00010000"),
    ("1997 answer B630 active power", "Of1997 & answer read: B630 & active power: total=0.0000kW"),
    ("abnormal c5", "answer function 05 & error word B6"),
    ("1997 answer 9010", "Of1997 & answer read: 9010 & forward active energy: total="),
    ("1997 read C032", "Of1997 & request read: C032"),
    ("answer 00010000 123456.78", "answer read: 00010000 & total=123456.78kWh"),
    ("abnormal answer", "answer read & [no such data, password wrong or not authorised]"),
    ("1997 read 9010", "Of1997 & request read: 9010"),
    ("1997 write (relay close) as printed in source", "Of1997 & request write: E323 & password=-"),
];

/// What is said otherwise, and why.
const STATED_OTHERWISE: &[(&str, &str)] = &[(
    "AFN10 F1: port 1, 9600, meter 000000000001",
    "of the concentrator's frame around it; the meter's own is a request to clear events, of a meter by that address",
)];

/// The same of Q/GDW 376.1 frames.
const STATED_376: &[(&str, &str)] = &[
    ("up login AFN02 F1", "uplink AFN02 & p0F1 login"),
    ("query param F89 (terminal address) to broadcast/group address", "downlink AFN0A & p0F89 terminal address"),
    (
        "终端登录 上行: C[C9] A[00 02 34 12 00] AFN[02] SEQ[71] DATA[00 00 01 00] CS[85]",
        "uplink AFN02 0200-04660 & p0F1 login",
    ),
    ("下行 确认: C[0B] AFN[00] SEQ[61] DATA[00 00 01 00] CS[B5]", "downlink AFN00 & p0F1 all confirmed"),
    ("终端心跳包 上行", "uplink AFN02 & p0F3 heartbeat"),
    (
        "复位终端 下行 AFN01 F1, PW 16 bytes, Tp 00 28 53 13 07 05",
        "downlink AFN01 & p0F1 hardware & Tp 0 07T13:53:28 & PW",
    ),
    ("复位 上行 p0 F1 全部确认, EC 11 00, Tp", "uplink AFN00 & p0F1 all confirmed & EC 11 00 & Tp"),
    (
        "请求读数 AFN10 F1 port 1F ctrl 6B frame timeout BC byte timeout 0A len 0x10",
        "downlink AFN10 & p0F1 transparent forwarding: port=31; line=6B & request read: 00010000",
    ),
    (
        "答复的读数 AFN10 F1: port 1F len 0x14; then EC 4F 00, Tp 00 06 50 23 21 05",
        "uplink AFN10 & port=31 & total=6.78kWh & EC 4F 00 & Tp 0 21T23:50:06",
    ),
    ("注册包确认帧 设备地址 19040011", "downlink AFN00 & p0F1 all confirmed"),
    ("心跳包确认帧", "downlink AFN00 & p0F1 all confirmed"),
    ("LinkLogin", "uplink AFN02 & p0F1 login"),
    ("sample: AFN0C F129 p2", "downlink AFN0C & p2F129 forward active energy"),
    ("confirm", "downlink AFN00 & p0F1 all confirmed"),
    ("AFN04 set", "downlink AFN04 & F66 class 2 task"),
    ("AFN0C F25 p1", "downlink AFN0C & p1F25"),
    ("pulso (heartbeat)", "uplink AFN02 & p0F3 heartbeat"),
    (
        "respuesta: AFN00 F3 confirm per data unit (AFN=02, F3, ERR 00)",
        "AFN00 & p0F3 & AFN=02 & DT=0400hex & error (0 none)=0",
    ),
    ("respuesta g3plc: AFN00 F3 for AFN10 F1 with error 03", "AFN00 & p0F3 & AFN=10 & DT=0100hex & error (0 none)=3"),
    ("login", "uplink AFN02 & p0F1 login"),
    ("AFN0D request F161/F163 p2..p6 Td_d 25-12-11", "Q/GDW 130-2005 (pid 1)"),
    ("登录", "uplink AFN02 & p0F1 login"),
    ("read terminal clock AFN0C F2", "downlink AFN0C & p0F2 terminal clock"),
    ("AFN09 F1 with Tp", "downlink AFN09 & p0F1 version & Tp"),
    ("three frames glued and split on purpose (stream test)", "AFN00 & p0F3 & AFN=02"),
    ("合闸 发送 AFN05 F2 p1", "downlink AFN05 & p1F2 permit to close"),
    (
        "分闸 发送 AFN05 F1 p1 (1 data byte: alarm delay/limit time)",
        "downlink AFN05 & p1F1 remote trip: alarm delay and limit time=00",
    ),
    ("保电投入 发送 AFN05 F25 p0 (1 data byte)", "downlink AFN05 & p0F25 terminal guard on"),
    ("保电解除 发送 AFN05 F33 p0", "downlink AFN05 & p0F33 terminal guard off"),
    ("报警解除 发送 AFN05 F34 p0", "downlink AFN05 & p0F34 arrears alarm off"),
    ("电量查询 发送 AFN0C F33 p1", "downlink AFN0C & p1F33 forward active and reactive energy"),
    ("电压电流功率因数 发送 AFN0C F25 p1", "downlink AFN0C & p1F25 powers, factors, voltages and currents"),
    ("电费查询 发送 AFN0C F23 p1", "downlink AFN0C & p1F23 remaining energy or money"),
    ("读取倍率 AFN0A F25 p1", "downlink AFN0A & p1F25 measuring point"),
    ("电价查询 AFN0A F22 p0", "downlink AFN0A & p0F22 prices"),
    ("read clock AFN0C F2", "downlink AFN0C & p0F2 terminal clock"),
    ("answer: clock 49 48 11 15 52 15 = 2015-12-15(?) 11:48:49", "uplink AFN0C & clock=2015-12-15T11:48:49"),
    ("读取集中器时间 answer", "uplink AFN0C & clock=2018-10-07T23:20:51"),
    (
        "读取集中器ip answer AFN0A F3: 180.97.81.190:20005 APN cmnet",
        "main IP=180.97.81.190; main port=20005 & APN=cmnet",
    ),
    (
        "AFN0A F1: RTS 10, delay 20, timeout 30, retries 3, CON flags 11100000, heartbeat 15",
        "=10; & permitted delay=20min & time-out (s)=30 & repeats in a byte=3 & confirmed services=07; heartbeat=15min",
    ),
    (
        "AFN0A F3: 192.168.0.1:8080 / 192.168.0.2:8080 / APN ZJDL.ZJ",
        "main IP=192.168.0.1; main port=8080; backup IP=192.168.0.2; backup port=8080; APN=ZJDL.ZJ",
    ),
    ("AFN0A F9: all ones", "recorded=FFFFFFFFFFFFFFFF & important=FFFFFFFFFFFFFFFF"),
    ("AFN0A F1 read, logical address 96123456 (expected encoder output)", "downlink AFN0A & p0F1 uplink timing"),
    ("AFN04 F4: phone 13675834792, SMS centre 8613010360500", "phone=13675834792F & SMS centre=8613010360500F"),
    (
        "AFN10 F1: port 1, 9600, meter 000000000001",
        "p0F1 transparent forwarding: port=1 & rate (0 to 7: 300 to 19200)=6 & 000000000001 request",
    ),
    (
        "Terminal 4510-00021 AFN0C F129 p6: source prints 总 0.93 尖 0.00 峰 0.33 平 0.46 谷 6.00 (its scale is off by 100; A.14 gives 92.79/0/32.97/45.88/13.94)",
        "uplink AFN0C 4510-00021 & p6F129 & total=92.7900kWh & (peak)=32.9700kWh & (flat)=45.8800kWh & (valley)=13.9400kWh",
    ),
    ("AFN0C F129 answer p3", "uplink AFN0C & p3F129 & total=330.2000kWh"),
    ("answer", "AFN00 & p0F1 all confirmed"),
    ("AFN0C F1002 (vendor)", "downlink AFN0C & p0F1002"),
    ("AFN0C F2 answer: terminal clock 00 39 07 17 43 15", "uplink AFN0C & clock=2015-03-17T07:39:00"),
    ("AFN04 vendor", "reserved (pid 3)"),
    ("SendData6983_1 配置脉冲 PW 16", "downlink AFN04 & p0F11 pulses & PW"),
    ("SendData6983_2", "downlink AFN04 & p0F11 pulses"),
    ("SendData6985 2路遥信 F12", "downlink AFN04 & p0F12 inputs"),
    ("SendData69824 跳2轮闸 AFN05 F1 p1+p1..", "downlink AFN05 & p1F1 remote trip & p2F1 remote trip"),
    ("SendData69826 2轮合闸 AFN05 F2", "downlink AFN05 & p1F2 permit to close & p2F2 permit to close"),
    ("SendData69828 F57 告警声音打开", "downlink AFN04 & p0F57 sound alarm: hours=FFFFFF"),
    ("SendData69835_door AFN04 F12", "downlink AFN04 & p0F12 inputs"),
    ("SendDataGetF8", "downlink AFN0A & p0F8 work mode"),
    ("OpenMessageAuth AFN04 F5", "downlink AFN04 & p0F5 message authentication: scheme (0 none, 255 hardware)=255"),
    ("SendData69829_4851 485读表透抄", "downlink AFN10 & p0F1 transparent forwarding & request read: 00010000"),
];

/// What sources say of frames of the edition of 2005, which is recognised and not read.
const OF_2005: &str = "SendData";

#[test]
fn what_sources_state_is_what_is_explained() {
    let agrees = |line: &Json, table: &[(&str, &str)], otherwise: &[(&str, &str)]| {
        let Some(stated) = line["decoded"]["stated"].as_str() else { return };
        if otherwise.iter().any(|(said, _)| *said == stated) {
            return;
        }
        let facts = facts(line);
        if stated.starts_with(OF_2005) && facts == "Q/GDW 130-2005 (pid 1)" {
            return;
        }
        let wanted = table
            .iter()
            .find(|(said, _)| *said == stated)
            .unwrap_or_else(|| panic!("nobody says what {stated} is: {facts}"));
        for one in wanted.1.split(" & ") {
            assert!(facts.contains(one), "{stated}: {one} in {facts}");
        }
    };
    assert!(STATED_OTHERWISE.len() <= 5);
    lines("dlt645.jsonl").iter().for_each(|line| agrees(line, STATED, STATED_OTHERWISE));
    lines("qgdw376.jsonl").iter().for_each(|line| agrees(line, STATED_376, &[]));
    let said: BTreeSet<String> = ["dlt645.jsonl", "qgdw376.jsonl"]
        .into_iter()
        .flat_map(lines)
        .filter_map(|line| line["decoded"]["stated"].as_str().map(ToOwned::to_owned))
        .collect();
    for (stated, _) in STATED.iter().chain(STATED_376).chain(STATED_OTHERWISE) {
        assert!(said.contains(*stated), "no frame is said to be {stated}");
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

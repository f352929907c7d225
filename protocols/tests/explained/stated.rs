//! Everything that sources state of captured frames in words, and what must be in their explanation.

use super::*;

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

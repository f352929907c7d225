//! Registers that exist for each tariff, settlement day or phase: energy (00), maximum demand (01), variables (02) and
//! freezes (05). Source: docs/protocols/dlt645.md sections 3.1 to 3.3 and 3.6.

use super::{Block, Entry, phase, settlement_day};
use crate::layout::{Format, Name, Part, tariff};

/// DI2 of energies and demands: Chinese, English, what of it is measured, whether it has a sign.
const REGISTERS: [(u8, &str, &str, Quantity, bool); 22] = [
    (0x00, "组合有功", "combined active", Quantity::Active, true),
    (0x01, "正向有功", "forward active", Quantity::Active, false),
    (0x02, "反向有功", "reverse active", Quantity::Active, false),
    (0x03, "组合无功1", "combined reactive 1", Quantity::Reactive, true),
    (0x04, "组合无功2", "combined reactive 2", Quantity::Reactive, true),
    (0x05, "第一象限无功", "reactive, quadrant I", Quantity::Reactive, false),
    (0x06, "第二象限无功", "reactive, quadrant II", Quantity::Reactive, false),
    (0x07, "第三象限无功", "reactive, quadrant III", Quantity::Reactive, false),
    (0x08, "第四象限无功", "reactive, quadrant IV", Quantity::Reactive, false),
    (0x09, "正向视在", "forward apparent", Quantity::Apparent, false),
    (0x0A, "反向视在", "reverse apparent", Quantity::Apparent, false),
    (0x15, "A相正向有功", "phase A forward active", Quantity::Active, false),
    (0x16, "A相反向有功", "phase A reverse active", Quantity::Active, false),
    (0x29, "B相正向有功", "phase B forward active", Quantity::Active, false),
    (0x2A, "B相反向有功", "phase B reverse active", Quantity::Active, false),
    (0x3D, "C相正向有功", "phase C forward active", Quantity::Active, false),
    (0x3E, "C相反向有功", "phase C reverse active", Quantity::Active, false),
    (0x80, "关联总", "associated total", Quantity::Active, false),
    (0x81, "正向有功基波", "forward active, fundamental", Quantity::Active, false),
    (0x82, "反向有功基波", "reverse active, fundamental", Quantity::Active, false),
    (0x85, "铜损有功", "copper loss active", Quantity::Active, false),
    (0x86, "铁损有功", "iron loss active", Quantity::Active, false),
];

#[derive(Clone, Copy)]
enum Quantity {
    Active,
    Reactive,
    Apparent,
}

const fn energy(quantity: Quantity, signed: bool) -> &'static [Part] {
    match (quantity, signed) {
        (Quantity::Active, false) => &[Part::One("", "", Format::Digits(4, 2), "kWh")],
        (Quantity::Active, true) => &[Part::One("", "", Format::Signed(4, 2), "kWh")],
        (Quantity::Reactive, false) => &[Part::One("", "", Format::Digits(4, 2), "kvarh")],
        (Quantity::Reactive, true) => &[Part::One("", "", Format::Signed(4, 2), "kvarh")],
        (Quantity::Apparent, _) => &[Part::One("", "", Format::Digits(4, 2), "kVAh")],
    }
}

const fn demand(quantity: Quantity, signed: bool) -> &'static [Part] {
    const WHEN: Part = Part::One("发生时间", "occurred at", Format::Time("mhDMY"), "");
    match (quantity, signed) {
        (Quantity::Active, false) => &[Part::One("", "", Format::Digits(3, 4), "kW"), WHEN],
        (Quantity::Active, true) => &[Part::One("", "", Format::Signed(3, 4), "kW"), WHEN],
        (Quantity::Reactive, false) => &[Part::One("", "", Format::Digits(3, 4), "kvar"), WHEN],
        (Quantity::Reactive, true) => &[Part::One("", "", Format::Signed(3, 4), "kvar"), WHEN],
        (Quantity::Apparent, _) => &[Part::One("", "", Format::Digits(3, 4), "kVA"), WHEN],
    }
}

/// Highest tariff and settlement day of an identifier.
const TARIFFS: u8 = 0x3F;
const DAYS: u8 = 0x0C;

pub(super) fn energy_or_demand(group: u8, kind: u8, tariffs: u8, day: u8) -> Option<Entry> {
    let (_, zh, en, quantity, signed) = *REGISTERS.iter().find(|(register, ..)| *register == kind)?;
    let (of_zh, of_en, parts) = if group == 0 {
        ("电能", "energy", energy(quantity, signed))
    } else {
        ("最大需量", "maximum demand", demand(quantity, signed))
    };
    let block = match (tariffs, day) {
        (0xFF, 0xFF) => Block::Mixed,
        (0xFF, 0..=DAYS) => Block::Tariffs,
        (0..=TARIFFS, 0xFF) => Block::SettlementDays,
        (0..=TARIFFS, 0..=DAYS) => Block::None,
        _ => return None,
    };
    let mut name = Name::new(format!("{zh}{of_zh}"), format!("{en} {of_en}"));
    if tariffs != 0xFF {
        name = tariff(tariffs.into()).of(&name);
    }
    if day != 0xFF && day != 0 {
        name = settlement_day(day.into()).of(&name);
    }
    Some(Entry { name, parts, block })
}

/// DI2 of variables that exist for each phase: Chinese, English, their layout, whether there is a total.
const VARIABLES: [(u8, &str, &str, &[Part], bool); 9] = [
    (0x01, "电压", "voltage", &[Part::One("", "", Format::Digits(2, 1), "V")], false),
    (0x02, "电流", "current", &[Part::One("", "", Format::Signed(3, 3), "A")], false),
    (0x03, "瞬时有功功率", "active power", &[Part::One("", "", Format::Signed(3, 4), "kW")], true),
    (0x04, "瞬时无功功率", "reactive power", &[Part::One("", "", Format::Signed(3, 4), "kvar")], true),
    (0x05, "瞬时视在功率", "apparent power", &[Part::One("", "", Format::Signed(3, 4), "kVA")], true),
    (0x06, "功率因数", "power factor", &[Part::One("", "", Format::Signed(2, 3), "")], true),
    (0x07, "相角", "phase angle", &[Part::One("", "", Format::Digits(2, 1), "°")], false),
    (0x08, "电压波形失真度", "voltage distortion", &[Part::One("", "", Format::Digits(2, 2), "%")], false),
    (0x09, "电流波形失真度", "current distortion", &[Part::One("", "", Format::Digits(2, 2), "%")], false),
];

pub(super) fn variable(kind: u8, which: u8, zero: u8) -> Option<Entry> {
    let (_, zh, en, parts, total) = *VARIABLES.iter().find(|(variable, ..)| *variable == kind)?;
    let name = Name::new(zh, en);
    let first = u8::from(!total);
    match (which, zero) {
        (0xFF, 0) => Some(Entry { name, parts, block: Block::Phases(first.into()) }),
        (which, 0) if (first..=3).contains(&which) => Some(Entry::single(phase(which.into()).of(&name), parts)),
        _ => None,
    }
}

/// What is frozen: DI2 of group 05.
const FREEZES: [(u8, &str, &str); 7] = [
    (0x00, "定时冻结", "timed freeze"),
    (0x01, "瞬时冻结", "instant freeze"),
    (0x02, "时区表切换冻结", "freeze at the zone switch"),
    (0x03, "时段表切换冻结", "freeze at the period switch"),
    (0x04, "整点冻结", "hourly freeze"),
    (0x05, "费率切换冻结", "freeze at the tariff switch"),
    (0x06, "日冻结", "daily freeze"),
];

/// DI1 of group 05: Chinese, English, layout, whether there is one item for each tariff.
const FROZEN: [(u8, &str, &str, &[Part], bool); 12] = [
    (0x00, "时间", "time", &[Part::One("", "", Format::Time("mhDMY"), "")], false),
    (0x01, "正向有功电能", "forward active energy", energy(Quantity::Active, false), true),
    (0x02, "反向有功电能", "reverse active energy", energy(Quantity::Active, false), true),
    (0x03, "组合无功1电能", "combined reactive 1 energy", energy(Quantity::Reactive, true), true),
    (0x04, "组合无功2电能", "combined reactive 2 energy", energy(Quantity::Reactive, true), true),
    (0x05, "第一象限无功电能", "reactive energy, quadrant I", energy(Quantity::Reactive, false), true),
    (0x06, "第二象限无功电能", "reactive energy, quadrant II", energy(Quantity::Reactive, false), true),
    (0x07, "第三象限无功电能", "reactive energy, quadrant III", energy(Quantity::Reactive, false), true),
    (0x08, "第四象限无功电能", "reactive energy, quadrant IV", energy(Quantity::Reactive, false), true),
    (0x09, "正向有功最大需量", "forward active maximum demand", demand(Quantity::Active, false), true),
    (0x0A, "反向有功最大需量", "reverse active maximum demand", demand(Quantity::Active, false), true),
    (
        0x10,
        "变量",
        "variables",
        &[
            Part::One("总有功功率", "active power, total", Format::Signed(3, 4), "kW"),
            Part::One("A相有功功率", "active power, phase A", Format::Signed(3, 4), "kW"),
            Part::One("B相有功功率", "active power, phase B", Format::Signed(3, 4), "kW"),
            Part::One("C相有功功率", "active power, phase C", Format::Signed(3, 4), "kW"),
            Part::One("总无功功率", "reactive power, total", Format::Signed(3, 4), "kvar"),
            Part::One("A相无功功率", "reactive power, phase A", Format::Signed(3, 4), "kvar"),
            Part::One("B相无功功率", "reactive power, phase B", Format::Signed(3, 4), "kvar"),
            Part::One("C相无功功率", "reactive power, phase C", Format::Signed(3, 4), "kvar"),
        ],
        false,
    ),
];

pub(super) fn freeze(kind: u8, what: u8, nth: u8) -> Option<Entry> {
    let (_, zh, en) = *FREEZES.iter().find(|(freeze, ..)| *freeze == kind)?;
    let last =
        if nth == 0xFF { Name::new(zh, en) } else { Name::new(format!("上{nth}次{zh}"), format!("{en} {nth}")) };
    if what == 0xFF || nth == 0xFF {
        return Some(Entry { name: last, parts: &[], block: Block::Mixed });
    }
    let (_, zh, en, parts, tariffs) = *FROZEN.iter().find(|(frozen, ..)| *frozen == what)?;
    let block = if tariffs { Block::Tariffs } else { Block::None };
    Some(Entry { name: Name::new(zh, en).of(&last), parts, block })
}

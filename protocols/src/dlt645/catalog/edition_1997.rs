//! The identifiers of DL/T 645-1997. Source: docs/protocols/dlt645.md section 8.

use super::{Block, Entry};
use crate::layout::{Format, Name, Part, tariff};

const ENERGY: &[Part] = &[Part::One("", "", Format::Digits(4, 2), "kWh")];
const REACTIVE: &[Part] = &[Part::One("", "", Format::Digits(4, 2), "kvarh")];
const DEMAND: &[Part] = &[Part::One("", "", Format::Digits(3, 4), "kW")];
const OCCURRED: &[Part] = &[Part::One("", "", Format::Time("mhDM"), "")];

/// The upper 12 bits of registers that exist for each tariff: the lowest digit is 0 the total, 1 to E a tariff, F all.
const REGISTERS: [(u16, &str, &str, &[Part]); 16] = [
    (0x901, "正向有功电能", "forward active energy", ENERGY),
    (0x902, "反向有功电能", "reverse active energy", ENERGY),
    (0x911, "正向无功电能", "forward reactive energy", REACTIVE),
    (0x912, "反向无功电能", "reverse reactive energy", REACTIVE),
    (0x941, "上月正向有功电能", "forward active energy, last month", ENERGY),
    (0x942, "上月反向有功电能", "reverse active energy, last month", ENERGY),
    (0x951, "上月正向无功电能", "forward reactive energy, last month", REACTIVE),
    (0x952, "上月反向无功电能", "reverse reactive energy, last month", REACTIVE),
    (0x981, "上上月正向有功电能", "forward active energy, month before last", ENERGY),
    (0x982, "上上月反向有功电能", "reverse active energy, month before last", ENERGY),
    (0xA01, "正向有功最大需量", "forward active maximum demand", DEMAND),
    (0xA02, "反向有功最大需量", "reverse active maximum demand", DEMAND),
    (0xA41, "上月正向有功最大需量", "forward active maximum demand, last month", DEMAND),
    (0xB01, "正向有功最大需量发生时间", "forward active maximum demand occurred at", OCCURRED),
    (0xB02, "反向有功最大需量发生时间", "reverse active maximum demand occurred at", OCCURRED),
    (0xB41, "上月正向有功最大需量发生时间", "forward active maximum demand, last month, occurred at", OCCURRED),
];

static ITEMS: &[(u16, Part)] = &[
    (0xB210, Part::One("最近一次编程时间", "last programming", Format::Time("mhDM"), "")),
    (0xB211, Part::One("最近一次最大需量清零时间", "last demand reset", Format::Time("mhDM"), "")),
    (0xB212, Part::One("编程次数", "programming count", Format::Digits(2, 0), "")),
    (0xB213, Part::One("最大需量清零次数", "demand reset count", Format::Digits(2, 0), "")),
    (0xB214, Part::One("电池工作时间", "battery work time", Format::Digits(3, 0), "min")),
    (0xB310, Part::One("总断相次数", "phase loss count", Format::Digits(2, 0), "")),
    (0xB611, Part::One("A相电压", "voltage: phase A", Format::Digits(2, 0), "V")),
    (0xB612, Part::One("B相电压", "voltage: phase B", Format::Digits(2, 0), "V")),
    (0xB613, Part::One("C相电压", "voltage: phase C", Format::Digits(2, 0), "V")),
    (0xB621, Part::One("A相电流", "current: phase A", Format::Digits(2, 2), "A")),
    (0xB622, Part::One("B相电流", "current: phase B", Format::Digits(2, 2), "A")),
    (0xB623, Part::One("C相电流", "current: phase C", Format::Digits(2, 2), "A")),
    (0xB630, Part::One("瞬时有功功率", "active power: total", Format::Digits(3, 4), "kW")),
    (0xB631, Part::One("A相有功功率", "active power: phase A", Format::Digits(3, 4), "kW")),
    (0xB632, Part::One("B相有功功率", "active power: phase B", Format::Digits(3, 4), "kW")),
    (0xB633, Part::One("C相有功功率", "active power: phase C", Format::Digits(3, 4), "kW")),
    (0xB640, Part::One("瞬时无功功率", "reactive power: total", Format::Digits(2, 2), "kvar")),
    (0xB641, Part::One("A相无功功率", "reactive power: phase A", Format::Digits(2, 2), "kvar")),
    (0xB642, Part::One("B相无功功率", "reactive power: phase B", Format::Digits(2, 2), "kvar")),
    (0xB643, Part::One("C相无功功率", "reactive power: phase C", Format::Digits(2, 2), "kvar")),
    (0xB650, Part::One("总功率因数", "power factor: total", Format::Digits(2, 3), "")),
    (0xB651, Part::One("A相功率因数", "power factor: phase A", Format::Digits(2, 3), "")),
    (0xB652, Part::One("B相功率因数", "power factor: phase B", Format::Digits(2, 3), "")),
    (0xB653, Part::One("C相功率因数", "power factor: phase C", Format::Digits(2, 3), "")),
    (0xC010, Part::One("日期及周次", "date and day of the week", Format::Time("WDMY"), "")),
    (0xC011, Part::One("时间", "time", Format::Time("smh"), "")),
    (0xC020, Part::One("电表运行状态字", "status word", Format::Flags(1, &[]), "")),
    (0xC021, Part::One("电网状态字", "grid status word", Format::Flags(1, &[]), "")),
    (0xC022, Part::One("周休日状态字", "weekend status word", Format::Flags(1, &[]), "")),
    (0xC030, Part::One("电表常数（有功）", "meter constant, active", Format::Digits(3, 0), "imp/kWh")),
    (0xC031, Part::One("电表常数（无功）", "meter constant, reactive", Format::Digits(3, 0), "imp/kvarh")),
    (0xC032, Part::One("表号", "meter number", Format::Code(6), "")),
    (0xC033, Part::One("用户号", "customer number", Format::Code(6), "")),
    (0xC034, Part::One("设备码", "device code", Format::Code(6), "")),
    (0xC117, Part::One("自动抄表日期", "reading day", Format::Time("hD"), "")),
];

pub(super) fn entry(id: u16) -> Option<Entry> {
    if let Some((_, zh, en, parts)) = REGISTERS.iter().find(|(register, ..)| *register == id >> 4) {
        let name = Name::new(*zh, *en);
        return Some(match id & 0xF {
            0xF => Entry { name, parts, block: Block::Tariffs },
            nth => Entry::single(tariff(nth.into()).of(&name), parts),
        });
    }
    let (_, part) = ITEMS.iter().find(|(item, _)| *item == id)?;
    Some(Entry::single(Name::new("", ""), std::slice::from_ref(part)))
}

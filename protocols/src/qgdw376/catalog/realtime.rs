//! AFN0C: class 1 data. Source: docs/protocols/qgdw376.md, AFN0C.

use super::{
    ACTIVE, ANGLE, CHANGED, CLOCK, CURRENT, FACTOR, MINUTE, POWER, PURCHASES, REACTIVE, READ_ACTIVE, READ_ALL,
    READ_DEMAND, READ_REACTIVE, Row, SWITCH_STATE, SWITCHED, TIME, VOLTAGE,
};
use crate::layout::{Format, Part};

const STATE: &[Part] = &[
    TIME,
    Part::One("当前总有功功率", "active power: total", POWER, "kW"),
    Part::One("当前A相有功功率", "active power: phase A", POWER, "kW"),
    Part::One("当前B相有功功率", "active power: phase B", POWER, "kW"),
    Part::One("当前C相有功功率", "active power: phase C", POWER, "kW"),
    Part::One("当前总无功功率", "reactive power: total", POWER, "kvar"),
    Part::One("当前A相无功功率", "reactive power: phase A", POWER, "kvar"),
    Part::One("当前B相无功功率", "reactive power: phase B", POWER, "kvar"),
    Part::One("当前C相无功功率", "reactive power: phase C", POWER, "kvar"),
    Part::One("当前总功率因数", "power factor: total", FACTOR, "%"),
    Part::One("当前A相功率因数", "power factor: phase A", FACTOR, "%"),
    Part::One("当前B相功率因数", "power factor: phase B", FACTOR, "%"),
    Part::One("当前C相功率因数", "power factor: phase C", FACTOR, "%"),
    Part::One("当前A相电压", "voltage: phase A", VOLTAGE, "V"),
    Part::One("当前B相电压", "voltage: phase B", VOLTAGE, "V"),
    Part::One("当前C相电压", "voltage: phase C", VOLTAGE, "V"),
    Part::One("当前A相电流", "current: phase A", CURRENT, "A"),
    Part::One("当前B相电流", "current: phase B", CURRENT, "A"),
    Part::One("当前C相电流", "current: phase C", CURRENT, "A"),
    Part::One("当前零序电流", "current: neutral", CURRENT, "A"),
    Part::One("当前总视在功率", "apparent power: total", POWER, "kVA"),
    Part::One("当前A相视在功率", "apparent power: phase A", POWER, "kVA"),
    Part::One("当前B相视在功率", "apparent power: phase B", POWER, "kVA"),
    Part::One("当前C相视在功率", "apparent power: phase C", POWER, "kVA"),
];

const READING_STATE: &[Part] = &[
    Part::Count("数据块个数", "blocks", 1),
    Part::Each(
        "块",
        "block",
        &[
            Part::One("通信端口号", "port", Format::Number(1), ""),
            Part::One("要抄电表总数", "meters to read", Format::Number(2), ""),
            Part::One("当前抄表工作状态", "state", Format::Flags(1, &[]), ""),
            Part::One("抄表成功块数", "meters read", Format::Number(2), ""),
            Part::One("抄重点表成功块数", "key meters read", Format::Number(1), ""),
            Part::One("抄表开始时间", "began", CLOCK, ""),
            Part::One("抄表结束时间", "ended", CLOCK, ""),
        ],
    ),
];

const ANGLES: &[Part] = &[
    TIME,
    Part::One("Ua相位角", "angle of Ua", ANGLE, "°"),
    Part::One("Ub相位角", "angle of Ub", ANGLE, "°"),
    Part::One("Uc相位角", "angle of Uc", ANGLE, "°"),
    Part::One("Ia相位角", "angle of Ia", ANGLE, "°"),
    Part::One("Ib相位角", "angle of Ib", ANGLE, "°"),
    Part::One("Ic相位角", "angle of Ic", ANGLE, "°"),
];

const SUMMED: &[Part] =
    &[Part::Count("费率数", "tariffs", 1), Part::Tariffs(&[Part::One("", "", Format::Thousands, "")])];

const PHASES: &[Part] = &[
    TIME,
    Part::One("A相正向有功电能示值", "phase A: forward active", ACTIVE, "kWh"),
    Part::One("A相反向有功电能示值", "phase A: reverse active", ACTIVE, "kWh"),
    Part::One("A相组合无功1电能示值", "phase A: combined reactive 1", REACTIVE, "kvarh"),
    Part::One("A相组合无功2电能示值", "phase A: combined reactive 2", REACTIVE, "kvarh"),
    Part::One("B相正向有功电能示值", "phase B: forward active", ACTIVE, "kWh"),
    Part::One("B相反向有功电能示值", "phase B: reverse active", ACTIVE, "kWh"),
    Part::One("B相组合无功1电能示值", "phase B: combined reactive 1", REACTIVE, "kvarh"),
    Part::One("B相组合无功2电能示值", "phase B: combined reactive 2", REACTIVE, "kvarh"),
    Part::One("C相正向有功电能示值", "phase C: forward active", ACTIVE, "kWh"),
    Part::One("C相反向有功电能示值", "phase C: reverse active", ACTIVE, "kWh"),
    Part::One("C相组合无功1电能示值", "phase C: combined reactive 1", REACTIVE, "kvarh"),
    Part::One("C相组合无功2电能示值", "phase C: combined reactive 2", REACTIVE, "kvarh"),
];

const HARMONIC_CURRENT: Format = Format::Signed(2, 2);
const HARMONICS: &[Part] = &[
    Part::Count("谐波次数N", "harmonics", 1),
    Part::Harmonics(&[Part::One("A相电压", "voltage: phase A", VOLTAGE, "V")]),
    Part::Harmonics(&[Part::One("B相电压", "voltage: phase B", VOLTAGE, "V")]),
    Part::Harmonics(&[Part::One("C相电压", "voltage: phase C", VOLTAGE, "V")]),
    Part::Harmonics(&[Part::One("A相电流", "current: phase A", HARMONIC_CURRENT, "A")]),
    Part::Harmonics(&[Part::One("B相电流", "current: phase B", HARMONIC_CURRENT, "A")]),
    Part::Harmonics(&[Part::One("C相电流", "current: phase C", HARMONIC_CURRENT, "A")]),
];
const HARMONIC_RATIOS: &[Part] = &[
    Part::Count("谐波次数N", "harmonics", 1),
    Part::One("A相电压总含有率", "voltage ratio, total: phase A", ANGLE, "%"),
    Part::Harmonics(&[Part::One("A相电压含有率", "voltage ratio: phase A", ANGLE, "%")]),
    Part::One("B相电压总含有率", "voltage ratio, total: phase B", ANGLE, "%"),
    Part::Harmonics(&[Part::One("B相电压含有率", "voltage ratio: phase B", ANGLE, "%")]),
    Part::One("C相电压总含有率", "voltage ratio, total: phase C", ANGLE, "%"),
    Part::Harmonics(&[Part::One("C相电压含有率", "voltage ratio: phase C", ANGLE, "%")]),
    Part::One("A相电流总含有率", "current ratio, total: phase A", ANGLE, "%"),
    Part::Harmonics(&[Part::One("A相电流含有率", "current ratio: phase A", ANGLE, "%")]),
    Part::One("B相电流总含有率", "current ratio, total: phase B", ANGLE, "%"),
    Part::Harmonics(&[Part::One("B相电流含有率", "current ratio: phase B", ANGLE, "%")]),
    Part::One("C相电流总含有率", "current ratio, total: phase C", ANGLE, "%"),
    Part::Harmonics(&[Part::One("C相电流含有率", "current ratio: phase C", ANGLE, "%")]),
];

pub(super) const ROWS: &[Row] = &[
    Row(2, "终端日历时钟", "terminal clock", &[Part::One("日历时钟", "clock", CLOCK, "")]),
    Row(3, "终端参数状态", "terminal parameter state", &[Part::Rest]),
    Row(
        4,
        "终端上行通信状态",
        "uplink state",
        &[Part::One("通话及上报状态", "talk and reports", Format::Flags(1, &[]), "")],
    ),
    Row(5, "终端控制设置状态", "control settings", &[Part::Rest]),
    Row(6, "终端当前控制状态", "control state", &[Part::Rest]),
    Row(
        7,
        "终端事件计数器当前值",
        "event counters",
        &[
            Part::One("重要事件计数器EC1", "EC1 (important)", Format::Number(1), ""),
            Part::One("一般事件计数器EC2", "EC2 (general)", Format::Number(1), ""),
        ],
    ),
    Row(8, "终端事件标志状态", "event flags", &[Part::One("事件标志", "flags", Format::Flags(8, &[]), "")]),
    Row(
        9,
        "终端状态量及变位标志",
        "inputs",
        &[
            Part::One("状态量ST", "state", Format::Flags(1, &[]), ""),
            Part::One("变位CD", "changed", Format::Flags(1, &[]), ""),
        ],
    ),
    Row(
        10,
        "终端与主站当日、月通信流量",
        "traffic",
        &[
            Part::One("当日通信流量", "today", Format::Number(4), "byte"),
            Part::One("当月通信流量", "this month", Format::Number(4), "byte"),
        ],
    ),
    Row(11, "终端集中抄表状态信息", "reading state", READING_STATE),
    Row(17, "当前总加有功功率", "summed active power", &[Part::One("总加有功功率", "power", Format::Power, "kW")]),
    Row(18, "当前总加无功功率", "summed reactive power", &[Part::One("总加无功功率", "power", Format::Power, "kvar")]),
    Row(19, "当日总加有功电能量", "summed active energy of today", SUMMED),
    Row(20, "当日总加无功电能量", "summed reactive energy of today", SUMMED),
    Row(21, "当月总加有功电能量", "summed active energy of this month", SUMMED),
    Row(22, "当月总加无功电能量", "summed reactive energy of this month", SUMMED),
    Row(
        23,
        "终端当前剩余电量（费）",
        "remaining energy or money",
        &[Part::One("剩余电量（费）", "remaining", Format::Thousands, "kWh/元")],
    ),
    Row(
        25,
        "当前三相及总有/无功功率、功率因数、电压、电流、零序电流、视在功率",
        "powers, factors, voltages and currents",
        STATE,
    ),
    Row(26, "A、B、C三相断相统计数据及最近一次断相记录", "phase losses", &[TIME, Part::Rest]),
    Row(27, "电能表日历时钟、编程次数及其最近一次操作时间", "meter clock and programming", &[TIME, Part::Rest]),
    Row(28, "电表运行状态字及其变位标志", "meter status words", &[TIME, Part::Rest]),
    Row(31, "当前A、B、C三相正/反向有功电能示值、组合无功1/2电能示值", "energy of each phase", PHASES),
    Row(33, "当前正向有/无功电能示值、一/四象限无功电能示值", "forward active and reactive energy", READ_ALL),
    Row(34, "当前反向有/无功电能示值、二/三象限无功电能示值", "reverse active and reactive energy", READ_ALL),
    Row(35, "当月正向有/无功最大需量及发生时间", "forward demand of this month", &[Part::Rest]),
    Row(36, "当月反向有/无功最大需量及发生时间", "reverse demand of this month", &[Part::Rest]),
    Row(37, "上月正向有/无功电能示值", "forward energy of last month", READ_ALL),
    Row(38, "上月反向有/无功电能示值", "reverse energy of last month", READ_ALL),
    Row(49, "当前电压、电流相位角", "phase angles", ANGLES),
    Row(57, "当前A、B、C三相电压、电流2～N次谐波有效值", "harmonics", HARMONICS),
    Row(58, "当前A、B、C三相电压、电流2～N次谐波含有率", "harmonic ratios", HARMONIC_RATIOS),
    Row(73, "直流模拟量实时数据", "analogue value", &[Part::One("直流模拟量", "value", Format::Power, "")]),
    Row(129, "当前正向有功电能示值", "forward active energy", READ_ACTIVE),
    Row(130, "当前正向无功（组合无功1）电能示值", "forward reactive energy", READ_REACTIVE),
    Row(131, "当前反向有功电能示值", "reverse active energy", READ_ACTIVE),
    Row(132, "当前反向无功（组合无功2）电能示值", "reverse reactive energy", READ_REACTIVE),
    Row(133, "当前一象限无功电能示值", "reactive energy, quadrant I", READ_REACTIVE),
    Row(134, "当前二象限无功电能示值", "reactive energy, quadrant II", READ_REACTIVE),
    Row(135, "当前三象限无功电能示值", "reactive energy, quadrant III", READ_REACTIVE),
    Row(136, "当前四象限无功电能示值", "reactive energy, quadrant IV", READ_REACTIVE),
    Row(137, "上月正向有功电能示值", "forward active energy of last month", READ_ACTIVE),
    Row(138, "上月正向无功电能示值", "forward reactive energy of last month", READ_REACTIVE),
    Row(139, "上月反向有功电能示值", "reverse active energy of last month", READ_ACTIVE),
    Row(140, "上月反向无功电能示值", "reverse reactive energy of last month", READ_REACTIVE),
    Row(145, "当月正向有功最大需量及发生时间", "forward active demand of this month", READ_DEMAND),
    Row(146, "当月正向无功最大需量及发生时间", "forward reactive demand of this month", READ_DEMAND),
    Row(147, "当月反向有功最大需量及发生时间", "reverse active demand of this month", READ_DEMAND),
    Row(148, "当月反向无功最大需量及发生时间", "reverse reactive demand of this month", READ_DEMAND),
    Row(149, "上月正向有功最大需量及发生时间", "forward active demand of last month", READ_DEMAND),
    Row(161, "电能表远程控制通断电状态及其最近一次操作时间", "relay state", SWITCH_STATE),
    Row(165, "电能表开关操作次数及时间", "relay operations", SWITCHED),
    Row(166, "电能表参数修改次数及时间", "clock and period changes", CHANGED),
    Row(167, "电能表购、用电信息", "purchases", PURCHASES),
    Row(168, "电能表结算信息", "settlement", &[TIME, Part::Rest]),
    Row(
        170,
        "电能表抄读信息",
        "reading information",
        &[Part::One("最近抄表时间", "last read at", MINUTE, ""), Part::Rest],
    ),
];

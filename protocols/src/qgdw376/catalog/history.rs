//! AFN0D: class 2 data, behind the time that it is of. Source: docs/protocols/qgdw376.md, AFN0D.

use super::{
    ACTIVE, ANGLE, CHANGED, CURRENT, Entry, FACTOR, NOTHING, POWER, PURCHASES, REACTIVE, READ_ACTIVE, READ_ALL,
    READ_DEMAND, READ_REACTIVE, SWITCH_STATE, SWITCHED, TARIFFS, TIME, VOLTAGE,
};
use crate::layout::{Format, Name, Part};

/// The time a value is of: the end of a day, of a month, or a curve from an instant on.
#[derive(Clone, Copy)]
enum Of {
    Day,
    Month,
    Curve,
}

impl Of {
    const fn parts(self) -> &'static [Part] {
        match self {
            Self::Day => &[Part::One("日冻结时标Td_d", "day (Td_d)", Format::Time("DMY"), "")],
            Self::Month => &[Part::One("月冻结时标Td_m", "month (Td_m)", Format::Time("MY"), "")],
            Self::Curve => &[
                Part::One("起始时间", "from", Format::Time("mhDMY"), ""),
                Part::One(
                    "数据冻结密度m（1为15min 2为30min 3为60min 254为5min 255为1min）",
                    "density (1: 15 min, 2: 30 min, 3: 60 min, 254: 5 min, 255: 1 min)",
                    Format::Number(1),
                    "",
                ),
                Part::Count("数据点数n", "points", 1),
            ],
        }
    }
}

const POWERS: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", POWER, "kW")])];
const REACTIVE_POWERS: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", POWER, "kvar")])];
const VOLTAGES: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", VOLTAGE, "V")])];
const CURRENTS: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", CURRENT, "A")])];
const INCREMENTS: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", Format::Digits(4, 4), "kWh")])];
const READINGS: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", REACTIVE, "kWh")])];
const FACTORS: &[Part] = &[Part::Each("点", "point", &[Part::One("", "", FACTOR, "%")])];
const ANYTHING: &[Part] = &[Part::Rest];
const HARMONIC_CURRENTS: &[Part] = &[Part::Many(
    "最大值",
    "maximum",
    &[
        Part::One("电流", "current", Format::Signed(2, 2), "A"),
        Part::One("发生时间", "occurred at", Format::Time("mhDM"), ""),
    ],
)];
const HARMONIC_VOLTAGES: &[Part] = &[Part::Many(
    "最大值",
    "maximum",
    &[Part::One("含有率", "ratio", ANGLE, "%"), Part::One("发生时间", "occurred at", Format::Time("mhDM"), "")],
)];
const SETTLED: &[Part] = &[
    TIME,
    TARIFFS,
    Part::Tariffs(&[Part::One("已结有功总电能", "settled", ACTIVE, "kWh")]),
    Part::Tariffs(&[Part::One("未结有功总电能", "not settled", ACTIVE, "kWh")]),
    Part::One("故障电量", "fault energy", ACTIVE, "kWh"),
];

/// First and last function, Chinese, English, the time, what follows.
struct Rows(u16, u16, &'static str, &'static str, Of, &'static [Part]);

const HISTORY: &[Rows] = &[
    Rows(1, 1, "日冻结正向有/无功电能示值、一/四象限无功电能示值", "daily forward energy", Of::Day, READ_ALL),
    Rows(2, 2, "日冻结反向有/无功电能示值、二/三象限无功电能示值", "daily reverse energy", Of::Day, READ_ALL),
    Rows(3, 4, "日冻结最大需量及发生时间", "daily demand", Of::Day, ANYTHING),
    Rows(5, 8, "日冻结电能量", "daily energy used", Of::Day, ANYTHING),
    Rows(9, 9, "抄表日冻结正向有/无功电能示值", "reading-day forward energy", Of::Day, READ_ALL),
    Rows(10, 10, "抄表日冻结反向有/无功电能示值", "reading-day reverse energy", Of::Day, READ_ALL),
    Rows(11, 12, "抄表日冻结最大需量及发生时间", "reading-day demand", Of::Day, ANYTHING),
    Rows(17, 17, "月冻结正向有/无功电能示值", "monthly forward energy", Of::Month, READ_ALL),
    Rows(18, 18, "月冻结反向有/无功电能示值", "monthly reverse energy", Of::Month, READ_ALL),
    Rows(19, 20, "月冻结最大需量及发生时间", "monthly demand", Of::Month, ANYTHING),
    Rows(21, 24, "月冻结电能量", "monthly energy used", Of::Month, ANYTHING),
    Rows(25, 32, "日冻结统计数据", "daily statistics", Of::Day, ANYTHING),
    Rows(33, 39, "月冻结统计数据", "monthly statistics", Of::Month, ANYTHING),
    Rows(41, 43, "电容器日统计数据", "daily capacitor statistics", Of::Day, ANYTHING),
    Rows(44, 44, "电容器月统计数据", "monthly capacitor statistics", Of::Month, ANYTHING),
    Rows(49, 50, "终端日统计数据", "daily terminal statistics", Of::Day, ANYTHING),
    Rows(51, 52, "终端月统计数据", "monthly terminal statistics", Of::Month, ANYTHING),
    Rows(53, 53, "终端与主站日通信流量", "daily traffic", Of::Day, ANYTHING),
    Rows(54, 54, "终端与主站月通信流量", "monthly traffic", Of::Month, ANYTHING),
    Rows(81, 81, "有功功率曲线", "active power curve: total", Of::Curve, POWERS),
    Rows(82, 82, "A相有功功率曲线", "active power curve: phase A", Of::Curve, POWERS),
    Rows(83, 83, "B相有功功率曲线", "active power curve: phase B", Of::Curve, POWERS),
    Rows(84, 84, "C相有功功率曲线", "active power curve: phase C", Of::Curve, POWERS),
    Rows(85, 85, "无功功率曲线", "reactive power curve: total", Of::Curve, REACTIVE_POWERS),
    Rows(86, 86, "A相无功功率曲线", "reactive power curve: phase A", Of::Curve, REACTIVE_POWERS),
    Rows(87, 87, "B相无功功率曲线", "reactive power curve: phase B", Of::Curve, REACTIVE_POWERS),
    Rows(88, 88, "C相无功功率曲线", "reactive power curve: phase C", Of::Curve, REACTIVE_POWERS),
    Rows(89, 89, "A相电压曲线", "voltage curve: phase A", Of::Curve, VOLTAGES),
    Rows(90, 90, "B相电压曲线", "voltage curve: phase B", Of::Curve, VOLTAGES),
    Rows(91, 91, "C相电压曲线", "voltage curve: phase C", Of::Curve, VOLTAGES),
    Rows(92, 92, "A相电流曲线", "current curve: phase A", Of::Curve, CURRENTS),
    Rows(93, 93, "B相电流曲线", "current curve: phase B", Of::Curve, CURRENTS),
    Rows(94, 94, "C相电流曲线", "current curve: phase C", Of::Curve, CURRENTS),
    Rows(95, 95, "零序电流曲线", "current curve: neutral", Of::Curve, CURRENTS),
    Rows(97, 97, "正向有功总电能量曲线", "forward active energy used", Of::Curve, INCREMENTS),
    Rows(98, 98, "正向无功总电能量曲线", "forward reactive energy used", Of::Curve, INCREMENTS),
    Rows(99, 99, "反向有功总电能量曲线", "reverse active energy used", Of::Curve, INCREMENTS),
    Rows(100, 100, "反向无功总电能量曲线", "reverse reactive energy used", Of::Curve, INCREMENTS),
    Rows(101, 101, "正向有功总电能示值曲线", "forward active energy curve", Of::Curve, READINGS),
    Rows(102, 102, "正向无功总电能示值曲线", "forward reactive energy curve", Of::Curve, READINGS),
    Rows(103, 103, "反向有功总电能示值曲线", "reverse active energy curve", Of::Curve, READINGS),
    Rows(104, 104, "反向无功总电能示值曲线", "reverse reactive energy curve", Of::Curve, READINGS),
    Rows(105, 105, "总功率因数曲线", "power factor curve: total", Of::Curve, FACTORS),
    Rows(106, 106, "A相功率因数曲线", "power factor curve: phase A", Of::Curve, FACTORS),
    Rows(107, 107, "B相功率因数曲线", "power factor curve: phase B", Of::Curve, FACTORS),
    Rows(108, 108, "C相功率因数曲线", "power factor curve: phase C", Of::Curve, FACTORS),
    Rows(109, 110, "相位角曲线", "phase angle curve", Of::Curve, ANYTHING),
    Rows(113, 115, "谐波电流日最大值及发生时间", "daily harmonic currents", Of::Day, HARMONIC_CURRENTS),
    Rows(116, 118, "谐波电压含有率日最大值及发生时间", "daily harmonic voltage ratios", Of::Day, HARMONIC_VOLTAGES),
    Rows(121, 123, "谐波越限日统计", "daily harmonic limits", Of::Day, ANYTHING),
    Rows(129, 130, "直流模拟量日统计", "daily analogue statistics", Of::Day, ANYTHING),
    Rows(138, 138, "直流模拟量曲线", "analogue curve", Of::Curve, ANYTHING),
    Rows(145, 145, "一象限无功总电能示值曲线", "reactive energy curve, quadrant I", Of::Curve, READINGS),
    Rows(146, 146, "四象限无功总电能示值曲线", "reactive energy curve, quadrant IV", Of::Curve, READINGS),
    Rows(147, 147, "二象限无功总电能示值曲线", "reactive energy curve, quadrant II", Of::Curve, READINGS),
    Rows(148, 148, "三象限无功总电能示值曲线", "reactive energy curve, quadrant III", Of::Curve, READINGS),
    Rows(153, 156, "日冻结分相电能示值", "daily energy by phase", Of::Day, ANYTHING),
    Rows(160, 160, "抄表日冻结", "reading-day freeze", Of::Day, ANYTHING),
    Rows(161, 161, "日冻结正向有功电能示值", "daily forward active energy", Of::Day, READ_ACTIVE),
    Rows(162, 162, "日冻结正向无功（组合无功1）电能示值", "daily forward reactive energy", Of::Day, READ_REACTIVE),
    Rows(163, 163, "日冻结反向有功电能示值", "daily reverse active energy", Of::Day, READ_ACTIVE),
    Rows(164, 164, "日冻结反向无功（组合无功2）电能示值", "daily reverse reactive energy", Of::Day, READ_REACTIVE),
    Rows(165, 168, "日冻结象限无功电能示值", "daily reactive energy of a quadrant", Of::Day, READ_REACTIVE),
    Rows(169, 169, "抄表日冻结正向有功电能示值", "reading-day forward active energy", Of::Day, READ_ACTIVE),
    Rows(170, 170, "抄表日冻结正向无功电能示值", "reading-day forward reactive energy", Of::Day, READ_REACTIVE),
    Rows(171, 171, "抄表日冻结反向有功电能示值", "reading-day reverse active energy", Of::Day, READ_ACTIVE),
    Rows(172, 176, "抄表日冻结无功电能示值", "reading-day reactive energy", Of::Day, READ_REACTIVE),
    Rows(177, 177, "月冻结正向有功电能示值", "monthly forward active energy", Of::Month, READ_ACTIVE),
    Rows(178, 178, "月冻结正向无功电能示值", "monthly forward reactive energy", Of::Month, READ_REACTIVE),
    Rows(179, 179, "月冻结反向有功电能示值", "monthly reverse active energy", Of::Month, READ_ACTIVE),
    Rows(180, 184, "月冻结无功电能示值", "monthly reactive energy", Of::Month, READ_REACTIVE),
    Rows(185, 188, "日冻结最大需量及发生时间", "daily demand", Of::Day, READ_DEMAND),
    Rows(189, 192, "抄表日冻结最大需量及发生时间", "reading-day demand", Of::Day, READ_DEMAND),
    Rows(193, 196, "月冻结最大需量及发生时间", "monthly demand", Of::Month, READ_DEMAND),
    Rows(201, 208, "时区冻结", "zone freeze", Of::Month, ANYTHING),
    Rows(209, 209, "电能表远程控制通断电状态及记录", "daily relay state", Of::Day, SWITCH_STATE),
    Rows(210, 210, "日冻结购、用电信息", "daily purchases", Of::Day, PURCHASES),
    Rows(211, 212, "电压统计", "voltage statistics", Of::Day, ANYTHING),
    Rows(213, 213, "电能表开关操作次数及时间", "monthly relay operations", Of::Month, SWITCHED),
    Rows(214, 214, "电能表参数修改次数及时间", "monthly clock and period changes", Of::Month, CHANGED),
    Rows(215, 215, "电能表购、用电信息", "monthly purchases", Of::Month, PURCHASES),
    Rows(216, 216, "电能表结算信息", "monthly settlement", Of::Month, SETTLED),
    Rows(217, 217, "台区集中抄表载波主节点白噪声曲线", "carrier noise curve", Of::Curve, ANYTHING),
    Rows(218, 218, "台区集中抄表载波主节点色噪声曲线", "carrier coloured noise curve", Of::Curve, ANYTHING),
    Rows(219, 219, "日冻结", "daily freeze", Of::Day, ANYTHING),
];

/// A request carries the time only.
pub(super) fn entry(function: u16, uplink: bool) -> Option<Entry> {
    let Rows(_, _, zh, en, of, parts) =
        HISTORY.iter().find(|Rows(first, last, ..)| (*first..=*last).contains(&function))?;
    Some(Entry { name: Name::new(*zh, *en), parts: Some((of.parts(), if uplink { parts } else { NOTHING })) })
}

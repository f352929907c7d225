//! AFN0E: class 3 data, the events. Source: docs/protocols/qgdw376.md, AFN0E.

use super::{ACTIVE, ANGLE, CURRENT, MINUTE, NOTHING, REACTIVE, Row, VOLTAGE};
use crate::{
    dlt645::STATUS_WORDS,
    layout::{Bits, Format, Name, Part, Reading, Short, Value},
};

const POINTERS: &[Part] = &[
    Part::One("事件记录起始指针Pm", "first (Pm)", Format::Number(1), ""),
    Part::One("事件记录结束指针Pn", "end (Pn)", Format::Number(1), ""),
];
const RECORDS: &[Part] = &[
    Part::One("重要事件计数器EC1", "EC1 (important)", Format::Number(1), ""),
    Part::One("一般事件计数器EC2", "EC2 (general)", Format::Number(1), ""),
    Part::One("本帧事件起始指针Pm", "first (Pm)", Format::Number(1), ""),
    Part::One("本帧事件结束指针Pn", "end (Pn)", Format::Number(1), ""),
    Part::Events,
];

pub(super) const REQUESTS: &[Row] = &[
    Row(1, "请求重要事件", "important events", POINTERS),
    Row(2, "请求一般事件", "general events", POINTERS),
    Row(3, "按事件代码请求", "events of a code", &[Part::Rest]),
];
pub(super) const ANSWERS: &[Row] = &[
    Row(1, "重要事件", "important events", RECORDS),
    Row(2, "一般事件", "general events", RECORDS),
    Row(3, "按事件代码的事件", "events of a code", &[Part::Rest]),
];

const AT: Part = Part::One("发生时间", "at", MINUTE, "");
/// How the name of the field begins that says which measuring point an event is about.
pub(crate) const POINT_NAME: &str = "测量点号";
const POINT: Part = Part::One(
    "测量点号及起止标志",
    "measuring point",
    Format::Flags(
        2,
        &[Bits(0, 12, "测量点号", "measuring point"), Bits(15, 1, "起（1）/止（0）", "began (1) or ended (0)")],
    ),
    "",
);
const FLAG: Part = Part::One("标志", "flags", Format::Flags(1, &[]), "");
const ROUNDS: Part = Part::One("轮次", "rounds", Format::Flags(1, &[]), "");
const GROUP: Part = Part::One("总加组号", "group", Format::Number(1), "");
const KIND: Part = Part::One("控制类别", "kind", Format::Flags(1, &[]), "");
const POWER: Format = Format::Power;
const THOUSANDS: Format = Format::Thousands;
const LIMIT: Format = Format::Digits(1, 1);

const ABNORMAL: &[Part] = &[
    AT,
    POINT,
    FLAG,
    Part::One("A相电压", "voltage: phase A", VOLTAGE, "V"),
    Part::One("B相电压", "voltage: phase B", VOLTAGE, "V"),
    Part::One("C相电压", "voltage: phase C", VOLTAGE, "V"),
    Part::One("A相电流", "current: phase A", CURRENT, "A"),
    Part::One("B相电流", "current: phase B", CURRENT, "A"),
    Part::One("C相电流", "current: phase C", CURRENT, "A"),
    Part::One("正向有功总电能示值", "forward active energy", ACTIVE, "kWh"),
];
const ENERGY_CONTROL: &[Part] = &[
    AT,
    GROUP,
    ROUNDS,
    KIND,
    Part::One("电能量", "energy", THOUSANDS, "kWh/元"),
    Part::One("定值", "limit", THOUSANDS, "kWh/元"),
];

/// An event: ERC, Chinese, English, its record behind ERC and length.
struct Event(u8, &'static str, &'static str, &'static [Part]);

const EVENTS: &[Event] = &[
    Event(
        1,
        "数据初始化和版本变更",
        "data initialised or version changed",
        &[
            AT,
            FLAG,
            Part::One("变更前软件版本号", "old version", Format::Text(4), ""),
            Part::One("变更后软件版本号", "new version", Format::Text(4), ""),
        ],
    ),
    Event(2, "参数丢失", "parameters lost", &[AT, FLAG]),
    Event(
        3,
        "参数变更",
        "parameters changed",
        &[
            AT,
            Part::One("启动站地址MSA", "MSA", Format::Number(1), ""),
            Part::Many("变更参数数据单元标识", "unit", &[Part::One("", "", Format::Hex(4), "hex")]),
        ],
    ),
    Event(
        4,
        "状态量变位",
        "status input changed",
        &[
            AT,
            Part::One("状态变位", "changed", Format::Flags(1, &[]), ""),
            Part::One("变位后状态", "state", Format::Flags(1, &[]), ""),
        ],
    ),
    Event(
        5,
        "遥控跳闸",
        "remote trip",
        &[
            AT,
            ROUNDS,
            Part::One("跳闸时功率", "power at the trip", POWER, "kW"),
            Part::One("跳闸后2分钟功率", "power after 2 min", POWER, "kW"),
        ],
    ),
    Event(
        6,
        "功控跳闸",
        "power-control trip",
        &[
            AT,
            GROUP,
            ROUNDS,
            KIND,
            Part::One("跳闸前功率", "power before", POWER, "kW"),
            Part::One("跳闸后2分钟功率", "power after 2 min", POWER, "kW"),
            Part::One("功率定值", "limit", POWER, "kW"),
        ],
    ),
    Event(7, "电控跳闸", "energy-control trip", ENERGY_CONTROL),
    Event(
        8,
        "电能表参数变更",
        "meter parameters changed",
        &[AT, Part::One("测量点号", "measuring point", Format::Number(2), ""), FLAG],
    ),
    Event(9, "电流回路异常", "current loop abnormal", ABNORMAL),
    Event(10, "电压回路异常", "voltage loop abnormal", ABNORMAL),
    Event(
        11,
        "相序异常",
        "phase sequence abnormal",
        &[
            AT,
            POINT,
            Part::One("∠Ua", "angle of Ua", ANGLE, "°"),
            Part::One("∠Ub", "angle of Ub", ANGLE, "°"),
            Part::One("∠Uc", "angle of Uc", ANGLE, "°"),
            Part::One("∠Ia", "angle of Ia", ANGLE, "°"),
            Part::One("∠Ib", "angle of Ib", ANGLE, "°"),
            Part::One("∠Ic", "angle of Ic", ANGLE, "°"),
            Part::One("正向有功总电能示值", "forward active energy", ACTIVE, "kWh"),
        ],
    ),
    Event(12, "电能表时间超差", "meter clock deviates", &[AT, POINT]),
    Event(13, "电表故障信息", "meter fault", &[AT, POINT, FLAG]),
    Event(
        14,
        "终端停/上电",
        "terminal power off and on",
        &[Part::One("停电时间", "off", MINUTE, ""), Part::One("上电时间", "on", MINUTE, "")],
    ),
    Event(15, "谐波越限告警", "harmonics over their limit", &[AT, POINT, FLAG, Part::Rest]),
    Event(
        16,
        "直流模拟量越限",
        "analogue value over its limit",
        &[AT, POINT, FLAG, Part::One("数据", "value", POWER, "")],
    ),
    Event(
        17,
        "电压/电流不平衡度越限",
        "unbalance over its limit",
        &[
            AT,
            POINT,
            FLAG,
            Part::One("电压不平衡度", "voltage unbalance", ANGLE, "%"),
            Part::One("电流不平衡度", "current unbalance", ANGLE, "%"),
            Part::One("A相电压", "voltage: phase A", VOLTAGE, "V"),
            Part::One("B相电压", "voltage: phase B", VOLTAGE, "V"),
            Part::One("C相电压", "voltage: phase C", VOLTAGE, "V"),
            Part::One("A相电流", "current: phase A", CURRENT, "A"),
            Part::One("B相电流", "current: phase B", CURRENT, "A"),
            Part::One("C相电流", "current: phase C", CURRENT, "A"),
        ],
    ),
    Event(
        18,
        "电容器投切自锁",
        "capacitor locked",
        &[
            AT,
            POINT,
            FLAG,
            Part::One("电容器组", "capacitors", Format::Flags(2, &[]), ""),
            Part::One("功率因数", "power factor", ANGLE, "%"),
            Part::One("无功功率", "reactive power", Format::Digits(3, 4), "kvar"),
            Part::One("电压", "voltage", VOLTAGE, "V"),
        ],
    ),
    Event(
        19,
        "购电参数设置",
        "purchase parameters set",
        &[
            AT,
            GROUP,
            Part::One("购电单号", "order number", Format::Number(4), ""),
            Part::One("追加（55）/刷新（AA）标志", "add (55) or refresh (AA)", Format::Code(1), ""),
            Part::One("购电量值", "value", THOUSANDS, "kWh/元"),
            Part::One("报警门限", "alarm", THOUSANDS, "kWh/元"),
            Part::One("跳闸门限", "trip", THOUSANDS, "kWh/元"),
            Part::One("购电前剩余", "before", THOUSANDS, "kWh/元"),
            Part::One("购电后剩余", "after", THOUSANDS, "kWh/元"),
        ],
    ),
    Event(
        20,
        "消息认证错误",
        "message authentication error",
        &[
            AT,
            Part::One("消息认证码PW", "PW", Format::Secret(16), ""),
            Part::One("启动站地址MSA", "MSA", Format::Number(1), ""),
        ],
    ),
    Event(21, "终端故障", "terminal fault", &[AT, Part::One("终端故障编码", "code", Format::Number(1), "")]),
    Event(22, "有功总电能量差动越限", "difference of energies over its limit", &[AT, Part::Rest]),
    Event(23, "电控告警", "energy-control alarm", ENERGY_CONTROL),
    Event(
        24,
        "电压越限",
        "voltage over its limit",
        &[
            AT,
            POINT,
            FLAG,
            Part::One("A相电压", "voltage: phase A", VOLTAGE, "V"),
            Part::One("B相电压", "voltage: phase B", VOLTAGE, "V"),
            Part::One("C相电压", "voltage: phase C", VOLTAGE, "V"),
        ],
    ),
    Event(
        25,
        "电流越限",
        "current over its limit",
        &[
            AT,
            POINT,
            FLAG,
            Part::One("A相电流", "current: phase A", CURRENT, "A"),
            Part::One("B相电流", "current: phase B", CURRENT, "A"),
            Part::One("C相电流", "current: phase C", CURRENT, "A"),
        ],
    ),
    Event(
        26,
        "视在功率越限",
        "apparent power over its limit",
        &[
            AT,
            POINT,
            FLAG,
            Part::One("视在功率", "apparent power", Format::Digits(3, 4), "kVA"),
            Part::One("视在功率限值", "limit", Format::Digits(3, 4), "kVA"),
        ],
    ),
    Event(
        27,
        "电能表示度下降",
        "reading decreased",
        &[
            AT,
            POINT,
            Part::One("下降前正向有功总电能示值", "before", ACTIVE, "kWh"),
            Part::One("下降后正向有功总电能示值", "after", ACTIVE, "kWh"),
        ],
    ),
    Event(
        28,
        "电能量超差",
        "energy deviates",
        &[
            AT,
            POINT,
            Part::One("对比总电能示值", "compared with", ACTIVE, "kWh"),
            Part::One("正向有功总电能示值", "forward active energy", ACTIVE, "kWh"),
            Part::One("阈值", "limit", LIMIT, ""),
        ],
    ),
    Event(
        29,
        "电能表飞走",
        "meter runs fast",
        &[
            AT,
            POINT,
            Part::One("飞走前正向有功总电能示值", "before", ACTIVE, "kWh"),
            Part::One("飞走后正向有功总电能示值", "after", ACTIVE, "kWh"),
            Part::One("阈值", "limit", LIMIT, ""),
        ],
    ),
    Event(
        30,
        "电能表停走",
        "meter stopped",
        &[
            AT,
            POINT,
            Part::One("正向有功总电能示值", "forward active energy", ACTIVE, "kWh"),
            Part::One("阈值（15min）", "limit (15 min)", Format::Number(1), ""),
        ],
    ),
    Event(
        31,
        "终端485抄表失败",
        "RS485 reading failed",
        &[
            AT,
            POINT,
            Part::One("最近一次抄表成功时间", "last read at", MINUTE, ""),
            Part::One("最近一次抄表成功正向有功总电能示值", "last forward active energy", ACTIVE, "kWh"),
            Part::One("最近一次抄表成功正向无功总电能示值", "last forward reactive energy", REACTIVE, "kvarh"),
        ],
    ),
    Event(
        32,
        "终端与主站通信流量超门限",
        "traffic over its threshold",
        &[
            AT,
            Part::One("当月已发生的通信流量", "this month", Format::Number(4), "byte"),
            Part::One("月通信流量门限", "threshold", Format::Number(4), "byte"),
        ],
    ),
    Event(
        33,
        "电能表运行状态字变位",
        "meter status word changed",
        &[
            AT,
            POINT,
            Part::One("变位标志", "changed", Format::Hex(14), "hex"),
            STATUS[0],
            STATUS[1],
            STATUS[2],
            STATUS[3],
            STATUS[4],
            STATUS[5],
            STATUS[6],
        ],
    ),
    Event(34, "CT异常", "current transformer abnormal", &[AT, POINT, FLAG]),
    Event(35, "发现未知电表", "unknown meter found", &[AT, Part::Rest]),
    Event(36, "控制回路状态变位", "control loop changed", &[AT, Part::Rest]),
    Event(37, "电能表开表盖", "cover opened", &[AT, Part::Rest]),
    Event(38, "电能表开端钮盒", "terminal cover opened", &[AT, Part::Rest]),
    Event(39, "补抄失败", "make-up reading failed", &[AT, Part::Rest]),
    Event(
        40,
        "磁场异常",
        "magnetic field abnormal",
        &[
            AT,
            Part::One("测量点号", "measuring point", Format::Number(2), ""),
            KIND,
            Part::One("地址", "address", Format::Code(6), ""),
            FLAG,
        ],
    ),
    Event(
        41,
        "对时事件",
        "time synchronised",
        &[
            Part::One("测量点号", "measuring point", Format::Number(2), ""),
            Part::One("对时前时间", "before", super::CLOCK, ""),
            Part::One("对时后时间", "after", super::CLOCK, ""),
        ],
    ),
    Event(45, "电池异常", "battery abnormal", &[AT, Part::Rest]),
    Event(68, "开关误动作", "relay misoperation", &[AT, Part::Rest]),
];

const STATUS: [Part; 7] = STATUS_WORDS;

fn event(code: u8) -> Option<&'static Event> {
    EVENTS.iter().find(|Event(erc, ..)| *erc == code)
}

pub(crate) fn event_name(code: u8) -> Name {
    event(code).map_or_else(|| Name::new("未知事件", "unknown event"), |Event(_, zh, en, _)| Name::new(*zh, *en))
}

/// The content of a record, field by field; one that ends early is shown as far as it goes.
pub(crate) fn event_values(code: u8, content: &[u8], whole: &Name) -> Vec<Value> {
    let mut reading = Reading::new(content);
    if let Some(Event(.., parts)) = event(code) {
        let _ = reading.parts(parts, whole);
    }
    reading.rest();
    reading.values
}

/// What a record holds; of an unknown event nothing is known.
pub(crate) fn event_layout(code: u8) -> &'static [Part] {
    event(code).map_or(NOTHING, |Event(.., parts)| *parts)
}

/// Reads events until the data ends, each within its own length.
pub(crate) fn explain_events(reading: &mut Reading<'_>) -> Result<(), Short> {
    let mut nth = 0_u32;
    while !reading.left().is_empty() {
        nth += 1;
        let &[code, length, ..] = reading.left() else { return Err(Short) };
        let Name { zh, en } = event_name(code);
        let name = Name::new(format!("事件{nth}（{zh}）"), format!("event {nth} ({en})"));
        reading.one(&Name::new("事件代码ERC", "ERC").of(&name), Format::Number(1), "")?;
        reading.take(1)?;
        let content = reading.take(usize::from(length))?;
        reading.values.append(&mut event_values(code, content, &name));
    }
    Ok(())
}

//! AFN04 and AFN0A: parameters, set and read back with the same layout. Source: docs/protocols/qgdw376.md, AFN04.

use super::{CLOCK, Row};
use crate::layout::{Bits, Format, Part};

const ARCHIVE: &[Part] = &[
    Part::Count("装置数量", "records", 2),
    Part::Each(
        "装置",
        "record",
        &[
            Part::One("装置序号", "serial", Format::Number(2), ""),
            Part::One("所属测量点号", "measuring point", Format::Number(2), ""),
            Part::One("通信速率及端口号", "rate and port", Format::Flags(1, RATE_AND_PORT), ""),
            Part::One("通信协议类型", "protocol", Format::Number(1), ""),
            Part::One("通信地址", "address", Format::Code(6), ""),
            Part::One("通信密码", "password", Format::Secret(6), ""),
            Part::One("电能费率个数", "tariffs", Format::Number(1), ""),
            Part::One("有功电能示值整数位及小数位个数", "digits", Format::Flags(1, DIGITS), ""),
            Part::One("所属采集器通信地址", "collector", Format::Code(6), ""),
            Part::One("用户大类号及小类号", "user class", Format::Code(1), ""),
        ],
    ),
];
const RATE_AND_PORT: &[Bits] = &[Bits(5, 3, "速率", "rate"), Bits(0, 5, "端口号", "port")];
const DIGITS: &[Bits] = &[
    Bits(2, 2, "整数位（0～3表示4～7位）", "integer digits (0 to 3: 4 to 7)"),
    Bits(0, 2, "小数位（0～3表示1～4位）", "decimals (0 to 3: 1 to 4)"),
];

const TASK: &[Part] = &[
    Part::One(
        "定时上报周期单位及周期",
        "period",
        Format::Flags(
            1,
            &[Bits(6, 2, "单位（0分 1时 2日 3月）", "unit (0 min, 1 h, 2 d, 3 month)"), Bits(0, 6, "周期", "period")],
        ),
        "",
    ),
    Part::One("上报基准时间", "base time", CLOCK, ""),
    Part::One("曲线数据抽取倍率", "ratio", Format::Number(1), ""),
    Part::Count("数据单元标识个数", "units", 1),
    Part::Each("数据单元标识", "unit", &[Part::One("", "", Format::Hex(4), "hex")]),
];

const DATA_SETS: &[Part] = &[
    Part::One("用户大类号", "user class", Format::Number(1), ""),
    Part::Count("组数", "groups", 1),
    Part::Each(
        "组",
        "group",
        &[
            Part::One("用户小类号", "user group", Format::Number(1), ""),
            Part::Count("信息类组数", "octets", 1),
            Part::Each("信息类元标志", "functions, octet", &[Part::One("", "", Format::Flags(1, &[]), "")]),
        ],
    ),
];

/// What a query carries, where it is not empty.
pub(super) fn asked_for(function: u16) -> Option<&'static [Part]> {
    match function {
        10 => Some(&[
            Part::Count("查询数量", "serials", 2),
            Part::Each("装置序号", "serial", &[Part::One("", "", Format::Number(2), "")]),
        ]),
        33 | 34 => Some(&[
            Part::Count("查询数量", "ports", 1),
            Part::Each("端口号", "port", &[Part::One("", "", Format::Number(1), "")]),
        ]),
        38 | 39 => Some(&[
            Part::One("用户大类号", "user class", Format::Number(1), ""),
            Part::Count("查询数量", "groups", 1),
            Part::Each("用户小类号", "group", &[Part::One("", "", Format::Number(1), "")]),
        ]),
        _ => None,
    }
}

const SWITCH: &[Part] = &[Part::One("启动（55）/停止（AA）", "start (55) or stop (AA)", Format::Code(1), "")];

pub(super) const ROWS: &[Row] = &[
    Row(
        1,
        "终端上行通信口通信参数设置",
        "uplink timing",
        &[
            Part::One("数传机延时时间RTS", "RTS delay (20 ms)", Format::Number(1), ""),
            Part::One("终端作为启动站允许发送传输延时时间", "permitted delay", Format::Number(1), "min"),
            // The independent encoder has the repeats in bits 12 and 13 (01 30: 1 s, 3), a captured device in a byte (1E 03: 30 s, 3).
            Part::One(
                "等待从动站响应的超时时间和重发次数",
                "time-out (s) and repeats",
                Format::Flags(
                    2,
                    &[
                        Bits(0, 8, "超时时间（s）", "time-out (s)"),
                        Bits(8, 4, "重发次数（占一字节）", "repeats in a byte"),
                        Bits(12, 2, "重发次数", "repeats"),
                    ],
                ),
                "",
            ),
            Part::One("需要主站确认的通信服务标志", "confirmed services", Format::Flags(1, &[]), ""),
            Part::One("心跳周期", "heartbeat", Format::Number(1), "min"),
        ],
    ),
    Row(2, "终端上行通信口无线中继转发设置", "radio relay", &[Part::Rest]),
    Row(
        3,
        "主站IP地址和端口",
        "main station",
        &[
            Part::One("主用IP地址", "main IP", Format::Ip, ""),
            Part::One("主用端口", "main port", Format::Number(2), ""),
            Part::One("备用IP地址", "backup IP", Format::Ip, ""),
            Part::One("备用端口", "backup port", Format::Number(2), ""),
            Part::One("APN", "APN", Format::Text(16), ""),
        ],
    ),
    Row(
        4,
        "主站电话号码和短信中心号码",
        "phone numbers",
        &[
            Part::One("主站电话号码或主站手机号码", "phone", Format::Hex(8), "hex"),
            Part::One("短信中心号码", "SMS centre", Format::Hex(8), "hex"),
        ],
    ),
    Row(
        5,
        "终端上行通信消息认证参数设置",
        "message authentication",
        &[
            Part::One("消息认证方案号（0无 255硬件）", "scheme (0 none, 255 hardware)", Format::Number(1), ""),
            Part::One("消息认证方案参数", "parameter", Format::Secret(2), ""),
        ],
    ),
    Row(
        6,
        "终端组地址设置",
        "group addresses",
        &[Part::Many("组地址", "group address", &[Part::One("", "", Format::Number(2), "")])],
    ),
    Row(
        7,
        "终端IP地址和端口",
        "terminal's IP",
        &[
            Part::One("终端IP地址", "IP", Format::Ip, ""),
            Part::One("子网掩码", "mask", Format::Ip, ""),
            Part::One("网关", "gateway", Format::Ip, ""),
            Part::Rest,
        ],
    ),
    Row(
        8,
        "终端上行通信工作方式",
        "work mode",
        &[Part::One("工作模式", "mode", Format::Flags(1, &[]), ""), Part::Rest],
    ),
    Row(
        9,
        "终端事件记录配置设置",
        "event masks",
        &[
            Part::One("事件记录有效标志位", "recorded", Format::Flags(8, &[]), ""),
            Part::One("事件重要性等级标志位", "important", Format::Flags(8, &[]), ""),
        ],
    ),
    Row(10, "终端电能表/交流采样装置配置参数", "archive", ARCHIVE),
    Row(
        11,
        "终端脉冲配置参数",
        "pulses",
        &[
            Part::Count("脉冲路数", "pulse inputs", 1),
            Part::Each(
                "脉冲",
                "pulse input",
                &[
                    Part::One("端口号", "port", Format::Number(1), ""),
                    Part::One("所属测量点号", "measuring point", Format::Number(1), ""),
                    Part::One("脉冲属性", "kind", Format::Number(1), ""),
                    Part::One("电表常数K", "constant", Format::Number(2), "imp/kWh"),
                ],
            ),
        ],
    ),
    Row(
        12,
        "终端状态量输入参数",
        "inputs",
        &[
            Part::One("接入标志", "connected", Format::Flags(1, &[]), ""),
            Part::One("属性标志", "normally closed", Format::Flags(1, &[]), ""),
        ],
    ),
    Row(
        21,
        "终端电能量费率时段和费率数",
        "tariff periods",
        &[
            Part::One("48个半小时的费率", "tariffs of the half-hours", Format::Hex(48), "hex"),
            Part::One("费率数", "tariffs", Format::Number(1), ""),
        ],
    ),
    Row(
        22,
        "终端电能量费率",
        "prices",
        &[
            Part::Count("费率数", "tariffs", 1),
            Part::Each("费率", "tariff", &[Part::One("", "", Format::Thousands, "厘/元")]),
        ],
    ),
    Row(
        25,
        "测量点基本参数",
        "measuring point",
        &[
            Part::One("电压互感器倍率", "voltage transformer", Format::Number(2), ""),
            Part::One("电流互感器倍率", "current transformer", Format::Number(2), ""),
            Part::One("额定电压", "rated voltage", Format::Digits(2, 1), "V"),
            Part::One("额定电流", "rated current", Format::Digits(1, 1), "A"),
            Part::One("额定负荷", "rated load", Format::Digits(3, 4), "kVA"),
            Part::One("接线方式", "wiring", Format::Flags(1, &[]), ""),
        ],
    ),
    Row(26, "测量点限值参数", "limits", &[Part::Rest]),
    Row(
        28,
        "测量点功率因数分段限值",
        "power factor limits",
        &[
            Part::One("功率因数分段限值1", "limit 1", Format::Signed(2, 1), "%"),
            Part::One("功率因数分段限值2", "limit 2", Format::Signed(2, 1), "%"),
        ],
    ),
    Row(29, "终端当地电能表显示号", "display number", &[Part::One("显示号", "number", Format::Text(12), "")]),
    Row(30, "台区集中抄表停抄/投抄设置", "reading on or off", SWITCH),
    Row(
        31,
        "载波从节点附属节点地址",
        "further nodes",
        &[Part::Count("数量", "nodes", 1), Part::Each("节点", "node", &[Part::One("", "", Format::Code(6), "")])],
    ),
    Row(33, "终端抄表运行参数设置", "reading plan", &[Part::One("端口数", "ports", Format::Number(1), ""), Part::Rest]),
    Row(34, "集中抄表下行通信模块的参数设置", "downlink modem", &[Part::Rest]),
    Row(
        35,
        "台区集中抄表重点户设置",
        "key users",
        &[
            Part::Count("重点户数量", "users", 1),
            Part::Each("装置序号", "serial", &[Part::One("", "", Format::Number(2), "")]),
        ],
    ),
    Row(
        36,
        "终端上行通信流量门限设置",
        "traffic threshold",
        &[Part::One("月通信流量门限", "month", Format::Number(4), "byte")],
    ),
    Row(38, "1类数据配置设置", "class 1 data sets", DATA_SETS),
    Row(39, "2类数据配置设置", "class 2 data sets", DATA_SETS),
    Row(
        47,
        "购电控参数",
        "purchase control",
        &[
            Part::One("购电单号", "order number", Format::Number(4), ""),
            Part::One("追加（55）/刷新（AA）标志", "add (55) or refresh (AA)", Format::Code(1), ""),
            Part::One("购电量值", "value", Format::Thousands, "kWh/元"),
            Part::One("报警门限值", "alarm", Format::Thousands, "kWh/元"),
            Part::One("跳闸门限值", "trip", Format::Thousands, "kWh/元"),
        ],
    ),
    Row(
        57,
        "终端声音告警允许/禁止设置",
        "sound alarm",
        &[Part::One("声音告警允许标志", "hours", Format::Flags(3, &[]), "")],
    ),
    Row(65, "定时上报1类数据任务设置", "class 1 task", TASK),
    Row(66, "定时上报2类数据任务设置", "class 2 task", TASK),
    Row(67, "定时上报1类数据任务启动/停止设置", "class 1 task on or off", SWITCH),
    Row(68, "定时上报2类数据任务启动/停止设置", "class 2 task on or off", SWITCH),
    Row(
        89,
        "终端地址设置",
        "terminal address",
        &[
            Part::One("行政区划码", "region", Format::Code(2), ""),
            Part::One("终端地址", "terminal", Format::Number(2), ""),
        ],
    ),
    Row(97, "停电数据采集配置参数", "power-off monitoring", &[Part::Rest]),
];

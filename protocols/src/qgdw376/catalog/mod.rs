//! The functions of every AFN as tables: what Fn is called, and its layout in either direction.
//! Source: docs/protocols/qgdw376.md sections 3 and 4.

mod control;
mod events;
mod history;
mod parameters;
mod realtime;

pub(crate) use events::{POINT_NAME, event_layout, event_name, event_values, explain_events};

use crate::layout::{Format, Name, Part};

/// A function: its number, Chinese, English, and its layout.
pub(super) struct Row(u16, &'static str, &'static str, &'static [Part]);

/// What is known of a unit.
pub(crate) struct Entry {
    pub(crate) name: Name,
    /// Its content; `None`: not known, so nothing behind it can be told apart.
    pub(crate) parts: Option<Parts>,
}

/// A layout of two pieces: of histories, the time first.
pub(crate) type Parts = (&'static [Part], &'static [Part]);

/// AFN: Chinese, English.
const AFNS: &[(u8, &str, &str)] = &[
    (0x00, "确认/否认", "confirm or deny"),
    (0x01, "复位", "reset"),
    (0x02, "链路接口检测", "link"),
    (0x03, "中继站命令", "relay station"),
    (0x04, "设置参数", "set parameters"),
    (0x05, "控制命令", "control"),
    (0x06, "身份认证及密钥协商", "authentication and keys"),
    (0x08, "请求被级联终端主动上报", "cascaded terminal report"),
    (0x09, "请求终端配置及信息", "terminal configuration"),
    (0x0A, "查询参数", "query parameters"),
    (0x0B, "请求任务数据", "task data"),
    (0x0C, "请求1类数据", "class 1 data (realtime)"),
    (0x0D, "请求2类数据", "class 2 data (history)"),
    (0x0E, "请求3类数据", "class 3 data (events)"),
    (0x0F, "文件传输", "file transfer"),
    (0x10, "数据转发", "data forwarding"),
];

/// What an AFN is called.
pub(crate) fn afn(afn: u8) -> Name {
    let known = AFNS.iter().find(|(known, ..)| *known == afn);
    known
        .map_or_else(|| Name::new(format!("AFN{afn:02X}"), format!("AFN {afn:02X}")), |(_, zh, en)| Name::new(*zh, *en))
}

const NOTHING: &[Part] = &[];

/// What is known of Fn of an AFN in one direction.
pub(crate) fn entry(afn: u8, function: u16, uplink: bool) -> Entry {
    let unknown = || Name::new(format!("F{function}"), format!("F{function}"));
    let table = match (afn, uplink) {
        (0x00, _) => CONFIRM,
        (0x01, _) => control::RESET,
        (0x02, _) => LINK,
        (0x04 | 0x0A, _) => parameters::ROWS,
        (0x05, _) => control::ROWS,
        (0x06, _) => control::AUTHENTICATION,
        (0x08, _) => control::CASCADE,
        (0x09, _) => control::CONFIGURATION,
        (0x0B, _) => control::TASKS,
        (0x0C, _) => realtime::ROWS,
        (0x0D, _) => {
            return history::entry(function, uplink).unwrap_or_else(|| Entry { name: unknown(), parts: None });
        }
        (0x0E, true) => events::ANSWERS,
        (0x0E, false) => events::REQUESTS,
        (0x0F, true) => control::FILE_ANSWERS,
        (0x0F, false) => control::FILES,
        (0x10, true) => control::FORWARDED,
        (0x10, false) => control::FORWARD,
        _ => &[],
    };
    let row = table.iter().find(|Row(known, ..)| *known == function);
    let name = row.map_or_else(unknown, |Row(_, zh, en, _)| Name::new(*zh, *en));
    let parts = match (afn, uplink) {
        (0x0A, false) => Some(parameters::asked_for(function).unwrap_or(NOTHING)),
        // What is asked for has no content, known or not.
        (0x09 | 0x0C, false) => Some(NOTHING),
        _ => row.map(|Row(.., parts)| *parts),
    };
    Entry { name, parts: parts.map(|parts| (parts, NOTHING)) }
}

const CONFIRM: &[Row] = &[
    Row(1, "全部确认", "all confirmed", NOTHING),
    Row(2, "全部否认", "all denied", NOTHING),
    Row(
        3,
        "按数据单元标识确认和否认",
        "confirmed or denied one by one",
        &[
            Part::One("AFN", "AFN", Format::Code(1), ""),
            Part::Many(
                "单元",
                "unit",
                &[
                    Part::One("信息点DA", "DA", Format::Hex(2), "hex"),
                    Part::One("信息类DT", "DT", Format::Hex(2), "hex"),
                    Part::One("错误码（0成功）", "error (0 none)", Format::Number(1), ""),
                ],
            ),
        ],
    ),
];

const LINK: &[Row] = &[
    Row(1, "登录", "login", &[Part::Rest]),
    Row(2, "退出登录", "logout", &[Part::Rest]),
    Row(3, "心跳", "heartbeat", &[Part::Rest]),
];

// Fields that stand in many layouts.
const TIME: Part = Part::One("抄表时间", "read at", Format::Time("mhDMY"), "");
const TARIFFS: Part = Part::Count("费率数", "tariffs", 1);
const ACTIVE: Format = Format::Digits(5, 4);
const REACTIVE: Format = Format::Digits(4, 2);
const DEMAND: Format = Format::Digits(3, 4);
const POWER: Format = Format::Signed(3, 4);
const VOLTAGE: Format = Format::Digits(2, 1);
const CURRENT: Format = Format::Signed(3, 3);
const FACTOR: Format = Format::Signed(2, 1);
const ANGLE: Format = Format::Signed(2, 1);
const CLOCK: Format = Format::Time("smhDwY");
const MINUTE: Format = Format::Time("mhDMY");

const TARIFFS_ACTIVE: Part = Part::Tariffs(&[Part::One("", "", ACTIVE, "kWh")]);
const TARIFFS_REACTIVE: Part = Part::Tariffs(&[Part::One("", "", REACTIVE, "kvarh")]);
const TARIFFS_DEMAND: Part = Part::Tariffs(&[
    Part::One("最大需量", "maximum demand", DEMAND, "kW"),
    Part::One("发生时间", "occurred at", Format::Time("mhDM"), ""),
]);
/// What AFN0C F129 to F136 and their freezes hold behind the time.
const READ_ACTIVE: &[Part] = &[TIME, TARIFFS, TARIFFS_ACTIVE];
const READ_REACTIVE: &[Part] = &[TIME, TARIFFS, TARIFFS_REACTIVE];
const READ_DEMAND: &[Part] = &[TIME, TARIFFS, TARIFFS_DEMAND];
/// Active energy and the reactive ones together, as F33 has them.
const READ_ALL: &[Part] = &[
    TIME,
    TARIFFS,
    Part::Tariffs(&[Part::One("有功", "active", ACTIVE, "kWh")]),
    Part::Tariffs(&[Part::One("无功", "reactive", REACTIVE, "kvarh")]),
    Part::Tariffs(&[Part::One("一象限无功", "reactive, first quadrant", REACTIVE, "kvarh")]),
    Part::Tariffs(&[Part::One("四象限无功", "reactive, fourth quadrant", REACTIVE, "kvarh")]),
];
/// The relay as the concentrator remembers it (AFN0C F161): the lengths of its two times differ between makers.
const SWITCH_STATE: &[Part] =
    &[TIME, Part::One("状态（11合 00断）", "state (11 on, 00 off)", Format::Code(1), ""), Part::Rest];
const SWITCHED: &[Part] = &[
    TIME,
    Part::One("跳闸次数", "disconnections", Format::Digits(3, 0), ""),
    Part::One("最近跳闸时间", "last disconnection", CLOCK, ""),
    Part::One("合闸次数", "reconnections", Format::Digits(3, 0), ""),
    Part::One("最近合闸时间", "last reconnection", CLOCK, ""),
];
const CHANGED: &[Part] = &[
    TIME,
    Part::One("校时次数", "clock changes", Format::Digits(2, 0), ""),
    Part::One("最近校时时间", "last clock change", MINUTE, ""),
    Part::One("时段更改次数", "period changes", Format::Digits(2, 0), ""),
    Part::One("最近时段更改时间", "last period change", MINUTE, ""),
];
const PURCHASES: &[Part] = &[
    TIME,
    Part::One("购电次数", "purchases", Format::Digits(2, 0), ""),
    Part::One("剩余金额", "remaining money", ACTIVE, "元"),
    Part::One("累计购电金额", "money purchased in all", ACTIVE, "元"),
    Part::One("剩余电量", "remaining energy", REACTIVE, "kWh"),
    Part::One("透支电量", "overdraft energy", REACTIVE, "kWh"),
    Part::One("累计购电量", "energy purchased in all", REACTIVE, "kWh"),
    Part::One("赊欠门限电量", "arrears limit", REACTIVE, "kWh"),
    Part::One("报警电量", "alarm energy", REACTIVE, "kWh"),
    Part::One("故障电量", "fault energy", REACTIVE, "kWh"),
];

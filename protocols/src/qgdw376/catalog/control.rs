//! AFN01, 05, 06, 08, 09, 0B, 0F and 10: what is done rather than read. Source: docs/protocols/qgdw376.md section 3.

use super::{CLOCK, NOTHING, Row};
use crate::layout::{Bits, Format, Part};

pub(super) const RESET: &[Row] = &[
    Row(1, "硬件初始化", "hardware", NOTHING),
    Row(2, "数据区初始化", "data", NOTHING),
    Row(3, "参数及全体数据区初始化（恢复出厂）", "factory settings", NOTHING),
    Row(4, "参数（除与主站通信有关的）及全体数据区初始化", "parameters except communication", NOTHING),
];

const TRIP: &[Part] = &[Part::One(
    "告警延时及限电时间",
    "alarm delay and limit time",
    Format::Flags(
        1,
        &[Bits(4, 4, "告警延时时间（min）", "alarm delay (min)"), Bits(0, 4, "限电时间（0.5h）", "limit time (0.5 h)")],
    ),
    "",
)];
const HALF_HOURS: &[Part] = &[Part::One("持续时间（0.5h）", "duration (0.5 h)", Format::Number(1), "")];
const PORT: &[Part] = &[Part::One("端口号", "port", Format::Number(1), "")];

pub(super) const ROWS: &[Row] = &[
    Row(1, "遥控跳闸", "remote trip", TRIP),
    Row(2, "允许合闸", "permit to close", NOTHING),
    Row(9, "时段功控投入", "period power control on", &[Part::Rest]),
    Row(10, "厂休功控投入", "day-off power control on", NOTHING),
    Row(11, "营业报停功控投入", "out-of-business power control on", NOTHING),
    Row(12, "当前功率下浮控", "power down control on", &[Part::Rest]),
    Row(15, "月电控投入", "monthly energy control on", NOTHING),
    Row(16, "购电控投入", "purchase control on", NOTHING),
    Row(17, "时段功控解除", "period power control off", NOTHING),
    Row(18, "厂休功控解除", "day-off power control off", NOTHING),
    Row(19, "营业报停功控解除", "out-of-business power control off", NOTHING),
    Row(20, "当前功率下浮控解除", "power down control off", NOTHING),
    Row(23, "月电控解除", "monthly energy control off", NOTHING),
    Row(24, "购电控解除", "purchase control off", NOTHING),
    Row(25, "终端保电投入", "terminal guard on", HALF_HOURS),
    Row(26, "催费告警投入", "arrears alarm on", &[Part::One("告警时段", "hours", Format::Flags(3, &[]), "")]),
    Row(27, "允许终端与主站通话", "allow talk", NOTHING),
    Row(28, "终端剔除投入", "exclude the terminal", NOTHING),
    Row(29, "允许终端主动上报", "allow reports", NOTHING),
    Row(31, "对时命令", "set the clock", &[Part::One("日历时钟", "clock", CLOCK, "")]),
    Row(
        32,
        "中文信息",
        "text",
        &[
            Part::One("信息种类及编号", "kind and number", Format::Code(1), ""),
            Part::Count("汉字信息长度", "length", 1),
            Part::Each("字节", "byte", &[Part::One("", "", Format::Code(1), "")]),
        ],
    ),
    Row(33, "终端保电解除", "terminal guard off", NOTHING),
    Row(34, "催费告警解除", "arrears alarm off", NOTHING),
    Row(35, "禁止终端与主站通话", "forbid talk", NOTHING),
    Row(36, "终端剔除解除", "include the terminal", NOTHING),
    Row(37, "禁止终端主动上报", "forbid reports", NOTHING),
    Row(38, "激活终端连接主站", "connect", NOTHING),
    Row(39, "命令终端断开连接", "disconnect", NOTHING),
    Row(49, "命令指定通信端口暂停抄表", "pause a port's reading", PORT),
    Row(50, "命令指定通信端口恢复抄表", "resume a port's reading", PORT),
];

pub(super) const AUTHENTICATION: &[Row] = &[
    Row(1, "身份认证请求", "authentication request", &[Part::Rest]),
    Row(2, "身份认证响应", "authentication answer", &[Part::Rest]),
    Row(3, "取随机数", "random number request", &[Part::Rest]),
    Row(4, "随机数", "random number", &[Part::Rest]),
];

pub(super) const CASCADE: &[Row] = &[Row(1, "请求被级联终端主动上报", "cascaded terminal report", &[Part::Rest])];

pub(super) const CONFIGURATION: &[Row] = &[
    Row(
        1,
        "终端版本信息",
        "version",
        &[
            Part::One("厂商代号", "maker", Format::Text(4), ""),
            Part::One("设备编号", "device number", Format::Text(8), ""),
            Part::One("终端软件版本号", "software version", Format::Text(4), ""),
            Part::One("终端软件发布日期", "software date", Format::Time("DMY"), ""),
            Part::One("终端配置容量信息码", "capacity", Format::Text(11), ""),
            Part::One("终端通信协议版本号", "protocol version", Format::Text(4), ""),
            Part::One("终端硬件版本号", "hardware version", Format::Text(4), ""),
            Part::One("终端硬件发布日期", "hardware date", Format::Time("DMY"), ""),
        ],
    ),
    Row(2, "终端支持的输入、输出及通信端口配置", "ports", &[Part::Rest]),
    Row(3, "终端支持的其他配置", "further configuration", &[Part::Rest]),
    Row(4, "终端支持的参数配置", "parameters", &[Part::Rest]),
    Row(5, "终端支持的控制配置", "controls", &[Part::Rest]),
    Row(6, "终端支持的1类数据配置", "class 1 data", &[Part::Rest]),
    Row(7, "终端支持的2类数据配置", "class 2 data", &[Part::Rest]),
    Row(8, "终端支持的事件记录配置", "events", &[Part::One("支持的事件", "events", Format::Flags(8, &[]), "")]),
    Row(9, "远程通信模块版本信息", "communication module", &[Part::Rest]),
];

pub(super) const TASKS: &[Row] = &[
    Row(1, "定时上报1类数据", "class 1 task data", &[Part::Rest]),
    Row(2, "定时上报2类数据", "class 2 task data", &[Part::Rest]),
];

pub(super) const FILES: &[Row] = &[Row(
    1,
    "文件传输方式1",
    "file transfer",
    &[
        Part::One("文件标识", "file", Format::Code(1), ""),
        Part::One("文件属性（00起始/中间 01结束）", "attribute (00 start or middle, 01 end)", Format::Code(1), ""),
        Part::One("文件指令", "command", Format::Code(1), ""),
        Part::One("总段数n", "segments", Format::Number(2), ""),
        Part::One("第i段标识", "segment", Format::Number(4), ""),
        Part::Count("第i段数据长度", "length", 2),
        Part::Rest,
    ],
)];

pub(super) const FILE_ANSWERS: &[Row] = &[Row(
    1,
    "文件传输方式1",
    "file transfer",
    &[Part::One("收到当前段的段标识（4294967295错误）", "segment received (4294967295: error)", Format::Number(4), "")],
)];

/// How a port is set for a forwarded frame.
const LINE: &[Bits] = &[
    Bits(5, 3, "波特率（0～7表示300～19200）", "rate (0 to 7: 300 to 19200)"),
    Bits(4, 1, "停止位（0为1位）", "stop bits (0: one)"),
    Bits(3, 1, "有校验", "parity"),
    Bits(2, 1, "奇校验", "odd"),
    Bits(0, 2, "数据位（0～3表示5～8位）", "data bits (0 to 3: 5 to 8)"),
];

pub(super) const FORWARD: &[Row] = &[
    Row(
        1,
        "透明转发",
        "transparent forwarding",
        &[
            Part::One("终端通信端口号", "port", Format::Number(1), ""),
            Part::One("透明转发通信控制字", "line", Format::Flags(1, LINE), ""),
            Part::One(
                "透明转发接收等待报文超时时间",
                "frame time-out",
                Format::Flags(
                    1,
                    &[Bits(7, 1, "单位（0为10ms 1为s）", "unit (0: 10 ms, 1: s)"), Bits(0, 7, "超时时间", "time-out")],
                ),
                "",
            ),
            Part::One("透明转发接收等待字节超时时间（10ms）", "byte time-out (10 ms)", Format::Number(1), ""),
            Part::Frame,
        ],
    ),
    Row(9, "转发主站直接对电表的抄读数据命令", "forward a read", &[Part::Rest]),
    Row(10, "转发主站直接对电表的遥控跳闸/允许合闸命令", "forward a disconnect or permit", &[Part::Rest]),
    Row(11, "转发主站直接对电表的遥控送电命令", "forward a reconnect", &[Part::Rest]),
];

pub(super) const FORWARDED: &[Row] = &[
    Row(
        1,
        "透明转发应答",
        "transparent forwarding",
        &[Part::One("终端通信端口号", "port", Format::Number(1), ""), Part::Frame],
    ),
    Row(9, "转发主站直接对电表的抄读数据的应答", "forward a read", &[Part::Rest]),
    Row(10, "转发主站直接对电表的遥控跳闸/允许合闸命令的应答", "forward a disconnect or permit", &[Part::Rest]),
    Row(11, "转发主站直接对电表的遥控送电命令的应答", "forward a reconnect", &[Part::Rest]),
];

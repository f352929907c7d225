//! Single identifiers: further variables, parameters, status words and prepayment.
//! Source: docs/protocols/dlt645.md sections 3.1, 3.3 to 3.5 and 4.

use super::Entry;
use crate::layout::{Bits, Format, Name, Part};

const STATUS_1: &[Bits] = &[
    Bits(0, 1, "外部开关控制方式", "external switch mode"),
    Bits(1, 1, "需量积算方式（0滑差 1区间）", "demand mode (0 slip, 1 interval)"),
    Bits(2, 1, "时钟电池欠压", "clock battery low"),
    Bits(3, 1, "停电抄表电池欠压", "backup battery low"),
    Bits(4, 1, "有功功率方向（1反向）", "active power reversed"),
    Bits(5, 1, "无功功率方向（1反向）", "reactive power reversed"),
];
const STATUS_2: &[Bits] = &[
    Bits(0, 1, "A相有功反向", "phase A active reversed"),
    Bits(1, 1, "B相有功反向", "phase B active reversed"),
    Bits(2, 1, "C相有功反向", "phase C active reversed"),
    Bits(4, 1, "A相无功反向", "phase A reactive reversed"),
    Bits(5, 1, "B相无功反向", "phase B reactive reversed"),
    Bits(6, 1, "C相无功反向", "phase C reactive reversed"),
];
const STATUS_3: &[Bits] = &[
    Bits(0, 1, "当前运行时段（套）", "running period set"),
    Bits(1, 2, "供电方式（0主电源 1辅助电源 2电池）", "supply (0 mains, 1 auxiliary, 2 battery)"),
    Bits(3, 1, "编程允许", "programming allowed"),
    Bits(4, 1, "继电器状态（0通 1断）", "relay (0 connected, 1 disconnected)"),
    Bits(5, 1, "当前运行时区（套）", "running zone set"),
    Bits(6, 1, "继电器命令状态（0通 1断）", "relay command (0 connect, 1 disconnect)"),
    Bits(7, 1, "预跳闸报警", "pre-trip alarm"),
    Bits(8, 2, "电能表类型（0非预付费 1电量型 2电费型）", "prepayment (0 none, 1 energy, 2 money)"),
    Bits(10, 1, "当前运行分时费率（套）", "running price set"),
    Bits(11, 1, "当前阶梯（套）", "running block set"),
    Bits(12, 1, "保电状态", "supply guard"),
    Bits(13, 1, "身份认证有效", "identity authentication valid"),
    Bits(14, 1, "本地开户", "opened locally"),
    Bits(15, 1, "远程开户", "opened remotely"),
];
const STATUS_PHASE: &[Bits] = &[
    Bits(0, 1, "失压", "voltage lost"),
    Bits(1, 1, "欠压", "under-voltage"),
    Bits(2, 1, "过压", "over-voltage"),
    Bits(3, 1, "失流", "current lost"),
    Bits(4, 1, "过流", "over-current"),
    Bits(5, 1, "过载", "overload"),
    Bits(6, 1, "潮流反向", "reverse flow"),
    Bits(7, 1, "断相", "phase lost"),
    Bits(8, 1, "断流", "current broken"),
];
const STATUS_7: &[Bits] = &[
    Bits(0, 1, "电压逆相序", "voltage sequence reversed"),
    Bits(1, 1, "电流逆相序", "current sequence reversed"),
    Bits(2, 1, "电压不平衡", "voltage unbalanced"),
    Bits(3, 1, "电流不平衡", "current unbalanced"),
    Bits(4, 1, "辅助电源失电", "auxiliary power lost"),
    Bits(5, 1, "掉电", "power down"),
    Bits(6, 1, "需量超限", "demand over its limit"),
    Bits(7, 1, "总功率因数超下限", "power factor below its limit"),
    Bits(8, 1, "电流严重不平衡", "current severely unbalanced"),
    Bits(9, 1, "开表盖", "cover open"),
    Bits(10, 1, "开端钮盖", "terminal cover open"),
];
const BAUD: &[Bits] = &[
    Bits(1, 1, "600 bps", "600 bps"),
    Bits(2, 1, "1200 bps", "1200 bps"),
    Bits(3, 1, "2400 bps", "2400 bps"),
    Bits(4, 1, "4800 bps", "4800 bps"),
    Bits(5, 1, "9600 bps", "9600 bps"),
    Bits(6, 1, "19200 bps", "19200 bps"),
];

/// The status words 1 to 7, which also stand in a block and in event records.
pub(crate) const STATUS_WORDS: [Part; 7] = [
    Part::One("电表运行状态字1", "status word 1", Format::Flags(2, STATUS_1), ""),
    Part::One("电表运行状态字2", "status word 2", Format::Flags(2, STATUS_2), ""),
    Part::One("电表运行状态字3", "status word 3", Format::Flags(2, STATUS_3), ""),
    Part::One("电表运行状态字4（A相）", "status word 4 (phase A)", Format::Flags(2, STATUS_PHASE), ""),
    Part::One("电表运行状态字5（B相）", "status word 5 (phase B)", Format::Flags(2, STATUS_PHASE), ""),
    Part::One("电表运行状态字6（C相）", "status word 6 (phase C)", Format::Flags(2, STATUS_PHASE), ""),
    Part::One("电表运行状态字7", "status word 7", Format::Flags(2, STATUS_7), ""),
];
/// A baud rate word, which is also what function 17H carries.
pub(crate) const BAUD_WORD: Format = Format::Flags(1, BAUD);

const MONEY: Format = Format::Digits(4, 2);
const ENERGY: Format = Format::Digits(4, 2);
const PRICE: Format = Format::Digits(4, 4);
const COUNT: Format = Format::Digits(1, 0);

static ITEMS: &[(u32, Part)] = &[
    (
        0x000B_0000,
        Part::One("当前结算周期组合有功用电量", "consumption of this settlement period", Format::Signed(4, 2), "kWh"),
    ),
    (
        0x000B_0001,
        Part::One(
            "上1结算周期组合有功用电量",
            "consumption of the last settlement period",
            Format::Signed(4, 2),
            "kWh",
        ),
    ),
    (0x0090_0100, Part::One("剩余电量", "remaining energy", ENERGY, "kWh")),
    (0x0090_0101, Part::One("透支电量", "overdraft energy", ENERGY, "kWh")),
    (0x0090_0200, Part::One("剩余金额", "remaining money", MONEY, "元")),
    (0x0090_0201, Part::One("透支金额", "overdraft money", MONEY, "元")),
    (0x0280_0001, Part::One("零线电流", "neutral current", Format::Signed(3, 3), "A")),
    (0x0280_0002, Part::One("电网频率", "frequency", Format::Digits(2, 2), "Hz")),
    (0x0280_0003, Part::One("一分钟有功总平均功率", "one-minute average power", Format::Signed(3, 4), "kW")),
    (0x0280_0004, Part::One("当前有功需量", "active demand", Format::Signed(3, 4), "kW")),
    (0x0280_0005, Part::One("当前无功需量", "reactive demand", Format::Signed(3, 4), "kvar")),
    (0x0280_0006, Part::One("当前视在需量", "apparent demand", Format::Signed(3, 4), "kVA")),
    (0x0280_0007, Part::One("表内温度", "temperature", Format::Signed(2, 1), "°C")),
    (0x0280_0008, Part::One("时钟电池电压", "clock battery voltage", Format::Digits(2, 2), "V")),
    (0x0280_0009, Part::One("停电抄表电池电压", "backup battery voltage", Format::Digits(2, 2), "V")),
    (0x0280_000A, Part::One("内部电池工作时间", "battery work time", Format::Digits(4, 0), "min")),
    (0x0280_000B, Part::One("当前阶梯电价", "price of the running block", PRICE, "元/kWh")),
    (0x0280_0020, Part::One("当前电价", "price", PRICE, "元/kWh")),
    (0x0280_0021, Part::One("当前费率电价", "price of the running tariff", PRICE, "元/kWh")),
    (0x0400_0101, Part::One("日期及星期", "date and day of the week", Format::Time("WDMY"), "")),
    (0x0400_0102, Part::One("时间", "time", Format::Time("smh"), "")),
    (0x0400_0103, Part::One("最大需量周期", "demand period", COUNT, "min")),
    (0x0400_0104, Part::One("滑差时间", "slip time", COUNT, "min")),
    (0x0400_0105, Part::One("校表脉冲宽度", "pulse width", Format::Digits(2, 0), "ms")),
    (0x0400_0106, Part::One("两套时区表切换时间", "switch time of the zone tables", Format::Time("mhDMY"), "")),
    (0x0400_0107, Part::One("两套日时段表切换时间", "switch time of the period tables", Format::Time("mhDMY"), "")),
    (0x0400_010C, Part::One("日期时间", "date and time", Format::Time("smhWDMY"), "")),
    (0x0400_0201, Part::One("年时区数", "zones of a year", COUNT, "")),
    (0x0400_0202, Part::One("日时段表数", "period tables of a day", COUNT, "")),
    (0x0400_0203, Part::One("日时段数", "periods of a day", COUNT, "")),
    (0x0400_0204, Part::One("费率数", "tariffs", COUNT, "")),
    (0x0400_0205, Part::One("公共假日数", "holidays", Format::Digits(2, 0), "")),
    (0x0400_0401, Part::One("通信地址", "address", Format::Code(6), "")),
    (0x0400_0402, Part::One("表号", "meter number", Format::Code(6), "")),
    (0x0400_0403, Part::One("资产管理编码", "asset code", Format::Text(32), "")),
    (0x0400_0404, Part::One("额定电压", "rated voltage", Format::Text(6), "")),
    (0x0400_0405, Part::One("额定电流", "rated current", Format::Text(6), "")),
    (0x0400_0406, Part::One("最大电流", "maximum current", Format::Text(6), "")),
    (0x0400_0407, Part::One("有功准确度等级", "accuracy, active", Format::Text(4), "")),
    (0x0400_0408, Part::One("无功准确度等级", "accuracy, reactive", Format::Text(4), "")),
    (0x0400_0409, Part::One("电表有功常数", "meter constant, active", Format::Digits(3, 0), "imp/kWh")),
    (0x0400_040A, Part::One("电表无功常数", "meter constant, reactive", Format::Digits(3, 0), "imp/kvarh")),
    (0x0400_040B, Part::One("电表型号", "model", Format::Text(10), "")),
    (0x0400_040C, Part::One("生产日期", "date of manufacture", Format::Text(10), "")),
    (0x0400_040D, Part::One("协议版本号", "protocol version", Format::Text(16), "")),
    (0x0400_040E, Part::One("客户编号", "customer number", Format::Code(6), "")),
    (0x0400_0701, Part::One("调制型红外光口波特率", "baud rate, infrared", BAUD_WORD, "")),
    (0x0400_0702, Part::One("接触式红外光口波特率", "baud rate, optical", BAUD_WORD, "")),
    (0x0400_0703, Part::One("通信口1波特率", "baud rate, port 1", BAUD_WORD, "")),
    (0x0400_0704, Part::One("通信口2波特率", "baud rate, port 2", BAUD_WORD, "")),
    (0x0400_0705, Part::One("通信口3波特率", "baud rate, port 3", BAUD_WORD, "")),
    (0x0400_0801, Part::One("周休日特征字", "weekend word", Format::Flags(1, &[]), "")),
    (0x0400_0802, Part::One("周休日采用的日时段表号", "period table of weekends", COUNT, "")),
    (0x0400_0901, Part::One("负荷记录模式字", "load profile mode", Format::Flags(1, &[]), "")),
    (0x0400_0902, Part::One("冻结数据模式字", "freeze mode", Format::Flags(1, &[]), "")),
    (0x0400_0A01, Part::One("负荷记录起始时间", "start of the load profile", Format::Time("mhDM"), "")),
    (0x0400_0A02, Part::One("第1类负荷记录间隔时间", "interval of load profile 1", Format::Digits(2, 0), "min")),
    (0x0400_0A03, Part::One("第2类负荷记录间隔时间", "interval of load profile 2", Format::Digits(2, 0), "min")),
    (0x0400_0A04, Part::One("第3类负荷记录间隔时间", "interval of load profile 3", Format::Digits(2, 0), "min")),
    (0x0400_0A05, Part::One("第4类负荷记录间隔时间", "interval of load profile 4", Format::Digits(2, 0), "min")),
    (0x0400_0A06, Part::One("第5类负荷记录间隔时间", "interval of load profile 5", Format::Digits(2, 0), "min")),
    (0x0400_0A07, Part::One("第6类负荷记录间隔时间", "interval of load profile 6", Format::Digits(2, 0), "min")),
    (0x0400_0B01, Part::One("每月第1结算日", "settlement day 1", Format::Time("hD"), "")),
    (0x0400_0B02, Part::One("每月第2结算日", "settlement day 2", Format::Time("hD"), "")),
    (0x0400_0B03, Part::One("每月第3结算日", "settlement day 3", Format::Time("hD"), "")),
    (0x0400_0D01, Part::One("A相电导系数", "conductance, phase A", Format::Hex(2), "")),
    (0x0400_0E01, Part::One("正向有功功率上限值", "limit of forward active power", Format::Digits(3, 4), "kW")),
    (0x0400_0E02, Part::One("反向有功功率上限值", "limit of reverse active power", Format::Digits(3, 4), "kW")),
    (0x0400_0E03, Part::One("电压上限值", "upper limit of voltage", Format::Digits(2, 1), "V")),
    (0x0400_0E04, Part::One("电压下限值", "lower limit of voltage", Format::Digits(2, 1), "V")),
    (0x0400_0F01, Part::One("报警电量1限值", "alarm energy 1", ENERGY, "kWh")),
    (0x0400_0F02, Part::One("报警电量2限值", "alarm energy 2", ENERGY, "kWh")),
    (0x0400_0F03, Part::One("囤积电量限值", "hoard limit of energy", ENERGY, "kWh")),
    (0x0400_0F04, Part::One("透支电量限值", "overdraft limit of energy", ENERGY, "kWh")),
    (0x0400_1001, Part::One("报警金额1限值", "alarm money 1", MONEY, "元")),
    (0x0400_1002, Part::One("报警金额2限值", "alarm money 2", MONEY, "元")),
    (0x0400_1003, Part::One("透支金额限值", "overdraft limit of money", MONEY, "元")),
    (0x0400_1004, Part::One("囤积金额限值", "hoard limit of money", MONEY, "元")),
    (0x0400_1005, Part::One("合闸允许金额限值", "money from which reconnection is permitted", MONEY, "元")),
];

/// Names of groups whose items are not told apart here.
const GROUPS: [(u32, u32, &str, &str); 9] = [
    (0x0400_0C00, 0xFFFF_FF00, "密码", "password"),
    (0x0400_0500, 0xFFFF_FF00, "状态字", "status word"),
    (0x0401_0000, 0xFFFF_0000, "第一套时区表/日时段表", "zone and period tables, set 1"),
    (0x0402_0000, 0xFFFF_0000, "第二套时区表/日时段表", "zone and period tables, set 2"),
    (0x0403_0000, 0xFFFF_0000, "公共假日", "holiday"),
    (0x0405_0000, 0xFFFF_0000, "费率电价", "prices of tariffs"),
    (0x0406_0000, 0xFFFF_0000, "阶梯", "blocks"),
    (0x0480_0000, 0xFFFF_0000, "厂家软硬件信息", "maker's versions"),
    (0x0600_0000, 0xFF00_0000, "负荷记录", "load profile"),
];

pub(super) fn entry(id: u32) -> Option<Entry> {
    if let Some((_, part)) = ITEMS.iter().find(|(item, _)| *item == id) {
        return Some(Entry::single(Name::new("", ""), std::slice::from_ref(part)));
    }
    match id {
        0x0400_05FF => return Some(Entry::single(Name::new("", ""), &STATUS_WORDS)),
        0x0400_0501..=0x0400_0507 => {
            let nth = usize::try_from(id & 0xF).ok()?.checked_sub(1)?;
            return Some(Entry::single(Name::new("", ""), std::slice::from_ref(STATUS_WORDS_ONE.get(nth)?)));
        }
        _ => {}
    }
    let (_, _, zh, en) = GROUPS.iter().find(|(group, mask, ..)| id & mask == *group)?;
    Some(Entry::single(Name::new(*zh, *en), &[Part::Rest]))
}

static STATUS_WORDS_ONE: [Part; 7] = STATUS_WORDS;

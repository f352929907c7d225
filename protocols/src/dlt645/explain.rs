//! A frame explained field by field, in either edition and direction. Source: docs/protocols/dlt645.md.

use super::{
    Frame,
    catalog::{self, BAUD_WORD},
};
use crate::layout::{Format, Name, Part, Reading, Short, Value};

/// Which edition of the standard a function belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// DL/T 645-1997.
    Of1997,
    /// DL/T 645-2007.
    Of2007,
}

/// A frame, explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The frame itself.
    pub frame: Frame,
    /// Its edition, which its function tells.
    pub edition: Edition,
    /// What is asked or answered.
    pub function: Name,
    /// The data identifier, as it is written, where the function carries one.
    pub id: Option<String>,
    /// Why the meter refuses, in an abnormal answer.
    pub error: Option<Vec<Name>>,
    /// The fields.
    pub values: Vec<Value>,
}

/// Functions of the 2007 edition: code, Chinese, English.
const FUNCTIONS: [(u8, &str, &str); 15] = [
    (0x03, "安全认证", "security authentication"),
    (0x08, "广播校时", "broadcast time"),
    (0x11, "读数据", "read"),
    (0x12, "读后续数据", "read the follow-up"),
    (0x13, "读通信地址", "read the address"),
    (0x14, "写数据", "write"),
    (0x15, "写通信地址", "write the address"),
    (0x16, "冻结命令", "freeze"),
    (0x17, "更改通信速率", "change the baud rate"),
    (0x18, "修改密码", "change a password"),
    (0x19, "最大需量清零", "clear the maximum demand"),
    (0x1A, "电表清零", "clear the meter"),
    (0x1B, "事件清零", "clear events"),
    (0x1C, "跳合闸、报警、保电", "relay, alarm, supply guard"),
    (0x1D, "多功能端子输出控制", "multifunction terminal"),
];

/// Functions of the 1997 edition.
const FUNCTIONS_1997: [(u8, &str, &str); 8] = [
    (0x01, "读数据", "read"),
    (0x02, "读后续数据", "read the follow-up"),
    (0x04, "写数据", "write"),
    (0x0A, "写设备地址", "write the address"),
    (0x0C, "更改通信速率", "change the baud rate"),
    (0x0F, "修改密码", "change a password"),
    (0x10, "最大需量清零", "clear the maximum demand"),
    (0x00, "保留", "reserved"),
];

/// ERR of the 2007 edition.
const ERRORS: [(u16, &str, &str); 8] = [
    (0x01, "其他错误", "other error"),
    (0x02, "无请求数据", "no such data"),
    (0x04, "密码错或未授权", "password wrong or not authorised"),
    (0x08, "通信速率不能更改", "the baud rate cannot be changed"),
    (0x10, "年时区数超", "too many zones"),
    (0x20, "日时段数超", "too many periods"),
    (0x40, "费率数超", "too many tariffs"),
    (0x80, "保留", "reserved"),
];

/// SERR, the error word of the security authentication.
const SECURITY_ERRORS: [(u16, &str, &str); 10] = [
    (0x001, "其他错误", "other error"),
    (0x002, "重复充值", "recharged already"),
    (0x004, "ESAM验证失败", "ESAM verification failed"),
    (0x008, "身份认证失败", "identity authentication failed"),
    (0x010, "客户编号不匹配", "another customer's number"),
    (0x020, "充值次数错误", "recharge count wrong"),
    (0x040, "购电超囤积", "over the hoard limit"),
    (0x080, "地址异常", "address abnormal"),
    (0x100, "电表挂起", "meter suspended"),
    (0x200, "合闸失败", "reconnection failed"),
];

const PASSWORD: [Part; 2] =
    [Part::One("密级", "password level", Format::Number(1), ""), Part::One("密码", "password", Format::Secret(3), "")];
const OPERATOR: Part = Part::One("操作者代码", "operator", Format::Code(4), "");
const COMMAND: Part = Part::One("控制命令", "command", Format::Code(1), "");

/// N1 of function 1C.
const COMMANDS: [(u8, &str, &str); 9] = [
    (0x1A, "跳闸", "disconnect"),
    (0x1B, "合闸允许", "permit to reconnect"),
    (0x1C, "直接合闸", "reconnect"),
    (0x1D, "预跳闸后直接合闸", "pre-trip, then reconnect"),
    (0x1E, "预跳闸后合闸允许", "pre-trip, then permit to reconnect"),
    (0x2A, "报警", "alarm"),
    (0x2B, "报警解除", "end of alarm"),
    (0x3A, "保电", "supply guard"),
    (0x3B, "保电解除", "end of supply guard"),
];

/// A command of function 03: DI, Chinese, English, what follows the operator in a request, what follows the DI in an answer.
struct Security(u32, &'static str, &'static str, &'static [Part], &'static [Part]);

const SECURITY: [Security; 12] = [
    Security(
        0x0700_00FF,
        "身份认证",
        "identity authentication",
        &[
            Part::One("密文1", "cipher 1", Format::Hex(8), "hex"),
            Part::One("随机数1", "random 1", Format::Hex(8), "hex"),
            Part::One("分散因子", "diversifier", Format::Hex(8), "hex"),
        ],
        &[
            Part::One("随机数2", "random 2", Format::Hex(4), "hex"),
            Part::One("ESAM序列号", "ESAM serial", Format::Hex(8), "hex"),
        ],
    ),
    Security(
        0x0700_01FF,
        "身份认证时效设置",
        "validity of the authentication",
        &[Part::One("有效时长", "validity", Format::Digits(2, 0), "min"), MAC],
        &[],
    ),
    Security(0x0700_02FF, "身份认证失效", "end of the authentication", &[], &[CUSTOMER, MONEY, PURCHASES, KEY_INFO]),
    Security(0x0700_0201, "身份认证失效", "end of the authentication", &[], &[CUSTOMER, MONEY, PURCHASES, KEY_INFO]),
    Security(0x0701_01FF, "开户", "open account", &RECHARGE, &[Part::Rest]),
    Security(0x0701_02FF, "充值", "recharge", &RECHARGE, &[Part::Rest]),
    Security(0x0701_03FF, "钱包初始化", "initialise the purse", &[MONEY, MAC, PURCHASES, MAC], &[]),
    Security(0x0701_08FF, "退费", "refund", &[Part::Rest], &[Part::Rest]),
    Security(0x0702_01FF, "密钥更新", "key update", &[Part::Rest], &[Part::Rest]),
    Security(0x0780_01FF, "数据回抄", "data echo", &[Part::Rest], &[Part::Rest]),
    Security(0x0781_0201, "状态查询", "state", &[], &STATE),
    Security(0x0781_02FF, "状态查询", "state", &[], &STATE),
];

const MAC: Part = Part::One("MAC", "MAC", Format::Hex(4), "hex");
const MONEY: Part = Part::One("金额", "money", Format::Fixed(4, 2), "元");
const PURCHASES: Part = Part::One("购电次数", "purchases", Format::Number(4), "");
const CUSTOMER: Part = Part::One("客户编号", "customer number", Format::Code(6), "");
const KEY_INFO: Part = Part::One("密钥信息", "key information", Format::Hex(4), "hex");
const RECHARGE: [Part; 5] = [MONEY, PURCHASES, MAC, CUSTOMER, MAC];
const STATE: [Part; 6] = [MONEY, MAC, PURCHASES, MAC, CUSTOMER, KEY_INFO];

/// Explains a frame. Whatever does not fit its layout stands as it came.
#[must_use]
pub fn explain(frame: Frame) -> Explained {
    let code = frame.control.function;
    let find = |table: &[(u8, &'static str, &'static str)]| table.iter().find(|(known, ..)| *known == code).copied();
    let (edition, known) = match (find(&FUNCTIONS), find(&FUNCTIONS_1997)) {
        (None, Some(known)) => (Edition::Of1997, Some(known)),
        (known, _) => (Edition::Of2007, known),
    };
    let function = known.map_or_else(
        || Name::new(format!("功能码{code:02X}"), format!("function {code:02X}")),
        |(_, zh, en)| Name::new(zh, en),
    );
    let data = frame.data.clone();
    let (mut id, mut error, mut reading) = (None, None, Reading::new(&data));
    if frame.control.abnormal {
        error = Some(reasons(edition, code, &data));
        // A short or long error word is a device's habit.
        let _ = reading.take(if code == 0x03 { data.len().min(2) } else { data.len().min(1) });
    } else {
        let mut reader = Reader { frame: &frame, edition, reading: &mut reading, id: &mut id };
        // Where the data ends inside its layout, what was read stays.
        let _ = reader.read();
    }
    reading.rest();
    Explained { edition, function, id, error, values: reading.values, frame }
}

fn reasons(edition: Edition, code: u8, data: &[u8]) -> Vec<Name> {
    let word = match *data {
        [low, high, ..] if code == 0x03 => u16::from_le_bytes([low, high]),
        [low, ..] => u16::from(low),
        [] => 0,
    };
    let known = FUNCTIONS.iter().any(|(known, ..)| *known == code);
    if edition == Edition::Of1997 || !known {
        return vec![Name::new(format!("错误字{word:02X}"), format!("error word {word:02X}"))];
    }
    let table: &[(u16, &str, &str)] = if code == 0x03 { &SECURITY_ERRORS } else { &ERRORS };
    table.iter().filter(|(bit, ..)| word & bit != 0).map(|(_, zh, en)| Name::new(*zh, *en)).collect()
}

struct Reader<'a, 'd> {
    frame: &'a Frame,
    edition: Edition,
    reading: &'a mut Reading<'d>,
    id: &'a mut Option<String>,
}

impl Reader<'_, '_> {
    fn read(&mut self) -> Result<(), Short> {
        let (code, answer) = (self.frame.control.function, self.frame.control.from_meter);
        match (self.edition, code) {
            (Edition::Of2007, 0x11 | 0x12) => self.item(code == 0x12),
            (Edition::Of1997, 0x01 | 0x02) => self.item_1997(code == 0x02),
            (Edition::Of2007, 0x14) if !answer => {
                let id = self.id()?;
                self.parts(&PASSWORD)?;
                self.parts(&[OPERATOR])?;
                catalog::entry(id).map_or(Ok(()), |entry| entry.read(self.reading))
            }
            (Edition::Of1997, 0x04) if !answer => {
                let id = self.id_1997()?;
                self.parts(&PASSWORD)?;
                catalog::entry_1997(id).map_or(Ok(()), |entry| entry.read(self.reading))
            }
            (Edition::Of2007, 0x03) => self.security(answer),
            (_, 0x08) => self.parts(&[Part::One("时间", "time", Format::Time("smhDMY"), "")]),
            (_, 0x13 | 0x15 | 0x0A) => {
                if self.reading.left().is_empty() {
                    return Ok(());
                }
                self.parts(&[Part::One("通信地址", "address", Format::Code(6), "")])
            }
            (_, 0x16) if !answer => self.parts(&[Part::One("冻结时间", "freeze at", Format::Time("mhDM"), "")]),
            (_, 0x17 | 0x0C) => self.parts(&[Part::One("通信速率特征字", "baud rate", BAUD_WORD, "")]),
            (Edition::Of2007, 0x18) if !answer => {
                self.id()?;
                self.parts(&PASSWORD)?;
                self.parts(&PASSWORD)
            }
            (Edition::Of2007, 0x18) => self.parts(&PASSWORD),
            (Edition::Of2007, 0x19..=0x1B) if !answer => self.clear(code),
            (Edition::Of2007, 0x1C) if !answer => self.relay(),
            (Edition::Of2007, 0x1D) => self.parts(&[Part::One(
                "输出信号（0秒脉冲 1需量周期 2时段投切）",
                "signal (0 seconds, 1 demand period, 2 tariff switch)",
                Format::Number(1),
                "",
            )]),
            _ => Ok(()),
        }
    }

    fn parts(&mut self, parts: &[Part]) -> Result<(), Short> {
        self.reading.parts(parts, &Name::new("", ""))
    }

    fn id(&mut self) -> Result<u32, Short> {
        let bytes = self.reading.take(4)?.try_into().map_err(|_| Short)?;
        let id = u32::from_le_bytes(bytes);
        *self.id = Some(format!("{id:08X}"));
        Ok(id)
    }

    fn id_1997(&mut self) -> Result<u16, Short> {
        let bytes = self.reading.take(2)?.try_into().map_err(|_| Short)?;
        let id = u16::from_le_bytes(bytes);
        *self.id = Some(format!("{id:04X}"));
        Ok(id)
    }

    /// 11H and 12H. The pieces of a long answer are not read one by one: an item may be cut anywhere.
    fn item(&mut self, follow_up: bool) -> Result<(), Short> {
        let id = self.id()?;
        let (control, entry) = (self.frame.control, catalog::entry(id));
        match (control.from_meter, follow_up || control.follow_up) {
            (true, true) => self.piece(follow_up),
            (true, false) => entry.map_or(Ok(()), |entry| entry.read(self.reading)),
            (false, true) => self.parts(&[Part::One("帧序号", "frame number", Format::Number(1), "")]),
            // A load profile is asked for with a number of blocks, and perhaps a time.
            (false, false) if !matches!(self.reading.left().len(), 1 | 6) => Ok(()),
            (false, false) => {
                self.parts(&[Part::One("负荷记录块数", "blocks of the load profile", Format::Digits(1, 0), "")])?;
                if self.reading.left().is_empty() {
                    return Ok(());
                }
                self.parts(&[Part::One("给定时间", "from", Format::Time("mhDMY"), "")])
            }
        }
    }

    fn item_1997(&mut self, follow_up: bool) -> Result<(), Short> {
        let id = self.id_1997()?;
        let control = self.frame.control;
        match (control.from_meter, follow_up || control.follow_up) {
            (true, true) => self.piece(false),
            (true, false) => catalog::entry_1997(id).map_or(Ok(()), |entry| entry.read(self.reading)),
            _ => Ok(()),
        }
    }

    /// A piece of a long answer; a follow-up ends with its number.
    fn piece(&mut self, numbered: bool) -> Result<(), Short> {
        let length = self.reading.left().len().saturating_sub(usize::from(numbered));
        self.parts(&[Part::One("数据片段", "piece of the data", Format::Hex(length), "hex")])?;
        if numbered {
            self.parts(&[Part::One("帧序号", "frame number", Format::Number(1), "")])?;
        }
        Ok(())
    }

    fn clear(&mut self, code: u8) -> Result<(), Short> {
        self.parts(&PASSWORD)?;
        self.parts(&[OPERATOR])?;
        if code == 0x1B && !self.reading.left().is_empty() {
            self.id()?;
        }
        Ok(())
    }

    /// Plain commands have 16 bytes; of a longer one the rest is cipher and MAC.
    fn relay(&mut self) -> Result<(), Short> {
        self.parts(&PASSWORD)?;
        self.parts(&[OPERATOR])?;
        if self.frame.data.len() != 16 {
            return Ok(());
        }
        let command = self.reading.left().first().copied();
        self.parts(&[COMMAND])?;
        if let Some((_, zh, en)) = COMMANDS.iter().find(|(known, ..)| Some(*known) == command)
            && let Some(value) = self.reading.values.last_mut()
        {
            value.name = Name::new(format!("控制命令（{zh}）"), format!("command ({en})"));
        }
        self.parts(&[
            Part::One("保留", "reserved", Format::Code(1), ""),
            Part::One("命令有效截止时间", "valid until", Format::Time("smhDMY"), ""),
        ])
    }

    fn security(&mut self, answer: bool) -> Result<(), Short> {
        let id = self.id()?;
        let known = SECURITY.iter().find(|Security(known, ..)| *known == id);
        if let Some(Security(_, zh, en, ..)) = known {
            let (name, value) = (Name::new("安全认证命令", "security command"), Some(format!("{id:08X}")));
            let name = Name::new(format!("{}（{zh}）", name.zh), format!("{} ({en})", name.en));
            self.reading.values.push(Value { name, value, unit: "", bytes: Vec::new() });
        }
        if !answer {
            self.parts(&[OPERATOR])?;
        }
        known.map_or(Ok(()), |Security(_, _, _, request, answered)| self.parts(if answer { answered } else { request }))
    }
}

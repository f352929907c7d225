//! Events and records (03, 1D, 1E). Source: docs/protocols/dlt645.md section 3.7.

use super::Entry;
use crate::layout::{Format, Name, Part};

const fn count(bytes: usize) -> Part {
    Part::One("次数", "count", Format::Digits(bytes, 0), "")
}

const START: Part = Part::One("发生时刻", "began", Format::Time("smhDMY"), "");
const END: Part = Part::One("结束时刻", "ended", Format::Time("smhDMY"), "");
const OPERATOR: Part = Part::One("操作者代码", "operator", Format::Code(4), "");

const COUNT: &[Part] = &[count(3)];
const SPAN: &[Part] = &[START, END];
const PROGRAMMED: &[Part] =
    &[START, OPERATOR, Part::Many("数据标识", "data identifier", &[Part::One("", "", Format::Code(4), "")])];
const OPERATED: &[Part] = &[START, OPERATOR, Part::Rest];
const ADJUSTED: &[Part] = &[
    OPERATOR,
    Part::One("校时前时间", "time before", Format::Time("smhDMY"), ""),
    Part::One("校时后时间", "time after", Format::Time("smhDMY"), ""),
];
const OPENED: &[Part] = &[START, END, Part::Rest];
const SWITCHED: &[Part] = &[START, OPERATOR, Part::Rest];
const WHEN: &[Part] = &[Part::One("", "", Format::Time("mhDMY"), "")];
const TIMES: &[Part] = &[Part::One("", "", Format::Digits(2, 0), "")];
const ENERGY: &[Part] = &[Part::One("", "", Format::Digits(4, 2), "kWh")];
const MONEY: &[Part] = &[Part::One("", "", Format::Digits(4, 2), "元")];

/// With the lowest byte 00 it is the count, with 01 the latest record and so on.
const EVENTS: [(u32, &str, &str, &[Part]); 14] = [
    (0x0311_0000, "掉电", "power off", SPAN),
    (0x0330_0000, "编程", "programming", PROGRAMMED),
    (0x0330_0100, "电表清零", "meter cleared", OPERATED),
    (0x0330_0200, "需量清零", "demand cleared", OPERATED),
    (
        0x0330_0300,
        "事件清零",
        "events cleared",
        &[START, OPERATOR, Part::One("事件清零数据标识", "data identifier", Format::Code(4), "")],
    ),
    (0x0330_0400, "校时", "time set", ADJUSTED),
    (0x0330_0500, "时段表编程", "period table programmed", OPERATED),
    (0x0330_0600, "时区表编程", "zone table programmed", OPERATED),
    (0x0330_0700, "周休日编程", "weekends programmed", OPERATED),
    (0x0330_0800, "节假日编程", "holidays programmed", OPERATED),
    (0x0330_0D00, "开表盖", "cover opened", OPENED),
    (0x0330_0E00, "开端钮盖", "terminal cover opened", OPENED),
    (0x1D00_0100, "跳闸", "relay disconnected", SWITCHED),
    (0x1E00_0100, "合闸", "relay connected", SWITCHED),
];

/// What was bought: the same six of energy (0332) and money (0333); the lowest byte is the nth last purchase.
const PURCHASES: [(u8, &str, &str, Option<&[Part]>); 6] = [
    (1, "购电日期", "purchased at", Some(WHEN)),
    (2, "购电后总购电次数", "number of purchases", Some(TIMES)),
    (3, "购电", "purchased", None),
    (4, "购电前剩余", "remaining before", None),
    (5, "购电后剩余", "remaining after", None),
    (6, "购电后累计购电", "purchased in all", None),
];

pub(super) fn entry(id: u32) -> Option<Entry> {
    let (event, nth) = (id & 0xFFFF_FF00, id & 0xFF);
    let last = |zh: &str, en: &str| Name::new(format!("上{nth}次{zh}"), format!("{en} {nth}"));
    if let Some((_, zh, en, record)) = EVENTS.iter().find(|(known, ..)| *known == event) {
        return Some(match nth {
            0 => Entry::single(Name::new(*zh, *en), COUNT),
            _ => Entry::single(last(zh, en), record),
        });
    }
    // Relay events count under 1D000001 and 1E000001 as well.
    match id {
        0x1D00_0001 => return Some(Entry::single(Name::new("跳闸", "relay disconnected"), COUNT)),
        0x1E00_0001 => return Some(Entry::single(Name::new("合闸", "relay connected"), COUNT)),
        _ => {}
    }
    let own = match event >> 16 {
        0x0332 => ENERGY,
        0x0333 => MONEY,
        _ => return None,
    };
    let (_, zh, en, parts) = PURCHASES.iter().find(|(known, ..)| u32::from(*known) == event >> 8 & 0xFF)?;
    Some(Entry::single(last(zh, en), parts.unwrap_or(own)))
}

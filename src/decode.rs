//! `wattgate decode`: frames explained for people, or one JSON object for each line.

use std::{
    io::{self, BufRead, Read, Write},
    process::ExitCode,
};

use domain::notice::Language;
use protocols::{
    dlt645,
    explain::{Explained, Name, Protocol, Refused, Value, explain},
    qgdw376,
};
use serde_json::{Value as Json, json};

use crate::{app::Problem, hex};

/// Longest line, in characters: some of the longest frames behind each other.
const LINE_MAX: u64 = 1 << 20;
/// Fewest hex digits of a frame: arguments that are shorter are one frame written in pieces.
const FRAME_DIGITS: usize = 24;

/// What to decode.
#[derive(clap::Args)]
pub struct Options {
    /// Which protocol: auto, dlt645 or qgdw376
    #[arg(long, default_value = "auto", value_parser = protocol)]
    protocol: Protocol,
    /// Language of names: zh or en
    #[arg(long, default_value = "en")]
    lang: Language,
    /// One JSON object for each line in place of a text
    #[arg(long)]
    json: bool,
    /// Frames in hex digits, one each or one in pieces; `-` or nothing: lines of the standard input
    hex: Vec<String>,
}

fn protocol(word: &str) -> Result<Protocol, String> {
    match word {
        "auto" => Ok(Protocol::Auto),
        "dlt645" => Ok(Protocol::Dlt645),
        "qgdw376" => Ok(Protocol::Qgdw376),
        _ => Err("must be auto, dlt645 or qgdw376".to_owned()),
    }
}

/// Decodes every line; exit status 1 where any of them is no frame.
///
/// # Errors
/// The input cannot be read, or the output cannot be written.
pub fn run(options: &Options) -> Result<ExitCode, Problem> {
    let mut out = io::stdout().lock();
    let mut all_good = true;
    let mut line = |text: &str| -> io::Result<()> {
        let read = decode(text, options.protocol);
        all_good &= read.iter().all(Result::is_ok);
        if options.json {
            writeln!(out, "{}", object(&read, options.lang))
        } else {
            read.iter().try_for_each(|one| writeln!(out, "{}", text_of(one, options.lang)))
        }
    };
    let done = match options.hex.as_slice() {
        [] => from_input(&mut line),
        [dash] if dash == "-" => from_input(&mut line),
        given if given.iter().any(|piece| piece.len() < FRAME_DIGITS) => line(&given.concat()),
        given => given.iter().try_for_each(|text| line(text)),
    };
    match done {
        // Whoever reads the output has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        done => done.map_err(Problem::io("decode"))?,
    }
    Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn from_input(line: &mut impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut input = io::stdin().lock();
    loop {
        let mut bytes = Vec::new();
        if input.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        line(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']))?;
    }
}

type Decoded = Result<Explained, Refused>;

/// The frames of a line. Blanks between digits are skipped; what is no digit ends the bytes.
fn decode(text: &str, protocol: Protocol) -> Vec<Decoded> {
    let digits: String = text.chars().filter(|digit| !digit.is_whitespace()).collect();
    let sound = digits.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(digits.len());
    let bytes = hex::bytes(digits.get(..sound & !1).unwrap_or_default()).unwrap_or_default();
    let mut frames = explain(&bytes, protocol);
    if sound != digits.len() || !sound.is_multiple_of(2) {
        // The bytes before it are looked at first: what is wrong with them comes first.
        if frames.iter().all(Result::is_ok) {
            let detail = "what follows is no pair of hex digits".to_owned();
            frames.push(Err(Refused { fault: protocols::explain::Fault::Truncated, at: bytes.len(), detail }));
        }
    }
    frames
}

// --- JSON --------------------------------------------------------------------------------------------------------------

fn object(frames: &[Decoded], lang: Language) -> Json {
    match frames {
        [one] => frame(one, lang),
        all => json!({
            "ok": all.iter().all(Result::is_ok),
            "frames": all.iter().map(|one| frame(one, lang)).collect::<Vec<_>>(),
        }),
    }
}

fn frame(one: &Decoded, lang: Language) -> Json {
    match one {
        Ok(Explained::Dlt645(one)) => meter(one, lang),
        Ok(Explained::Qgdw376(one)) => concentrator(one, lang),
        Ok(Explained::OtherEdition { edition, body }) => json!({
            "ok": true,
            "protocol": "qgdw376",
            "pid": edition.pid(),
            "edition": edition.to_string(),
            "body": upper(body),
            "units": [],
        }),
        Err(Refused { fault, at, detail }) => {
            json!({ "ok": false, "error": { "code": fault.code(), "at": at, "detail": detail } })
        }
    }
}

fn upper(bytes: &[u8]) -> String {
    hex::text(bytes).to_uppercase()
}

fn word(name: &Name, lang: Language) -> &str {
    match lang {
        Language::Zh => &name.zh,
        Language::En => &name.en,
    }
}

fn values(values: &[Value], lang: Language) -> Vec<Json> {
    values.iter().map(|one| json!({ "name": word(&one.name, lang), "value": one.value, "unit": one.unit })).collect()
}

const fn edition(edition: dlt645::Edition) -> &'static str {
    match edition {
        dlt645::Edition::Of1997 => "dlt645-1997",
        dlt645::Edition::Of2007 => "dlt645-2007",
    }
}

const fn direction(answer: bool) -> &'static str {
    if answer { "answer" } else { "request" }
}

/// A key that an object has only where there is something.
fn put(object: &mut Json, key: &str, value: Option<Json>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(key.to_owned(), value);
    }
}

fn meter(one: &dlt645::Explained, lang: Language) -> Json {
    let control = one.frame.control;
    let mut object = json!({
        "ok": true,
        "protocol": edition(one.edition),
        "address": one.frame.address.to_string(),
        "control": format!("{:02X}", control.to_byte()),
        "direction": direction(control.from_meter),
        "abnormal": control.abnormal,
        "follow_up": control.follow_up,
        "function": word(&one.function, lang),
        "data": upper(&one.frame.data),
        "values": values(&one.values, lang),
    });
    put(&mut object, "di", one.id.as_ref().map(|id| json!(id)));
    let refused = one.error.as_ref().map(|reasons| {
        let byte = one.frame.data.first().map(|byte| format!("{byte:02X}"));
        let reasons: Vec<&str> = reasons.iter().map(|reason| word(reason, lang)).collect();
        json!({ "byte": byte, "reasons": reasons })
    });
    put(&mut object, "error", refused);
    object
}

fn concentrator(one: &qgdw376::Explained, lang: Language) -> Json {
    let sent = &one.frame;
    let units: Vec<Json> = one
        .units
        .iter()
        .map(|unit| {
            json!({
                "pn": unit.point,
                "fn": unit.function,
                "name": word(&unit.name, lang),
                "values": values(&unit.values, lang),
            })
        })
        .collect();
    let mut object = json!({
        "ok": true,
        "protocol": "qgdw376",
        "pid": qgdw376::Edition::Qgdw376.pid(),
        "region": format!("{:04x}", sent.address.terminal.region),
        "terminal": sent.address.terminal.terminal,
        "group": sent.address.group,
        "msa": sent.address.master,
        "control": format!("{:02X}", sent.control_byte()),
        "direction": direction(sent.control.uplink),
        "afn": format!("{:02X}", sent.afn.to_byte()),
        "afn_name": word(&one.afn, lang),
        "seq": format!("{:02X}", sent.sequence_byte()),
        "units": units,
        "ec": sent.events.map(|events| json!({ "ec1": events.important, "ec2": events.general })),
        "tp": sent.time_tag.map(|tag| json!({
            "pfc": tag.counter,
            "time": tag.time(),
            "permitted_delay_min": tag.permitted_delay,
        })),
        "password": sent.password.is_some(),
    });
    put(&mut object, "rest", (!one.rest.is_empty()).then(|| json!(upper(&one.rest))));
    put(&mut object, "dlt645", one.forwarded.first().map(|bytes| object_of_meter(bytes, lang)));
    object
}

/// A meter's frame inside a concentrator's.
fn object_of_meter(bytes: &[u8], lang: Language) -> Json {
    object(&explain(bytes, Protocol::Dlt645), lang)
}

/// A concentrator's frame, or its header alone: what it is, of whom, and its number.
#[must_use]
pub fn concentrators_frame(bytes: &[u8], whole: bool, lang: Language) -> Json {
    let mut object = object(&explain(bytes, Protocol::Qgdw376), lang);
    if let Some(object) = object.as_object_mut().filter(|_| !whole) {
        object.retain(|key, _| !["units", "rest", "dlt645"].contains(&key.as_str()));
    }
    object
}

/// A concentrator's frame, explained.
#[must_use]
pub fn one_of_concentrator(frame: qgdw376::Frame, lang: Language) -> Json {
    concentrator(&qgdw376::explain(frame), lang)
}

/// A meter's frame, explained; one that was put together is longer than any that is sent.
#[must_use]
pub fn meters_frame(frame: dlt645::Frame, lang: Language) -> Json {
    meter(&dlt645::explain(frame), lang)
}

/// An event of a concentrator, in words.
pub struct Event {
    /// What it is called.
    pub name: String,
    /// Its fields: `name`, `value`, `unit`.
    pub values: Vec<Json>,
}

/// Explains an event by its ERC and its record in hex digits.
#[must_use]
pub fn event(code: u8, content: &str, lang: Language) -> Event {
    let record = qgdw376::EventRecord { code, content: hex::bytes(content).unwrap_or_default() };
    Event { name: word(&record.name(), lang).to_owned(), values: values(&record.values(), lang) }
}

// --- text --------------------------------------------------------------------------------------------------------------

fn text_of(one: &Decoded, lang: Language) -> String {
    match one {
        Ok(Explained::Dlt645(one)) => meter_text(one, lang, ""),
        Ok(Explained::Qgdw376(one)) => concentrator_text(one, lang),
        Ok(Explained::OtherEdition { edition, body }) => format!("{edition}\n  {}\n", spaced(body)),
        Err(Refused { fault, at, detail }) => format!("{} @{at}: {detail}\n", fault.code()),
    }
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

fn told(lang: Language, zh: &'static str, en: &'static str) -> &'static str {
    match lang {
        Language::Zh => zh,
        Language::En => en,
    }
}

/// Widest column of bytes; longer ones are cut.
const BYTES_SHOWN: usize = 8;

fn lines(text: &mut String, values: &[Value], lang: Language, indent: &str) {
    for one in values {
        let value = one.value.as_deref().unwrap_or_else(|| told(lang, "无", "not available"));
        let cut = one.bytes.get(..BYTES_SHOWN).unwrap_or(&one.bytes);
        let more = if one.bytes.len() > BYTES_SHOWN { " …" } else { "" };
        let bytes = format!("{}{more}", spaced(cut));
        let unit = if one.unit == "hex" { "" } else { one.unit };
        let line = format!("{indent}{bytes:26} {}: {value} {unit}", word(&one.name, lang));
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn meter_text(one: &dlt645::Explained, lang: Language, indent: &str) -> String {
    let control = one.frame.control;
    let way = if control.from_meter { told(lang, "应答", "answer") } else { told(lang, "请求", "request") };
    let mut text = format!("{indent}{} {way}\n", edition(one.edition));
    text.push_str(&format!("{indent}  {}: {}\n", told(lang, "地址", "address"), one.frame.address));
    let function = word(&one.function, lang);
    text.push_str(&format!("{indent}  {}: {:02X} {function}\n", told(lang, "控制码", "control"), control.to_byte()));
    if let Some(id) = &one.id {
        text.push_str(&format!("{indent}  {}: {id}\n", told(lang, "数据标识", "data identifier")));
    }
    for reason in one.error.iter().flatten() {
        text.push_str(&format!("{indent}  {}: {}\n", told(lang, "异常", "refused"), word(reason, lang)));
    }
    if control.follow_up {
        text.push_str(&format!("{indent}  {}\n", told(lang, "有后续帧", "follow-up frames exist")));
    }
    lines(&mut text, &one.values, lang, &format!("{indent}  "));
    text
}

fn concentrator_text(one: &qgdw376::Explained, lang: Language) -> String {
    let sent = &one.frame;
    let way = if sent.control.uplink { told(lang, "上行", "uplink") } else { told(lang, "下行", "downlink") };
    let mut text = format!("Q/GDW 376.1 {way}\n");
    let terminal = sent.address.terminal;
    text.push_str(&format!("  {}: {terminal}  MSA {}\n", told(lang, "终端", "terminal"), sent.address.master));
    text.push_str(&format!(
        "  C {:02X}  AFN {:02X} {}  SEQ {:02X}\n",
        sent.control_byte(),
        sent.afn.to_byte(),
        word(&one.afn, lang),
        sent.sequence_byte()
    ));
    for unit in &one.units {
        text.push_str(&format!("  p{} F{} {}\n", unit.point, unit.function, word(&unit.name, lang)));
        lines(&mut text, &unit.values, lang, "    ");
    }
    for bytes in &one.forwarded {
        for inner in explain(bytes, Protocol::Dlt645) {
            match inner {
                Ok(Explained::Dlt645(inner)) => text.push_str(&meter_text(&inner, lang, "    ")),
                other => text.push_str(&format!("    {}", text_of(&other, lang))),
            }
        }
    }
    if !one.rest.is_empty() {
        text.push_str(&format!("  {}  {}\n", spaced(&one.rest), told(lang, "其余字节", "further bytes")));
    }
    if let Some(events) = sent.events {
        text.push_str(&format!("  EC1 {}  EC2 {}\n", events.important, events.general));
    }
    if let Some(tag) = sent.time_tag {
        let time = tag.time().unwrap_or_default();
        text.push_str(&format!("  Tp PFC {}  {time}  {} min\n", tag.counter, tag.permitted_delay));
    }
    text
}

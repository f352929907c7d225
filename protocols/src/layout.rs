//! Layouts as data: what stands where in a message. A row of a table is enough to read a new item.

use crate::bcd;

/// What something is called, in Chinese and English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Name {
    pub(crate) fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// This, of that: `meter 1: address`.
    pub(crate) fn of(&self, whole: &Self) -> Self {
        if whole.en.is_empty() {
            return self.clone();
        }
        let join = |whole: &str, part: &str| {
            if part.is_empty() { whole.to_owned() } else { format!("{whole}: {part}") }
        };
        Self { zh: join(&whole.zh, &self.zh), en: join(&whole.en, &self.en) }
    }
}

/// A field of a message, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// What it is.
    pub name: Name,
    /// A decimal number, a time (`2026-03-02T10:00`), digits or hex; `None` where the sender says "not available", where
    /// digits are none, and for passwords.
    pub value: Option<String>,
    /// Its unit, or empty.
    pub unit: &'static str,
    /// Its bytes as they stand in the message.
    pub bytes: Vec<u8>,
}

/// How a field's bytes are read. All numbers have their low byte first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// Decimal digits: bytes, of these digits so many behind the point.
    Digits(usize, usize),
    /// The same; the top bit is a minus.
    Signed(usize, usize),
    /// fmt 2: three digits, a sign and a power of ten.
    Power,
    /// fmt 3: seven digits, a sign, and whether it counts thousands.
    Thousands,
    /// A binary number of so many bytes.
    Number(usize),
    /// A binary number of so many bytes with so many decimal places.
    Fixed(usize, usize),
    /// A time; a letter for each byte: `s m h D M Y`, `W` a day of the week, `w` day of the week and month (fmt 1).
    Time(&'static str),
    /// So many characters.
    Text(usize),
    /// So many bytes, shown high byte first: addresses and numbers of things.
    Code(usize),
    /// So many bytes as they stand.
    Hex(usize),
    /// Four bytes of an IP address.
    Ip,
    /// So many bytes that are not shown.
    Secret(usize),
    /// Bits, each with its name.
    Flags(usize, &'static [Bits]),
}

/// Named bits of a word: the lowest, how many, and what they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits(pub u32, pub u32, pub &'static str, pub &'static str);

/// A part of a layout.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// A field: Chinese, English, how it is read, unit.
    One(&'static str, &'static str, Format, &'static str),
    /// A binary number that says how often the next group stands there.
    Count(&'static str, &'static str, usize),
    /// A group, as often as was counted: what one is called.
    Each(&'static str, &'static str, &'static [Part]),
    /// A group for each harmonic from the second up to the one that was counted.
    Harmonics(&'static [Part]),
    /// A group once for the total and once for each tariff that was counted.
    Tariffs(&'static [Part]),
    /// A group, until the data ends.
    Many(&'static str, &'static str, &'static [Part]),
    /// Events: ERC, length, content.
    Events,
    /// A meter's frame behind a length of two bytes.
    Frame,
    /// Whatever is left, as it stands.
    Rest,
}

impl Format {
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Digits(bytes, _)
            | Self::Signed(bytes, _)
            | Self::Number(bytes)
            | Self::Fixed(bytes, _)
            | Self::Text(bytes)
            | Self::Code(bytes)
            | Self::Hex(bytes)
            | Self::Secret(bytes)
            | Self::Flags(bytes, _) => bytes,
            Self::Power => 2,
            Self::Thousands | Self::Ip => 4,
            Self::Time(letters) => letters.len(),
        }
    }

    /// Whether the sender says "not available", or "never" of a date.
    fn is_null(self, bytes: &[u8]) -> bool {
        match self {
            // All ones are a number like any other.
            Self::Number(_) | Self::Fixed(..) | Self::Flags(..) | Self::Ip | Self::Hex(_) => false,
            Self::Time(letters) if letters.contains('D') && bytes.iter().all(|byte| *byte == 0) => true,
            _ => bcd::is_null(bytes),
        }
    }

    /// The value of exactly this format's bytes.
    fn value(self, bytes: &[u8]) -> Option<String> {
        if self.is_null(bytes) {
            return None;
        }
        match self {
            Self::Digits(_, places) => decimal(bcd::decode(bytes).ok()?, places, false),
            Self::Signed(_, places) => {
                let (top, rest) = bytes.split_last()?;
                let magnitude = bcd::decode(&[rest, &[top & 0x7F]].concat()).ok()?;
                decimal(magnitude, places, top & 0x80 != 0)
            }
            Self::Power => power(bytes),
            Self::Thousands => {
                let (top, rest) = bytes.split_last()?;
                let digits = bcd::decode(&[rest, &[top & 0x0F]].concat()).ok()?;
                let number = if top & 0x40 == 0 { digits } else { digits * 1000 };
                decimal(number, 0, top & 0x10 != 0)
            }
            Self::Number(_) => Some(number(bytes).to_string()),
            Self::Fixed(_, places) => decimal(number(bytes), places, false),
            Self::Time(letters) => time(letters, bytes),
            Self::Text(_) => {
                let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
                Some(bytes.get(..end)?.iter().map(|byte| printable(*byte)).collect())
            }
            Self::Code(_) => Some(bytes.iter().rev().map(|byte| format!("{byte:02X}")).collect()),
            Self::Hex(_) => Some(hex(bytes)),
            Self::Ip => Some(bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")),
            Self::Secret(_) => None,
            Self::Flags(..) => Some(format!("{:0width$X}", number(bytes), width = bytes.len() * 2)),
        }
    }
}

/// As upper-case digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn printable(byte: u8) -> char {
    if byte == b' ' || byte.is_ascii_graphic() { char::from(byte) } else { '.' }
}

/// A binary number, low byte first; of more than eight bytes the low eight.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn decimal(digits: u64, places: usize, minus: bool) -> Option<String> {
    let sign = if minus { "-" } else { "" };
    let unit = 10_u64.checked_pow(u32::try_from(places).ok()?)?;
    let (whole, rest) = (digits / unit, digits % unit);
    Some(if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest:0places$}") })
}

/// fmt 2: 10^4 for 0 down to 10^-3 for 7. Source: docs/protocols/qgdw376.md section 4.
fn power(bytes: &[u8]) -> Option<String> {
    let [low, high] = bytes.try_into().ok()?;
    let digits = bcd::decode(&[low, high & 0x0F]).ok()?;
    let (exponent, minus) = (high >> 5, high & 0x10 != 0);
    match usize::from(exponent) {
        larger @ 0..=4 => decimal(digits * 10_u64.pow(u32::try_from(4 - larger).ok()?), 0, minus),
        smaller => decimal(digits, smaller - 4, minus),
    }
}

/// Digits of a time as they were sent; whether there is such a day is not looked at, because 99 means "any".
pub(crate) fn time(letters: &str, bytes: &[u8]) -> Option<String> {
    let find = |letter: char| -> Option<Option<u8>> {
        let Some(at) = letters.find(letter) else { return Some(None) };
        let byte = *bytes.get(at)?;
        let byte = if letter == 'w' { byte & 0x1F } else { byte };
        bcd::decode_byte(byte).ok().map(Some)
    };
    let (year, month, week_month, day) = (find('Y')?, find('M')?, find('w')?, find('D')?);
    let date: Vec<String> = [year.map(|year| format!("20{year:02}"))]
        .into_iter()
        .chain([month.or(week_month), day].map(|part| part.map(|part| format!("{part:02}"))))
        .flatten()
        .collect();
    let clock: Vec<String> =
        [find('h')?, find('m')?, find('s')?].into_iter().flatten().map(|part| format!("{part:02}")).collect();
    let (date, clock) = (date.join("-"), clock.join(":"));
    Some(match (date.is_empty(), clock.is_empty()) {
        (false, false) => format!("{date}T{clock}"),
        (false, true) => date,
        _ => clock,
    })
}

/// What of a message is not read yet, and what was read.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    left: &'a [u8],
    /// What the last count said.
    counted: u64,
    pub(crate) values: Vec<Value>,
    /// Meters' frames inside.
    pub(crate) frames: Vec<Vec<u8>>,
}

/// The data ends inside a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short;

impl<'a> Reading<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { left: data, counted: 0, values: Vec::new(), frames: Vec::new() }
    }

    pub(crate) const fn left(&self) -> &'a [u8] {
        self.left
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Short> {
        let (taken, left) = self.left.split_at_checked(bytes).ok_or(Short)?;
        self.left = left;
        Ok(taken)
    }

    /// What is left as it stands, if anything is.
    pub(crate) fn rest(&mut self) {
        let left = std::mem::take(&mut self.left);
        if !left.is_empty() {
            let name = Name::new("其余字节", "further bytes");
            self.values.push(Value { name, value: Some(hex(left)), unit: "hex", bytes: left.to_vec() });
        }
    }

    /// Reads a layout; where the data ends too early, what was read stays.
    pub(crate) fn parts(&mut self, parts: &[Part], whole: &Name) -> Result<(), Short> {
        parts.iter().try_for_each(|part| self.part(part, whole))
    }

    fn part(&mut self, part: &Part, whole: &Name) -> Result<(), Short> {
        match *part {
            Part::One(zh, en, format, unit) => self.one(&Name::new(zh, en).of(whole), format, unit),
            Part::Count(zh, en, bytes) => {
                let taken = self.take(bytes)?;
                self.counted = number(taken);
                let name = Name::new(zh, en).of(whole);
                let value = Some(self.counted.to_string());
                self.values.push(Value { name, value, unit: "", bytes: taken.to_vec() });
                Ok(())
            }
            Part::Each(zh, en, group) => (1..=self.counted).try_for_each(|nth| {
                self.parts(group, &Name::new(format!("{zh}{nth}"), format!("{en} {nth}")).of(whole))
            }),
            Part::Harmonics(group) => (2..=self.counted).try_for_each(|nth| {
                self.parts(group, &Name::new(format!("{nth}次谐波"), format!("harmonic {nth}")).of(whole))
            }),
            Part::Tariffs(group) => (0..=self.counted).try_for_each(|nth| self.parts(group, &tariff(nth).of(whole))),
            Part::Many(zh, en, group) => {
                let mut nth = 0_u64;
                while !self.left.is_empty() {
                    let before = self.left.len();
                    nth += 1;
                    self.parts(group, &Name::new(format!("{zh}{nth}"), format!("{en} {nth}")).of(whole))?;
                    if self.left.len() == before {
                        break;
                    }
                }
                Ok(())
            }
            Part::Events => crate::qgdw376::explain_events(self),
            Part::Frame => {
                let length = number(self.take(2)?);
                let frame = self.take(usize::try_from(length).map_err(|_| Short)?)?;
                self.frames.push(frame.to_vec());
                Ok(())
            }
            Part::Rest => {
                self.rest();
                Ok(())
            }
        }
    }

    pub(crate) fn one(&mut self, name: &Name, format: Format, unit: &'static str) -> Result<(), Short> {
        let bytes = self.take(format.length())?;
        let value = format.value(bytes);
        let bad = value.is_none() && !format.is_null(bytes) && !matches!(format, Format::Secret(_));
        let shown = if matches!(format, Format::Secret(_)) { Vec::new() } else { bytes.to_vec() };
        let name = if bad {
            Name::new(format!("{}（无效）", name.zh), format!("{} (invalid)", name.en))
        } else {
            name.clone()
        };
        self.values.push(Value { name: name.clone(), value, unit, bytes: shown });
        if let Format::Flags(_, bits) = format {
            let word = number(bytes);
            for Bits(lowest, wide, zh, en) in bits {
                let value = word >> lowest & ((1 << wide) - 1);
                let name = Name::new(*zh, *en).of(&name);
                self.values.push(Value { name, value: Some(value.to_string()), unit: "", bytes: Vec::new() });
            }
        }
        Ok(())
    }
}

/// The total, or a tariff: 尖 峰 平 谷 and further ones by their number.
pub(crate) fn tariff(nth: u64) -> Name {
    match nth {
        0 => Name::new("总", "total"),
        1 => Name::new("费率1（尖）", "tariff 1 (sharp)"),
        2 => Name::new("费率2（峰）", "tariff 2 (peak)"),
        3 => Name::new("费率3（平）", "tariff 3 (flat)"),
        4 => Name::new("费率4（谷）", "tariff 4 (valley)"),
        nth => Name::new(format!("费率{nth}"), format!("tariff {nth}")),
    }
}

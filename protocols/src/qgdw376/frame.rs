//! The envelope: `68 L L 68 C A AFN SEQ data [PW or EC] [Tp] CS 16`, and the fields peeled off the end of its data.
//!
//! Records inside the data have no count of their own, so the auxiliary fields must go first: which of them are there
//! follows from direction, AFN, ACD and TpV. Source: docs/protocols/qgdw376.md section 1.

use std::fmt;

use jiff::civil::DateTime;

use super::{Address, FrameView};
use crate::{
    EncodeError, FrameError, FrameFormat, Secret, formats,
    framer::{END, checksum},
    layout,
};

/// The longest frame in bytes: 8 around up to 16383.
pub const MAX_FRAME: usize = 8 + MAX_BODY;

const MAX_BODY: usize = 16_383;
/// C, A and AFN, SEQ.
pub(crate) const MIN_BODY: usize = 8;
/// DA and DT, which any message has before a password.
pub(super) const UNIT_ID: usize = 4;

/// The edition in the lowest two bits of the length (pid).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edition {
    /// 0: disabled.
    Disabled,
    /// 1: Q/GDW 130-2005, whose bodies and passwords are shorter.
    Qgdw130,
    /// 2: Q/GDW 376.1-2009 and 1376.1-2013, the only one spoken here.
    Qgdw376,
    /// 3: reserved; some private dialects use it.
    Reserved,
}

impl Edition {
    #[inline]
    pub(super) const fn from_length(length: u16) -> Self {
        match length & 0b11 {
            0 => Self::Disabled,
            1 => Self::Qgdw130,
            2 => Self::Qgdw376,
            _ => Self::Reserved,
        }
    }
}

impl Edition {
    /// The two bits.
    #[must_use]
    pub const fn pid(self) -> u8 {
        match self {
            Self::Disabled => 0,
            Self::Qgdw130 => 1,
            Self::Qgdw376 => 2,
            Self::Reserved => 3,
        }
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disabled => "disabled (pid 0)",
            Self::Qgdw130 => "Q/GDW 130-2005 (pid 1)",
            Self::Qgdw376 => "Q/GDW 376.1 (pid 2)",
            Self::Reserved => "reserved (pid 3)",
        })
    }
}

/// The control field C. ACD is not here: it is whether [`Frame::events`] is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// DIR: sent by the concentrator.
    pub uplink: bool,
    /// PRM: sent by the side that began the exchange.
    pub primary: bool,
    /// FCB: changes with each new request to one concentrator and stays when repeated. Downlink only.
    pub fcb: bool,
    /// FCV: FCB counts. Reserved in uplink frames.
    pub fcv: bool,
    /// D3-D0.
    pub function: u8,
}

impl Control {
    #[inline]
    pub(super) fn from_byte(byte: u8) -> Self {
        let uplink = byte & 0x80 != 0;
        Self {
            uplink,
            primary: byte & 0x40 != 0,
            fcb: !uplink && byte & 0x20 != 0,
            fcv: byte & 0x10 != 0,
            function: byte & 0x0F,
        }
    }

    fn to_byte(self, acd: bool) -> u8 {
        let bit_5 = if self.uplink { acd } else { self.fcb };
        u8::from(self.uplink) << 7
            | u8::from(self.primary) << 6
            | u8::from(bit_5) << 5
            | u8::from(self.fcv) << 4
            | self.function & 0x0F
    }
}

/// Function codes of [`Control`]. Source: docs/protocols/qgdw376.md section 1.
pub(super) mod function {
    /// Answer: done.
    pub const ACKNOWLEDGE: u8 = 0;
    /// Answer: here it is.
    pub const USER_DATA: u8 = 8;
    /// Answer: there is none.
    pub const NO_DATA: u8 = 9;
    /// Answer to a link test.
    pub const LINK_STATE: u8 = 11;
    /// Request: link test.
    pub const LINK_TEST: u8 = 9;
    /// Request of class 1.
    pub const CLASS_1: u8 = 10;
    /// Request of class 2.
    pub const CLASS_2: u8 = 11;
}

/// The application functions. Source: docs/protocols/qgdw376.md section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Afn {
    /// 00: confirm or deny.
    Confirm,
    /// 02: login, heartbeat, logout.
    Link,
    /// 04: set parameters.
    Set,
    /// 05: control.
    Control,
    /// 0A: query parameters.
    Query,
    /// 0C: class 1, the present.
    Realtime,
    /// 0D: class 2, the past.
    History,
    /// 0E: class 3, the events.
    Events,
    /// 10: forward to a meter.
    Forward,
    /// Any other; frames of it decode, messages do not.
    Other(u8),
}

impl Afn {
    /// From the byte.
    #[must_use]
    #[inline]
    pub const fn from_byte(byte: u8) -> Self {
        match byte {
            0x00 => Self::Confirm,
            0x02 => Self::Link,
            0x04 => Self::Set,
            0x05 => Self::Control,
            0x0A => Self::Query,
            0x0C => Self::Realtime,
            0x0D => Self::History,
            0x0E => Self::Events,
            0x10 => Self::Forward,
            other => Self::Other(other),
        }
    }

    /// The byte.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Confirm => 0x00,
            Self::Link => 0x02,
            Self::Set => 0x04,
            Self::Control => 0x05,
            Self::Query => 0x0A,
            Self::Realtime => 0x0C,
            Self::History => 0x0D,
            Self::Events => 0x0E,
            Self::Forward => 0x10,
            Self::Other(other) => other,
        }
    }

    /// Whether a request of it asks, and changes nothing: 09, 0A, 0C, 0D. Whether events were read is remembered, so that 0E is none.
    #[must_use]
    pub const fn is_question(self) -> bool {
        matches!(self.to_byte(), 0x09 | 0x0A | 0x0C | 0x0D)
    }

    /// Whether requests of it end with a password: 01, 04, 05, 06, 0F, 10.
    #[must_use]
    #[inline]
    pub const fn has_password(self) -> bool {
        matches!(self.to_byte(), 0x01 | 0x04 | 0x05 | 0x06 | 0x0F | 0x10)
    }
}

impl fmt::Display for Afn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AFN {:02X}H", self.to_byte())
    }
}

/// SEQ. TpV is not here: it is whether [`Frame::time_tag`] is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    /// FIR: the first frame of a message.
    pub first: bool,
    /// FIN: the last frame of a message.
    pub last: bool,
    /// CON: an answer is wanted.
    pub confirm: bool,
    /// PSEQ or RSEQ, 0..=15: an answer carries its request's.
    pub number: u8,
}

impl Sequence {
    /// A message of one frame. Only the low four bits of `number` are sent.
    #[must_use]
    pub const fn single(number: u8, confirm: bool) -> Self {
        Self { first: true, last: true, confirm, number: number & 0x0F }
    }

    pub(super) const fn from_byte(byte: u8) -> Self {
        Self { first: byte & 0x40 != 0, last: byte & 0x20 != 0, confirm: byte & 0x10 != 0, number: byte & 0x0F }
    }

    fn to_byte(self, time_tag: bool) -> u8 {
        u8::from(time_tag) << 7
            | u8::from(self.first) << 6
            | u8::from(self.last) << 5
            | u8::from(self.confirm) << 4
            | self.number & 0x0F
    }
}

/// EC: how many events the concentrator has counted, modulo 256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCounters {
    /// EC1.
    pub important: u8,
    /// EC2.
    pub general: u8,
}

/// Tp. Kept as sent: an answer's may show the concentrator's own clock, so two are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeTag {
    /// PFC: grows with each new request, unchanged when repeated.
    pub counter: u8,
    /// ss mm hh DD in BCD (fmt 16).
    pub sent: [u8; 4],
    /// The concentrator ignores a request that took longer, in minutes; 0: never.
    pub permitted_delay: u8,
}

impl TimeTag {
    /// For a request sent at `sent`, the site's local time.
    pub fn new(counter: u8, sent: DateTime, permitted_delay: u8) -> Result<Self, EncodeError> {
        Ok(Self { counter, sent: formats::encode_day_time_16(sent)?, permitted_delay })
    }

    /// When it was sent, as `DDThh:mm:ss`; none where its digits are none.
    #[must_use]
    pub fn time(&self) -> Option<String> {
        layout::time("smhD", &self.sent)
    }

    pub(super) const fn from_wire([counter, second, minute, hour, day, permitted_delay]: [u8; 6]) -> Self {
        Self { counter, sent: [second, minute, hour, day], permitted_delay }
    }

    const fn to_wire(self) -> [u8; 6] {
        let [second, minute, hour, day] = self.sent;
        [self.counter, second, minute, hour, day, self.permitted_delay]
    }
}

/// A Q/GDW 376.1 frame in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// C.
    pub control: Control,
    /// A.
    pub address: Address,
    /// AFN.
    pub afn: Afn,
    /// SEQ.
    pub sequence: Sequence,
    /// The units with their data, without auxiliary fields.
    pub data: Vec<u8>,
    /// PW, in requests that change or forward something. A request too short for one has none.
    pub password: Option<Secret<16>>,
    /// EC, in uplink frames with ACD set.
    pub events: Option<EventCounters>,
    /// Tp, where TpV is set.
    pub time_tag: Option<TimeTag>,
}

impl Frame {
    /// The bytes to send.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut body = vec![self.control_byte()];
        body.extend(self.address.to_wire());
        body.extend([self.afn.to_byte(), self.sequence_byte()]);
        body.extend(&self.data);
        body.extend(self.password.iter().flat_map(Secret::bytes));
        body.extend(self.events.iter().flat_map(|events| [events.important, events.general]));
        body.extend(self.time_tag.iter().flat_map(|tag| tag.to_wire()));

        let too_long = EncodeError::OutOfRange("data length");
        if body.len() > MAX_BODY {
            return Err(too_long);
        }
        let [low, high] = u16::try_from(body.len() << 2 | 0b10).map_err(|_| too_long)?.to_le_bytes();
        let mut bytes = vec![0x68, low, high, low, high, 0x68];
        bytes.extend(&body);
        bytes.extend([checksum(&body), END]);
        Ok(bytes)
    }

    /// C as it stands on the wire.
    #[must_use]
    pub fn control_byte(&self) -> u8 {
        self.control.to_byte(self.events.is_some())
    }

    /// SEQ as it stands on the wire.
    #[must_use]
    pub fn sequence_byte(&self) -> u8 {
        self.sequence.to_byte(self.time_tag.is_some())
    }

    /// The frame, from exactly its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        FrameView::decode(bytes).map(FrameView::into_owned)
    }
}

impl FrameFormat for Frame {
    type View<'a> = FrameView<'a>;
    const PREAMBLE: Option<u8> = None;
    const HEADER: usize = 6;

    fn length(header: &[u8]) -> Result<usize, FrameError> {
        let [_, low, high, low_again, high_again, second_start, ..] = header else { return Err(FrameError::Cut) };
        let length = u16::from_le_bytes([*low, *high]);
        let again = u16::from_le_bytes([*low_again, *high_again]);
        if *second_start != 0x68 {
            return Err(FrameError::SecondStart(*second_start));
        }
        if length != again {
            return Err(FrameError::LengthsDiffer(length, again));
        }
        let body = usize::from(length >> 2);
        if body < MIN_BODY { Err(FrameError::TooShort(8 + body)) } else { Ok(8 + body) }
    }

    fn view(bytes: &[u8]) -> Result<FrameView<'_>, FrameError> {
        FrameView::decode(bytes)
    }

    fn owned(view: FrameView<'_>) -> Self {
        view.into_owned()
    }
}

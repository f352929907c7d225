//! What is said inside the frames of the 2007 edition, from both sides.

use super::{Control, DataId, Frame, Item, MeterAddress, RelayControl, Value};
use jiff::civil::DateTime;

use crate::{DecodeError, EncodeError, formats, wire::Reader};

/// Function codes (D4-D0 of the control byte). Source: docs/protocols/dlt645.md section 2.
pub mod function {
    /// Set the clocks of all meters of a line.
    pub const BROADCAST_TIME: u8 = 0x08;
    /// Read an item.
    pub const READ: u8 = 0x11;
    /// Read what follows the first frame of a long item.
    pub const READ_FOLLOW_UP: u8 = 0x12;
    /// Control the relay.
    pub const RELAY: u8 = 0x1C;
}

/// 08H: tells all meters of a line the time; nobody answers. Meters heed it only within some minutes of their own time, and once a
/// day. Source: docs/protocols/dlt645.md, sections 1 and 6.
pub fn broadcast_time(now: DateTime) -> Result<Frame, EncodeError> {
    let data = formats::encode_seconds_first(now)?.to_vec();
    Ok(Frame { address: MeterAddress::BROADCAST, control: Control::request(function::BROADCAST_TIME), data })
}

/// What the head end asks of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// 11H: read an item.
    Read(Item),
    /// 1CH: disconnect, reconnect, or permit to reconnect.
    Relay(RelayControl),
}

/// What a meter answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 91H: the item asked for.
    Value(Value),
    /// 9CH: the relay command was taken. It proves nothing about the relay: read [`Item::Relay`].
    RelayTaken,
    /// D1H, DCH: the meter refuses the function.
    Refused {
        /// The function asked for.
        function: u8,
        /// Why.
        error: MeterError,
    },
}

/// The error byte ERR of an abnormal answer, by named bits. Source: docs/protocols/dlt645.md section 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterError(pub u8);

impl MeterError {
    /// Bit 0 alone: any other reason.
    pub const OTHER: Self = Self(0x01);
    /// Bit 1 alone: the meter does not have what was asked for.
    pub const NO_DATA: Self = Self(0x02);
    /// Bit 2 alone: wrong password or not authorised.
    pub const PASSWORD: Self = Self(0x04);

    /// Wrong password or not authorised. Meters lock after repeated ones: never try again by yourself.
    #[must_use]
    pub const fn password(self) -> bool {
        self.0 & Self::PASSWORD.0 != 0
    }

    /// The meter does not have what was asked for.
    #[must_use]
    pub const fn no_data(self) -> bool {
        self.0 & Self::NO_DATA.0 != 0
    }
}

/// Why a sound frame is not the message expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A request where an answer was expected, or the other way round.
    #[error("sent in the wrong direction")]
    Direction,
    /// Another meter answers.
    #[error("meter {0} answers instead")]
    OtherMeter(MeterAddress),
    /// An answer to something else, perhaps a late one.
    #[error("function {found:02X}H answers {asked:02X}H")]
    OtherFunction {
        /// Asked for.
        asked: u8,
        /// Answered.
        found: u8,
    },
    /// An answer about another item, perhaps a late one.
    #[error("item {found} answers {asked}")]
    OtherItem {
        /// Asked for.
        asked: DataId,
        /// Answered.
        found: DataId,
    },
    /// The answer goes on in follow-up frames, which no item here needs.
    #[error("answer continues in follow-up frames")]
    FollowUp,
    /// Another piece of a long answer, perhaps a late one.
    #[error("piece {found} answers {asked}")]
    OtherPiece {
        /// Asked for.
        asked: u8,
        /// Answered.
        found: u8,
    },
    /// More follow-up frames than there are numbers.
    #[error("the answer has more than 255 follow-up frames")]
    TooLong,
    /// A function that is not spoken here.
    #[error("unknown function {0:02X}H")]
    UnknownFunction(u8),
    /// A data identifier that is not spoken here.
    #[error("unknown data identifier {0}")]
    UnknownItem(DataId),
    /// A field makes no sense.
    #[error(transparent)]
    Field(#[from] DecodeError),
}

impl Request {
    /// The function asked for.
    #[must_use]
    #[inline]
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read(_) => function::READ,
            Self::Relay(_) => function::RELAY,
        }
    }

    /// The frame that asks `meter`.
    pub fn frame(&self, meter: MeterAddress) -> Result<Frame, EncodeError> {
        let data = match self {
            Self::Read(item) => item.id().0.to_le_bytes().to_vec(),
            Self::Relay(control) => control.encode()?,
        };
        Ok(Frame { address: meter, control: Control::request(self.function()), data })
    }

    /// The request inside a frame: the meter's side.
    pub fn decode(frame: &Frame) -> Result<Self, MessageError> {
        if frame.control.from_meter {
            return Err(MessageError::Direction);
        }
        match frame.control.function {
            function::READ => {
                let mut reader = Reader::new(&frame.data);
                let id = DataId(u32::from_le_bytes(reader.array()?));
                let item = Item::from_id(id).ok_or(MessageError::UnknownItem(id))?;
                reader.end()?;
                Ok(Self::Read(item))
            }
            function::RELAY => Ok(Self::Relay(RelayControl::decode(&frame.data)?)),
            other => Err(MessageError::UnknownFunction(other)),
        }
    }

    /// The answer inside a frame, if it answers this request to `meter`: direction, address, function and identifier
    /// are checked, because late answers to earlier requests do occur.
    pub fn answer(&self, meter: MeterAddress, frame: &Frame) -> Result<Answer, MessageError> {
        self.answer_in(meter, frame.address, frame.control, &frame.data)
    }

    #[inline]
    pub(super) fn answer_in(
        &self,
        meter: MeterAddress,
        from: MeterAddress,
        control: Control,
        data: &[u8],
    ) -> Result<Answer, MessageError> {
        if !control.from_meter {
            return Err(MessageError::Direction);
        }
        if from != meter {
            return Err(MessageError::OtherMeter(from));
        }
        if control.function != self.function() {
            return Err(MessageError::OtherFunction { asked: self.function(), found: control.function });
        }
        let mut reader = Reader::new(data);
        if control.abnormal {
            return Ok(Answer::Refused { function: control.function, error: MeterError(reader.u8()?) });
        }
        if control.follow_up {
            return Err(MessageError::FollowUp);
        }
        match self {
            Self::Read(item) => {
                let (asked, found) = (item.id(), DataId(u32::from_le_bytes(reader.array()?)));
                if asked != found {
                    return Err(MessageError::OtherItem { asked, found });
                }
                Ok(Answer::Value(item.decode(reader.rest())?))
            }
            Self::Relay(_) => {
                reader.end()?;
                Ok(Answer::RelayTaken)
            }
        }
    }
}

impl Answer {
    /// The frame in which `meter` answers: the meter's side.
    pub fn frame(&self, meter: MeterAddress) -> Result<Frame, EncodeError> {
        let answer = |function, abnormal| Control { from_meter: true, abnormal, follow_up: false, function };
        let (control, data) = match self {
            Self::Value(value) => {
                let mut data = value.item().id().0.to_le_bytes().to_vec();
                data.extend(value.encode()?);
                (answer(function::READ, false), data)
            }
            Self::RelayTaken => (answer(function::RELAY, false), Vec::new()),
            Self::Refused { function, error } => (answer(*function, true), vec![error.0]),
        };
        Ok(Frame { address: meter, control, data })
    }
}

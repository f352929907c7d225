//! Parameters of a concentrator that are set and read back: its heartbeat, the master station that it dials, and which events it
//! notes (AFN04 and AFN0A F1, F3, F9).
//!
//! Source: docs/protocols/qgdw376.md, AFN04.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::{Afn, Frame, MessageError, function::parameter as function, unit::Head};
use crate::{DecodeError, EncodeError, wire::Reader};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// F1.
    Uplink(UplinkPort),
    /// F3.
    Master(Master),
    /// F9.
    Events(EventSelection),
}

/// F1: how a concentrator keeps its link to the master station.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UplinkPort {
    /// What stands before the heartbeat: delays, time-out, retries and which classes of data want a confirmation. Sources
    /// disagree about some of it, so it is passed on as it is.
    pub timing: [u8; 5],
    /// Time between two heartbeats, in minutes.
    pub heartbeat_min: u8,
}

/// F3: whom a concentrator dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// The master station.
    pub main: SocketAddrV4,
    /// Where to dial if that does not answer; 0.0.0.0:0: nowhere.
    pub backup: SocketAddrV4,
    /// The access point name, up to 16 ASCII characters.
    pub apn: String,
}

/// F9: which events a concentrator notes, and which of them are important; a bit for each ERC, that of ERC 1 the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSelection {
    /// Those it notes.
    pub noted: u64,
    /// Those it announces by ACD.
    pub important: u64,
}

/// Bytes of an access point name.
const APN: usize = 16;

impl Parameter {
    /// Fn of AFN04 and AFN0A.
    #[must_use]
    pub const fn function(&self) -> u16 {
        match self {
            Self::Uplink(_) => function::UPLINK,
            Self::Master(_) => function::MASTER,
            Self::Events(_) => function::EVENTS,
        }
    }

    /// Fn of each.
    pub const FUNCTIONS: [u16; 3] = [Self::UPLINK, Self::MASTER, Self::EVENTS];
    /// Fn of [`Self::Uplink`].
    pub const UPLINK: u16 = function::UPLINK;
    /// Fn of [`Self::Master`].
    pub const MASTER: u16 = function::MASTER;
    /// Fn of [`Self::Events`].
    pub const EVENTS: u16 = function::EVENTS;

    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::Uplink(UplinkPort { timing, heartbeat_min }) => Ok([&timing[..], &[*heartbeat_min]].concat()),
            Self::Master(Master { main, backup, apn }) => {
                if apn.len() > APN || !apn.is_ascii() {
                    return Err(EncodeError::OutOfRange("access point name"));
                }
                let mut bytes = [place(*main), place(*backup)].concat();
                bytes.extend(apn.bytes().chain(std::iter::repeat(0)).take(APN));
                Ok(bytes)
            }
            Self::Events(EventSelection { noted, important }) => {
                Ok([noted.to_le_bytes(), important.to_le_bytes()].concat())
            }
        }
    }

    /// The parameter that a concentrator tells when it was asked for it.
    ///
    /// # Errors
    /// The frame is something else, or its layout another.
    pub fn decode(frame: &Frame) -> Result<Self, MessageError> {
        let head = Head::decode(frame)?;
        if frame.afn != Afn::Query && frame.afn != Afn::Set {
            return Err(head.unknown());
        }
        let mut content = head.single()?;
        let parameter = Self::read(head.function, &mut content)?.ok_or(head.unknown())?;
        content.end()?;
        Ok(parameter)
    }

    fn read(function: u16, content: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match function {
            function::UPLINK => Self::Uplink(UplinkPort { timing: content.array()?, heartbeat_min: content.u8()? }),
            function::MASTER => Self::Master(Master {
                main: take_place(content)?,
                backup: take_place(content)?,
                apn: text(content.array::<APN>()?),
            }),
            function::EVENTS => Self::Events(EventSelection {
                noted: u64::from_le_bytes(content.array()?),
                important: u64::from_le_bytes(content.array()?),
            }),
            _ => return Ok(None),
        }))
    }
}

fn place(at: SocketAddrV4) -> Vec<u8> {
    [&at.ip().octets()[..], &at.port().to_le_bytes()].concat()
}

fn take_place(content: &mut Reader<'_>) -> Result<SocketAddrV4, DecodeError> {
    let ip = Ipv4Addr::from(content.array::<4>()?);
    Ok(SocketAddrV4::new(ip, content.u16()?))
}

/// Characters up to the padding; what is no character is a dot.
fn text(bytes: [u8; APN]) -> String {
    let padding = |byte: &u8| matches!(byte, 0 | b' ');
    let end = bytes.iter().rposition(|byte| !padding(byte)).map_or(0, |last| last + 1);
    bytes.iter().take(end).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Secret,
        qgdw376::{Address, Downlink, RequestHeader, TerminalAddress},
    };

    fn header() -> RequestHeader {
        let address = Address::new(TerminalAddress { region: 0x1101, terminal: 17 }, 1);
        RequestHeader { address, counter: 0, fcb: None, password: Secret::ZERO, time_tag: None }
    }

    fn parameters() -> impl Strategy<Value = Parameter> {
        let place = || any::<([u8; 4], u16)>().prop_map(|(ip, port)| SocketAddrV4::new(ip.into(), port));
        prop_oneof![
            any::<([u8; 5], u8)>()
                .prop_map(|(timing, heartbeat_min)| Parameter::Uplink(UplinkPort { timing, heartbeat_min })),
            (place(), place(), "[!-~]{0,16}").prop_map(|(main, backup, apn)| Parameter::Master(Master {
                main,
                backup,
                apn
            })),
            any::<(u64, u64)>().prop_map(|(noted, important)| Parameter::Events(EventSelection { noted, important })),
        ]
    }

    #[test]
    fn the_heartbeat_is_the_last_byte_of_a_real_f1() {
        let mut content = Reader::new(&[0x0A, 0x14, 0x1E, 0x03, 0x07, 0x0F]);
        let Ok(Some(Parameter::Uplink(read))) = Parameter::read(1, &mut content) else { panic!("no F1") };
        assert_eq!(read.heartbeat_min, 15);
    }

    #[test]
    fn ports_are_low_byte_first_and_names_padded_with_zeros() {
        let main = "10.0.0.7:7376".parse().unwrap();
        let master = Parameter::Master(Master { main, backup: "0.0.0.0:0".parse().unwrap(), apn: "cmnet".to_owned() });
        let mut expected = vec![10, 0, 0, 7, 0xD0, 0x1C, 0, 0, 0, 0, 0, 0];
        expected.extend(b"cmnet\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(master.encode().unwrap(), expected);
        for apn in ["seventeen-letters", "名"] {
            let Parameter::Master(master) = master.clone() else { panic!() };
            let long = Parameter::Master(Master { apn: apn.to_owned(), ..master });
            assert_eq!(long.encode(), Err(EncodeError::OutOfRange("access point name")), "{apn}");
        }
    }

    proptest! {
        #[test]
        fn every_parameter_goes_round(parameter in parameters()) {
            let said = Downlink::SetParameter(parameter.clone());
            let frame = Frame::decode(&said.frame(&header()).unwrap().encode().unwrap()).unwrap();
            prop_assert_eq!(Downlink::decode(&frame), Ok(said));
            prop_assert_eq!(Parameter::decode(&frame), Ok(parameter));
        }
    }
}

//! AFN00: confirmed, denied, or one by one.

use super::{
    Afn, Control, Frame, MessageError, Sequence,
    frame::function,
    function::confirm,
    unit::{Head, next_units, unit},
};
use crate::EncodeError;

/// AFN00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// F1: all is well.
    All,
    /// F2: nothing was done; also when a meter stays silent behind a [`super::Forward`].
    Denied,
    /// F3: one result per unit of the message that is answered.
    OneByOne {
        /// The AFN that is answered.
        afn: Afn,
        /// The results.
        results: Vec<UnitResult>,
    },
}

/// One line of AFN00 F3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitResult {
    /// The measuring point.
    pub point: u16,
    /// Fn.
    pub function: u16,
    /// 0: done; anything else: refused.
    pub error: u8,
}

impl Confirmation {
    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        match self {
            Self::All => Ok(unit(0, confirm::ALL)?.to_vec()),
            Self::Denied => Ok(unit(0, confirm::DENIED)?.to_vec()),
            Self::OneByOne { afn, results } => {
                let mut data = unit(0, confirm::ONE_BY_ONE)?.to_vec();
                data.push(afn.to_byte());
                for result in results {
                    data.extend(unit(result.point, result.function)?);
                    data.push(result.error);
                }
                Ok(data)
            }
        }
    }

    /// F1 and F2 have no content; what some devices append is not looked at.
    pub(super) fn decode(head: &Head<'_>) -> Result<Self, MessageError> {
        let mut content = head.single()?;
        match head.function {
            confirm::ALL => Ok(Self::All),
            confirm::DENIED => Ok(Self::Denied),
            confirm::ONE_BY_ONE => {
                let afn = Afn::from_byte(content.u8()?);
                let mut results = Vec::new();
                while content.left() > 4 {
                    let units = next_units(&mut content)?;
                    let error = content.u8()?;
                    results.extend(units.into_iter().map(|(point, function)| UnitResult { point, function, error }));
                }
                Ok(Self::OneByOne { afn, results })
            }
            _ => Err(head.unknown()),
        }
    }
}

impl Frame {
    /// The head end's confirmation (AFN00 F1) of this login, heartbeat, logout or report: same address, same number.
    #[must_use]
    pub fn confirmation(&self) -> Self {
        Self {
            control: Control { uplink: false, primary: false, fcb: false, fcv: false, function: function::LINK_STATE },
            address: self.address,
            afn: Afn::Confirm,
            sequence: Sequence::single(self.sequence.number, false),
            data: vec![0, 0, 1, 0],
            password: None,
            events: None,
            time_tag: None,
        }
    }
}

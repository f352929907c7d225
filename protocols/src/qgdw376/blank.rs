//! Frames as they may be shown: every password in them is zeros, so that they still decode.

use super::{Afn, ArchiveRecord, Downlink, Forward, Forwarded, Frame, Uplink, archive};
use crate::{EncodeError, Secret, dlt645};

impl Frame {
    /// The same frame with zeros for its own password, for those in archive records and for those in meters' frames inside. What
    /// cannot be read is zeros as well where a password may stand in it.
    #[must_use]
    pub fn blanked(&self) -> Self {
        let password = self.password.map(|_| Secret::ZERO);
        let data = match self.data_without_secrets() {
            Ok(Some(data)) => data,
            Ok(None) => self.data.clone(),
            Err(_) => self.data.iter().enumerate().map(|(at, byte)| if at < HEAD { *byte } else { 0 }).collect(),
        };
        Self { password, data, ..self.clone() }
    }

    /// `None`: there are none.
    fn data_without_secrets(&self) -> Result<Option<Vec<u8>>, Unreadable> {
        if !matches!(self.afn, Afn::Set | Afn::Query | Afn::Forward) {
            return Ok(None);
        }
        let head = self.data.get(..HEAD).ok_or(Unreadable)?;
        let inside = if self.control.uplink {
            match Uplink::decode(self).map_err(|_| Unreadable)? {
                Uplink::Archive(records) => return Ok(Some(archive::encode(&without_passwords(records))?)),
                Uplink::Forwarded(Forwarded { port, bytes }) => Forwarded { port, bytes: meter(bytes)? }.encode()?,
                _ => return Ok(None),
            }
        } else {
            match Downlink::decode(self).map_err(|_| Unreadable)? {
                Downlink::SetArchive(records) => return Ok(Some(archive::encode(&without_passwords(records))?)),
                Downlink::Forward(forward) => Forward { bytes: meter(forward.bytes)?, ..forward }.encode()?,
                _ => return Ok(None),
            }
        };
        Ok(Some([head, &inside].concat()))
    }
}

/// DA and DT.
const HEAD: usize = 4;

struct Unreadable;

impl From<EncodeError> for Unreadable {
    fn from(_: EncodeError) -> Self {
        Self
    }
}

fn without_passwords(records: Vec<ArchiveRecord>) -> Vec<ArchiveRecord> {
    records.into_iter().map(|record| ArchiveRecord { password: Secret::ZERO, ..record }).collect()
}

/// A meter's frame inside; what is none holds no password that a meter would take.
fn meter(bytes: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    match dlt645::Frame::decode(&bytes) {
        Ok(frame) => Ok(frame.blanked().encode()?),
        Err(_) => Ok(bytes),
    }
}

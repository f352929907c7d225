//! What passed over a link, for the log and for operators: how much of it is a level per concentrator, changeable while
//! running. Passwords are never shown.

use std::collections::VecDeque;

use domain::ids::ConcentratorId;
use jiff::Timestamp;
use protocols::{FrameError, qgdw376::Frame};

use crate::fleet::DecodeLevel;

/// Something that passed over a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// When.
    pub at: Timestamp,
    /// From the concentrator; otherwise from us.
    pub received: bool,
    /// The frame, or what is wrong with bytes that were none; passwords in it are zeros.
    pub what: Result<Vec<u8>, FrameError>,
}

/// The last that passed over a concentrator's links.
#[derive(Debug)]
pub(crate) struct Trace {
    concentrator: ConcentratorId,
    level: DecodeLevel,
    /// The newest last.
    kept: VecDeque<Traced>,
    most: usize,
}

impl Trace {
    pub(crate) const fn new(concentrator: ConcentratorId, level: DecodeLevel, most: usize) -> Self {
        Self { concentrator, level, kept: VecDeque::new(), most }
    }

    pub(crate) const fn level(&self) -> DecodeLevel {
        self.level
    }

    /// What was kept at another level is forgotten.
    pub(crate) fn set_level(&mut self, level: DecodeLevel) {
        if self.level != level {
            (self.level, self.kept) = (level, VecDeque::new());
        }
    }

    pub(crate) fn kept(&self) -> Vec<Traced> {
        self.kept.iter().cloned().collect()
    }

    /// A sound frame came.
    pub(crate) fn received(&mut self, frame: &Frame, at: Timestamp) {
        if self.level != DecodeLevel::Off {
            self.frame(frame, at, true);
        }
    }

    /// Bytes leave that were just encoded.
    pub(crate) fn sent(&mut self, bytes: &[u8], at: Timestamp) {
        if self.level != DecodeLevel::Off
            && let Ok(frame) = Frame::decode(bytes)
        {
            self.frame(&frame, at, false);
        }
    }

    /// Bytes came that were no frame.
    pub(crate) fn refused(&mut self, error: FrameError, at: Timestamp) {
        if self.level != DecodeLevel::Off {
            self.keep(Traced { at, received: true, what: Err(error) });
        }
    }

    fn frame(&mut self, frame: &Frame, at: Timestamp, received: bool) {
        let Ok(bytes) = frame.blanked().encode() else { return };
        let (concentrator, direction) = (self.concentrator, if received { "received" } else { "sent" });
        let (afn, number) = (frame.afn, frame.sequence.number);
        match self.level {
            DecodeLevel::Messages => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                tracing::info!(%concentrator, direction, %afn, number, hex, "frame");
            }
            _ => tracing::info!(%concentrator, direction, %afn, number, "frame"),
        }
        self.keep(Traced { at, received, what: Ok(bytes) });
    }

    fn keep(&mut self, traced: Traced) {
        if self.kept.len() >= self.most {
            self.kept.pop_front();
        }
        if self.most > 0 {
            self.kept.push_back(traced);
        }
    }
}

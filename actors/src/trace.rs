//! Frames for the log: how much of them is shown is a level per link, changeable while running. Passwords are never
//! shown.

use domain::ids::ConcentratorId;
use protocols::{
    dlt645,
    qgdw376::{Downlink, Frame, Uplink},
};

use crate::fleet::DecodeLevel;

/// Logs a frame of `concentrator` as far as `level` says.
pub(crate) fn frame(concentrator: ConcentratorId, level: DecodeLevel, frame: &Frame) {
    let direction = if frame.control.uplink { "received" } else { "sent" };
    let (afn, number) = (frame.afn, frame.sequence.number);
    match level {
        DecodeLevel::Off => {}
        DecodeLevel::Headers => tracing::info!(%concentrator, direction, %afn, number, "frame"),
        DecodeLevel::Messages => {
            tracing::info!(%concentrator, direction, %afn, number, message = message(frame), "frame")
        }
    }
}

/// Logs bytes that were just encoded.
pub(crate) fn sent(concentrator: ConcentratorId, level: DecodeLevel, bytes: &[u8]) {
    if level != DecodeLevel::Off
        && let Ok(decoded) = Frame::decode(bytes)
    {
        frame(concentrator, level, &decoded);
    }
}

fn message(frame: &Frame) -> String {
    if frame.control.uplink {
        return match Uplink::decode(frame) {
            Ok(Uplink::Forwarded(forwarded)) => format!("Forwarded({:?})", dlt645::Frame::decode(&forwarded.bytes)),
            Ok(message) => format!("{message:?}"),
            Err(error) => error.to_string(),
        };
    }
    match Downlink::decode(frame) {
        // The meter's frame holds its password: shown as what it means, with the password masked.
        Ok(Downlink::Forward(forward)) => match dlt645::Frame::decode(&forward.bytes) {
            Ok(inner) => format!("Forward({}, {:?})", inner.address, dlt645::Request::decode(&inner)),
            Err(error) => error.to_string(),
        },
        Ok(message) => format!("{message:?}"),
        Err(error) => error.to_string(),
    }
}

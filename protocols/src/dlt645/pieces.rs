//! Any item of a meter, read in as many pieces as the meter makes of it: 11H asks for the first, and 12H for each that
//! follows by its number. Source: docs/protocols/dlt645.md section 2.

use super::{Control, DataId, Frame, MessageError, MeterAddress, function};
use crate::{DecodeError, wire::Reader};

/// An item that is being read, of the 2007 edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    meter: MeterAddress,
    id: DataId,
    /// The number of the piece that is missing; 0: the first, which carries none.
    next: u8,
    /// What came so far, without identifiers and numbers.
    read: Vec<u8>,
}

impl Pieces {
    /// An item of which nothing was read yet.
    #[must_use]
    pub const fn of(meter: MeterAddress, id: DataId) -> Self {
        Self { meter, id, next: 0, read: Vec::new() }
    }

    /// The request for the piece that is missing.
    #[must_use]
    pub fn request(&self) -> Frame {
        let mut data = self.id.0.to_le_bytes().to_vec();
        if self.next > 0 {
            data.push(self.next);
        }
        Frame { address: self.meter, control: Control::request(self.function()), data }
    }

    const fn function(&self) -> u8 {
        if self.next == 0 { function::READ } else { function::READ_FOLLOW_UP }
    }

    /// Takes an answer in. The whole answer as one frame, once nothing is missing or where the meter refuses; `None`: ask
    /// on.
    ///
    /// # Errors
    /// It answers something else: another meter, function, item or piece. What was read so far stays.
    pub fn take(&mut self, frame: &Frame) -> Result<Option<Frame>, MessageError> {
        let control = frame.control;
        if !control.from_meter {
            return Err(MessageError::Direction);
        }
        if frame.address != self.meter {
            return Err(MessageError::OtherMeter(frame.address));
        }
        if control.function != self.function() {
            return Err(MessageError::OtherFunction { asked: self.function(), found: control.function });
        }
        if control.abnormal {
            return Ok(Some(frame.clone()));
        }
        let mut reader = Reader::new(&frame.data);
        let found = DataId(u32::from_le_bytes(reader.array()?));
        if found != self.id {
            return Err(MessageError::OtherItem { asked: self.id, found });
        }
        let piece = match (self.next, reader.rest()) {
            (0, piece) => piece,
            (next, [piece @ .., number]) if *number == next => piece,
            (asked, [.., found]) => return Err(MessageError::OtherPiece { asked, found: *found }),
            (_, []) => return Err(DecodeError::Truncated { wanted: 1, left: 0 }.into()),
        };
        let next = if control.follow_up { self.next.checked_add(1).ok_or(MessageError::TooLong)? } else { self.next };
        self.read.extend(piece);
        self.next = next;
        Ok((!control.follow_up).then(|| self.whole()))
    }

    /// As a meter with room enough would have answered.
    fn whole(&self) -> Frame {
        let control = Control { from_meter: true, ..Control::request(function::READ) };
        let data = [&self.id.0.to_le_bytes()[..], &self.read].concat();
        Frame { address: self.meter, control, data }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const ID: DataId = DataId(0x0001_FF00);

    fn meter() -> MeterAddress {
        "202600000017".parse().unwrap()
    }

    fn answer(function: u8, follow_up: bool, data: &[u8]) -> Frame {
        let control = Control { from_meter: true, abnormal: false, follow_up, function };
        Frame { address: meter(), control, data: [&ID.0.to_le_bytes()[..], data].concat() }
    }

    /// What a meter makes of an item, `each` bytes a frame.
    fn cut(item: &[u8], each: usize) -> Vec<Frame> {
        let last = item.chunks(each).count().max(1) - 1;
        let mut pieces: Vec<Frame> = (0_u8..)
            .zip(item.chunks(each))
            .map(|(nth, piece)| {
                let (function, number) = if nth == 0 { (0x11, vec![]) } else { (0x12, vec![nth]) };
                answer(function, usize::from(nth) < last, &[piece, &number].concat())
            })
            .collect();
        if pieces.is_empty() {
            pieces.push(answer(0x11, false, &[]));
        }
        pieces
    }

    #[test]
    fn a_follow_up_is_asked_for_by_its_number() {
        let mut pieces = Pieces::of(meter(), ID);
        assert_eq!(pieces.request().data, [0x00, 0xFF, 0x01, 0x00]);
        assert_eq!(pieces.take(&answer(0x11, true, &[1, 2])), Ok(None));
        let second = pieces.request();
        assert_eq!((second.control.function, second.data), (0x12, vec![0x00, 0xFF, 0x01, 0x00, 1]));
    }

    #[test]
    fn an_answer_to_something_else_adds_nothing() {
        let mut pieces = Pieces::of(meter(), ID);
        pieces.take(&answer(0x11, true, &[1, 2])).unwrap();
        let before = pieces.clone();
        let other: MeterAddress = "202600000025".parse().unwrap();
        let neighbour = Frame { address: other, ..answer(0x12, false, &[3, 1]) };
        let another = Frame { data: vec![1, 0xFF, 0x01, 0x00, 3, 1], ..answer(0x12, false, &[]) };
        for (frame, error) in [
            (answer(0x12, false, &[3, 2]), MessageError::OtherPiece { asked: 1, found: 2 }),
            (answer(0x12, false, &[]), MessageError::Field(DecodeError::Truncated { wanted: 1, left: 0 })),
            (answer(0x11, false, &[3]), MessageError::OtherFunction { asked: 0x12, found: 0x11 }),
            (neighbour, MessageError::OtherMeter(other)),
            (another, MessageError::OtherItem { asked: ID, found: DataId(0x0001_FF01) }),
            (pieces.request(), MessageError::Direction),
        ] {
            assert_eq!(pieces.take(&frame), Err(error));
        }
        assert_eq!(pieces, before);
    }

    #[test]
    fn a_refusal_ends_it_at_any_piece() {
        for taken in 0..2 {
            let mut pieces = Pieces::of(meter(), ID);
            for frame in cut(&[1, 2, 3], 1).iter().take(taken) {
                pieces.take(frame).unwrap();
            }
            let control = Control { abnormal: true, from_meter: true, ..pieces.request().control };
            let refusal = Frame { address: meter(), control, data: vec![0x02] };
            assert_eq!(pieces.take(&refusal), Ok(Some(refusal.clone())));
        }
    }

    #[test]
    fn there_are_no_more_pieces_than_numbers() {
        let mut pieces = Pieces::of(meter(), ID);
        pieces.take(&answer(0x11, true, &[])).unwrap();
        for number in 1..=254 {
            assert_eq!(pieces.take(&answer(0x12, true, &[number])), Ok(None));
        }
        assert_eq!(pieces.take(&answer(0x12, true, &[255])), Err(MessageError::TooLong));
        assert!(pieces.take(&answer(0x12, false, &[255])).unwrap().is_some());
    }

    proptest! {
        #[test]
        fn whatever_a_meter_cuts_is_put_together(item in prop::collection::vec(any::<u8>(), 0..600), each in 3_usize..190) {
            let mut pieces = Pieces::of(meter(), ID);
            let mut frames = cut(&item, each).into_iter().peekable();
            let whole = loop {
                let frame = frames.next().unwrap();
                match pieces.take(&Frame::decode(&frame.encode().unwrap()).unwrap()).unwrap() {
                    Some(whole) => break whole,
                    None => prop_assert!(frames.peek().is_some()),
                }
            };
            prop_assert!(frames.next().is_none());
            prop_assert_eq!(whole, answer(0x11, false, &item));
        }
    }
}

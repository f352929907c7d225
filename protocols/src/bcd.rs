//! Packed decimal digits, low byte first, as both standards write numbers.

use crate::EncodeError;

/// A byte that holds something else than two decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{0:02X}H is not a pair of decimal digits")]
pub struct BadBcd(pub u8);

/// One byte as a number of 0..=99.
#[inline]
pub fn decode_byte(byte: u8) -> Result<u8, BadBcd> {
    let (high, low) = (byte >> 4, byte & 0x0F);
    if high > 9 || low > 9 { Err(BadBcd(byte)) } else { Ok(high * 10 + low) }
}

/// A number of up to 9 bytes (18 digits), low byte first.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<u64, BadBcd> {
    let mut word = [0; 8];
    match word.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return decode_bytewise(bytes),
    }
    sixteen_digits(u64::from_le_bytes(word)).map_or_else(|| decode_bytewise(bytes), Ok)
}

/// All sixteen digits of a word at once; none where a nibble is no digit. Pairs of lanes become one, from digits to the whole.
#[inline]
const fn sixteen_digits(word: u64) -> Option<u64> {
    // A nibble above 9 has bit 3 and one of the two below it.
    if (word >> 3) & ((word >> 2) | (word >> 1)) & 0x1111_1111_1111_1111 != 0 {
        return None;
    }
    let twos = (word & 0x0F0F_0F0F_0F0F_0F0F) + ((word >> 4) & 0x0F0F_0F0F_0F0F_0F0F) * 10;
    let fours = (twos & 0x00FF_00FF_00FF_00FF) + ((twos >> 8) & 0x00FF_00FF_00FF_00FF) * 100;
    let eights = (fours & 0x0000_FFFF_0000_FFFF) + ((fours >> 16) & 0x0000_FFFF_0000_FFFF) * 10_000;
    Some((eights & 0xFFFF_FFFF) + (eights >> 32) * 100_000_000)
}

/// Byte by byte, which tells the first that is wrong.
fn decode_bytewise(bytes: &[u8]) -> Result<u64, BadBcd> {
    bytes.iter().rev().try_fold(0_u64, |number, byte| {
        let pair = decode_byte(*byte)?;
        number.checked_mul(100).and_then(|high| high.checked_add(u64::from(pair))).ok_or(BadBcd(*byte))
    })
}

/// Like [`decode`], with `None` where the sender says "not available": every byte EEH (Q/GDW 376.1) or every byte FFH
/// (DL/T 645). Source: docs/protocols/qgdw376.md (AFN0C), docs/protocols/dlt645.md section 9.
#[inline]
pub fn decode_nullable(bytes: &[u8]) -> Result<Option<u64>, BadBcd> {
    if is_null(bytes) { Ok(None) } else { decode(bytes).map(Some) }
}

/// Whether every byte is EEH, or every byte is FFH.
#[inline]
#[must_use]
pub fn is_null(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(null @ (0xEE | 0xFF)) => bytes.iter().all(|byte| byte == null),
        _ => false,
    }
}

/// `value` in `N` bytes, low byte first; `what` names the field in the error.
pub fn encode<const N: usize>(value: u64, what: &'static str) -> Result<[u8; N], EncodeError> {
    let mut rest = value;
    let mut bytes = [0; N];
    for byte in &mut bytes {
        *byte = u8::try_from(rest / 10 % 10 * 16 + rest % 10).map_err(|_| EncodeError::OutOfRange(what))?;
        rest /= 100;
    }
    if rest == 0 { Ok(bytes) } else { Err(EncodeError::OutOfRange(what)) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_low_byte_comes_first() {
        assert_eq!(decode(&[0x78, 0x56, 0x34, 0x12]), Ok(12_345_678));
        assert_eq!(encode(12_345_678, "x"), Ok([0x78, 0x56, 0x34, 0x12]));
    }

    #[test]
    fn a_bad_nibble_is_named_and_never_a_number() {
        assert_eq!(decode(&[0x78, 0x5A]), Err(BadBcd(0x5A)));
        assert_eq!(decode_nullable(&[0xEE, 0x12]), Err(BadBcd(0xEE)));
    }

    #[test]
    fn not_available_is_all_ee_or_all_ff() {
        assert_eq!(decode_nullable(&[0xEE; 4]), Ok(None));
        assert_eq!(decode_nullable(&[0xFF; 5]), Ok(None));
        assert_eq!(decode_nullable(&[0xFF, 0xEE]), Err(BadBcd(0xEE)));
        assert_eq!(decode_nullable(&[]), Ok(Some(0)));
    }

    #[test]
    fn too_many_digits_are_refused_both_ways() {
        assert_eq!(encode::<1>(100, "hour"), Err(EncodeError::OutOfRange("hour")));
        assert_eq!(decode(&[0x99; 12]), Err(BadBcd(0x99)));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(value in 0_u64..10_000_000_000) {
            prop_assert_eq!(decode(&encode::<5>(value, "x").unwrap()), Ok(value));
        }

        #[test]
        fn all_digits_at_once_are_what_they_are_one_by_one(bytes in prop::collection::vec(any::<u8>(), 0..9)) {
            prop_assert_eq!(decode(&bytes), decode_bytewise(&bytes));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = decode_nullable(&bytes);
        }
    }
}

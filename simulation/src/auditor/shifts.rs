//! Registered counters: a shift's totals are what its receipts say, and a vendor holds no more than it may.

use domain::money::Money;

use super::{
    Violation,
    seen::{Seen, ShiftSeen},
};

/// At the end every shift adds up.
///
/// # Errors
/// One does not, or a vendor holds too much.
pub fn add_up(seen: &Seen) -> Result<(), Violation> {
    let mut held = Money::ZERO;
    for shift in &seen.shifts {
        let (receipts, net) = passed(seen, shift);
        held = held + net;
        if receipts != shift.receipts || shift.net.is_some_and(|told| told != net) {
            let detail = format!("{shift:?}: {receipts} receipts with {net} passed through it");
            return Err(Violation::of("I1", detail));
        }
    }
    let held = held - seen.deposited;
    match seen.vendor_limit {
        Some(limit) if held > limit => Err(Violation::of("I3", format!("the vendor holds {held} of at most {limit}"))),
        _ => Ok(()),
    }
}

/// How many receipts a shift gave, and what is left of their money.
fn passed(seen: &Seen, shift: &ShiftSeen) -> (i64, Money) {
    let vends = seen.vends.iter().map(|row| (&row.receipt_number, row.amount));
    let back = seen.reversals.iter().map(|row| (&row.receipt_number, -row.amount));
    let out = seen.refunds.iter().map(|row| (&row.receipt_number, -row.amount));
    let its = |number: &str| number.rsplit_once('-').is_some_and(|(of, _)| of == shift.prefix);
    let all = vends.chain(back).chain(out).filter(|(number, _)| its(number));
    all.fold((0, Money::ZERO), |(count, net), (_, amount)| (count + 1, net + amount))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{reversal, vend};

    fn shift(receipts: i64, net: Option<i64>) -> ShiftSeen {
        ShiftSeen { prefix: "counter-1-2".to_owned(), receipts, net: net.map(Money::new) }
    }

    fn seen(shift: ShiftSeen) -> Seen {
        let mut sold = vend("a", 1, 500, "r");
        sold.receipt_number = "counter-1-2-1".to_owned();
        let mut other = vend("b", 1, 70, "r");
        other.receipt_number = "counter-1-3-1".to_owned();
        let mut back = reversal("a", 1, 200, "r");
        back.receipt_number = "counter-1-2-2".to_owned();
        Seen { vends: vec![sold, other], reversals: vec![back], shifts: vec![shift], ..Seen::default() }
    }

    #[test]
    fn a_shift_is_what_its_receipts_say() {
        assert_eq!(add_up(&seen(shift(2, Some(300)))), Ok(()));
        assert_eq!(add_up(&seen(shift(2, None))), Ok(()), "an open one tells no total yet");
        for wrong in [shift(2, Some(500)), shift(3, Some(300)), shift(1, None)] {
            assert_eq!(add_up(&seen(wrong)).map_err(|wrong| wrong.invariant), Err("I1"));
        }
    }

    #[test]
    fn a_vendor_holds_no_more_than_it_may() {
        let limited = |limit, deposited| Seen {
            vendor_limit: Some(Money::new(limit)),
            deposited: Money::new(deposited),
            ..seen(shift(2, None))
        };
        assert_eq!(add_up(&limited(300, 0)), Ok(()));
        assert_eq!(add_up(&limited(250, 50)), Ok(()));
        assert_eq!(add_up(&limited(299, 0)).map_err(|wrong| wrong.invariant), Err("I3"));
    }
}

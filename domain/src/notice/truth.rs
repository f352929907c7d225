//! Whether a notice is still true when its turn comes: quiet hours, and channels that fail, keep one back for long.

use super::Kind;
use crate::{account::Credit, relay::RelayReading};

/// Whether what a notice of this kind tells is over by now. `relays`: those of the account's meters as they were last read, none
/// where that is not known.
#[must_use]
pub fn is_over(kind: Kind, credit: &Credit, relays: &[Option<RelayReading>]) -> bool {
    let all = |disconnected: bool| {
        let so = |relay: &Option<RelayReading>| relay.is_some_and(|relay| relay.is_disconnected() == disconnected);
        !relays.is_empty() && relays.iter().all(so)
    };
    match kind {
        // Above its margin again: the next fall sends another.
        Kind::LowBalance1 => credit.alarm_1_armed,
        Kind::LowBalance2 => credit.alarm_2_armed,
        Kind::Disconnected => all(false),
        Kind::Restored => all(true),
        // What was paid, what an account began with and what a price will be stay so; a warning is looked after by its episode.
        Kind::DisconnectWarning | Kind::PressButton | Kind::VendReceipt | Kind::AccountOpened | Kind::PriceChange => {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::RelayState;

    fn relay(relay: RelayState) -> Option<RelayReading> {
        Some(RelayReading { relay, command: relay, local_prepay: false })
    }

    #[test]
    fn a_notice_of_supply_is_over_where_every_meter_is_known_to_be_the_other_way() {
        let (on, off) = (relay(RelayState::Connected), relay(RelayState::Disconnected));
        let over = |kind, relays: &[Option<RelayReading>]| is_over(kind, &Credit::default(), relays);
        for (kind, other) in [(Kind::Disconnected, on), (Kind::Restored, off)] {
            let same = if other == on { off } else { on };
            assert!(over(kind, &[other]) && over(kind, &[other, other]), "{kind}");
            assert!(!over(kind, &[same]) && !over(kind, &[other, same]), "{kind}: true of a meter still");
            assert!(!over(kind, &[]) && !over(kind, &[other, None]), "{kind}: not known");
        }
    }

    #[test]
    fn a_low_balance_is_over_once_its_level_is_armed_again() {
        let credit = |first, second| Credit { alarm_1_armed: first, alarm_2_armed: second, ..Credit::default() };
        assert!(is_over(Kind::LowBalance1, &credit(true, false), &[]));
        assert!(!is_over(Kind::LowBalance1, &credit(false, true), &[]));
        assert!(is_over(Kind::LowBalance2, &credit(false, true), &[]));
        assert!(!is_over(Kind::LowBalance2, &credit(true, false), &[]));
    }

    #[test]
    fn receipts_warnings_and_what_lasts_are_never_over() {
        let on = relay(RelayState::Connected);
        let others =
            [Kind::DisconnectWarning, Kind::PressButton, Kind::VendReceipt, Kind::AccountOpened, Kind::PriceChange];
        assert!(others.iter().all(|kind| !is_over(*kind, &Credit::default(), &[on])));
    }
}

//! A relay read outside an order: whose work it is that it is found so.

use super::{Action, Cause, Causes, RelayReading, RelayState};

/// What is known of a meter when its relay is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its causes.
    pub causes: Causes,
    /// What its live order does.
    pub live_order: Option<Action>,
    /// How its relay was read before.
    pub before: Option<RelayReading>,
    /// The cause of the newest disconnect ever sent whose effect was not yet read.
    pub unread_disconnect: Option<Cause>,
}

/// What a relay was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// What was expected.
    AsExpected,
    /// Disconnected, by a disconnect that took effect late.
    DisconnectedBy(Cause),
    /// Disconnected by nobody we know: an alarm.
    DisconnectedUnknown,
    /// Connected after it was cut, without an order: an alarm.
    ReconnectedWithoutOrder,
}

/// What a relay was found to be, and the meter's causes with what was found.
#[must_use]
pub fn found(reading: &RelayReading, expected: &Expected) -> (Found, Causes) {
    let was_cut = expected.before.is_some_and(|before| before.relay == RelayState::Disconnected);
    let found = if reading.is_disconnected() && !was_cut && expected.causes.is_empty() && expected.live_order.is_none()
    {
        expected.unread_disconnect.map_or(Found::DisconnectedUnknown, Found::DisconnectedBy)
    } else if reading.relay == RelayState::Connected
        && was_cut
        && !expected.causes.is_empty()
        && expected.live_order.is_none()
    {
        Found::ReconnectedWithoutOrder
    } else {
        Found::AsExpected
    };
    let causes = match found {
        Found::DisconnectedBy(cause) => expected.causes.with(cause),
        Found::DisconnectedUnknown => expected.causes.with(Cause::Unknown),
        Found::AsExpected | Found::ReconnectedWithoutOrder => expected.causes.clone(),
    };
    (found, causes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTED: RelayReading =
        RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };
    const DISCONNECTED: RelayReading =
        RelayReading { relay: RelayState::Disconnected, command: RelayState::Disconnected, local_prepay: false };
    const PERMITTED: RelayReading = RelayReading { command: RelayState::Connected, ..DISCONNECTED };

    fn expected(causes: &[Cause], before: RelayReading, unread: Option<Cause>) -> Expected {
        let causes = causes.iter().copied().collect();
        Expected { causes, live_order: None, before: Some(before), unread_disconnect: unread }
    }

    #[test]
    fn what_was_expected_is_no_news() {
        for (reading, causes) in [(CONNECTED, vec![]), (DISCONNECTED, vec![Cause::Credit]), (PERMITTED, vec![])] {
            let expected = expected(&causes, reading, None);
            assert_eq!(found(&reading, &expected), (Found::AsExpected, expected.causes.clone()));
        }
    }

    #[test]
    fn a_late_disconnect_is_known_by_the_newest_one_sent() {
        let late = expected(&[], CONNECTED, Some(Cause::Credit));
        let causes = Causes::none().with(Cause::Credit);
        assert_eq!(found(&DISCONNECTED, &late), (Found::DisconnectedBy(Cause::Credit), causes));
    }

    #[test]
    fn a_disconnection_by_nobody_is_unknown() {
        let causes = Causes::none().with(Cause::Unknown);
        let nobody = expected(&[], CONNECTED, None);
        assert_eq!(found(&DISCONNECTED, &nobody), (Found::DisconnectedUnknown, causes));
        // The live reconnect will see to it.
        let restoring = Expected { live_order: Some(Action::Reconnect), ..nobody };
        assert_eq!(found(&DISCONNECTED, &restoring).0, Found::AsExpected);
    }

    #[test]
    fn a_relay_that_is_still_cut_after_a_failed_reconnect_is_no_news() {
        let still_cut = expected(&[], DISCONNECTED, None);
        assert_eq!(found(&DISCONNECTED, &still_cut), (Found::AsExpected, Causes::none()));
    }

    #[test]
    fn a_reconnection_without_an_order_is_noticed_once() {
        let cut = expected(&[Cause::Credit], DISCONNECTED, None);
        assert_eq!(found(&CONNECTED, &cut), (Found::ReconnectedWithoutOrder, cut.causes.clone()));
        assert_eq!(found(&CONNECTED, &expected(&[Cause::Credit], CONNECTED, None)).0, Found::AsExpected);
        let restoring = Expected { live_order: Some(Action::Reconnect), ..cut };
        assert_eq!(found(&CONNECTED, &restoring).0, Found::AsExpected);
    }
}

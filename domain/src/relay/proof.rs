//! Whether a relay must have been proven before an account is opened that relies on it.

use super::RelayControl;
use crate::site::{AutomaticDisconnection, Policy};

/// Whether a meter of this control needs a commissioning test before an account is opened with it: automatic cuts are on, they
/// would reach it, and nobody knows yet whether its relay obeys.
#[must_use]
pub fn is_needed(control: RelayControl, policy: &Policy) -> bool {
    policy.relay.proven_before_opening
        && policy.disconnection.automatic == AutomaticDisconnection::On
        && control != RelayControl::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::policy;

    #[test]
    fn a_relay_that_may_be_cut_automatically_is_proven_first() {
        for (automatic, control, asked, needed) in [
            (AutomaticDisconnection::On, RelayControl::Plain, true, true),
            (AutomaticDisconnection::ReportOnly, RelayControl::Plain, true, false),
            (AutomaticDisconnection::Off, RelayControl::Plain, true, false),
            (AutomaticDisconnection::On, RelayControl::None, true, false),
            (AutomaticDisconnection::On, RelayControl::Plain, false, false),
        ] {
            let mut policy = policy();
            policy.disconnection.automatic = automatic;
            policy.relay.proven_before_opening = asked;
            assert_eq!(is_needed(control, &policy), needed, "{automatic:?} {control:?} {asked}");
        }
    }
}

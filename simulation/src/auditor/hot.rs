//! Hot balances (I4): never ahead of the rows, never backwards, and in the end what the rows say.

use std::collections::BTreeMap;

use domain::ids::AccountId;

use super::{Violation, seen::Seen};

/// What hot balances held at the last look.
#[derive(Debug, Clone, Default)]
pub struct Hot {
    versions: BTreeMap<AccountId, i64>,
}

impl Hot {
    /// The process died, or they were wiped: what was on its way may be older than what they held.
    pub fn forget(&mut self) {
        self.versions.clear();
    }

    /// Hot balances against the rows.
    ///
    /// # Errors
    /// One is ahead of its row, went back, or says something else.
    pub fn look(&mut self, seen: &Seen) -> Result<(), Violation> {
        for (id, hot) in &seen.hot {
            let wrong = |detail: String| Err(Violation::of("I4", format!("account {id}: {detail}")));
            let Some(row) = seen.accounts.get(id) else { return wrong("hot, and has no row".to_owned()) };
            if hot.version > row.version {
                return wrong(format!("hot at version {}, its row at {}", hot.version, row.version));
            }
            if hot.version == row.version && hot.posted != row.posted {
                return wrong(format!("hot {}, its row {} at version {}", hot.posted, row.posted, row.version));
            }
            if let Some(before) = self.versions.get(id).filter(|before| **before > hot.version) {
                return wrong(format!("hot went back from version {before} to {}", hot.version));
            }
        }
        self.versions = seen.hot.iter().map(|(id, hot)| (*id, hot.version)).collect();
        Ok(())
    }

    /// At the end every account that is hot stands as in the rows. Its version may be behind: a look that changes nothing
    /// raises a row's version and tells nobody.
    ///
    /// # Errors
    /// One does not.
    pub fn end(seen: &Seen) -> Result<(), Violation> {
        for (id, hot) in &seen.hot {
            let Some(row) = seen.accounts.get(id).filter(|row| row.active) else { continue };
            let differs = row.available.zip(hot.available).is_some_and(|(row, hot)| row != hot);
            if hot.posted != row.posted || differs {
                return Err(Violation::of("I4", format!("account {id}: at the end hot {hot:?}, its row {row:?}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::money::Money;

    use super::*;
    use crate::auditor::{
        HotSeen,
        fixtures::{account, account_seen},
    };

    fn seen(hot: (i64, i64), row: (i64, i64)) -> Seen {
        let hot = HotSeen { version: hot.0, posted: Money::new(hot.1), available: Some(Money::new(hot.1)) };
        let mut row = account_seen(row.0, row.1, 0);
        row.available = Some(row.posted);
        Seen {
            accounts: BTreeMap::from([(account(1), row)]),
            hot: BTreeMap::from([(account(1), hot)]),
            ..Seen::default()
        }
    }

    fn judge(hot: &mut Hot, seen: &Seen) -> Result<(), &'static str> {
        hot.look(seen).map_err(|wrong| wrong.invariant)
    }

    #[test]
    fn hot_balances_are_never_ahead_nor_other() {
        let judge = |hot, row| judge(&mut Hot::default(), &seen(hot, row));
        assert_eq!(judge((3, 100), (3, 100)), Ok(()));
        assert_eq!(judge((2, 90), (3, 100)), Ok(()));
        assert_eq!(judge((4, 100), (3, 100)), Err("I4"));
        assert_eq!(judge((3, 99), (3, 100)), Err("I4"));
    }

    #[test]
    fn hot_balances_go_forward_unless_they_were_wiped() {
        let mut hot = Hot::default();
        assert_eq!(judge(&mut hot, &seen((3, 100), (3, 100))), Ok(()));
        assert_eq!(judge(&mut hot.clone(), &seen((2, 100), (4, 100))), Err("I4"));
        hot.forget();
        assert_eq!(judge(&mut hot, &seen((2, 100), (4, 100))), Ok(()));
    }

    #[test]
    fn in_the_end_they_say_the_same() {
        assert_eq!(Hot::end(&seen((2, 100), (3, 100))), Ok(()));
        assert!(Hot::end(&seen((2, 90), (3, 100))).is_err());
        let mut accrued = seen((3, 100), (3, 100));
        accrued.hot.values_mut().for_each(|hot| hot.available = Some(Money::new(98)));
        assert!(Hot::end(&accrued).is_err());
    }
}

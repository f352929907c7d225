//! Further meters of an account: attached and removed because somebody asked for it, and as they were told.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{AccountId, InstallationId, MeterId};

use super::{Request, Violation, seen::InstallationSeen};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Further {
    /// What somebody wanted attached to which account.
    attachments: BTreeSet<(AccountId, MeterId)>,
    /// What somebody wanted removed.
    removals: BTreeSet<MeterId>,
    /// What was answered since the last look.
    told_attached: Vec<(AccountId, MeterId)>,
    told_removed: Vec<MeterId>,
    /// Meters that count now, for whom.
    live: BTreeMap<MeterId, (InstallationId, AccountId)>,
    /// What counted at some time, and what ended.
    ever: BTreeSet<(AccountId, MeterId)>,
    ended: BTreeSet<MeterId>,
}

impl Further {
    /// Somebody asks.
    pub fn ask(&mut self, what: &Request) {
        match what {
            Request::Attach { account, meter } => drop(self.attachments.insert((*account, *meter))),
            Request::Remove { meter } => drop(self.removals.insert(*meter)),
            _ => {}
        }
    }

    /// Somebody was told that it is done.
    pub fn done(&mut self, what: &Request) {
        match what {
            Request::Attach { account, meter } => self.told_attached.push((*account, *meter)),
            Request::Remove { meter } => self.told_removed.push(*meter),
            _ => {}
        }
    }

    /// An account took another's place, with all its meters.
    pub fn pass(&mut self, from: AccountId, to: AccountId) {
        let its: Vec<_> =
            self.attachments.iter().filter(|(of, _)| *of == from).map(|(_, meter)| (to, *meter)).collect();
        self.attachments.extend(its);
    }

    /// The account for which a further meter counts.
    pub fn account_of(&self, meter: MeterId) -> Option<AccountId> {
        self.live.get(&meter).map(|(_, account)| *account)
    }

    /// Whether a row is of a further meter of its account.
    pub fn concerns(&self, row: &InstallationSeen) -> bool {
        self.attachments.contains(&(row.account, row.meter))
    }

    /// Takes the row of a further meter; `true` where it begins to count. `left`: somebody wanted the account closed or
    /// passed on.
    ///
    /// # Errors
    /// It ended, which nobody asked for.
    pub fn take(&mut self, row: &InstallationSeen, left: bool) -> Result<bool, Violation> {
        self.ever.insert((row.account, row.meter));
        let counts = self.live.get(&row.meter).is_some_and(|(id, _)| *id == row.id);
        if row.end.is_none() {
            self.live.insert(row.meter, (row.id, row.account));
            return Ok(!counts);
        }
        if counts && !left && !self.removals.contains(&row.meter) {
            let detail = format!("account {}: meter {} was removed, which nobody asked for", row.account, row.meter);
            return Err(Violation::of("I3", detail));
        }
        if counts {
            self.live.remove(&row.meter);
        }
        self.ended.insert(row.meter);
        Ok(false)
    }

    /// What was told is there.
    ///
    /// # Errors
    /// It is not.
    pub fn kept(&mut self) -> Result<(), Violation> {
        let attached = std::mem::take(&mut self.told_attached);
        if let Some((account, meter)) = attached.iter().find(|one| !self.ever.contains(*one)) {
            let detail = format!("account {account}: meter {meter} was told to be attached, and is not");
            return Err(Violation::of("I3", detail));
        }
        match std::mem::take(&mut self.told_removed).iter().find(|meter| !self.ended.contains(*meter)) {
            Some(meter) => Err(Violation::of("I3", format!("meter {meter} was told to be removed, and is not"))),
            None => Ok(()),
        }
    }

    /// The further meters of an account.
    pub fn of(&self, account: AccountId) -> impl Iterator<Item = MeterId> + '_ {
        self.live.iter().filter(move |(_, (_, of))| *of == account).map(|(meter, _)| *meter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auditor::fixtures::{account, at, installation, meter};

    #[test]
    fn a_further_meter_counts_from_its_attachment_to_its_removal() {
        let mut further = Further::default();
        let row = InstallationSeen { meter: meter(2), ..installation() };
        let over = InstallationSeen { end: Some((at(9), row.start_value)), ..row.clone() };
        let attach = Request::Attach { account: account(1), meter: meter(2) };
        assert!(!further.concerns(&row));
        further.ask(&attach);
        further.done(&attach);
        assert!(further.concerns(&row) && further.clone().kept().is_err());
        assert_eq!((further.take(&row, false), further.take(&row, false)), (Ok(true), Ok(false)));
        assert_eq!((further.kept(), further.of(account(1)).collect::<Vec<_>>()), (Ok(()), vec![meter(2)]));
        assert!(further.clone().take(&over, false).is_err(), "nobody asked for its removal");
        further.ask(&Request::Remove { meter: meter(2) });
        assert_eq!(further.take(&over, false), Ok(false));
        assert_eq!(further.of(account(1)).count(), 0);
    }
}

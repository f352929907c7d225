//! Hot balances in this process: the embedded default.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use domain::{
    bug::{Bug, is_planted},
    ids::AccountId,
};
use futures_util::future::{BoxFuture, ready};

use super::{HotBalances, HotError, Snapshot, Update};

/// Balances in memory, empty at start.
#[derive(Default)]
pub struct InProcess {
    accounts: Mutex<HashMap<AccountId, Snapshot>>,
}

impl InProcess {
    fn with<T>(&self, body: impl FnOnce(&mut HashMap<AccountId, Snapshot>) -> T) -> T {
        // A panic elsewhere cannot leave a half-made snapshot here: every change below is one assignment.
        body(&mut self.accounts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HotBalances for InProcess {
    fn put(&self, update: Update) -> BoxFuture<'_, Result<Snapshot, HotError>> {
        let after = self.with(|accounts| {
            let snapshot = accounts.entry(update.account).or_default();
            if let Some(part) = update.ledger
                && snapshot
                    .account
                    .as_ref()
                    .is_none_or(|held| held.version <= part.version || is_planted(Bug::HotTakesAnything))
            {
                snapshot.account = Some(part);
            }
            for (meter, part) in update.meters {
                let newer = |held: &super::MeterPart| (held.position, held.as_of) <= (part.position, part.as_of);
                if snapshot.meters.get(&meter).is_none_or(newer) {
                    snapshot.meters.insert(meter, part);
                }
            }
            snapshot.clone()
        });
        Box::pin(ready(Ok(after)))
    }

    fn get(&self, account: AccountId) -> BoxFuture<'_, Result<Snapshot, HotError>> {
        Box::pin(ready(Ok(self.with(|accounts| accounts.get(&account).cloned().unwrap_or_default()))))
    }

    fn forget(&self, account: AccountId) -> BoxFuture<'_, Result<(), HotError>> {
        self.with(|accounts| accounts.remove(&account));
        Box::pin(ready(Ok(())))
    }
}

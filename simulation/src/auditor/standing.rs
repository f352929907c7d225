//! How every account and its meters stand at a look: what they have left, what may keep their supply off, what cuts it.

use domain::{ids::AccountId, money::Money};
use jiff::Timestamp;

use super::{
    Auditor, Automatic, Cause, Kind, Seen, Told, Truth, Violation,
    supply::Standing,
    time::{mercy, shift},
};

impl Auditor {
    /// Every account and its meter as they stand.
    pub(super) fn standing(&mut self, now: Timestamp, truth: &Truth, seen: &Seen) -> Result<(), Violation> {
        let shown = self.clock.shown(now);
        let cutting = self.rules.cut_limits.is_none()
            && self.people.switch.is_surely(Automatic::On, now, now)
            && self.clock.is_right()
            && mercy(shown, &self.rules).is_none();
        let warned_until = shift(shown, -self.rules.warning_lead);
        let further = self.further.clone();
        let first = self.accounts.iter().map(|(id, told)| (*id, *told));
        let all = first.flat_map(|(id, told)| {
            let more = further.of(id).map(move |meter| (id, Told { meter, switchable: true }));
            std::iter::once((id, told)).chain(more)
        });
        for (id, told) in all {
            let slack = self.rules.slack;
            let rows = self.ledger.of(id).zip(seen.accounts.get(&id).filter(|row| row.active));
            let (Some((account, row)), Some(meter)) = (rows, truth.meters.get(&told.meter)) else { continue };
            self.field.not_ahead(id, account, slack)?;
            let prices = self.prices.of.get(&id).map(Vec::as_slice).unwrap_or_default();
            let Some(available) = self.field.available(id, account.for_energy(), prices) else { continue };
            let warned = row.warned_at.is_some_and(|at| at <= warned_until && self.warnings.any_until(id, at));
            let doubt = self.field.doubt(id, slack, prices);
            let known = self.field.surely_known(id, account.for_energy() - available);
            let shown_left = account.for_energy() - known + doubt + doubt;
            let overdrawn = shown_left < Money::ZERO && self.field.surely_read(id);
            if let Some(refund) = just_refunded(seen, id).filter(|_| overdrawn) {
                let detail = format!("account {id}: {refund} leaves {available} available, more was not there");
                return Err(Violation::of("I1", detail));
            }
            let limits = self.people.turned.limits(id, (now, now), self.rules.limits);
            let low = limits.iter().map(|limits| limits.low).min().unwrap_or_default();
            self.people.aid.left(id, available, doubt, low);
            let suspended = |on| self.people.turned.suspended_surely(on, id, now, now);
            if row.suspended && suspended(false) || !row.suspended && suspended(true) {
                let detail = format!("account {id}: suspended {}, and nobody wanted that", row.suspended);
                return Err(Violation::of("I3", detail));
            }
            if !limits.contains(&row.limits) {
                let detail = format!("account {id}: {:?}, and nobody wanted those", row.limits);
                return Err(Violation::of("I3", detail));
            }
            let help = |helped| if helped { self.rules.emergency } else { Money::ZERO };
            let overdrafts = || limits.iter().map(|limits| limits.overdraft);
            let wanted = self.wanted(now, id, told);
            let standing = Standing {
                account: id,
                id: told.meter,
                meter,
                available,
                doubt,
                overdraft: overdrafts().min().unwrap_or_default() + help(self.people.aid.surely_helped(id)),
                overdraft_at_most: overdrafts().max().unwrap_or_default() + help(self.people.aid.may_be_helped(id)),
                restore_margin: limits.iter().map(|limits| limits.restore_margin).max().unwrap_or_default(),
                blocked: self.blocked.contains(&told.meter),
                up: truth.up,
                steady_since: self.clock.steady_since(),
                unhampered: suspended(false) && wanted == Some(true),
                unwanted: told.switchable && wanted == Some(false),
                unheld: suspended(false)
                    && self.people.turned.held_surely(false, id, (now, now), shown)
                    && !self.people.turned.may_be_paying(id, now, shown)
                    && cutting
                    && told.switchable
                    && self.people.turned.surely_unguarded(told.meter, id, now, now)
                    && warned,
            };
            self.promises.look(now, &standing, &self.rules)?;
        }
        Ok(())
    }

    /// Whether people and calendars surely want a meter's supply, or surely do not; none where one cannot tell.
    fn wanted(&self, now: Timestamp, account: AccountId, Told { meter, .. }: Told) -> Option<bool> {
        let (people, zone) = (&self.people, &self.rules.zone);
        let given_up = |cause| self.orders.was_given_up(meter, cause);
        if people.operator_surely(true, meter, now, now) {
            return (!given_up(Cause::Operator)).then_some(false);
        }
        if people.turned.surely_wished_off(meter, now, now) {
            return (!given_up(Cause::Other) && !given_up(Cause::Safety)).then_some(false);
        }
        // Its clock must have been right since the cut was due, and nothing have stood against it then.
        let cuts = people.calendars.surely_cuts(meter, now, zone).filter(|began| {
            self.clock.steady_since() < *began && people.turned.surely_unguarded(meter, account, *began, now)
        });
        if self.clock.is_right() && cuts.is_some() {
            return (!given_up(Cause::Schedule)).then_some(false);
        }
        let may_cut = [now, self.clock.shown(now)].iter().any(|at| people.calendars.may_cut(meter, *at, zone));
        let not_wished = people.turned.surely_not_wished_off(meter, now, now);
        (people.operator_surely(false, meter, now, now) && not_wished && !may_cut).then_some(true)
    }
}

/// The refund that was asked for an account, where nothing was posted after it since the look before: its transaction's key.
fn just_refunded(seen: &Seen, account: AccountId) -> Option<&str> {
    let last = seen.transactions.iter().rfind(|one| one.account == account && !seen.whole)?;
    (last.kind == Kind::Refund && last.key.starts_with("refund:")).then_some(last.key.as_str())
}

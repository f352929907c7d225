//! Money (I1): balances are the sums of their postings, and what was brought along and paid in, less what was taken back
//! and what the settled energy costs.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    energy::Energy,
    ids::{AccountId, InstallationId, TransactionId},
    money::Money,
};
use jiff::{Timestamp, civil::Date};

use super::{
    Rules, Violation,
    fixed::due,
    owed::Owed,
    passing::Passed,
    people::People,
    seen::{AccountSeen, DaySeen, InstallationSeen, Kind, RefundSeen, ReversalSeen, Seen, TransactionSeen, VendSeen},
    selling::Selling,
    settled::{Tariffs, prices, settled_cost},
    time::local,
};

/// All that was posted, and what it rests on.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    accounts: BTreeMap<AccountId, Account>,
    /// What every ledger account has.
    sums: BTreeMap<String, i128>,
    vends: BTreeMap<String, VendSeen>,
    /// What transactions of vends, reversals and the like moved to a balance, what was paid by them, and the balance after.
    sold: BTreeMap<TransactionId, (Money, Money, Money)>,
    /// By the keys of their vends.
    reversals: BTreeMap<String, ReversalSeen>,
    /// What was sold on which day.
    selling: Selling,
    /// Receipts of refunds, and their numbers.
    refunds: BTreeSet<String>,
    refund_numbers: BTreeSet<String>,
    /// What went from accounts to those that took their places.
    passed: Passed,
    /// Debts, write-offs of them and subsidies: amounts by the keys of their transactions.
    aid: BTreeMap<String, Money>,
}

/// What an account's money is made of.
#[derive(Debug, Clone, Default)]
pub struct Account {
    sequence: i64,
    opening: Money,
    /// Paid in or given, less what recovered debt, and not taken back.
    sold: Money,
    /// What it owes apart from that.
    owed: Owed,
    /// Posted for energy.
    charged: Money,
    /// Paid back, less what was written off, and the keys of it.
    given: (Money, BTreeSet<String>),
    /// What went to the account that took its place.
    passed: Money,
    /// Posted for what comes whatever is used, the most of it at any time, and what for.
    fixed: (Money, Money, BTreeSet<String>),
    /// The meters that count for it, or did, one after the other.
    pub installations: BTreeMap<(Timestamp, InstallationId), InstallationSeen>,
    /// The newest revision of its settled days.
    pub days: BTreeMap<(InstallationId, Date), DaySeen>,
    /// The day on which it was opened.
    pub opened: Date,
    /// Rows that were found right.
    right: Option<(Money, i64, Money)>,
}

impl Account {
    /// What it brought along.
    pub fn opening(&self) -> Money {
        self.opening
    }

    /// Opening credit, subsidies, and vends that were not reversed without what recovered debt; less what was charged whatever
    /// was used, what was paid back and what passed on.
    pub fn for_energy(&self) -> Money {
        self.opening + self.sold - self.fixed.0 - self.given.0 - self.passed
    }

    /// The most that was ever charged whatever was used or recovered debt, and what was paid back.
    pub fn taken(&self) -> Money {
        self.fixed.1 + self.owed.sum.1 + self.given.0
    }

    /// A meter's register at the end of each settled day.
    pub fn days(&self, of: InstallationId) -> impl DoubleEndedIterator<Item = (Date, Energy)> + '_ {
        let all = self.days.range((of, Date::MIN)..=(of, Date::MAX));
        all.map(|((_, day), row)| (*day, row.end_value))
    }
}

impl Ledger {
    /// Takes what is new, or all of it, and checks the accounts whose rows changed.
    ///
    /// # Errors
    /// Something does not add up.
    pub fn look(&mut self, seen: &Seen, people: &People, tariffs: &Tariffs<'_>) -> Result<(), Violation> {
        if seen.whole {
            let before = std::mem::take(self);
            self.take(seen, people, tariffs.rules)?;
            before.is_part_of(self)?;
        } else {
            self.take(seen, people, tariffs.rules)?;
        }
        for (id, row) in &seen.accounts {
            self.account(*id, row, tariffs)?;
        }
        let unopened = |id: &AccountId| seen.accounts.get(id).is_none_or(|row| !row.active && row.closed_at.is_none());
        if let Some(id) = people.opened().find(unopened) {
            return Err(Violation::of("I3", format!("account {id}: told to be open, and is not")));
        }
        if self.sums.values().sum::<i128>() != 0 {
            return Err(Violation::of("I1", format!("the ledger does not sum to zero: {:?}", self.sums)));
        }
        Ok(())
    }

    /// All vends, by their keys.
    pub fn vends(&self) -> &BTreeMap<String, VendSeen> {
        &self.vends
    }

    /// All reversals, by the keys of their vends.
    pub fn reversals(&self) -> &BTreeMap<String, ReversalSeen> {
        &self.reversals
    }

    /// What was entered as debt, written off of it, or given, by the keys of transactions.
    pub fn aid(&self) -> &BTreeMap<String, Money> {
        &self.aid
    }

    /// The receipts of all refunds.
    pub fn refunds(&self) -> &BTreeSet<String> {
        &self.refunds
    }

    /// The receipts of each terminal are numbered from 1 without gaps, those of vends, reversals and refunds
    /// together.
    ///
    /// # Errors
    /// They are not.
    pub fn receipts(&self) -> Result<(), Violation> {
        let vends = self.vends.values().map(|row| &row.receipt_number);
        let mut numbers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        let reversals = self.reversals.values().map(|row| &row.receipt_number);
        for receipt in vends.chain(reversals).chain(&self.refund_numbers) {
            let number = receipt.rsplit_once('-').and_then(|(of, number)| Some((of, number.parse::<u64>().ok()?)));
            let fresh = number.is_some_and(|(of, number)| numbers.entry(of).or_default().insert(number));
            if !fresh {
                return Err(Violation::of("I3", format!("receipt {receipt} stands twice, or has no number")));
            }
        }
        match numbers.iter().find(|(_, all)| !all.iter().copied().eq(1..=u64::try_from(all.len()).unwrap_or_default()))
        {
            Some((of, all)) => Err(Violation::of("I3", format!("receipts of {of} have gaps: {all:?}"))),
            None => Ok(()),
        }
    }

    /// What an account's money is made of.
    pub fn of(&self, account: AccountId) -> Option<&Account> {
        self.accounts.get(&account)
    }

    fn take(&mut self, seen: &Seen, people: &People, rules: &Rules) -> Result<(), Violation> {
        let vends: BTreeMap<TransactionId, &VendSeen> = seen.vends.iter().map(|row| (row.transaction, row)).collect();
        let reversals: BTreeMap<TransactionId, &ReversalSeen> =
            seen.reversals.iter().map(|row| (row.transaction, row)).collect();
        for installation in &seen.installations {
            let account = self.accounts.entry(installation.account).or_default();
            let before = account.installations.insert((installation.start_at, installation.id), installation.clone());
            if before.as_ref() != Some(installation) {
                account.right = None;
            }
        }
        for transaction in &seen.transactions {
            let id = transaction.id;
            let counter = (vends.get(&id).copied(), reversals.get(&id).copied());
            self.post(transaction, counter, people, rules)?;
        }
        for vend in &seen.vends {
            self.sell(vend, people)?;
            self.selling.sold(vend, rules)?;
        }
        for reversal in &seen.reversals {
            self.take_back(reversal, people)?;
            self.selling.taken_back(self.vends.get(&reversal.vend), rules);
        }
        self.selling.in_limits(rules)?;
        for refund in &seen.refunds {
            self.pay_out(refund)?;
        }
        for day in &seen.days {
            self.settle(day)?;
        }
        Ok(())
    }

    fn post(
        &mut self,
        one: &TransactionSeen,
        (vend, reversal): (Option<&VendSeen>, Option<&ReversalSeen>),
        people: &People,
        rules: &Rules,
    ) -> Result<(), Violation> {
        let wrong = |detail: String| Err(Violation::of("I1", format!("transaction {}: {detail}", one.id)));
        let (moved, owed) = self.moves(one)?;
        let account = self.accounts.entry(one.account).or_default();
        account.right = None;
        if one.sequence != account.sequence + 1 {
            return wrong(format!("is number {} after {} of account {}", one.sequence, account.sequence, one.account));
        }
        account.sequence = one.sequence;
        let balance = self.sums.get(&format!("balance:{}", one.account)).copied().unwrap_or_default();
        let balance = Money::new(i64::try_from(balance).unwrap_or(i64::MAX));
        if one.balance_after.is_some_and(|told| told != balance) {
            return wrong(format!("leaves {balance}, and says {:?}", one.balance_after));
        }
        account.owed.post(one, (moved, owed, balance), (vend, reversal), people, rules)?;
        let aid = matches!(one.kind, Kind::Debt | Kind::Subsidy | Kind::Adjustment)
            || one.kind == Kind::WriteOff && owed != Money::ZERO;
        if aid && self.aid.insert(one.key.clone(), moved - owed).is_some() {
            return wrong(format!("posts {moved} a second time, as {}", one.key));
        }
        match one.kind {
            Kind::Debt => {}
            Kind::WriteOff if owed != Money::ZERO => {}
            Kind::DebtRecovery => account.given.0 = account.given.0 - moved,
            Kind::Subsidy if people.aid.asked_to_give(&one.key, one.account, moved) => {
                account.sold = account.sold + moved;
            }
            Kind::Adjustment if people.aid.asked_to_adjust(&one.key, one.account, moved) => {
                account.sold = account.sold + moved;
            }
            Kind::Subsidy | Kind::Adjustment => return wrong(format!("gives {moved}, which nobody asked for")),
            Kind::Opening if one.sequence != 1 || !people.asked_to_open(one.account, moved) => {
                return wrong(format!("opens account {} with {moved}, which nobody asked for", one.account));
            }
            Kind::Opening => account.opening = moved,
            Kind::Vend | Kind::Reversal => drop(self.sold.insert(one.id, (moved, moved - owed, balance))),
            Kind::Refund if !people.leaving.asked_to_pay_out(&one.key, one.account, -moved) => {
                return wrong(format!("pays {moved} out, which nobody asked for"));
            }
            Kind::WriteOff if !people.leaving.asked_to_write_off(one.account) => {
                return wrong(format!("writes {moved} off, which nobody asked for"));
            }
            Kind::Refund | Kind::WriteOff if !account.given.1.insert(one.key.clone()) => {
                return wrong(format!("gives {moved} back a second time, as {}", one.key));
            }
            Kind::Refund | Kind::WriteOff => {
                account.given.0 = account.given.0 - moved;
                self.sold.insert(one.id, (moved, moved, balance));
            }
            Kind::Transfer => match self.passed.post(one, moved, balance)? {
                true => account.passed = account.passed - moved,
                false => account.opening = moved,
            },
            Kind::Charge => account.charged = account.charged - moved,
            Kind::Fixed if !account.fixed.2.insert(one.object.clone()) => {
                return wrong(format!("charges {} a second time", one.object));
            }
            Kind::Fixed => {
                account.fixed.0 = account.fixed.0 - moved;
                account.fixed.1 = account.fixed.1.max(account.fixed.0);
            }
        }
        Ok(())
    }

    /// What a transaction moves to its account's balance, and what is owed more after it.
    fn moves(&mut self, one: &TransactionSeen) -> Result<(Money, Money), Violation> {
        let wrong = |detail: String| Err(Violation::of("I1", format!("transaction {}: {detail}", one.id)));
        let (balance, debt) = (format!("balance:{}", one.account), format!("debt:{}", one.account));
        let (mut moved, mut owed) = (Money::ZERO, Money::ZERO);
        for (from, to, amount) in &one.postings {
            if *amount <= Money::ZERO || from == to {
                return wrong(format!("posts {amount} from {from} to {to}"));
            }
            *self.sums.entry(from.clone()).or_default() -= i128::from(amount.get());
            *self.sums.entry(to.clone()).or_default() += i128::from(amount.get());
            let part = |of: &str| match (from == of, to == of) {
                (true, _) => Money::ZERO - *amount,
                (_, true) => *amount,
                _ => Money::ZERO,
            };
            (moved, owed) = (moved + part(&balance), owed - part(&debt));
            if ![from, to].into_iter().any(|of| *of == balance || *of == debt) {
                return wrong(format!("moves money from {from} to {to} past {balance}"));
            }
        }
        Ok((moved, owed))
    }

    fn sell(&mut self, row: &VendSeen, people: &People) -> Result<(), Violation> {
        people.asked_to_sell(row)?;
        let posted = self.sold.get(&row.transaction).copied();
        let right = |(_, paid, left)| paid == row.amount && row.told_balance.is_none_or(|told| told == left);
        let Some((moved, ..)) = posted.filter(|posted| right(*posted)) else {
            return Err(Violation::of("I1", format!("vend {row:?}, posted {posted:?}")));
        };
        if let Some(before) = self.vends.insert(row.key.clone(), row.clone()) {
            return Err(Violation::of("I2", format!("two vends with one key: {before:?} and {row:?}")));
        }
        let account = self.accounts.entry(row.account).or_default();
        account.sold = account.sold + moved;
        account.right = None;
        Ok(())
    }

    fn take_back(&mut self, row: &ReversalSeen, people: &People) -> Result<(), Violation> {
        people.reversals.asked_for(row)?;
        let vend = self.vends.get(&row.vend);
        if vend.is_none_or(|vend| (vend.account, vend.amount) != (row.account, row.amount)) {
            return Err(Violation::of("I3", format!("reversal {row:?}, of vend {vend:?}")));
        }
        let posted = self.sold.get(&row.transaction).copied();
        let right = |(_, paid, left)| paid == -row.amount && row.told_balance.is_none_or(|told| told == left);
        let Some((moved, ..)) = posted.filter(|posted| right(*posted)) else {
            return Err(Violation::of("I1", format!("reversal {row:?}, posted {posted:?}")));
        };
        if let Some(before) = self.reversals.insert(row.vend.clone(), row.clone()) {
            return Err(Violation::of("I2", format!("two reversals of one vend: {before:?} and {row:?}")));
        }
        let account = self.accounts.entry(row.account).or_default();
        account.sold = account.sold + moved;
        account.right = None;
        Ok(())
    }

    fn pay_out(&mut self, row: &RefundSeen) -> Result<(), Violation> {
        let posted = self.sold.get(&row.transaction).copied();
        if posted
            .is_none_or(|(moved, _, left)| moved != -row.amount || row.told_balance.is_some_and(|told| told != left))
        {
            return Err(Violation::of("I1", format!("refund {row:?}, posted {posted:?}")));
        }
        self.refunds.insert(row.receipt.clone());
        self.refund_numbers.insert(row.receipt_number.clone());
        Ok(())
    }

    fn settle(&mut self, row: &DaySeen) -> Result<(), Violation> {
        let account = self.accounts.entry(row.account).or_default();
        account.right = None;
        let known = account.days.get(&(row.installation, row.day)).map_or(0, |row| row.revision);
        if row.revision != known + 1 {
            let detail = format!("account {} day {}: revision {} after {known}", row.account, row.day, row.revision);
            return Err(Violation::of("I1", detail));
        }
        account.days.insert((row.installation, row.day), row.clone());
        Ok(())
    }

    /// An account's row against its postings, and its postings against its energy.
    fn account(&mut self, id: AccountId, row: &AccountSeen, tariffs: &Tariffs<'_>) -> Result<(), Violation> {
        let now = (row.posted, row.carry, row.debt);
        let Some(account) = self.accounts.get_mut(&id) else {
            let nothing = now == (Money::ZERO, 0, Money::ZERO);
            let wrong = || Violation::of("I1", format!("account {id} has {} without a posting", row.posted));
            return if nothing { Ok(()) } else { Err(wrong()) };
        };
        if account.right == Some(now) {
            return Ok(());
        }
        let wrong = |detail: String| Err(Violation::of("I1", format!("account {id}: {detail}")));
        let sum = self.sums.get(&format!("balance:{id}")).copied().unwrap_or_default();
        if i128::from(row.posted.get()) != sum {
            return wrong(format!("balance {}, its postings sum to {sum}", row.posted));
        }
        if row.debt != account.owed.left {
            return wrong(format!("owes {} apart, by its transactions {}", row.debt, account.owed.left));
        }
        account.opened = row.opened_at.map_or(Date::MIN, |at| local(at, &tariffs.rules.zone).date());
        let closed = row.closed_at.map(|at| local(at, &tariffs.rules.zone).date());
        let (cost, carry) = settled_cost(id, account, tariffs)?;
        if account.charged != cost {
            return wrong(format!("{} was charged, its settled energy costs {cost}", account.charged));
        }
        let carry = if closed.is_some() { 0 } else { carry };
        if row.carry != carry {
            return wrong(format!("carry {}e-10, its settled energy leaves {carry}e-10", row.carry));
        }
        let until = closed.or(row.fixed_to).unwrap_or(Date::MIN);
        let fixed = due(account.opened, until, closed.is_some(), prices(id, tariffs));
        if account.fixed.0 != fixed {
            let detail = format!("fixed charges of {} to {:?}, they come to {fixed}", account.fixed.0, row.fixed_to);
            return wrong(detail);
        }
        let balance = account.for_energy() - cost;
        if row.posted != balance {
            return wrong(format!("balance {}, paid less used is {balance}", row.posted));
        }
        if closed.is_some() && (row.posted, row.debt) != (Money::ZERO, Money::ZERO) {
            return wrong(format!("is closed, and {} is left, {} owed", row.posted, row.debt));
        }
        account.right = Some(now);
        Ok(())
    }

    /// What was read before must still be there.
    fn is_part_of(&self, whole: &Self) -> Result<(), Violation> {
        if let Some((key, _)) = self.vends.iter().find(|(key, row)| whole.vends.get(*key) != Some(*row)) {
            return Err(Violation::of("I3", format!("vend {key} was stored, and is not any more as it was")));
        }
        if let Some((vend, _)) = self.reversals.iter().find(|(vend, row)| whole.reversals.get(*vend) != Some(*row)) {
            return Err(Violation::of("I3", format!("the reversal of vend {vend} is not stored any more as it was")));
        }
        for (id, account) in &self.accounts {
            let now = whole.accounts.get(id).map_or(0, |now| now.sequence);
            if now < account.sequence {
                return Err(Violation::of(
                    "I1",
                    format!("account {id}: {} transactions became {now}", account.sequence),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

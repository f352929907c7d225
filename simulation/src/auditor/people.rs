//! What people asked for and were told: which way guards and switches stand, and that a key has one effect and one answer
//! (I2), and that what was answered is kept (I3).

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    ids::{AccountId, InstallationId, MeterId},
    money::Money,
};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    Answer, Automatic, Request, Supply, Violation,
    aid::Aid,
    calendars::Calendars,
    groups::{self, Groups},
    leaving::Leaving,
    passing::Passing,
    reversals::Reversals,
    seen::{Cause, OrderSeen, VendSeen},
    toggle::{Outcome, Toggle},
    turned::{Turned, off, throughout},
};

/// Everything people did.
#[derive(Debug, Clone)]
pub struct People {
    asked: BTreeMap<u64, Asked>,
    /// The site's switch.
    pub switch: Toggle<Automatic>,
    /// What else they turned.
    pub turned: Turned,
    /// Cuts by a calendar.
    pub calendars: Calendars,
    /// Whether an operator wants a meter off.
    operators: BTreeMap<MeterId, Toggle<bool>>,
    vends: BTreeMap<String, Key>,
    /// What of it was wanted back.
    pub reversals: Reversals,
    /// What was given back, and who was closed.
    pub leaving: Leaving,
    /// Who passed to another customer.
    pub passing: Passing,
    /// What else was asked for and given.
    pub aid: Aid,
    /// Keys of vends that were answered since the last look.
    news: BTreeSet<String>,
    openings: BTreeMap<AccountId, Vec<Money>>,
    opened: BTreeSet<AccountId>,
    /// Keys of orders that were answered: their repetitions do nothing.
    ordered: BTreeSet<String>,
    /// The first request of each order's key.
    first_asked: BTreeMap<String, u64>,
    /// Keys under which a meter was ordered one way.
    order_keys: BTreeMap<(MeterId, Supply), BTreeSet<String>>,
    /// Which meter was to take which one's place, and whether its relay can be moved.
    replacements: BTreeMap<(MeterId, MeterId), bool>,
    /// Replacements that were answered since the last look.
    replaced: Vec<(MeterId, MeterId)>,
    /// Orders to several meters.
    groups: Groups,
    /// Stops under way, and whether the switch was surely not off when they were pressed.
    stops: BTreeMap<u64, bool>,
    /// Meters that took another's place.
    handed_over: BTreeSet<MeterId>,
}

#[derive(Debug, Clone)]
struct Asked {
    what: Request,
    /// Of a vend: whether the same content had been sold under its key before.
    sold_before: bool,
}

/// What is known of a vend's key.
#[derive(Debug, Clone, Default)]
struct Key {
    /// Who was to get how much.
    wanted: BTreeSet<(AccountId, Money)>,
    done: Option<Sold>,
}

/// What a client was told that it sold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sold {
    account: AccountId,
    amount: Money,
    content: String,
    receipt: String,
    at: Timestamp,
}

impl Default for People {
    fn default() -> Self {
        Self {
            asked: BTreeMap::new(),
            // Nobody said yet which way it stands.
            switch: Toggle::new([Automatic::Off, Automatic::ReportOnly, Automatic::On]),
            turned: Turned::default(),
            calendars: Calendars::default(),
            operators: BTreeMap::new(),
            vends: BTreeMap::new(),
            reversals: Reversals::default(),
            leaving: Leaving::default(),
            passing: Passing::default(),
            aid: Aid::default(),
            news: BTreeSet::new(),
            openings: BTreeMap::new(),
            opened: BTreeSet::new(),
            ordered: BTreeSet::new(),
            first_asked: BTreeMap::new(),
            order_keys: BTreeMap::new(),
            replacements: BTreeMap::new(),
            replaced: Vec::new(),
            groups: Groups::default(),
            stops: BTreeMap::new(),
            handed_over: BTreeSet::new(),
        }
    }
}

impl People {
    /// A client sends a request.
    pub fn ask(&mut self, at: Timestamp, request: u64, what: Request) {
        self.aid.ask(request, &what);
        self.turned.ask(at, request, &what);
        self.calendars.ask(at, request, &what);
        let mut sold_before = false;
        match &what {
            Request::Open { account, credit, .. } => self.openings.entry(*account).or_default().push(*credit),
            Request::Vend { key, account, amount, content } => {
                let key = self.vends.entry(key.clone()).or_default();
                key.wanted.insert((*account, *amount));
                sold_before = key.done.as_ref().is_some_and(|done| done.content == *content);
            }
            Request::Reverse { .. } => self.reversals.ask(at, request, &what),
            Request::Order { key, meter, supply } => {
                self.order_keys.entry((*meter, *supply)).or_default().insert(key.clone());
                if !self.ordered.contains(key) {
                    let first = *self.first_asked.entry(key.clone()).or_insert(request);
                    off(&mut self.operators, *meter).asked_again(at, first, request, *supply == Supply::Off);
                }
            }
            Request::Group { approved: true, .. } => self.group_asked(at, request, &what),
            Request::Stop => {
                self.stops.insert(request, !self.switch.may_be(Automatic::Off, at, at));
                self.switch.asked(at, request, Automatic::ReportOnly);
                self.operators.values_mut().for_each(|toggle| toggle.asked(at, request, false));
            }
            Request::Replace { old, new, switchable } => drop(self.replacements.insert((*old, *new), *switchable)),
            Request::Switch { automatic } => self.switch.asked(at, request, *automatic),
            Request::Refund { .. } | Request::Close { .. } => self.leaving.ask(&what),
            Request::Transfer { .. } => self.passing.ask(&what),
            Request::Wish { meter, supply: Supply::On, .. } => {
                self.order_keys.entry((*meter, Supply::Off)).or_default().insert(format!("lifted {request}"));
            }
            _ => {}
        }
        self.asked.insert(request, Asked { what, sold_before });
    }

    /// A client gets an answer.
    ///
    /// # Errors
    /// A key that was used got another answer, or another effect.
    pub fn answer(&mut self, at: Timestamp, request: u64, answer: &Answer) -> Result<(), Violation> {
        let Some(asked) = self.asked.remove(&request) else { return Ok(()) };
        let outcome = Outcome::of(answer);
        self.turned.answer(at, request, &asked.what, outcome);
        self.calendars.answer(at, request, &asked.what, outcome);
        match &asked.what {
            Request::Open { account, .. } if outcome == Outcome::Done => {
                self.opened.insert(*account);
                self.aid.answer(at, request, &asked.what, answer)?;
            }
            Request::Vend { .. } => self.vend_answered(at, &asked, answer)?,
            Request::Replace { old, new, .. } if outcome == Outcome::Done => self.replaced.push((*old, *new)),
            Request::Reverse { .. } => self.reversals.answer(request, &asked.what, answer)?,
            Request::Refund { .. } | Request::Close { .. } => self.leaving.answer(&asked.what, answer)?,
            Request::Transfer { .. } => self.passing.answer(&asked.what, answer)?,
            Request::Order { key, meter, .. } => {
                off(&mut self.operators, *meter).answered(at, request, outcome);
                if outcome == Outcome::Done {
                    self.ordered.insert(key.clone());
                }
            }
            Request::Group { approved: true, key, meters, emergency, .. } => {
                self.group_answered(at, (key, meters, *emergency), answer);
            }
            Request::Stop => {
                let surely = self.stops.remove(&request).unwrap_or_default();
                self.switch.answered(at, request, if surely { outcome } else { Outcome::Unknown });
                // What was not sent is wanted no longer, unless its relay is open; what was sent still is.
                self.operators.values_mut().for_each(|toggle| toggle.answered(at, request, Outcome::Unknown));
            }
            Request::Switch { .. } => self.switch.answered(at, request, outcome),
            Request::Announce { account } => {
                if let Answer::Done { receipt: Some(told) } = answer {
                    self.turned.told_of_payment(at, *account, told);
                }
            }
            what @ (Request::Owe { .. }
            | Request::Adjust { .. }
            | Request::Forgive { .. }
            | Request::Give { .. }
            | Request::Help { .. }) => {
                self.aid.answer(at, request, what, answer)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a meter is wanted off by operators, or for safety.
    fn wanted_off(&mut self, meter: MeterId, for_safety: bool) -> &mut Toggle<bool> {
        if for_safety { self.turned.lock(meter) } else { off(&mut self.operators, meter) }
    }

    fn group_asked(&mut self, at: Timestamp, request: u64, what: &Request) {
        let Request::Group { key, meters, supply, emergency, .. } = what else { return };
        let repeated = self.ordered.contains(key);
        let first = *self.first_asked.entry(key.clone()).or_insert(request);
        for meter in meters {
            // Where an operator's cut stands as well, it is ordered in the place of one for safety that ends.
            let of = if *emergency { Supply::Off } else { *supply };
            if !*emergency || *supply == Supply::On {
                self.order_keys.entry((*meter, of)).or_default().insert(key.clone());
            }
            if !repeated {
                self.wanted_off(*meter, *emergency).asked_again(at, first, request, *supply == Supply::Off);
            }
        }
        self.groups.ask(request, key, meters);
    }

    fn group_answered(&mut self, at: Timestamp, (key, meters, emergency): (&str, &[MeterId], bool), answer: &Answer) {
        let told = match answer {
            Answer::Done { receipt: Some(told) } => told.as_str(),
            // It may go on at any time.
            Answer::Unknown => return,
            _ => "",
        };
        for request in self.groups.answered(key) {
            for meter in meters {
                let outcome = match answer {
                    Answer::Refused { .. } => Outcome::Refused,
                    _ => groups::outcome(told, *meter),
                };
                self.wanted_off(*meter, emergency).answered(at, request, outcome);
            }
        }
        if matches!(answer, Answer::Done { .. }) {
            self.ordered.insert(key.to_owned());
        }
    }

    /// Whether a meter is or was in a group of orders.
    pub fn was_in_a_group(&self, meter: MeterId) -> bool {
        self.groups.members.contains(&meter)
    }

    fn vend_answered(&mut self, at: Timestamp, asked: &Asked, answer: &Answer) -> Result<(), Violation> {
        let Request::Vend { key, account, amount, content } = &asked.what else { return Ok(()) };
        let wrong = |detail: String| Err(Violation::of("I2", format!("vend {key}: {detail}")));
        let receipt = match answer {
            Answer::Refused { code } if asked.sold_before => {
                return wrong(format!("sold before, now refused as {code}"));
            }
            Answer::Refused { .. } | Answer::Unknown => return Ok(()),
            Answer::Done { receipt: None } => return wrong("done without a receipt".to_owned()),
            Answer::Done { receipt: Some(receipt) } => receipt,
        };
        let Some(known) = self.vends.get_mut(key) else { return Ok(()) };
        let (content, receipt) = (content.clone(), receipt.clone());
        let sold = Sold { account: *account, amount: *amount, content, receipt, at };
        self.news.insert(key.clone());
        match &known.done {
            None => known.done = Some(sold),
            Some(before) if before.content != sold.content => {
                return wrong(format!("sold twice, first {}, then {}", before.content, sold.content));
            }
            Some(before) if before.receipt != sold.receipt => {
                return wrong(format!("two receipts, first {}, then {}", before.receipt, sold.receipt));
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// The process died.
    pub fn crashed(&mut self) {
        self.switch.crashed();
        let groups = &self.groups;
        self.turned.crashed(|request| groups.goes_on(request));
        self.operators.values_mut().for_each(|toggle| toggle.crashed_but(|request| groups.goes_on(request)));
        self.stops.clear();
    }

    /// Whether an operator wanted a meter off (or did not) for all of a span.
    pub fn operator_surely(&self, off: bool, meter: MeterId, from: Timestamp, to: Timestamp) -> bool {
        throughout(&self.operators, &meter, off, from, to)
    }

    /// Whether somebody asked for an account to be closed, or to pass to another customer.
    pub fn asked_to_leave(&self, account: AccountId) -> bool {
        self.leaving.asked_to_close(account) || self.passing.asked_to_pass(account)
    }

    /// Whether somebody asked for a meter to take another's place; then whether its relay can be moved.
    pub fn asked_to_replace(&self, old: MeterId, new: MeterId) -> Option<bool> {
        self.replacements.get(&(old, new)).copied()
    }

    /// Replacements that were answered since this was last asked: which meter by which.
    pub fn told_replaced(&mut self) -> Vec<(MeterId, MeterId)> {
        std::mem::take(&mut self.replaced)
    }

    /// A meter took another's place: what people turned there goes on, and nothing is left at the old one. Where an operator
    /// wants supply off, one order more cuts the new one.
    pub fn hand_over(&mut self, old: MeterId, new: MeterId, by: InstallationId) {
        self.turned.hand_over(old, new);
        match self.operators.remove(&old) {
            Some(toggle) => drop(self.operators.insert(new, toggle)),
            None => drop(self.operators.remove(&new)),
        }
        self.order_keys.entry((new, Supply::Off)).or_default().insert(format!("installation {by}"));
        self.handed_over.insert(new);
    }

    /// Whether an operator's cut may have come to a meter with its installation: then it stood before a guard did.
    pub fn took_a_place(&self, meter: MeterId) -> bool {
        self.handed_over.contains(&meter)
    }

    /// Whether somebody asked for an account to be opened with this credit.
    pub fn asked_to_open(&self, account: AccountId, credit: Money) -> bool {
        self.openings.get(&account).is_some_and(|credits| credits.contains(&credit))
    }

    /// Accounts that were told to be open.
    pub fn opened(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.opened.iter().copied()
    }

    /// A vend that was stored must have been asked for.
    ///
    /// # Errors
    /// Nobody did.
    pub fn asked_to_sell(&self, row: &VendSeen) -> Result<(), Violation> {
        let wanted = self.vends.get(&row.key).is_some_and(|key| key.wanted.contains(&(row.account, row.amount)));
        if wanted {
            return Ok(());
        }
        let detail = format!("vend {} of {} to account {}: nobody asked for it", row.key, row.amount, row.account);
        Err(Violation::of("I3", detail))
    }

    /// What an account surely was sold or given: clients were told so before the first of two moments, and nobody may have taken it
    /// back by the last.
    pub fn surely_paid(&self, account: AccountId, (first, last): (Timestamp, Timestamp)) -> Money {
        let sold = self.vends.iter().filter_map(|(key, known)| Some((key, known.done.as_ref()?)));
        let sold = sold.filter(|(_, sold)| sold.account == account && sold.at <= first);
        let sold = sold.filter(|(key, _)| !self.reversals.may_be_done(key, last)).map(|(_, sold)| sold.amount);
        sold.chain([self.aid.surely_given(account, first)]).sum()
    }

    /// What clients were told that they sold (`all` of it, or since the last look) must be stored, as they were told.
    ///
    /// # Errors
    /// It is not.
    pub fn kept(&mut self, rows: &BTreeMap<String, VendSeen>, all: bool) -> Result<(), Violation> {
        let news = std::mem::take(&mut self.news);
        let keys: Vec<&String> = if all { self.vends.keys().collect() } else { news.iter().collect() };
        for key in keys {
            let Some(sold) = self.vends.get(key).and_then(|known| known.done.as_ref()) else { continue };
            let wrong = |detail: String| Err(Violation::of("I3", format!("vend {key}: {detail}")));
            match rows.get(key) {
                None => return wrong(format!("answered with {}, and not stored", sold.receipt)),
                Some(row) if row.receipt != sold.receipt => {
                    return wrong(format!("answered with {}, stored with {}", sold.receipt, row.receipt));
                }
                Some(row) if (row.account, row.amount) != (sold.account, sold.amount) => {
                    return wrong(format!("sold {} to {}, stored {row:?}", sold.amount, sold.account));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// An operator's orders are not more than the keys they were asked under, and the ends of others' cuts: where an operator's
    /// cut stands as well, it is ordered in their place.
    ///
    /// # Errors
    /// They are.
    pub fn asked_to_order<'a>(
        &self,
        orders: impl IntoIterator<Item = &'a OrderSeen>,
        now: Timestamp,
        zone: &TimeZone,
    ) -> Result<(), Violation> {
        let mut counts: BTreeMap<(MeterId, Supply), usize> = BTreeMap::new();
        for order in orders.into_iter().filter(|order| order.cause == Cause::Operator) {
            *counts.entry((order.meter, order.supply)).or_default() += 1;
        }
        for ((meter, supply), count) in counts {
            let keys = self.order_keys.get(&(meter, supply)).map_or(0, BTreeSet::len);
            let ends = if supply == Supply::Off { self.calendars.ends(meter, now, zone) } else { 0 };
            if count > keys + ends {
                let detail = format!("meter {meter}: {count} orders of an operator to turn it {supply}, {keys} keys");
                return Err(Violation::of("I2", detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

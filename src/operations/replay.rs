//! Replaying an account: its transactions from the first one on, reckoned again from readings, settled days and postings.
//! The audit compares the whole of it, an explanation shows a span of it.

mod registers;

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    calendar::{day_before, day_of, midnight},
    charge::{self, Slice, Usage},
    energy::Energy,
    explain,
    ids::{InstallationId, ReadingId, TransactionId},
    ledger::{LedgerAccount, Posting, TransactionKind, balance_of},
    money::{Carry, Exact, Money},
    tariff::{Period, Tariff},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use store::{
    Conn, account::Account, installation::Installation, reading::Reading, settled_day::SettledDay,
    transaction::Transaction,
};

use super::{Error, books};

/// An account and how far it is replayed.
pub struct Replay {
    /// Its row.
    pub account: Account,
    /// What prices it.
    pub tariff: Tariff,
    /// Where its days begin.
    pub zone: TimeZone,
    /// The posted balance so far.
    pub balance: Money,
    /// The carry so far.
    pub carry: Carry,
    /// The settled energies so far.
    pub usage: Usage,
    /// Settled days of transactions that are still to come.
    pub days: BTreeMap<TransactionId, Vec<SettledDay>>,
    installations: BTreeMap<InstallationId, Installation>,
    /// The register's value at each settled midnight so far.
    ends: BTreeMap<(InstallationId, Date), SettledDay>,
}

/// A transaction, replayed.
pub struct Step {
    /// Its row.
    pub transaction: Transaction,
    /// How money moved.
    pub postings: Vec<Posting>,
    /// What it added to the balance.
    pub moved: Money,
    /// The posted balance before, replayed.
    pub balance_before: Money,
    /// The carry before, replayed.
    pub carry_before: Carry,
    /// The carry after, replayed.
    pub carry_after: Carry,
    /// Days it settled or corrected.
    pub days: Vec<Day>,
    /// What it charged; none where its kind charges no energy.
    pub charged: Option<Charged>,
    /// What does not agree with the rows, in words.
    pub differences: Vec<String>,
}

/// What a charge or a correction is made of, replayed.
pub struct Charged {
    /// What it changes in each part of the exact cost.
    pub lines: Vec<Slice>,
    /// The exact cost of the energies that could change, before.
    pub cost_before: Exact,
    /// The same after.
    pub cost_after: Exact,
    /// What is posted: whole minor units, negative where something is given back.
    pub amount: Money,
}

/// A revision of a settled day, replayed.
pub struct Day {
    /// Its row.
    pub row: SettledDay,
    /// The meter as it was installed.
    pub installation: Installation,
    /// The revision that it takes the place of.
    pub old: Option<SettledDay>,
    /// The register where the day begins.
    pub start: Boundary,
    /// The register at each change of the period, and where the day ends.
    pub ends: Vec<Boundary>,
    /// Each billed period register where the day begins and where it ends; `start` and `ends` are their sums. Empty where the
    /// total is billed.
    pub registers: Vec<(Period, Boundary, Boundary)>,
    /// Its energies by period, after the multiplier, in the order of the day.
    pub energies: Vec<(Period, Energy)>,
}

/// A register's value that settlement used.
pub struct Boundary {
    /// The billed period register; none: the total.
    pub register: Option<Period>,
    /// When the register stood so.
    pub at: Timestamp,
    /// The value, unwrapped, before the multiplier.
    pub value: Energy,
    /// What its readings tell by themselves. The value is above it where the register had stepped back, which costs
    /// nothing.
    pub told: Energy,
    /// The readings: one at that instant, or the two around it.
    pub readings: Vec<Reading>,
}

impl Replay {
    /// An account of which nothing is replayed yet.
    ///
    /// # Errors
    /// A row is missing or does not parse; the database fails.
    pub fn load(conn: &mut Conn, account: Account) -> Result<Self, Error> {
        let site = store::site::by_id(conn, account.id.site())?;
        let tariff = books::prices(conn, &account, &site)?;
        let mut days: BTreeMap<TransactionId, Vec<SettledDay>> = BTreeMap::new();
        for day in store::settled_day::history(conn, account.id, None)? {
            days.entry(day.transaction_id).or_default().push(day);
        }
        let installations = store::installation::of_account(conn, account.id)?;
        Ok(Self {
            tariff,
            zone: books::zone(&site)?,
            balance: Money::ZERO,
            carry: Carry::ZERO,
            usage: Usage::none(),
            days,
            installations: installations.into_iter().map(|one| (one.id, one)).collect(),
            ends: BTreeMap::new(),
            account,
        })
    }

    /// Takes the account's next transaction as its row says.
    ///
    /// # Errors
    /// A row does not parse.
    pub fn pass(&mut self, transaction: &Transaction) -> Result<(), Error> {
        for row in self.days.remove(&transaction.id).unwrap_or_default() {
            self.count(&row)?;
            self.ends.insert((row.installation_id, row.day), row);
        }
        self.balance = transaction.balance_after;
        self.carry = transaction.carry_after.unwrap_or(self.carry);
        Ok(())
    }

    /// Reckons the account's next transaction again.
    ///
    /// # Errors
    /// A row does not parse; the database fails.
    pub fn step(&mut self, conn: &mut Conn, transaction: Transaction) -> Result<Step, Error> {
        let postings = store::transaction::postings(conn, transaction.id)?;
        let moved = balance_of(LedgerAccount::Balance(self.account.id), &postings);
        let (balance_before, carry_before, before) = (self.balance, self.carry, self.usage.clone());
        self.balance = self.balance + moved;
        let mut wrong = Vec::new();
        if transaction.balance_after != self.balance {
            wrong.push(format!("balance after is {}, replayed {}", transaction.balance_after, self.balance));
        }
        if !postings.iter().all(|posting| posting.amount > Money::ZERO) {
            wrong.push("a posting moves nothing".to_owned());
        }
        let rows = self.days.remove(&transaction.id).unwrap_or_default();
        let first = rows.first().map(|row| row.day);
        let mut days = Vec::new();
        for row in rows {
            days.extend(self.settle(conn, row, &mut wrong)?);
        }
        let charged = match transaction.kind {
            TransactionKind::Charge | TransactionKind::Correction => {
                Some(self.charge(&transaction, &before, first, moved, &mut wrong)?)
            }
            _ => {
                if first.is_some() {
                    wrong.push("settles days without being a charge".to_owned());
                }
                None
            }
        };
        let (carry_after, differences) = (self.carry, wrong);
        Ok(Step { transaction, postings, moved, balance_before, carry_before, carry_after, days, charged, differences })
    }

    /// What a charge comes to; the carry follows.
    fn charge(
        &mut self,
        transaction: &Transaction,
        before: &Usage,
        first: Option<Date>,
        moved: Money,
        wrong: &mut Vec<String>,
    ) -> Result<Charged, Error> {
        let carry_before = self.carry;
        let (amount, carry_after) = charge::settle(before, &self.usage, carry_before, &self.tariff)?;
        let (cost_before, cost_after) = self.costs(transaction, before, first)?;
        let mut differ = |what: &str, is: String, replayed: String| {
            if is != replayed {
                wrong.push(format!("{what} {is}, replayed {replayed}"));
            }
        };
        let none = || "none".to_owned();
        let carry = |stored: Option<Carry>| stored.map_or_else(none, |carry| carry.get().to_string());
        let cost = |stored: Option<Exact>| stored.map_or_else(none, |cost| cost.to_string());
        differ("charged", (-moved).to_string(), amount.to_string());
        differ("carry before is", carry(transaction.carry_before), carry_before.get().to_string());
        differ("carry after is", carry(transaction.carry_after), carry_after.get().to_string());
        differ("cost before is", cost(transaction.cost_before), cost_before.to_string());
        differ("cost after is", cost(transaction.cost_after), cost_after.to_string());
        self.carry = carry_after;
        let (old, new) = (charge::slices(before, &self.tariff)?, charge::slices(&self.usage, &self.tariff)?);
        let lines = explain::changes(&old, &new);
        Ok(Charged { lines, cost_before, cost_after, amount })
    }

    /// The exact costs before and after. Settlement reckons over the windows that the first of its days may count in; which
    /// these are may have become otherwise by later versions of the tariff, so that any first window may be the right one.
    fn costs(&self, transaction: &Transaction, before: &Usage, first: Option<Date>) -> Result<(Exact, Exact), Error> {
        let since = |usage: &Usage, window: Date| {
            let late = usage.iter().filter(|((begins, ..), _)| *begins >= window).collect();
            charge::exact_cost(&late, &self.tariff)
        };
        let costs = |window: Date| Ok::<_, Error>((since(before, window)?, since(&self.usage, window)?));
        let replayed = costs(first.map_or(Date::MIN, |first| self.tariff.earliest_window(first)))?;
        let Some(stored) = transaction.cost_before.zip(transaction.cost_after) else { return Ok(replayed) };
        if replayed == stored {
            return Ok(replayed);
        }
        let windows: BTreeSet<Date> = self.usage.iter().map(|((window, ..), _)| window).chain([Date::MAX]).collect();
        for window in windows {
            if costs(window)? == stored {
                return Ok(stored);
            }
        }
        Ok(replayed)
    }

    /// Counts a revision's energy in place of the one before it, which it returns.
    fn count(&mut self, row: &SettledDay) -> Result<Option<SettledDay>, Error> {
        let Some(installation) = self.installations.get(&row.installation_id) else { return Ok(None) };
        let old = self.ends.get(&(row.installation_id, row.day)).cloned();
        self.usage = self.usage.plus(&row.usage(installation.multiplier)?);
        if let Some(old) = &old {
            self.usage = self.usage.minus(&old.usage(installation.multiplier)?);
        }
        Ok(old)
    }

    /// Replays a settled day from its readings; none where it is of a meter that the account never had.
    fn settle(&mut self, conn: &mut Conn, row: SettledDay, wrong: &mut Vec<String>) -> Result<Option<Day>, Error> {
        let Some(installation) = self.installations.get(&row.installation_id).cloned() else {
            wrong.push(format!("day {} of a meter that was never installed", row.day));
            return Ok(None);
        };
        let old = self.count(&row)?;
        let Some(end) = installation.settlement().end_of(row.day, &self.zone) else {
            wrong.push(format!("day {} of a meter that had been removed before", row.day));
            return Ok(None);
        };
        let (window, version) = self.tariff.window(row.day, books::opened(&self.account, &self.zone))?;
        if (window, i64::from(version)) != (row.block_window, row.tariff_version) {
            wrong.push(format!("day {} counts in {} by version {}", row.day, row.block_window, row.tariff_version));
        }
        let settled = row.settled();
        if !installation.start_registers.is_empty() {
            let (start, reached, registers) = self.registers(conn, &row, &installation, end, wrong)?;
            let energies: Vec<_> = settled.energies(start.value, installation.multiplier).collect();
            return Ok(Some(self.day(row, installation, old, (start, vec![reached], registers), energies, wrong)));
        }
        let start = match self.ends.get(&(installation.id, day_before(row.day))) {
            Some(before) => boundary(conn, midnight(row.day, &self.zone), before.end_value, &of_end(before), None)?,
            None => {
                let first = [installation.start_reading_id];
                boundary(conn, installation.start_at, installation.start_value, &first, None)?
            }
        };
        let cuts = settled.cuts.iter().map(|cut| (cut.at, cut.value, cut.readings.clone()));
        let mut ends: Vec<Boundary> = Vec::new();
        for (at, value, readings) in cuts.chain([(end, row.end_value, settled.readings.clone())]) {
            let mut reached = boundary(conn, at, value, &readings, None)?;
            // Nothing counts that is above what a removed meter showed last.
            reached.told = installation.end_value.map_or(reached.told, |last| reached.told.min(last));
            let floor = ends.last().map_or(start.value, |before| before.value);
            wrong.extend(self.doubt(conn, row.day, &installation, &reached, floor)?);
            ends.push(reached);
        }
        let energies: Vec<_> = settled.energies(start.value, installation.multiplier).collect();
        Ok(Some(self.day(row, installation, old, (start, ends, Vec::new()), energies, wrong)))
    }

    fn day(
        &mut self,
        row: SettledDay,
        installation: Installation,
        old: Option<SettledDay>,
        (start, ends, registers): (Boundary, Vec<Boundary>, Vec<(Period, Boundary, Boundary)>),
        energies: Vec<(Period, Energy)>,
        wrong: &mut Vec<String>,
    ) -> Day {
        let energy = energies.iter().map(|(_, energy)| *energy).sum::<Energy>();
        if energy != row.energy {
            wrong.push(format!("day {} has {} kWh, replayed {energy}", row.day, row.energy));
        }
        self.ends.insert((row.installation_id, row.day), row.clone());
        Day { row, installation, old, start, ends, registers, energies }
    }

    /// What is wrong with a boundary's value: it is what its readings tell, never below the boundary before it, and above
    /// both only where the meter had shown more before.
    fn doubt(
        &self,
        conn: &mut Conn,
        day: Date,
        installation: &Installation,
        reached: &Boundary,
        floor: Energy,
    ) -> Result<Option<String>, Error> {
        let (is, least) = (reached.value, reached.told.max(floor));
        if is == least {
            return Ok(None);
        }
        if is > least
            && let Some(first) = reached.readings.first()
        {
            // What was shown since the day began, or since the day of what its boundary is told from, is never taken back.
            let from = midnight(day.min(day_of(first.as_of, &self.zone)), &self.zone);
            let until = reached.readings.last().map_or(reached.at, |last| last.as_of);
            let meter = installation.meter_id;
            let shown = match reached.register {
                None => store::reading::highest_between(conn, meter, from, until)?,
                Some(period) => store::reading::highest_register_between(conn, meter, period, from, until)?,
            };
            if shown.is_some_and(|shown| is <= shown) {
                return Ok(None);
            }
        }
        let register = reached.register.map_or(String::new(), |period| format!(" in register {period}"));
        Ok(Some(format!("day {day} has {is}{register} at {}, its readings say {least}", reached.at)))
    }
}

/// The readings of a day's end.
fn of_end(row: &SettledDay) -> Vec<ReadingId> {
    std::iter::once(row.reading_id).chain(row.later_reading_id).collect()
}

/// A boundary of a register, the total where none is named, with its readings, and what these tell.
fn boundary(
    conn: &mut Conn,
    at: Timestamp,
    value: Energy,
    readings: &[ReadingId],
    register: Option<Period>,
) -> Result<Boundary, Error> {
    let readings = readings.iter().map(|id| store::reading::by_id(conn, *id)).collect::<Result<Vec<_>, _>>()?;
    let told = match readings.as_slice() {
        [] => Energy::ZERO,
        [first] => unwrapped(first, register),
        [first, later, ..] => between((first, later), register, at),
    };
    Ok(Boundary { register, at, value, told, readings })
}

/// What a register showed, without its rollovers; 0 where the reading does not have it.
fn unwrapped(reading: &Reading, register: Option<Period>) -> Energy {
    let of = |period| reading.unwrapped_registers.get(&period).copied().unwrap_or_default();
    register.map_or(reading.unwrapped, of)
}

/// A register's value between two readings.
fn between((first, later): (&Reading, &Reading), register: Option<Period>, at: Timestamp) -> Energy {
    let span = i128::from(later.as_of.as_microsecond() - first.as_of.as_microsecond()).max(1);
    let since = i128::from(at.as_microsecond() - first.as_of.as_microsecond());
    let (first, later) = (unwrapped(first, register), unwrapped(later, register));
    let rise = i128::from((later - first).get());
    first + Energy::new(i64::try_from((rise * since).div_euclid(span)).unwrap_or(i64::MAX))
}

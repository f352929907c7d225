//! An explanation as a text for the customer, in Chinese and English.

use domain::{
    ledger::{LedgerAccount, TransactionKind},
    money::Money,
    notice::Language,
    reading::Kind,
    tariff::{Every, Period},
};
use jiff::Timestamp;

use super::{
    Explained, ExplainedDay, Explanation, Now,
    view::{Boundary, EnergyCharge, ExplainedRegister, FixedCharge, Line, Moved, Part, Seen},
};

/// A text that grows line by line.
struct Text<'a> {
    explanation: &'a Explanation,
    language: Language,
    lines: String,
}

pub(super) fn write(explanation: &Explanation, language: Language) -> String {
    let mut text = Text { explanation, language, lines: String::new() };
    let (number, zone) = (&explanation.account_number, explanation.time_zone.iana_name().unwrap_or("UTC"));
    let (from, to) = (text.time(explanation.from), text.time(explanation.to));
    text.line(0, format!("户号{number}，{from}至{to}（{zone}）"), format!("Account {number}, {from} to {to} ({zone})"));
    text.balance(explanation.balance_before);
    for transaction in &explanation.transactions {
        text.lines.push('\n');
        text.transaction(transaction);
    }
    if let Some(now) = explanation.now {
        text.now(now);
    }
    text.lines
}

/// A decimal number without zeros at its end.
fn short(number: impl ToString) -> String {
    let all = number.to_string();
    if all.contains('.') { all.trim_end_matches('0').trim_end_matches('.').to_owned() } else { all }
}

impl Text<'_> {
    fn line(&mut self, indent: usize, zh: String, en: String) {
        let line = match self.language {
            Language::Zh => zh,
            Language::En => en,
        };

        self.lines.push_str(&format!("{:indent$}{line}\n", ""));
    }

    /// Local time, to the minute.
    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.explanation.time_zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }

    fn money(&self, money: Money) -> String {
        self.explanation.currency.show(money)
    }

    fn signed(&self, money: Money) -> String {
        let sign = if money > Money::ZERO { "+" } else { "" };
        format!("{sign}{}", self.money(money))
    }

    fn balance(&mut self, balance: Money) {
        let balance = self.money(balance);
        self.line(0, format!("余额：{balance}"), format!("Balance: {balance}"));
    }

    fn now(&mut self, now: Now) {
        let [balance, accrued, available] = [now.balance, now.accrued, now.available].map(|money| self.money(money));
        self.lines.push('\n');
        self.line(
            0,
            format!("目前：余额{balance}，尚未入账的用电{accrued}，可用余额{available}"),
            format!("Now: balance {balance}, used and not posted yet {accrued}, available {available}"),
        );
    }

    fn transaction(&mut self, transaction: &Explained) {
        let (sequence, at) = (transaction.sequence, self.time(transaction.at));
        let (amount, (zh, en)) = (self.signed(transaction.amount), kind(transaction.kind));
        let (receipt_zh, receipt_en) = match &transaction.receipt_number {
            Some(number) => (format!("（收据号{number}）"), format!(" (receipt {number})")),
            None => (String::new(), String::new()),
        };
        self.line(
            0,
            format!("{sequence}. {at} {zh}{receipt_zh}：{amount}"),
            format!("{sequence}. {at} {en}{receipt_en}: {amount}"),
        );
        let owed: Money = transaction.postings.iter().map(owed).sum();
        if owed != Money::ZERO {
            let owed = self.signed(owed);
            self.line(3, format!("旧欠{owed}"), format!("Debt {owed}"));
        }
        if let Some(reason) = &transaction.reason {
            self.line(3, format!("原因：{reason}"), format!("Reason: {reason}"));
        }
        if let Some(charge) = &transaction.energy_charge {
            self.energy_charge(charge, transaction);
        }
        if let Some(fixed) = &transaction.fixed_charge {
            self.fixed_charge(fixed);
        }
        let balance = self.money(transaction.balance_after);
        self.line(3, format!("余额{balance}"), format!("Balance {balance}"));
        for difference in &transaction.differences {
            self.line(3, format!("与账目不符：{difference}"), format!("Does not agree with the books: {difference}"));
        }
    }

    fn energy_charge(&mut self, charge: &EnergyCharge, transaction: &Explained) {
        charge.days.iter().for_each(|day| self.day(day));
        charge.lines.iter().for_each(|line| self.price(line));
        let [cost, before, after] = [charge.cost, transaction.carry_before, transaction.carry_after].map(short);
        let posted = self.money(charge.posted);
        self.line(
            3,
            format!("电费{cost}，加上次尾数{before}，计{posted}，余下尾数{after}"),
            format!("Exactly {cost}, with {before} carried from before: posted {posted}, carried on {after}"),
        );
    }

    fn day(&mut self, day: &ExplainedDay) {
        let (date, meter, used) = (day.day, &day.meter_address, short(day.energy));
        let (start, end) = (short(day.start.value), short(day.ends.last().map_or(day.start.value, |end| end.value)));
        let times = if day.multiplier == 1 { String::new() } else { format!(" × {}", day.multiplier) };
        let (old_zh, old_en) = match &day.before {
            Some(old) => {
                let (used, end) = (short(old.energy), short(old.end_value));
                (format!("；更正前{used}千瓦时，止码{end}"), format!("; was {used} kWh, register to {end}"))
            }
            None => (String::new(), String::new()),
        };
        self.line(
            3,
            format!("{date}，电表{meter}：{used}千瓦时，示值{start}至{end}{times}{old_zh}"),
            format!("{date}, meter {meter}: {used} kWh, register {start} to {end}{times}{old_en}"),
        );
        if day.registers.is_empty() {
            self.boundary(&day.start);
            day.ends.iter().for_each(|end| self.boundary(end));
        }
        day.registers.iter().for_each(|register| self.register(register));
        if day.energies.len() > 1 {
            let told = |name: fn(Period) -> &'static str, unit: &str| {
                let parts =
                    day.energies.iter().map(|part| format!("{}{}{unit}", name(part.period), short(part.energy)));
                parts.collect::<Vec<_>>()
            };
            let (zh, en) =
                (told(|period| period_words(period).0, "千瓦时"), told(|period| period_words(period).1, " kWh"));
            self.line(5, zh.join("，"), en.join(", "));
        }
    }

    /// A period register of a day, and where it began and ended.
    fn register(&mut self, register: &ExplainedRegister) {
        let ((zh, en), [start, end]) =
            (period_words(register.period), [&register.start, &register.end].map(|one| short(one.value)));
        let (old_zh, old_en) = match register.before.map(short) {
            Some(old) if old != end => (format!("（更正前{old}）"), format!(" (was {old})")),
            _ => (String::new(), String::new()),
        };
        self.line(5, format!("{zh}示值{start}至{end}{old_zh}"), format!("{en}register {start} to {end}{old_en}"));
        self.boundary(&register.start);
        self.boundary(&register.end);
    }

    fn boundary(&mut self, boundary: &Boundary) {
        let (at, value) = (self.time(boundary.at), short(boundary.value));
        let (zh, en): (Vec<_>, Vec<_>) = boundary.readings.iter().map(|seen| self.seen(seen)).unzip();
        let (between_zh, between_en) =
            if boundary.interpolated { ("按时间推算自", "in proportion between ") } else { ("", "") };
        let (zh, en) = (zh.join("与"), en.join(" and "));
        self.line(5, format!("{at}示值{value}：{between_zh}{zh}"), format!("{value} at {at}: {between_en}{en}"));
    }

    fn seen(&self, seen: &Seen) -> (String, String) {
        let (id, as_of, received) = (seen.id, self.time(seen.as_of), self.time(seen.received_at));
        let (value, (zh, en)) = (short(seen.unwrapped), kind_of_reading(seen.kind));
        (
            format!("{as_of}{zh}{value}（{received}收到，编号{id}）"),
            format!("{en} of {as_of} {value} (received {received}, reading {id})"),
        )
    }

    fn price(&mut self, line: &Line) {
        let (window, version) = (line.window, line.tariff_version);
        let (energy, price, cost) = (short(line.energy), short(line.price), short(line.cost));
        let amount = self.money(line.amount);
        let (zh, en) = match (line.block, line.period) {
            (Some(block), _) => (format!("第{block}阶梯"), format!("Block {block}")),
            (None, period) => {
                let (zh, en) = period_words(period.unwrap_or(Period::Flat));
                (zh.to_owned(), en.trim_end().to_owned())
            }
        };
        self.line(
            3,
            format!("{zh}（{window}起的周期，第{version}版电价）：{energy}千瓦时 × {price} = {cost}，计{amount}"),
            format!(
                "{en} (window from {window}, price version {version}): {energy} kWh x {price} = {cost}, as {amount}"
            ),
        );
    }

    fn fixed_charge(&mut self, fixed: &FixedCharge) {
        let name = &fixed.name;
        match fixed.day {
            Some(day) => self.line(3, format!("{name}，{day}起"), format!("{name}, from {day} on")),
            None => self.line(3, format!("{name}，销户退还"), format!("{name}, given back at the closing")),
        }
        fixed.parts.iter().for_each(|part| self.part(part));
    }

    fn part(&mut self, part: &Part) {
        let Part { tariff_version: version, from, days, of_days, .. } = part;
        let (price, amount) = (self.money(part.price), self.money(part.amount));
        match part.every {
            Every::Day => self.line(
                5,
                format!("{from}：每日{price}（第{version}版电价），计{amount}"),
                format!("{from}: {price} a day (price version {version}), as {amount}"),
            ),
            Every::Month => self.line(
                5,
                format!("{from}起{days}天（当月{of_days}天）：每月{price}（第{version}版电价），计{amount}"),
                format!("{days} of {of_days} days from {from}: {price} a month (price version {version}), as {amount}"),
            ),
        }
    }
}

/// What a posting adds to the account's debt.
fn owed(posting: &Moved) -> Money {
    match (posting.from, posting.to) {
        (LedgerAccount::Debt(_), _) => posting.amount,
        (_, LedgerAccount::Debt(_)) => -posting.amount,
        _ => Money::ZERO,
    }
}

fn kind(kind: TransactionKind) -> (&'static str, &'static str) {
    match kind {
        TransactionKind::Opening => ("开户余额", "opening balance"),
        TransactionKind::Vend => ("售电", "vend"),
        TransactionKind::Reversal => ("冲正", "reversal of a vend"),
        TransactionKind::Charge => ("电费", "energy charge"),
        TransactionKind::Correction => ("电费更正", "correction of energy charges"),
        TransactionKind::FixedCharge => ("基本电费", "fixed charge"),
        TransactionKind::Refund => ("退款", "refund"),
        TransactionKind::WriteOff => ("核销欠费", "what was owed is written off"),
        TransactionKind::Transfer => ("过户余额", "transfer of the balance"),
        TransactionKind::Debt => ("记入旧欠", "a debt is entered"),
        TransactionKind::DebtRecovery => ("扣还旧欠", "recovery of a debt"),
        TransactionKind::Subsidy => ("补贴", "subsidy"),
        TransactionKind::Adjustment => ("调整", "adjustment"),
    }
}

fn kind_of_reading(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Instant => ("抄表", "reading"),
        Kind::DailyFreeze => ("日冻结", "daily freeze"),
        Kind::LoadProfile => ("负荷曲线", "load profile"),
        Kind::Manual => ("人工抄表", "reading by hand"),
        Kind::Final => ("终止示值", "final reading"),
        Kind::Initial => ("起始示值", "initial reading"),
    }
}

/// In English with a space behind, so that a number can follow.
pub(in crate::operations) fn period_words(period: Period) -> (&'static str, &'static str) {
    let en = match period {
        Period::Sharp => "sharp ",
        Period::Peak => "peak ",
        Period::Flat => "flat ",
        Period::Valley => "valley ",
        Period::DeepValley => "deep valley ",
    };
    (period.zh(), en)
}

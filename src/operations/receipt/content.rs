//! What stands on the receipts of vends, reversals and refunds, in Chinese and English.

use domain::{ids::VendId, ledger::Tender, money::Money, notice::Language};
use jiff::Timestamp;

use super::{FullReceipt, Heading, Printed, SinceLast, Style, UsedLine, sheet::Part, sheet::Sheet};
use crate::operations::{explain::period_words, refund::Refund, reverse_vend::Reversal};

/// The balance that a receipt begins with.
const BEFORE: (&str, &str) = ("交易前余额", "Balance before");

/// A name and what it is.
type Fact = (String, String);

impl Style {
    fn say(&self, zh: &str, en: &str) -> String {
        match self.language {
            Language::Zh => zh.to_owned(),
            Language::En => en.to_owned(),
        }
    }

    /// Local time, to the second.
    fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn fact(&self, (zh, en): (&str, &str), value: impl Into<String>) -> Fact {
        (self.say(zh, en), value.into())
    }

    fn money(&self, names: (&str, &str), money: Money) -> Fact {
        self.fact(names, self.currency.show(money))
    }

    /// The same, where there is something to tell.
    fn some_money(&self, names: (&str, &str), money: Money) -> Option<Fact> {
        (money != Money::ZERO).then(|| self.money(names, money))
    }

    fn tender(&self, tender: Tender) -> String {
        match tender {
            Tender::Cash => self.say("现金", "Cash"),
            Tender::Wechat => self.say("微信", "WeChat Pay"),
            Tender::Alipay => self.say("支付宝", "Alipay"),
            Tender::Bank => self.say("银行转账", "Bank transfer"),
            Tender::Card => self.say("银行卡", "Card"),
        }
    }

    /// Whose receipt it is, where and when it was made.
    fn head(&self, paper: &Head<'_>) -> Vec<Fact> {
        let mut facts = vec![
            self.fact(("收据号", "Receipt no."), paper.receipt_number),
            self.fact(("时间", "Time"), self.time(paper.at)),
            self.fact(("户号", "Account"), paper.account_number),
        ];
        if let Some(heading) = paper.heading {
            facts.push(self.fact(("户名", "Customer"), &heading.customer));
            let meters = heading.meters.iter().map(|meter| self.fact(("表号", "Meter"), meter));
            facts.extend(meters);
        }
        facts.push(self.fact(("终端", "Terminal"), paper.terminal));
        facts
    }

    fn sheet(&self, (zh, en): (&str, &str), heading: Option<&Heading>, parts: Vec<Part>, code: String) -> Sheet {
        let site = heading.map(|heading| heading.site.clone()).unwrap_or_default();
        let (paper, language, title) = (self.paper, self.language, self.say(zh, en));
        Sheet { paper, language, site, title, marks: Vec::new(), parts, note: None, code }
    }

    fn balances(&self, before: Option<Money>, after: Money, available: Money) -> Part {
        let before = before.map(|before| self.money(BEFORE, before));
        let available = self.money(("可用余额（已扣未结电费）", "Available, less use not yet settled"), available);
        let facts = before.into_iter().chain([available]).collect();
        Part::Amount(self.money(("交易后余额", "Balance after"), after), facts)
    }

    /// From the balance after the vend before down to the balance before this one.
    fn since_last(&self, since: &SinceLast, balance_before: Money) -> Part {
        let title = match since.last {
            Some(last) => {
                let last = self.time(last);
                self.say(&format!("上次购电（{last}）以来"), &format!("Since the last vend, {last}"))
            }
            None => self.say("开户以来", "Since the opening of the account"),
        };
        let code = self.currency.code();
        let head = [
            self.say("项目", "Charged for"),
            "kWh".to_owned(),
            self.say("电价", "Price"),
            self.say("金额", &format!("Amount, {code}")),
        ];
        let mut sums: Vec<Fact> = Vec::new();
        sums.extend(since.last.map(|_| self.money(("上次购电后余额", "Balance after the last vend"), since.balance)));
        let (zh, en) = (format!("电费（{}千瓦时）", at_least(2, since.energy)), at_least(2, since.energy));
        sums.push(self.money((&zh, &format!("Energy charges, {en} kWh")), Money::ZERO - since.charged));
        sums.extend(self.some_money(("基本电费", "Fixed charges"), Money::ZERO - since.fixed_charges));
        sums.extend(self.some_money(("其他收支", "Other movements"), since.other));
        sums.push(self.money(BEFORE, balance_before));
        let rows = since.lines.iter().map(|line| self.used(line)).collect();
        Part::Table { title, head, rows, sums }
    }

    fn used(&self, line: &UsedLine) -> [String; 4] {
        let name = match (line.block, line.period) {
            (Some(block), _) if line.surcharge => {
                self.say(&format!("第{block}阶梯加价"), &format!("Block {block} surcharge"))
            }
            (Some(block), _) => self.say(&format!("第{block}阶梯"), &format!("Block {block}")),
            (None, Some(period)) => {
                let (zh, en) = period_words(period);
                self.say(zh, &capital(en.trim_end()))
            }
            (None, None) => String::new(),
        };
        [name, at_least(2, line.energy), at_least(4, line.price), self.currency.decimal(line.amount)]
    }
}

/// What the head of every receipt says.
struct Head<'a> {
    receipt_number: &'a str,
    at: Timestamp,
    account_number: &'a str,
    heading: Option<&'a Heading>,
    terminal: &'a str,
}

/// A decimal number with at least so many places, and no zeros behind them.
fn at_least(places: usize, number: impl ToString) -> String {
    let all = number.to_string();
    let Some((whole, fraction)) = all.split_once('.') else { return all };
    let fraction = fraction.trim_end_matches('0');
    format!("{whole}.{fraction:0<places$}")
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What a checker reads from the code: which receipt, of what, how much and when. Signs of addresses only, no names.
fn code(what: &str, receipt_number: &str, (amount, currency): (Money, &str), at: Timestamp) -> String {
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("wattgate:{what}?receipt={receipt_number}&amount={amount}&currency={currency}&at={at}")
}

fn of_vend(vend: VendId) -> String {
    format!("vend/{vend}")
}

impl Printed for FullReceipt {
    fn sheet(&self, style: &Style) -> Sheet {
        let receipt = &self.receipt;
        let heading = receipt.heading.as_ref();
        let mut head = style.head(&Head {
            receipt_number: &receipt.receipt_number,
            at: receipt.created_at,
            account_number: &receipt.account_number,
            heading,
            terminal: &receipt.terminal,
        });
        head.push(style.fact(("支付方式", "Paid by"), style.tender(receipt.tender)));
        let split = [
            Some(style.money(("其中税额", "Tax contained"), receipt.tax)),
            style.some_money(("偿还旧欠", "Debt recovered"), receipt.debt_recovered),
            style.some_money(("剩余旧欠", "Debt still owed"), receipt.debt_left),
        ];
        let parts = vec![
            Part::Facts(head),
            Part::Amount(style.money(("购电金额", "Paid"), receipt.amount), split.into_iter().flatten().collect()),
            style.since_last(&self.since_last, receipt.balance_before),
            style.balances(None, receipt.balance_after, receipt.available_after),
        ];
        let amount = (receipt.amount, receipt.currency.as_str());
        let code = code(&of_vend(receipt.vend_id), &receipt.receipt_number, amount, receipt.created_at);
        let mut sheet = style.sheet(("售电收据", "Electricity receipt"), heading, parts, code);
        if let Some(reversed) = &self.reversed {
            sheet.marks.push(style.say("已冲正", "REVERSED"));
            sheet.parts.push(Part::Facts(vec![
                style.fact(("冲正收据号", "Reversed by receipt"), &reversed.receipt_number),
                style.fact(("冲正时间", "Reversed"), style.time(reversed.at)),
            ]));
        }
        if let Some(reprint) = &self.reprint {
            let number = reprint.number;
            sheet.marks.push(style.say(&format!("重印 第{number}次"), &format!("REPRINT {number}")));
            let (at, terminal) = (style.time(reprint.created_at), reprint.terminal.as_str());
            sheet.parts.push(Part::Facts(vec![
                style.fact(("重印时间", "Reprinted"), at),
                style.fact(("重印终端", "Reprinted at"), terminal),
            ]));
        }
        if !receipt.restores && self.reversed.is_none() {
            let told = (
                "余额仍低于供电所需，或因其他原因停电，请咨询柜台。",
                "The balance is still below what supply needs, or supply is off for another reason: please ask.",
            );
            sheet.note = Some(style.say(told.0, told.1));
        }
        sheet
    }
}

impl Printed for Reversal {
    fn sheet(&self, style: &Style) -> Sheet {
        let heading = self.heading.as_ref();
        let mut head = style.head(&Head {
            receipt_number: &self.receipt_number,
            at: self.created_at,
            account_number: &self.account_number,
            heading,
            terminal: &self.terminal,
        });
        head.push(style.fact(("原收据号", "Reverses receipt"), &self.vend_receipt_number));
        head.push(style.fact(("退还方式", "Given back by"), style.tender(self.tender)));
        head.extend(self.reason.as_ref().map(|reason| style.fact(("原因", "Reason"), reason)));
        let split = [
            Some(style.money(("其中税额", "Tax contained"), self.tax)),
            style.some_money(("恢复旧欠", "Debt owed again"), self.debt_restored),
        ];
        let parts = vec![
            Part::Facts(head),
            Part::Amount(style.money(("退还金额", "Given back"), self.amount), split.into_iter().flatten().collect()),
            style.balances(Some(self.balance_before), self.balance_after, self.available_after),
        ];
        let amount = (self.amount, self.currency.as_str());
        let code = code(&format!("{}/reversal", of_vend(self.vend_id)), &self.receipt_number, amount, self.created_at);
        style.sheet(("冲正收据", "Reversal receipt"), heading, parts, code)
    }
}

impl Printed for Refund {
    fn sheet(&self, style: &Style) -> Sheet {
        let heading = self.heading.as_ref();
        let mut head = style.head(&Head {
            receipt_number: &self.receipt_number,
            at: self.created_at,
            account_number: &self.account_number,
            heading,
            terminal: &self.terminal,
        });
        head.push(style.fact(("退款方式", "Paid out by"), style.tender(self.tender)));
        head.push(style.fact(("原因", "Reason"), &self.reason));
        let parts = vec![
            Part::Facts(head),
            Part::Amount(style.money(("退款金额", "Paid out"), self.amount), Vec::new()),
            style.balances(Some(self.balance_before), self.balance_after, self.available_after),
        ];
        let amount = (self.amount, self.currency.as_str());
        let code = code(&format!("refund/{}", self.refund_id), &self.receipt_number, amount, self.created_at);
        style.sheet(("退款收据", "Refund receipt"), heading, parts, code)
    }
}

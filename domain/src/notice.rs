//! Notices: what customers are told, in Chinese and English, which hours are quiet, and when a failed one is tried again.

mod prices;
mod quiet;
mod truth;

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    calendar::shift,
    money::{Currency, Money},
    relay::Cause,
    site::{NoticePolicy, back_off},
};

pub use prices::Prices;
pub use quiet::quiet_until;
pub use truth::is_over;

words! {
    /// What a notice is about.
    pub enum Kind {
        /// Available fell to alarm level 1.
        LowBalance1 = "low_balance_1",
        /// Available fell to alarm level 2.
        LowBalance2 = "low_balance_2",
        /// A credit episode began: supply may be cut after the lead time.
        DisconnectWarning = "disconnect_warning",
        /// Supply was cut.
        Disconnected = "disconnected",
        /// Supply is back.
        Restored = "restored",
        /// The customer must press the meter's button.
        PressButton = "press_button",
        /// Money was paid in.
        VendReceipt = "vend_receipt",
        /// The account was opened.
        AccountOpened = "account_opened",
        /// Energy will have other prices from a day to come on.
        PriceChange = "price_change",
    }
}

words! {
    /// How a site tells its customers.
    pub enum Channel {
        /// Notices are written into the log, for somebody to pass on.
        Log = "log",
        /// Not at all: a warning of a cut is served by hand, everything else is told to nobody.
        None = "none",
    }
}

words! {
    /// How far a notice has come.
    pub enum State {
        /// Waits to be handed to a channel.
        Queued = "queued",
        /// A channel took it. A warning counts as served.
        Sent = "sent",
        /// A channel reported it delivered.
        Delivered = "delivered",
        /// Given up.
        Failed = "failed",
        /// Not true any more when its turn came: not sent.
        Overtaken = "overtaken",
    }
}

words! {
    /// What a notice is written in.
    pub enum Language {
        /// 中文
        Zh = "zh",
        /// English
        En = "en",
    }
}

/// A notice with what it tells. Stored as JSON with its kind; written out by [`Notice::text`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Notice {
    /// See [`Kind::LowBalance1`].
    #[serde(rename = "low_balance_1")]
    LowBalance1 {
        /// Balance less accrued.
        available: Money,
    },
    /// See [`Kind::LowBalance2`].
    #[serde(rename = "low_balance_2")]
    LowBalance2 {
        /// Balance less accrued.
        available: Money,
    },
    /// See [`Kind::DisconnectWarning`].
    #[serde(rename = "disconnect_warning")]
    DisconnectWarning {
        /// Balance less accrued.
        available: Money,
        /// Nothing is cut earlier than this after the warning was served.
        lead: SignedDuration,
    },
    /// See [`Kind::Disconnected`].
    #[serde(rename = "disconnected")]
    Disconnected {
        /// Balance less accrued.
        available: Money,
        /// Why: only what was cut for credit comes back by itself after a vend.
        cause: Cause,
    },
    /// See [`Kind::Restored`].
    #[serde(rename = "restored")]
    Restored {
        /// Balance less accrued.
        available: Money,
    },
    /// See [`Kind::PressButton`].
    #[serde(rename = "press_button")]
    PressButton {
        /// The meter's address as printed on it.
        meter: String,
    },
    /// See [`Kind::VendReceipt`].
    #[serde(rename = "vend_receipt")]
    VendReceipt {
        /// The receipt's number.
        receipt: String,
        /// What was paid in.
        amount: Money,
        /// The balance after it.
        balance: Money,
    },
    /// See [`Kind::AccountOpened`].
    #[serde(rename = "account_opened")]
    AccountOpened {
        /// The balance it was opened with.
        balance: Money,
    },
    /// See [`Kind::PriceChange`].
    #[serde(rename = "price_change")]
    PriceChange {
        /// The tariff's name.
        tariff: String,
        /// The first local day of the prices.
        from: Date,
        /// What energy costs from then on.
        prices: Prices,
    },
}

impl Notice {
    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::LowBalance1 { .. } => Kind::LowBalance1,
            Self::LowBalance2 { .. } => Kind::LowBalance2,
            Self::DisconnectWarning { .. } => Kind::DisconnectWarning,
            Self::Disconnected { .. } => Kind::Disconnected,
            Self::Restored { .. } => Kind::Restored,
            Self::PressButton { .. } => Kind::PressButton,
            Self::VendReceipt { .. } => Kind::VendReceipt,
            Self::AccountOpened { .. } => Kind::AccountOpened,
            Self::PriceChange { .. } => Kind::PriceChange,
        }
    }

    /// The text to the customer of the account with this number as printed on receipts.
    #[must_use]
    pub fn text(&self, language: Language, account: &str, currency: &Currency) -> String {
        match language {
            Language::Zh => format!("账户{account}：{}", self.zh(currency)),
            Language::En => format!("Account {account}: {}", self.en(currency)),
        }
    }

    fn zh(&self, currency: &Currency) -> String {
        let show = |money: &Money| currency.show(*money);
        match self {
            Self::LowBalance1 { available } => format!("可用余额{}，请及时购电。", show(available)),
            Self::LowBalance2 { available } => format!("可用余额仅剩{}，请尽快购电。", show(available)),
            Self::DisconnectWarning { available, lead } => {
                format!(
                    "可用余额{}，余额用完后将停电，最早在本通知送达{}后执行，请尽快购电。",
                    show(available),
                    span_zh(*lead)
                )
            }
            Self::Disconnected { available, cause: Cause::Credit } => {
                format!("因欠费已停电，可用余额{}，购电后自动恢复供电。", show(available))
            }
            Self::Disconnected { available, cause: Cause::Customer } => {
                format!("已按您的申请停电，可用余额{}。", show(available))
            }
            Self::Disconnected { available, cause: Cause::Safety } => {
                format!("因线路作业等安全原因已停电，可用余额{}，详情请咨询供电单位。", show(available))
            }
            Self::Disconnected { available, .. } => {
                format!("已停电，非欠费原因，可用余额{}，详情请咨询供电单位。", show(available))
            }
            Self::Restored { available } => format!("已恢复供电，可用余额{}。", show(available)),
            Self::PressButton { meter } => format!("电表{meter}已允许合闸，请按电表按钮恢复供电。"),
            Self::VendReceipt { receipt, amount, balance } => {
                format!("购电{}成功，收据号{receipt}，余额{}。", show(amount), show(balance))
            }
            Self::AccountOpened { balance } => format!("开户成功，余额{}。", show(balance)),
            Self::PriceChange { tariff, from, prices } => {
                format!("自{from}起执行电价“{tariff}”：{}。", prices.zh(currency))
            }
        }
    }

    fn en(&self, currency: &Currency) -> String {
        let show = |money: &Money| currency.show(*money);
        match self {
            Self::LowBalance1 { available } => format!("{} available. Please top up in time.", show(available)),
            Self::LowBalance2 { available } => format!("only {} available. Please top up soon.", show(available)),
            Self::DisconnectWarning { available, lead } => format!(
                "{} available. Supply will be disconnected when it is used up, not earlier than {} after this notice. \
                 Please top up.",
                show(available),
                span_en(*lead)
            ),
            Self::Disconnected { available, cause: Cause::Credit } => format!(
                "supply was disconnected, {} available. It comes back by itself after a top-up.",
                show(available)
            ),
            Self::Disconnected { available, cause: Cause::Customer } => {
                format!("supply was disconnected as you asked, {} available.", show(available))
            }
            Self::Disconnected { available, cause: Cause::Safety } => format!(
                "supply was disconnected for safety, such as work on the line ({} available). Please ask your supplier.",
                show(available)
            ),
            Self::Disconnected { available, .. } => format!(
                "supply was disconnected, not for the balance ({} available). Please ask your supplier.",
                show(available)
            ),
            Self::Restored { available } => format!("supply is back, {} available.", show(available)),
            Self::PressButton { meter } => {
                format!("meter {meter} may be reconnected. Press its button to get supply back.")
            }
            Self::VendReceipt { receipt, amount, balance } => {
                format!("received {}, receipt {receipt}, balance {}.", show(amount), show(balance))
            }
            Self::AccountOpened { balance } => format!("account opened, balance {}.", show(balance)),
            Self::PriceChange { tariff, from, prices } => {
                format!("from {from} on by the tariff {tariff}: {}.", prices.en(currency))
            }
        }
    }
}

/// A span in the largest unit that has at least one in it.
fn span(span: SignedDuration) -> (i64, usize) {
    match (span.as_hours(), span.as_mins(), span.as_secs()) {
        (0, 0, seconds) => (seconds, 0),
        (0, minutes, _) => (minutes, 1),
        (hours, ..) => (hours, 2),
    }
}

fn span_zh(time: SignedDuration) -> String {
    let (count, unit) = span(time);
    format!("{count}{}", ["秒", "分钟", "小时"].get(unit).unwrap_or(&""))
}

fn span_en(time: SignedDuration) -> String {
    let (count, unit) = span(time);
    format!("{count} {}", ["s", "min", "h"].get(unit).unwrap_or(&""))
}

/// When a notice that failed `failures` times is tried again; none: it has failed for good.
#[must_use]
pub fn retry_at(failures: u32, now: Timestamp, policy: &NoticePolicy) -> Option<Timestamp> {
    (failures < policy.attempts).then(|| shift(now, back_off(failures, policy.retry_first, policy.retry_cap)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, cny, day, hours, minutes, policy, version};

    #[test]
    fn a_notice_reads_in_both_languages() {
        let warning = Notice::DisconnectWarning { available: Money::new(123), lead: hours(24) };
        let english = "Account 0071: 1.23 CNY available. Supply will be disconnected when it is used up, not earlier than \
                       24 h after this notice. Please top up.";
        assert_eq!(warning.text(Language::En, "0071", &cny()), english);
        let chinese = "账户0071：可用余额1.23 CNY，余额用完后将停电，最早在本通知送达24小时后执行，请尽快购电。";
        assert_eq!(warning.text(Language::Zh, "0071", &cny()), chinese);
    }

    #[test]
    fn every_kind_says_something_of_its_own() {
        let available = Money::new(1);
        let all = [
            Notice::LowBalance1 { available },
            Notice::LowBalance2 { available },
            Notice::DisconnectWarning { available, lead: hours(1) },
            Notice::Disconnected { available, cause: Cause::Credit },
            Notice::Restored { available },
            Notice::PressButton { meter: "000000000001".to_owned() },
            Notice::VendReceipt { receipt: "A-1".to_owned(), amount: available, balance: available },
            Notice::AccountOpened { balance: available },
            Notice::PriceChange {
                tariff: "Homes".to_owned(),
                from: day("2026-06-01"),
                prices: Prices::of(&version(2, "2026-06-01", &[(None, "0.6")])),
            },
        ];
        assert_eq!(all.iter().map(Notice::kind).collect::<Vec<_>>(), Kind::ALL);
        for language in Language::ALL {
            let texts: std::collections::BTreeSet<_> =
                all.iter().map(|notice| notice.text(*language, "1", &cny())).collect();
            assert_eq!(texts.len(), Kind::ALL.len());
        }
    }

    #[test]
    fn a_top_up_is_promised_to_help_only_where_it_does() {
        let text =
            |cause, language| Notice::Disconnected { available: Money::new(1), cause }.text(language, "1", &cny());
        assert!(
            text(Cause::Credit, Language::En).contains("top-up") && text(Cause::Credit, Language::Zh).contains("购电")
        );
        for cause in [Cause::Operator, Cause::Customer, Cause::Safety] {
            assert!(!text(cause, Language::En).contains("top-up"));
            assert!(!text(cause, Language::Zh).contains("购电"));
        }
        assert!(
            text(Cause::Safety, Language::En).contains("for safety")
                && text(Cause::Safety, Language::Zh).contains("安全")
        );
        assert!(
            text(Cause::Customer, Language::En).contains("you asked")
                && text(Cause::Customer, Language::Zh).contains("申请")
        );
    }

    #[test]
    fn a_short_lead_is_told_in_its_own_unit() {
        assert_eq!([span_en(SignedDuration::from_secs(90)), span_en(SignedDuration::from_secs(9))], ["1 min", "9 s"]);
        assert_eq!(span_zh(hours(30)), "30小时");
    }

    #[test]
    fn a_failed_notice_is_retried_ever_later_and_given_up() {
        let (now, policy) = (at("2026-05-01T12:00:00Z"), policy().notices);
        let waits: Vec<_> = (1..=5).map(|failures| retry_at(failures, now, &policy)).collect();
        let after = |wait| Some(shift(now, minutes(wait)));
        assert_eq!(waits, [after(1), after(2), after(4), after(8), None]);
    }
}

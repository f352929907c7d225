//! Double entry: every movement of money goes from one ledger account to another, so that all of them sum to zero.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    UnknownWord,
    bug::{Bug, is_planted},
    ids::AccountId,
    money::Money,
};

words! {
    /// How a customer paid.
    pub enum Tender {
        /// 现金
        Cash = "cash",
        /// 微信
        Wechat = "wechat",
        /// 支付宝
        Alipay = "alipay",
        /// 银行转账
        Bank = "bank",
        /// 银行卡
        Card = "card",
    }
}

words! {
    /// What a transaction is about.
    pub enum TransactionKind {
        /// What an account brought along when it was opened.
        Opening = "opening",
        /// Money paid in.
        Vend = "vend",
        /// A vend undone (冲正).
        Reversal = "reversal",
        /// Energy of settled days.
        Charge = "charge",
        /// Energy of settled days that turned out otherwise.
        Correction = "correction",
        /// What comes whatever was used, by the day or the month; negative where it is given back.
        FixedCharge = "fixed_charge",
        /// Money given back from a balance (退款).
        Refund = "refund",
        /// What is still owed, and nobody pays any more.
        WriteOff = "write_off",
        /// A debt entered: owed apart from the balance (旧欠).
        Debt = "debt",
        /// What is left on an account that ends, taken for its debt.
        DebtRecovery = "debt_recovery",
        /// Money that somebody else gives (补贴).
        Subsidy = "subsidy",
        /// What an operator puts right, up or down (调整).
        Adjustment = "adjustment",
        /// What goes over to the account that another customer has from then on (过户).
        Transfer = "transfer",
    }
}

/// One side of a posting. Text and JSON: `balance:<account>`, `debt:<account>`, `tender:<tender>`, `revenue:energy`,
/// `revenue:fixed`, `opening`, `subsidy`, `adjustment`, `write_off`, `transfer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LedgerAccount {
    /// A customer account's balance.
    Balance(AccountId),
    /// What a customer account owes apart from its balance, below 0.
    Debt(AccountId),
    /// Where money paid in came from.
    Tender(Tender),
    /// Energy sold.
    RevenueEnergy,
    /// Fixed charges.
    RevenueFixed,
    /// What accounts brought along when they were opened.
    Opening,
    /// What others give to accounts.
    Subsidy,
    /// What operators entered.
    Adjustment,
    /// What nobody pays any more.
    WriteOff,
    /// Between an account and the one that takes its place: nothing is left here.
    Transfer,
}

impl fmt::Display for LedgerAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balance(account) => write!(f, "balance:{account}"),
            Self::Debt(account) => write!(f, "debt:{account}"),
            Self::Tender(tender) => write!(f, "tender:{tender}"),
            Self::RevenueEnergy => f.write_str("revenue:energy"),
            Self::RevenueFixed => f.write_str("revenue:fixed"),
            Self::Opening => f.write_str("opening"),
            Self::Subsidy => f.write_str("subsidy"),
            Self::Adjustment => f.write_str("adjustment"),
            Self::WriteOff => f.write_str("write_off"),
            Self::Transfer => f.write_str("transfer"),
        }
    }
}

impl FromStr for LedgerAccount {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let strange = || UnknownWord { word: text.to_owned(), of: "LedgerAccount" };
        match text.split_once(':') {
            Some(("balance", account)) => account.parse().map(Self::Balance).map_err(|_| strange()),
            Some(("debt", account)) => account.parse().map(Self::Debt).map_err(|_| strange()),
            Some(("tender", tender)) => tender.parse().map(Self::Tender),
            Some(("revenue", "energy")) => Ok(Self::RevenueEnergy),
            Some(("revenue", "fixed")) => Ok(Self::RevenueFixed),
            None if text == "opening" => Ok(Self::Opening),
            None if text == "subsidy" => Ok(Self::Subsidy),
            None if text == "adjustment" => Ok(Self::Adjustment),
            None if text == "write_off" => Ok(Self::WriteOff),
            None if text == "transfer" => Ok(Self::Transfer),
            _ => Err(strange()),
        }
    }
}

impl Serialize for LedgerAccount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LedgerAccount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A movement of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// The ledger account that has less afterwards.
    pub from: LedgerAccount,
    /// The ledger account that has more afterwards.
    pub to: LedgerAccount,
    /// How much, in minor units; above 0.
    pub amount: Money,
}

impl Posting {
    /// Moves `amount`; a negative one the other way round, and none for 0.
    #[must_use]
    pub fn moving(from: LedgerAccount, to: LedgerAccount, amount: Money) -> Option<Self> {
        match amount.cmp(&Money::ZERO) {
            std::cmp::Ordering::Greater => Some(Self { from, to, amount }),
            std::cmp::Ordering::Less => Some(Self { from: to, to: from, amount: -amount }),
            std::cmp::Ordering::Equal => None,
        }
    }
}

/// What an account brought along when it was opened; negative where it owed.
#[must_use]
pub fn opening(account: AccountId, credit: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Opening, LedgerAccount::Balance(account), credit)
}

/// Money paid in.
#[must_use]
pub fn vend(account: AccountId, tender: Tender, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Tender(tender), LedgerAccount::Balance(account), amount)
}

/// Money paid in by mistake, given back the way it came.
#[must_use]
pub fn reversal(account: AccountId, tender: Tender, amount: Money) -> Option<Posting> {
    vend(account, tender, -amount)
}

/// Energy settled; a negative amount gives back.
#[must_use]
pub fn charge(account: AccountId, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Balance(account), LedgerAccount::RevenueEnergy, amount)
}

/// Money given back from a balance.
#[must_use]
pub fn refund(account: AccountId, tender: Tender, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Balance(account), LedgerAccount::Tender(tender), amount)
}

/// What an account owes, taken off it.
#[must_use]
pub fn write_off(account: AccountId, owed: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::WriteOff, LedgerAccount::Balance(account), owed)
}

/// Money that somebody else gives.
#[must_use]
pub fn subsidy(account: AccountId, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Subsidy, LedgerAccount::Balance(account), amount)
}

/// What an operator puts right; a negative amount takes away.
#[must_use]
pub fn adjustment(account: AccountId, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Adjustment, LedgerAccount::Balance(account), amount)
}

/// A debt that came from `source`.
#[must_use]
pub fn debt(account: AccountId, source: LedgerAccount, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Debt(account), source, amount)
}

/// A part of a balance taken for a debt; a negative amount gives back.
#[must_use]
pub fn debt_recovery(account: AccountId, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Balance(account), LedgerAccount::Debt(account), amount)
}

/// A debt, or a part of it, that nobody pays any more.
#[must_use]
pub fn debt_write_off(account: AccountId, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::WriteOff, LedgerAccount::Debt(account), amount)
}

/// What an account has, or owes, out of it.
#[must_use]
pub fn transfer_out(account: AccountId, balance: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Balance(account), LedgerAccount::Transfer, balance)
}

/// The same into the account that takes its place.
#[must_use]
pub fn transfer_in(account: AccountId, balance: Money) -> Option<Posting> {
    let arrives = if is_planted(Bug::LoseCarriedBalance) { Money::new(balance.get() / 2) } else { balance };
    Posting::moving(LedgerAccount::Transfer, LedgerAccount::Balance(account), arrives)
}

/// A fixed charge; a negative amount gives back.
#[must_use]
pub fn fixed_charge(account: AccountId, amount: Money) -> Option<Posting> {
    Posting::moving(LedgerAccount::Balance(account), LedgerAccount::RevenueFixed, amount)
}

/// What each ledger account has after `postings`.
#[must_use]
pub fn balances<'a>(postings: impl IntoIterator<Item = &'a Posting>) -> BTreeMap<LedgerAccount, Money> {
    let mut balances = BTreeMap::new();
    for posting in postings {
        let from = balances.entry(posting.from).or_insert(Money::ZERO);
        *from = *from - posting.amount;
        let to = balances.entry(posting.to).or_insert(Money::ZERO);
        *to = *to + posting.amount;
    }
    balances
}

/// What one ledger account has after `postings`.
#[must_use]
pub fn balance_of<'a>(account: LedgerAccount, postings: impl IntoIterator<Item = &'a Posting>) -> Money {
    balances(postings).get(&account).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::account_id;

    #[test]
    fn a_ledger_account_and_its_text_name_each_other() {
        let meter_words = [
            "tender:wechat",
            "revenue:energy",
            "revenue:fixed",
            "opening",
            "subsidy",
            "adjustment",
            "write_off",
            "transfer",
        ];
        for text in meter_words {
            assert_eq!(text.parse::<LedgerAccount>().map(|account| account.to_string()), Ok(text.to_owned()));
        }
        let balance = LedgerAccount::Balance(account_id(7));
        let debt = LedgerAccount::Debt(account_id(7));
        assert_eq!((balance.to_string().parse(), debt.to_string().parse()), (Ok(balance), Ok(debt)));
        for strange in ["", "balance", "balance:0", "balance:x", "tender:gold", "revenue:gas", "opening:1"] {
            assert!(strange.parse::<LedgerAccount>().is_err(), "{strange}");
        }
    }

    #[test]
    fn nothing_moves_nothing_and_a_negative_charge_gives_back() {
        assert_eq!(charge(account_id(1), Money::ZERO), None);
        let back = charge(account_id(1), Money::new(-5));
        let balance = LedgerAccount::Balance(account_id(1));
        assert_eq!(back, Some(Posting { from: LedgerAccount::RevenueEnergy, to: balance, amount: Money::new(5) }));
    }

    #[test]
    fn a_debt_is_apart_from_the_balance_until_something_is_taken_for_it() {
        let (account, amount) = (account_id(1), Money::new(500));
        let all = [
            debt(account, LedgerAccount::Adjustment, amount),
            vend(account, Tender::Cash, Money::new(100)),
            debt_recovery(account, Money::new(30)),
            debt_write_off(account, Money::new(470)),
        ];
        let postings: Vec<Posting> = all.into_iter().flatten().collect();
        assert_eq!(balance_of(LedgerAccount::Balance(account), &postings), Money::new(70));
        assert_eq!(balance_of(LedgerAccount::Debt(account), &postings), Money::ZERO);
        assert_eq!(balance_of(LedgerAccount::Debt(account), postings.iter().take(1)), -amount);
    }

    #[test]
    fn a_vend_and_its_reversal_leave_nothing_behind() {
        let (account, amount) = (account_id(1), Money::new(500));
        let both = [vend(account, Tender::Card, amount), reversal(account, Tender::Card, amount)];
        let postings: Vec<Posting> = both.into_iter().flatten().collect();
        assert_eq!(postings.iter().map(|posting| posting.amount).collect::<Vec<_>>(), [amount, amount]);
        assert!(balances(&postings).into_values().all(|left| left == Money::ZERO));
    }

    fn any_posting() -> impl Strategy<Value = (i64, i64, Option<Posting>)> {
        (1_i64..5, -10_000_i64..10_000, 0..5_u8).prop_map(|(counter, amount, kind)| {
            let (account, money) = (account_id(counter), Money::new(amount));
            match kind {
                0 => (counter, amount, opening(account, money)),
                1 => (counter, amount, vend(account, Tender::Cash, money)),
                2 => (counter, -amount, reversal(account, Tender::Cash, money)),
                3 => (counter, amount, adjustment(account, money)),
                _ => (counter, -amount, charge(account, money)),
            }
        })
    }

    proptest! {
        #[test]
        fn all_ledger_accounts_sum_to_zero(all in prop::collection::vec(any_posting(), 0..40)) {
            let postings: Vec<Posting> = all.iter().filter_map(|(.., posting)| *posting).collect();
            prop_assert!(postings.iter().all(|posting| posting.amount > Money::ZERO));
            prop_assert_eq!(balances(&postings).into_values().sum::<Money>(), Money::ZERO);
            for counter in 1..5 {
                let expected: i64 = all.iter().filter(|(of, ..)| *of == counter).map(|(_, amount, _)| amount).sum();
                let balance = LedgerAccount::Balance(account_id(counter));
                prop_assert_eq!(balance_of(balance, &postings), Money::new(expected));
            }
        }
    }
}

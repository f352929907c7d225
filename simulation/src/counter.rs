//! Vends, their reversals and reprints of their receipts, as a counter asks for them.

use domain::{
    ids::{AccountId, VendId},
    ledger::Tender,
    money::Money,
    tariff::TariffVersion,
};
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use wattgate::{
    app::App,
    operations::{
        Error, books,
        reprint::{self, ReprintReceipt},
        reverse_vend::{self, ReverseVend, WithdrawVend},
        vend::{self, Receipt, Vend},
    },
    settings::Settings,
};

use crate::{
    auditor::{Answer, Request},
    clock::shift,
    errand::Call,
    fate::{Event, minutes},
    plan::{Random, Size, between},
    world::World,
};

/// A vend that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// Its row.
    pub id: VendId,
    /// The key under which it was sold.
    pub key: String,
    /// To whom.
    pub account: AccountId,
    /// How much was paid.
    pub amount: Money,
}

/// A vend at one of three counters.
#[must_use]
pub fn vend_of(account: AccountId, amount: i64, meter: usize) -> Vend {
    Vend {
        account_id: account,
        amount: Money::new(amount),
        currency: "CNY".to_owned(),
        tender: Tender::Cash,
        terminal: format!("counter-{}", meter % 3),
    }
}

/// Sells; gives the receipt.
///
/// # Errors
/// See [`vend::vend`].
pub async fn sell(app: App, vend: Vend, key: String) -> Result<Option<String>, Error> {
    let (receipt, _repeated) = vend::vend(&app, vend, &key, "cashier").await?;
    Ok(Some(books::json(&receipt)?))
}

/// The request to take a vend back, and the call.
#[must_use]
pub fn reverse(app: App, sold: &Sold, reason: Option<&str>, key: String) -> Option<(Request, Call)> {
    let how = ReverseVend { terminal: "counter-0".to_owned(), reason: reason.map(str::to_owned) };
    let Sold { id, key: vend, account, amount } = sold.clone();
    let content = books::json(&how).ok()?;
    let request = Request::Reverse { key: key.clone(), vend: vend.clone(), account, amount, content };
    let call = async move {
        if !withdraws(&key) {
            let (receipt, _repeated) = reverse_vend::reverse(&app, id, how, &key, "cashier").await?;
            return Ok(Some(books::json(&receipt)?));
        }
        let ReverseVend { terminal, reason } = how;
        let what = WithdrawVend { account_id: account, vend_key: vend, terminal, reason };
        let (withdrawn, _repeated) = reverse_vend::withdraw(&app, what, &key, "cashier").await?;
        withdrawn.reversal.map(|receipt| books::json(&receipt)).transpose()
    };
    Some((request, Box::pin(call)))
}

/// Whether a vend is taken back by its key, as somebody does who does not know its receipt: every other one.
#[must_use]
pub fn withdraws(key: &str) -> bool {
    key.bytes().fold(0, |sum: u8, byte| sum.wrapping_add(byte)).is_multiple_of(2)
}

/// The request to print a vend's receipt again, and the call.
#[must_use]
pub fn reprint(app: App, sold: &Sold, key: String) -> (Request, Call) {
    let (id, how) = (sold.id, ReprintReceipt { terminal: "counter-0".to_owned() });
    let request = Request::Reprint { key: key.clone(), vend: sold.key.clone() };
    let call = async move {
        let (reprint, _repeated) = reprint::reprint(&app, id, how, &key, "cashier").await?;
        Ok(Some(reprint.number.to_string()))
    };
    (request, Box::pin(call))
}

/// Receipts that are printed again.
#[must_use]
pub fn reprints(random: &mut Random, size: Size, start: Timestamp, quiet_from: Timestamp) -> Vec<(Timestamp, Event)> {
    let begin = shift(start, minutes(120));
    // Many of a few: one receipt is printed so often only.
    let nth = |random: &mut Random| Event::Reprint { nth: random.random_range(0..6) };
    let count = random.random_range(10..=20 * i64::from(size.days));
    (0..count).map(|_| (between(random, begin, quiet_from), nth(random))).collect()
}

/// A vend that was acknowledged may be taken back from now on.
pub fn keep(world: &World, key: &str, answer: &Answer) {
    let Answer::Done { receipt: Some(receipt) } = answer else { return };
    let Ok(receipt) = serde_json::from_str::<Receipt>(receipt) else { return };
    let Receipt { vend_id: id, account_id: account, amount, .. } = receipt;
    let sold = Sold { id, key: key.to_owned(), account, amount };
    let mut all = world.sold.borrow_mut();
    if !all.contains(&sold) {
        all.push(sold);
    }
}

/// Sets the generator apart that draws limits of vends.
const VENDING: u64 = 0x7665_6e64_696e_6721;

/// In one run of seven little is sold at once, not much in a day, and receipts are printed again.
pub fn narrow(
    seed: u64,
    (size, start, quiet_from): (Size, Timestamp, Timestamp),
    (settings, tariffs): (&mut Settings, &mut [Vec<TariffVersion>]),
    events: &mut Vec<(Timestamp, Event)>,
) {
    if seed % 7 != 6 {
        return;
    }
    let mut random = Random::seed_from_u64(seed ^ VENDING);
    events.extend(reprints(&mut random, size, start, quiet_from));
    settings.receipts.reprints = 2;
    let (vending, minimum) = (&mut settings.policy.vending, Money::new(random.random_range(100..600)));
    vending.maximum_per_vend = Money::new(random.random_range(8_000..9_000));
    vending.maximum_per_cashier_day = Money::new(random.random_range(60_000..150_000));
    tariffs.iter_mut().flatten().for_each(|version| version.minimum_vend = minimum);
}

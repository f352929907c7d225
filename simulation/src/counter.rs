//! Vends and their reversals, as a counter asks for them.

use domain::{
    ids::{AccountId, VendId},
    ledger::Tender,
    money::Money,
};
use wattgate::{
    app::App,
    operations::{
        Error, books,
        reverse_vend::{self, ReverseVend},
        vend::{self, Receipt, Vend},
    },
};

use crate::{
    auditor::{Answer, Request},
    errand::Call,
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
    let request = Request::Reverse { key: key.clone(), vend, account, amount, content: books::json(&how).ok()? };
    let call = async move {
        let (receipt, _repeated) = reverse_vend::reverse(&app, id, how, &key, ("cashier", false)).await?;
        Ok(Some(books::json(&receipt)?))
    };
    Some((request, Box::pin(call)))
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

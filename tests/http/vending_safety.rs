//! The rules by which vending systems are safe, each with a client that dies at every point of a request and asks again:
//! one sale or none, the same receipt byte for byte, the right balance, and books that agree.

use std::sync::{Mutex, mpsc};

use domain::ids::AccountId;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};

use crate::{
    process::Shop,
    support::{Database, HeadEnd, Rest, SOON, Written, eventually, on_both},
};

on_both!(
    a_vend_whose_client_dies_is_made_once_and_the_last_one_tells,
    a_vend_goes_on_to_its_end_when_its_client_dies_meanwhile,
    an_answer_that_comes_late_changes_nothing,
    a_reversal_is_repeated_until_it_is_answered_in_whatever_order,
    a_vend_is_withdrawn_by_its_key_whether_it_came_before_or_comes_after,
    a_trial_has_no_effect_wherever_its_client_dies,
    a_vend_over_a_limit_is_refused_each_time,
);

/// Where a client dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// After the head.
    AfterHead,
    /// In the middle of the body.
    InBody,
    /// After the body: it says goodbye.
    BeforeAnswer,
    /// After the body: its machine is gone, and the line is reset.
    Reset,
    /// In the middle of the answer.
    InAnswer,
}

impl Cut {
    pub(super) const ALL: [Self; 5] = [Self::AfterHead, Self::InBody, Self::BeforeAnswer, Self::Reset, Self::InAnswer];

    /// Whether all of the request was sent.
    pub(super) fn is_whole(self) -> bool {
        !matches!(self, Self::AfterHead | Self::InBody)
    }
}

/// Bytes of an answer's body that have come when the client dies.
const BEGUN: usize = 10;

/// Sends a request and dies. Returns what came of the answer's body.
pub(super) async fn dies(request: Written, cut: Cut) -> Vec<u8> {
    let mut line = TcpStream::connect(request.to).await.unwrap();
    line.write_all(&request.head).await.unwrap();
    match cut {
        Cut::AfterHead => {}
        Cut::InBody => line.write_all(&request.body[..request.body.len() / 2]).await.unwrap(),
        Cut::BeforeAnswer => line.write_all(&request.body).await.unwrap(),
        Cut::Reset => {
            line.write_all(&request.body).await.unwrap();
            line.set_zero_linger().unwrap();
        }
        Cut::InAnswer => {
            line.write_all(&request.body).await.unwrap();
            let mut come = Vec::new();
            while body_of(&come).is_none_or(|body| body.len() < BEGUN) {
                come.push(line.read_u8().await.unwrap());
            }
            return body_of(&come).unwrap().to_vec();
        }
    }
    Vec::new()
}

/// The part of an answer behind its head.
fn body_of(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(&answer[end + 4..])
}

/// An answer's status and the bytes of its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raw(pub(super) u16, pub(super) Vec<u8>);

impl Raw {
    fn of(answer: &[u8]) -> Self {
        let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
        Self(status, body_of(answer).unwrap().to_vec())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.1).unwrap()
    }

    pub(super) fn code(&self) -> (u16, Value) {
        (self.0, self.json()["code"].clone())
    }
}

/// Sends a request and waits for all of its answer.
pub(super) async fn lives(request: Written) -> Raw {
    let mut line = TcpStream::connect(request.to).await.unwrap();
    line.write_all(&[request.head, request.body].concat()).await.unwrap();
    late(line).await
}

/// The answer on a line that a request was sent on.
async fn late(mut line: TcpStream) -> Raw {
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).await.unwrap();
    Raw::of(&answer)
}

/// A counter with one customer, whose account has 500.
pub(super) struct Counter {
    pub(super) head_end: HeadEnd,
    pub(super) rest: Rest,
    pub(super) account: AccountId,
}

impl Counter {
    pub(super) async fn open(database: &Database, settings: &str) -> Self {
        let head_end = HeadEnd::start_with(database, settings).await;
        let rest = head_end.rest.clone();
        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        let meter = shop.meter(&rest, &concentrator, "000000000901", "dlt645_direct").await;
        let opening = json!({ "initial_reading": "12.5", "reason": "read on site", "opening_credit": 500 });
        let account = shop.open(&rest, &meter, opening).await;
        Self { head_end, rest, account: account.parse().unwrap() }
    }

    pub(super) fn sale(&self, terminal: &str, amount: i64) -> Value {
        json!({ "account_id": self.account, "amount": amount, "currency": "CNY", "tender": "cash", "terminal": terminal })
    }

    pub(super) fn vend(&self, key: &str, sale: &Value) -> Written {
        self.rest.written("POST", "/vends", Some(key), Some(sale))
    }

    fn reverse(&self, vend: &Value, key: &str) -> Written {
        let path = format!("/vends/{}/reverse", vend["vend_id"].as_str().unwrap());
        self.rest.written("POST", &path, Some(key), Some(&json!({ "terminal": "till-1" })))
    }

    async fn get(&self, path: &str) -> Raw {
        lives(self.rest.written("GET", path, None, None)).await
    }

    /// What became of the last vend: for a client that does not know.
    async fn last(&self, terminal: &str) -> Raw {
        self.get(&format!("/vends/last?site_id={}&terminal={terminal}", self.account.site())).await
    }

    /// The posted balance of the rows, which the hot balance comes to.
    pub(super) async fn posted(&self) -> i64 {
        let account = self.account;
        let posted = self.head_end.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().posted;
        eventually(SOON, "the hot balance is the posted one", async || {
            let hot = self.head_end.app.hot.get(account).await.unwrap().account?;
            (hot.posted == posted).then_some(())
        })
        .await;
        posted.get()
    }

    /// All vends, the newest first.
    async fn vends(&self) -> Vec<Value> {
        self.rest.get(&format!("/accounts/{}/vends?limit=100", self.account)).await["items"].as_array().unwrap().clone()
    }
}

/// Rules 1, 2 and 4: a key has one sale; whoever does not know asks for the last one, or repeats the key.
async fn a_vend_whose_client_dies_is_made_once_and_the_last_one_tells(database: Database) {
    let counter = Counter::open(&database, "").await;
    let mut balance = 500;
    for cut in Cut::ALL {
        let (terminal, key) = (format!("till-{cut:?}"), format!("sale-{cut:?}"));
        let sale = counter.sale(&terminal, 10_000);
        let begun = dies(counter.vend(&key, &sale), cut).await;

        let last = counter.last(&terminal).await;
        match cut {
            Cut::AfterHead | Cut::InBody => assert_eq!(last.code(), (404, json!("not_found")), "{cut:?}"),
            Cut::InAnswer => assert_eq!(last.0, 200, "{cut:?}"),
            // It may still be under way.
            Cut::BeforeAnswer | Cut::Reset => assert!([200, 404].contains(&last.0), "{cut:?}: {last:?}"),
        }
        let again = lives(counter.vend(&key, &sale)).await;
        match (last.0, cut.is_whole()) {
            (200, _) => assert_eq!(again, last, "{cut:?}"),
            (_, false) => assert_eq!(again.0, 201, "{cut:?}: nothing was sold before"),
            (_, true) => assert!([200, 201].contains(&again.0), "{cut:?}: {again:?}"),
        }
        balance += 10_000;
        let receipt = again.json();
        assert!(again.1.starts_with(&begun), "{cut:?}");
        assert_eq!(receipt["receipt_number"], format!("{terminal}-1"), "{cut:?}");

        let shown = counter.get(&format!("/vends/{}", receipt["vend_id"].as_str().unwrap())).await;
        for same in [lives(counter.vend(&key, &sale)).await, counter.last(&terminal).await, shown] {
            assert_eq!(same, Raw(200, again.1.clone()), "{cut:?}");
        }
        // The key is used up by that sale: for another one it is refused, however often.
        for _ in 0..2 {
            let other = lives(counter.vend(&key, &counter.sale(&terminal, 20_000))).await;
            assert_eq!(other.code(), (409, json!("idempotency_key_reused")), "{cut:?}");
        }
        assert_eq!(counter.posted().await, balance, "{cut:?}");
        assert_eq!(counter.vends().await[0], receipt, "{cut:?}");
    }
    assert_eq!(counter.vends().await.len(), Cut::ALL.len());
    counter.head_end.audited().await;
}

/// Rule 4: what was begun ends, and all that follows a commit follows it, with nobody left to be answered.
async fn a_vend_goes_on_to_its_end_when_its_client_dies_meanwhile(database: Database) {
    let counter = Counter::open(&database, "").await;
    let account = counter.account;
    // Somebody else is at the account, so that the vend waits.
    let (locked, is_locked) = oneshot::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (locked, gone) = (Mutex::new(Some(locked)), Mutex::new(gone));
    let db = counter.head_end.app.db.clone();
    let other = tokio::task::spawn(async move {
        db.write(move |conn| {
            store::account::lock(conn, account)?;
            locked.lock().unwrap().take().unwrap().send(()).unwrap();
            // Ends when the test lets go, or fails.
            let _ = gone.lock().unwrap().recv();
            Ok::<_, store::Error>(())
        })
        .await
    });
    is_locked.await.unwrap();
    let request = counter.vend("sale", &counter.sale("till-1", 10_000));
    let mut line = TcpStream::connect(request.to).await.unwrap();
    line.write_all(&[request.head, request.body].concat()).await.unwrap();
    // The one worker answers this after it has taken up the vend, and after it has seen the line fail.
    assert_eq!(counter.last("till-1").await.0, 404);
    line.set_zero_linger().unwrap();
    drop(line);
    assert_eq!(counter.last("till-1").await.0, 404);
    drop(go);
    other.await.unwrap().unwrap();
    eventually(SOON, "it is sold", async || (counter.last("till-1").await.0 == 200).then_some(())).await;
    assert_eq!(counter.posted().await, 10_500);
    counter.head_end.audited().await;
}

/// Rule 9: the client gave up, asked again, and then the first answer arrives after all.
async fn an_answer_that_comes_late_changes_nothing(database: Database) {
    let counter = Counter::open(&database, "").await;
    let sale = counter.sale("till-1", 10_000);
    let request = counter.vend("sale", &sale);
    let mut line = TcpStream::connect(request.to).await.unwrap();
    line.write_all(&[request.head, request.body].concat()).await.unwrap();
    let again = lives(counter.vend("sale", &sale)).await;
    // Another customer is served meanwhile.
    let second = lives(counter.vend("second", &counter.sale("till-1", 2_000))).await;
    let first = late(line).await;
    assert_eq!(first.1, again.1);
    let statuses = [first.0, again.0];
    assert!(statuses.contains(&201) && statuses.contains(&200), "one is sold, the other is told so: {statuses:?}");
    assert_eq!(counter.posted().await, 12_500);
    assert_eq!(counter.vends().await, [second.json(), first.json()]);
    assert_eq!(counter.last("till-1").await.1, second.1, "the late answer is not the last vend");
    counter.head_end.audited().await;
}

/// Rule 3: an advice is stored by the client and repeated until it is answered, whatever comes in between.
async fn a_reversal_is_repeated_until_it_is_answered_in_whatever_order(database: Database) {
    let counter = Counter::open(&database, "").await;
    // A reversal that arrives before there is such a vend is no reversal, and its key is still free.
    let nothing = json!({ "vend_id": counter.account });
    assert_eq!(lives(counter.reverse(&nothing, "back-AfterHead")).await.code(), (404, json!("not_found")));
    for cut in Cut::ALL {
        let (key, back) = (format!("sale-{cut:?}"), format!("back-{cut:?}"));
        let sale = counter.sale("till-1", 10_000);
        // The client that died over the sale learns what it sold, and takes it back.
        dies(counter.vend(&key, &sale), Cut::Reset).await;
        let sold = lives(counter.vend(&key, &sale)).await;
        let vend = sold.json();
        let begun = dies(counter.reverse(&vend, &back), cut).await;

        // Out of order: the sale is repeated before its reversal. It sells nothing, reversed already or not.
        assert_eq!(lives(counter.vend(&key, &sale)).await, Raw(200, sold.1.clone()), "{cut:?}");
        let reversed = lives(counter.reverse(&vend, &back)).await;
        match cut {
            Cut::AfterHead | Cut::InBody => assert_eq!(reversed.0, 201, "{cut:?}: nothing was reversed before"),
            Cut::InAnswer => assert_eq!(reversed.0, 200, "{cut:?}"),
            Cut::BeforeAnswer | Cut::Reset => assert!([200, 201].contains(&reversed.0), "{cut:?}: {reversed:?}"),
        }
        assert!(reversed.1.starts_with(&begun), "{cut:?}");
        let shown = counter.get(&format!("/vends/{}/reversal", vend["vend_id"].as_str().unwrap())).await;
        for same in [lives(counter.reverse(&vend, &back)).await, shown] {
            assert_eq!(same, Raw(200, reversed.1.clone()), "{cut:?}");
        }
        let twice = lives(counter.reverse(&vend, &format!("{back}-again"))).await;
        assert_eq!(twice.code(), (409, json!("already_reversed")), "{cut:?}");
        assert_eq!(lives(counter.vend(&key, &sale)).await, Raw(200, sold.1), "{cut:?}");
        assert_eq!(counter.posted().await, 500, "{cut:?}");
    }
    let numbers: Vec<_> = counter.vends().await.iter().map(|vend| vend["receipt_number"].clone()).collect();
    assert_eq!(numbers, ["till-1-9", "till-1-7", "till-1-5", "till-1-3", "till-1-1"], "the reversals are in between");
    counter.head_end.audited().await;
}

/// Rule 3, for a client that cannot know whether it sold: its reversal names the vend by its key, and may arrive first.
async fn a_vend_is_withdrawn_by_its_key_whether_it_came_before_or_comes_after(database: Database) {
    let counter = Counter::open(&database, "").await;
    let withdraw = |key: &str, vend_key: &str| {
        let what = json!({ "account_id": counter.account, "vend_key": vend_key, "terminal": "till-1" });
        counter.rest.written("POST", "/vends/withdraw", Some(key), Some(&what))
    };
    let sale = counter.sale("till-1", 10_000);
    for cut in Cut::ALL {
        let (early, late) = (format!("early-{cut:?}"), format!("late-{cut:?}"));
        // The withdrawal overtakes its vend, which is then not made, however often it comes.
        let began = dies(withdraw(&format!("no-{early}"), &early), cut).await;
        let withdrawn = lives(withdraw(&format!("no-{early}"), &early)).await;
        assert_eq!(withdrawn.json(), json!({ "reversal": null }), "{cut:?}");
        assert!(withdrawn.1.starts_with(&began), "{cut:?}");
        for _ in 0..2 {
            assert_eq!(lives(counter.vend(&early, &sale)).await.code(), (409, json!("vend_withdrawn")), "{cut:?}");
            assert_eq!(lives(withdraw(&format!("no-{early}"), &early)).await, Raw(200, withdrawn.1.clone()), "{cut:?}");
        }
        let again = lives(withdraw(&format!("no-{early}-again"), &early)).await;
        assert_eq!((again.0, again.json()), (201, withdrawn.json()), "{cut:?}: whoever asks, it stays so");
        assert_eq!(counter.posted().await, 500, "{cut:?}");

        // The vend was made, and its client never heard of it.
        dies(counter.vend(&late, &sale), Cut::Reset).await;
        let sold = lives(counter.vend(&late, &sale)).await;
        let began = dies(withdraw(&format!("no-{late}"), &late), cut).await;
        let withdrawn = lives(withdraw(&format!("no-{late}"), &late)).await;
        let reversal = withdrawn.json()["reversal"].clone();
        assert_eq!(reversal["vend_id"], sold.json()["vend_id"], "{cut:?}");
        assert!(withdrawn.1.starts_with(&began), "{cut:?}");
        assert_eq!(lives(withdraw(&format!("no-{late}"), &late)).await, Raw(200, withdrawn.1), "{cut:?}");
        let shown = counter.get(&format!("/vends/{}/reversal", reversal["vend_id"].as_str().unwrap())).await;
        assert_eq!(shown.json(), reversal, "{cut:?}: a reversal like any other");
        let twice = lives(withdraw(&format!("no-{late}-again"), &late)).await;
        assert_eq!(twice.code(), (409, json!("already_reversed")), "{cut:?}");
        assert_eq!(
            lives(counter.vend(&late, &sale)).await,
            Raw(200, sold.1),
            "{cut:?}: its key still gets its receipt"
        );
        assert_eq!(counter.posted().await, 500, "{cut:?}");
    }
    // A key of its own, and the account that the vend was for.
    assert_eq!(lives(withdraw("same", "same")).await.code(), (422, json!("key_of_its_own")));
    assert_eq!(lives(counter.vend("same", &sale)).await.0, 201, "no refusal used it up");
    assert_eq!(lives(withdraw("other", "no-early-Reset")).await.code(), (409, json!("idempotency_key_reused")));
    assert_eq!(lives(counter.vend("no-early-Reset", &sale)).await.code(), (409, json!("idempotency_key_reused")));
    let customer = counter.rest.get(&format!("/accounts/{}", counter.account)).await;
    let other = json!({ "customer_id": customer["customer_id"], "tariff_id": customer["tariff_id"] });
    let other = counter.rest.post("/accounts", &other).await["id"].clone();
    let not_ours = json!({ "account_id": other, "vend_key": "same", "terminal": "till-1" });
    let refused = lives(counter.rest.written("POST", "/vends/withdraw", Some("not-ours"), Some(&not_ours))).await;
    assert_eq!(refused.code(), (409, json!("idempotency_key_reused")));
    for no_key in ["", " same", "\u{5bc6}", &"k".repeat(256)] {
        assert_eq!(lives(withdraw("odd", no_key)).await.code(), (422, json!("idempotency_key")), "{no_key}");
    }
    assert_eq!(counter.posted().await, 10_500);
    counter.head_end.audited().await;
}

/// Rule 5: all checks, and nothing else.
async fn a_trial_has_no_effect_wherever_its_client_dies(database: Database) {
    let counter = Counter::open(&database, "").await;
    let sale = counter.sale("till-1", 10_000);
    let asked = |sale: &Value| counter.rest.written("POST", "/vends/trial", None, Some(sale));
    let first = lives(asked(&sale)).await;
    assert_eq!((first.0, &first.json()["balance_after"]), (200, &json!(10_500)));
    for cut in Cut::ALL {
        let begun = dies(asked(&sale), cut).await;
        assert!(first.1.starts_with(&begun), "{cut:?}");
        assert_eq!(lives(asked(&sale)).await, first, "{cut:?}: it is as if nobody had tried");
        assert_eq!(counter.last("till-1").await.code(), (404, json!("not_found")), "{cut:?}");
        assert_eq!((counter.posted().await, counter.vends().await), (500, vec![]), "{cut:?}");
    }
    let too_much = counter.sale("till-1", 1_000_001);
    let refused = lives(asked(&too_much)).await;
    assert_eq!(lives(counter.vend("much", &too_much)).await, refused, "a trial is refused as its vend is");
    let sold = lives(counter.vend("sale", &sale)).await;
    assert_eq!((sold.0, &sold.json()["receipt_number"]), (201, &json!("till-1-1")), "no trial took a number");
    counter.head_end.audited().await;
}

/// Rule 6: a cashier's limit counts each sale once, however often it is asked for, and a refusal uses nothing up.
async fn a_vend_over_a_limit_is_refused_each_time(database: Database) {
    let limits = "[policy.vending]\nmaximum_per_cashier_day = 25000\n";
    let counter = Counter::open(&database, limits).await;
    for (key, cut) in [("first", Cut::Reset), ("second", Cut::InAnswer)] {
        let sale = counter.sale("till-1", 10_000);
        dies(counter.vend(key, &sale), cut).await;
        for _ in 0..3 {
            let sold = lives(counter.vend(key, &sale)).await;
            assert!([200, 201].contains(&sold.0), "{key}: {sold:?}");
        }
    }
    let sale = counter.sale("till-1", 10_000);
    for cut in Cut::ALL.into_iter().filter(|cut| *cut != Cut::InAnswer) {
        dies(counter.vend("third", &sale), cut).await;
        let refused = lives(counter.vend("third", &sale)).await;
        assert_eq!((refused.0, &refused.json()["code"]), (422, &json!("cashier_day_limit")), "{cut:?}");
        assert_eq!(counter.posted().await, 20_500, "{cut:?}");
    }
    let less = lives(counter.vend("third", &counter.sale("till-1", 5_000))).await;
    assert_eq!((less.0, &less.json()["receipt_number"]), (201, &json!("till-1-3")), "the refused key is still free");
    assert_eq!(counter.posted().await, 25_500);
    counter.head_end.audited().await;
}

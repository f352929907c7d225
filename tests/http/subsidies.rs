//! Subsidies to one account and to many, and adjustments.

use serde_json::{Value, json};

use super::{Api, Street};

const BATCHES: &str = "/api/v1/batch_credits";

impl Street {
    async fn posted(&self, api: &Api) -> Value {
        api.get(&format!("/api/v1/accounts/{}", self.account)).await.ok()["posted"].clone()
    }
}

fn batch(street: &Street, lines: &[(&str, i64)]) -> Value {
    let line = |(number, amount): &(&str, i64)| json!({ "account_number": number, "amount": amount });
    let lines: Vec<Value> = lines.iter().map(line).collect();
    json!({ "site_id": street.site, "currency": "CNY", "reason": "winter aid", "lines": lines })
}

#[actix_web::test]
async fn a_subsidy_is_given_once() {
    let api = Api::start().await;
    let street = api.street().await;
    let path = format!("/api/v1/accounts/{}/subsidies", street.account);
    let subsidy = |amount: i64| json!({ "amount": amount, "currency": "CNY", "reason": "winter aid" });
    let given = api.post_once(&path, "s-1", &subsidy(300)).await;
    assert_eq!(given.status, 201);
    let receipt = given.ok();
    assert_eq!(
        (&receipt["amount"], &receipt["balance_after"], &receipt["reason"]),
        (&json!(300), &json!(800), &json!("winter aid"))
    );
    let again = api.post_once(&path, "s-1", &subsidy(300)).await;
    assert_eq!((again.status, again.ok()), (200, receipt));
    assert_eq!(api.post_once(&path, "s-1", &subsidy(301)).await.problem(), (409, "idempotency_key_reused"));
    let nothing = api.post_once(&path, "s-2", &subsidy(0)).await;
    assert_eq!((nothing.problem(), nothing.field()), ((422, "amount_not_positive"), Some("amount")));
    let much = api.post_once(&path, "s-2", &subsidy(1_000_001)).await;
    assert_eq!((much.problem(), much.field()), ((422, "above_maximum_vend"), Some("amount")));
    let statement = api.get(&format!("/api/v1/accounts/{}/statement?limit=1", street.account)).await.ok();
    let line = &statement["items"][0];
    assert_eq!((&line["kind"], &line["postings"][0]["from"]), (&json!("subsidy"), &json!("subsidy")));
    assert_eq!(street.posted(&api).await, 800);
    api.stop().await;
}

#[actix_web::test]
async fn an_account_is_adjusted_once_up_or_down_and_it_is_told_wherever_its_money_is() {
    let api = Api::start().await;
    let street = api.street().await;
    let path = format!("/api/v1/accounts/{}/adjustments", street.account);
    let by = |amount: i64| json!({ "amount": amount, "currency": "CNY", "reason": "entered for a neighbour" });
    let down = api.post_once(&path, "a-1", &by(-700)).await;
    assert_eq!(down.status, 201);
    assert_eq!(down.header("location"), Some(format!("/api/v1/accounts/{}/statement", street.account).as_str()));
    let down = down.ok();
    assert_eq!((&down["amount"], &down["balance_after"]), (&json!(-700), &json!(-200)), "less than 0 may be left");
    let again = api.post_once(&path, "a-1", &by(-700)).await;
    assert_eq!((again.status, again.ok()), (200, down));
    assert_eq!(api.post_once(&path, "a-1", &by(-701)).await.problem(), (409, "idempotency_key_reused"));
    let subsidies = format!("/api/v1/accounts/{}/subsidies", street.account);
    assert_eq!(api.post_once(&subsidies, "a-1", &by(700)).await.problem(), (409, "idempotency_key_reused"));
    for (amount, code) in [(0, "amount_zero"), (1_000_001, "above_maximum_vend"), (-1_000_001, "above_maximum_vend")] {
        let refused = api.post_once(&path, "a-2", &by(amount)).await;
        assert_eq!((refused.problem(), refused.field()), ((422, code), Some("amount")), "{amount}");
    }
    for (field, value, problem) in [("reason", " ", (422, "label")), ("currency", "EUR", (422, "currency_mismatch"))] {
        let mut bad = by(100);
        bad[field] = json!(value);
        let refused = api.post_once(&path, "a-2", &bad).await;
        assert_eq!((refused.problem(), refused.field()), (problem, Some(field)));
    }
    assert_eq!(street.posted(&api).await, -200, "what was refused changed nothing");
    assert_eq!(api.post_once(&path, "a-2", &by(300)).await.status, 201);
    assert_eq!(street.posted(&api).await, 100);

    let statement = api.get(&format!("/api/v1/accounts/{}/statement?limit=2", street.account)).await.ok();
    let balance = format!("balance:{}", street.account);
    let told = |line: &Value| {
        let posting = &line["postings"][0];
        (line["kind"].clone(), posting["from"].clone(), posting["to"].clone(), posting["amount"].clone())
    };
    let lines: Vec<_> = statement["items"].as_array().unwrap().iter().map(told).collect();
    let line = |from: &str, to: &str, amount: i64| (json!("adjustment"), json!(from), json!(to), json!(amount));
    assert_eq!(lines, [line("adjustment", &balance, 300), line(&balance, "adjustment", 700)]);
    let log = api.get(&format!("/api/v1/audit_log?site_id={}&limit=1", street.site)).await.ok();
    let line = &log["items"][0];
    assert_eq!((&line["verb"], &line["detail"]), (&json!("adjust"), &json!("300: entered for a neighbour")));
    api.stop().await;
}

#[actix_web::test]
async fn a_batch_with_one_bad_line_posts_nothing_and_names_every_bad_one() {
    let api = Api::start().await;
    let street = api.street().await;
    let lines = [("S-1", 100), ("nobody", 100), ("S-1", 100), ("S-1", 0)];
    let refused = api.post_once(BATCHES, "b-1", &batch(&street, &lines)).await;
    assert_eq!(refused.problem(), (422, "batch_lines"));
    let fields: Vec<&str> =
        refused.json["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    let twice = "lines[2].account_number";
    assert_eq!(fields, ["lines[1].account_number", twice, "lines[3].account_number", "lines[3].amount"]);
    assert_eq!(api.post_once(BATCHES, "b-1", &batch(&street, &[])).await.field(), Some("lines"));
    assert_eq!(street.posted(&api).await, 500);

    let rehearsal = format!("{BATCHES}?dry_run=true");
    let checked = api.post_once(&rehearsal, "b-1", &batch(&street, &[("S-1", 100)])).await;
    assert_eq!((checked.status, &checked.json["id"], &checked.json["total"]), (200, &Value::Null, &json!(100)));
    assert_eq!(api.post_once(&rehearsal, "b-1", &batch(&street, &lines)).await.problem(), (422, "batch_lines"));
    assert_eq!(street.posted(&api).await, 500, "only looked at");

    let posted = api.post_once(BATCHES, "b-1", &batch(&street, &[("S-1", 100)])).await;
    assert_eq!(posted.status, 201, "the key is free: nothing came of it before");
    let address = posted.header("location").unwrap().to_owned();
    let posted = posted.ok();
    assert_eq!((&posted["posted"], &posted["lines"][0]["state"]), (&json!(100), &json!("posted")));
    let again = api.post_once(BATCHES, "b-1", &batch(&street, &[("S-1", 100)])).await;
    assert_eq!((again.status, again.ok()), (200, posted.clone()));
    assert_eq!(api.get(&address).await.ok(), posted);
    let other = api.post_once(BATCHES, "b-1", &batch(&street, &[("S-1", 101)])).await;
    assert_eq!(other.problem(), (409, "idempotency_key_reused"));
    assert_eq!(street.posted(&api).await, 600, "once");
    api.stop().await;
}

#[actix_web::test]
async fn a_batch_comes_as_a_file_of_a_spreadsheet_too() {
    let api = Api::start().await;
    let street = api.street().await;
    let path = format!("{BATCHES}/file?site_id={}&currency=CNY&reason=winter+aid", street.site);
    let send = async |path: &str, key: &str, kind: &str, body: &str| {
        api.ask("POST", path, &api.admin, &[("content-type", kind), ("idempotency-key", key)], body).await
    };
    let csv = "text/csv; charset=utf-8";
    for (file, field, detail) in [
        ("account_number\nS-1\n", "lines[0]", "missing field `amount`"),
        ("account_number,amount\nS-1,100\nS-1,1.50\n", "lines[1].amount", "must be a whole number"),
        ("account_number,amount\nS-1,0x10\n", "lines[0].amount", "must be a whole number"),
        ("account_number,amount\nS-1,+10\n", "lines[0].amount", "must be a whole number"),
        ("account_number,amount\nS-1,1000000000000000\n", "lines[0]", "an amount has at most 15 digits"),
        ("account_number,amount\nS-1,100,7\n", "lines[0]", "3 columns in place of 2"),
        ("account_number,amount,colour\nS-1,100,red\n", "lines[0]", "unknown field `colour`"),
    ] {
        let refused = send(&path, "f-1", csv, file).await;
        assert_eq!((refused.problem(), refused.field()), ((400, "body"), Some(field)), "{}", refused.json);
        assert!(refused.json["detail"].as_str().unwrap().starts_with(detail), "{}", refused.json);
    }
    let gbk = [b"account_number,amount\xbb\xa7\n".as_slice(), b"S-1,700\n"].concat();
    let unread = api.ask("POST", &path, &api.admin, &[("content-type", csv), ("idempotency-key", "f-1")], gbk).await;
    assert_eq!(unread.problem(), (400, "body"), "columns are not told by their order");
    let two_bad = send(&path, "f-1", csv, "account_number,amount\nS-1,x\nS-1,100\nS-1\n").await;
    let fields = [0, 1].map(|nth| two_bad.json["errors"][nth]["field"].clone());
    assert_eq!(fields, [json!("lines[0].amount"), json!("lines[2]")], "all that is bad is told at once");
    assert_eq!(send(&path, "f-1", "application/json", "{}").await.problem(), (415, "media_type"));
    assert_eq!(send(&path, "f-1", csv, "").await.problem(), (422, "batch_lines"));
    let strangers = send(&path, "f-1", csv, "account_number,amount\nS-1,100\n\"No, body\",100\n").await;
    assert_eq!((strangers.problem(), strangers.field()), ((422, "batch_lines"), Some("lines[1].account_number")));

    let file = "\u{feff}amount,account_number\r\n 100 , S-1 \r\n";
    let checked = send(&format!("{path}&dry_run=true"), "f-1", csv, file).await;
    assert_eq!((checked.status, &checked.json["total"]), (200, &json!(100)));
    assert_eq!(street.posted(&api).await, 500, "only looked at");
    assert_eq!(send(&path, "f-1", csv, file).await.status, 201);
    assert_eq!(send(&path, "f-1", csv, file).await.status, 200);
    assert_eq!(street.posted(&api).await, 600, "once");
    api.stop().await;
}

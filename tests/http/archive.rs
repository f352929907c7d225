//! Entering the archive, finding it again, and going through lists page by page.

use serde_json::{Value, json};

use super::Api;

#[actix_web::test]
async fn what_is_entered_is_found_at_its_address() {
    let api = Api::start().await;
    let street = api.street().await;
    let entered =
        api.post("/api/v1/customers", &json!({ "site_id": street.site, "name": "Wu", "language": "en" })).await;
    assert_eq!(entered.status, 201);
    let address = entered.header("location").unwrap().to_owned();
    assert_eq!(api.get(&address).await.ok(), entered.ok());
    let tariff = api.get(&format!("/api/v1/tariffs/{}", street.tariff)).await.ok();
    assert_eq!(tariff["versions"][0]["blocks"], json!([{ "upto_kwh": null, "price": "0.588900" }]));
    assert_eq!((&tariff["currency"], &tariff["versions"][0]["minimum_vend"]), (&json!("CNY"), &json!(100)));
    let meter = api.get(&format!("/api/v1/meters/{}", street.meter)).await.ok();
    assert_eq!((&meter["point"], &meter["causes"], &meter["identity"]), (&json!(1), &json!([]), &json!("unverified")));
    let link = api.get(&format!("/api/v1/concentrators/{}/link", street.concentrator)).await.ok();
    assert_eq!((&link["online"], &link["peer"]), (&json!(false), &Value::Null));
    api.stop().await;
}

#[actix_web::test]
async fn a_second_of_what_must_be_unique_is_a_conflict() {
    let api = Api::start().await;
    let street = api.street().await;
    let again = json!({ "customer_id": street.customer, "tariff_id": street.tariff, "number": "S-1" });
    assert_eq!(api.post("/api/v1/accounts", &again).await.problem(), (409, "already_exists"));
    api.stop().await;
}

#[actix_web::test]
async fn a_list_is_gone_through_page_by_page() {
    let api = Api::start().await;
    let street = api.street().await;
    let mut wanted = vec![street.customer.clone()];
    for name in ["a", "b", "c", "d"] {
        wanted.push(api.post("/api/v1/customers", &json!({ "site_id": street.site, "name": name })).await.id());
    }
    let (mut found, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/customers?site_id={}{cursor}", street.site)).await.ok();
        let items = page["items"].as_array().unwrap();
        sizes.push(items.len());
        found.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((found, sizes), (wanted, vec![2, 2, 1]));
    let all = api.get(&format!("/api/v1/customers?site_id={}&limit=3", street.site)).await.ok();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(3));
    api.stop().await;
}

#[actix_web::test]
async fn people_are_found_by_a_part_of_what_they_are_called_by() {
    let api = Api::start().await;
    let street = api.street().await;
    let new = json!({ "site_id": street.site, "name": "WANG Li_100%", "phone": "13800138000" });
    let wang = api.post("/api/v1/customers", &new).await.id();
    let account = json!({ "customer_id": wang, "tariff_id": street.tariff, "number": "B-7-101" });
    let account = api.post("/api/v1/accounts", &account).await.id();
    let finds = async |list: &str, part: &str| {
        let page = api.get(&format!("/api/v1/{list}?site_id={}&search={part}", street.site)).await.ok();
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for part in ["wang", "li_1", "100%25", "0138"] {
        assert_eq!(finds("customers", part).await, [wang.as_str()], "{part}");
    }
    assert_eq!(finds("customers", "li").await, [street.customer.as_str(), wang.as_str()]);
    assert!(finds("customers", "l%25i").await.is_empty(), "a sign of LIKE is a letter like others");
    for part in ["b-7", "g%20li_", "0138"] {
        assert_eq!(finds("accounts", part).await, [account.as_str()], "{part}: by its number, or whose it is");
    }
    let address = api.get(&format!("/api/v1/meters/{}", street.meter)).await.ok()["address"].clone();
    assert_eq!(finds("meters", address.as_str().unwrap()).await, [street.meter.as_str()]);
    assert_eq!(finds("meters", "shop").await, [street.meter.as_str()]);
    assert!(finds("meters", "nowhere").await.is_empty());

    let of_wang = api.get(&format!("/api/v1/customers/{wang}/accounts")).await.ok();
    assert_eq!((&of_wang["items"][0]["id"], &of_wang["items"][1]), (&json!(account), &Value::Null));
    let meter = api.get(&format!("/api/v1/meters/{}", street.meter)).await.ok();
    assert_eq!(meter["account_id"], json!(street.account));
    api.stop().await;
}

#[actix_web::test]
async fn a_customer_and_a_meter_are_changed_by_who_saw_them_last() {
    let api = Api::start().await;
    let street = api.street().await;
    let (customer, meter) =
        (format!("/api/v1/customers/{}", street.customer), format!("/api/v1/meters/{}", street.meter));
    let moved = json!({ "name": "Li Hua-Wei", "phone": "13900139000", "language": "en" });
    for (path, to) in [(&customer, &moved), (&meter, &json!({ "name": "Shop 1a" }))] {
        let seen = api.get(path).await;
        let seen = [("if-match", seen.header("etag").unwrap())];
        let changed = api.send("PATCH", path, &seen, to).await.ok();
        assert_eq!(changed["name"], to["name"]);
        assert_eq!(api.get(path).await.ok(), changed);
        assert_eq!(api.send("PATCH", path, &seen, to).await.problem(), (409, "version"));
        assert_eq!(api.send("PATCH", path, &[], to).await.problem(), (400, "if_match_missing"));
        let unnamed = json!({ "name": " ", "phone": null, "language": "en" });
        let unnamed = if path == &meter { json!({ "name": " " }) } else { unnamed };
        assert_eq!(api.send("PATCH", path, &[("if-match", "*")], &unnamed).await.field(), Some("name"));
        assert_eq!(api.get(path).await.ok(), changed, "what was refused changed nothing");
    }
    let forgot = api.send("PATCH", &customer, &[("if-match", "*")], &json!({ "name": "Li", "language": "en" })).await;
    assert_eq!((forgot.problem(), forgot.field()), ((400, "body"), Some("phone")), "what is left out is not lost");
    assert_eq!(api.get(&customer).await.ok()["phone"], "13900139000");
    let log = api.get(&format!("/api/v1/audit_log?site_id={}", street.site)).await.ok();
    assert_eq!(
        (&log["items"][0]["verb"], &log["items"][0]["detail"]),
        (&json!("rename_meter"), &json!("Shop 1 to Shop 1a"))
    );
    assert_eq!(log["items"][1]["verb"], "change_customer");
    api.stop().await;
}

#[actix_web::test]
async fn readings_are_listed_between_two_instants() {
    let api = Api::start().await;
    let street = api.street().await;
    let path = format!("/api/v1/meters/{}/readings", street.meter);
    let all = api.get(&path).await.ok();
    assert_eq!(all["items"][0]["total"], "12.5000");
    assert_eq!((&all["items"][0]["kind"], &all["items"][0]["reason"]), (&json!("initial"), &json!("read on site")));
    let ancient = api.get(&format!("{path}?from=-009000-01-01T00:00:00Z&to=2000-01-01T00:00:00Z")).await.ok();
    assert_eq!(ancient["items"], json!([]));
    assert_eq!(api.get(&format!("{path}?from=yesterday")).await.field(), Some("from"));
    api.stop().await;
}

#[actix_web::test]
async fn a_guard_needs_a_reason_and_is_shown() {
    let api = Api::start().await;
    let street = api.street().await;
    for of in [format!("/api/v1/meters/{}", street.meter), format!("/api/v1/accounts/{}", street.account)] {
        let guard = format!("{of}/guard");
        assert_eq!(api.send("PUT", &guard, &[], &json!({ "guarded": true })).await.problem().0, 422);
        let clinic = json!({ "guarded": true, "reason": "clinic" });
        assert_eq!(api.send("PUT", &guard, &[], &clinic).await.status, 204);
        assert_eq!(api.get(&of).await.ok()["guard_reason"], "clinic");
        assert_eq!(api.send("PUT", &guard, &[], &json!({ "guarded": false })).await.status, 204);
        assert_eq!(api.get(&of).await.ok()["guarded"], false);
    }
    api.stop().await;
}

//! Who did what: a line for each verb of an operator.

use serde_json::json;

use super::Api;

#[actix_web::test]
async fn whoever_changes_prices_supply_or_an_account_stands_in_the_log() {
    let api = Api::start().await;
    let street = api.street().await;
    let tariff = api.get(&format!("/api/v1/accounts/{}", street.account)).await.ok()["tariff_id"].clone();
    let day = super::in_days(100);
    let version = json!({ "valid_from": day, "blocks": [{ "price": "0.6" }] });
    api.post(&format!("/api/v1/tariffs/{}/versions", tariff.as_str().unwrap()), &version).await.ok();
    let multiplier = json!({ "multiplier": 40, "final_reading": "12.5", "reason": "new transformers" });
    api.post_once(&format!("/api/v1/meters/{}/replace", street.meter), "x", &multiplier).await.ok();
    let site = format!("/api/v1/sites/{}", street.site);
    let seen = api.get(&site).await;
    let headers = [("if-match", seen.header("etag").unwrap())];
    api.send("PATCH", &site, &headers, &json!({ "automatic_disconnection": "on" })).await.ok();

    let (mut told, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/audit_log?site_id={}{cursor}", street.site)).await.ok();
        for line in page["items"].as_array().unwrap() {
            let word = |field: &str| line[field].as_str().unwrap().to_owned();
            assert_eq!(word("operator_key"), api.admin.split('_').nth(1).unwrap(), "{line}");
            told.push((word("verb"), word("detail")));
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let verbs: Vec<_> = told.iter().map(|(verb, _)| verb.as_str()).collect();
    let expected = "set_automatic_disconnection replace_meter enter_tariff_version open_account enter_tariff_version";
    assert_eq!(verbs.join(" "), expected, "the newest first");
    let details: Vec<_> = told.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(details[0], "report_only to on");
    assert_eq!(details[1], format!("by meter {} x 40: new transformers", street.meter));
    assert!(details[2].ends_with(&format!(": version 2 from {day} on")), "{details:?}");
    api.stop().await;
}

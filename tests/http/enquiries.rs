//! Enquiries: what is asked must make sense, and somebody must be there to answer. What is answered is tested against real peers.

use serde_json::{Value, json};

use super::{Answer, Api, Street};

fn items(street: &Street) -> String {
    format!("/api/v1/meters/{}/items", street.meter)
}

fn queries(street: &Street) -> String {
    format!("/api/v1/concentrators/{}/queries", street.concentrator)
}

fn refusal(answer: &Answer) -> ((u16, &str), Option<&str>) {
    (answer.problem(), answer.field())
}

#[actix_web::test]
async fn an_item_is_named_by_its_identifier_and_no_password_is_read() {
    let api = Api::start().await;
    let street = api.street().await;
    for item in ["", "0201", "0201FF000", "0201FFG0", "+201FF00", "电压", "04000C02", "04000c0A"] {
        let answer = api.post(&items(&street), &json!({ "item": item })).await;
        assert_eq!(refusal(&answer), ((422, "item"), Some("item")), "{item}");
    }
    let answer = api.post(&items(&street), &json!({ "item": "0201FF00" })).await;
    assert_eq!(answer.problem(), (409, "concentrator_offline"));
    let answer = api.post("/api/v1/meters/8796093022299/items", &json!({ "item": "0201FF00" })).await;
    assert_eq!(answer.problem().0, 404);
    api.stop().await;
}

#[actix_web::test]
async fn a_concentrator_is_asked_questions_only_and_no_more_than_fit() {
    let api = Api::start().await;
    let street = api.street().await;
    let ask = async |asked: Value| api.post(&queries(&street), &asked).await;
    for (afn, content) in [("04", ""), ("10", ""), ("0C0C", ""), ("C", ""), ("", ""), ("zz", "")] {
        let answer = ask(json!({ "afn": afn, "function": 25, "content": content })).await;
        assert_eq!(refusal(&answer), ((422, "afn"), Some("afn")), "{afn}");
    }
    for (function, points, content, field) in [
        (0, json!([1]), "", "function"),
        (249, json!([1]), "", "function"),
        (25, json!([2041]), "", "points"),
        (25, json!([]), "", "points"),
        (25, json!(vec![1; 257]), "", "points"),
        (161, json!([1, 2]), &"00".repeat(600), "points"),
        (161, json!([1]), "0", "content"),
        (161, json!([1]), "x0", "content"),
    ] {
        let answer = ask(json!({ "afn": "0D", "function": function, "points": points, "content": content })).await;
        assert_eq!(refusal(&answer), ((422, field), Some(field)), "F{function} {points}");
    }
    assert_eq!(ask(json!({ "afn": "0C", "function": 2 })).await.problem(), (409, "concentrator_offline"));
    api.stop().await;
}

//! Bad input gets a problem with a stable code that names the field, and changes nothing.

use serde_json::json;

use super::Api;

const JSON: (&str, &str) = ("content-type", "application/json");

#[actix_web::test]
async fn a_body_that_cannot_be_read_names_its_field_and_changes_nothing() {
    let api = Api::start().await;
    let site = api.street().await.site;
    let before = api.get(&format!("/api/v1/customers?site_id={site}")).await.ok();
    for (body, field) in [
        ("", None),
        ("{", None),
        ("[]", None),
        (r#"{"name": "Wu"}"#, Some("site_id")),
        (r#"{"site_id": "1", "name": "Wu", "colour": "red"}"#, Some("colour")),
        (r#"{"site_id": 1, "name": "Wu"}"#, Some("site_id")),
        (r#"{"site_id": "0", "name": "Wu"}"#, Some("site_id")),
        (r#"{"site_id": "1", "name": ["Wu"]}"#, Some("name")),
        (r#"{"site_id": "1", "name": "Wu", "language": "la"}"#, Some("language")),
        (r#"{"site_id": "1", "name": "Wu", "language": 7}"#, Some("language")),
        (r#"{"site_id": "1", "name": "W\u0000"}"#, None),
    ] {
        let refused = api.ask("POST", "/api/v1/customers", &api.admin, &[JSON], body).await;
        assert_eq!(refused.problem(), (400, "body"), "{body}");
        assert_eq!(refused.field(), field, "{body}: {}", refused.json);
    }
    assert_eq!(api.get(&format!("/api/v1/customers?site_id={site}")).await.ok(), before);
    api.stop().await;
}

#[actix_web::test]
async fn a_body_that_breaks_a_rule_is_refused_by_that_rule() {
    let api = Api::start().await;
    let site = api.street().await.site;
    let refused = api.post("/api/v1/customers", &json!({ "site_id": site, "name": " " })).await;
    assert_eq!((refused.problem().0, refused.field()), (422, Some("name")));
    let nowhere = json!({ "name": "Moon", "time_zone": "Moon/Base" });
    let refused = api.post("/api/v1/sites", &nowhere).await;
    assert_eq!((refused.problem().0, refused.field()), (422, Some("time_zone")));
    api.stop().await;
}

#[actix_web::test]
async fn a_body_of_another_kind_or_too_long_is_refused_by_its_status() {
    let api = Api::start().await;
    let path = "/api/v1/customers";
    let body = json!({ "site_id": "1", "name": "Wu" }).to_string();
    let form = api.ask("POST", path, &api.admin, &[("content-type", "application/x-www-form-urlencoded")], &body).await;
    assert_eq!(form.problem(), (415, "media_type"));
    let nothing = api.ask("POST", path, &api.admin, &[], &body).await;
    assert_eq!(nothing.problem(), (415, "media_type"));
    let long = json!({ "site_id": "1", "name": "W".repeat(5_000) }).to_string();
    let long = api.ask("POST", path, &api.admin, &[JSON], &long).await;
    assert_eq!(long.problem(), (413, "body_too_large"));
    api.stop().await;
}

#[actix_web::test]
async fn a_query_that_makes_no_sense_names_its_parameter() {
    let api = Api::start().await;
    let site = api.street().await.site;
    for (query, code, field) in [
        ("limit=0", "query", Some("limit")),
        ("limit=4", "query", Some("limit")),
        ("limit=many", "query", Some("limit")),
        ("colour=red", "query", Some("colour")),
        ("cursor=zz", "cursor", Some("cursor")),
        ("cursor=%00", "query", None),
    ] {
        let refused = api.get(&format!("/api/v1/meters?site_id={site}&{query}")).await;
        assert_eq!((refused.problem(), refused.field()), ((400, code), field), "{query}");
    }
    assert_eq!(api.get("/api/v1/meters").await.problem(), (400, "site_missing"));
    assert_eq!(api.get("/api/v1/meters?site_id=x").await.field(), Some("site_id"));
    api.stop().await;
}

#[actix_web::test]
async fn what_does_not_exist_and_what_is_no_address_are_404() {
    let api = Api::start().await;
    let site = api.street().await.site;
    for path in [
        "/api/v1/meters/17",
        "/api/v1/meters/x",
        "/api/v1/vends/x",
        "/api/v1/meters/x/readings",
        "/api/v1/nothing",
        "/nothing",
        "/api/v1/meters/",
    ] {
        assert_eq!(api.get(path).await.problem(), (404, "not_found"), "{path}");
    }
    let last = api.get(&format!("/api/v1/vends/last?site_id={site}&terminal=till-9")).await;
    assert_eq!(last.problem(), (404, "not_found"));
    api.stop().await;
}

#[actix_web::test]
async fn another_method_of_an_address_is_told_which_there_are() {
    let api = Api::start().await;
    for (method, path, allow) in [
        ("DELETE", "/api/v1/meters", "GET, POST"),
        ("PUT", "/api/v1/sites/1", "GET, PATCH"),
        ("GET", "/api/v1/vends/trial", "POST"),
        ("POST", "/api/v1/vends/last", "GET"),
        ("POST", "/healthz", "GET"),
        ("POST", "/api/openapi.json", "GET"),
    ] {
        let refused = api.ask(method, path, &api.admin, &[JSON], "{}").await;
        assert_eq!(refused.problem(), (405, "method"), "{method} {path}");
        assert_eq!(refused.header("allow"), Some(allow), "{method} {path}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn two_people_do_not_overwrite_each_other() {
    let api = Api::start().await;
    let path = format!("/api/v1/sites/{}", api.street().await.site);
    let seen = api.get(&path).await;
    let tag = seen.header("etag").unwrap().to_owned();
    let off = json!({ "automatic_disconnection": "off" });
    assert_eq!(api.send("PATCH", &path, &[], &off).await.problem(), (400, "if_match_missing"));
    assert_eq!(api.send("PATCH", &path, &[("If-Match", "7")], &off).await.problem(), (400, "if_match"));
    let first = api.send("PATCH", &path, &[("If-Match", &tag)], &off).await;
    assert_ne!(first.header("etag").unwrap(), tag);
    assert_eq!(first.ok()["automatic_disconnection"], "off");
    let on = json!({ "automatic_disconnection": "on" });
    assert_eq!(api.send("PATCH", &path, &[("If-Match", &tag)], &on).await.problem(), (409, "version"));
    assert_eq!(api.get(&path).await.ok()["automatic_disconnection"], "off");
    api.stop().await;
}

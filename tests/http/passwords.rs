//! Passwords of single meters and concentrators: entered, never shown, and refused where they are none.

use serde_json::json;

use super::Api;

#[actix_web::test]
async fn passwords_are_kept_and_never_shown() {
    let api =
        Api::start_with("[secrets]\nkey = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"").await;
    let street = api.street().await;
    let (meter, concentrator) =
        (format!("/api/v1/meters/{}", street.meter), format!("/api/v1/concentrators/{}", street.concentrator));
    let own = json!({ "relay_password": "918273", "relay_password_level": 4, "archive_password": "a1b2c3d4e5f6" });
    for (device, path, secret) in [
        (&meter, "passwords", own),
        (&concentrator, "password", json!({ "password": "0123456789abcdef0123456789abcdef" })),
    ] {
        let path = format!("{device}/{path}");
        assert_eq!(api.get(device).await.ok()["own_credentials"], false);
        assert_eq!(api.send("PUT", &path, &[], &secret).await.status, 204);
        let shown = api.get(device).await.ok();
        assert_eq!(shown["own_credentials"], true);
        let lines = api.get(&format!("/api/v1/audit_log?site_id={}", street.site)).await.ok();
        assert_eq!(lines["items"][0]["verb"], "set_passwords");
        for part in secret.as_object().unwrap().values().filter_map(|part| part.as_str()) {
            assert!(!shown.to_string().contains(part) && !lines.to_string().contains(part), "{part}");
        }
        assert_eq!(api.send("DELETE", &path, &[], &json!({})).await.status, 204);
        assert_eq!(api.get(device).await.ok()["own_credentials"], false);
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_is_no_password_is_refused_and_changes_nothing() {
    let api =
        Api::start_with("[secrets]\nkey = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"").await;
    let street = api.street().await;
    let passwords = format!("/api/v1/meters/{}/passwords", street.meter);
    for (body, field) in [
        (json!({ "relay_password": "12345" }), "relay_password"),
        (json!({ "relay_password": "+12345" }), "relay_password"),
        (json!({ "relay_password": "123456", "archive_password": "123" }), "archive_password"),
        (json!({ "relay_password": "123456", "archive_password": "é0000000000" }), "archive_password"),
    ] {
        let refused = api.send("PUT", &passwords, &[], &body).await;
        assert_eq!((refused.problem(), refused.field()), ((422, "password"), Some(field)), "{body}");
    }
    let password = format!("/api/v1/concentrators/{}/password", street.concentrator);
    let refused = api.send("PUT", &password, &[], &json!({ "password": "00" })).await;
    assert_eq!((refused.problem(), refused.field()), ((422, "password"), Some("password")));
    assert_eq!(api.get(&format!("/api/v1/meters/{}", street.meter)).await.ok()["own_credentials"], false);
    let nobody =
        api.send("PUT", "/api/v1/meters/8796093029999/passwords", &[], &json!({ "relay_password": "123456" })).await;
    assert_eq!(nobody.problem(), (404, "not_found"));
    api.stop().await;
}

#[actix_web::test]
async fn without_a_key_no_password_is_kept() {
    let api = Api::start().await;
    let street = api.street().await;
    let passwords = format!("/api/v1/meters/{}/passwords", street.meter);
    let refused = api.send("PUT", &passwords, &[], &json!({ "relay_password": "123456" })).await;
    assert_eq!(refused.problem(), (409, "no_sealing_key"));
    api.stop().await;
}

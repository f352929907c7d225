//! What watches the head end needs no key.

use super::Api;

#[actix_web::test]
async fn health_figures_and_the_document_need_no_key() {
    let api = Api::start().await;
    let healthy = api.ask("GET", "/healthz", "", &[], "").await.ok();
    assert_eq!(healthy["healthy"], true);
    let ready = api.ask("GET", "/readyz", "", &[], "").await.ok();
    for part in ["database", "hot_balances", "fleet"] {
        assert_eq!(ready[part]["ready"], true, "{part}");
    }
    let figures = api.ask("GET", "/metrics", "", &[], "").await;
    assert!(figures.header("content-type").unwrap().starts_with("text/plain"));
    assert!(figures.ok().as_str().unwrap().contains("wattgate_"));
    let document = api.ask("GET", "/api/openapi.json", "", &[], "").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let page = api.ask("GET", "/docs/", "", &[], "").await.ok();
    assert!(page.as_str().unwrap().contains("swagger"));
    api.stop().await;
}

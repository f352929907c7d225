//! Jobs, as operators see them.

use serde_json::json;
use store::api_key::Role;

use super::Api;

#[actix_web::test]
async fn jobs_of_a_site_are_listed_and_shown_to_its_keys_only() {
    let api = Api::start().await;
    let street = api.street().await;
    wattgate::jobs::charge_fixed(&api.app).await.unwrap();
    let list = format!("/api/v1/jobs?site_id={}", street.site);
    let listed = api.get(&list).await.ok();
    // The program's own first look may have found the site, too, and settled its yesterday.
    let mut jobs = listed["items"].as_array().unwrap().iter();
    let job = jobs.find(|job| job["kind"] == "fixed_charges").unwrap().clone();
    assert_eq!(job["state"], "done");
    assert_eq!((&job["attempts"], &job["accounts"], &job["failures"]), (&json!(1), &json!(0), &json!(0)));
    let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await.ok(), job);
    assert_eq!(api.get(&format!("/api/v1/jobs/{}", street.meter)).await.problem(), (404, "not_found"));
    let elsewhere = api.key(Role::Admin, Some(&api.street().await.site)).await;
    assert_eq!(api.ask("GET", &path, &elsewhere, &[], "").await.problem().0, 404);
    assert_eq!(api.ask("GET", &list, &elsewhere, &[], "").await.problem().0, 403);
    api.stop().await;
}

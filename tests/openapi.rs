//! The API's description in `docs/openapi.json` is the one the program gives.

use std::{env, fs, path::Path};

use serde_json::Value;

#[test]
fn the_committed_description_is_the_one_the_program_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let given = wattgate::http::document().to_pretty_json().unwrap() + "\n";
    if env::var_os("WATTGATE_BLESS").is_some() {
        fs::write(&path, &given).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == given,
        "docs/openapi.json is not the description of this program: WATTGATE_BLESS=1 cargo test --test suite openapi"
    );
}

#[test]
fn the_description_is_complete() {
    let document = serde_json::to_value(wattgate::http::document()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, method, operation) in super::http::operations(&document) {
        let named = format!("{method} {path}");
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{named}");
        let answers = operation["responses"].as_object().unwrap();
        let shown = &answers.get("200").unwrap_or(&Value::Null)["content"]["application/json"]["schema"]["$ref"];
        if shown.as_str().is_some_and(|schema| schema.contains("/Page_")) {
            let has = |name: &str| parameters.iter().any(|parameter| parameter["name"] == name);
            assert!(has("limit") && has("cursor"), "{named}");
        }
        assert!(answers.keys().any(|status| status.starts_with('2')), "{named}");
        if path.starts_with("/api/v1") {
            assert_eq!(operation["security"], serde_json::json!([{ "api_key": [] }]), "{named}");
            assert!(["400", "401", "403", "404", "503"].iter().all(|status| answers.contains_key(*status)), "{named}");
        } else {
            assert_eq!(operation["security"], Value::Null, "{named}");
        }
    }
}

#[test]
fn every_reference_in_the_description_leads_somewhere() {
    let document = serde_json::to_value(wattgate::http::document()).unwrap();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

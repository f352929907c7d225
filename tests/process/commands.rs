//! The commands around the head end: version, settings, schema and keys.

use serde_json::json;

use super::{
    Shop,
    program::{Config, text, wattgate},
};
use crate::support::{Database, on_both, play};

#[test]
fn version_and_settings() {
    let version = text(&wattgate(&["--version"]).output().unwrap(), 0).0;
    assert_eq!(version, format!("wattgate {}\n", env!("CARGO_PKG_VERSION")));
    let config = Config::new("listen.qgdw376 = \"127.0.0.1:4059\"");
    assert!(config.told(&["check-config"]).contains("127.0.0.1:4059"));
    let environment = wattgate(&["check-config"]).env("WATTGATE__LISTEN__QGDW376", "127.0.0.1:4060").output().unwrap();
    assert!(text(&environment, 0).0.contains("127.0.0.1:4060"));
}

#[test]
fn a_schema_is_brought_up_to_date_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(&format!("database.url = \"sqlite:{}\"", folder.path().join("new.db").display()));
    assert_eq!(config.told(&["migrate"]), "the schema is up to date\n");
    config.key("admin");
    assert_eq!(config.told(&["migrate"]), "the schema is up to date\n");
    assert!(config.told(&["audit"]).ends_with(" 0 differences\n"));
}

on_both!(a_key_is_shown_once_and_does_what_its_role_may);

async fn a_key_is_shown_once_and_does_what_its_role_may(database: Database) {
    let config = Config::head_end(&database, "");
    let serving = config.serve().await;
    let admin = serving.rest(&config.key("admin"));
    let shop = Shop::enter(&admin).await;
    let site = format!("/sites/{}", shop.site);
    let (operator, cashier, viewer) = (config.key("operator"), config.key("cashier"), config.key("viewer"));
    let new = json!({ "name": "Second", "time_zone": "Asia/Shanghai" });
    for (key, enters) in [(&operator, 201), (&cashier, 403), (&viewer, 403)] {
        let rest = serving.rest(key);
        assert_eq!(rest.get(&site).await["name"], "Garden Street");
        let entered = rest.ask("POST".parse().unwrap(), "/sites", None, Some(&new)).await;
        assert_eq!(entered.status, enters, "{key}: {}", entered.json);
    }
    let forged = format!("{}0", &viewer[..viewer.len() - 1]);
    let forged = if forged == viewer { format!("{}1", &viewer[..viewer.len() - 1]) } else { forged };
    let refused = serving.rest(&forged).ask("GET".parse().unwrap(), &site, None, None).await;
    assert_eq!(refused.status, 401);
    let unknown = config.command(&["create-key", "--name", "a", "--role", "owner"]).output().unwrap();
    assert!(text(&unknown, 2).1.contains("admin, operator, cashier or viewer"));
    serving.stop().await;
}

#[test]
fn an_account_is_explained_at_the_command_line() {
    play(Database::sqlite(), async |database| {
        let config = Config::head_end(&database, "");
        let serving = config.serve().await;
        let rest = serving.rest(&config.key("admin"));
        let shop = Shop::enter(&rest).await;
        let concentrator = shop.concentrator(&rest).await;
        let meter = shop.meter(&rest, &concentrator, "202600000001", "dlt645_direct").await;
        let opening = json!({ "initial_reading": "1", "reason": "read on site", "opening_credit": 700 });
        let account = shop.open(&rest, &meter, opening).await;
        let number = rest.get(&format!("/accounts/{account}")).await["number"].as_str().unwrap().to_owned();
        serving.stop().await;

        let now = jiff::Timestamp::now();
        let (from, to) = (now - jiff::SignedDuration::from_hours(1), now + jiff::SignedDuration::from_hours(1));
        let (from, to) = (from.to_string(), to.to_string());
        let asked = |number: &str, more: &[&str]| {
            let span = ["explain", "--account", number, "--from", &from, "--to", &to];
            let arguments: Vec<&str> = span.into_iter().chain(more.iter().copied()).collect();
            config.command(&arguments).output().unwrap()
        };
        assert!(text(&asked(&number, &["--lang", "en"]), 0).0.contains("opening balance: +7.00 CNY"));
        assert!(text(&asked(&number, &[]), 0).0.contains("开户余额：+7.00 CNY"), "the customer's own language");
        let json: serde_json::Value = serde_json::from_str(&text(&asked(&number, &["--json"]), 0).0).unwrap();
        assert_eq!((&json["account_id"], &json["balance_after"]), (&json!(account), &json!(700)));
        assert!(text(&asked("nobody", &[]), 1).1.contains("no such account"));
        assert!(text(&asked(&number, &["--lang", "la"]), 2).1.contains("la"));
    });
}

#[test]
fn the_database_does_not_hold_a_key() {
    play(Database::sqlite(), async |database| {
        let config = Config::head_end(&database, "");
        let key = config.key("admin");
        let (prefix, secret) = key.strip_prefix("wg_").unwrap().split_once('_').unwrap();
        let file = database.url().strip_prefix("sqlite:").unwrap();
        let held: Vec<Vec<u8>> =
            ["", "-wal"].iter().filter_map(|end| std::fs::read(format!("{file}{end}")).ok()).collect();
        let holds = |text: &str| held.iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()));
        assert!(holds(prefix) && !holds(secret));
    });
}

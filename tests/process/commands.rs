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

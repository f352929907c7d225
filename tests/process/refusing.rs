//! The program does not start on settings, a schema or an address that do not hold, and says which.

use std::{net::TcpListener, path::Path, process::Command};

use serde_json::json;

use super::{
    Shop,
    program::{Config, text, wattgate},
    sqlite,
};
use crate::support::{Database, on_both, play};

/// Settings that are refused are refused by all commands that read them.
fn refused(toml: &str, says: &[&str]) {
    let config = Config::new(toml);
    for command in [&["check-config"][..], &["serve"], &["migrate"], &["audit"]] {
        let told = config.refused(command);
        for wanted in says {
            assert!(told.contains(wanted), "{command:?} says {told:?}, not {wanted:?}");
        }
    }
}

#[test]
fn an_unknown_key() {
    refused("[http]\nbindd = \"127.0.0.1:0\"", &["`bindd`", "`http`"]);
    refused("[fleet]\nattemps = 3", &["`attemps`", "`fleet`"]);
    refused("[polici]\nx = 1", &["`polici`"]);
}

#[test]
fn a_value_of_the_wrong_type() {
    refused("[http]\nworkers = \"many\"", &["http.workers", "site.toml"]);
    refused("[policy.polling]\nslot = 15", &["policy.polling.slot"]);
    refused("[policy.disconnection]\nautomatic = \"maybe\"", &["policy.disconnection.automatic", "maybe"]);
    refused("[listen]\nqgdw376 = \"here\"", &["listen.qgdw376"]);
}

#[test]
fn a_number_that_makes_no_sense() {
    refused("[policy.relay]\nread_back_interval = \"0s\"", &["policy.relay.read_back_interval", "above 0"]);
    refused("[policy.polling]\nround_limit_percent = 101", &["policy.polling.round_limit_percent"]);
    refused("[policy.credit.limits]\nalarm_1 = 1\nalarm_2 = 2", &["policy.credit.limits"]);
    refused("[profiles.meter.dlt645_direct]\nperiods = 77", &["profiles.meter.dlt645_direct", "periods"]);
    refused("[http]\npage_rows = 501", &["http.page_rows"]);
    refused("[http]\nworkers = 0", &["http.workers", "at least 1"]);
    refused("[jobs]\nrows = 0", &["jobs.rows", "at least 1"]);
}

#[test]
fn quiet_hours_that_are_none() {
    refused("[policy.notices]\nquiet_to = \"\"", &["policy.notices.quiet_to", "empty"]);
    refused("[policy.notices]\nquiet_to = \"22:00\"", &["policy.notices.quiet_to", "no hour"]);
    refused("[policy.notices]\nquiet_from = \"late\"", &["policy.notices.quiet_from"]);
    refused("[policy.notices]\nchannel = \"pigeon\"", &["policy.notices.channel", "pigeon"]);
    let none = Config::new("[policy.notices]\nquiet_from = \"\"\nquiet_to = \"\"");
    none.told(&["check-config"]);
}

#[test]
fn a_file_that_is_missing_or_no_toml() {
    let missing = wattgate(&["serve", "--config", "nowhere.toml"]).output().unwrap();
    assert!(text(&missing, 1).1.contains("nowhere.toml"));
    refused("[http", &["site.toml", "line 1"]);
}

#[test]
fn a_database_that_is_not_there() {
    let config = Config::new("[database]\nurl = \"postgres://nobody@127.0.0.1:1/nothing\"");
    assert!(config.refused(&["serve"]).contains("127.0.0.1"));
    let unseen = config.told(&["check-config"]);
    assert!(unseen.starts_with("not compared with a database: ") && unseen.contains("the settings hold"), "{unseen}");
    let config = Config::new("[database]\nurl = \"mysql://somewhere\"");
    for command in [&["serve"][..], &["migrate"], &["audit"]] {
        let told = config.refused(command);
        assert!(told.contains("postgres://") && told.contains("sqlite:"), "{command:?} says {told:?}");
    }
}

on_both!(a_schema_of_a_newer_program);

async fn a_schema_of_a_newer_program(database: Database) {
    let applied = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
    match database.url().strip_prefix("sqlite:") {
        Some(file) => drop(sqlite(Path::new(file), applied, "SELECT 1")),
        None => assert!(Command::new("psql").args(["-qc", applied, database.url()]).status().unwrap().success()),
    }
    let config = Config::head_end(&database, "");
    for command in [&["serve"][..], &["migrate"], &["audit"], &["create-key", "--name", "a", "--role", "admin"]] {
        let told = config.refused(command);
        assert!(told.contains("schema") && told.contains("9999"), "{command:?} says {told:?}");
    }
}

#[test]
fn a_schema_that_was_never_migrated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.db");
    let config = Config::new(&format!("database.url = \"sqlite:{}\"", file.display()));
    let commands = [&["serve"][..], &["audit"], &["create-key", "--name", "a", "--role", "admin"]];
    for command in commands {
        let told = config.refused(command);
        assert!(told.contains("new.db") && told.contains("wattgate migrate"), "{command:?} says {told:?}");
        assert!(!file.exists(), "{command:?} made what was only misspelt");
    }
    std::fs::write(&file, "").unwrap();
    for command in commands {
        let told = config.refused(command);
        assert!(told.contains("schema none") && told.contains("wattgate migrate"), "{command:?} says {told:?}");
    }
}

on_both!(a_key_that_does_not_open_what_is_kept);

async fn a_key_that_does_not_open_what_is_kept(database: Database) {
    let with_key = |digit: &str| Config::head_end(&database, &format!("secrets.key = \"{}\"", digit.repeat(64)));
    let serving = with_key("a").serve().await;
    let rest = serving.rest(&with_key("a").key("admin"));
    let shop = Shop::enter(&rest).await;
    let concentrator = shop.concentrator(&rest).await;
    let meter = shop.meter(&rest, &concentrator, "202600000001", "dlt645_direct").await;
    rest.put(&format!("/meters/{meter}/passwords"), &json!({ "relay_password": "918273" })).await;
    rest.put(&format!("/concentrators/{concentrator}/password"), &json!({ "password": "0".repeat(32) })).await;
    serving.stop().await;

    let other = with_key("b").refused(&["serve"]);
    assert!(other.contains(&format!("what is kept of meter:{meter}")) && !other.contains("panicked"), "{other}");
    assert!(with_key("b").refused(&["check-config"]).contains("what is kept of"));
    assert!(with_key("a").told(&["check-config"]).starts_with("the settings hold"));
    let none = Config::head_end(&database, "").refused(&["serve"]);
    assert!(none.contains("WATTGATE__SECRETS__KEY") && !none.contains("panicked"), "{none}");
    let open = Config::head_end(&database, "");
    let bad = text(&open.command(&["serve"]).env("WATTGATE__SECRETS__KEY", "open sesame").output().unwrap(), 1).1;
    assert!(bad.contains("32 bytes in hex") && !bad.contains("sesame"), "{bad}");

    let serving = open.serve_in(&[("WATTGATE__SECRETS__KEY", &"A".repeat(64))]).await;
    serving.stop().await;
}

#[test]
fn an_address_that_is_taken() {
    play(Database::sqlite(), async |database| {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let (free, toml) = ("127.0.0.1:0", database.toml());
        let rest = Config::new(&format!("http.bind = \"{address}\"\nlisten.qgdw376 = \"{free}\"\n{toml}"));
        let told = rest.refused(&["serve"]);
        assert!(told.contains(&format!("http.bind = {address}")) && !told.contains("panicked"), "{told}");
        let concentrators = Config::new(&format!("http.bind = \"{free}\"\nlisten.qgdw376 = \"{address}\"\n{toml}"));
        let told = concentrators.refused(&["serve"]);
        assert!(told.contains(&format!("listen.qgdw376 = {address}")) && !told.contains("panicked"), "{told}");
    });
}

//! `wattgate demo`, as somebody who has just cloned the repository meets it.

use std::path::Path;

use serde_json::Value;

use super::{
    program::{Program, text, wattgate},
    sqlite,
};
use crate::support::{Database, play};

fn audit(file: &Path, status: i32) -> String {
    let output = wattgate(&["audit", "--database", &format!("sqlite:{}", file.display())]).output().unwrap();
    text(&output, status).0
}

#[test]
fn a_kept_demo_its_json_and_its_audit_agree() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = wattgate(&["demo", "--once", "--keep"]);
    let told = text(&demo.arg(folder.path()).output().unwrap(), 0).0;
    let counts: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    for name in ["readings", "notices", "disconnects_confirmed", "vends", "reconnects_confirmed"] {
        assert!(counts[name].as_u64() >= Some(1), "{name}: {counts}");
    }
    assert!(counts["restore_seconds"].as_f64() > Some(0.0), "{counts}");

    let file = folder.path().join("wattgate.db");
    let rows = "SELECT (SELECT count(*) FROM readings), \
                (SELECT count(*) FROM notices WHERE state IN ('sent', 'delivered')), \
                (SELECT count(*) FROM relay_orders WHERE state = 'confirmed' AND action = 'disconnect'), \
                (SELECT count(*) FROM vends), \
                (SELECT count(*) FROM relay_orders WHERE state = 'confirmed' AND action = 'reconnect'), \
                (SELECT (ended_at - vends.created_at) / 1000 FROM relay_orders JOIN vends ON vends.id = vend_id \
                 WHERE relay_orders.state = 'confirmed' AND action = 'reconnect')";
    let milliseconds = counts["restore_seconds"].as_f64().map(|seconds| (seconds * 1000.0).round());
    let told = ["readings", "notices", "disconnects_confirmed", "vends", "reconnects_confirmed"]
        .map(|name| counts[name].as_f64())
        .into_iter()
        .chain([milliseconds]);
    let counted = sqlite(&file, "", rows);
    let counted = counted.as_array().unwrap().iter().map(Value::as_f64);
    assert!(told.eq(counted.clone()), "{counts} is told, {:?} is counted", counted.collect::<Vec<_>>());
    assert!(audit(&file, 0).ends_with(" 0 differences\n"));

    let moved = "DROP TRIGGER IF EXISTS postings_refuse_update; UPDATE postings SET amount = amount";
    let one = "WHERE transaction_id = (SELECT min(transaction_id) FROM postings)";
    sqlite(&file, &format!("{moved} + 1 {one}"), "SELECT 1");
    assert!(audit(&file, 1).contains("transaction "));
    sqlite(&file, &format!("{moved} - 1 {one}"), "SELECT 1");
    audit(&file, 0);
    let one = "WHERE id = (SELECT min(id) FROM accounts)";
    sqlite(&file, &format!("UPDATE accounts SET posted = posted + 1 {one}"), "SELECT 1");
    assert!(audit(&file, 1).contains("balance is "));
}

#[test]
fn ctrl_c_ends_a_running_demo() {
    play(Database::sqlite(), async |_| {
        let mut demo = Program::start(&mut wattgate(&["demo"]));
        demo.line("it says what to try", |line| line.contains("curl").then_some(())).await;
        demo.line("meters are read", |line| line.contains("meters read").then_some(())).await;
        demo.signal("INT");
        assert_eq!(demo.status().await, Some(0));
    });
}

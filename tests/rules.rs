//! `docs/rules.md` names a test for every rule; each must exist, and be one.

use std::{fs, path::Path};

/// The tests that a row of the document names, as their files without `.rs` and their names.
fn named(text: &str) -> Vec<(&str, &str)> {
    let cells = text.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split(" | ").nth(2));
    cells.flat_map(|cell| cell.split('`')).filter_map(|word| word.rsplit_once("::")).collect()
}

#[test]
fn every_test_that_a_rule_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/rules.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Rule")).count();
    let tests = named(&text);
    assert!(tests.len() >= rows && rows > 50, "{rows} rules, {} tests", tests.len());
    let missing = tests.into_iter().filter(|(file, name)| {
        let source = fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
        !source.contains(&format!("fn {name}("))
    });
    let missing: Vec<String> = missing.map(|(file, name)| format!("{file}::{name}")).collect();
    assert!(missing.is_empty(), "docs/rules.md names tests that are not there: {missing:#?}");
}

#[test]
fn the_files_that_rules_stand_in_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/rules.md")).unwrap();
    let cells = text.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.split(" | ").nth(1));
    let paths = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let missing: Vec<&str> = paths.filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_name_that_is_none_is_noticed() {
    let text = "| Rule | Where | Test |\n|---|---|---|\n| a | `x` | `tests/rules::nobody`, `a/b::c` |\nno `d::e` row\n";
    assert_eq!(named(text), [("tests/rules", "nobody"), ("a/b", "c")]);
}

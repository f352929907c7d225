//! The house's own rules: who may name whom, how long things get, what they are called, under which licences they come.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Longest source file, in lines; tests beside the code count.
const FILE_LINES: usize = 450;
/// Longest function, in lines.
const FUNCTION_LINES: usize = 70;
/// Words that say nothing about what a type is.
const BANNED: [&str; 10] =
    ["Manager", "Helper", "Util", "Service", "Processor", "Info", "Data", "Common", "Impl", "Dto"];
/// Licences that dependencies may come under; each expression needs one of them, or all where it says `AND`.
const LICENCES: [&str; 12] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unlicense",
    "BSL-1.0",
    "PostgreSQL",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no source");
    found.sort();
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    ["domain/src", "protocols/src", "store/src", "actors/src", "simulator/src", "simulation/src", "src"]
        .into_iter()
        .flat_map(sources)
        .collect()
}

/// Code lines that name a crate, comments and strings left out as far as a line tells.
fn names(text: &str, krate: &str) -> bool {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//")).any(|line| {
        line.match_indices(&format!("{krate}::")).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':' || before == '"')
        }) || line.starts_with(&format!("use {krate};"))
    })
}

#[track_caller]
fn never_names(folder: &str, crates: &[&str]) {
    let broken: Vec<String> = sources(folder)
        .into_iter()
        .flat_map(|(path, text)| {
            let named = crates.iter().filter(move |krate| names(&text, krate)).copied().collect::<Vec<_>>();
            named.into_iter().map(move |krate| format!("{} names {krate}", path.display()))
        })
        .collect();
    assert!(broken.is_empty(), "{folder} must not name these: {broken:#?}");
}

#[test]
fn the_scanner_sees_a_name_and_no_more() {
    assert!(names("use diesel::prelude::*;", "diesel"));
    assert!(names("    let x = ::redis::cmd();", "redis") || names("    let x = redis::cmd();", "redis"));
    assert!(!names("// diesel::prelude is elsewhere", "diesel"));
    assert!(!names("use crate::mydiesel::x;", "diesel"));
}

#[test]
fn domain_knows_no_runtime_no_store_no_clock() {
    never_names("domain/src", &["tokio", "actix", "actix_web", "diesel", "redis", "protocols", "store", "actors"]);
    let floats = ["f32", "f64", "Timestamp::now", "Zoned::now", "SystemTime"];
    for (path, text) in sources("domain/src") {
        let code = text.lines().filter(|line| !line.trim().starts_with("//"));
        for (number, line) in code.enumerate() {
            let found = floats.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{} line {number}: {line}", path.display());
        }
    }
}

#[test]
fn protocols_know_no_socket_no_clock_no_rule() {
    never_names("protocols/src", &["tokio", "actix", "std::net", "std::time", "store", "actors", "diesel"]);
}

#[test]
fn actors_know_no_database_and_no_page() {
    never_names("actors/src", &["diesel", "redis", "actix_web", "wattgate", "store"]);
}

#[test]
fn store_is_the_only_one_that_knows_diesel() {
    never_names("store/src", &["actix", "actix_web", "actors", "redis", "protocols", "wattgate"]);
    for folder in ["src", "actors/src", "simulator/src", "simulation/src", "protocols/src", "domain/src"] {
        never_names(folder, &["diesel"]);
    }
}

#[test]
fn operations_know_no_page_and_http_knows_no_bytes() {
    never_names("src/operations", &["actix_web", "diesel", "protocols", "redis"]);
    never_names("src/http", &["diesel", "protocols", "redis"]);
}

#[test]
fn the_auditor_shares_no_rule_with_the_program() {
    let auditor = "simulation/src/auditor";
    never_names(auditor, &["wattgate", "store", "actors", "protocols", "simulator"]);
    let named: BTreeSet<String> = sources(auditor).iter().flat_map(|(_, text)| modules_of_domain(text)).collect();
    assert_eq!(named, ["energy", "ids", "money"].map(str::to_owned).into(), "units and names, and nothing else");
    never_names("simulator/src", &["wattgate", "store", "actors", "simulation"]);
}

/// The modules of `domain` that a text names, one by one or in a list.
fn modules_of_domain(text: &str) -> BTreeSet<String> {
    let first_word =
        |path: &str| path.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let mut modules = BTreeSet::new();
    for (at, opening) in text.match_indices("domain::") {
        let rest = &text[at + opening.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            modules.insert(first_word(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for letter in list.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => drop(modules.insert(first_word(&std::mem::take(&mut item)))),
                letter if depth == 0 => item.push(letter),
                _ => {}
            }
        }
        modules.insert(first_word(&item));
    }
    modules.remove("");
    modules
}

#[test]
fn the_modules_that_are_named_are_found_in_lists_too() {
    let found = modules_of_domain(
        "use domain::{\n    energy::Energy,\n    ids::{AccountId, MeterId},\n};\nuse domain::money::{Money, Price};\nlet x = domain::charge::settle();",
    );
    assert_eq!(found, ["charge", "energy", "ids", "money"].map(str::to_owned).into());
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> =
        all_sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "these do not open with `//!`: {silent:#?}");
}

#[test]
fn files_and_functions_stay_short() {
    let mut long = Vec::new();
    for (path, text) in all_sources() {
        let lines = text.lines().count();
        if lines > FILE_LINES && !path.ends_with("schema.rs") {
            long.push(format!("{}: {lines} lines", path.display()));
        }
        long.extend(
            functions(&text)
                .into_iter()
                .filter(|(_, length)| *length > FUNCTION_LINES)
                .map(|(name, length)| format!("{}: `{name}` has {length} lines", path.display())),
        );
    }
    assert!(long.is_empty(), "{long:#?}");
}

/// Functions of a formatted file and their lengths: from the line with `fn` to the brace that closes it in the same column.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(crate) fn ", "pub(crate) async fn "]
            .iter()
            .any(|opening| code.starts_with(opening));
        if is_function {
            let close = format!("{}}}", " ".repeat(line.len() - code.len()));
            let end = lines
                .iter()
                .skip(start)
                .position(|line| *line == close || line.ends_with(';') && line.starts_with(&close));
            let name = code.split('(').next().unwrap_or(code).to_owned();
            found.push((name, end.map_or(1, |end| end + 1)));
        }
    }
    found
}

#[test]
fn a_function_is_measured_to_its_closing_brace() {
    assert_eq!(functions("fn a() {\n    b();\n}\nfn c() {\n}\n"), [("fn a".to_owned(), 3), ("fn c".to_owned(), 2)]);
}

#[test]
fn types_are_called_by_what_they_are() {
    let mut broken = Vec::new();
    for (path, text) in all_sources() {
        for line in text.lines().map(str::trim_start) {
            let declared = ["struct ", "enum ", "trait ", "type "]
                .iter()
                .find_map(|word| line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix(word));
            let name: String =
                declared.unwrap_or_default().chars().take_while(|letter| letter.is_alphanumeric()).collect();
            if BANNED.iter().any(|banned| name.ends_with(banned)) || name.ends_with("Base") {
                broken.push(format!("{}: {name}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn nothing_points_outside_the_project() {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    let outside = ["../", "shared"].concat();
    let mut broken = Vec::new();
    for name in String::from_utf8(listed.stdout).unwrap().lines() {
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        if text.contains(&outside) || text.contains(&["/wo", "rk/"].concat()) {
            broken.push(name.to_owned());
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database: &str| -> BTreeSet<String> {
        fs::read_dir(root().join("migrations").join(database))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names("postgres"), names("sqlite"));
    assert!(!names("sqlite").is_empty());
}

/// Together with the simulation's, the crates of a release would have deliberate bugs, and what makes actors panic, in them.
#[test]
fn a_release_is_built_of_the_programs_own_package() {
    let script = std::fs::read_to_string(root().join("scripts/build-release")).unwrap();
    let builds: Vec<&str> = script.lines().filter(|line| line.starts_with("cargo build")).collect();
    assert!(!builds.is_empty() && builds.iter().all(|line| line.contains(" --package wattgate ")), "{builds:?}");
    assert!(!builds.iter().any(|line| line.contains("--workspace") || line.contains("--features")), "{builds:?}");
}

#[test]
fn dependencies_come_under_permissive_licences() {
    // Only what is built here: packages for other systems need not be on this machine.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "the list of packages is not whole");
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !permitted(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} ({})", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Whether a licence expression can be met with permissive licences.
fn permitted(expression: &str) -> bool {
    let plain = expression.replace('/', " OR ").replace(['(', ')'], "");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

#[test]
fn a_licence_expression_needs_all_of_its_parts() {
    assert!(permitted("MIT OR GPL-3.0"));
    assert!(permitted("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!permitted("MIT AND GPL-3.0"));
    assert!(!permitted(""));
}

//! `wattgate decode`: what an engineer pastes, and what a script pipes through it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use super::program::{text, wattgate};

/// What it says to these lines, and its exit status.
fn piped(arguments: &[&str], lines: &str) -> Output {
    let mut command = wattgate(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines = lines.to_owned();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

fn objects(output: &Output, status: i32) -> Vec<Value> {
    text(output, status).0.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols/testdata").join(file);
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each vector of a file beside what is said of it, by the one process.
fn decoded(file: &str, status: i32) -> Vec<(Value, Value)> {
    let vectors = vectors(file);
    let lines: Vec<&str> = vectors.iter().map(|line| line["hex"].as_str().unwrap()).collect();
    let said = objects(&piped(&["decode", "--json", "-"], &(lines.join("\n") + "\n")), status);
    assert_eq!(said.len(), vectors.len(), "one object for each line, in order");
    vectors.into_iter().zip(said).collect()
}

#[test]
fn every_meter_vector_agrees_with_what_another_script_says() {
    for (vector, said) in decoded("dlt645.jsonl", 0) {
        let auto = &vector["auto"];
        assert_eq!(said["ok"], true, "{vector}");
        for (field, of_auto) in [("address", "addr"), ("control", "ctrl"), ("data", "data_minus33"), ("di", "di")] {
            assert_eq!(said[field], auto[of_auto], "{field} of {vector}");
        }
        assert_eq!((&said["abnormal"], &said["follow_up"]), (&auto["abnormal"], &auto["follow"]), "{vector}");
        assert_eq!(said["direction"] == "answer", auto["dir"] == "resp", "{vector}");
        assert_eq!(said.get("error").is_some(), auto["abnormal"] == true, "{vector}");
        if let Some(edition) = auto["edition"].as_str() {
            assert_eq!(said["protocol"], format!("dlt645-{edition}"));
        }
    }
}

#[test]
fn every_concentrator_vector_agrees_with_what_another_script_says() {
    for (vector, said) in decoded("qgdw376.jsonl", 0) {
        let auto = &vector["auto"];
        assert_eq!((&said["ok"], &said["protocol"]), (&json!(true), &json!("qgdw376")), "{vector}");
        assert_eq!(said["pid"], auto["pid"], "{vector}");
        if auto["pid"] != 2 {
            assert!(said["edition"].is_string() && said["units"] == json!([]), "{said}");
            continue;
        }
        let same =
            [("region", "A1"), ("terminal", "A2"), ("msa", "MSA"), ("control", "C"), ("afn", "AFN"), ("seq", "SEQ")];
        for (field, of_auto) in same {
            assert_eq!(said[field], auto[of_auto], "{field} of {vector}");
        }
        let first = &said["units"][0];
        assert_eq!((&first["pn"], &first["fn"]), (&auto["Pn"][0], &auto["Fn"][0]), "{vector}");
        assert_eq!(said["tp"].is_object(), auto["TpV"] == 1, "{vector}");
        assert_eq!(said["ec"].is_object(), auto["DIR"] == 1 && auto["FCB_ACD"] == 1, "{vector}");
    }
}

#[test]
fn every_bad_vector_is_refused_with_a_code_and_a_place() {
    for (file, codes) in [("dlt645_bad.jsonl", &["checksum"][..]), ("qgdw376_bad.jsonl", &["checksum", "truncated"])] {
        for (vector, said) in decoded(file, 1) {
            assert_eq!(said["ok"], false, "{vector}");
            assert!(codes.contains(&said["error"]["code"].as_str().unwrap()), "{vector}: {said}");
            assert!(said["error"]["at"].is_u64() && said["error"]["detail"].is_string(), "{said}");
        }
    }
}

#[test]
fn a_frame_is_taken_as_it_is_pasted() {
    let energy = "fe fe 68 01 00 00 00 00 00 68 91 08 33 33 34 33 AB 89 67 45 17 16";
    for arguments in [vec![energy], energy.split(' ').collect(), vec!["FEFE6801000000000068910833333433AB8967451716"]] {
        let arguments: Vec<&str> = ["decode", "--json"].into_iter().chain(arguments).collect();
        let said = &objects(&wattgate(&arguments).output().unwrap(), 0)[0];
        let value = json!([{ "name": "forward active energy: total", "value": "123456.78", "unit": "kWh" }]);
        assert_eq!((&said["di"], &said["values"]), (&json!("00010000"), &value));
    }
    let glued = format!("{energy}{energy}");
    let said = &objects(&wattgate(&["decode", "--json", &glued]).output().unwrap(), 0)[0];
    assert_eq!((&said["ok"], said["frames"].as_array().map(Vec::len)), (&json!(true), Some(2)));
    let told = text(&wattgate(&["decode", "--lang", "zh", energy]).output().unwrap(), 0).0;
    assert!(told.contains("正向有功电能: 总: 123456.78 kWh"), "{told}");
}

#[test]
fn what_is_no_frame_is_refused_and_the_lines_behind_it_are_not() {
    let lines = "68\n\nhello\n68010000000000681300E41\n68010000000000681300E416 zz\n68010000000000681300E416";
    let said = objects(&piped(&["decode", "--json"], lines), 1);
    let codes: Vec<&Value> = said.iter().map(|one| &one["error"]["code"]).collect();
    assert_eq!(codes[..4], [&json!("truncated"); 4]);
    assert_eq!((&said[4]["ok"], &said[4]["frames"][0]["ok"]), (&json!(false), &json!(true)));
    assert_eq!(said[5]["ok"], true);
    let wrong = wattgate(&["decode", "--protocol", "dlt698", "68"]).output().unwrap();
    assert!(text(&wrong, 2).1.contains("auto, dlt645 or qgdw376"));
    let asked = wattgate(&["decode", "--protocol", "qgdw376", "--json", "68010000000000681300E416"]).output().unwrap();
    assert_eq!(objects(&asked, 1)[0]["error"]["code"], "start");
}

#[test]
fn a_forwarded_frame_is_shown_inside_the_one_that_carries_it() {
    let (vector, said) = decoded("qgdw376.jsonl", 0)
        .into_iter()
        .find(|(vector, _)| vector["auto"]["AFN"] == "10" && vector["auto"]["DIR"] == 1)
        .unwrap();
    assert_eq!((&said["dlt645"]["ok"], &said["dlt645"]["direction"]), (&json!(true), &json!("answer")), "{said}");
    let told = text(&wattgate(&["decode", vector["hex"].as_str().unwrap()]).output().unwrap(), 0).0;
    assert!(
        told.contains("transparent forwarding") && told.contains("forward active energy: total: 6.78 kWh"),
        "{told}"
    );
}

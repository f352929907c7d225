//! Frames of real devices and of independent encoders (`testdata/`), compared field by field with what a script that
//! shares no code with this crate says of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use protocols::{EncodeError, FrameError, FrameFormat, Framer, bcd::BadBcd, dlt645, qgdw376};
use serde_json::Value;

fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(file);
    let lines: Vec<Value> =
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= 15, "{file} is not the whole file");
    lines
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap()
}

/// Everything that comes out of one stream, and how many candidates were rejected.
fn framed<F: FrameFormat>(stream: &[u8]) -> (Vec<F>, usize) {
    let mut framer = Framer::<F>::new(16_391);
    let (mut input, mut frames, mut rejected, mut silent) = (stream, Vec::new(), 0, false);
    loop {
        match if silent { framer.flush() } else { framer.next(&mut input) } {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) if silent => return (frames, rejected),
            Ok(None) => silent = true,
            Err(_) => rejected += 1,
        }
    }
}

#[test]
fn every_dlt645_frame_decodes_agrees_and_encodes_to_the_same_bytes() {
    for line in lines("dlt645.jsonl") {
        let (wire, auto) = (bytes(text(&line, "hex")), &line["auto"]);
        let frame = dlt645::Frame::decode(&wire).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(hex(&frame.encode().unwrap()), hex(&wire));
        assert_eq!(frame.address.to_string(), text(auto, "addr"), "{line}");
        assert_eq!(format!("{:02X}", frame.control.to_byte()), text(auto, "ctrl"), "{line}");
        assert_eq!(format!("{:02X}", frame.control.function), text(auto, "func"), "{line}");
        assert_eq!(frame.control.from_meter, text(auto, "dir") == "resp", "{line}");
        assert_eq!(frame.control.abnormal, auto["abnormal"].as_bool().unwrap(), "{line}");
        assert_eq!(frame.control.follow_up, auto["follow"].as_bool().unwrap(), "{line}");
        assert_eq!(hex(&frame.data), text(auto, "data_minus33"), "{line}");
    }
}

#[test]
fn every_dlt645_read_of_our_items_is_understood_from_both_sides() {
    let (mut requests, mut answers) = (0, 0);
    for line in lines("dlt645.jsonl") {
        let id = u32::from_str_radix(line["auto"]["di"].as_str().unwrap_or("0"), 16).unwrap();
        let Some(item) = dlt645::Item::from_id(dlt645::DataId(id)) else { continue };
        let frame = dlt645::Frame::decode(&bytes(text(&line, "hex"))).unwrap();
        let request = dlt645::Request::Read(item);
        if frame.control.from_meter {
            let answer = request.answer(frame.address, &frame).unwrap();
            match answer.frame(frame.address) {
                Ok(again) => assert_eq!(again, frame, "{line}"),
                // One capture has digits that are none: the value is refused, the frame is not.
                Err(error) => {
                    assert_eq!(error, EncodeError::Bcd(BadBcd(0x0E)), "{line}");
                    let bad = dlt645::Value::ForwardActiveTotal(Err(BadBcd(0x0E)));
                    assert_eq!(answer, dlt645::Answer::Value(bad), "{line}");
                }
            }
            answers += 1;
        } else {
            assert_eq!(dlt645::Request::decode(&frame), Ok(request), "{line}");
            assert_eq!(request.frame(frame.address).unwrap(), frame, "{line}");
            requests += 1;
        }
    }
    assert!(requests >= 10 && answers >= 5, "{requests} requests, {answers} answers");
}

#[test]
fn every_relay_command_of_the_captures_is_understood() {
    let mut seen = BTreeSet::new();
    for line in lines("dlt645.jsonl") {
        let auto = &line["auto"];
        let Some(n1) = auto["n1"].as_str() else { continue };
        let frame = dlt645::Frame::decode(&bytes(text(&line, "hex"))).unwrap();
        let Ok(dlt645::Request::Relay(control)) = dlt645::Request::decode(&frame) else { panic!("{line}") };
        let command = match n1 {
            "1A" => dlt645::RelayCommand::Disconnect,
            "1B" => dlt645::RelayCommand::PermitReconnect,
            "1C" => dlt645::RelayCommand::Reconnect,
            other => panic!("{other}"),
        };
        assert_eq!(control.command, command);
        let level = text(auto, "pa").parse().unwrap();
        assert_eq!(control.password, dlt645::Password::new(level, text(auto, "pw").parse().unwrap()).unwrap());
        assert_eq!(control.operator, text(auto, "op").parse::<u32>().unwrap());
        assert_eq!(control.expiry, None, "all captures send zeros: {line}");
        assert_eq!(dlt645::Request::Relay(control).frame(frame.address).unwrap(), frame, "{line}");
        seen.insert(n1.to_owned());
    }
    assert_eq!(Vec::from_iter(seen), ["1A", "1B"]);
}

#[test]
fn every_bad_dlt645_frame_is_refused() {
    for line in lines("dlt645_bad.jsonl") {
        let wire = bytes(text(&line, "hex"));
        let error = dlt645::Frame::decode(&wire).unwrap_err();
        assert!(matches!(error, FrameError::Checksum { .. } | FrameError::Cut), "{line}: {error}");
        assert_eq!(framed::<dlt645::Frame>(&wire).0, [], "{line}");
    }
}

#[test]
fn every_qgdw376_frame_decodes_agrees_and_encodes_to_the_same_bytes() {
    let mut compared = 0;
    for line in lines("qgdw376.jsonl") {
        let (wire, auto) = (bytes(text(&line, "hex")), &line["auto"]);
        if number(auto, "pid") != 2 {
            let error = qgdw376::Frame::decode(&wire).unwrap_err();
            let edition = if number(auto, "pid") == 1 { qgdw376::Edition::Qgdw130 } else { qgdw376::Edition::Reserved };
            assert_eq!(error, FrameError::Edition(edition), "{line}");
            continue;
        }
        let frame = qgdw376::Frame::decode(&wire).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(hex(&frame.encode().unwrap()), hex(&wire));
        agrees(&frame, auto);
        compared += 1;
    }
    assert!(compared >= 60, "{compared}");
}

fn agrees(frame: &qgdw376::Frame, auto: &Value) {
    let control = frame.control;
    let bit_5 = if control.uplink { frame.events.is_some() } else { control.fcb };
    assert_eq!(
        [control.uplink, control.primary, bit_5, control.fcv].map(u64::from),
        ["DIR", "PRM", "FCB_ACD", "FCV"].map(|key| number(auto, key)),
        "{auto}"
    );
    assert_eq!(u64::from(control.function), number(auto, "fc"), "{auto}");

    let address = frame.address;
    assert_eq!(format!("{:04x}", address.terminal.region), text(auto, "A1"), "{auto}");
    assert_eq!(u64::from(address.terminal.terminal), number(auto, "A2"), "{auto}");
    assert_eq!(u64::from(address.master), number(auto, "MSA"), "{auto}");
    assert_eq!(format!("{:02X}", address.master << 1 | u8::from(address.group)), text(auto, "A3"), "{auto}");

    assert_eq!(format!("{:02X}", frame.afn.to_byte()), text(auto, "AFN"), "{auto}");
    let sequence = frame.sequence;
    assert_eq!(
        [frame.time_tag.is_some(), sequence.first, sequence.last, sequence.confirm].map(u64::from),
        ["TpV", "FIR", "FIN", "CON"].map(|key| number(auto, key)),
        "{auto}"
    );
    assert_eq!(u64::from(sequence.number), number(auto, "PSEQ"), "{auto}");

    let units = qgdw376::first_unit(&frame.data).unwrap();
    let points: BTreeSet<u64> = units.iter().map(|(point, _)| u64::from(*point)).collect();
    let functions: BTreeSet<u64> = units.iter().map(|(_, function)| u64::from(*function)).collect();
    let listed = |key: &str| auto[key].as_array().unwrap().iter().map(|value| value.as_u64().unwrap()).collect();
    assert_eq!(points, listed("Pn"), "{auto}");
    assert_eq!(functions, listed("Fn"), "{auto}");

    let mut rest = frame.data[4..].to_vec();
    rest.extend(frame.password.iter().flat_map(protocols::Secret::bytes));
    rest.extend(frame.events.iter().flat_map(|events| [events.important, events.general]));
    if let Some(tag) = frame.time_tag {
        rest.push(tag.counter);
        rest.extend(tag.sent);
        rest.push(tag.permitted_delay);
    }
    assert_eq!(hex(&rest), text(auto, "rest"), "{auto}");
}

#[test]
fn every_frame_of_the_independent_encoder_agrees_with_its_own_decoding() {
    for line in lines("qgdw376_k3761.jsonl") {
        let (wire, told) = (bytes(text(&line, "hex")), &line["decoded"]);
        let frame = qgdw376::Frame::decode(&wire).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(hex(&frame.encode().unwrap()), hex(&wire));

        // CMD_AFN_C_F129_..: the AFN in hexadecimal, Fn in decimal.
        let mut words = text(told, "cmd").trim_start_matches("CMD_AFN_").split('_');
        assert_eq!(Ok(frame.afn.to_byte()), u8::from_str_radix(words.next().unwrap(), 16), "{line}");
        let function: u16 = words.next().unwrap()[1..].parse().unwrap();
        let mut units = qgdw376::first_unit(&frame.data).unwrap();
        if !units.iter().any(|(_, found)| *found == function) {
            // One example asks for two functions and is named after the second.
            units = qgdw376::first_unit(&frame.data[4..]).unwrap();
        }
        assert!(units.iter().any(|(_, found)| *found == function), "{line}");

        let unpacked = text(told, "k3761_unpack");
        let field = |name: &str| {
            let (_, rest) = unpacked.split_once(&format!("\n{name}")).unwrap_or_else(|| panic!("{name}: {line}"));
            rest.trim_start_matches([' ', '=']).split(['\t', '\n']).next().unwrap().to_owned()
        };
        assert_eq!(format!("{:04X}", frame.address.terminal.region), field("reg "), "{line}");
        assert_eq!(frame.address.terminal.terminal.to_string(), field("tml "), "{line}");
        assert_eq!(frame.address.master.to_string(), field("mst "), "{line}");
        assert_eq!(frame.sequence.number.to_string(), field("ucSeq "), "{line}");
        // It announces event counters in one downlink frame, which has no ACD bit to say so; they stay in the data.
        if frame.control.uplink {
            assert_eq!(frame.events.is_some().to_string(), field("bEC "), "{line}");
        }
        assert_eq!(frame.password.is_some().to_string(), field("bPW "), "{line}");
        assert_eq!(frame.time_tag.is_some().to_string(), field("bTP "), "{line}");
    }
}

#[test]
fn every_message_of_our_kinds_among_the_captures_is_understood() {
    let mut understood = BTreeSet::new();
    for line in lines("qgdw376.jsonl").into_iter().chain(lines("qgdw376_k3761.jsonl")) {
        let Ok(frame) = qgdw376::Frame::decode(&bytes(text(&line, "hex"))) else { continue };
        let function = qgdw376::first_unit(&frame.data).unwrap()[0].1;
        let known = matches!(
            (frame.control.uplink, frame.afn.to_byte(), function),
            (_, 0x00, 1..=3)
                | (true, 0x02, 1..=3)
                | (_, 0x04 | 0x0A, 10)
                | (false, 0x04, 1 | 3 | 9)
                | (false, 0x05, 31)
                | (_, 0x0C, 2 | 7 | 129)
                | (_, 0x0D, 161)
                | (_, 0x0E, 1 | 2)
                | (_, 0x10, 1)
        );
        let error = if frame.control.uplink {
            qgdw376::Uplink::decode(&frame).err()
        } else {
            match qgdw376::Downlink::decode(&frame) {
                // A question that nobody here asks by himself is passed on as it is.
                Ok(qgdw376::Downlink::Enquiry(asked)) => {
                    assert!(!known && frame.afn.is_question(), "{line}");
                    assert_eq!((asked.afn, asked.data), (frame.afn, frame.data), "{line}");
                    continue;
                }
                other => other.err(),
            }
        };
        match error {
            None => {
                assert!(known, "{line}");
                understood.insert((frame.control.uplink, frame.afn.to_byte(), function));
            }
            Some(qgdw376::MessageError::UnknownAfn(afn)) => assert!(!known && afn == frame.afn, "{line}"),
            Some(qgdw376::MessageError::UnknownFunction { afn, function: named }) => {
                assert!(!known && afn == frame.afn && named == function, "{line}");
            }
            Some(error) => panic!("{line}: {error}"),
        }
    }
    let understood: Vec<_> = understood.into_iter().collect();
    let expected = [
        (false, 0x00, 1),
        (false, 0x00, 3),
        (false, 0x04, 1),
        (false, 0x05, 31),
        (false, 0x0C, 2),
        (false, 0x0C, 7),
        (false, 0x0C, 129),
        (false, 0x10, 1),
        (true, 0x00, 1),
        (true, 0x00, 3),
        (true, 0x02, 1),
        (true, 0x02, 3),
        (true, 0x0C, 2),
        (true, 0x0C, 129),
        (true, 0x0E, 1),
        (true, 0x10, 1),
    ];
    assert_eq!(understood, expected);
}

#[test]
fn every_bad_qgdw376_frame_is_refused() {
    let mut reasons = BTreeSet::new();
    for line in lines("qgdw376_bad.jsonl") {
        let wire = bytes(text(&line, "hex"));
        reasons.insert(qgdw376::Frame::decode(&wire).unwrap_err().reason());
        assert_eq!(framed::<qgdw376::Frame>(&wire).0, [], "{line}");
    }
    assert_eq!(Vec::from_iter(reasons), ["checksum", "cut", "end"]);
}

#[test]
fn all_good_frames_glued_together_come_out_one_by_one() {
    fn check<F: FrameFormat + PartialEq + std::fmt::Debug>(file: &str, gap: &[u8]) {
        let wires: Vec<Vec<u8>> = lines(file).iter().map(|line| bytes(text(line, "hex"))).collect();
        let expected: Vec<F> = wires.iter().filter_map(|wire| F::decode(wire).ok()).collect();
        let (frames, rejected) = framed::<F>(&wires.join(gap));
        assert_eq!(frames, expected, "{file}");
        assert_eq!(rejected, wires.len() - expected.len(), "{file}: only other editions are rejected");
    }
    check::<dlt645::Frame>("dlt645.jsonl", &[0xFE, 0xFE, 0xFE, 0xFE]);
    check::<qgdw376::Frame>("qgdw376.jsonl", &[]);
    check::<qgdw376::Frame>("qgdw376_k3761.jsonl", &[]);
}

#[test]
fn good_frames_come_out_between_all_bad_ones() {
    fn check<F: FrameFormat + PartialEq + std::fmt::Debug>(good: &str, bad: &str) {
        let good = lines(good).iter().map(|line| bytes(text(line, "hex"))).find(|wire| F::decode(wire).is_ok());
        let (good, bad) = (good.unwrap(), lines(bad));
        let mut stream = Vec::new();
        for line in &bad {
            stream.extend(bytes(text(line, "hex")));
            stream.extend(&good);
        }
        let (frames, rejected) = framed::<F>(&stream);
        let expected: Vec<F> = bad.iter().map(|_| F::decode(&good).unwrap()).collect();
        assert_eq!(frames, expected);
        assert!(rejected >= bad.len() - 3, "{rejected}: the frames cut inside their header are no candidates");
    }
    check::<dlt645::Frame>("dlt645.jsonl", "dlt645_bad.jsonl");
    check::<qgdw376::Frame>("qgdw376.jsonl", "qgdw376_bad.jsonl");
}

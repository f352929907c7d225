//! One binary for all targets: the first byte chooses, so that one corpus serves them all.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::{
    FrameFormat, Framer, dlt645,
    explain::{Explained, Protocol, explain},
    qgdw376,
};

/// Longest frame that a framer may wait for.
const LIMIT: usize = 4096;

fuzz_target!(|data: &[u8]| {
    let Some((target, data)) = data.split_first() else { return };
    match target % 6 {
        0 => stream::<dlt645::Frame>(data),
        1 => stream::<qgdw376::Frame>(data),
        2 => meter(data),
        3 => concentrator(data),
        4 => explained(data, Protocol::Auto),
        _ => framed_content(data),
    }
});

/// However a stream is cut, the same frames come out, and no more than the limit is ever held.
fn stream<F: FrameFormat + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let whole = frames::<F>(data, data.len().max(1));
    let step = usize::from(data.first().copied().unwrap_or(1)) % 7 + 1;
    assert_eq!(whole, frames::<F>(data, step));
}

fn frames<F: FrameFormat>(data: &[u8], step: usize) -> Vec<F> {
    let mut framer = Framer::<F>::new(LIMIT);
    let mut found = Vec::new();
    for mut piece in data.chunks(step) {
        loop {
            match framer.next(&mut piece) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(_) => {}
            }
            assert!(framer.pending() <= LIMIT);
        }
    }
    found
}

/// What decodes encodes to the same bytes, and every message in it is understood or refused.
fn meter(data: &[u8]) {
    explained(data, Protocol::Dlt645);
    let Ok(frame) = dlt645::Frame::decode(data) else { return };
    let start = data.iter().position(|byte| *byte != 0xFE).unwrap_or(0);
    assert_eq!(frame.encode().unwrap(), data[start..]);
    if let Ok(request) = dlt645::Request::decode(&frame) {
        assert_eq!(dlt645::Request::decode(&request.frame(frame.address).unwrap()), Ok(request));
    }
    for item in dlt645::Item::ALL {
        let _ = dlt645::Request::Read(item).answer(frame.address, &frame);
    }
}

fn concentrator(data: &[u8]) {
    explained(data, Protocol::Qgdw376);
    let Ok(frame) = qgdw376::Frame::decode(data) else { return };
    assert_eq!(frame.encode().unwrap(), data);
    let _ = (qgdw376::Uplink::decode(&frame), qgdw376::Downlink::decode(&frame));
}

fn explained(data: &[u8], protocol: Protocol) {
    for one in explain(data, protocol) {
        match one {
            Ok(Explained::Qgdw376(one)) => {
                one.forwarded.iter().for_each(|inside| drop(explain(inside, Protocol::Dlt645)));
            }
            Ok(_) => {}
            Err(refused) => assert!(refused.at <= data.len()),
        }
    }
}

/// Content behind a sound envelope, which a fuzzer hardly finds by itself.
fn framed_content(data: &[u8]) {
    let [function, a, b, c, d, content @ ..] = data else { return };
    let content = &content[..content.len().min(200)];
    let address = dlt645::MeterAddress::from_wire([1, 2, 3, 4, 5, 6]);
    let control = dlt645::Control::from_byte(*function);
    let frame = dlt645::Frame { address, control, data: [&[*a, *b, *c, *d], content].concat() };
    meter(&frame.encode().unwrap());

    let login = [0x68, 0x32, 0, 0x32, 0, 0x68, 0xC9, 5, 0x21, 0xB2, 0xA1, 0, 2, 0x79, 0, 0, 1, 0, 0, 0xBE, 0x16];
    let Ok(mut frame) = qgdw376::Frame::decode(&[&login[..18], &[0xBE, 0x16]].concat()) else { return };
    frame.control.uplink = function & 0x80 != 0;
    frame.afn = qgdw376::Afn::from_byte(function & 0x1F);
    frame.data = [&[*a, *b, *c, *d], content].concat();
    concentrator(&frame.encode().unwrap());
}

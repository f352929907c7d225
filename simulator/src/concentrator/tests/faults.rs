//! What goes wrong, and what it leaves behind.

use super::*;

/// What one concentrator answers to `requests` relay orders, alternating, with these faults; `None` where nothing came.
fn answers_with(rates: FaultRates, seed: u64, requests: usize) -> Vec<Option<Vec<u8>>> {
    let mut dialogue = Dialogue::begin(Cache::Live, rates, seed);
    dialogue.log_in();
    (0..requests)
        .map(|index| {
            let command = if index % 2 == 0 { RelayCommand::Disconnect } else { RelayCommand::Reconnect };
            let order = relay(command).frame(meter_address(1)).unwrap().encode().unwrap();
            dialogue.send(&forward(order));
            let answer = dialogue.listen(SignedDuration::from_secs(8));
            if dialogue.concentrator.step(dialogue.now) == Step::HangUp {
                dialogue.now += 10.seconds();
                dialogue.log_in();
            }
            answer
        })
        .collect()
}

#[test]
fn the_same_seed_sends_the_same_bytes() {
    let rates = FaultRates { delay_max: SignedDuration::from_secs(2), ..FaultRates::all(80) };
    let run = answers_with(rates, 42, 200);
    assert_eq!(run, answers_with(rates, 42, 200));
    assert_ne!(run, answers_with(rates, 43, 200));
}

#[test]
fn a_wrong_checksum_and_a_cut_frame_really_are() {
    use protocols::FrameError;
    let spoilt = answers_with(FaultRates { wrong_checksum: 1000, ..FaultRates::NONE }, 1, 20);
    let cut = answers_with(FaultRates { cut_frame: 1000, ..FaultRates::NONE }, 1, 20);
    assert!(
        spoilt
            .iter()
            .all(|bytes| { matches!(Frame::decode(bytes.as_ref().unwrap()), Err(FrameError::Checksum { .. })) })
    );
    assert!(cut.iter().all(|bytes| {
        let mut framer = Framer::<Frame>::new(MAX_FRAME);
        framer.next(&mut &bytes.as_ref().unwrap()[..]) == Ok(None) && framer.pending() > 0
    }));
}

#[test]
fn a_lost_answer_leaves_the_order_carried_out_and_a_refusal_does_not() {
    for (rates, answered, relay_after) in [
        (FaultRates { no_answer: 1000, ..FaultRates::NONE }, false, RelayState::Disconnected),
        (FaultRates { refusal: 1000, ..FaultRates::NONE }, true, RelayState::Connected),
        (FaultRates { reconnect: 1000, ..FaultRates::NONE }, false, RelayState::Disconnected),
    ] {
        let mut dialogue = Dialogue::begin(Cache::Live, rates, 0);
        dialogue.log_in();
        dialogue.send(&forward(relay(RelayCommand::Disconnect).frame(meter_address(1)).unwrap().encode().unwrap()));
        assert_eq!(dialogue.listen(SignedDuration::from_secs(8)).is_some(), answered);
        assert_eq!(lock(dialogue.meters.first().unwrap()).relay(), relay_after);
    }
}

#[test]
fn a_dropped_link_stays_down_for_its_time() {
    let rates = FaultRates { reconnect: 1000, reconnect_after: SignedDuration::from_secs(10), ..FaultRates::NONE };
    let mut dialogue = Dialogue::begin(Cache::Live, rates, 0);
    dialogue.log_in();
    dialogue.send(&Downlink::QueryClock);
    assert_eq!(dialogue.listen(SignedDuration::from_secs(1)), None);
    assert_eq!(dialogue.concentrator.step(dialogue.now), Step::HangUp);
    assert_eq!(dialogue.concentrator.away(dialogue.now), Some(SignedDuration::from_secs(10)));
    assert_eq!(dialogue.concentrator.away(dialogue.now + 10.seconds()), None);
}

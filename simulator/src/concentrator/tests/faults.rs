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
    let short = SignedDuration::from_secs(2);
    let rates = FaultRates { delay_max: short, late_max: short, ..FaultRates::all(80) };
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

/// A concentrator whose every answer has this fault, and what came of a request for its clock.
fn clock_with(rates: FaultRates, seed: u64) -> Vec<u8> {
    let mut dialogue = Dialogue::begin(Cache::Live, rates, seed);
    dialogue.log_in();
    dialogue.send(&Downlink::QueryClock);
    dialogue.listen(SignedDuration::from_secs(1)).unwrap()
}

/// The frames that a head end makes of a stream.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut framer = Framer::<Frame>::new(MAX_FRAME);
    let mut found = Vec::new();
    while let Some(frame) = framer.next(&mut bytes).transpose() {
        found.extend(frame.ok());
    }
    found
}

#[test]
fn flipped_glued_and_repeated_answers_really_are() {
    let right = clock_with(FaultRates::NONE, 0);
    for seed in 0..50 {
        let flipped = clock_with(FaultRates { flipped: 1000, ..FaultRates::NONE }, seed);
        let bits: u32 = right.iter().zip(&flipped).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((flipped.len(), bits), (right.len(), 1));
        let glued = clock_with(FaultRates { glued: 1000, ..FaultRates::NONE }, seed);
        assert!(glued.ends_with(&right) && (1..=16).contains(&(glued.len() - right.len())));
        let repeated = clock_with(FaultRates { repeated: 1000, ..FaultRates::NONE }, seed);
        assert_eq!(repeated, right.repeat(2));
        assert_eq!(frames(&repeated).len(), 2);
    }
}

#[test]
fn a_late_command_is_executed_after_its_answer_was_lost() {
    let late_max = SignedDuration::from_secs(90);
    let rates = FaultRates { late_delivery: 1000, late_max, ..FaultRates::NONE };
    let mut times = Vec::new();
    for seed in 0..20 {
        let mut dialogue = Dialogue::begin(Cache::Live, rates, seed);
        dialogue.log_in();
        let sent = dialogue.now + settings().meter_delay;
        dialogue.send(&forward(relay(RelayCommand::Disconnect).frame(meter_address(1)).unwrap().encode().unwrap()));
        assert_eq!(dialogue.listen(SignedDuration::from_secs(9)), None, "no answer at all");
        // The way from the concentrator to the meter needs no link.
        dialogue.concentrator.link_down();
        let meter = dialogue.meters.first().unwrap();
        lock(meter).advance(sent + late_max);
        assert_eq!(lock(meter).relay(), RelayState::Disconnected);
        times.extend(lock(meter).moves().iter().map(|moved| sent.duration_until(moved.at)));
        assert_eq!(dialogue.concentrator.faults().counted().get("late_delivery"), Some(&1));
    }
    assert_eq!(times.len(), 20);
    assert!(times.iter().all(|time| (SignedDuration::from_secs(1)..=late_max).contains(time)), "{times:?}");
    assert!(times.iter().any(|time| *time > late_max / 2), "{times:?}");
}

#[test]
fn what_does_not_go_on_to_a_meter_is_not_late() {
    let mut dialogue = Dialogue::begin(Cache::Live, FaultRates::NONE, 0);
    dialogue.log_in();
    let order = || forward(relay(RelayCommand::Disconnect).frame(meter_address(1)).unwrap().encode().unwrap());
    let answer = dialogue.ask(&order());
    let late_max = SignedDuration::from_secs(2);
    dialogue.concentrator.faults().set_rates(FaultRates { late_delivery: 1000, late_max, ..FaultRates::NONE });
    dialogue.counter -= 1;
    assert_eq!(dialogue.ask(&order()), answer, "the same number: answered from memory");
    assert!(matches!(dialogue.ask(&Downlink::QueryClock), Some(Uplink::Clock(_))));
    let stranger = frame(&order(), 9, Secret::new([1; 16]));
    dialogue.concentrator.receive(&stranger.encode().unwrap(), dialogue.now);
    let denied = Frame::decode(&dialogue.listen(SignedDuration::from_secs(1)).unwrap()).unwrap();
    assert_eq!(Uplink::decode(&denied), Ok(Uplink::Confirm(Confirmation::Denied)));
    assert!(dialogue.concentrator.faults().counted().is_empty());
    assert_eq!(lock(dialogue.meters.first().unwrap()).commands().len(), 1);
}

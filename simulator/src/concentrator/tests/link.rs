//! Login, heartbeat and the order of requests.

use super::*;

#[test]
fn a_login_is_repeated_until_it_is_confirmed_and_given_up_after_its_tries() {
    let mut dialogue = Dialogue::begin(Cache::Live, FaultRates::NONE, 0);
    dialogue.concentrator.link_up(dialogue.now);
    let wait = SignedDuration::from_secs(10);
    let first = dialogue.listen(SignedDuration::ZERO);
    assert_eq!(dialogue.listen(wait - SignedDuration::from_millis(1)), None);
    assert_eq!(dialogue.listen(wait), first, "the same login again");
    assert_eq!(report(dialogue.listen(wait)), LinkReport::Login);
    assert!(!dialogue.concentrator.is_logged_in());
    assert_eq!(dialogue.listen(wait), None);
    assert_eq!(dialogue.concentrator.step(dialogue.now), Step::HangUp);
}

#[test]
fn heartbeats_follow_a_confirmed_login_and_a_logout_ends_it() {
    let mut dialogue = Dialogue::begin(Cache::Live, FaultRates::NONE, 0);
    dialogue.log_in();
    for _ in 0..3 {
        assert_eq!(dialogue.listen(SignedDuration::from_millis(59_999)), None);
        let heartbeat = dialogue.listen(SignedDuration::from_millis(1));
        dialogue.confirm(heartbeat.as_ref().unwrap());
        assert_eq!(report(heartbeat), LinkReport::Heartbeat);
    }
    dialogue.concentrator.log_out(dialogue.now);
    assert_eq!(report(dialogue.listen(SignedDuration::ZERO)), LinkReport::Logout);
    assert_eq!(dialogue.concentrator.step(dialogue.now), Step::HangUp);
    assert!(dialogue.concentrator.link_down(), "it was logged in");
    assert!(!dialogue.concentrator.is_logged_in());
}

#[test]
fn a_confirmation_of_another_number_confirms_nothing() {
    let mut dialogue = Dialogue::begin(Cache::Live, FaultRates::NONE, 0);
    dialogue.concentrator.link_up(dialogue.now);
    let login = Frame::decode(&dialogue.listen(SignedDuration::ZERO).unwrap()).unwrap();
    let other = frame(&Downlink::Confirm(Confirmation::All), login.sequence.number + 1, Secret::ZERO);
    dialogue.concentrator.receive(&other.encode().unwrap(), dialogue.now);
    assert!(!dialogue.concentrator.is_logged_in());
}

#[test]
fn its_clock_is_its_own() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    dialogue.now = start() + SignedDuration::from_secs(10);
    let time = date(2026, 3, 5).at(12, 3, 10, 0);
    assert_eq!(dialogue.ask(&Downlink::QueryClock), Some(Uplink::Clock(Ok(Some(time)))));
}

#[test]
fn what_it_does_not_know_it_denies() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let mut unknown = frame(&Downlink::QueryClock, 9, Secret::ZERO);
    unknown.afn = Afn::Other(0x0E);
    dialogue.concentrator.receive(&unknown.encode().unwrap(), dialogue.now);
    let answer = Frame::decode(&dialogue.listen(SignedDuration::from_secs(1)).unwrap()).unwrap();
    assert_eq!(Uplink::decode(&answer), Ok(Uplink::Confirm(Confirmation::Denied)));
    assert_eq!(answer.sequence.number, 9);
}

#[test]
fn a_repeated_number_is_answered_from_memory_and_not_carried_out() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let old = dialogue.energy(&[1]);
    dialogue.now += 1.hour();
    dialogue.counter -= 1;
    assert_eq!(dialogue.energy(&[1]), old, "the same number: the stored answer");
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(Some(dialogue.shown(1))), "a new one");
    let tagged = TimeTag::new(dialogue.counter, date(2026, 3, 5).at(13, 0, 0, 0), 5).unwrap();
    let again = Frame { time_tag: Some(tagged), ..frame(&Downlink::QueryClock, dialogue.counter, Secret::ZERO) };
    dialogue.concentrator.receive(&again.encode().unwrap(), dialogue.now);
    let answer = Frame::decode(&dialogue.listen(SignedDuration::from_secs(1)).unwrap()).unwrap();
    assert!(matches!(Uplink::decode(&answer), Ok(Uplink::Clock(_))), "a time tag makes it a request of its own");
    assert_eq!(answer.time_tag.map(|tag| (tag.counter, tag.permitted_delay)), Some((dialogue.counter, 5)));
}

#[test]
fn requests_wait_for_each_other_and_too_many_are_lost() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let read = dlt645::Request::Read(Item::Relay).frame(meter_address(1)).unwrap().encode().unwrap();
    let begun = dialogue.now;
    dialogue.send(&forward(read));
    assert_eq!(dialogue.listen(SignedDuration::ZERO), None, "the first is worked on");
    for _ in 0..3 {
        dialogue.send(&Downlink::QueryClock);
    }
    let mut answers = Vec::new();
    while let Some(bytes) = dialogue.listen(SignedDuration::from_secs(1)) {
        answers.push(begun.duration_until(dialogue.now).as_millis());
        assert!(Frame::decode(&bytes).is_ok());
    }
    assert_eq!(answers, [300, 350, 400]);
}

#[test]
fn garbage_and_frames_for_others_are_ignored() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let mut other = frame(&Downlink::QueryClock, 3, Secret::ZERO);
    other.address = Address::new("9901-8".parse().unwrap(), 5);
    dialogue.concentrator.receive(&other.encode().unwrap(), dialogue.now);
    dialogue.concentrator.receive(b"\x68\x68garbage\x16", dialogue.now);
    assert_eq!(dialogue.listen(SignedDuration::from_secs(5)), None);
    assert!(matches!(dialogue.ask(&Downlink::QueryClock), Some(Uplink::Clock(_))));
}

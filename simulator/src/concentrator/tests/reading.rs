//! Archive, registers, freezes and what is carried to meters.

use super::*;

#[test]
fn an_archive_starts_empty_and_reads_back_as_written() {
    let mut dialogue = Dialogue::begin(Cache::Live, FaultRates::NONE, 0);
    dialogue.log_in();
    let serials = Downlink::QueryArchive(vec![1, 2, 3]);
    assert_eq!(dialogue.ask(&serials), Some(Uplink::Archive(vec![])));
    let written = Downlink::SetArchive(vec![record(3), record(1)]);
    assert_eq!(dialogue.ask(&written), Some(Uplink::Confirm(Confirmation::All)));
    assert_eq!(dialogue.ask(&serials), Some(Uplink::Archive(vec![record(1), record(3)])));
    let deleted = Downlink::SetArchive(vec![ArchiveRecord { point: 0, ..record(1) }]);
    assert_eq!(dialogue.ask(&deleted), Some(Uplink::Confirm(Confirmation::All)));
    assert_eq!(dialogue.ask(&serials), Some(Uplink::Archive(vec![record(3)])));
    let refused = Downlink::SetArchive(vec![record(2), record(2041)]);
    assert_eq!(dialogue.ask(&refused), Some(Uplink::Confirm(Confirmation::Denied)));
    assert_eq!(dialogue.ask(&serials), Some(Uplink::Archive(vec![record(3)])), "none of them was written");
}

#[test]
fn an_archive_is_not_written_without_the_password() {
    let mut dialogue = Dialogue::begin(Cache::Live, FaultRates::NONE, 0);
    dialogue.log_in();
    let stranger = frame(&Downlink::SetArchive(vec![record(1)]), 1, Secret::new([1; 16]));
    dialogue.concentrator.receive(&stranger.encode().unwrap(), dialogue.now);
    let answer = Frame::decode(&dialogue.listen(SignedDuration::from_secs(1)).unwrap()).unwrap();
    assert_eq!(Uplink::decode(&answer), Ok(Uplink::Confirm(Confirmation::Denied)));
    assert_eq!(dialogue.concentrator.bus().archive().count(), 0);
}

#[test]
fn energy_comes_with_four_decimals_and_the_concentrators_own_time() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    dialogue.now = start() + 2.hours();
    let energy = dialogue.energy(&[2]);
    let [point] = &energy[..] else { panic!("{energy:?}") };
    assert_eq!((point.point, point.total), (2, Ok(Some(dialogue.shown(2)))));
    assert_eq!(point.read_at, Ok(Some(date(2026, 3, 5).at(14, 3, 0, 0))));
    let periods = point.periods.iter().map(|period| period.unwrap().unwrap()).sum::<Energy>();
    assert_eq!((point.periods.len(), periods), (4, dialogue.shown(2)));
}

#[test]
fn an_answer_has_no_more_points_than_fit_and_none_that_the_archive_lacks() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let points = |energy: Vec<PointEnergy>| energy.into_iter().map(|point| point.point).collect::<Vec<_>>();
    assert_eq!(points(dialogue.energy(&[1, 2, 3, 4, 5, 6])), [1, 2, 3, 4]);
    assert_eq!(points(dialogue.energy(&[5, 6, 7, 8])), [5, 6]);
    let denied = Some(Uplink::Confirm(Confirmation::Denied));
    assert_eq!(dialogue.ask(&Downlink::QueryEnergy(vec![7, 8])), denied);
}

#[test]
fn a_meter_that_never_answered_is_not_available_and_a_silent_one_is_old() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    dialogue.silence(1, true);
    let never = dialogue.energy(&[1, 2]);
    let ee = PointEnergy { point: 1, read_at: Ok(None), total: Ok(None), periods: vec![Ok(None); 4] };
    assert_eq!(never.first(), Some(&ee));
    assert!(never.get(1).unwrap().total.unwrap().is_some(), "its neighbour does not suffer");
    dialogue.silence(2, true);
    dialogue.now += 1.hour();
    assert_eq!(dialogue.energy(&[1, 2]), never, "the old copy with its old time");
    dialogue.silence(1, false);
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(Some(dialogue.shown(1))));
}

#[test]
fn a_point_read_by_another_protocol_is_not_available() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let foreign = ArchiveRecord { protocol: MeterProtocol::Dlt645Of1997, ..record(1) };
    dialogue.ask(&Downlink::SetArchive(vec![foreign]));
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(None));
}

#[test]
fn answers_from_a_cache_are_as_old_as_its_last_round() {
    let mut dialogue = Dialogue::ready(Cache::Every(SignedDuration::from_mins(15)));
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(None), "the archive came after the first round");
    for _ in 0..20 {
        if let Some(heartbeat) = dialogue.listen(SignedDuration::from_mins(1)) {
            dialogue.confirm(&heartbeat);
        }
    }
    let copied = dialogue.energy(&[1]);
    let point = copied.first().unwrap();
    assert_eq!(point.read_at, Ok(Some(date(2026, 3, 5).at(12, 18, 0, 0))));
    let at_the_round = meter(1).registers(start() + 15.minutes()).total;
    assert_eq!(point.total, Ok(Some(at_the_round)));
    assert!(at_the_round < dialogue.shown(1));
}

#[test]
fn a_freeze_is_not_available_until_it_is_copied_and_stays_when_the_meter_goes() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let day = date(2026, 3, 5);
    let midnight = start() + 12.hours();
    dialogue.now = midnight + 29.minutes();
    assert_eq!(dialogue.freeze(2, day).energy.total, Ok(None));
    dialogue.now = midnight + 31.minutes();
    let freeze = dialogue.freeze(2, day);
    assert_eq!(freeze.day, day);
    assert_eq!(freeze.energy.total, Ok(Some(meter(2).registers(midnight).total)));
    assert_eq!(freeze.energy.read_at, Ok(Some(date(2026, 3, 6).at(0, 34, 0, 0))), "when it was copied");
    dialogue.silence(2, true);
    dialogue.now += 1.hour();
    assert_eq!(dialogue.freeze(2, day), freeze);
    assert_eq!(dialogue.freeze(2, date(2026, 3, 4)).energy.total, Ok(None), "before the meter's time");
}

#[test]
fn a_relay_is_moved_and_read_through_it() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    assert_eq!(dialogue.ask_meter(4, &relay(RelayCommand::Disconnect)), Some(Answer::RelayTaken));
    let answer = dialogue.ask_meter(4, &dlt645::Request::Read(Item::Relay));
    let Some(Answer::Value(Value::Relay(reading))) = answer else { panic!("{answer:?}") };
    assert_eq!((reading.relay, reading.command), (RelayState::Disconnected, RelayState::Disconnected));
    assert_eq!(lock(dialogue.meters.get(4).unwrap()).relay(), RelayState::Connected, "its neighbour keeps supply");
}

#[test]
fn a_silent_or_unknown_meter_is_denied_after_the_time_allowed() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    dialogue.silence(4, true);
    for number in [4, 99] {
        let asked = dialogue.now;
        assert_eq!(dialogue.ask_meter(number, &dlt645::Request::Read(Item::Relay)), None);
        assert_eq!(asked.duration_until(dialogue.now), SignedDuration::from_secs(20));
    }
}

#[test]
fn a_technician_swaps_two_meters_and_a_crash_loses_them_all() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    assert!(dialogue.concentrator.bus().swap_archive());
    let energy = dialogue.energy(&[1, 2, 3]);
    let totals: Vec<_> = energy.iter().map(|point| point.total).collect();
    assert_eq!(totals, [2, 1, 3].map(|number| Ok(Some(dialogue.shown(number)))));
    let swapped = [ArchiveRecord { meter: meter_address(2), ..record(1) }, record(3)];
    assert_eq!(dialogue.ask(&Downlink::QueryArchive(vec![1, 3])), Some(Uplink::Archive(swapped.to_vec())));
    dialogue.concentrator.bus().clear_archive();
    assert_eq!(dialogue.ask(&Downlink::QueryEnergy(vec![1])), Some(Uplink::Confirm(Confirmation::Denied)));
    dialogue.ask(&Downlink::SetArchive(vec![record(4)]));
    assert!(!dialogue.concentrator.bus().swap_archive(), "there is only one");
    assert_eq!(dialogue.energy(&[4]).first().unwrap().total, Ok(Some(dialogue.shown(4))));
}

#[test]
fn a_clock_that_is_set_wrong_stamps_wrong_times_and_leaves_the_days_of_freezes_to_the_meter() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    dialogue.concentrator.bus().set_clock_offset(SignedDuration::from_hours(-48));
    dialogue.now = start() + 13.hours();
    let energy = dialogue.energy(&[1]);
    assert_eq!(energy.first().unwrap().read_at, Ok(Some(date(2026, 3, 4).at(1, 0, 0, 0))));
    assert_eq!(energy.first().unwrap().total, Ok(Some(dialogue.shown(1))), "the registers are right");
    let freeze = dialogue.freeze(1, date(2026, 3, 5));
    let midnight = meter(1).registers(start() + 12.hours()).total;
    assert_eq!(freeze.energy.total, Ok(Some(midnight)));
}

#[test]
fn a_cache_can_be_put_in_between_and_keeps_what_a_meter_lied() {
    let mut dialogue = Dialogue::ready(Cache::Live);
    let lie = Energy::new(770_000);
    lock(dialogue.meters.first().unwrap()).set_lie(lie);
    dialogue.concentrator.bus().set_cache(Cache::Every(SignedDuration::from_hours(6)));
    let lied = dialogue.shown(1) + lie;
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(Some(lied)), "a round begins at once");
    lock(dialogue.meters.first().unwrap()).set_lie(Energy::ZERO);
    dialogue.now += 1.hour();
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(Some(lied)));
    dialogue.concentrator.bus().set_cache(Cache::Live);
    assert_eq!(dialogue.energy(&[1]).first().unwrap().total, Ok(Some(dialogue.shown(1))));
}

//! Seeds that once failed, each with what it found.

use simulation::{plan::Size, run::run};

#[track_caller]
fn holds(seed: u64) {
    std::panic::set_hook(Box::new(|_| {}));
    assert_eq!(run(seed, Size::default(), false).outcome, Ok(()), "seed {seed}");
}

/// A cut was held for a stale reading when it was to be sent, and then waited hours for its next look, although the
/// meter was read a moment later.
#[test]
fn a_cut_that_was_held_goes_on_when_the_reading_is_fresh_again() {
    holds(10_008);
}

/// An account was opened by hand while the head end's clock was behind, on a register that had gone round: what it had shown
/// before counted as used since, and a customer with credit was cut.
#[test]
fn what_a_register_showed_before_an_account_was_opened_never_counts() {
    holds(287);
}

/// An operator's order to write the archive over a foreign one was forgotten when an answer was lost: the meters stayed
/// unread, and whoever used them was not cut.
#[test]
fn an_archive_that_is_to_be_overwritten_is() {
    holds(461);
}

/// A disconnect that was held up, at a clock that was ahead and so did not expire, landed after the reconnect was confirmed,
/// and after the last look at the relay.
#[test]
fn a_cut_that_lands_ten_minutes_late_is_seen() {
    holds(800);
}

/// The auditor took a reading for unknown that had come in time, while the head end's clock was ahead, and called the cut that
/// went by it unfounded.
#[test]
fn a_reading_that_came_while_the_clock_was_ahead_is_known() {
    holds(770);
}

/// The database did not take what a concentrator's clock showed when it was right again: until the next day nobody behind it
/// was cut.
#[test]
fn a_clock_that_is_right_again_is_known_though_a_report_was_lost() {
    holds(2514);
}

/// The clock was ahead when a cut was sent: it passed for the newest one until the clock had caught up, a later one that landed
/// late belonged to nobody, and a customer who had paid stayed dark.
#[test]
fn a_cut_that_was_sent_while_the_clock_was_ahead_is_not_the_newest_for_ever() {
    holds(1230);
}

/// An operator had a foreign archive overwritten, and the process died before it was.
#[test]
fn an_overwrite_that_was_lost_with_the_process_is_ordered_again() {
    holds(614);
}

/// The auditor called it twice in one episode that emergency credit was activated again after an episode that a forecast had
/// begun, and had ended without anybody paying.
#[test]
fn an_episode_by_forecast_ends_without_money_and_emergency_credit_is_there_again() {
    holds(10);
}

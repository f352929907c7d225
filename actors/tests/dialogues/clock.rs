//! The head end's clock is set wrong and right again: every point goes on being polled in every slot, and nothing is
//! asked more often than in an ordinary round.

use std::{sync::Arc, time::Duration};

use actors::{Fleet, FleetSettings, ports::Report};
use jiff::{
    SignedDuration,
    civil::{Date, date},
};
use prometheus::Registry;
use protocols::qgdw376::{DailyFreeze, Downlink, FreezeRequest, Uplink};
use tokio::time::{Instant, timeout_at};

use crate::{
    figure, local, pass,
    terminal::{Terminal, freeze, no_freeze},
    world::{World, settings},
};

const METERS: u16 = 10;

/// Frames that an ordinary round sends: the poll of every point, and the freezes of three days, with 8 points a
/// request.
const ROUND: f64 = 2.0 + 3.0 * 2.0;

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// Ten meters behind a concentrator whose own clock is right, and a head end whose clock need not be.
struct Site {
    world: Arc<World>,
    fleet: Fleet,
    registry: Registry,
    terminal: Terminal,
    /// Whether the concentrator has the freezes it is asked for.
    holds_freezes: bool,
    /// Points polled, with the true minute of the hour.
    polled: Vec<(u16, i8)>,
    /// Freezes asked for, with the true time of the day.
    freezes: Vec<(Date, String)>,
}

impl Site {
    /// Logs in at 10:07 true time.
    async fn logged_in(world: Arc<World>) -> Self {
        let (fleet, registry) = world.fleet(FleetSettings { heartbeat_interval_ms: 7 * 86_400_000, ..settings() });
        let terminal = Terminal::logged_in(&fleet, &world).await;
        Self { world, fleet, registry, terminal, holds_freezes: false, polled: Vec::new(), freezes: Vec::new() }
    }

    async fn logs_in_again(&mut self) {
        self.terminal = Terminal::logged_in(&self.fleet, &self.world).await;
    }

    /// Answers for so many minutes, in none of which more than an ordinary round is asked.
    async fn goes_on_for(&mut self, minutes: u16) {
        (self.polled, self.freezes) = (Vec::new(), Vec::new());
        for _ in 0..minutes {
            let before = figure(&self.registry, "wattgate_frames_sent_total");
            let end = Instant::now() + Duration::from_secs(60);
            while let Ok(asked) = timeout_at(end, self.terminal.asked()).await {
                let now = self.terminal.local(self.world.true_time());
                let answer = match asked.what.clone() {
                    Downlink::QueryEnergy(points) => {
                        self.polled.extend(points.iter().map(|point| (*point, now.minute())));
                        self.terminal.answer_points(&asked, &points).await;
                        continue;
                    }
                    Downlink::QueryDailyFreeze(requests) => {
                        self.freezes.push((requests[0].day, now.strftime("%H:%M").to_string()));
                        requests.into_iter().map(|request| self.freeze(request)).collect()
                    }
                    other => panic!("{other:?}"),
                };
                self.terminal.answer(&asked, Uplink::DailyFreeze(answer)).await;
            }
            let sent = figure(&self.registry, "wattgate_frames_sent_total") - before;
            assert!(sent <= ROUND, "{sent} frames in the minute before {}", self.world.now());
        }
    }

    fn freeze(&self, of: FreezeRequest) -> DailyFreeze {
        if self.holds_freezes { freeze(of.point, of.day) } else { no_freeze(of.point, of.day) }
    }

    /// Every point was polled in these minutes, and in no others.
    fn was_polled_at(&self, minutes: &[i8], when: &str) {
        for point in 101..=100 + METERS {
            let of = self.polled.iter().filter(|(polled, _)| *polled == point).map(|(_, minute)| *minute);
            assert_eq!(of.collect::<Vec<_>>(), minutes, "point {point}, {when}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_makes_no_storm_and_no_silence() {
    for ahead in [4, 400 * 24, -4, -400 * 24] {
        local(async {
            let mut site = Site::logged_in(World::with_meters(METERS)).await;
            site.goes_on_for(1).await;
            site.world.set_clock_ahead(hours(ahead));
            site.goes_on_for(45).await;
            site.was_polled_at(&[15, 30, 45], &format!("{ahead} h ahead"));
            site.world.set_clock_ahead(SignedDuration::ZERO);
            site.goes_on_for(45).await;
            site.was_polled_at(&[0, 15, 30], &format!("right again after {ahead} h ahead"));
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_back_in_the_middle_of_a_slot_loses_none() {
    local(async {
        let world = World::with_meters(METERS);
        world.set_clock_ahead(SignedDuration::from_mins(12 * 60 + 7));
        let mut site = Site::logged_in(world).await;
        site.goes_on_for(40).await;
        site.was_polled_at(&[7, 8, 23, 38], "at 14, 15, 30 and 45 by the wrong clock");
        site.world.set_clock_ahead(SignedDuration::ZERO);
        site.goes_on_for(45).await;
        site.was_polled_at(&[53, 0, 15, 30], "when it was planned, then in the right slots");
    })
    .await;
}

/// The last reading, and so the slot that it served, lies in the future then.
#[tokio::test(start_paused = true)]
async fn a_login_after_the_clock_was_put_back_does_not_wait_for_the_time_of_the_last_reading() {
    local(async {
        let world = World::with_meters(METERS);
        world.set_clock_ahead(hours(4));
        let mut site = Site::logged_in(world).await;
        site.goes_on_for(15).await;
        site.world.set_clock_ahead(SignedDuration::ZERO);
        let last = site.world.memory().observations.iter().map(|seen| seen.as_of).max().unwrap();
        assert!(last.duration_since(site.world.now()) > hours(3));
        site.logs_in_again().await;
        site.goes_on_for(15).await;
        site.was_polled_at(&[22, 30], "at once, and in the next slot");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_freeze_asked_for_in_a_wrong_afternoon_is_asked_for_again_in_the_true_morning() {
    local(async {
        let world = World::with_meters(1);
        let yesterday = date(2026, 3, 1);
        world.memory().plan.as_mut().unwrap().meters[0].since = yesterday;
        world.set_clock_ahead(hours(4));
        let mut site = Site::logged_in(world).await;
        site.goes_on_for(30).await;
        assert_eq!(site.freezes, [(yesterday, "10:07".to_owned())], "14:07 by the wrong clock: not again today");
        site.world.set_clock_ahead(SignedDuration::ZERO);
        site.goes_on_for(80).await;
        assert_eq!(site.freezes, [(yesterday, "10:45".to_owned()), (yesterday, "11:45".to_owned())]);
    })
    .await;
}

/// More days are held then than the backfill has.
#[tokio::test(start_paused = true)]
async fn a_clock_put_back_by_days_has_each_freeze_asked_for_once() {
    local(async {
        let world = World::with_meters(1);
        let held = [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)];
        {
            let mut memory = world.memory();
            let meter = &mut memory.plan.as_mut().unwrap().meters[0];
            (meter.since, meter.freezes_held) = (date(2026, 1, 1), held.into());
        }
        let mut site = Site::logged_in(world).await;
        site.holds_freezes = true;
        site.goes_on_for(1).await;
        assert_eq!(site.freezes, []);
        site.world.set_clock_ahead(hours(-3 * 24));
        site.goes_on_for(20).await;
        let days: Vec<Date> = site.freezes.iter().map(|(day, _)| *day).collect();
        assert_eq!(days, [date(2026, 2, 24), date(2026, 2, 25), date(2026, 2, 26)]);
        site.world.set_clock_ahead(SignedDuration::ZERO);
        site.goes_on_for(60).await;
        assert_eq!(site.freezes, [], "still held");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_while_the_concentrators_is_read_counts_whole() {
    local(async {
        let world = World::with_meters(0);
        let mut site = Site::logged_in(world).await;
        site.terminal.keeps_house = false;
        let asked = site.terminal.asked().await;
        assert_eq!(asked.what, Downlink::QueryClock);
        pass(2).await;
        site.world.set_clock_ahead(hours(4));
        let theirs = site.terminal.local(site.world.true_time());
        site.terminal.answer(&asked, Uplink::Clock(Ok(Some(theirs)))).await;
        pass(1).await;
        let drifts = |report: &Report| match report {
            Report::ConcentratorClock { drift_s, .. } => Some(*drift_s),
            _ => None,
        };
        let told: Vec<_> = site.world.memory().reports.iter().filter_map(drifts).collect();
        let [drift_s] = told.as_slice() else { panic!("{told:?}") };
        assert!((drift_s + 4 * 3_600).abs() <= 2, "{drift_s} s, where half the time the answer took may be missing");
    })
    .await;
}

/// A drift that the database did not take is looked at again in minutes: until then nobody would be cut, or all would.
#[tokio::test(start_paused = true)]
async fn a_look_at_the_clock_that_was_not_stored_is_repeated_soon() {
    local(async {
        let world = World::with_meters(0);
        let mut site = Site::logged_in(world).await;
        site.terminal.keeps_house = false;
        site.world.memory().deaf = true;
        for heard in [0, 1] {
            let soon = Instant::now() + Duration::from_secs(settings().check_retry_s + 60);
            let asked = timeout_at(soon, site.terminal.asked()).await.unwrap();
            assert_eq!(asked.what, Downlink::QueryClock);
            let theirs = site.terminal.local(site.world.true_time());
            site.terminal.answer(&asked, Uplink::Clock(Ok(Some(theirs)))).await;
            pass(1).await;
            let clocks = |report: &&Report| matches!(report, Report::ConcentratorClock { .. });
            assert_eq!(site.world.memory().reports.iter().filter(clocks).count(), heard);
            site.world.memory().deaf = false;
        }
        let day = timeout_at(Instant::now() + Duration::from_secs(settings().clock_check_s / 2), site.terminal.asked());
        assert!(day.await.is_err(), "once it is stored, a day is time enough");
    })
    .await;
}

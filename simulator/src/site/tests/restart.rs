//! A site whose runtime is dropped in the middle, and run again.

use std::{future::poll_fn, pin::pin, task::Poll};

use jiff::{ToSpan, civil::DateTime};
use tokio::runtime::{Builder, Runtime};

use super::*;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A clock that stands at `start` now and follows the present runtime's time.
fn clock_from(start: Timestamp) -> Clock {
    let begun = Instant::now();
    Arc::new(move || start + SignedDuration::try_from(begun.elapsed()).unwrap())
}

/// A head end that has a meter disconnected and then asks for the clock again and again, until it is dropped.
async fn talk(site: &Site) {
    let (mut listener, _running) = Listener::start(site);
    let mut link = listener.accept().await;
    link.ask(&disconnect(site.concentrators()[0].meters[0].address), 1).await;
    loop {
        link.ask(&Downlink::QueryClock, 2).await;
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
}

/// Lets a head end talk until it was polled so often or so much time is over, then drops it, the run and the runtime.
/// Returns whether the concentrator was logged in by then.
fn crash(site: &Site, polls: u32, after: Duration) -> bool {
    let now = (site.clock)();
    runtime().block_on(async {
        site.set_clock(clock_from(now));
        let (mut talking, mut left) = (pin!(talk(site)), polls);
        let talked = poll_fn(|context| match left.checked_sub(1) {
            None => Poll::Ready(()),
            Some(fewer) => {
                left = fewer;
                talking.as_mut().poll(context)
            }
        });
        // Over by count or by time, both are the end of it.
        let _ = timeout(after, talked).await;
        site.concentrator(site.concentrators()[0].address).unwrap().is_logged_in()
    })
}

/// Runs the site on a new runtime and returns the clock that its concentrator shows, with the true time.
fn ask_again(site: &Site, now: Timestamp) -> (DateTime, DateTime) {
    runtime().block_on(async {
        site.set_clock(clock_from(now));
        let (mut listener, _running) = Listener::start(site);
        let mut link = timeout(Duration::from_secs(5), listener.accept()).await.unwrap();
        let heard = timeout(Duration::from_secs(5), link.ask(&Downlink::QueryClock, 3)).await.unwrap();
        let Some(Uplink::Clock(Ok(Some(shown)))) = heard else { panic!("{heard:?}") };
        (shown, spec().zone.to_datetime((site.clock)()))
    })
}

#[test]
fn a_run_may_be_dropped_at_any_moment_and_begun_again_on_another_runtime() {
    let begin: Timestamp = "2026-03-05T12:00:00+08:00".parse().unwrap();
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, Arc::new(move || begin)).unwrap();
    let concentrator = site.concentrator(site.concentrators()[0].address).unwrap();
    let meter = site.meter(site.concentrators()[0].meters[0].address).unwrap();
    let by_polls = (0..40).map(|polls| (polls, Duration::from_secs(60)));
    let by_time = (0..300).step_by(3).map(|ms| (u32::MAX, Duration::from_millis(ms)));
    let mut logged_in = 0;
    for (index, (polls, after)) in by_polls.chain(by_time).enumerate() {
        let now = begin + 10.minutes() * i64::try_from(index).unwrap();
        site.set_clock(Arc::new(move || now));
        logged_in += i32::from(crash(&site, polls, after));
        assert!(!concentrator.is_logged_in(), "dropped after {polls} polls or {after:?}");
        let (shown, truth) = ask_again(&site, now + 5.minutes());
        assert!(shown.duration_until(truth).abs() < SignedDuration::from_secs(1), "{shown} at {truth}");
    }
    assert!((40..140).contains(&logged_in), "{logged_in}");
    assert_eq!((meter.relay(), meter.moves().len()), (RelayState::Disconnected, 1), "what was done stays done");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_late_leaves_the_next_one_alone() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let concentrator = site.concentrator(site.concentrators()[0].address).unwrap();
    let mut old = pin!(talk(&site));
    assert!(timeout(Duration::from_millis(100), &mut old).await.is_err(), "goes on for ever");
    let (mut listener, _running) = Listener::start(&site);
    let mut link = listener.accept().await;
    old.set(talk(&site));
    tokio::task::yield_now().await;
    assert!(matches!(link.ask(&Downlink::QueryClock, 1).await, Some(Uplink::Clock(_))));
    assert!(concentrator.is_logged_in());
}

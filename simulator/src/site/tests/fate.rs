//! What fate does to meters and concentrators through their handles.

use super::*;
use crate::meter::Mover;

#[tokio::test(start_paused = true)]
async fn registers_near_their_end_roll_over_and_the_truth_goes_on() {
    let spec = SiteSpec { near_rollover: 3, ..spec() };
    let site = Site::new(&spec, clock()).unwrap();
    let mut listed: Vec<_> = site.concentrators().iter().flat_map(|listed| &listed.meters).collect();
    listed.sort_by_key(|listed| listed.address);
    let meters: Vec<_> = listed.iter().map(|listed| site.meter(listed.address).unwrap()).collect();
    for (index, meter) in meters.iter().enumerate() {
        let shown = meter.registers();
        let left = ROLLOVER - shown.total.get();
        assert_eq!((10_000..=300_000).contains(&left), index < 3, "{left}");
        assert_eq!(shown.periods.into_iter().flatten().sum::<Energy>(), shown.total);
        assert_eq!(shown.periods[2] == Some(shown.total), index < 3, "the flat period is as near");
    }
    let before: Vec<_> = meters.iter().map(|meter| (meter.registers().total, meter.true_energy())).collect();
    tokio::time::advance(Duration::from_secs(24 * 3600)).await;
    for ((total, energy), meter) in before.into_iter().zip(&meters).take(3) {
        let (shown, drawn) = (meter.registers(), meter.true_energy() - energy);
        assert!(shown.total < total && shown.periods[2].unwrap() < total, "both rolled over");
        assert_eq!(shown.total, Energy::new((total + drawn).get() - ROLLOVER));
        let sum = shown.periods.into_iter().flatten().sum::<Energy>();
        assert_eq!(sum.get() % ROLLOVER, shown.total.get());
    }
}

#[tokio::test(start_paused = true)]
async fn the_handles_see_what_is_due_when_it_is_due() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let (mut listener, _running) = Listener::start(&site);
    let mut link = listener.accept().await;
    let meter = site.meter(site.concentrators()[0].meters[0].address).unwrap();
    let fate = site.concentrator(link.address.terminal).unwrap();
    meter.slow_relay(Some(SignedDuration::from_secs(300)));
    let order = disconnect(site.concentrators()[0].meters[0].address);
    assert!(matches!(link.ask(&order, 1).await, Some(Uplink::Forwarded(_))));
    meter.slow_relay(None);
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!((meter.relay(), meter.moves().len(), meter.commands().len()), (RelayState::Connected, 0, 1));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!((meter.relay(), meter.command()), (RelayState::Disconnected, RelayState::Disconnected));
    let [moved] = meter.moves()[..] else { panic!("one move") };
    let [command] = meter.commands()[..] else { panic!("one command") };
    assert_eq!((moved.by, command.at.duration_until(moved.at).as_secs()), (Mover::Command, 300));
    assert_eq!((meter.moves_since(1), meter.commands_since(1)), (vec![], vec![]));
    assert_eq!((meter.moves_since(9), meter.commands_since(9)), (vec![], vec![]));
    fate.set_faults(FaultRates { repeated: 1000, ..FaultRates::NONE });
    assert!(matches!(link.ask(&Downlink::QueryClock, 2).await, Some(Uplink::Clock(_))));
    assert_eq!(fate.faults_counted(), BTreeMap::from([("repeated", 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_silence_that_comes_later_does_not_reach_back() {
    let site = Site::new(&SiteSpec { concentrators: 1, ..spec() }, clock()).unwrap();
    let (mut listener, _running) = Listener::start(&site);
    let mut link = listener.accept().await;
    let address = site.concentrators()[0].meters[0].address;
    let (meter, fate) = (site.meter(address).unwrap(), site.concentrator(link.address.terminal).unwrap());
    let late_max = SignedDuration::from_secs(20);
    fate.set_faults(FaultRates { late_delivery: 1000, late_max, ..FaultRates::NONE });
    link.say(&disconnect(address), 1).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    meter.silence(true);
    let moves = meter.moves();
    assert_eq!(moves.len(), 1, "it came before");
    assert!(moves[0].at <= (site.clock)() - SignedDuration::from_secs(9));
}

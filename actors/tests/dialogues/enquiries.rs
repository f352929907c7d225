//! Enquiries: an operator asks a meter or a concentrator something, and gets the answer as it came.

use actors::{Enquiry, EnquiryError, Fleet, FleetSettings, Told};
use protocols::{
    dlt645::{self, Control, DataId},
    qgdw376::{self, Afn, Confirmation, Downlink, Forward, Forwarded, Parameter, Uplink, UplinkPort},
};

use crate::{
    figure_of, local,
    terminal::{Asked, Terminal},
    world::{World, address, concentrator, meter, settings},
};

/// The voltages of all phases.
const VOLTAGES: DataId = DataId(0x0201_FF00);

type Enquired = tokio::task::JoinHandle<Result<Told, EnquiryError>>;

fn enquire(fleet: &Fleet, enquiry: Enquiry) -> Enquired {
    let fleet = fleet.clone();
    actix::spawn(async move { fleet.enquire(concentrator(), enquiry).await })
}

fn item(number: u16) -> Enquiry {
    Enquiry::Item { meter: meter(number), id: VOLTAGES }
}

/// AFN0C F25 of the first meter's point.
fn power() -> qgdw376::Enquiry {
    qgdw376::Enquiry::of(Afn::Realtime, 25, &[101], &[]).unwrap()
}

/// A world whose concentrator with one meter was polled.
async fn polled() -> (std::sync::Arc<World>, Fleet, prometheus::Registry, Terminal) {
    polled_by(settings()).await
}

async fn polled_by(settings: FleetSettings) -> (std::sync::Arc<World>, Fleet, prometheus::Registry, Terminal) {
    let world = World::with_meters(1);
    let (fleet, registry) = world.fleet(settings);
    let mut terminal = Terminal::logged_in(&fleet, &world).await;
    let asked = terminal.asked_for_points(&[101]).await;
    terminal.answer_points(&asked, &[101]).await;
    (world, fleet, registry, terminal)
}

/// The next request forwards this to the first meter.
async fn forwards(terminal: &mut Terminal, function: u8, data: &[u8]) -> Asked {
    let asked = terminal.asked().await;
    let Downlink::Forward(Forward { bytes, .. }) = &asked.what else { panic!("asked {:?}", asked.what) };
    let control = Control::request(function);
    let frame = dlt645::Frame { address: address(1), control, data: data.to_vec() };
    assert_eq!(dlt645::Frame::decode(bytes).unwrap(), frame);
    asked
}

fn said(function: u8, follow_up: bool, data: &[u8]) -> dlt645::Frame {
    let control = Control { from_meter: true, abnormal: false, follow_up, function };
    dlt645::Frame { address: address(1), control, data: data.to_vec() }
}

async fn answers(terminal: &mut Terminal, asked: &Asked, frame: &dlt645::Frame) {
    let bytes = frame.encode().unwrap();
    terminal.answer(asked, Uplink::Forwarded(Forwarded { port: 31, bytes })).await;
}

#[tokio::test(start_paused = true)]
async fn an_item_comes_whole_however_many_frames_the_meter_makes_of_it() {
    local(async {
        let (_world, fleet, _, mut terminal) = polled().await;
        let enquired = enquire(&fleet, item(1));
        let asked = forwards(&mut terminal, 0x11, &[0x00, 0xFF, 0x01, 0x02]).await;
        answers(&mut terminal, &asked, &said(0x11, true, &[0x00, 0xFF, 0x01, 0x02, 0x01, 0x23])).await;
        let asked = forwards(&mut terminal, 0x12, &[0x00, 0xFF, 0x01, 0x02, 1]).await;
        answers(&mut terminal, &asked, &said(0x12, false, &[0x00, 0xFF, 0x01, 0x02, 0x02, 0x23, 1])).await;
        let whole = said(0x11, false, &[0x00, 0xFF, 0x01, 0x02, 0x01, 0x23, 0x02, 0x23]);
        assert_eq!(enquired.await.unwrap(), Ok(Told::Meter(whole)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_meter_refuses_is_told_and_what_answers_something_else_is_not() {
    local(async {
        let (_world, fleet, registry, mut terminal) = polled().await;
        let enquired = enquire(&fleet, item(1));
        let asked = forwards(&mut terminal, 0x11, &[0x00, 0xFF, 0x01, 0x02]).await;
        let mut refusal = said(0x11, false, &[0x02]);
        refusal.control.abnormal = true;
        answers(&mut terminal, &asked, &refusal).await;
        assert_eq!(enquired.await.unwrap(), Ok(Told::Meter(refusal)));

        let enquired = enquire(&fleet, item(1));
        let asked = forwards(&mut terminal, 0x11, &[0x00, 0xFF, 0x01, 0x02]).await;
        answers(&mut terminal, &asked, &said(0x11, false, &[0x00, 0xFF, 0x02, 0x02, 0x01, 0x23])).await;
        assert_eq!(enquired.await.unwrap(), Err(EnquiryError::NoAnswer));
        assert!((figure_of(&registry, "wattgate_frames_bad_total", "meter_frame") - 1.0).abs() < f64::EPSILON);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_concentrators_answer_comes_as_it_is_in_one_frame_or_several() {
    local(async {
        let (_world, fleet, _, mut terminal) = polled().await;
        let enquired = enquire(&fleet, Enquiry::Functions(power()));
        let asked = terminal.asked().await;
        assert_eq!(asked.what, Downlink::Enquiry(power()));
        // Of a layout that nobody here knows.
        let mut frames = Vec::new();
        for (nth, last) in [(0, false), (1, true)] {
            let mut frame = asked.frame.clone();
            frame.control = qgdw376::Control { uplink: true, primary: false, fcb: false, fcv: false, function: 8 };
            frame.sequence.number = (frame.sequence.number + nth) & 0x0F;
            (frame.sequence.first, frame.sequence.last) = (nth == 0, last);
            frame.data = [&power().data[..], &[nth; 3]].concat();
            terminal.send(&frame.encode().unwrap()).await;
            frames.push(frame);
        }
        assert_eq!(enquired.await.unwrap(), Ok(Told::Concentrator(frames)));
        // The session goes on.
        let enquired = enquire(&fleet, Enquiry::Functions(power()));
        let asked = terminal.asked().await;
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        assert_eq!(enquired.await.unwrap(), Err(EnquiryError::Denied));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_enquiry_is_answered_with_its_reason() {
    local(async {
        let world = World::with_meters(1);
        let (fleet, _) = world.fleet(settings());
        assert_eq!(enquire(&fleet, item(1)).await.unwrap(), Err(EnquiryError::Offline));
        let (_world, fleet, _, mut terminal) = polled().await;
        assert_eq!(enquire(&fleet, item(9)).await.unwrap(), Err(EnquiryError::UnknownMeter));
        let enquired = enquire(&fleet, item(1));
        let asked = forwards(&mut terminal, 0x11, &[0x00, 0xFF, 0x01, 0x02]).await;
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        assert_eq!(enquired.await.unwrap(), Err(EnquiryError::NoAnswer), "the meter is silent");
        let enquired = enquire(&fleet, item(1));
        forwards(&mut terminal, 0x11, &[0x00, 0xFF, 0x01, 0x02]).await;
        assert_eq!(enquired.await.unwrap(), Err(EnquiryError::NoAnswer), "so is the concentrator");
        let enquired = enquire(&fleet, Enquiry::Functions(power()));
        assert_eq!(terminal.asked().await.what, Downlink::Enquiry(power()));
        drop(terminal);
        assert_eq!(enquired.await.unwrap(), Err(EnquiryError::Offline), "the link broke");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_set_for_whoever_was_told_that_nothing_came_of_it() {
    local(async {
        let hasty = FleetSettings { read_now_deadline_ms: 30_000, ..settings() };
        let (_world, fleet, _, mut terminal) = polled_by(hasty).await;
        let slow = enquire(&fleet, item(1));
        forwards(&mut terminal, 0x11, &[0x00, 0xFF, 0x01, 0x02]).await;
        let behind = enquire(&fleet, Enquiry::SetClock);
        for enquired in [slow, behind] {
            assert_eq!(enquired.await.unwrap(), Err(EnquiryError::Deadline));
        }
        // The meter's time is over, and then its turn would be.
        terminal.is_left_alone_for(std::time::Duration::from_secs(60)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_parameter_is_set_once_it_is_confirmed() {
    local(async {
        let (_world, fleet, _, mut terminal) = polled().await;
        let parameter = Parameter::Uplink(UplinkPort { timing: [0x0A, 0x14, 0x1E, 0x03, 0x07], heartbeat_min: 5 });
        for (answer, told) in [(Confirmation::All, Ok(Told::Done)), (Confirmation::Denied, Err(EnquiryError::Denied))] {
            let enquired = enquire(&fleet, Enquiry::SetParameter(parameter.clone()));
            let asked = terminal.asked().await;
            assert_eq!(asked.what, Downlink::SetParameter(parameter.clone()));
            assert!(asked.frame.password.is_some() && asked.frame.sequence.confirm);
            terminal.answer(&asked, Uplink::Confirm(answer)).await;
            assert_eq!(enquired.await.unwrap(), told);
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_concentrators_clock_is_set_to_the_sites_time_and_read_again() {
    local(async {
        let (world, fleet, _, mut terminal) = polled().await;
        terminal.is_left_alone_for(std::time::Duration::from_secs(5)).await;
        terminal.keeps_house = false;
        let enquired = enquire(&fleet, Enquiry::SetClock);
        let asked = terminal.asked().await;
        let second = terminal.local(world.true_time()).with().subsec_nanosecond(0).build().unwrap();
        assert_eq!(asked.what, Downlink::SetClock(second));
        terminal.answer(&asked, Uplink::Confirm(Confirmation::All)).await;
        assert_eq!(enquired.await.unwrap(), Ok(Told::Done));
        assert_eq!(terminal.asked().await.what, Downlink::QueryClock);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_meters_of_a_port_are_told_the_time_and_nobody_answers() {
    local(async {
        let (world, fleet, _, mut terminal) = polled().await;
        let port = world.memory().plan.as_ref().unwrap().meters[0].port;
        let enquired = enquire(&fleet, Enquiry::SetMeterClocks { port });
        let asked = terminal.asked().await;
        let Downlink::Forward(forward) = &asked.what else { panic!("asked {:?}", asked.what) };
        let broadcast = dlt645::broadcast_time(terminal.local(world.true_time())).unwrap();
        assert_eq!((forward.port, &forward.bytes), (port, &broadcast.encode().unwrap()));
        terminal.answer(&asked, Uplink::Confirm(Confirmation::Denied)).await;
        assert_eq!(enquired.await.unwrap(), Ok(Told::Done));
        let nobody = enquire(&fleet, Enquiry::SetMeterClocks { port: port + 1 }).await.unwrap();
        assert_eq!(nobody, Err(EnquiryError::UnknownMeter), "no meter is on that port");
    })
    .await;
}

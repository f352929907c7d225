//! Reading costs no memory: once a framer has its buffer, frames of readings are framed, checked and read where they stand.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::energy::Energy;
use jiff::civil::date;
use protocols::{
    Framer,
    dlt645::{self, Answer, Item, MeterAddress, Request, Value},
    qgdw376::{self, Address, AnswerHeader, PointEnergy, Uplink},
};

fn energy(units: i64) -> Result<Option<Energy>, protocols::bcd::BadBcd> {
    Ok(Some(Energy::new(units)))
}

/// Eight meters' answer to F129.
fn polled() -> Vec<u8> {
    let points = (1..=8).map(|point| PointEnergy {
        point,
        read_at: Ok(Some(date(2026, 3, 2).at(10, 15, 0, 0))),
        total: energy(12_345_678),
        periods: (1..=4).map(|period| energy(period * 1_000_000)).collect(),
    });
    let address = Address::new("2105-00007".parse().unwrap(), 1);
    let header = AnswerHeader { address, number: 3, events: None, time_tag: None };
    Uplink::Energy(points.collect()).frame(&header).unwrap().encode().unwrap()
}

fn meter() -> MeterAddress {
    "201905241006".parse().unwrap()
}

fn allocated(read: impl FnOnce()) -> u64 {
    allocation_counter::measure(read).count_total
}

#[test]
fn an_answer_of_a_concentrator_is_read_where_it_stands() {
    let bytes = polled();
    let mut framer = Framer::<qgdw376::Frame>::new(4096);
    let mut read = |bytes: &[u8]| {
        let total = framer.visit(&mut &bytes[..], |frame| {
            let readings = frame.energies().unwrap().map(Result::unwrap);
            readings
                .map(|one| {
                    one.total.unwrap().unwrap().get() + one.periods.map(|one| one.unwrap().unwrap().get()).sum::<i64>()
                })
                .sum::<i64>()
        });
        total.unwrap().unwrap()
    };
    // The first frame gives the framer its buffer.
    let expected: i64 = 8 * (12_345_678 + 10_000_000);
    assert_eq!(read(&bytes), expected);
    let mut again = 0;
    assert_eq!(allocated(|| again = (0..100).map(|_| read(&bytes)).sum()), 0);
    assert_eq!(again, 100 * expected);
}

#[test]
fn an_answer_of_a_meter_is_read_where_it_stands() {
    let total = Value::ForwardActiveTotal(energy(12_345_600));
    let bytes = Answer::Value(total.clone()).frame(meter()).unwrap().encode().unwrap();
    let request = Request::Read(Item::ForwardActiveTotal);
    let mut framer = Framer::<dlt645::Frame>::new(267);
    let mut read = |bytes: &[u8]| framer.visit(&mut &bytes[..], |frame| frame.answers(&request, meter()).unwrap());
    let expected = Ok(Some(Answer::Value(total)));
    assert_eq!(read(&bytes), expected);
    let mut same = true;
    assert_eq!(allocated(|| same = (0..100).all(|_| read(&bytes) == expected)), 0);
    assert!(same);
}

#[test]
fn what_is_copied_is_counted() {
    let bytes = polled();
    assert!(allocated(|| drop(qgdw376::Frame::decode(&bytes))) > 0, "the counter counts");
}

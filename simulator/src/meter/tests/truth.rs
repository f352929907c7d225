//! What a meter shows, and what is true.

use super::*;

fn berlin() -> MeterSpec {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    MeterSpec { load: LoadCurve { zone, ..spec().load }, ..spec() }
}

fn start_of(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).unwrap().timestamp()
}

#[test]
fn the_truth_of_a_day_ends_at_its_true_midnight_also_where_a_day_has_23_or_25_hours() {
    for (changing, hours) in [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)] {
        let (born, next) = (changing.yesterday().unwrap(), changing.tomorrow().unwrap());
        assert_eq!(start_of(changing).duration_until(start_of(next)).as_hours(), hours);
        let born_at = start_of(born) + 12.hours();
        let behind = SignedDuration::from_mins(-40);
        let mut meter = Meter::new(MeterSpec { clock_offset: behind, ..berlin() }, born_at);
        let truth = |at| Meter::new(berlin(), born_at).true_energy(at);
        let now = start_of(next);
        assert_eq!(meter.true_energy_at_midnight(changing, now - SignedDuration::from_micros(1)), None);
        assert_eq!(meter.true_energy_at_midnight(changing, now), Some(truth(now)));
        assert_eq!(meter.true_energy_at_midnight(born, now), Some(truth(start_of(changing))));
        assert_eq!(meter.true_energy_at_midnight(born.yesterday().unwrap(), now), None, "before its time");
        assert_eq!(meter.freeze(changing, now), None, "its own clock is behind");
    }
}

#[test]
fn the_truth_does_not_roll_over_and_is_kept_for_130_days() {
    let born = date(2026, 1, 1);
    let start = Energy::new(9_999_990_000);
    let mut meter = Meter::new(MeterSpec { start, ..berlin() }, start_of(born));
    let now = start_of(born + 140.days());
    assert_eq!(meter.true_energy_at_midnight(born + 9.days(), now), None);
    let kept = meter.true_energy_at_midnight(born + 10.days(), now).unwrap();
    assert_eq!(kept, Meter::new(berlin(), start_of(born)).true_energy(start_of(born + 11.days())));
    assert!(meter.registers(now).total < start, "the register did");
}

#[test]
fn a_lie_is_told_to_polls_and_to_nobody_else() {
    let (mut meter, now) = (Meter::new(spec(), noon()), noon() + 3.hours());
    let shown = meter.registers(now);
    for lie in [-12_345_679, 50_000] {
        meter.set_lie(Energy::new(lie));
        let polled = meter.polled(now);
        let [sharp, peak, flat, valley, deep] = shown.periods;
        let flat = roll(flat.unwrap() + Energy::new(lie));
        let lied = Registers {
            total: roll(shown.total + Energy::new(lie)),
            periods: [sharp, peak, Some(flat), valley, deep],
            ..shown
        };
        assert_eq!(polled, lied);
        let sum = polled.periods.into_iter().flatten().sum::<Energy>();
        assert_eq!(roll(sum), polled.total, "the periods still sum");
        assert_eq!(meter.registers(now), shown);
        let read = ask(&mut meter, Request::Read(Item::ForwardActiveTotal), now);
        let coarse = Energy::new(shown.total.get() / 100 * 100);
        assert_eq!(read, Some(Answer::Value(Value::ForwardActiveTotal(Ok(Some(coarse))))));
    }
    let midnight = noon() + 12.hours();
    assert_eq!(meter.freeze(date(2026, 3, 5), midnight), Some(Meter::new(spec(), noon()).registers(midnight)));
}

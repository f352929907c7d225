//! Days of meters that are billed by their period registers: each register is replayed by itself.

use domain::{
    calendar::{day_before, midnight},
    energy::Energy,
    tariff::Period,
};
use jiff::Timestamp;
use store::{Conn, installation::Installation, settled_day::SettledDay};

use super::{Boundary, Error, Replay, boundary, of_end};

/// The sums of the registers where a day begins and where it ends, and each of them.
type Registers = (Boundary, Boundary, Vec<(Period, Boundary, Boundary)>);

impl Replay {
    /// Replays the registers of a settled day that ends at `end`.
    pub(super) fn registers(
        &self,
        conn: &mut Conn,
        row: &SettledDay,
        installation: &Installation,
        end: Timestamp,
        wrong: &mut Vec<String>,
    ) -> Result<Registers, Error> {
        if !row.registers.keys().eq(installation.start_registers.keys()) {
            wrong.push(format!("day {} has other registers than are billed", row.day));
        }
        let before = self.ends.get(&(installation.id, day_before(row.day)));
        let (start_at, first) = match before {
            Some(before) => (midnight(row.day, &self.zone), of_end(before)),
            None => (installation.start_at, vec![installation.start_reading_id]),
        };
        let (mut all, last) = (Vec::new(), of_end(row));
        for (period, rise) in &row.registers {
            let stood = match before {
                Some(before) => before.registers.get(period).map(|rise| rise.to),
                None => installation.start_registers.get(period).copied(),
            };
            if stood != Some(rise.from) {
                wrong.push(format!("day {}: register {period} begins otherwise than it stood", row.day));
            }
            let start = boundary(conn, start_at, rise.from, &first, Some(*period))?;
            let mut reached = boundary(conn, end, rise.to, &last, Some(*period))?;
            // Nothing counts that is above what a removed meter showed last.
            let most = installation.end_registers.get(period);
            reached.told = most.map_or(reached.told, |most| reached.told.min(*most));
            wrong.extend(self.doubt(conn, row.day, installation, &reached, rise.from)?);
            all.push((*period, start, reached));
        }
        let start = sum(all.iter().map(|(_, start, _)| start), start_at);
        let reached = sum(all.iter().map(|(_, _, reached)| reached), end);
        if reached.value != row.end_value {
            wrong.push(format!("day {} ends at {}, its registers sum to {}", row.day, row.end_value, reached.value));
        }
        Ok((start, reached, all))
    }
}

/// All registers together: they come from the same readings.
fn sum<'a>(registers: impl Iterator<Item = &'a Boundary>, at: Timestamp) -> Boundary {
    let nothing = Boundary { register: None, at, value: Energy::ZERO, told: Energy::ZERO, readings: Vec::new() };
    registers.fold(nothing, |sum, one| Boundary {
        value: sum.value + one.value,
        told: sum.told + one.told,
        readings: one.readings.clone(),
        ..sum
    })
}

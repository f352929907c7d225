//! Readings (示值): one wide row per meter, instant and kind.
//!
//! A row is live unless it was superseded or conflicted with a live one; only one live row has a key (meter, as_of, kind).
//! "Good" here is what may cost money: quality `good`, or `estimated` where an operator entered it as initial or final.

use std::collections::BTreeSet;

use diesel::prelude::*;
use domain::{
    energy::Energy,
    ids::{ConcentratorId, MeterId, ReadingId},
    reading::{Kind, Known, Neighbour, Quality, Registers, TimeSource, registers::ByPeriod},
    settlement::registers::KnownRegisters,
    tariff::Period,
};
use jiff::Timestamp;

use crate::{
    column::{row, val},
    conn::{Conn, on},
    error::{Result, found},
    schema::{meters, readings},
};

/// Most rows of one INSERT: SQLite binds at most 32,766 values, PostgreSQL 65,535.
const BATCH: usize = 1000;

/// Good readings, for a filter.
macro_rules! good {
    () => {{
        let entered = readings::kind.eq(val(Kind::Initial)).or(readings::kind.eq(val(Kind::Final)));
        let estimated = readings::quality.eq(val(Quality::Estimated)).and(entered);
        readings::quality.eq(val(Quality::Good)).or(estimated)
    }};
}

/// Live readings, for a filter.
macro_rules! live {
    () => {
        readings::quality.ne(val(Quality::Conflict)).and(readings::quality.ne(val(Quality::Superseded)))
    };
}

row! {
    /// A reading. Energies are the register's, before the multiplier.
    pub struct Reading in readings {
        /// Its identifier.
        pub id: ReadingId,
        /// The meter.
        pub meter_id: MeterId,
        /// When the registers stood so.
        pub as_of: Timestamp,
        /// How it came about.
        pub kind: Kind,
        /// Forward active energy in total, as shown.
        pub total: Energy,
        /// The total with the rollovers of the register counted.
        pub unwrapped: Energy,
        /// 尖
        pub sharp: Option<Energy>,
        /// 峰
        pub peak: Option<Energy>,
        /// 平
        pub flat: Option<Energy>,
        /// 谷
        pub valley: Option<Energy>,
        /// 深谷
        pub deep_valley: Option<Energy>,
        /// Reverse active energy in total.
        pub reverse: Option<Energy>,
        /// What it is good for.
        pub quality: Quality,
        /// Whose clock `as_of` was read from.
        pub time_source: TimeSource,
        /// When the head end received it.
        pub received_at: Timestamp,
        /// When the concentrator copied a freeze from the meter.
        pub copied_at: Option<Timestamp>,
        /// Finest step of the registers as transmitted.
        pub resolution: Energy,
        /// Why it is suspect, or who entered it.
        pub reason: Option<String>,
        /// The billed period registers with their rollovers counted; empty where one of them is missing, or the total is billed.
        pub unwrapped_registers: ByPeriod,
    }
}

impl Reading {
    /// What the meter showed.
    #[must_use]
    pub fn registers(&self) -> Registers {
        Registers {
            total: self.total,
            periods: [self.sharp, self.peak, self.flat, self.valley, self.deep_valley],
            reverse: self.reverse,
        }
    }

    /// As settlement needs it where the total is billed.
    #[must_use]
    pub fn known(&self) -> Known {
        Known { id: self.id, as_of: self.as_of, kind: self.kind, total: self.unwrapped }
    }

    /// As settlement needs it where period registers are billed.
    #[must_use]
    pub fn known_registers(self) -> KnownRegisters {
        KnownRegisters { id: self.id, as_of: self.as_of, kind: self.kind, registers: self.unwrapped_registers }
    }

    /// As plausibility needs it.
    #[must_use]
    pub fn neighbour(&self) -> Neighbour {
        Neighbour {
            as_of: self.as_of,
            time_source: self.time_source,
            total: self.unwrapped,
            resolution: self.resolution,
        }
    }
}

/// Stores new readings; gives those that were stored. One whose key a live row holds already is left out.
///
/// # Errors
/// Whatever the database answers.
pub fn insert_batch(conn: &mut Conn, new: &[Reading]) -> Result<BTreeSet<ReadingId>> {
    let mut stored = BTreeSet::new();
    for batch in new.chunks(BATCH) {
        let values: Vec<_> = batch.iter().map(|one| (one, readings::site_id.eq(val(one.id.site())))).collect();
        let ids: Vec<ReadingId> = on!(conn, |c| diesel::insert_into(readings::table)
            .values(values)
            .on_conflict_do_nothing()
            .returning(readings::id)
            .get_results(c))?;
        stored.extend(ids);
    }
    Ok(stored)
}

/// The reading with this identifier.
///
/// # Errors
/// [`crate::Error::NotFound`].
pub fn by_id(conn: &mut Conn, id: ReadingId) -> Result<Reading> {
    let row = on!(conn, |c| readings::table
        .find((val(id.site()), val(id)))
        .select(Reading::as_select())
        .first(c)
        .optional())?;
    found("reading", row)
}

/// The live reading at a key.
///
/// # Errors
/// Whatever the database answers.
pub fn live_at(conn: &mut Conn, meter: MeterId, as_of: Timestamp, kind: Kind) -> Result<Option<Reading>> {
    on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.eq(val(as_of)))
        .filter(readings::kind.eq(val(kind)))
        .filter(live!())
        .select(Reading::as_select())
        .first(c)
        .optional())
}

/// Judges a reading anew: superseded by another, or found good by an operator.
///
/// # Errors
/// [`crate::Error::NotFound`]; [`crate::Error::Unique`] `readings_meter_id_as_of_kind` where it would be a second live one.
pub fn set_quality(conn: &mut Conn, id: ReadingId, quality: Quality, reason: Option<&str>) -> Result<()> {
    let rows = on!(conn, |c| diesel::update(readings::table.find((val(id.site()), val(id))))
        .set((readings::quality.eq(val(quality)), readings::reason.eq(reason)))
        .execute(c))?;
    found("reading", (rows > 0).then_some(()))
}

/// Good readings of a meter after an instant become suspect; how many there were.
///
/// # Errors
/// Whatever the database answers.
pub fn withdraw_after(conn: &mut Conn, meter: MeterId, instant: Timestamp, reason: &str) -> Result<usize> {
    on!(conn, |c| diesel::update(readings::table)
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.gt(val(instant)))
        .filter(good!())
        .set((readings::quality.eq(val(Quality::Suspect)), readings::reason.eq(reason)))
        .execute(c))
}

/// The nearest good readings of a meter before and after an instant, not at it.
///
/// # Errors
/// Whatever the database answers.
pub fn neighbours(conn: &mut Conn, meter: MeterId, instant: Timestamp) -> Result<(Option<Reading>, Option<Reading>)> {
    let before = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.lt(val(instant)))
        .filter(good!())
        .order((readings::as_of.desc(), readings::id.desc()))
        .select(Reading::as_select())
        .first(c)
        .optional())?;
    let after = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.gt(val(instant)))
        .filter(good!())
        .order((readings::as_of, readings::id))
        .select(Reading::as_select())
        .first(c)
        .optional())?;
    Ok((before, after))
}

/// A meter's good reading of the latest instant.
///
/// # Errors
/// Whatever the database answers.
pub fn latest_good(conn: &mut Conn, meter: MeterId) -> Result<Option<Reading>> {
    on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(good!())
        .order((readings::as_of.desc(), readings::id.desc()))
        .select(Reading::as_select())
        .first(c)
        .optional())
}

/// What counts of a meter's good readings from one instant to another, both included, by time.
///
/// # Errors
/// Whatever the database answers.
pub fn known_between(conn: &mut Conn, meter: MeterId, from: Timestamp, to: Timestamp) -> Result<Vec<Known>> {
    let rows: Vec<(ReadingId, Timestamp, Kind, Energy)> = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.between(val(from), val(to)))
        .filter(good!())
        .order((readings::as_of, readings::id))
        .select((readings::id, readings::as_of, readings::kind, readings::unwrapped))
        .load(c))?;
    Ok(rows.into_iter().map(|(id, as_of, kind, total)| Known { id, as_of, kind, total }).collect())
}

/// The nearest good readings of a meter before and after an instant, not at it, in which no billed register is missing.
///
/// # Errors
/// Whatever the database answers.
pub fn register_neighbours(
    conn: &mut Conn,
    meter: MeterId,
    instant: Timestamp,
) -> Result<(Option<Reading>, Option<Reading>)> {
    let before = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.lt(val(instant)))
        .filter(readings::unwrapped_registers.ne(val(ByPeriod::new())))
        .filter(good!())
        .order((readings::as_of.desc(), readings::id.desc()))
        .select(Reading::as_select())
        .first(c)
        .optional())?;
    let after = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.gt(val(instant)))
        .filter(readings::unwrapped_registers.ne(val(ByPeriod::new())))
        .filter(good!())
        .order((readings::as_of, readings::id))
        .select(Reading::as_select())
        .first(c)
        .optional())?;
    Ok((before, after))
}

/// The billed registers of a meter's good readings from one instant to another, both included, by time; readings in which
/// one is missing are left out.
///
/// # Errors
/// Whatever the database answers.
pub fn known_registers_between(
    conn: &mut Conn,
    meter: MeterId,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<KnownRegisters>> {
    let rows: Vec<(ReadingId, Timestamp, Kind, ByPeriod)> = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.between(val(from), val(to)))
        .filter(readings::unwrapped_registers.ne(val(ByPeriod::new())))
        .filter(good!())
        .order((readings::as_of, readings::id))
        .select((readings::id, readings::as_of, readings::kind, readings::unwrapped_registers))
        .load(c))?;
    let known = |(id, as_of, kind, registers)| KnownRegisters { id, as_of, kind, registers };
    Ok(rows.into_iter().map(known).collect())
}

/// The highest that a billed register showed from one instant to another, both included, in readings of every quality,
/// unwrapped.
///
/// # Errors
/// Whatever the database answers.
pub fn highest_register_between(
    conn: &mut Conn,
    meter: MeterId,
    period: Period,
    from: Timestamp,
    to: Timestamp,
) -> Result<Option<Energy>> {
    let rows: Vec<ByPeriod> = on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.between(val(from), val(to)))
        .select(readings::unwrapped_registers)
        .load(c))?;
    Ok(rows.iter().filter_map(|registers| registers.get(&period)).max().copied())
}

/// The highest register that a meter showed from one instant to another, both included, of every quality, unwrapped.
///
/// # Errors
/// Whatever the database answers.
pub fn highest_between(conn: &mut Conn, meter: MeterId, from: Timestamp, to: Timestamp) -> Result<Option<Energy>> {
    on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.between(val(from), val(to)))
        .order(readings::unwrapped.desc())
        .select(readings::unwrapped)
        .first(c)
        .optional())
}

/// A meter's good readings from one instant to another, both included, by time.
///
/// # Errors
/// Whatever the database answers.
pub fn good_between(conn: &mut Conn, meter: MeterId, from: Timestamp, to: Timestamp) -> Result<Vec<Reading>> {
    on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.between(val(from), val(to)))
        .filter(good!())
        .order((readings::as_of, readings::id))
        .select(Reading::as_select())
        .load(c))
}

/// At most `limit` of a meter's readings of every quality in `from..to` after one, by time.
///
/// # Errors
/// Whatever the database answers.
pub fn page(
    conn: &mut Conn,
    meter: MeterId,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    after: Option<(Timestamp, ReadingId)>,
    limit: i64,
) -> Result<Vec<Reading>> {
    let (last, id) = after.map_or((Timestamp::UNIX_EPOCH, 0), |(last, id)| (last, id.get()));
    on!(conn, |c| readings::table
        .filter(readings::site_id.eq(val(meter.site())))
        .filter(readings::meter_id.eq(val(meter)))
        .filter(readings::as_of.ge(val(from.unwrap_or(Timestamp::UNIX_EPOCH))))
        .filter(readings::as_of.lt(val(to.unwrap_or(Timestamp::MAX))))
        .filter(readings::as_of.gt(val(last)).or(readings::as_of.eq(val(last)).and(readings::id.gt(val(id)))))
        .order((readings::as_of, readings::id))
        .limit(limit)
        .select(Reading::as_select())
        .load(c))
}

/// The instants since one for which a daily freeze of a concentrator's meters is held.
///
/// # Errors
/// Whatever the database answers.
pub fn freezes_since(conn: &mut Conn, id: ConcentratorId, since: Timestamp) -> Result<Vec<(MeterId, Timestamp)>> {
    let same_meter = readings::site_id.eq(meters::site_id).and(readings::meter_id.eq(meters::id));
    on!(conn, |c| meters::table
        .inner_join(readings::table.on(same_meter))
        .filter(meters::site_id.eq(val(id.site())))
        .filter(meters::concentrator_id.eq(val(id)))
        .filter(readings::kind.eq(val(Kind::DailyFreeze)))
        .filter(readings::as_of.ge(val(since)))
        // A suspect one may yet come as a good one.
        .filter(good!())
        .order((meters::id, readings::as_of))
        .select((meters::id, readings::as_of))
        .load(c))
}

//! Relay orders (I5): one at a time, sent only while they are wanted, ended once, confirmed only by a relay that was read.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::{MeterId, OrderId};
use jiff::{SignedDuration, Timestamp};

use super::{
    Supply, Truth, Violation,
    field::Field,
    seen::{Cause, LineSeen, OrderSeen, Seen, State},
    time::{HeadEndClock, shift},
};

/// A command that a meter takes left the head end at most this long before: frames are repeated and wait in queues, and a
/// disconnect expires 5 minutes after it was made.
const COMMAND_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// All orders.
#[derive(Debug, Clone, Default)]
pub struct Orders {
    known: BTreeMap<OrderId, OrderSeen>,
    /// Those that have not ended.
    live: BTreeSet<(MeterId, OrderId)>,
    /// When disconnects were sent: each meter's, as true times from the first possible to the last.
    cuts_sent: BTreeMap<MeterId, Vec<(Timestamp, Timestamp)>>,
}

/// A line that says that an order's bytes may leave.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The order.
    pub order: &'a OrderSeen,
    /// The line.
    pub line: &'a LineSeen,
    /// The true time: the first and the last possible.
    pub when: (Timestamp, Timestamp),
}

impl Orders {
    /// Takes orders that are new or changed and checks them.
    ///
    /// # Errors
    /// One broke a rule.
    pub fn look(
        &mut self,
        now: Timestamp,
        truth: &Truth,
        seen: &Seen,
        field: &Field,
        clock: &HeadEndClock,
    ) -> Result<(), Violation> {
        for order in &seen.orders {
            let fresh = self.history(order)?;
            for line in order.lines.iter().skip(fresh) {
                if line.sends && order.supply == Supply::Off {
                    self.cuts_sent.entry(order.meter).or_default().push(clock.moments(line.at, now));
                }
                if line.state == State::Confirmed {
                    confirmed(order, now, field, clock)?;
                }
            }
            self.known.insert(order.id, order.clone());
            match order.state.is_end() {
                true => self.live.remove(&(order.meter, order.id)),
                false => self.live.insert((order.meter, order.id)),
            };
        }
        if seen.whole && self.known.len() != seen.orders.len() {
            let detail = format!("{} orders were stored, and {} are", self.known.len(), seen.orders.len());
            return Err(Violation::of("I5", detail));
        }
        self.one_at_a_time()?;
        self.taken_were_sent(truth)
    }

    /// Every order, as last seen.
    pub fn all(&self) -> impl Iterator<Item = &OrderSeen> {
        self.known.values()
    }

    /// Disconnects that are stored and have not ended.
    pub fn live_cuts(&self) -> BTreeSet<OrderId> {
        let live = self.live.iter().filter_map(|(_, id)| self.known.get(id));
        live.filter(|order| order.supply == Supply::Off).map(|order| order.id).collect()
    }

    /// Meters whose newest automatic disconnect was not sent: it waits, or is looked at again.
    pub fn held_cuts(&self) -> BTreeSet<MeterId> {
        let automatic = self.known.values().filter(|one| (one.supply, one.cause) == (Supply::Off, Cause::Credit));
        let newest: BTreeMap<MeterId, &OrderSeen> = automatic.map(|order| (order.meter, order)).collect();
        newest.into_iter().filter(|(_, order)| !order.was_sent()).map(|(meter, _)| meter).collect()
    }

    /// Whether the last cut of a meter that was ordered for a cause failed or expired: that is shown, and not tried again.
    pub fn was_given_up(&self, meter: MeterId, cause: Cause) -> bool {
        let cuts = |order: &&OrderSeen| order.meter == meter && order.supply == Supply::Off;
        let of_it = self.known.values().rev().filter(cuts).find(|order| order.cause == cause);
        of_it.is_some_and(|order| matches!(order.state, State::Failed | State::Expired))
    }

    /// What was sent since the last look; to be asked before [`Orders::look`].
    pub fn sendings<'a>(
        &'a self,
        seen: &'a Seen,
        clock: &'a HeadEndClock,
        now: Timestamp,
    ) -> impl Iterator<Item = Sending<'a>> {
        seen.orders.iter().flat_map(move |order| {
            let fresh = self.known.get(&order.id).map_or(0, |before| before.lines.len());
            let lines = order.lines.iter().skip(fresh).filter(|line| line.sends);
            lines.map(move |line| Sending { order, line, when: clock.moments(line.at, now) })
        })
    }

    /// Orders that are in these rows for the first time.
    pub fn new_in<'a>(&'a self, seen: &'a Seen) -> impl Iterator<Item = &'a OrderSeen> {
        seen.orders.iter().filter(|order| !self.known.contains_key(&order.id))
    }

    /// Checks an order's lines and tells how many of them are known.
    fn history(&self, order: &OrderSeen) -> Result<usize, Violation> {
        let wrong = |detail: String| Err(Violation::of("I5", format!("order {}: {detail}", order.id)));
        let known = self.known.get(&order.id).map(|before| before.lines.as_slice()).unwrap_or_default();
        let same = |(before, now): (&LineSeen, &LineSeen)| (before.at, before.state) == (now.at, now.state);
        if order.lines.len() < known.len() || !known.iter().zip(&order.lines).all(same) {
            return wrong("its history was rewritten".to_owned());
        }
        let states = order.lines.iter().map(|line| line.state);
        let froms = std::iter::once(None).chain(states.clone().map(Some));
        if let Some((from, to)) = froms.zip(states).find(|(from, to)| !follows(*from, *to)) {
            return wrong(format!("became {to:?} after {from:?}"));
        }
        if order.lines.last().map(|line| line.state) != Some(order.state) {
            return wrong(format!("is {:?}, its last line says otherwise", order.state));
        }
        let sent = u32::try_from(order.lines.iter().filter(|line| line.sends).count());
        if sent != Ok(order.attempts) {
            return wrong(format!("was sent {} times, its lines say {sent:?}", order.attempts));
        }
        Ok(known.len())
    }

    fn one_at_a_time(&self) -> Result<(), Violation> {
        let next = self.live.iter().skip(1);
        if let Some(((meter, one), (_, other))) = self.live.iter().zip(next).find(|(one, next)| one.0 == next.0) {
            return Err(Violation::of("I5", format!("meter {meter}: orders {one} and {other} are both live")));
        }
        Ok(())
    }

    /// A command that reached a meter was marked as sent before, by an order that had not ended by then.
    fn taken_were_sent(&self, truth: &Truth) -> Result<(), Violation> {
        for (meter, one) in &truth.meters {
            let sent = self.cuts_sent.get(meter).map(Vec::as_slice).unwrap_or_default();
            for taken in &one.disconnects_taken {
                let left = shift(*taken, -COMMAND_LIFE);
                if !sent.iter().any(|(first, last)| first <= taken && left <= *last) {
                    let detail = format!("meter {meter}: took a disconnect at {taken} that no order had sent");
                    return Err(Violation::of("I5", detail));
                }
            }
        }
        Ok(())
    }
}

/// Whether a line may come after another.
fn follows(from: Option<State>, to: State) -> bool {
    use State::{Acknowledged, AwaitingCustomer, Confirmed, Expired, Failed, Ordered, Sent, Superseded};
    matches!(
        (from, to),
        (None, Ordered)
            | (Some(Ordered), Ordered | Sent | Expired)
            | (Some(Ordered | Sent | Acknowledged | AwaitingCustomer), Superseded)
            | (Some(Sent), Sent | Acknowledged | AwaitingCustomer | Confirmed | Failed)
            | (Some(Acknowledged), Acknowledged | Sent | AwaitingCustomer | Confirmed | Failed)
            | (Some(AwaitingCustomer), AwaitingCustomer | Sent | Confirmed | Failed)
    )
}

/// An order is confirmed by a look at the relay after it was sent, and the relay stood so since.
fn confirmed(order: &OrderSeen, now: Timestamp, field: &Field, clock: &HeadEndClock) -> Result<(), Violation> {
    let wrong = |detail: String| Err(Violation::of("I5", format!("order {}: {detail}", order.id)));
    let Some(sent_at) = order.sent_at else { return wrong("confirmed, and never sent".to_owned()) };
    let Some(read_at) = order.read_at else { return wrong("confirmed, and the relay was not read".to_owned()) };
    let (sent, read) = (clock.moments(sent_at, now), clock.moments(read_at, now));
    if read.1 < sent.0 {
        return wrong(format!("confirmed by a relay read at {read_at}, sent at {sent_at}"));
    }
    if !field.stood(order.meter, order.supply, sent.0, now) {
        return wrong(format!("confirmed, and the relay was never {} since {sent_at}", order.supply));
    }
    Ok(())
}

#[cfg(test)]
mod tests;

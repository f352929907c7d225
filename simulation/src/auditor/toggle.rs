//! What people turn: between a request and its answer nobody can tell which way it stands.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Answer;

/// How a request came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is not done.
    Refused,
    /// One of the two.
    Unknown,
}

impl Outcome {
    /// How an answer says it.
    pub fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done { .. } => Self::Done,
            Answer::Refused { .. } => Self::Refused,
            Answer::Unknown => Self::Unknown,
        }
    }
}

/// Something that is turned by requests, with all that it may have been.
#[derive(Debug, Clone)]
pub struct Toggle<V> {
    /// From when on it may be which of these.
    history: Vec<(Timestamp, BTreeSet<V>)>,
    flying: Vec<Flight<V>>,
    /// What was wanted by every request so far.
    wanted: Vec<(u64, V)>,
}

/// A request without an answer.
#[derive(Debug, Clone)]
struct Flight<V> {
    request: u64,
    value: V,
    before: BTreeSet<V>,
    /// What requests that flew at the same time wanted: nobody knows which one was done last.
    beside: BTreeSet<V>,
}

impl<V: Ord + Copy> Toggle<V> {
    /// One that is one of `values` from the beginning.
    pub fn new(values: impl IntoIterator<Item = V>) -> Self {
        Self { history: vec![(Timestamp::MIN, values.into_iter().collect())], flying: Vec::new(), wanted: Vec::new() }
    }

    fn now(&self) -> BTreeSet<V> {
        self.history.last().map(|(_, values)| values.clone()).unwrap_or_default()
    }

    fn set(&mut self, at: Timestamp, values: BTreeSet<V>) {
        if self.now() != values {
            self.history.push((at, values));
        }
    }

    /// A request wants it to be `value`.
    pub fn asked(&mut self, at: Timestamp, request: u64, value: V) {
        self.asked_again(at, request, request, value);
    }

    /// The same by a request that repeats `first`: that may have been done at once, before all that was wanted since.
    pub fn asked_again(&mut self, at: Timestamp, first: u64, request: u64, value: V) {
        let before = self.now();
        let since = self.wanted.iter().filter(|(other, _)| *other > first).map(|(_, value)| *value);
        let beside = self.flying.iter().map(|other| other.value).chain(since).collect();
        self.wanted.push((request, value));
        self.flying.iter_mut().for_each(|other| other.beside.extend([value]));
        self.flying.push(Flight { request, value, before: before.clone(), beside });
        let mut values = before;
        values.insert(value);
        self.set(at, values);
    }

    /// A request was answered.
    pub fn answered(&mut self, at: Timestamp, request: u64, outcome: Outcome) {
        let Some(place) = self.flying.iter().position(|flight| flight.request == request) else { return };
        let flight = self.flying.remove(place);
        let alone = flight.beside.iter().all(|value| *value == flight.value);
        match outcome {
            Outcome::Done if alone => self.set(at, BTreeSet::from([flight.value])),
            Outcome::Refused if flight.beside.is_empty() => self.set(at, flight.before),
            _ => {}
        }
    }

    /// From now on it may be `value` as well.
    pub fn may_become(&mut self, at: Timestamp, value: V) {
        let mut values = self.now();
        values.insert(value);
        self.set(at, values);
    }

    /// The process died: what was not answered was done before or never will be.
    pub fn crashed(&mut self) {
        self.flying.clear();
    }

    /// The process died: what was not answered was done before or never will be, but for what is gone on with.
    pub fn crashed_but(&mut self, goes_on: impl Fn(u64) -> bool) {
        self.flying.retain(|flight| goes_on(flight.request));
    }

    /// All that it may have been at some moment from `from` to `to`, both included.
    fn during(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &BTreeSet<V>> {
        let ends = self.history.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::MAX]);
        let spans = self.history.iter().zip(ends);
        spans.filter(move |((begin, _), end)| *begin <= to && from <= *end).map(|((_, values), _)| values)
    }

    /// All that it may have been at some moment from `from` to `to`.
    pub fn values(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = V> + '_ {
        self.during(from, to).flatten().copied()
    }

    /// Whether it was `value` at every moment from `from` to `to`.
    pub fn is_surely(&self, value: V, from: Timestamp, to: Timestamp) -> bool {
        self.during(from, to).all(|values| values.len() == 1 && values.contains(&value))
    }

    /// Whether all that it may have been at any moment from `from` to `to` is such.
    pub fn is_always(&self, from: Timestamp, to: Timestamp, such: impl Fn(V) -> bool) -> bool {
        self.during(from, to).flatten().all(|value| such(*value))
    }

    /// Whether it may have been `value` at some moment from `from` to `to`.
    pub fn may_be(&self, value: V, from: Timestamp, to: Timestamp) -> bool {
        self.during(from, to).any(|values| values.contains(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn between_request_and_answer_it_is_unsure() {
        let mut guard = Toggle::new([false]);
        guard.asked(at(10), 1, true);
        guard.answered(at(20), 1, Outcome::Done);
        assert!(guard.is_surely(false, at(0), at(9)));
        assert!(!guard.is_surely(false, at(0), at(15)));
        assert!(!guard.is_surely(true, at(15), at(30)));
        assert!(guard.is_surely(true, at(21), at(30)));
        assert!(guard.may_be(true, at(12), at(12)) && !guard.may_be(true, at(1), at(9)));
    }

    #[test]
    fn what_is_refused_changes_nothing_and_what_is_unknown_may_have() {
        let mut guard = Toggle::new([false]);
        guard.asked(at(10), 1, true);
        guard.answered(at(20), 1, Outcome::Refused);
        assert!(guard.is_surely(false, at(21), at(30)));
        guard.asked(at(40), 2, true);
        guard.answered(at(50), 2, Outcome::Unknown);
        assert!(guard.may_be(true, at(60), at(60)) && guard.may_be(false, at(60), at(60)));
        guard.asked(at(70), 3, false);
        guard.answered(at(80), 3, Outcome::Done);
        assert!(guard.is_surely(false, at(81), at(90)));
    }

    #[test]
    fn of_two_at_once_nobody_knows_the_last_one() {
        let mut guard = Toggle::new([false]);
        guard.asked(at(10), 1, true);
        guard.asked(at(11), 2, false);
        guard.answered(at(12), 1, Outcome::Done);
        guard.answered(at(13), 2, Outcome::Done);
        assert!(guard.may_be(true, at(20), at(20)) && guard.may_be(false, at(20), at(20)));
        // Two that want the same leave no doubt.
        guard.asked(at(30), 3, true);
        guard.asked(at(31), 4, true);
        guard.answered(at(32), 4, Outcome::Done);
        guard.answered(at(33), 3, Outcome::Done);
        assert!(guard.is_surely(true, at(40), at(40)));
    }

    #[test]
    fn a_repeated_one_may_have_been_done_before_what_was_wanted_since() {
        let mut guard = Toggle::new([false]);
        guard.asked(at(10), 1, true);
        guard.asked(at(11), 2, false);
        guard.crashed();
        guard.asked_again(at(20), 1, 3, true);
        guard.answered(at(21), 3, Outcome::Done);
        guard.asked_again(at(30), 2, 4, false);
        guard.answered(at(31), 4, Outcome::Done);
        assert!(guard.may_be(true, at(40), at(40)) && guard.may_be(false, at(40), at(40)));
        // Where nothing else was wanted since, the answer says it.
        guard.asked(at(50), 5, true);
        guard.crashed();
        guard.asked_again(at(60), 5, 6, true);
        guard.answered(at(61), 6, Outcome::Done);
        assert!(guard.is_surely(true, at(70), at(70)));
    }

    #[test]
    fn a_lost_one_hangs_over_all_that_follows_until_the_process_dies() {
        let mut guard = Toggle::new([false]);
        guard.asked(at(10), 1, true);
        guard.asked(at(20), 2, false);
        guard.answered(at(30), 2, Outcome::Done);
        assert!(guard.may_be(true, at(40), at(40)));
        guard.crashed();
        guard.asked(at(50), 3, false);
        guard.answered(at(60), 3, Outcome::Done);
        assert!(guard.is_surely(false, at(70), at(70)));
    }
}

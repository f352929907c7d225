//! Whole stories: what is told, what is true, what is seen, and what must be found.
#![expect(clippy::unwrap_used, reason = "tests")]

use domain::{energy::Energy, money::Money};
use jiff::{SignedDuration, civil::date};

use super::{
    fixtures::{
        account, account_seen, at, installation, installation_id, meter, order, rules, tariff, then, transaction, vend,
    },
    *,
};

const HOUR: i64 = 3600;
const OFF: SignedDuration = SignedDuration::from_secs(5);

/// Account 1, opened at noon of a Friday with 5 fen, which 500 units of energy use up.
struct Story {
    auditor: Auditor,
    truth: Truth,
    seen: Seen,
    requests: u64,
}

impl Story {
    fn new() -> Self {
        let one = MeterTruth {
            energy: Energy::new(2000),
            register: Energy::new(5000),
            supply: Supply::On,
            permitted: false,
            reachable: true,
            truthful: true,
            exact: true,
            inexact: Vec::new(),
            moves: Vec::new(),
            disconnects_taken: Vec::new(),
            midnights: Vec::new(),
        };
        let truth = Truth { meters: BTreeMap::from([(meter(1), one)]), up: true };
        let mut story = Self { auditor: Auditor::new(rules()), truth, seen: Seen::default(), requests: 0 };
        let (account, meter, tariff) = (account(1), meter(1), tariff());
        story.auditor.told(at(0), Fact::Account { account, meter, tariff, permit: false, switchable: true });
        story.done(0, Request::Switch { automatic: Automatic::On });
        story.done(0, Request::Open { key: "open".to_owned(), account, credit: Money::new(5), debt: None });
        story.seen.accounts.insert(account, account_seen(2, 5, 0));
        story.seen.installations.push(installation());
        story.seen.transactions.push(transaction(1, Kind::Opening, 5));
        story.look(1).unwrap();
        story
    }

    fn ask(&mut self, second: i64, what: Request) -> u64 {
        self.requests += 1;
        self.auditor.told(at(second), Fact::Asked { request: self.requests, what });
        self.requests
    }

    fn done(&mut self, second: i64, what: Request) {
        let receipt = matches!(what, Request::Vend { .. } | Request::Reverse { .. }).then(|| "r".to_owned());
        let request = self.ask(second, what);
        self.auditor.told(at(second), Fact::Answered { request, answer: Answer::Done { receipt } });
    }

    fn meter(&mut self) -> &mut MeterTruth {
        self.truth.meters.get_mut(&meter(1)).unwrap()
    }

    fn row(&mut self) -> &mut AccountSeen {
        self.seen.accounts.get_mut(&account(1)).unwrap()
    }

    /// So much flowed since the account was opened.
    fn used(&mut self, energy: i64) {
        self.meter().energy = Energy::new(2000 + energy);
        self.meter().register = Energy::new(5000 + energy);
    }

    fn look(&mut self, second: i64) -> Result<(), &'static str> {
        let judged = self.auditor.look(at(second), &self.truth, &self.seen);
        // What is new is told once.
        let accounts = std::mem::take(&mut self.seen.accounts);
        self.seen = Seen { accounts, ..Seen::default() };
        let one = self.meter();
        (one.moves, one.disconnects_taken, one.midnights) = (Vec::new(), Vec::new(), Vec::new());
        judged.map_err(|wrong| wrong.invariant)
    }

    /// The warning goes out in the first hour, the money is used up in the second, the cut is sent in the third.
    fn cut(&mut self) -> Result<(), &'static str> {
        self.seen.warnings.push((account(1), at(HOUR)));
        self.row().warned_at = Some(at(HOUR));
        self.used(700);
        self.look(2 * HOUR).unwrap();
        let mut sent = then(order(1, 1, Supply::Off, Cause::Credit), 3 * HOUR, State::Sent);
        sent.lines.last_mut().unwrap().evidence = Some(at(2 * HOUR));
        self.seen.orders.push(then(then(sent, 3 * HOUR + 2, State::Acknowledged), 3 * HOUR + 9, State::Confirmed));
        self.meter().disconnects_taken.push(at(3 * HOUR + 1));
        self.meter().moves.push((at(3 * HOUR + 1), Supply::Off));
        self.meter().supply = Supply::Off;
        self.look(3 * HOUR + 10)
    }

    /// Account 1 pays 300 at this second; its row follows.
    fn pay(&mut self, second: i64) {
        let (key, content) = ("a".to_owned(), "300".to_owned());
        self.done(second, Request::Vend { key, account: account(1), amount: Money::new(300), content });
        let row = self.row();
        (row.version, row.posted) = (row.version + 1, row.posted + Money::new(300));
        self.seen.transactions.push(transaction(2, Kind::Vend, 300));
        self.seen.vends.push(vend("a", 1, 300, "r"));
    }
}

#[test]
fn limits_are_those_that_somebody_wanted() {
    let wanted = Limits { overdraft: Money::new(7), ..rules().limits };
    let mut kept = Story::new();
    kept.ask(2, Request::Limits { account: account(1), to: wanted });
    assert_eq!(kept.look(3), Ok(()), "it may not be done yet");
    kept.done(4, Request::Limits { account: account(1), to: wanted });
    assert_eq!(kept.look(5), Err("I3"), "it was, and they are as before");
    let mut changed = Story::new();
    changed.row().limits = wanted;
    assert_eq!(changed.look(2), Err("I3"), "nobody asked for them");
    changed.done(3, Request::Limits { account: account(1), to: wanted });
    assert_eq!(changed.look(4), Ok(()));
}

/// A run to its end, whose last look is changed before it is judged.
fn end(change: fn(&mut Seen)) -> Result<(), &'static str> {
    let mut story = Story::new();
    story.cut().unwrap();
    story.pay(4 * HOUR);
    story.look(4 * HOUR).unwrap();
    // Midnight comes at twelve hours; the day is settled and costs 7 fen.
    story.meter().midnights.push((date(2026, 5, 1), Energy::new(2700)));
    story.meter().supply = Supply::On;
    story.look(13 * HOUR).unwrap();
    let fixed_to = Some(date(2026, 5, 3));
    let row = AccountSeen { available: Some(Money::new(298)), fixed_to, ..account_seen(4, 298, 0) };
    let (opening, paid) = (transaction(1, Kind::Opening, 5), transaction(2, Kind::Vend, 300));
    let mut seen = Seen {
        whole: true,
        installations: vec![installation()],
        transactions: vec![opening, paid, transaction(3, Kind::Charge, -7)],
        vends: vec![vend("a", 1, 300, "r")],
        days: vec![DaySeen {
            account: account(1),
            installation: installation_id(1),
            day: date(2026, 5, 1),
            revision: 1,
            end_value: Energy::new(5700),
            ends_at_peak: false,
            cuts: Vec::new(),
        }],
        orders: story.auditor.orders.all().cloned().collect(),
        accounts: BTreeMap::from([(account(1), row)]),
        ..Seen::default()
    };
    change(&mut seen);
    story.auditor.end(at(20 * HOUR), &story.truth, &seen).map_err(|wrong| wrong.invariant)
}

#[test]
fn a_good_life_is_left_alone() {
    assert_eq!(end(|_| {}), Ok(()));
}

#[test]
fn at_the_end_nothing_is_open() {
    assert_eq!(end(|seen| seen.repeated_readings.push("the same".to_owned())), Err("I6"));
    let unposted = |seen: &mut Seen| {
        seen.accounts.values_mut().for_each(|row| row.fixed_to = Some(date(2026, 5, 2)));
    };
    assert_eq!(end(unposted), Err("I1"));
    let stale = |seen: &mut Seen| {
        let hot = HotSeen { version: 4, posted: Money::new(298), available: Some(Money::new(297)) };
        seen.hot.insert(account(1), hot);
    };
    assert_eq!(end(stale), Err("I4"));
    let unsettled = |seen: &mut Seen| {
        seen.days.clear();
        seen.transactions.pop();
        seen.accounts.insert(account(1), account_seen(4, 305, 0));
    };
    assert_eq!(end(unsettled), Err("free energy"));
    let lost = |seen: &mut Seen| seen.orders.clear();
    assert_eq!(end(lost), Err("I5"));
}

#[test]
fn a_wrong_answer_is_told_at_the_next_look() {
    let mut story = Story::new();
    story.pay(HOUR);
    let (key, content) = ("a".to_owned(), "400".to_owned());
    story.done(HOUR, Request::Vend { key, account: account(1), amount: Money::new(400), content });
    assert_eq!(story.look(HOUR), Err("I2"));
}

#[test]
fn a_sale_that_is_lost_is_noticed() {
    let mut story = Story::new();
    story.pay(HOUR);
    story.seen.vends.clear();
    story.seen.transactions.clear();
    *story.row() = account_seen(2, 5, 0);
    assert_eq!(story.look(HOUR), Err("I3"));
}

#[test]
fn who_paid_before_a_cut_is_not_cut() {
    let mut story = Story::new();
    story.pay(HOUR);
    assert_eq!(story.cut(), Err("I8"));
}

/// The 300 that account 1 paid are wanted back.
fn take_back() -> Request {
    let (key, vend, content) = ("back".to_owned(), "a".to_owned(), String::new());
    Request::Reverse { key, vend, account: account(1), amount: Money::new(300), content }
}

#[test]
fn who_may_have_been_paid_back_may_be_cut() {
    let mut story = Story::new();
    story.pay(HOUR);
    story.ask(HOUR + 1, take_back());
    assert_eq!(story.cut(), Ok(()));
    let mut story = Story::new();
    story.pay(HOUR);
    let request = story.ask(HOUR + 1, take_back());
    let answer = Answer::Refused { code: "reason_missing".to_owned() };
    story.auditor.told(at(HOUR + 2), Fact::Answered { request, answer });
    assert_eq!(story.cut(), Err("I8"));
}

#[test]
fn a_reversal_that_is_lost_is_noticed() {
    let mut story = Story::new();
    story.pay(HOUR);
    assert_eq!(story.look(HOUR), Ok(()));
    story.done(HOUR + 1, take_back());
    assert_eq!(story.look(HOUR + 1), Err("I3"));
}

#[test]
fn who_pays_while_the_cut_is_under_way_is_no_wrong() {
    let mut story = Story::new();
    story.ask(3 * HOUR - 1, Request::GuardMeter { meter: meter(1), on: true });
    assert_eq!(story.cut(), Ok(()));
    let mut story = Story::new();
    story.done(3 * HOUR - 1, Request::GuardMeter { meter: meter(1), on: true });
    assert_eq!(story.cut(), Err("I8"));
}

#[test]
fn who_paid_and_can_be_reached_is_restored() {
    let dark = |change: fn(&mut Story)| {
        let mut story = Story::new();
        story.cut().unwrap();
        story.pay(4 * HOUR);
        change(&mut story);
        story.look(4 * HOUR).and_then(|()| story.look(5 * HOUR))
    };
    assert_eq!(dark(|_| {}), Err("restore"));
    assert_eq!(dark(|story| story.seen.meters.extend([(meter(1), MeterSeen { blocked: true })])), Ok(()));
    assert_eq!(dark(|story| story.truth.up = false), Ok(()));
    let fault = |meter| Fact::Fault { what: "storm", meter };
    assert_eq!(dark(|story| story.auditor.told(at(5 * HOUR - 60), Fact::Started)), Ok(()));
    assert_eq!(dark(|story| story.auditor.told(at(4 * HOUR + 1), Fact::Crashed)), Err("restore"));
    for of in [None, Some(meter(1))] {
        let mut story = Story::new();
        story.cut().unwrap();
        story.pay(4 * HOUR);
        assert_eq!(story.look(4 * HOUR), Ok(()));
        story.auditor.told(at(5 * HOUR - 60), fault(of));
        assert_eq!(story.look(5 * HOUR), Ok(()));
    }
}

#[test]
fn who_owes_and_is_held_by_nothing_is_cut() {
    let owing = |change: fn(&mut Story)| {
        let mut story = Story::new();
        story.seen.warnings.push((account(1), at(HOUR)));
        story.row().warned_at = Some(at(HOUR));
        story.used(900);
        change(&mut story);
        (2..7).try_for_each(|hour| story.look(hour * HOUR))
    };
    assert_eq!(owing(|_| {}), Err("cut"));
    assert_eq!(owing(|story| story.used(600)), Ok(()), "within doubt");
    assert_eq!(owing(|story| story.row().warned_at = None), Ok(()));
    assert_eq!(owing(|story| story.seen.warnings.clear()), Ok(()));
    assert_eq!(owing(|story| story.done(HOUR, Request::GuardAccount { account: account(1), on: true })), Ok(()));
    assert_eq!(owing(|story| story.done(HOUR, Request::Switch { automatic: Automatic::Off })), Ok(()));
    assert_eq!(owing(|story| story.auditor.told(at(HOUR), Fact::Clock { offset: OFF })), Ok(()));
    assert_eq!(owing(|story| story.auditor.rules.holidays.push(date(2026, 5, 1))), Ok(()));
}

#[test]
fn hot_balances_may_go_back_only_where_they_were_wiped() {
    let back = |fact: Option<Fact>| {
        let mut story = Story::new();
        let hot = |version| BTreeMap::from([(account(1), HotSeen { version, posted: Money::new(5), available: None })]);
        story.seen.hot = hot(2);
        story.look(10).unwrap();
        fact.into_iter().for_each(|fact| story.auditor.told(at(11), fact));
        story.seen.hot = hot(1);
        story.look(12)
    };
    assert_eq!(back(None), Err("I4"));
    assert_eq!(back(Some(Fact::Fault { what: "slow", meter: Some(meter(1)) })), Err("I4"));
    assert_eq!(back(Some(Fact::Fault { what: "hot wiped", meter: None })), Ok(()));
    assert_eq!(back(Some(Fact::Crashed)), Ok(()));
}

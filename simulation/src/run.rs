//! One run from its seed to its report.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use domain::{debt::Change, ids::SiteId, ledger::TransactionKind};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use store::relay_order_group::GroupState;

use crate::{
    auditor::Fact,
    clock::shift,
    coverage::Counts,
    life::{End, live, midnights},
    plan::{Plan, Size},
    world::World,
};

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The auditor found what must not be.
    #[error("{invariant} is broken: {detail}")]
    Violation {
        /// Which invariant.
        invariant: &'static str,
        /// How.
        detail: String,
    },
    /// The simulation or the program itself does not work.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// Whether the auditor found it.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        matches!(self, Self::Violation { .. })
    }

    /// Anything else that went wrong, in words.
    pub fn other(error: impl std::fmt::Display) -> Self {
        Self::Other(error.to_string())
    }

    /// The invariant, or what stands for it.
    #[must_use]
    pub fn invariant(&self) -> &'static str {
        match self {
            Self::Violation { invariant, .. } => invariant,
            Self::Other(_) => "the program",
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Its outcome.
    pub outcome: Result<(), Failure>,
    /// When it ended, in its own time.
    pub at: Timestamp,
    /// How long it lasted, in its own time.
    pub lasted: SignedDuration,
    /// What it went through.
    pub counts: Counts,
    /// The lines of its log: the last ones, or all of them.
    pub log: Vec<String>,
    /// How many lines there were.
    pub lines: u64,
    /// Two runs with the same digest had the same lines.
    pub digest: u64,
}

/// Lives of one run: more means that the program cannot stay up.
const LIVES: u64 = 10_000;

/// Runs a seed. `whole_log`: keep every line.
#[must_use]
pub fn run(seed: u64, size: Size, whole_log: bool) -> Report {
    let world = Plan::draw(seed, size).and_then(|plan| World::new(plan, whole_log));
    let world = match world {
        Ok(world) => world,
        Err(failure) => return unborn(seed, failure),
    };
    world.note(&world.plan.to_string());
    let lived = catch_unwind(AssertUnwindSafe(|| lives(&world)));
    let outcome = lived.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure::Other(format!("panicked: {}", what.unwrap_or_default())))
    });
    let at = world.time.now();
    let outcome = outcome.and_then(|()| count(&world));
    let (log, counts) = (world.log.borrow(), world.counts.borrow().clone());
    Report {
        seed,
        outcome,
        at,
        lasted: at.duration_since(world.plan.start),
        counts,
        log: log.lines().map(str::to_owned).collect(),
        lines: log.count(),
        digest: log.digest(),
    }
}

fn unborn(seed: u64, failure: Failure) -> Report {
    let (at, lasted) = (Timestamp::UNIX_EPOCH, SignedDuration::ZERO);
    let counts = Counts::default();
    Report { seed, outcome: Err(failure), at, lasted, counts, log: Vec::new(), lines: 0, digest: 0 }
}

fn lives(world: &Rc<World>) -> Result<(), Failure> {
    for number in 0..LIVES {
        match live(world, number)? {
            End::Over => return Ok(()),
            End::Death(away) => {
                world.gate.reborn();
                world.note(&format!("dead for {away}"));
                world.tell(Fact::Crashed);
                world.look(None)?;
                let again = shift(world.time.now(), away.max(SignedDuration::from_millis(1)));
                // Nobody operates the last day but by a running head end.
                world.time.stand(again.min(world.plan.quiet_from.max(world.time.now())));
            }
        }
    }
    Err(Failure::Other(format!("the head end was started {LIVES} times")))
}

/// Counts what rows and machines tell at the end.
fn count(world: &World) -> Result<(), Failure> {
    let Some(site) = world.entered.borrow().site else { return Ok(()) };
    let (orders, accounts) = world.read(move |conn| {
        let mut states: Vec<Vec<_>> = Vec::new();
        for order in store::relay_order::page(conn, site, None, i64::from(i32::MAX))? {
            states.push(store::relay_order::lines(conn, order.id)?.into_iter().map(|line| line.state).collect());
        }
        let (mut kinds, mut changes) = (Vec::new(), Vec::new());
        let mut episodes = 0;
        for account in store::account::page(conn, site, None, i64::from(i32::MAX))? {
            let all = store::transaction::of_account(conn, account.id, 0, i64::from(i32::MAX))?;
            kinds.extend(all.into_iter().map(|one| one.kind));
            for line in store::debt_line::of_account(conn, account.id)? {
                changes.push(line.change);
            }
            episodes += u64::from(account.last_warning_at.is_some() && account.episode_began_at.is_none());
        }
        Ok((states, (kinds, changes, episodes)))
    })?;
    let mut counts = world.counts.borrow_mut();
    for states in orders {
        states.iter().for_each(|state| counts.add(&format!("order: {}", state.as_str())));
        let steps = states.iter().zip(states.iter().skip(1)).filter(|(from, to)| from != to);
        steps.for_each(|(from, to)| counts.add(&format!("step: {from} to {to}")));
    }
    let (kinds, changes, episodes) = accounts;
    let recovered = changes.iter().filter(|change| !matches!(change, Change::Entered | Change::WrittenOff));
    recovered.for_each(|change| counts.add(&format!("aid: debt {}", change.as_str())));
    counts.add_many("account: episode over", episodes);
    for kind in kinds.iter().filter(|kind| COUNTED.contains(kind)) {
        counts.add(&format!("money: {}", kind.as_str()));
    }
    counts.add_all("database", &world.gate.counts());
    for station in &world.entered.borrow().stations {
        for (fault, times) in station.handle.faults_counted() {
            counts.add_many(&format!("frame: {fault}"), times);
        }
    }
    calendar(world, &mut counts);
    groups(world, site, &mut counts)
}

/// How groups of orders ended.
fn groups(world: &World, site: SiteId, counts: &mut Counts) -> Result<(), Failure> {
    let all = world.read(move |conn| Ok(store::relay_order_group::page(conn, site, None, i64::from(i32::MAX))?))?;
    for group in all.iter().filter(|group| group.schedule_id.is_none()) {
        let stopped = group.decided_by.as_deref() == Some("operator");
        counts.add(match group.state {
            GroupState::AwaitingApproval => "group: awaiting approval",
            GroupState::Running => "group: running",
            GroupState::Done => "group: done",
            GroupState::Rejected if stopped => "group: stopped",
            GroupState::Rejected => "group: rejected",
            GroupState::Expired => "group: expired",
        });
    }
    Ok(())
}

/// What nobody asks for.
const COUNTED: [TransactionKind; 3] =
    [TransactionKind::Charge, TransactionKind::Correction, TransactionKind::FixedCharge];

fn calendar(world: &World, counts: &mut Counts) {
    let plan = &world.plan;
    for midnight in midnights(world) {
        counts.add("calendar: midnight");
        let day = plan.zone.to_datetime(midnight).date();
        let ended = day.yesterday().unwrap_or(day);
        for place in &world.entered.borrow().places {
            let blurred = world
                .inexact_days(place.concentrator, place.meter)
                .iter()
                .any(|(from, to)| (*from..=*to).contains(&ended));
            counts.add(if blurred {
                "calendar: midnight of a meter, inexact"
            } else {
                "calendar: midnight of a meter"
            });
        }
        counts.add_many("calendar: month end", u64::from(day.day() == 1));
        let changes = plan.tariffs.iter().flatten().filter(|version| version.version > 1 && version.valid_from == day);
        counts.add_many("calendar: price change", u64::try_from(changes.count()).unwrap_or_default());
    }
    let offset = |zone: &TimeZone, at: Timestamp| zone.to_offset(at).seconds();
    let (first, last) = (offset(&plan.zone, plan.start), offset(&plan.zone, plan.end));
    counts.add_many("calendar: clocks go forward", u64::from(last > first));
    counts.add_many("calendar: clocks go back", u64::from(last < first));
}

//! The jobs waiting at one concentrator: bounded, by priority, first come first served within a class.

use std::{collections::BTreeMap, time::Duration};

use crate::job::{Class, Job};

/// Waiting jobs.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: BTreeMap<(Class, u64), Job>,
    arrivals: u64,
    limit: usize,
}

/// Whose turn it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// These jobs, of one task, share the next request.
    Now(Vec<Job>),
    /// Nothing before this moment.
    NotBefore(Duration),
    /// Nothing waits.
    None,
}

/// How a turn is chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) now: Duration,
    /// Most jobs of one request.
    pub(crate) most: usize,
    /// How long a job that could share its request waits for others.
    pub(crate) linger: Duration,
    /// Whether readings may be asked for (they may not while too many wait for their commit).
    pub(crate) readings: bool,
}

impl Queue {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { waiting: BTreeMap::new(), arrivals: 0, limit }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a new job in, or gives it back when the queue is full.
    pub(crate) fn push(&mut self, job: Job) -> Result<(), Job> {
        if self.waiting.len() >= self.limit {
            return Err(job);
        }
        self.put(job);
        Ok(())
    }

    /// Takes back a job that was in the queue before; never refused, as it was counted when it came.
    pub(crate) fn put(&mut self, job: Job) {
        self.arrivals = self.arrivals.wrapping_add(1);
        self.waiting.insert((job.task.class(), self.arrivals), job);
    }

    /// Takes the jobs whose turn it is.
    pub(crate) fn take(&mut self, choice: &Choice) -> Turn {
        let allowed = |job: &Job| choice.readings || !job.task.is_batched();
        let head = self.waiting.values().find(|job| job.not_before <= choice.now && allowed(job));
        let Some(task) = head.map(|job| job.task.clone()) else {
            let next = self.waiting.values().filter(|job| allowed(job)).map(|job| job.not_before).min();
            return next.map_or(Turn::None, Turn::NotBefore);
        };
        let most = if task.is_batched() { choice.most.max(1) } else { 1 };
        let ready = |job: &&Job| job.task == task && job.not_before <= choice.now;
        let sharing = self.waiting.values().filter(ready).count().min(most);
        if task.is_batched() && sharing < most {
            let oldest = self.waiting.values().filter(ready).map(|job| job.not_before).min().unwrap_or(choice.now);
            let sent_at = oldest.saturating_add(choice.linger);
            if sent_at > choice.now {
                return self.after_lingering(&task, sent_at, choice);
            }
        }
        let mut left = most;
        let taken = self.waiting.extract_if(.., |_, job| {
            let take = left > 0 && job.task == task && job.not_before <= choice.now;
            left -= usize::from(take);
            take
        });
        Turn::Now(taken.map(|(_, job)| job).collect())
    }

    /// While one task waits for company, nothing of a lower class goes either: it would keep the port busy.
    fn after_lingering(&self, task: &crate::job::Task, sent_at: Duration, choice: &Choice) -> Turn {
        let urgent = self.waiting.iter().filter(|((class, _), _)| *class < task.class()).map(|(_, job)| job.not_before);
        Turn::NotBefore(urgent.filter(|at| *at > choice.now).fold(sent_at, Duration::min))
    }

    /// Takes out all jobs that `which` names.
    pub(crate) fn drain(&mut self, which: impl Fn(&Job) -> bool) -> Vec<Job> {
        self.waiting.extract_if(.., |_, job| which(job)).map(|(_, job)| job).collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use domain::ids::{MeterId, OrderId, SiteId};
    use proptest::prelude::*;

    use super::*;
    use crate::job::Task;

    const READ_NOW: Task = Task::ReadNow { block: false };
    const CHOICE: Choice = Choice { now: Duration::from_secs(100), most: 8, linger: Duration::ZERO, readings: true };

    fn meter(number: i64) -> MeterId {
        MeterId::new(SiteId::new(1).unwrap(), number).unwrap()
    }

    fn job(number: i64, task: Task) -> Job {
        Job::new(Some(meter(number)), task, CHOICE.now)
    }

    fn command() -> Task {
        Task::Command(OrderId::new(SiteId::new(1).unwrap(), 1).unwrap())
    }

    fn day() -> Task {
        Task::Freeze(jiff::civil::date(2026, 3, 1))
    }

    #[test]
    fn orders_go_before_read_nows_before_polls_before_backfill_before_the_clock() {
        let mut queue = Queue::new(10);
        for task in [Task::Clock, day(), Task::Instant, READ_NOW, command()] {
            queue.push(job(1, task)).unwrap();
        }
        let mut order = Vec::new();
        while let Turn::Now(jobs) = queue.take(&CHOICE) {
            order.extend(jobs.into_iter().map(|job| job.task));
        }
        assert_eq!(order, [command(), READ_NOW, Task::Instant, day(), Task::Clock]);
    }

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let mut queue = Queue::new(1);
        queue.push(job(1, Task::Instant)).unwrap();
        assert_eq!(queue.push(job(2, command())), Err(job(2, command())));
    }

    #[test]
    fn polls_wait_for_company_and_orders_do_not() {
        let mut queue = Queue::new(10);
        let choice = Choice { most: 2, linger: Duration::from_secs(1), ..CHOICE };
        queue.push(job(1, Task::Instant)).unwrap();
        assert_eq!(queue.take(&choice), Turn::NotBefore(Duration::from_secs(101)));
        queue.push(job(2, Task::Instant)).unwrap();
        queue.push(job(3, Task::Instant)).unwrap();
        assert_eq!(queue.take(&choice), Turn::Now(vec![job(1, Task::Instant), job(2, Task::Instant)]));
        queue.push(job(1, command())).unwrap();
        assert_eq!(queue.take(&choice), Turn::Now(vec![job(1, command())]));
        let later = Choice { now: Duration::from_secs(101), ..choice };
        assert_eq!(queue.take(&later), Turn::Now(vec![job(3, Task::Instant)]));
    }

    #[test]
    fn readings_pause_while_too_many_wait_for_their_commit() {
        let mut queue = Queue::new(10);
        queue.push(job(1, Task::Instant)).unwrap();
        let paused = Choice { readings: false, ..CHOICE };
        assert_eq!(queue.take(&paused), Turn::None);
        queue.push(job(1, command())).unwrap();
        assert_eq!(queue.take(&paused), Turn::Now(vec![job(1, command())]));
    }

    fn tasks() -> impl Strategy<Value = Task> {
        prop_oneof![Just(Task::Instant), Just(day()), Just(READ_NOW), Just(command()), Just(Task::Clock)]
    }

    proptest! {
        #[test]
        fn every_job_has_its_turn_once_and_none_goes_before_a_more_urgent_one(
            jobs in prop::collection::vec((1_i64..6, tasks(), 95_u64..110), 1..40),
            most in 1_usize..5,
        ) {
            let mut queue = Queue::new(100);
            for (number, task, not_before) in &jobs {
                let rest = Duration::from_secs(*not_before);
                queue.push(Job { not_before: rest, ..job(*number, task.clone()) }).unwrap();
            }
            let (mut now, mut served) = (CHOICE.now, 0);
            loop {
                let before: Vec<Job> = queue.waiting.values().cloned().collect();
                match queue.take(&Choice { now, most, ..CHOICE }) {
                    Turn::Now(taken) => {
                        prop_assert!(!taken.is_empty() && taken.len() <= most);
                        let class = taken.iter().map(|job| job.task.class()).min().unwrap();
                        let ready = before.iter().filter(|job| job.not_before <= now);
                        prop_assert_eq!(ready.map(|job| job.task.class()).min(), Some(class));
                        prop_assert!(taken.iter().all(|job| job.not_before <= now));
                        served += taken.len();
                    }
                    Turn::NotBefore(at) => {
                        prop_assert!(at > now);
                        now = at;
                    }
                    Turn::None => break,
                }
            }
            prop_assert_eq!(served, jobs.len());
        }
    }
}

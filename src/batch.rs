//! One writer for many askers: items gather until there are enough of them or they have waited long enough, then one
//! call takes them all, and each asker gets its own answer. Readings and order transitions are written this way.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use serde::Deserialize;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

use crate::operations::Error;

/// How a batch gathers.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Rows after which a batch is written at once.
    pub rows: usize,
    /// Longest wait of an item for company, in milliseconds.
    pub wait_ms: u64,
    /// Items that may wait; one more is refused as busy.
    pub queue: usize,
}

struct Waiting<I, O> {
    item: I,
    rows: usize,
    urgent: bool,
    answer: oneshot::Sender<Result<O, Error>>,
}

/// The asking side of a batch writer.
pub struct Batcher<I, O> {
    queue: mpsc::Sender<Waiting<I, O>>,
}

impl<I, O> Clone for Batcher<I, O> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Starts the writer. `write` takes the items of one batch and answers each, in order, after its commit.
    pub fn start<W>(settings: BatchSettings, write: W) -> Self
    where
        W: Fn(Vec<I>) -> BoxFuture<'static, Result<Vec<Result<O, Error>>, Error>> + Send + Sync + 'static,
    {
        let (queue, waiting) = mpsc::channel(settings.queue.max(1));
        tokio::spawn(run(settings, waiting, write));
        Self { queue }
    }

    /// Hands in an item of so many rows and waits for its commit. An urgent item takes the whole batch along at once.
    ///
    /// # Errors
    /// [`Error::Busy`] when too many wait already; else what the write answers.
    pub async fn submit(&self, item: I, rows: usize, urgent: bool) -> Result<O, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Waiting { item, rows, urgent, answer }).map_err(|_| Error::Busy)?;
        answered.await.map_err(|_| Error::Busy)?
    }
}

async fn run<I, O, W>(settings: BatchSettings, mut waiting: mpsc::Receiver<Waiting<I, O>>, write: W)
where
    W: Fn(Vec<I>) -> BoxFuture<'static, Result<Vec<Result<O, Error>>, Error>>,
{
    while let Some(first) = waiting.recv().await {
        let deadline = Instant::now() + Duration::from_millis(settings.wait_ms);
        let (mut rows, mut urgent) = (first.rows, first.urgent);
        let mut batch = vec![first];
        while rows < settings.rows {
            let next = if urgent {
                waiting.try_recv().ok()
            } else {
                timeout_at(deadline, waiting.recv()).await.ok().flatten()
            };
            let Some(next) = next else { break };
            rows += next.rows;
            urgent |= next.urgent;
            batch.push(next);
        }
        let (items, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|one| (one.item, one.answer)).unzip();
        // A panic in one write must not end the writer: its askers are refused, the next batch goes on.
        let results = AssertUnwindSafe(async { write(items).await }).catch_unwind().await.unwrap_or(Err(Error::Busy));
        match results {
            Ok(results) => answers.into_iter().zip(results).for_each(|(answer, result)| reply(answer, result)),
            Err(error) => {
                tracing::error!(%error, lost = answers.len(), "a batch was not written");
                answers.into_iter().for_each(|answer| reply(answer, Err(Error::Busy)));
            }
        }
    }
}

fn reply<O>(answer: oneshot::Sender<Result<O, Error>>, result: Result<O, Error>) {
    // The asker may have given up waiting; the write stands all the same.
    drop(answer.send(result));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn doubling(settings: BatchSettings) -> (Batcher<u32, (u32, usize)>, mpsc::UnboundedReceiver<usize>) {
        let (seen, sizes) = mpsc::unbounded_channel();
        let batcher = Batcher::start(settings, move |items: Vec<u32>| {
            let size = items.len();
            seen.send(size).unwrap();
            Box::pin(async move {
                assert!(!items.contains(&13), "the thirteenth item is poison");
                Ok(items.into_iter().map(|item| Ok((item * 2, size))).collect())
            })
        });
        (batcher, sizes)
    }

    const SETTINGS: BatchSettings = BatchSettings { rows: 3, wait_ms: 200, queue: 8 };

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_written_at_once_and_each_gets_its_own_answer() {
        let (batcher, _sizes) = doubling(SETTINGS);
        let start = Instant::now();
        let (a, b, c) =
            tokio::join!(batcher.submit(1, 1, false), batcher.submit(2, 1, false), batcher.submit(3, 1, false));
        assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), ((2, 3), (4, 3), (6, 3)));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lonely_item_waits_for_company_but_not_longer_than_said() {
        let (batcher, _sizes) = doubling(SETTINGS);
        let start = Instant::now();
        assert_eq!(batcher.submit(1, 1, false).await.unwrap(), (2, 1));
        assert_eq!(start.elapsed(), Duration::from_millis(200));
    }

    #[tokio::test(start_paused = true)]
    async fn an_urgent_item_does_not_wait() {
        let (batcher, _sizes) = doubling(SETTINGS);
        let start = Instant::now();
        assert_eq!(batcher.submit(1, 1, true).await.unwrap(), (2, 1));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_refuses_its_batch_and_the_next_goes_on() {
        let (batcher, _sizes) = doubling(SETTINGS);
        assert!(matches!(batcher.submit(13, 1, true).await, Err(Error::Busy)));
        assert_eq!(batcher.submit(4, 1, true).await.unwrap(), (8, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses() {
        let (batcher, _sizes) = doubling(BatchSettings { rows: 100, wait_ms: 200, queue: 1 });
        let (first, second) = tokio::join!(batcher.submit(1, 1, false), batcher.submit(2, 1, false));
        assert!(first.is_ok());
        assert!(matches!(second, Err(Error::Busy)));
    }
}

//! Sending between actors: at once if there is room, else with a deadline, never without a limit; and calling the
//! world, always under a deadline.

use std::{future::Future, time::Duration};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, dev::ToEnvelope, fut, prelude::SendError};
use tokio::time::timeout;

use crate::{
    metrics::Metrics,
    ports::{Answer, PortError},
};

/// Sends `message`; if the mailbox is full, waits for room up to `patience`, then counts it as lost.
pub(crate) fn deliver<A, T, M>(ctx: &mut Context<A>, to: &Addr<T>, message: M, patience: Duration, metrics: &Metrics)
where
    A: Actor<Context = Context<A>>,
    T: Actor + Handler<M>,
    T::Context: ToEnvelope<T, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    match to.try_send(message) {
        Ok(()) => {}
        // The receiver has ended; its parent sees to that.
        Err(SendError::Closed(_)) => metrics.messages_lost.inc(),
        Err(SendError::Full(message)) => {
            let (sending, metrics) = (timeout(patience, to.send(message)), metrics.clone());
            let counted = async move {
                if !matches!(sending.await, Ok(Ok(_))) {
                    metrics.messages_lost.inc();
                }
            };
            ctx.spawn(fut::wrap_future(counted));
        }
    }
}

/// Waits for the world's answer up to `deadline`.
pub(crate) fn call<T>(
    name: &'static str,
    answer: Answer<T>,
    deadline: Duration,
    metrics: &Metrics,
) -> impl Future<Output = Result<T, PortError>> + use<T> {
    let metrics = metrics.clone();
    async move {
        let outcome = timeout(deadline, answer).await;
        let outcome = outcome.unwrap_or_else(|_elapsed| Err(PortError::Unavailable("no answer in time".into())));
        if let Err(error) = &outcome {
            metrics.port_errors.with_label_values(&[name]).inc();
            tracing::warn!(call = name, %error, "a call to the world failed");
        }
        outcome
    }
}

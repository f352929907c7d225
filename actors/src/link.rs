//! Links: a concentrator's byte stream, TCP or in memory, cut into frames on the way in and written under a deadline
//! on the way out.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use protocols::{FrameError, Framer, qgdw376::Frame};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

/// Bytes taken from the peer at once.
const CHUNK: usize = 2048;

/// A concentrator's link.
#[derive(Debug)]
pub enum Link {
    /// A TCP connection that the concentrator opened.
    Tcp(TcpStream),
    /// One end of an in-memory pipe.
    Memory(DuplexStream),
}

/// A link between two reactors: a tokio stream stays on its first one, so TCP travels as a plain socket.
#[derive(Debug)]
pub(crate) enum Detached {
    Tcp(std::net::TcpStream),
    Memory(DuplexStream),
}

impl Link {
    /// Takes it off the current thread's reactor.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(Detached::Tcp),
            Self::Memory(stream) => Ok(Detached::Memory(stream)),
        }
    }
}

impl Detached {
    /// Puts it on the current thread's reactor.
    pub(crate) fn attach(self) -> io::Result<Link> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Link::Tcp),
            Self::Memory(stream) => Ok(Link::Memory(stream)),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// What came in.
#[derive(Debug)]
pub(crate) enum Received {
    Frame(Frame),
    /// Bytes that were no frame: the first reason.
    Bad(FrameError),
    /// The peer is gone, and why.
    Closed(String),
}

/// Cuts the incoming bytes of one link into frames; moves with the link from the acceptor to its concentrator.
#[derive(Debug)]
pub(crate) struct Incoming {
    framer: Framer<Frame>,
    rest: Vec<u8>,
    /// A frame that was looked at and given back.
    returned: Option<Frame>,
    frame_deadline: Duration,
    /// When the pending frame has to be complete.
    complete_by: Option<Instant>,
}

impl Incoming {
    pub(crate) fn new(max_frame_bytes: usize, frame_deadline: Duration) -> Self {
        Self {
            framer: Framer::new(max_frame_bytes),
            rest: Vec::new(),
            returned: None,
            frame_deadline,
            complete_by: None,
        }
    }

    /// Gives a frame back: it will be the next.
    pub(crate) fn give_back(&mut self, frame: Frame) {
        self.returned = Some(frame);
    }

    /// The next frame or bad candidate. Cancelling loses nothing that was received.
    pub(crate) async fn next(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Received {
        loop {
            if let Some(received) = self.buffered() {
                return received;
            }
            let mut chunk = [0; CHUNK];
            let read = from.read(&mut chunk);
            let read = match self.complete_by {
                Some(deadline) => timeout_at(deadline, read).await,
                None => Ok(read.await),
            };
            match read {
                Ok(Ok(0)) => return Received::Closed("closed by the peer".into()),
                Ok(Ok(bytes)) => self.rest.extend(chunk.iter().take(bytes)),
                Ok(Err(error)) => return Received::Closed(error.to_string()),
                Err(_elapsed) => {
                    if let Some(received) = self.gave_up_waiting() {
                        return received;
                    }
                }
            }
        }
    }

    fn buffered(&mut self) -> Option<Received> {
        if let Some(frame) = self.returned.take() {
            return Some(Received::Frame(frame));
        }
        let mut input = self.rest.as_slice();
        let outcome = self.framer.next(&mut input);
        let taken = self.rest.len() - input.len();
        self.rest.drain(..taken);
        self.told(outcome)
    }

    fn gave_up_waiting(&mut self) -> Option<Received> {
        self.complete_by = None;
        let outcome = self.framer.flush();
        self.told(outcome)
    }

    fn told(&mut self, outcome: Result<Option<Frame>, FrameError>) -> Option<Received> {
        if self.framer.pending() == 0 || matches!(outcome, Ok(Some(_))) {
            self.complete_by = None;
        }
        if self.framer.pending() > 0 && self.complete_by.is_none() {
            self.complete_by = Instant::now().checked_add(self.frame_deadline);
        }
        match outcome {
            Ok(Some(frame)) => Some(Received::Frame(frame)),
            Ok(None) => None,
            Err(error) => Some(Received::Bad(error)),
        }
    }
}

/// Writes what comes out of `frames` until the sender is dropped; then says goodbye. Returns why it ended.
pub(crate) async fn write_frames(
    mut to: impl AsyncWrite + Unpin,
    mut frames: mpsc::Receiver<Vec<u8>>,
    deadline: Duration,
) -> String {
    while let Some(bytes) = frames.recv().await {
        match timeout(deadline, async {
            to.write_all(&bytes).await?;
            to.flush().await
        })
        .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error.to_string(),
            Err(_elapsed) => return "the peer does not read".into(),
        }
    }
    // The link is closed either way; a peer that does not want to hear it changes nothing.
    let _ = timeout(deadline, to.shutdown()).await;
    "closed".into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const LOGIN: &[u8] = &[
        0x68, 0x32, 0x00, 0x32, 0x00, 0x68, 0xC9, 0x05, 0x21, 0xB2, 0xA1, 0x00, 0x02, 0x71, 0x00, 0x00, 0x01, 0x00,
        0xB6, 0x16,
    ];

    async fn receive(bytes: &[&[u8]], pause: Duration) -> Vec<Received> {
        let (mut peer, mut link) = tokio::io::duplex(64);
        let mut incoming = Incoming::new(1024, Duration::from_secs(5));
        let write = async move {
            for part in bytes {
                peer.write_all(part).await.unwrap();
                tokio::time::sleep(pause).await;
            }
        };
        let read = async move {
            let mut all = Vec::new();
            loop {
                match incoming.next(&mut link).await {
                    Received::Closed(_) => return all,
                    received => all.push(received),
                }
            }
        };
        tokio::join!(write, read).1
    }

    fn frames(received: &[Received]) -> usize {
        received.iter().filter(|one| matches!(one, Received::Frame(_))).count()
    }

    #[tokio::test(start_paused = true)]
    async fn glued_and_cut_frames_come_out_whole() {
        let glued = [LOGIN, LOGIN].concat();
        let received = receive(&[&glued, &LOGIN[..7], &LOGIN[7..]], Duration::from_secs(1)).await;
        assert_eq!((frames(&received), received.len()), (3, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_checksum_costs_one_frame() {
        let mut broken = LOGIN.to_vec();
        broken[18] ^= 1;
        let received = receive(&[&broken, LOGIN], Duration::ZERO).await;
        assert!(matches!(received[0], Received::Bad(FrameError::Checksum { .. })), "{received:?}");
        assert_eq!(frames(&received), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_bytes_do_not_hold_a_frame_open_beyond_its_deadline() {
        let bytes: Vec<&[u8]> = LOGIN.chunks(1).collect();
        let received = receive(&bytes, Duration::from_secs(1)).await;
        assert_eq!(frames(&received), 0);
        assert!(received.iter().any(|one| matches!(one, Received::Bad(_))) || received.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_reads_ends_the_writer() {
        let (_peer, link) = tokio::io::duplex(16);
        let (frames, waiting) = mpsc::channel(4);
        frames.send(vec![0; 100]).await.unwrap();
        let why = write_frames(link, waiting, Duration::from_secs(10)).await;
        assert_eq!(why, "the peer does not read");
    }
}

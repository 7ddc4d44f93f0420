//! One TCP connection: a reader that frames, a writer with a bounded queue, side by side in one task.
//!
//! It ends when either side ends. A stream that cannot be framed any more is read no further, but lives on for the
//! refusal that the core may send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::sockets::reachable_from;
use crate::core::framing::Framer;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// A message that has begun must go on within 64·T1.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(32);
/// How long the core has for refusing the last thing that could be read.
const LINGER: Duration = Duration::from_secs(2);
const READ_BYTES: usize = 16 << 10;
/// Answers to pings that wait for the writer; more pings than that are not answered.
const PONGS: usize = 4;

/// What a connection tells the network.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) peer: SocketAddr,
    /// Tells this connection from earlier and later ones of the same peer.
    pub(super) number: u64,
    pub(super) news: News,
}

#[derive(Debug)]
pub(super) enum News {
    Message(Bytes),
    /// It is over.
    Ended {
        /// It was up before.
        was_up: bool,
        /// Something that was queued has not been sent.
        unsent: bool,
    },
}

/// The task's side of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) number: u64,
    pub(super) queue: mpsc::Receiver<Bytes>,
    pub(super) reports: mpsc::Sender<Report>,
}

impl Connection {
    /// The life of a connection that the peer opened.
    pub(super) async fn accepted(mut self, stream: TcpStream) {
        let unsent = self.live(stream).await;
        self.report(News::Ended { was_up: true, unsent }).await;
    }

    /// The life of a connection that we open, from the address that we are bound to.
    pub(super) async fn opened(mut self, local: SocketAddr) {
        match timeout(CONNECT_TIMEOUT, connect(local, self.peer)).await {
            Ok(Ok(stream)) => self.accepted(stream).await,
            outcome => {
                tracing::debug!(peer = %self.peer, ?outcome, "cannot connect");
                self.queue.close();
                self.report(News::Ended { was_up: false, unsent: true }).await;
            }
        }
    }

    /// Reads and writes until either ends. True when something was left unsent.
    async fn live(&mut self, mut stream: TcpStream) -> bool {
        let _ = stream.set_nodelay(true);
        let (reader, mut writer) = stream.split();
        let (pongs, mut pongs_due) = mpsc::channel(PONGS);
        let reading = Reading { peer: self.peer, number: self.number, reports: &self.reports, pongs };
        let written = tokio::select! {
            written = write(&mut writer, &mut self.queue, &mut pongs_due) => written,
            () = reading.run(reader) => Ok(()),
        };
        let _ = timeout(WRITE_TIMEOUT, writer.shutdown()).await;
        self.queue.close();
        written.is_err() || self.queue.try_recv().is_ok()
    }

    async fn report(&self, news: News) {
        let _ = self.reports.send(Report { peer: self.peer, number: self.number, news }).await;
    }
}

async fn connect(local: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    if local.ip().is_unspecified() {
        return TcpStream::connect(peer).await;
    }
    let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local.ip(), 0))?;
    socket.connect(reachable_from(local, peer)).await
}

/// Writes what is queued until the queue is closed and empty.
async fn write(
    writer: &mut WriteHalf<'_>,
    queue: &mut mpsc::Receiver<Bytes>,
    pongs: &mut mpsc::Receiver<()>,
) -> io::Result<()> {
    loop {
        let next = tokio::select! {
            message = queue.recv() => message,
            Some(()) = pongs.recv() => Some(Bytes::from_static(b"\r\n")),
        };
        let Some(bytes) = next else { return Ok(()) };
        match timeout(WRITE_TIMEOUT, writer.write_all(&bytes)).await {
            Ok(written) => written?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

struct Reading<'a> {
    peer: SocketAddr,
    number: u64,
    reports: &'a mpsc::Sender<Report>,
    pongs: mpsc::Sender<()>,
}

impl Reading<'_> {
    async fn run(self, mut reader: ReadHalf<'_>) {
        let mut framer = Framer::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let patience = if framer.is_within_message() { MESSAGE_TIMEOUT } else { IDLE_TIMEOUT };
            let Ok(Ok(length @ 1..)) = timeout(patience, reader.read(&mut buffer)).await else { return };
            framer.push(&buffer[..length]);
            while let Some(outcome) = framer.next_message() {
                match outcome {
                    Ok(message) => self.deliver(message).await,
                    Err(error) => {
                        tracing::debug!(peer = %self.peer, %error, "a stream cannot be read on");
                        return linger(reader, &mut buffer).await;
                    }
                }
            }
            for _ in 0..framer.take_pings().min(PONGS) {
                let _ = self.pongs.try_send(());
            }
        }
    }

    async fn deliver(&self, message: Bytes) {
        let report = Report { peer: self.peer, number: self.number, news: News::Message(message) };
        if self.reports.send(report).await.is_err() {
            // The network is closing: only what is queued still matters.
            std::future::pending().await
        }
    }
}

/// Reads and forgets, so that closing does not reset the connection before the refusal has arrived.
async fn linger(mut reader: ReadHalf<'_>, buffer: &mut [u8]) {
    let rest = async { while matches!(reader.read(buffer).await, Ok(1..)) {} };
    let _ = timeout(LINGER, rest).await;
}

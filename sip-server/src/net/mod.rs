//! SIP over UDP and TCP on one port (RFC 3261 §18), for the one loop that drives the core.
//!
//! The loop alternates [`Network::recv`] and [`Network::send`]; neither waits for a peer. Each TCP connection is a task
//! with a bounded queue each way. No retransmission, no Via, no choice of transport: those are the core's.

mod connection;
pub mod resolver;
mod sockets;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::core::transport::{Peer, Transport};
use connection::{Connection, News, Report};
pub use resolver::Resolver;

const DATAGRAM_BYTES: usize = 64 << 10;
const CONNECTIONS: usize = 10_000;
const QUEUE: usize = 64;
const REPORTS: usize = 1024;
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// What happened on the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetEvent {
    /// A whole message came. One whose Content-Length a stream cannot trust comes without its body.
    Message(Peer, Bytes),
    /// Something sent to this peer was lost for sure.
    SendFailed(Peer),
    /// The connection with this peer is over.
    Closed(Peer),
}

/// Both sockets and every connection.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    udp: UdpSocket,
    /// The same socket without the readiness that tokio keeps: a send always reaches the kernel.
    udp_out: std::net::UdpSocket,
    datagram: Box<[u8]>,
    listener: TcpListener,
    accept_again: Option<Instant>,
    links: HashMap<SocketAddr, Link>,
    opened: u64,
    tasks: JoinSet<()>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    failures: VecDeque<NetEvent>,
    counts: Counts,
}

#[derive(Debug)]
struct Link {
    number: u64,
    queue: mpsc::Sender<Bytes>,
}

#[derive(Debug, Default)]
struct Counts {
    received: Counter,
    sent: Counter,
    send_failures: Counter,
    overflows: Counter,
    connections: Gauge,
    refused: Counter,
}

impl Network {
    /// Binds UDP and TCP to the same port; 0 means one that is free for both. Must be called inside a runtime.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let pair = sockets::bind(address)?;
        let (reporter, reports) = mpsc::channel(REPORTS);
        Ok(Self {
            address: pair.udp.local_addr()?,
            udp_out: pair.udp.try_clone()?,
            udp: UdpSocket::from_std(pair.udp)?,
            datagram: vec![0; DATAGRAM_BYTES].into_boxed_slice(),
            listener: TcpListener::from_std(pair.tcp)?,
            accept_again: None,
            links: HashMap::new(),
            opened: 0,
            tasks: JoinSet::new(),
            reports,
            reporter,
            failures: VecDeque::new(),
            counts: Counts::default(),
        })
    }

    /// Where both sockets are bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts the figures of the network among those of `/metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let counts = &self.counts;
        registry.register("sip_messages_received", "SIP messages received", counts.received.clone());
        registry.register("sip_messages_sent", "SIP messages handed to the kernel or queued", counts.sent.clone());
        registry.register("sip_send_failures", "SIP messages that were not sent", counts.send_failures.clone());
        registry.register("sip_udp_overflows", "Datagrams that the full send buffer lost", counts.overflows.clone());
        registry.register("sip_tcp_connections", "TCP connections of SIP", counts.connections.clone());
        registry.register("sip_tcp_refused", "TCP connections over the limit", counts.refused.clone());
    }

    /// Waits for the next event. Nothing is lost when the wait is abandoned.
    pub async fn recv(&mut self) -> NetEvent {
        loop {
            if let Some(failure) = self.failures.pop_front() {
                return failure;
            }
            let event = tokio::select! {
                received = self.udp.recv_from(&mut self.datagram) => self.datagram_came(received),
                Some(report) = self.reports.recv() => self.take(report),
                accepted = self.listener.accept(), if self.accept_again.is_none() => self.adopt(accepted),
                () = wait_until(self.accept_again) => {
                    self.accept_again = None;
                    None
                }
                Some(_) = self.tasks.join_next() => None,
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// Sends a message without waiting. Over TCP the connection with this peer is used, or opened in the background.
    pub fn send(&mut self, peer: Peer, bytes: Bytes) {
        let is_sent = match peer.transport {
            _ if sockets::is_impossible(peer.address) => false,
            Transport::Udp => self.send_datagram(peer.address, &bytes),
            Transport::Tcp => self.queue(peer.address, bytes),
        };
        if is_sent {
            self.counts.sent.inc();
        } else {
            self.fail(peer);
        }
    }

    /// Closes all sockets after sending what is queued, 2 s at most.
    pub async fn close(mut self) {
        self.links.clear();
        drop(self.listener);
        drop(self.reports);
        let _ = timeout(FLUSH_TIMEOUT, async { while self.tasks.join_next().await.is_some() {} }).await;
    }

    fn datagram_came(&self, received: io::Result<(usize, SocketAddr)>) -> Option<NetEvent> {
        let (length, source) =
            received.inspect_err(|error| tracing::debug!(%error, "a datagram cannot be received")).ok()?;
        let bytes = &self.datagram[..length];
        if is_keep_alive(bytes) {
            return None;
        }
        self.counts.received.inc();
        let peer = Peer { transport: Transport::Udp, address: sockets::canonical(source) };
        // A copy, so that whoever keeps a part of the message does not keep 64 KiB.
        Some(NetEvent::Message(peer, Bytes::copy_from_slice(bytes)))
    }

    fn send_datagram(&self, address: SocketAddr, bytes: &[u8]) -> bool {
        match self.udp_out.send_to(bytes, sockets::reachable_from(self.address, address)) {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // As good as lost on the way: retransmission makes up for it, and the peer is not to blame.
                self.counts.overflows.inc();
                true
            }
            Err(error) => {
                tracing::debug!(%address, %error, "a datagram cannot be sent");
                false
            }
        }
    }

    fn queue(&mut self, address: SocketAddr, bytes: Bytes) -> bool {
        let bytes = match self.links.get(&address).map(|link| link.queue.try_send(bytes.clone())) {
            Some(Ok(())) => return true,
            Some(Err(TrySendError::Full(_))) => return false,
            Some(Err(TrySendError::Closed(bytes))) => bytes,
            None => bytes,
        };
        if self.tasks.len() >= CONNECTIONS {
            self.counts.refused.inc();
            return false;
        }
        let connection = self.link(address);
        self.tasks.spawn(connection.opened(self.address));
        self.links.get(&address).is_some_and(|link| link.queue.try_send(bytes).is_ok())
    }

    fn adopt(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<NetEvent> {
        match accepted {
            Ok(_) if self.tasks.len() >= CONNECTIONS => drop(self.counts.refused.inc()),
            Ok((stream, source)) => {
                let connection = self.link(sockets::canonical(source));
                self.tasks.spawn(connection.accepted(stream));
            }
            Err(error) => {
                // Without the pause, running out of file descriptors is a busy loop.
                tracing::warn!(%error, "cannot accept a TCP connection");
                self.accept_again = Some(Instant::now() + PAUSE_AFTER_ACCEPT_ERROR);
            }
        }
        None
    }

    fn link(&mut self, peer: SocketAddr) -> Connection {
        let (sender, queue) = mpsc::channel(QUEUE);
        self.opened += 1;
        let number = self.opened;
        if self.links.insert(peer, Link { number, queue: sender }).is_none() {
            self.counts.connections.inc();
        }
        Connection { peer, number, queue, reports: self.reporter.clone() }
    }

    fn take(&mut self, report: Report) -> Option<NetEvent> {
        let peer = Peer { transport: Transport::Tcp, address: report.peer };
        let (was_up, unsent) = match report.news {
            News::Message(bytes) => {
                self.counts.received.inc();
                return Some(NetEvent::Message(peer, bytes));
            }
            News::Ended { was_up, unsent } => (was_up, unsent),
        };
        if unsent {
            self.fail(peer);
        }
        let is_current = self.links.get(&report.peer).is_some_and(|link| link.number == report.number);
        if is_current {
            self.links.remove(&report.peer);
            self.counts.connections.dec();
            if was_up {
                self.failures.push_back(NetEvent::Closed(peer));
            }
        }
        None
    }

    fn fail(&mut self, peer: Peer) {
        self.counts.send_failures.inc();
        self.failures.push_back(NetEvent::SendFailed(peer));
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A datagram that only holds a NAT binding open.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) || (bytes.len() <= 4 && bytes.iter().all(|&byte| byte == 0))
}

#[cfg(test)]
mod tests;

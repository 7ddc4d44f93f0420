//! A worker: one thread, pinned to its core, that owns an engine and the sockets of its channels.
//!
//! It waits on epoll, reads the clock once, feeds what came to the engine and sends what comes out. Commands reach it
//! through a bounded queue; full means 503. Nothing is shared with another worker: a channel that must mix with one of
//! another worker is handed over, sockets and all.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Channel, Command, Datagram, Document, Engine, Key, Opening, Output, Refusal};
use crate::metrics::{Metrics, Share};
use crate::ports::Sockets;

/// Commands that may wait.
const QUEUE: usize = 1024;
/// Commands carried out between two looks at the sockets.
const COMMANDS: usize = 64;
/// Datagrams taken from one socket before the others have their turn.
const BURST: usize = 32;
/// Longer than any Ethernet frame.
const DATAGRAM: usize = 2048;
const WAKE: Token = Token(usize::MAX);
/// Longest wait, and the time over which load is measured.
const SECOND: Duration = Duration::from_secs(1);

/// What a worker is asked.
pub enum Message {
    /// Open a channel on these sockets.
    Open(Box<Opening>, Sockets, oneshot::Sender<api::Channel>),
    /// Have a channel do something.
    Command(String, Box<Command>, oneshot::Sender<Result<api::Channel, Refusal>>),
    /// Give a channel away.
    Release(String, oneshot::Sender<Result<Moving, Refusal>>),
    /// Take one over.
    Adopt(Moving),
    /// Tell all documents.
    List(oneshot::Sender<Vec<api::Channel>>),
    /// Close everything and end.
    Stop,
}

/// A channel between two workers.
pub struct Moving {
    channel: Box<Channel>,
    sockets: Sockets,
}

/// How the rest of the program reaches a worker.
#[derive(Debug)]
pub struct Handle {
    queue: mpsc::Sender<Message>,
    waker: Arc<Waker>,
    occupancy: Arc<Occupancy>,
}

/// Room that was kept in a worker's queue.
pub struct Room<'a> {
    permit: mpsc::Permit<'a, Message>,
    waker: &'a Waker,
}

#[derive(Debug, Default)]
struct Occupancy {
    channels: AtomicUsize,
    load: AtomicU64,
}

/// What a worker needs to begin.
pub struct Setting {
    /// Its number.
    pub number: usize,
    /// Silence after which control is asked.
    pub idle_timeout: Duration,
    /// Where documents go.
    pub documents: mpsc::Sender<Document>,
    /// What it counts with.
    pub metrics: Metrics,
}

impl Handle {
    /// Keeps room for one message; nothing when the queue is full.
    pub fn room(&self) -> Option<Room<'_>> {
        let permit = self.queue.try_reserve().ok()?;
        Some(Room { permit, waker: &self.waker })
    }

    /// How many channels it has.
    pub fn channels(&self) -> usize {
        self.occupancy.channels.load(Ordering::Relaxed)
    }

    /// Share of its time that is used, 0…1.
    pub fn load(&self) -> f64 {
        f64::from_bits(self.occupancy.load.load(Ordering::Relaxed))
    }

    /// Lets it close everything and end.
    pub async fn stop(&self) {
        if self.queue.send(Message::Stop).await.is_ok() {
            let _ = self.waker.wake();
        }
    }
}

impl Room<'_> {
    /// Sends the message.
    pub fn send(self, message: Message) {
        self.permit.send(message);
        // It fails only when the worker is gone; the reply then tells.
        let _ = self.waker.wake();
    }
}

/// Starts a worker.
///
/// # Errors
/// When the system has no epoll instance or thread left.
pub fn start(setting: Setting) -> io::Result<(Handle, JoinHandle<()>)> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    let (queue, messages) = mpsc::channel(QUEUE);
    let occupancy = Arc::<Occupancy>::default();
    let number = setting.number;
    let worker = Worker {
        poll,
        messages,
        engine: Engine::new(StdRng::from_rng(&mut rand::rng()), setting.idle_timeout),
        sockets: Vec::new(),
        unread: Vec::new(),
        out: Output::default(),
        documents: setting.documents,
        share: setting.metrics.share(number),
        meter: Meter { began: clock(), busy: Duration::ZERO, load: 0.0 },
        occupancy: occupancy.clone(),
    };
    let thread = std::thread::Builder::new().name(format!("media-{number}")).spawn(move || {
        pin(number);
        worker.run();
    })?;
    Ok((Handle { queue, waker, occupancy }, thread))
}

struct Worker {
    poll: Poll,
    messages: mpsc::Receiver<Message>,
    engine: Engine,
    /// By the keys of the engine.
    sockets: Vec<Option<Sockets>>,
    /// Sockets that had more than a burst.
    unread: Vec<Token>,
    out: Output,
    documents: mpsc::Sender<Document>,
    share: Share,
    meter: Meter,
    occupancy: Arc<Occupancy>,
}

impl Worker {
    fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut turn = Vec::new();
        let mut now = clock();
        loop {
            if let Err(error) = self.poll.poll(&mut events, Some(self.patience(now))) {
                if error.kind() != io::ErrorKind::Interrupted {
                    tracing::error!(%error, "epoll failed");
                }
                events.clear();
            }
            now = clock();
            turn.append(&mut self.unread);
            turn.extend(events.iter().map(mio::event::Event::token).filter(|token| *token != WAKE));
            for token in turn.drain(..) {
                self.read(now, token);
            }
            let goes_on = self.handle_messages(now);
            self.engine.handle_timeout(now, &mut self.out);
            self.flush();
            if !goes_on {
                break;
            }
            now = self.measure(now);
        }
    }

    fn patience(&self, now: Instant) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let deadline = self.engine.poll_timeout();
        deadline.map_or(SECOND, |deadline| deadline.saturating_duration_since(now).min(SECOND))
    }

    fn read(&mut self, now: Instant, token: Token) {
        let key = Key((token.0 / 2) as u32);
        let mut bytes = [0; DATAGRAM];
        let mut rtcp = 0;
        for _ in 0..BURST {
            let Some(Some(sockets)) = self.sockets.get(key.index()) else { return };
            let is_rtp = token.0.is_multiple_of(2);
            match receive(if is_rtp { &sockets.rtp } else { &sockets.rtcp }, &mut bytes) {
                Some((length, source)) if is_rtp => {
                    let datagram = Datagram { source, bytes: &bytes[..length] };
                    self.hear(now, key, datagram);
                    self.flush();
                }
                Some(_) => rtcp += 1,
                None => return self.share.rtcp(rtcp),
            }
        }
        self.share.rtcp(rtcp);
        self.unread.push(token);
    }

    /// A defect that a datagram brings out costs its channel and no more.
    fn hear(&mut self, now: Instant, key: Key, datagram: Datagram) {
        let (engine, out) = (&mut self.engine, &mut self.out);
        let heard = catch_unwind(AssertUnwindSafe(|| engine.handle_datagram(now, key, datagram, out)));
        if heard.is_err() {
            tracing::error!(bytes = ?datagram.bytes, "a datagram made the engine panic");
            self.out.clear();
            self.engine.discard(key, &mut self.out);
        }
    }

    /// False when it is time to end.
    fn handle_messages(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS {
            match self.messages.try_recv() {
                Ok(Message::Stop) | Err(mpsc::error::TryRecvError::Disconnected) => return self.close_all(now),
                Ok(message) => self.handle_message(now, message),
                Err(mpsc::error::TryRecvError::Empty) => return true,
            }
        }
        // Comes back at once for the rest.
        self.unread.push(Token(usize::MAX - 1));
        true
    }

    fn handle_message(&mut self, now: Instant, message: Message) {
        match message {
            Message::Open(opening, sockets, reply) => {
                let (key, document) = self.engine.open(now, *opening);
                self.attach(key, sockets);
                self.flush();
                let _ = reply.send(document);
            }
            Message::Command(uuid, command, reply) => {
                let outcome = self.engine.handle_command(now, &uuid, *command, &mut self.out);
                // The port is free before the caller hears of it.
                self.flush();
                let _ = reply.send(outcome);
            }
            Message::Release(uuid, reply) => {
                let released = self.engine.release(&uuid);
                let moving = released.and_then(|(key, channel)| {
                    let sockets = self.detach(key).ok_or(Refusal::Unknown)?;
                    Ok(Moving { channel, sockets })
                });
                let _ = reply.send(moving);
            }
            Message::Adopt(Moving { channel, sockets }) => {
                let key = self.engine.adopt(now, channel);
                self.attach(key, sockets);
                self.flush();
            }
            Message::List(reply) => drop(reply.send(self.engine.documents())),
            Message::Stop => {}
        }
    }

    fn attach(&mut self, key: Key, mut sockets: Sockets) {
        if let Err(error) = register(self.poll.registry(), key, &mut sockets) {
            tracing::error!(%error, port = sockets.port(), "a channel cannot hear: epoll refused its sockets");
        }
        if self.sockets.len() <= key.index() {
            self.sockets.resize_with(key.index() + 1, || None);
        }
        self.sockets[key.index()] = Some(sockets);
        // What came before registering raises no event of its own.
        self.unread.push(Token(key.index() * 2));
    }

    fn detach(&mut self, key: Key) -> Option<Sockets> {
        let mut sockets = self.sockets.get_mut(key.index())?.take()?;
        let registry = self.poll.registry();
        for socket in [&mut sockets.rtp, &mut sockets.rtcp] {
            if let Err(error) = registry.deregister(socket) {
                tracing::debug!(%error, "epoll did not know a socket");
            }
        }
        Some(sockets)
    }

    /// Carries out what the engine wants.
    fn flush(&mut self) {
        for transmit in &self.out.transmits {
            let Some(Some(sockets)) = self.sockets.get(transmit.channel.index()) else { continue };
            if sockets.rtp.send_to(self.out.bytes(transmit), transmit.to).is_err() {
                self.share.unsent();
            }
        }
        for document in self.out.documents.drain(..) {
            if let Err(TrySendError::Full(_)) = self.documents.try_send(document) {
                self.share.untold();
            }
        }
        for index in 0..self.out.closed.len() {
            drop(self.detach(self.out.closed[index]));
        }
        self.out.clear();
    }

    fn close_all(&mut self, now: Instant) -> bool {
        for document in self.engine.documents() {
            let _ = self.engine.handle_command(now, &document.uuid, Command::Close, &mut self.out);
        }
        false
    }

    fn measure(&mut self, woke: Instant) -> Instant {
        let now = clock();
        self.meter.add(woke, now);
        self.share.add(self.engine.counters());
        self.share.occupied(self.engine.len(), self.meter.load);
        self.occupancy.channels.store(self.engine.len(), Ordering::Relaxed);
        self.occupancy.load.store(self.meter.load.to_bits(), Ordering::Relaxed);
        now
    }
}

/// Measures how busy a worker is, second by second.
struct Meter {
    began: Instant,
    busy: Duration,
    load: f64,
}

impl Meter {
    fn add(&mut self, woke: Instant, done: Instant) {
        self.busy += done.saturating_duration_since(woke);
        let span = done.saturating_duration_since(self.began);
        if span >= SECOND {
            self.load = (self.busy.as_secs_f64() / span.as_secs_f64()).clamp(0.0, 1.0);
            self.busy = Duration::ZERO;
            self.began = done;
        }
    }
}

fn receive(socket: &UdpSocket, bytes: &mut [u8]) -> Option<(usize, SocketAddr)> {
    // An error of an earlier packet (ICMP) is taken with one call; the next one reads on.
    for _ in 0..BURST {
        match socket.recv_from(bytes) {
            Ok(received) => return Some(received),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) => tracing::debug!(%error, "a socket reports an error"),
        }
    }
    None
}

fn register(registry: &Registry, key: Key, sockets: &mut Sockets) -> io::Result<()> {
    let token = key.index() * 2;
    registry.register(&mut sockets.rtp, Token(token), Interest::READABLE)?;
    registry.register(&mut sockets.rtcp, Token(token + 1), Interest::READABLE)
}

#[expect(clippy::disallowed_methods, reason = "the one place where workers read the clock")]
fn clock() -> Instant {
    Instant::now()
}

/// Keeps the thread on one of the cores that the process may use.
fn pin(number: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let Some(core) = cores.get(number % cores.len().max(1)) else { return };
    let mut own = CpuSet::new();
    own.set(*core);
    if let Err(error) = sched_setaffinity(None, &own) {
        tracing::warn!(%error, number, "a worker is not pinned to its core");
    }
}

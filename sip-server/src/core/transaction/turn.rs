//! What a machine is given with each input: the time, the timer values, its identity, and where effects go.
//!
//! Timers bear the letters of RFC 3261 §17 (table 4) and RFC 6026 §7.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{ClientId, Effect, Failure, ServerId, Timers};
use crate::core::message::{Request, Response};
use crate::core::transport::Peer;

/// How long an INVITE may stay in Proceeding with nothing said by the side that owes the answer: timer C of RFC 3261
/// §16.6, which is to be larger than 3 minutes, and here only stands against leaks.
const C: Duration = Duration::from_secs(3600);

/// A timer, by its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
    K,
    L,
    M,
}

/// What happens to a client transaction; responses come with their source.
#[derive(Debug)]
pub(super) enum ClientInput {
    Provisional(Response, Peer),
    Success(Response, Peer),
    Rejection(Response, Peer),
    Timer(Timer),
    TransportError,
    Abandon,
}

impl From<(Response, Peer)> for ClientInput {
    fn from((response, from): (Response, Peer)) -> Self {
        match response.status {
            ..200 => Self::Provisional(response, from),
            200..300 => Self::Success(response, from),
            300.. => Self::Rejection(response, from),
        }
    }
}

/// What happens to a server transaction.
#[derive(Debug)]
pub(super) enum ServerInput {
    /// The request was received once more.
    Again,
    Ack(Request, Peer),
    Provisional(Bytes),
    Success(Bytes),
    Rejection(Bytes),
    Timer(Timer),
    TransportError,
}

impl From<&Response> for ServerInput {
    fn from(response: &Response) -> Self {
        let bytes = response.to_bytes();
        match response.status {
            ..200 => Self::Provisional(bytes),
            200..300 => Self::Success(bytes),
            300.. => Self::Rejection(bytes),
        }
    }
}

/// A retransmission to come, and the interval that led to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alarm {
    pub at: Instant,
    interval: Duration,
}

impl Alarm {
    pub fn new(now: Instant, interval: Duration) -> Self {
        Self { at: now + interval, interval }
    }

    /// Twice the interval, from now on.
    pub fn doubled(self, now: Instant) -> Self {
        Self::new(now, self.interval * 2)
    }

    /// Twice the interval, but at most `cap`.
    pub fn doubled_to(self, cap: Duration, now: Instant) -> Self {
        Self::new(now, cap.min(self.interval * 2))
    }
}

/// The earlier one of a retransmission and the timer that ends the state.
pub(super) fn earliest(alarm: Option<Alarm>, letter: Timer, end: (Instant, Timer)) -> Option<(Instant, Timer)> {
    let repeat = alarm.map(|alarm| (alarm.at, letter)).filter(|(at, _)| *at < end.0);
    Some(repeat.unwrap_or(end))
}

/// The surroundings of one input to the transaction `id`.
pub(super) struct Turn<'a, Id> {
    pub now: Instant,
    pub timers: Timers,
    pub id: Id,
    pub peer: Peer,
    pub out: &'a mut Vec<Effect>,
}

impl<Id> Turn<'_, Id> {
    pub fn is_reliable(&self) -> bool {
        self.peer.transport.is_reliable()
    }

    pub fn send(&mut self, bytes: &Bytes) {
        self.out.push(Effect::Send { peer: self.peer, bytes: bytes.clone() });
    }

    /// The first retransmission, after T1; none on a reliable transport.
    pub fn alarm(&self) -> Option<Alarm> {
        (!self.is_reliable()).then(|| Alarm::new(self.now, self.timers.t1))
    }

    pub fn after_64_t1(&self) -> Instant {
        self.now + self.timers.t1 * 64
    }

    pub fn after_t4(&self) -> Instant {
        self.now + self.timers.t4
    }

    /// Timer D: at least 32 s, and as long as the far end's timer H may run.
    pub fn after_d(&self) -> Instant {
        self.now + (self.timers.t1 * 64).max(Duration::from_secs(32))
    }

    /// Timer C.
    pub fn after_silence(&self) -> Instant {
        self.now + C
    }
}

impl Turn<'_, ClientId> {
    pub fn pass(&mut self, response: Response, from: Peer) {
        self.out.push(Effect::Response { id: self.id, response, peer: from });
    }

    pub fn fail(&mut self, failure: Failure) {
        self.out.push(Effect::Failed { id: self.id, failure });
    }
}

impl Turn<'_, ServerId> {
    pub fn acknowledge(&mut self, request: Request, from: Peer) {
        self.out.push(Effect::Ack { request, peer: from });
    }

    pub fn end(&mut self) {
        self.out.push(Effect::ServerEnded { id: self.id });
    }
}

//! One call leg: a dialog, how far its INVITE has come, and the document that control is shown.
//!
//! ```text
//!            INVITE in                                INVITE out
//!                │                                        │
//!            Incoming ── CANCEL, refusal ──► over ◄── Calling ── 3xx…6xx, timeout
//!                │ 2xx                                    │ 2xx
//!            Answering ── no ACK: BYE ──► Ending          │
//!                │ ACK                                    │
//!                └──────────────► Confirmed ◄─────────────┘
//!                                     │ BYE out              BYE in ──► over
//!                                  Ending ── answer, timeout ──► over
//! ```

use std::time::{Duration, Instant};

use api::dialog::{Error, Event};
use bytes::Bytes;

use crate::core::dialog::Dialog;
use crate::core::digest::Credentials;
use crate::core::message::{Request, Response};
use crate::core::transaction::{ClientId, ServerId};
use crate::core::transport::Peer;

/// A call leg.
#[derive(Debug)]
pub(super) struct Leg {
    pub dialog: Dialog,
    pub document: api::Dialog,
    /// Callback base; none means that nobody is told.
    pub control: Option<String>,
    pub state: State,
    /// The peer's re-INVITE that control has not answered yet.
    pub offer: Option<Pending>,
    /// When that is refused in control's place.
    pub offer_due: Option<Instant>,
    /// Our re-INVITE that the peer has not answered yet.
    pub reinvite: Option<ClientId>,
    /// The ACK to the peer's newest 2xx, sent again for each repetition.
    pub ack: Option<(u32, Bytes)>,
    /// A check that the peer is still there, while unanswered.
    pub ping: Option<ClientId>,
    /// When to check again.
    pub next_ping: Option<Instant>,
    /// For a challenge to our requests.
    pub credentials: Option<Credentials>,
    /// Challenges answered so far for the request in flight.
    pub challenges: u32,
    /// What the end will be reported as, when it is known before the end.
    pub verdict: Option<Verdict>,
}

/// How the end of a leg is reported.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub error: Error,
    pub cause: String,
}

impl Verdict {
    pub fn new(code: u16, status: &str, cause: impl Into<String>) -> Self {
        Self { error: Error { code, status: status.to_owned() }, cause: cause.into() }
    }

    pub fn normal(cause: impl Into<String>) -> Self {
        Self { error: Error::default(), cause: cause.into() }
    }
}

/// A server transaction of INVITE with its request.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub id: ServerId,
    pub request: Request,
}

/// How far the INVITE has come.
#[derive(Debug)]
pub(super) enum State {
    /// The peer's INVITE waits for control.
    Incoming { invite: Pending, give_up: Instant },
    /// Our 2xx waits for its ACK (RFC 3261 §13.3.1.4).
    Answering { invite: ServerId, number: u32, ok: Response, again: Instant, interval: Duration, give_up: Instant },
    /// The address of the peer is being looked up.
    Resolving { invite: Request, host: String },
    /// Our INVITE is out.
    Calling { invite: ClientId, request: Request, progress: Progress, give_up: Instant },
    /// The peer's 2xx brought an offer, and its ACK waits for control's answer.
    Acknowledging { number: u32, give_up: Instant },
    /// Established.
    Confirmed,
    /// Our BYE is out.
    Ending { bye: ClientId },
}

/// What our INVITE has brought so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing: it cannot be cancelled yet (RFC 3261 §9.1).
    Silent,
    /// Nothing, and control gave up: cancelled at the first provisional response.
    CancelWanted,
    /// A provisional response.
    Provisional,
    /// CANCEL is out.
    Cancelled,
}

impl Leg {
    /// A leg with a fresh document.
    pub fn new(dialog: Dialog, state: State, document: api::Dialog) -> Self {
        Self {
            dialog,
            document,
            control: None,
            state,
            offer: None,
            offer_due: None,
            reinvite: None,
            ack: None,
            ping: None,
            next_ping: None,
            credentials: None,
            challenges: 0,
            verdict: None,
        }
    }

    /// Brings the document up to date for this event.
    pub fn record(&mut self, event: Event) {
        self.document.seq += 1;
        self.document.event = event;
        self.document.tags.local = self.dialog.local_tag().to_owned();
        self.document.tags.remote = self.dialog.remote_tag().to_owned();
    }

    /// The peer was heard from there.
    pub fn heard_from(&mut self, peer: Peer) {
        self.dialog.peer = peer;
        self.document.transport = peer.transport.as_str().to_owned();
        self.document.remote =
            Some(api::dialog::Remote { host: peer.address.ip().to_string(), port: peer.address.port() });
    }

    /// The next moment at which something is due.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Incoming { give_up, .. } | State::Calling { give_up, .. } | State::Acknowledging { give_up, .. } => {
                Some(*give_up)
            }
            State::Answering { again, give_up, .. } => Some(*again.min(give_up)),
            State::Confirmed => self.next_ping,
            State::Resolving { .. } | State::Ending { .. } => None,
        };
        own.into_iter().chain(self.offer_due).min()
    }
}

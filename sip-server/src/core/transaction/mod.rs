//! Transactions (RFC 3261 §17 with RFC 6026): requests matched to responses, retransmitted, and retransmissions absorbed.
//!
//! [`Transactions`] holds the four machines (`client_invite`, `client`, `server_invite`, `server`) by id, finds
//! the one a message belongs to, and keeps their deadlines. Each machine is an enum of its states; it takes an input and
//! is the next state. All that happens comes out as [`Effect`]s, in order.
//! Not done here: 100 Trying, repeating a 2xx, merged requests (§8.2.2.2), choosing where a request goes.

mod client;
mod client_invite;
mod key;
mod layer;
mod server;
mod server_invite;
#[cfg(test)]
mod tests;
mod turn;

use std::time::Duration;

use bytes::Bytes;

use super::message::{Request, Response};
use super::transport::Peer;

pub use layer::Transactions;

/// A client transaction: a request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u64);

/// A server transaction: a request of the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(u64);

/// The times that all timers are made of (RFC 3261 §17.1.1.1).
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// Estimate of the round trip.
    pub t1: Duration,
    /// Longest interval between retransmissions of a non-INVITE request or an INVITE response.
    pub t2: Duration,
    /// How long a message may live in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// Why a client transaction got no final response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Timer B, C or F fired: act as if a 408 had come.
    Timeout,
    /// The request could not be sent: act as if a 503 had come.
    Transport,
}

/// What happens in consequence of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// To be sent.
    Send {
        /// Where to.
        peer: Peer,
        /// The message.
        bytes: Bytes,
    },
    /// A new request for the user; its retransmissions are absorbed.
    Request {
        /// To respond to it by.
        id: ServerId,
        /// The request.
        request: Request,
        /// Its source.
        peer: Peer,
    },
    /// An ACK that belongs to no transaction: the one for a 2xx.
    Ack {
        /// The ACK.
        request: Request,
        /// Its source.
        peer: Peer,
    },
    /// A CANCEL of an INVITE that has no final response yet. The CANCEL itself is answered already.
    Cancel {
        /// The INVITE, to be answered with 487.
        invite: ServerId,
        /// The CANCEL.
        request: Request,
        /// Its source.
        peer: Peer,
    },
    /// A response. After the first final one only further 2xx of an INVITE follow, repeated ones included.
    Response {
        /// The request that it answers.
        id: ClientId,
        /// The response.
        response: Response,
        /// Its source.
        peer: Peer,
    },
    /// There will be no final response. Nothing more comes for this id.
    Failed {
        /// The request.
        id: ClientId,
        /// Why.
        failure: Failure,
    },
    /// A server transaction ended otherwise than by its answer: a final response other than 2xx to an INVITE got no ACK
    /// (timer H), Accepted is over (timer L), the peer was lost, or the user never answered.
    ServerEnded {
        /// The request.
        id: ServerId,
    },
}

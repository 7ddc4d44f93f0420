//! INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1).
//!
//! ```text
//! Proceeding ──2xx──▶ Accepted ──L──▶ Terminated
//!     │
//!     └──3xx–6xx──▶ Completed ──ACK──▶ Confirmed ──I──▶ Terminated
//!                     G: send again, H: ended
//! ```
//! 100 Trying and the repetition of a 2xx are the user's. RFC 3261 sets no limit to Proceeding; timer C is used for one,
//! so that a user who forgets an INVITE does not keep it for ever.

use std::time::Instant;

use bytes::Bytes;

use super::ServerId;
use super::turn::{Alarm, ServerInput as Input, Timer, Turn, earliest};

/// The machine, state by state.
#[derive(Debug)]
pub(super) enum InviteServer {
    Proceeding { response: Option<Bytes>, c: Instant },
    Accepted { l: Instant },
    Completed { response: Bytes, g: Option<Alarm>, h: Instant },
    Confirmed { i: Instant },
    Terminated,
}

impl InviteServer {
    /// The INVITE has been passed to the user.
    pub fn start(turn: &Turn<'_, ServerId>) -> Self {
        Self::Proceeding { response: None, c: turn.after_silence() }
    }

    /// The machine after this input.
    pub fn handle(self, input: Input, turn: &mut Turn<'_, ServerId>) -> Self {
        match (self, input) {
            (Self::Proceeding { response: Some(response), c }, Input::Again) => {
                turn.send(&response);
                Self::Proceeding { response: Some(response), c }
            }
            (Self::Proceeding { .. }, Input::Provisional(response)) => {
                turn.send(&response);
                Self::Proceeding { response: Some(response), c: turn.after_silence() }
            }
            (Self::Proceeding { .. }, Input::Success(response)) => {
                turn.send(&response);
                Self::Accepted { l: turn.after_64_t1() }
            }
            (Self::Proceeding { .. }, Input::Rejection(response)) => {
                turn.send(&response);
                Self::Completed { response, g: turn.alarm(), h: turn.after_64_t1() }
            }
            (Self::Accepted { l }, Input::Success(response)) => {
                turn.send(&response);
                Self::Accepted { l }
            }
            (Self::Accepted { l }, Input::Ack(request, from)) => {
                turn.acknowledge(request, from);
                Self::Accepted { l }
            }
            (Self::Completed { response, g, h }, Input::Again) => {
                turn.send(&response);
                Self::Completed { response, g, h }
            }
            (Self::Completed { response, g: Some(g), h }, Input::Timer(Timer::G)) => {
                turn.send(&response);
                Self::Completed { response, g: Some(g.doubled_to(turn.timers.t2, turn.now)), h }
            }
            (Self::Completed { .. }, Input::Ack(..)) if turn.is_reliable() => Self::Terminated,
            (Self::Completed { .. }, Input::Ack(..)) => Self::Confirmed { i: turn.after_t4() },
            (Self::Proceeding { .. }, Input::Timer(Timer::C) | Input::TransportError)
            | (Self::Accepted { .. }, Input::Timer(Timer::L))
            | (Self::Completed { .. }, Input::Timer(Timer::H) | Input::TransportError) => {
                turn.end();
                Self::Terminated
            }
            (Self::Confirmed { .. }, Input::Timer(Timer::I) | Input::TransportError) => Self::Terminated,
            // RFC 6026 §7.1: Accepted outlives an error of the transport, for the ACK may come by another way.
            (state, _) => state,
        }
    }

    /// The timer that fires next.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Proceeding { c, .. } => Some((*c, Timer::C)),
            Self::Accepted { l } => Some((*l, Timer::L)),
            Self::Completed { g, h, .. } => earliest(*g, Timer::G, (*h, Timer::H)),
            Self::Confirmed { i } => Some((*i, Timer::I)),
            Self::Terminated => None,
        }
    }

    /// No final response has been sent yet.
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Proceeding { .. })
    }
}

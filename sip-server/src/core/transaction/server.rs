//! Non-INVITE server transaction (RFC 3261 §17.2.2).
//!
//! ```text
//! Trying ──1xx──▶ Proceeding         from both: final ─▶ Completed ──J──▶ Terminated
//! ```
//! An answer is of no use once the client's timer F has fired (RFC 4320 §4.2), so an unanswered request ends with a
//! timer F here as well.

use std::time::Instant;

use bytes::Bytes;

use super::ServerId;
use super::turn::{ServerInput as Input, Timer, Turn};

/// The machine, state by state.
#[derive(Debug)]
pub(super) enum Server {
    Trying { f: Instant },
    Proceeding { response: Bytes, f: Instant },
    Completed { response: Bytes, j: Instant },
    Terminated,
}

impl Server {
    /// The request has been passed to the user.
    pub fn start(turn: &Turn<'_, ServerId>) -> Self {
        Self::Trying { f: turn.after_64_t1() }
    }

    /// The machine after this input.
    pub fn handle(self, input: Input, turn: &mut Turn<'_, ServerId>) -> Self {
        match (self, input) {
            (Self::Proceeding { response, f }, Input::Again) => {
                turn.send(&response);
                Self::Proceeding { response, f }
            }
            (Self::Trying { f } | Self::Proceeding { f, .. }, Input::Provisional(response)) => {
                turn.send(&response);
                Self::Proceeding { response, f }
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::Success(response) | Input::Rejection(response)) => {
                turn.send(&response);
                if turn.is_reliable() { Self::Terminated } else { Self::Completed { response, j: turn.after_64_t1() } }
            }
            (Self::Completed { response, j }, Input::Again) => {
                turn.send(&response);
                Self::Completed { response, j }
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::Timer(Timer::F) | Input::TransportError) => {
                turn.end();
                Self::Terminated
            }
            (Self::Completed { .. }, Input::Timer(Timer::J) | Input::TransportError) => Self::Terminated,
            (state, _) => state,
        }
    }

    /// The timer that fires next.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Trying { f } | Self::Proceeding { f, .. } => Some((*f, Timer::F)),
            Self::Completed { j, .. } => Some((*j, Timer::J)),
            Self::Terminated => None,
        }
    }
}

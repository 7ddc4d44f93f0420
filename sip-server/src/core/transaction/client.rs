//! Non-INVITE client transaction (RFC 3261 §17.1.2).
//!
//! ```text
//! Trying ──1xx──▶ Proceeding            from both: final ─▶ Completed ──K──▶ Terminated
//!   E: send again   E: send again
//!   F: failed       F: failed
//! ```
//! As in the INVITE machine, an error of the transport after the final response is not told.

use std::time::Instant;

use bytes::Bytes;

use super::turn::{Alarm, ClientInput as Input, Timer, Turn, earliest};
use super::{ClientId, Failure};
use crate::core::message::Request;

/// The machine, state by state.
#[derive(Debug)]
pub(super) enum Client {
    Trying { bytes: Bytes, e: Option<Alarm>, f: Instant },
    Proceeding { bytes: Bytes, e: Option<Alarm>, f: Instant },
    Completed { k: Instant },
    Terminated,
}

impl Client {
    /// Sends the request and enters Trying.
    pub fn start(request: &Request, turn: &mut Turn<'_, ClientId>) -> Self {
        let bytes = request.to_bytes();
        turn.send(&bytes);
        Self::Trying { bytes, e: turn.alarm(), f: turn.after_64_t1() }
    }

    /// The machine after this input.
    pub fn handle(self, input: Input, turn: &mut Turn<'_, ClientId>) -> Self {
        match (self, input) {
            (Self::Trying { bytes, e: Some(e), f }, Input::Timer(Timer::E)) => {
                turn.send(&bytes);
                Self::Trying { bytes, e: Some(e.doubled_to(turn.timers.t2, turn.now)), f }
            }
            (Self::Proceeding { bytes, e: Some(_), f }, Input::Timer(Timer::E)) => {
                turn.send(&bytes);
                Self::Proceeding { bytes, e: Some(Alarm::new(turn.now, turn.timers.t2)), f }
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::Timer(Timer::F)) => {
                turn.fail(Failure::Timeout);
                Self::Terminated
            }
            (Self::Trying { .. } | Self::Proceeding { .. }, Input::TransportError) => {
                turn.fail(Failure::Transport);
                Self::Terminated
            }
            (Self::Trying { bytes, e, f } | Self::Proceeding { bytes, e, f }, Input::Provisional(response, from)) => {
                turn.pass(response, from);
                Self::Proceeding { bytes, e, f }
            }
            (
                Self::Trying { .. } | Self::Proceeding { .. },
                Input::Success(response, from) | Input::Rejection(response, from),
            ) => {
                turn.pass(response, from);
                if turn.is_reliable() { Self::Terminated } else { Self::Completed { k: turn.after_t4() } }
            }
            (Self::Completed { .. }, Input::Timer(Timer::K) | Input::TransportError) => Self::Terminated,
            (state, _) => state,
        }
    }

    /// The timer that fires next.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Trying { e, f, .. } | Self::Proceeding { e, f, .. } => earliest(*e, Timer::E, (*f, Timer::F)),
            Self::Completed { k } => Some((*k, Timer::K)),
            Self::Terminated => None,
        }
    }
}

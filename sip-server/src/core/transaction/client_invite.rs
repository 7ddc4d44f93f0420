//! INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2).
//!
//! ```text
//! Calling ──1xx──▶ Proceeding ──abandon──▶ Abandoned      from each of these three:
//!   A: send again    C: failed               C: failed      2xx ─▶ Accepted ──M──▶ Terminated
//!   B: failed                                               3xx–6xx, send ACK ─▶ Completed ──D──▶ Terminated
//! ```
//! RFC 3261 sets no limit to Proceeding in a user agent; timer C, the proxy's, is used for one here, and Abandoned is
//! Proceeding after a CANCEL. An error of the transport in Completed is not told: the user has its final response.

use std::time::Instant;

use bytes::Bytes;

use super::turn::{Alarm, ClientInput as Input, Timer, Turn, earliest};
use super::{ClientId, Failure};
use crate::core::message::{Method, Name, Request, Response};

/// The machine, state by state.
#[derive(Debug)]
pub(super) enum InviteClient {
    Calling { request: Box<Request>, bytes: Bytes, a: Option<Alarm>, b: Instant },
    Proceeding { request: Box<Request>, c: Instant },
    Abandoned { request: Box<Request>, c: Instant },
    Completed { ack: Bytes, d: Instant },
    Accepted { m: Instant },
    Terminated,
}

impl InviteClient {
    /// Sends the INVITE and enters Calling.
    pub fn start(request: Request, turn: &mut Turn<'_, ClientId>) -> Self {
        let bytes = request.to_bytes();
        turn.send(&bytes);
        Self::Calling { request: Box::new(request), bytes, a: turn.alarm(), b: turn.after_64_t1() }
    }

    /// The machine after this input.
    pub fn handle(self, input: Input, turn: &mut Turn<'_, ClientId>) -> Self {
        match (self, input) {
            (Self::Calling { request, bytes, a: Some(a), b }, Input::Timer(Timer::A)) => {
                turn.send(&bytes);
                Self::Calling { request, bytes, a: Some(a.doubled(turn.now)), b }
            }
            (Self::Calling { .. }, Input::Timer(Timer::B))
            | (Self::Proceeding { .. } | Self::Abandoned { .. }, Input::Timer(Timer::C)) => {
                turn.fail(Failure::Timeout);
                Self::Terminated
            }
            (Self::Calling { .. } | Self::Proceeding { .. } | Self::Abandoned { .. }, Input::TransportError) => {
                turn.fail(Failure::Transport);
                Self::Terminated
            }
            (Self::Calling { request, .. } | Self::Proceeding { request, .. }, Input::Provisional(response, from)) => {
                turn.pass(response, from);
                Self::Proceeding { request, c: turn.after_silence() }
            }
            (Self::Abandoned { request, c }, Input::Provisional(response, from)) => {
                turn.pass(response, from);
                Self::Abandoned { request, c }
            }
            (Self::Proceeding { request, .. }, Input::Abandon) => Self::Abandoned { request, c: turn.after_64_t1() },
            (
                Self::Calling { .. } | Self::Proceeding { .. } | Self::Abandoned { .. },
                Input::Success(response, from),
            ) => {
                turn.pass(response, from);
                Self::Accepted { m: turn.after_64_t1() }
            }
            (
                Self::Calling { request, .. } | Self::Proceeding { request, .. } | Self::Abandoned { request, .. },
                Input::Rejection(response, from),
            ) => {
                let ack = ack(&request, &response).to_bytes();
                turn.send(&ack);
                turn.pass(response, from);
                if turn.is_reliable() { Self::Terminated } else { Self::Completed { ack, d: turn.after_d() } }
            }
            (Self::Completed { ack, d }, Input::Rejection(..)) => {
                turn.send(&ack);
                Self::Completed { ack, d }
            }
            (Self::Accepted { m }, Input::Success(response, from)) => {
                turn.pass(response, from);
                Self::Accepted { m }
            }
            (Self::Completed { .. }, Input::Timer(Timer::D) | Input::TransportError)
            | (Self::Accepted { .. }, Input::Timer(Timer::M)) => Self::Terminated,
            (state, _) => state,
        }
    }

    /// The timer that fires next.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Calling { a, b, .. } => earliest(*a, Timer::A, (*b, Timer::B)),
            Self::Proceeding { c, .. } | Self::Abandoned { c, .. } => Some((*c, Timer::C)),
            Self::Completed { d, .. } => Some((*d, Timer::D)),
            Self::Accepted { m } => Some((*m, Timer::M)),
            Self::Terminated => None,
        }
    }

    /// The INVITE, as long as it has no final response.
    pub fn pending(&self) -> Option<&Request> {
        match self {
            Self::Calling { request, .. } | Self::Proceeding { request, .. } | Self::Abandoned { request, .. } => {
                Some(request)
            }
            Self::Completed { .. } | Self::Accepted { .. } | Self::Terminated => None,
        }
    }
}

/// The CANCEL of a request (RFC 3261 §9.1).
pub(super) fn cancel(request: &Request) -> Request {
    let mut cancel = same_hop(request, Method::Cancel);
    copy(&mut cancel, request, &[Name::From, Name::To, Name::CallId]);
    number(&mut cancel, request);
    cancel
}

/// The ACK of a final response other than 2xx (RFC 3261 §17.1.1.3), with the credentials of the INVITE (§22.1).
fn ack(request: &Request, response: &Response) -> Request {
    let mut ack = same_hop(request, Method::Ack);
    copy(&mut ack, request, &[Name::Authorization, Name::ProxyAuthorization, Name::From]);
    if let Some(to) = response.headers.text(Name::To) {
        ack.headers.push(Name::To, &to);
    }
    copy(&mut ack, request, &[Name::CallId]);
    number(&mut ack, request);
    ack
}

/// A request that takes the way of another one: same Request-URI, top Via and Route.
fn same_hop(request: &Request, method: Method) -> Request {
    let mut other = Request::new(method, request.uri.clone());
    if let Some(via) = request.headers.via() {
        other.headers.push(Name::Via, &via.to_string());
    }
    other.headers.push(Name::MaxForwards, "70");
    copy(&mut other, request, &[Name::Route]);
    other
}

fn copy(to: &mut Request, from: &Request, names: &[Name]) {
    for name in names {
        for value in from.headers.all(*name) {
            to.headers.push(*name, &value);
        }
    }
}

fn number(to: &mut Request, from: &Request) {
    if let Some(cseq) = from.headers.cseq() {
        let value = format!("{} {}", cseq.number, to.method);
        to.headers.push(Name::CSeq, &value);
    }
}

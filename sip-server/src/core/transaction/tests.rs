//! Transactions in virtual time: what the layer sends and tells, and when.

mod layer;
mod leak;
mod schedule;
mod table;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::core::message::{Message, Method, parse_datagram};
use crate::core::transport::Transport;

/// The beginning of virtual time.
#[expect(clippy::disallowed_methods, reason = "an Instant can be had in no other way; only differences to it matter")]
fn epoch() -> Instant {
    Instant::now()
}

fn peer(transport: Transport) -> Peer {
    Peer { transport, address: "192.0.2.7:5060".parse().unwrap() }
}

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;

/// A request with that branch, sent by `pc33.example.com`.
fn request(method: &str, branch: &str) -> Request {
    request_from(method, branch, "pc33.example.com")
}

fn request_from(method: &str, branch: &str, sent_by: &str) -> Request {
    let text = format!(
        "{method} sip:bob@192.0.2.7 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {sent_by};branch={branch}, SIP/2.0/UDP behind.example.com;branch=z9hG4bKother\r\n\
         Route: <sip:one.example.com;lr>\r\nRoute: <sip:two.example.com;lr>\r\n\
         From: <sip:alice@example.com>;tag=a1\r\nTo: <sip:bob@example.com>\r\n\
         Call-ID: c1\r\nCSeq: 7 {method}\r\nProxy-Authorization: Digest username=\"alice\"\r\nContent-Length: 0\r\n\r\n"
    );
    match parse_datagram(&Bytes::from(text)).unwrap() {
        Message::Request(request) => request,
        Message::Response(_) => unreachable!(),
    }
}

/// A response to that request, with a To tag.
fn response(request: &Request, status: u16) -> Response {
    let mut response = request.response(status, "Whatever");
    let to = response.headers.to().unwrap().with_tag("b1").to_string();
    response.headers.replace(crate::core::message::Name::To, &to);
    response
}

/// What an effect is, in a few letters.
fn summary(effect: &Effect) -> String {
    match effect {
        Effect::Send { bytes, .. } => match parse_datagram(bytes).unwrap() {
            Message::Request(request) => format!("send {}", request.method),
            Message::Response(response) => format!("send {}", response.status),
        },
        Effect::Request { request, .. } => format!("request {}", request.method),
        Effect::Ack { .. } => "ack".to_owned(),
        Effect::Cancel { .. } => "cancel".to_owned(),
        Effect::Response { response, .. } => format!("pass {}", response.status),
        Effect::Failed { failure, .. } => format!("failed {failure:?}"),
        Effect::ServerEnded { .. } => "ended".to_owned(),
    }
}

fn summaries(effects: &[Effect]) -> Vec<String> {
    effects.iter().map(summary).collect()
}

/// A layer, its time, and what it did since last looked at.
struct World {
    layer: Transactions,
    start: Instant,
    now: Instant,
    out: Vec<Effect>,
}

impl World {
    fn new() -> Self {
        Self::with(Transactions::new(Timers::default()))
    }

    fn with(layer: Transactions) -> Self {
        let start = epoch();
        Self { layer, start, now: start, out: Vec::new() }
    }

    fn send(&mut self, request: Request, transport: Transport) -> ClientId {
        self.layer.send(self.now, request, peer(transport), &mut self.out)
    }

    fn request(&mut self, request: Request, transport: Transport) {
        self.layer.handle_request(self.now, request, peer(transport), &mut self.out);
    }

    /// Takes in a request that is new, and returns its id.
    fn new_request(&mut self, request: Request, transport: Transport) -> ServerId {
        self.request(request, transport);
        let Some(Effect::Request { id, .. }) = self.out.pop() else { panic!("no new request") };
        id
    }

    fn response(&mut self, response: Response) {
        self.layer.handle_response(self.now, response, peer(UDP), &mut self.out);
    }

    fn respond(&mut self, id: ServerId, response: &Response) {
        self.layer.respond(self.now, id, response, &mut self.out);
    }

    /// What happened since the last call.
    fn seen(&mut self) -> Vec<String> {
        summaries(&std::mem::take(&mut self.out))
    }

    /// Lets time go by without any input.
    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.layer.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.layer.handle_timeout(self.now, &mut self.out);
        }
        self.now = until;
    }

    /// Lets time go by until nothing is left, and says what happened at which millisecond since the start.
    fn silence(&mut self) -> Vec<(u128, String)> {
        let mut seen = Vec::new();
        for _ in 0..100_000 {
            let Some(at) = self.layer.poll_timeout() else { break };
            self.now = self.now.max(at);
            self.layer.handle_timeout(self.now, &mut self.out);
            let ms = (self.now - self.start).as_millis();
            seen.extend(self.seen().into_iter().map(|what| (ms, what)));
        }
        assert!(self.layer.is_spotless(), "{:?}", self.layer);
        seen
    }

    /// How long the layer holds on, in milliseconds since the start.
    fn lifetime(&mut self) -> u128 {
        self.silence();
        (self.now - self.start).as_millis()
    }
}

//! The policy over transactions, dialogs, registrar and directory: what this server does with what arrives.
//!
//! One value; everything happens inside its entrances, which push what is to be done into a list of [`Output`]s.
//! Strangers cost nothing: until a request has proved who sent it, it is answered without keeping anything.

mod admission;
mod command;
mod inbound;
mod leg;
mod originate;
mod outbound;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::Problem;
use api::dialog::Event;
use bytes::Bytes;
use ipnet::IpNet;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

pub use command::{Action, Command, Reply};

use self::leg::{Leg, Verdict};
use super::digest::{DigestServer, Offer};
use super::directory::Directory;
use super::message::{Host, Message, Name, Request, Response, Uri, parse_datagram};
use super::registrar::{PingId, Registrar, RegistrarConfig, RegistrarEffect};
use super::transaction::{ClientId, Effect, Failure, Timers, Transactions};
use super::transport::{Peer, Transport};

/// One reading of the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// Unix seconds, for documents and nonces.
    pub unix: u64,
}

/// What the server is told at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address that peers are told, with the SIP port.
    pub public: SocketAddr,
    /// Transaction timers.
    pub timers: Timers,
    /// Registrar limits.
    pub registrar: RegistrarConfig,
    /// How long a call may wait for its answer.
    pub setup_timeout: Duration,
    /// How long a new call waits for a control that takes it.
    pub claim_timeout: Duration,
    /// How often the peer of a running call is asked whether it is still there.
    pub dialog_ping: Duration,
    /// Networks whose calls are not challenged.
    pub trust: Vec<IpNet>,
    /// Which digest algorithms a challenge offers.
    pub digest: Offer,
    /// Most legs at once.
    pub max_legs: usize,
}

impl Config {
    /// Defaults for a server that is reached there.
    pub fn new(public: SocketAddr) -> Self {
        Self {
            public,
            timers: Timers::default(),
            registrar: RegistrarConfig::default(),
            setup_timeout: Duration::from_secs(180),
            claim_timeout: Duration::from_secs(4),
            dialog_ping: Duration::from_secs(15),
            trust: Vec::new(),
            digest: Offer::default(),
            max_legs: 100_000,
        }
    }
}

/// What the world is asked to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send bytes.
    Send {
        /// Where.
        peer: Peer,
        /// What.
        bytes: Bytes,
    },
    /// Tell control. Callbacks of one key go in order and the newest wins.
    Notify(Notification),
    /// Look up the addresses of a host name, answered by [`Switch::handle_lookup`].
    Resolve {
        /// The name.
        host: String,
    },
}

/// A callback to control.
#[derive(Debug, Clone)]
pub struct Notification {
    /// Which resource.
    pub resource: Resource,
    /// Full URL.
    pub url: String,
    /// JSON to `PUT`; none for `DELETE`.
    pub body: Option<Bytes>,
    /// How long it is worth retrying.
    pub patience: Duration,
}

/// What a callback is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A dialog by its Call-ID.
    Dialog(String),
    /// A user's registration.
    Registration(String),
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages received.
    pub received: u64,
    /// Messages sent.
    pub sent: u64,
    /// Datagrams that were no SIP, or not worth an answer.
    pub dropped: u64,
    /// Requests answered with a challenge.
    pub challenged: u64,
    /// Requests refused without keeping anything.
    pub refused: u64,
    /// Registrations accepted, refreshes among them.
    pub registered: u64,
    /// Dialogs ever created.
    pub dialogs: u64,
}

/// Whose request a client transaction carries.
#[derive(Debug, Clone)]
enum Purpose {
    /// The leg's first INVITE, a re-INVITE, a BYE or a check, told apart by the leg's state.
    Leg(Arc<str>),
    /// A registrar's OPTIONS.
    Ping(PingId),
    /// Nobody waits for the answer.
    Nobody,
}

/// The SIP server as a value.
pub struct Switch {
    config: Config,
    rng: StdRng,
    secret: u64,
    transactions: Transactions,
    purposes: HashMap<ClientId, Purpose>,
    legs: HashMap<Arc<str>, Leg>,
    servers: HashMap<super::transaction::ServerId, Arc<str>>,
    deadlines: BTreeSet<(Instant, Arc<str>)>,
    directory: Directory,
    registrar: Registrar,
    digest: DigestServer,
    counters: Counters,
    /// The clocks, as read for the entrance that we are in.
    now: Now,
    /// What the entrance that we are in has to do.
    out: Vec<Output>,
}

impl Switch {
    /// A server with nothing in it. All its randomness comes from the seed.
    pub fn new(config: Config, now: Now, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        Self {
            secret: rng.random(),
            transactions: Transactions::new(config.timers),
            purposes: HashMap::new(),
            legs: HashMap::new(),
            servers: HashMap::new(),
            deadlines: BTreeSet::new(),
            directory: Directory::default(),
            registrar: Registrar::new(config.registrar),
            digest: DigestServer::new(rng.random()).offering(config.digest),
            counters: Counters::default(),
            now,
            out: Vec::new(),
            config,
            rng,
        }
    }

    /// A message came in, from a datagram or framed out of a stream.
    pub fn handle_message(&mut self, now: Now, bytes: &Bytes, peer: Peer, out: &mut Vec<Output>) {
        self.now = now;
        self.received(bytes, peer);
        out.append(&mut self.out);
    }

    /// Control asks something. A refusal has changed nothing.
    pub fn handle_command(&mut self, now: Now, command: Command, out: &mut Vec<Output>) -> Result<Reply, Problem> {
        self.now = now;
        let answer = self.asked(command);
        out.append(&mut self.out);
        answer
    }

    /// The addresses of a host that was looked up; none if there are none.
    pub fn handle_lookup(&mut self, now: Now, host: &str, addresses: &[IpAddr], out: &mut Vec<Output>) {
        self.now = now;
        self.looked_up(host, addresses);
        out.append(&mut self.out);
    }

    /// Nothing can be sent there.
    pub fn handle_unreachable(&mut self, now: Now, peer: Peer, out: &mut Vec<Output>) {
        self.now = now;
        self.unreachable(peer);
        out.append(&mut self.out);
    }

    /// A callback was given up on.
    pub fn handle_undelivered(&mut self, now: Now, resource: &Resource, out: &mut Vec<Output>) {
        self.now = now;
        self.given_up(resource);
        out.append(&mut self.out);
    }

    /// Something may be due.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<Output>) {
        self.now = now;
        self.due();
        out.append(&mut self.out);
    }

    fn received(&mut self, bytes: &Bytes, peer: Peer) {
        self.counters.received += 1;
        match parse_datagram(bytes) {
            Ok(Message::Request(request)) => self.request_received(request, peer),
            Ok(Message::Response(response)) => {
                let mut effects = Vec::new();
                self.transactions.handle_response(self.now.instant, response, peer, &mut effects);
                self.apply(effects);
            }
            Err(malformed) => self.refuse_malformed(&malformed, peer),
        }
    }

    fn looked_up(&mut self, host: &str, addresses: &[IpAddr]) {
        let mut waiting: Vec<Arc<str>> = self
            .legs
            .iter()
            .filter(|(_, leg)| matches!(&leg.state, leg::State::Resolving { host: wanted, .. } if wanted == host))
            .map(|(id, _)| id.clone())
            .collect();
        waiting.sort();
        for id in waiting {
            self.resolved(&id, addresses.first().copied());
        }
    }

    fn unreachable(&mut self, peer: Peer) {
        let mut effects = Vec::new();
        self.transactions.handle_transport_failure(self.now.instant, peer, &mut effects);
        self.apply(effects);
    }

    fn given_up(&mut self, resource: &Resource) {
        let Resource::Dialog(callid) = resource else { return };
        let Some(mut leg) = self.take(callid) else { return };
        let unclaimed = matches!(leg.state, leg::State::Incoming { .. }) && !leg.document.ring;
        if unclaimed {
            let verdict = Verdict::new(480, "Temporarily Unavailable", "control did not take the call");
            self.refuse(&mut leg, &verdict);
            return self.finish(leg, verdict);
        }
        self.keep(leg);
    }

    fn due(&mut self) {
        let mut effects = Vec::new();
        self.transactions.handle_timeout(self.now.instant, &mut effects);
        self.apply(effects);
        let mut pings = Vec::new();
        self.registrar.handle_timeout(self.now.instant, self.now.unix, &mut pings);
        self.apply_registrar(pings);
        while let Some((due, id)) = self.deadlines.first().cloned().filter(|(due, _)| *due <= self.now.instant) {
            self.deadlines.remove(&(due, id.clone()));
            if let Some(leg) = self.legs.remove(&id) {
                self.leg_due(leg);
            }
        }
    }

    /// When [`Self::handle_timeout`] is next worth calling.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let own = self.deadlines.first().map(|(due, _)| *due);
        [self.transactions.poll_timeout(), self.registrar.poll_timeout(), own].into_iter().flatten().min()
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Nothing is going on: no transaction, no leg.
    pub fn is_idle(&self) -> bool {
        self.transactions.is_empty() && self.legs.is_empty() && self.servers.is_empty() && self.purposes.is_empty()
    }

    /// How many transactions and legs there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.transactions.len(), self.legs.len())
    }

    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { peer, bytes } => self.send(peer, bytes),
                Effect::Request { id, request, peer } => self.in_dialog(id, request, peer),
                Effect::Ack { request, peer } => self.ack(&request, peer),
                Effect::Cancel { invite, request, .. } => self.cancelled(invite, &request),
                Effect::Response { id, response, peer } => self.response(id, &response, peer),
                Effect::Failed { id, failure } => self.failed(id, failure),
                Effect::ServerEnded { id } => {
                    self.servers.remove(&id);
                }
            }
        }
    }

    fn apply_registrar(&mut self, effects: Vec<RegistrarEffect>) {
        for effect in effects {
            match effect {
                RegistrarEffect::Ping { id, to, aor, peer } => self.ping(id, to, &aor, peer),
                RegistrarEffect::Registered { domain, user, document } => {
                    self.counters.registered += 1;
                    self.report_registration(&domain, &user, serde_json::to_vec(&document).ok());
                }
                RegistrarEffect::Removed { domain, user } => self.report_registration(&domain, &user, None),
            }
        }
    }

    fn report_registration(&mut self, domain: &str, user: &str, body: Option<Vec<u8>>) {
        let Some(control) = self.directory.resolve(domain).map(|domain| domain.control.as_str()) else { return };
        self.out.push(Output::Notify(Notification {
            resource: Resource::Registration(format!("{user}@{domain}")),
            url: format!("{}/reg/{}/{}", control.trim_end_matches('/'), escape(domain), escape(user)),
            body: body.map(Bytes::from),
            patience: Duration::from_secs(60),
        }));
    }

    fn ping(&mut self, id: PingId, to: Uri, aor: &str, peer: Peer) {
        let mut request = Request::new(super::message::Method::Options, to);
        let tag = self.token();
        let call_id = self.token() + &self.token();
        let headers = &mut request.headers;
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &format!("<sip:{aor}>;tag={tag}"));
        headers.push(Name::To, &format!("<sip:{aor}>"));
        headers.push(Name::CallId, &call_id);
        headers.push(Name::CSeq, "1 OPTIONS");
        headers.push(Name::Contact, &self.contact("", peer.transport));
        self.send_request(request, peer, Purpose::Ping(id));
    }

    /// Sends a request in a transaction of its own, with a Via of ours.
    fn send_request(&mut self, mut request: Request, peer: Peer, purpose: Purpose) -> ClientId {
        request.headers.push_front(Name::Via, &self.via(peer.transport));
        let mut effects = Vec::new();
        let id = self.transactions.send(self.now.instant, request, peer, &mut effects);
        self.purposes.insert(id, purpose);
        self.apply(effects);
        id
    }

    fn send(&mut self, peer: Peer, bytes: Bytes) {
        self.counters.sent += 1;
        self.out.push(Output::Send { peer, bytes });
    }

    fn respond(&mut self, id: super::transaction::ServerId, response: &Response) {
        let mut effects = Vec::new();
        self.transactions.respond(self.now.instant, id, response, &mut effects);
        self.apply(effects);
    }

    /// Puts a leg back, with its deadline.
    fn keep(&mut self, leg: Leg) {
        let id: Arc<str> = leg.dialog.call_id.as_str().into();
        if let Some(due) = leg.deadline() {
            self.deadlines.insert((due, id.clone()));
        }
        self.legs.insert(id, leg);
    }

    /// Takes a leg out for as long as something happens to it.
    fn take(&mut self, callid: &str) -> Option<Leg> {
        let (id, leg) = self.legs.remove_entry(callid)?;
        if let Some(due) = leg.deadline() {
            self.deadlines.remove(&(due, id));
        }
        Some(leg)
    }

    /// Reports the one end of a leg. The leg is gone afterwards.
    fn finish(&mut self, mut leg: Leg, verdict: Verdict) {
        leg.document.hangup = true;
        leg.document.epochs.end = self.now.unix;
        leg.document.error = verdict.error;
        leg.document.cause = Some(verdict.cause);
        self.report(&mut leg, Event::Hangup);
    }

    /// Tells control about a leg.
    fn report(&mut self, leg: &mut Leg, event: Event) {
        leg.record(event);
        let Some(control) = &leg.control else { return };
        let Ok(body) = serde_json::to_vec(&leg.document) else { return };
        let claimable = event == Event::New && !leg.document.originator;
        self.out.push(Output::Notify(Notification {
            resource: Resource::Dialog(leg.document.callid.clone()),
            url: format!("{}/dialog/{}", control.trim_end_matches('/'), escape(&leg.document.callid)),
            body: Some(Bytes::from(body)),
            patience: if claimable { self.config.claim_timeout } else { Duration::from_secs(120) },
        }));
    }

    /// A Via of ours with a fresh branch (RFC 3261 §8.1.1.7, RFC 3581).
    fn via(&mut self, transport: Transport) -> String {
        let public = self.config.public;
        let host = Host::Ip(public.ip());
        format!("SIP/2.0/{transport} {host}:{};rport;branch=z9hG4bK{}", public.port(), self.token())
    }

    /// Our Contact for that user.
    fn contact(&self, user: &str, transport: Transport) -> String {
        let uri = Uri::sip(user, Host::Ip(self.config.public.ip()), Some(self.config.public.port()));
        match transport {
            Transport::Udp => format!("<{uri}>"),
            Transport::Tcp => format!("<{uri};transport=tcp>"),
        }
    }

    /// Sixteen random letters and digits: a tag, a branch, half a Call-ID.
    fn token(&mut self) -> String {
        (0..16).map(|_| char::from(self.rng.sample(rand::distr::Alphanumeric))).collect()
    }
}

/// What a failed transaction counts as (RFC 3261 §8.1.3.1).
fn failure_verdict(failure: Failure) -> Verdict {
    match failure {
        Failure::Timeout => Verdict::new(408, "Request Timeout", "the peer did not answer"),
        Failure::Transport => Verdict::new(503, "Service Unavailable", "the peer cannot be reached"),
    }
}

/// A path segment of a URL.
fn escape(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

//! The transaction layer: which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3, §9.2), and whose timer is
//! due. A message that belongs to none and opens none is dropped and counted (RFC 6026 §8.9).
//!
//! *Invariant:* a transaction that is not Terminated has exactly one entry among the deadlines.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use super::client::Client;
use super::client_invite::{InviteClient, cancel};
use super::key::{ClientKey, ServerKey};
use super::server::Server;
use super::server_invite::InviteServer;
use super::turn::{ClientInput, ServerInput, Timer, Turn};
use super::{ClientId, Effect, Failure, ServerId, Timers};
use crate::core::message::{Method, Name, Request, Response};
use crate::core::transport::Peer;

/// Most transactions at a time, clients and servers together.
const MAX: usize = 200_000;

/// All transactions of a process.
#[derive(Debug)]
pub struct Transactions {
    timers: Timers,
    capacity: usize,
    clients: BTreeMap<ClientId, ClientEntry>,
    servers: BTreeMap<ServerId, ServerEntry>,
    client_ids: BTreeMap<ClientKey, ClientId>,
    server_ids: BTreeMap<ServerKey, ServerId>,
    deadlines: BTreeSet<(Instant, Id)>,
    next_id: u64,
    dropped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Id {
    Client(ClientId),
    Server(ServerId),
}

#[derive(Debug)]
struct ClientEntry {
    machine: ClientMachine,
    peer: Peer,
    key: Option<ClientKey>,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(InviteClient),
    Other(Client),
}

impl ClientMachine {
    fn handle(self, input: ClientInput, turn: &mut Turn<'_, ClientId>) -> Self {
        match self {
            Self::Invite(machine) => Self::Invite(machine.handle(input, turn)),
            Self::Other(machine) => Self::Other(machine.handle(input, turn)),
        }
    }

    /// `None` when it is Terminated.
    fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Invite(machine) => machine.next_timer(),
            Self::Other(machine) => machine.next_timer(),
        }
    }
}

#[derive(Debug)]
struct ServerEntry {
    machine: ServerMachine,
    peer: Peer,
    key: ServerKey,
    /// To tag of the last response, for that of its CANCEL (RFC 3261 §9.2).
    tag: Option<String>,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(InviteServer),
    Other(Server),
}

impl ServerMachine {
    fn handle(self, input: ServerInput, turn: &mut Turn<'_, ServerId>) -> Self {
        match self {
            Self::Invite(machine) => Self::Invite(machine.handle(input, turn)),
            Self::Other(machine) => Self::Other(machine.handle(input, turn)),
        }
    }

    /// `None` when it is Terminated.
    fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self {
            Self::Invite(machine) => machine.next_timer(),
            Self::Other(machine) => machine.next_timer(),
        }
    }
}

impl Transactions {
    /// None yet. T1 is held between a millisecond and a minute, T2 and T4 within 64·T1.
    pub fn new(timers: Timers) -> Self {
        let t1 = timers.t1.clamp(Duration::from_millis(1), Duration::from_secs(60));
        let timers = Timers { t1, t2: timers.t2.clamp(t1, t1 * 64), t4: timers.t4.min(t1 * 64) };
        Self {
            timers,
            capacity: MAX,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            client_ids: BTreeMap::new(),
            server_ids: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_id: 0,
            dropped: 0,
        }
    }

    /// Takes a request off the wire.
    pub fn handle_request(&mut self, now: Instant, request: Request, peer: Peer, out: &mut Vec<Effect>) {
        if request.method == Method::Ack {
            return self.handle_ack(now, request, peer, out);
        }
        let Some(key) = ServerKey::of(&request, request.method.clone()) else {
            self.dropped += 1;
            return;
        };
        if let Some(id) = self.server_ids.get(&key) {
            return self.step_server(now, *id, ServerInput::Again, out);
        }
        if self.is_full() {
            self.dropped += 1;
            return;
        }
        let id = ServerId(self.fresh_id());
        let turn = Turn { now, timers: self.timers, id, peer, out };
        let machine = match request.method {
            Method::Invite => ServerMachine::Invite(InviteServer::start(&turn)),
            _ => ServerMachine::Other(Server::start(&turn)),
        };
        self.arm(Id::Server(id), machine.next_timer());
        self.server_ids.insert(key.clone(), id);
        self.servers.insert(id, ServerEntry { machine, peer, key, tag: None });
        match request.method {
            Method::Cancel => self.handle_cancel(now, id, request, out),
            _ => out.push(Effect::Request { id, request, peer }),
        }
    }

    /// The request belongs to a transaction that is there: a repetition.
    pub fn knows(&self, request: &Request) -> bool {
        ServerKey::of(request, request.method.clone()).is_some_and(|key| self.server_ids.contains_key(&key))
    }

    /// Takes a response off the wire.
    pub fn handle_response(&mut self, now: Instant, response: Response, peer: Peer, out: &mut Vec<Effect>) {
        let key = response.headers.cseq().and_then(|cseq| ClientKey::of(&response.headers, cseq.method));
        match key.and_then(|key| self.client_ids.get(&key)) {
            Some(id) => self.step_client(now, *id, ClientInput::from((response, peer)), out),
            None => self.dropped += 1,
        }
    }

    /// Sends a request and waits for its responses. Its top Via bears a branch of its own, with the magic cookie. An ACK
    /// is only sent: it is no transaction, and nothing comes for its id.
    pub fn send(&mut self, now: Instant, request: Request, peer: Peer, out: &mut Vec<Effect>) -> ClientId {
        let id = ClientId(self.fresh_id());
        if request.method == Method::Ack {
            out.push(Effect::Send { peer, bytes: request.to_bytes() });
            return id;
        }
        if self.is_full() {
            self.dropped += 1;
            out.push(Effect::Failed { id, failure: Failure::Transport });
            return id;
        }
        let key = ClientKey::of(&request.headers, request.method.clone());
        let turn = &mut Turn { now, timers: self.timers, id, peer, out };
        let machine = match request.method {
            Method::Invite => ClientMachine::Invite(InviteClient::start(request, turn)),
            _ => ClientMachine::Other(Client::start(&request, turn)),
        };
        self.arm(Id::Client(id), machine.next_timer());
        if let Some(key) = &key {
            self.client_ids.insert(key.clone(), id);
        }
        self.clients.insert(id, ClientEntry { machine, peer, key });
        id
    }

    /// The CANCEL of an INVITE without final response, to be given to [`Self::send`] once a provisional response has
    /// come, not before (RFC 3261 §9.1).
    pub fn cancel_template(&self, id: ClientId) -> Option<Request> {
        match &self.clients.get(&id)?.machine {
            ClientMachine::Invite(machine) => machine.pending().map(cancel),
            ClientMachine::Other(_) => None,
        }
    }

    /// The INVITE has been cancelled: it fails when no final response comes within 64·T1 (RFC 3261 §9.1). Without a
    /// provisional response yet, timer B is that limit already.
    pub fn abandon(&mut self, now: Instant, id: ClientId) {
        self.step_client(now, id, ClientInput::Abandon, &mut Vec::new());
    }

    /// Responds to a request: any number of provisional responses, then a final one; to an INVITE further 2xx as well,
    /// until Accepted is over. What does not fit is ignored.
    pub fn respond(&mut self, now: Instant, id: ServerId, response: &Response, out: &mut Vec<Effect>) {
        let Some(entry) = self.servers.get_mut(&id) else {
            return;
        };
        if let Some(tag) = response.headers.to().as_ref().and_then(|to| to.tag()) {
            entry.tag = Some(tag.to_owned());
        }
        self.step_server(now, id, ServerInput::from(response), out);
    }

    /// Nothing can be sent to this peer, or its connection is gone. Looks at all transactions.
    pub fn handle_transport_failure(&mut self, now: Instant, peer: Peer, out: &mut Vec<Effect>) {
        let clients: Vec<_> = self.clients.iter().filter(|(_, entry)| entry.peer == peer).map(|(id, _)| *id).collect();
        let servers: Vec<_> = self.servers.iter().filter(|(_, entry)| entry.peer == peer).map(|(id, _)| *id).collect();
        for id in clients {
            self.step_client(now, id, ClientInput::TransportError, out);
        }
        for id in servers {
            self.step_server(now, id, ServerInput::TransportError, out);
        }
    }

    /// Fires each timer that is due, in the order of their times.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Effect>) {
        while let Some((_, id)) = self.deadlines.first().filter(|(at, _)| *at <= now).copied() {
            self.deadlines.pop_first();
            match id {
                Id::Client(id) => {
                    if let Some((_, timer)) = self.clients.get(&id).and_then(|entry| entry.machine.next_timer()) {
                        self.step_client(now, id, ClientInput::Timer(timer), out);
                    }
                }
                Id::Server(id) => {
                    if let Some((_, timer)) = self.servers.get(&id).and_then(|entry| entry.machine.next_timer()) {
                        self.step_server(now, id, ServerInput::Timer(timer), out);
                    }
                }
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many messages were dropped, as they matched nothing, could not be matched, or were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Where a request came from and its responses go.
    pub fn peer_of(&self, id: ServerId) -> Option<Peer> {
        self.servers.get(&id).map(|entry| entry.peer)
    }

    /// An ACK goes to the INVITE transaction that it matches, and to the user when it matches none.
    fn handle_ack(&mut self, now: Instant, request: Request, peer: Peer, out: &mut Vec<Effect>) {
        let Some(key) = ServerKey::of(&request, Method::Invite) else {
            self.dropped += 1;
            return;
        };
        match self.server_ids.get(&key) {
            Some(id) => self.step_server(now, *id, ServerInput::Ack(request, peer), out),
            None => out.push(Effect::Ack { request, peer }),
        }
    }

    /// RFC 3261 §9.2: a CANCEL is a transaction of its own, answered here, and names the INVITE by its branch.
    fn handle_cancel(&mut self, now: Instant, id: ServerId, request: Request, out: &mut Vec<Effect>) {
        let invite = ServerKey::of(&request, Method::Invite).and_then(|key| self.server_ids.get(&key)).copied();
        let Some((invite, entry)) = invite.and_then(|invite| Some((invite, self.servers.get(&invite)?))) else {
            let response = tagged(request.response(481, "Call/Transaction Does Not Exist"), None);
            return self.respond(now, id, &response, out);
        };
        let is_unanswered = matches!(&entry.machine, ServerMachine::Invite(machine) if machine.is_unanswered());
        let response = tagged(request.response(200, "OK"), entry.tag.as_deref());
        let Some(peer) = self.peer_of(id) else {
            return;
        };
        self.respond(now, id, &response, out);
        if is_unanswered {
            out.push(Effect::Cancel { invite, request, peer });
        }
    }

    fn step_client(&mut self, now: Instant, id: ClientId, input: ClientInput, out: &mut Vec<Effect>) {
        let Some(entry) = self.clients.remove(&id) else {
            return;
        };
        let ClientEntry { machine, peer, key } = entry;
        let before = machine.next_timer();
        let machine = machine.handle(input, &mut Turn { now, timers: self.timers, id, peer, out });
        let after = machine.next_timer();
        self.rearm(Id::Client(id), before, after);
        if after.is_some() {
            self.clients.insert(id, ClientEntry { machine, peer, key });
        } else if let Some(key) = key.filter(|key| self.client_ids.get(key) == Some(&id)) {
            self.client_ids.remove(&key);
        }
    }

    fn step_server(&mut self, now: Instant, id: ServerId, input: ServerInput, out: &mut Vec<Effect>) {
        let Some(entry) = self.servers.remove(&id) else {
            return;
        };
        let ServerEntry { machine, peer, key, tag } = entry;
        let before = machine.next_timer();
        let machine = machine.handle(input, &mut Turn { now, timers: self.timers, id, peer, out });
        let after = machine.next_timer();
        self.rearm(Id::Server(id), before, after);
        if after.is_some() {
            self.servers.insert(id, ServerEntry { machine, peer, key, tag });
        } else {
            self.server_ids.remove(&key);
        }
    }

    fn rearm(&mut self, id: Id, before: Option<(Instant, Timer)>, after: Option<(Instant, Timer)>) {
        if let Some((at, _)) = before {
            self.deadlines.remove(&(at, id));
        }
        self.arm(id, after);
    }

    fn arm(&mut self, id: Id, timer: Option<(Instant, Timer)>) {
        if let Some((at, _)) = timer {
            self.deadlines.insert((at, id));
        }
    }

    /// As new, with room for that many.
    #[cfg(test)]
    pub(super) fn with_capacity(timers: Timers, capacity: usize) -> Self {
        Self { capacity, ..Self::new(timers) }
    }

    /// Nothing is left behind: no transaction, key or deadline.
    #[cfg(test)]
    pub(super) fn is_spotless(&self) -> bool {
        self.is_empty() && self.client_ids.is_empty() && self.server_ids.is_empty() && self.deadlines.is_empty()
    }

    fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

/// The response with a To tag: the given one, or one made of the request, as a stateless server does (RFC 3261 §8.2.7).
fn tagged(mut response: Response, tag: Option<&str>) -> Response {
    let Some(to) = response.headers.to().filter(|to| to.tag().is_none()) else {
        return response;
    };
    let mut hasher = DefaultHasher::new();
    for name in [Name::Via, Name::CallId, Name::From] {
        response.headers.text(name).hash(&mut hasher);
    }
    let own = format!("{:016x}", hasher.finish());
    let to = to.with_tag(tag.unwrap_or(&own));
    response.headers.replace(Name::To, &to.to_string());
    response
}

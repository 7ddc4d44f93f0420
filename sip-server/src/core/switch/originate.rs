//! Calls that control asks for: `POST /dialog/invite` (RFC 3261 §13.2.1).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::dialog::{Event, Originate, Originated};
use api::{Code, Problem};
use rand::RngExt;

use super::super::dialog::Dialog;
use super::super::digest::Credentials;
use super::super::message::{Host, Method, Name, NameAddr, Request, Uri};
use super::super::sdp;
use super::super::transport::{Peer, Transport};
use super::inbound::quote;
use super::leg::{Leg, Progress, State, Verdict};
use super::{Output, Switch};

/// Longest time that a call may be set up for.
const LONGEST_SETUP: Duration = Duration::from_secs(3600);

/// Where a call goes.
enum Target {
    /// Straight there.
    Peer(Uri, Peer),
    /// There, once its name has been looked up.
    Name(Uri, String, u16, Transport),
}

impl Switch {
    pub(super) fn originate(&mut self, request: &Originate) -> Result<Originated, Problem> {
        let callid = request.callid.clone().unwrap_or_else(|| format!("{}{}", self.token(), self.token()));
        if callid.is_empty() || callid.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(Problem::bad_request("`callid` must be a word"));
        }
        if let Some(leg) = self.legs.get(&*callid) {
            return match leg.document.originator {
                true => Ok(Originated { callid }),
                false => Err(Problem::conflict("`callid` names an inbound call")),
            };
        }
        if self.legs.len() >= self.config.max_legs {
            return Err(Problem::new(Code::Busy, "too many calls"));
        }
        let patience = request.timeout.map_or(self.config.setup_timeout, Duration::from_secs);
        if patience > LONGEST_SETUP {
            return Err(Problem::bad_request(format!("`timeout` must be at most {}", LONGEST_SETUP.as_secs())));
        }
        let target = self.locate(request)?;
        let (uri, peer) = match &target {
            Target::Peer(uri, peer) => (uri.clone(), *peer),
            Target::Name(uri, _, port, transport) => {
                let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), *port);
                (uri.clone(), Peer { transport: *transport, address: nowhere })
            }
        };
        self.counters.dialogs += 1;
        let mut leg = self.outbound_leg(request, &callid, (uri, peer))?;
        let invite = self.invite(&mut leg, request);
        self.report_new(&mut leg);
        let give_up = self.now.instant + patience;
        match target {
            Target::Peer(..) => self.call(invite, give_up, leg),
            Target::Name(_, host, ..) => {
                leg.state = State::Resolving { invite, host: host.clone() };
                self.keep(leg);
                self.out.push(Output::Resolve { host });
            }
        }
        Ok(Originated { callid })
    }

    /// The creator of a call knows that it is new: the first document is recorded and not sent.
    fn report_new(&mut self, leg: &mut Leg) {
        leg.record(Event::New);
    }

    fn locate(&self, request: &Originate) -> Result<Target, Problem> {
        let host = request.to.domain.as_deref().unwrap_or(&request.from.domain);
        let uri = Uri::parse(&format!("sip:{}@{host}", request.to.user));
        let uri = uri.filter(|uri| !uri.user().is_empty());
        let uri = uri.ok_or_else(|| Problem::bad_request("`to.user` and `to.domain` make no SIP address"))?;
        if uri.port().is_none()
            && let Some(domain) = self.directory.resolve(&uri.domain())
        {
            if domain.user(&uri.user()).is_none() {
                return Err(Problem::not_found("To user not found"));
            }
            let bindings = self.registrar.bindings(self.now.instant, &domain.name, &uri.user());
            let wanted = |uri: &Uri| request.contact.as_ref().is_none_or(|contact| *contact == uri.to_string());
            let binding = bindings.into_iter().find(|binding| wanted(&binding.uri));
            let binding =
                binding.ok_or_else(|| Problem::new(Code::NotRegistered, "the user has no phone registered"))?;
            return Ok(Target::Peer(binding.uri, binding.peer));
        }
        let transport = match uri.param("transport") {
            Some(name) if name.eq_ignore_ascii_case("tcp") => Transport::Tcp,
            _ => Transport::Udp,
        };
        let port = uri.port().unwrap_or(5060);
        match uri.host().cloned() {
            Some(Host::Ip(ip)) => Ok(Target::Peer(uri, Peer { transport, address: SocketAddr::new(ip, port) })),
            Some(Host::Name(name)) => Ok(Target::Name(uri, name, port, transport)),
            None => Err(Problem::bad_request("`to.domain` is no host")),
        }
    }

    fn outbound_leg(&mut self, request: &Originate, callid: &str, (target, peer): (Uri, Peer)) -> Result<Leg, Problem> {
        let domain = request.to.domain.as_deref().unwrap_or(&request.from.domain);
        let address = |user: &str, domain: &str| Uri::parse(&format!("sip:{user}@{domain}"));
        let from = address(&request.from.user, &request.from.domain)
            .ok_or_else(|| Problem::bad_request("`from.user` and `from.domain` make no SIP address"))?;
        let to = address(&request.to.user, domain).unwrap_or_else(|| target.clone());
        let mut local = NameAddr::new(from).with_tag(&self.token());
        if !request.cid.name.is_empty() && !request.cid.private {
            local.display = format!("\"{}\"", quote(&request.cid.name));
        }
        let dialog = Dialog {
            call_id: callid.to_owned(),
            local,
            remote: NameAddr::new(to),
            local_cseq: self.rng.random_range(1..1 << 16),
            remote_cseq: None,
            remote_target: target,
            route_set: Vec::new(),
            peer,
        };
        let document = api::Dialog {
            callid: callid.to_owned(),
            domain: request.from.domain.clone(),
            to: request.to.user.clone(),
            from: request.from.user.clone(),
            maxforwards: request.maxforwards,
            originator: true,
            transport: peer.transport.as_str().to_owned(),
            sdp: api::dialog::SdpPair { them: None, us: request.sdp.clone() },
            epochs: api::dialog::Epochs { start: self.now.unix, ..Default::default() },
            ..Default::default()
        };
        let mut leg = Leg::new(dialog, State::Confirmed, document);
        let entry = self.directory.resolve(&request.from.domain).map(|domain| domain.control.clone());
        leg.control = request.control.clone().or(entry);
        leg.credentials =
            request.from.authsecret.clone().map(|secret| Credentials { user: request.from.user.clone(), secret });
        Ok(leg)
    }

    fn invite(&mut self, leg: &mut Leg, request: &Originate) -> Request {
        let transport = leg.dialog.peer.transport;
        let mut invite = leg.dialog.request(&Method::Invite);
        let contact = self.contact(&request.from.user, transport);
        leg.document.contact.clone_from(&contact);
        let headers = &mut invite.headers;
        headers.replace(Name::MaxForwards, &request.maxforwards.to_string());
        headers.push(Name::Contact, &contact);
        headers.push(Name::Allow, super::admission::ALLOW);
        headers.push_text("User-Agent", concat!("mediaswitch/", env!("CARGO_PKG_VERSION")));
        let number = if request.cid.number.is_empty() { &request.from.user } else { &request.cid.number };
        let name =
            if request.cid.name.is_empty() { String::new() } else { format!("\"{}\" ", quote(&request.cid.name)) };
        let privacy = if request.cid.private { ";privacy=full" } else { "" };
        let identity = format!("{name}<sip:{number}@{}>{privacy}", request.from.domain);
        headers.push(Name::RemotePartyId, &identity);
        if request.cid.private {
            headers.push(Name::Privacy, "id");
        }
        for (name, value) in &request.headers {
            headers.push_text(name, value);
        }
        if let Some(offer) = &request.sdp {
            headers.push(Name::ContentType, "application/sdp");
            invite.body = sdp::print(offer);
        }
        invite
    }

    /// Sends the INVITE.
    pub(super) fn call(&mut self, invite: Request, give_up: Instant, leg: Leg) {
        let request = invite.clone();
        let calling = |leg: &mut Leg, id| {
            leg.state = State::Calling { invite: id, request, progress: Progress::Silent, give_up };
        };
        self.send_for(invite, leg, calling);
    }

    /// The peer's name has been looked up.
    pub(super) fn resolved(&mut self, callid: &Arc<str>, address: Option<IpAddr>) {
        let Some(mut leg) = self.take(callid) else { return };
        let State::Resolving { invite, .. } = &leg.state else { return self.keep(leg) };
        let invite = invite.clone();
        let Some(ip) = address else {
            let verdict = Verdict::new(404, "Not Found", "the callee's host name has no address");
            return self.finish(leg, verdict);
        };
        leg.dialog.peer.address.set_ip(ip);
        let give_up = self.now.instant + self.config.setup_timeout;
        self.call(invite, give_up, leg);
    }
}

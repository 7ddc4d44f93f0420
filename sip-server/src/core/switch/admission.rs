//! Who may come in: requests are judged before anything is kept for them.
//!
//! A refusal is sent statelessly (RFC 3261 §8.2.7): its To tag is a hash of the request, so a repeated request gets the
//! same answer. Only requests of proven users, of trusted networks and of existing dialogs reach a transaction.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::digest::Verdict;
use super::super::message::{Malformed, Method, Name, Params, Request, Response};
use super::super::transaction::Effect;
use super::super::transport::Peer;
use super::Switch;

/// The methods that we take.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER";

/// What an acceptable request is.
enum Admission {
    Register { domain: String, user: String },
    Call { domain: String, authenticated: bool },
    InDialog,
}

impl Switch {
    pub(super) fn request_received(&mut self, mut request: Request, peer: Peer) {
        note_source(&mut request, peer);
        let absorbed = matches!(request.method, Method::Ack | Method::Cancel) || self.transactions.knows(&request);
        let admission = if absorbed {
            Admission::InDialog
        } else {
            match self.admit(&request, peer) {
                Ok(admission) => admission,
                Err(response) => return self.refuse_statelessly(&request, *response, peer),
            }
        };
        let mut effects = Vec::new();
        self.transactions.handle_request(self.now.instant, request, peer, &mut effects);
        let Admission::InDialog = admission else {
            return self.admitted(&admission, effects);
        };
        self.apply(effects);
    }

    fn admitted(&mut self, admission: &Admission, effects: Vec<Effect>) {
        for effect in effects {
            let Effect::Request { id, request, peer } = effect else {
                self.apply(vec![effect]);
                continue;
            };
            match admission {
                Admission::Register { domain, user } => {
                    let mut done = Vec::new();
                    let response = self.registrar.handle_register(
                        self.now.instant,
                        self.now.unix,
                        domain,
                        user,
                        &request,
                        peer,
                        &mut done,
                    );
                    let response = self.dress(response);
                    self.respond(id, &response);
                    self.apply_registrar(done);
                }
                Admission::Call { domain, authenticated } => {
                    self.new_call((id, request, peer), domain, *authenticated);
                }
                Admission::InDialog => {}
            }
        }
    }

    fn admit(&mut self, request: &Request, peer: Peer) -> Result<Admission, Box<Response>> {
        if let Err(wrong) = request.validate() {
            return Err(Box::new(request.response(wrong.status, wrong.reason)));
        }
        let required = request.headers.list(Name::Require);
        if !required.is_empty() {
            let mut response = request.response(420, "Bad Extension");
            response.headers.push(Name::Unsupported, &required.join(", "));
            return Err(Box::new(response));
        }
        if request.headers.number(Name::MaxForwards) == Some(0) {
            return Err(Box::new(request.response(483, "Too Many Hops")));
        }
        if request.headers.to().is_some_and(|to| to.tag().is_some()) {
            return self.admit_in_dialog(request);
        }
        match &request.method {
            Method::Register => self.admit_register(request),
            Method::Invite => self.admit_call(request, peer),
            Method::Options => {
                let mut response = request.response(200, "OK");
                response.headers.push(Name::Accept, "application/sdp");
                Err(Box::new(response))
            }
            Method::Bye => Err(Box::new(no_such_call(request))),
            Method::Subscribe => Err(Box::new(request.response(489, "Bad Event"))),
            Method::Other(_) => Err(Box::new(request.response(501, "Not Implemented"))),
            _ => Err(Box::new(request.response(405, "Method Not Allowed"))),
        }
    }

    fn admit_in_dialog(&mut self, request: &Request) -> Result<Admission, Box<Response>> {
        let call_id = request.headers.call_id().unwrap_or_default();
        let known = self.legs.get(&*call_id).is_some_and(|leg| leg.dialog.owns(request));
        if !known {
            return Err(Box::new(no_such_call(request)));
        }
        match request.method {
            Method::Invite | Method::Bye | Method::Options => Ok(Admission::InDialog),
            _ => Err(Box::new(request.response(405, "Method Not Allowed"))),
        }
    }

    fn admit_register(&mut self, request: &Request) -> Result<Admission, Box<Response>> {
        let to = request.headers.to().map(|to| to.uri);
        let hosts = [Some(&request.uri), to.as_ref()];
        let Some(domain) = hosts.into_iter().flatten().find_map(|uri| self.directory.resolve(&uri.domain())) else {
            return Err(Box::new(request.response(404, "Domain Not Served")));
        };
        let domain = domain.name.clone();
        let user = self.authenticate(request, &domain)?;
        let address_of_record = to.filter(|to| self.names(&to.domain(), &domain)).map(|to| to.user());
        if address_of_record.as_deref() != Some(&user) {
            return Err(Box::new(request.response(403, "Not Your Address")));
        }
        Ok(Admission::Register { domain, user })
    }

    fn admit_call(&mut self, request: &Request, peer: Peer) -> Result<Admission, Box<Response>> {
        if self.legs.contains_key(&*request.headers.call_id().unwrap_or_default()) {
            return Err(Box::new(request.response(482, "Loop Detected")));
        }
        if self.legs.len() >= self.config.max_legs {
            return Err(Box::new(unavailable(request)));
        }
        let from = request.headers.from().map(|from| from.uri);
        let hosts = [from.as_ref(), Some(&request.uri)];
        let Some(domain) = hosts.into_iter().flatten().find_map(|uri| self.directory.resolve(&uri.domain())) else {
            return Err(Box::new(request.response(404, "Domain Not Served")));
        };
        let domain = domain.name.clone();
        let source = peer.address.ip();
        let trusted = self.config.trust.iter().any(|network| network.contains(&source));
        if trusted || self.directory.trusts(&domain, source) {
            return Ok(Admission::Call { domain, authenticated: true });
        }
        let user = self.authenticate(request, &domain)?;
        let caller = from.filter(|from| self.names(&from.domain(), &domain)).map(|from| from.user());
        if caller.as_deref() != Some(&user) {
            return Err(Box::new(request.response(403, "Not Your Address")));
        }
        Ok(Admission::Call { domain, authenticated: true })
    }

    /// The host is the domain's name or one of its aliases.
    fn names(&self, host: &str, domain: &str) -> bool {
        self.directory.resolve(host).is_some_and(|found| found.name == domain)
    }

    /// The user whose secret the request proves, or the challenge.
    fn authenticate(&mut self, request: &Request, domain: &str) -> Result<String, Box<Response>> {
        let verdict = self.digest.verify(self.now.unix, request, Name::Authorization, &self.directory);
        let stale = match verdict {
            Verdict::Accepted { domain: proven, user } if proven == domain => return Ok(user),
            Verdict::Accepted { .. } | Verdict::Refused => {
                return Err(Box::new(request.response(403, "Failed auth")));
            }
            Verdict::Absent => false,
            Verdict::Stale | Verdict::Replayed => true,
        };
        self.counters.challenged += 1;
        let mut response = request.response(401, "Unauthorized");
        let challenges =
            self.directory.resolve(domain).map(|domain| self.digest.domain_challenges(self.now.unix, domain, stale));
        for challenge in challenges.unwrap_or_default() {
            response.headers.push(Name::WwwAuthenticate, &challenge);
        }
        Err(Box::new(response))
    }

    /// Answers what could not be read, if it can be answered at all.
    pub(super) fn refuse_malformed(&mut self, malformed: &Malformed, peer: Peer) {
        let Some(request) = malformed.request.as_deref().filter(|request| request.method != Method::Ack) else {
            self.counters.dropped += 1;
            return;
        };
        let mut request = request.clone();
        note_source(&mut request, peer);
        let response = request.response(malformed.status, malformed.reason);
        self.refuse_statelessly(&request, response, peer);
    }

    fn refuse_statelessly(&mut self, request: &Request, response: Response, peer: Peer) {
        if request.method == Method::Ack || request.headers.via().is_none() {
            self.counters.dropped += 1;
            return;
        }
        self.counters.refused += 1;
        let mut response = self.dress(response);
        if let Some(to) = response.headers.to().filter(|to| to.tag().is_none()) {
            let tag = self.stateless_tag(request);
            response.headers.replace(Name::To, &to.with_tag(&tag).to_string());
        }
        self.send(peer, response.to_bytes());
    }

    fn stateless_tag(&self, request: &Request) -> String {
        let mut hasher = DefaultHasher::new();
        self.secret.hash(&mut hasher);
        request.headers.call_id().hash(&mut hasher);
        request.headers.text(Name::From).hash(&mut hasher);
        request.headers.text(Name::CSeq).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Adds what every response of ours carries.
    pub(super) fn dress(&self, mut response: Response) -> Response {
        response.headers.push(Name::Allow, ALLOW);
        response.headers.push_text("Server", concat!("mediaswitch/", env!("CARGO_PKG_VERSION")));
        response
    }
}

/// Notes in the topmost Via where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
fn note_source(request: &mut Request, peer: Peer) {
    let Some(mut via) = request.headers.via() else { return };
    let port = peer.address.port().to_string();
    let wants_port = via.params.contains("rport");
    let elsewhere = via.host.to_string().trim_matches(['[', ']']) != peer.address.ip().to_string();
    if !wants_port && !elsewhere {
        return;
    }
    let params: &mut Params = &mut via.params;
    params.insert("received", Some(&peer.address.ip().to_string()));
    if wants_port {
        params.insert("rport", Some(&port));
    }
    request.headers.replace_via(&via);
}

/// 481 (RFC 3261 §12.2.2).
pub(super) fn no_such_call(request: &Request) -> Response {
    request.response(481, "Call/Transaction Does Not Exist")
}

fn unavailable(request: &Request) -> Response {
    let mut response = request.response(503, "Service Unavailable");
    response.headers.push(Name::RetryAfter, "5");
    response
}

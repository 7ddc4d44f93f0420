//! What the peer answers us: to INVITE, re-INVITE, BYE and OPTIONS (RFC 3261 §13.2.2, §14.1, §15), and how we end calls.

use api::dialog::Event;

use super::super::digest;
use super::super::message::{Method, Name, Request, Response};
use super::super::sdp;
use super::super::transaction::{ClientId, Failure};
use super::super::transport::Peer;
use super::inbound::{body_sdp, quote};
use super::leg::{Leg, Progress, State, Verdict};
use super::{Purpose, Switch, failure_verdict};

/// How many challenges in a row are answered.
const MAX_CHALLENGES: u32 = 2;

impl Switch {
    /// A response in one of our client transactions.
    pub(super) fn response(&mut self, id: ClientId, response: &Response, peer: Peer) {
        let purpose =
            if response.is_provisional() { self.purposes.get(&id).cloned() } else { self.purposes.remove(&id) };
        match purpose {
            Some(Purpose::Leg(callid)) => {
                let Some(mut leg) = self.take(&callid) else { return };
                leg.heard_from(peer);
                self.leg_response(id, response, leg);
            }
            Some(Purpose::Ping(ping)) if !response.is_provisional() => {
                self.registrar.handle_pong(self.now.instant, ping)
            }
            Some(_) => {}
            None => self.repeated_success(response, peer),
        }
    }

    fn leg_response(&mut self, id: ClientId, response: &Response, mut leg: Leg) {
        if matches!(&leg.state, State::Calling { invite, .. } if *invite == id) {
            return self.call_response(response, leg);
        }
        if matches!(&leg.state, State::Ending { bye } if *bye == id) {
            if response.is_provisional() {
                return self.keep(leg);
            }
            let verdict = leg.verdict.take().unwrap_or_else(|| Verdict::normal("we hung up"));
            return self.finish(leg, verdict);
        }
        if leg.reinvite == Some(id) {
            return self.reinvite_response(response, leg);
        }
        if leg.ping == Some(id) && !response.is_provisional() {
            leg.ping = None;
            leg.next_ping = Some(self.now.instant + self.config.dialog_ping);
            if matches!(response.status, 408 | 481) {
                let verdict = Verdict::new(response.status, &response.reason, "the peer no longer knows the call");
                return self.finish(leg, verdict);
            }
        }
        self.keep(leg);
    }

    fn call_response(&mut self, response: &Response, leg: Leg) {
        match response.status {
            ..200 => self.progressed(response, leg),
            200..300 => self.call_answered(response, leg),
            401 | 407 if leg.verdict.is_none() && leg.challenges < MAX_CHALLENGES && leg.credentials.is_some() => {
                self.call_challenged(response, leg);
            }
            code => self.call_failed(Verdict::new(code, response.reason.trim(), "the peer refused"), leg),
        }
    }

    fn progressed(&mut self, response: &Response, mut leg: Leg) {
        let State::Calling { progress, invite, .. } = &mut leg.state else { return self.keep(leg) };
        if *progress == Progress::CancelWanted {
            *progress = Progress::Cancelled;
            let id = *invite;
            self.cancel(id, &leg);
            return self.keep(leg);
        }
        if *progress == Progress::Silent {
            *progress = Progress::Provisional;
        }
        let early = body_sdp(&response.headers, &response.body);
        let has_media = early.is_some();
        if has_media {
            leg.document.sdp.them = early;
        }
        if response.status == 180 && !leg.document.ring {
            leg.document.ring = true;
            leg.document.epochs.ring = self.now.unix;
            self.report(&mut leg, Event::Ringing);
        } else if has_media {
            self.report(&mut leg, Event::Progress);
        }
        self.keep(leg);
    }

    fn call_answered(&mut self, response: &Response, mut leg: Leg) {
        let State::Calling { request, progress, .. } = &leg.state else { return self.keep(leg) };
        let late_offer = request.body.is_empty();
        let gave_up = matches!(progress, Progress::CancelWanted | Progress::Cancelled);
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        leg.dialog.establish(response);
        leg.document.authenticated = leg.challenges == 0;
        leg.document.answered = true;
        leg.document.epochs.answer = self.now.unix;
        if let Some(them) = body_sdp(&response.headers, &response.body) {
            leg.document.hold = sdp::is_hold(&them);
            leg.document.sdp.them = Some(them);
        }
        if late_offer && leg.document.sdp.them.is_some() && !gave_up {
            leg.state = State::Acknowledging { number, give_up: self.now.instant + 64 * self.config.timers.t1 };
        } else {
            self.acknowledge(&mut leg, number, None);
            self.confirmed(&mut leg);
        }
        if gave_up {
            let verdict = leg.verdict.take().unwrap_or_else(|| Verdict::normal("we hung up"));
            return self.bye(leg, verdict);
        }
        self.report(&mut leg, Event::Answered);
        self.keep(leg);
    }

    fn call_challenged(&mut self, response: &Response, mut leg: Leg) {
        let State::Calling { request, give_up, .. } = &leg.state else { return self.keep(leg) };
        let (mut request, give_up) = (request.clone(), *give_up);
        leg.challenges += 1;
        let Some(credential) = self.authorize(&leg, &request, response) else {
            let verdict = Verdict::new(response.status, response.reason.trim(), "the peer's challenge cannot be met");
            return self.call_failed(verdict, leg);
        };
        leg.dialog.local_cseq += 1;
        request.headers.replace(credential.0, &credential.1);
        request.headers.replace(Name::CSeq, &format!("{} INVITE", leg.dialog.local_cseq));
        request.headers.remove(Name::Via);
        self.call(request, give_up, leg);
    }

    /// The Authorization that answers a challenge.
    fn authorize(&mut self, leg: &Leg, request: &Request, response: &Response) -> Option<(Name, String)> {
        let (asked, given) = match response.status {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            _ => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        };
        let challenges: Vec<String> = response.headers.all(asked).map(|value| value.into_owned()).collect();
        let cnonce = self.token();
        let uri = request.uri.to_string();
        let credentials = leg.credentials.as_ref()?;
        digest::answer(&challenges, credentials, request.method.as_str(), &uri, &cnonce, 1).map(|value| (given, value))
    }

    fn call_failed(&mut self, verdict: Verdict, mut leg: Leg) {
        let verdict = leg.verdict.take().unwrap_or(verdict);
        self.finish(leg, verdict);
    }

    fn reinvite_response(&mut self, response: &Response, mut leg: Leg) {
        if response.is_provisional() {
            return self.keep(leg);
        }
        leg.reinvite = None;
        match response.status {
            200..300 => {
                let number = response.headers.cseq().map_or(0, |cseq| cseq.number);
                leg.dialog.refresh_target(response.headers.name_addrs(Name::Contact));
                if let Some(them) = body_sdp(&response.headers, &response.body) {
                    leg.document.sdp.them = Some(them);
                }
                leg.document.error = api::dialog::Error::default();
                self.acknowledge(&mut leg, number, None);
            }
            code @ (408 | 481) => {
                let verdict = Verdict::new(code, response.reason.trim(), "the peer no longer knows the call");
                return self.bye(leg, verdict);
            }
            code => leg.document.error = api::dialog::Error { code, status: response.reason.trim().to_owned() },
        }
        if let Some(verdict) = leg.verdict.take() {
            return self.bye(leg, verdict);
        }
        self.report(&mut leg, Event::Reinvite);
        self.keep(leg);
    }

    /// A 2xx whose transaction has had its first one: its ACK was lost, or another branch of a fork answered, too.
    fn repeated_success(&mut self, response: &Response, peer: Peer) {
        let cseq = response.headers.cseq().filter(|cseq| cseq.method == Method::Invite);
        let (true, Some(cseq)) = (response.is_success(), cseq) else { return };
        let call_id = response.headers.call_id().unwrap_or_default().into_owned();
        let Some(leg) = self.take(&call_id) else { return };
        let tag = response.headers.to().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        if tag == leg.dialog.remote_tag() {
            let again = leg.ack.as_ref().filter(|(number, _)| *number == cseq.number).map(|(_, bytes)| bytes.clone());
            let peer = leg.dialog.peer;
            self.keep(leg);
            if let Some(bytes) = again {
                self.send(peer, bytes);
            }
            return;
        }
        let mut other = leg.dialog.clone();
        self.keep(leg);
        other.peer = peer;
        other.establish(response);
        let mut ack = other.request_numbered(&Method::Ack, cseq.number);
        ack.headers.push_front(Name::Via, &self.via(peer.transport));
        self.send(peer, ack.to_bytes());
        let bye = other.request(&Method::Bye);
        self.send_request(bye, peer, Purpose::Nobody);
    }

    /// One of our client transactions ended without an answer.
    pub(super) fn failed(&mut self, id: ClientId, failure: Failure) {
        let callid = match self.purposes.remove(&id) {
            Some(Purpose::Leg(callid)) => callid,
            Some(Purpose::Ping(ping)) => return self.registrar.handle_ping_failed(self.now.instant, ping),
            Some(Purpose::Nobody) | None => return,
        };
        let Some(mut leg) = self.take(&callid) else { return };
        let verdict = failure_verdict(failure);
        if matches!(&leg.state, State::Calling { invite, .. } if *invite == id) {
            return self.call_failed(verdict, leg);
        }
        if matches!(&leg.state, State::Ending { bye } if *bye == id) {
            let verdict = leg.verdict.take().unwrap_or(verdict);
            return self.finish(leg, verdict);
        }
        if leg.reinvite == Some(id) || leg.ping == Some(id) {
            // Whoever left these unanswered will hardly answer a BYE: it is sent, and not waited for.
            let bye = leg.dialog.request(&Method::Bye);
            self.send_request(bye, leg.dialog.peer, Purpose::Nobody);
            return self.finish(leg, verdict);
        }
        self.keep(leg);
    }

    /// Sends the ACK to a 2xx and keeps it for the 2xx's repetitions (RFC 3261 §13.2.2.4).
    pub(super) fn acknowledge(&mut self, leg: &mut Leg, number: u32, answer: Option<&api::Sdp>) {
        let mut ack = leg.dialog.request_numbered(&Method::Ack, number);
        ack.headers.push_front(Name::Via, &self.via(leg.dialog.peer.transport));
        if let Some(answer) = answer {
            ack.headers.push(Name::ContentType, "application/sdp");
            ack.body = sdp::print(answer);
        }
        let bytes = ack.to_bytes();
        leg.ack = Some((number, bytes.clone()));
        self.send(leg.dialog.peer, bytes);
    }

    /// Ends a leg in the way that fits its state; the end is reported when the peer has had its say.
    pub(super) fn hang_up(&mut self, mut leg: Leg, verdict: Verdict) {
        match &mut leg.state {
            State::Incoming { .. } => {
                self.refuse(&mut leg, &verdict);
                self.finish(leg, verdict);
            }
            State::Resolving { .. } => self.finish(leg, verdict),
            State::Answering { .. } => {
                leg.verdict = Some(verdict);
                self.keep(leg);
            }
            State::Calling { invite, progress, give_up, .. } => {
                let id = *invite;
                let ready = *progress == Progress::Provisional;
                *progress = if ready { Progress::Cancelled } else { Progress::CancelWanted };
                *give_up = self.now.instant + 2 * self.config.setup_timeout;
                leg.verdict.get_or_insert(verdict);
                if ready {
                    self.cancel(id, &leg);
                }
                self.keep(leg);
            }
            State::Acknowledging { number, .. } => {
                let number = *number;
                self.acknowledge(&mut leg, number, None);
                self.bye(leg, verdict);
            }
            State::Confirmed => self.bye(leg, verdict),
            State::Ending { .. } => self.keep(leg),
        }
    }

    fn cancel(&mut self, invite: ClientId, leg: &Leg) {
        let Some(mut cancel) = self.transactions.cancel_template(invite) else { return };
        if let Some(verdict) = &leg.verdict {
            cancel.headers.push(Name::Reason, &format!("SIP;cause=487;text=\"{}\"", quote(&verdict.cause)));
        }
        self.transactions.abandon(self.now.instant, invite);
        let mut effects = Vec::new();
        let id = self.transactions.send(self.now.instant, cancel, leg.dialog.peer, &mut effects);
        self.purposes.insert(id, Purpose::Nobody);
        self.apply(effects);
    }

    /// Sends BYE (RFC 3261 §15.1.1).
    pub(super) fn bye(&mut self, mut leg: Leg, verdict: Verdict) {
        self.refuse_offer(&mut leg, (487, "Request Terminated"));
        let mut bye = leg.dialog.request(&Method::Bye);
        let (code, text) = match verdict.error.code {
            0 => (200, verdict.cause.as_str()),
            code => (code, verdict.error.status.as_str()),
        };
        bye.headers.push(Name::Reason, &format!("SIP;cause={code};text=\"{}\"", quote(text)));
        leg.verdict = Some(verdict);
        self.send_for(bye, leg, |leg, id| leg.state = State::Ending { bye: id });
    }

    /// Asks the peer of a running call whether it is still there.
    pub(super) fn check_peer(&mut self, leg: &mut Leg) {
        let mut options = leg.dialog.request(&Method::Options);
        options.headers.push(Name::Contact, &self.contact(&leg.document.from, leg.dialog.peer.transport));
        leg.next_ping = None;
        let callid = leg.dialog.call_id.as_str().into();
        leg.ping = Some(self.send_request(options, leg.dialog.peer, Purpose::Leg(callid)));
    }

    /// Sends a request of a leg, and puts the leg back with what `note` makes of the transaction's id before any effect
    /// of the sending can reach it.
    pub(super) fn send_for(&mut self, mut request: Request, mut leg: Leg, note: impl FnOnce(&mut Leg, ClientId)) {
        let peer = leg.dialog.peer;
        request.headers.push_front(Name::Via, &self.via(peer.transport));
        let mut effects = Vec::new();
        let id = self.transactions.send(self.now.instant, request, peer, &mut effects);
        self.purposes.insert(id, Purpose::Leg(leg.dialog.call_id.as_str().into()));
        note(&mut leg, id);
        self.keep(leg);
        self.apply(effects);
    }
}

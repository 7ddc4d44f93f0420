//! What the peer asks of us: its INVITE, re-INVITE, CANCEL, ACK and BYE (RFC 3261 §9, §13, §14, §15).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::Sdp;
use api::dialog::Event;
use bytes::Bytes;

use super::super::dialog::{Dialog, Sequence};
use super::super::message::{Headers, Method, Name, Request, Response};
use super::super::sdp;
use super::super::transaction::ServerId;
use super::super::transport::Peer;
use super::Switch;
use super::admission::no_such_call;
use super::leg::{Leg, Pending, State, Verdict};

/// How long control may take to answer a re-INVITE.
const REINVITE_PATIENCE: Duration = Duration::from_secs(10);

impl Switch {
    /// A call comes in from somebody who may call.
    pub(super) fn new_call(
        &mut self,
        (id, request, peer): (ServerId, Request, Peer),
        domain: &str,
        authenticated: bool,
    ) {
        let tag = self.token();
        let Some(dialog) = Dialog::uas(&request, &tag, peer) else {
            let response = self.dress(request.response(400, "Bad From or To"));
            return self.respond(id, &response);
        };
        self.respond(id, &request.response(100, "Trying"));
        self.counters.dialogs += 1;
        let headers = &request.headers;
        let document = api::Dialog {
            callid: dialog.call_id.clone(),
            domain: domain.to_owned(),
            to: headers.to().map(|to| to.uri.user()).unwrap_or_default(),
            from: headers.from().map(|from| from.uri.user()).unwrap_or_default(),
            contact: headers.text(Name::Contact).unwrap_or_default().into_owned(),
            maxforwards: headers.number(Name::MaxForwards).unwrap_or(70),
            authenticated,
            headers: identity_headers(headers),
            sdp: api::dialog::SdpPair { them: body_sdp(headers, &request.body), us: None },
            epochs: api::dialog::Epochs { start: self.now.unix, ..Default::default() },
            ..Default::default()
        };
        let give_up = self.now.instant + self.config.setup_timeout;
        let callid: Arc<str> = dialog.call_id.as_str().into();
        let mut leg = Leg::new(dialog, State::Incoming { invite: Pending { id, request }, give_up }, document);
        leg.document.hold = leg.document.sdp.them.as_ref().is_some_and(sdp::is_hold);
        leg.control = self.directory.resolve(domain).map(|domain| domain.control.clone());
        leg.heard_from(peer);
        self.servers.insert(id, callid);
        self.report(&mut leg, Event::New);
        self.keep(leg);
    }

    /// A request inside a dialog.
    pub(super) fn in_dialog(&mut self, id: ServerId, request: Request, peer: Peer) {
        let call_id = request.headers.call_id().unwrap_or_default().into_owned();
        let ours = self.legs.get(&*call_id).is_some_and(|leg| leg.dialog.owns(&request));
        let Some(mut leg) = ours.then(|| self.take(&call_id)).flatten() else {
            let response = self.dress(no_such_call(&request));
            return self.respond(id, &response);
        };
        let number = request.headers.cseq().map_or(0, |cseq| cseq.number);
        if leg.dialog.advance(number) == Sequence::Stale {
            let response = self.dress(request.response(500, "CSeq Out Of Order"));
            self.respond(id, &response);
            return self.keep(leg);
        }
        leg.heard_from(peer);
        match request.method {
            Method::Bye => self.bye_received(id, &request, leg),
            Method::Invite => self.reinvited(Pending { id, request }, leg),
            _ => {
                let response = self.dress(request.response(200, "OK"));
                self.respond(id, &response);
                self.keep(leg);
            }
        }
    }

    fn bye_received(&mut self, id: ServerId, bye: &Request, mut leg: Leg) {
        let response = self.dress(bye.response(200, "OK"));
        self.respond(id, &response);
        let terminated = Verdict::new(487, "Request Terminated", "the peer hung up before the answer");
        if let Some(offer) = leg.offer.take() {
            let response = self.dress(offer.request.response(487, "Request Terminated"));
            self.respond(offer.id, &response);
        }
        if matches!(leg.state, State::Incoming { .. }) {
            self.refuse(&mut leg, &terminated);
            return self.finish(leg, terminated);
        }
        let reason = bye.headers.text(Name::Reason).map(|reason| format!(" ({reason})")).unwrap_or_default();
        let verdict = leg.verdict.take().unwrap_or_else(|| Verdict::normal(format!("the peer hung up{reason}")));
        self.finish(leg, verdict);
    }

    fn reinvited(&mut self, invite: Pending, mut leg: Leg) {
        let refusal = match (&leg.state, leg.reinvite, &leg.offer) {
            (State::Confirmed, None, None) => None,
            (State::Confirmed, Some(_), _) => Some((491, "Request Pending")),
            _ => Some((500, "Another INVITE Is In Progress")),
        };
        if let Some((status, reason)) = refusal {
            let mut response = self.dress(invite.request.response(status, reason));
            if status == 500 {
                response.headers.push(Name::RetryAfter, "3");
            }
            self.respond(invite.id, &response);
            return self.keep(leg);
        }
        self.respond(invite.id, &invite.request.response(100, "Trying"));
        let headers = &invite.request.headers;
        leg.dialog.refresh_target(headers.name_addrs(Name::Contact));
        leg.document.sdp.them = body_sdp(headers, &invite.request.body);
        if let Some(them) = &leg.document.sdp.them {
            leg.document.hold = sdp::is_hold(them);
        }
        self.servers.insert(invite.id, leg.dialog.call_id.as_str().into());
        leg.offer = Some(invite);
        leg.offer_due = Some(self.now.instant + REINVITE_PATIENCE);
        self.report(&mut leg, Event::Reinvite);
        self.keep(leg);
    }

    /// An ACK that no transaction took: the one to a 2xx of ours.
    pub(super) fn ack(&mut self, request: &Request, peer: Peer) {
        let call_id = request.headers.call_id().unwrap_or_default().into_owned();
        let Some(mut leg) = self.take(&call_id) else {
            self.counters.dropped += 1;
            return;
        };
        let number = request.headers.cseq().map(|cseq| cseq.number);
        let awaited = matches!(&leg.state, State::Answering { number: awaited, .. } if Some(*awaited) == number);
        if !awaited || !leg.dialog.owns(request) {
            self.counters.dropped += 1;
            return self.keep(leg);
        }
        leg.heard_from(peer);
        if let Some(answer) = body_sdp(&request.headers, &request.body) {
            leg.document.hold = sdp::is_hold(&answer);
            leg.document.sdp.them = Some(answer);
        }
        self.confirmed(&mut leg);
        if let Some(verdict) = leg.verdict.take() {
            return self.bye(leg, verdict);
        }
        self.report(&mut leg, Event::Ack);
        self.keep(leg);
    }

    /// The call is established: from now on the peer is asked at times whether it is still there.
    pub(super) fn confirmed(&mut self, leg: &mut Leg) {
        leg.state = State::Confirmed;
        leg.next_ping = Some(self.now.instant + self.config.dialog_ping);
    }

    /// The peer takes its INVITE back (RFC 3261 §9.2).
    pub(super) fn cancelled(&mut self, invite: ServerId, cancel: &Request) {
        let Some(mut leg) = self.servers.get(&invite).cloned().and_then(|callid| self.take(&callid)) else { return };
        if leg.offer.as_ref().is_some_and(|offer| offer.id == invite) {
            self.refuse_offer(&mut leg, (487, "Request Terminated"));
            return self.keep(leg);
        }
        if !matches!(&leg.state, State::Incoming { invite: waiting, .. } if waiting.id == invite) {
            return self.keep(leg);
        }
        let reason = cancel.headers.text(Name::Reason).map(|reason| format!(" ({reason})")).unwrap_or_default();
        let verdict = Verdict::new(487, "Request Terminated", format!("the caller cancelled{reason}"));
        self.refuse(&mut leg, &verdict);
        self.finish(leg, verdict);
    }

    /// Sends the final refusal of an unanswered inbound call.
    pub(super) fn refuse(&mut self, leg: &mut Leg, verdict: &Verdict) {
        let State::Incoming { invite, .. } = &leg.state else { return };
        let (code, reason) = (verdict.error.code, verdict.error.status.as_str());
        let mut response = self.dress(invite.request.response(code, reason));
        response.headers.replace(Name::To, &leg.dialog.local.to_string());
        response.headers.push(Name::Reason, &format!("SIP;cause={code};text=\"{}\"", quote(&verdict.cause)));
        let id = invite.id;
        self.respond(id, &response);
    }

    /// Sends the final refusal of a re-INVITE; the call goes on as it was (RFC 3261 §14.2).
    pub(super) fn refuse_offer(&mut self, leg: &mut Leg, (code, reason): (u16, &str)) {
        leg.offer_due = None;
        let Some(offer) = leg.offer.take() else { return };
        let mut response = self.dress(offer.request.response(code, reason));
        response.headers.replace(Name::To, &leg.dialog.local.to_string());
        self.respond(offer.id, &response);
    }

    /// A response to the peer's INVITE, with our Contact and the session that control gave.
    pub(super) fn invite_response(
        &self,
        leg: &Leg,
        invite: &Request,
        (status, reason): (u16, &str),
        sdp: Option<&Sdp>,
    ) -> Response {
        let mut response = self.dress(invite.response(status, reason));
        for route in invite.headers.all(Name::RecordRoute) {
            response.headers.push(Name::RecordRoute, &route);
        }
        response.headers.replace(Name::To, &leg.dialog.local.to_string());
        let contact = self.contact(&leg.document.to, leg.dialog.peer.transport);
        response.headers.push(Name::Contact, &contact);
        if let Some(sdp) = sdp {
            response.headers.push(Name::ContentType, "application/sdp");
            response.body = sdp::print(sdp);
        }
        response
    }

    /// Sends the 2xx and repeats it until its ACK comes (RFC 3261 §13.3.1.4).
    pub(super) fn accept(&mut self, leg: &mut Leg, invite: &Pending) {
        let ok = self.invite_response(leg, &invite.request, (200, "OK"), leg.document.sdp.us.as_ref());
        self.respond(invite.id, &ok);
        let timers = self.config.timers;
        leg.state = State::Answering {
            invite: invite.id,
            number: invite.request.headers.cseq().map_or(0, |cseq| cseq.number),
            ok,
            again: self.now.instant + timers.t1,
            interval: timers.t1,
            give_up: self.now.instant + 64 * timers.t1,
        };
    }

    /// A deadline of a leg has passed.
    pub(super) fn leg_due(&mut self, mut leg: Leg) {
        if leg.offer_due.is_some_and(|due| due <= self.now.instant) {
            self.refuse_offer(&mut leg, (503, "Control Did Not Answer"));
        }
        let t2 = self.config.timers.t2;
        match &mut leg.state {
            State::Incoming { give_up, .. } if *give_up <= self.now.instant => {
                let verdict = Verdict::new(480, "Temporarily Unavailable", "nobody answered in time");
                self.refuse(&mut leg, &verdict);
                return self.finish(leg, verdict);
            }
            State::Answering { give_up, .. } if *give_up <= self.now.instant => {
                let verdict = Verdict::new(408, "Request Timeout", "our 200 was never acknowledged");
                return self.bye(leg, verdict);
            }
            State::Answering { invite, ok, again, interval, .. } if *again <= self.now.instant => {
                *interval = (*interval * 2).min(t2);
                *again = self.now.instant + *interval;
                let (id, ok) = (*invite, ok.clone());
                self.respond(id, &ok);
            }
            State::Calling { give_up, .. } if *give_up <= self.now.instant => {
                let verdict = Verdict::new(480, "Temporarily Unavailable", "nobody answered in time");
                return self.hang_up(leg, verdict);
            }
            State::Acknowledging { give_up, number } if *give_up <= self.now.instant => {
                let number = *number;
                self.acknowledge(&mut leg, number, None);
                let verdict = Verdict::new(408, "Request Timeout", "control gave no answer to the peer's offer");
                return self.bye(leg, verdict);
            }
            State::Confirmed if leg.next_ping.is_some_and(|due| due <= self.now.instant) => {
                self.check_peer(&mut leg);
            }
            _ => {}
        }
        self.keep(leg);
    }
}

/// The session description in a body, if it is one.
pub(super) fn body_sdp(headers: &Headers, body: &Bytes) -> Option<Sdp> {
    let kind = headers.text(Name::ContentType)?;
    let is_sdp = kind.trim().get(..15).is_some_and(|kind| kind.eq_ignore_ascii_case("application/sdp"));
    (is_sdp && !body.is_empty()).then(|| sdp::parse(body)).flatten()
}

/// Every `X-` and identity header.
fn identity_headers(headers: &Headers) -> BTreeMap<String, String> {
    const IDENTITY: [&str; 7] = [
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Remote-Party-ID",
        "Privacy",
        "Diversion",
        "History-Info",
        "User-Agent",
    ];
    let mut found = BTreeMap::<String, String>::new();
    for (name, value) in headers.iter() {
        let wanted = name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
            || IDENTITY.iter().any(|identity| identity.eq_ignore_ascii_case(&name));
        if !wanted {
            continue;
        }
        let all = found.entry(name.into_owned()).or_default();
        if !all.is_empty() {
            all.push_str(", ");
        }
        all.push_str(&value);
    }
    found
}

/// Text for inside a quoted string.
pub(super) fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

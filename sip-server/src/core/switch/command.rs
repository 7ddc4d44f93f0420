//! What control asks over REST, and what it is answered.

use api::dialog::{Act, Event, List, Originate};
use api::{Problem, directory};
use serde::Serialize;
use serde_json::Value;

use super::super::message::{Method, Name};
use super::super::sdp;
use super::Switch;
use super::leg::{Leg, Pending, State, Verdict};

/// A request of control's.
#[derive(Debug, Clone)]
pub enum Command {
    /// `PUT /dir/{domain}`
    PutDomain(String, directory::Domain),
    /// `PATCH /dir/{domain}`
    PatchDomain(String, directory::Patch),
    /// `PUT`/`PATCH /dir/{domain}/{user}`
    PutUser(String, String, directory::Secret),
    /// `DELETE /dir/{domain}`
    RemoveDomain(String),
    /// `DELETE /dir/{domain}/{user}`
    RemoveUser(String, String),
    /// `GET /dir`
    ListDomains,
    /// `GET /dir/{domain}`
    ShowDomain(String),
    /// `GET /reg`
    CountRegistrations,
    /// `GET /reg/{domain}[/{user}]`
    ShowRegistrations(String, Option<String>),
    /// `GET /dialog`; with whole documents if wanted
    ListDialogs(bool),
    /// `GET /dialog/{callid}`
    ShowDialog(String),
    /// `POST /dialog/invite`
    Originate(Box<Originate>),
    /// `PUT /dialog/ACTION`
    Act(Action, Box<Act>),
}

/// What can be done to a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send 180.
    Ring,
    /// Answer the call.
    Answer,
    /// Answer a re-INVITE.
    Ok,
    /// Send a re-INVITE.
    Invite,
    /// End the call.
    Hangup,
}

impl Action {
    /// The action of that name in a path.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ring" => Some(Self::Ring),
            "answer" => Some(Self::Answer),
            "ok" => Some(Self::Ok),
            "invite" => Some(Self::Invite),
            "hangup" | "bye" => Some(Self::Hangup),
            _ => None,
        }
    }
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status, 200 or 201.
    pub status: u16,
    /// JSON body, null for none.
    pub body: Value,
}

impl Reply {
    fn done() -> Self {
        Self { status: 200, body: Value::Null }
    }

    fn created(created: bool) -> Self {
        Self { status: if created { 201 } else { 200 }, body: Value::Null }
    }

    fn document(value: &impl Serialize) -> Self {
        Self { status: 200, body: serde_json::to_value(value).unwrap_or_default() }
    }
}

impl Switch {
    /// Carries it out, or refuses it.
    pub(super) fn asked(&mut self, command: Command) -> Result<Reply, Problem> {
        match command {
            Command::PutDomain(domain, body) => {
                let created = self.directory.put(&domain, &body)?;
                let mut effects = Vec::new();
                if let Some(domain) = self.directory.resolve(&domain) {
                    self.registrar.retain_users(domain, &mut effects);
                }
                self.apply_registrar(effects);
                Ok(Reply::created(created))
            }
            Command::PatchDomain(domain, patch) => self.directory.patch(&domain, &patch).map(|()| Reply::done()),
            Command::PutUser(domain, user, secret) => {
                self.directory.put_user(&domain, &user, &secret).map(Reply::created)
            }
            Command::RemoveDomain(domain) => {
                self.directory.remove_domain(&domain)?;
                let mut effects = Vec::new();
                self.registrar.remove_domain(&domain, &mut effects);
                self.apply_registrar(effects);
                Ok(Reply::done())
            }
            Command::RemoveUser(domain, user) => {
                self.directory.remove_user(&domain, &user)?;
                let mut effects = Vec::new();
                self.registrar.remove_user(&domain, &user, &mut effects);
                self.apply_registrar(effects);
                Ok(Reply::done())
            }
            Command::Originate(request) => self.originate(&request).map(|made| Reply::document(&made)),
            Command::Act(action, act) => self.act(action, &act),
            query => self.query(query),
        }
    }

    fn query(&self, query: Command) -> Result<Reply, Problem> {
        match query {
            Command::ShowDomain(domain) => self.directory.domain_listing(&domain).map(|list| Reply::document(&list)),
            Command::CountRegistrations => {
                Ok(Reply::document(&api::registration::Count { count: self.registrar.count() }))
            }
            Command::ShowRegistrations(domain, user) => {
                let found = self.directory.resolve(&domain);
                let found = found.ok_or_else(|| Problem::not_found("Domain not found"))?;
                Ok(Reply::document(&match user {
                    Some(user) => self.registrar.user_report(self.now.instant, found, &user),
                    None => self.registrar.domain_report(self.now.instant, found),
                }))
            }
            Command::ListDialogs(full) => Ok(Reply::document(&self.list(full))),
            Command::ShowDialog(callid) => match self.legs.get(&*callid) {
                Some(leg) => Ok(Reply::document(&leg.document)),
                None => Err(Problem::not_found("no dialog of that callid")),
            },
            _ => Ok(Reply::document(&self.directory.listing())),
        }
    }

    fn list(&self, full: bool) -> List {
        let mut legs: Vec<&Leg> = self.legs.values().collect();
        legs.sort_by(|a, b| a.document.callid.cmp(&b.document.callid));
        let show = |leg: &&Leg| match full {
            true => serde_json::to_value(&leg.document).unwrap_or_default(),
            false => Value::from(leg.document.callid.clone()),
        };
        List { count: legs.len(), counter: self.counters.dialogs, dialogs: legs.iter().map(show).collect() }
    }

    fn act(&mut self, action: Action, act: &Act) -> Result<Reply, Problem> {
        let forbidden = |text: &str| text.chars().any(|c| matches!(c, '\r' | '\n' | '\0'));
        let texts = [act.alertinfo.as_deref(), act.reason.as_deref()].into_iter().flatten();
        let mut texts = texts.chain(act.headers.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        if texts.any(forbidden) {
            return Err(Problem::bad_request("a value holds a line break or NUL"));
        }
        let mut leg = self.take(&act.callid).ok_or_else(|| Problem::not_found("no dialog of that callid"))?;
        let acted = match action {
            Action::Ring => self.ring(&mut leg, act),
            Action::Answer => self.answer(&mut leg, act),
            Action::Ok => self.answer_offer(&mut leg, act),
            Action::Invite => self.reinvite(&mut leg, act),
            Action::Hangup => {
                let document = leg.document.clone();
                let code = act.code.unwrap_or(if leg.document.answered { 0 } else { 404 });
                let reason = act.reason.clone().unwrap_or_default();
                return self.hang_up_for_control(leg, (code, reason)).map(|()| Reply::document(&document));
            }
        };
        let document = leg.document.clone();
        self.keep(leg);
        acted.map(|()| Reply::document(&document))
    }

    fn hang_up_for_control(&mut self, leg: Leg, (code, reason): (u16, String)) -> Result<(), Problem> {
        if !(code == 0 || (300..700).contains(&code)) {
            self.keep(leg);
            return Err(Problem::bad_request("`code` must be 300 to 699"));
        }
        let words = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let cause = format!("control hung up{words}");
        let verdict = match (leg.document.answered, code) {
            (true, 0 | 200) => Verdict::normal(cause),
            (false, 0) => Verdict::new(404, "Not Found", cause),
            _ if reason.is_empty() => Verdict::new(code, phrase(code), cause),
            _ => Verdict::new(code, &reason, cause),
        };
        self.hang_up(leg, verdict);
        Ok(())
    }

    fn ring(&mut self, leg: &mut Leg, act: &Act) -> Result<(), Problem> {
        let State::Incoming { invite, give_up } = &mut leg.state else {
            return match leg.document.originator {
                true => Err(Problem::conflict("an outbound call cannot be rung")),
                false => Ok(()),
            };
        };
        if leg.document.ring {
            return Ok(());
        }
        *give_up = self.now.instant + self.config.setup_timeout;
        let invite = invite.clone();
        let mut ringing = self.invite_response(leg, &invite.request, (180, "Ringing"), act.sdp.as_ref());
        if let Some(alert) = act.alertinfo.as_deref().filter(|alert| !alert.is_empty()) {
            ringing.headers.push(Name::AlertInfo, alert);
        }
        for (name, value) in &act.headers {
            ringing.headers.push_text(name, value);
        }
        self.respond(invite.id, &ringing);
        leg.document.ring = true;
        leg.document.epochs.ring = self.now.unix;
        leg.record(Event::Ringing);
        Ok(())
    }

    fn answer(&mut self, leg: &mut Leg, act: &Act) -> Result<(), Problem> {
        if let State::Incoming { invite, .. } = &leg.state {
            let invite: Pending = invite.clone();
            leg.document.sdp.us.clone_from(&act.sdp);
            leg.document.answered = true;
            leg.document.epochs.answer = self.now.unix;
            leg.record(Event::Answered);
            self.accept(leg, &invite);
            return Ok(());
        }
        match &leg.state {
            State::Acknowledging { .. } => self.answer_offer(leg, act),
            _ if leg.document.originator => Err(Problem::conflict("an outbound call is answered by its callee")),
            _ => Ok(()),
        }
    }

    fn answer_offer(&mut self, leg: &mut Leg, act: &Act) -> Result<(), Problem> {
        if let State::Acknowledging { number, .. } = leg.state {
            leg.document.sdp.us.clone_from(&act.sdp);
            self.acknowledge(leg, number, act.sdp.as_ref());
            self.confirmed(leg);
            return Ok(());
        }
        let offer = leg.offer.take().ok_or_else(|| Problem::conflict("no re-INVITE waits for an answer"))?;
        leg.offer_due = None;
        if act.sdp.is_some() {
            leg.document.sdp.us.clone_from(&act.sdp);
        }
        self.accept(leg, &offer);
        Ok(())
    }

    fn reinvite(&mut self, leg: &mut Leg, act: &Act) -> Result<(), Problem> {
        let free = matches!(leg.state, State::Confirmed) && leg.reinvite.is_none() && leg.offer.is_none();
        if !free {
            return Err(Problem::conflict("the call is not established, or another INVITE is in progress"));
        }
        let mut invite = leg.dialog.request(&Method::Invite);
        let user = if leg.document.originator { &leg.document.from } else { &leg.document.to };
        invite.headers.push(Name::Contact, &self.contact(user, leg.dialog.peer.transport));
        invite.headers.push(Name::Allow, super::admission::ALLOW);
        if let Some(offer) = &act.sdp {
            invite.headers.push(Name::ContentType, "application/sdp");
            invite.body = sdp::print(offer);
            leg.document.sdp.us.clone_from(&act.sdp);
        }
        let purpose = super::Purpose::Leg(leg.dialog.call_id.as_str().into());
        leg.reinvite = Some(self.send_request(invite, leg.dialog.peer, purpose));
        Ok(())
    }
}

/// The standard reason phrase of the codes that control uses without one.
fn phrase(code: u16) -> &'static str {
    match code {
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Call Ended",
    }
}

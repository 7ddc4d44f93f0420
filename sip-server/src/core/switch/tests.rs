//! The switch in virtual time: messages and commands in, exactly these messages and callbacks out.

use std::time::{Duration, Instant};

use api::dialog::{Act, Event};
use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::core::digest::{self, Credentials};
use crate::core::message::Method;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

struct World {
    switch: Switch,
    now: Now,
    sent: Vec<Message>,
    told: Vec<Notification>,
    phone: Peer,
}

impl World {
    fn new() -> Self {
        let config = Config::new("198.51.100.1:5060".parse().unwrap());
        #[expect(clippy::disallowed_methods, reason = "time has to begin somewhere")]
        let now = Now { instant: Instant::now(), unix: 1_800_000_000 };
        let mut world = Self {
            switch: Switch::new(config, now, [7; 32]),
            now,
            sent: Vec::new(),
            told: Vec::new(),
            phone: Peer { transport: Transport::Udp, address: "192.0.2.1:5062".parse().unwrap() },
        };
        let domain =
            json!({"control": "http://c", "users": [{"username": "1000", "secret": "s"}], "aliases": ["198.51.100.1"]});
        world.command(Command::PutDomain("pbx.example".into(), serde_json::from_value(domain).unwrap())).unwrap();
        world
    }

    fn command(&mut self, command: Command) -> Result<Reply, api::Problem> {
        let mut out = Vec::new();
        let reply = self.switch.handle_command(self.now, command, &mut out);
        self.collect(out);
        reply
    }

    fn act(&mut self, action: Action, body: serde_json::Value) -> Result<Reply, api::Problem> {
        let act: Act = serde_json::from_value(body).unwrap();
        self.command(Command::Act(action, Box::new(act)))
    }

    fn receive(&mut self, text: &str) {
        let mut out = Vec::new();
        let bytes = Bytes::from(text.replace('\n', "\r\n").replace("\r\r", "\r"));
        self.switch.handle_message(self.now, &bytes, self.phone, &mut out);
        self.collect(out);
    }

    /// Lets time pass, calling at each deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        while let Some(due) = self.switch.poll_timeout().filter(|due| *due <= end) {
            let due = due.max(self.now.instant);
            self.now.unix += (due - self.now.instant).as_secs();
            self.now.instant = due;
            let mut out = Vec::new();
            self.switch.handle_timeout(self.now, &mut out);
            self.collect(out);
        }
        self.now.instant = end;
    }

    fn collect(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send { bytes, .. } => self.sent.push(parse_datagram(&bytes).expect("what we send can be read")),
                Output::Notify(notification) => self.told.push(notification),
                Output::Resolve { host } => panic!("nobody asked for {host}"),
            }
        }
    }

    fn response(&mut self) -> Response {
        match self.sent.remove(0) {
            Message::Response(response) => response,
            Message::Request(request) => panic!("a {} was sent", request.method),
        }
    }

    fn request(&mut self) -> Request {
        match self.sent.remove(0) {
            Message::Request(request) => request,
            Message::Response(response) => panic!("a {} was sent", response.status),
        }
    }

    fn document(&mut self) -> api::Dialog {
        let told = self.told.remove(0);
        serde_json::from_slice(&told.body.expect("a document")).unwrap()
    }

    /// A request of the phone's with proof of its secret.
    fn authenticated(&mut self, method: &str, uri: &str, headers: &str, body: &str) {
        let plain = format!(
            "{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bKa{}\nMax-Forwards: 70\n{headers}",
            self.now.unix
        );
        self.receive(&format!("{plain}CSeq: 1 {method}\n\n"));
        let challenge = self.response();
        assert_eq!(challenge.status, 401);
        let challenges: Vec<String> = challenge.headers.all(Name::WwwAuthenticate).map(|v| v.into_owned()).collect();
        let credentials = Credentials { user: "1000".into(), secret: "s".into() };
        let proof = digest::answer(&challenges, &credentials, method, uri, "cnonce", 1).unwrap();
        let plain = plain.replace("branch=z9hG4bKa", "branch=z9hG4bKb");
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        self.receive(&format!("{plain}CSeq: 2 {method}\nAuthorization: {proof}\n{kind}\n{body}"));
    }

    fn call_in(&mut self, body: &str) {
        let headers = "From: <sip:1000@pbx.example>;tag=ft\nTo: <sip:5@pbx.example>\nCall-ID: c1\n\
                       Contact: <sip:1000@192.0.2.1:5062>\n";
        self.authenticated("INVITE", "sip:5@pbx.example", headers, body);
        assert_eq!(self.response().status, 100);
    }

    fn register(&mut self) {
        let headers = "From: <sip:1000@pbx.example>;tag=ft\nTo: <sip:1000@pbx.example>\nCall-ID: r1\n\
                       Contact: <sip:1000@192.0.2.1:5062>;expires=3600\n";
        self.authenticated("REGISTER", "sip:pbx.example", headers, "");
        assert_eq!(self.response().status, 200);
        assert_eq!(self.told.remove(0).url, "http://c/reg/pbx.example/1000");
    }

    fn in_dialog(&mut self, method: &str, number: u32, to: &str, body: &str) {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\n" };
        self.receive(&format!(
            "{method} sip:5@198.51.100.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bKd{number}{method}\n\
             Max-Forwards: 70\nFrom: <sip:1000@pbx.example>;tag=ft\nTo: {to}\nCall-ID: c1\nCSeq: {number} {method}\n\
             Contact: <sip:1000@192.0.2.1:5062>\n{kind}\n{body}"
        ));
    }

    fn originate(&mut self) -> Request {
        let body = json!({"callid": "o1", "from": {"user": "9", "domain": "pbx.example"}, "to": {"user": "1000"},
            "sdp": {"m": [{"media": "audio", "port": 1, "proto": "RTP/AVP", "payloads": [0]}]}});
        let originate = serde_json::from_value(body).unwrap();
        self.command(Command::Originate(Box::new(originate))).unwrap();
        self.request()
    }

    fn answer(&mut self, request: &Request, status: u16, extra: &str, body: &str) {
        let mut response = request.response(status, "X");
        if let Some(to) = response.headers.to() {
            response.headers.replace(Name::To, &to.with_tag("pt").to_string());
        }
        response.headers.push(Name::Contact, "<sip:1000@192.0.2.1:5062>");
        if !body.is_empty() {
            response.headers.push(Name::ContentType, "application/sdp");
            response.body = Bytes::from(body.to_owned());
        }
        if let Some((name, value)) = extra.split_once(": ") {
            response.headers.push_text(name, value);
        }
        let mut out = Vec::new();
        self.switch.handle_message(self.now, &response.to_bytes(), self.phone, &mut out);
        self.collect(out);
    }

    /// Silence from everybody: everything ends.
    fn assert_ends(&mut self) {
        self.pass(Duration::from_secs(400));
        assert!(self.switch.is_idle(), "left: {:?}", self.switch.sizes());
    }
}

#[test]
fn inbound_call_rings_is_answered_and_hung_up_by_the_caller() {
    let mut world = World::new();
    world.call_in(SDP);
    let new = world.document();
    assert_eq!((new.event, new.seq, new.to.as_str(), new.authenticated), (Event::New, 1, "5", true));
    assert_eq!(new.sdp.them.unwrap().m[0].port, 4000);
    world.act(Action::Ring, json!({"callid": "c1", "alertinfo": "<x>"})).unwrap();
    let ringing = world.response();
    assert_eq!((ringing.status, ringing.headers.text(Name::AlertInfo).unwrap().as_ref()), (180, "<x>"));
    world.act(Action::Answer, json!({"callid": "c1", "sdp": {"m": []}})).unwrap();
    let ok = world.response();
    assert_eq!(ok.status, 200);
    let to = ok.headers.text(Name::To).unwrap().into_owned();
    world.pass(Duration::from_millis(1600));
    assert_eq!(world.sent.len(), 2, "the 200 is repeated at 0.5 and 1.5 s");
    world.sent.clear();
    world.in_dialog("ACK", 2, &to, "");
    let acked = world.document();
    assert_eq!((acked.event, acked.answered, acked.ring), (Event::Ack, true, true));
    world.in_dialog("BYE", 3, &to, "");
    assert_eq!(world.response().status, 200);
    let end = world.document();
    assert_eq!((end.event, end.hangup, end.error.code), (Event::Hangup, true, 0));
    world.assert_ends();
    assert!(world.told.is_empty() && world.sent.is_empty());
}

#[test]
fn late_offer_brings_the_answer_in_the_ack() {
    let mut world = World::new();
    world.call_in("");
    assert!(world.document().sdp.them.is_none());
    world.act(Action::Answer, json!({"callid": "c1", "sdp": {"m": []}})).unwrap();
    let to = world.response().headers.text(Name::To).unwrap().into_owned();
    world.in_dialog("ACK", 2, &to, SDP);
    assert_eq!(world.document().sdp.them.unwrap().m[0].port, 4000);
}

#[test]
fn unacknowledged_answer_ends_the_call() {
    let mut world = World::new();
    world.call_in(SDP);
    world.act(Action::Answer, json!({"callid": "c1"})).unwrap();
    world.assert_ends();
    let ends: Vec<_> = world.told.iter().filter(|told| told.body.as_ref().is_some()).collect();
    assert_eq!(ends.len(), 2, "new and hangup");
    assert!(world.sent.iter().any(|sent| matches!(sent, Message::Request(bye) if bye.method == Method::Bye)));
}

#[test]
fn unclaimed_call_is_told_480() {
    let mut world = World::new();
    world.call_in(SDP);
    let resource = world.told.remove(0).resource;
    let mut out = Vec::new();
    world.switch.handle_undelivered(world.now, &resource, &mut out);
    world.collect(out);
    assert_eq!(world.response().status, 480);
    assert!(world.document().hangup);
    world.assert_ends();
}

#[test]
fn caller_cancels() {
    let mut world = World::new();
    world.call_in(SDP);
    world.document();
    world.receive(&format!(
        "CANCEL sip:5@pbx.example SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bKb{}\nMax-Forwards: 70\n\
         From: <sip:1000@pbx.example>;tag=ft\nTo: <sip:5@pbx.example>\nCall-ID: c1\nCSeq: 2 CANCEL\n\n",
        world.now.unix
    ));
    let mut statuses = [world.response().status, world.response().status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 487]);
    let end = world.document();
    assert_eq!((end.hangup, end.error.code), (true, 487));
    world.assert_ends();
}

#[test]
fn outbound_call_is_answered_and_hung_up_by_control() {
    let mut world = World::new();
    world.register();
    let invite = world.originate();
    assert_eq!(invite.uri.to_string(), "sip:1000@192.0.2.1:5062", "the contact is called, not the address of record");
    world.answer(&invite, 180, "", "");
    assert_eq!(world.document().event, Event::Ringing);
    world.answer(&invite, 200, "", SDP);
    assert_eq!(world.request().method, Method::Ack);
    let answered = world.document();
    assert_eq!((answered.event, answered.answered), (Event::Answered, true));
    world.answer(&invite, 200, "", SDP);
    assert_eq!(world.request().method, Method::Ack, "a repeated 200 is acknowledged again");
    world.act(Action::Hangup, json!({"callid": "o1"})).unwrap();
    let bye = world.request();
    assert_eq!(bye.method, Method::Bye);
    world.answer(&bye, 200, "", "");
    let end = world.document();
    assert_eq!((end.hangup, end.error.code), (true, 0));
    assert!(world.told.is_empty());
}

#[test]
fn busy_reaches_control_with_its_reason() {
    let mut world = World::new();
    world.register();
    let invite = world.originate();
    world.answer(&invite, 486, "", "");
    assert_eq!(world.request().method, Method::Ack);
    let end = world.document();
    assert_eq!((end.hangup, end.error.code, end.error.status.as_str()), (true, 486, "X"));
}

#[test]
fn hangup_before_any_answer_cancels_at_the_first_one() {
    let mut world = World::new();
    world.register();
    let invite = world.originate();
    world.act(Action::Hangup, json!({"callid": "o1"})).unwrap();
    assert!(world.sent.is_empty(), "nothing may be cancelled before a provisional response");
    world.answer(&invite, 180, "", "");
    let cancel = world.request();
    assert_eq!(
        (cancel.method.clone(), cancel.headers.cseq().unwrap().number),
        (Method::Cancel, invite.headers.cseq().unwrap().number)
    );
    world.answer(&cancel, 200, "", "");
    world.answer(&invite, 487, "", "");
    assert_eq!(world.request().method, Method::Ack);
    let end = world.told.pop().unwrap();
    let end: api::Dialog = serde_json::from_slice(&end.body.unwrap()).unwrap();
    assert!(end.hangup);
}

#[test]
fn silent_callee_is_a_timeout() {
    let mut world = World::new();
    world.register();
    world.originate();
    world.pass(Duration::from_secs(33));
    let end = world.document();
    assert_eq!((end.hangup, end.error.code), (true, 408));
}

#[test]
fn vanished_peer_ends_the_call_within_a_minute() {
    let mut world = World::new();
    world.call_in(SDP);
    world.act(Action::Answer, json!({"callid": "c1"})).unwrap();
    world.sent.remove(0);
    let to = format!("<sip:5@pbx.example>;tag={}", world.switch.legs["c1"].dialog.local_tag());
    world.in_dialog("ACK", 2, &to, "");
    world.told.clear();
    world.pass(Duration::from_secs(60));
    assert!(world.sent.iter().any(|sent| matches!(sent, Message::Request(bye) if bye.method == Method::Bye)));
    world.assert_ends();
    assert!(world.document().hangup);
    assert!(world.told.is_empty(), "told once");
}

#[test]
fn reinvite_waits_for_control_and_goes_on_without_it() {
    let mut world = World::new();
    world.call_in(SDP);
    world.act(Action::Answer, json!({"callid": "c1"})).unwrap();
    let to = world.response().headers.text(Name::To).unwrap().into_owned();
    world.in_dialog("ACK", 2, &to, "");
    world.told.clear();
    world.in_dialog("INVITE", 3, &to, &format!("{SDP}a=sendonly\r\n"));
    assert_eq!(world.response().status, 100);
    let hold = world.document();
    assert_eq!((hold.event, hold.hold), (Event::Reinvite, true));
    world.act(Action::Ok, json!({"callid": "c1", "sdp": {"m": []}})).unwrap();
    assert_eq!(world.response().status, 200);
    world.in_dialog("ACK", 3, &to, "");
    assert_eq!(world.document().event, Event::Ack);
    world.in_dialog("INVITE", 4, &to, SDP);
    assert_eq!(world.response().status, 100);
    world.pass(Duration::from_secs(11));
    assert_eq!(world.response().status, 503);
    assert!(world.switch.legs.contains_key("c1"), "the call goes on");
}

#[test]
fn strangers_change_nothing() {
    let mut world = World::new();
    world.call_in(SDP);
    world.document();
    for to in ["<sip:5@pbx.example>;tag=guess", "<sip:5@pbx.example>"] {
        world.in_dialog("BYE", 3, to, "");
        assert_eq!(world.response().status, 481);
    }
    assert!(world.told.is_empty());
    assert_eq!(world.switch.sizes().1, 1);
}

#[test]
fn refusals_keep_nothing() {
    let mut world = World::new();
    let request = |line: &str, extra: &str| {
        format!(
            "{line} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bKx\nFrom: <sip:1000@pbx.example>;tag=f\n\
             To: <sip:1000@pbx.example>\nCall-ID: x\nCSeq: 1 {}\n{extra}\n",
            line.split(' ').next().unwrap_or_default()
        )
    };
    let table = [
        ("OPTIONS sip:pbx.example", "Max-Forwards: 70\n", 200),
        ("REGISTER sip:pbx.example", "Contact: <sip:a@192.0.2.1>\nMax-Forwards: 70\n", 401),
        ("REGISTER sip:pbx.example", "Contact: <sip:a@192.0.2.1>\nExpires: 0\n", 401),
        ("INVITE sip:5@pbx.example", "Contact: <sip:a@192.0.2.1>\n", 401),
        ("INVITE sip:5@pbx.example", "Max-Forwards: 0\nContact: <sip:a@192.0.2.1>\n", 483),
        ("INVITE sip:5@pbx.example", "Require: 100rel\nMax-Forwards: 7\nContact: <sip:a@192.0.2.1>\n", 420),
        ("BYE sip:5@pbx.example", "Max-Forwards: 70\n", 481),
        ("SUBSCRIBE sip:5@pbx.example", "Max-Forwards: 70\nEvent: presence\nContact: <sip:a@192.0.2.1>\n", 489),
        ("MESSAGE sip:5@pbx.example", "Max-Forwards: 70\n", 405),
        ("FROBNICATE sip:5@pbx.example", "Max-Forwards: 70\n", 501),
    ];
    for (line, extra, status) in table {
        world.receive(&request(line, extra));
        let response = world.response();
        assert_eq!(response.status, status, "{line}");
        assert!(response.headers.to().unwrap().tag().is_some(), "{line}: To tag");
        assert!(world.switch.is_idle(), "{line} left something");
    }
}

#[test]
fn absurd_timeout_is_refused() {
    let mut world = World::new();
    let body =
        json!({"from": {"user": "9", "domain": "x"}, "to": {"user": "5", "domain": "192.0.2.7"}, "timeout": u64::MAX});
    let originate = serde_json::from_value(body).unwrap();
    let refused = world.command(Command::Originate(Box::new(originate))).unwrap_err();
    assert_eq!(refused.status, 400);
    assert!(refused.detail.contains("`timeout`"), "{}", refused.detail);
    assert!(world.switch.is_idle() && world.sent.is_empty());
}

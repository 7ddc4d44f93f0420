//! A sip-server and an rtp-server in memory, which speak the real wire on port 0 and do what the test says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use api::channel::{self, Channel};
use api::dialog::{self, Act, Dialog, Event, Originate};
use api::directory::Domain;
use api::http::{Client, Method, Reply, Request, Server};
use api::sdp::{Connection, Direction, Media, Sdp};
use api::{Code, Problem};
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What both servers hold.
#[derive(Default)]
pub struct State {
    pub dialogs: BTreeMap<String, Dialog>,
    pub channels: BTreeMap<String, Channel>,
    pub domains: BTreeMap<String, Domain>,
    pub contacts: Vec<String>,
    /// Everything that control asked for but looking, as `action callid` and `verb path`.
    pub log: Vec<String>,
    pub invites: Vec<Originate>,
    pub remotes: Vec<channel::Remote>,
    /// Channels left.
    pub room: usize,
    /// Users that cannot be invited, and the status that says so.
    pub refused: BTreeMap<String, Code>,
    /// What the ACK to a late offer brings.
    pub late_answer: Option<Sdp>,
}

/// Both servers, and the line to control.
#[derive(Clone)]
pub struct Fake {
    pub state: watch::Sender<State>,
    callbacks: mpsc::Sender<(String, serde_json::Value)>,
    pub sip: String,
    pub rtp: String,
    pub stop_rtp: CancellationToken,
}

/// An audio description of a phone.
pub fn phone_sdp(port: u64, payloads: &[u32], direction: Direction) -> Sdp {
    let connection = Connection { nettype: "IN".into(), ipver: 4, address: "192.0.2.9".into() };
    let mut media =
        Media { media: "audio".into(), port, proto: "RTP/AVP".into(), payloads: payloads.to_vec(), ..Media::default() };
    media.a.direction = Some(direction);
    Sdp { c: vec![connection], m: vec![media], ..Sdp::default() }
}

impl Fake {
    /// Starts both; callbacks go to `us`.
    pub async fn start(us: String, shutdown: &CancellationToken) -> Self {
        let (callbacks, queue) = mpsc::channel(1000);
        let (sip, rtp) = (listener().await, listener().await);
        let stop_rtp = shutdown.child_token();
        let fake = Self {
            state: watch::Sender::new(State { room: 100, ..State::default() }),
            callbacks,
            sip: url(&sip),
            rtp: url(&rtp),
            stop_rtp: stop_rtp.clone(),
        };
        let (one, other) = (fake.clone(), fake.clone());
        serve(sip, shutdown.clone(), move |request| one.sip(&request));
        serve(rtp, stop_rtp, move |request| other.rtp(&request));
        tokio::task::spawn(deliver(us, queue));
        fake
    }

    /// Waits until what the servers hold satisfies.
    pub async fn until(&self, what: &str, satisfied: impl FnMut(&State) -> bool) {
        let mut news = self.state.subscribe();
        let mut satisfied = satisfied;
        let waited = tokio::time::timeout(Duration::from_secs(5), news.wait_for(|state| satisfied(state))).await;
        assert!(waited.is_ok(), "never: {what}; log: {:#?}", self.state.borrow().log);
    }

    pub async fn until_logged(&self, line: &str) {
        self.until(line, |state| state.log.iter().any(|entry| entry == line)).await;
    }

    /// Waits until nothing is left in either server.
    pub async fn until_empty(&self) {
        self.until("empty", |state| state.channels.is_empty() && state.dialogs.values().all(|it| it.hangup)).await;
    }

    /// A call comes in.
    pub fn call(&self, callid: &str, to: &str, sdp: Option<Sdp>) {
        let dialog = Dialog {
            callid: callid.into(),
            domain: "demo".into(),
            to: to.into(),
            from: "1000".into(),
            maxforwards: 70,
            seq: 1,
            sdp: dialog::SdpPair { them: sdp, us: None },
            ..Dialog::default()
        };
        self.state.send_modify(|state| drop(state.dialogs.insert(callid.into(), dialog)));
        self.tell(callid);
    }

    /// The Call-ID of the leg that control made to this user.
    pub async fn child(&self, user: &str) -> String {
        self.until(user, |state| state.dialogs.values().any(|it| it.originator && it.to == user)).await;
        let state = self.state.borrow();
        state.dialogs.values().find(|it| it.originator && it.to == user).unwrap().callid.clone()
    }

    /// The phone does something with the dialog.
    pub fn change(&self, callid: &str, event: Event, change: impl FnOnce(&mut Dialog)) {
        self.modify(callid, event, change);
        self.tell(callid);
    }

    pub fn answers(&self, callid: &str, sdp: Sdp) {
        self.change(callid, Event::Answered, |it| (it.answered, it.sdp.them) = (true, Some(sdp)));
    }

    pub fn hangs_up(&self, callid: &str, code: u16) {
        self.change(callid, Event::Hangup, |it| (it.hangup, it.error.code) = (true, code));
    }

    /// The rtp-server has news of a channel.
    pub fn channel(&self, uuid: &str, change: impl FnOnce(&mut Channel)) {
        self.state.send_modify(|state| {
            let channel = state.channels.get_mut(uuid).unwrap();
            channel.seq += 1;
            change(channel);
        });
        let document = self.state.borrow().channels[uuid].clone();
        self.post(format!("/channel/{uuid}"), &document);
    }

    /// The channel of the only leg that has one.
    pub async fn only_channel(&self) -> String {
        self.until("a channel", |state| state.channels.len() == 1).await;
        self.state.borrow().channels.keys().next().unwrap().clone()
    }

    fn modify(&self, callid: &str, event: Event, change: impl FnOnce(&mut Dialog)) {
        self.state.send_modify(|state| {
            let dialog = state.dialogs.get_mut(callid).unwrap();
            (dialog.seq, dialog.event) = (dialog.seq + 1, event);
            change(dialog);
        });
    }

    fn tell(&self, callid: &str) {
        let document = self.state.borrow().dialogs[callid].clone();
        self.post(format!("/dialog/{callid}"), &document);
    }

    fn post<T: Serialize>(&self, path: String, document: &T) {
        self.callbacks.try_send((path, serde_json::to_value(document).unwrap())).unwrap();
    }

    fn log(&self, line: String) {
        self.state.send_modify(|state| state.log.push(line));
    }

    fn sip(&self, request: &Request) -> Result<Reply, Problem> {
        match (request.method.as_str(), request.segments().as_slice()) {
            ("GET", ["dir", domain]) if self.state.borrow().domains.contains_key(*domain) => {
                Ok(Reply::json(&json!({})))
            }
            ("PUT", ["dir", domain]) => {
                let body = request.json()?;
                self.state.send_modify(|state| drop(state.domains.insert((*domain).to_owned(), body)));
                Ok(Reply::empty().with_status(201))
            }
            ("GET", ["dialog"]) => {
                let full = request.query.contains_key("full");
                let state = self.state.borrow();
                let live = state.dialogs.values().filter(|it| !it.hangup);
                let list: Vec<_> = live.map(|it| if full { json!(it) } else { json!(it.callid) }).collect();
                Ok(Reply::json(&json!({"count": list.len(), "counter": 0, "dialogs": list})))
            }
            ("GET", ["reg", _, user]) => {
                let state = self.state.borrow();
                let contacts: Vec<_> = state.contacts.iter().map(|uri| json!({"uri": uri})).collect();
                Ok(Reply::json(&json!({"users": {*user: {"registered": true, "contacts": contacts}}})))
            }
            ("POST", ["dialog", "invite"]) => self.invite(request.json()?),
            ("PUT", ["dialog", action]) => self.act(action, request.json()?),
            _ => Err(Problem::not_found("nothing here")),
        }
    }

    fn invite(&self, invite: Originate) -> Result<Reply, Problem> {
        if let Some(code) = self.state.borrow().refused.get(&invite.to.user) {
            return Err(Problem::new(*code, "refused"));
        }
        let callid = invite.callid.clone().unwrap();
        let dialog = Dialog {
            callid: callid.clone(),
            domain: "demo".into(),
            to: invite.to.user.clone(),
            from: invite.from.user.clone(),
            maxforwards: invite.maxforwards,
            originator: true,
            seq: 1,
            sdp: dialog::SdpPair { us: invite.sdp.clone(), them: None },
            ..Dialog::default()
        };
        self.state.send_modify(|state| {
            state.dialogs.insert(callid.clone(), dialog);
            state.invites.push(invite);
        });
        Ok(Reply::json(&json!({"callid": callid})))
    }

    fn act(&self, action: &str, act: Act) -> Result<Reply, Problem> {
        let callid = act.callid.clone();
        if self.state.borrow().dialogs.get(&callid).is_none_or(|it| it.hangup) {
            return Err(Problem::not_found("no such dialog"));
        }
        let code = act.code.map_or(String::new(), |code| format!(" {code}"));
        self.log(format!("{action} {callid}{code}"));
        match action {
            "ring" => self.change(&callid, Event::Ringing, |it| it.ring = true),
            "hangup" => self.change(&callid, Event::Hangup, |it| {
                it.hangup = true;
                it.error = dialog::Error { code: act.code.unwrap_or(0), status: act.reason.unwrap_or_default() };
            }),
            "answer" | "ok" => {
                let mut late = None;
                self.state.send_modify(|state| late = state.late_answer.take());
                match action {
                    "answer" => self.change(&callid, Event::Answered, |it| (it.answered, it.sdp.us) = (true, act.sdp)),
                    // Sent, and not an event of its own.
                    _ => self.state.send_modify(|state| state.dialogs.get_mut(&callid).unwrap().sdp.us = act.sdp),
                }
                self.change(&callid, Event::Ack, |it| it.sdp.them = late.or(it.sdp.them.take()));
            }
            _ => return Err(Problem::not_found("no such action")),
        }
        Ok(Reply::json(&self.state.borrow().dialogs[&callid]))
    }

    fn rtp(&self, request: &Request) -> Result<Reply, Problem> {
        let path = request.segments().join("/");
        if request.method != Method::GET {
            self.log(format!("{} {}", request.method, request.segments().get(2).unwrap_or(&"channel")));
        }
        match (request.method.as_str(), request.segments().as_slice()) {
            ("POST", ["channel"]) => self.open(request.json()?),
            ("GET", ["channel"]) => {
                let full = request.query.contains_key("full");
                let state = self.state.borrow();
                let list: Vec<_> =
                    state.channels.values().map(|it| if full { json!(it) } else { json!(it.uuid) }).collect();
                Ok(Reply::json(&json!({"list": list})))
            }
            (_, ["channel", uuid, ..]) if !self.state.borrow().channels.contains_key(*uuid) => {
                Err(Problem::not_found(path))
            }
            ("DELETE", ["channel", uuid]) => {
                let mut closed = Channel::default();
                self.state.send_modify(|state| closed = state.channels.remove(*uuid).unwrap());
                (closed.seq, closed.event) = (closed.seq + 1, channel::Event::Close);
                Ok(Reply::json(&closed))
            }
            ("PUT", ["channel", uuid]) => {
                let remote: channel::Remote = request.json()?;
                self.state.send_modify(|state| state.remotes.push(remote));
                Ok(self.changed(uuid, |_| {}))
            }
            ("PUT", ["channel", uuid, "mix", other]) => Ok(self.changed(uuid, |it| it.mix.push((*other).to_owned()))),
            ("PUT", ["channel", uuid, "unmix"]) => Ok(self.changed(uuid, |it| it.mix.clear())),
            ("PUT", ["channel", uuid, "echo"]) => Ok(self.changed(uuid, |it| it.echo = true)),
            ("PUT", ["channel", uuid, "play"]) => Ok(self.changed(uuid, |it| {
                let count = it.play.as_ref().map_or(0, |play| play.count) + 1;
                it.play = Some(channel::Play { state: "playing".into(), count });
            })),
            _ => Err(Problem::not_found(path)),
        }
    }

    fn open(&self, open: channel::Open) -> Result<Reply, Problem> {
        let uuid = open.uuid.unwrap();
        let mut reply = Err(Problem::new(Code::OutOfChannels, "full"));
        self.state.send_modify(|state| {
            if state.channels.len() < state.room {
                let port = 10000 + 2 * u16::try_from(state.channels.len()).unwrap();
                let channel =
                    Channel { uuid: uuid.clone(), port, ip: "192.0.2.1".into(), seq: 1, ..Channel::default() };
                state.remotes.extend(open.remote);
                state.channels.insert(uuid, channel.clone());
                reply = Ok(Reply::json(&channel));
            }
        });
        reply
    }

    fn changed(&self, uuid: &str, change: impl FnOnce(&mut Channel)) -> Reply {
        self.channel(uuid, change);
        Reply::json(&self.state.borrow().channels[uuid])
    }
}

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

pub fn url(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

pub fn serve<H>(listener: TcpListener, shutdown: CancellationToken, handler: H)
where
    H: Fn(Request) -> Result<Reply, Problem> + Clone + Send + Sync + 'static,
{
    let server =
        Server { token: None, registry: Arc::default(), openapi: "{}", ready: Arc::new(AtomicBool::new(true)) };
    let handler = move |request| std::future::ready(handler(request));
    tokio::task::spawn(server.run(listener, handler, shutdown));
}

async fn deliver(us: String, mut queue: mpsc::Receiver<(String, serde_json::Value)>) {
    let client = Client::new(None);
    while let Some((path, document)) = queue.recv().await {
        // While control restarts it is the test that says when it hears again.
        let _ = client.send::<_, serde_json::Value>(Method::PUT, &format!("{us}{path}"), Some(&document)).await;
    }
}

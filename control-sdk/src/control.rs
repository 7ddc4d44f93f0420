//! The entrance: which servers there are, what the directory holds, and what happens to calls and registrations.
//!
//! [`Control`] is built, then [`Control::run`] serves the callbacks of the other servers until shutdown. A program that
//! serves more on the same port uses [`Control::start`] and hands the rest of its requests to [`Application::handle`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use api::dialog::{self, Cid, Originate};
use api::directory::Domain;
use api::http::{Client, Reply, Request, Server};
use api::registration::Registration;
use api::{Dialog, Problem};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::desk::Desk;
use crate::dial::{self, Target};
use crate::leg::Party;
use crate::negotiate::Codec;
use crate::reason::Error;
use crate::servers::Servers;
use crate::table::Table;
use crate::{callbacks, keeper, patrol};

/// A script as it is kept.
pub(crate) type Script = Box<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>> + Send + Sync>;
/// What hears of registrations.
pub(crate) type RegistrationHook = Box<dyn Fn(Registered) + Send + Sync>;

/// A control, while it is being put together.
pub struct Control {
    us: String,
    sip: String,
    rtp: Vec<String>,
    token: Option<String>,
    codecs: Vec<Codec>,
    domains: Vec<(String, Domain)>,
    script: Option<Script>,
    on_registration: Option<RegistrationHook>,
    round: Duration,
}

/// A user has registered, refreshed, or is gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The domain.
    pub domain: String,
    /// The user.
    pub user: String,
    /// What is registered; `None` when nothing is any more.
    pub registration: Option<Registration>,
}

impl Control {
    /// A control that is reached at `us` and uses these servers; all are URLs without a path.
    pub fn new(us: impl Into<String>, sip: impl Into<String>, rtp: Vec<String>) -> Self {
        let base = |url: String| url.trim_end_matches('/').to_owned();
        Self {
            us: base(us.into()),
            sip: base(sip.into()),
            rtp: rtp.into_iter().map(base).collect(),
            token: None,
            codecs: Codec::ALL.to_vec(),
            domains: Vec::new(),
            script: None,
            on_registration: None,
            round: Duration::from_secs(2),
        }
    }

    /// The token that all servers ask for, ours included.
    pub fn token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// What we can code, best first.
    pub fn codecs(mut self, codecs: impl Into<Vec<Codec>>) -> Self {
        self.codecs = codecs.into();
        self
    }

    /// A domain of the directory, pushed to sip-server whenever that one does not know it. Without a `control` of its
    /// own, its calls come to us.
    pub fn directory(mut self, name: impl Into<String>, mut domain: Domain) -> Self {
        if domain.control.is_empty() {
            domain.control.clone_from(&self.us);
        }
        self.domains.push((name.into(), domain));
        self
    }

    /// The script of every call that comes in. When it returns, the call is hung up; with what it failed, if it failed.
    pub fn on_new_call<F, R>(mut self, script: F) -> Self
    where
        F: Fn(Call) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.script = Some(Box::new(move |call| Box::pin(script(call))));
        self
    }

    /// Hears of each registration. Must not block.
    pub fn on_registration(mut self, hook: impl Fn(Registered) + Send + Sync + 'static) -> Self {
        self.on_registration = Some(Box::new(hook));
        self
    }

    /// How often the other servers are looked after; 2 s unless told.
    pub fn round(mut self, round: Duration) -> Self {
        self.round = round;
        self
    }

    /// Starts to look after calls; the callbacks are the program's to serve. Ends with `shutdown`, calls go on.
    pub fn start(self, tracker: &TaskTracker, shutdown: CancellationToken) -> Application {
        let desk = Arc::new(Desk {
            us: self.us,
            servers: Servers { client: Client::new(self.token), sip: self.sip, rtp: self.rtp },
            table: Table::default(),
            codecs: self.codecs,
            domains: self.domains,
            script: self.script,
            on_registration: self.on_registration,
            tracker: tracker.clone(),
            shutdown,
            turn: AtomicUsize::new(0),
        });
        tracker.spawn(patrol::patrol(desk.clone(), self.round));
        Application { desk }
    }

    /// Serves the callbacks on this listener until shutdown.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) {
        let tracker = TaskTracker::new();
        let server = Server {
            token: self.token.clone(),
            registry: Arc::default(),
            openapi: "{}",
            ready: Arc::new(AtomicBool::new(true)),
        };
        let application = self.start(&tracker, shutdown.clone());
        let handler = move |request| {
            let application = application.clone();
            async move { application.handle(&request) }
        };
        server.run(listener, handler, shutdown).await;
        tracker.close();
        tracker.wait().await;
    }
}

/// A control that runs; clones are handles of the same one.
#[derive(Clone)]
pub struct Application {
    desk: Arc<Desk>,
}

impl Application {
    /// Serves the callbacks of the other servers and `GET /calls`. Never waits for a script.
    pub fn handle(&self, request: &Request) -> Result<Reply, Problem> {
        callbacks::handle(&self.desk, request)
    }

    /// Call-IDs of all calls.
    pub fn calls(&self) -> Vec<String> {
        self.desk.callids()
    }

    /// The newest document of a call.
    pub fn dialog(&self, callid: &str) -> Option<Dialog> {
        self.call(callid).map(|call| call.dialog())
    }

    /// The handle of a call.
    pub fn call(&self, callid: &str) -> Option<Call> {
        self.desk.table.leg(callid).map(|leg| self.desk.call(&leg))
    }

    /// Calls `from`, and when that one answers, runs the script for it as if it had dialled `destination`.
    pub async fn originate(&self, domain: &str, from: &str, destination: Target, cid: Cid) -> Result<Call, Error> {
        let invite = Originate {
            from: dialog::From { user: destination.user.clone(), domain: domain.to_owned(), authsecret: None },
            to: dialog::To { user: from.to_owned(), domain: Some(domain.to_owned()) },
            maxforwards: 70,
            cid,
            ..Originate::default()
        };
        let leg = dial::originate(&self.desk, invite, None).await?;
        let _ = leg.party.set(Party { from: from.to_owned(), destination: destination.user });
        let (desk, answered) = (self.desk.clone(), leg.clone());
        self.desk.tracker.spawn(async move {
            if answered.until(|held| held.dialog.answered).await.is_ok() && desk.settle(&answered).await.is_ok() {
                keeper::run_script(&desk, &answered);
            }
        });
        Ok(self.desk.call(&leg))
    }
}

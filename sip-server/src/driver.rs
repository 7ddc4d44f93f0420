//! The one task that owns the [`Switch`]: it waits for the world, reads the clock once, and carries out what comes back.
//!
//! Datagrams, commands, look-ups, given-up callbacks and the deadline reach the switch here and nowhere else.

use std::net::IpAddr;
use std::time::{Instant, SystemTime};

use api::Problem;
use api::http::Method;
use api::notify::{Callback, Notifier};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::core::switch::{Command, Notification, Now, Output, Reply, Resource, Switch};
use crate::figures::Figures;
use crate::net::{NetEvent, Network, Resolver};

/// Most look-ups under way.
const MAX_LOOKUPS: usize = 1000;

/// A command with the place for its answer.
pub struct Asked {
    /// What control asks.
    pub command: Command,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Reply, Problem>>,
}

/// The switch with its surroundings.
pub struct Driver {
    /// The server itself.
    pub switch: Switch,
    /// SIP.
    pub network: Network,
    /// DNS.
    pub resolver: Resolver,
    /// Callbacks out.
    pub notifier: Notifier,
    /// Callbacks that were given up.
    pub undelivered: mpsc::Receiver<Callback>,
    /// Commands in.
    pub commands: mpsc::Receiver<Asked>,
    /// What is counted, for `/metrics`.
    pub figures: Figures,
}

impl Driver {
    /// Runs until shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut lookups: JoinSet<(String, Vec<IpAddr>)> = JoinSet::new();
        let mut out = Vec::new();
        loop {
            let deadline = self.switch.poll_timeout();
            let due = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.network.recv() => match event {
                    NetEvent::Message(peer, bytes) => self.switch.handle_message(read_clocks(), &bytes, peer, &mut out),
                    NetEvent::SendFailed(peer) => self.switch.handle_unreachable(read_clocks(), peer, &mut out),
                    NetEvent::Closed(_) => {}
                },
                Some(asked) = self.commands.recv() => {
                    let answer = self.switch.handle_command(read_clocks(), asked.command, &mut out);
                    // Whoever asked may have gone; the command is carried out all the same.
                    let _ = asked.reply.send(answer);
                }
                Some(callback) = self.undelivered.recv() => {
                    let resource = resource(&callback.key);
                    self.switch.handle_undelivered(read_clocks(), &resource, &mut out);
                }
                Some(Ok((host, found))) = lookups.join_next() => {
                    self.switch.handle_lookup(read_clocks(), &host, &found, &mut out);
                }
                () = due => self.switch.handle_timeout(read_clocks(), &mut out),
            }
            self.carry_out(&mut out, &mut lookups);
            self.figures.publish(&self.switch);
        }
        self.network.close().await;
    }

    fn carry_out(&mut self, out: &mut Vec<Output>, lookups: &mut JoinSet<(String, Vec<IpAddr>)>) {
        for output in out.drain(..) {
            match output {
                Output::Send { peer, bytes } => self.network.send(peer, bytes),
                Output::Notify(notification) => self.notifier.post(callback(notification)),
                Output::Resolve { host } if lookups.len() < MAX_LOOKUPS => {
                    let resolver = self.resolver.clone();
                    lookups.spawn(async move { (host.clone(), resolver.lookup(host).await) });
                }
                Output::Resolve { host } => {
                    tracing::warn!(%host, "too many look-ups under way");
                    lookups.spawn(async move { (host, Vec::new()) });
                }
            }
        }
    }
}

/// The one place where the clocks are read.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn read_clocks() -> Now {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Now { instant: Instant::now(), unix }
}

fn callback(notification: Notification) -> Callback {
    let key = match notification.resource {
        Resource::Dialog(callid) => format!("dialog/{callid}"),
        Resource::Registration(user) => format!("reg/{user}"),
    };
    let method = if notification.body.is_some() { Method::PUT } else { Method::DELETE };
    Callback { key, method, url: notification.url, body: notification.body, patience: notification.patience }
}

fn resource(key: &str) -> Resource {
    match key.split_once('/') {
        Some(("dialog", callid)) => Resource::Dialog(callid.to_owned()),
        Some((_, user)) => Resource::Registration(user.to_owned()),
        None => Resource::Registration(key.to_owned()),
    }
}

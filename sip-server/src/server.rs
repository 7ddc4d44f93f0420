//! Puts the program together: sockets, the driver's task, REST in front of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use api::http::{Client, Server};
use api::notify::Notifier;
use prometheus_client::registry::Registry;
use rand::Rng;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::switch::Switch;
use crate::driver::{Driver, read_clocks};
use crate::figures::Figures;
use crate::net::{Network, Resolver};
use crate::options::Options;
use crate::rest;

/// Most commands that wait for the driver.
const COMMAND_QUEUE: usize = 1024;

/// Runs the server until shutdown.
pub async fn run(options: Options, tracker: TaskTracker, shutdown: CancellationToken) -> anyhow::Result<()> {
    options.common.refuse_exposure()?;
    let sip = SocketAddr::new(options.bind, options.sip_port);
    let network = Network::bind(sip).with_context(|| format!("cannot listen for SIP on {sip}"))?;
    let http = SocketAddr::new(options.common.http_bind, options.http_port);
    let listener = TcpListener::bind(http).await.with_context(|| format!("cannot listen for REST on {http}"))?;
    let (sip, http) = (network.address(), listener.local_addr()?);

    let (asking, commands) = mpsc::channel(COMMAND_QUEUE);
    let (gave_up, undelivered) = mpsc::channel(COMMAND_QUEUE);
    let client = Client::new(options.common.token.clone());
    let notifier = Notifier::new(client, gave_up, &tracker, shutdown.clone());
    let figures = Figures::default();
    let mut registry = Registry::default();
    network.register(&mut registry);
    notifier.register(&mut registry);
    figures.register(&mut registry);

    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    let switch = Switch::new(options.config(sip.port()), read_clocks(), seed);
    let resolver = Resolver::from_system();
    let driver = Driver { switch, network, resolver, notifier, undelivered, commands, figures };
    let mut driving = tracker.spawn(driver.run(shutdown.clone()));

    let ready = Arc::new(AtomicBool::new(true));
    let openapi = include_str!("../openapi.json");
    let server =
        Server { token: options.common.token.clone(), registry: Arc::new(registry), openapi, ready: ready.clone() };
    tracing::info!(%sip, %http, public = %options.config(sip.port()).public, "ready");
    options.common.write_ready(&json!({"sip": sip.port(), "http": http.port()}))?;
    let serving = server.run(listener, move |request| rest::handle(request, asking.clone()), shutdown.clone());
    tokio::pin!(serving);
    // Without its driver the server is of no use: it ends, and whoever watches it starts it again.
    let ended = tokio::select! {
        () = &mut serving => driving.await,
        ended = &mut driving => {
            shutdown.cancel();
            serving.await;
            ended
        }
    };
    ready.store(false, Ordering::Relaxed);
    ended.context("the driver ended")
}

//! Puts the program together: the other servers if asked to, the script, REST.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use api::http::Server;
use control_sdk::{Call, Control, Error};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config};
use crate::options::{Command, Options, Up};
use crate::plan::Plan;
use crate::supervisor::Program;
use crate::{prompts, rest, terminal};

/// Runs the server until shutdown.
pub async fn run(mut options: Options, tracker: TaskTracker, shutdown: CancellationToken) -> anyhow::Result<()> {
    options.common.refuse_exposure()?;
    let http = SocketAddr::new(options.common.http_bind, options.http_port);
    let listener = TcpListener::bind(http).await.with_context(|| format!("cannot listen for REST on {http}"))?;
    let http = listener.local_addr()?;
    let config = Arc::new(match &options.config {
        Some(path) => Config::read(path)?,
        None => Config::demo(config::local_addresses(), options.demo_secret.as_deref()),
    });
    let mut ready = json!({"http": http.port()});
    let folder = std::env::temp_dir().join(format!("mediaswitch-{}", std::process::id()));
    let supervised = match options.command.clone() {
        Some(Command::Up(up)) => Some(start_others(&mut options, &up, &folder, (&tracker, &shutdown)).await?),
        None => None,
    };
    if let Some(sounds) = &options.sounds {
        prompts::write(sounds)?;
    }
    if let (Some(ports), Some(ready)) = (&supervised, ready.as_object_mut()) {
        ready.extend(ports.as_object().cloned().unwrap_or_default());
    }

    let application = control(&options, http, &config).start(&tracker, shutdown.clone());
    let server = Server {
        token: options.common.token.clone(),
        registry: Arc::new(Registry::default()),
        openapi: include_str!("../openapi.json"),
        ready: Arc::new(AtomicBool::new(true)),
    };
    tracing::info!(%http, sip = options.sip, rtp = ?options.rtp, "ready");
    options.common.write_ready(&ready)?;
    if supervised.is_some() {
        terminal::welcome(&config, &format!("port {}", ready["sip"]));
    }
    let handler = move |request| rest::handle(request, application.clone(), config.clone());
    server.run(listener, handler, shutdown).await;
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot clean up")?;
    }
    Ok(())
}

/// The script with its servers and its directory.
fn control(options: &Options, http: SocketAddr, config: &Arc<Config>) -> Control {
    let us = options.public_url.clone().unwrap_or_else(|| format!("http://{http}"));
    let plans = config.clone();
    let mut control = Control::new(us, &options.sip, options.rtp.clone())
        .token(options.common.token.clone())
        .on_registration(|registered| terminal::registration(&registered))
        .on_new_call(move |call| script(call, plans.clone()));
    for (name, domain) in config.directory() {
        control = control.directory(name, domain);
    }
    control
}

/// The script of every call.
async fn script(call: Call, config: Arc<Config>) -> Result<(), Error> {
    terminal::call(&call);
    let result = Plan::of(&config, &call.domain(), &call.destination()).run(&call).await;
    if call.hungup() {
        terminal::over(&call.dialog());
    }
    result
}

/// Starts the other two, and points us at them. Yields their ports.
async fn start_others(
    options: &mut Options,
    up: &Up,
    folder: &PathBuf,
    (tracker, shutdown): (&TaskTracker, &CancellationToken),
) -> anyhow::Result<Value> {
    let sounds = options.sounds.clone().unwrap_or_else(|| folder.join("sounds"));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    options.sounds = Some(sounds.clone());
    let flag = |name: &str, value: &dyn ToString| [name.to_owned(), value.to_string()];
    let mut shared = Vec::from(flag("--bind", &up.bind));
    shared.extend(flag("--http-bind", &options.common.http_bind));
    let public = up.public_address.or_else(outward_address);
    if let Some(public) = public {
        shared.extend(flag("--public-address", &public));
    }
    let mut sip = shared.clone();
    sip.extend(flag("--sip-port", &up.sip_port));
    sip.extend(flag("--http-port", &up.sip_http_port));
    let mut rtp = shared;
    rtp.extend(flag("--http-port", &up.rtp_http_port));
    rtp.extend(flag("--rtp-ports", &up.rtp_ports));
    rtp.extend(flag("--sounds", &sounds.display()));

    let token = options.common.token.clone();
    let ports = &[("--sip-port", "sip"), ("--http-port", "http")];
    let sip = Program::beside_us("sip-server", sip, token.clone(), folder, ports)?;
    let sip = sip.supervise(tracker, shutdown.clone()).await?;
    let rtp = Program::beside_us("rtp-server", rtp, token, folder, &[("--http-port", "http")])?;
    let rtp = rtp.supervise(tracker, shutdown.clone()).await?;
    let host = SocketAddr::new(options.common.http_bind, 0).ip();
    let url = |ports: &Value| format!("http://{host}:{}", ports["http"]);
    options.sip = url(&sip);
    options.rtp = vec![url(&rtp)];
    Ok(json!({"sip": sip["sip"], "sip_http": sip["http"], "rtp": rtp["http"]}))
}

/// The first address of this machine that is not loopback, IPv4 before IPv6.
fn outward_address() -> Option<std::net::IpAddr> {
    let all = if_addrs::get_if_addrs().ok()?;
    let mut outward: Vec<_> = all.into_iter().filter(|one| !one.is_loopback()).map(|one| one.ip()).collect();
    outward.sort_by_key(|ip| ip.is_ipv6());
    outward.into_iter().next()
}

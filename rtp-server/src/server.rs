//! Puts the parts together: workers, switchboard, REST, and the callbacks to control.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use api::channel::Event;
use api::http::{Client, Method, Server};
use api::notify::{Callback, Notifier};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Options;
use crate::engine::{Command, Document};
use crate::metrics::Metrics;
use crate::ports::Pool;
use crate::rest::Rest;
use crate::sounds::Sounds;
use crate::switchboard::Switchboard;
use crate::worker::{self, Setting};

/// Documents and failed callbacks that may wait.
const QUEUE: usize = 4096;
/// How long a callback is tried.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long control has to say that it still wants a silent channel.
const IDLE_PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of sounds that are kept in memory.
const SOUND_BYTES: usize = 256 << 20;
/// Escaped in a path segment.
const UNSAFE: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// A server whose listener is bound.
pub struct RtpServer {
    rest: Arc<Rest>,
    http: Server,
    listener: TcpListener,
    documents: mpsc::Receiver<Document>,
    notifier: Notifier,
    undelivered: mpsc::Receiver<Callback>,
    threads: Vec<JoinHandle<()>>,
}

impl RtpServer {
    /// Binds the listener and starts the workers. Callbacks run on the tracker until it is closed and empty.
    ///
    /// # Errors
    /// When the port is taken, or the system has nothing left to start a worker with.
    pub async fn bind(options: &Options, tracker: &TaskTracker, shutdown: &CancellationToken) -> io::Result<Self> {
        raise_descriptor_limit();
        let listener = TcpListener::bind((options.common.http_bind, options.http_port)).await?;
        let (tell, documents) = mpsc::channel(QUEUE);
        let (give_up, undelivered) = mpsc::channel(QUEUE);
        let client = Client::new(options.common.token.clone());
        let notifier = Notifier::new(client, give_up, tracker, shutdown.clone());
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        notifier.register(&mut registry);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for number in 0..options.workers.unwrap_or(cores).max(1) {
            let idle_timeout = Duration::from_secs(options.idle_timeout.max(1));
            let setting = Setting { number, idle_timeout, documents: tell.clone(), metrics: metrics.clone() };
            let (handle, thread) = worker::start(setting)?;
            workers.push(handle);
            threads.push(thread);
        }
        let pool = Pool::new(options.bind, options.rtp_ports);
        let rest = Rest {
            switchboard: Switchboard::new(workers, pool, options.public_address),
            sounds: Arc::new(Sounds::new(options.sounds.clone(), SOUND_BYTES)),
        };
        let http = Server {
            token: options.common.token.clone(),
            registry: Arc::new(registry),
            openapi: include_str!("../openapi.json"),
            ready: Arc::new(AtomicBool::new(true)),
        };
        Ok(Self { rest: Arc::new(rest), http, listener, documents, notifier, undelivered, threads })
    }

    /// Where REST is served.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn http_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`; then every channel is closed, and control told so.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { rest, http, listener, documents, notifier, undelivered, threads } = self;
        let ready = http.ready.clone();
        let handler = {
            let rest = rest.clone();
            move |request| {
                let rest = rest.clone();
                async move { rest.handle(request).await }
            }
        };
        let serving = async {
            http.run(listener, handler, shutdown.clone()).await;
            ready.store(false, Ordering::Relaxed);
            rest.switchboard.stop().await;
        };
        // The workers hold the other end of the documents: telling ends when they have.
        tokio::join!(
            serving,
            tell(&rest.switchboard, documents, notifier),
            give_up(&rest.switchboard, undelivered, shutdown.clone())
        );
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended in a panic");
            }
        }
    }
}

/// Carries documents to control.
async fn tell(switchboard: &Switchboard, mut documents: mpsc::Receiver<Document>, notifier: Notifier) {
    while let Some(Document { control, channel }) = documents.recv().await {
        let is_gone = channel.event == Event::Close && channel.reason.as_deref() != Some("requested");
        if is_gone {
            // Asking makes the switchboard forget it.
            let _ = switchboard.command(&channel.uuid, Command::Show).await;
        }
        let Some(control) = control else { continue };
        let body = match serde_json::to_vec(&channel) {
            Ok(body) => body.into(),
            Err(error) => {
                tracing::error!(%error, "a document cannot be written");
                continue;
            }
        };
        let uuid = percent_encoding::utf8_percent_encode(&channel.uuid, UNSAFE);
        notifier.post(Callback {
            url: format!("{control}/channel/{uuid}"),
            key: channel.uuid,
            method: Method::PUT,
            body: Some(body),
            patience: if channel.event == Event::Timeout { IDLE_PATIENCE } else { PATIENCE },
        });
    }
}

/// Closes channels that are silent and that control does not answer for.
async fn give_up(switchboard: &Switchboard, mut callbacks: mpsc::Receiver<Callback>, shutdown: CancellationToken) {
    loop {
        let callback = tokio::select! {
            callback = callbacks.recv() => callback,
            () = shutdown.cancelled() => None,
        };
        let Some(callback) = callback else { return };
        // The engine knows whether it is silent.
        let _ = switchboard.command(&callback.key, Command::Abandon).await;
    }
}

/// A channel takes two descriptors; the usual soft limit is for about 500 of them.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

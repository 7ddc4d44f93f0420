//! A running server, its REST client, and a control that remembers what it was told.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use api::channel::{Closed, List, Opened};
use api::http::{Client, Failure, Method, Reply, Server};
use api::{Channel, Problem};
use clap::Parser;
use prometheus_client::registry::Registry;
use rtp_server::cli::Options;
use rtp_server::server::RtpServer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const PATIENCE: Duration = Duration::from_secs(5);

static PORTS: AtomicU16 = AtomicU16::new(0);

pub struct Rig {
    base: String,
    client: Client,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
}

impl Rig {
    pub async fn start() -> Self {
        Self::with(40, &[]).await
    }

    /// A server with so many ports and these flags besides.
    pub async fn with(ports: u16, flags: &[&str]) -> Self {
        let first = free_ports(ports);
        let range = format!("{first}-{}", first + ports - 1);
        let line = ["rtp-server", "--http-port", "0", "--bind", "127.0.0.1", "--workers", "2", "--rtp-ports", &range];
        let options = Options::parse_from(line.iter().chain(flags));
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let server = RtpServer::bind(&options, &tracker, &shutdown).await.unwrap();
        let base = format!("http://{}", server.http_address().unwrap());
        let running = tracker.spawn(server.run(shutdown.clone()));
        Self { base, client: Client::new(None), shutdown, running }
    }

    pub async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value, Problem> {
        let url = format!("{}{path}", self.base);
        self.client.send(method, &url, (!body.is_null()).then_some(&body)).await.map_err(|failure| match failure {
            Failure::Problem(problem) => problem,
            other => panic!("{path}: {other}"),
        })
    }

    pub async fn open(&self, body: Value) -> Opened {
        serde_json::from_value(self.send(Method::POST, "/channel", body).await.unwrap()).unwrap()
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Channel, Problem> {
        let reply = self.send(Method::PUT, &format!("/channel/{path}"), body).await?;
        Ok(serde_json::from_value(reply).unwrap())
    }

    pub async fn show(&self, uuid: &str) -> Result<Channel, Problem> {
        let reply = self.send(Method::GET, &format!("/channel/{uuid}"), Value::Null).await?;
        Ok(serde_json::from_value(reply).unwrap())
    }

    pub async fn list(&self, query: &str) -> List {
        serde_json::from_value(self.send(Method::GET, &format!("/channel{query}"), Value::Null).await.unwrap()).unwrap()
    }

    pub async fn close(&self, uuid: &str) -> Closed {
        let reply = self.send(Method::DELETE, &format!("/channel/{uuid}"), Value::Null).await.unwrap();
        serde_json::from_value(reply).unwrap()
    }

    /// Ends the server; nothing must be left.
    pub async fn end(self) {
        let list = self.list("?full=1").await;
        assert_eq!(list.channels.active, 0, "{:?}", list.list);
        self.stop().await;
    }

    pub async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.running).await.expect("the server ends").unwrap();
    }
}

/// A control that remembers.
pub struct Control {
    pub url: String,
    told: mpsc::Receiver<Channel>,
    shutdown: CancellationToken,
}

impl Control {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = mpsc::channel(100);
        let shutdown = CancellationToken::new();
        let server = Server {
            token: None,
            registry: Arc::new(Registry::default()),
            openapi: "{}",
            ready: Arc::new(AtomicBool::new(true)),
        };
        let handler = move |request: api::http::Request| {
            let tell = tell.clone();
            async move {
                assert_eq!(request.method, Method::PUT);
                tell.send(request.json()?).await.unwrap();
                Ok(Reply::json(&json!({})))
            }
        };
        TaskTracker::new().spawn(server.run(listener, handler, shutdown.clone()));
        Self { url, told, shutdown }
    }

    /// The first document that fits.
    pub async fn hear(&mut self, fits: impl Fn(&Channel) -> bool) -> Channel {
        let hearing = async {
            loop {
                let document = self.told.recv().await.expect("control runs");
                if fits(&document) {
                    return document;
                }
            }
        };
        timeout(PATIENCE, hearing).await.expect("control is told")
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The first of so many ports in a row that nobody has. Processes that run beside each other begin elsewhere.
fn free_ports(count: u16) -> u16 {
    let begin = u16::try_from(std::process::id() % 100).unwrap() * 100;
    let candidate = || 12_000 + (begin + PORTS.fetch_add(count, Ordering::Relaxed)) % 18_000;
    let free = |first: u16| (first..first + count).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok());
    (0..200).map(|_| candidate()).find(|first| free(*first)).unwrap()
}

//! The server side that all three programs share.
//!
//! It keeps connections alive, answers `/health`, `/ready`, `/metrics` and `/openapi.json` itself, checks the token,
//! limits bodies, headers and connections, and turns every refusal, a panic of the handler included, into a complete
//! reply. At shutdown it stops accepting and lets running requests finish.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{AUTHORIZATION, EXPECT};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Reply, Request};
use crate::{Code, Problem};

const CONNECTIONS: usize = 1024;
const BODY_BYTES: usize = 1 << 20;
/// So much of a body that is too large is read and thrown away, so that the refusal is not lost to a reset.
const DRAINED_BYTES: usize = 8 << 20;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(10);
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// What a server is apart from its routes.
#[derive(Debug, Clone)]
pub struct Server {
    /// Asked of every request but `/health`, when there is one.
    pub token: Option<String>,
    /// Figures for `/metrics`.
    pub registry: Arc<Registry>,
    /// Body of `/openapi.json`.
    pub openapi: &'static str,
    /// What `/ready` says.
    pub ready: Arc<AtomicBool>,
}

impl Server {
    /// Serves until `shutdown`, then until running requests are answered, 10 s at most.
    pub async fn run<H, F>(self, listener: TcpListener, handler: H, shutdown: CancellationToken)
    where
        H: Fn(Request) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        let site = Arc::new(Site { server: self, traffic: Traffic::default(), shutdown, handler });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = site.shutdown.cancelled() => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok(_) if connections.len() >= CONNECTIONS => drop(site.traffic.refused.inc()),
                    Ok((stream, _)) => drop(connections.spawn(connection(site.clone(), stream))),
                    Err(error) => pause_after(&error).await,
                },
            }
            site.traffic.connections.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        }
        drop(listener);
        let finished = timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(connections = connections.len(), "cutting off requests that did not finish");
        }
    }
}

/// Without the pause, running out of file descriptors is a busy loop.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept an HTTP connection");
    sleep_until(Instant::now() + PAUSE_AFTER_ACCEPT_ERROR).await;
}

struct Site<H> {
    server: Server,
    traffic: Traffic,
    shutdown: CancellationToken,
    handler: H,
}

#[derive(Debug, Default)]
struct Traffic {
    connections: Gauge,
    refused: Counter,
    requests: Counter,
    problems: Counter,
}

async fn connection<H, F>(site: Arc<Site<H>>, stream: TcpStream)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Problem>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let shutdown = site.shutdown.clone();
    let service = service_fn(move |request| {
        let site = site.clone();
        async move { Ok::<_, std::convert::Infallible>(site.respond(request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(64 << 10)
        // A client that has gone does not cut a handler off half-way.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let finished = tokio::select! {
        finished = &mut serving => finished,
        () = shutdown.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = finished {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

impl<H, F> Site<H>
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Problem>> + Send + 'static,
{
    async fn respond(&self, request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
        self.traffic.requests.inc();
        let reply = self.reply(request).await.unwrap_or_else(Reply::from);
        if reply.status.as_u16() >= 400 {
            self.traffic.problems.inc();
        }
        reply.into_response()
    }

    async fn reply(&self, request: hyper::Request<Incoming>) -> Result<Reply, Problem> {
        let (head, body) = request.into_parts();
        let mut request = Request::new(head.method, &head.uri)?;
        if request.segments() != ["health"] {
            self.check_token(&head.headers)?;
        }
        if let Some(reply) = self.own(&request) {
            return Ok(reply);
        }
        if request.method == Method::CONNECT {
            return Ok(Reply::method_not_allowed("GET, PUT, POST, PATCH, DELETE"));
        }
        request.body = whole(body, head.headers.contains_key(EXPECT)).await?;
        self.handle(request).await
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.server.token else { return Ok(()) };
        let Some(presented) = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes())) else {
            return Err(Problem::new(Code::Unauthorized, "the request carries no bearer token"));
        };
        if bool::from(presented.ct_eq(token.as_bytes())) {
            Ok(())
        } else {
            Err(Problem::new(Code::Unauthorized, "the bearer token is wrong"))
        }
    }

    fn own(&self, request: &Request) -> Option<Reply> {
        let answer: fn(&Self) -> Reply = match request.segments()[..] {
            ["health"] => |_| Reply::json(&serde_json::json!({"status": "ok"})),
            ["ready"] => Self::ready,
            ["metrics"] => Self::metrics,
            ["openapi.json"] => |site| Reply::of_type("application/json", site.server.openapi),
            _ => return None,
        };
        if matches!(request.method, Method::GET | Method::HEAD) {
            return Some(answer(self));
        }
        Some(Reply::method_not_allowed("GET, HEAD"))
    }

    fn ready(&self) -> Reply {
        if self.server.ready.load(Ordering::Relaxed) && !self.shutdown.is_cancelled() {
            return Reply::json(&serde_json::json!({"status": "ready"}));
        }
        Problem::new(Code::Busy, "starting or draining").into()
    }

    fn metrics(&self) -> Reply {
        let traffic = &self.traffic;
        let mut own = Registry::default();
        own.register("http_connections", "HTTP connections open", traffic.connections.clone());
        own.register("http_connections_refused", "HTTP connections over the limit", traffic.refused.clone());
        own.register("http_requests", "HTTP requests", traffic.requests.clone());
        own.register("http_problems", "HTTP requests refused or failed", traffic.problems.clone());
        let mut text = String::new();
        let encoded = encode_registry(&mut text, &self.server.registry)
            .and_then(|()| encode_registry(&mut text, &own))
            .and_then(|()| encode_eof(&mut text));
        match encoded {
            Ok(()) => Reply::of_type("application/openmetrics-text; version=1.0.0; charset=utf-8", text),
            Err(error) => Problem::new(Code::Internal, error.to_string()).into(),
        }
    }

    async fn handle(&self, request: Request) -> Result<Reply, Problem> {
        let (method, path) = (request.method.clone(), request.path.join("/"));
        let mut handling = Box::pin(async move { (self.handler)(request).await });
        let outcome =
            std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context))) {
                Ok(poll) => poll.map(Some),
                Err(_) => std::task::Poll::Ready(None),
            });
        outcome.await.unwrap_or_else(|| {
            tracing::error!(%method, path, "the handler panicked");
            Err(Problem::new(Code::Internal, "a defect of this server; its log tells more"))
        })
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

async fn whole(body: Incoming, expects_continue: bool) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    if announced > BODY_BYTES as u64 && (expects_continue || announced > DRAINED_BYTES as u64) {
        return Err(too_large());
    }
    match timeout(BODY_TIMEOUT, collect(body)).await {
        Ok(collected) => collected,
        Err(_) => Err(Problem::bad_request("the body did not arrive in time")),
    }
}

async fn collect(mut body: Incoming) -> Result<Bytes, Problem> {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > DRAINED_BYTES {
            break;
        }
        if seen <= BODY_BYTES {
            kept.extend_from_slice(&data);
        }
    }
    if seen > BODY_BYTES { Err(too_large()) } else { Ok(kept.freeze()) }
}

fn too_large() -> Problem {
    Problem::new(Code::TooLarge, "the body is over 1 MiB")
}

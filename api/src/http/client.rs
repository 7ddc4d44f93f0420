//! The client side: one pool of kept-alive connections for all the servers that we talk to.
//!
//! Requests go out in origin form with Host, and with the token where there is one. Nothing is retried here but a
//! request that was never sent because its pooled connection had closed.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{Code, Problem};

const TIMEOUT: Duration = Duration::from_secs(10);
/// Below the 10 s after which servers close, so that no request is sent into a closing connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const REPLY_BYTES: usize = 64 << 20;

/// A pooled client; clones share the pool.
#[derive(Debug, Clone)]
pub struct Client {
    pool: legacy::Client<HttpConnector, Full<Bytes>>,
    authorization: Option<HeaderValue>,
}

/// Why there is no usable reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server refused.
    #[error(transparent)]
    Problem(Problem),
    /// No reply: no connection, or none in time.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// The reply is not the document that was expected.
    #[error("unreadable reply: {0}")]
    Unreadable(String),
}

impl Client {
    /// A client that presents this token. A token that no header can carry is not presented.
    pub fn new(token: Option<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        let authorization = token.and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok());
        Self { pool, authorization: authorization.map(sensitive) }
    }

    /// Sends a document and reads the one that comes back, within 10 s. A blank reply reads as JSON `null`.
    pub async fn send<B, T>(&self, method: Method, url: &str, body: Option<&B>) -> Result<T, Failure>
    where
        B: Serialize + ?Sized,
        T: DeserializeOwned,
    {
        let body = body.map(serde_json::to_vec).transpose().map_err(|error| Failure::Unreadable(error.to_string()))?;
        let reply = self.exchange(method, url, body.map(Bytes::from)).await?;
        let reply = if reply.trim_ascii().is_empty() { b"null".as_slice() } else { &reply };
        serde_json::from_slice(reply).map_err(|error| Failure::Unreadable(error.to_string()))
    }

    /// Sends bytes of JSON; the body of any 2xx reply comes back.
    pub(crate) async fn exchange(&self, method: Method, url: &str, body: Option<Bytes>) -> Result<Bytes, Failure> {
        let request = self.request(method, url, body)?;
        let (status, reply) = match timeout(TIMEOUT, self.round_trip(request)).await {
            Ok(replied) => replied?,
            Err(_) => return Err(Failure::Unreachable(format!("no reply within {} s", TIMEOUT.as_secs()))),
        };
        if status.is_success() { Ok(reply) } else { Err(Failure::Problem(problem(status, &reply))) }
    }

    fn request(&self, method: Method, url: &str, body: Option<Bytes>) -> Result<hyper::Request<Full<Bytes>>, Failure> {
        let uri: Uri = url.parse().map_err(|error| Failure::Unreachable(format!("{url}: {error}")))?;
        let mut request = hyper::Request::new(Full::new(body.unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }

    async fn round_trip(&self, request: hyper::Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.pool.request(request).await.map_err(|error| Failure::Unreachable(in_full(&error)))?;
        let status = response.status();
        match Limited::new(response.into_body(), REPLY_BYTES).collect().await {
            Ok(body) => Ok((status, body.to_bytes())),
            Err(error) => Err(Failure::Unreachable(in_full(error.as_ref()))),
        }
    }
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// The error with what caused it: the outermost one alone says no more than "client error (Connect)".
fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The problem in the body, or one made from the status when a stranger answered.
fn problem(status: StatusCode, body: &[u8]) -> Problem {
    if let Ok(problem) = serde_json::from_slice(body) {
        return problem;
    }
    let code = match status.as_u16() {
        401 | 403 => Code::Unauthorized,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        409 => Code::Conflict,
        413 => Code::TooLarge,
        480 => Code::NotRegistered,
        503 => Code::Busy,
        400..=499 => Code::BadRequest,
        _ => Code::Internal,
    };
    let title = status.canonical_reason().unwrap_or("Refused").to_owned();
    let detail = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    Problem { title, status: status.as_u16(), detail, code }
}

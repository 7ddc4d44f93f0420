//! HTTP/1.1 between the three servers (RFC 9110, RFC 9112): what a handler is given and what it answers.
//!
//! [`Server`] does what every server of ours does alike (token, body limit, `/health`, `/metrics`, problems); [`Client`]
//! is the pooled other side. Routing is a `match` on method and segments in the handler. No TLS, no streaming bodies.

mod client;
mod request;
mod server;

pub use client::{Client, Failure};
pub use hyper::Method;
pub use request::Request;
pub use server::Server;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::{Code, Problem};

/// A whole answer: status and JSON body.
#[derive(Debug, Clone)]
pub struct Reply {
    status: StatusCode,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: Bytes,
}

impl Reply {
    /// 200 with this document.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::of_type("application/json", body),
            Err(error) => Self::problem(&Problem::new(Code::Internal, error.to_string())),
        }
    }

    /// 200 without a body.
    pub fn empty() -> Self {
        Self::of_type("", Bytes::new())
    }

    /// The same answer under another status; 500 when there is no such status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status)
            .ok()
            .filter(|status| !status.is_informational())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self
    }

    /// 405, listing the verbs that the path has.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        let problem = Problem::new(Code::MethodNotAllowed, format!("this path takes {allow}"));
        Self { allow: Some(allow), ..Self::problem(&problem) }
    }

    fn problem(problem: &Problem) -> Self {
        let body = serde_json::to_vec(problem).unwrap_or_default();
        Self::of_type("application/problem+json", body).with_status(problem.status)
    }

    fn of_type(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, allow: None, body: body.into() }
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let length = self.body.len();
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !self.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self::problem(&problem)
    }
}

//! SIP messages (RFC 3261 §7): lossless and ordered, with unknown methods, headers and schemes representable.
//!
//! A message keeps its header fields as slices of what was received; typed views ([`Uri`], [`NameAddr`], [`Via`],
//! [`CSeq`]) are made when asked for. The one serialiser cannot emit CR, LF or NUL inside a value.

mod headers;
mod name;
mod name_addr;
mod params;
mod parse;
mod print;
mod syntax;
#[cfg(test)]
mod tests;
mod uri;
mod uri_match;
mod validate;
mod via;

use std::fmt;

use bytes::Bytes;

pub use headers::Headers;
pub use name::Name;
pub use name_addr::NameAddr;
pub use params::Params;
pub use parse::{Malformed, frame_length, parse_datagram};
pub use syntax::{quote, unquote};
pub use uri::{Host, Uri};
pub use via::Via;

/// A request method (RFC 3261 §7.1), known or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Register,
    Options,
    Info,
    Message,
    Notify,
    Prack,
    Publish,
    Refer,
    Subscribe,
    Update,
    /// Any other token.
    Other(String),
}

impl Method {
    /// The method as it stands on the wire; methods are case-sensitive.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Message => "MESSAGE",
            Self::Notify => "NOTIFY",
            Self::Prack => "PRACK",
            Self::Publish => "PUBLISH",
            Self::Refer => "REFER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Update => "UPDATE",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        match name {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "BYE" => Self::Bye,
            "CANCEL" => Self::Cancel,
            "REGISTER" => Self::Register,
            "OPTIONS" => Self::Options,
            "INFO" => Self::Info,
            "MESSAGE" => Self::Message,
            "NOTIFY" => Self::Notify,
            "PRACK" => Self::Prack,
            "PUBLISH" => Self::Publish,
            "REFER" => Self::Refer,
            "SUBSCRIBE" => Self::Subscribe,
            "UPDATE" => Self::Update,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method of the request line.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Header fields in order.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 699.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Header fields in order.
    pub headers: Headers,
    /// Body.
    pub body: Bytes,
}

/// Either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

/// A sequence number with its method (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2³¹.
    pub number: u32,
    /// The request's method.
    pub method: Method,
}

impl Request {
    /// A request with no header yet.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Bytes::new() }
    }

    /// The bytes of the message; Content-Length is computed.
    pub fn to_bytes(&self) -> Bytes {
        print::print(&format!("{} {} SIP/2.0", self.method, self.uri), &self.headers, &self.body)
    }

    /// A response to this request with Via, From, To, Call-ID and CSeq copied (RFC 3261 §8.2.6.2). No To tag is added.
    /// Of what must be there once, the first is copied.
    pub fn response(&self, status: u16, reason: &str) -> Response {
        let mut headers = Headers::default();
        headers.copy(&self.headers, Name::Via, usize::MAX);
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            headers.copy(&self.headers, name, 1);
        }
        Response { status, reason: reason.to_owned(), headers, body: Bytes::new() }
    }
}

impl Response {
    /// The bytes of the message; Content-Length is computed.
    pub fn to_bytes(&self) -> Bytes {
        print::print(&format!("SIP/2.0 {} {}", self.status, self.reason), &self.headers, &self.body)
    }

    /// 1xx.
    pub fn is_provisional(&self) -> bool {
        self.status < 200
    }

    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Message {
    /// The bytes of the message.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }

    /// Header fields of either.
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

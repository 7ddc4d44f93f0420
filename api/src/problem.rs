//! The error body of every server (RFC 9457): `application/problem+json` with a stable machine word in `code`.

use serde::{Deserialize, Serialize};

/// Why a request was refused; also the body of the refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{status} {title}: {detail}")]
pub struct Problem {
    /// What kind of problem this is, in a few words.
    pub title: String,
    /// The HTTP status that it travelled with.
    pub status: u16,
    /// What was wrong with this request; names the field, where there is one.
    pub detail: String,
    /// The stable word that programs match on.
    pub code: Code,
}

/// The stable machine word of a [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// 400: the body cannot be read, or a field is missing or wrong.
    BadRequest,
    /// 401: no token, or a wrong one.
    Unauthorized,
    /// 404: no such resource or path.
    NotFound,
    /// 405: the path has other verbs, listed in `Allow`.
    MethodNotAllowed,
    /// 409: the action does not fit the state of the resource.
    Conflict,
    /// 413: the body is over 1 MiB.
    TooLarge,
    /// 480: the user exists and has no phone registered.
    NotRegistered,
    /// 500: a defect of ours.
    Internal,
    /// 503: out of channels.
    OutOfChannels,
    /// 503: a queue is full, or the server is draining.
    Busy,
}

impl Code {
    /// The HTTP status that goes with the word.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::NotRegistered => 480,
            Self::Internal => 500,
            Self::OutOfChannels | Self::Busy => 503,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad request",
            Self::Unauthorized => "Unauthorized",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Does not fit the state",
            Self::TooLarge => "Body too large",
            Self::NotRegistered => "Temporarily unavailable",
            Self::Internal => "Internal error",
            Self::OutOfChannels => "Out of channels",
            Self::Busy => "Busy",
        }
    }
}

impl Problem {
    /// A problem of this kind, with what was wrong in words.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { title: code.title().to_owned(), status: code.status(), detail: detail.into(), code }
    }

    /// 400, naming the field.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    /// 404, naming what is unknown.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    /// 409, saying which state does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Code::Conflict, detail)
    }
}

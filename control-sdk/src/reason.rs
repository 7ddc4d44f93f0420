//! Why a call ends, or never begins: status codes of RFC 3261 §21 and the errors that a script's verbs return.

use api::http::Failure;

use crate::negotiate::Refusal;

/// Why a call is ended: what an unanswered caller is told, and what stands in the Reason of a BYE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// All is said.
    Normal,
    /// 486.
    Busy,
    /// 404.
    NotFound,
    /// 480: nobody is there.
    Unavailable,
    /// 488: no codec in common.
    NotAcceptable,
    /// 503, and what is missing.
    ServiceUnavailable(&'static str),
    /// Any other code and phrase.
    Other(u16, String),
}

impl Reason {
    /// The status code.
    pub fn code(&self) -> u16 {
        match self {
            Self::Normal | Self::Unavailable => 480,
            Self::Busy => 486,
            Self::NotFound => 404,
            Self::NotAcceptable => 488,
            Self::ServiceUnavailable(_) => 503,
            Self::Other(code, _) => *code,
        }
    }

    /// The reason phrase.
    pub fn phrase(&self) -> &str {
        match self {
            Self::Normal | Self::Unavailable => "Temporarily Unavailable",
            Self::Busy => "Busy Here",
            Self::NotFound => "Not Found",
            Self::NotAcceptable => "Not Acceptable Here",
            Self::ServiceUnavailable(what) => what,
            Self::Other(_, phrase) => phrase,
        }
    }

    /// What a final response with this code and phrase says.
    pub fn of(code: u16, phrase: &str) -> Self {
        match code {
            0..300 => Self::Unavailable,
            404 => Self::NotFound,
            480 => Self::Unavailable,
            486 => Self::Busy,
            488 => Self::NotAcceptable,
            _ => Self::Other(code, phrase.trim().to_owned()),
        }
    }

    /// How much a caller of several phones cares for this one (RFC 3261 §16.7 step 6), the least wins.
    pub(crate) fn rank(&self) -> u16 {
        match self.code() {
            code @ 600.. => code - 600,
            486 => 100,
            404 | 408 | 480 => 300,
            code @ 500.. => code,
            _ => 200,
        }
    }
}

/// What a verb of a script can fail with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The call is over.
    #[error("the call is over")]
    Hungup,
    /// The call that was dialled came to nothing.
    #[error("{} {}", .0.code(), .0.phrase())]
    Failed(Reason),
    /// No rtp-server has a channel left.
    #[error("out of channels")]
    OutOfChannels,
    /// The two calls have their channels on different servers, or none.
    #[error("the calls have no channels that can be mixed")]
    Apart,
    /// A server refused.
    #[error("refused: {0}")]
    Refused(String),
    /// A server cannot be reached.
    #[error("unreachable: {0}")]
    Unreachable(String),
}

impl Error {
    /// What the caller is told when a script ends with this.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Hungup => Reason::Normal,
            Self::Failed(reason) => reason.clone(),
            Self::OutOfChannels => Reason::ServiceUnavailable("Out of channels"),
            Self::Apart | Self::Refused(_) => Reason::Other(500, "Server Internal Error".to_owned()),
            Self::Unreachable(_) => Reason::ServiceUnavailable("Media server lost"),
        }
    }
}

impl From<Refusal> for Error {
    fn from(_: Refusal) -> Self {
        Self::Failed(Reason::NotAcceptable)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problem(problem) => Self::Refused(problem.to_string()),
            Failure::Unreachable(why) | Failure::Unreadable(why) => Self::Unreachable(why),
        }
    }
}

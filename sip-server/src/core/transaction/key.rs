//! What tells transactions apart (RFC 3261 §17.1.3, §17.2.3).
//!
//! The branch is compared without case, as all tokens are (§7.3.1); sent-by with the default port filled in.

use crate::core::message::{Headers, Method, Name, Request};

/// Matches responses to client transactions: branch of the top Via and method of the CSeq.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClientKey {
    branch: String,
    method: Method,
}

impl ClientKey {
    /// The key of these headers for that method; `None` without a branch.
    pub fn of(headers: &Headers, method: Method) -> Option<Self> {
        let branch = headers.via()?.branch()?.to_ascii_lowercase();
        Some(Self { branch, method })
    }
}

/// Matches requests to server transactions. An ACK and a CANCEL are looked up as the method they are for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerKey {
    method: Method,
    host: String,
    port: u16,
    branch: Branch,
}

/// The branch, or what stands for it where it has no magic cookie (RFC 2543).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Branch {
    Unique(String),
    /// To is left out: its tag is not the same in an INVITE and in its ACK, and all else tells two requests apart.
    Rfc2543 {
        branch: String,
        uri: String,
        from_tag: String,
        call_id: String,
        cseq: u32,
    },
}

impl ServerKey {
    /// The key of this request as if its method were that one; `None` when the headers it is made of are missing.
    pub fn of(request: &Request, method: Method) -> Option<Self> {
        let headers = &request.headers;
        let via = headers.via()?;
        let branch = match via.branch() {
            Some(branch) if is_unique(branch) => Branch::Unique(branch.to_ascii_lowercase()),
            branch => Branch::Rfc2543 {
                branch: branch.unwrap_or_default().to_owned(),
                uri: request.uri.to_string(),
                from_tag: headers.from()?.tag().unwrap_or_default().to_owned(),
                call_id: headers.text(Name::CallId)?.into_owned(),
                cseq: headers.cseq()?.number,
            },
        };
        Some(Self { method, host: via.host.to_string().to_ascii_lowercase(), port: via.port.unwrap_or(5060), branch })
    }
}

/// It begins with the magic cookie, and something follows (RFC 3261 §8.1.1.7). It may hold any bytes.
fn is_unique(branch: &str) -> bool {
    branch.split_at_checked(7).is_some_and(|(cookie, rest)| cookie.eq_ignore_ascii_case("z9hG4bK") && !rest.is_empty())
}

//! Header names that the server asks for (RFC 3261 §7.3.3, §20 and the extensions), in long and compact form.
//!
//! A name is recognised by its length first, so that reading a header line costs a comparison or two.
//! Names that nobody asks for are not here: they stay as text in [`super::Headers`].

/// A header name that something in the server asks for; all others are `Other` and found by their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the header fields")]
pub enum Name {
    Accept,
    AcceptContact,
    AlertInfo,
    Allow,
    AllowEvents,
    AuthenticationInfo,
    Authorization,
    CallId,
    CallInfo,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    Diversion,
    ErrorInfo,
    Event,
    Expires,
    From,
    HistoryInfo,
    Identity,
    InReplyTo,
    Join,
    MaxForwards,
    MinExpires,
    MinSe,
    Organization,
    PAssertedIdentity,
    PPreferredIdentity,
    Path,
    Priority,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    RSeq,
    Reason,
    RecordRoute,
    ReferTo,
    ReferredBy,
    RejectContact,
    RemotePartyId,
    Replaces,
    RequestDisposition,
    Require,
    RetryAfter,
    Route,
    Server,
    ServiceRoute,
    SessionExpires,
    SipETag,
    SipIfMatch,
    Subject,
    SubscriptionState,
    Supported,
    Timestamp,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    Other,
}

impl Name {
    /// The name of this text, in long or compact form and any case.
    pub fn of(text: &str) -> Self {
        let [first] = text.as_bytes() else {
            return same_length(text.len())
                .iter()
                .copied()
                .find(|name| name.as_str().eq_ignore_ascii_case(text))
                .unwrap_or(Self::Other);
        };
        compact(first.to_ascii_lowercase())
    }

    /// The long form; empty for `Other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::AcceptContact => "Accept-Contact",
            Self::AlertInfo => "Alert-Info",
            Self::Allow => "Allow",
            Self::AllowEvents => "Allow-Events",
            Self::AuthenticationInfo => "Authentication-Info",
            Self::Authorization => "Authorization",
            Self::CallId => "Call-ID",
            Self::CallInfo => "Call-Info",
            Self::Contact => "Contact",
            Self::ContentDisposition => "Content-Disposition",
            Self::ContentEncoding => "Content-Encoding",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::CSeq => "CSeq",
            Self::Date => "Date",
            Self::Diversion => "Diversion",
            Self::ErrorInfo => "Error-Info",
            Self::Event => "Event",
            Self::Expires => "Expires",
            Self::From => "From",
            Self::HistoryInfo => "History-Info",
            Self::Identity => "Identity",
            Self::InReplyTo => "In-Reply-To",
            Self::Join => "Join",
            Self::MaxForwards => "Max-Forwards",
            Self::MinExpires => "Min-Expires",
            Self::MinSe => "Min-SE",
            Self::Organization => "Organization",
            Self::PAssertedIdentity => "P-Asserted-Identity",
            Self::PPreferredIdentity => "P-Preferred-Identity",
            Self::Path => "Path",
            Self::Priority => "Priority",
            Self::Privacy => "Privacy",
            Self::ProxyAuthenticate => "Proxy-Authenticate",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::ProxyRequire => "Proxy-Require",
            Self::RAck => "RAck",
            Self::RSeq => "RSeq",
            Self::Reason => "Reason",
            Self::RecordRoute => "Record-Route",
            Self::ReferTo => "Refer-To",
            Self::ReferredBy => "Referred-By",
            Self::RejectContact => "Reject-Contact",
            Self::RemotePartyId => "Remote-Party-ID",
            Self::Replaces => "Replaces",
            Self::RequestDisposition => "Request-Disposition",
            Self::Require => "Require",
            Self::RetryAfter => "Retry-After",
            Self::Route => "Route",
            Self::Server => "Server",
            Self::ServiceRoute => "Service-Route",
            Self::SessionExpires => "Session-Expires",
            Self::SipETag => "SIP-ETag",
            Self::SipIfMatch => "SIP-If-Match",
            Self::Subject => "Subject",
            Self::SubscriptionState => "Subscription-State",
            Self::Supported => "Supported",
            Self::Timestamp => "Timestamp",
            Self::To => "To",
            Self::Unsupported => "Unsupported",
            Self::UserAgent => "User-Agent",
            Self::Via => "Via",
            Self::Warning => "Warning",
            Self::WwwAuthenticate => "WWW-Authenticate",
            Self::Other => "",
        }
    }
}

fn compact(letter: u8) -> Name {
    match letter {
        b'a' => Name::AcceptContact,
        b'b' => Name::ReferredBy,
        b'c' => Name::ContentType,
        b'd' => Name::RequestDisposition,
        b'e' => Name::ContentEncoding,
        b'f' => Name::From,
        b'i' => Name::CallId,
        b'j' => Name::RejectContact,
        b'k' => Name::Supported,
        b'l' => Name::ContentLength,
        b'm' => Name::Contact,
        b'o' => Name::Event,
        b'r' => Name::ReferTo,
        b's' => Name::Subject,
        b't' => Name::To,
        b'u' => Name::AllowEvents,
        b'v' => Name::Via,
        b'x' => Name::SessionExpires,
        b'y' => Name::Identity,
        _ => Name::Other,
    }
}

/// All names whose long form has this length, the most frequent first.
fn same_length(length: usize) -> &'static [Name] {
    match length {
        2 => &[Name::To],
        3 => &[Name::Via],
        4 => &[Name::From, Name::CSeq, Name::Date, Name::Join, Name::Path, Name::RAck, Name::RSeq],
        5 => &[Name::Allow, Name::Route, Name::Event],
        6 => &[Name::Accept, Name::MinSe, Name::Reason, Name::Server],
        7 => &[Name::CallId, Name::Contact, Name::Expires, Name::Privacy, Name::Require, Name::Subject, Name::Warning],
        8 => &[Name::Identity, Name::Priority, Name::ReferTo, Name::Replaces, Name::SipETag],
        9 => &[Name::Supported, Name::CallInfo, Name::Diversion, Name::Timestamp],
        10 => &[Name::UserAgent, Name::AlertInfo, Name::ErrorInfo],
        11 => &[Name::InReplyTo, Name::MinExpires, Name::ReferredBy, Name::RetryAfter, Name::Unsupported],
        12 => &[
            Name::MaxForwards,
            Name::ContentType,
            Name::RecordRoute,
            Name::AllowEvents,
            Name::HistoryInfo,
            Name::Organization,
            Name::SipIfMatch,
        ],
        13 => &[Name::Authorization, Name::ProxyRequire, Name::ServiceRoute],
        14 => &[Name::ContentLength, Name::AcceptContact, Name::RejectContact],
        15 => &[Name::RemotePartyId, Name::SessionExpires],
        16 => &[Name::ContentEncoding, Name::WwwAuthenticate],
        18 => &[Name::ProxyAuthenticate, Name::SubscriptionState],
        19 => &[
            Name::AuthenticationInfo,
            Name::ContentDisposition,
            Name::PAssertedIdentity,
            Name::ProxyAuthorization,
            Name::RequestDisposition,
        ],
        20 => &[Name::PPreferredIdentity],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_long_form_is_found_in_any_case() {
        let all: Vec<Name> = (0..64).flat_map(same_length).copied().collect();
        assert_eq!(all.len(), Name::Other as usize);
        for name in all {
            let long = name.as_str();
            assert_eq!(Name::of(long), name);
            assert_eq!(Name::of(&long.to_ascii_uppercase()), name);
            assert_eq!(Name::of(&long.to_ascii_lowercase()), name);
            assert_eq!(Name::of(&format!("{long}x")), Name::Other);
        }
    }

    #[test]
    fn compact_forms_are_those_of_the_registry() {
        let letters = "abcdefijklmnorstuvxy";
        let known: String = ('a'..='z').filter(|letter| Name::of(&letter.to_string()) != Name::Other).collect();
        assert_eq!(known, letters.replace('n', ""));
        assert_eq!((Name::of("I"), Name::of("m"), Name::of("")), (Name::CallId, Name::Contact, Name::Other));
    }
}

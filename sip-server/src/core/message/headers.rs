//! Header fields in the order received (RFC 3261 §7.3), found by name in long or compact form.

use std::borrow::Cow;

use bytes::Bytes;

use super::name_addr::split_list;
use super::{CSeq, Method, NameAddr, Via};

/// A header name that something in the server asks for; all others are `Other` and found by their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the header fields")]
pub enum Name {
    Accept,
    AlertInfo,
    Allow,
    Authorization,
    CallId,
    Contact,
    ContentDisposition,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    Date,
    ErrorInfo,
    Event,
    Expires,
    From,
    MaxForwards,
    MinExpires,
    PAssertedIdentity,
    Path,
    Privacy,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyRequire,
    RAck,
    Reason,
    RecordRoute,
    ReferTo,
    ReferredBy,
    RemotePartyId,
    Replaces,
    Require,
    RetryAfter,
    Route,
    RSeq,
    SessionExpires,
    SubscriptionState,
    Supported,
    To,
    Unsupported,
    UserAgent,
    Via,
    Warning,
    WwwAuthenticate,
    Other,
}

const TABLE: &[(Name, &str, &str)] = &[
    (Name::Accept, "Accept", ""),
    (Name::AlertInfo, "Alert-Info", ""),
    (Name::Allow, "Allow", ""),
    (Name::Authorization, "Authorization", ""),
    (Name::CallId, "Call-ID", "i"),
    (Name::Contact, "Contact", "m"),
    (Name::ContentDisposition, "Content-Disposition", ""),
    (Name::ContentEncoding, "Content-Encoding", "e"),
    (Name::ContentLength, "Content-Length", "l"),
    (Name::ContentType, "Content-Type", "c"),
    (Name::CSeq, "CSeq", ""),
    (Name::Date, "Date", ""),
    (Name::ErrorInfo, "Error-Info", ""),
    (Name::Event, "Event", "o"),
    (Name::Expires, "Expires", ""),
    (Name::From, "From", "f"),
    (Name::MaxForwards, "Max-Forwards", ""),
    (Name::MinExpires, "Min-Expires", ""),
    (Name::PAssertedIdentity, "P-Asserted-Identity", ""),
    (Name::Path, "Path", ""),
    (Name::Privacy, "Privacy", ""),
    (Name::ProxyAuthenticate, "Proxy-Authenticate", ""),
    (Name::ProxyAuthorization, "Proxy-Authorization", ""),
    (Name::ProxyRequire, "Proxy-Require", ""),
    (Name::RAck, "RAck", ""),
    (Name::Reason, "Reason", ""),
    (Name::RecordRoute, "Record-Route", ""),
    (Name::ReferTo, "Refer-To", "r"),
    (Name::ReferredBy, "Referred-By", "b"),
    (Name::RemotePartyId, "Remote-Party-ID", ""),
    (Name::Replaces, "Replaces", ""),
    (Name::Require, "Require", ""),
    (Name::RetryAfter, "Retry-After", ""),
    (Name::Route, "Route", ""),
    (Name::RSeq, "RSeq", ""),
    (Name::SessionExpires, "Session-Expires", "x"),
    (Name::SubscriptionState, "Subscription-State", ""),
    (Name::Supported, "Supported", "k"),
    (Name::To, "To", "t"),
    (Name::Unsupported, "Unsupported", ""),
    (Name::UserAgent, "User-Agent", ""),
    (Name::Via, "Via", "v"),
    (Name::Warning, "Warning", ""),
    (Name::WwwAuthenticate, "WWW-Authenticate", ""),
];

impl Name {
    /// The name of this text, in long or compact form and any case.
    pub fn of(text: &str) -> Self {
        TABLE
            .iter()
            .find(|(_, long, compact)| long.eq_ignore_ascii_case(text) || compact.eq_ignore_ascii_case(text))
            .map_or(Self::Other, |row| row.0)
    }

    /// The long form; empty for `Other`.
    pub fn as_str(self) -> &'static str {
        TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: Name,
    text: Bytes,
    value: Bytes,
}

/// Header fields in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Field>,
}

impl Headers {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// All fields as name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.fields.iter().map(|field| (String::from_utf8_lossy(&field.text), String::from_utf8_lossy(&field.value)))
    }

    /// Name and value as bytes, in order.
    pub fn raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().map(|field| (&field.text[..], &field.value[..]))
    }

    /// The first value of that name.
    pub fn text(&self, name: Name) -> Option<Cow<'_, str>> {
        self.all(name).next()
    }

    /// The first value of a name that is not a [`Name`].
    pub fn other(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.fields.iter().find(|field| field.text.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(String::from_utf8_lossy(&found.value))
    }

    /// The value of each field of that name.
    pub fn all(&self, name: Name) -> impl Iterator<Item = Cow<'_, str>> {
        self.fields.iter().filter(move |field| field.name == name).map(|field| String::from_utf8_lossy(&field.value))
    }

    /// The elements of all fields of that name, split at commas outside quotes and angle brackets.
    pub fn list(&self, name: Name) -> Vec<String> {
        self.all(name)
            .flat_map(|value| split_list(&value).map(str::to_owned).collect::<Vec<_>>())
            .filter(|element| !element.is_empty())
            .collect()
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: Name, value: &str) {
        let text = Bytes::from_static(name.as_str().as_bytes());
        self.fields.push(Field { name, text, value: Bytes::copy_from_slice(value.as_bytes()) });
    }

    /// Adds a field of any name at the end.
    pub fn push_text(&mut self, name: &str, value: &str) {
        self.push_raw(Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    }

    /// Adds a field at the end as received.
    pub(super) fn push_raw(&mut self, text: Bytes, value: Bytes) {
        let name = std::str::from_utf8(&text).map_or(Name::Other, Name::of);
        self.fields.push(Field { name, text, value });
    }

    /// Adds a field before all others.
    pub fn push_front(&mut self, name: Name, value: &str) {
        self.push(name, value);
        self.fields.rotate_right(1);
    }

    /// Replaces the first field of that name where it stands, and removes its others; adds one if there was none.
    pub fn replace(&mut self, name: Name, value: &str) {
        let Some(at) = self.fields.iter().position(|field| field.name == name) else {
            return self.push(name, value);
        };
        let mut index = 0;
        self.fields.retain(|field| {
            index += 1;
            index - 1 <= at || field.name != name
        });
        self.fields[at].value = Bytes::copy_from_slice(value.as_bytes());
    }

    /// Removes all fields of that name.
    pub fn remove(&mut self, name: Name) {
        self.fields.retain(|field| field.name != name);
    }

    /// The topmost Via.
    pub fn via(&self) -> Option<Via> {
        let value = self.text(Name::Via)?;
        let first = split_list(&value).next()?;
        Via::parse(first)
    }

    /// Replaces the topmost Via, leaving those behind it alone.
    pub fn replace_via(&mut self, via: &Via) {
        let Some(at) = self.fields.iter().position(|field| field.name == Name::Via) else {
            return;
        };
        let old = String::from_utf8_lossy(&self.fields[at].value).into_owned();
        let mut value = via.to_string();
        for rest in split_list(&old).skip(1) {
            value.push_str(", ");
            value.push_str(rest);
        }
        self.fields[at].value = Bytes::from(value);
    }

    /// From.
    pub fn from(&self) -> Option<NameAddr> {
        NameAddr::parse(&self.text(Name::From)?)
    }

    /// To.
    pub fn to(&self) -> Option<NameAddr> {
        NameAddr::parse(&self.text(Name::To)?)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Option<Cow<'_, str>> {
        self.text(Name::CallId)
    }

    /// CSeq.
    pub fn cseq(&self) -> Option<CSeq> {
        let value = self.text(Name::CSeq)?;
        let (number, method) = value.trim().split_once(|c: char| c.is_ascii_whitespace())?;
        let number: u32 = number.parse().ok().filter(|number| *number < 1 << 31)?;
        Some(CSeq { number, method: Method::from(method.trim()) })
    }

    /// An unsigned number, as in Max-Forwards or Expires.
    pub fn number(&self, name: Name) -> Option<u32> {
        self.text(name)?.trim().parse().ok()
    }

    /// A list of name-addrs, as in Contact, Route, Record-Route.
    pub fn name_addrs(&self, name: Name) -> Vec<NameAddr> {
        self.list(name).iter().filter_map(|element| NameAddr::parse(element)).collect()
    }
}

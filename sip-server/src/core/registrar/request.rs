//! What a REGISTER asks for (RFC 3261 §10.3 steps 6 and 7), and why it is refused.

use super::{Kept, RegistrarConfig};
use crate::core::message::{Host, Name, NameAddr, Params, Request, Response, Uri};
use crate::core::transport::Peer;

/// A well-formed REGISTER.
pub(super) struct Update {
    pub call_id: String,
    pub cseq: u32,
    pub peer: Peer,
    pub agent: Option<String>,
    pub path: Vec<String>,
    pub change: Change,
}

/// What is to change.
pub(super) enum Change {
    /// Nothing: no Contact.
    Query,
    /// `Contact: *`.
    RemoveAll,
    /// These.
    Contacts(Vec<Asked>),
}

/// One Contact.
pub(super) struct Asked {
    pub uri: Uri,
    pub q: Option<u16>,
    pub params: Params,
    /// Seconds, as granted; 0 removes.
    pub expires: u32,
}

/// Why a REGISTER is refused.
pub(super) struct Refusal {
    status: u16,
    reason: &'static str,
    min_expires: Option<u32>,
}

impl Refusal {
    pub fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, min_expires: None }
    }

    pub fn response(&self, request: &Request) -> Response {
        let mut response = request.response(self.status, self.reason);
        if let Some(seconds) = self.min_expires {
            response.headers.push(Name::MinExpires, &seconds.to_string());
        }
        response
    }
}

impl Update {
    pub fn read(config: &RegistrarConfig, request: &Request, peer: Peer) -> Result<Self, Refusal> {
        let headers = &request.headers;
        let call_id = headers.call_id().ok_or(Refusal::new(400, "Missing Call-ID"))?.into_owned();
        let cseq = headers.cseq().ok_or(Refusal::new(400, "Bad CSeq"))?.number;
        let agent = headers.text(Name::UserAgent).map(std::borrow::Cow::into_owned);
        let path = headers.list(Name::Path);
        let expires = headers.text(Name::Expires).and_then(|value| seconds(&value));
        let contacts = headers.list(Name::Contact);
        let change = if contacts.is_empty() {
            Change::Query
        } else if contacts.iter().any(|contact| contact == "*") {
            if contacts.len() > 1 || expires != Some(0) {
                return Err(Refusal::new(400, "Contact * Needs Expires 0 And Nothing Else"));
            }
            Change::RemoveAll
        } else {
            if contacts.len() > config.max_bindings {
                return Err(Refusal::new(403, "Too Many Contacts"));
            }
            Change::Contacts(contacts.iter().map(|text| Asked::read(config, text, expires)).collect::<Result<_, _>>()?)
        };
        Ok(Self { call_id, cseq, peer, agent, path, change })
    }
}

impl Asked {
    fn read(config: &RegistrarConfig, text: &str, header: Option<u32>) -> Result<Self, Refusal> {
        let contact = NameAddr::parse(text).filter(|contact| contact.uri.host().is_some());
        let NameAddr { uri, mut params, .. } = contact.ok_or(Refusal::new(400, "Bad Contact"))?;
        let asked = params.value("expires").and_then(seconds).or(header).unwrap_or(config.default_expires);
        if asked > 0 && asked < config.min_expires {
            return Err(Refusal { min_expires: Some(config.min_expires), ..Refusal::new(423, "Interval Too Brief") });
        }
        let q = params.value("q").and_then(thousandths);
        params.remove("expires");
        params.remove("q");
        Ok(Self { uri, q, params, expires: asked.min(config.max_expires) })
    }

    /// It names the same contact: by its URI, or by its instance (RFC 5626 §6).
    pub fn is(&self, kept: &Kept) -> bool {
        let param = |params: &Params, name: &str| params.value(name).map(str::to_ascii_lowercase);
        let both = |name: &str| param(&self.params, name) == param(&kept.params, name);
        let instance = self.params.value("+sip.instance").is_some_and(|instance| !instance.is_empty());
        same_contact(&self.uri, &kept.binding.uri) || (instance && both("+sip.instance") && both("reg-id"))
    }
}

/// RFC 3261 §19.1.4 as far as it tells contacts apart.
fn same_contact(a: &Uri, b: &Uri) -> bool {
    let secure = |uri: &Uri| matches!(uri, Uri::Sip { secure: true, .. });
    let transport = |uri: &Uri| uri.param("transport").map(str::to_ascii_lowercase);
    let host = |uri: &Uri| match uri.host() {
        Some(Host::Name(name)) => Some(Host::Name(name.to_ascii_lowercase())),
        other => other.cloned(),
    };
    let same = secure(a) == secure(b) && a.user() == b.user() && a.port() == b.port();
    same && host(a) == host(b) && transport(a) == transport(b)
}

/// Delta-seconds, as many as fit; `None` when malformed, which counts as absent (RFC 3261 §10.3 step 7).
fn seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// A qvalue (RFC 3261 §25.1), `0.5` is 500.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

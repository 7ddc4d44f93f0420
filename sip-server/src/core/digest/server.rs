//! The side that challenges (RFC 7616 §3.3, RFC 8760).
//!
//! A challenge costs no memory: its nonce carries the time and an HMAC over time and realm. Only a response that was
//! right is remembered, by nonce, cnonce and user, so that its nonce count can but grow. That memory is bounded: when
//! it is full, the oldest nonce is forgotten and all nonces up to its age become stale.

use std::collections::{BTreeSet, HashMap};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sha2::digest::Digest;
use subtle::ConstantTimeEq;

use super::{Algorithm, Fields, Hash, Question, hex, quoted};
use crate::core::directory::{Credential, Directory, Domain};
use crate::core::message::{Host, Name, Request, Uri};

/// Seconds that a nonce can be used.
const NONCE_LIFETIME: u64 = 300;
/// Most nonces in use at a time.
const MAX_NONCES: usize = 65_536;
/// Digits of the time in a nonce.
const TIME_DIGITS: usize = 10;
/// Hexadecimal digits of what tells nonces of one second apart.
const SALT_DIGITS: usize = 8;

/// What came of a request's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The user of the domain, by its canonical name, sent this request.
    Accepted {
        /// Canonical name.
        domain: String,
        /// User name.
        user: String,
    },
    /// No credentials: challenge.
    Absent,
    /// The response was right and its nonce too old: challenge with `stale=true`.
    Stale,
    /// Wrong response, unknown user, or a realm that is not ours: not told apart.
    Refused,
    /// The response was right and has been seen before: challenge with `stale=true`.
    Replayed,
}

/// Which algorithms a challenge offers, the preferred one first (RFC 8760 §2.4). Both are always verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Offer {
    /// MD5 alone: many a phone gives up when it sees any other.
    #[default]
    Md5,
    /// SHA-256, then MD5.
    Sha256First,
}

/// Identifies one client's use of one nonce.
type Usage = [u8; 16];

/// Challenges and verifies.
pub struct DigestServer {
    /// Filled up with zeros to a block of the hash, as HMAC does.
    key: [u8; 64],
    opaque: String,
    /// The highest nonce count of each use.
    counted: HashMap<Usage, u32>,
    /// The same, oldest nonce first.
    ages: BTreeSet<(u64, Usage)>,
    /// Nonces issued up to then may have been forgotten.
    forgotten: Option<u64>,
    capacity: usize,
    offer: Offer,
    /// How many nonces were made.
    made: u32,
}

impl DigestServer {
    /// A server whose nonces are proved by this key; it must be random, and lives as long as the process.
    pub fn new(key: [u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key);
        let key = block;
        let opaque = proof(&key, "opaque", 0, 0);
        let (counted, ages) = (HashMap::new(), BTreeSet::new());
        Self { key, opaque, counted, ages, forgotten: None, capacity: MAX_NONCES, offer: Offer::Sha256First, made: 0 }
    }

    /// The same with this offer.
    #[must_use]
    pub fn offering(self, offer: Offer) -> Self {
        Self { offer, ..self }
    }

    /// The values of WWW-Authenticate or Proxy-Authenticate, the preferred one first; `now` in Unix seconds.
    pub fn challenges(&mut self, now: u64, realm: &str, stale: bool) -> Vec<String> {
        let nonce = self.nonce(now, realm);
        ["SHA-256", "MD5"].map(|algorithm| self.challenge(&nonce, realm, algorithm, stale)).into()
    }

    /// The same for a domain by its name, without SHA-256 when some of its users could not answer that.
    pub fn domain_challenges(&mut self, now: u64, domain: &Domain, stale: bool) -> Vec<String> {
        if self.offer == Offer::Md5 || domain.is_md5_only() {
            let nonce = self.nonce(now, &domain.name);
            return vec![self.challenge(&nonce, &domain.name, "MD5", stale)];
        }
        self.challenges(now, &domain.name, stale)
    }

    /// A nonce of its own for every challenge, so that two clients never share one.
    fn nonce(&mut self, now: u64, realm: &str) -> String {
        self.made = self.made.wrapping_add(1);
        let salt = self.made;
        format!("{now:0TIME_DIGITS$x}{salt:0SALT_DIGITS$x}{}", proof(&self.key, realm, now, salt))
    }

    fn challenge(&self, nonce: &str, realm: &str, algorithm: &str, stale: bool) -> String {
        let stale = if stale { ", stale=true" } else { "" };
        let (realm, opaque) = (quoted(realm), &self.opaque);
        format!(
            "Digest realm={realm}, nonce=\"{nonce}\", opaque=\"{opaque}\", algorithm={algorithm}, qop=\"auth\"{stale}"
        )
    }

    /// Judges the first credentials in that header whose realm is ours; `now` in Unix seconds.
    pub fn verify(&mut self, now: u64, request: &Request, header: Name, directory: &Directory) -> Verdict {
        let mut verdict = Verdict::Absent;
        for value in request.headers.all(header) {
            for fields in Fields::parse_all(&value).into_iter().filter(Fields::is_digest) {
                let domain = fields.value("realm").and_then(|realm| directory.resolve(realm));
                if let Some(domain) = domain {
                    let named = fields
                        .value("uri")
                        .is_some_and(|uri| same_resource(uri, &request.uri) || names_domain(uri, domain, directory));
                    if !named {
                        return Verdict::Refused;
                    }
                    return self.judge(now, request, &fields, domain).unwrap_or(Verdict::Refused);
                }
                verdict = Verdict::Refused;
            }
        }
        verdict
    }

    /// `None` for refused. The response is checked before the nonce, so that nothing is told about users or nonces to
    /// whom does not know the secret.
    fn judge(&mut self, now: u64, request: &Request, fields: &Fields, domain: &Domain) -> Option<Verdict> {
        let (user, realm, nonce) = (fields.value("username")?, fields.value("realm")?, fields.value("nonce")?);
        let (uri, response) = (fields.value("uri")?, fields.value("response")?);
        let algorithm = Algorithm::of(fields.value("algorithm"))?;
        let cnonce = fields.value("cnonce").unwrap_or_default();
        let counted = match fields.value("qop").unwrap_or_default() {
            "" => None,
            qop if qop.eq_ignore_ascii_case("auth") => Some((fields.value("nc")?, fields.value("cnonce")?)),
            _ => return None,
        };
        let (ha1, known) = ha1(domain, user, realm, algorithm.hash);
        let question = Question { algorithm, nonce, counted, cnonce, method: request.method.as_str(), uri };
        let expected = question.response(&ha1);
        let equal = expected.as_bytes().ct_eq(response.to_ascii_lowercase().as_bytes());
        if !(bool::from(equal) && known) {
            return None;
        }
        let Some(issued) = self.issued(now, realm, nonce) else { return Some(Verdict::Stale) };
        let count = counted.map(|(nc, _)| u32::from_str_radix(nc, 16)).transpose().ok()?;
        // Without count, a nonce is good for one use of each response; with it, the response does not identify the use.
        let once = if counted.is_some() { "" } else { response };
        let usage = usage(&[nonce, cnonce, &domain.name, user, once]);
        let accepted = Verdict::Accepted { domain: domain.name.clone(), user: user.to_owned() };
        Some(self.count(usage, issued, count).unwrap_or(accepted))
    }

    /// When we issued this nonce, if we did, within its lifetime.
    fn issued(&mut self, now: u64, realm: &str, nonce: &str) -> Option<u64> {
        let issued = u64::from_str_radix(nonce.get(..TIME_DIGITS)?, 16).ok()?;
        let salt = u32::from_str_radix(nonce.get(TIME_DIGITS..TIME_DIGITS + SALT_DIGITS)?, 16).ok()?;
        let proved = nonce.get(TIME_DIGITS + SALT_DIGITS..)?;
        let ours = proof(&self.key, realm, issued, salt).as_bytes().ct_eq(proved.as_bytes());
        while let Some((oldest, usage)) = self.ages.first().copied().filter(|(at, _)| at + NONCE_LIFETIME < now) {
            self.ages.remove(&(oldest, usage));
            self.counted.remove(&usage);
        }
        (bool::from(ours) && now.abs_diff(issued) <= NONCE_LIFETIME).then_some(issued)
    }

    /// Remembers this use; a verdict other than accepted when it may not be.
    fn count(&mut self, usage: Usage, issued: u64, count: Option<u32>) -> Option<Verdict> {
        if let Some(last) = self.counted.get_mut(&usage) {
            let Some(count) = count else { return Some(Verdict::Stale) };
            if count <= *last {
                return Some(Verdict::Replayed);
            }
            *last = count;
            return None;
        }
        if self.forgotten.is_some_and(|forgotten| issued <= forgotten) {
            return Some(Verdict::Stale);
        }
        if count == Some(0) {
            return Some(Verdict::Refused);
        }
        if self.counted.len() >= self.capacity
            && let Some((oldest, forgotten)) = self.ages.pop_first()
        {
            self.counted.remove(&forgotten);
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        self.counted.insert(usage, count.unwrap_or(0));
        self.ages.insert((issued, usage));
        None
    }
}

#[cfg(test)]
impl DigestServer {
    /// The same with less memory.
    pub(super) fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// How many uses of a nonce are remembered.
    pub(super) fn tracked(&self) -> usize {
        self.counted.len()
    }
}

/// HMAC over time and realm, half of it.
fn proof(key: &[u8; 64], realm: &str, time: u64, salt: u32) -> String {
    let mut mac = Hmac::<Sha256>::new(key.into());
    mac.update(&time.to_be_bytes());
    mac.update(&salt.to_be_bytes());
    mac.update(realm.to_ascii_lowercase().as_bytes());
    hex(&mac.finalize().into_bytes()[..16])
}

/// The user's HA1, and whether there is such a user; for an unknown one, as much is hashed.
fn ha1(domain: &Domain, user: &str, realm: &str, hash: Hash) -> (String, bool) {
    match domain.user(user) {
        Some(Credential::Ha1(ha1)) if hash == Hash::Md5 => {
            hash.of(&[user, realm, ha1]);
            (ha1.clone(), true)
        }
        Some(Credential::Secret(secret)) => (hash.of(&[user, realm, secret]), true),
        Some(Credential::Ha1(_)) | None => (hash.of(&[user, realm, "no such user"]), false),
    }
}

/// The digest-uri is the domain by any of its names, or a bare address: what clients write that do not look at their
/// Request-URI.
fn names_domain(uri: &str, domain: &Domain, directory: &Directory) -> bool {
    let Some(uri) = Uri::parse(uri).filter(|uri| uri.user().is_empty()) else { return false };
    matches!(uri.host(), Some(Host::Ip(_)))
        || directory.resolve(&uri.domain()).is_some_and(|found| found.name == domain.name)
}

/// Equal text, or equal user and host: phones leave out port and parameters, or add them.
fn same_resource(digest_uri: &str, request_uri: &Uri) -> bool {
    if digest_uri == request_uri.to_string() {
        return true;
    }
    let Some(uri) = Uri::parse(digest_uri).filter(|uri| uri.host().is_some()) else { return false };
    uri.domain() == request_uri.domain() && uri.user() == request_uri.user()
}

fn usage(parts: &[&str]) -> Usage {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut usage = Usage::default();
    usage.copy_from_slice(&hash.finalize()[..16]);
    usage
}

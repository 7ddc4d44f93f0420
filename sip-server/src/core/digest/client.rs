//! The side that is challenged (RFC 7616 §3.4, RFC 8760 §2.4).

use super::{Algorithm, Fields, Question, quoted};

/// What we prove that we know.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name at the far end.
    pub user: String,
    /// Its password.
    pub secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The value of Authorization, or Proxy-Authorization, for the first challenge that we support; the far end lists the
/// one that it prefers first. `None` when we support none of them.
#[expect(clippy::too_many_arguments, reason = "each of them is hashed")]
pub fn answer(
    challenges: &[String],
    credentials: &Credentials,
    method: &str,
    uri: &str,
    cnonce: &str,
    nc: u32,
) -> Option<String> {
    let all = challenges.iter().flat_map(|value| Fields::parse_all(value));
    let (challenge, algorithm) = all.filter_map(supported).next()?;
    let (realm, nonce) = (challenge.value("realm")?, challenge.value("nonce")?);
    let nc = format!("{nc:08x}");
    let has_qop = challenge.value("qop").is_some_and(|qop| !qop.trim().is_empty());
    let counted = has_qop.then_some((nc.as_str(), cnonce));
    let question = Question { algorithm, nonce, counted, cnonce, method, uri };
    let response = question.response(&algorithm.hash.of(&[&credentials.user, realm, &credentials.secret]));
    let (user, realm, quoted_nonce) = (quoted(&credentials.user), quoted(realm), quoted(nonce));
    let mut value = format!(
        "Digest username={user}, realm={realm}, nonce={quoted_nonce}, uri={}, response=\"{response}\"",
        quoted(uri)
    );
    if let Some(name) = challenge.value("algorithm") {
        value += &format!(", algorithm={name}");
    }
    if has_qop || algorithm.session {
        value += &format!(", cnonce={}", quoted(cnonce));
    }
    if has_qop {
        value += &format!(", qop=auth, nc={nc}");
    }
    if let Some(opaque) = challenge.value("opaque") {
        value += &format!(", opaque={}", quoted(opaque));
    }
    Some(value)
}

/// The challenge is whole, its algorithm is known, and its qop, if any, can be `auth`.
fn supported(challenge: Fields) -> Option<(Fields, Algorithm)> {
    let algorithm = Algorithm::of(challenge.value("algorithm"))?;
    let qop = challenge.value("qop").unwrap_or_default();
    let auth = qop.trim().is_empty() || qop.split(',').any(|option| option.trim().eq_ignore_ascii_case("auth"));
    let whole = challenge.value("realm").is_some() && challenge.value("nonce").is_some();
    (challenge.is_digest() && auth && whole).then_some((challenge, algorithm))
}

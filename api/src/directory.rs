//! The directory: domains and their users, pushed to sip-server. `/dir…`

use serde::{Deserialize, Serialize};

/// Body of `PUT /dir/{domain}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Callback base of the domain's calls and registrations.
    pub control: String,
    /// All its users.
    pub users: Vec<User>,
    /// Further names of the domain, an address among them if phones use one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Networks whose calls are not challenged, as CIDR.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
}

/// Body of `PATCH /dir/{domain}`: what is given is merged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patch {
    /// Callback base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Users to add or replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// Further names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<Vec<String>>,
    /// Trusted networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Vec<String>>,
}

/// A user: a name with a secret, or with the hash that stands for it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Name, the user part of its address.
    pub username: String,
    /// Password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// MD5 of `user:realm:password` in hexadecimal (RFC 7616 §3.4.2), instead of a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ha1: Option<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Body of `PUT /dir/{domain}/{user}`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Or its hash, as in [`User`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ha1: Option<String>,
}

/// Reply to `GET /dir` and `GET /dir/{domain}`: names only. Each key is present only when it has something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Listing {
    /// User names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Domains, or sub-domains of the one asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Callback base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Further names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

//! Registrations: who is reachable where. `PUT`/`DELETE {control}/reg/{domain}/{user}` and `GET /reg…`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Body of `PUT {control}/reg/{domain}/{user}`: the user has registered, or refreshed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registration {
    /// Source address of the REGISTER.
    pub host: String,
    /// Source port of the REGISTER.
    pub port: u16,
    /// User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `user@domain`.
    pub user: String,
    /// Every binding of the user.
    pub contacts: Vec<Contact>,
    /// Grows by one with each change.
    pub seq: u64,
    /// `register`, `refresh`, `remove`.
    pub event: String,
}

/// One binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// Contact URI as registered.
    pub uri: String,
    /// Seconds left.
    pub expires: u64,
    /// Source of the REGISTER, `host:port`.
    pub remote: String,
    /// User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `udp` or `tcp`.
    pub transport: String,
}

/// Reply to `GET /reg`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Users with a live binding.
    pub count: usize,
}

/// Reply to `GET /reg/{domain}` and `GET /reg/{domain}/{user}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Domain {
    /// The domain.
    pub domain: String,
    /// Users in the directory.
    pub count: usize,
    /// How many of them have a live binding.
    pub registered: usize,
    /// By user.
    pub users: BTreeMap<String, User>,
}

/// One user's registration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// Has a live binding.
    pub registered: bool,
    /// OPTIONS sent to the newest binding and not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outstandingping: Option<u32>,
    /// Source of the newest REGISTER.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<Source>,
    /// When the current continuous registration began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Epochs>,
    /// Every binding, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
}

/// Where a REGISTER came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User-Agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Times of a registration, in Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// Begin of the current continuous registration; refreshes do not change it.
    pub registered: u64,
}

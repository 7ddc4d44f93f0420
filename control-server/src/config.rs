//! What the server is configured with: domains and their users. Without a file, a demo domain with four users.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Context;
use api::directory;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// The configuration, as in the file and in `GET /config`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Domains by name.
    pub domains: BTreeMap<String, Domain>,
}

/// A domain and its users.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Further names of it, addresses too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Networks whose calls are not challenged, as CIDR.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// Made up at start: its secrets may be shown.
    #[serde(default, skip_deserializing)]
    pub demo: bool,
}

/// A user.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Password.
    pub secret: String,
}

impl Config {
    /// Reads a JSON file.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no configuration", path.display()))
    }

    /// Domain `demo` with users 1000 to 1003, each with that secret or with a random one.
    pub fn demo(aliases: Vec<String>, secret: Option<&str>) -> Self {
        let user =
            |number: u32| (number.to_string(), User { secret: secret.map_or_else(random_secret, str::to_owned) });
        let users = (1000..=1003).map(user).collect();
        let domain = Domain { aliases, trusted: Vec::new(), users, demo: true };
        Self { domains: BTreeMap::from([("demo".to_owned(), domain)]) }
    }

    /// The same without any secret that is not a demo's.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut shown = self.clone();
        for domain in shown.domains.values_mut().filter(|domain| !domain.demo) {
            for user in domain.users.values_mut() {
                "***".clone_into(&mut user.secret);
            }
        }
        shown
    }

    /// The user is in that domain.
    pub fn knows(&self, domain: &str, user: &str) -> bool {
        self.domains.get(domain).is_some_and(|domain| domain.users.contains_key(user))
    }

    /// What sip-server is told.
    pub fn directory(&self) -> impl Iterator<Item = (String, directory::Domain)> {
        self.domains.iter().map(|(name, domain)| {
            let user = |(name, user): (&String, &User)| directory::User {
                username: name.clone(),
                secret: Some(user.secret.clone()),
                ha1: None,
            };
            let domain = directory::Domain {
                control: String::new(),
                users: domain.users.iter().map(user).collect(),
                aliases: domain.aliases.clone(),
                trusted: domain.trusted.clone(),
            };
            (name.clone(), domain)
        })
    }
}

/// Every address of this machine, which phones may use as their domain.
pub fn local_addresses() -> Vec<String> {
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    let mut found: Vec<String> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| interface.ip())
        .filter(usable)
        .map(|ip| ip.to_string())
        .collect();
    found.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
    found.sort();
    found.dedup();
    found
}

/// Ten letters and digits that nobody mistakes for one another.
fn random_secret() -> String {
    const ALPHABET: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    (0..10).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demo_has_four_users_with_secrets_of_their_own() {
        let config = Config::demo(vec!["127.0.0.1".into()], None);
        let users = &config.domains["demo"].users;
        assert_eq!(users.keys().collect::<Vec<_>>(), ["1000", "1001", "1002", "1003"]);
        assert_ne!(users["1000"].secret, users["1001"].secret);
        assert_eq!(config.shown().domains["demo"].users["1000"].secret, users["1000"].secret);
    }

    #[test]
    fn secrets_of_a_file_are_not_shown() {
        let text = r#"{"domains": {"pbx.example": {"users": {"1": {"secret": "x"}}}}}"#;
        let config: Config = serde_json::from_str(text).unwrap();
        assert_eq!(config.shown().domains["pbx.example"].users["1"].secret, "***");
        assert!(config.knows("pbx.example", "1"));
    }

    #[test]
    fn unknown_key_of_a_file_is_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"domain": {}}"#).is_err());
    }
}

//! The directory: which domains and users are ours, pushed in by control and held in memory.
//!
//! Domains are found by name or alias, in any case, with or without a port. Each change is atomic: it is checked whole
//! before anything is touched. Secrets come in and never go out again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use api::Problem;
use api::directory as wire;
use ipnet::IpNet;

use super::message::Host;

/// Most domains, aliases of a domain, trusted networks of a domain.
const MAX_NAMES: usize = 10_000;
/// Most users of a domain.
const MAX_USERS: usize = 100_000;
/// Longest user name or secret.
const MAX_TEXT: usize = 256;

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The password.
    Secret(String),
    /// MD5 of `user:realm:password`, 32 lower-case hexadecimal digits; answers to MD5 challenges alone.
    Ha1(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Ha1(_) => "Ha1",
        })
    }
}

/// A domain of ours.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its name, lower case.
    pub name: String,
    /// Callback base of its calls and registrations.
    pub control: String,
    /// Further names, lower case.
    pub aliases: Vec<String>,
    /// Networks whose calls are not challenged.
    pub trusted: Vec<IpNet>,
    users: BTreeMap<String, Credential>,
}

impl Domain {
    /// The credential of a user; user names are case-sensitive.
    pub fn user(&self, name: &str) -> Option<&Credential> {
        self.users.get(name)
    }

    /// The names of all users, in order.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &str> {
        self.users.keys().map(String::as_str)
    }

    /// Some user has no more than an MD5 hash, so that other algorithms must not be offered.
    pub fn is_md5_only(&self) -> bool {
        self.users.values().any(|credential| matches!(credential, Credential::Ha1(_)))
    }

    fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted.iter().any(|network| network.contains(&ip))
    }
}

/// All domains.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    domains: BTreeMap<String, Domain>,
    aliases: HashMap<String, String>,
}

impl Directory {
    /// Creates a domain or replaces it whole; true when it is new.
    pub fn put(&mut self, domain: &str, body: &wire::Domain) -> Result<bool, Problem> {
        let name = domain_name(domain)?;
        if self.domains.len() >= MAX_NAMES && !self.domains.contains_key(&name) {
            return Err(Problem::conflict("the directory is full"));
        }
        let entry = Domain {
            control: control_url(&body.control)?,
            aliases: aliases(&name, &body.aliases)?,
            trusted: networks(&body.trusted)?,
            users: users(&body.users)?,
            name,
        };
        self.admit(&entry)?;
        Ok(self.store(entry))
    }

    /// Changes what is given and merges users.
    pub fn patch(&mut self, domain: &str, body: &wire::Patch) -> Result<(), Problem> {
        let mut entry = self.known(domain)?.clone();
        if let Some(control) = &body.control {
            entry.control = control_url(control)?;
        }
        if let Some(names) = &body.aliases {
            entry.aliases = aliases(&entry.name, names)?;
        }
        if let Some(trusted) = &body.trusted {
            entry.trusted = networks(trusted)?;
        }
        entry.users.extend(users(body.users.as_deref().unwrap_or_default())?);
        self.admit(&entry)?;
        self.store(entry);
        Ok(())
    }

    /// Adds a user or replaces its secret; true when it is new.
    pub fn put_user(&mut self, domain: &str, user: &str, body: &wire::Secret) -> Result<bool, Problem> {
        let name = user_name(user, "the path")?;
        let credential = credential(body.secret.as_deref(), body.ha1.as_deref(), "")?;
        let entry = self.known_mut(domain)?;
        if entry.users.len() >= MAX_USERS && !entry.users.contains_key(&name) {
            return Err(Problem::conflict("the domain is full"));
        }
        Ok(entry.users.insert(name, credential).is_none())
    }

    /// Removes a domain, and nothing else of that name: its sub-domains stay.
    pub fn remove_domain(&mut self, domain: &str) -> Result<(), Problem> {
        let name = self.known(domain)?.name.clone();
        self.domains.remove(&name);
        self.aliases.retain(|_, canonical| *canonical != name);
        Ok(())
    }

    /// Removes a user.
    pub fn remove_user(&mut self, domain: &str, user: &str) -> Result<(), Problem> {
        let removed = self.known_mut(domain)?.users.remove(user);
        removed.map(|_| ()).ok_or_else(|| Problem::not_found(format!("no user {user} in {domain}")))
    }

    /// The names of all domains.
    pub fn listing(&self) -> wire::Listing {
        wire::Listing { domains: self.domains.keys().cloned().collect(), ..wire::Listing::default() }
    }

    /// The names in a domain; its sub-domains without the part that they share.
    pub fn domain_listing(&self, domain: &str) -> Result<wire::Listing, Problem> {
        let entry = self.known(domain)?;
        let below = |name: &String| name.strip_suffix(&entry.name)?.strip_suffix('.').map(str::to_owned);
        Ok(wire::Listing {
            users: entry.users.keys().cloned().collect(),
            domains: self.domains.keys().filter_map(below).collect(),
            control: Some(entry.control.clone()),
            aliases: entry.aliases.clone(),
        })
    }

    /// The domain that has this host as its name or alias; a port behind it does not count.
    pub fn resolve(&self, host: &str) -> Option<&Domain> {
        let name = normalised(host)?;
        self.domains.get(&name).or_else(|| self.domains.get(self.aliases.get(&name)?))
    }

    /// Calls to this domain are not challenged when they come from this address.
    pub fn trusts(&self, domain: &str, ip: IpAddr) -> bool {
        self.resolve(domain).is_some_and(|entry| entry.contains(ip))
    }

    /// All domains by name.
    pub fn domains(&self) -> impl ExactSizeIterator<Item = &Domain> {
        self.domains.values()
    }

    fn known(&self, domain: &str) -> Result<&Domain, Problem> {
        let found = normalised(domain).and_then(|name| self.domains.get(&name));
        found.ok_or_else(|| Problem::not_found(format!("no domain {domain}")))
    }

    fn known_mut(&mut self, domain: &str) -> Result<&mut Domain, Problem> {
        let found = normalised(domain).and_then(|name| self.domains.get_mut(&name));
        found.ok_or_else(|| Problem::not_found(format!("no domain {domain}")))
    }

    /// No name may stand for two domains.
    fn admit(&self, entry: &Domain) -> Result<(), Problem> {
        let taken = |name: &str| {
            let by_alias = self.aliases.get(name).is_some_and(|owner| *owner != entry.name);
            by_alias || (name != entry.name && self.domains.contains_key(name))
        };
        if entry.users.len() > MAX_USERS {
            return Err(Problem::bad_request(format!("users: more than {MAX_USERS}")));
        }
        match std::iter::once(&entry.name).chain(&entry.aliases).find(|name| taken(name)) {
            Some(name) => Err(Problem::conflict(format!("{name} is a name of another domain"))),
            None => Ok(()),
        }
    }

    fn store(&mut self, entry: Domain) -> bool {
        self.aliases.retain(|_, canonical| *canonical != entry.name);
        self.aliases.extend(entry.aliases.iter().map(|alias| (alias.clone(), entry.name.clone())));
        self.domains.insert(entry.name.clone(), entry).is_none()
    }
}

/// A host without port, in lower case; an IPv6 address in its brackets.
fn normalised(host: &str) -> Option<String> {
    let host = host.trim();
    let bare = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next()?,
        None if host.matches(':').count() == 1 => host.split(':').next()?,
        None => host,
    };
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    (bare.len() <= 253).then(|| Host::parse(bare))?.map(|host| host.to_string().to_ascii_lowercase())
}

fn domain_name(text: &str) -> Result<String, Problem> {
    normalised(text).ok_or_else(|| Problem::bad_request(format!("domain: {text:?} is no host name")))
}

fn control_url(text: &str) -> Result<String, Problem> {
    let url: Option<hyper::Uri> = text.trim().parse().ok();
    let web = url.filter(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some());
    match web {
        Some(_) => Ok(text.trim().to_owned()),
        None => Err(Problem::bad_request(format!("control: {text:?} is no http URL"))),
    }
}

fn aliases(own: &str, names: &[String]) -> Result<Vec<String>, Problem> {
    bounded("aliases", names)?;
    let mut seen = HashSet::from([own.to_owned()]);
    let mut found = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let name =
            normalised(name).ok_or_else(|| Problem::bad_request(format!("aliases[{at}]: {name:?} is no host name")))?;
        if seen.insert(name.clone()) {
            found.push(name);
        }
    }
    Ok(found)
}

/// CIDR, or a single address.
fn networks(texts: &[String]) -> Result<Vec<IpNet>, Problem> {
    bounded("trusted", texts)?;
    let network = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let wrong = |at, text| Problem::bad_request(format!("trusted[{at}]: {text:?} is no network"));
    texts.iter().enumerate().map(|(at, text)| network(text.trim()).ok_or_else(|| wrong(at, text))).collect()
}

fn bounded(field: &str, list: &[String]) -> Result<(), Problem> {
    if list.len() > MAX_NAMES {
        return Err(Problem::bad_request(format!("{field}: more than {MAX_NAMES}")));
    }
    Ok(())
}

fn users(list: &[wire::User]) -> Result<BTreeMap<String, Credential>, Problem> {
    let user = |(at, user): (usize, &wire::User)| {
        let place = format!("users[{at}].");
        let name = user_name(&user.username, &format!("{place}username"))?;
        Ok((name, credential(user.secret.as_deref(), user.ha1.as_deref(), &place)?))
    };
    list.iter().enumerate().map(user).collect()
}

fn user_name(text: &str, field: &str) -> Result<String, Problem> {
    let fits = !text.is_empty() && text.len() <= MAX_TEXT && !text.contains(|c: char| c.is_control() || c == ':');
    if fits { Ok(text.to_owned()) } else { Err(Problem::bad_request(format!("{field}: {text:?} is no user name"))) }
}

fn credential(secret: Option<&str>, ha1: Option<&str>, place: &str) -> Result<Credential, Problem> {
    match (secret, ha1) {
        (Some(secret), _) if secret.is_empty() || secret.len() > MAX_TEXT => {
            Err(Problem::bad_request(format!("{place}secret: empty or longer than {MAX_TEXT}")))
        }
        (Some(secret), _) => Ok(Credential::Secret(secret.to_owned())),
        (None, Some(ha1)) if ha1.len() == 32 && ha1.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            Ok(Credential::Ha1(ha1.to_ascii_lowercase()))
        }
        (None, Some(_)) => Err(Problem::bad_request(format!("{place}ha1: not 32 hexadecimal digits"))),
        (None, None) => Err(Problem::bad_request(format!("{place}secret: neither secret nor ha1"))),
    }
}

#[cfg(test)]
mod tests;

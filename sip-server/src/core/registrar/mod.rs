//! The registrar (RFC 3261 §10.3): which contacts an authenticated user can be reached at, and for how long.
//!
//! A binding ends when it expires, when its REGISTER is taken back, or when the phone behind it has left too many
//! OPTIONS unanswered. One deadline a binding stands in an ordered set; nothing is scanned.
//! Authentication is not done here, and outbound flows (RFC 5626) are known by their instance id alone.

mod report;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::directory::Domain;
use super::message::{Name, Params, Request, Response, Uri};
use super::transport::Peer;
use request::{Asked, Change, Refusal, Update};

/// The limits of registrations.
#[derive(Debug, Clone, Copy)]
pub struct RegistrarConfig {
    /// Shortest time granted, seconds.
    pub min_expires: u32,
    /// Longest time granted, seconds.
    pub max_expires: u32,
    /// Time granted to who does not ask for one, seconds.
    pub default_expires: u32,
    /// Between two OPTIONS to a phone.
    pub ping_interval: Duration,
    /// Unanswered OPTIONS that end a binding.
    pub max_pings: u32,
    /// Most bindings of a user; one more ends the oldest.
    pub max_bindings: usize,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            min_expires: 60,
            max_expires: 7200,
            default_expires: 3600,
            ping_interval: Duration::from_secs(30),
            max_pings: 7,
            max_bindings: 10,
        }
    }
}

/// One contact of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The contact as registered.
    pub uri: Uri,
    /// Where the REGISTER came from, which is where requests go.
    pub peer: Peer,
    /// User-Agent.
    pub agent: Option<String>,
    /// Preference in thousandths, where given.
    pub q: Option<u16>,
    /// The Path of the REGISTER (RFC 3327), topmost first.
    pub path: Vec<String>,
    /// When it ends.
    pub expires_at: Instant,
}

/// One OPTIONS to one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PingId {
    binding: u64,
    number: u32,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrarEffect {
    /// Send an OPTIONS, and tell what became of it.
    Ping {
        /// Names it in the answer.
        id: PingId,
        /// Request-URI: the contact.
        to: Uri,
        /// `user@domain`, for To and From.
        aor: String,
        /// Where to.
        peer: Peer,
    },
    /// A user's bindings have changed or were refreshed.
    Registered {
        /// Domain.
        domain: String,
        /// User.
        user: String,
        /// All about it.
        document: api::registration::Registration,
    },
    /// A user's last binding has gone.
    Removed {
        /// Domain.
        domain: String,
        /// User.
        user: String,
    },
}

/// A binding and what it takes to keep it.
#[derive(Debug)]
struct Kept {
    id: u64,
    binding: Binding,
    /// Parameters of the Contact but for `expires` and `q`.
    params: Params,
    call_id: String,
    cseq: u32,
    next_ping: Instant,
    pings: u32,
    /// Sent, and neither answered nor given up.
    waiting: Vec<u32>,
    missed: u32,
}

impl Kept {
    fn deadline(&self) -> Instant {
        self.next_ping.min(self.binding.expires_at)
    }

    fn outstanding(&self) -> u32 {
        self.missed.saturating_add(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX))
    }

    fn is_live(&self, now: Instant) -> bool {
        self.binding.expires_at > now
    }
}

/// A user with at least one binding.
#[derive(Debug)]
struct Registered {
    /// Unix seconds.
    since: u64,
    /// Newest first.
    kept: Vec<Kept>,
}

/// All bindings of all users.
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    domains: HashMap<String, BTreeMap<String, Registered>>,
    /// Domain and user of each binding.
    owners: HashMap<u64, (String, String)>,
    deadlines: BTreeSet<(Instant, u64)>,
    users: usize,
    last_id: u64,
    seq: u64,
}

impl Registrar {
    /// A registrar without bindings.
    pub fn new(config: RegistrarConfig) -> Self {
        let (domains, owners, deadlines) = (HashMap::new(), HashMap::new(), BTreeSet::new());
        Self { config, domains, owners, deadlines, users: 0, last_id: 0, seq: 0 }
    }

    /// Answers an authenticated REGISTER of this user; `unix` is `now` in Unix seconds. All of it is done, or nothing.
    #[expect(clippy::too_many_arguments, reason = "who, what, when and whence are all needed")]
    pub fn handle_register(
        &mut self,
        now: Instant,
        unix: u64,
        domain: &str,
        user: &str,
        request: &Request,
        peer: Peer,
        out: &mut Vec<RegistrarEffect>,
    ) -> Response {
        self.expire(now, domain, user, out);
        let update = Update::read(&self.config, request, peer);
        let update = update.and_then(|update| self.in_order(domain, user, &update).map(|()| update));
        let update = match update {
            Ok(update) => update,
            Err(refusal) => return refusal.response(request),
        };
        let since = self.registered(domain, user).map(|registered| registered.since);
        let mut event = if since.is_some() { "refresh" } else { "register" };
        match &update.change {
            Change::Query => return accepted(now, unix, self.kept(domain, user), request),
            Change::RemoveAll => self.drop_all(domain, user),
            Change::Contacts(asked) => {
                if asked.iter().all(|asked| asked.expires == 0) {
                    event = "remove";
                }
                for asked in asked {
                    self.apply(now, (domain, user), &update, asked);
                }
                if let Some(registered) = self.registered_mut(domain, user) {
                    registered.since = since.unwrap_or(unix);
                }
            }
        }
        self.tell(now, domain, user, since.is_some(), event, out);
        accepted(now, unix, self.kept(domain, user), request)
    }

    /// RFC 3261 §10.3 step 7: within one Call-ID, only a higher CSeq may change a binding.
    fn in_order(&self, domain: &str, user: &str, update: &Update) -> Result<(), Refusal> {
        let kept = self.kept(domain, user);
        let late = |kept: &Kept| kept.call_id == update.call_id && kept.cseq >= update.cseq;
        let late = match &update.change {
            Change::Query => false,
            Change::RemoveAll => kept.iter().any(late),
            Change::Contacts(asked) => kept.iter().any(|kept| late(kept) && asked.iter().any(|asked| asked.is(kept))),
        };
        if late { Err(Refusal::new(500, "CSeq Out Of Order")) } else { Ok(()) }
    }

    fn apply(&mut self, now: Instant, (domain, user): (&str, &str), update: &Update, asked: &Asked) {
        self.drop_where(domain, user, |kept| asked.is(kept));
        if asked.expires == 0 {
            return;
        }
        self.last_id += 1;
        let kept = Kept {
            id: self.last_id,
            binding: Binding {
                uri: asked.uri.clone(),
                peer: update.peer,
                agent: update.agent.clone(),
                q: asked.q,
                path: update.path.clone(),
                expires_at: now + Duration::from_secs(asked.expires.into()),
            },
            params: asked.params.clone(),
            call_id: update.call_id.clone(),
            cseq: update.cseq,
            next_ping: now + self.config.ping_interval,
            pings: 0,
            waiting: Vec::new(),
            missed: 0,
        };
        self.deadlines.insert((kept.deadline(), kept.id));
        self.owners.insert(kept.id, (domain.to_owned(), user.to_owned()));
        let users = self.domains.entry(domain.to_owned()).or_default();
        let registered = users.entry(user.to_owned()).or_insert_with(|| {
            self.users += 1;
            Registered { since: 0, kept: Vec::new() }
        });
        registered.kept.insert(0, kept);
        while registered.kept.len() > self.config.max_bindings.max(1)
            && let Some(oldest) = registered.kept.pop()
        {
            self.deadlines.remove(&(oldest.deadline(), oldest.id));
            self.owners.remove(&oldest.id);
        }
    }

    /// The live bindings of a user, newest first.
    pub fn bindings(&self, now: Instant, domain: &str, user: &str) -> Vec<Binding> {
        let kept = self.kept(domain, user);
        kept.iter().filter(|kept| kept.is_live(now)).map(|kept| kept.binding.clone()).collect()
    }

    /// The phone has answered, with whatever status.
    pub fn handle_pong(&mut self, _now: Instant, id: PingId) {
        self.settle(id);
    }

    /// The phone has not answered: a late answer will not count.
    pub fn handle_ping_failed(&mut self, _now: Instant, id: PingId) {
        if let Some(kept) = self.settle(id) {
            kept.missed = kept.missed.saturating_add(1);
        }
    }

    /// No longer waits for that ping; `None` when nobody did.
    fn settle(&mut self, id: PingId) -> Option<&mut Kept> {
        let (domain, user) = self.owners.get(&id.binding)?;
        let registered = self.domains.get_mut(domain)?.get_mut(user)?;
        let kept = registered.kept.iter_mut().find(|kept| kept.id == id.binding)?;
        let at = kept.waiting.iter().position(|number| *number == id.number)?;
        kept.waiting.remove(at);
        Some(kept)
    }

    /// Ends what has expired or does not answer, and pings the others that are due.
    pub fn handle_timeout(&mut self, now: Instant, _unix: u64, out: &mut Vec<RegistrarEffect>) {
        while let Some((_, id)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.pop_first();
            let Some((domain, user)) = self.owners.get(&id).cloned() else { continue };
            let max_pings = self.config.max_pings;
            let interval = self.config.ping_interval.max(Duration::from_millis(1));
            let found = self.registered_mut(&domain, &user);
            let Some(kept) = found.and_then(|found| found.kept.iter_mut().find(|kept| kept.id == id)) else { continue };
            if !kept.is_live(now) || kept.outstanding() >= max_pings {
                self.drop_where(&domain, &user, |kept| kept.id == id);
                self.tell(now, &domain, &user, true, "remove", out);
                continue;
            }
            kept.pings = kept.pings.wrapping_add(1);
            kept.waiting.push(kept.pings);
            kept.next_ping = now + interval;
            out.push(RegistrarEffect::Ping {
                id: PingId { binding: id, number: kept.pings },
                to: kept.binding.uri.clone(),
                aor: format!("{user}@{domain}"),
                peer: kept.binding.peer,
            });
            let deadline = kept.deadline();
            self.deadlines.insert((deadline, id));
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Ends all bindings of a user that has left the directory.
    pub fn remove_user(&mut self, domain: &str, user: &str, out: &mut Vec<RegistrarEffect>) {
        if self.registered(domain, user).is_some() {
            self.drop_all(domain, user);
            out.push(RegistrarEffect::Removed { domain: domain.to_owned(), user: user.to_owned() });
        }
    }

    /// Ends all bindings of a domain that has left the directory.
    pub fn remove_domain(&mut self, domain: &str, out: &mut Vec<RegistrarEffect>) {
        self.remove_users(domain, |_| true, out);
    }

    /// Ends all bindings of users that a domain no longer has.
    pub fn retain_users(&mut self, domain: &Domain, out: &mut Vec<RegistrarEffect>) {
        self.remove_users(&domain.name, |user| domain.user(user).is_none(), out);
    }

    fn remove_users(&mut self, domain: &str, gone: impl Fn(&str) -> bool, out: &mut Vec<RegistrarEffect>) {
        let users = self.domains.get(domain).into_iter().flat_map(BTreeMap::keys);
        let users: Vec<String> = users.filter(|user| gone(user)).cloned().collect();
        users.iter().for_each(|user| self.remove_user(domain, user, out));
    }

    /// How many users have a binding.
    pub fn count(&self) -> usize {
        self.users
    }

    fn registered(&self, domain: &str, user: &str) -> Option<&Registered> {
        self.domains.get(domain)?.get(user)
    }

    /// Newest first; none for a user who has none.
    fn kept(&self, domain: &str, user: &str) -> &[Kept] {
        self.registered(domain, user).map_or(&[], |registered| &registered.kept)
    }

    fn registered_mut(&mut self, domain: &str, user: &str) -> Option<&mut Registered> {
        self.domains.get_mut(domain)?.get_mut(user)
    }

    /// What has expired is gone before anything is decided on it, even when the timer comes late.
    fn expire(&mut self, now: Instant, domain: &str, user: &str, out: &mut Vec<RegistrarEffect>) {
        let expired = |kept: &Kept| !kept.is_live(now);
        if self.registered(domain, user).is_some_and(|registered| registered.kept.iter().any(expired)) {
            self.drop_where(domain, user, expired);
            self.tell(now, domain, user, true, "remove", out);
        }
    }

    fn drop_all(&mut self, domain: &str, user: &str) {
        self.drop_where(domain, user, |_| true);
    }

    fn drop_where(&mut self, domain: &str, user: &str, unwanted: impl Fn(&Kept) -> bool) {
        let Some(users) = self.domains.get_mut(domain) else { return };
        let Some(registered) = users.get_mut(user) else { return };
        for dropped in registered.kept.extract_if(.., |kept| unwanted(kept)) {
            self.deadlines.remove(&(dropped.deadline(), dropped.id));
            self.owners.remove(&dropped.id);
        }
        if registered.kept.is_empty() {
            users.remove(user);
            self.users -= 1;
        }
        if users.is_empty() {
            self.domains.remove(domain);
        }
    }
}

/// 200 with every binding (RFC 3261 §10.3 step 8).
fn accepted(now: Instant, unix: u64, kept: &[Kept], request: &Request) -> Response {
    let mut response = request.response(200, "OK");
    for kept in kept.iter().filter(|kept| kept.is_live(now)) {
        response.headers.push(Name::Contact, &report::contact(kept, now));
    }
    for path in request.headers.all(Name::Path) {
        response.headers.push(Name::Path, &path);
    }
    response.headers.push(Name::Date, &report::date(unix));
    response
}

//! Registrations as documents and header fields.

use std::collections::BTreeMap;
use std::time::Instant;

use api::registration as wire;

use super::{Kept, Registered, Registrar, RegistrarEffect};
use crate::core::directory::Domain;
use crate::core::message::NameAddr;

impl Registrar {
    /// The reply to `GET /reg/{domain}`.
    pub fn domain_report(&self, now: Instant, domain: &Domain) -> wire::Domain {
        let users: BTreeMap<_, _> =
            domain.users().map(|user| (user.to_owned(), self.user(now, domain, user))).collect();
        let registered = users.values().filter(|user| user.registered).count();
        wire::Domain { domain: domain.name.clone(), count: domain.users().len(), registered, users }
    }

    /// The reply to `GET /reg/{domain}/{user}`: the same with that user alone, if the domain has it.
    pub fn user_report(&self, now: Instant, domain: &Domain, user: &str) -> wire::Domain {
        let known = domain.user(user).map(|_| (user.to_owned(), self.user(now, domain, user)));
        let users: BTreeMap<_, _> = known.into_iter().collect();
        let registered = users.values().filter(|user| user.registered).count();
        wire::Domain { domain: domain.name.clone(), count: domain.users().len(), registered, users }
    }

    fn user(&self, now: Instant, domain: &Domain, user: &str) -> wire::User {
        let registered = self.registered(&domain.name, user);
        let live = registered.and_then(|found| Some((found, found.kept.iter().find(|kept| kept.is_live(now))?)));
        let Some((registered, newest)) = live else { return wire::User::default() };
        let peer = newest.binding.peer.address;
        wire::User {
            registered: true,
            outstandingping: Some(newest.outstanding()),
            remote: Some(wire::Source {
                host: peer.ip().to_string(),
                port: peer.port(),
                agent: newest.binding.agent.clone(),
            }),
            epochs: Some(wire::Epochs { registered: registered.since }),
            contacts: contacts(registered, now),
        }
    }

    /// Puts out what has become of a user that had bindings before, or had not.
    #[expect(clippy::too_many_arguments, reason = "who, when, before and after")]
    pub(super) fn tell(
        &mut self,
        now: Instant,
        domain: &str,
        user: &str,
        before: bool,
        event: &str,
        out: &mut Vec<RegistrarEffect>,
    ) {
        let (domain, user) = (domain.to_owned(), user.to_owned());
        let seq = self.seq + 1;
        let newest = self.registered(&domain, &user).and_then(|found| Some((found, found.kept.first()?)));
        let Some((registered, newest)) = newest else {
            if before {
                out.push(RegistrarEffect::Removed { domain, user });
            }
            return;
        };
        let peer = newest.binding.peer.address;
        let document = wire::Registration {
            host: peer.ip().to_string(),
            port: peer.port(),
            agent: newest.binding.agent.clone(),
            user: format!("{user}@{domain}"),
            contacts: contacts(registered, now),
            seq,
            event: event.to_owned(),
        };
        self.seq = seq;
        out.push(RegistrarEffect::Registered { domain, user, document });
    }
}

fn contacts(registered: &Registered, now: Instant) -> Vec<wire::Contact> {
    let contact = |kept: &Kept| wire::Contact {
        uri: kept.binding.uri.to_string(),
        expires: left(kept, now),
        remote: kept.binding.peer.address.to_string(),
        agent: kept.binding.agent.clone(),
        transport: kept.binding.peer.transport.as_str().to_owned(),
    };
    registered.kept.iter().filter(|kept| kept.is_live(now)).map(contact).collect()
}

/// Seconds left, a begun one counted whole.
fn left(kept: &Kept, now: Instant) -> u64 {
    let left = kept.binding.expires_at.saturating_duration_since(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

/// The value of Contact in the 200.
pub(super) fn contact(kept: &Kept, now: Instant) -> String {
    let mut contact = NameAddr { params: kept.params.clone(), ..NameAddr::new(kept.binding.uri.clone()) };
    if let Some(q) = kept.binding.q {
        let value = format!("{}.{:03}", q / 1000, q % 1000);
        contact.params.insert("q", Some(value.trim_end_matches('0').trim_end_matches('.')));
    }
    contact.params.insert("expires", Some(&left(kept, now).to_string()));
    contact.to_string()
}

/// The value of Date (RFC 3261 §20.17): the proleptic Gregorian calendar, counted in eras of 400 years from 1 March 0.
pub(super) fn date(unix: u64) -> String {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let unix = unix.min(253_402_300_799);
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    let era_days = days + 719_468;
    let day_of_era = era_days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era_days / 146_097 * 400 + year_of_era + u64::from(month > 9);
    let name = |names: &[&'static str], at: u64| usize::try_from(at).ok().and_then(|at| names.get(at).copied());
    let weekday = name(&WEEKDAYS, days % 7).unwrap_or_default();
    let month = name(&MONTHS, month).unwrap_or_default();
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

//! Calling out of a call: children are invited, the first that answers wins, and is bridged with its parent.
//!
//! A forgotten [`Dial`] hangs up what it had begun. Nothing here retries: a target that fails is one that failed.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use api::dialog::{self, Cid, Originate};
use api::http::Failure;
use tokio::task::JoinSet;

use crate::call::Call;
use crate::desk::Desk;
use crate::keeper;
use crate::leg::Leg;
use crate::reason::{Error, Reason};
use crate::table::Entry;

const PATIENCE: Duration = Duration::from_secs(60);
/// Most children of one dial.
const CHILDREN: usize = 64;

/// Who is called: one or several users, whose phones all ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

/// A user, in the domain of the caller unless it names another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// User part.
    pub user: String,
    /// Domain; the caller's when absent.
    pub domain: Option<String>,
}

impl From<&str> for Target {
    /// Reads `user` or `user@domain`.
    fn from(text: &str) -> Self {
        match text.split_once('@') {
            Some((user, domain)) => Self { user: user.to_owned(), domain: Some(domain.to_owned()) },
            None => Self { user: text.to_owned(), domain: None },
        }
    }
}

impl From<&str> for Targets {
    fn from(target: &str) -> Self {
        Self(vec![target.into()])
    }
}

impl From<String> for Targets {
    fn from(target: String) -> Self {
        Self(vec![target.as_str().into()])
    }
}

impl From<Target> for Targets {
    fn from(target: Target) -> Self {
        Self(vec![target])
    }
}

impl<const N: usize> From<[&str; N]> for Targets {
    fn from(targets: [&str; N]) -> Self {
        Self(targets.into_iter().map(Target::from).collect())
    }
}

impl From<Vec<Target>> for Targets {
    fn from(targets: Vec<Target>) -> Self {
        Self(targets)
    }
}

/// A call that is being made on behalf of another: `call.new_call("1003").timeout(…).await?`.
#[derive(Debug)]
#[must_use = "nobody is called until this is awaited"]
pub struct Dial {
    call: Call,
    targets: Targets,
    timeout: Duration,
}

impl Dial {
    pub(crate) fn new(call: Call, targets: Targets) -> Self {
        Self { call, targets, timeout: PATIENCE }
    }

    /// Rings no longer than this; 60 s unless told.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn run(self) -> Result<Call, Error> {
        let (desk, parent) = self.call.parts();
        if parent.over() {
            return Err(Error::Hungup);
        }
        desk.prepare(parent, None).await?;
        let mut race = Race::new(desk, parent);
        for target in &self.targets.0 {
            race.invite(target, self.timeout).await?;
        }
        let winner = tokio::select! {
            winner = tokio::time::timeout(self.timeout, race.winner()) => {
                winner.unwrap_or(Err(Error::Failed(Reason::Unavailable)))?
            }
            _ = parent.ended() => return Err(Error::Hungup),
        };
        bridge(desk, parent, &winner).await?;
        race.won(&winner);
        Ok(desk.call(&winner))
    }
}

impl IntoFuture for Dial {
    type Output = Result<Call, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// Joins the child that answered with its parent.
async fn bridge(desk: &Desk, parent: &Arc<Leg>, child: &Arc<Leg>) -> Result<(), Error> {
    desk.settle(child).await?;
    let (mixed, answered) = tokio::join!(desk.mix(parent, child), desk.answer(parent));
    answered.and(mixed)?;
    child.bind(Arc::downgrade(parent));
    Ok(())
}

/// The children of one dial. Those that did not win are hung up when it goes.
struct Race<'a> {
    desk: &'a Arc<Desk>,
    parent: &'a Arc<Leg>,
    children: Vec<Arc<Leg>>,
    answers: JoinSet<Result<Arc<Leg>, Reason>>,
    failures: Vec<Error>,
}

impl<'a> Race<'a> {
    fn new(desk: &'a Arc<Desk>, parent: &'a Arc<Leg>) -> Self {
        Self { desk, parent, children: Vec::new(), answers: JoinSet::new(), failures: Vec::new() }
    }

    /// Invites every phone of a user; fails only when the parent is over.
    async fn invite(&mut self, target: &Target, timeout: Duration) -> Result<(), Error> {
        let domain = target.domain.clone().unwrap_or_else(|| self.parent.dialog().domain);
        for contact in phones(self.desk, &domain, &target.user).await {
            if self.parent.over() {
                return Err(Error::Hungup);
            }
            if self.children.len() >= CHILDREN {
                break;
            }
            let mut invite = on_behalf_of(&self.desk.call(self.parent));
            invite.to = dialog::To { user: target.user.clone(), domain: Some(domain.clone()) };
            invite.contact = contact;
            // Ours ends first, so that the two cannot disagree about who gave up.
            invite.timeout = Some(timeout.as_secs() + 5);
            match originate(self.desk, invite, Some(self.parent)).await {
                Ok(child) => self.follow(child),
                Err(error) => self.failures.push(error),
            }
        }
        Ok(())
    }

    fn follow(&mut self, child: Arc<Leg>) {
        self.parent.bind(Arc::downgrade(&child));
        self.children.push(child.clone());
        let (desk, parent) = (self.desk.clone(), self.parent.clone());
        self.answers.spawn(async move {
            let proceeding = child.until(|held| held.dialog.ring || held.dialog.answered).await;
            if proceeding.is_ok_and(|dialog| !dialog.answered) {
                let _ = desk.ring(&parent, None).await;
            }
            match child.until(|held| held.dialog.answered).await {
                Ok(_) => Ok(child),
                Err(_) => {
                    let error = child.dialog().error;
                    Err(Reason::of(error.code, &error.status))
                }
            }
        });
    }

    /// The first that answers, or the best of all reasons why none did.
    async fn winner(&mut self) -> Result<Arc<Leg>, Error> {
        while let Some(answer) = self.answers.join_next().await {
            match answer {
                Ok(Ok(child)) => return Ok(child),
                Ok(Err(reason)) => self.failures.push(Error::Failed(reason)),
                Err(_) => {}
            }
        }
        let best = self.failures.drain(..).min_by_key(|error| error.reason().rank());
        Err(best.unwrap_or(Error::Failed(Reason::NotFound)))
    }

    fn won(&mut self, winner: &Arc<Leg>) {
        self.children.retain(|child| !Arc::ptr_eq(child, winner));
    }
}

impl Drop for Race<'_> {
    fn drop(&mut self) {
        for child in self.children.drain(..).filter(|child| !child.over()) {
            let desk = self.desk.clone();
            self.desk.tracker.spawn(async move { desk.hangup(&child, &Reason::Normal).await });
        }
    }
}

/// The contacts to invite: each of a user who has several, else whatever sip-server finds.
async fn phones(desk: &Desk, domain: &str, user: &str) -> Vec<Option<String>> {
    if !desk.domains.iter().any(|(name, _)| name.eq_ignore_ascii_case(domain)) {
        return vec![None];
    }
    match desk.servers.contacts(domain, user).await {
        Ok(contacts) if contacts.len() > 1 => contacts.into_iter().map(|contact| Some(contact.uri)).collect(),
        _ => vec![None],
    }
}

fn on_behalf_of(parent: &Call) -> Originate {
    let from = parent.from();
    Originate {
        maxforwards: parent.dialog().maxforwards.saturating_sub(1),
        cid: Cid { number: from.clone(), ..Cid::default() },
        from: dialog::From { user: from, domain: parent.domain(), authsecret: None },
        ..Originate::default()
    }
}

/// Makes a leg: its channel, beside the parent's, then its INVITE. Whatever fails, nothing is left behind.
pub(crate) async fn originate(
    desk: &Arc<Desk>,
    mut invite: Originate,
    parent: Option<&Arc<Leg>>,
) -> Result<Arc<Leg>, Error> {
    if invite.maxforwards == 0 {
        return Err(Error::Failed(Reason::Other(483, "Too Many Hops".to_owned())));
    }
    let Entry::New(leg) = desk.table.enter(Leg::new(&uuid::Uuid::new_v4().to_string())) else {
        return Err(Error::Failed(Reason::ServiceUnavailable("Too many calls")));
    };
    keeper::attend(desk, &leg);
    let abandoned = Abandoned { desk, leg: Some(leg.clone()) };
    invite.callid = Some(leg.callid.clone());
    invite.control = Some(desk.us.clone());
    let sent = match desk.prepare(&leg, parent.map(Arc::as_ref)).await {
        Ok(offer) => {
            invite.sdp = Some(offer);
            desk.servers.originate(&invite).await.map_err(refused)
        }
        Err(error) => Err(error),
    };
    if sent.is_ok() {
        leg.begin(&invite);
    }
    if let Err(Error::Unreachable(_)) = sent {
        // It may have been sent all the same.
        desk.hangup(&leg, &Reason::Normal).await;
    }
    abandoned.settled();
    sent.map(|_| leg.clone()).inspect_err(|error| leg.end(&error.reason(), "the call could not be made"))
}

/// A leg whose maker may go before it knows what became of the INVITE.
struct Abandoned<'a> {
    desk: &'a Arc<Desk>,
    leg: Option<Arc<Leg>>,
}

impl Abandoned<'_> {
    fn settled(mut self) {
        self.leg = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(leg) = self.leg.take() {
            let desk = self.desk.clone();
            self.desk.tracker.spawn(async move { desk.hangup(&leg, &Reason::Normal).await });
        }
    }
}

fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Problem(problem) if matches!(problem.status, 404 | 480) => {
            Error::Failed(Reason::of(problem.status, &problem.title))
        }
        Failure::Problem(problem) if problem.status == 503 => {
            Error::Failed(Reason::ServiceUnavailable("Service Unavailable"))
        }
        failure => failure.into(),
    }
}

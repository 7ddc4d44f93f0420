//! The call that a script holds: plain imperatives that wait for their effect, and getters of the newest document.
//!
//! Each verb returns [`Error::Hungup`] when the call is over, so that `?` unwinds a script whose caller has left.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use api::Channel;
use api::channel::{Echo, Loop, Soup, SoupFile};
use api::dialog::Dialog;

use crate::desk::Desk;
use crate::dial::{Dial, Targets};
use crate::leg::Leg;
use crate::reason::{Error, Reason};

/// One leg of a call; clones are handles of the same one.
#[derive(Clone)]
pub struct Call {
    desk: Arc<Desk>,
    leg: Arc<Leg>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("callid", &self.leg.callid).finish_non_exhaustive()
    }
}

impl Call {
    pub(crate) fn new(desk: Arc<Desk>, leg: Arc<Leg>) -> Self {
        Self { desk, leg }
    }

    pub(crate) fn parts(&self) -> (&Arc<Desk>, &Arc<Leg>) {
        (&self.desk, &self.leg)
    }

    /// The caller hears that it rings. Does nothing on a call that rings already.
    pub async fn ring(&self) -> Result<(), Error> {
        self.desk.ring(&self.leg, None).await
    }

    /// The caller hears that it rings, in the way that this Alert-Info (RFC 3261 §20.4) asks for.
    pub async fn ring_as(&self, alertinfo: impl Into<String>) -> Result<(), Error> {
        self.desk.ring(&self.leg, Some(alertinfo.into())).await
    }

    /// Answers, and returns when the answer is acknowledged and audio can flow.
    pub async fn answer(&self) -> Result<(), Error> {
        self.desk.answer(&self.leg).await
    }

    /// Ends the call, and returns when it is over.
    pub async fn hangup(&self, reason: Reason) -> Result<(), Error> {
        self.desk.hangup(&self.leg, &reason).await;
        self.ended().await
    }

    /// 486 to the caller.
    pub async fn busy(&self) -> Result<(), Error> {
        self.hangup(Reason::Busy).await
    }

    /// Waits for the end.
    pub async fn ended(&self) -> Result<(), Error> {
        self.leg.ended().await;
        Ok(())
    }

    /// Calls these, and bridges this call with the one that answers first: this one rings when one of them does, is
    /// answered when one answers, and from then on each ends with the other.
    ///
    /// When nobody answers, the error holds what the caller should be told; it is told so when the script returns it.
    pub fn new_call(&self, targets: impl Into<Targets>) -> Dial {
        Dial::new(self.clone(), targets.into())
    }

    /// Plays to the end, or until something else is played. The call must be answered.
    pub async fn play(&self, soup: Soup) -> Result<(), Error> {
        let count = self.start_playing(soup).await?;
        let done = |channel: &Channel| {
            let play = channel.play.as_ref();
            play.is_some_and(|play| play.count > count || (play.count == count && play.state != "playing"))
        };
        self.leg.until_channel(done).await.map(drop)
    }

    /// Starts to play, and returns how many soups this call has been given.
    pub async fn start_playing(&self, soup: Soup) -> Result<u64, Error> {
        let channel = self.desk.media(&self.leg, &format!("{}/play", self.leg.uuid), Some(&soup)).await?;
        Ok(channel.play.map_or(0, |play| play.count))
    }

    /// Stops what is being played.
    pub async fn stop_playing(&self) -> Result<(), Error> {
        self.desk.media::<()>(&self.leg, &format!("{}/stop", self.leg.uuid), None).await.map(drop)
    }

    /// The caller hears itself, or no longer does.
    pub async fn echo(&self, on: bool) -> Result<(), Error> {
        self.desk.media(&self.leg, &format!("{}/echo", self.leg.uuid), Some(&Echo { on })).await.map(drop)
    }

    /// Both hear each other.
    pub async fn mix(&self, other: &Call) -> Result<(), Error> {
        self.desk.mix(&self.leg, &other.leg).await
    }

    /// This one hears nobody any more.
    pub async fn unmix(&self) -> Result<(), Error> {
        self.desk.media::<()>(&self.leg, &format!("{}/unmix", self.leg.uuid), None).await.map(drop)
    }

    /// So many of the digits that were pressed and not yet taken.
    pub fn digits(&self, count: usize) -> Digits {
        Digits { call: self.clone(), count, within: None }
    }

    /// Waits until the newest document satisfies.
    pub async fn until(&self, mut satisfied: impl FnMut(&Dialog) -> bool) -> Result<Dialog, Error> {
        self.leg.until(|held| satisfied(&held.dialog)).await
    }

    /// Name of the call: its Call-ID.
    pub fn callid(&self) -> &str {
        &self.leg.callid
    }

    /// The newest document.
    pub fn dialog(&self) -> Dialog {
        self.leg.dialog()
    }

    /// The newest document of its channel, while it has one.
    pub fn channel(&self) -> Option<Channel> {
        let held = self.leg.media.borrow();
        held.open.then(|| held.channel.clone())
    }

    /// It rings, or rang.
    pub fn ringing(&self) -> bool {
        self.read(|dialog| dialog.ring)
    }

    /// It was answered.
    pub fn answered(&self) -> bool {
        self.read(|dialog| dialog.answered)
    }

    /// It is over.
    pub fn hungup(&self) -> bool {
        self.read(|dialog| dialog.hangup)
    }

    /// The peer has put us on hold.
    pub fn hold(&self) -> bool {
        self.read(|dialog| dialog.hold)
    }

    /// Who is called: where a transfer points, else the user part of To.
    pub fn destination(&self) -> String {
        let said = || self.read(|dialog| dialog.refer.as_ref().map_or(&dialog.to, |refer| &refer.to).clone());
        self.leg.party.get().map_or_else(said, |party| party.destination.clone())
    }

    /// Who calls: the user part of From.
    pub fn from(&self) -> String {
        self.leg.party.get().map_or_else(|| self.read(|dialog| dialog.from.clone()), |party| party.from.clone())
    }

    /// The directory domain that the call belongs to.
    pub fn domain(&self) -> String {
        self.read(|dialog| dialog.domain.clone())
    }

    fn read<T>(&self, field: impl FnOnce(&Dialog) -> T) -> T {
        field(&self.leg.signalling.borrow().dialog)
    }
}

/// Waits for digits: `call.digits(4).within(…).await?`.
#[derive(Debug)]
#[must_use = "nothing is waited for until this is awaited"]
pub struct Digits {
    call: Call,
    count: usize,
    within: Option<Duration>,
}

impl Digits {
    /// Waits no longer than this, and then takes what there is.
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    async fn collect(self) -> Result<String, Error> {
        let leg = &self.call.leg;
        let taken = leg.digits_taken();
        let wanted = taken + self.count;
        let enough = leg.until_channel(|channel| channel.digits.len() >= wanted);
        match self.within {
            None => drop(enough.await?),
            Some(limit) => match tokio::time::timeout(limit, enough).await {
                Ok(pressed) => drop(pressed?),
                Err(_) if leg.over() => return Err(Error::Hungup),
                Err(_) => {}
            },
        }
        let digits: String = leg.media.borrow().channel.digits.chars().skip(taken).take(self.count).collect();
        leg.take_digits(taken + digits.len());
        Ok(digits)
    }
}

impl IntoFuture for Digits {
    type Output = Result<String, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.collect())
    }
}

/// The soup of these WAV files, played one after the other, once.
pub fn soup(files: impl IntoIterator<Item = impl Into<String>>) -> Soup {
    let file = |name: String| SoupFile { wav: Some(name), ..SoupFile::default() };
    Soup { files: files.into_iter().map(|name| file(name.into())).collect(), ..Soup::default() }
}

/// The soup of these WAV files, played over and over.
pub fn soup_forever(files: impl IntoIterator<Item = impl Into<String>>) -> Soup {
    Soup { rounds: Some(Loop::Forever(true)), ..soup(files) }
}

/// A sound soup out of WAV files: `soup!["welcome.wav", "menu.wav"]`.
#[macro_export]
macro_rules! soup {
    ($($file:expr),* $(,)?) => { $crate::soup([$($file),*]) };
}

//! What is done to legs: the requests behind the verbs, and how their effects reach the leg.
//!
//! Every function leaves the leg consistent whichever request fails; whoever ends a leg leaves the clearing away to its
//! keeper. SDP is negotiated in [`crate::session`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::Channel;
use api::dialog::{Act, Dialog};
use api::directory::Domain;
use api::http::Failure;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::control::{RegistrationHook, Script};
use crate::keeper;
use crate::leg::Leg;
use crate::negotiate::Codec;
use crate::reason::{Error, Reason};
use crate::servers::Servers;
use crate::table::{Entry, Table};

/// What all legs share.
pub(crate) struct Desk {
    /// Our callback base.
    pub(crate) us: String,
    pub(crate) servers: Servers,
    pub(crate) table: Table,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) domains: Vec<(String, Domain)>,
    pub(crate) script: Option<Script>,
    pub(crate) on_registration: Option<RegistrationHook>,
    pub(crate) tracker: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) turn: AtomicUsize,
}

impl Desk {
    /// Hears what sip-server says of a dialog; a call that is not known begins. False when there is no room for it.
    pub(crate) fn hear(self: &Arc<Self>, dialog: Dialog) -> bool {
        if let Some(leg) = self.table.leg(&dialog.callid)
            && (!leg.over() || dialog.hangup)
        {
            leg.hear_dialog(dialog);
            return true;
        }
        if dialog.hangup || dialog.callid.is_empty() {
            return true;
        }
        let begins = !dialog.originator && !dialog.answered;
        match self.table.enter(Leg::new(&dialog.callid)) {
            Entry::Known(leg) => leg.hear_dialog(dialog),
            Entry::Full => return false,
            Entry::New(leg) => {
                leg.hear_dialog(dialog);
                keeper::attend(self, &leg);
                if begins {
                    keeper::run_script(self, &leg);
                }
            }
        }
        true
    }

    /// Names of the calls that are not over.
    pub(crate) fn callids(&self) -> Vec<String> {
        let running = self.table.all().into_iter().filter(|leg| !leg.over());
        let mut callids: Vec<String> = running.map(|leg| leg.callid.clone()).collect();
        callids.sort_unstable();
        callids
    }

    /// The script's handle of a leg.
    pub(crate) fn call(self: &Arc<Self>, leg: &Arc<Leg>) -> Call {
        Call::new(self.clone(), leg.clone())
    }

    /// Asks sip-server to act on the dialog.
    pub(crate) async fn act(&self, leg: &Leg, action: &str, act: Act) -> Result<(), Error> {
        let act = Act { callid: leg.callid.clone(), ..act };
        match self.servers.dialog(action, &act).await {
            Ok(dialog) => leg.hear_dialog(dialog),
            Err(Failure::Problem(problem)) if problem.status == 404 => {
                leg.end(&Reason::Unavailable, "sip-server does not know the call");
                return Err(Error::Hungup);
            }
            Err(_) if leg.over() => return Err(Error::Hungup),
            Err(failure) => return Err(failure.into()),
        }
        Ok(())
    }

    /// 180 to the caller, unless it has one.
    pub(crate) async fn ring(&self, leg: &Leg, alertinfo: Option<String>) -> Result<(), Error> {
        let dialog = leg.dialog();
        if dialog.hangup {
            return Err(Error::Hungup);
        }
        if dialog.originator || dialog.ring || dialog.answered {
            return Ok(());
        }
        self.act(leg, "ring", Act { alertinfo, ..Act::default() }).await?;
        leg.until(|held| held.dialog.ring || held.dialog.answered).await.map(drop)
    }

    /// Answers, and waits until the answer is acknowledged and the channel follows the session.
    pub(crate) async fn answer(&self, leg: &Arc<Leg>) -> Result<(), Error> {
        let dialog = leg.dialog();
        if dialog.hangup {
            return Err(Error::Hungup);
        }
        if !dialog.originator {
            if !dialog.answered {
                let sdp = self.prepare(leg, None).await?;
                self.act(leg, "answer", Act { sdp: Some(sdp), ..Act::default() }).await?;
            }
            leg.until(|held| held.acknowledged).await?;
        }
        self.settle(leg).await
    }

    /// Ends a leg: BYE, CANCEL or a final response. Does not wait for the end.
    pub(crate) async fn hangup(&self, leg: &Leg, reason: &Reason) {
        if !leg.over() && leg.doom(reason) {
            self.tell_end(leg, reason).await;
        }
    }

    /// Ends the legs that sip-server could not be told about at the time.
    pub(crate) async fn tell_end(&self, leg: &Leg, reason: &Reason) {
        let dialog = leg.dialog();
        let plain = dialog.answered && *reason == Reason::Normal;
        let act = Act {
            code: (!plain).then(|| reason.code()),
            reason: (!plain).then(|| reason.phrase().to_owned()),
            ..Act::default()
        };
        match self.act(leg, "hangup", act).await {
            Ok(()) | Err(Error::Hungup) => {}
            Err(Error::Refused(why)) => tracing::info!(callid = leg.callid, why, "hangup refused"),
            Err(error) => {
                tracing::warn!(callid = leg.callid, %error, "cannot hang up yet");
                leg.untold();
            }
        }
    }

    /// Puts two channels into one mix.
    pub(crate) async fn mix(&self, leg: &Leg, other: &Leg) -> Result<(), Error> {
        let at = leg.media.borrow().rtp;
        let (true, true) = (leg.media.borrow().open, other.media.borrow().open) else { return Err(Error::Apart) };
        if at != other.media.borrow().rtp {
            return Err(Error::Apart);
        }
        self.media::<()>(leg, &format!("{}/mix/{}", leg.uuid, other.uuid), None).await.map(drop)
    }

    /// Asks the rtp-server of the leg's channel; the reply is the effect.
    pub(crate) async fn media<B: serde::Serialize>(
        &self,
        leg: &Leg,
        path: &str,
        body: Option<&B>,
    ) -> Result<Channel, Error> {
        let at = leg.media.borrow().rtp.filter(|_| leg.media.borrow().open);
        let Some(rtp) = at else { return Err(if leg.over() { Error::Hungup } else { Error::Apart }) };
        match self.servers.channel(rtp, path, body).await {
            Ok(channel) => {
                leg.hear_channel(channel.clone());
                Ok(channel)
            }
            Err(_) if leg.over() => Err(Error::Hungup),
            Err(Failure::Problem(problem)) if problem.status == 404 => {
                self.lose_media(leg).await;
                Err(Error::Hungup)
            }
            Err(failure @ Failure::Unreachable(_)) => {
                self.lose_media(leg).await;
                Err(failure.into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The channel is gone: the call has nothing left to say. Its family follows when it has ended.
    pub(crate) async fn lose_media(&self, leg: &Leg) {
        if leg.over() {
            return;
        }
        tracing::warn!(callid = leg.callid, uuid = leg.uuid, "media server lost");
        leg.media.send_modify(|held| held.open = false);
        let reason = Reason::ServiceUnavailable("Media server lost");
        for other in leg.bound() {
            self.hangup(&other, &reason).await;
        }
        self.hangup(leg, &reason).await;
    }

    /// The rtp-servers to ask for a channel, best first: the one that the leg must share, else each in turn.
    pub(crate) fn rtp_order(&self, leg: &Leg) -> Vec<usize> {
        let count = self.servers.rtp.len();
        if let Some(fixed) = leg.media.borrow().rtp {
            return vec![fixed];
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..count).map(|step| first.wrapping_add(step) % count).collect()
    }
}

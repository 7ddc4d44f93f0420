//! One leg: the newest documents of a dialog and of its channel, its side of the session, and its family.
//!
//! Everything that waits for a leg is a predicate over a `watch` of these documents. A document older than the one that
//! is held is ignored. Nothing here makes requests.

use std::sync::{Mutex, OnceLock, PoisonError, Weak};

use api::channel::{self, Channel, Remote};
use api::dialog::{self, Dialog};
use api::sdp::Sdp;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::negotiate::Local;
use crate::reason::{Error, Reason};

/// A leg of a call.
pub(crate) struct Leg {
    pub(crate) callid: String,
    /// Name of its channel, which follows from the Call-ID, so that a control that restarted finds the pair.
    pub(crate) uuid: String,
    pub(crate) signalling: watch::Sender<Signalling>,
    pub(crate) media: watch::Sender<Media>,
    /// Held while the session changes, so that two changes cannot cross.
    pub(crate) session: tokio::sync::Mutex<Session>,
    /// Who calls whom, where that is not what the dialog says.
    pub(crate) party: OnceLock<Party>,
    family: Mutex<Family>,
}

/// The newest dialog document and what the ones before it said in passing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signalling {
    pub(crate) dialog: Dialog,
    /// The ACK to our 2xx has come.
    pub(crate) acknowledged: bool,
    /// How many re-INVITEs of the peer there were.
    pub(crate) reinvites: u64,
}

/// The newest channel document and where its channel is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Media {
    pub(crate) channel: Channel,
    /// Which rtp-server has the channel, or is to have it.
    pub(crate) rtp: Option<usize>,
    /// The channel exists.
    pub(crate) open: bool,
}

/// Our side of offer and answer.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The leg has ended: no channel may be opened any more.
    pub(crate) closed: bool,
    /// The rtp-server that was asked for a channel, whether or not it replied.
    pub(crate) asked: Option<usize>,
    pub(crate) local: Option<Local>,
    /// What we said last.
    pub(crate) us: Option<Sdp>,
    /// What the peer had said when we made an offer that is not yet answered.
    pub(crate) offered: Option<Option<Sdp>>,
    /// What the peer said that the channel follows.
    pub(crate) applied: Option<Sdp>,
    pub(crate) remote: Option<Remote>,
}

/// Who calls whom.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) from: String,
    pub(crate) destination: String,
}

#[derive(Default)]
struct Family {
    /// Legs that end when this one does.
    bound: Vec<Weak<Leg>>,
    /// Why this leg is being ended, and whether sip-server was told.
    doom: Option<(Reason, bool)>,
    digits_taken: usize,
}

impl Leg {
    pub(crate) fn new(callid: &str) -> Self {
        Self {
            callid: callid.to_owned(),
            uuid: channel_name(callid),
            signalling: watch::Sender::default(),
            media: watch::Sender::default(),
            session: tokio::sync::Mutex::default(),
            party: OnceLock::new(),
            family: Mutex::default(),
        }
    }

    /// Takes a dialog document unless it is stale.
    pub(crate) fn hear_dialog(&self, dialog: Dialog) {
        self.signalling.send_if_modified(|held| {
            if held.dialog.hangup || (dialog.seq <= held.dialog.seq && !held.dialog.callid.is_empty()) {
                return false;
            }
            // The reply to our answer may still name the re-INVITE as the last event.
            let again = held.dialog.event == dialog.event && held.dialog.sdp.them == dialog.sdp.them;
            held.reinvites += u64::from(dialog.event == dialog::Event::Reinvite && !again);
            let before = [dialog::Event::New, dialog::Event::Ringing, dialog::Event::Progress, dialog::Event::Answered];
            held.acknowledged |= dialog.answered && !before.contains(&dialog.event);
            held.dialog = dialog;
            true
        });
    }

    /// The INVITE is out: what is known of the dialog until sip-server says more.
    pub(crate) fn begin(&self, invite: &dialog::Originate) {
        self.signalling.send_if_modified(|held| {
            let first = held.dialog.callid.is_empty();
            if first {
                held.dialog = Dialog {
                    callid: self.callid.clone(),
                    domain: invite.from.domain.clone(),
                    from: invite.from.user.clone(),
                    to: invite.to.user.clone(),
                    maxforwards: invite.maxforwards,
                    originator: true,
                    sdp: dialog::SdpPair { us: invite.sdp.clone(), them: None },
                    ..Dialog::default()
                };
            }
            first
        });
    }

    /// Takes a channel document unless it is stale.
    pub(crate) fn hear_channel(&self, channel: Channel) {
        self.media.send_if_modified(|held| {
            if channel.seq <= held.channel.seq && !held.channel.uuid.is_empty() {
                return false;
            }
            held.open &= channel.event != channel::Event::Close;
            held.channel = channel;
            true
        });
    }

    /// Ends the leg here, where sip-server has nothing to say about it any more.
    pub(crate) fn end(&self, reason: &Reason, cause: &str) {
        self.signalling.send_if_modified(|held| {
            let dialog = &mut held.dialog;
            let ended = !dialog.hangup;
            if ended {
                let error = dialog::Error { code: reason.code(), status: reason.phrase().to_owned() };
                dialog.callid.clone_from(&self.callid);
                (dialog.hangup, dialog.event) = (true, dialog::Event::Hangup);
                (dialog.error, dialog.cause) = (error, Some(cause.to_owned()));
            }
            ended
        });
    }

    /// The newest dialog document.
    pub(crate) fn dialog(&self) -> Dialog {
        self.signalling.borrow().dialog.clone()
    }

    pub(crate) fn over(&self) -> bool {
        self.signalling.borrow().dialog.hangup
    }

    /// Waits until the newest document satisfies; [`Error::Hungup`] when the call is over before.
    pub(crate) async fn until(&self, mut satisfied: impl FnMut(&Signalling) -> bool) -> Result<Dialog, Error> {
        let mut news = self.signalling.subscribe();
        let held = news.wait_for(|held| held.dialog.hangup || satisfied(held)).await.map_err(|_| Error::Hungup)?;
        if held.dialog.hangup { Err(Error::Hungup) } else { Ok(held.dialog.clone()) }
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> Dialog {
        let mut news = self.signalling.subscribe();
        let ended = news.wait_for(|held| held.dialog.hangup).await.map(|held| held.dialog.clone());
        ended.unwrap_or_else(|_| self.dialog())
    }

    /// Waits until the newest channel document satisfies; [`Error::Hungup`] when call or channel are over before.
    pub(crate) async fn until_channel(&self, mut satisfied: impl FnMut(&Channel) -> bool) -> Result<Channel, Error> {
        let mut news = self.media.subscribe();
        let found = news.wait_for(|held| !held.open || satisfied(&held.channel));
        tokio::select! {
            held = found => match held {
                Ok(held) if held.open => Ok(held.channel.clone()),
                _ => Err(Error::Hungup),
            },
            _ = self.ended() => Err(Error::Hungup),
        }
    }

    /// When this leg ends, the other one does.
    pub(crate) fn bind(&self, other: Weak<Leg>) {
        self.family().bound.push(other);
    }

    /// The legs that end with this one; they are forgotten.
    pub(crate) fn bound(&self) -> Vec<std::sync::Arc<Leg>> {
        std::mem::take(&mut self.family().bound).iter().filter_map(Weak::upgrade).collect()
    }

    /// Notes that the leg is to end; false when that is known already.
    pub(crate) fn doom(&self, reason: &Reason) -> bool {
        let mut family = self.family();
        let first = family.doom.is_none();
        if first {
            family.doom = Some((reason.clone(), true));
        }
        first
    }

    /// Notes that sip-server could not be told.
    pub(crate) fn untold(&self) {
        if let Some((_, told)) = &mut self.family().doom {
            *told = false;
        }
    }

    /// Takes the reason that sip-server is still to be told.
    pub(crate) fn to_tell(&self) -> Option<Reason> {
        let mut family = self.family();
        let (reason, told) = family.doom.as_mut()?;
        (!std::mem::replace(told, true)).then(|| reason.clone())
    }

    /// How many digits were taken already.
    pub(crate) fn digits_taken(&self) -> usize {
        self.family().digits_taken
    }

    /// Takes digits up to this count.
    pub(crate) fn take_digits(&self, until: usize) {
        self.family().digits_taken = until;
    }

    fn family(&self) -> std::sync::MutexGuard<'_, Family> {
        self.family.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The channel's name: a UUID (RFC 9562 §5.8) out of a hash that nobody can aim at another call's.
pub(crate) fn channel_name(callid: &str) -> String {
    let digest = Sha256::digest(callid.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(seq: u64, event: dialog::Event, answered: bool) -> Dialog {
        Dialog { callid: "a".into(), seq, event, answered, ..Dialog::default() }
    }

    #[test]
    fn a_stale_document_is_ignored() {
        let leg = Leg::new("a");
        leg.hear_dialog(dialog(2, dialog::Event::Answered, true));
        leg.hear_dialog(dialog(1, dialog::Event::New, false));
        assert!(leg.dialog().answered);
        assert!(!leg.signalling.borrow().acknowledged);
    }

    #[test]
    fn what_a_newer_document_hides_is_kept() {
        let leg = Leg::new("a");
        leg.hear_dialog(dialog(1, dialog::Event::Reinvite, true));
        leg.hear_dialog(dialog(2, dialog::Event::Info, true));
        assert_eq!(leg.signalling.borrow().reinvites, 1);
        assert!(leg.signalling.borrow().acknowledged);
    }

    #[test]
    fn nothing_follows_the_end() {
        let leg = Leg::new("a");
        leg.end(&Reason::Busy, "test");
        leg.hear_dialog(dialog(9, dialog::Event::Answered, true));
        assert!(leg.over() && !leg.dialog().answered);
        assert_eq!(leg.dialog().error.code, 486);
    }

    #[test]
    fn a_channel_is_named_after_its_call() {
        assert_eq!(channel_name("a"), channel_name("a"));
        assert_ne!(channel_name("a"), channel_name("b"));
        assert_eq!(channel_name("a").len(), 36);
    }
}

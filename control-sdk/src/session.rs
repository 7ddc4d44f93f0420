//! The session of a leg (RFC 3264 over RFC 3261 §13 and §14): opening its channel, answering what is offered, taking
//! what is answered. A leg's session lock is held throughout each of these, so that none crosses another.

use std::sync::Arc;

use api::channel::{Open, Remote};
use api::dialog::Act;
use api::http::Failure;
use api::sdp::{Direction, Sdp};

use crate::desk::Desk;
use crate::leg::{Leg, Session};
use crate::negotiate::{self, Codec, Local};
use crate::reason::{Error, Reason};

impl Desk {
    /// Opens the leg's channel if it has none, and returns what to say to the peer: the answer to its offer, or an
    /// offer where it made none. `near` names a leg whose channel this one will mix with.
    pub(crate) async fn prepare(&self, leg: &Leg, near: Option<&Leg>) -> Result<Sdp, Error> {
        let mut session = leg.session.lock().await;
        if let Some(us) = &session.us {
            return Ok(us.clone());
        }
        let theirs = leg.dialog().sdp.them;
        let codecs = self.codecs_after(near);
        let remote = theirs.as_ref().map(|offer| negotiate::remote(offer, &codecs, Direction::SendRecv)).transpose()?;
        let local = self.open(leg, &mut session, Wish { near, remote, codecs }).await?;
        let us = match &theirs {
            Some(offer) => negotiate::answer(offer, &local)?.0,
            None => negotiate::offer(&local),
        };
        match theirs {
            Some(offer) => session.applied = Some(offer),
            None => session.offered = Some(None),
        }
        session.us = Some(us.clone());
        Ok(us)
    }

    /// Our codecs, those first that the other side speaks, so that nothing needs transcoding.
    fn codecs_after(&self, near: Option<&Leg>) -> Vec<Codec> {
        let audio = near.and_then(|near| near.dialog().sdp.them);
        let remote = audio.and_then(|sdp| negotiate::remote(&sdp, &self.codecs, Direction::SendRecv).ok());
        let names: Vec<String> = remote
            .and_then(|remote| remote.audio)
            .into_iter()
            .flat_map(|audio| audio.codecs)
            .map(|it| it.name)
            .collect();
        let mut codecs = self.codecs.clone();
        codecs.sort_by_key(|codec| match codec {
            Codec::TelephoneEvent => usize::MAX,
            codec => names.iter().position(|name| name == codec.name()).unwrap_or(names.len()),
        });
        codecs
    }

    async fn open(&self, leg: &Leg, session: &mut Session, wish: Wish<'_>) -> Result<Local, Error> {
        if session.closed || leg.over() {
            return Err(Error::Hungup);
        }
        if let Some(at) = wish.near.and_then(|near| near.media.borrow().rtp) {
            leg.media.send_modify(|held| held.rtp = Some(at));
        }
        let request = Open {
            uuid: Some(leg.uuid.clone()),
            control: Some(self.us.clone()),
            near: wish.near.map(|near| near.uuid.clone()),
            remote: wish.remote.clone(),
        };
        let mut failed = Error::OutOfChannels;
        for rtp in self.rtp_order(leg) {
            session.asked = Some(rtp);
            match self.servers.open(rtp, &request).await {
                Ok(channel) => {
                    let number = uuid::Uuid::new_v4().as_u64_pair().0 >> 2;
                    let local = Local {
                        ip: channel.ip.clone(),
                        port: channel.port,
                        session: number,
                        version: 1,
                        codecs: wish.codecs,
                        direction: Direction::SendRecv,
                    };
                    leg.media.send_modify(|held| (held.rtp, held.open) = (Some(rtp), true));
                    leg.hear_channel(channel);
                    (session.local, session.remote) = (Some(local.clone()), wish.remote);
                    return Ok(local);
                }
                Err(Failure::Problem(problem)) if problem.status == 503 => session.asked = None,
                Err(failure) => {
                    tracing::warn!(rtp = self.servers.rtp[rtp], %failure, "no channel");
                    failed = failure.into();
                }
            }
        }
        Err(failed)
    }

    /// Lets the channel follow what the peer answered to our last offer; does nothing when it does already.
    pub(crate) async fn settle(&self, leg: &Leg) -> Result<(), Error> {
        let mut session = leg.session.lock().await;
        let dialog = leg.dialog();
        let (Some(before), Some(theirs)) = (&session.offered, dialog.sdp.them) else { return Ok(()) };
        let answered = dialog.answered;
        if before.as_ref() == Some(&theirs) {
            return Ok(());
        }
        if session.applied.as_ref() != Some(&theirs) {
            let Some(local) = session.local.clone() else { return Ok(()) };
            match negotiate::accept(&theirs, &local) {
                Ok(remote) => self.follow(leg, &mut session, remote).await?,
                Err(refusal) => {
                    drop(session);
                    self.hangup(leg, &Reason::NotAcceptable).await;
                    return Err(refusal.into());
                }
            }
            session.applied = Some(theirs);
        }
        if answered {
            session.offered = None;
        }
        Ok(())
    }

    /// Answers a re-INVITE (RFC 3261 §14.2), whatever it changes; one without an offer gets ours.
    pub(crate) async fn answer_again(&self, leg: &Arc<Leg>) -> Result<(), Error> {
        let mut session = leg.session.lock().await;
        let Some(mut local) = session.local.clone() else { return Ok(()) };
        local.version += 1;
        session.local = Some(local.clone());
        let theirs = leg.dialog().sdp.them;
        let (us, remote) = match &theirs {
            None => (negotiate::offer(&local), None),
            Some(offer) => match negotiate::answer(offer, &local) {
                Ok((answer, remote)) => (answer, Some(remote)),
                Err(_) => (negotiate::refuse(offer, &local), None),
            },
        };
        session.offered = theirs.is_none().then_some(None);
        session.us = Some(us.clone());
        if let Some(remote) = remote {
            self.follow(leg, &mut session, remote).await?;
            session.applied = theirs;
        }
        drop(session);
        self.act(leg, "ok", Act { sdp: Some(us), ..Act::default() }).await
    }

    async fn follow(&self, leg: &Leg, session: &mut Session, remote: Remote) -> Result<(), Error> {
        let mut remote = remote;
        // A peer on hold in the way of RFC 2543 has no address; the last one is kept, and nothing is sent there.
        if let (Some(last), true) = (&session.remote, matches!(remote.ip.as_str(), "0.0.0.0" | "::")) {
            (remote.ip, remote.port) = (last.ip.clone(), last.port);
        }
        self.media(leg, &leg.uuid, Some(&remote)).await?;
        session.remote = Some(remote);
        Ok(())
    }

    /// Closes the leg's channel; none can be opened afterwards.
    pub(crate) async fn close(&self, leg: &Leg) {
        let mut session = leg.session.lock().await;
        session.closed = true;
        // Whoever asked may have gone before the reply came: the channel is there all the same.
        let Some(rtp) = session.asked.take() else { return };
        leg.media.send_modify(|held| held.open = false);
        match self.servers.close(rtp, &leg.uuid).await {
            Ok(channel) => leg.hear_channel(channel),
            Err(Failure::Problem(problem)) if problem.status == 404 => {}
            Err(failure) => tracing::warn!(uuid = leg.uuid, %failure, "cannot close the channel"),
        }
    }
}

/// What a channel is opened with.
struct Wish<'a> {
    near: Option<&'a Leg>,
    remote: Option<Remote>,
    codecs: Vec<Codec>,
}

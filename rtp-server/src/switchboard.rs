//! Which worker has which channel, and how a command gets there.
//!
//! One command at a time is on its way to a channel. A command to mix first brings both to one worker. A channel that its
//! worker no longer knows is forgotten here as soon as anybody asks for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use api::channel::Channels;
use api::{Channel, Code, Problem};
use tokio::sync::{OwnedMutexGuard, oneshot};

use crate::engine::{Command, Opening, Refusal};
use crate::ports::Pool;
use crate::worker::{Handle, Message, Room};

/// All channels by name.
#[derive(Debug)]
pub struct Switchboard {
    workers: Vec<Handle>,
    pool: Pool,
    public_address: IpAddr,
    places: Mutex<HashMap<String, Place>>,
}

/// Number of the worker; none while the channel is not open.
type Place = Arc<tokio::sync::Mutex<Option<usize>>>;

/// What a channel is to be opened with.
#[derive(Debug, Default)]
pub struct Request {
    /// Its name.
    pub uuid: String,
    /// Callback base.
    pub control: Option<String>,
    /// A channel that it will mix with.
    pub near: Option<String>,
    /// The remote side.
    pub remote: Option<crate::engine::Destination>,
}

impl Switchboard {
    /// A switchboard of these workers.
    pub fn new(workers: Vec<Handle>, pool: Pool, public_address: IpAddr) -> Self {
        Self { workers, pool, public_address, places: Mutex::default() }
    }

    /// Opens a channel, or finds the one of that name.
    pub async fn open(&self, request: Request) -> Result<Channel, Problem> {
        loop {
            let place = self.places().entry(request.uuid.clone()).or_default().clone();
            let mut held = place.clone().lock_owned().await;
            if !self.is_current(&request.uuid, &place) {
                continue;
            }
            if let Some(worker) = *held {
                match self.tell(worker, &request.uuid, Command::Show).await? {
                    Ok(document) => return Ok(document),
                    Err(_) => *held = None,
                }
            }
            let uuid = request.uuid.clone();
            let opened = self.open_new(request).await;
            match &opened {
                Ok((worker, _)) => *held = Some(*worker),
                Err(_) => self.forget(&uuid, &place),
            }
            return opened.map(|(_, document)| document);
        }
    }

    async fn open_new(&self, request: Request) -> Result<(usize, Channel), Problem> {
        let near = match &request.near {
            Some(near) => self.worker_of(near).await,
            None => None,
        };
        let worker = near.unwrap_or_else(|| self.least_loaded());
        let room = self.room(worker)?;
        let Some(sockets) = self.pool.take() else {
            return Err(Problem::new(Code::OutOfChannels, "every RTP port is in use"));
        };
        let opening = Opening {
            uuid: request.uuid,
            control: request.control,
            ip: self.public_address,
            port: sockets.port(),
            remote: request.remote,
        };
        let (reply, document) = oneshot::channel();
        room.send(Message::Open(Box::new(opening), sockets, reply));
        Ok((worker, answered(document).await?))
    }

    /// Has a channel do something.
    pub async fn command(&self, uuid: &str, command: Command) -> Result<Channel, Problem> {
        let is_last = matches!(command, Command::Close);
        let (place, mut held, worker) = self.hold(uuid).await?;
        let outcome = self.tell(worker, uuid, command).await?;
        if is_last || outcome == Err(Refusal::Unknown) {
            *held = None;
            self.forget(uuid, &place);
        }
        outcome.map_err(|refusal| problem(uuid, refusal))
    }

    /// Joins two channels in a mix, on one worker.
    pub async fn mix(&self, uuid: &str, other: &str) -> Result<Channel, Problem> {
        if uuid == other {
            return Err(Problem::conflict("a channel cannot mix with itself"));
        }
        // In one order, whoever asks: two requests cannot wait for each other.
        let (first, second) = if uuid < other { (uuid, other) } else { (other, uuid) };
        let (_, mut held_first, worker_first) = self.hold(first).await?;
        let (_, mut held_second, worker_second) = self.hold(second).await?;
        if worker_first != worker_second {
            if self.hand_over(second, worker_second, worker_first).await? {
                *held_second = Some(worker_first);
            } else if self.hand_over(first, worker_first, worker_second).await? {
                *held_first = Some(worker_second);
            } else {
                return Err(Problem::conflict("both channels are in mixes with others: unmix first"));
            }
        }
        let worker = held_first.unwrap_or(worker_first);
        let outcome = self.tell(worker, uuid, Command::Mix(other.to_owned())).await?;
        outcome.map_err(|refusal| problem(&format!("{uuid} or {other}"), refusal))
    }

    /// False when the channel is in a mix where it is.
    async fn hand_over(&self, uuid: &str, from: usize, to: usize) -> Result<bool, Problem> {
        // Room is kept first, so that the channel cannot be lost between the two.
        let room = self.room(to)?;
        let (reply, released) = oneshot::channel();
        self.room(from)?.send(Message::Release(uuid.to_owned(), reply));
        match answered(released).await? {
            Ok(moving) => {
                room.send(Message::Adopt(moving));
                Ok(true)
            }
            Err(Refusal::Conflict(_)) => Ok(false),
            Err(refusal @ Refusal::Unknown) => Err(problem(uuid, refusal)),
        }
    }

    /// All documents, by name.
    pub async fn documents(&self) -> Result<Vec<Channel>, Problem> {
        let mut documents = Vec::new();
        for worker in 0..self.workers.len() {
            let (reply, list) = oneshot::channel();
            self.room(worker)?.send(Message::List(reply));
            documents.extend(answered(list).await?);
        }
        documents.sort_by(|a, b| a.uuid.cmp(&b.uuid));
        Ok(documents)
    }

    /// How many channels are open and free.
    pub fn channels(&self) -> Channels {
        self.pool.channels()
    }

    /// Share of the busiest worker's time that is used.
    pub fn load(&self) -> f64 {
        let busiest = self.workers.iter().map(Handle::load).fold(0.0, f64::max);
        (busiest * 1000.0).round() / 1000.0
    }

    /// Closes everything and ends the workers.
    pub async fn stop(&self) {
        for worker in &self.workers {
            worker.stop().await;
        }
    }

    async fn tell(&self, worker: usize, uuid: &str, command: Command) -> Result<Result<Channel, Refusal>, Problem> {
        let (reply, outcome) = oneshot::channel();
        self.room(worker)?.send(Message::Command(uuid.to_owned(), Box::new(command), reply));
        answered(outcome).await
    }

    /// Waits for its turn with a channel.
    async fn hold(&self, uuid: &str) -> Result<(Place, OwnedMutexGuard<Option<usize>>, usize), Problem> {
        let unknown = || problem(uuid, Refusal::Unknown);
        let place = self.places().get(uuid).cloned().ok_or_else(unknown)?;
        let held = place.clone().lock_owned().await;
        let worker = held.ok_or_else(unknown)?;
        Ok((place, held, worker))
    }

    async fn worker_of(&self, uuid: &str) -> Option<usize> {
        let place = self.places().get(uuid).cloned()?;
        *place.lock().await
    }

    fn least_loaded(&self) -> usize {
        let by_channels = |worker: &usize| self.workers[*worker].channels();
        (0..self.workers.len()).min_by_key(by_channels).unwrap_or(0)
    }

    fn room(&self, worker: usize) -> Result<Room<'_>, Problem> {
        let room = self.workers.get(worker).and_then(Handle::room);
        room.ok_or_else(|| Problem::new(Code::Busy, "the worker's queue is full"))
    }

    fn is_current(&self, uuid: &str, place: &Place) -> bool {
        self.places().get(uuid).is_some_and(|current| Arc::ptr_eq(current, place))
    }

    fn forget(&self, uuid: &str, place: &Place) {
        let mut places = self.places();
        if places.get(uuid).is_some_and(|current| Arc::ptr_eq(current, place)) {
            places.remove(uuid);
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answered<T>(reply: oneshot::Receiver<T>) -> Result<T, Problem> {
    reply.await.map_err(|_| Problem::new(Code::Busy, "the media workers are shutting down"))
}

fn problem(uuid: &str, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unknown => Problem::not_found(format!("no channel {uuid}")),
        Refusal::Conflict(state) => Problem::conflict(state),
    }
}

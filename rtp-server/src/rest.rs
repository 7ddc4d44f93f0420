//! The routes: `/channel` and what is below it. Bodies are checked whole before anything is changed.

use std::sync::Arc;

use api::channel::{Closed, Echo, List, Open, Opened, Remote, Soup};
use api::http::{Method, Reply, Request};
use api::{Channel, Code, Problem};

use crate::engine::codec::Codec;
use crate::engine::{Command, Destination};
use crate::sounds::{self, Sounds};
use crate::switchboard::{self, Switchboard};

/// Longest name of a channel.
const UUID_BYTES: usize = 128;

/// What the routes work on.
#[derive(Debug)]
pub struct Rest {
    /// The channels.
    pub switchboard: Switchboard,
    /// What they play.
    pub sounds: Arc<Sounds>,
}

impl Rest {
    /// Answers one request.
    ///
    /// # Errors
    /// When it is refused; nothing has changed then.
    pub async fn handle(&self, request: Request) -> Result<Reply, Problem> {
        let is_change = matches!(request.method, Method::PUT | Method::POST);
        match (&request.method, &request.segments()[..]) {
            (&Method::POST, [] | ["channel"]) => self.open(&request).await,
            (&Method::GET, ["channel"]) => self.list(request.query.contains_key("full")).await,
            (_, []) => Ok(Reply::method_not_allowed("POST")),
            (_, ["channel"]) => Ok(Reply::method_not_allowed("GET, POST")),
            (&Method::GET, ["channel", uuid]) => self.command(uuid, Command::Show).await,
            (&Method::DELETE, ["channel", uuid]) => self.close(uuid).await,
            (_, ["channel", uuid]) if is_change => self.remote(uuid, &request).await,
            (_, ["channel", _]) => Ok(Reply::method_not_allowed("GET, PUT, DELETE")),
            (_, ["channel", uuid, action @ ..]) if is_change => self.act(uuid, action, &request).await,
            (_, ["channel", _, "mix" | "unmix" | "play" | "stop" | "echo", ..]) => {
                Ok(Reply::method_not_allowed("PUT, POST"))
            }
            _ => Err(no_path(&request)),
        }
    }

    async fn act(&self, uuid: &str, action: &[&str], request: &Request) -> Result<Reply, Problem> {
        match action {
            ["mix", other] => self.switchboard.mix(uuid, other).await.map(|channel| Reply::json(&channel)),
            ["unmix"] => self.command(uuid, Command::Unmix).await,
            ["play"] => self.play(uuid, request.json()?).await,
            ["stop"] => self.command(uuid, Command::Stop).await,
            ["echo"] => {
                let Echo { on } = request.json()?;
                self.command(uuid, Command::Echo(on)).await
            }
            ["dtmf" | "record", ..] => Err(Problem::not_found(format!("{} is not available yet", action[0]))),
            _ => Err(no_path(request)),
        }
    }

    async fn open(&self, request: &Request) -> Result<Reply, Problem> {
        let Open { uuid, control, near, remote } = request.json_or_default()?;
        let remote = remote.as_ref().map(Destination::checked).transpose();
        let request = switchboard::Request {
            uuid: uuid.map_or_else(|| Ok(uuid::Uuid::new_v4().to_string()), checked_uuid)?,
            control: control.as_deref().map(checked_control).transpose()?,
            near,
            remote: remote.map_err(|field| Problem::bad_request(format!("remote.{field}")))?,
        };
        let channel = self.switchboard.open(request).await?;
        let opened = Opened { channel, channels: self.switchboard.channels(), load: self.switchboard.load() };
        Ok(Reply::json(&opened))
    }

    async fn list(&self, full: bool) -> Result<Reply, Problem> {
        let documents = self.switchboard.documents().await?;
        let entry = |channel: &Channel| {
            if full { serde_json::to_value(channel).unwrap_or_default() } else { channel.uuid.as_str().into() }
        };
        let list = documents.iter().map(entry).collect();
        Ok(Reply::json(&List { channels: self.switchboard.channels(), load: self.switchboard.load(), list }))
    }

    async fn remote(&self, uuid: &str, request: &Request) -> Result<Reply, Problem> {
        let remote: Remote = request.json()?;
        let destination = Destination::checked(&remote).map_err(Problem::bad_request)?;
        self.command(uuid, Command::Remote(destination)).await
    }

    async fn play(&self, uuid: &str, soup: Soup) -> Result<Reply, Problem> {
        let channel = self.switchboard.command(uuid, Command::Show).await?;
        let codec = Codec::named(&channel.codec).unwrap_or_default();
        let interrupt = soup.interrupt.unwrap_or(false);
        let sounds = self.sounds.clone();
        // Files are read where waiting for them delays nobody.
        let resolved = tokio::task::spawn_blocking(move || sounds::resolve(&soup, codec.name(), codec.rate(), &sounds));
        let player = match resolved.await {
            Ok(player) => player.map_err(|error| Problem::bad_request(error.to_string()))?,
            Err(error) => return Err(Problem::new(Code::Internal, error.to_string())),
        };
        self.command(uuid, Command::Play { player, rate: codec.rate(), interrupt }).await
    }

    async fn close(&self, uuid: &str) -> Result<Reply, Problem> {
        let channel = self.switchboard.command(uuid, Command::Close).await?;
        Ok(Reply::json(&Closed { channel, channels: self.switchboard.channels() }))
    }

    async fn command(&self, uuid: &str, command: Command) -> Result<Reply, Problem> {
        self.switchboard.command(uuid, command).await.map(|channel| Reply::json(&channel))
    }
}

fn checked_uuid(uuid: String) -> Result<String, Problem> {
    let is_fit = !uuid.is_empty() && uuid.len() <= UUID_BYTES && !uuid.chars().any(|c| c.is_control() || c == '/');
    if is_fit { Ok(uuid) } else { Err(Problem::bad_request("uuid: 1 to 128 characters, no control characters, no /")) }
}

fn checked_control(control: &str) -> Result<String, Problem> {
    let uri = control.parse::<hyper::Uri>().ok();
    if !uri.is_some_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some()) {
        return Err(Problem::bad_request(format!("control: {control:?} is no http URL")));
    }
    Ok(control.trim_end_matches('/').to_owned())
}

fn no_path(request: &Request) -> Problem {
    Problem::not_found(format!("no path /{}", request.path.join("/")))
}

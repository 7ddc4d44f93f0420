//! The requests that we make of sip-server and the rtp-servers, one function each.

use std::fmt::Write as _;

use api::channel::{self, Channel};
use api::dialog::{Act, Dialog, Originate, Originated};
use api::directory::Domain;
use api::http::{Client, Failure};
use api::registration;
use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Where the other two kinds of server are.
pub(crate) struct Servers {
    pub(crate) client: Client,
    pub(crate) sip: String,
    pub(crate) rtp: Vec<String>,
}

impl Servers {
    pub(crate) async fn dialog(&self, action: &str, act: &Act) -> Result<Dialog, Failure> {
        self.client.send(Method::PUT, &format!("{}/dialog/{action}", self.sip), Some(act)).await
    }

    pub(crate) async fn originate(&self, invite: &Originate) -> Result<Originated, Failure> {
        self.client.send(Method::POST, &format!("{}/dialog/invite", self.sip), Some(invite)).await
    }

    pub(crate) async fn dialogs(&self) -> Result<Vec<Dialog>, Failure> {
        let list: api::dialog::List = self.fetch(format!("{}/dialog?full=1", self.sip)).await?;
        Ok(readable(list.dialogs))
    }

    pub(crate) async fn callids(&self) -> Result<Vec<String>, Failure> {
        let list: api::dialog::List = self.fetch(format!("{}/dialog", self.sip)).await?;
        Ok(readable(list.dialogs))
    }

    pub(crate) async fn knows_domain(&self, domain: &str) -> Result<bool, Failure> {
        match self.fetch::<Value>(format!("{}/dir/{}", self.sip, segment(domain))).await {
            Ok(_) => Ok(true),
            Err(Failure::Problem(problem)) if problem.status == 404 => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    pub(crate) async fn push_domain(&self, name: &str, domain: &Domain) -> Result<(), Failure> {
        let url = format!("{}/dir/{}", self.sip, segment(name));
        self.client.send::<_, Value>(Method::PUT, &url, Some(domain)).await.map(drop)
    }

    pub(crate) async fn contacts(&self, domain: &str, user: &str) -> Result<Vec<registration::Contact>, Failure> {
        let url = format!("{}/reg/{}/{}", self.sip, segment(domain), segment(user));
        let mut listing: registration::Domain = self.fetch(url).await?;
        Ok(listing.users.remove(user).map(|user| user.contacts).unwrap_or_default())
    }

    pub(crate) async fn open(&self, rtp: usize, open: &channel::Open) -> Result<Channel, Failure> {
        let url = format!("{}/channel", self.rtp(rtp));
        self.client.send::<_, channel::Opened>(Method::POST, &url, Some(open)).await.map(|opened| opened.channel)
    }

    pub(crate) async fn channel<B: serde::Serialize>(
        &self,
        rtp: usize,
        path: &str,
        body: Option<&B>,
    ) -> Result<Channel, Failure> {
        self.client.send(Method::PUT, &format!("{}/channel/{path}", self.rtp(rtp)), body).await
    }

    pub(crate) async fn close(&self, rtp: usize, uuid: &str) -> Result<Channel, Failure> {
        let url = format!("{}/channel/{uuid}", self.rtp(rtp));
        self.client.send::<(), channel::Closed>(Method::DELETE, &url, None).await.map(|closed| closed.channel)
    }

    pub(crate) async fn uuids(&self, rtp: usize) -> Result<Vec<String>, Failure> {
        let list: channel::List = self.fetch(format!("{}/channel", self.rtp(rtp))).await?;
        Ok(readable(list.list))
    }

    pub(crate) async fn channels(&self, rtp: usize) -> Result<Vec<Channel>, Failure> {
        let list: channel::List = self.fetch(format!("{}/channel?full=1", self.rtp(rtp))).await?;
        Ok(readable(list.list))
    }

    fn rtp(&self, index: usize) -> &str {
        self.rtp.get(index).map_or("", String::as_str)
    }

    async fn fetch<T: DeserializeOwned>(&self, url: String) -> Result<T, Failure> {
        self.client.send::<(), T>(Method::GET, &url, None).await
    }
}

/// What of a list can be read; a server newer than we are may list what we cannot.
fn readable<T: DeserializeOwned>(values: Vec<Value>) -> Vec<T> {
    values.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect()
}

/// Percent-encodes one path segment (RFC 3986 §3.3).
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_segment_cannot_leave_its_place() {
        assert_eq!(super::segment("a/../b?c#d%e f"), "a%2F..%2Fb%3Fc%23d%25e%20f");
    }
}

//! Session descriptions (RFC 8866) as JSON, in the ancestor's shape without its losses.
//!
//! Attributes that have no field of their own stand beside the fields under their names: a string for one value, an
//! array for a repeated attribute, `true` for a flag. An attribute that is named like a field (`a=port:5`), or that its
//! field cannot hold (`a=rtpmap` alone), stands under its name with `a=` before it. Numbers are accepted as strings of
//! digits where the ancestor wanted them so (`rtpmap.*.clock`, `port`, `b.bandwidth`), and emitted as integers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A session description.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sdp {
    /// Protocol version, 0.
    pub v: u32,
    /// Origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub o: Option<Origin>,
    /// Session name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s: Option<String>,
    /// Session information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub i: Option<String>,
    /// URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub u: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<String>,
    /// Connections of the session. On the way in from SIP the media's stand here too, once each, as in the ancestor,
    /// after the session's; on the way out those of the media are not repeated at session level.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub c: Vec<Connection>,
    /// Bandwidth of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Bandwidth>,
    /// Active time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub t: Option<Time>,
    /// Repetition of the active time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<Repeat>,
    /// Key of the session (obsolete since RFC 8866).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k: Option<Key>,
    /// Session attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub a: Option<Attributes>,
    /// Media descriptions.
    pub m: Vec<Media>,
}

/// `o=`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// User name, `-` for none.
    pub username: String,
    /// Session id.
    #[serde(deserialize_with = "number")]
    pub sessionid: u64,
    /// Session version.
    #[serde(deserialize_with = "number")]
    pub sessionversion: u64,
    /// `IN`.
    pub nettype: String,
    /// 4 or 6.
    pub ipver: u8,
    /// Address or host name.
    pub address: String,
}

/// `c=`
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Connection {
    /// `IN`.
    pub nettype: String,
    /// 4 or 6.
    pub ipver: u8,
    /// Address or host name, with `/ttl` where given.
    pub address: String,
}

/// `b=`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bandwidth {
    /// `AS`, `TIAS`, …
    pub bwtype: String,
    /// In the type's unit.
    #[serde(deserialize_with = "number")]
    pub bandwidth: u64,
}

/// `t=`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Time {
    /// NTP seconds, 0 = unbounded.
    #[serde(deserialize_with = "number")]
    pub start: u64,
    /// NTP seconds, 0 = unbounded.
    #[serde(deserialize_with = "number")]
    pub stop: u64,
}

/// `r=`, in seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Repeat {
    /// Between two beginnings.
    #[serde(deserialize_with = "number")]
    pub interval: u64,
    /// Of each.
    #[serde(deserialize_with = "number")]
    pub duration: u64,
    /// From the start.
    pub offsets: Vec<u64>,
}

/// `k=`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Key {
    /// `clear`, `base64`, `uri`, `prompt`.
    pub method: String,
    /// The key, or where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Attributes of the session or of one media.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// `a=sendrecv` and its kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// `a=rtpmap`, by payload type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rtpmap: BTreeMap<String, Rtpmap>,
    /// `a=fmtp`, by payload type.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fmtp: BTreeMap<String, String>,
    /// Milliseconds of audio in a packet.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_number")]
    pub ptime: Option<u64>,
    /// Most milliseconds of audio in a packet.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_number")]
    pub maxptime: Option<u64>,
    /// All other attributes: a string, an array of strings when repeated, `true` for a flag.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One `m=` section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Media {
    /// `audio`, `video`, …
    pub media: String,
    /// Port, 0 = refused.
    #[serde(deserialize_with = "number")]
    pub port: u64,
    /// Number of ports, when more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numports: Option<u64>,
    /// `RTP/AVP`, …
    pub proto: String,
    /// Formats as numbers; a format that is none stands as 0.
    pub payloads: Vec<u32>,
    /// The formats verbatim, when one of them is not a number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<String>,
    /// Media title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub i: Option<String>,
    /// Connections of this media alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub c: Vec<Connection>,
    /// Bandwidth of this media alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub b: Option<Bandwidth>,
    /// Its attributes.
    #[serde(flatten)]
    pub a: Attributes,
}

/// Which way media flows, seen from the side that wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// It only receives.
    RecvOnly,
    /// It only sends.
    SendOnly,
    /// Neither way.
    Inactive,
}

/// `a=rtpmap`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rtpmap {
    /// Encoding name.
    pub encoding: String,
    /// Clock rate in Hz.
    #[serde(deserialize_with = "number")]
    pub clock: u64,
    /// Channels, when given.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "optional_number")]
    pub channels: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(u64),
    Digits(String),
}

/// Reads an integer or a string of digits.
pub fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match Number::deserialize(deserializer)? {
        Number::Integer(value) => Ok(value),
        Number::Digits(digits) => digits.trim().parse().map_err(serde::de::Error::custom),
    }
}

fn optional_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(match Option::<Number>::deserialize(deserializer)? {
        None => None,
        Some(Number::Integer(value)) => Some(value),
        Some(Number::Digits(digits)) => Some(digits.trim().parse().map_err(serde::de::Error::custom)?),
    })
}

/// Writes `None` as `{}` and reads `{}` as `None`, as the ancestor did.
pub mod empty_is_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Value};

    use super::Sdp;

    /// Serialises.
    pub fn serialize<S: Serializer>(sdp: &Option<Sdp>, serializer: S) -> Result<S::Ok, S::Error> {
        match sdp {
            Some(sdp) => sdp.serialize(serializer),
            None => Map::<String, Value>::new().serialize(serializer),
        }
    }

    /// Deserialises.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sdp>, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(None),
            Value::Object(map) if map.is_empty() => Ok(None),
            value => serde_json::from_value(value).map(Some).map_err(serde::de::Error::custom),
        }
    }
}

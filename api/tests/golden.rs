//! The documents in `testfiles/api` are what goes over the wire: reading one and writing it loses nothing.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn round_trip<T: DeserializeOwned + Serialize>(text: &str) {
    let document: T = serde_json::from_str(text).unwrap();
    let expected: Value = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_value(&document).unwrap(), expected);
}

#[test]
fn dialog() {
    round_trip::<api::Dialog>(include_str!("../../testfiles/api/dialog.json"));
}

#[test]
fn channel() {
    round_trip::<api::channel::Opened>(include_str!("../../testfiles/api/channel.json"));
}

#[test]
fn registration() {
    round_trip::<api::registration::Registration>(include_str!("../../testfiles/api/registration.json"));
}

#[test]
fn originate() {
    round_trip::<api::dialog::Originate>(include_str!("../../testfiles/api/originate.json"));
}

#[test]
fn soup() {
    round_trip::<api::channel::Soup>(include_str!("../../testfiles/api/soup.json"));
}

//! What REST says and refuses.

use api::Code;
use api::http::Method;
use rtp_server::engine::codec::Codec::Pcmu;
use serde_json::{Value, json};

use crate::phone::Phone;
use crate::rig::Rig;

#[tokio::test]
async fn a_channel_is_opened_listed_and_closed() {
    let rig = Rig::start().await;
    let opened = rig.open(json!({ "uuid": "mine/not" .replace('/', "-") })).await;
    assert_eq!((opened.channel.uuid.as_str(), opened.channel.codec.as_str()), ("mine-not", "pcmu"));
    assert_eq!(opened.channel.port % 2, 0);
    assert_eq!((opened.channels.active, opened.channels.available), (1, 19));
    let again = rig.open(json!({ "uuid": "mine-not" })).await;
    assert_eq!((again.channel, again.channels.active), (opened.channel, 1));
    let other = rig.send(Method::POST, "/", Value::Null).await.unwrap();
    assert_eq!(rig.list("").await.list.len(), 2);
    assert!(rig.list("?full=1").await.list.contains(&json!(rig.show("mine-not").await.unwrap())));
    assert_eq!(rig.close("mine-not").await.channels.active, 1);
    assert_eq!(rig.show("mine-not").await.unwrap_err().code, Code::NotFound);
    let fresh = rig.open(json!({ "uuid": "mine-not" })).await;
    assert_eq!(fresh.channel.seq, 1);
    rig.close("mine-not").await;
    rig.close(other["uuid"].as_str().unwrap()).await;
    rig.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let rig = Rig::start().await;
    rig.open(json!({ "uuid": "a" })).await;
    let before = rig.show("a").await.unwrap();
    for (path, body, status, said) in [
        ("a", json!({ "port": 5000 }), 400, "ip"),
        ("a", json!({ "ip": "phone.example", "port": 5000 }), 400, "ip"),
        ("a", json!({ "ip": "127.0.0.1", "port": 70000 }), 400, "port"),
        ("a", json!({ "ip": "127.0.0.1", "port": 0 }), 400, "port"),
        ("a", json!({ "ip": "127.0.0.1", "port": 5000, "audio": { "payloads": [101] } }), 400, "audio.payloads"),
        ("a/echo", json!({}), 400, "on"),
        ("a/play", json!({ "files": [] }), 400, "files"),
        ("a/play", json!({}), 400, "files"),
        ("a/play", json!({ "files": [{ "wav": "not-there.wav" }] }), 400, "not-there.wav"),
        ("a/mix/a", Value::Null, 409, "itself"),
        ("a/mix/b", Value::Null, 404, "b"),
        ("b/unmix", Value::Null, 404, "b"),
        ("a/record", json!({ "file": "x.wav" }), 404, "record"),
        ("a/dance", Value::Null, 404, "dance"),
    ] {
        let problem = rig.put(path, body).await.unwrap_err();
        assert_eq!(problem.status, status, "{path}: {problem}");
        assert!(problem.detail.contains(said), "{path}: {problem}");
    }
    assert_eq!(rig.show("a").await.unwrap(), before);
    for (method, path, status) in [(Method::PATCH, "/channel", 405), (Method::GET, "/channel/a/play", 405)] {
        assert_eq!(rig.send(method, path, Value::Null).await.unwrap_err().status, status);
    }
    for body in [json!({ "uuid": "" }), json!({ "control": "ftp://x" }), json!({ "remote": { "ip": "x", "port": 1 } })]
    {
        assert_eq!(rig.send(Method::POST, "/channel", body).await.unwrap_err().status, 400);
    }
    rig.close("a").await;
    rig.end().await;
}

#[tokio::test]
async fn out_of_ports_is_said_and_passes() {
    let rig = Rig::with(4, &[]).await;
    for uuid in ["a", "b"] {
        rig.open(json!({ "uuid": uuid })).await;
    }
    let problem = rig.send(Method::POST, "/channel", json!({ "uuid": "c" })).await.unwrap_err();
    assert_eq!((problem.status, problem.code), (503, Code::OutOfChannels));
    assert_eq!(rig.list("").await.list, ["a", "b"]);
    rig.close("a").await;
    rig.open(json!({ "uuid": "c" })).await;
    rig.close("b").await;
    rig.close("c").await;
    rig.end().await;
}

#[tokio::test]
async fn channels_of_any_workers_mix() {
    let rig = Rig::start().await;
    let mut phones = Vec::new();
    for _ in 0..8 {
        phones.push(Phone::call(&rig, Pcmu, 101, None).await);
    }
    // Each with the one that is four further: whichever workers they are on, they meet.
    let (left, right) = phones.split_at_mut(4);
    for (one, two) in left.iter_mut().zip(right) {
        one.speak(&[7; 160]).await;
        rig.put(&format!("{}/mix/{}", one.uuid, two.uuid), Value::Null).await.unwrap();
        two.speak(&[9; 160]).await;
        assert_eq!(one.hear().await.payload, [9; 160]);
        one.speak(&[8; 160]).await;
        assert_eq!(two.hear().await.payload, [8; 160]);
    }
    for phone in &phones {
        rig.close(&phone.uuid).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn what_is_always_there() {
    let rig = Rig::start().await;
    let document = rig.send(Method::GET, "/openapi.json", Value::Null).await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/channel", "/channel/{uuid}", "/channel/{uuid}/play", "/channel/{uuid}/mix/{other}"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    rig.end().await;
}

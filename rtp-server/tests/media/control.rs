//! What control is told.

use api::channel::Event;
use rtp_server::engine::codec::Codec::{Pcma, Pcmu};
use rtp_server::engine::codec::g711::encode_alaw;
use rtp_server::engine::wav;
use serde_json::{Value, json};

use crate::phone::{Phone, assert_contiguous};
use crate::rig::{Control, Rig};

#[tokio::test]
async fn control_hears_of_every_change() {
    let rig = Rig::start().await;
    let mut control = Control::start().await;
    let mut one = Phone::call(&rig, Pcmu, 101, Some(&control.url)).await;
    let two = Phone::call(&rig, Pcmu, 101, None).await;
    one.send(101, 500, &[4, 10, 0, 160]).await;
    assert_eq!(control.hear(|document| document.event == Event::Dtmf).await.digits, "4");
    rig.put(&format!("{}/mix/{}", two.uuid, one.uuid), Value::Null).await.unwrap();
    assert_eq!(control.hear(|document| document.event == Event::Mix).await.mix, std::slice::from_ref(&two.uuid));
    rig.close(&two.uuid).await;
    let unmixed = control.hear(|document| document.event == Event::Unmix).await;
    assert_eq!(unmixed.mix, [""; 0]);
    rig.close(&one.uuid).await;
    let closed = control.hear(|document| document.event == Event::Close).await;
    assert!(closed.seq > unmixed.seq && closed.reason.as_deref() == Some("requested"));
    rig.end().await;
}

#[tokio::test]
async fn a_soup_is_played_exactly_and_its_end_told() {
    let folder = std::env::temp_dir().join(format!("rtp-server-sounds-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, value) in [("a.wav", 1000), ("b.wav", -3000)] {
        std::fs::write(folder.join(name), wav::write(&[value; 480], 8000)).unwrap();
    }
    let rig = Rig::with(40, &["--sounds", folder.to_str().unwrap()]).await;
    let mut control = Control::start().await;
    let phone = Phone::call(&rig, Pcma, 101, Some(&control.url)).await;
    let soup = json!({ "files": [{ "wav": "a.wav", "loop": 1 }, { "wav": "b.wav" }], "loop": 1 });
    let playing = rig.put(&format!("{}/play", phone.uuid), soup).await.unwrap();
    assert_eq!(playing.play.unwrap().state, "playing");
    let mut codes = Vec::new();
    encode_alaw(&[1000, -3000], &mut codes);
    let mut heard = Vec::new();
    for _ in 0..2 {
        for expected in [codes[0]; 6].into_iter().chain([codes[1]; 3]) {
            heard.push(phone.hear().await);
            assert_eq!(heard.last().unwrap().payload, [expected; 160]);
        }
    }
    assert_contiguous(&heard);
    let ended = control.hear(|document| document.play.as_ref().is_some_and(|play| play.state == "finished")).await;
    assert_eq!(ended.event, Event::Play);
    let endless = json!({ "files": [{ "wav": "a.wav" }], "loop": true });
    rig.put(&format!("{}/play", phone.uuid), endless).await.unwrap();
    for _ in 0..5 {
        phone.hear().await;
    }
    let stopped = rig.put(&format!("{}/stop", phone.uuid), Value::Null).await.unwrap().play.unwrap();
    assert_eq!((stopped.state.as_str(), stopped.count), ("stopped", 2));
    rig.close(&phone.uuid).await;
    rig.end().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_silent_channel_that_nobody_owns_is_closed() {
    let rig = Rig::with(40, &["--idle-timeout", "1"]).await;
    let mut control = Control::start().await;
    let owned = rig.open(json!({ "control": control.url })).await.channel;
    rig.open(json!({ "uuid": "nobody's" })).await;
    // Told twice: in between, the other one was looked at as well.
    for _ in 0..2 {
        control.hear(|document| document.event == Event::Timeout).await;
    }
    assert_eq!(rig.list("").await.list, [owned.uuid.as_str()]);
    rig.close(&owned.uuid).await;
    rig.end().await;
}

#[tokio::test]
async fn the_end_of_the_server_closes_and_tells() {
    let rig = Rig::start().await;
    let mut control = Control::start().await;
    let phone = Phone::call(&rig, Pcmu, 101, Some(&control.url)).await;
    rig.stop().await;
    assert_eq!(control.hear(|document| document.event == Event::Close).await.uuid, phone.uuid);
}

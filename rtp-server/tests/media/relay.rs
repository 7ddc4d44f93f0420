//! What peers hear.

use rtp_server::engine::codec::Codec::{self, G722, Pcma, Pcmu};
use serde_json::{Value, json};

use crate::phone::{Heard, Phone, assert_contiguous, share_at};
use crate::rig::Rig;

async fn pair(rig: &Rig, a: Codec, b: Codec) -> (Phone, Phone) {
    let one = Phone::call(rig, a, 101, None).await;
    let two = Phone::call(rig, b, 96, None).await;
    let mixed = rig.put(&format!("{}/mix/{}", one.uuid, two.uuid), Value::Null).await.unwrap();
    assert_eq!(mixed.mix, std::slice::from_ref(&two.uuid));
    (one, two)
}

async fn part(rig: Rig, phones: &[&Phone]) {
    for phone in phones {
        rig.close(&phone.uuid).await;
    }
    rig.end().await;
}

/// Lets `from` hum; what `to` hears.
async fn listen(from: &mut Phone, to: &mut Phone, packets: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    for _ in 0..packets {
        from.hum(400.0).await;
        heard.push(to.hear().await);
    }
    heard
}

#[tokio::test]
async fn echo_gives_back_fifty_of_fifty() {
    let rig = Rig::start().await;
    let mut phone = Phone::call(&rig, Pcmu, 101, None).await;
    let on = rig.put(&format!("{}/echo", phone.uuid), json!({ "on": true })).await.unwrap();
    assert!(on.echo);
    let mut heard = Vec::new();
    for n in 0..50 {
        phone.speak(&[n; 160]).await;
        heard.push(phone.hear().await);
    }
    assert_contiguous(&heard);
    assert!(heard.iter().enumerate().all(|(n, heard)| heard.payload == [n as u8; 160]));
    phone.speak(&[1; 1200]).await;
    assert_eq!(phone.hear().await.payload.len(), 1200);
    let closed = rig.close(&phone.uuid).await;
    assert_eq!((closed.channel.stats.inbound.packets, closed.channel.stats.outbound.packets), (51, 51));
    assert_eq!((closed.channel.stats.inbound.dropped, closed.channels.active), (0, 0));
    rig.end().await;
}

#[tokio::test]
async fn every_pair_of_codecs_hears_the_tone() {
    let rig = Rig::start().await;
    for (a, b) in [(Pcmu, Pcmu), (Pcmu, Pcma), (Pcmu, G722), (G722, Pcma), (G722, G722)] {
        let (mut one, mut two) = pair(&rig, a, b).await;
        let there = listen(&mut one, &mut two, 60).await;
        let back = listen(&mut two, &mut one, 60).await;
        for (heard, ear) in [(there, &mut two), (back, &mut one)] {
            assert_contiguous(&heard);
            let samples = ear.decode(&heard);
            let settled = &samples[samples.len() / 5..];
            let share = |frequency| share_at(frequency, ear.codec.rate(), settled);
            assert!(share(400.0) > 0.95, "{a:?} {b:?}: {}", share(400.0));
            assert!(share(300.0) < 0.01 && share(500.0) < 0.01, "{a:?} {b:?}");
        }
        rig.close(&one.uuid).await;
        rig.close(&two.uuid).await;
    }
    rig.end().await;
}

#[tokio::test]
async fn strangers_and_junk_change_nothing() {
    let rig = Rig::start().await;
    let (mut one, mut two) = pair(&rig, Pcmu, Pcmu).await;
    listen(&mut one, &mut two, 3).await;
    let mut stranger = Phone::connect(&rig, Pcmu, Value::Null).await;
    let own = stranger.uuid.clone();
    stranger.aim_at(&one);
    stranger.speak(&[1; 160]).await;
    let mut seed = 1u32;
    for length in 0..400 {
        let junk: Vec<u8> = (0..length % 90)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        stranger.send_raw(&junk).await;
        if length % 20 == 0 {
            one.send_raw(&junk[..junk.len().min(11)]).await;
            // So that no more waits at the socket than the kernel keeps.
            listen(&mut one, &mut two, 1).await;
        }
    }
    one.send_raw(&[0x8f, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]).await;
    let heard = listen(&mut one, &mut two, 20).await;
    assert_contiguous(&heard);
    let samples = two.decode(&heard);
    assert!(share_at(400.0, 8000, &samples) > 0.9, "nothing of the stranger's is heard");
    let stats = rig.show(&one.uuid).await.unwrap().stats;
    assert_eq!(stats.inbound.packets, 43);
    assert!(stats.inbound.dropped >= 400, "{stats:?}");
    rig.close(&own).await;
    part(rig, &[&one, &two]).await;
}

#[tokio::test]
async fn the_peer_is_where_it_speaks_from() {
    let rig = Rig::start().await;
    let mut phone = Phone::connect(&rig, Pcma, Value::Null).await;
    let unreachable = json!({ "ip": "192.0.2.1", "port": 4000, "audio": { "payloads": [8] } });
    rig.put(&phone.uuid, unreachable).await.unwrap();
    rig.put(&format!("{}/echo", phone.uuid), json!({ "on": true })).await.unwrap();
    for _ in 0..10 {
        phone.speak(&[0xd5; 160]).await;
        phone.hear().await;
    }
    phone.codec = Pcmu;
    phone.speak(&[0xff; 160]).await;
    let answer = phone.hear().await;
    assert_eq!((answer.payload_type, answer.payload[0]), (8, 0xd5), "heard as what it is, answered as negotiated");
    part(rig, &[&phone]).await;
}

#[tokio::test]
async fn mixed_unmixed_and_mixed_again() {
    let rig = Rig::start().await;
    let (mut one, mut two) = pair(&rig, Pcmu, Pcma).await;
    let before = listen(&mut one, &mut two, 5).await;
    rig.put(&format!("{}/unmix", two.uuid), Value::Null).await.unwrap();
    one.hum(400.0).await;
    assert_eq!(rig.show(&one.uuid).await.unwrap().mix, [""; 0]);
    (one.sequence, one.ssrc) = (3, 12_345);
    rig.put(&format!("{}/mix/{}", two.uuid, one.uuid), Value::Null).await.unwrap();
    let after = listen(&mut one, &mut two, 5).await;
    assert_eq!(after[0].sequence, before[4].sequence.wrapping_add(1));
    rig.close(&one.uuid).await;
    assert!(two.heard_nothing());
    part(rig, &[&two]).await;
}

#[tokio::test]
async fn digits_reach_the_document_and_the_peer() {
    let rig = Rig::start().await;
    let (mut one, mut two) = pair(&rig, Pcmu, Pcma).await;
    listen(&mut one, &mut two, 2).await;
    for (digit, timestamp) in [(9, 10_000), (1, 14_000), (11, 18_000)] {
        for (duration, end) in [(160, 0), (320, 0), (480, 0), (640, 0x80), (640, 0x80), (640, 0x80)] {
            let [high, low] = u16::to_be_bytes(duration);
            one.send(one.event, timestamp, &[digit, end | 10, high, low]).await;
            let heard = two.hear().await;
            assert_eq!((heard.payload_type, heard.payload), (96, vec![digit, end | 10, high, low]));
        }
    }
    assert_eq!(rig.show(&one.uuid).await.unwrap().digits, "91#");
    part(rig, &[&one, &two]).await;
}

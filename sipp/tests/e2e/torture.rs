//! Whatever arrives, by SIP or by REST, the servers live on.
//!
//! The first inputs each killed the ancestor with a single packet or request. What the answer to each should be is
//! tested in the crates that give it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use hyper::Method;
use serde_json::{Value, json};
use sipp::wire::Wire;
use sipp::{Options, World};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::in_world_with;

/// Everything else of a request: `{line}` and headers to leave out.
fn request(method: &str, without: &str, body: &str) -> Vec<u8> {
    let call_id = format!("{method}-{without}-{}", body.len());
    let headers = [
        ("Via", "SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKtorture".to_owned() + &call_id),
        ("Max-Forwards", "70".to_owned()),
        ("From", "<sip:1000@demo>;tag=1".to_owned()),
        ("To", "<sip:5555@demo>".to_owned()),
        ("Call-ID", call_id),
        ("CSeq", format!("1 {method}")),
        ("Contact", "<sip:1000@127.0.0.1:9>".to_owned()),
        ("Expires", "0".to_owned()),
        ("Content-Type", "application/sdp".to_owned()),
        ("Content-Length", body.len().to_string()),
    ];
    let kept = headers.iter().filter(|(name, _)| *name != without);
    let lines: String = kept.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} sip:5555@demo SIP/2.0\r\n{lines}\r\n{body}").into_bytes()
}

fn crashers() -> Vec<Vec<u8>> {
    let methods = ["INVITE", "REGISTER", "REFER", "CANCEL", "SUBSCRIBE", "BYE", "ACK", "NOTIFY", "OPTIONS", "BREW"];
    let headers = ["Max-Forwards", "Via", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Length", ""];
    let mut all: Vec<Vec<u8>> = Vec::new();
    for method in methods {
        all.extend(headers.iter().map(|without| request(method, without, "")));
    }
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
    for line in
        ["a=rtpmap", "a=rtpmap 0", "a=rtpmap:", "a=rtpmap:0", "a=rtpmap:x y/z", "a=", "a=fmtp:", "m=audio", "c="]
    {
        all.push(request("INVITE", "", &format!("{sdp}{line}\r\n")));
    }
    all.extend([b"".to_vec(), b"\r\n\r\n".to_vec(), b"\0".to_vec(), vec![0xff; 1_400], vec![b'A'; 60_000]]);
    all.push(b"INVITE sip:x SIP/2.0\r\n".to_vec());
    all.push(b"SIP/2.0 200 OK\r\n\r\n".to_vec());
    all.push(b"SIP/2.0 999999999999 x\r\nVia: \r\nCSeq: 99999999999999999999 INVITE\r\n\r\n".to_vec());
    all.push([b"OPTIONS sip:x@demo SIP/2.0\r\n".to_vec(), b"Via: a\r\n".repeat(5_000)].concat());
    all
}

/// The messages of `testfiles/torture`.
fn torture() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testfiles/torture");
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    files.filter_map(|file| std::fs::read(file.ok()?.path()).ok()).collect()
}

/// Trusted, so that requests come as far as they can, and a call for each of them ends by itself.
fn trusting() -> Options {
    Options { sip: ["--trust", "127.0.0.1/32"].map(str::to_owned).to_vec(), ..Options::default() }
}

#[tokio::test]
async fn no_datagram_stops_the_sip_server() {
    in_world_with(trusting(), async |world| {
        let mut wire = Wire::to(world.sip_address()).await?;
        for input in crashers().into_iter().chain(torture()) {
            wire.send(&input).await?;
            wire.options().await.with_context(|| format!("after {:?}", String::from_utf8_lossy(&input)))?;
        }
        // Refusals that nobody acknowledges last as long as Timer H.
        world.assert_idle_within(Duration::from_secs(45)).await
    })
    .await;
}

#[tokio::test]
async fn no_stream_stops_the_sip_server() {
    in_world_with(trusting(), async |world| {
        let mut wire = Wire::to(world.sip_address()).await?;
        for input in crashers().into_iter().chain(torture()) {
            let mut stream = TcpStream::connect(world.sip_address()).await?;
            // The server may close a stream that makes no sense before all of it is written.
            let _ = stream.write_all(&input).await;
            drop(stream);
            wire.options().await.with_context(|| format!("after {:?}", String::from_utf8_lossy(&input)))?;
        }
        world.assert_idle_within(Duration::from_secs(45)).await
    })
    .await;
}

#[tokio::test]
async fn no_datagram_stops_the_rtp_server() {
    in_world_with(Options::default(), async |world| {
        let channels = format!("{}/channel", world.rtp.url());
        let channel = world.send(Method::POST, &channels, &json!({"uuid": "target"})).await?;
        let port = channel["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")?;
        let remote = json!({"ip": "127.0.0.1", "port": 9, "audio": {"payloads": [0, 8, 9, 101], "dtmf": 101}});
        world.send(Method::PUT, &format!("{channels}/target"), &remote).await?;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await?;
        for length in (0..200).chain([1_400, 9_000, 60_000]) {
            for first in [0x00, 0x80, 0x8f, 0x90, 0xa0, 0xb0, 0xbf, 0xff] {
                for second in [0, 8, 9, 101, 13, 127, 0x80, 200, 201, 0xff] {
                    let mut packet = vec![0xff; length];
                    packet.iter_mut().zip([first, second]).for_each(|(byte, value)| *byte = value);
                    // RTP, and RTCP beside it.
                    socket.send_to(&packet, ("127.0.0.1", port)).await?;
                    socket.send_to(&packet, ("127.0.0.1", port + 1)).await.ok();
                }
            }
        }
        let closed = world.send(Method::DELETE, &format!("{channels}/target"), &Value::Null).await?;
        ensure!(closed["uuid"] == "target", "{closed}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn no_request_stops_a_rest_interface() {
    in_world_with(Options::default(), async |world| {
        let bodies =
            [Value::Null, json!([]), json!(1), json!({"callid": 1}), json!({"users": 1}), json!({"files": {}})];
        for base in [world.sip.url(), world.rtp.url(), world.control.url()] {
            for path in PATHS {
                for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
                    for body in &bodies {
                        refuse_or_accept(world, &method, &format!("{base}{path}"), body).await?;
                    }
                }
            }
            world.fetch(&format!("{base}/health")).await?;
        }
        // An empty `POST /channel` is a good one.
        let list = world.fetch(&format!("{}/channel", world.rtp.url())).await?;
        for uuid in list["list"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            world.send(Method::DELETE, &format!("{}/channel/{uuid}", world.rtp.url()), &Value::Null).await?;
        }
        Ok(())
    })
    .await;
}

const PATHS: [&str; 18] = [
    "/",
    "/dir",
    "/dir/",
    "/dir/a.com",
    "/dir/a.com/b",
    "/reg",
    "/reg/demo/1000",
    "/dialog",
    "/dialog/invite",
    "/dialog/hangup",
    "/dialog/nothing",
    "/channel",
    "/channel/nobody",
    "/channel/nobody/play",
    "/channel/nobody/mix/nobody",
    "/invite",
    "/calls/nobody/hangup",
    "/%00/%ff/../..",
];

/// Any complete reply will do, but one that admits a defect of ours.
async fn refuse_or_accept(world: &World, method: &Method, url: &str, body: &Value) -> anyhow::Result<()> {
    match world.request(method.clone(), url, body).await {
        Ok(_) => Ok(()),
        Err(api::http::Failure::Problem(problem)) => {
            ensure!(problem.status != 500, "{method} {url} {body}: {problem}");
            Ok(())
        }
        Err(failure) => Err(failure).with_context(|| format!("{method} {url} {body}")),
    }
}

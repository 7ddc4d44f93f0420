//! The network on loopback, against plain sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const MESSAGE: &str = "OPTIONS sip:a SIP/2.0\r\nl: 0\r\n\r\n";

fn network() -> Network {
    Network::bind("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn tcp(address: SocketAddr) -> Peer {
    Peer { transport: Transport::Tcp, address }
}

fn message(peer: Peer) -> NetEvent {
    NetEvent::Message(peer, Bytes::from_static(MESSAGE.as_bytes()))
}

async fn client(network: &Network) -> (TcpStream, Peer) {
    let stream = TcpStream::connect(network.address()).await.unwrap();
    let peer = tcp(stream.local_addr().unwrap());
    (stream, peer)
}

#[tokio::test]
async fn datagrams_go_both_ways_and_keep_alives_stop_here() {
    for bind in ["127.0.0.1:0", "[::]:0"] {
        let mut network = Network::bind(bind.parse().unwrap()).unwrap();
        let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], network.address().port()));
        for datagram in ["", "\r\n", "\r\n\r\n", "\0", "\0\0\0\0", MESSAGE] {
            phone.send_to(datagram.as_bytes(), address).await.unwrap();
        }
        let peer = Peer { transport: Transport::Udp, address: phone.local_addr().unwrap() };
        assert_eq!(network.recv().await, message(peer));
        network.send(peer, Bytes::from_static(b"SIP/2.0 200 OK"));
        let mut reply = [0; 100];
        let (length, source) = phone.recv_from(&mut reply).await.unwrap();
        assert_eq!((&reply[..length], source), (&b"SIP/2.0 200 OK"[..], address));
    }
}

#[tokio::test]
async fn a_stream_is_cut_and_answered_on_the_same_connection() {
    let mut network = network();
    let (mut phone, peer) = client(&network).await;
    phone.write_all([MESSAGE, MESSAGE, &MESSAGE[..9]].concat().as_bytes()).await.unwrap();
    assert_eq!([network.recv().await, network.recv().await], [message(peer), message(peer)]);
    network.send(peer, Bytes::from_static(b"SIP/2.0 200 OK"));
    let mut reply = [0; 14];
    tokio::select! {
        read = phone.read_exact(&mut reply) => drop(read.unwrap()),
        event = network.recv() => panic!("{event:?}"),
    }
    assert_eq!(&reply, b"SIP/2.0 200 OK");
    phone.write_all(&MESSAGE.as_bytes()[9..]).await.unwrap();
    assert_eq!(network.recv().await, message(peer));
    drop(phone);
    assert_eq!(network.recv().await, NetEvent::Closed(peer));
    assert_eq!((network.links.len(), network.counts.connections.get()), (0, 0));
}

#[tokio::test]
async fn a_ping_is_answered() {
    let mut network = network();
    let (mut phone, peer) = client(&network).await;
    phone.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    tokio::select! {
        read = phone.read_exact(&mut pong) => drop(read.unwrap()),
        event = network.recv() => panic!("{event:?}"),
    }
    assert_eq!(&pong, b"\r\n");
    phone.write_all(MESSAGE.as_bytes()).await.unwrap();
    assert_eq!(network.recv().await, message(peer));
}

#[tokio::test]
async fn a_connection_is_opened_and_used_again() {
    let mut network = network();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = tcp(listener.local_addr().unwrap());
    network.send(peer, Bytes::from_static(b"one"));
    network.send(peer, Bytes::from_static(b"two"));
    let (mut phone, source) = listener.accept().await.unwrap();
    assert_eq!(source.ip(), network.address().ip());
    let mut received = [0; 6];
    phone.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"onetwo");
    phone.write_all(MESSAGE.as_bytes()).await.unwrap();
    assert_eq!(network.recv().await, message(peer));
}

#[tokio::test]
async fn a_peer_that_nobody_is_at_fails() {
    let mut network = network();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = tcp(listener.local_addr().unwrap());
    drop(listener);
    let impossible = Peer { transport: Transport::Udp, address: "127.0.0.1:0".parse().unwrap() };
    for peer in [gone, impossible] {
        network.send(peer, Bytes::from_static(MESSAGE.as_bytes()));
        assert_eq!(network.recv().await, NetEvent::SendFailed(peer));
    }
    assert!(network.links.is_empty());
}

#[tokio::test]
async fn a_datagram_that_is_too_large_fails() {
    let mut network = network();
    let peer = Peer { transport: Transport::Udp, address: "127.0.0.1:9".parse().unwrap() };
    network.send(peer, vec![b'x'; 70_000].into());
    assert_eq!(network.recv().await, NetEvent::SendFailed(peer));
}

#[tokio::test]
async fn a_queue_has_a_limit() {
    let mut network = network();
    let (_phone, peer) = client(&network).await;
    let accepted = network.listener.accept().await;
    network.adopt(accepted);
    for _ in 0..QUEUE {
        network.send(peer, Bytes::from_static(b"x"));
    }
    assert!(network.failures.is_empty());
    network.send(peer, Bytes::from_static(b"x"));
    assert_eq!(network.recv().await, NetEvent::SendFailed(peer));
}

#[tokio::test]
async fn a_message_without_its_length_can_be_refused_before_the_connection_closes() {
    let mut network = network();
    let (mut phone, peer) = client(&network).await;
    phone.write_all(b"INVITE sip:a SIP/2.0\r\n\r\nwho knows").await.unwrap();
    let head = Bytes::from_static(b"INVITE sip:a SIP/2.0\r\n\r\n");
    assert_eq!(network.recv().await, NetEvent::Message(peer, head));
    network.send(peer, Bytes::from_static(b"SIP/2.0 400 Bad Request"));
    let mut reply = [0; 23];
    phone.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"SIP/2.0 400 Bad Request");
    phone.shutdown().await.unwrap();
    assert_eq!(network.recv().await, NetEvent::Closed(peer));
}

#[tokio::test]
async fn closing_sends_what_is_queued() {
    let mut network = network();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    network.send(tcp(listener.local_addr().unwrap()), Bytes::from_static(b"BYE"));
    network.close().await;
    let (mut phone, _) = listener.accept().await.unwrap();
    let mut received = Vec::new();
    phone.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, b"BYE");
}

#[test]
fn a_port_that_is_taken_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _guard = runtime.enter();
    let network = network();
    assert_eq!(Network::bind(network.address()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}

//! The shared HTTP server and client against each other, and the server against bytes written by hand.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use api::http::{Client, Failure, Method, Reply, Request, Server};
use api::{Code, Problem};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    shutdown: CancellationToken,
    server: JoinHandle<()>,
}

async fn route(request: Request) -> Result<Reply, Problem> {
    match (&request.method, &request.segments()[..]) {
        (&Method::GET, ["echo", rest @ ..]) => Ok(Reply::json(&json!({"path": rest, "query": request.query}))),
        (&Method::PUT, ["echo", ..]) => Ok(Reply::json(&request.json::<Value>()?).with_status(201)),
        (_, ["echo", ..]) => Ok(Reply::method_not_allowed("GET, PUT")),
        (_, ["empty"]) => Ok(Reply::empty()),
        (_, ["panic"]) => panic!("as the test wants"),
        (_, ["conflict"]) => Err(Problem::conflict("the call is over")),
        (_, ["length"]) => Ok(Reply::json(&request.body.len())),
        _ => Err(Problem::not_found(request.path.join("/"))),
    }
}

#[expect(clippy::disallowed_methods, reason = "the test awaits the task")]
async fn start(token: Option<&str>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ready = Arc::new(AtomicBool::new(true));
    let shutdown = CancellationToken::new();
    let server = Server {
        token: token.map(str::to_owned),
        registry: Arc::default(),
        openapi: r#"{"openapi":"3.1.0"}"#,
        ready: ready.clone(),
    };
    let server = tokio::spawn(server.run(listener, route, shutdown.clone()));
    Running { address, ready, shutdown, server }
}

impl Running {
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        String::from_utf8(reply).unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        Client::new(None).send(method, &format!("http://{}{path}", self.address), body).await
    }

    async fn refusal(&self, method: Method, path: &str) -> Problem {
        match self.send(method, path, None).await {
            Err(Failure::Problem(problem)) => problem,
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_document_goes_there_and_back() {
    let server = start(None).await;
    let document = json!({"callid": "ü", "list": [1, 2]});
    assert_eq!(server.send(Method::PUT, "/echo", Some(&document)).await.unwrap(), document);
    let reply = server.send(Method::GET, "/echo/a%20b/?full=1", None).await.unwrap();
    assert_eq!(reply, json!({"path": ["a b"], "query": {"full": "1"}}));
    assert_eq!(server.send(Method::POST, "/empty", None).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn refusals_are_problems() {
    let server = start(None).await;
    for (method, path, code) in [
        (Method::GET, "/nowhere", Code::NotFound),
        (Method::DELETE, "/echo", Code::MethodNotAllowed),
        (Method::GET, "/conflict", Code::Conflict),
        (Method::GET, "/panic", Code::Internal),
        (Method::PUT, "/echo", Code::BadRequest),
        (Method::GET, "/echo/%ff", Code::BadRequest),
        (Method::POST, "/health", Code::MethodNotAllowed),
    ] {
        let problem = server.refusal(method, path).await;
        assert_eq!((problem.code, problem.status), (code, code.status()), "{path}");
    }
    let reply = server.raw("DELETE /echo HTTP/1.1\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 405 "), "{reply}");
    assert!(reply.contains("allow: GET, PUT\r\n") && reply.contains("application/problem+json"), "{reply}");
}

#[tokio::test]
async fn the_ancestors_dialect_is_understood() {
    let server = start(None).await;
    for request in [
        "GET http://127.0.0.1:9001/echo/a HTTP/1.1\r\n\r\n",
        "GET /echo/a/ HTTP/1.0\r\n\r\n",
        "PUT http://127.0.0.1:9001/echo HTTP/1.1\r\nContent-Length: 2\r\nContent-Type: text/json\r\n\r\n{}",
        "PUT /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    ] {
        let reply = server.raw(request).await;
        assert!(reply.starts_with("HTTP/1.1 20") || reply.starts_with("HTTP/1.0 20"), "{request}{reply}");
        assert!(reply.contains("content-length: "), "{reply}");
    }
}

#[tokio::test]
async fn two_requests_share_a_connection() {
    let server = start(None).await;
    let reply = server.raw("GET /echo/1 HTTP/1.1\r\n\r\nGET /echo/2 HTTP/1.1\r\n\r\n").await;
    assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2, "{reply}");
}

#[tokio::test]
async fn rubbish_is_answered_with_400() {
    let server = start(None).await;
    let reply = server.raw("\u{1}\u{2}\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
}

#[tokio::test]
async fn a_body_has_a_limit() {
    let server = start(None).await;
    let largest = "x".repeat((1 << 20) - 2);
    let length = server.send(Method::PUT, "/length", Some(&json!(largest))).await.unwrap();
    assert_eq!(length, json!(1 << 20));
    let over = server.send(Method::PUT, "/length", Some(&json!(largest + "x"))).await;
    assert!(matches!(over, Err(Failure::Problem(Problem { code: Code::TooLarge, .. }))), "{over:?}");
    let reply = server.raw("PUT /length HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1048577\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
}

#[tokio::test]
async fn the_token_guards_all_but_health() {
    let server = start(Some("secret")).await;
    let url = format!("http://{}/echo", server.address);
    for (token, allowed) in [(None, false), (Some("secreT"), false), (Some("secret1"), false), (Some("secret"), true)] {
        let reply: Result<Value, _> = Client::new(token.map(str::to_owned)).send(Method::GET, &url, None::<&()>).await;
        assert_eq!(reply.is_ok(), allowed, "{token:?}");
    }
    for path in ["/ready", "/metrics", "/openapi.json", "/nowhere"] {
        assert_eq!(server.refusal(Method::GET, path).await.code, Code::Unauthorized, "{path}");
    }
    assert!(server.raw("GET /x HTTP/1.1\r\n\r\n").await.contains("www-authenticate: Bearer\r\n"));
    assert!(server.send(Method::GET, "/health", None).await.is_ok());
    let lower = server.raw("GET /echo HTTP/1.1\r\nAuthorization: bearer  secret\r\n\r\n").await;
    assert!(lower.starts_with("HTTP/1.1 200 "), "{lower}");
}

#[tokio::test]
async fn readiness_and_figures_are_served() {
    let server = start(None).await;
    assert!(server.send(Method::GET, "/ready", None).await.is_ok());
    server.ready.store(false, Ordering::Relaxed);
    assert_eq!(server.refusal(Method::GET, "/ready").await.status, 503);
    assert_eq!(server.send(Method::GET, "/openapi.json", None).await.unwrap()["openapi"], "3.1.0");
    let figures = server.raw("GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(figures.contains("http_requests_total 4\n") && figures.ends_with("# EOF\n"), "{figures}");
}

#[tokio::test]
async fn shutdown_ends_idle_connections() {
    let server = start(None).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    idle.read_u8().await.unwrap();
    server.shutdown.cancel();
    server.server.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    for url in [url.as_str(), "not a url", "/relative", "https://127.0.0.1/"] {
        let reply: Result<Value, _> = Client::new(None).send(Method::GET, url, None::<&()>).await;
        assert!(matches!(reply, Err(Failure::Unreachable(_))), "{url}: {reply:?}");
    }
}

#[tokio::test]
async fn another_shape_than_expected_is_unreadable() {
    let server = start(None).await;
    let url = format!("http://{}/echo", server.address);
    let reply: Result<api::dialog::Originated, _> = Client::new(None).send(Method::GET, &url, None::<&()>).await;
    assert!(matches!(reply, Err(Failure::Unreadable(_))), "{reply:?}");
}

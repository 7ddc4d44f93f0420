//! Callbacks against a control that the test plays, one request at a time.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use api::http::{Client, Method, Reply, Request, Server};
use api::notify::{Callback, Notifier};
use api::{Code, Problem};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Each request that arrives, with how to answer it.
type Arrivals = mpsc::Receiver<(Request, oneshot::Sender<bool>)>;

struct Rig {
    notifier: Notifier,
    arrivals: Arrivals,
    undelivered: mpsc::Receiver<Callback>,
    base: String,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

async fn rig() -> Rig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (arrived, arrivals) = mpsc::channel(16);
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let server = Server { token: None, registry: Arc::default(), openapi: "", ready: Arc::default() };
    let handler = move |request| {
        let arrived = arrived.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let _ = arrived.send((request, answer)).await;
            match answered.await {
                Ok(true) => Ok(Reply::empty().with_status(204)),
                _ => Err(Problem::new(Code::Busy, "as the test wants")),
            }
        }
    };
    TaskTracker::new().spawn(server.run(listener, handler, CancellationToken::new()));
    let (sender, undelivered) = mpsc::channel(16);
    let notifier = Notifier::new(Client::new(None), sender, &tracker, shutdown.clone());
    Rig { notifier, arrivals, undelivered, base, tracker, shutdown }
}

impl Rig {
    fn post(&self, key: &str, method: Method, body: &str, patience: Duration) {
        let url = format!("{}/{key}", self.base);
        let body = Some(body.to_owned().into());
        self.notifier.post(Callback { key: key.to_owned(), method, url, body, patience });
    }

    async fn arrival(&mut self) -> (Method, String, oneshot::Sender<bool>) {
        let (request, answer) = self.arrivals.recv().await.unwrap();
        (request.method, String::from_utf8(request.body.to_vec()).unwrap(), answer)
    }

    /// The next request, answered at once.
    async fn answer(&mut self, success: bool) -> String {
        let (method, body, answer) = self.arrival().await;
        answer.send(success).unwrap();
        format!("{method} {body}")
    }

    async fn drained(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    fn figures(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        self.notifier.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_comes_while_one_is_in_flight_shrinks_to_the_newest() {
    let mut rig = rig().await;
    rig.post("a", Method::PUT, "1", LONG);
    let (_, first, answer) = rig.arrival().await;
    for later in ["2", "3", "4"] {
        rig.post("a", Method::PUT, later, LONG);
    }
    rig.post("a", Method::DELETE, "5", LONG);
    answer.send(true).unwrap();
    assert_eq!((first.as_str(), rig.answer(true).await.as_str()), ("1", "DELETE 5"));
    rig.drained().await;
    let figures = rig.figures();
    for figure in ["callbacks_sent_total 2", "callbacks_coalesced_total 3", "callbacks_pending 0"] {
        assert!(figures.contains(figure), "{figures}");
    }
}

#[tokio::test]
async fn keys_do_not_wait_for_each_other() {
    let mut rig = rig().await;
    rig.post("a", Method::PUT, "a", LONG);
    let (_, _, unanswered) = rig.arrival().await;
    rig.post("b", Method::PUT, "b", LONG);
    assert_eq!(rig.answer(true).await, "PUT b");
    unanswered.send(true).unwrap();
    rig.drained().await;
}

#[tokio::test]
async fn a_failure_is_tried_again() {
    let mut rig = rig().await;
    rig.post("a", Method::PUT, "1", LONG);
    for success in [false, false, true] {
        assert_eq!(rig.answer(success).await, "PUT 1");
    }
    rig.drained().await;
    assert!(rig.undelivered.try_recv().is_err());
}

#[tokio::test]
async fn a_newer_one_takes_the_place_of_one_that_failed() {
    let mut rig = rig().await;
    rig.post("a", Method::PUT, "1", LONG);
    let (_, _, answer) = rig.arrival().await;
    rig.post("a", Method::PUT, "2", LONG);
    answer.send(false).unwrap();
    assert_eq!(rig.answer(true).await, "PUT 2");
    rig.drained().await;
}

#[tokio::test]
async fn patience_ends() {
    let mut rig = rig().await;
    rig.post("a", Method::PUT, "1", Duration::ZERO);
    rig.answer(false).await;
    let given_up = rig.undelivered.recv().await.unwrap();
    assert_eq!((given_up.key.as_str(), given_up.body.as_deref()), ("a", Some(&b"1"[..])));
    rig.drained().await;
    rig.post("a", Method::PUT, "2", LONG);
    assert_eq!(rig.answer(true).await, "PUT 2");
}

#[tokio::test]
async fn the_last_attempt_is_made_when_patience_ends() {
    let mut rig = rig().await;
    rig.post("a", Method::PUT, "1", Duration::from_millis(20));
    rig.answer(false).await;
    rig.answer(false).await;
    assert_eq!(rig.undelivered.recv().await.unwrap().key, "a");
}

#[tokio::test]
async fn shutdown_ends_patience() {
    let mut rig = rig().await;
    rig.shutdown.cancel();
    rig.post("a", Method::DELETE, "1", LONG);
    assert_eq!(rig.answer(false).await, "DELETE 1");
    assert_eq!(rig.undelivered.recv().await.unwrap().key, "a");
    rig.drained().await;
}

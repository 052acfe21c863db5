//! The HTTP client of all notifiers and peers: one request out, one short answer back.
//!
//! It follows no redirects and keeps no cookies. Its faults name the scheme, host and port that were tried and never
//! the rest of the address, which may hold a key.

mod address;
mod proxy;
mod roots;

pub use address::{Address, AddressFault};
pub use roots::{RootsFault, check_roots};

use address::peer;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER,
};
use hyper::{Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use proxy::{Proxies, ProxyConnector};
use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A peer that does not take a connection for this long is down; the whole request has a bound of its own.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Notices are rare: a connection idle for longer is likelier dead than useful.
const IDLE_FOR: Duration = Duration::from_secs(20);
/// Time limit of a request that names none; a healthy peer answers in a second.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer's body that are kept: enough for the reason of a refusal.
pub const BODY_KEPT: usize = 2048;
/// Helps against a self-signed certificate as `openssl req -x509` makes it.
const CA_AS_SERVER: &str = " (its certificate is that of a certificate authority, CA:TRUE, which no server may use: make one with \
     -addext basicConstraints=critical,CA:FALSE and name it in SSL_CERT_FILE)";
/// The header by which Sentry says which categories are to wait.
const RATE_LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");

/// The peer's answer, whatever the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// `Retry-After`. Where it is a date: how long after the answer's own `Date`, so that no clock of ours is in it.
    pub retry_after: Option<Duration>,
    /// `Location` of a redirect.
    pub location: Option<String>,
    /// `X-Sentry-Rate-Limits` as sent.
    pub rate_limits: Option<String>,
    /// The first [`BODY_KEPT`] bytes of the body, or as many as were asked for.
    pub body: Bytes,
}

/// A request without an answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestFault {
    /// Not answered in time.
    #[error("no answer from {peer} within {within:?}")]
    Timeout {
        /// Scheme, host and port.
        peer: String,
        /// The bound that was given.
        within: Duration,
    },
    /// No connection: no such host, refused, or no trust in its certificate.
    #[error("no connection to {peer}{hint}")]
    Connect {
        /// Scheme, host and port.
        peer: String,
        /// A remedy, where one is known; else empty.
        hint: &'static str,
        /// The connector's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke before the answer was whole.
    #[error("the connection to {peer} broke")]
    Exchange {
        /// Scheme, host and port.
        peer: String,
        /// The client's error.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Sends a request and waits for its answer: [`HttpClient::into_send`] in the program, a script in tests.
pub type HttpSend = Arc<
    dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Result<Answer, RequestFault>> + Send + Sync,
>;

/// Another way than HTTP to deliver a request, as an extension of it: its client is asked in place of ours, within the same
/// time limit. The status of the answer is the reply's code.
#[derive(Clone)]
pub struct Carrier(
    pub Arc<dyn Fn() -> BoxFuture<'static, Result<Answer, RequestFault>> + Send + Sync>,
);

/// The time limit of a request, as an extension of it; [`ATTEMPT_TIMEOUT`] where it has none.
#[derive(Clone, Copy, Debug)]
pub struct ResponseTimeout(pub Duration);

type Connector = HttpsConnector<ProxyConnector>;

/// The client. Clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    client: Arc<Client<Connector, Full<Bytes>>>,
    proxies: Proxies,
    /// Bytes of an answer's body that are kept.
    kept: usize,
}

impl HttpClient {
    /// A client that trusts the certificate authorities of the system, or where it has none (an image of nothing but
    /// the program) the web's, which are built in. It supports http as well, for a server on the same network.
    pub fn new() -> Self {
        static PROXIES: OnceLock<Proxies> = OnceLock::new();
        // Hundreds of certificates are read once.
        static CONNECTOR: OnceLock<Connector> = OnceLock::new();
        let proxies = PROXIES.get_or_init(Proxies::from_env);
        let connector = CONNECTOR.get_or_init(|| connector(proxies.clone()));
        HttpClient::with(connector.clone(), proxies.clone())
    }

    /// A client that goes through these proxies.
    #[cfg(test)]
    fn through(proxies: Proxies) -> Self {
        HttpClient::with(connector(proxies.clone()), proxies)
    }

    fn with(connector: Connector, proxies: Proxies) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(1)
            .build(connector);
        HttpClient {
            client: Arc::new(client),
            proxies,
            kept: BODY_KEPT,
        }
    }

    /// As [`Self::new`], for peers whose answers are to be read: keeps that many bytes of them.
    pub fn keeping(kept: usize) -> Self {
        HttpClient {
            kept,
            ..HttpClient::new()
        }
    }

    /// Sends one request and waits for its answer, connection, handshake and body included, for at most
    /// `within`.
    ///
    /// # Errors
    /// [`RequestFault`] where no whole answer came. Any status is an answer.
    pub async fn post(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Answer, RequestFault> {
        let peer = peer(request.uri());
        match tokio::time::timeout(within, self.exchange(request, &peer)).await {
            Ok(done) => done,
            Err(_) => Err(RequestFault::Timeout { peer, within }),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        peer: &str,
    ) -> Result<Answer, RequestFault> {
        let response = self.send(request, peer).await?;
        read(response, self.kept)
            .await
            .map_err(|fault| RequestFault::Exchange {
                peer: peer.to_owned(),
                source: fault.into(),
            })
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        peer: &str,
    ) -> Result<Response<Incoming>, RequestFault> {
        let peer = peer.to_owned();
        if let Some(authorization) = self.proxies.authorization(request.uri()) {
            let headers = request.headers_mut();
            headers.insert(PROXY_AUTHORIZATION, authorization);
        }
        self.client.request(request).await.map_err(|fault| {
            if fault.is_connect() {
                RequestFault::Connect {
                    peer,
                    hint: hint(&fault),
                    source: fault.into(),
                }
            } else {
                RequestFault::Exchange {
                    peer,
                    source: fault.into(),
                }
            }
        })
    }

    /// Sends requests within the [`ResponseTimeout`] of each.
    pub fn into_send(self) -> HttpSend {
        Arc::new(move |request| {
            let client = self.clone();
            let timeout = request.extensions().get::<ResponseTimeout>();
            let timeout = timeout.map_or(ATTEMPT_TIMEOUT, |timeout| timeout.0);
            let carrier = request.extensions().get::<Carrier>().cloned();
            async move {
                match carrier {
                    Some(carrier) => carried(carrier, timeout).await,
                    None => client.post(request, timeout).await,
                }
            }
            .boxed()
        })
    }

    /// Sends one request and waits for the head of its answer, for at most `within`: the body goes on.
    ///
    /// # Errors
    /// [`RequestFault`] where no answer came. Any status is an answer.
    pub async fn open(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Response<Incoming>, RequestFault> {
        let peer = peer(request.uri());
        match tokio::time::timeout(within, self.send(request, &peer)).await {
            Ok(answered) => answered,
            Err(_) => Err(RequestFault::Timeout { peer, within }),
        }
    }
}

/// The answer of another client than ours.
async fn carried(carrier: Carrier, within: Duration) -> Result<Answer, RequestFault> {
    let answer = tokio::time::timeout(within, (carrier.0)()).await;
    answer.unwrap_or_else(|_| {
        let peer = "the mail server".to_owned();
        Err(RequestFault::Timeout { peer, within })
    })
}

/// The remedy for a connector's error; empty where none is known.
fn hint(fault: &dyn Error) -> &'static str {
    let mut next = Some(fault);
    while let Some(one) = next {
        let said = format!("{one:?}");
        if said.contains("CaUsedAsEndEntity") {
            return CA_AS_SERVER;
        }
        next = one.source();
    }
    ""
}

fn connector(proxies: Proxies) -> Connector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_WITHIN));
    let roots = HttpsConnectorBuilder::new().with_native_roots();
    let roots = roots.unwrap_or_else(|why| {
        // Where a variable names others, the start has refused.
        tracing::debug!("{why}: the built-in certificate authorities are trusted");
        HttpsConnectorBuilder::new().with_webpki_roots()
    });
    roots
        .https_or_http()
        .enable_http1()
        .wrap_connector(ProxyConnector::new(http, proxies))
}

impl Default for HttpClient {
    fn default() -> Self {
        HttpClient::new()
    }
}

async fn read(response: Response<Incoming>, most: usize) -> Result<Answer, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let mut kept = Vec::new();
    while kept.len() < most {
        let Some(frame) = body.frame().await else {
            break;
        };
        if let Ok(data) = frame?.into_data() {
            kept.extend_from_slice(&data[..data.len().min(most - kept.len())]);
        }
    }
    Ok(Answer {
        status: head.status,
        retry_after: retry_after(&head.headers),
        location: head
            .status
            .is_redirection()
            .then(|| header(&head.headers, &LOCATION).map(str::to_owned))
            .flatten(),
        rate_limits: header(&head.headers, &RATE_LIMITS).map(str::to_owned),
        body: kept.into(),
    })
}

fn header<'a>(headers: &'a HeaderMap<HeaderValue>, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

/// Seconds, of which some send fractions, or a date.
fn retry_after(headers: &HeaderMap<HeaderValue>) -> Option<Duration> {
    let text = header(headers, &RETRY_AFTER)?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = |text: &str| httpdate::parse_http_date(text).ok();
    let (until, sent) = (date(text)?, date(header(headers, &DATE)?)?);
    Some(until.duration_since(sent).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_secs(5);

    /// A peer that answers its first request with these bytes and hands back what it read.
    async fn peer_saying(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut seen = vec![0; 4096];
            let length = socket.read(&mut seen).await.expect("a request");
            seen.truncate(length);
            socket.write_all(answer).await.expect("written");
            if answer.is_empty() {
                // Holds the connection open and says nothing, until the client leaves.
                let _ = socket.read(&mut [0; 16]).await;
            }
            seen
        });
        (port, task)
    }

    fn request(port: u16) -> Request<Full<Bytes>> {
        Request::post(format!("http://user:secret@127.0.0.1:{port}/x?key=secret"))
            .body(Full::from("hello"))
            .expect("a request")
    }

    #[tokio::test]
    async fn an_answer_is_read_whole_with_what_it_says_of_waiting() {
        let (port, task) = peer_saying(
            b"HTTP/1.1 429 Too Many\r\nretry-after: 7\r\nx-sentry-rate-limits: 60:error:key\r\n\
              content-length: 4\r\n\r\nslow",
        )
        .await;
        let answer = HttpClient::new()
            .post(request(port), SOON)
            .await
            .expect("an answer");
        assert_eq!(answer.status, 429);
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(answer.rate_limits.as_deref(), Some("60:error:key"));
        assert_eq!(&answer.body[..], b"slow");
        let seen = task.await.expect("the peer");
        assert!(
            seen.starts_with(b"POST /x?key=secret HTTP/1.1"),
            "{:?}",
            String::from_utf8_lossy(&seen)
        );
    }

    #[test]
    fn a_wait_is_seconds_or_a_date() {
        let wait = |retry: &'static str, date: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(retry));
            date.map(|date| headers.insert(DATE, HeaderValue::from_static(date)));
            super::retry_after(&headers).map(|wait| wait.as_millis())
        };
        let now = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(wait("120", now), Some(120_000));
        assert_eq!(wait(" 0.65 ", None), Some(650));
        assert_eq!(wait("Wed, 21 Oct 2015 07:30:00 GMT", now), Some(120_000));
        assert_eq!(wait("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(0), "over");
        assert_eq!(wait("Wed, 21 Oct 2015 07:30:00 GMT", None), None);
        for broken in ["", "-1", "soon", "NaN", "inf", "1e400"] {
            assert_eq!(wait(broken, now), None, "{broken}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (port, _task) = peer_saying(
            b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
        let answer = HttpClient::new()
            .post(request(port), SOON)
            .await
            .expect("an answer");
        assert_eq!(answer.status, 302);
        assert_eq!(answer.retry_after, None);
    }

    #[tokio::test]
    async fn an_endless_body_is_cut() {
        static LONG: [u8; 9000] = [b'x'; 9000];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 500 Oops\r\n\r\n").await;
            while socket.write_all(&LONG).await.is_ok() {}
        });
        let answer = HttpClient::new()
            .post(request(port), SOON)
            .await
            .expect("an answer");
        assert_eq!(answer.body.len(), BODY_KEPT);
    }

    #[tokio::test]
    async fn faults_show_the_peer_and_no_secret() {
        let (port, _task) = peer_saying(b"").await;
        let slow = HttpClient::new()
            .post(request(port), Duration::from_millis(50))
            .await
            .expect_err("no answer");
        let (broken_port, _task) =
            peer_saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        let broken = HttpClient::new()
            .post(request(broken_port), SOON)
            .await
            .expect_err("half an answer");
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let closed_port = closed.local_addr().expect("bound").port();
        drop(closed);
        let refused = HttpClient::new()
            .post(request(closed_port), SOON)
            .await
            .expect_err("nobody there");
        assert!(matches!(slow, RequestFault::Timeout { .. }), "{slow:?}");
        assert!(
            matches!(broken, RequestFault::Exchange { .. }),
            "{broken:?}"
        );
        assert!(
            matches!(refused, RequestFault::Connect { .. }),
            "{refused:?}"
        );
        for fault in [slow, broken, refused] {
            let said = format!("{fault} {fault:?} {:?}", fault.source());
            assert!(
                said.contains("127.0.0.1:") && !said.contains("secret"),
                "{said}"
            );
        }
    }
}

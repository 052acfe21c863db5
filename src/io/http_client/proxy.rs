//! Connections through the proxy that the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, but for `NO_PROXY`.
//!
//! An address of https is reached by a tunnel (CONNECT), one of http by a request to the proxy. This machine is always
//! reached directly.

use super::address::peer;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tower_service::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// The only scheme of a proxy that is spoken.
const SPOKEN: &str = "http";

/// Connects directly, or through the proxy of the address.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    direct: HttpConnector,
    proxies: Proxies,
}

/// The proxies of the environment.
#[derive(Clone)]
pub(super) struct Proxies(Arc<Matcher>);

impl Proxies {
    /// Those of the environment; says which they are.
    pub fn from_env() -> Self {
        let proxies = Proxies(Arc::new(Matcher::from_env()));
        for url in ["https://example.com", "http://example.com"] {
            let to = Uri::from_static(url);
            let Some(proxy) = proxies.0.intercept(&to) else {
                continue;
            };
            let (scheme, proxy) = (to.scheme_str(), proxy.uri());
            if is_spoken(proxy) {
                tracing::info!(scheme, proxy = peer(proxy), "requests go through a proxy");
            } else {
                tracing::warn!(
                    scheme,
                    proxy = peer(proxy),
                    "only http:// proxies are supported: requests go directly"
                );
            }
        }
        proxies
    }

    /// The proxy of an address; `None`: it is reached directly.
    fn of(&self, to: &Uri) -> Option<Intercept> {
        let host = to.host()?.trim_matches(['[', ']']);
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        let proxy = self.0.intercept(to).filter(|_| !is_here)?;
        is_spoken(proxy.uri()).then_some(proxy)
    }

    /// The credentials that a request to the proxy itself carries.
    pub fn authorization(&self, to: &Uri) -> Option<HeaderValue> {
        let proxy = self.of(to).filter(|_| !is_https(to))?;
        proxy.basic_auth().cloned()
    }
}

impl ProxyConnector {
    pub fn new(direct: HttpConnector, proxies: Proxies) -> Self {
        ProxyConnector { direct, proxies }
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn is_spoken(proxy: &Uri) -> bool {
    proxy.scheme_str().is_none_or(|scheme| scheme == SPOKEN)
}

impl Service<Uri> for ProxyConnector {
    type Response = Link;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Link, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let mut direct = self.direct.clone();
        let proxy = self.proxies.of(&to);
        async move {
            let (io, is_proxy) = match proxy {
                None => (direct.call(to).await?, false),
                Some(proxy) if is_https(&to) => {
                    let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
                    if let Some(authorization) = proxy.basic_auth() {
                        tunnel = tunnel.with_auth(authorization.clone());
                    }
                    (tunnel.call(to).await?, false)
                }
                Some(proxy) => (direct.call(proxy.uri().clone()).await?, true),
            };
            Ok(Link { io, is_proxy })
        }
        .boxed()
    }
}

/// A connection.
pub(super) struct Link {
    io: TokioIo<TcpStream>,
    /// True: requests name the whole address, for the proxy.
    is_proxy: bool,
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        self.io.connected().proxy(self.is_proxy)
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, into)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(all: &str, no: &str) -> Proxies {
        Proxies(Arc::new(Matcher::builder().all(all).no(no).build()))
    }

    #[test]
    fn this_machine_and_what_no_proxy_names_are_reached_directly() {
        let proxies = proxies("http://ada:s3cret@proxy.example:3128", "internal.example");
        let of = |url: &'static str| {
            proxies
                .of(&Uri::from_static(url))
                .map(|one| one.uri().clone())
        };
        for url in [
            "http://127.0.0.1:9093",
            "https://[::1]/x",
            "http://localhost:80",
            "https://internal.example",
            "https://hooks.internal.example/x",
        ] {
            assert_eq!(of(url), None, "{url}");
        }
        let through = of("https://hooks.example/x").expect("a proxy");
        assert_eq!(through, "http://proxy.example:3128");
        let authorization = |url| proxies.authorization(&Uri::from_static(url));
        assert!(authorization("http://hooks.example/x").is_some());
        assert!(
            authorization("https://hooks.example/x").is_none(),
            "the tunnel carries it"
        );
    }

    #[test]
    fn a_proxy_of_another_kind_is_not_used() {
        let proxies = proxies("socks5://proxy.example:1080", "");
        assert!(
            proxies
                .of(&Uri::from_static("https://hooks.example"))
                .is_none()
        );
    }

    /// Takes one connection, reads its head, answers, and gives the head.
    async fn proxy(answer: &'static [u8]) -> (u16, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.expect("a client");
            let mut head = Vec::new();
            let mut buffer = [0; 1024];
            while !head.windows(4).any(|at| at == b"\r\n\r\n") {
                let read = socket.read(&mut buffer).await.expect("a request");
                head.extend_from_slice(&buffer[..read]);
            }
            socket.write_all(answer).await.expect("written");
            String::from_utf8(head).expect("text")
        });
        (port, task)
    }

    fn client(proxies: &Proxies) -> super::super::HttpClient {
        super::super::HttpClient::through(proxies.clone())
    }

    fn request(url: &str) -> hyper::Request<http_body_util::Full<bytes::Bytes>> {
        let body = http_body_util::Full::from("hello");
        hyper::Request::post(url).body(body).expect("a request")
    }

    const SOON: std::time::Duration = std::time::Duration::from_secs(5);

    #[tokio::test]
    async fn a_request_of_http_names_its_whole_address_to_the_proxy() {
        let (port, task) = proxy(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        let proxies = proxies(&format!("http://ada:s3cret@127.0.0.1:{port}"), "");
        let answer = client(&proxies)
            .post(request("http://hooks.example/x"), SOON)
            .await;
        assert_eq!(answer.expect("an answer").status, 204);
        let head = task.await.expect("a head").to_lowercase();
        assert!(
            head.starts_with("post http://hooks.example/x http/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("proxy-authorization: basic ywrhonmzy3jlda=="),
            "{head}"
        );
    }

    #[tokio::test]
    async fn a_request_of_https_asks_the_proxy_for_a_tunnel() {
        let (port, task) = proxy(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        let proxies = proxies(&format!("http://ada:s3cret@127.0.0.1:{port}"), "");
        let refused = client(&proxies)
            .post(request("https://hooks.example/x"), SOON)
            .await;
        let said = crate::format::error_chain(&refused.expect_err("no tunnel"));
        assert!(
            said.contains("hooks.example") && !said.contains("s3cret"),
            "{said}"
        );
        let head = task.await.expect("a head").to_lowercase();
        assert!(
            head.starts_with("connect hooks.example:443 http/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("proxy-authorization: basic ywrhonmzy3jlda=="),
            "{head}"
        );
    }
}

//! `/metrics`, `/bans.txt`, `/live`, `/ready`: read-only, for machines. No request changes anything.

use super::Telemetry;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// The most connections at a time.
const CONNECTIONS: usize = 16;
/// How long a request may take to come in, and a connection to last.
const HEADER_WAIT: Duration = Duration::from_secs(5);
const CONNECTION_TIME: Duration = Duration::from_mins(1);
/// The most octets of a request.
const REQUEST_CAP: usize = 16 * 1024;

const INDEX: &str = "Gatepost\n\n/metrics   figures for Prometheus\n/bans.txt  who is not let in: network, seconds left, check, reference\n/live      this process runs\n/ready     it takes sessions, and a relay answers\n";

/// Answers on the admin address.
pub struct Endpoint {
    telemetry: Arc<Telemetry>,
    address: SocketAddr,
    hosts: Vec<String>,
    bans: Page,
}

/// A text that is made when it is asked for.
pub type Page = Box<dyn Fn() -> String + Send + Sync>;

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// `hosts` are names to answer to, beside those of the loopback interface and the address itself; `bans` makes
    /// `/bans.txt`.
    pub fn new(telemetry: Arc<Telemetry>, address: SocketAddr, hosts: Vec<String>, bans: Page) -> Self {
        Self { telemetry, address, hosts, bans }
    }

    /// Serves until it is dropped.
    pub async fn serve(self, listener: TcpListener) {
        let endpoint = Arc::new(self);
        let turns = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let endpoint = Arc::clone(&endpoint);
                    tokio::spawn(async move {
                        endpoint.converse(stream).await;
                        drop(turn);
                    });
                }
                // Out of descriptors: they come back with time, not with trying.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_WAIT)
            .max_buf_size(REQUEST_CAP)
            .serve_connection(TokioIo::new(stream), service);
        // A scraper that breaks off is no news.
        let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !self.is_ours(request) {
            return text(StatusCode::MISDIRECTED_REQUEST, "this name is not in [admin] hosts\n");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "read only\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/" => text(StatusCode::OK, INDEX),
            "/live" => text(StatusCode::OK, "live\n"),
            "/ready" => self.ready(),
            "/bans.txt" => text(StatusCode::OK, (self.bans)()),
            "/metrics" => {
                let mut response = Response::new(Full::from(self.telemetry.metrics().encode()));
                let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, format);
                response
            }
            _ => text(StatusCode::NOT_FOUND, INDEX),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let metrics = self.telemetry.metrics();
        if metrics.draining().get() != 0 {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        } else if !metrics.any_relay_is_up() {
            text(StatusCode::SERVICE_UNAVAILABLE, "no relay answers\n")
        } else {
            text(StatusCode::OK, "ready\n")
        }
    }

    /// A page in a browser must not reach this address under a name of its own choosing (DNS rebinding).
    fn is_ours(&self, request: &Request<Incoming>) -> bool {
        let Some(host) = request.headers().get(HOST).and_then(|host| host.to_str().ok()) else {
            return false;
        };
        names(host, self.address, &self.hosts)
    }
}

fn names(host: &str, address: SocketAddr, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && port.bytes().all(|octet| octet.is_ascii_digit()) => {
            name
        }
        _ => host,
    };
    let plain = name.trim_start_matches('[').trim_end_matches(']');
    match plain.parse::<std::net::IpAddr>() {
        // Everyone can say an address: nobody can make a browser resolve one to another.
        Ok(ip) => ip.is_loopback() || ip == address.ip() || address.ip().is_unspecified(),
        Err(_) => {
            name.eq_ignore_ascii_case("localhost") || hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
        }
    }
}

fn text(status: StatusCode, words: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(words.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_ours_are_answered() {
        let address = "192.0.2.1:9625".parse().unwrap();
        let hosts = ["metrics.example.com".to_owned()];
        for host in ["localhost:9625", "127.0.0.1", "[::1]:9625", "192.0.2.1:9625", "Metrics.example.com:1"] {
            assert!(names(host, address, &hosts), "{host}");
        }
        for host in ["evil.example", "192.0.2.2:9625", "localhost.evil.example", ""] {
            assert!(!names(host, address, &hosts), "{host}");
        }
    }
}

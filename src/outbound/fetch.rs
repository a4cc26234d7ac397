//! The only way to an address that others named: HTTPS, one answer within its size and time, no redirects, and no address but
//! one that was looked at after it was resolved.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, Uri, header};
use futures_util::StreamExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::outbound::address::is_internal;

/// The longest head of an answer.
const MAX_HEAD: usize = 32 * 1024;
/// Addresses of one name that are tried.
const MOST_ADDRESSES: usize = 8;

/// A question, with all of its body.
pub(crate) type Question = Request<Vec<u8>>;
/// Its answer, with what was read of the body.
pub(crate) type Answer = Response<Vec<u8>>;

/// How much a question may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest body of an answer. None: no body is read, only its head counts.
    pub(crate) answer: Option<usize>,
    /// All of one question: look-up, connection and answer.
    pub(crate) patience: Duration,
    /// Questions at the same time; more are refused, never queued.
    pub(crate) at_once: usize,
}

/// Why there is no answer. None of it is told to strangers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum FetchError {
    #[error("the address is not one of the form https://host/path")]
    Address,
    #[error("the address leads to an internal network")]
    Internal,
    #[error("too many questions at once")]
    Busy,
    #[error("there was no answer in time")]
    TooSlow,
    #[error("the answer is too large")]
    TooLarge,
    #[error("no connection, or not with the right certificate")]
    Unreachable,
    #[error("the answer is no HTTP, or cut off")]
    Malformed,
    #[error("the answer leads elsewhere")]
    Redirect,
}

/// Asks hosts on behalf of one part of the server.
pub(crate) struct Fetcher {
    tls: TlsConnector,
    /// The hosts that may have an internal address.
    internal: Vec<String>,
    limits: Limits,
    places: Semaphore,
}

impl Fetcher {
    /// Trusts these authorities; `internal` are the hosts that may be inside.
    pub(crate) fn new(
        roots: Arc<RootCertStore>,
        internal: Vec<String>,
        limits: Limits,
    ) -> Option<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(Self {
            tls: TlsConnector::from(Arc::new(tls)),
            internal,
            limits,
            places: Semaphore::new(limits.at_once),
        })
    }

    /// One question and its answer.
    pub(crate) async fn fetch(&self, request: Question) -> Result<Answer, FetchError> {
        let _place = self.places.try_acquire().map_err(|_| FetchError::Busy)?;
        timeout(self.limits.patience, self.ask(request))
            .await
            .unwrap_or(Err(FetchError::TooSlow))
    }

    async fn ask(&self, request: Question) -> Result<Answer, FetchError> {
        let (host, port) = place(request.uri())?;
        let stream = self.connect(&host, port).await?;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(|_| FetchError::Address)?;
        let stream = self
            .tls
            .connect(name, stream)
            .await
            .map_err(|_| FetchError::Unreachable)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake::<_, Body>(TokioIo::new(stream))
            .await
            .map_err(|_| FetchError::Unreachable)?;
        let asked = async {
            let answer = sender
                .send_request(inner(request, &host, port)?)
                .await
                .map_err(|_| FetchError::Malformed)?;
            whole(answer.map(Body::new), self.limits.answer).await
        };
        let (mut asked, mut connection) = (pin!(asked), pin!(connection));
        // The connection runs only while it is asked. Where the other side ends it first, what came is read to its end.
        tokio::select! {
            biased;
            answer = &mut asked => return answer,
            _ended = &mut connection => {}
        }
        asked.await
    }

    /// Resolves once, looks at every address, and connects to one that was looked at.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, FetchError> {
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = match name.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((name, port))
                .await
                .map_err(|_| FetchError::Unreachable)?
                .take(MOST_ADDRESSES)
                .collect(),
        };
        let may_be_inside = self.internal.iter().any(|inside| inside == host);
        // One internal address among public ones is a trick, not a network.
        if !may_be_inside && found.iter().any(|address| is_internal(address.ip())) {
            return Err(FetchError::Internal);
        }
        for address in found {
            if let Ok(stream) = TcpStream::connect(address).await {
                return Ok(stream);
            }
        }
        Err(FetchError::Unreachable)
    }
}

/// Host and port of an address without tricks.
pub(crate) fn place(uri: &Uri) -> Result<(String, u16), FetchError> {
    let authority = uri.authority().ok_or(FetchError::Address)?;
    let host = authority.host().to_ascii_lowercase();
    let port = authority.port_u16().unwrap_or(443);
    let plain = uri.scheme_str() == Some("https")
        && !host.is_empty()
        && !authority.as_str().contains('@')
        && port != 0;
    if plain {
        Ok((host, port))
    } else {
        Err(FetchError::Address)
    }
}

/// The question as it goes over the line.
fn inner(request: Question, host: &str, port: u16) -> Result<Request<Body>, FetchError> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().map_err(|_| FetchError::Address)?;
    let host = match port {
        443 => host.to_owned(),
        _ => format!("{host}:{port}"),
    };
    let host = HeaderValue::from_str(&host).map_err(|_| FetchError::Address)?;
    parts.headers.insert(header::HOST, host);
    let close = HeaderValue::from_static("close");
    parts.headers.insert(header::CONNECTION, close);
    let agent = HeaderValue::from_static("conclave");
    parts.headers.insert(header::USER_AGENT, agent);
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The answer with all of its body, or with none.
async fn whole(answer: Response<Body>, most: Option<usize>) -> Result<Answer, FetchError> {
    let (parts, body) = answer.into_parts();
    if parts.status.is_redirection() {
        return Err(FetchError::Redirect);
    }
    let mut bytes = Vec::new();
    let Some(most) = most else {
        return Ok(Response::from_parts(parts, bytes));
    };
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| FetchError::Malformed)?;
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(FetchError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Response::from_parts(parts, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        answer: None,
        patience: Duration::from_secs(1),
        at_once: 1,
    };

    fn of(uri: &str) -> Result<(String, u16), FetchError> {
        place(&uri.parse().map_err(|_| FetchError::Address)?)
    }

    #[test]
    fn only_plain_https_addresses_are_asked() {
        assert_eq!(
            of("https://ID.example.org/x"),
            Ok(("id.example.org".to_owned(), 443))
        );
        assert_eq!(of("https://[::1]:8443/"), Ok(("[::1]".to_owned(), 8443)));
        for wrong in [
            "http://id.example.org/",
            "https://user@id.example.org/",
            "https://id.example.org@evil.example/",
            "https://id.example.org:0/",
            "file:///etc/passwd",
            "/path",
        ] {
            assert_eq!(of(wrong), Err(FetchError::Address), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_internal_address_is_refused_before_a_connection_whatever_way_it_is_written() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fetcher = Fetcher::new(Arc::new(RootCertStore::empty()), vec![], LIMITS).unwrap();
        for host in [
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f.1",
            "[::ffff:127.0.0.1]",
            "0",
        ] {
            let refused = fetcher.connect(host, port).await.unwrap_err();
            // Systems differ in which of these they resolve; none may connect.
            assert!(
                matches!(refused, FetchError::Internal | FetchError::Unreachable),
                "{host}: {refused}"
            );
        }
        assert_eq!(
            fetcher.connect("127.0.0.1", port).await.unwrap_err(),
            FetchError::Internal
        );
        let inside = Fetcher::new(
            Arc::new(RootCertStore::empty()),
            vec!["127.0.0.1".to_owned()],
            LIMITS,
        )
        .unwrap();
        assert!(inside.connect("127.0.0.1", port).await.is_ok());
        assert_eq!(
            inside.connect("127.0.0.2", port).await.unwrap_err(),
            FetchError::Internal
        );
    }
}

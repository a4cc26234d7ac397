//! Accepts connections: the client's address, TLS, then HTTP/1.1 into the routes. Every step has a bound in time, and
//! the number of connections is bounded in all and for each address.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::auth::limits::{Network, Rates};
use crate::auth::request::{ClientAddr, Held};
use crate::clock::Clock;
use crate::config::Proxies;
use crate::media::framing;
use crate::server::patience::Patient;
use crate::server::proxy;
use crate::udp::tcp::StreamDoor;

/// How long TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is written to it.
const UNREAD: Duration = Duration::from_secs(15);
/// The largest head of a request.
const HEAD_BYTES: usize = 32 * 1024;
/// The most header fields of a request.
const HEAD_FIELDS: usize = 64;
/// How long an answer in progress may take when the server stops.
const GOODBYE: Duration = Duration::from_secs(10);

/// What the listener works with.
pub struct Door {
    /// The certificate.
    pub tls: Arc<ServerConfig>,
    /// Everything that is served.
    pub routes: Router,
    /// Load balancers.
    pub proxies: Proxies,
    /// Connections in all.
    pub places: Arc<Semaphore>,
    /// Connections of one address.
    pub crowd: Crowd,
    /// Requests by address.
    pub requests: Mutex<Rates<Network>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Connections that came to nothing.
    pub failed: Counter,
    /// Who takes connections that bring media, if the port is shared.
    pub media: Option<StreamDoor>,
}

/// Accepts until the server stops, then lets answers in progress finish.
pub async fn serve(listener: TcpListener, door: Arc<Door>, mut stopping: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Ok(place) = door.places.clone().try_acquire_owned() else {
                        door.failed.inc();
                        continue;
                    };
                    let (door, stopping) = (door.clone(), stopping.clone());
                    connections.spawn(async move {
                        if connection(stream, peer, door.clone(), place, stopping).await.is_none() {
                            door.failed.inc();
                        }
                    });
                }
                // Out of descriptors or memory: give the machine a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    let _late = timeout(GOODBYE, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// Waits until the server stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone already.
    let _gone = stopping.wait_for(|stop| *stop).await;
}

async fn connection(
    mut stream: TcpStream,
    peer: SocketAddr,
    door: Arc<Door>,
    place: tokio::sync::OwnedSemaphorePermit,
    mut stopping: watch::Receiver<bool>,
) -> Option<()> {
    let _unset = stream.set_nodelay(true);
    let mut client = peer.ip().to_canonical();
    if door.proxies.protocol && proxy::trusted(&door.proxies.trusted, client) {
        client = proxy::read_header(&mut stream, peer).await.ok()?;
    }
    let seat = door.crowd.enter(client)?;
    if let Some(media) = &door.media
        && brings_media(&stream).await?
    {
        // From here on the bounds of media hold, which are stricter than those of this door.
        media.admit(stream, SocketAddr::new(client, peer.port()));
        return Some(());
    }
    let held = Held::new((place, seat));
    let tls = timeout(
        HANDSHAKE,
        TlsAcceptor::from(door.tls.clone()).accept(Patient::new(stream, UNREAD)),
    )
    .await
    .ok()?
    .ok()?;
    let (doing, mut done) = mpsc::channel::<Infallible>(1);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (door, held, doing) = (door.clone(), held.clone(), doing.clone());
        async move { Ok::<_, Infallible>(answer(&door, client, (held, doing), request).await) }
    });
    let mut serving = Box::pin(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_FIELDS)
            .serve_connection(TokioIo::new(tls), service)
            .with_upgrades(),
    );
    tokio::select! {
        _served = serving.as_mut() => {}
        () = stopped(&mut stopping) => {
            serving.as_mut().graceful_shutdown();
            let _served = serving.as_mut().await;
        }
    }
    drop(serving);
    // What is still being done belongs to this connection, also where nobody waits for the answer any more.
    let _nothing = done.recv().await;
    Some(())
}

/// Whether the first byte begins a frame of media rather than TLS. It is looked at, not taken.
async fn brings_media(stream: &TcpStream) -> Option<bool> {
    let mut first = [0];
    let peeked = timeout(HANDSHAKE, stream.peek(&mut first))
        .await
        .ok()?
        .ok()?;
    (peeked == 1).then(|| framing::begins_frame(u8::from_be_bytes(first)))
}

async fn answer(
    door: &Door,
    socket: IpAddr,
    (held, doing): (Held, mpsc::Sender<Infallible>),
    request: Request<Incoming>,
) -> Response {
    let client = proxy::forwarded(&door.proxies.trusted, socket, request.headers());
    let paced = door
        .requests
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take(Network::of(client), door.clock.instant());
    if paced.is_err() {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ClientAddr(client));
    request.extensions_mut().insert(held.clone());
    carry_out(door.routes.clone(), request, (held, doing)).await
}

/// What may change something is carried out to its end, and keeps its place until then, also when whoever asked hangs up: what is
/// durable must be told to those whom it concerns.
async fn carry_out<T: Send + 'static>(routes: Router, request: Request<Body>, kept: T) -> Response {
    let safe = request.method().is_safe();
    let routed = async move {
        match routes.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    };
    if safe {
        return routed.await;
    }
    let task = tokio::spawn(async move {
        let response = routed.await;
        drop(kept);
        response
    });
    (task.await).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Counts the connections of each address.
#[derive(Debug)]
pub struct Crowd {
    most: usize,
    open: Arc<Mutex<HashMap<Network, usize>>>,
}

/// One connection of an address; dropping it gives the place back.
#[derive(Debug)]
pub struct InCrowd {
    key: Network,
    open: Arc<Mutex<HashMap<Network, usize>>>,
}

impl Crowd {
    /// At most so many for each address.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    fn enter(&self, address: IpAddr) -> Option<InCrowd> {
        let key = Network::of(address);
        // Bounded by the number of connections in all.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_default();
        if *count >= self.most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(InCrowd {
            key,
            open: self.open.clone(),
        })
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::routing::any;

    use super::*;

    #[test]
    fn an_address_gets_its_places_back() {
        let crowd = Crowd::new(2);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let first = crowd.enter(address).unwrap();
        let _second = crowd.enter(address).unwrap();
        assert!(crowd.enter(address).is_none());
        assert!(crowd.enter("198.51.100.1".parse().unwrap()).is_some());
        drop(first);
        assert!(crowd.enter(address).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_something_is_carried_out_though_whoever_asked_hangs_up() {
        let work = |done: Arc<AtomicUsize>| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            done.fetch_add(1, Ordering::Relaxed);
        };
        for (method, times) in [("POST", 1), ("DELETE", 1), ("GET", 0), ("HEAD", 0)] {
            let done = Arc::new(AtomicUsize::new(0));
            let counted = done.clone();
            let routes = Router::new().route("/", any(move || work(counted.clone())));
            let (doing, mut over) = mpsc::channel::<Infallible>(1);
            let request = Request::builder().method(method).uri("/");
            let asked = carry_out(routes, request.body(Body::empty()).unwrap(), doing);
            let hung_up = timeout(Duration::from_millis(10), asked).await;
            assert!(hung_up.is_err(), "{method}");
            assert!(over.recv().await.is_none());
            assert_eq!(done.load(Ordering::Relaxed), times, "{method}");
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(done.load(Ordering::Relaxed), times, "{method}");
        }
    }
}

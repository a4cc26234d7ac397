//! A client that owns every byte: TLS, then HTTP and WebSocket frames as the attack wants them, and all that comes back
//! with its time. It is not well-behaved unless told so.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::common::server::Server;

/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_secs(10);

const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
const FIN: u8 = 0x80;

/// The time, for measuring.
#[expect(
    clippy::disallowed_methods,
    reason = "a black-box client measures with the clock of its own machine"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// One frame as it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn is_ping(&self) -> bool {
        self.first == FIN | PING
    }

    pub(crate) fn is_text(&self) -> bool {
        self.first == FIN | TEXT
    }

    /// The number of a close frame.
    pub(crate) fn close_code(&self) -> Option<u16> {
        let code = self
            .payload
            .get(..2)
            .filter(|_| self.first == FIN | CLOSE)?;
        Some(u16::from_be_bytes(code.try_into().unwrap()))
    }
}

/// What came over one socket: every byte after the upgrade, the frames in it with their time, and whether it ended.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: Vec<(Duration, Frame)>,
    pub(crate) ended: bool,
}

impl Trace {
    pub(crate) fn texts(&self) -> Vec<String> {
        let texts = self.frames.iter().filter(|(_, frame)| frame.is_text());
        texts
            .map(|(_, frame)| String::from_utf8(frame.payload.clone()).unwrap())
            .collect()
    }

    /// The code of the last message, and the number of the close frame after it.
    pub(crate) fn closed(&self) -> (String, u16) {
        let last: Value =
            serde_json::from_str(self.texts().last().expect("nothing was said")).unwrap();
        assert_eq!(last["type"], "closed", "{last}");
        let number = self.frames.last().unwrap().1.close_code();
        (
            last["code"].as_str().unwrap().to_owned(),
            number.expect("no close frame"),
        )
    }

    /// When the last text came.
    pub(crate) fn told(&self) -> Duration {
        self.frames
            .iter()
            .rfind(|(_, frame)| frame.is_text())
            .expect("nothing was said")
            .0
    }
}

/// A TCP connection that counts what comes in, sealed as it is.
pub(crate) struct Counted {
    stream: TcpStream,
    received: Arc<AtomicU64>,
}

/// A TLS connection and, after [`Raw::upgrade`], a WebSocket.
pub(crate) struct Raw {
    pub(crate) stream: TlsStream<Counted>,
    /// Sealed bytes received so far.
    pub(crate) received: Arc<AtomicU64>,
    left: Vec<u8>,
}

/// A TCP connection from an address of one's own choice within 127.0.0.0/8.
pub(crate) async fn tcp(server: &Server, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little room, so that it soon shows who does not read.
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
        .connect((Ipv4Addr::LOCALHOST, server.port).into())
        .await
        .unwrap()
}

impl Raw {
    /// Speaks TLS and nothing more.
    pub(crate) async fn dial(server: &Server) -> Self {
        Self::dial_from(server, Ipv4Addr::LOCALHOST).await
    }

    /// The status of the answer to an upgrade with these headers.
    pub(crate) async fn upgraded(server: &Server, fields: &[(&str, &str)]) -> u16 {
        let head = Self::dial(server).await.upgrade(fields).await;
        let status = head.split(' ').nth(1);
        let status = status.and_then(|status| status.parse().ok());
        status.expect("a status in the first line of the answer")
    }

    /// The same from another address.
    pub(crate) async fn dial_from(server: &Server, from: Ipv4Addr) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = server.data.path().join("tls-certificate.pem");
        roots
            .add(CertificateDer::from_pem_file(pem).unwrap())
            .unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let received = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            stream: tcp(server, from).await,
            received: received.clone(),
        };
        let stream = TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), counted)
            .await
            .unwrap();
        Self {
            stream,
            received,
            left: Vec::new(),
        }
    }

    /// Asks for a WebSocket with these header fields; the head of the answer.
    pub(crate) async fn upgrade(&mut self, fields: &[(&str, &str)]) -> String {
        let mut head = String::from(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        );
        head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        for (name, value) in fields {
            head += &format!("{name}: {value}\r\n");
        }
        self.send(format!("{head}\r\n").as_bytes()).await;
        self.head().await
    }

    /// Opens a WebSocket as a program.
    pub(crate) async fn socket(server: &Server, token: &str) -> Self {
        let mut raw = Self::dial(server).await;
        let bearer = format!("Bearer {token}");
        let head = raw
            .upgrade(&[
                ("Authorization", &bearer),
                ("Sec-WebSocket-Protocol", "conclave.v1"),
            ])
            .await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        raw
    }

    /// Opens a WebSocket and asks for this; `more` follows in the same packet.
    pub(crate) async fn first(server: &Server, token: &str, request: Value, more: &[u8]) -> Self {
        let mut raw = Self::socket(server, token).await;
        let mut bytes = text(&json!({"id": 1, "request": request}).to_string());
        bytes.extend_from_slice(more);
        raw.send(&bytes).await;
        raw
    }

    /// Writes, whether or not anyone reads.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        matches!(tokio::time::timeout(SOON, sent).await, Ok(Ok(())))
    }

    /// Reads the head of an HTTP answer; what follows it is kept.
    pub(crate) async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.left.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.left.split_off(end + 4);
                let head = std::mem::replace(&mut self.left, rest);
                return String::from_utf8(head).unwrap();
            }
            if !self.more(SOON).await {
                return String::from_utf8_lossy(&std::mem::take(&mut self.left)).into_owned();
            }
        }
    }

    /// Everything until the other end closes, or time is over (then nothing).
    pub(crate) async fn read_out(&mut self, within: Duration) -> Option<Vec<u8>> {
        let end = now() + within;
        loop {
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return None;
            }
            let before = self.left.len();
            if !self.more(left).await && self.left.len() == before && now() < end {
                return Some(std::mem::take(&mut self.left));
            }
        }
    }

    /// Reads frames for a while, or to the end. Pings are answered, as the protocol wants it.
    pub(crate) async fn capture(&mut self, time: Duration) -> Trace {
        let start = now();
        let mut trace = Trace::default();
        loop {
            while let Some((frame, length)) = parse(&self.left) {
                let rest = self.left.split_off(length);
                trace.bytes.extend(std::mem::replace(&mut self.left, rest));
                if frame.is_ping() {
                    self.send(&encode(FIN | PONG, &frame.payload)).await;
                }
                trace.frames.push((start.elapsed(), frame));
            }
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() {
                return trace;
            }
            if !self.more(left).await && start.elapsed() < time {
                trace.ended = true;
                return trace;
            }
        }
    }

    /// Reads more; false at the end, or when nothing comes in time.
    async fn more(&mut self, within: Duration) -> bool {
        let mut buffer = [0; 16 * 1024];
        match tokio::time::timeout(within, self.stream.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => {
                self.left.extend_from_slice(buffer.get(..count).unwrap());
                true
            }
            _ => false,
        }
    }

    /// Sealed bytes received so far.
    pub(crate) fn sealed(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// One text frame of a client.
pub(crate) fn text(text: &str) -> Vec<u8> {
    encode(FIN | TEXT, text.as_bytes())
}

/// One ping of a client.
pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
    encode(FIN | PING, payload)
}

/// The beginning of a frame: first byte and length, then the mask (zeros, so that the payload stands as it is).
pub(crate) fn begin(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes
}

/// A whole frame of a client.
pub(crate) fn encode(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = begin(first, payload.len() as u64);
    bytes.extend_from_slice(payload);
    bytes
}

fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert!(second & 0x80 == 0, "the server masks its frames");
    let (length, start) = match second {
        126 => (
            u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())),
            4,
        ),
        127 => (
            u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()),
            10,
        ),
        short => (u64::from(short), 2),
    };
    let end = start + usize::try_from(length).unwrap();
    let payload = bytes.get(start..end)?.to_vec();
    Some((Frame { first, payload }, end))
}

impl AsyncRead for Counted {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        this.received.fetch_add(count as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

//! A TURN client (RFC 8656) that asks for what it is told to: allocations, permissions for any peer, channels; over UDP or TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use conclave::clock::{Clock, SystemClock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::media_client::Client;

const ALLOCATE: u16 = 0x003;
const REFRESH: u16 = 0x004;
const CREATE_PERMISSION: u16 = 0x008;
const CHANNEL_BIND: u16 = 0x009;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const CHANNEL: u16 = 0x4000;

enum Way {
    Udp(UdpSocket),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, Vec<u8>),
}

/// One connection to a relay, with one participant's credentials.
pub(crate) struct TurnClient {
    way: Way,
    username: String,
    credential: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
    transactions: u64,
    /// What came on the channel.
    came: Vec<Vec<u8>>,
}

impl TurnClient {
    pub(crate) fn udp(server: SocketAddr, username: &str, credential: &str) -> Self {
        let local: IpAddr = if server.is_ipv4() {
            [0, 0, 0, 0].into()
        } else {
            [0; 16].into()
        };
        let socket = UdpSocket::bind((local, 0)).unwrap();
        socket.connect(server).unwrap();
        Self::new(Way::Udp(socket), username, credential)
    }

    /// By TLS, with the name `localhost` in this certificate.
    pub(crate) fn tls(
        server: SocketAddr,
        certificate: &std::path::Path,
        username: &str,
        credential: &str,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for der in CertificateDer::pem_file_iter(certificate).unwrap() {
            roots.add(der.unwrap()).unwrap();
        }
        let config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = StreamOwned::new(connection, stream);
        Self::new(Way::Tls(Box::new(stream), Vec::new()), username, credential)
    }

    fn new(way: Way, username: &str, credential: &str) -> Self {
        Self {
            way,
            username: username.to_owned(),
            credential: credential.to_owned(),
            realm: Vec::new(),
            nonce: Vec::new(),
            transactions: 0,
            came: Vec::new(),
        }
    }

    /// Asks for a relayed address of this family (1: IPv4, 2: IPv6).
    pub(crate) fn allocate(&mut self, family: u8) -> Result<(), u16> {
        let attributes = [(0x0019, vec![17, 0, 0, 0]), (0x0017, vec![family, 0, 0, 0])];
        self.ask(ALLOCATE, &attributes)
    }

    /// Asks for a relay of TCP connections.
    pub(crate) fn allocate_tcp(&mut self) -> Result<(), u16> {
        self.ask(ALLOCATE, &[(0x0019, vec![6, 0, 0, 0])])
    }

    pub(crate) fn refresh(&mut self) -> Result<(), u16> {
        self.ask(REFRESH, &[(0x000d, vec![0, 0, 2, 88])])
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        let attributes = [(0x0012, self.masked(peer))];
        self.ask(CREATE_PERMISSION, &attributes)
    }

    pub(crate) fn bind(&mut self, peer: SocketAddr) -> Result<(), u16> {
        let [high, low] = CHANNEL.to_be_bytes();
        let attributes = [(0x000c, vec![high, low, 0, 0]), (0x0012, self.masked(peer))];
        self.ask(CHANNEL_BIND, &attributes)
    }

    /// A request and its answer: nothing, or the code of the error. What a first request is told of realm and nonce the
    /// second knows.
    fn ask(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Result<(), u16> {
        for _ in 0..3 {
            let request = self.request(method, attributes);
            let answer = self.exchange(&request);
            let success = answer[0] & 1 == 1 && answer[1] & 0x10 == 0;
            if success {
                return Ok(());
            }
            let code = find(&answer, 0x0009)
                .map_or(0, |value| u16::from(value[2]) * 100 + u16::from(value[3]));
            let (realm, nonce) = (find(&answer, 0x0014), find(&answer, 0x0015));
            match (code, realm, nonce) {
                (401 | 438, Some(realm), Some(nonce)) if nonce != self.nonce => {
                    (self.realm, self.nonce) = (realm, nonce);
                }
                _ => return Err(code),
            }
        }
        Err(0)
    }

    fn transaction(&self) -> [u8; 12] {
        let mut transaction = [7; 12];
        transaction[..8].copy_from_slice(&self.transactions.to_be_bytes());
        transaction
    }

    fn request(&mut self, method: u16, attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&method.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE);
        out.extend_from_slice(&self.transaction());
        for (kind, value) in attributes {
            write(&mut out, *kind, value);
        }
        if !self.nonce.is_empty() {
            write(&mut out, 0x0006, self.username.clone().as_bytes());
            write(&mut out, 0x0014, &self.realm.clone());
            write(&mut out, 0x0015, &self.nonce.clone());
            let length = u16::try_from(out.len() - 20 + 24).unwrap();
            out[2..4].copy_from_slice(&length.to_be_bytes());
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.key());
            let digest = hmac::sign(&key, &out);
            write(&mut out, 0x0008, digest.as_ref());
        }
        self.transactions += 1;
        out
    }

    /// The key of the long-term credential (RFC 8489, section 9.2.2).
    fn key(&self) -> Vec<u8> {
        let realm = String::from_utf8(self.realm.clone()).unwrap();
        let text = format!("{}:{realm}:{}", self.username, self.credential);
        let mut sum = Command::new("md5sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sum.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let said = sum.wait_with_output().unwrap().stdout;
        data_encoding::HEXLOWER.decode(&said[..32]).unwrap()
    }

    fn masked(&self, peer: SocketAddr) -> Vec<u8> {
        let mask: Vec<u8> = COOKIE.into_iter().chain(self.transaction()).collect();
        let port = (peer.port() ^ 0x2112).to_be_bytes();
        let (family, address) = match peer.ip() {
            IpAddr::V4(ip) => (1, ip.octets().to_vec()),
            IpAddr::V6(ip) => (2, ip.octets().to_vec()),
        };
        let address = address.iter().zip(mask).map(|(byte, mask)| byte ^ mask);
        [0, family, port[0], port[1]]
            .into_iter()
            .chain(address)
            .collect()
    }

    fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        for _ in 0..10 {
            self.write(request);
            let begun = SystemClock.instant();
            while begun.elapsed() < Duration::from_millis(500) {
                match self.read(Duration::from_millis(100)) {
                    Some(message) if message[0] >= 0x40 => self.keep(&message),
                    Some(message) if message[8..20] == request[8..20] => return message,
                    _ => {}
                }
            }
        }
        panic!("the relay does not answer");
    }

    fn keep(&mut self, message: &[u8]) {
        let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
        self.came.push(message[4..4 + length].to_vec());
    }

    fn write(&mut self, bytes: &[u8]) {
        match &mut self.way {
            Way::Udp(socket) => drop(socket.send(bytes)),
            Way::Tls(stream, _) => {
                stream.sock.set_nonblocking(false).unwrap();
                stream.write_all(bytes).unwrap();
                stream.flush().unwrap();
            }
        }
    }

    /// One message or datagram of a channel.
    fn read(&mut self, within: Duration) -> Option<Vec<u8>> {
        let mut buffer = [0; 4096];
        match &mut self.way {
            Way::Udp(socket) => {
                socket.set_read_timeout(Some(within)).unwrap();
                let length = socket.recv(&mut buffer).ok()?;
                Some(buffer[..length].to_vec())
            }
            Way::Tls(stream, kept) => {
                if let Some(message) = cut(kept) {
                    return Some(message);
                }
                stream.sock.set_read_timeout(Some(within)).unwrap();
                match stream.read(&mut buffer) {
                    Ok(length) => kept.extend_from_slice(&buffer[..length]),
                    Err(error)
                        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                    Err(error) => panic!("{error}"),
                }
                cut(kept)
            }
        }
    }

    /// Sends a datagram on the channel.
    fn send(&mut self, datagram: &[u8]) {
        let mut out = CHANNEL.to_be_bytes().to_vec();
        out.extend_from_slice(&u16::try_from(datagram.len()).unwrap().to_be_bytes());
        out.extend_from_slice(datagram);
        if matches!(self.way, Way::Tls(..)) {
            out.resize(out.len().next_multiple_of(4), 0);
        }
        self.write(&out);
    }

    /// Lets a media client send and receive over the channel for a while, or until it is `done`.
    pub(crate) fn pump(
        &mut self,
        client: &mut Client,
        during: Duration,
        done: impl Fn(&Client) -> bool,
    ) {
        let begun = SystemClock.instant();
        let mut checked = None;
        while begun.elapsed() < during && !done(client) {
            let now = SystemClock.instant();
            if checked.is_none_or(|at| now.duration_since(at) > Duration::from_millis(300)) {
                checked = Some(now);
                client.check(true);
            }
            if client.checked > 0 && !client.is_shaking() {
                client.shake(now);
            }
            client.advance(now);
            for datagram in client.take() {
                self.send(&datagram);
            }
            if let Some(message) = self.read(Duration::from_millis(2)) {
                self.keep(&message);
            }
            for mut datagram in self.came.drain(..) {
                client.receive(&mut datagram, SystemClock.instant());
            }
        }
        for datagram in client.take() {
            self.send(&datagram);
        }
    }
}

/// The first whole message of what a stream brought.
fn cut(kept: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*kept.get(2)?, *kept.get(3)?]));
    let whole = if kept[0] >= 0x40 {
        (4 + length).next_multiple_of(4)
    } else {
        20 + length
    };
    (kept.len() >= whole).then(|| kept.drain(..whole).collect())
}

fn write(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    let length = u16::try_from(out.len() - 20).unwrap();
    out[2..4].copy_from_slice(&length.to_be_bytes());
}

fn find(message: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let mut rest = &message[20..];
    while rest.len() >= 4 {
        let kind = u16::from_be_bytes([rest[0], rest[1]]);
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if kind == wanted {
            return Some(rest[4..4 + length].to_vec());
        }
        rest = &rest[4 + length.next_multiple_of(4)..];
    }
    None
}

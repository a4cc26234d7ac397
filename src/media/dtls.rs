//! The DTLS server of one peer, the one file that names its library. Keys come out of it only after the peer's certificate
//! was compared with the fingerprint that signalling carried (RFC 8827, section 5.1): no certificate or another one ends it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};

use crate::media::srtp::{Keys, Profile};

/// First retransmission. Browsers use 50 ms; a join over a lossy network should not wait a second for ours.
const FIRST_RETRY: Duration = Duration::from_millis(150);
/// Retransmissions of a flight, doubling: the last one leaves after about ten seconds.
const RETRIES: usize = 6;
/// A handshake takes some ten milliseconds and, under loss, some seconds.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Flights of the server are below this.
const LARGEST_RECORD: usize = 2048;

/// The SHA-256 digest of a certificate.
pub type Fingerprint = [u8; 32];

/// The server's certificate and settings, shared by all peers: made once, at start.
pub struct Identity {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    fingerprint: Fingerprint,
}

impl Identity {
    /// Makes a key and a certificate that live as long as the process; `None` if the cryptography library fails.
    pub fn generate() -> Option<Self> {
        let config = Config::builder()
            .use_server_cookie(false)
            .require_client_certificate(true)
            .flight_start_rto(FIRST_RETRY)
            .flight_retries(RETRIES)
            .handshake_timeout(HANDSHAKE)
            .build()
            .ok()?;
        let certificate = dimpl::certificate::generate_self_signed_certificate().ok()?;
        let fingerprint = fingerprint(&certificate.certificate)?;
        Some(Self {
            config: Arc::new(config),
            certificate,
            fingerprint,
        })
    }

    /// What the answer announces.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([redacted])")
    }
}

/// What a session wants next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Send this to the peer.
    Send(&'a [u8]),
    /// The peer is who signalling said; these are the keys.
    Keys(Keys),
    /// The peer closed the connection.
    Closed,
    /// It is over.
    Failed(Failure),
    /// Nothing more now; call [`Session::advance`] at this time.
    Wait(Instant),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The peer's certificate is absent or not the one that signalling announced.
    #[error("the certificate does not match the fingerprint")]
    Certificate,
    /// The peer offers no SRTP profile that we accept.
    #[error("no common protection profile")]
    Profile,
    /// The handshake itself failed.
    #[error("the handshake failed")]
    Handshake,
}

/// A DTLS session in the server's role.
pub trait Session: fmt::Debug + Send {
    /// Takes a datagram of the peer.
    fn receive(&mut self, datagram: &[u8], now: Instant);
    /// Lets time pass.
    fn advance(&mut self, now: Instant);
    /// What to do next; call it until it says [`Step::Wait`] or [`Step::Failed`].
    fn poll(&mut self) -> Step<'_>;
    /// Says goodbye; what is to be sent comes out of [`Session::poll`].
    fn close(&mut self);
}

/// A [`Session`] that expects the certificate with this fingerprint.
pub fn accept(identity: &Identity, expected: Fingerprint, now: Instant) -> Box<dyn Session> {
    Box::new(Server {
        dtls: Dtls::new_12(
            Arc::clone(&identity.config),
            identity.certificate.clone(),
            now,
        ),
        expected,
        matches: false,
        connected: false,
        keyed: false,
        failed: None,
        buffer: vec![0; LARGEST_RECORD],
        outgoing: Vec::new(),
    })
}

/// The SHA-256 digest of a certificate.
pub fn fingerprint(certificate: &[u8]) -> Option<Fingerprint> {
    digest(&SHA256, certificate).as_ref().try_into().ok()
}

struct Server {
    dtls: Dtls,
    expected: Fingerprint,
    /// The peer showed the expected certificate.
    matches: bool,
    /// The handshake is complete.
    connected: bool,
    /// The keys were handed out.
    keyed: bool,
    failed: Option<Failure>,
    /// Where the library writes.
    buffer: Vec<u8>,
    /// The record to be sent.
    outgoing: Vec<u8>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("connected", &self.connected)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// A [`Step`] without what it would borrow.
enum Next {
    Send,
    Keys(Keys),
    Closed,
    Failed(Failure),
    Wait(Instant),
}

impl Server {
    fn check(&mut self, result: Result<(), dimpl::Error>) {
        if let Err(error) = result {
            let failure = match error {
                dimpl::Error::CertificateError(_) => Failure::Certificate,
                _ => Failure::Handshake,
            };
            self.failed.get_or_insert(failure);
        }
    }

    fn next(&mut self) -> Next {
        loop {
            if let Some(failure) = self.failed {
                return Next::Failed(failure);
            }
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(record) => {
                    self.outgoing.clear();
                    self.outgoing.extend_from_slice(record);
                    return Next::Send;
                }
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::PeerCert(certificate) => {
                    self.matches = fingerprint(certificate) == Some(self.expected);
                    if !self.matches {
                        self.failed = Some(Failure::Certificate);
                    }
                }
                Output::Connected => self.connected = true,
                Output::KeyingMaterial(material, profile) => {
                    match self.take_keys(&material, profile) {
                        Ok(keys) => {
                            self.keyed = true;
                            return Next::Keys(keys);
                        }
                        Err(failure) => self.failed = Some(failure),
                    }
                }
                Output::CloseNotify => return Next::Closed,
                Output::Timeout(_) if self.connected && !self.keyed => {
                    self.failed = Some(Failure::Profile)
                }
                Output::Timeout(at) => return Next::Wait(at),
                // There are no data channels: what a peer sends in them goes nowhere.
                _ => {}
            }
        }
    }

    fn take_keys(&self, material: &[u8], profile: SrtpProfile) -> Result<Keys, Failure> {
        if !self.matches || !self.connected {
            return Err(Failure::Certificate);
        }
        let profile = match profile {
            SrtpProfile::AEAD_AES_128_GCM => Profile::Aes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::Aes256Gcm,
            _ => return Err(Failure::Profile),
        };
        Keys::split(profile, material).ok_or(Failure::Profile)
    }
}

impl Session for Server {
    fn receive(&mut self, datagram: &[u8], now: Instant) {
        self.advance(now);
        if self.failed.is_none() {
            let result = self.dtls.handle_packet(datagram);
            self.check(result);
        }
    }

    fn advance(&mut self, now: Instant) {
        if self.failed.is_none() {
            let result = self.dtls.handle_timeout(now);
            self.check(result);
        }
    }

    fn poll(&mut self) -> Step<'_> {
        match self.next() {
            Next::Send => Step::Send(&self.outgoing),
            Next::Keys(keys) => Step::Keys(keys),
            Next::Closed => Step::Closed,
            Next::Failed(failure) => Step::Failed(failure),
            Next::Wait(at) => Step::Wait(at),
        }
    }

    fn close(&mut self) {
        if self.failed.is_none() {
            let result = self.dtls.close();
            self.check(result);
        }
    }
}

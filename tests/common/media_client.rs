//! A media client that does what it is told, honest or not: offers, checks, shakes hands with any certificate or none, sends
//! any packet on any stream, and keeps all that it gets. [`Client`] does no input or output; [`UdpClient`] puts it on a socket.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use conclave::clock::{Clock, SystemClock};
use conclave::media::dtls::{Fingerprint, fingerprint};
use conclave::media::event::Offer;
use conclave::media::rtp::{Header, Outgoing};
use conclave::media::srtp::{Keys, Opener, Profile, Sealer, StreamHandle};
use conclave::media::stun::{self, Check};
use conclave_policy::source::Source;
use dimpl::certificate::generate_self_signed_certificate;
use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};

pub(crate) const OPUS: u8 = 111;
pub(crate) const RED: u8 = 61;
pub(crate) const VP8: u8 = 96;
pub(crate) const RTX: u8 = 97;
pub(crate) const MID: u8 = 4;
pub(crate) const LEVEL: u8 = 1;
pub(crate) const TRANSPORT_CC: u8 = 3;
pub(crate) const RID: u8 = 10;
pub(crate) const REPAIRED: u8 = 11;

/// The names of the encodings, the smallest first.
pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];
/// How a client numbers its codecs: name, payload type, clock, parameters.
pub(crate) const FORMATS: [(&str, u8, &str, &str); 8] = [
    ("VP8", VP8, "90000", ""),
    ("VP9", 98, "90000", "profile-id=0"),
    (
        "H264",
        102,
        "90000",
        "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ),
    ("AV1", 45, "90000", "level-idx=5;profile=0;tier=0"),
    ("opus", OPUS, "48000/2", "minptime=10;useinbandfec=1"),
    ("red", RED, "48000/2", "111/111"),
    ("PCMU", 0, "8000", ""),
    ("G722", 9, "8000", ""),
];

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let config = Config::builder()
        .flight_start_rto(Duration::from_millis(60))
        .flight_retries(8);
    Arc::new(config.build().unwrap())
});

/// How a client behaves.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) sends: Vec<Source>,
    pub(crate) audio_slots: usize,
    pub(crate) video_slots: usize,
    /// Announces another fingerprint than that of its certificate.
    pub(crate) wrong_fingerprint: bool,
    /// Sends an empty certificate message.
    pub(crate) no_certificate: bool,
    /// Offers retransmission streams.
    pub(crate) repairs: bool,
    /// Reports arrivals, and numbers what it sends; otherwise it reports a bandwidth.
    pub(crate) arrivals: bool,
    /// Announces its streams in the offer; otherwise only packets tell, by media identifier.
    pub(crate) announces: bool,
    /// Sends every picture source in three encodings, which only packets tell apart.
    pub(crate) encodings: bool,
    /// The codecs of its picture and sound lines, by their names in [`FORMATS`], the best first.
    pub(crate) pictures: &'static [&'static str],
    pub(crate) sounds: &'static [&'static str],
    /// Offers retransmission of sound too, which browsers do not.
    pub(crate) repairs_sound: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            sends: Source::ALL.to_vec(),
            audio_slots: 4,
            video_slots: 4,
            wrong_fingerprint: false,
            no_certificate: false,
            repairs: true,
            arrivals: true,
            announces: true,
            encodings: false,
            pictures: &["VP8"],
            sounds: &["opus"],
            repairs_sound: false,
        }
    }
}

/// A packet to send. What is not set is as an honest client would set it.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) index: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) mid: Option<String>,
    pub(crate) level: Option<u8>,
    /// The name of the encoding, and whether it is one of which this carries retransmissions.
    pub(crate) rid: Option<(&'static str, bool)>,
    pub(crate) payload: Vec<u8>,
}

/// A packet that came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) header: Header,
    pub(crate) index: u64,
    pub(crate) level: Option<u8>,
    /// Its number across the transport.
    pub(crate) number: Option<u16>,
    pub(crate) payload: Vec<u8>,
}

/// The client.
pub(crate) struct Client {
    pub(crate) script: Script,
    pub(crate) ufrag: String,
    pub(crate) session: u64,
    certificate: DtlsCertificate,
    server: Option<Server>,
    dtls: Option<Dtls>,
    pub(crate) opener: Option<Opener>,
    pub(crate) sealer: Option<Sealer>,
    handles: HashMap<u32, StreamHandle>,
    next: HashMap<u32, u64>,
    outgoing: VecDeque<Vec<u8>>,
    transactions: u64,
    transport_sequence: u16,
    /// Successful checks.
    pub(crate) checked: u32,
    pub(crate) received: Vec<Received>,
    pub(crate) reports: Vec<Vec<u8>>,
    pub(crate) unopened: u32,
    pub(crate) closed: bool,
    pub(crate) failed: bool,
    pub(crate) profile: Option<Profile>,
    /// Stream and index of everything received, with what stood there: nothing may come twice with other bytes.
    sealed: HashMap<(u32, u64), Vec<u8>>,
}

/// What the answer said.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) fingerprint: Fingerprint,
    /// Stream to media identifier.
    pub(crate) slots: HashMap<u32, String>,
    pub(crate) repairs: HashMap<u32, u32>,
}

impl Client {
    pub(crate) fn new(script: Script) -> Self {
        let certificate = generate_self_signed_certificate().unwrap();
        let unique = fingerprint(&certificate.certificate).unwrap();
        let session = u64::from_be_bytes(unique[..8].try_into().unwrap()) >> 2;
        Self {
            script,
            ufrag: "clnt".to_owned(),
            session,
            certificate,
            server: None,
            dtls: None,
            opener: None,
            sealer: None,
            handles: HashMap::new(),
            next: HashMap::new(),
            outgoing: VecDeque::new(),
            transactions: 0,
            transport_sequence: 0,
            checked: 0,
            received: Vec::new(),
            reports: Vec::new(),
            unopened: 0,
            closed: false,
            failed: false,
            profile: None,
            sealed: HashMap::new(),
        }
    }

    /// The stream on which a source is sent, and that of its repairs.
    pub(crate) fn ssrc(source: Source) -> u32 {
        1000 + 10 * source as u32
    }

    /// The stream of one of several encodings; that of its repairs is the next.
    pub(crate) fn encoding_ssrc(source: Source, encoding: usize) -> u32 {
        2000 + 100 * source as u32 + 10 * u32::try_from(encoding).unwrap()
    }

    pub(crate) fn repair_ssrc(source: Source) -> u32 {
        Self::ssrc(source) + 1
    }

    pub(crate) fn is_video(source: Source) -> bool {
        matches!(source, Source::Camera | Source::Screen)
    }

    /// The media identifier of a source's line.
    pub(crate) fn mid(&self, source: Source) -> Option<String> {
        self.script
            .sends
            .iter()
            .position(|own| *own == source)
            .map(|place| place.to_string())
    }

    pub(crate) fn offer(&self) -> Offer {
        let mut digest = fingerprint(&self.certificate.certificate).unwrap();
        if self.script.wrong_fingerprint {
            digest[0] ^= 1;
        }
        let colons: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let (mut lines, mut mids) = (String::new(), Vec::new());
        let slots = std::iter::repeat_n(false, self.script.audio_slots);
        let slots = slots.chain(std::iter::repeat_n(true, self.script.video_slots));
        let sends = self
            .script
            .sends
            .iter()
            .map(|source| (Self::is_video(*source), Some(*source)));
        for (video, source) in sends.chain(slots.map(|video| (video, None))) {
            let mid = mids.len().to_string();
            lines += &self.line(&mid, video, source);
            mids.push(mid);
        }
        let sdp = format!(
            "v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
             a=fingerprint:sha-256 {}\r\na=setup:actpass\r\n{lines}",
            self.session,
            mids.join(" "),
            self.ufrag,
            "clientpasswordclientpassword",
            colons.join(":"),
        );
        let sources = self
            .script
            .sends
            .iter()
            .map(|source| (self.mid(*source).unwrap(), *source))
            .collect();
        Offer { sdp, sources }
    }

    fn line(&self, mid: &str, video: bool, source: Option<Source>) -> String {
        let names = if video {
            self.script.pictures
        } else {
            self.script.sounds
        };
        let formats = names
            .iter()
            .map(|name| *FORMATS.iter().find(|format| format.0 == *name).unwrap());
        let asks = if video {
            self.script.repairs
        } else {
            self.script.repairs_sound
        };
        let repaired = |number: u8| asks && number != 0;
        let numbers: Vec<String> = formats
            .clone()
            .flat_map(|format| [Some(format.1), repaired(format.1).then_some(format.1 + 1)])
            .flatten()
            .map(|number| number.to_string())
            .collect();
        let (kind, formats_line) = (if video { "video" } else { "audio" }, numbers.join(" "));
        let direction = if source.is_some() {
            "sendonly"
        } else {
            "recvonly"
        };
        let mut line = format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {formats_line}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
             a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{TRANSPORT_CC} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
        );
        for (name, number, clock, parameters) in formats {
            let rate = clock.split('/').next().unwrap();
            let _ = write!(
                line,
                "a=rtpmap:{number} {name}/{clock}\r\na=rtcp-fb:{number} transport-cc\r\n"
            );
            if !parameters.is_empty() {
                let _ = write!(line, "a=fmtp:{number} {parameters}\r\n");
            }
            if video || asks {
                let _ = write!(line, "a=rtcp-fb:{number} nack\r\n");
            }
            if video {
                let _ = write!(line, "a=rtcp-fb:{number} nack pli\r\n");
            }
            if repaired(number) {
                let repair = number + 1;
                let _ = write!(
                    line,
                    "a=rtpmap:{repair} rtx/{rate}\r\na=fmtp:{repair} apt={number}\r\n"
                );
            }
        }
        if !video {
            line += "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n";
        }
        if !self.script.arrivals {
            let extension = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
            line = line
                .replace(extension, "")
                .replace(" transport-cc", " goog-remb");
        }
        if video && source.is_some() && self.script.encodings {
            let _ = write!(
                line,
                "a=extmap:{RID}/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
                 a=extmap:{REPAIRED}/sendonly urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n"
            );
            for rid in RIDS {
                let _ = write!(line, "a=rid:{rid} send\r\n");
            }
            let _ = write!(line, "a=simulcast:send {}\r\n", RIDS.join(";"));
            return line;
        }
        if let Some(source) = source.filter(|_| self.script.announces) {
            let (ssrc, repair) = (Self::ssrc(source), Self::repair_ssrc(source));
            if asks {
                let _ = write!(
                    line,
                    "a=ssrc-group:FID {ssrc} {repair}\r\na=ssrc:{repair} cname:c\r\n"
                );
            }
            let _ = write!(line, "a=ssrc:{ssrc} cname:c\r\n");
        }
        line
    }

    /// Takes the answer up.
    pub(crate) fn answer(&mut self, sdp: &str) {
        let mut server = Server {
            ufrag: String::new(),
            password: String::new(),
            candidates: Vec::new(),
            fingerprint: [0; 32],
            slots: HashMap::new(),
            repairs: HashMap::new(),
        };
        let mut mid = String::new();
        for line in sdp.lines() {
            let Some((key, value)) = line
                .strip_prefix("a=")
                .and_then(|line| line.split_once(':'))
            else {
                continue;
            };
            let words: Vec<&str> = value.split(' ').collect();
            match key {
                "mid" => mid = value.to_owned(),
                "ice-ufrag" => server.ufrag = value.to_owned(),
                "ice-pwd" => server.password = value.to_owned(),
                "candidate" => {
                    server.candidates.push(SocketAddr::new(
                        words[4].parse().unwrap(),
                        words[5].parse().unwrap(),
                    ));
                }
                "fingerprint" => {
                    let bytes = words[1]
                        .split(':')
                        .map(|byte| u8::from_str_radix(byte, 16).unwrap());
                    server.fingerprint = bytes.collect::<Vec<_>>().try_into().unwrap();
                }
                "ssrc-group" => {
                    server
                        .repairs
                        .insert(words[2].parse().unwrap(), words[1].parse().unwrap());
                }
                "ssrc" => {
                    server.slots.insert(words[0].parse().unwrap(), mid.clone());
                }
                _ => {}
            }
        }
        self.server = Some(server);
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// The stream of a slot.
    pub(crate) fn slot_ssrc(&self, mid: &str) -> u32 {
        let server = self.server();
        let own = |ssrc: &&u32| !server.repairs.contains_key(ssrc);
        *server
            .slots
            .iter()
            .filter(|(_, known)| *known == mid)
            .map(|(ssrc, _)| ssrc)
            .find(own)
            .unwrap()
    }

    /// A connectivity check, as bytes.
    pub(crate) fn check_bytes(&mut self, use_candidate: bool) -> Vec<u8> {
        let password = self.server().password.clone();
        self.check_with(&password, use_candidate)
    }

    /// A connectivity check made with any password.
    pub(crate) fn check_with(&mut self, password: &str, use_candidate: bool) -> Vec<u8> {
        self.transactions += 1;
        let mut transaction = [0; 12];
        transaction[..8].copy_from_slice(&self.transactions.to_be_bytes());
        let username = format!("{}:{}", self.server().ufrag, self.ufrag);
        let mut out = Vec::new();
        let check = Check {
            transaction,
            username: &username,
            use_candidate,
        };
        stun::write_request(&mut out, &check, &stun::key(password));
        out
    }

    pub(crate) fn check(&mut self, use_candidate: bool) {
        let check = self.check_bytes(use_candidate);
        self.outgoing.push_back(check);
    }

    /// Begins the DTLS handshake.
    pub(crate) fn shake(&mut self, now: Instant) {
        let mut dtls = Dtls::new_12(Arc::clone(&CONFIG), self.certificate.clone(), now);
        dtls.set_active(true);
        let _ = dtls.handle_timeout(now);
        self.dtls = Some(dtls);
        self.drive();
    }

    /// Whether the handshake has begun.
    pub(crate) fn is_shaking(&self) -> bool {
        self.dtls.is_some()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.sealer.is_some()
    }

    /// Everything to be sent.
    pub(crate) fn take(&mut self) -> Vec<Vec<u8>> {
        self.outgoing.drain(..).collect()
    }

    pub(crate) fn advance(&mut self, now: Instant) {
        if let Some(dtls) = &mut self.dtls {
            self.failed |= dtls.handle_timeout(now).is_err();
            self.drive();
        }
    }

    pub(crate) fn receive(&mut self, datagram: &mut [u8], now: Instant) {
        match datagram.first() {
            Some(0..=3) => {
                let password = self.server().password.clone();
                self.checked +=
                    u32::from(stun::read_success(datagram, &stun::key(&password)).is_ok());
            }
            Some(20..=63) => {
                if let Some(dtls) = &mut self.dtls {
                    let _ = dtls.handle_timeout(now);
                    self.failed |= dtls.handle_packet(datagram).is_err();
                    self.drive();
                }
            }
            Some(128..=191) if (192..=223).contains(&datagram[1]) => self.receive_report(datagram),
            Some(128..=191) => self.receive_media(datagram),
            _ => panic!("an unknown protocol came"),
        }
    }

    fn receive_media(&mut self, datagram: &mut [u8]) {
        let before = datagram.to_vec();
        let Some(Ok(opened)) = self.opener.as_mut().map(|opener| opener.open_rtp(datagram)) else {
            self.unopened += 1;
            return;
        };
        let place = (opened.header.ssrc, opened.index);
        if let Some(other) = self.sealed.insert(place, before.clone()) {
            assert_eq!(
                other, before,
                "a second packet was sealed under the same number"
            );
        }
        let level = opened
            .header
            .extensions(datagram)
            .find(|(id, _)| *id == LEVEL)
            .map(|(_, value)| value[0]);
        let number = opened
            .header
            .extensions(datagram)
            .find(|(id, _)| *id == TRANSPORT_CC)
            .and_then(|(_, value)| Some(u16::from_be_bytes(value.try_into().ok()?)));
        self.received.push(Received {
            index: opened.index,
            level,
            number,
            payload: datagram[opened.payload.clone()].to_vec(),
            header: opened.header,
        });
    }

    fn receive_report(&mut self, datagram: &mut [u8]) {
        match self
            .opener
            .as_mut()
            .map(|opener| opener.open_rtcp(datagram).map(<[u8]>::to_vec))
        {
            Some(Ok(report)) => self.reports.push(report),
            _ => self.unopened += 1,
        }
    }

    fn drive(&mut self) {
        let Some(dtls) = &mut self.dtls else { return };
        let mut buffer = vec![0; 4096];
        loop {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(record) if self.script.no_certificate => {
                    self.outgoing.push_back(without_certificate(record));
                }
                Output::Packet(record) => self.outgoing.push_back(record.to_vec()),
                Output::PeerCert(certificate) => {
                    let expected = self.server.as_ref().unwrap().fingerprint;
                    assert_eq!(
                        fingerprint(certificate),
                        Some(expected),
                        "the server's certificate"
                    );
                }
                Output::KeyingMaterial(material, profile) => {
                    let profile = match profile {
                        SrtpProfile::AEAD_AES_256_GCM => Profile::Aes256Gcm,
                        SrtpProfile::AEAD_AES_128_GCM => Profile::Aes128Gcm,
                        other => panic!("{other}"),
                    };
                    self.profile = Some(profile);
                    let (opener, sealer) = Keys::split(profile, &material)
                        .unwrap()
                        .client_side()
                        .unwrap();
                    self.opener = Some(opener);
                    self.sealer = Some(sealer);
                }
                Output::CloseNotify => self.closed = true,
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        if let Some(dtls) = &mut self.dtls {
            let _ = dtls.close();
            self.drive();
        }
    }

    /// The next packet of a source, as an honest client sends it. Video: one packet is one frame.
    pub(crate) fn next(&mut self, source: Source, payload: Vec<u8>, step: u32) -> Sending {
        let ssrc = Self::ssrc(source);
        let index = self.next.entry(ssrc).or_insert(100);
        *index += 1;
        Sending {
            ssrc,
            payload_type: if Self::is_video(source) { VP8 } else { OPUS },
            index: *index,
            timestamp: u32::try_from(*index).unwrap().wrapping_mul(step),
            marker: Self::is_video(source),
            mid: self.mid(source),
            level: (!Self::is_video(source)).then_some(30),
            rid: None,
            payload,
        }
    }

    /// The next packet of one of several encodings.
    pub(crate) fn next_of(&mut self, source: Source, encoding: usize, payload: Vec<u8>) -> Sending {
        let ssrc = Self::encoding_ssrc(source, encoding);
        // Numbers that have nothing to do with each other.
        let start = 1000 + 7000 * u64::try_from(encoding).unwrap();
        let index = self.next.entry(ssrc).or_insert(start);
        *index += 1;
        Sending {
            ssrc,
            payload_type: VP8,
            index: *index,
            timestamp: 0,
            marker: true,
            mid: self.mid(source),
            level: None,
            rid: Some((RIDS[encoding], false)),
            payload,
        }
    }

    /// The same packet as a repair of its encoding.
    pub(crate) fn repair_of(&mut self, sending: &Sending) -> Sending {
        let ssrc = sending.ssrc + 1;
        let index = self.next.entry(ssrc).or_insert(500);
        *index += 1;
        let first = (sending.index & 0xffff) as u16;
        Sending {
            ssrc,
            payload_type: sending.payload_type + 1,
            index: *index,
            rid: sending.rid.map(|(rid, _)| (rid, true)),
            payload: [&first.to_be_bytes()[..], &sending.payload].concat(),
            ..sending.clone()
        }
    }

    /// Sends one honest packet of sound.
    pub(crate) fn sound(&mut self, source: Source, level: u8) -> Sending {
        let mut sending = self.next(source, vec![0xfc; 40], 960);
        sending.level = Some(level);
        self.send(&sending);
        sending
    }

    /// Sends one honest frame in one packet.
    pub(crate) fn frame(&mut self, source: Source, key: bool) -> Sending {
        let mut sending = self.next(source, Vec::new(), 3000);
        sending.payload = vp8(
            u16::try_from(sending.index & 0x7fff).unwrap(),
            (sending.index & 0xff) as u8,
            key,
            300,
        );
        self.send(&sending);
        sending
    }

    /// Seals and sends a packet.
    pub(crate) fn send(&mut self, sending: &Sending) {
        let packet = self.seal(sending);
        self.outgoing.push_back(packet);
    }

    /// A sealed packet, as bytes.
    pub(crate) fn seal(&mut self, sending: &Sending) -> Vec<u8> {
        let sealer = self.sealer.as_mut().expect("connected");
        let handle = *self
            .handles
            .entry(sending.ssrc)
            .or_insert_with(|| sealer.stream(sending.ssrc).unwrap());
        let header = Outgoing {
            marker: sending.marker,
            payload_type: sending.payload_type,
            sequence: (sending.index & 0xffff) as u16,
            timestamp: sending.timestamp,
            ssrc: sending.ssrc,
        };
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let number = self.transport_sequence.to_be_bytes();
        let level = sending.level.map(|level| [level]);
        let mid = sending.mid.as_ref().map(|mid| (MID, mid.as_bytes()));
        let rid = sending.rid.map(|(rid, repairs)| {
            let id = if repairs { REPAIRED } else { RID };
            (id, rid.as_bytes())
        });
        let level = level.as_ref().map(|level| (LEVEL, &level[..]));
        let mut out = Vec::new();
        header.write(
            &mut out,
            mid.into_iter()
                .chain(rid)
                .chain(level)
                .chain([(TRANSPORT_CC, &number[..])]),
        );
        out.extend_from_slice(&sending.payload);
        sealer.seal_rtp(handle, sending.index, &mut out, 0).unwrap();
        out
    }

    /// Seals and sends a report.
    pub(crate) fn report(&mut self, compound: &conclave::media::rtcp::Compound) {
        let mut out = Vec::new();
        assert!(compound.write(&mut out));
        self.sealer
            .as_mut()
            .unwrap()
            .seal_rtcp(&mut out, 0)
            .unwrap();
        self.outgoing.push_back(out);
    }

    /// What came on a slot, in the order in which it came.
    pub(crate) fn on_slot(&self, mid: &str) -> Vec<&Received> {
        let ssrc = self.slot_ssrc(mid);
        self.received
            .iter()
            .filter(|received| received.header.ssrc == ssrc)
            .collect()
    }
}

/// A VP8 payload: descriptor with a wide picture identifier and TL0PICIDX, and a frame of `size` bytes.
pub(crate) fn vp8(picture: u16, base_layer: u8, key: bool, size: usize) -> Vec<u8> {
    let [high, low] = picture.to_be_bytes();
    let mut payload = vec![0x90, 0xc0, high | 0x80, low, base_layer, u8::from(!key)];
    payload.resize(payload.len() + size, 0x55);
    payload
}

/// The datagram with the client's certificate message made empty, as a client without a certificate sends it
/// (RFC 5246, section 7.4.6).
fn without_certificate(datagram: &[u8]) -> Vec<u8> {
    let (mut rest, mut out) = (datagram, Vec::new());
    while rest.len() >= 13 {
        let length = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let (record, after) = rest.split_at(13 + length);
        rest = after;
        let plain = record[3..5] == [0, 0];
        if record[0] != 22 || !plain || record[13] != 11 {
            out.extend_from_slice(record);
            continue;
        }
        out.extend_from_slice(&record[..11]);
        out.extend_from_slice(&[0, 15]);
        out.extend_from_slice(&[
            11, 0, 0, 3, record[17], record[18], 0, 0, 0, 0, 0, 3, 0, 0, 0,
        ]);
    }
    out
}

/// A [`Client`] on a socket. It blocks.
pub(crate) struct UdpClient {
    pub(crate) client: Client,
    pub(crate) socket: UdpSocket,
    pub(crate) server: Option<SocketAddr>,
    checked: Option<Instant>,
}

impl UdpClient {
    pub(crate) fn new(script: Script) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        Self {
            client: Client::new(script),
            socket,
            server: None,
            checked: None,
        }
    }

    /// Takes the answer up and picks the candidate on this machine.
    pub(crate) fn answer(&mut self, sdp: &str) {
        self.client.answer(sdp);
        self.server = self
            .client
            .server()
            .candidates
            .iter()
            .find(|at| at.ip().is_loopback())
            .copied();
    }

    /// Checks, shakes hands, and says whether there are keys within the time.
    pub(crate) fn connect(&mut self, within: Duration) -> bool {
        let begun = SystemClock.instant();
        while begun.elapsed() < within && !self.client.failed {
            if !self.client.is_shaking() && self.client.checked > 0 {
                self.client.shake(SystemClock.instant());
            }
            self.pump(Duration::from_millis(5));
            if self.client.is_connected() {
                return true;
            }
        }
        false
    }

    /// Sends and receives for a while.
    pub(crate) fn pump(&mut self, during: Duration) {
        let begun = SystemClock.instant();
        let mut buffer = [0; 2048];
        while begun.elapsed() < during {
            let now = SystemClock.instant();
            let often = if self.client.checked > 0 { 500 } else { 50 };
            if self
                .checked
                .is_none_or(|at| now.duration_since(at) > Duration::from_millis(often))
            {
                self.checked = Some(now);
                self.client.check(true);
            }
            self.client.advance(now);
            self.flush();
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                self.client
                    .receive(&mut buffer[..length], SystemClock.instant());
            }
        }
        self.flush();
    }

    /// Sends what is to be sent.
    pub(crate) fn flush(&mut self) {
        let server = self.server.expect("an answer");
        for datagram in self.client.take() {
            let _ = self.socket.send_to(&datagram, server);
        }
    }
}

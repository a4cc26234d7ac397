//! Bodies of the fuzz targets of media: each takes any bytes, feeds them to a parser or to the whole, and checks what must hold.
//! No part of the running server calls them.

mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use conclave_policy::actions::Connect;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Facts, Standing, Target};
use conclave_policy::ids::{AccountId, ActorId, ParticipantId, RoomId};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::source::Source;

use crate::clock::{Clock, ManualClock};
use crate::media::answer::{self, Local};
use crate::media::av1;
use crate::media::codec::{Codec, Profile};
use crate::media::demux::classify;
use crate::media::descriptor::{Descriptor, Shift};
use crate::media::dtls::Identity;
use crate::media::estimate::estimator::Estimator;
use crate::media::estimate::feedback::{Feedback, MOST_STATUSES};
use crate::media::estimate::ledger::{Ledger, Purpose as Sending};
use crate::media::event::Offer;
use crate::media::offer::{self, Description, MOST_LINES, Purpose};
use crate::media::outbox::Path;
use crate::media::red;
use crate::media::rtcp::{Report, reports};
use crate::media::rtp::{Header, unpad};
use crate::media::sfu::{Limits, Sfu};
use crate::media::stun::{self, Check, Request};
use crate::secret::{RandomSource, Secret};

pub use wire::{fuzz_dtls, fuzz_framing, fuzz_srtp};

/// STUN: nothing verifies that was not made with the password, and what is read lies within the message.
pub fn fuzz_stun(bytes: &[u8]) {
    let key = stun::key("a password that no input knows");
    if let Ok(request) = Request::parse(bytes) {
        if let Some((ours, theirs)) = request.fragments() {
            assert!(ours.len() + theirs.len() < bytes.len());
        }
        assert!(
            request.verify(&key).is_err(),
            "a forged request was believed"
        );
    }
    assert!(stun::read_success(bytes, &key).is_err());
}

/// SDP: an offer that is accepted is within bounds, and its answer can be read.
pub fn fuzz_sdp(bytes: &[u8]) {
    let sdp = String::from_utf8_lossy(bytes).into_owned();
    let sources = [
        ("0", Source::Microphone),
        ("1", Source::Camera),
        ("2", Source::Screen),
    ];
    let declared = sources
        .map(|(mid, source)| (mid.to_owned(), source))
        .to_vec();
    for sources in [Vec::new(), declared] {
        let Ok(description) = offer::read(&Offer {
            sdp: sdp.clone(),
            sources,
        }) else {
            continue;
        };
        assert!(!description.lines.is_empty() && description.lines.len() <= MOST_LINES);
        let answer = answer::write(&description, &local(&description));
        let read = rtc_sdp::description::session::SessionDescription::try_from(answer.sdp);
        assert!(read.is_ok_and(|read| read.media_descriptions.len() == description.lines.len()));
    }
}

fn local(description: &Description) -> Local {
    let slots = description.lines.iter().map(|line| match line.purpose {
        Purpose::Slot(_) => Some((7, Some(8))),
        _ => None,
    });
    Local {
        session: 1,
        ufrag: "abcdefgh".to_owned(),
        password: Secret::new("abcdefghabcdefghabcdefgh".to_owned()),
        fingerprint: [7; 32],
        candidates: vec![SocketAddr::from(([192, 0, 2, 1], 3478))],
        stream_candidates: vec![SocketAddr::from(([192, 0, 2, 1], 443))],
        slots: slots.collect(),
    }
}

/// RTP and RTCP, as they are read after decryption.
pub fn fuzz_rtp_rtcp(bytes: &[u8]) {
    if let Some(header) = Header::parse(bytes) {
        let extensions: usize = header
            .extensions(bytes)
            .map(|(_, value)| value.len() + 1)
            .sum();
        assert!(header.length <= bytes.len() && extensions <= header.length);
        let payload = bytes.get(header.length..).unwrap_or(&[]);
        assert!(unpad(&header, payload).is_none_or(|unpadded| unpadded.len() <= payload.len()));
    }
    let mut parts = 0;
    for report in reports(bytes) {
        parts += 1;
        match report {
            Report::Nack { lost, .. } => assert!(lost.iter().count() <= bytes.len() / 4 * 17),
            Report::Reception { heard, .. } => {
                let ago = Duration::from_secs(1);
                assert!(heard.iter().count() <= (bytes.len() / 24).min(31));
                assert!((heard.iter()).all(|heard| heard.trip(ago).is_none_or(|trip| trip <= ago)));
            }
            _ => {}
        }
    }
    assert!(parts <= bytes.len() / 4);
}

/// Reports of arrivals against what was sent: whatever a receiver says, the estimate stays within its bounds, and nobody works
/// longer for a report than it speaks of packets that are remembered. Each begins with its length and the milliseconds before it.
pub fn fuzz_feedback(bytes: &[u8]) {
    let clock = ManualClock::new();
    let mut ledger = Ledger::new(clock.instant());
    let mut estimator = Estimator::default();
    let mut rest = bytes;
    while let Some((&[length, wait], after)) = rest.split_first_chunk::<2>() {
        let (body, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        for _ in 0..wait % 32 {
            ledger.number(1100, Sending::Media, clock.instant());
        }
        clock.advance(Duration::from_millis(u64::from(wait)));
        if let Some(feedback) = Feedback::parse(body) {
            assert!(feedback.statuses().count() <= usize::from(MOST_STATUSES));
            estimator.feedback(&feedback, &mut ledger, clock.instant());
        }
        estimator.advance(&ledger, clock.instant());
        let estimate = estimator.estimate();
        assert!((40_000..=50_000_000).contains(&estimate), "{estimate}");
        assert!(estimator.loss() <= 1000);
    }
}

/// Descriptors of every codec: they are read without a fault, and rewriting changes nothing but the counters.
pub fn fuzz_descriptors(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else {
        return;
    };
    // The extension before, the payload after.
    let (extension, payload) = rest.split_at(usize::from(first).min(rest.len()));
    let mut structure = None;
    let mut dependency = None;
    for part in extension.chunks(usize::from(first % 61).max(3)) {
        dependency = av1::read(part, &mut structure).or(dependency);
    }
    for codec in [
        Codec::Vp8,
        Codec::Vp9(0),
        Codec::Av1(0),
        Codec::H264(Profile::ConstrainedBaseline),
        Codec::Opus,
    ] {
        let Some(descriptor) = Descriptor::parse(codec, payload, dependency) else {
            continue;
        };
        let _ = descriptor.sizes(payload);
        let mut copy = payload.to_vec();
        let shift = Shift {
            picture: 300,
            base_layer: 200,
        };
        descriptor.write(&mut copy, descriptor.shifted(shift));
        let same = match (descriptor, Descriptor::parse(codec, &copy, dependency)) {
            (Descriptor::Vp8(_) | Descriptor::Vp9(_), Some(after)) => {
                after.counters() == descriptor.shifted(shift)
                    && after.key_frame() == descriptor.key_frame()
                    && (after.temporal(), after.spatial())
                        == (descriptor.temporal(), descriptor.spatial())
                    && after.begins_frame() == descriptor.begins_frame()
            }
            (_, after) => after == Some(descriptor) && copy == payload,
        };
        assert!(same, "a descriptor changed in more than its counters");
    }
    if let Some(newest) = red::primary(payload) {
        assert!(newest.len() < payload.len() && !newest.is_empty());
        let mut copy = payload.to_vec();
        red::rename(&mut copy, 99);
        assert_eq!(red::primary(&copy), Some(newest));
    }
}

pub(crate) static IDENTITY: LazyLock<Option<Arc<Identity>>> =
    LazyLock::new(|| Identity::generate().map(Arc::new));
static RULES: LazyLock<Option<Snapshot>> =
    LazyLock::new(|| Snapshot::built_in(PolicyVersion(1)).ok());

/// Random bytes that are the same in every run, so that an input that fails can be tried again.
struct Counting;

impl RandomSource for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = index.to_le_bytes().first().copied().unwrap_or(0);
        }
    }
}

/// A whole shard with one peer that has proved its address: datagrams from there and from elsewhere, in any number and order.
/// Each begins with its length (two bytes) and a byte whose lowest bit says from where.
pub fn fuzz_demux(bytes: &[u8]) {
    let _ = classify(bytes);
    let clock = ManualClock::new();
    let (Some(mut sfu), home) = shard(&clock) else {
        return;
    };
    let mut rest = bytes;
    let mut count = 1;
    while let Some((&[high, low, origin], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high & 0x07, low])).min(after.len());
        let (datagram, after) = after.split_at(length);
        rest = after;
        count += 1;
        let elsewhere = Path {
            socket: 0,
            remote: SocketAddr::from(([203, 0, 113, origin], 9)),
        };
        let path = if origin & 1 == 0 { home } else { elsewhere };
        sfu.receive(path, &mut datagram.to_vec(), clock.instant());
        clock.advance(Duration::from_millis(u64::from(origin)));
        sfu.advance(clock.instant());
        sfu.settle();
        assert!(!sfu.flush(clock.instant()));
        assert!(
            sfu.outbox().iter().all(|sent| sent.path == home),
            "an answer to an address that proved nothing"
        );
        sfu.outbox().clear();
        while sfu.poll_event().is_some() {}
    }
    let counters = sfu.counters();
    assert_eq!(counters.datagrams_received, count);
    assert!(counters.peers <= 1 && counters.forwarded_audio + counters.forwarded_video == 0);
    assert_eq!(
        counters.profile_aes_128_gcm + counters.profile_aes_256_gcm,
        0,
        "keys without a handshake"
    );
}

/// A shard with one peer at this address.
fn shard(clock: &ManualClock) -> (Option<Sfu>, Path) {
    let home = Path {
        socket: 0,
        remote: SocketAddr::from(([198, 51, 100, 1], 40_000)),
    };
    let made = || {
        let mut sfu = Sfu::new(
            IDENTITY.clone()?,
            Vec::new(),
            Limits::default(),
            Arc::new(Counting),
        );
        let actor: ActorId = AccountId::from_bytes([1; 16]).into();
        let facts = Facts::new().with(Standing::Admitted).with(Target::Own);
        let participant = ParticipantId::from_bytes([1; 16]);
        let room = RoomId::from_bytes([1; 16]);
        let permit = RULES
            .as_ref()?
            .decide(actor, Role::Host, room, &facts, Connect { participant })
            .ok()?;
        let offer = Offer {
            sdp: OFFER.to_owned(),
            sources: vec![("0".to_owned(), Source::Microphone)],
        };
        let (_, local) = sfu
            .connect(permit, offer::read(&offer).ok()?, clock.instant())
            .ok()?;
        let username = format!("{}:clnt", local.ufrag);
        let check = Check {
            transaction: [1; 12],
            username: &username,
            use_candidate: true,
        };
        let mut request = Vec::new();
        stun::write_request(&mut request, &check, &stun::key(local.password.expose()));
        sfu.receive(home, &mut request, clock.instant());
        assert_eq!(sfu.counters().stun_answered, 1);
        sfu.outbox().clear();
        Some(sfu)
    };
    (made(), home)
}

/// A small offer: one microphone, one sound slot, one picture slot.
pub const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:clnt\r\na=ice-pwd:clientpasswordclientpassw\r\n\
    a=fingerprint:sha-256 36:B9:41:04:1F:44:D6:1C:DD:D6:83:32:0E:0F:5B:F5:99:21:71:D8:5A:D1:F8:20:99:29:16:33:D2:36:10:3C\r\n\
    a=setup:actpass\r\na=mid:0\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n\
    a=ssrc:4057683629 cname:x\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:2\r\na=recvonly\r\na=rtcp-mux\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn changed(seed: &[u8], changes: &[(usize, u8)]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for (place, value) in changes {
            let place = place % bytes.len();
            match value % 3 {
                0 => bytes[place] = *value,
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, *value),
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..600)) {
            fuzz_stun(&bytes);
            fuzz_sdp(&bytes);
            fuzz_rtp_rtcp(&bytes);
            fuzz_feedback(&bytes);
            fuzz_descriptors(&bytes);
            fuzz_demux(&bytes);
        }

        #[test]
        fn reports_of_arrivals_are_survived(
            reports in vec((0_u16..400, 1_u16..400, any::<u32>(), vec(any::<u8>(), 0..200), any::<u8>()), 1..20),
        ) {
            let mut input = Vec::new();
            for (base, count, reference, rest, wait) in reports {
                input.extend_from_slice(&[(rest.len() + 16) as u8, wait, 0, 0, 0, 0, 0, 0, 0, 0]);
                input.extend_from_slice(&base.to_be_bytes());
                input.extend_from_slice(&count.to_be_bytes());
                input.extend_from_slice(&reference.to_be_bytes());
                input.extend_from_slice(&rest);
            }
            fuzz_feedback(&input);
        }

        #[test]
        fn damaged_offers_are_survived(changes in vec((any::<usize>(), any::<u8>()), 1..12)) {
            fuzz_sdp(&changed(OFFER.as_bytes(), &changes));
        }

        #[test]
        fn offers_with_lines_out_of_place_are_survived(order in vec(0_usize..60, 1..80)) {
            let lines: Vec<&str> = OFFER.split_inclusive("\r\n").collect();
            let text: String = order.iter().filter_map(|place| lines.get(*place)).copied().collect();
            fuzz_sdp(text.as_bytes());
            fuzz_sdp(format!("{OFFER}{text}").as_bytes());
        }

        #[test]
        fn records_that_look_like_dtls_are_survived(
            kind in 20_u8..26, epoch in 0_u8..3, body in vec(any::<u8>(), 0..300), message in 0_u8..24,
        ) {
            let mut datagram = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1];
            let mut handshake = vec![message, 0, 0, body.len() as u8, 0, 0, 0, 0, 0, 0, 0, body.len() as u8];
            handshake.extend_from_slice(&body);
            datagram.extend_from_slice(&(handshake.len() as u16).to_be_bytes());
            datagram.extend_from_slice(&handshake);
            let mut input = vec![(datagram.len() >> 8) as u8, datagram.len() as u8, 0];
            input.extend_from_slice(&datagram);
            fuzz_demux(&input.repeat(3));
        }
    }

    #[test]
    fn the_small_offer_is_accepted() {
        let offer = Offer {
            sdp: OFFER.to_owned(),
            sources: vec![("0".to_owned(), Source::Microphone)],
        };
        assert_eq!(offer::read(&offer).unwrap().lines.len(), 3);
        fuzz_sdp(OFFER.as_bytes());
    }
}

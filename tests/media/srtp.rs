//! Our SRTP against that of other hands, both ways: every packet that one seals the other opens to the same bytes, across
//! rollovers and out of order; what is damaged does not open.

use conclave::media::rtp::Outgoing;
use conclave::media::srtp::{Keys, OpenError, Opener, Profile, Sealer};
use rtc_crypto::default_provider;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

const SSRC: u32 = 0x0badcafe;
const PROFILES: [(Profile, ProtectionProfile); 2] = [
    (Profile::Aes128Gcm, ProtectionProfile::AeadAes128Gcm),
    (Profile::Aes256Gcm, ProtectionProfile::AeadAes256Gcm),
];

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// Neighbours of a run change places; what lies far from the one before stays where it is.
    fn shuffled<T>(&mut self, mut items: Vec<T>, index: impl Fn(&T) -> u64) -> Vec<T> {
        for place in 1..items.len() {
            let other = (place + self.below(8)).min(items.len() - 1);
            if index(&items[place]).abs_diff(index(&items[other])) < 40 {
                items.swap(place, other);
            }
        }
        items
    }
}

/// Our two ends, and the other's context with the keys of one direction.
fn ends(
    profile: Profile,
    theirs: ProtectionProfile,
    numbers: &mut Numbers,
) -> (Opener, Sealer, Context) {
    let length = profile.key_length();
    let material = numbers.bytes(2 * length + 24);
    let keys = Keys::split(profile, &material).unwrap();
    let (opener, _) = keys.server_side().unwrap();
    let (_, sealer) = keys.client_side().unwrap();
    let (key, salt) = (&material[..length], &material[2 * length..2 * length + 12]);
    let provider = default_provider().unwrap();
    let context = Context::new(key, salt, theirs, None, None, provider.crypto()).unwrap();
    (opener, sealer, context)
}

/// A packet with or without extensions, with any payload.
fn packet(index: u64, numbers: &mut Numbers) -> Vec<u8> {
    let mut out = Vec::new();
    let extension = numbers.bytes(3);
    let extensions = (numbers.below(2) == 0).then_some((5, &extension[..]));
    Outgoing {
        marker: numbers.below(2) == 0,
        payload_type: 96,
        sequence: (index & 0xffff) as u16,
        timestamp: u32::try_from(index * 90).unwrap(),
        ssrc: SSRC,
    }
    .write(&mut out, extensions);
    let length = numbers.below(1200);
    out.extend(numbers.bytes(length));
    out
}

/// Two runs across a rollover each, and enough in between that the other end follows the counter.
fn indices() -> impl Iterator<Item = u64> {
    let between = (66_000..130_800).step_by(9_000);
    (65_000..65_700).chain(between).chain(130_800..131_300)
}

#[test]
fn what_we_seal_others_open() {
    for (profile, theirs) in PROFILES {
        let mut numbers = Numbers(7);
        let (_, mut sealer, mut context) = ends(profile, theirs, &mut numbers);
        let stream = sealer.stream(SSRC).unwrap();
        let mut sealed = Vec::new();
        for index in indices() {
            let plain = packet(index, &mut numbers);
            let mut packet = plain.clone();
            sealer.seal_rtp(stream, index, &mut packet, 0).unwrap();
            assert_eq!(packet.len(), plain.len() + 16);
            sealed.push((index, plain, packet));
        }
        for (index, plain, packet) in numbers.shuffled(sealed, |(index, ..)| *index) {
            let opened = context.decrypt_rtp(&packet).unwrap();
            assert_eq!(opened, plain, "{profile:?} {index}");
        }
    }
}

#[test]
fn what_others_seal_we_open_once() {
    for (profile, theirs) in PROFILES {
        let mut numbers = Numbers(11);
        let (mut opener, _, mut context) = ends(profile, theirs, &mut numbers);
        let mut sealed = Vec::new();
        for index in indices() {
            let plain = packet(index, &mut numbers);
            sealed.push((index, plain.clone(), context.encrypt_rtp(&plain).unwrap()));
        }
        for (index, plain, packet) in numbers.shuffled(sealed, |(index, ..)| *index) {
            let mut damaged = packet.to_vec();
            let bit = numbers.below(damaged.len() * 8 - 96) + 96;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                opener.open_rtp(&mut damaged).is_err(),
                "{profile:?} {index}"
            );
            let mut copy = packet.to_vec();
            let opened = opener.open_rtp(&mut copy).unwrap();
            assert_eq!(opened.index, index);
            assert_eq!(copy[..opened.payload.end], plain);
            let again = opener.open_rtp(&mut packet.to_vec());
            assert_eq!(again.unwrap_err(), OpenError::Replayed);
        }
    }
}

#[test]
fn reports_pass_both_ways_and_damaged_ones_do_not() {
    for (profile, theirs) in PROFILES {
        let mut numbers = Numbers(13);
        let (mut opener, mut sealer, mut context) = ends(profile, theirs, &mut numbers);
        for round in 0..200 {
            let words = numbers.below(20) + 1;
            let mut plain = vec![0x80, 201, 0, words as u8];
            plain.extend_from_slice(&SSRC.to_be_bytes());
            plain.extend(numbers.bytes((words - 1) * 4));
            let mut ours = plain.clone();
            sealer.seal_rtcp(&mut ours, 0).unwrap();
            assert_eq!(context.decrypt_rtcp(&ours).unwrap(), plain);

            let mut theirs = context.encrypt_rtcp(&plain).unwrap().to_vec();
            let mut damaged = theirs.clone();
            let bit = numbers.below(damaged.len() * 8);
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                opener.open_rtcp(&mut damaged).is_err(),
                "{profile:?} {round}"
            );
            assert_eq!(opener.open_rtcp(&mut theirs.clone()).unwrap(), plain);
            assert_eq!(opener.open_rtcp(&mut theirs), Err(OpenError::Replayed));
        }
    }
}

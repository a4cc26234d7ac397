//! Clients and strangers who try to be heard, to disturb, or to use up what is bounded.

use conclave::media::event::{CloseReason, ConnectError, PeerEvent};
use conclave::media::rtcp::{Compound, ReceptionReport};
use conclave::media::sfu::Limits;
use conclave_policy::source::Source::{Camera, Microphone, Screen, ScreenAudio};

use crate::media_client::{Client, OPUS, Script, VP8, vp8};
use crate::permits::{Permits, participant, room};
use crate::world::World;

fn two() -> (World, usize, usize) {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let viewer = world.join(2, Script::default());
    world.watch(viewer);
    (world, speaker, viewer)
}

fn closed(world: &World, place: usize) -> Option<CloseReason> {
    world.members[place]
        .events
        .iter()
        .find_map(|event| match event {
            PeerEvent::Closed { reason } => Some(*reason),
            _ => None,
        })
}

fn stranger() -> std::net::SocketAddr {
    "203.0.113.66:666".parse().unwrap()
}

#[test]
fn another_certificate_than_announced_gets_no_keys() {
    let mut world = World::new();
    let liar = world.add(
        1,
        Script {
            wrong_fingerprint: true,
            ..Script::default()
        },
    );
    world.connect(liar).unwrap();
    world.shake(liar);
    world.run(500);
    assert!(!world.members[liar].client.is_connected());
    assert_eq!(closed(&world, liar), Some(CloseReason::Fingerprint));
    assert_eq!(world.sfu.counters().fingerprint_mismatches, 1);
    assert_eq!(world.sfu.counters().joins_failed_fingerprint, 1);
    assert_eq!(world.sfu.counters().profile_aes_256_gcm, 0);
}

#[test]
fn no_certificate_gets_no_keys() {
    let mut world = World::new();
    let nobody = world.add(
        1,
        Script {
            no_certificate: true,
            ..Script::default()
        },
    );
    world.connect(nobody).unwrap();
    world.shake(nobody);
    world.run(500);
    assert!(!world.members[nobody].client.is_connected());
    assert_eq!(closed(&world, nobody), Some(CloseReason::Fingerprint));
    assert_eq!(world.sfu.counters().profile_aes_256_gcm, 0);
}

/// H01: a second stream beside the permitted one, under the same media identifier.
#[test]
fn a_second_stream_of_a_source_is_not_forwarded() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    for _ in 0..20 {
        let client = &mut world.members[speaker].client;
        client.sound(Microphone, 20);
        let mut second = client.next(Camera, vec![0xfc; 40], 960);
        second.ssrc = 9999;
        second.payload_type = OPUS;
        second.mid = client.mid(Microphone);
        client.send(&second);
        world.run(20);
    }
    assert_eq!(world.got(viewer), 20);
    assert_eq!(world.sfu.counters().dropped_unknown_stream, 20);
}

/// H01: the microphone is muted; its sound comes as screen sound, which was never permitted.
#[test]
fn sound_of_a_muted_microphone_does_not_get_through_as_screen_sound() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    world.cut(speaker, Microphone);
    for _ in 0..20 {
        world.members[speaker].client.sound(ScreenAudio, 20);
        world.run(20);
    }
    assert_eq!(world.got(viewer), 0);
    assert_eq!(world.sfu.counters().dropped_not_permitted, 20);
}

/// H01: the announced stream of the (permitted) camera, with the media identifier of the microphone or of nothing.
#[test]
fn a_packet_whose_stream_and_line_contradict_belongs_to_nothing() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    for mid in [
        world.members[speaker].client.mid(Microphone),
        Some("77".to_owned()),
    ] {
        let client = &mut world.members[speaker].client;
        let mut packet = client.next(Camera, vp8(1, 1, true, 100), 3000);
        packet.mid = mid;
        client.send(&packet);
        world.run(20);
    }
    assert_eq!(world.got(viewer), 0);
    assert_eq!(world.sfu.counters().dropped_unknown_stream, 2);
}

#[test]
fn a_stream_that_nobody_declared_is_not_forwarded() {
    let (mut world, speaker, viewer) = two();
    for source in [Microphone, Camera, Screen, ScreenAudio] {
        world.publish(speaker, source);
    }
    for (ssrc, mid) in [
        (4242, None),
        (4243, Some("4".to_owned())),
        (4244, Some("".to_owned())),
    ] {
        let client = &mut world.members[speaker].client;
        let mut packet = client.next(Microphone, vec![0xfc; 40], 960);
        (packet.ssrc, packet.mid) = (ssrc, mid);
        client.send(&packet);
        world.run(20);
    }
    assert_eq!(world.got(viewer), 0);
    assert_eq!(world.sfu.counters().dropped_unknown_stream, 3);
}

#[test]
fn another_payload_type_than_negotiated_is_not_forwarded() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    world.members[speaker].client.sound(Microphone, 20);
    for payload_type in [VP8, 0, 13, 63, 127] {
        let client = &mut world.members[speaker].client;
        let mut packet = client.next(Microphone, vec![1; 40], 960);
        packet.payload_type = payload_type;
        client.send(&packet);
    }
    world.run(50);
    assert_eq!(world.got(viewer), 1);
}

/// A client may use up its own streams, and no more.
#[test]
fn streams_without_end_use_up_nothing() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    for ssrc in 0..100 {
        let client = &mut world.members[speaker].client;
        let mut packet = client.next(Microphone, vec![0xfc; 40], 960);
        (packet.ssrc, packet.mid) = (100_000 + ssrc, None);
        client.send(&packet);
        world.run(1);
    }
    world.calm();
    assert_eq!(world.sfu.counters().dropped_unknown_stream, 100);
    assert_eq!(world.got(viewer), 0);
}

#[test]
fn genuine_packets_from_a_strange_address_are_not_taken() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    let client = &mut world.members[speaker].client;
    let sending = client.next(Microphone, vec![0xfc; 40], 960);
    let packet = client.seal(&sending);
    world.inject(stranger(), packet.clone());
    world.run(20);
    assert_eq!(world.got(viewer), 0);
    assert_eq!(world.sfu.counters().unknown_source, 1);
    let own = world.members[speaker].at;
    world.inject(own, packet.clone());
    world.inject(own, packet);
    world.run(20);
    assert_eq!(world.got(viewer), 1, "it is good, once");
    assert_eq!(world.sfu.counters().srtp_replayed, 1);
}

/// M01: hellos from elsewhere, before and after the client's own check, fragmented and in a flood.
#[test]
fn strange_hellos_do_not_disturb_a_handshake() {
    let mut world = World::new();
    let mut attacker = Client::new(Script::default());
    let honest = world.add(1, Script::default());
    world.connect(honest).unwrap();
    attacker.answer(&format!("a=fingerprint:sha-256 {}", ["00"; 32].join(":")));
    let now = world.now();
    attacker.shake(now);
    let hello = attacker.take().concat();
    let flood = |world: &mut World| {
        for port in 1000..1200 {
            let from = std::net::SocketAddr::from(([203, 0, 113, 1], port));
            world.inject(from, hello.clone());
            world.inject(from, hello[..hello.len() / 2].to_vec());
        }
    };
    flood(&mut world);
    assert_eq!(world.sfu.counters().dtls_started, 0);
    world.members[honest].client.check(false);
    world.run(20);
    flood(&mut world);
    world.shake(honest);
    flood(&mut world);
    assert!(world.members[honest].client.is_connected());
    assert_eq!(world.sfu.counters().dtls_started, 1);
    assert_eq!(world.sfu.counters().unknown_source, 1200);
    assert_eq!(
        world.sfu.counters().datagrams_sent,
        0,
        "no answer to any of it (the world sends, not the shell)"
    );
}

/// M01, the hardest form: forged hellos from the client's very address.
#[test]
fn noise_from_the_clients_own_address_does_not_end_its_handshake() {
    let mut world = World::new();
    let honest = world.add(1, Script::default());
    world.connect(honest).unwrap();
    world.members[honest].client.check(true);
    world.run(10);
    let at = world.members[honest].at;
    for length in [13, 20, 60, 200] {
        let mut junk = vec![
            22,
            0xfe,
            0xfd,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            (length - 13) as u8,
        ];
        junk.resize(length, 7);
        world.inject(at, junk);
    }
    world.shake(honest);
    assert!(world.members[honest].client.is_connected());
    assert_eq!(closed(&world, honest), None);
}

#[test]
fn a_check_without_the_password_changes_nothing() {
    let (mut world, speaker, _) = two();
    let answered = world.sfu.counters().stun_answered;
    let good = world.members[speaker].client.check_bytes(true);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        world.inject(stranger(), bytes);
    }
    let counters = world.sfu.counters();
    // Some of the first byte's bits make it another protocol.
    assert_eq!(
        counters.bad_stun + counters.unknown_protocol + counters.unknown_source,
        good.len() as u64 * 8
    );
    assert_eq!(counters.stun_answered, answered);
    // Checks that are right but for the password.
    for use_candidate in [false, true] {
        let check = world.members[speaker]
            .client
            .check_with("another password", use_candidate);
        world.inject(stranger(), check);
    }
    assert_eq!(world.sfu.counters().stun_answered, answered);
    let counters = world.sfu.counters();
    // A packet from there is still strange.
    let sending = world.members[speaker]
        .client
        .next(Microphone, vec![0xfc; 40], 960);
    let packet = world.members[speaker].client.seal(&sending);
    world.inject(stranger(), packet);
    assert_eq!(
        world.sfu.counters().unknown_source,
        counters.unknown_source + 1
    );
}

/// An address that a peer lives at cannot be claimed by another peer who only pretends to be there.
#[test]
fn the_address_of_a_living_peer_cannot_be_claimed() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    let claim = world.members[viewer].client.check_bytes(true);
    let at = world.members[speaker].at;
    world.inject(at, claim);
    world.members[speaker].client.sound(Microphone, 20);
    world.run(20);
    assert_eq!(world.got(viewer), 1);
}

#[test]
fn no_more_transports_than_allowed() {
    let mut world = World::with(Limits {
        peers: 2,
        handshakes: 256,
    });
    if world.sfu.count() > 1 {
        // The bound is each shard's.
        return;
    }
    let places: Vec<usize> = (1..=3)
        .map(|who| world.add(who, Script::default()))
        .collect();
    world.connect(places[0]).unwrap();
    world.connect(places[1]).unwrap();
    assert_eq!(world.connect(places[2]), Err(ConnectError::Full));
    // Whoever is in may come anew.
    world.members[places[0]].client = Client::new(Script::default());
    world.connect(places[0]).unwrap();
    assert_eq!(world.sfu.counters().peers, 2);
    let now = world.now();
    world.sfu.disconnect(room(1), participant(1), now);
    world.connect(places[2]).unwrap();
}

#[test]
fn no_more_handshakes_at_once_than_allowed() {
    let mut world = World::with(Limits {
        peers: 100,
        handshakes: 1,
    });
    if world.sfu.count() > 1 {
        // The bound is each shard's.
        return;
    }
    let first = world.add(1, Script::default());
    let second = world.add(2, Script::default());
    for place in [first, second] {
        world.connect(place).unwrap();
        world.members[place].client.check(true);
    }
    world.run(10);
    let now = world.now();
    world.members[first].client.shake(now);
    // Only half of its hello arrives: the handshake stands.
    let mut hello = world.members[first].client.take();
    let at = world.members[first].at;
    world.inject(at, hello.remove(0));
    world.members[second].client.shake(now);
    world.run(5);
    assert!(world.sfu.counters().dtls_refused > 0);
    world.run(25_000);
    assert!(
        world.members[second].client.is_connected(),
        "the place comes free"
    );
}

#[test]
fn wild_reports_do_no_harm() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    let mut state = 3_u32;
    for round in 0..300 {
        let mut body = vec![
            0x80 | (state >> 7 & 0x1f) as u8,
            200 + (round % 8) as u8,
            0,
            (state >> 3 & 0x1f) as u8,
        ];
        for _ in 0..state % 200 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            body.push((state >> 24) as u8);
        }
        body.resize(body.len().max(8), 0);
        let client = &mut world.members[viewer].client;
        client
            .sealer
            .as_mut()
            .unwrap()
            .seal_rtcp(&mut body, 0)
            .unwrap();
        let at = world.members[viewer].at;
        world.inject(at, body);
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }
    world.members[speaker].client.frame(Camera, true);
    world.run(20);
    assert_eq!(world.got(viewer), 1);
}

/// H07: who is removed neither sends nor receives, and its keys are gone.
#[test]
fn who_is_disconnected_is_out_in_both_directions() {
    let (mut world, speaker, viewer) = two();
    world.watch(speaker);
    world.publish(speaker, Microphone);
    world.publish(viewer, Microphone);
    world.members[speaker].client.sound(Microphone, 20);
    world.members[viewer].client.sound(Microphone, 20);
    world.run(20);
    assert_eq!((world.got(speaker), world.got(viewer)), (1, 1));
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    assert_eq!(world.shown(viewer).len(), 2);
    let now = world.now();
    world.sfu.disconnect(room(1), participant(1), now);
    world.settle();
    for _ in 0..10 {
        world.members[speaker].client.sound(Microphone, 20);
        world.members[viewer].client.sound(Microphone, 20);
        world.run(20);
    }
    assert_eq!((world.got(speaker), world.got(viewer)), (1, 1));
    assert!(world.members[speaker].client.closed, "it was told");
    assert_eq!(closed(&world, speaker), Some(CloseReason::Removed));
    assert!(world.shown(viewer).is_empty());
    let permit = world.permits.publish(1, 1, Microphone);
    assert!(
        world.sfu.publish(permit, now).is_err(),
        "no permit stands on nothing"
    );
}

/// H09: a permit of rules that were replaced is worthless.
#[test]
fn a_permit_of_older_rules_opens_nothing() {
    let (mut world, speaker, viewer) = two();
    let now = world.now();
    let newer = Permits::of_version(2);
    world.sfu.watch(newer.watch(1, 2), now).unwrap();
    assert!(
        world
            .sfu
            .publish(world.permits.publish(1, 1, Microphone), now)
            .is_err()
    );
    assert!(world.sfu.watch(world.permits.watch(1, 2), now).is_err());
    let late = world.add(3, Script::default());
    assert_eq!(world.connect(late), Err(ConnectError::Stale));
    world.members[speaker].client.sound(Microphone, 20);
    world.run(20);
    assert_eq!(world.got(viewer), 0);
}

#[test]
fn a_flood_of_permitted_sound_is_thinned() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    for _ in 0..1000 {
        for _ in 0..10 {
            world.members[speaker].client.sound(Microphone, 20);
        }
        world.run(1);
    }
    world.calm();
    assert!(world.got(viewer) <= 100 + 250 + 1, "{}", world.got(viewer));
    assert!(world.sfu.counters().dropped_over_rate > 9000);
}

#[test]
fn floods_of_reports_cost_their_receivers_nothing() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    world.members[speaker].client.frame(Camera, true);
    let last = world.members[speaker].client.sound(Microphone, 20);
    world.run(20);
    let before = world.members[viewer].client.reports.len();
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let lost: Vec<u16> = (0..250).map(|step| step * 17).collect();
    for _ in 0..1000 {
        let clock = Compound::sender(last.ssrc, "c", 1 << 16, 1, 1, 1);
        world.members[speaker].client.report(&clock);
        let client = &mut world.members[viewer].client;
        let ssrc = client.slot_ssrc(&slot);
        client.report(&Compound::default().nack(1, ssrc, &lost));
        // What it says it heard, of any stream and as long ago as can be said.
        let heard = (0..31).map(|step| ReceptionReport {
            ssrc: ssrc.wrapping_add(step),
            last_sender_report: step % 2,
            delay: u32::MAX - step,
            ..ReceptionReport::default()
        });
        client.report(&Compound::receiver(1, heard.collect()));
        world.run(1);
    }
    let lines = world.sfu.quality(room(1));
    let trips = lines.iter().filter_map(|line| line.round_trip_ms);
    assert!(trips.max().is_none_or(|trip| trip <= 3000), "{lines:?}");
    let told = world.members[viewer].client.reports.len() - before;
    assert!(told <= 8, "{told} reports in a second");
}

/// M01: a whole first flight of another client in the name of the client's own address, before the client's own.
#[test]
fn a_forged_first_flight_from_the_clients_own_address_does_not_keep_it_out() {
    for fragments in [1, 2] {
        let mut world = World::new();
        let honest = world.add(1, Script::default());
        world.connect(honest).unwrap();
        world.members[honest].client.check(true);
        world.run(10);
        let mut attacker = Client::new(Script::default());
        attacker.answer(&format!("a=fingerprint:sha-256 {}", ["00"; 32].join(":")));
        let now = world.now();
        attacker.shake(now);
        let at = world.members[honest].at;
        for part in attacker.take().into_iter().take(fragments) {
            world.inject(at, part);
        }
        world.shake(honest);
        world.run(30_000);
        assert!(
            world.members[honest].client.is_connected(),
            "{fragments} datagrams forged"
        );
    }
}

/// M01: whole first flights in the name of the client's own address, when there are keys: the call goes on, and nothing is begun anew.
#[test]
fn forged_first_flights_do_not_disturb_a_call() {
    let (mut world, speaker, viewer) = two();
    world.publish(speaker, Microphone);
    let begun = world.sfu.counters().dtls_started;
    let at = world.members[speaker].at;
    for round in 0..20 {
        let mut attacker = Client::new(Script::default());
        attacker.answer(&format!("a=fingerprint:sha-256 {}", ["00"; 32].join(":")));
        let now = world.now();
        attacker.shake(now);
        for part in attacker.take() {
            world.inject(at, part.clone());
            world.inject(at, part[..part.len() / 2].to_vec());
            world.inject(stranger(), part);
        }
        // A goodbye and an alert that nobody sealed.
        world.inject(
            at,
            vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, round, 0, 2, 2, 40],
        );
        world.inject(
            at,
            vec![21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, round, 0, 2, 1, 0],
        );
        world.members[speaker].client.sound(Microphone, 20);
        world.run(20);
    }
    assert_eq!(world.got(viewer), 20);
    assert_eq!(world.sfu.counters().dtls_started, begun);
    assert_eq!(closed(&world, speaker), None);
}

/// A check that is shorter than its answer would be is not answered, even with the right password.
#[test]
fn nobody_gets_a_longer_answer_than_their_question() {
    let mut world = World::new();
    let place = world.add(1, Script::default());
    world.connect(place).unwrap();
    let server = world.members[place].client.server().clone();
    let username = format!("{}:clnt", server.ufrag);
    let check = conclave::media::stun::Check {
        transaction: [1; 12],
        username: &username,
        use_candidate: false,
    };
    let mut request = Vec::new();
    let key = conclave::media::stun::key(&server.password);
    conclave::media::stun::write_request(&mut request, &check, &key);
    let from: std::net::SocketAddr = "[2001:db8::9]:9".parse().unwrap();
    let path = conclave::media::outbox::Path {
        socket: 0,
        remote: from,
    };
    let now = world.now();
    let mut answered = |request: &[u8]| {
        world.sfu.receive(path, &mut request.to_vec(), now);
        let answers = world.sfu.send(now).into_iter().flat_map(|(_, run)| run);
        answers.map(|bytes| bytes.len()).sum()
    };
    let length: usize = answered(&request);
    assert!(length > 0 && length <= request.len());
    let bare = conclave::media::stun::bare_request(&check, &key);
    assert!(bare.len() < length, "{} bytes", bare.len());
    assert_eq!(answered(&bare), 0);
}

/// M01: what strangers send costs no memory: the test below runs alone in a process, so that what it measures is its own.
#[test]
fn a_flood_of_strangers_costs_no_memory() {
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "attacks::a_flood_alone",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[expect(clippy::print_stdout, reason = "a figure")]
#[ignore = "runs in a process of its own, started by the test above"]
fn a_flood_alone() {
    let (mut world, speaker, _) = two();
    let good = world.members[speaker].client.check_bytes(true);
    let mut flood = |count: u32| {
        for number in 0..count {
            let from = std::net::SocketAddr::from((
                std::net::Ipv4Addr::from_bits(0x0b00_0000 + number),
                (number % 60_000) as u16,
            ));
            let path = conclave::media::outbox::Path {
                socket: 0,
                remote: from,
            };
            let now = world.now();
            let mut datagrams = [
                good.clone(),
                vec![22; 200],
                vec![0x80; 200],
                vec![0x80, 200, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                vec![255; 40],
            ];
            datagrams[0][40] ^= 1;
            datagrams[2][8..12].copy_from_slice(&number.to_be_bytes());
            for datagram in &mut datagrams {
                world.sfu.receive(path, datagram, now);
            }
            assert!(world.sfu.send(now).is_empty(), "an answer to a stranger");
        }
    };
    flood(1_000);
    let before = resident();
    flood(100_000);
    let grown = resident().saturating_sub(before);
    println!("figure m01.strangers_memory {grown} KiB");
    assert!(grown < 256, "{grown} KiB for half a million datagrams");
}

/// Memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.unwrap().split_whitespace().nth(1);
    words.unwrap().parse().unwrap()
}

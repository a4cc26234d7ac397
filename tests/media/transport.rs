//! Addresses, handshakes, restarts and ends.

use std::net::SocketAddr;

use conclave::media::event::{CloseReason, ConnectError, PeerEvent};
use conclave::media::offer::{self, OfferError};
use conclave::media::srtp::Profile;
use conclave_policy::source::Source::{Camera, Microphone};

use crate::media_client::{Client, Script};
use crate::world::{Network, ROOM, World};

fn talking() -> (World, usize, usize) {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let viewer = world.join(2, Script::default());
    world.watch(viewer);
    world.publish(speaker, Microphone);
    (world, speaker, viewer)
}

fn talk(world: &mut World, place: usize, packets: usize) {
    for _ in 0..packets {
        world.members[place].client.sound(Microphone, 20);
        world.run(20);
    }
}

fn closed(world: &World, place: usize) -> Option<CloseReason> {
    world.members[place]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            PeerEvent::Closed { reason } => Some(*reason),
            _ => None,
        })
}

#[test]
fn keys_are_those_of_the_strongest_profile() {
    let (world, speaker, _) = talking();
    assert_eq!(
        world.members[speaker].client.profile,
        Some(Profile::Aes256Gcm)
    );
    assert_eq!(world.members[speaker].events[0], PeerEvent::Connected);
}

#[test]
fn handshakes_survive_a_bad_network() {
    for seed in 0..20 {
        let mut world = World::new();
        world.network = Network {
            lost_up: 150,
            lost_down: 150,
            jitter: 30,
        };
        world.run(seed * 7);
        for who in 1..=3 {
            world.join(who, Script::default());
        }
        assert_eq!(world.sfu.counters().profile_aes_256_gcm, 3);
    }
}

#[test]
fn a_client_that_moves_goes_on_without_a_new_handshake() {
    let (mut world, speaker, viewer) = talking();
    talk(&mut world, speaker, 5);
    let moved: SocketAddr = "198.51.100.99:5".parse().unwrap();
    for place in [speaker, viewer] {
        world.members[place].at = SocketAddr::new(moved.ip(), moved.port() + place as u16);
    }
    talk(&mut world, speaker, 5);
    assert_eq!(
        world.got(viewer),
        5,
        "the new addresses have not proved themselves"
    );
    for place in [speaker, viewer] {
        world.members[place].client.check(true);
    }
    world.run(5);
    talk(&mut world, speaker, 5);
    assert_eq!(world.got(viewer), 10);
    assert_eq!(world.sfu.counters().dtls_started, 2);
}

#[test]
fn a_check_without_nomination_does_not_move_media() {
    let (mut world, speaker, viewer) = talking();
    let elsewhere: SocketAddr = "198.51.100.98:5".parse().unwrap();
    let check = world.members[viewer].client.check_bytes(false);
    world.inject(elsewhere, check);
    talk(&mut world, speaker, 3);
    assert_eq!(world.got(viewer), 3);
}

#[test]
fn who_is_silent_for_too_long_is_gone() {
    let (mut world, speaker, viewer) = talking();
    world.members[speaker].keeps_consent = false;
    world.run(15_000);
    assert_eq!(closed(&world, speaker), None);
    world.run(8_000);
    assert_eq!(closed(&world, speaker), Some(CloseReason::Timeout));
    assert_eq!(closed(&world, viewer), None);
    assert!(world.shown(viewer).is_empty());
}

#[test]
fn who_never_comes_is_forgotten() {
    let mut world = World::new();
    let place = world.add(1, Script::default());
    world.connect(place).unwrap();
    world.members[place].keeps_consent = false;
    world.run(25_000);
    assert_eq!(closed(&world, place), Some(CloseReason::NoPath));
    assert_eq!(world.sfu.counters().joins_failed_no_path, 1);
    assert_eq!(world.sfu.counters().peers, 0);
    assert_eq!(world.sfu.next_timeout(), None, "an empty shard sleeps");
    let rest = format!("{:?}", world.sfu);
    assert!(rest.contains("rooms: 0"), "{rest}");
}

#[test]
fn a_goodbye_ends_the_transport_at_once() {
    let (mut world, speaker, viewer) = talking();
    world.members[speaker].client.close();
    world.run(10);
    assert_eq!(closed(&world, speaker), Some(CloseReason::Left));
    assert!(world.shown(viewer).is_empty());
}

#[test]
fn an_ice_restart_keeps_keys_slots_and_permits() {
    let (mut world, speaker, viewer) = talking();
    talk(&mut world, speaker, 5);
    let slots = world.members[viewer].client.server().slots.clone();
    let before = world.members[viewer].client.server().ufrag.clone();
    for place in [speaker, viewer] {
        world.members[place].client.ufrag = "anew".to_owned();
        world.connect(place).unwrap();
        world.members[place].at.set_port(41_000);
        world.members[place].client.check(true);
    }
    world.run(10);
    assert_ne!(world.members[viewer].client.server().ufrag, before);
    assert_eq!(world.members[viewer].client.server().slots, slots);
    talk(&mut world, speaker, 5);
    assert_eq!(world.got(viewer), 10);
    assert_eq!(world.sfu.counters().dtls_started, 2, "no new handshake");
}

#[test]
fn old_credentials_are_worthless_after_a_restart() {
    let (mut world, speaker, _) = talking();
    let old = world.members[speaker].client.check_bytes(true);
    world.members[speaker].client.ufrag = "anew".to_owned();
    world.connect(speaker).unwrap();
    let before = world.sfu.counters().bad_stun;
    world.inject("203.0.113.1:1".parse().unwrap(), old);
    assert_eq!(world.sfu.counters().bad_stun, before + 1);
}

/// Nothing can be sent to port 0: what comes from there, though its sender proves itself, is answered nothing and moves nobody.
#[test]
fn who_comes_from_port_zero_is_not_sent_to() {
    let (mut world, speaker, viewer) = talking();
    let check = world.members[viewer].client.check_bytes(true);
    let before = world.sfu.counters();
    world.inject("203.0.113.1:0".parse().unwrap(), check.clone());
    assert_eq!(world.sfu.counters().bad_stun, before.bad_stun + 1);
    assert_eq!(world.sfu.counters().stun_answered, before.stun_answered);
    talk(&mut world, speaker, 5);
    assert_eq!(world.got(viewer), 5);
    // The same from any other port moves the viewer.
    world.inject("203.0.113.1:1".parse().unwrap(), check);
    assert_eq!(world.sfu.counters().stun_answered, before.stun_answered + 1);
}

#[test]
fn what_is_offered_as_a_restart_of_another_connection_changes_nothing() {
    let (mut world, speaker, viewer) = talking();
    let offer = Client::new(Script::default()).offer();
    let permit = world.permits.connect(ROOM, world.members[speaker].who);
    let now = world.now();
    let refused = world
        .sfu
        .reconnect(permit, offer::read(&offer).unwrap(), now);
    assert!(matches!(
        refused,
        Err(ConnectError::Offer(OfferError::Changed))
    ));
    talk(&mut world, speaker, 5);
    assert_eq!(world.got(viewer), 5);
}

/// H01, H06: a restart cannot make a microphone's line the camera's.
#[test]
fn a_restart_cannot_relabel_a_line() {
    let (mut world, speaker, _) = talking();
    world.members[speaker].client.ufrag = "anew".to_owned();
    world.members[speaker].client.script.sends.swap(0, 3);
    assert_eq!(
        world.connect(speaker),
        Err(ConnectError::Offer(OfferError::Changed))
    );
}

#[test]
fn a_new_connection_replaces_the_old_and_keeps_the_permits() {
    let (mut world, speaker, viewer) = talking();
    talk(&mut world, speaker, 5);
    let old = world.members[speaker].key;
    world.members[speaker].client = Client::new(Script::default());
    world.connect(speaker).unwrap();
    assert_ne!(world.members[speaker].key, old);
    world.shake(speaker);
    talk(&mut world, speaker, 5);
    assert_eq!(world.got(viewer), 10);
    assert_eq!(world.sfu.counters().peers, 2);
}

#[test]
fn a_viewer_who_connects_late_gets_the_picture() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    world.publish(speaker, Camera);
    let late = world.add(2, Script::default());
    world.connect(late).unwrap();
    world.watch(late);
    world.view(late, &[(1, Camera)]);
    world.members[speaker].client.frame(Camera, true);
    world.run(1200);
    let asked = world.sfu.counters().key_frames_requested;
    world.shake(late);
    world.run(30);
    assert!(
        world.sfu.counters().key_frames_requested > asked,
        "asked for when there are keys"
    );
    world.members[speaker].client.frame(Camera, true);
    world.run(10);
    assert_eq!(world.got(late), 1);
}

#[test]
fn ending_a_room_ends_its_transports_only() {
    let (mut world, speaker, viewer) = talking();
    let other = world.add(3, Script::default());
    world.connect_in(2, other).unwrap();
    world.shake(other);
    let now = world.now();
    world.sfu.end(crate::permits::room(1), now);
    world.settle();
    assert_eq!(closed(&world, speaker), Some(CloseReason::Removed));
    assert_eq!(closed(&world, viewer), Some(CloseReason::Removed));
    assert_eq!(closed(&world, other), None);
    assert_eq!(world.sfu.counters().peers, 1);
}

#[test]
fn who_arrives_and_shakes_no_hands_is_given_up_and_told_so() {
    let mut world = World::new();
    let place = world.add(1, Script::default());
    world.connect(place).unwrap();
    world.run(29_000);
    assert_eq!(closed(&world, place), None);
    assert!(world.members[place].client.checked > 5);
    world.run(2_000);
    assert_eq!(closed(&world, place), Some(CloseReason::NoHandshake));
    assert_eq!(world.sfu.counters().joins_failed_no_handshake, 1);
    assert_eq!(world.sfu.counters().peers, 0);
}

#[test]
fn a_handshake_that_comes_to_no_end_is_given_up_and_told_so() {
    let mut world = World::new();
    let place = world.add(1, Script::default());
    world.connect(place).unwrap();
    world.run(60);
    let now = world.now();
    world.members[place].client.shake(now);
    let mut hello = world.members[place].client.take();
    let at = world.members[place].at;
    // Nothing but its first flight ever comes, and nothing of ours reaches it.
    world.network.lost_down = 1000;
    world.inject(at, hello.remove(0));
    world.inject(at, hello.concat());
    for _ in 0..31 {
        world.members[place].client.take();
        world.run(1000);
    }
    assert_eq!(closed(&world, place), Some(CloseReason::Handshake));
    assert_eq!(world.sfu.counters().joins_failed_handshake, 1);
    assert_eq!(world.sfu.counters().peers, 0);
}

#[test]
fn a_transport_that_was_up_is_no_failed_join() {
    let (mut world, speaker, _) = talking();
    world.members[speaker].keeps_consent = false;
    world.run(25_000);
    assert_eq!(closed(&world, speaker), Some(CloseReason::Timeout));
    let failed = world.sfu.counters();
    assert_eq!(
        failed.joins_failed_no_path
            + failed.joins_failed_no_handshake
            + failed.joins_failed_handshake,
        0
    );
}

//! What is forwarded, to whom, under which numbers, and what a cut ends.

use conclave::media::event::PeerEvent;
use conclave::media::rtcp::{Compound, ReceptionReport, Report, reports};
use conclave_policy::source::Source;
use conclave_policy::source::Source::{Camera, Microphone, Screen, ScreenAudio};

use crate::media_client::{Client, RTX, Received, Script, Sending, vp8};
use crate::permits::{participant, room};
use crate::world::{Network, World};

pub(crate) fn two() -> (World, usize, usize) {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let viewer = world.join(2, Script::default());
    (world, speaker, viewer)
}

/// A speaker with a permit for these sources, and so many who watch the camera.
fn crowd(viewers: u8, sources: &[Source]) -> (World, usize, Vec<usize>) {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let viewers: Vec<usize> = (2..2 + viewers)
        .map(|who| world.join(who, Script::default()))
        .collect();
    for source in sources {
        world.publish(speaker, *source);
    }
    for viewer in &viewers {
        world.watch(*viewer);
        world.view(*viewer, &[(1, Camera)]);
    }
    (world, speaker, viewers)
}

fn talk(world: &mut World, place: usize, packets: usize) {
    for _ in 0..packets {
        world.members[place].client.sound(Microphone, 20);
        world.run(20);
    }
}

/// A publisher's clock in NTP time.
const CLOCK: u64 = 0x1111_2222_3333_4444;

/// Sends a packet of sound, and what the clock was then.
fn tell_clock(world: &mut World, place: usize) {
    let client = &mut world.members[place].client;
    let last = client.sound(Microphone, 20);
    client.report(&Compound::sender(
        last.ssrc,
        "c",
        CLOCK,
        last.timestamp,
        1,
        1,
    ));
}

pub(crate) fn film(world: &mut World, place: usize, frames: usize, key: bool) {
    for frame in 0..frames {
        world.members[place].client.frame(Camera, key && frame == 0);
        world.run(33);
    }
}

pub(crate) fn indices(received: &[&Received]) -> Vec<u64> {
    received.iter().map(|packet| packet.index).collect()
}

#[test]
fn sound_flows_only_while_both_permits_stand() {
    let (mut world, speaker, viewer) = two();
    // Longer than it takes to find the loudest, which also gives slots.
    talk(&mut world, speaker, 30);
    assert_eq!(world.got(viewer), 0, "neither permit");
    world.watch(viewer);
    talk(&mut world, speaker, 30);
    assert_eq!(world.got(viewer), 0, "the viewer's alone");
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 30);
    assert_eq!(world.got(viewer), 30);
    world.sfu.unwatch(room(1), participant(2));
    world.settle();
    talk(&mut world, speaker, 30);
    assert_eq!(world.got(viewer), 30, "the speaker's alone");
    world.watch(viewer);
    talk(&mut world, speaker, 30);
    assert_eq!(world.got(viewer), 60);
    assert!(
        world.members[speaker].client.received.is_empty(),
        "nobody hears themselves"
    );
}

#[test]
fn what_a_receiver_gets_is_numbered_across_its_slots_unless_it_reports_no_arrivals() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let viewer = world.join(2, Script::default());
    let plain = Script {
        arrivals: false,
        ..Script::default()
    };
    let other = world.join(3, plain);
    for place in [viewer, other] {
        world.watch(place);
        world.view(place, &[(1, Camera)]);
    }
    world.publish(speaker, Microphone);
    world.publish(speaker, Camera);
    for frame in 0..20 {
        world.members[speaker].client.sound(Microphone, 20);
        world.members[speaker].client.frame(Camera, frame == 0);
        world.run(33);
    }
    let numbers = |place: usize| -> Vec<Option<u16>> {
        let received = world.members[place].client.received.iter();
        received.map(|packet| packet.number).collect()
    };
    let numbered: Vec<u16> = numbers(viewer).into_iter().flatten().collect();
    assert_eq!(numbered.len(), world.got(viewer), "each has a number");
    let first = numbered[0];
    let run: Vec<u16> = (0..40).map(|place| first.wrapping_add(place)).collect();
    assert_eq!(numbered, run);
    assert!(numbers(other).iter().all(Option::is_none));
}

#[test]
fn sound_is_numbered_only_while_pictures_come_with_it() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Microphone);
    world.publish(speaker, Camera);
    for (views, numbered) in [(false, 0), (true, 20), (false, 0)] {
        let wanted: &[_] = if views { &[(1, Camera)] } else { &[] };
        world.view(viewer, wanted);
        // Until it is known that nothing is wanted any more.
        talk(&mut world, speaker, 20);
        world.members[viewer].client.received.clear();
        talk(&mut world, speaker, 20);
        let received = &world.members[viewer].client.received;
        assert_eq!(received.len(), 20);
        let own = received.iter().filter(|packet| packet.number.is_some());
        assert_eq!(own.count(), numbered);
    }
}

#[test]
fn pictures_flow_only_while_both_permits_stand() {
    let (mut world, speaker, viewer) = two();
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 10, true);
    world.publish(speaker, Camera);
    film(&mut world, speaker, 10, true);
    assert_eq!(world.got(viewer), 0, "the speaker's alone");
    world.watch(viewer);
    film(&mut world, speaker, 10, true);
    assert_eq!(world.got(viewer), 10);
    world.cut(speaker, Camera);
    film(&mut world, speaker, 10, true);
    assert_eq!(world.got(viewer), 10, "the viewer's alone");
    world.publish(speaker, Camera);
    film(&mut world, speaker, 10, true);
    world.sfu.unwatch(room(1), participant(2));
    world.settle();
    film(&mut world, speaker, 10, true);
    assert_eq!(world.got(viewer), 20);
}

#[test]
fn permits_of_one_room_open_nothing_in_another() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Microphone);
    let stranger = world.add(3, Script::default());
    world.connect_in(2, stranger).unwrap();
    world.shake(stranger);
    let now = world.now();
    let permit = world.permits.watch(2, 3);
    world.sfu.watch(permit, now).unwrap();
    assert!(
        world.sfu.watch(world.permits.watch(1, 3), now).is_err(),
        "no transport in that room"
    );
    talk(&mut world, speaker, 5);
    assert_eq!((world.got(viewer), world.got(stranger)), (5, 0));
}

#[test]
fn a_cut_ends_everything_and_counts_what_still_comes() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 10);
    let cut = world.cut(speaker, Microphone);
    assert_eq!(cut.forwarded, 10);
    world.calm();
    let before = world.got(viewer);
    talk(&mut world, speaker, 10);
    assert_eq!(world.got(viewer), before);
    let line = world.sfu.stats(room(1)).remove(0);
    assert_eq!((line.received, line.forwarded, line.dropped), (20, 10, 10));
    assert_eq!(world.sfu.counters().dropped_not_permitted, 10);
    assert!(world.shown(viewer).is_empty());
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 3);
    assert_eq!(world.got(viewer), before + 3);
}

#[test]
fn video_begins_with_a_key_frame_and_asks_for_one() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    film(&mut world, speaker, 3, true);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 5, false);
    assert_eq!(world.got(viewer), 0, "no picture can be built from these");
    let asked = |world: &World| {
        let all = world.members[speaker].client.reports.iter();
        all.flat_map(|report| reports(report))
            .filter(|r| matches!(r, Report::KeyFrame { .. }))
            .count()
    };
    assert_eq!(asked(&world), 1);
    world.run(1000);
    assert_eq!(
        asked(&world),
        2,
        "once in a second, as long as somebody waits"
    );
    film(&mut world, speaker, 5, true);
    assert_eq!(world.got(viewer), 5);
    world.run(2000);
    assert_eq!(asked(&world), 2);
}

#[test]
fn viewers_may_not_have_a_publisher_asked_for_key_frames_without_end() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 5, true);
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let before = world.sfu.counters().key_frames_requested;
    for _ in 0..500 {
        let client = &mut world.members[viewer].client;
        let ssrc = client.slot_ssrc(&slot);
        client.report(&Compound::default().key_frame(1, ssrc));
        world.run(10);
    }
    let asked = world.sfu.counters().key_frames_requested - before;
    assert!((4..=6).contains(&asked), "{asked} in five seconds");
}

#[test]
fn after_a_cut_nothing_old_is_repaired_and_a_new_start_needs_a_key_frame() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 20, true);
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let ssrc = world.members[viewer].client.slot_ssrc(&slot);
    let sent: Vec<u16> = world.members[viewer]
        .client
        .on_slot(&slot)
        .iter()
        .map(|p| p.header.sequence)
        .collect();
    world.members[viewer]
        .client
        .report(&Compound::default().nack(1, ssrc, &sent[10..12]));
    world.calm();
    assert_eq!(
        world.sfu.counters().repaired,
        2,
        "while it stands, repairs are made"
    );
    world.cut(speaker, Camera);
    world.calm();
    let before = world.got(viewer);
    world.members[viewer]
        .client
        .report(&Compound::default().nack(1, ssrc, &sent));
    film(&mut world, speaker, 10, true);
    assert_eq!(world.got(viewer), before);
    world.publish(speaker, Camera);
    world.members[viewer]
        .client
        .report(&Compound::default().nack(1, ssrc, &sent));
    film(&mut world, speaker, 10, false);
    assert_eq!(
        world.got(viewer),
        before,
        "neither repairs nor frames without a key frame"
    );
    film(&mut world, speaker, 10, true);
    world.members[viewer]
        .client
        .report(&Compound::default().nack(1, ssrc, &sent));
    world.calm();
    assert_eq!(world.got(viewer), before + 10);
    assert_eq!(world.sfu.counters().repaired, 2);
    let asked = world.members[speaker]
        .client
        .reports
        .iter()
        .flat_map(|report| reports(report));
    assert!(
        asked
            .into_iter()
            .all(|report| !matches!(report, Report::Nack { .. })),
        "what was sent meanwhile is not asked for"
    );
}

#[test]
fn a_slot_goes_on_under_one_numbering_when_its_source_changes() {
    let mut world = World::new();
    let (one, two) = (
        world.join(1, Script::default()),
        world.join(2, Script::default()),
    );
    let viewer = world.join(
        3,
        Script {
            video_slots: 1,
            ..Script::default()
        },
    );
    world.watch(viewer);
    world.publish(one, Camera);
    world.publish(two, Camera);
    // The second client's numbers are far away.
    for _ in 0..500 {
        world.members[two].client.next(Camera, Vec::new(), 3000);
    }
    for (publisher, who) in [(one, 1), (two, 2), (one, 1)] {
        world.view(viewer, &[(who, Camera)]);
        film(&mut world, publisher, 30, true);
    }
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let got = world.members[viewer].client.on_slot(&slot);
    assert_eq!(got.len(), 90);
    for pair in got.windows(2) {
        assert_eq!(pair[1].index, pair[0].index + 1);
        let step = pair[1]
            .header
            .timestamp
            .wrapping_sub(pair[0].header.timestamp);
        assert!((2000..20_000).contains(&step), "{step} ticks");
        let picture =
            |packet: &Received| u16::from_be_bytes([packet.payload[2] & 0x7f, packet.payload[3]]);
        assert_eq!(picture(pair[1]), (picture(pair[0]) + 1) & 0x7fff);
        assert_eq!(pair[1].payload[4], pair[0].payload[4].wrapping_add(1));
    }
}

#[test]
fn over_a_bad_network_everything_arrives_and_nothing_twice_under_one_number() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 3, true);
    world.network = Network {
        lost_up: 50,
        lost_down: 50,
        jitter: 8,
    };
    let mut sent: Vec<Sending> = Vec::new();
    for _ in 0..1000 {
        let sending = world.members[speaker].client.frame(Camera, false);
        sent.push(sending);
        world.run(5);
        answer_nacks(&mut world, speaker, &sent);
        ask_again(&mut world, viewer);
    }
    world.network = Network::default();
    for _ in 0..20 {
        world.run(20);
        answer_nacks(&mut world, speaker, &sent);
        ask_again(&mut world, viewer);
    }
    let got = originals(&world.members[viewer].client);
    let counters = world.sfu.counters();
    assert!(
        counters.nacks_sent > 20 && counters.repaired > 20,
        "{counters:?}"
    );
    // What is lost again and again stays lost.
    assert!(got.len() >= 995, "{} of 1000 frames", got.len());
}

/// The publisher sends what it is asked for on its stream of repairs.
fn answer_nacks(world: &mut World, speaker: usize, sent: &[Sending]) {
    let client = &mut world.members[speaker].client;
    for report in std::mem::take(&mut client.reports) {
        for asked in reports(&report) {
            let Report::Nack { lost, .. } = asked else {
                continue;
            };
            for sequence in lost.iter() {
                let Some(first) = sent
                    .iter()
                    .find(|sending| (sending.index & 0xffff) as u16 == sequence)
                else {
                    continue;
                };
                let mut repair = client.next(Screen, Vec::new(), 1);
                repair.ssrc = Client::repair_ssrc(Camera);
                repair.payload_type = RTX;
                repair.mid = client.mid(Camera);
                repair.timestamp = first.timestamp;
                repair.payload = [&sequence.to_be_bytes()[..], &first.payload].concat();
                client.send(&repair);
            }
        }
    }
}

/// The viewer asks for what is missing on its slot.
fn ask_again(world: &mut World, viewer: usize) {
    let Some(slot) = world.slot_of(viewer, 1, Camera) else {
        return;
    };
    let client = &mut world.members[viewer].client;
    let ssrc = client.slot_ssrc(&slot);
    let have = originals(client);
    let Some(newest) = have.iter().max().copied() else {
        return;
    };
    let missing: Vec<u16> = (newest.saturating_sub(60)..newest.saturating_sub(6))
        .filter(|index| !have.contains(index))
        .map(|i| i as u16)
        .collect();
    if !missing.is_empty() {
        client.report(&Compound::default().nack(1, ssrc, &missing));
    }
}

/// The numbers in the first stream of everything that came, at first or as a repair.
fn originals(client: &Client) -> std::collections::HashSet<u64> {
    let all = client
        .received
        .iter()
        .map(|packet| match packet.header.payload_type {
            RTX => u64::from(u16::from_be_bytes([packet.payload[0], packet.payload[1]])),
            _ => packet.index,
        });
    all.collect()
}

#[test]
fn without_retransmission_streams_nothing_is_sent_again() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let viewer = world.join(
        2,
        Script {
            repairs: false,
            ..Script::default()
        },
    );
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 10, true);
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let before = indices(&world.members[viewer].client.on_slot(&slot));
    let lost: Vec<u16> = before.iter().map(|index| *index as u16).collect();
    let ssrc = world.members[viewer].client.slot_ssrc(&slot);
    world.members[viewer]
        .client
        .report(&Compound::default().nack(1, ssrc, &lost));
    world.run(100);
    assert_eq!(
        indices(&world.members[viewer].client.on_slot(&slot)),
        before
    );
}

#[test]
fn the_loudest_have_the_sound_slots() {
    let mut world = World::new();
    let speakers: Vec<usize> = (1..=4)
        .map(|who| world.join(who, Script::default()))
        .collect();
    let viewer = world.join(
        9,
        Script {
            audio_slots: 2,
            ..Script::default()
        },
    );
    world.watch(viewer);
    for speaker in &speakers {
        world.publish(*speaker, Microphone);
    }
    let round = |world: &mut World, levels: [u8; 4]| {
        for _ in 0..150 {
            for (speaker, level) in speakers.iter().zip(levels) {
                world.members[*speaker].client.sound(Microphone, level);
            }
            world.run(20);
        }
    };
    let heard = |world: &World| {
        let mut heard: Vec<u8> = world
            .shown(viewer)
            .into_iter()
            .map(|(_, who, _)| who)
            .collect();
        heard.sort_unstable();
        heard
    };
    round(&mut world, [20, 25, 127, 127]);
    assert_eq!(heard(&world), [1, 2]);
    round(&mut world, [127, 25, 127, 20]);
    assert_eq!(heard(&world), [2, 4]);
    round(&mut world, [127, 25, 23, 20]);
    assert_eq!(heard(&world), [2, 4], "a little louder is not enough");
    let last = world.members[viewer]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            PeerEvent::Speaking(speaking) => Some(speaking.clone()),
            _ => None,
        });
    assert_eq!(last.unwrap().len(), 3);
    world.run(3000);
    let last = world.members[viewer]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            PeerEvent::Speaking(speaking) => Some(speaking.clone()),
            _ => None,
        });
    assert!(last.unwrap().is_empty(), "nobody speaks any more");
}

#[test]
fn all_are_heard_while_there_are_slots_for_all() {
    let mut world = World::new();
    let (one, two) = (
        world.join(1, Script::default()),
        world.join(2, Script::default()),
    );
    let viewer = world.join(3, Script::default());
    world.watch(viewer);
    for (place, source) in [(one, Microphone), (one, ScreenAudio), (two, Microphone)] {
        world.publish(place, source);
    }
    world.run(1);
    let mut shown: Vec<_> = world
        .shown(viewer)
        .into_iter()
        .map(|(_, who, source)| (who, source))
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, [(1, Microphone), (1, ScreenAudio), (2, Microphone)]);
}

#[test]
fn a_publishers_clock_reaches_the_viewer_in_the_time_of_the_slot() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 50);
    tell_clock(&mut world, speaker);
    world.calm();
    let slot = world.slot_of(viewer, 1, Microphone).unwrap();
    let client = &world.members[viewer].client;
    let expected = client.on_slot(&slot).last().unwrap().header.timestamp;
    let clocks: Vec<_> = client
        .reports
        .iter()
        .flat_map(|report| reports(report))
        .collect();
    let expected = Report::Sender {
        ssrc: client.slot_ssrc(&slot),
        ntp: CLOCK,
        rtp: expected,
    };
    assert!(clocks.contains(&expected), "{clocks:?}");
}

/// Clocks that a member was told of.
fn clocks(world: &World, place: usize) -> usize {
    let all = world.members[place].client.reports.iter();
    let all = all.flat_map(|report| reports(report));
    all.filter(|report| matches!(report, Report::Sender { .. }))
        .count()
}

#[test]
fn what_begins_anew_with_each_packet_is_not_told_of_with_each() {
    let mut world = World::new();
    let script = Script {
        sounds: &["opus", "PCMU"],
        ..Script::default()
    };
    let speaker = world.join(1, script.clone());
    let viewer = world.join(2, script);
    world.watch(viewer);
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 10);
    tell_clock(&mut world, speaker);
    world.run(300);
    let before = clocks(&world, viewer);
    // A second of packets in another codec each, of other clocks.
    for round in 0..50 {
        let client = &mut world.members[speaker].client;
        let mut sending = client.next(Microphone, vec![0xfc; 40], 960);
        if round % 2 == 0 {
            sending.payload_type = 0;
        }
        client.send(&sending);
        world.run(20);
    }
    let told = clocks(&world, viewer) - before;
    assert!((1..=6).contains(&told), "{told}");
    // Nor does everyone's place follow it with each packet.
    let got = &world.members[viewer].client.received;
    let changes = got
        .windows(2)
        .filter(|pair| pair[0].header.payload_type != pair[1].header.payload_type);
    assert!((1..=3).contains(&changes.count()), "{}", got.len());
}

#[test]
fn where_no_arrivals_are_reported_the_way_there_and_back_is_told_by_reports_of_reception() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let plain = Script {
        arrivals: false,
        ..Script::default()
    };
    let viewer = world.join(2, plain);
    world.watch(viewer);
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 50);
    tell_clock(&mut world, speaker);
    world.calm();
    let slot = world.slot_of(viewer, 1, Microphone).unwrap();
    let ssrc = world.members[viewer].client.slot_ssrc(&slot);
    // After 300 ms, of which it says that it kept the clock for 200: the way took 100, and what the network of this test takes.
    world.run(300);
    let tell = |world: &mut World, ssrc: u32, last_sender_report: u32| {
        let line = ReceptionReport {
            ssrc,
            last_sender_report,
            delay: 65_536 / 5,
            ..ReceptionReport::default()
        };
        let compound = Compound::receiver(1, vec![line]);
        world.members[viewer].client.report(&compound);
        world.calm();
        let lines = world.sfu.quality(room(1));
        let line = lines
            .iter()
            .find(|line| line.participant == participant(2))
            .unwrap();
        line.round_trip_ms
    };
    assert_eq!(tell(&mut world, ssrc, 0), None, "it heard none");
    assert_eq!(tell(&mut world, ssrc, 0x2222_3334), None, "another clock");
    assert_eq!(tell(&mut world, ssrc + 1, 0x2222_3333), None, "of another");
    let trip = tell(&mut world, ssrc, 0x2222_3333).unwrap();
    assert!((100..=150).contains(&trip), "{trip} ms");
}

#[test]
fn publishers_are_told_when_their_packets_arrived() {
    let (mut world, speaker, _) = two();
    let kinds = |world: &World, kind: u8, count: u8| {
        let reports = world.members[speaker].client.reports.iter();
        reports
            .filter(|r| r[1] == kind && r[0] & 0x1f == count)
            .count()
    };
    talk(&mut world, speaker, 100);
    let few = kinds(&world, 205, 15);
    assert!(
        (7..=10).contains(&few),
        "{few} of sound, four times a second"
    );
    assert!(kinds(&world, 201, 1) >= 2, "reception reports");
    // Frames in 20 ms, those lost of a thousand, and reports in two seconds.
    let some = [
        (4, 0, 8..=12, "five times a second"),
        (14, 0, 16..=21, "of much ten times"),
        (4, 50, 15..=21, "when something was lost ten times"),
        (14, 50, 30..=41, "of much twenty times"),
        (4, 0, 15..=21, "nothing is lost, but not for long"),
        (4, 0, 8..=15, "and then it is as before"),
    ];
    world.run(2000);
    for (frames, lost, reports, what) in some {
        let told = kinds(&world, 205, 15);
        world.network.lost_up = lost;
        for _ in 0..100 {
            for _ in 0..frames {
                world.members[speaker].client.frame(Camera, false);
            }
            world.run(20);
        }
        let more = kinds(&world, 205, 15) - told;
        assert!(reports.contains(&more), "{more}: {what}");
    }
}

/// What is missing and would come too late is nothing to wake up for, also where the publisher cannot be asked for it.
#[test]
fn what_would_come_too_late_wakes_nobody() {
    let (mut world, speaker, _) = two();
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 5);
    world.members[speaker].client.sound(Microphone, 20);
    world.members[speaker].client.take();
    talk(&mut world, speaker, 2);
    let mut alarms = || {
        let mut times = Vec::new();
        for _ in 0..400 {
            times.push(world.sfu.next_timeout());
            world.step();
        }
        times.dedup();
        times.len()
    };
    let (open, given_up) = (alarms(), alarms());
    assert!(
        open >= 20 && given_up <= 16,
        "{open} alarms, {given_up} later"
    );
}

#[test]
fn what_is_not_looked_at_is_not_sent() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    film(&mut world, speaker, 5, true);
    assert_eq!(world.got(viewer), 0);
    world.view(
        viewer,
        &[(1, Camera), (1, Microphone), (2, Camera), (7, Camera)],
    );
    film(&mut world, speaker, 5, true);
    assert_eq!(world.got(viewer), 5);
    world.view(viewer, &[]);
    film(&mut world, speaker, 5, true);
    assert_eq!(world.got(viewer), 5);
}

#[test]
fn levels_go_with_the_sound() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 1);
    assert_eq!(world.members[viewer].client.received[0].level, Some(20));
}

#[test]
fn padding_leaves_no_gap() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 2, true);
    let padding = world.members[speaker].client.next(Camera, Vec::new(), 3000);
    world.members[speaker].client.send(&padding);
    film(&mut world, speaker, 2, false);
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let got = indices(&world.members[viewer].client.on_slot(&slot));
    assert!(
        got.windows(2).all(|pair| pair[1] == pair[0] + 1) && got.len() == 5,
        "{got:?}"
    );
    assert!(vp8(1, 1, true, 1).len() > 1);
}

/// Hands over what a client wants to send, all at once.
fn hand_all(world: &mut World, place: usize) {
    let at = world.members[place].at;
    for bytes in world.members[place].client.take() {
        world.hand(at, bytes);
    }
}

/// H01, H06: what came before a cut and was not sent yet is not sent after it.
#[test]
fn what_waits_of_a_source_when_it_is_cut_is_never_sent() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    for source in [Microphone, Camera] {
        world.publish(speaker, source);
    }
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 3, true);
    let before = world.got(viewer);
    for _ in 0..5 {
        world.members[speaker].client.frame(Camera, false);
        world.members[speaker].client.sound(Microphone, 20);
    }
    hand_all(&mut world, speaker);
    assert_eq!(world.cut(speaker, Camera).forwarded, 3);
    world.publish(speaker, Camera);
    world.calm();
    assert_eq!(world.got(viewer), before + 5, "the sound alone");
    for _ in 0..5 {
        world.members[speaker].client.sound(Microphone, 20);
    }
    hand_all(&mut world, speaker);
    world.sfu.unwatch(room(1), participant(2));
    world.settle();
    world.calm();
    assert_eq!(world.got(viewer), before + 5);
    world.watch(viewer);
    for _ in 0..5 {
        world.members[speaker].client.sound(Microphone, 20);
    }
    hand_all(&mut world, speaker);
    let now = world.now();
    world.sfu.disconnect(room(1), participant(1), now);
    world.settle();
    world.calm();
    assert_eq!(world.got(viewer), before + 5);
}

/// H01, H06: the part of a picture that is kept back for a moment falls under a cut that comes meanwhile, and nobody gets it who no
/// longer watches when its moment is over.
#[test]
fn what_is_kept_back_for_the_rest_of_a_picture_falls_under_a_cut() {
    let (mut world, speaker, viewers) = crowd(30, &[Camera]);
    film(&mut world, speaker, 3, true);
    let hand_part = |world: &mut World| {
        let mut part = world.members[speaker].client.next(Camera, Vec::new(), 3000);
        part.payload = vp8(40, 1, false, 1100);
        part.marker = false;
        world.members[speaker].client.send(&part);
        hand_all(world, speaker);
        world.settle();
        assert!(world.sfu.is_holding());
    };
    let got =
        |world: &World| -> Vec<usize> { viewers.iter().map(|viewer| world.got(*viewer)).collect() };
    let before = got(&world);
    hand_part(&mut world);
    world.sfu.unwatch(room(1), participant(2));
    world.calm();
    let mut expected: Vec<usize> = before.iter().map(|count| count + 1).collect();
    expected[0] = before[0];
    assert_eq!(got(&world), expected, "all but the one who left");
    hand_part(&mut world);
    world.cut(speaker, Camera);
    world.publish(speaker, Camera);
    world.calm();
    assert!(!world.sfu.is_holding());
    assert_eq!(got(&world), expected);
    film(&mut world, speaker, 2, true);
    assert_eq!(world.got(viewers[1]), expected[1] + 2);
}

/// What comes together leaves together, whoever it is for and however much it is.
#[test]
fn a_frame_goes_to_each_receiver_in_a_row() {
    let (mut world, speaker, viewers) = crowd(10, &[Microphone, Camera]);
    for frame in 0..20 {
        for packet in 0..30 {
            let client = &mut world.members[speaker].client;
            let mut sending = client.next(Camera, Vec::new(), 0);
            sending.payload = vp8(frame, 1, frame == 0 && packet == 0, 1100);
            client.send(&sending);
        }
        world.members[speaker].client.sound(Microphone, 20);
        hand_all(&mut world, speaker);
        let now = world.now();
        let runs = world.sfu.send(now);
        let long = runs.iter().filter(|(_, run)| run.len() == 30).count();
        assert_eq!(long, viewers.len());
        for (to, run) in runs {
            for mut bytes in run {
                let to = world.members.iter_mut().find(|member| member.at == to);
                to.unwrap().client.receive(&mut bytes, now);
            }
        }
        world.run(33);
    }
    for viewer in viewers {
        let slot = world.slot_of(viewer, 1, Camera).unwrap();
        let got = indices(&world.members[viewer].client.on_slot(&slot));
        assert_eq!(got.len(), 600);
        assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1));
        assert_eq!(world.got(viewer), 620);
    }
}

/// A browser may go on under another stream; the receiver's stream stays one.
#[test]
fn a_source_that_goes_on_in_another_stream_stays_one_for_its_receivers() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 10, true);
    world.run(2100);
    for frame in 0..10 {
        let client = &mut world.members[speaker].client;
        let mut sending = client.next(Camera, vp8(frame, 0, frame == 3, 50), 3000);
        (sending.ssrc, sending.index) = (77_777, 60_000 + u64::from(frame));
        client.send(&sending);
        world.run(33);
    }
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let got = indices(&world.members[viewer].client.on_slot(&slot));
    assert_eq!(got.len(), 17, "the new stream begins with its key frame");
    assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
}

/// With fewer slots than speakers, who begins to speak is heard within a few packets.
#[test]
fn who_begins_to_speak_is_heard_at_once() {
    let mut world = World::new();
    let speakers: Vec<usize> = (1..=3)
        .map(|who| world.join(who, Script::default()))
        .collect();
    let viewer = world.join(
        9,
        Script {
            audio_slots: 1,
            ..Script::default()
        },
    );
    world.watch(viewer);
    for speaker in &speakers {
        world.publish(*speaker, Microphone);
    }
    for place in [2, 0, 1] {
        for _ in 0..100 {
            for speaker in &speakers {
                let level = if *speaker == speakers[place] { 20 } else { 127 };
                world.members[*speaker].client.sound(Microphone, level);
            }
            world.run(20);
        }
        let who = world.members[speakers[place]].who;
        assert_eq!(world.slot_of(viewer, who, Microphone).as_deref(), Some("4"));
        world.run(1500);
    }
    // 300 packets of those who spoke, but for the first few of each.
    let spoken = world.members[viewer]
        .client
        .received
        .iter()
        .filter(|packet| packet.level == Some(20))
        .count();
    assert!(spoken >= 285, "{spoken} of 300");
}

/// A packet that comes late is for those who were there when it was sent.
#[test]
fn a_receiver_gets_nothing_from_before_its_beginning() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    let (early, late) = (
        world.join(2, Script::default()),
        world.join(3, Script::default()),
    );
    world.publish(speaker, Camera);
    world.watch(early);
    world.view(early, &[(1, Camera)]);
    film(&mut world, speaker, 5, true);
    let client = &mut world.members[speaker].client;
    let mut before = client.next(Camera, Vec::new(), 3000);
    before.payload = vp8(1, 1, false, 50);
    let delayed = client.seal(&before);
    world.watch(late);
    world.view(late, &[(1, Camera)]);
    film(&mut world, speaker, 2, true);
    let at = world.members[speaker].at;
    world.inject(at, delayed);
    world.calm();
    assert_eq!((world.got(early), world.got(late)), (8, 2));
}

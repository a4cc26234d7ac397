//! Who gets which layer of what, in which codec, and what is told of it to whom.

use std::collections::HashSet;

use conclave::media::event::{PeerEvent, Receive, View};
use conclave::media::rtcp::{Compound, Report, reports};
use conclave_policy::source::Source::{self, Camera, Microphone, Screen};

use crate::media_client::{Client, RED, RTX, Received, Script, Sending, VP8};
use crate::permits::{participant, room};
use crate::world::World;

/// The heights of the three encodings.
const HEIGHTS: [u16; 3] = [180, 360, 720];

/// A VP8 packet with picture identifier, TL0PICIDX and a layer in time; a key frame tells its height.
fn vp8(picture: u16, base: u8, rate: u8, key: Option<u16>, size: usize) -> Vec<u8> {
    let [high, low] = (picture & 0x7fff).to_be_bytes();
    let sync = u8::from(rate > 0) << 5;
    let mut payload = vec![0x90, 0xe0, high | 0x80, low, base, rate << 6 | sync];
    match key {
        Some(height) => {
            let [h0, h1] = height.to_le_bytes();
            let [w0, w1] = (height / 9 * 16).to_le_bytes();
            payload.extend_from_slice(&[0x10, 0, 0, 0x9d, 0x01, 0x2a, w0, w1, h0, h1]);
        }
        None => payload.push(1),
    }
    payload.resize(payload.len() + size, 0x55);
    payload
}

/// A publisher of three encodings, each with its own numbers and times. Key frames come when they are asked for.
struct Film {
    place: usize,
    source: Source,
    frame: u64,
    /// Layers in time: every second picture is of the higher one.
    rates: bool,
    /// Which encodings are sent, and how many milliseconds after the one before.
    on: [bool; 3],
    late: [u64; 3],
    asked: [bool; 3],
    sent: Vec<(usize, Sending)>,
}

impl Film {
    fn new(place: usize, source: Source) -> Self {
        Self {
            place,
            source,
            frame: 0,
            rates: false,
            on: [true; 3],
            late: [0; 3],
            asked: [true; 3],
            sent: Vec::new(),
        }
    }

    /// One picture of each encoding, 33 ms after the last.
    fn frame(&mut self, world: &mut World) {
        self.answer(world);
        for encoding in 0..3 {
            world.run(self.late[encoding]);
            if self.on[encoding] {
                let sending = self.compose(world, encoding);
                world.members[self.place].client.send(&sending);
                self.sent.push((encoding, sending));
            }
        }
        self.frame += 1;
        world.run(33 - self.late.iter().sum::<u64>());
    }

    fn compose(&mut self, world: &mut World, encoding: usize) -> Sending {
        let key = std::mem::take(&mut self.asked[encoding]);
        let rate = u8::from(self.rates && self.frame % 2 == 1 && !key);
        let picture = u16::try_from(self.frame).unwrap() + 5000 * encoding as u16;
        let base = ((self.frame / 2) as u8).wrapping_add(77 * encoding as u8);
        let size = [300, 700, 1100][encoding];
        let payload = vp8(picture, base, rate, key.then_some(HEIGHTS[encoding]), size);
        let client = &mut world.members[self.place].client;
        let mut sending = client.next_of(self.source, encoding, payload);
        sending.timestamp = self.time(encoding);
        sending
    }

    /// The media time of this frame in an encoding: each counts from elsewhere.
    fn time(&self, encoding: usize) -> u32 {
        (self.frame as u32 * 2970).wrapping_add([7, 4_000_000_000, 1_000_000][encoding])
    }

    fn frames(&mut self, world: &mut World, count: usize) {
        for _ in 0..count {
            self.frame(world);
        }
    }

    /// Tells the clock of every encoding: the same wall time for the same frame.
    fn clocks(&self, world: &mut World) {
        for encoding in 0..3 {
            let ntp = ((10_000_u64 << 32) / 1_000_000) * (33_000 * self.frame + 5_000_000);
            let ssrc = Client::encoding_ssrc(self.source, encoding);
            let report = Compound::sender(ssrc, "c", ntp / 10_000, self.time(encoding), 1, 1);
            world.members[self.place].client.report(&report);
        }
        world.calm();
    }

    /// Takes up what the server asked for.
    fn answer(&mut self, world: &mut World) {
        for report in std::mem::take(&mut world.members[self.place].client.reports) {
            for asked in reports(&report) {
                match asked {
                    Report::KeyFrame { media } => {
                        for encoding in 0..3 {
                            self.asked[encoding] |=
                                media == Client::encoding_ssrc(self.source, encoding);
                        }
                    }
                    Report::Nack { media, lost } => {
                        for sequence in lost.iter() {
                            self.repair(world, media, sequence);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn repair(&mut self, world: &mut World, media: u32, sequence: u16) {
        let of = |(_, sending): &&(usize, Sending)| {
            sending.ssrc == media && (sending.index & 0xffff) as u16 == sequence
        };
        if let Some((_, sending)) = self.sent.iter().find(of) {
            let client = &mut world.members[self.place].client;
            let repair = client.repair_of(sending);
            client.send(&repair);
        }
    }
}

fn encodings() -> Script {
    Script {
        encodings: true,
        ..Script::default()
    }
}

/// A member looks at one source in this size; height 0 is hidden.
fn look(world: &mut World, place: usize, looks: &[(u8, Source, u16)], most: Receive) {
    let now = world.now();
    let wants = looks.iter().map(|(who, source, height)| View {
        participant: participant(*who),
        source: *source,
        width: height / 9 * 16,
        height: *height,
        spotlight: false,
    });
    let who = participant(world.members[place].who);
    world
        .sfu
        .view(room(1), who, wants.collect(), most, now)
        .unwrap();
    world.settle();
}

/// The heights of the key frames and the sizes of the pictures that a member got of a source.
fn got(world: &World, place: usize, who: u8, source: Source) -> Vec<Received> {
    let slot = world.slot_of(place, who, source).expect("a slot");
    let got = world.members[place].client.on_slot(&slot);
    got.into_iter().cloned().collect()
}

/// Which encoding a packet is of, by its length.
fn encoding(packet: &Received) -> usize {
    match packet.payload.len() {
        0..600 => 0,
        600..1000 => 1,
        _ => 2,
    }
}

fn picture(packet: &Received) -> u16 {
    u16::from_be_bytes([packet.payload[2] & 0x7f, packet.payload[3]])
}

/// Nothing of what came has a gap, and time goes on.
fn is_continuous(got: &[Received]) {
    for pair in got.windows(2) {
        let [one, next] = pair else { panic!() };
        assert_eq!(next.index, one.index + 1);
        let step = next.header.timestamp.wrapping_sub(one.header.timestamp);
        assert!((1..30_000).contains(&step), "{step} ticks");
        assert_eq!(picture(next), (picture(one) + 1) & 0x7fff);
    }
}

#[test]
fn three_sizes_get_three_layers_and_what_is_hidden_gets_nothing() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewers: Vec<usize> = (2..6)
        .map(|who| world.join(who, Script::default()))
        .collect();
    world.publish(speaker, Camera);
    for (viewer, height) in viewers.iter().zip([180, 360, 720, 0]) {
        world.watch(*viewer);
        look(
            &mut world,
            *viewer,
            &[(1, Camera, height)],
            Receive::default(),
        );
    }
    let mut film = Film::new(speaker, Camera);
    film.frames(&mut world, 100);
    for (expected, viewer) in viewers.iter().take(3).enumerate() {
        let got = got(&world, *viewer, 1, Camera);
        assert!(got.len() >= 60, "{} of 100 frames", got.len());
        is_continuous(&got);
        let last: HashSet<usize> = got[got.len() - 30..].iter().map(encoding).collect();
        assert_eq!(last, HashSet::from([expected]));
    }
    assert_eq!(world.got(viewers[3]), 0, "hidden");
    // A packet that is nobody's layer is not even looked at for a receiver.
    let forwarded = world.sfu.counters().forwarded_video;
    film.frames(&mut world, 10);
    assert_eq!(world.sfu.counters().forwarded_video - forwarded, 30);
}

#[test]
fn a_switch_is_continuous_and_asks_for_one_key_frame() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    let mut film = Film::new(speaker, Camera);
    // When packets come says little about when pictures were made.
    film.late = [0, 4, 9];
    look(&mut world, viewer, &[(1, Camera, 180)], Receive::default());
    film.frames(&mut world, 60);
    film.clocks(&mut world);
    for (height, expected) in [(720, 2), (360, 1), (720, 2), (180, 0)] {
        let asked = world.sfu.counters().key_frames_requested;
        look(
            &mut world,
            viewer,
            &[(1, Camera, height)],
            Receive::default(),
        );
        film.frames(&mut world, 60);
        assert_eq!(world.sfu.counters().key_frames_requested - asked, 1);
        let got = got(&world, viewer, 1, Camera);
        assert_eq!(encoding(got.last().unwrap()), expected);
    }
    let got = got(&world, viewer, 1, Camera);
    is_continuous(&got);
    // While a larger one is awaited the smaller goes on: no frame is missing.
    assert!(got.len() >= 290, "{} of 300", got.len());
    // By the clocks every frame is 2970 ticks after the one before, whatever it is of; where both encodings of one moment were
    // sent, the second is right behind the first.
    let steps = got.windows(2).map(|pair| {
        let step = pair[1]
            .header
            .timestamp
            .wrapping_sub(pair[0].header.timestamp);
        (step, encoding(&pair[0]) == encoding(&pair[1]))
    });
    for (step, same) in steps.skip(80) {
        assert!(step == 2970 || step == 1 && !same, "{step} ticks");
    }
}

#[test]
fn a_publishers_clock_is_that_of_the_encoding_that_is_shown() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    let mut film = Film::new(speaker, Camera);
    look(&mut world, viewer, &[(1, Camera, 720)], Receive::default());
    film.frames(&mut world, 40);
    film.clocks(&mut world);
    look(&mut world, viewer, &[(1, Camera, 180)], Receive::default());
    film.frames(&mut world, 90);
    world.members[viewer].client.reports.clear();
    film.clocks(&mut world);
    let got = got(&world, viewer, 1, Camera);
    let (last, slot) = (
        got.last().unwrap(),
        world.slot_of(viewer, 1, Camera).unwrap(),
    );
    let ssrc = world.members[viewer].client.slot_ssrc(&slot);
    let clocks: Vec<u32> = world.members[viewer]
        .client
        .reports
        .iter()
        .flat_map(|report| reports(report))
        .filter_map(|report| match report {
            Report::Sender { ssrc: own, rtp, .. } if own == ssrc => Some(rtp),
            _ => None,
        })
        .collect();
    // One clock and not three, a frame after the last picture.
    assert_eq!(clocks, [last.header.timestamp.wrapping_add(2970)]);
}

#[test]
fn a_screen_is_shown_beside_a_camera() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    for source in [Camera, Screen] {
        world.publish(speaker, source);
    }
    world.watch(viewer);
    let looks = [(1, Screen, 720), (1, Camera, 180)];
    look(&mut world, viewer, &looks, Receive::default());
    let (mut camera, mut screen) = (Film::new(speaker, Camera), Film::new(speaker, Screen));
    for _ in 0..60 {
        let reports = world.members[speaker].client.reports.clone();
        camera.frame(&mut world);
        world.members[speaker].client.reports.extend(reports);
        screen.frame(&mut world);
    }
    for (source, expected) in [(Camera, 0), (Screen, 2)] {
        let got = got(&world, viewer, 1, source);
        is_continuous(&got);
        assert_eq!(encoding(got.last().unwrap()), expected, "{source:?}");
        assert!(got.len() > 40);
    }
}

#[test]
fn a_cut_ends_every_encoding_and_every_repair_at_once() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewers: Vec<usize> = (2..5)
        .map(|who| world.join(who, Script::default()))
        .collect();
    world.publish(speaker, Camera);
    for (viewer, height) in viewers.iter().zip(HEIGHTS) {
        world.watch(*viewer);
        look(
            &mut world,
            *viewer,
            &[(1, Camera, height)],
            Receive::default(),
        );
    }
    let mut film = Film::new(speaker, Camera);
    film.frames(&mut world, 60);
    let slots: Vec<(u32, Vec<u16>)> = viewers
        .iter()
        .map(|viewer| {
            let slot = world.slot_of(*viewer, 1, Camera).unwrap();
            let client = &world.members[*viewer].client;
            let sent = client.on_slot(&slot);
            let sent = sent.iter().map(|packet| packet.header.sequence).collect();
            (client.slot_ssrc(&slot), sent)
        })
        .collect();
    world.cut(speaker, Camera);
    world.calm();
    let before: Vec<usize> = viewers.iter().map(|viewer| world.got(*viewer)).collect();
    let stats = |world: &World| world.sfu.stats(room(1)).remove(0);
    let (received, forwarded) = (stats(&world).received, stats(&world).forwarded);
    let rates: Vec<u64> = (stats(&world).layers.iter())
        .map(|layer| layer.bitrate.unwrap())
        .collect();
    assert!(rates.len() == 3 && rates.is_sorted(), "{rates:?}");
    // Every encoding goes on, key frames and repairs too, and the viewers ask for what they had.
    for _ in 0..40 {
        film.asked = [true; 3];
        film.frame(&mut world);
        for (_, sending) in &film.sent[film.sent.len() - 3..] {
            let client = &mut world.members[speaker].client;
            let repair = client.repair_of(sending);
            client.send(&repair);
        }
        for (viewer, (ssrc, sent)) in viewers.iter().zip(&slots) {
            let wish = Compound::default().nack(1, *ssrc, &sent[sent.len() - 5..]);
            world.members[*viewer].client.report(&wish);
        }
    }
    world.calm();
    let after: Vec<usize> = viewers.iter().map(|viewer| world.got(*viewer)).collect();
    assert_eq!(after, before);
    assert_eq!(stats(&world).received - received, 240, "all of it came");
    assert_eq!(stats(&world).forwarded, forwarded);
    assert_eq!(stats(&world).dropped, 240);
}

#[test]
fn all_encodings_and_repairs_of_a_source_fill_one_bucket() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    look(&mut world, viewer, &[(1, Camera, 720)], Receive::default());
    let mut film = Film::new(speaker, Camera);
    film.frames(&mut world, 5);
    world.run(1000);
    let before = world.sfu.counters().dropped_over_rate;
    let at = world.members[speaker].at;
    for _ in 0..400 {
        for encoding in 0..3 {
            let sending = film.compose(&mut world, encoding);
            let client = &mut world.members[speaker].client;
            let bytes = client.seal(&sending);
            world.inject(at, bytes);
        }
    }
    let dropped = world.sfu.counters().dropped_over_rate - before;
    // 1200 packets at one moment: the burst of one source passes, whatever they are of.
    assert!((690..=710).contains(&dropped), "{dropped}");
}

#[test]
fn what_is_lost_of_an_encoding_is_repaired() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    look(&mut world, viewer, &[(1, Camera, 360)], Receive::default());
    let mut film = Film::new(speaker, Camera);
    film.frames(&mut world, 60);
    world.network.lost_up = 100;
    film.frames(&mut world, 60);
    world.network.lost_up = 0;
    film.frames(&mut world, 30);
    let got = got(&world, viewer, 1, Camera);
    let mut pictures: Vec<u16> = got.iter().map(picture).collect();
    pictures.sort_unstable();
    pictures.dedup();
    let span = pictures[pictures.len() - 1] - pictures[0] + 1;
    assert!(world.sfu.counters().nacks_sent > 5);
    assert!(
        usize::from(span) - pictures.len() <= 2,
        "{} of {span}",
        pictures.len()
    );
    assert!(got.iter().skip(30).all(|packet| encoding(packet) == 1));
}

#[test]
fn a_narrow_line_gets_fewer_pictures_without_gaps_in_numbers() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    look(&mut world, viewer, &[(1, Camera, 180)], Receive::default());
    let mut film = Film::new(speaker, Camera);
    film.rates = true;
    film.frames(&mut world, 120);
    let all = got(&world, viewer, 1, Camera).len();
    // 30 pictures of 370 bytes are 90 kbit/s; half of them fit.
    let most = Receive {
        max_bitrate: Some(60_000),
        ..Receive::default()
    };
    look(&mut world, viewer, &[(1, Camera, 180)], most);
    film.frames(&mut world, 60);
    let half = got(&world, viewer, 1, Camera).len() - all;
    assert!((28..=32).contains(&half), "{half} of 60");
    look(&mut world, viewer, &[(1, Camera, 180)], Receive::default());
    film.frames(&mut world, 60);
    let got = got(&world, viewer, 1, Camera);
    assert!(got.len() - all - half >= 57);
    is_continuous(&got);
    // What was lost on the way in two seconds is found again, under whatever numbers it left.
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let ssrc = world.members[viewer].client.slot_ssrc(&slot);
    let lost = &got[got.len() - 60..];
    let sequences: Vec<u16> = lost.iter().map(|packet| packet.header.sequence).collect();
    for part in sequences.chunks(30) {
        let wish = Compound::default().nack(1, ssrc, part);
        world.members[viewer].client.report(&wish);
        world.run(100);
    }
    let repairs: Vec<&Received> = world.members[viewer]
        .client
        .received
        .iter()
        .filter(|packet| packet.header.payload_type == RTX)
        .collect();
    assert!(repairs.len() >= 57, "{} of 60", repairs.len());
    for repair in repairs {
        let number = u16::from_be_bytes([repair.payload[0], repair.payload[1]]);
        let first = lost
            .iter()
            .find(|packet| packet.header.sequence == number)
            .unwrap();
        assert_eq!(repair.payload[2..], first.payload);
    }
}

#[test]
fn a_picture_that_a_line_did_not_carry_for_a_while_goes_on_without_a_gap() {
    let mut world = World::new();
    let mut films: Vec<Film> = (1..=2)
        .map(|who| {
            let place = world.join(who, encodings());
            world.publish(place, Camera);
            Film::new(place, Camera)
        })
        .collect();
    let viewer = world.join(3, Script::default());
    world.watch(viewer);
    // Something of the first always comes; for the second there is no room then.
    let narrow = Receive {
        max_bitrate: Some(5_000),
        ..Receive::default()
    };
    let mut sent = 0;
    for (most, flows) in [
        (Receive::default(), true),
        (narrow, false),
        (Receive::default(), true),
    ] {
        look(
            &mut world,
            viewer,
            &[(1, Camera, 180), (2, Camera, 180)],
            most,
        );
        for _ in 0..60 {
            for film in &mut films {
                film.frames(&mut world, 1);
            }
        }
        let all = got(&world, viewer, 2, Camera).len();
        assert_eq!(all - sent > 40, flows, "{} of 60", all - sent);
        assert!(flows || all - sent < 5, "{}", all - sent);
        sent = all;
    }
    // The receiver would ask for what is missing, and that would take the room of what comes.
    let got = got(&world, viewer, 2, Camera);
    let follows = |pair: &[Received]| pair[1].index == pair[0].index + 1;
    assert!(got.windows(2).all(follows));
}

#[test]
fn a_receiver_may_bound_the_height() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    let mut film = Film::new(speaker, Camera);
    for (max_height, expected) in [(None, 2), (Some(400), 1), (Some(10), 0)] {
        let most = Receive {
            max_height,
            max_bitrate: None,
        };
        look(&mut world, viewer, &[(1, Camera, 1080)], most);
        film.frames(&mut world, 60);
        let got = got(&world, viewer, 1, Camera);
        assert_eq!(encoding(got.last().unwrap()), expected);
    }
}

fn told(world: &World, place: usize) -> Vec<Vec<bool>> {
    let events = world.members[place].events.iter();
    events
        .filter_map(|event| match event {
            PeerEvent::Layers { source, wanted } => {
                assert_eq!(*source, Camera);
                let rids: Vec<_> = wanted.iter().map(|own| own.rid.as_deref()).collect();
                assert_eq!(rids, [Some("q"), Some("h"), Some("f")]);
                Some(wanted.iter().map(|own| own.active).collect())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_publisher_is_told_what_nobody_wants_and_at_once_what_somebody_does() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    look(&mut world, viewer, &[(1, Camera, 180)], Receive::default());
    let mut film = Film::new(speaker, Camera);
    film.frames(&mut world, 60);
    assert!(told(&world, speaker).is_empty(), "not at once");
    film.frames(&mut world, 60);
    assert_eq!(told(&world, speaker), [[true, false, false]]);
    film.on = [true, false, false];
    film.frames(&mut world, 60);
    look(&mut world, viewer, &[(1, Camera, 720)], Receive::default());
    assert_eq!(
        told(&world, speaker).last().unwrap()[..],
        [true, false, true]
    );
    // Until it comes, the smallest goes on.
    film.frames(&mut world, 20);
    assert_eq!(encoding(got(&world, viewer, 1, Camera).last().unwrap()), 0);
    film.on = [true, false, true];
    film.frames(&mut world, 60);
    let got = got(&world, viewer, 1, Camera);
    assert_eq!(encoding(got.last().unwrap()), 2);
    is_continuous(&got);
    look(&mut world, viewer, &[], Receive::default());
    film.frames(&mut world, 120);
    assert_eq!(told(&world, speaker).last().unwrap()[..], [false; 3]);
}

#[test]
fn viewers_of_several_shards_are_asked_for_together() {
    let mut world = World::of(3, Default::default());
    let speaker = world.join(1, encodings());
    let viewers: Vec<usize> = (2..5)
        .map(|who| world.join(who, Script::default()))
        .collect();
    world.publish(speaker, Camera);
    let show = |world: &mut World, viewer: usize, height| {
        let looks = [(1, Camera, height)];
        look(world, viewers[viewer], &looks, Receive::default());
    };
    for (viewer, height) in [180, 360, 0].into_iter().enumerate() {
        world.watch(viewer + 1);
        show(&mut world, viewer, height);
    }
    let mut film = Film::new(speaker, Camera);
    film.asked = [false; 3];
    // However many ask, and however often, the publisher is asked once a second.
    for _ in 0..5 {
        let asked = world.sfu.counters().key_frames_requested;
        for _ in 0..30 {
            film.frame(&mut world);
            for viewer in 1..3 {
                if let Some(slot) = world.slot_of(viewer, 1, Camera) {
                    let client = &mut world.members[viewer].client;
                    let wish = Compound::default().key_frame(1, client.slot_ssrc(&slot));
                    client.report(&wish);
                }
            }
        }
        let asked = world.sfu.counters().key_frames_requested - asked;
        assert!(asked <= 1, "{asked} times in a second");
    }
    let last =
        |world: &World, viewer: usize| encoding(got(world, viewer, 1, Camera).last().unwrap());
    assert_eq!((last(&world, 1), last(&world, 2)), (0, 1));
    assert_eq!(told(&world, speaker), [[true, true, false]]);
    film.on = [true, true, false];
    show(&mut world, 2, 720);
    assert_eq!(told(&world, speaker).last().unwrap()[..], [true; 3]);
    film.on = [true; 3];
    show(&mut world, 1, 0);
    film.frames(&mut world, 120);
    assert_eq!((last(&world, 1), last(&world, 3)), (0, 2));
    assert_eq!(
        told(&world, speaker).last().unwrap()[..],
        [true, false, true]
    );
    assert!(world.sfu.counters().carried > 0);
}

#[test]
fn an_encoding_that_stops_gives_way_to_another() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    look(&mut world, viewer, &[(1, Camera, 720)], Receive::default());
    let mut film = Film::new(speaker, Camera);
    film.frames(&mut world, 60);
    film.on = [true, true, false];
    film.frames(&mut world, 90);
    assert_eq!(encoding(got(&world, viewer, 1, Camera).last().unwrap()), 1);
    film.on = [true; 3];
    film.frames(&mut world, 60);
    let got = got(&world, viewer, 1, Camera);
    assert_eq!(encoding(got.last().unwrap()), 2);
    // Most of a second was without.
    assert!(got.len() >= 180, "{} of 210", got.len());
    assert!(
        got.windows(2)
            .all(|pair| pair[1].index == pair[0].index + 1)
    );
}

#[test]
fn without_its_name_a_packet_is_of_no_encoding() {
    let mut world = World::new();
    let speaker = world.join(1, encodings());
    let viewer = world.join(2, Script::default());
    world.publish(speaker, Camera);
    world.watch(viewer);
    look(&mut world, viewer, &[(1, Camera, 180)], Receive::default());
    let mut film = Film::new(speaker, Camera);
    for rid in [None, Some(("x", false)), Some(("q", true))] {
        film.asked = [true; 3];
        let mut sending = film.compose(&mut world, 0);
        sending.rid = rid;
        world.members[speaker].client.send(&sending);
        world.run(33);
    }
    assert_eq!(world.sfu.counters().dropped_unknown_stream, 3);
    assert_eq!(world.got(viewer), 0);
    // Once named, a stream needs its name no more.
    film.asked = [true; 3];
    film.frames(&mut world, 1);
    film.asked = [true; 3];
    for _ in 0..3 {
        let mut sending = film.compose(&mut world, 0);
        (sending.rid, sending.mid) = (None, None);
        world.members[speaker].client.send(&sending);
        film.frame += 1;
        world.run(33);
    }
    assert_eq!(world.got(viewer), 4);
}

#[test]
fn who_cannot_decode_a_codec_gets_no_slot_and_is_told() {
    let mut world = World::new();
    let speaker = world.join(
        1,
        Script {
            pictures: &["VP9", "VP8"],
            ..Script::default()
        },
    );
    let old = world.join(2, Script::default());
    let new = world.join(
        3,
        Script {
            pictures: &["VP8", "H264", "VP9", "AV1"],
            ..Script::default()
        },
    );
    world.publish(speaker, Camera);
    for viewer in [old, new] {
        world.watch(viewer);
        world.view(viewer, &[(1, Camera)]);
    }
    // Flexible, 15-bit picture identifier, one frame a packet.
    let film = |world: &mut World, codec: &str| {
        for frame in 0..20_u16 {
            let client = &mut world.members[speaker].client;
            let mut sending = client.next(Camera, Vec::new(), 3000);
            if codec == "VP9" {
                let [high, low] = frame.to_be_bytes();
                let inter = if frame == 0 { 0 } else { 0x40 };
                sending.payload_type = 98;
                sending.payload = vec![0x8c | inter, high | 0x80, low, 0xaa, 0xbb];
            } else {
                sending.payload_type = VP8;
                sending.payload = crate::media_client::vp8(frame, 0, frame == 0, 100);
            }
            client.send(&sending);
            world.run(33);
        }
    };
    let undecodable = |world: &World, place: usize| {
        let mut events = world.members[place].events.iter().rev();
        events.find_map(|event| match event {
            PeerEvent::Undecodable(sources) => Some(sources.clone()),
            _ => None,
        })
    };
    film(&mut world, "VP9");
    assert_eq!(world.got(old), 0);
    assert!(world.slot_of(old, 1, Camera).is_none());
    assert_eq!(
        undecodable(&world, old),
        Some(vec![(participant(1), Camera)])
    );
    let got = got(&world, new, 1, Camera);
    assert_eq!(got.len(), 20);
    assert!(got.iter().all(|packet| packet.header.payload_type == 98));
    assert_eq!(undecodable(&world, new), None);
    // The publisher goes on with another codec, in the same stream.
    film(&mut world, "VP8");
    assert_eq!(undecodable(&world, old), Some(Vec::new()));
    let slot = world.slot_of(new, 1, Camera).unwrap();
    let got = world.members[new].client.on_slot(&slot);
    assert_eq!(got.len(), 40);
    assert!(
        got.windows(2)
            .all(|pair| pair[1].index == pair[0].index + 1)
    );
    assert!(
        got[20..]
            .iter()
            .all(|packet| packet.header.payload_type == VP8)
    );
}

#[test]
fn red_goes_to_those_who_know_it_and_its_newest_block_to_the_rest() {
    let mut world = World::new();
    let script = |sounds| Script {
        sounds,
        ..Script::default()
    };
    let speaker = world.join(1, script(&["red", "opus"]));
    let knows = world.join(2, script(&["opus", "red"]));
    let rest = world.join(3, script(&["PCMU", "opus"]));
    let deaf = world.join(4, script(&["PCMU"]));
    world.publish(speaker, Microphone);
    for viewer in [knows, rest, deaf] {
        world.watch(viewer);
    }
    for round in 0..20_u8 {
        let payload = vec![0xef, 0x0f, 0, 3, 0x6f, 1, 2, 3, 4, 5, round];
        let client = &mut world.members[speaker].client;
        let mut sending = client.next(Microphone, payload, 960);
        sending.payload_type = RED;
        client.send(&sending);
        world.run(20);
    }
    let types = |world: &World, place: usize| -> Vec<(u8, Vec<u8>)> {
        let got = world.members[place].client.received.iter();
        got.map(|packet| (packet.header.payload_type, packet.payload.clone()))
            .collect()
    };
    assert_eq!(types(&world, knows).len(), 20);
    assert!(
        types(&world, knows)
            .iter()
            .all(|(number, payload)| *number == RED && payload.len() == 11)
    );
    let plain = types(&world, rest);
    assert_eq!(plain.len(), 20);
    assert_eq!(plain[7], (111, vec![4, 5, 7]));
    assert_eq!(world.got(deaf), 0);
    world.cut(speaker, Microphone);
    for _ in 0..10 {
        let client = &mut world.members[speaker].client;
        let mut sending = client.next(Microphone, vec![0x6f, 9, 9], 960);
        sending.payload_type = RED;
        client.send(&sending);
        world.run(20);
    }
    assert_eq!((world.got(knows), world.got(rest)), (20, 20));
}

/// A room of thirty who may all talk, and three slots: those who speak are heard, and slots do not flicker.
#[test]
fn of_thirty_talkers_the_loudest_three_are_heard() {
    let mut world = World::new();
    let silent = Script {
        sends: vec![Microphone],
        audio_slots: 0,
        video_slots: 0,
        ..Script::default()
    };
    let talkers: Vec<usize> = (1..=30)
        .map(|who| world.join(who, silent.clone()))
        .collect();
    let viewer = world.join(
        99,
        Script {
            audio_slots: 3,
            ..Script::default()
        },
    );
    world.watch(viewer);
    for talker in &talkers {
        world.publish(*talker, Microphone);
    }
    let mut heard = Vec::new();
    let mut turns = 0;
    for (round, speaking) in [[3, 11, 29], [3, 11, 29], [3, 7, 29], [20, 7, 1]]
        .into_iter()
        .enumerate()
    {
        turns = world.members[viewer].events.len();
        for packet in 0..100_u32 {
            for (place, talker) in talkers.iter().enumerate() {
                // Speech trembles by some decibels and has pauses; noise trembles below it.
                let tremble = ((packet * 7 + place as u32 * 13) % 8) as u8;
                let level = if speaking.contains(&(place + 1)) && packet % 25 < 20 {
                    25 + tremble
                } else {
                    70 + tremble
                };
                world.members[*talker].client.sound(Microphone, level);
            }
            world.run(20);
        }
        let mut now: Vec<usize> = world
            .shown(viewer)
            .into_iter()
            .map(|(_, who, _)| usize::from(who))
            .collect();
        now.sort_unstable();
        let mut expected = speaking.to_vec();
        expected.sort_unstable();
        assert_eq!(now, expected, "round {round}");
        let changes = world.members[viewer].events[turns..]
            .iter()
            .filter(|event| matches!(event, PeerEvent::Slots(_)))
            .count();
        heard.push(changes);
    }
    // While the same three speak no slot changes, and else each changes once.
    assert_eq!(heard[1], 0, "{heard:?} {turns}");
    assert!(heard[2] <= 2 && heard[3] <= 4, "{heard:?}");
}

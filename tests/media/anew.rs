//! Publishers whose streams leap, part and come back: their receivers' streams go on.

use conclave::media::rtcp::Compound;
use conclave_policy::source::Source::Camera;
use rtc_rtcp::goodbye::Goodbye;

use crate::forwarding::{film, indices, two};
use crate::media_client::{Client, Script, Sending, vp8};
use crate::world::World;

/// What its publisher leaves free a receiver would have to guess; too much of it, and it opens nothing of this slot any more.
#[test]
fn a_source_whose_numbers_leap_stays_one_for_its_receivers() {
    let (mut world, speaker, viewer) = two();
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    film(&mut world, speaker, 10, true);
    let slot = world.slot_of(viewer, 1, Camera).unwrap();
    let send = |world: &mut World, index: u64, payload: Vec<u8>| {
        let client = &mut world.members[speaker].client;
        let sending = client.next(Camera, payload, 3000);
        client.send(&Sending { index, ..sending });
        world.run(33);
    };
    for round in 0..2_u64 {
        let from = 110 + round * 65_300;
        // No picture, and so not forwarded.
        send(&mut world, from + 32_600, vec![0x80]);
        send(&mut world, from + 65_200, vec![0x80]);
        let before = world.got(viewer);
        for (frame, index) in (0..20_u16).zip(from + 65_280..) {
            send(&mut world, index, vp8(frame, 0, frame % 5 == 0, 50));
        }
        let client = &world.members[viewer].client;
        assert_eq!((world.got(viewer) - before, client.unopened), (20, 0));
        let got = indices(&client.on_slot(&slot));
        assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
    }
}

/// Browsers name a stream until they know that it is known, and say goodbye when they stop it for a while.
#[test]
fn a_stream_that_parted_comes_back_without_its_name() {
    let mut world = World::new();
    let script = Script {
        encodings: true,
        ..Script::default()
    };
    let speaker = world.join(1, script);
    let viewer = world.join(2, Script::default());
    world.watch(viewer);
    world.publish(speaker, Camera);
    world.view(viewer, &[(1, Camera)]);
    let film = |world: &mut World, named: bool| {
        for frame in 0..10_u16 {
            let client = &mut world.members[speaker].client;
            let mut sending = client.next_of(Camera, 0, vp8(frame, 0, frame % 5 == 0, 50));
            if !named {
                (sending.mid, sending.rid) = (None, None);
            }
            client.send(&sending);
            world.run(33);
        }
    };
    film(&mut world, true);
    let before = world.got(viewer);
    assert!(before >= 5, "{before}");
    let goodbye = Compound::default().with(Goodbye {
        sources: vec![Client::encoding_ssrc(Camera, 0)],
        reason: Default::default(),
    });
    world.members[speaker].client.report(&goodbye);
    world.run(500);
    film(&mut world, false);
    assert_eq!(world.got(viewer) - before, 10);
    // Another takes its place at once, but not with each packet.
    world.members[speaker].client.report(&goodbye);
    world.run(20);
    let before = world.got(viewer);
    for frame in 0..20_u16 {
        let client = &mut world.members[speaker].client;
        let mut sending = client.next_of(Camera, 0, vp8(frame, 0, true, 50));
        sending.ssrc = 90_000 + u32::from(frame);
        let bye = Compound::default().with(Goodbye {
            sources: vec![sending.ssrc],
            reason: Default::default(),
        });
        client.send(&sending);
        client.report(&bye);
        world.run(20);
    }
    assert_eq!(world.got(viewer) - before, 1);
}

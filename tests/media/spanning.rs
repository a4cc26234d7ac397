//! Rooms that span shards whose letters take their time: what holds then, whatever comes in between.

use conclave::media::rtcp::Compound;
use conclave_policy::source::Source::Camera;

use crate::media_client::Script;
use crate::world::World;

/// A number below another, the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, below: u64) -> u64 {
        self.0 = (self.0)
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// Something happens that is no permit: pictures, letters that arrive or do not yet, looks, and packets asked for again.
fn something(world: &mut World, dice: &mut Dice) {
    let viewer = 1 + dice.throw(3) as usize;
    match dice.throw(8) {
        0..=2 => {
            let key = dice.throw(3) == 0;
            world.members[0].client.frame(Camera, key);
            world.run(1 + dice.throw(3));
        }
        3 => world.sfu.carry(1),
        4 => world.sfu.carry(1 + dice.throw(12) as usize),
        5 => world.view(viewer, &[(1, Camera)]),
        6 => world.view(viewer, &[]),
        _ => {
            let client = &mut world.members[viewer].client;
            let last = client
                .received
                .last()
                .map(|last| (last.header.ssrc, last.header.sequence));
            if let Some((ssrc, sequence)) = last {
                let lost: Vec<u16> = (0..8).map(|back| sequence.wrapping_sub(back)).collect();
                let report = Compound::default().nack(1, ssrc, &lost);
                client.report(&report);
            }
            world.run(1);
        }
    }
}

#[test]
fn nothing_leaves_any_shard_after_a_cut_is_answered() {
    let mut world = World::of(3, Default::default());
    for who in 1..=4 {
        let place = world.join(who, Script::default());
        world.watch(place);
    }
    let mut sent = 0;
    for seed in 0..60 {
        let mut dice = Dice(seed);
        world.sfu.slow = true;
        world.publish(0, Camera);
        for viewer in 1..=3 {
            world.view(viewer, &[(1, Camera)]);
        }
        for _ in 0..10 + dice.throw(40) {
            something(&mut world, &mut dice);
        }
        world.cut(0, Camera);
        let before = world.sfu.media;
        for _ in 0..40 {
            something(&mut world, &mut dice);
        }
        // What waits anywhere has its turn.
        world.sfu.slow = false;
        world.run(100);
        assert_eq!(world.sfu.media, before, "seed {seed}");
        sent = before;
    }
    let counters = world.sfu.counters();
    assert!(sent > 500 && counters.carried > 500, "{sent} {counters:?}");
    assert!(counters.repaired > 50, "{counters:?}");
}

//! `forward.memory.*`, `forward.allocs`, `media.viewer_bytes` and `media.source_bytes`: the core alone, without sockets.

use std::time::Duration;

use allocation_counter::measure;
use conclave::media::srtp::{Keys, Profile};
use conclave_policy::source::Source;

use crate::measure::{figure, median, note};
use crate::media_client::Script;
use crate::media_floor::Seal;
use crate::media_stage::{Cost, Member, Stage, frame, thread_time};

/// Packets of a frame: 2 Mbit/s at 30 frames in a second.
const PACKETS: usize = 7;
/// Bytes of a datagram as it leaves.
const BYTES: usize = 1200;
/// Header and tag of it.
const AROUND: usize = 12 + 16;
const ROUNDS: usize = 5;

fn only_watches() -> Script {
    Script {
        sends: Vec::new(),
        ..Script::default()
    }
}

/// A speaker with a camera, and those who see it.
fn fill(viewers: usize) -> (Stage, Member, Vec<Member>) {
    let mut stage = Stage::new();
    let speaker = stage.join(0, Script::default());
    stage.publish(&speaker, Source::Camera);
    let mut members = Vec::new();
    for who in 1..=viewers {
        let member = stage.join(u32::try_from(who).unwrap(), only_watches());
        stage.view(&member, 0..1);
        members.push(member);
    }
    (stage, speaker, members)
}

/// Everybody's consent goes on, and time with it.
fn keep(stage: &mut Stage, speaker: &mut Member, members: &mut [Member]) {
    for member in members.iter_mut().chain([speaker]) {
        member.client.check(true);
        stage.exchange(member);
    }
}

/// CPU time per forwarded packet, with so many viewers and frames in each round.
pub(crate) fn run(name: &str, viewers: usize, frames: usize) {
    let (mut stage, mut speaker, mut members) = fill(viewers);
    let profile = speaker.client.profile.unwrap();
    let mut picture = 0;
    let (mut costs, mut floors, mut same, mut many, mut timers) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut allocations = 0;
    // The first round only warms up: rings and buffers grow to their size.
    for round in 0..=ROUNDS {
        keep(&mut stage, &mut speaker, &mut members);
        let frames_of = |speaker: &mut Member, picture: &mut u16, count: usize| {
            let all = (0..count).map(|_| {
                *picture += 1;
                frame(&mut speaker.client, *picture - 1, PACKETS, BYTES - AROUND)
            });
            all.collect::<Vec<_>>()
        };
        // A ring is full after 512 packets.
        let count = if round == 0 { frames.max(80) } else { frames };
        let mut ready = frames_of(&mut speaker, &mut picture, count);
        (stage.cost, stage.sent) = (Cost::default(), 0);
        let mut timer = Duration::ZERO;
        for frame in &mut ready {
            stage.forward(speaker.path, frame);
            stage.clock.advance(Duration::from_millis(33));
            let before = stage.cost;
            stage.shard(|sfu, now| {
                sfu.advance(now);
                sfu.settle();
                sfu.outbox().clear();
                while sfu.poll_event().is_some() {}
            });
            timer += stage.cost.cpu - before.cpu;
            stage.cost = before;
        }
        let due = count * PACKETS * viewers;
        assert!(
            stage.sent as usize >= due * 99 / 100,
            "{} of {due} packets were forwarded",
            stage.sent
        );
        let packets = stage.sent as f64;
        if round > 0 {
            costs.push(stage.cost.cpu.as_nanos() as f64 / packets);
            timers.push(timer.as_nanos() as f64 / packets);
            allocations += stage.cost.allocations;
            floors.push(floor(Profile::Aes128Gcm, 1, frames * PACKETS * viewers));
            same.push(floor(profile, 1, frames * PACKETS * viewers));
            many.push(floor(profile, viewers, frames * PACKETS * viewers));
        }
    }
    let (cost, floor, same, many) = (
        median(&costs),
        median(&floors),
        median(&same),
        median(&many),
    );
    note(&format!(
        "{name}: frames of {PACKETS} packets of {BYTES} bytes, {profile:?}; copy and seal alone take {floor:.0} ns with Aes128Gcm \
         and one key, {same:.0} ns with {profile:?} and one key, {many:.0} ns with {profile:?} and {viewers} keys; timers take \
         {:.1} ns more of each packet",
        median(&timers)
    ));
    figure(name, cost, "ns", Some(cost / floor));
    figure(
        &format!("{name}.same_cipher"),
        cost,
        "ns",
        Some(cost / same),
    );
    if viewers == 50 {
        figure(
            "forward.allocs",
            allocations as f64 / (ROUNDS * frames * PACKETS * viewers) as f64,
            "allocations",
            None,
        );
    }
}

/// CPU time of the core per forwarded packet where ten show themselves to ten, each picture in two packets: once with all that it
/// needs in the processor's caches, and once with none of it, as when others used them between two pictures.
pub(crate) fn cold() {
    const FACES: u32 = 10;
    const FRAMES: u16 = 60;
    let mut stage = Stage::new();
    let mut speakers: Vec<Member> = (0..FACES)
        .map(|who| stage.join(who, Script::default()))
        .collect();
    for speaker in &speakers {
        stage.publish(speaker, Source::Camera);
    }
    let mut viewers = Vec::new();
    for who in FACES..2 * FACES {
        let script = Script {
            video_slots: FACES as usize,
            ..only_watches()
        };
        let member = stage.join(who, script);
        stage.view(&member, 0..FACES);
        viewers.push(member);
    }
    let mut other = vec![0_u8; 24 << 20];
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    let mut picture = 0;
    for round in 0..=2 * ROUNDS {
        for member in viewers.iter_mut().chain(&mut speakers) {
            member.client.check(true);
            stage.exchange(member);
        }
        (stage.cost, stage.sent) = (Cost::default(), 0);
        let evicts = round % 2 == 0;
        for _ in 0..FRAMES {
            for speaker in &mut speakers {
                let mut packets = frame(&mut speaker.client, picture, 2, 1100 - AROUND);
                if evicts {
                    evict(&mut other);
                }
                stage.forward(speaker.path, &mut packets);
                stage.clock.advance(Duration::from_micros(3300));
            }
            picture += 1;
        }
        let due = u64::from(FRAMES) * 2 * u64::from(FACES * FACES);
        assert!(
            stage.sent >= due * 99 / 100,
            "{} of {due} packets were forwarded",
            stage.sent
        );
        if round > 0 {
            let each = stage.cost.cpu.as_nanos() as f64 / stage.sent as f64;
            if evicts {
                cold.push(each)
            } else {
                warm.push(each)
            }
        }
    }
    let (cold, warm) = (median(&cold), median(&warm));
    figure("forward.memory.10x10v.warm", warm, "ns", None);
    figure("forward.memory.10x10v.cold", cold, "ns", Some(cold / warm));
}

/// Fills the caches with something else.
fn evict(other: &mut [u8]) {
    for line in other.iter_mut().step_by(64) {
        *line = line.wrapping_add(1);
    }
}

/// Copy and seal of one packet, in nanoseconds.
fn floor(profile: Profile, keys: usize, packets: usize) -> f64 {
    let mut keys: Vec<Seal> = (0..keys).map(|number| Seal::new(profile, number)).collect();
    let payload = vec![0x55; BYTES - AROUND];
    let mut out = Vec::with_capacity(BYTES * PACKETS);
    let begun = thread_time();
    let mut done = 0;
    while done < packets {
        for key in &mut keys {
            out.clear();
            for _ in 0..PACKETS {
                key.packet(&payload, &mut out);
            }
            done += PACKETS;
        }
    }
    (thread_time() - begun).as_nanos() as f64 / done as f64
}

/// What the shard holds for each viewer, and for each source.
pub(crate) fn bytes() {
    const VIEWERS: usize = 200;
    let mut stage = Stage::new();
    let mut speaker = stage.join(0, Script::default());
    stage.cost = Cost::default();
    stage.publish(&speaker, Source::Camera);
    for picture in 0..100 {
        let mut packets = frame(&mut speaker.client, picture, PACKETS, BYTES - AROUND);
        stage.forward(speaker.path, &mut packets);
        stage.clock.advance(Duration::from_millis(33));
    }
    let source = stage.cost.bytes;
    stage.cost = Cost::default();
    let mut members = Vec::new();
    for who in 1..=VIEWERS {
        let member = stage.join(u32::try_from(who).unwrap(), only_watches());
        stage.view(&member, 0..1);
        members.push(member);
    }
    for picture in 100..110 {
        let mut packets = frame(&mut speaker.client, picture, PACKETS, BYTES - AROUND);
        stage.forward(speaker.path, &mut packets);
    }
    let viewer = stage.cost.bytes as f64 / VIEWERS as f64;
    let profile = speaker.client.profile.unwrap();
    let mut kept = None;
    let keys = measure(|| {
        let material = vec![7; profile.key_length() * 2 + 24];
        kept = Keys::split(profile, &material).and_then(|keys| keys.server_side());
    });
    let bare = (keys.bytes_current.max(0) as usize + size_of_val(&kept)) as f64;
    let payloads = (512 * (BYTES - AROUND)) as f64;
    note(&format!(
        "media.viewer_bytes: after DTLS, with 4 + 4 slots; the keys of both directions alone take {bare:.0} bytes. \
         media.source_bytes: with the last 512 packets, {payloads:.0} bytes of payload"
    ));
    figure("media.viewer_bytes", viewer, "bytes", Some(viewer / bare));
    figure(
        "media.source_bytes",
        source as f64,
        "bytes",
        Some(source as f64 / payloads),
    );
}

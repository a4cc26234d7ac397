//! Ways that lose, reorder and jitter.

use conclave::media::event::PeerEvent;
use conclave_policy::source::Source;

use crate::ends::Against;
use crate::link::Link;
use crate::media_client::Script;
use crate::net::{Net, figure, full};

fn lossy(lost: u64, seed: u64) -> Link {
    Link {
        lost,
        jitter: 10_000,
        ..Link::new(seed)
    }
}

#[test]
fn nobody_is_disconnected_at_thirty_percent() {
    let seconds = if full() { 300 } else { 40 };
    let mut net = Net::new();
    for who in 1..=2 {
        net.join(
            who,
            Script::default(),
            lossy(300, u64::from(who)),
            lossy(300, u64::from(who) + 50),
        );
    }
    net.film(0, 600_000);
    net.talk(0);
    net.view(1, &[1], 1280, 720);
    net.run(seconds * 1000);
    let gone = |event: &PeerEvent| matches!(event, PeerEvent::Closed { .. });
    let closed = net
        .members
        .iter()
        .filter(|member| member.events.iter().any(gone))
        .count();
    let receiver = &net.members[1].receiver;
    figure("network.disconnects_30", closed as f64, "peers");
    figure(
        "network.pictures_30",
        receiver.pictures.len() as f64 / seconds as f64,
        "/s",
    );
    assert_eq!(closed, 0);
    assert!(
        receiver.pictures.len() as u64 >= seconds * 10,
        "{}",
        receiver.pictures.len()
    );
}

/// The share of the frames of sound that can be played, in percent, when the ways of the speaker and of the listener lose a fifth.
fn heard(
    lossy_up: bool,
    lossy_down: bool,
    against: Against,
    repairs: (bool, bool),
    seed: u64,
) -> f64 {
    let seconds = if full() { 120 } else { 40 };
    let way = |lost: bool, seed| {
        if lost {
            lossy(200, seed)
        } else {
            Link::new(seed)
        }
    };
    let script = Script {
        sends: vec![Source::Microphone],
        sounds: if against.red {
            &["red", "opus"]
        } else {
            &["opus"]
        },
        repairs_sound: repairs.0,
        ..Script::default()
    };
    let mut net = Net::new();
    let speaker = net.join(
        1,
        script.clone(),
        way(lossy_up, seed),
        way(lossy_up, seed + 50),
    );
    let script = Script {
        sends: Vec::new(),
        repairs_sound: repairs.1,
        ..script
    };
    let viewer = net.join(
        2,
        script,
        way(lossy_down, seed + 100),
        way(lossy_down, seed + 150),
    );
    net.members[viewer].receiver.asks_for_sound = repairs.1;
    net.speak(speaker, against);
    net.run(1000);
    let begin = net.members[speaker].microphone.as_ref().unwrap().frames;
    net.run(seconds * 1000);
    let end = net.members[speaker].microphone.as_ref().unwrap().frames - 30;
    let heard = net.members[viewer].receiver.heard.range(begin..end).count();
    heard as f64 / f64::from(end - begin) * 100.0
}

#[test]
fn nearly_all_sound_is_heard_at_twenty_percent() {
    let fec = Against {
        fec: true,
        red: false,
    };
    let both = Against {
        fec: true,
        red: true,
    };
    let red = Against {
        fec: false,
        red: true,
    };
    // Where nothing is asked for again, both ways together lose what FEC and RED alone give back: three packets in a row.
    // What is done against losses, which of the two ways asks for lost packets, which loses them, and what must be heard.
    let cases = [
        ("fec.down", fec, (false, false), (false, true), 95.0),
        ("fec.up", fec, (false, false), (true, false), 95.0),
        ("red.down", red, (false, false), (false, true), 95.0),
        ("red.up", red, (false, false), (true, false), 95.0),
        ("fec_nack.both", fec, (true, true), (true, true), 99.5),
        ("red_nack.both", red, (true, true), (true, true), 99.5),
        ("fec_red.both", both, (false, false), (true, true), 94.0),
        (
            "nack.both",
            Against::default(),
            (true, true),
            (true, true),
            98.0,
        ),
        ("fec_nack_up.both", fec, (true, false), (true, true), 94.0),
    ];
    let mut short = Vec::new();
    for (seed, (name, against, repairs, (up, down), least)) in (9..).zip(cases) {
        let share = heard(up, down, against, repairs, seed);
        figure(&format!("network.audio_20.{name}"), share, "%");
        if share < least {
            short.push((name, share));
        }
    }
    assert!(short.is_empty(), "{short:?}");
}

#[test]
fn reordering_alone_loses_nothing_and_asks_for_little() {
    let way = |seed| Link {
        jitter: 15_000,
        reorders: true,
        ..Link::new(seed)
    };
    let mut net = Net::new();
    net.join(1, Script::default(), way(1), way(2));
    net.join(
        2,
        Script {
            sends: Vec::new(),
            ..Script::default()
        },
        way(3),
        way(4),
    );
    net.film(0, 1_000_000);
    net.view(1, &[1], 1280, 720);
    net.run(20_000);
    let camera = net.members[0].camera.as_ref().unwrap();
    assert_eq!(
        (camera.strange, camera.asked.0),
        (0, 1),
        "asked {:?}",
        camera.asked
    );
    let receiver = &net.members[1].receiver;
    assert!(receiver.pictures.len() > 580, "{}", receiver.pictures.len());
    assert!(net.estimate(1) >= 900_000, "{}", net.estimate(1));
}

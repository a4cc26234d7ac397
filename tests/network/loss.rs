//! Ways that lose, reorder and jitter.

use conclave::media::event::PeerEvent;

use crate::link::Link;
use crate::media_client::Script;
use crate::net::{Net, figure, full, pair};

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

#[test]
fn nearly_all_sound_is_heard_at_twenty_percent() {
    let seconds = if full() { 120 } else { 40 };
    let (mut net, speaker, viewer) = pair(800_000, lossy(200, 9));
    net.run(1000);
    let begin = net.members[speaker].microphone.as_ref().unwrap().frames;
    net.run(seconds * 1000);
    let end = net.members[speaker].microphone.as_ref().unwrap().frames - 10;
    let heard = net.members[viewer].receiver.heard.range(begin..end).count();
    let share = heard as f64 / f64::from(end - begin) * 100.0;
    figure("network.audio_20", share, "%");
    assert!(share >= 95.0, "{share} %");
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

//! Which of a camera's encodings comes to whom, by how wide their ways are.

use conclave_policy::source::Source;

use crate::link::Link;
use crate::media_client::Script;
use crate::net::{Net, figure, full};

/// What the encodings need, in bits a second, the smallest first.
const RATES: [u64; 3] = [100_000, 400_000, 1_400_000];

fn narrow(rate: u64, seed: u64) -> Link {
    Link {
        rate: Some(rate),
        ..Link::new(seed)
    }
}

/// A speaker with a camera in three encodings, and receivers that show it large, each behind a way of this width.
fn room(ways: &[u64]) -> (Net, usize, Vec<usize>) {
    let mut net = Net::new();
    let script = Script {
        sends: vec![Source::Microphone, Source::Camera],
        encodings: true,
        ..Script::default()
    };
    let speaker = net.join(1, script, Link::new(1), Link::new(2));
    net.film_in(speaker, &RATES);
    net.talk(speaker);
    let viewers = (10..).zip(ways).map(|(who, way)| {
        let script = Script {
            sends: Vec::new(),
            ..Script::default()
        };
        let down = narrow(*way, u64::from(who));
        let viewer = net.join(who, script, Link::new(3), down);
        net.view(viewer, &[1], 1280, 720);
        viewer
    });
    let viewers = viewers.collect();
    (net, speaker, viewers)
}

#[test]
fn three_receivers_with_three_bandwidths_get_three_layers() {
    let seconds = if full() { 120 } else { 40 };
    let (mut net, _, viewers) = room(&[200_000, 700_000, 5_000_000]);
    net.run(20_000);
    let begin = net.now();
    for viewer in &viewers {
        net.members[*viewer].receiver.pictures.clear();
    }
    net.run(seconds * 1000);
    for ((layer, name), viewer) in (0..).zip(["200k", "700k", "5m"]).zip(viewers) {
        let receiver = &net.members[viewer].receiver;
        let settled = receiver.layers.last().copied();
        let late = receiver.layers.iter().filter(|(at, _)| *at > begin);
        let switches = late.count();
        let pictures = receiver.pictures.len() as f64 / seconds as f64;
        let (at, own) = settled.expect("pictures come");
        figure(&format!("network.layers.{name}"), f64::from(own), "layer");
        figure(
            &format!("network.layers.{name}.settled"),
            at as f64 / 1e6,
            "s",
        );
        figure(&format!("network.layers.{name}.pictures"), pictures, "/s");
        assert_eq!((own, switches), (layer, 0), "{name}: {:?}", receiver.layers);
        assert!(pictures > 27.0, "{name}: {pictures} pictures a second");
    }
}

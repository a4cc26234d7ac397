//! What publishers are told of their own way, and what a cut ends.

use conclave_policy::source::Source;

use crate::link::Link;
use crate::media_client::Script;
use crate::net::{Net, figure, pair};

fn narrow(rate: u64, seed: u64) -> Link {
    Link {
        rate: Some(rate),
        ..Link::new(seed)
    }
}

/// Our reports of arrivals are enough for a publisher to follow its way: up to it and down with it.
#[test]
fn a_publisher_follows_its_own_way() {
    let mut net = Net::new();
    let speaker = net.join(1, Script::default(), narrow(1_500_000, 3), Link::new(4));
    net.film(speaker, 300_000);
    net.obey(speaker, 3_000_000);
    net.run(25_000);
    let rate = |net: &Net| net.members[speaker].camera.as_ref().unwrap().rate;
    let risen = rate(&net);
    assert!((900_000..1_600_000).contains(&risen), "{risen}");
    net.members[speaker].up.rate = Some(400_000);
    let left = net
        .until(4000, |net| rate(net) <= 400_000)
        .expect("it goes down");
    figure("network.uplink_down", left as f64 / 1000.0, "s");
    assert!(left <= 2000, "{left}");
}

/// Key frames are asked for once a second, however many receivers ask.
#[test]
fn many_receivers_ask_for_one_key_frame_a_second() {
    let mut net = Net::new();
    let speaker = net.join(1, Script::default(), Link::new(1), Link::new(2));
    for who in 2..10 {
        let script = Script {
            sends: Vec::new(),
            repairs: false,
            ..Script::default()
        };
        let lossy = Link {
            lost: 250,
            ..Link::new(u64::from(who))
        };
        let place = net.join(who, script, Link::new(99), lossy);
        net.view(place, &[1], 1280, 720);
    }
    net.film(speaker, 500_000);
    net.run(20_000);
    let camera = net.members[speaker].camera.as_ref().unwrap();
    assert!((2..=21).contains(&camera.asked.0), "{}", camera.asked.0);
    let (lost, strange) = (camera.asked.1, camera.strange);
    assert_eq!(
        (lost, strange),
        (0, 0),
        "the publisher's own way loses nothing"
    );
}

/// After a cut nothing of the source leaves, though much of it waited and receivers go on asking for repairs.
#[test]
fn a_cut_ends_what_waits_and_what_is_repaired() {
    for cuts in [false, true] {
        let lossy = Link {
            lost: 100,
            ..narrow(700_000, 5)
        };
        let (mut net, speaker, viewer) = pair(800_000, lossy);
        net.until(30_000, |net| net.sfu.waiting() > 20)
            .expect("pictures wait");
        if cuts {
            net.cut(speaker, Source::Camera);
        }
        let before = net.sfu.counters();
        net.run(3000);
        let after = net.sfu.counters();
        let sent =
            after.forwarded_video - before.forwarded_video + after.repaired - before.repaired;
        assert_eq!(sent == 0, cuts, "{sent} packets");
        assert!(after.forwarded_audio > before.forwarded_audio + 100);
        assert!(net.members[viewer].receiver.bytes > 0);
    }
}

/// Who cannot use reports of arrivals is told what losses allow, and held to what they say themselves.
#[test]
fn without_reports_of_arrivals_a_bandwidth_counts() {
    let mut net = Net::new();
    let script = Script {
        arrivals: false,
        ..Script::default()
    };
    let speaker = net.join(1, script.clone(), narrow(1_000_000, 3), Link::new(4));
    let viewer = net.join(2, script, Link::new(5), Link::new(6));
    net.members[viewer].receiver.remb = Some(300_000);
    net.film(speaker, 2_000_000);
    net.view(viewer, &[1], 1280, 720);
    let mut most = 0;
    for second in 0..40 {
        net.run(1000);
        let camera = net.members[speaker].camera.as_mut().unwrap();
        camera.rate = camera.told.unwrap().min(2_000_000);
        if second > 5 {
            most = most.max(net.members[viewer].receiver.rate());
        }
    }
    let told = net.members[speaker].camera.as_ref().unwrap().told.unwrap();
    assert!((400_000..1_500_000).contains(&told), "{told}");
    assert_eq!(net.estimate(viewer), 300_000);
    assert!(
        (1..400_000).contains(&most),
        "{most} bits a second were sent"
    );
}

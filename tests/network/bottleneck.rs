//! Ways that are narrow, and change.

use crate::link::Link;
use crate::net::{figure, full, pair};

fn narrow(rate: u64, seed: u64) -> Link {
    Link {
        rate: Some(rate),
        ..Link::new(seed)
    }
}

#[test]
fn four_fifths_of_a_wider_way_are_found_within_eight_seconds() {
    let cases: &[(u64, u64)] = if full() {
        &[
            (150, 500),
            (300, 1000),
            (500, 2000),
            (1000, 5000),
            (300, 3000),
            (500, 700),
        ]
    } else {
        &[(500, 2000), (300, 3000)]
    };
    let mut worst = 0;
    for (seed, (from, to)) in cases.iter().enumerate() {
        let (mut net, _, viewer) = pair(6_000_000, narrow(from * 1000, seed as u64 + 7));
        net.run(12_000);
        net.members[viewer].down.rate = Some(to * 1000);
        let found = net.until(10_000, |net| net.estimate(viewer) >= to * 800);
        let found = found.unwrap_or_else(|| panic!("{from} to {to}: {}", net.estimate(viewer)));
        worst = worst.max(found);
    }
    figure("network.up_80", worst as f64 / 1000.0, "s");
    assert!(worst <= 8000, "{worst} ms");
}

#[test]
fn an_over_full_way_is_left_within_two_seconds() {
    let cases: &[(u64, u64)] = if full() {
        &[
            (5000, 1500),
            (3000, 500),
            (2000, 1000),
            (1000, 300),
            (500, 150),
        ]
    } else {
        &[(3000, 500), (1000, 300)]
    };
    let mut worst = 0;
    for (seed, (from, to)) in cases.iter().enumerate() {
        let (mut net, _, viewer) = pair(from * 800, narrow(from * 1000, seed as u64 + 17));
        net.run(12_000);
        net.members[viewer].down.rate = Some(to * 1000);
        // Not only the estimate: in each of the next 300 ms no more goes in than comes out.
        let found = net.until(4000, |net| net.estimate(viewer) <= to * 1000);
        let found = found.unwrap_or_else(|| panic!("{from} to {to}: {}", net.estimate(viewer)));
        let before = net.members[viewer].down.bytes;
        net.run(500);
        let sent = (net.members[viewer].down.bytes - before) * 8 * 2;
        assert!(
            sent <= to * 1250,
            "{from} to {to}: {sent} bits a second are sent"
        );
        worst = worst.max(found);
    }
    figure("network.down", worst as f64 / 1000.0, "s");
    assert!(worst <= 2000, "{worst} ms");
}

/// Sound beside far too much picture is as good as alone.
#[test]
fn sound_does_not_starve_beside_too_much_picture() {
    let seconds = if full() { 60 } else { 20 };
    let (mut net, speaker, viewer) = pair(2_500_000, narrow(300_000, 5));
    net.run(5000);
    let begin = net.members[speaker].microphone.as_ref().unwrap().frames;
    net.members[viewer].receiver.late.clear();
    net.run(seconds * 1000);
    let end = net.members[speaker].microphone.as_ref().unwrap().frames - 10;
    let receiver = &mut net.members[viewer].receiver;
    let heard = receiver.heard.range(begin..end).count();
    let share = heard as f64 / f64::from(end - begin) * 100.0;
    receiver.late.sort_unstable();
    let p99 = receiver.late[receiver.late.len() * 99 / 100];
    figure("network.audio_beside_video", share, "%");
    figure("network.audio_delay_p99", f64::from(p99) / 1000.0, "ms");
    assert!(share >= 99.0, "{share} % heard");
    // Seen: 162, 215 and 316 ms, by how the first seconds went. What is later than 400 ms a player would not play.
    assert!(p99 < 400_000, "{p99} µs");
}

//! `mute.last_packet` in a full room: 100 participants of whom 20 send sound and pictures, each looks at four of them, and the one
//! who is muted is the loudest and stands in everybody's slots. Measured as `cut.rs` does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use conclave::clock::{Clock, SystemClock};
use conclave::media::rtcp::{Compound, ReceptionReport};
use conclave_policy::source::Source;
use serde_json::{Value, json};

use crate::common::server::Server;
use crate::common::text;
use crate::cut::{Cast, SOUND_BYTES, perform};
use crate::measure::note;
use crate::media_client::{Script, UdpClient};
use crate::peer::{SETTINGS, connect, guest, keep};

const PARTICIPANTS: usize = 100;
const SENDERS: usize = 20;
/// The host, the one who is cut, and the one who measures.
const CAST: usize = 3;
/// Pictures that each participant looks at.
const LOOKS: usize = 4;
/// A packet of sound each; a picture every second time.
const STEP: Duration = Duration::from_millis(20);
/// Softer than the one who is muted, who must win a slot.
const SOFT: u8 = 60;

pub(crate) async fn run() {
    let server = Server::start_set(SETTINGS).await;
    let owner = server.owner().await;
    let (attendee, other) = (
        server
            .member(&owner, "attendee@example.org", "Attendee")
            .await,
        server.member(&owner, "other@example.org", "Other").await,
    );
    let room = server.room(&owner, "Board").await;
    for (key, value) in [
        ("sign_in", "guests_may_knock"),
        ("microphone", "everyone_speaks"),
        ("camera", "everyone_may"),
        ("guest_roster", "everyone"),
    ] {
        server.set(&owner, &room, key, value).await;
    }
    let (mut host, _) = server.enter(&owner, &room).await;
    let (mut sockets, mut senders, mut people) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..PARTICIPANTS - CAST {
        let guest = guest(&server, &room, number).await;
        let (mut socket, view) = server.admit(&mut host, &guest, &room).await;
        let sends = number < SENDERS - 1;
        let script = Script {
            sends: if sends {
                vec![Source::Microphone, Source::Camera]
            } else {
                Vec::new()
            },
            ..Script::default()
        };
        people.push(connect(&mut socket, script).await);
        if sends {
            for source in ["microphone", "camera"] {
                socket
                    .ok(json!({"type": "publish", "source": source, "on": true}))
                    .await;
            }
            senders.push(text(&view["room"], "you"));
        }
        sockets.push(socket);
    }
    for (number, mut socket) in sockets.into_iter().enumerate() {
        let looks: Vec<Value> = (0..LOOKS)
            .map(|look| &senders[(number + look * 5) % senders.len()])
            .map(|who| json!({"participant": who, "source": "camera", "width": 320, "height": 180}))
            .collect();
        socket.ok(json!({"type": "view", "looks": looks})).await;
        keep(socket);
    }
    let over = Arc::new(AtomicBool::new(false));
    let crowd = thread::spawn({
        let over = Arc::clone(&over);
        move || meet(people, &over)
    });

    let (speaker, view) = server.admit(&mut host, &attendee, &room).await;
    let who = text(&view["room"], "you");
    let (mut viewer, _) = server.admit(&mut host, &other, &room).await;
    let mut cast = Cast::new(host, speaker, who, &mut viewer).await;
    keep(viewer);
    cast.speaker
        .ok(json!({"type": "publish", "source": "camera", "on": true}))
        .await;
    note(&format!(
        "mute.last_packet: {PARTICIPANTS} participants, {SENDERS} of them send sound and pictures, each looks at {LOOKS}"
    ));
    perform(cast, &["mute"]).await;
    over.store(true, Ordering::Relaxed);
    crowd.join().unwrap();
    server.kill().await;
}

/// Everyone else: sends, empties the sockets, checks the paths and reports what came, as browsers do.
fn meet(mut people: Vec<UdpClient>, over: &AtomicBool) {
    let mut buffer = [0; 2048];
    let begun = SystemClock.instant();
    let (mut step, mut reported) = (0_u32, begun);
    while !over.load(Ordering::Relaxed) {
        let report = reported.elapsed() > Duration::from_secs(1);
        if report {
            reported = SystemClock.instant();
        }
        for person in &mut people {
            while person.socket.recv_from(&mut buffer).is_ok() {}
            if person.client.script.sends.contains(&Source::Microphone) {
                let payload = vec![0xfc; SOUND_BYTES - 10];
                let mut sound = person.client.next(Source::Microphone, payload, 960);
                sound.level = Some(SOFT);
                person.client.send(&sound);
                if step.is_multiple_of(2) {
                    person.client.frame(Source::Camera, step.is_multiple_of(50));
                }
            }
            if report {
                let line = ReceptionReport {
                    ssrc: *person.client.server().slots.keys().next().unwrap(),
                    ..ReceptionReport::default()
                };
                person.client.report(&Compound::receiver(1, vec![line]));
                person.client.check(true);
            }
            person.flush();
        }
        step += 1;
        let due = begun + STEP * step;
        thread::sleep(due.saturating_duration_since(SystemClock.instant()));
    }
}

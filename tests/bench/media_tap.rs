//! `captions.tap_cost`: what a tap costs the shard for each packet of speech, beside the same packets without one.

use std::time::Duration;

use conclave::media::tap::{Ear, Sound};
use conclave_policy::actions::Listen;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Consent, Facts, Standing, Voice};
use conclave_policy::ids::{AccountId, ActorId};
use conclave_policy::permit::PolicyVersion;
use conclave_policy::roles::Role;
use conclave_policy::settings::Captions;
use conclave_policy::source::Source;
use tokio::sync::mpsc;

use crate::measure::{figure, median, note};
use crate::media_client::Script;
use crate::media_stage::{Cost, Member, Stage, participant};
use crate::permits::room;

const PACKETS: usize = 2000;
const ROUNDS: usize = 7;
/// 32 kbit/s in packets of 20 ms.
const BYTES: usize = 80;

/// Does what the captioner's own does: a copy, into a bounded queue.
#[derive(Debug)]
struct Listener(mpsc::Sender<(u64, u32, Vec<u8>)>);

impl Ear for Listener {
    fn hear(&mut self, sound: &Sound<'_>) -> bool {
        let packet = (sound.sequence, sound.timestamp, sound.payload.to_vec());
        self.0.try_send(packet).is_ok()
    }
}

/// CPU time and allocations per packet.
fn round(stage: &mut Stage, speaker: &mut Member) -> (f64, f64) {
    speaker.client.check(true);
    stage.exchange(speaker);
    stage.cost = Cost::default();
    for _ in 0..PACKETS {
        let mut sending = speaker
            .client
            .next(Source::Microphone, vec![0x55; BYTES], 960);
        sending.level = Some(127);
        let mut packet = [speaker.client.seal(&sending)];
        stage.forward(speaker.path, &mut packet);
        stage.clock.advance(Duration::from_millis(20));
    }
    let packets = PACKETS as f64;
    (
        stage.cost.cpu.as_nanos() as f64 / packets,
        stage.cost.allocations as f64 / packets,
    )
}

pub(crate) fn run() {
    let mut stage = Stage::new();
    let mut speaker = stage.join(0, Script::default());
    stage.publish(&speaker, Source::Microphone);
    let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
    let facts = Facts::new()
        .with(Standing::Admitted)
        .with(Captions::On)
        .with(Consent::Given)
        .with(Voice::On);
    let worker: ActorId = AccountId::from_bytes([200; 16]).into();
    let (mut with, mut without, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut made, mut unmade) = (0.0, 0.0);
    for number in 0..=ROUNDS {
        let (plain, before) = round(&mut stage, &mut speaker);
        let (sender, mut receiver) = mpsc::channel(2 * PACKETS);
        let listen = Listen {
            participant: participant(0),
        };
        let permit = rules.decide(worker, Role::Captioner, room(1), &facts, listen);
        let ear = Box::new(Listener(sender));
        stage.sfu.listen(permit.unwrap(), ear).unwrap();
        let (tapped, after) = round(&mut stage, &mut speaker);
        stage.sfu.unlisten(room(1), participant(0));
        let mut heard = 0;
        while receiver.try_recv().is_ok() {
            heard += 1;
        }
        assert_eq!(heard, PACKETS, "the tap missed something");
        // The first round only warms up.
        if number > 0 {
            with.push(tapped);
            without.push(plain);
            costs.push(tapped - plain);
            (made, unmade) = (made + after, unmade + before);
        }
    }
    note(&format!(
        "captions.tap_cost: a packet of {BYTES} bytes that nobody else receives takes {:.0} ns without a tap and {:.0} ns with one; \
         allocations {:.2} and {:.2}",
        median(&without),
        median(&with),
        unmade / ROUNDS as f64,
        made / ROUNDS as f64
    ));
    let (cost, base) = (median(&costs), median(&without));
    figure("captions.tap_cost", cost, "ns", Some((base + cost) / base));
}

//! What whoever makes captions hears, and when it hears no more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use conclave::media::codec::Codec;
use conclave::media::tap::{Ear, Sound};
use conclave_policy::actions::Listen;
use conclave_policy::engine::Snapshot;
use conclave_policy::facts::{Consent, Facts, Standing, Voice};
use conclave_policy::ids::{AccountId, ActorId};
use conclave_policy::permit::{Permit, PolicyVersion};
use conclave_policy::roles::Role;
use conclave_policy::settings::Captions;
use conclave_policy::source::Source::{Camera, Microphone, ScreenAudio};

use crate::media_client::Script;
use crate::permits::{Permits, participant, room};
use crate::world::{Network, World};

/// Codec, number, time and length of a packet.
type Note = (Codec, u64, Instant, usize);

#[derive(Clone, Debug, Default)]
struct Notes {
    heard: Arc<Mutex<Vec<Note>>>,
    over: Arc<AtomicBool>,
}

/// Ends its notes when it is dropped, as an ear must.
#[derive(Debug)]
struct Listener(Notes);

impl Ear for Listener {
    fn hear(&mut self, sound: &Sound<'_>) -> bool {
        let note = (sound.codec, sound.sequence, sound.at, sound.payload.len());
        self.0.heard.lock().unwrap().push(note);
        true
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}

impl Notes {
    fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

/// The permit of a caption worker.
fn permit(who: u8) -> Permit<Listen> {
    let facts = Facts::new()
        .with(Standing::Admitted)
        .with(Captions::On)
        .with(Consent::Given)
        .with(Voice::On);
    let listen = Listen {
        participant: participant(who),
    };
    let worker: ActorId = AccountId::from_bytes([200; 16]).into();
    let rules = Snapshot::built_in(PolicyVersion(1)).unwrap();
    rules
        .decide(worker, Role::Captioner, room(1), &facts, listen)
        .unwrap()
}

fn listen(world: &mut World, who: u8) -> Result<Notes, ()> {
    let notes = Notes::default();
    let permit = permit(who);
    let ear = Box::new(Listener(notes.clone()));
    world.sfu.listen(permit, ear).map_err(|_| ())?;
    Ok(notes)
}

fn talk(world: &mut World, place: usize, packets: usize) {
    for _ in 0..packets {
        world.members[place].client.sound(Microphone, 20);
        world.run(20);
    }
}

#[test]
fn x02_a_tap_hears_a_microphone_while_it_is_permitted_and_nothing_else() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    talk(&mut world, speaker, 5);
    assert!(listen(&mut world, 1).is_err(), "the microphone is not on");
    assert!(listen(&mut world, 2).is_err(), "nobody of that name");
    world.publish(speaker, Microphone);
    world.publish(speaker, Camera);
    world.publish(speaker, ScreenAudio);
    let notes = listen(&mut world, 1).unwrap();
    for frame in 0..10 {
        let client = &mut world.members[speaker].client;
        client.frame(Camera, frame == 0);
        client.sound(ScreenAudio, 20);
        world.run(20);
    }
    assert_eq!(notes.count(), 0);
    talk(&mut world, speaker, 10);
    assert_eq!(notes.count(), 10);
    let heard = notes.heard.lock().unwrap().clone();
    assert!(heard.iter().all(|(codec, ..)| *codec == Codec::Opus));
    assert!(heard.windows(2).all(|two| two[1].1 == two[0].1 + 1));

    // A mute ends it at once: what the client sends on is heard by nobody, nor after it is let speak again.
    let now = world.now();
    world.sfu.cut(room(1), participant(1), Microphone, now);
    assert!(notes.over());
    talk(&mut world, speaker, 10);
    world.publish(speaker, Microphone);
    talk(&mut world, speaker, 10);
    assert_eq!(notes.count(), 10);
}

#[test]
fn a_tap_ends_when_it_is_closed_with_the_transport_and_with_the_rules() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    world.publish(speaker, Microphone);
    let notes = listen(&mut world, 1).unwrap();
    world.sfu.unlisten(room(1), participant(1));
    assert!(notes.over());
    let notes = listen(&mut world, 1).unwrap();
    let second = listen(&mut world, 1).unwrap();
    assert!(notes.over() && !second.over(), "the later takes its place");
    let now = world.now();
    world.sfu.disconnect(room(1), participant(1), now);
    assert!(second.over());

    let speaker = world.join(3, Script::default());
    world.permits = Permits::of_version(2);
    world.publish(speaker, Microphone);
    assert!(listen(&mut world, 3).is_err(), "a permit of older rules");
}

#[test]
fn what_was_lost_and_late_is_placed_where_it_was_spoken() {
    let mut world = World::new();
    let speaker = world.join(1, Script::default());
    world.publish(speaker, Microphone);
    let notes = listen(&mut world, 1).unwrap();
    talk(&mut world, speaker, 5);
    world.network = Network {
        jitter: 60,
        ..Network::default()
    };
    talk(&mut world, speaker, 100);
    let mut heard = notes.heard.lock().unwrap().clone();
    heard.sort_by_key(|(_, sequence, ..)| *sequence);
    let (_, first, start, _) = heard[0];
    for (_, sequence, at, _) in heard {
        let spoken = u32::try_from(sequence - first).unwrap() * 20;
        let at = at.saturating_duration_since(start).as_millis();
        assert!(at.abs_diff(u128::from(spoken)) <= 5, "{spoken}: {at}");
    }
}

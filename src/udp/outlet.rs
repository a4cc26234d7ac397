//! Events on their way to those who asked for them. A slow receiver costs nothing but its own news: of what is a state only the
//! last is kept.

use std::collections::HashMap;

use conclave_policy::ids::ParticipantId;
use conclave_policy::source::Source;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::media::event::{CloseReason, Encoding, PeerEvent, PeerKey, Slot};

/// The receivers of all transports.
#[derive(Debug, Default)]
pub(crate) struct Outlets {
    outlets: HashMap<PeerKey, Outlet>,
}

/// The receiver of one transport, and what it has not taken yet.
#[derive(Debug)]
struct Outlet {
    sender: mpsc::Sender<PeerEvent>,
    connected: bool,
    slots: Option<Vec<Slot>>,
    undecodable: Option<Vec<(ParticipantId, Source)>>,
    /// Of each source.
    layers: [Option<Vec<Encoding>>; Source::ALL.len()],
    speaking: Option<Vec<ParticipantId>>,
    closed: Option<CloseReason>,
}

impl Outlets {
    /// The events of this transport go to this receiver from now on.
    pub(crate) fn add(&mut self, key: PeerKey, sender: mpsc::Sender<PeerEvent>) {
        let outlet = Outlet {
            sender,
            connected: false,
            slots: None,
            undecodable: None,
            layers: Default::default(),
            speaking: None,
            closed: None,
        };
        self.outlets.insert(key, outlet);
    }

    /// An event happened.
    pub(crate) fn push(&mut self, key: PeerKey, event: PeerEvent) {
        let Some(outlet) = self.outlets.get_mut(&key) else {
            return;
        };
        outlet.put(event);
    }

    /// Hands over what can be taken. Returns the transports whose receiver is gone, for nobody answers for them any more;
    /// and whether something still waits.
    pub(crate) fn flush(&mut self) -> (Vec<PeerKey>, bool) {
        let mut gone = Vec::new();
        let mut waiting = false;
        self.outlets.retain(|key, outlet| match outlet.flush() {
            State::Empty => true,
            State::Waiting => {
                waiting = true;
                true
            }
            State::Done => false,
            State::Gone => {
                gone.push(*key);
                false
            }
        });
        (gone, waiting)
    }
}

enum State {
    /// Nothing waits.
    Empty,
    /// The receiver is full.
    Waiting,
    /// The last event was taken.
    Done,
    /// There is no receiver.
    Gone,
}

impl Outlet {
    fn flush(&mut self) -> State {
        while let Some(event) = self.next() {
            let last = matches!(event, PeerEvent::Closed { .. });
            match self.sender.try_send(event) {
                Ok(()) if last => return State::Done,
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.put(event);
                    return State::Waiting;
                }
                Err(TrySendError::Closed(_)) => return State::Gone,
            }
        }
        State::Empty
    }

    fn next(&mut self) -> Option<PeerEvent> {
        if std::mem::take(&mut self.connected) {
            return Some(PeerEvent::Connected);
        }
        if let Some(slots) = self.slots.take() {
            return Some(PeerEvent::Slots(slots));
        }
        if let Some(sources) = self.undecodable.take() {
            return Some(PeerEvent::Undecodable(sources));
        }
        for (source, layers) in Source::ALL.into_iter().zip(&mut self.layers) {
            if let Some(wanted) = layers.take() {
                return Some(PeerEvent::Layers { source, wanted });
            }
        }
        if let Some(speaking) = self.speaking.take() {
            return Some(PeerEvent::Speaking(speaking));
        }
        let reason = self.closed.take()?;
        Some(PeerEvent::Closed { reason })
    }

    /// Keeps an event in the place of an older one of its kind.
    fn put(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Connected => self.connected = true,
            PeerEvent::Slots(slots) => self.slots = Some(slots),
            PeerEvent::Undecodable(sources) => self.undecodable = Some(sources),
            PeerEvent::Layers { source, wanted } => {
                let place = Source::ALL.into_iter().position(|known| known == source);
                if let Some(layers) = place.and_then(|place| self.layers.get_mut(place)) {
                    *layers = Some(wanted);
                }
            }
            PeerEvent::Speaking(speaking) => self.speaking = Some(speaking),
            PeerEvent::Closed { reason } => self.closed = Some(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PeerKey = PeerKey {
        place: 0,
        generation: 0,
    };

    #[test]
    fn a_slow_receiver_gets_the_last_state_and_the_end() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outlets = Outlets::default();
        outlets.add(KEY, sender);
        outlets.push(KEY, PeerEvent::Connected);
        assert!(!outlets.flush().1);
        for _ in 0..1000 {
            outlets.push(KEY, PeerEvent::Speaking(Vec::new()));
            assert!(outlets.flush().1);
        }
        outlets.push(
            KEY,
            PeerEvent::Closed {
                reason: CloseReason::Left,
            },
        );
        let mut got = Vec::new();
        while !outlets.outlets.is_empty() {
            got.push(receiver.try_recv().unwrap());
            outlets.flush();
        }
        got.push(receiver.try_recv().unwrap());
        let end = PeerEvent::Closed {
            reason: CloseReason::Left,
        };
        assert_eq!(
            got,
            [PeerEvent::Connected, PeerEvent::Speaking(Vec::new()), end]
        );
    }

    #[test]
    fn a_receiver_that_is_gone_is_reported() {
        let (sender, receiver) = mpsc::channel(1);
        let mut outlets = Outlets::default();
        outlets.add(KEY, sender);
        drop(receiver);
        outlets.push(KEY, PeerEvent::Connected);
        assert_eq!(outlets.flush(), (vec![KEY], false));
    }
}

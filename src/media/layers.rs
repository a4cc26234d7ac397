//! Carries out the choice of layers: gathers for each receiver what it shows and what comes, aims its edges, and tells publishers
//! which of their encodings anybody wants.

use std::time::{Duration, Instant};

use conclave_policy::ids::ParticipantId;
use conclave_policy::source::Source;

use crate::media::aim::FASTEST;
use crate::media::descriptor::{MOST_LAYERS, Size};
use crate::media::event::{Encoding, PeerEvent, PeerKey, View};
use crate::media::gauge::Gauge;
use crate::media::offer::Kind;
use crate::media::peer::Peer;
use crate::media::select::{self, Choice, Layer, Most, Priority, Want};
use crate::media::sfu::Sfu;
use crate::media::simulcast::MOST_ENCODINGS;
use crate::media::slot::Feed;

/// A layer of a camera from which nothing came for so long does not flow.
const CAMERA_FLOWS: Duration = Duration::from_millis(700);
/// The same for a screen, of which there is little when it stands still.
const SCREEN_FLOWS: Duration = Duration::from_secs(5);
/// An encoding is called unwanted only when nobody has wanted it for so long.
const UNWANTED: Duration = Duration::from_secs(3);
/// What a sound slot takes, in bits per second, and how many of them are counted: few speak at a time.
const SOUND: u64 = 40_000;
const MOST_SOUNDS: usize = 3;
/// Sizes of the largest layer, as long as none was told.
const CAMERA: Size = Size {
    width: 1280,
    height: 720,
};
const SCREEN: Size = Size {
    width: 1920,
    height: 1080,
};

/// Which encodings of a source are wanted, as its publisher was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    told: [bool; MOST_ENCODINGS],
    /// Since when nobody wants them.
    since: [Option<Instant>; MOST_ENCODINGS],
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            told: [true; MOST_ENCODINGS],
            since: [None; MOST_ENCODINGS],
        }
    }
}

impl Wanted {
    /// Whether the publisher knows that nobody wants this one.
    pub(crate) fn is_told(&self, encoding: u8) -> Option<bool> {
        self.told.get(usize::from(encoding)).copied()
    }

    /// Takes what is wanted now; says whether the publisher is to be told.
    fn update(&mut self, wanted: [bool; MOST_ENCODINGS], now: Instant) -> bool {
        let mut changed = false;
        let places = self.told.iter_mut().zip(&mut self.since).zip(wanted);
        for ((told, since), wanted) in places {
            if wanted {
                *since = None;
                changed |= !std::mem::replace(told, true);
                continue;
            }
            let since = *since.get_or_insert(now);
            if *told && now.saturating_duration_since(since) >= UNWANTED {
                *told = false;
                changed = true;
            }
        }
        changed
    }
}

impl Sfu {
    /// Chooses anew what one receiver gets of each of its pictures.
    pub(crate) fn choose_layers(&mut self, viewer: PeerKey, now: Instant) {
        let Some(peer) = self.peers.get(viewer) else {
            return;
        };
        let most_pictures = peer.views.len().min(peer.slots.len());
        let mut places: Vec<(usize, usize, Feed)> = Vec::with_capacity(most_pictures);
        let mut wants = Vec::with_capacity(most_pictures);
        let speaking = self
            .rooms
            .get(&peer.room)
            .map_or(&[][..], |room| room.speaking.as_slice());
        // In the order of the wishes, which decides among pictures that are equally important.
        for view in &peer.views {
            let feeds = peer.slots.iter().enumerate();
            let place = feeds
                .filter(|(_, slot)| slot.kind == Kind::Video)
                .filter_map(|(place, slot)| Some((place, slot.feed()?)))
                .find(|(_, feed)| {
                    (feed.participant, feed.source) == (view.participant, view.source)
                });
            let Some((place, feed)) = place else {
                continue;
            };
            if places.iter().any(|(known, ..)| *known == place) {
                continue;
            }
            if let Some((want, edge)) = self.want(viewer, place, feed, (view, speaking), now) {
                places.push((place, edge, *feed));
                wants.push(want);
            }
        }
        let most = most(peer);
        let all = Most {
            bits: u64::MAX,
            ..most
        };
        let wish = select::choose(&wants, all);
        let cost: u64 = (wants.iter().zip(&wish))
            .map(|(want, choice)| want.cost(*choice))
            .sum();
        let chosen = if most.bits == all.bits {
            wish
        } else {
            select::choose(&wants, most)
        };
        if let Some(peer) = self.peers.get_mut(viewer) {
            peer.downlink.want(cost);
        }
        for ((place, edge, feed), choice) in places.into_iter().zip(chosen) {
            let slot = self.peers.get_mut(viewer);
            if let Some(slot) = slot.and_then(|peer| peer.slots.get_mut(place)) {
                slot.edge = edge;
            }
            self.aim((viewer, place, edge), feed, choice, now);
        }
    }

    /// Aims one edge.
    fn aim(
        &mut self,
        (viewer, place, guess): (PeerKey, usize, usize),
        feed: Feed,
        choice: Option<Choice>,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(feed.publisher) else {
            return;
        };
        let publication = peer.publication_mut(feed.source);
        let at = publication.edge_at(viewer, place, guess);
        let Some(edge) = at.and_then(|at| publication.edges.get_mut(at)) else {
            return;
        };
        let changed = edge.choice != choice;
        let ended = choice.is_none() && edge.layer.current.is_some();
        edge.choice = choice;
        edge.layer.change(
            choice.map(|choice| choice.size),
            choice.map_or(0, |choice| choice.rate),
            choice.is_none_or(|choice| choice.short),
        );
        let waits = edge.layer.waits();
        if ended {
            // What comes meanwhile is not missing: the receiver must not ask for it when the picture begins again.
            let slot = self.peers.get_mut(viewer);
            if let Some(slot) = slot.and_then(|peer| peer.slots.get_mut(place)) {
                slot.begin_again();
            }
        }
        if changed {
            self.tell_wanted(feed.publisher, feed.source, now);
        }
        if waits {
            self.ask_for_key_frame(feed.publisher, feed.source, now);
        }
    }

    /// What one picture could be, and where its edge stands.
    fn want(
        &self,
        viewer: PeerKey,
        place: usize,
        feed: &Feed,
        (view, speaking): (&View, &[ParticipantId]),
        now: Instant,
    ) -> Option<(Want, usize)> {
        let slot = self.peers.get(viewer)?.slots.get(place)?;
        let peer = self.peers.get(feed.publisher)?;
        let publication = peer.publication(feed.source);
        let at = publication.edge_at(viewer, place, slot.edge);
        let edge = at.and_then(|at| publication.edges.get(at));
        let before = edge.and_then(|edge| edge.choice);
        let priority = match feed.source {
            Source::Screen => Priority::Screen,
            _ if view.spotlight => Priority::Spotlight,
            _ if speaking.contains(&view.participant) => Priority::Speaker,
            _ => Priority::Other,
        };
        let (layers, mut count) = sizes_of(peer, feed.source, now);
        if peer.is_stacked(feed.source) && !slot.tells_sizes(peer.codec(feed.source)) {
            count = 1;
        }
        let want = Want {
            shown: Size {
                width: view.width,
                height: view.height,
            },
            priority,
            layers,
            count,
            before,
        };
        Some((want, at.unwrap_or(slot.edge)))
    }

    /// Tells a publisher which encodings anybody wants, if that changed.
    pub(crate) fn tell_wanted(&mut self, key: PeerKey, source: Source, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let stacked = peer.is_stacked(source);
        let publication = peer.publication_mut(source);
        if publication.permit.is_none() || Kind::of(source) == Kind::Audio {
            return;
        }
        let mut wanted = [false; MOST_ENCODINGS];
        for edge in &publication.edges {
            let goal = edge.choice.map(|choice| choice.goal);
            let needed = [goal, edge.layer.target, edge.layer.current];
            for size in needed.into_iter().flatten() {
                let encoding = if stacked { 0 } else { size };
                if let Some(wanted) = wanted.get_mut(usize::from(encoding)) {
                    *wanted = true;
                }
            }
        }
        if self.tell_home(key, source, wanted) {
            return;
        }
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let publication = peer.publication_mut(source);
        for (wanted, bound) in wanted.iter_mut().zip(publication.bound) {
            *wanted |= !bound.is_empty();
        }
        if !publication.wanted.update(wanted, now) {
            return;
        }
        let told = publication.wanted;
        let Some(codecs) = peer.sends.codecs_of(source) else {
            return;
        };
        let encodings = (0_u8..).take(codecs.encodings()).map(|encoding| Encoding {
            rid: codecs.rids.get(usize::from(encoding)).cloned(),
            active: told.is_told(encoding).unwrap_or(true),
        });
        let wanted = encodings.collect();
        self.events
            .push_back((key, PeerEvent::Layers { source, wanted }));
    }

    /// What is chosen again and again: sizes, bits and lines change.
    pub(crate) fn choose_all_layers(&mut self, now: Instant) {
        for key in self.peers.keys() {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            let mut stands = [false; 2];
            let is_here = peer.home.is_here();
            for (source, stands) in [Source::Camera, Source::Screen]
                .into_iter()
                .zip(&mut stands)
            {
                let publication = peer.publication_mut(source);
                *stands = publication.permit.is_some();
                if is_here {
                    for gauge in &mut publication.gauges {
                        gauge.refresh(now);
                    }
                }
            }
            let watches = peer.watch.is_some() && !peer.views.is_empty();
            for (source, stands) in [Source::Camera, Source::Screen].into_iter().zip(stands) {
                if stands {
                    self.tell_wanted(key, source, now);
                    self.tell_gauges(key, source);
                }
            }
            if watches {
                self.choose_layers(key, now);
            }
        }
    }
}

/// What a receiver gets at most: what it wants, and what its line carries beside sound.
fn most(peer: &Peer) -> Most {
    let own = peer.most.max_bitrate.map_or(u64::MAX, u64::from);
    let line = if peer.downlink.estimator().is_informed() {
        let sounds = peer
            .slots
            .iter()
            .filter(|slot| slot.kind == Kind::Audio && slot.feed().is_some());
        let sound = SOUND * sounds.take(MOST_SOUNDS).count() as u64;
        peer.estimate().saturating_sub(sound)
    } else {
        u64::MAX
    };
    Most {
        bits: own.min(line),
        height: peer.most.max_height,
    }
}

/// The sizes in which a source comes, the smallest first, and how many there are.
fn sizes_of(peer: &Peer, source: Source, now: Instant) -> ([Layer; MOST_LAYERS], u8) {
    let gauges = &peer.publication(source).gauges;
    let (within, largest) = match source {
        Source::Screen => (SCREEN_FLOWS, SCREEN),
        _ => (CAMERA_FLOWS, CAMERA),
    };
    let mut layers = [Layer::default(); MOST_LAYERS];
    let stacked = peer.is_stacked(source);
    let known = |gauge: &Gauge, size: usize| gauge.sizes.get(size).copied().unwrap_or_default();
    let count = if stacked {
        // As many as are told or come: at least one.
        gauges.first().map_or(1, |gauge| {
            (1..MOST_LAYERS)
                .rev()
                .find(|size| {
                    known(gauge, *size) != Size::default()
                        || u8::try_from(*size).is_ok_and(|size| gauge.flows(size, now, within))
                })
                .map_or(1, |highest| highest + 1)
        })
    } else {
        let encodings = peer
            .sends
            .codecs_of(source)
            .map(|codecs| codecs.encodings());
        encodings.unwrap_or(1).min(MOST_LAYERS)
    };
    for (place, layer) in layers.iter_mut().enumerate().take(count) {
        let gauge = gauges.get(if stacked { 0 } else { place });
        let (Some(gauge), Ok(size)) = (gauge, u8::try_from(place)) else {
            continue;
        };
        let within_stream = if stacked { size } else { 0 };
        layer.size = known(gauge, usize::from(within_stream));
        layer.fastest = gauge.fastest().min(FASTEST);
        layer.flows = stacked && count == 1 || gauge.flows(within_stream, now, within);
        for (rate, bits) in (0_u8..).zip(&mut layer.bits) {
            *bits = gauge.bits(within_stream, rate);
        }
    }
    guess(&mut layers, count, largest);
    (layers, u8::try_from(count).unwrap_or(1))
}

/// Sizes that were not told are half of the next larger, or twice the next smaller.
fn guess(layers: &mut [Layer; MOST_LAYERS], count: usize, largest: Size) {
    let told = (0..count).rev().find_map(|place| {
        let size = layers.get(place)?.size;
        (size != Size::default()).then_some((place, size))
    });
    let (from, size) = told.unwrap_or((count.saturating_sub(1), largest));
    for (place, layer) in layers.iter_mut().enumerate().take(count) {
        if layer.size == Size::default() {
            let scale = |pixels: u16| {
                if place < from {
                    pixels >> (from - place)
                } else {
                    pixels.saturating_mul(1 << (place - from))
                }
            };
            layer.size = Size {
                width: scale(size.width).max(1),
                height: scale(size.height).max(1),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn what_nobody_wants_is_told_late_and_what_somebody_wants_at_once() {
        let clock = ManualClock::new();
        let mut wanted = Wanted::default();
        for _ in 0..14 {
            assert!(!wanted.update([true, false, false], clock.instant()));
            clock.advance(Duration::from_millis(200));
        }
        clock.advance(Duration::from_millis(200));
        assert!(wanted.update([true, false, false], clock.instant()));
        assert_eq!(
            [0, 1, 2].map(|encoding| wanted.is_told(encoding)),
            [Some(true), Some(false), Some(false)]
        );
        assert!(wanted.update([true, true, false], clock.instant()));
        assert!(!wanted.update([true, false, false], clock.instant()));
    }

    #[test]
    fn sizes_that_were_not_told_are_guessed_from_those_that_were() {
        let mut layers = [Layer::default(); MOST_LAYERS];
        guess(&mut layers, 3, CAMERA);
        assert_eq!(layers.map(|layer| layer.size.height), [180, 360, 720]);
        let mut layers = [Layer::default(); MOST_LAYERS];
        layers[0].size = Size {
            width: 160,
            height: 90,
        };
        guess(&mut layers, 3, CAMERA);
        assert_eq!(layers.map(|layer| layer.size.width), [160, 320, 640]);
    }
}

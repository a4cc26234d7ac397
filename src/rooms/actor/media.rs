//! A room and the media plane: transports are offered here, views set, and what the plane reports is told on, to
//! those who may see it.

use conclave_policy::actions::{Connect, SeeStats, Watch};
use conclave_policy::permit::Permit;
use conclave_policy::source::{Source, StreamKind};
use tokio::sync::mpsc;

use super::{RoomActor, ToRoom, Waited, all, durable};
use crate::bounded::Text;
use crate::ids::ParticipantId;
use crate::media::event::{self, CloseReason, Offer, PeerEvent, View};
use crate::rooms::outbound::{Done, IceServer};
use crate::rooms::refusal::ErrorCode;
use crate::rooms::request::{Look, Receive, SectionSource};
use crate::rooms::view::{
    EncodingView, Event, MediaState, MediaTrouble, SlotView, SourceStatsView, SourceView,
};

/// How many reports of one transport may wait for the room.
const REPORTS: usize = 64;

/// An offer, and the permits to take it up.
pub(super) struct Offered {
    by: ParticipantId,
    id: u32,
    connect: Permit<Connect>,
    /// What brings a stream in takes none out.
    watch: Option<Permit<Watch>>,
    offer: Offer,
    /// The same transport on another way.
    restart: bool,
    durable: bool,
}

impl RoomActor {
    /// Answers an offer. A new transport starts with every source off: what was on before must be turned on again. The same one
    /// on another way (`restart`) goes on as it was.
    pub(super) async fn on_offer(
        &mut self,
        by: ParticipantId,
        id: u32,
        sdp: Text<{ 256 * 1024 }>,
        sources: Vec<SectionSource>,
        restart: bool,
    ) {
        let permits = self
            .ask(by, Connect { participant: by })
            .and_then(|connect| {
                let brings = self
                    .room
                    .person(by)
                    .is_some_and(|p| p.who.way.stream() == Some(StreamKind::Source));
                // What brings a stream in takes none out.
                let watch = match brings {
                    true => None,
                    false => Some(self.ask(by, Watch { participant: by })?),
                };
                Ok((connect, watch))
            });
        let ((connect, row), watch) = match permits {
            Ok(permits) => permits,
            Err(code) => return self.answer(by, id, Err(code)),
        };
        if !restart {
            // What the old transport carried ends now; the new one is there when it stands in the trail that it may be.
            self.room.media_lost(by);
            self.follow_up().await;
        }
        let sources = sources
            .into_iter()
            .map(|section| (section.mid.into_string(), section.source))
            .collect();
        let sdp = sdp.into_string();
        let mut rows = vec![durable(row)];
        let watch = watch.map(|(watch, row)| {
            rows.push(durable(row));
            watch
        });
        self.waits.push(Box::pin(async move {
            let durable = all(rows.into_iter()).await;
            Waited::Offer(Box::new(Offered {
                by,
                id,
                connect,
                watch,
                offer: Offer { sdp, sources },
                restart,
                durable,
            }))
        }));
    }

    /// The rows of an offer are durable, or are not.
    pub(super) async fn on_offered(&mut self, offered: Offered) {
        let Offered {
            by,
            id,
            connect,
            watch,
            offer,
            restart,
            durable,
        } = offered;
        let stands = if durable {
            self.stands(by, connect.action())
                .and_then(|()| match &watch {
                    Some(watch) => self.stands(by, watch.action()),
                    None => Ok(()),
                })
        } else {
            Err(ErrorCode::Unavailable)
        };
        if let Err(code) = stands {
            return self.answer(by, id, Err(code));
        }
        let media = self.means.media.clone();
        let answer = if restart {
            media.restart(connect, offer).await
        } else {
            // What was turned on meanwhile was turned on for the old one.
            self.room.media_lost(by);
            self.follow_up().await;
            self.project();
            let (transport, reports) = self.reports(by);
            let connected = media.connect(connect, offer, reports).await;
            // Where it came to nothing, the old one lives on, and is still heard.
            if connected.is_ok()
                && let Some(seat) = self.seats.get_mut(&by)
            {
                seat.transport = transport;
            }
            connected
        };
        let outcome = match answer {
            Ok(answer) => {
                let watches = match watch {
                    Some(watch) => self.means.media.watch(watch).await,
                    None => Ok(()),
                };
                watches
                    .map(|()| Done::Answer { sdp: answer.sdp })
                    .map_err(|_| ErrorCode::Internal)
            }
            Err(_) => Err(ErrorCode::InvalidOffer),
        };
        self.answer(by, id, outcome);
        self.look_anew(by).await;
    }

    /// Relays for whoever may have a transport, with credentials of their own.
    pub(super) fn relays(&self, by: ParticipantId) -> Result<Vec<IceServer>, ErrorCode> {
        let Some(turn) = &self.means.turn else {
            return Ok(Vec::new());
        };
        let (permit, audit) = self.ask(by, Connect { participant: by })?;
        self.note(audit);
        Ok(vec![turn.relay(&permit, self.means.clock.now()).into()])
    }

    pub(super) fn on_ice_servers(&mut self, by: ParticipantId, id: u32) {
        let relays = self.relays(by);
        let outcome = relays.map(|ice_servers| Done::IceServers { ice_servers });
        self.answer(by, id, outcome);
    }

    /// A channel for what a new transport reports, and its number, by which reports of older ones are told apart.
    fn reports(&self, participant: ParticipantId) -> (u64, mpsc::Sender<PeerEvent>) {
        let (sender, mut receiver) = mpsc::channel(REPORTS);
        let older = self.seats.get(&participant).map(|seat| seat.transport);
        let transport = older.map_or(0, |older| older.saturating_add(1));
        let own = self.own.clone();
        tokio::spawn(async move {
            while let Some(event) = receiver.recv().await {
                let Some(room) = own.upgrade() else { return };
                if room
                    .send(ToRoom::Media {
                        participant,
                        transport,
                        event,
                    })
                    .await
                    .is_err()
                {
                    return;
                }
            }
        });
        (transport, sender)
    }

    pub(super) async fn on_view(
        &mut self,
        by: ParticipantId,
        id: u32,
        looks: Vec<Look>,
        receive: Receive,
    ) {
        // Who is not to be seen any more is not to be looked at either.
        self.project();
        let Some(seat) = self.seats.get(&by) else {
            return;
        };
        let spotlight = self.room.spotlight();
        let wants = looks
            .into_iter()
            .filter(|look| matches!(look.source, Source::Camera | Source::Screen))
            .filter(|look| seat.projection.shows(look.participant))
            .map(|look| View {
                participant: look.participant,
                source: look.source,
                width: look.width,
                height: look.height,
                spotlight: spotlight == Some(look.participant),
            })
            .collect();
        let room = self.room.charter().room;
        let most = event::Receive {
            max_height: receive.max_height,
            max_bitrate: receive.max_bitrate,
        };
        let outcome = match self.means.media.view(room, by, wants, most).await {
            Ok(()) => Ok(Done::Done {}),
            Err(_) => Err(ErrorCode::NotFound),
        };
        self.answer(by, id, outcome);
    }

    pub(super) async fn on_stats(&mut self, by: ParticipantId, id: u32) {
        // Numbers of packets change nothing and are asked for often: no row, like all that is only looked at.
        let outcome = match self.look(by, SeeStats {}) {
            Err(code) => Err(code),
            Ok(permit) => {
                let stats = self.means.media.stats(permit.room()).await;
                let sources = stats.into_iter().map(|line| SourceStatsView {
                    participant: line.participant,
                    source: line.source,
                    received: line.received,
                    forwarded: line.forwarded,
                    dropped: line.dropped,
                    layers: line.layers,
                });
                Ok(Done::Stats {
                    sources: sources.collect(),
                })
            }
        };
        self.answer(by, id, outcome);
    }

    pub(super) fn on_media(
        &mut self,
        participant: ParticipantId,
        transport: u64,
        event: PeerEvent,
    ) {
        let Some(seat) = self
            .seats
            .get_mut(&participant)
            .filter(|seat| seat.transport == transport)
        else {
            return;
        };
        let event = match event {
            PeerEvent::Connected => Event::Media {
                state: MediaState::Connected,
                trouble: None,
            },
            PeerEvent::Closed { reason } => {
                self.room.media_lost(participant);
                Event::Media {
                    state: MediaState::Closed,
                    trouble: trouble(reason),
                }
            }
            PeerEvent::Slots(slots) => {
                let slots = slots.into_iter().filter_map(|slot| {
                    let (owner, source) = (slot.participant?, slot.source?);
                    let shown = seat.projection.shows(owner);
                    shown.then_some(SlotView {
                        mid: slot.mid,
                        participant: owner,
                        source,
                    })
                });
                Event::Slots {
                    slots: slots.collect(),
                }
            }
            PeerEvent::Undecodable(sources) => {
                let sources = sources
                    .into_iter()
                    .filter(|(owner, _)| seat.projection.shows(*owner))
                    .map(|(participant, source)| SourceView {
                        participant,
                        source,
                    });
                Event::Undecodable {
                    sources: sources.collect(),
                }
            }
            PeerEvent::Layers { source, wanted } => Event::Layers {
                source,
                encodings: wanted
                    .into_iter()
                    .map(|encoding| EncodingView {
                        rid: encoding.rid,
                        active: encoding.active,
                    })
                    .collect(),
            },
            PeerEvent::Speaking(speakers) => {
                let participants = speakers
                    .into_iter()
                    .filter(|speaker| seat.projection.shows(*speaker))
                    .collect();
                Event::Speaking { participants }
            }
        };
        if !seat.tell(event) {
            self.lose(participant);
        }
    }
}

/// What of the end of a transport its client is told as a fault.
const fn trouble(reason: CloseReason) -> Option<MediaTrouble> {
    match reason {
        CloseReason::Timeout => Some(MediaTrouble::Silent),
        CloseReason::NoPath => Some(MediaTrouble::NoPath),
        CloseReason::NoHandshake => Some(MediaTrouble::NoHandshake),
        CloseReason::Handshake => Some(MediaTrouble::HandshakeFailed),
        CloseReason::Fingerprint => Some(MediaTrouble::WrongCertificate),
        CloseReason::Profile => Some(MediaTrouble::NoCommonProtection),
        CloseReason::Left | CloseReason::Replaced | CloseReason::Removed => None,
    }
}

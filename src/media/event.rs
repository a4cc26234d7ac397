//! What the media core tells the rest of the server, and what it answers to commands: plain values, no behaviour.

use conclave_policy::ids::ParticipantId;
use conclave_policy::source::Source;

use crate::media::offer::OfferError;
use crate::media::quality::LayerQuality;

/// A client's offer of a transport.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Session description, as the browser wrote it.
    pub sdp: String,
    /// Media identifier and source of every line that the client may send on.
    pub sources: Vec<(String, Source)>,
}

/// The server's answer to an [`Offer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Session description.
    pub sdp: String,
}

/// What happens to one participant's transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The transport is up: media can flow.
    Connected,
    /// The transport is gone, and with it every standing permit of the participant. The last event of a transport.
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// What each receive slot shows now: all of them, in the order of the offer.
    Slots(Vec<Slot>),
    /// What the participant wants to see and its client cannot decode: all of it, each time it changes.
    Undecodable(Vec<(ParticipantId, Source)>),
    /// Which encodings of one of the participant's own sources anybody wants now.
    Layers {
        /// Which source.
        source: Source,
        /// Every encoding, the smallest first.
        wanted: Vec<Encoding>,
    },
    /// Who speaks now, the loudest first.
    Speaking(Vec<ParticipantId>),
}

/// Why a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed it.
    Left,
    /// Nothing valid came from the client for too long, though the transport was up.
    Timeout,
    /// No checked request ever came: the client reaches none of our addresses, or has not the credentials of the answer.
    NoPath,
    /// The client reaches us and began no DTLS handshake.
    NoHandshake,
    /// The client's certificate is absent or not the one of its offer.
    Fingerprint,
    /// The client offers no protection that we accept.
    Profile,
    /// The DTLS handshake failed again and again, or came to no end.
    Handshake,
    /// The same participant connected anew.
    Replaced,
    /// The server ended it.
    Removed,
}

impl CloseReason {
    /// As log lines have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Timeout => "silent",
            Self::NoPath => "no_path",
            Self::NoHandshake => "no_handshake",
            Self::Fingerprint => "wrong_certificate",
            Self::Profile => "no_common_protection",
            Self::Handshake => "handshake_failed",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}

/// What a receive slot shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The media line of the slot.
    pub mid: String,
    /// Whose media it shows; nobody's if it is free.
    pub participant: Option<ParticipantId>,
    /// Which of their sources.
    pub source: Option<Source>,
}

/// One encoding of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Its name in the offer; none if there is one encoding only.
    pub rid: Option<String>,
    /// Whether anybody wants it.
    pub active: bool,
}

/// The most that a participant wants to receive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receive {
    /// The height of a picture, in pixels.
    pub max_height: Option<u16>,
    /// All pictures together, in bits per second.
    pub max_bitrate: Option<u32>,
}

/// One thing that a participant wants to see. What is not wanted is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Whose.
    pub participant: ParticipantId,
    /// Their camera or their screen; sound is chosen by the server.
    pub source: Source,
    /// How wide it is shown, in pixels.
    pub width: u16,
    /// How high it is shown, in pixels.
    pub height: u16,
    /// A host put them before all others.
    pub spotlight: bool,
}

/// The packets of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStats {
    /// Who sends.
    pub participant: ParticipantId,
    /// What.
    pub source: Source,
    /// Packets that came and were authentic.
    pub received: u64,
    /// Packets that were sent on, counted once for each receiver.
    pub forwarded: u64,
    /// Packets that came without a standing permit and went nowhere.
    pub dropped: u64,
    /// Its sizes, the smallest first; none if there is only one.
    pub layers: Vec<LayerQuality>,
}

impl SourceStats {
    /// The lines of several shards, those of one source made one: it comes to one of them and leaves from each.
    pub fn sum(lines: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut sums = Vec::<Self>::new();
        for line in lines {
            let same =
                |sum: &&mut Self| (sum.participant, sum.source) == (line.participant, line.source);
            match sums.iter_mut().find(same) {
                Some(sum) => {
                    sum.received += line.received;
                    sum.forwarded += line.forwarded;
                    sum.dropped += line.dropped;
                    // The shard that it comes to measures it.
                    if line.received > 0 {
                        sum.layers = line.layers;
                    }
                }
                None => sums.push(line),
            }
        }
        sums
    }
}

/// A source was cut: nothing of it is sent any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Packets of the source that were sent on before the cut, counted once for each receiver.
    pub forwarded: u64,
}

/// The participant has no transport, the permit was given by rules that have been replaced since, or the media plane has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the participant has no media transport")]
pub struct Gone;

/// Why a transport was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The offer is at fault.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// The permit was given by rules that have been replaced since.
    #[error("the permit is out of date")]
    Stale,
    /// The server has no room for another transport.
    #[error("too many media transports")]
    Full,
    /// The media plane has stopped.
    #[error("the media plane has stopped")]
    Gone,
}

/// One transport of one shard; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerKey {
    pub(crate) place: u32,
    pub(crate) generation: u32,
}

//! Counters of a shard: plain numbers for the metrics page, without any label that names a room or a participant.

use crate::media::event::CloseReason;
use crate::media::srtp::Profile;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Everything the media plane counts. All of them only rise, but `peers`, `streams` and `estimate_*`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct MediaCounters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl MediaCounters {
            /// Names and values, for the metrics page.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }

            /// The sum of several shards.
            #[must_use]
            pub const fn plus(self, other: Self) -> Self {
                Self { $($name: self.$name.wrapping_add(other.$name),)* }
            }
        }
    };
}

counters! {
    /// Transports that stand now.
    peers,
    /// Transports that are estimated to take less than 300 kbit/s.
    estimate_to_300k_peers,
    /// The same: from there to 1 Mbit/s.
    estimate_to_1m_peers,
    /// The same: from there to 3 Mbit/s.
    estimate_to_3m_peers,
    /// The same: more.
    estimate_over_3m_peers,
    /// Microseconds in which the threads of packets did not wait.
    busy_microseconds,
    /// Datagrams that came.
    datagrams_received,
    /// Their bytes.
    bytes_received,
    /// Datagrams that were sent.
    datagrams_sent,
    /// Calls that they were sent by: one takes several datagrams to the same receiver.
    send_calls,
    /// Datagrams that could not be sent: the system's buffer was full, or our own.
    datagrams_unsent,
    /// Connections of ICE-TCP over which a peer proved itself, now.
    streams,
    /// Connections of ICE-TCP that were accepted.
    streams_accepted,
    /// Connections of ICE-TCP that were not accepted: too many in all, or of one address.
    streams_refused,
    /// Connections of ICE-TCP that ended because no checked request came over them in time, or something else did.
    streams_unproven,
    /// Connections of ICE-TCP that ended because the peer took nothing for too long, or sent what is no frame.
    streams_cut,
    /// Datagrams that are of none of the protocols.
    unknown_protocol,
    /// DTLS, SRTP or SRTCP from an address that no checked STUN request came from.
    unknown_source,
    /// STUN that is malformed, addressed to nobody, or fails its integrity check.
    bad_stun,
    /// Connectivity checks that were answered.
    stun_answered,
    /// DTLS handshakes that were begun.
    dtls_started,
    /// DTLS handshakes that failed.
    dtls_failed,
    /// Handshakes ended because certificate and fingerprint differ.
    fingerprint_mismatches,
    /// First flights not answered because too many handshakes were under way.
    dtls_refused,
    /// Transports that ended before they carried anything: the client went away.
    joins_failed_left,
    /// Transports given up because no checked request ever came.
    joins_failed_no_path,
    /// Transports given up because the client arrived and began no DTLS handshake.
    joins_failed_no_handshake,
    /// The same: the certificate is absent or not that of the offer.
    joins_failed_fingerprint,
    /// The same: no protection that both accept.
    joins_failed_profile,
    /// The same: the handshake failed again and again.
    joins_failed_handshake,
    /// Sessions that protect media with AEAD_AES_128_GCM.
    profile_aes_128_gcm,
    /// Sessions that protect media with AEAD_AES_256_GCM.
    profile_aes_256_gcm,
    /// Datagrams that came to one shard's socket and were passed on to another, whose peer sent them.
    strays,
    /// Packets passed on to other shards, once for each.
    carried,
    /// What shards told each other and no queue had room for.
    letters_dropped,
    /// Packets that failed their authentication.
    srtp_forged,
    /// Packets that came twice.
    srtp_replayed,
    /// Packets that cannot be read, or came before there were keys.
    srtp_malformed,
    /// Sound packets sent on, once for each receiver.
    forwarded_audio,
    /// Video packets sent on, once for each receiver.
    forwarded_video,
    /// Packets sent again to one receiver.
    repaired,
    /// Packets of a source without a standing permit.
    dropped_not_permitted,
    /// Packets of a permitted source that came faster than any honest sender's.
    dropped_over_rate,
    /// Packets of a permitted source that nobody receives.
    dropped_no_edge,
    /// Packets of a stream that belongs to no declared source.
    dropped_unknown_stream,
    /// Packets that a receiver cannot use: before a key frame, or older than its beginning.
    dropped_not_usable,
    /// Repairs of packets that were there already, and padding in their streams.
    repairs_not_needed,
    /// Key frames asked for.
    key_frames_requested,
    /// Packets asked for again.
    nacks_sent,
    /// Packets to receivers that they reported lost.
    packets_reported_lost,
    /// Packets that waited for their time before they left.
    paced,
    /// Packets that waited in vain: too many did, or for too long.
    paced_dropped,
    /// Times that it was tried whether more goes through to a receiver.
    probes,
}

impl MediaCounters {
    /// A transport ended before there were keys. Whom the server itself ended has not failed.
    pub(crate) const fn count_failed_join(&mut self, reason: CloseReason) {
        match reason {
            CloseReason::Left => self.joins_failed_left += 1,
            CloseReason::NoPath => self.joins_failed_no_path += 1,
            CloseReason::NoHandshake => self.joins_failed_no_handshake += 1,
            CloseReason::Fingerprint => self.joins_failed_fingerprint += 1,
            CloseReason::Profile => self.joins_failed_profile += 1,
            CloseReason::Handshake => self.joins_failed_handshake += 1,
            CloseReason::Timeout | CloseReason::Replaced | CloseReason::Removed => {}
        }
    }

    pub(crate) const fn count_profile(&mut self, profile: Profile) {
        match profile {
            Profile::Aes128Gcm => self.profile_aes_128_gcm += 1,
            Profile::Aes256Gcm => self.profile_aes_256_gcm += 1,
        }
    }
}

//! Which codecs a server carries, and which of them it prefers, as its operator says. What is said of an offer beyond that is passed
//! over, as if the client had not offered it.

use serde::Deserialize;

use crate::media::codec::{Codec, Codecs};
use crate::media::offer::{Description, Kind, Line, OfferError, Purpose};

/// A codec for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// VP8.
    Vp8,
    /// VP9, in every profile.
    Vp9,
    /// H264, in every profile.
    H264,
    /// AV1, in every profile.
    Av1,
}

/// A codec for sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// Opus.
    Opus,
    /// Opus with repetitions.
    Red,
    /// G.722.
    G722,
    /// G.711, µ-law.
    Pcmu,
    /// G.711, A-law.
    Pcma,
}

/// The codecs of a server, the preferred first. An empty list is all of them, in the order of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// For pictures.
    pub video: Vec<VideoCodec>,
    /// For sound.
    pub audio: Vec<AudioCodec>,
}

impl Allowed {
    /// Leaves of an offer what the server carries, in its order.
    ///
    /// # Errors
    /// `Codec` where nothing is left of a line.
    pub fn narrow(&self, description: &mut Description) -> Result<(), OfferError> {
        for Line { kind, purpose, .. } in &mut description.lines {
            let (Purpose::Send(_, codecs) | Purpose::Slot(codecs) | Purpose::Idle(codecs)) =
                purpose
            else {
                continue;
            };
            let all = match kind {
                Kind::Video => self.video.is_empty(),
                _ => self.audio.is_empty(),
            };
            if !all {
                self.keep(codecs)?;
            }
        }
        Ok(())
    }

    fn keep(&self, codecs: &mut Codecs) -> Result<(), OfferError> {
        codecs
            .formats
            .retain(|format| self.place(format.codec).is_some());
        codecs
            .formats
            .sort_by_key(|format| self.place(format.codec));
        if codecs.formats.is_empty() {
            return Err(OfferError::Codec);
        }
        Ok(())
    }

    fn place(&self, codec: Codec) -> Option<usize> {
        let video = |wanted| self.video.iter().position(|own| *own == wanted);
        let audio = |wanted| self.audio.iter().position(|own| *own == wanted);
        match codec {
            Codec::Vp8 => video(VideoCodec::Vp8),
            Codec::Vp9(_) => video(VideoCodec::Vp9),
            Codec::H264(_) => video(VideoCodec::H264),
            Codec::Av1(_) => video(VideoCodec::Av1),
            Codec::Opus => audio(AudioCodec::Opus),
            Codec::Red => audio(AudioCodec::Red),
            Codec::G722 => audio(AudioCodec::G722),
            Codec::Pcmu => audio(AudioCodec::Pcmu),
            Codec::Pcma => audio(AudioCodec::Pcma),
        }
    }
}

/// What is wrong with the two lists, if anything: what stands twice, and RED without what it carries.
pub fn fault(video: &[VideoCodec], audio: &[AudioCodec]) -> Option<&'static str> {
    if repeats(video) {
        return Some("`media.video_codecs`: a codec stands there twice");
    }
    if repeats(audio) {
        return Some("`media.audio_codecs`: a codec stands there twice");
    }
    let alone = audio.contains(&AudioCodec::Red) && !audio.contains(&AudioCodec::Opus);
    alone.then_some("`media.audio_codecs`: `red` carries `opus`, which is missing")
}

fn repeats<T: PartialEq>(list: &[T]) -> bool {
    let mut rest = list;
    while let Some((first, after)) = rest.split_first() {
        if after.contains(first) {
            return true;
        }
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::event::Offer;
    use crate::media::offer;

    const OFFER: &str = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\na=ice-pwd:clientpasswordclientpassword\r\n\
        a=fingerprint:sha-256 FINGERPRINT\r\na=setup:actpass\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 63 111 9\r\na=mid:0\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 98 45\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:98 VP9/90000\r\na=rtpmap:45 AV1/90000\r\n";

    fn narrowed(allowed: &Allowed) -> Result<Vec<Vec<&'static str>>, OfferError> {
        let mut description = offer::read(&Offer {
            sdp: OFFER.replace("FINGERPRINT", &["AB"; 32].join(":")),
            sources: Vec::new(),
        })?;
        allowed.narrow(&mut description)?;
        let names = description.lines.iter().map(|line| match &line.purpose {
            Purpose::Slot(codecs) => codecs.formats.iter().map(|own| own.codec.name()).collect(),
            _ => Vec::new(),
        });
        Ok(names.collect())
    }

    #[test]
    fn what_is_not_carried_is_as_if_it_were_not_offered_and_the_servers_order_counts() {
        let all = Allowed::default();
        assert_eq!(
            narrowed(&all).unwrap(),
            [vec!["red", "opus", "G722"], vec!["VP8", "VP9", "AV1"]]
        );
        let some = Allowed {
            video: vec![VideoCodec::Av1, VideoCodec::H264, VideoCodec::Vp8],
            audio: vec![AudioCodec::Opus],
        };
        assert_eq!(narrowed(&some).unwrap(), [vec!["opus"], vec!["AV1", "VP8"]]);
        let none = Allowed {
            video: vec![VideoCodec::H264],
            audio: Vec::new(),
        };
        assert_eq!(narrowed(&none), Err(OfferError::Codec));
    }

    #[test]
    fn lists_that_make_no_sense_are_named() {
        let red = [AudioCodec::Red];
        assert!(fault(&[], &red).is_some_and(|fault| fault.contains("opus")));
        assert!(fault(&[VideoCodec::Vp8, VideoCodec::Vp8], &[]).is_some());
        assert!(fault(&[], &[AudioCodec::Pcma, AudioCodec::Opus, AudioCodec::Pcma]).is_some());
        assert_eq!(
            fault(&[VideoCodec::Vp8], &[AudioCodec::Red, AudioCodec::Opus]),
            None
        );
    }
}

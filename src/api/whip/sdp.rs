//! What WHIP and WHEP need of session descriptions beside the reader of offers: which sections could carry what, and the fragments
//! of ICE (RFC 8840). Pure text in, text out; what an offer is worth is for `media` to say.

use std::fmt::Write as _;

use conclave_policy::source::Source;

/// The longest fragment.
pub(crate) const LONGEST_FRAGMENT: usize = 16 * 1024;
/// RFC 8839, section 5.4.
const UFRAG: std::ops::RangeInclusive<usize> = 4..=256;
const PASSWORD: std::ops::RangeInclusive<usize> = 22..=256;

/// The sections that could send, each declared as what it is by the host's word: the first sound a microphone, the first picture a
/// camera, or both a screen. Further ones are declared as nothing, and an offer with such is refused by its reader.
pub(crate) fn declared(offer: &str, screen: bool) -> Vec<(String, Source)> {
    let (sound, picture) = if screen {
        (Source::ScreenAudio, Source::Screen)
    } else {
        (Source::Microphone, Source::Camera)
    };
    let mut declared: Vec<(String, Source)> = Vec::new();
    for section in sections(offer) {
        let source = match section.kind {
            "audio" => sound,
            "video" => picture,
            _ => continue,
        };
        if section.sends && declared.iter().all(|(_, known)| *known != source) {
            declared.push((section.mid.to_owned(), source));
        }
    }
    declared
}

struct Section<'a> {
    kind: &'a str,
    mid: &'a str,
    sends: bool,
}

fn sections(sdp: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in sdp.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            let kind = media.split(' ').next().unwrap_or_default();
            sections.push(Section {
                kind,
                mid: "",
                sends: true,
            });
        } else if let Some(section) = sections.last_mut() {
            match line.trim_end() {
                "a=recvonly" | "a=inactive" => section.sends = false,
                line => {
                    if let Some(mid) = line.strip_prefix("a=mid:") {
                        section.mid = mid;
                    }
                }
            }
        }
    }
    sections
}

/// New credentials of a client, if a fragment has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    password: String,
}

/// Reads a fragment; nothing if it is none. Candidates are passed over: the server is ICE-lite, and learns the client's addresses
/// from its checks.
pub(crate) fn fragment(text: &str) -> Option<Option<Credentials>> {
    if text.len() > LONGEST_FRAGMENT {
        return None;
    }
    let lines = text.lines().map(str::trim_end).filter(|l| !l.is_empty());
    let (mut ufrag, mut password) = (None, None);
    for line in lines {
        if let Some(value) = line.strip_prefix("a=ice-ufrag:") {
            ufrag = ufrag.or(Some(value));
        } else if let Some(value) = line.strip_prefix("a=ice-pwd:") {
            password = password.or(Some(value));
        } else if !line.starts_with("a=") && !line.starts_with("m=") {
            return None;
        }
    }
    match (ufrag, password) {
        (None, None) => Some(None),
        (Some(ufrag), Some(password)) if is_token(ufrag, UFRAG) && is_token(password, PASSWORD) => {
            Some(Some(Credentials {
                ufrag: ufrag.to_owned(),
                password: password.to_owned(),
            }))
        }
        _ => None,
    }
}

/// The user fragment of an offer.
pub(crate) fn ufrag(offer: &str) -> Option<&str> {
    offer
        .lines()
        .find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

/// The same offer with other credentials: what an ICE restart says (RFC 9725, section 4.3.3).
pub(crate) fn restarted(offer: &str, credentials: &Credentials) -> String {
    let mut text = String::with_capacity(offer.len());
    for line in offer.lines() {
        text += if line.starts_with("a=ice-ufrag:") {
            "a=ice-ufrag:"
        } else if line.starts_with("a=ice-pwd:") {
            "a=ice-pwd:"
        } else {
            line.trim_end()
        };
        if line.starts_with("a=ice-ufrag:") {
            text += &credentials.ufrag;
        } else if line.starts_with("a=ice-pwd:") {
            text += &credentials.password;
        }
        text += "\r\n";
    }
    text
}

/// What of an answer is about ICE, as a fragment.
pub(crate) fn answer_fragment(answer: &str) -> String {
    let mut text = String::new();
    let mut section: Vec<&str> = Vec::new();
    for line in answer.lines().map(str::trim_end) {
        let about_ice = ["a=ice-lite", "a=ice-ufrag:", "a=ice-pwd:"];
        if line.starts_with("m=") {
            section = vec![line];
        } else if line.starts_with("a=mid:") {
            section.push(line);
        } else if about_ice.iter().any(|start| line.starts_with(start)) {
            push(&mut text, line);
        } else if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            // The section that the addresses stand in goes before the first of them.
            section.drain(..).for_each(|line| push(&mut text, line));
            push(&mut text, line);
        }
    }
    text
}

fn push(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _infallible = write!(text, "{line}\r\n");
}

fn is_token(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    length.contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\na=group:BUNDLE 0 1 2\r\na=ice-ufrag:old+\r\na=ice-pwd:oldoldoldoldoldoldoldold\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=candidate:1 1 udp 1 127.0.0.1 5 typ host\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\na=mid:2\r\n";

    #[test]
    fn the_first_sound_and_the_first_picture_are_what_the_host_said() {
        let of = |screen| declared(OFFER, screen);
        let both = |sound, picture| vec![("0".to_owned(), sound), ("1".to_owned(), picture)];
        assert_eq!(of(false), both(Source::Microphone, Source::Camera));
        assert_eq!(of(true), both(Source::ScreenAudio, Source::Screen));
        let twice = format!("{OFFER}m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:3\r\na=sendonly\r\n");
        assert_eq!(declared(&twice, false), of(false));
        let receives = OFFER.replace("a=sendonly", "a=recvonly");
        assert_eq!(declared(&receives, false), []);
    }

    #[test]
    fn a_fragment_has_credentials_or_none() {
        let candidates =
            "m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 ::1 5 typ host\r\n";
        assert_eq!(fragment(candidates), Some(None));
        let with = format!(
            "a=ice-ufrag:abcd\r\na=ice-pwd:{}\r\n{candidates}",
            "p".repeat(22)
        );
        let read = fragment(&with).unwrap().unwrap();
        assert_eq!(read.ufrag, "abcd");
        for bad in [
            with.replace("abcd", "abc"),
            with.replace("abcd", "ab d"),
            with.replace(&"p".repeat(22), "p"),
            "a=ice-ufrag:abcd\r\n".to_owned(),
            "hello\r\n".to_owned(),
            "a=x\r\n".repeat(LONGEST_FRAGMENT / 5 + 1),
        ] {
            assert_eq!(fragment(&bad), None, "{}", bad.len());
        }
    }

    #[test]
    fn a_restart_changes_credentials_and_nothing_else() {
        let new = fragment(&format!(
            "a=ice-ufrag:newu\r\na=ice-pwd:{}\r\n",
            "n".repeat(24)
        ));
        let again = restarted(OFFER, &new.unwrap().unwrap());
        assert_eq!(ufrag(&again), Some("newu"));
        let back = again
            .replace("newu", "old+")
            .replace(&"n".repeat(24), "oldoldoldoldoldoldoldold");
        assert_eq!(back, OFFER);
    }

    #[test]
    fn the_fragment_of_an_answer_names_the_section_of_its_addresses() {
        let fragment = answer_fragment(OFFER);
        assert_eq!(
            fragment,
            "a=ice-ufrag:old+\r\na=ice-pwd:oldoldoldoldoldoldoldold\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n\
             a=candidate:1 1 udp 1 127.0.0.1 5 typ host\r\n"
        );
    }
}

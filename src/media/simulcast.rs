//! The encodings of one source as an offer names them (RFC 8851, RFC 8853).

use rtc_sdp::description::common::Attribute;

use crate::media::codec::{value, values};

/// Encodings of one source; browsers send three.
pub const MOST_ENCODINGS: usize = 3;
/// The longest name of an encoding.
const LONGEST: usize = 16;

/// The names of the encodings that a line sends, in its order: the smallest first. Empty if it names none.
pub(crate) fn read_rids(attributes: &[Attribute]) -> Vec<String> {
    let mut rids: Vec<String> = Vec::new();
    let Some(list) = value(attributes, "simulcast").and_then(sent) else {
        return rids;
    };
    for encoding in list.split(';') {
        // Of alternatives the first counts; a tilde says that it begins paused.
        let rid = encoding.split(',').next().unwrap_or("").trim();
        let rid = rid.strip_prefix('~').unwrap_or(rid);
        let declared = values(attributes, "rid").any(|line| {
            let mut words = line.split(' ');
            words.next() == Some(rid) && words.next() == Some("send")
        });
        let new = !rids.iter().any(|known| known == rid);
        if is_name(rid) && declared && new && rids.len() < MOST_ENCODINGS {
            rids.push(rid.to_owned());
        }
    }
    rids
}

/// The list after the word `send`.
fn sent(value: &str) -> Option<&str> {
    let mut words = value.split_ascii_whitespace();
    words.find(|word| *word == "send")?;
    words.next()
}

fn is_name(rid: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST).contains(&rid.len()) && rid.bytes().all(allowed)
}

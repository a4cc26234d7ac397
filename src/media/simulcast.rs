//! The encodings of one source as an offer names them (RFC 8851, RFC 8853).

use rtc_sdp::description::common::Attribute;

use crate::media::codec::{value, values};

/// Encodings of one source; browsers send three.
pub const MOST_ENCODINGS: usize = 3;
/// Encodings that are read of an offer; OBS lists up to four.
const MOST_LISTED: usize = 8;
/// The longest name of an encoding.
const LONGEST: usize = 16;

/// The names of the encodings that a line sends, the smallest first. Empty if it names none. The order in which they are listed says
/// nothing of their size (RFC 8853, section 5.2): their declared sizes do, or names by which senders are known. Else it is that of
/// the list. Of more than there is room for the middle is left out.
pub(crate) fn read_rids(attributes: &[Attribute]) -> Vec<String> {
    let mut rids: Vec<(String, Option<u64>)> = Vec::new();
    let Some(list) = value(attributes, "simulcast").and_then(sent) else {
        return Vec::new();
    };
    for encoding in list.split(';') {
        // Of alternatives the first counts; a tilde says that it begins paused.
        let rid = encoding.split(',').next().unwrap_or("").trim();
        let rid = rid.strip_prefix('~').unwrap_or(rid);
        let declared = values(attributes, "rid").find_map(|line| {
            let mut words = line.split(' ');
            let own = words.next() == Some(rid) && words.next() == Some("send");
            own.then(|| size(words.next().unwrap_or("")))
        });
        let new = !rids.iter().any(|(known, _)| known == rid);
        if let Some(size) = declared
            && is_name(rid)
            && new
            && rids.len() < MOST_LISTED
        {
            rids.push((rid.to_owned(), size));
        }
    }
    in_order(&mut rids);
    while rids.len() > MOST_ENCODINGS {
        rids.remove(rids.len() / 2);
    }
    rids.into_iter().map(|(rid, _)| rid).collect()
}

/// Brings the smallest to the front, if anything tells which that is.
fn in_order(rids: &mut [(String, Option<u64>)]) {
    let has = |name: &str| rids.iter().any(|(rid, _)| rid == name);
    // `h` is the half beside `q` and `f`, and the highest beside `m` and `l`.
    let high = if has("q") || has("f") { 1 } else { 2 };
    let by_name = |rid: &str| match rid {
        "q" | "l" | "low" | "quarter" => Some(0),
        "m" | "mid" | "medium" | "half" => Some(1),
        "h" => Some(high),
        "f" | "high" | "full" => Some(2),
        _ => None,
    };
    // OBS numbers its encoders from 0, and that is the one of the whole picture. Others mean other things by numbers.
    let from_zero = has("0");
    let by_number = |rid: &str| {
        let number = rid.parse::<u8>().ok().filter(|_| from_zero);
        number.map(|number| u64::from(u8::MAX - number))
    };
    let place = |(rid, size): &(String, Option<u64>)| [*size, by_name(rid), by_number(rid)];
    for way in 0..3 {
        let told = |rid: &_| place(rid).get(way).copied().flatten();
        let places: Vec<_> = rids.iter().filter_map(told).collect();
        if places.len() == rids.len() && places.iter().any(|one| Some(one) != places.first()) {
            return rids.sort_by_key(told);
        }
    }
}

/// The most points of a picture that a line of restrictions allows (RFC 8851, section 5).
fn size(restrictions: &str) -> Option<u64> {
    let told = |key: &str| {
        let mut pairs = restrictions
            .split(';')
            .filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(name, _)| name.trim() == key)?
            .1
            .trim()
            .parse::<u32>()
            .ok()
    };
    Some(u64::from(told("max-width")?) * u64::from(told("max-height")?))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, restrictions: &[(&str, &str)]) -> Vec<String> {
        let more = |rid: &str| {
            let own = restrictions.iter().find(|(name, _)| *name == rid);
            own.map_or(String::new(), |(_, more)| format!(" {more}"))
        };
        let mut attributes: Vec<Attribute> = (list.split(';'))
            .map(|rid| Attribute {
                key: "rid".to_owned(),
                value: Some(format!("{rid} send{}", more(rid))),
            })
            .collect();
        attributes.push(Attribute {
            key: "simulcast".to_owned(),
            value: Some(format!("send {list}")),
        });
        read_rids(&attributes)
    }

    #[test]
    fn the_smallest_encoding_comes_first_in_whatever_order_they_are_listed() {
        for (listed, read_as) in [
            ("q;h;f", "q;h;f"),
            ("f;h;q", "q;h;f"),
            ("h;m;l", "l;m;h"),
            ("high;mid;low", "low;mid;high"),
            ("low;medium;high", "low;medium;high"),
            ("h;l", "l;h"),
            ("f;h", "h;f"),
            // The first of numbered encoders has the whole picture.
            ("0;1;2", "2;1;0"),
            ("0;1", "1;0"),
            ("0;1;2;3", "3;2;0"),
            ("1;2;3", "1;2;3"),
            // Names that say nothing, or not of all.
            ("r0;r1;r2", "r0;r1;r2"),
            ("big;low", "big;low"),
            ("one", "one"),
            ("0", "0"),
        ] {
            assert_eq!(read(listed, &[]).join(";"), read_as, "{listed}");
        }
    }

    #[test]
    fn declared_sizes_count_before_names() {
        let sizes = [
            ("1", "pt=97;max-width=1280;max-height=720"),
            ("2", "pt=98;max-width=320;max-height=180"),
            ("3", "max-width=640;max-height=360"),
        ];
        assert_eq!(read("1;2;3", &sizes), ["2", "3", "1"]);
        assert_eq!(
            read("q;f", &[("q", "max-width=9;max-height=9")]),
            ["q", "f"]
        );
        let large = [
            ("q", "max-width=4294967295;max-height=4294967295"),
            ("f", "max-width=99999999999;max-height=1"),
        ];
        assert_eq!(
            read("f;q", &large),
            ["q", "f"],
            "what cannot be read says nothing"
        );
    }
}

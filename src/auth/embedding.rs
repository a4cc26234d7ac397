//! The origin of a page of another product, as browsers write it: exact, encrypted, never a pattern.

use std::net::IpAddr;

/// Longer than any name of a host with its port.
const LONGEST: usize = 270;
/// RFC 1035, section 2.3.4.
const LABEL: usize = 63;

/// An origin whose pages may bring their users in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EmbeddingOrigin(String);

impl EmbeddingOrigin {
    /// `https://host` or `https://host:port`, to the letter as browsers send it: in lower case, with no port where it is the usual
    /// one, no path, no pattern. `local` allows `http` too for pages of this machine, for those who try it out.
    pub fn parse(text: &str, local: bool) -> Option<Self> {
        let (place, usual, plain) = match text.strip_prefix("https://") {
            Some(place) => (place, "443", false),
            None => (text.strip_prefix("http://")?, "80", true),
        };
        if text.len() > LONGEST {
            return None;
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (inside, rest) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = inside.parse().ok()?;
                // Browsers write an address in one way only.
                (address.to_string() == inside).then_some(())?;
                (Host::Address(IpAddr::V6(address)), port(rest)?)
            }
            None => {
                let at = place.find(':').unwrap_or(place.len());
                let (name, rest) = place.split_at_checked(at)?;
                (Host::parse(name)?, port(rest)?)
            }
        };
        if port == Some(usual) || plain && !(local && host.is_loopback()) {
            return None;
        }
        Some(Self(text.to_owned()))
    }

    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

enum Host<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Host<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let letters = |label: &str| {
            let ends = |at: Option<u8>| at.is_some_and(|byte| byte != b'-');
            label.len() <= LABEL
                && ends(label.bytes().next())
                && ends(label.bytes().last())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        let last = text.rsplit('.').next()?;
        // What ends in a number is an address in one of the spellings that browsers do not send.
        let named = text.split('.').all(letters) && !last.bytes().all(|byte| byte.is_ascii_digit());
        (named && !last.starts_with("0x")).then_some(Self::Name(text))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::Name(name) => *name == "localhost",
            Self::Address(address) => address.is_loopback(),
        }
    }
}

/// What follows the host: nothing, or a port as browsers write it.
#[expect(
    clippy::option_option,
    reason = "no port is a good answer, a bad port is none"
)]
fn port(rest: &str) -> Option<Option<&str>> {
    if rest.is_empty() {
        return Some(None);
    }
    let port = rest.strip_prefix(':')?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    (digits && port.parse::<u16>().is_ok()).then_some(Some(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_browser_sends_from_an_encrypted_page_is_an_origin() {
        for good in [
            "https://app.example.org",
            "https://app.example.org:8443",
            "https://xn--bcher-kva.example",
            "https://localhost:3000",
            "https://192.0.2.7",
            "https://[2001:db8::1]:8443",
        ] {
            let parsed = EmbeddingOrigin::parse(good, false);
            assert_eq!(parsed.as_ref().map(EmbeddingOrigin::as_str), Some(good));
        }
        for bad in [
            "",
            "null",
            "*",
            "https://*",
            "https://*.example.org",
            "https://",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://app.example.org?x",
            "https://app.example.org#x",
            "https://user@app.example.org",
            "https://app.example.org:443",
            "https://app.example.org:0",
            "https://app.example.org:08443",
            "https://app.example.org:65536",
            "https://app.example.org:",
            "https://App.example.org",
            "HTTPS://app.example.org",
            "https://app.example.org.",
            "https://app..example.org",
            "https://-app.example.org",
            "https://b\u{fc}cher.example",
            "https://app.example.org https://other.example",
            "https://192.0.2.07",
            "https://3221225991",
            "https://[2001:DB8::1]",
            "https://[::1",
            "http://app.example.org",
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "ws://app.example.org",
            "file://",
            "chrome-extension://abc",
        ] {
            assert_eq!(EmbeddingOrigin::parse(bad, false), None, "{bad}");
        }
        let long = format!("https://{}.example", "a.".repeat(200));
        assert_eq!(EmbeddingOrigin::parse(&long, true), None);
    }

    #[test]
    fn a_page_of_this_machine_needs_no_encryption_where_one_tries_it_out() {
        for good in [
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "http://localhost",
        ] {
            assert!(EmbeddingOrigin::parse(good, true).is_some(), "{good}");
        }
        for bad in [
            "http://localhost:80",
            "http://localhost.example.org",
            "http://10.0.0.1:3000",
            "http://app.example.org",
        ] {
            assert!(EmbeddingOrigin::parse(bad, true).is_none(), "{bad}");
        }
    }
}

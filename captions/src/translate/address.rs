//! The address of a translation server: resolved once, before the process is closed, and checked. Not a network of the
//! operator's own unless the operator says so, or a mistyped name would send what people say to whoever stands there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The address as configured, without a slash at its end.
    pub base: String,
    /// The one address and port that is connected to.
    pub address: SocketAddr,
}

/// Why an address is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is not `https://host[:port][/path]`.
    #[error(
        "the translator's address must look like https://host[:port][/path], without user, query or fragment"
    )]
    Shape,
    /// Its name has no address.
    #[error("the translator's name cannot be resolved")]
    Unknown,
    /// It is an address inside a network of one's own.
    #[error(
        "the translator's address `{0}` is internal: allow internal addresses in the settings if it is meant"
    )]
    Internal(IpAddr),
    /// Speech would cross the open network for all to read.
    #[error("the translator's address must begin with https:// unless it is internal")]
    Plain,
}

impl Resolved {
    /// Resolves and checks an address.
    ///
    /// # Errors
    /// It is not used.
    pub fn new(address: &str, internal_allowed: bool) -> Result<Self, AddressError> {
        let (secure, rest) = if let Some(rest) = address.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = address.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err(AddressError::Shape);
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        let sound = address.len() <= 512
            && address.bytes().all(|byte| byte.is_ascii_graphic())
            && !address.contains(['@', '?', '#', '\\', '%']);
        if !sound || authority.is_empty() {
            return Err(AddressError::Shape);
        }
        let with_port = match authority.rsplit_once(':') {
            Some((_, port)) if !authority.ends_with(']') => {
                port.parse::<u16>().map_err(|_| AddressError::Shape)?;
                authority.to_owned()
            }
            _ => format!("{authority}:{}", if secure { 443 } else { 80 }),
        };
        let found: Vec<SocketAddr> = with_port
            .to_socket_addrs()
            .map_err(|_| AddressError::Unknown)?
            .collect();
        let first = *found.first().ok_or(AddressError::Unknown)?;
        // One internal answer among public ones is an attempt at rebinding.
        let inside = found.iter().find(|address| is_internal(address.ip()));
        match inside {
            Some(address) if !internal_allowed => return Err(AddressError::Internal(address.ip())),
            None if !secure => return Err(AddressError::Plain),
            _ => {}
        }
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            address: first,
        })
    }
}

/// Not an address that stands for one machine on the open network.
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => internal_4(four),
        IpAddr::V6(six) => match embedded(six) {
            Some(four) => internal_4(four),
            // Global unicast is 2000::/3, of which documentation and ORCHID are none.
            None => {
                let [first, second, ..] = six.segments();
                first & 0xe000 != 0x2000
                    || first == 0x2001
                        && (second == 0xdb8 || second & 0xfff0 == 0x20 || second & 0xfff0 == 0x10)
                    || first == 0x3fff
            }
        },
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64, 6to4; Teredo hides one as well.
fn embedded(six: Ipv6Addr) -> Option<Ipv4Addr> {
    let four = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(four(high, low))
        }
        [0x2002, high, low, ..] => Some(four(high, low)),
        [0x2001, 0, .., high, low] => Some(four(!high, !low)),
        _ => None,
    }
}

fn internal_4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || a == 100 && b & 0xc0 == 64
        || a == 192 && b == 0 && c == 0
        || a == 192 && b == 88 && c == 99
        || a == 198 && b & 0xfe == 18
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_addresses_need_leave() {
        for host in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[fc00::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
            "2130706433",
            "0x7f.1",
            "127.1",
        ] {
            let at = format!("https://{host}:5000");
            let answer = Resolved::new(&at, false);
            assert!(
                matches!(
                    answer,
                    Err(AddressError::Internal(_) | AddressError::Unknown)
                ),
                "{at}: {answer:?}"
            );
        }
        assert!(Resolved::new("http://127.0.0.1:5000", true).is_ok());
        assert_eq!(
            Resolved::new("https://9.9.9.9/translate/", false).unwrap(),
            Resolved {
                base: "https://9.9.9.9/translate".into(),
                address: "9.9.9.9:443".parse().unwrap()
            }
        );
        assert_eq!(
            Resolved::new("https://[2620:fe::9]", false)
                .unwrap()
                .address,
            "[2620:fe::9]:443".parse().unwrap()
        );
    }

    #[test]
    fn speech_does_not_cross_the_open_network_unsealed() {
        for allowed in [false, true] {
            assert_eq!(
                Resolved::new("http://9.9.9.9", allowed),
                Err(AddressError::Plain)
            );
        }
    }

    #[test]
    fn only_a_plain_address_is_one() {
        for at in [
            "",
            "https://",
            "ftp://9.9.9.9",
            "https://user@9.9.9.9",
            "https://9.9.9.9?q=1",
            "https://9.9.9.9#x",
            "https://9.9.9.9:99999",
            "https://9.9.9.9\\@10.0.0.1",
            "https://9.9.9.9/ x",
            "file:///etc/passwd",
        ] {
            assert_eq!(Resolved::new(at, true), Err(AddressError::Shape), "{at}");
        }
    }
}

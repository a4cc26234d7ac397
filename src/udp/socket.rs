//! Sockets: bound to one address each, so that an answer leaves from the address that was asked. It finds the machine's own
//! addresses when none are given.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use crate::udp::plane::MediaError;

/// Sockets at most: a machine has a few addresses; one with hundreds should name those that are meant.
const MOST: usize = 32;
/// Tries to find a port that is free on every address, if none is given.
const TRIES: usize = 8;
/// System buffers: 30 ms of a gigabit. Best effort; the system may grant less.
const BUFFER: usize = 4 * 1024 * 1024;

/// Binds every address once for each shard; an unspecified one stands for all of the machine's own, unless they are `announced`
/// otherwise. The system then divides what comes between the shards' sockets, each sender's always to the same.
pub(crate) fn bind(
    addresses: &[SocketAddr],
    announced: bool,
    shards: u8,
) -> Result<Vec<Vec<UdpSocket>>, MediaError> {
    let mut wanted = Vec::new();
    for address in addresses {
        if address.ip().is_unspecified() && !announced {
            for ip in own_addresses(address.is_ipv4())? {
                push(&mut wanted, SocketAddr::new(ip, address.port()));
            }
        } else {
            push(&mut wanted, *address);
        }
    }
    wanted.truncate(MOST);
    if wanted.is_empty() {
        return Err(MediaError::NoAddress);
    }
    let mut last = None;
    for _ in 0..TRIES {
        match bind_shards(&wanted, shards) {
            Err((_, error))
                if error.kind() == ErrorKind::AddrInUse
                    && wanted.iter().all(|address| address.port() == 0) =>
            {
                last = Some(error);
            }
            Err((address, error)) => return Err(MediaError::Bind(address, error)),
            Ok(sockets) => return Ok(sockets),
        }
    }
    let error = last.unwrap_or_else(|| ErrorKind::AddrInUse.into());
    Err(MediaError::Bind(
        wanted
            .first()
            .copied()
            .unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into()),
        error,
    ))
}

/// What answers name: the addresses given, their port 0 meaning the one that was bound, or else those of the sockets.
pub(crate) fn candidates(sockets: &[UdpSocket], announce: &[SocketAddr]) -> Vec<SocketAddr> {
    let bound: Vec<SocketAddr> = sockets
        .iter()
        .filter_map(|socket| socket.local_addr().ok())
        .collect();
    if announce.is_empty() {
        let mut found = bound;
        // The machine itself is the last resort.
        found.sort_by_key(|address| address.ip().is_loopback());
        return found;
    }
    let port = |address: &SocketAddr| {
        let same = bound
            .iter()
            .find(|bound| bound.is_ipv4() == address.is_ipv4());
        same.or(bound.first()).map_or(0, SocketAddr::port)
    };
    let resolved = |address: &SocketAddr| match address.port() {
        0 => SocketAddr::new(address.ip(), port(address)),
        _ => *address,
    };
    announce.iter().map(resolved).collect()
}

/// The same for connections: an unspecified address stands for all of the machine's own, unless they are announced otherwise.
pub(crate) fn stream_candidates(
    bound: &[SocketAddr],
    announce: &[SocketAddr],
) -> Result<Vec<SocketAddr>, MediaError> {
    let mut named = Vec::new();
    for address in bound {
        let ips = if !announce.is_empty() {
            announce.iter().map(SocketAddr::ip).collect()
        } else if address.ip().is_unspecified() {
            own_addresses(address.is_ipv4())?
        } else {
            vec![address.ip()]
        };
        for ip in ips {
            push(&mut named, SocketAddr::new(ip, address.port()));
        }
    }
    named.sort_by_key(|address| address.ip().is_loopback());
    named.truncate(MOST);
    Ok(named)
}

fn push(wanted: &mut Vec<SocketAddr>, address: SocketAddr) {
    if !wanted.contains(&address) {
        wanted.push(address);
    }
}

/// The machine's addresses of one family. Link-local ones need a zone that browsers do not know.
fn own_addresses(v4: bool) -> Result<Vec<IpAddr>, MediaError> {
    let interfaces = if_addrs::get_if_addrs().map_err(MediaError::Interfaces)?;
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip
            .segments()
            .first()
            .is_some_and(|first| first & 0xffc0 == 0xfe80),
    };
    let mut own: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).collect();
    own.retain(|ip| ip.is_ipv4() == v4 && !link_local(ip));
    if own.is_empty() {
        own.push(if v4 {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        });
    }
    Ok(own)
}

/// The sockets of every shard, on the same addresses.
fn bind_shards(
    addresses: &[SocketAddr],
    shards: u8,
) -> Result<Vec<Vec<UdpSocket>>, (SocketAddr, io::Error)> {
    if shards < 2 {
        return Ok(vec![bind_all(addresses, false)?]);
    }
    // Once alone: whoever has the port already is not to share it with us.
    let alone = bind_all(addresses, false)?;
    let bound = alone.iter().map(UdpSocket::local_addr);
    let unspecified = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let bound =
        (bound.collect::<io::Result<Vec<SocketAddr>>>()).map_err(|error| (unspecified, error))?;
    drop(alone);
    (0..shards).map(|_| bind_all(&bound, true)).collect()
}

/// Binds all; where no port is given, all get the same one.
fn bind_all(
    addresses: &[SocketAddr],
    shared: bool,
) -> Result<Vec<UdpSocket>, (SocketAddr, io::Error)> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    for address in addresses {
        let mut address = *address;
        if address.port() == 0
            && let Some(first) = sockets.first().and_then(|socket| socket.local_addr().ok())
        {
            address.set_port(first.port());
        }
        sockets.push(bind_one(address, shared).map_err(|error| (address, error))?);
    }
    Ok(sockets)
}

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_nonblocking(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_means_every_own_one_on_one_port() {
        let sockets = bind(&["0.0.0.0:0".parse().unwrap()], false, 1)
            .unwrap()
            .remove(0);
        let bound: Vec<SocketAddr> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        assert!(bound.iter().any(|address| address.ip().is_loopback()));
        assert!(
            bound
                .iter()
                .all(|address| !address.ip().is_unspecified() && address.port() == bound[0].port())
        );
        assert!(candidates(&sockets, &[]).last().unwrap().ip().is_loopback());
    }

    #[test]
    fn shards_share_a_port_that_nobody_else_has() {
        let at = |port| [SocketAddr::from(([127, 0, 0, 1], port))];
        let shards = bind(&at(0), false, 3).unwrap();
        let port = shards[0][0].local_addr().unwrap().port();
        assert_eq!(shards.len(), 3);
        let same = |sockets: &Vec<UdpSocket>| sockets[0].local_addr().unwrap().port() == port;
        assert!(shards.iter().all(same));
        assert!(bind(&at(port), false, 3).is_err(), "a second server");
        assert!(bind(&at(port), false, 1).is_err());
    }

    #[test]
    fn an_announced_address_gets_the_bound_port() {
        let sockets = bind(&["127.0.0.1:0".parse().unwrap()], true, 1)
            .unwrap()
            .remove(0);
        let port = sockets[0].local_addr().unwrap().port();
        let announced = candidates(
            &sockets,
            &[
                "192.0.2.7:0".parse().unwrap(),
                "192.0.2.8:99".parse().unwrap(),
            ],
        );
        assert_eq!(
            announced,
            [
                SocketAddr::from(([192, 0, 2, 7], port)),
                SocketAddr::from(([192, 0, 2, 8], 99))
            ]
        );
    }
}

//! Who the client is when load balancers stand in between: the PROXY protocol before TLS, `X-Forwarded-For` within.
//! Only a trusted proxy's word counts; everyone else is who their socket says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::HeaderMap;
use ipnet::IpNet;
use ppp::{HeaderResult, PartialResult as _, v1, v2};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest header that is read; version 1 has at most 107 bytes, version 2 with addresses rarely more.
const LONGEST: usize = 536;
/// How long a proxy may take for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the address belongs to a trusted proxy. An IPv4 address in IPv6 clothes counts as what it is.
pub fn trusted(networks: &[IpNet], address: IpAddr) -> bool {
    networks
        .iter()
        .any(|network| network.contains(&address.to_canonical()))
}

/// Reads the PROXY header that a trusted proxy must send first, and gives the client's address.
pub async fn read_header(stream: &mut TcpStream, proxy: SocketAddr) -> io::Result<IpAddr> {
    timeout(PATIENCE, read_address(stream))
        .await?
        .map(|found| found.unwrap_or(proxy.ip()).to_canonical())
}

async fn read_address(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut seen = [0; LONGEST];
    let mut peeked = 0;
    loop {
        let count = stream.peek(&mut seen).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = seen.get(..count).unwrap_or_default();
        let header = HeaderResult::parse(bytes);
        if header.is_complete() {
            let (length, address) = match &header {
                HeaderResult::V1(Ok(header)) => (header.header.len(), of_v1(&header.addresses)),
                HeaderResult::V2(Ok(header)) => (header.len(), of_v2(&header.addresses)),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
            let mut rest = vec![0; length];
            stream.read_exact(&mut rest).await?;
            return Ok(address);
        }
        if count == LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if count == peeked {
            // Nothing new yet: a peek answers at once while bytes are there.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        peeked = count;
    }
}

fn of_v1(addresses: &v1::Addresses) -> Option<IpAddr> {
    match addresses {
        v1::Addresses::Tcp4(ip) => Some(ip.source_address.into()),
        v1::Addresses::Tcp6(ip) => Some(ip.source_address.into()),
        v1::Addresses::Unknown => None,
    }
}

fn of_v2(addresses: &v2::Addresses) -> Option<IpAddr> {
    match addresses {
        v2::Addresses::IPv4(ip) => Some(ip.source_address.into()),
        v2::Addresses::IPv6(ip) => Some(ip.source_address.into()),
        v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
    }
}

/// The client behind trusted proxies: the last address of `X-Forwarded-For` that is not a trusted proxy itself.
pub fn forwarded(networks: &[IpNet], socket: IpAddr, headers: &HeaderMap) -> IpAddr {
    let mut client = socket.to_canonical();
    if !trusted(networks, client) {
        return client;
    }
    let values = headers.get_all("x-forwarded-for");
    let named: Vec<_> = values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    for name in named.into_iter().rev().take(16) {
        let Ok(address) = name.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
        if !trusted(networks, client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    fn networks() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap()]
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "198.51.100.7".parse().unwrap());
        assert_eq!(
            forwarded(&networks(), address("10.1.1.1"), &headers),
            address("198.51.100.7")
        );
        assert_eq!(
            forwarded(&networks(), address("203.0.113.9"), &headers),
            address("203.0.113.9")
        );
        assert_eq!(
            forwarded(&networks(), address("::ffff:10.1.1.1"), &headers),
            address("198.51.100.7")
        );
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-forwarded-for",
            "1.1.1.1, 198.51.100.7, 10.2.2.2".parse().unwrap(),
        );
        assert_eq!(
            forwarded(&networks(), address("10.1.1.1"), &headers),
            address("198.51.100.7")
        );
        headers.insert("x-forwarded-for", "1.1.1.1, rubbish".parse().unwrap());
        assert_eq!(
            forwarded(&networks(), address("10.1.1.1"), &headers),
            address("10.1.1.1")
        );
    }

    async fn header_of(sent: &'static [u8]) -> (io::Result<IpAddr>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        let client = tokio::spawn(async move {
            let mut stream = TcpStream::connect(target).await.unwrap();
            let (first, second) = sent.split_at(sent.len() / 2);
            stream.write_all(first).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
            let _closed = stream.write_all(second).await;
        });
        let (mut stream, peer) = listener.accept().await.unwrap();
        let found = read_header(&mut stream, peer).await;
        client.await.unwrap();
        let mut rest = Vec::new();
        let _closed = stream.read_to_end(&mut rest).await;
        (found, rest)
    }

    #[tokio::test]
    async fn a_header_in_two_pieces_is_taken_off_and_the_rest_is_left() {
        let (found, rest) = header_of(b"PROXY TCP4 198.51.100.7 192.0.2.1 5000 443\r\nhello").await;
        assert_eq!(found.unwrap(), address("198.51.100.7"));
        assert_eq!(rest, b"hello");
    }

    #[tokio::test]
    async fn a_connection_without_the_header_is_refused() {
        assert!(header_of(b"GET / HTTP/1.1\r\n\r\n").await.0.is_err());
    }
}

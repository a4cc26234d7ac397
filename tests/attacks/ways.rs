//! The ways in for media: over the port of HTTPS where the network lets no UDP out, and what strangers try there.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::common::server::Server;
use crate::common::text;
use crate::media_client::{Client, Script};
use crate::tcp_client::{TcpClient, passive};

/// The offer of this client.
pub(crate) fn offer(client: &Client) -> serde_json::Value {
    let offer = client.offer();
    let sources: Vec<_> = offer
        .sources
        .iter()
        .map(|(mid, source)| json!({"mid": mid, "source": source.as_str()}))
        .collect();
    json!({"type": "offer", "sdp": offer.sdp, "sources": sources})
}

#[tokio::test]
async fn the_port_of_https_takes_media_from_who_has_no_udp_and_from_nobody_else() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let mut client = Client::new(Script::default());
    let answer = host.ok(offer(&client)).await;
    let sdp = text(&answer, "sdp");
    client.answer(&sdp);
    let named = passive(&sdp);
    assert_eq!(named, [([127, 0, 0, 1], server.port).into()]);
    let port = named[0];
    let connected = tokio::task::spawn_blocking(move || {
        let mut client = TcpClient::new(client, TcpStream::connect(port).unwrap());
        let connected = client.connect();
        client.pump(Duration::from_millis(50));
        (client, connected)
    });
    let (_client, connected) = connected.await.unwrap();
    assert!(connected, "no media over the port of HTTPS");
    assert_eq!(host.event("media").await["state"], "connected");
    // The port still speaks HTTPS, and what is neither gets no answer but the end.
    let health = server
        .http
        .get(server.url("/healthz"))
        .send()
        .await
        .unwrap();
    assert!(health.status().is_success());
    let ended = tokio::task::spawn_blocking(move || {
        let openings: [&[u8]; 4] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\0\x14\x16\xfe\xfd0000000000000000000",
            b"\x05\xff0000000000000000000000",
            b"\0\x14\0\x01\0\0\x21\x12\xa4\x42000000000000",
        ];
        let mut ends = Vec::new();
        for opening in openings {
            let mut stream = TcpStream::connect(port).unwrap();
            stream.write_all(opening).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(3)))
                .unwrap();
            let mut got = Vec::new();
            let ended = stream.read_to_end(&mut got).is_ok();
            ends.push((ended, got.len()));
        }
        ends
    });
    let ended = ended.await.unwrap();
    // TLS says by an alert that it was not spoken to; the rest is silence.
    assert!(ended[0].0 && ended[0].1 <= 7, "{ended:?}");
    assert_eq!(ended[1..], [(true, 0), (true, 0), (true, 0)]);
}

#[tokio::test]
async fn the_port_of_https_is_for_https_alone_when_it_is_not_shared() {
    let server = Server::start_set(&[("CONCLAVE_MEDIA__SHARE_HTTPS", "false")]).await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    let (mut host, _) = server.enter(&owner, &room).await;
    let client = Client::new(Script::default());
    let answer = host.ok(offer(&client)).await;
    assert!(passive(&text(&answer, "sdp")).is_empty());
    let port = server.port;
    let got = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .write_all(b"\0\x14\0\x01\0\0\x21\x12\xa4\x42000000000000")
            .unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        let mut got = Vec::new();
        stream.read_to_end(&mut got).map(|_| got)
    });
    let got = got.await.unwrap().unwrap();
    assert_eq!(got.first(), Some(&21), "an alert of TLS: {got:?}");
}

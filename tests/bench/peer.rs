//! People with media at a real server: the offer over their WebSocket, then ICE, DTLS and SRTP on a socket of their own.

use std::time::Duration;

use serde_json::json;

use crate::common::server::{Answer, Person, Room, Server};
use crate::common::socket::Socket;
use crate::common::text;
use crate::media_client::{Script, UdpClient};

/// Limits out of the way: one address is everybody here. Requests may name the address that they stand for.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("CONCLAVE_LIMITS__CONNECTIONS_PER_ADDRESS", "20000"),
    ("CONCLAVE_LIMITS__MESSAGES_PER_SECOND", "10000"),
    ("CONCLAVE_LIMITS__MESSAGES_BURST", "100000"),
    ("CONCLAVE_PROXIES__TRUSTED", "[\"127.0.0.1/32\"]"),
];

/// Offers, connects, and waits until there are keys. Blocks for some milliseconds.
pub(crate) async fn connect(socket: &mut Socket, script: Script) -> UdpClient {
    let mut client = UdpClient::new(script);
    let offer = client.client.offer();
    let sources: Vec<_> = offer
        .sources
        .iter()
        .map(|(mid, source)| json!({"mid": mid, "source": source}))
        .collect();
    let answer = socket
        .ok(json!({"type": "offer", "sdp": offer.sdp, "sources": sources}))
        .await;
    client.answer(&text(&answer, "sdp"));
    assert!(
        client.connect(Duration::from_secs(10)),
        "no media transport"
    );
    client.socket.set_nonblocking(true).unwrap();
    client
}

/// Keeps a WebSocket alive, and reads what comes, until it closes.
pub(crate) fn keep(mut socket: Socket) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while socket.text_frame().await.is_some() {
            socket.frames.clear();
        }
    })
}

/// A guest's session for one room, asked for from a network of its own: there is a budget for each.
pub(crate) async fn guest(server: &Server, room: &Room, number: usize) -> Person {
    let address = format!("10.{}.{}.1", number >> 8 & 0xff, number & 0xff);
    let request = server
        .http
        .post(server.url("/api/guest"))
        .header("x-forwarded-for", address)
        .json(&json!({"room": room.id, "name": format!("Guest {number}")}));
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert!(answer.status.is_success(), "guest: {}", answer.status);
    let me = &answer.body["me"];
    Person {
        token: text(&answer.body, "token"),
        id: text(me, "id"),
        name: text(me, "name"),
    }
}

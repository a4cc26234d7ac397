//! `ws.idle_rss` and `lobby.guest_rss`: what one more WebSocket costs the server in memory while nobody says anything: guests
//! who wait at the door.

use std::time::Duration;

use crate::common::server::Server;
use crate::measure::{figure, note, resident};
use crate::peer::{SETTINGS, guest, keep};

/// Fills caches, pools and the arenas of the allocator before anything is counted.
const BEFORE: usize = 100;
const COUNTED: usize = 1000;
/// Handshakes and their buffers are over by then.
const SETTLE: Duration = Duration::from_secs(4);

pub(crate) async fn run(name: &str) {
    let server = Server::start_set(SETTINGS).await;
    let owner = server.owner().await;
    let room = server.room(&owner, "Board").await;
    server
        .set(&owner, &room, "sign_in", "guests_may_knock")
        .await;
    let mut open = Vec::new();
    let mut before = 0.0;
    for number in 0..BEFORE + COUNTED {
        if number == BEFORE {
            tokio::time::sleep(SETTLE).await;
            before = resident(server.pid());
        }
        let guest = guest(&server, &room, number).await;
        let mut socket = server.join(&guest, &room).await;
        socket.next("waiting").await;
        open.push(keep(socket));
    }
    tokio::time::sleep(SETTLE).await;
    let after = resident(server.pid());
    let alive = open.iter().filter(|task| !task.is_finished()).count();
    assert_eq!(alive, BEFORE + COUNTED, "connections were lost");
    note(&format!(
        "{name}: {COUNTED} waiting guests after {BEFORE} others; the server went from {before} to {after} KiB. \
         Each is a TLS 1.3 session, a WebSocket with its task, and a line in the lobby"
    ));
    figure(name, (after - before) / COUNTED as f64, "KiB", None);
    server.kill().await;
}

//! `auth.others_p99`: how long a running meeting takes for a request over its WebSocket while a thousand people sign in, against
//! the same without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use conclave::clock::{Clock, SystemClock};
use serde_json::json;

use crate::common::server::{PASSWORD, Server};
use crate::common::socket::Socket;
use crate::measure::{figure, milliseconds, note, percentile};
use crate::peer::SETTINGS;

/// Sign-ins, and how many are under way at a time.
const LOGINS: u32 = 1000;
const AT_ONCE: usize = 100;
/// How often the meeting is asked something.
const STEP: Duration = Duration::from_millis(4);
/// Asked without sign-ins.
const QUIET: usize = 2000;

pub(crate) async fn run() {
    let server = Arc::new(Server::start_set(SETTINGS).await);
    let owner = server.owner().await;
    server.member(&owner, "a@example.org", "Attendee").await;
    let room = server.room(&owner, "Board").await;
    let (socket, _) = server.enter(&owner, &room).await;
    // The meeting is measured from a thread of its own, so that the one that signs in does not stand in its way here.
    let over = Arc::new(AtomicBool::new(false));
    let quiet = measure(socket, Arc::clone(&over), Some(QUIET)).await;
    let (socket, quiet) = quiet;
    let measuring = tokio::spawn(measure(socket, Arc::clone(&over), None));
    let left = Arc::new(AtomicU32::new(LOGINS));
    let begun = SystemClock.instant();
    let hammers: Vec<_> = (0..AT_ONCE)
        .map(|number| tokio::spawn(hammer(server.clone(), left.clone(), number)))
        .collect();
    let (mut signed_in, mut busy) = (0, 0);
    for hammer in hammers {
        let (done, refused) = hammer.await.unwrap();
        signed_in += done;
        busy += refused;
    }
    let took = begun.elapsed();
    over.store(true, Ordering::Relaxed);
    let (_, loud) = measuring.await.unwrap();
    note(&format!(
        "{signed_in} sign-ins in {:.1} s, {AT_ONCE} at a time, and {busy} times \"busy\"; a request of the meeting takes {:.2} ms (p50), \
         {:.2} ms (p99) without them, {:.2} ms (p50) with them, {} times asked",
        took.as_secs_f64(),
        percentile(&quiet, 0.5),
        percentile(&quiet, 0.99),
        percentile(&loud, 0.5),
        loud.len()
    ));
    let p99 = percentile(&loud, 0.99);
    figure(
        "auth.others_p99",
        p99,
        "ms",
        Some(p99 / percentile(&quiet, 0.99)),
    );
}

async fn measure(
    mut socket: Socket,
    over: Arc<AtomicBool>,
    count: Option<usize>,
) -> (Socket, Vec<f64>) {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        let mut times = Vec::new();
        runtime.block_on(async {
            while !over.load(Ordering::Relaxed) && count.is_none_or(|count| times.len() < count) {
                let begun = SystemClock.instant();
                socket.ok(json!({"type": "stats"})).await;
                times.push(milliseconds(begun.elapsed()));
                socket.frames.clear();
                tokio::time::sleep(STEP).await;
            }
        });
        (socket, times)
    })
    .await
    .unwrap()
}

/// Signs in again and again, half of the times with a password that is not right, until there were enough.
async fn hammer(server: Arc<Server>, left: Arc<AtomicU32>, number: usize) -> (u32, u32) {
    let (mut done, mut busy) = (0, 0);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        loop {
            let request = server
                .http
                .post(server.url("/api/token"))
                .header("x-forwarded-for", format!("10.1.{number}.{}", done & 0xff))
                .json(&json!({"email": "a@example.org", "password": PASSWORD}));
            let status = request.send().await.unwrap().status();
            if status.is_success() {
                done += 1;
                break;
            }
            assert_eq!(status, 503);
            busy += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    (done, busy)
}

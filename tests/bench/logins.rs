//! `auth.others_p99`: how long a running meeting takes for a request over its WebSocket while a thousand people sign in, against
//! the same without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use conclave::clock::{Clock, SystemClock};
use serde_json::json;
use tokio::sync::oneshot;

use crate::common::server::{PASSWORD, Person, Room, Server};
use crate::common::socket::Socket;
use crate::measure::{figure, milliseconds, note, percentile};
use crate::peer::SETTINGS;

/// Sign-ins, and how many are under way at a time.
const LOGINS: u32 = 1000;
const AT_ONCE: usize = 100;
/// Accounts that they sign in to, each from networks of its own: one account alone has a budget.
const ACCOUNTS: usize = 10;
/// How often the meeting is asked something.
const STEP: Duration = Duration::from_millis(4);
/// How often it is asked before the sign-ins, and once more after them.
const QUIET: usize = 2000;

pub(crate) async fn run() {
    let server = Arc::new(Server::start_set(SETTINGS).await);
    let owner = server.owner().await;
    for account in 0..ACCOUNTS {
        let email = format!("a{account}@example.org");
        server.member(&owner, &email, "Attendee").await;
    }
    let room = server.room(&owner, "Board").await;
    let over = Arc::new(AtomicBool::new(false));
    let (begin, wait) = oneshot::channel();
    let measuring = measure(server.clone(), (owner, room), over.clone(), begin);
    wait.await.unwrap();
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
    let measured = tokio::task::spawn_blocking(|| measuring.join().unwrap());
    let (quiet, loud) = measured.await.unwrap();
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

/// Asks from a thread with a runtime of its own, so that those who sign in do not stand in its way here: first as often as
/// `QUIET` says, from then on until they are done, and as often again. Gives what it took without them and with them.
fn measure(
    server: Arc<Server>,
    (owner, room): (Person, Room),
    over: Arc<AtomicBool>,
    begin: oneshot::Sender<()>,
) -> JoinHandle<(Vec<f64>, Vec<f64>)> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut socket, _) = server.enter(&owner, &room).await;
            let mut quiet = Vec::new();
            while quiet.len() < QUIET {
                quiet.push(ask(&mut socket).await);
            }
            begin.send(()).unwrap();
            let mut loud = Vec::new();
            while !over.load(Ordering::Relaxed) {
                loud.push(ask(&mut socket).await);
            }
            while quiet.len() < 2 * QUIET {
                quiet.push(ask(&mut socket).await);
            }
            (quiet, loud)
        })
    })
}

/// How long the meeting took for one request.
async fn ask(socket: &mut Socket) -> f64 {
    let begun = SystemClock.instant();
    socket.ok(json!({"type": "stats"})).await;
    let took = milliseconds(begun.elapsed());
    socket.frames.clear();
    tokio::time::sleep(STEP).await;
    took
}

/// Signs in again and again until there were enough.
async fn hammer(server: Arc<Server>, left: Arc<AtomicU32>, number: usize) -> (u32, u32) {
    let email = format!("a{}@example.org", number % ACCOUNTS);
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
                .json(&json!({"email": email, "password": PASSWORD}));
            let status = request.send().await.unwrap().status();
            if status.is_success() {
                done += 1;
                break;
            }
            assert!([429, 503].contains(&status.as_u16()), "{status}");
            busy += 1;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    (done, busy)
}

//! Figures of sessions: what checking a token costs, how a meeting fares while a thousand people sign in, how long media goes on
//! after a session is over. `cargo bench --bench auth [NAME…]`; printed as `first.rs` says.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement for people, which ends when something is not as it should be"
)]

#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "each story uses its own part of this")]
mod common;
#[expect(dead_code, reason = "a bench needs less of it than the attacks")]
#[path = "../common/media_client.rs"]
mod media_client;

#[expect(dead_code, reason = "other figures use more of it")]
mod measure;
#[expect(dead_code, reason = "other figures use more of it")]
mod peer;

mod logins;
mod revoke;
mod seal;
mod token;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("token") {
        token::run();
    }
    if wants("others") {
        // Those who sign in have machines of their own: here they leave the server's alone as far as they can.
        runtime(19).block_on(logins::run());
    }
    let runtime = runtime(0);
    if wants("revoke") {
        runtime.block_on(revoke::run());
    }
    if wants("seal") {
        runtime.block_on(seal::run());
    }
}

/// A runtime with one thread, which is so nice.
fn runtime(nice: i32) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .on_thread_start(move || {
            if nice > 0 {
                rustix::process::setpriority_process(None, nice).unwrap();
            }
        })
        .enable_all()
        .build()
        .unwrap()
}

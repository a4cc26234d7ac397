//! Figures of the guard: decisions under many rules, asking standing permits again, the last packet after a mute in a full room,
//! and what a waiting guest costs. `cargo bench --bench policy [NAME…]`; printed as `first.rs` says.
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

mod crowd;
#[expect(dead_code, reason = "two people alone are measured in `first.rs`")]
mod cut;
mod guard;
mod idle;
#[expect(dead_code, reason = "other figures use more of it")]
mod measure;
mod peer;
mod reask;
mod roster;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    if wants("decide") {
        runtime.block_on(guard::run());
    }
    if wants("reask") {
        reask::run();
    }
    if wants("room") {
        roster::run();
    }
    if wants("mute") {
        runtime.block_on(crowd::run());
    }
    if wants("lobby") {
        runtime.block_on(idle::run("lobby.guest_rss"));
    }
}

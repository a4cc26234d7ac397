//! Figures of the packet path: what forwarding costs in memory and on sockets, what it allocates, what a viewer and a source
//! take, and what a join costs. `cargo bench --bench media [NAME…]`; printed as `first.rs` says. Each ratio compares with bare
//! work of the same kind, done in turn with it.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement for people, which ends when something is not as it should be"
)]

#[expect(dead_code, reason = "a bench needs less of it than the attacks")]
#[path = "../common/media_client.rs"]
mod media_client;
#[expect(dead_code, reason = "a bench needs less of it than the stories")]
#[path = "../common/permits.rs"]
mod permits;

#[expect(dead_code, reason = "other figures use more of it")]
mod measure;
mod media_batch;
mod media_floor;
mod media_join;
mod media_memory;
mod media_relay;
mod media_socket;
mod media_stage;
mod media_tap;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("memory") {
        media_memory::run("forward.memory.1x50", 50, 200);
        media_memory::run("forward.memory.1x2000", 2000, 20);
    }
    if wants("cold") {
        media_memory::cold();
    }
    if wants("socket") {
        media_socket::run();
    }
    if wants("relay") {
        media_relay::run();
    }
    if wants("bytes") {
        media_memory::bytes();
    }
    if wants("tap") {
        media_tap::run();
    }
    if wants("join") {
        media_join::run();
    }
}

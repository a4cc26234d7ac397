//! First figures of the server as a whole, each printed on a line of its own: `figure NAME VALUE UNIT [ratio=R]`. The server is
//! the real program as a child process, its clients real WebSockets and UDP sockets. Run by `cargo bench --bench first [NAME…]`.
//! Times of a busy machine are worth little alone: a ratio compares with bare work of the same kind in the same run.
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

mod cut;
mod decide;
mod forward;
mod idle;
mod measure;
mod peer;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if wants("decide") {
        decide::run();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    if wants("cut") {
        runtime.block_on(cut::run());
    }
    if wants("idle") {
        runtime.block_on(idle::run("ws.idle_rss"));
    }
    if wants("forward") {
        runtime.block_on(forward::run());
    }
}

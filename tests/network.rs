//! The SFU in simulated networks: loss, jitter, reordering, bottlenecks and their changes, in virtual time and the same in every run.
//! Counts are reduced unless `STORY_NETWORK=full`.

#[cfg(test)]
#[path = "common/media_client.rs"]
#[expect(dead_code, reason = "other stories use the rest of it")]
mod media_client;
#[cfg(test)]
#[path = "common/permits.rs"]
mod permits;

#[cfg(test)]
#[path = "network/bottleneck.rs"]
mod bottleneck;
#[cfg(test)]
#[path = "network/ends.rs"]
mod ends;
#[cfg(test)]
#[path = "network/layers.rs"]
mod layers;
#[cfg(test)]
#[path = "network/link.rs"]
mod link;
#[cfg(test)]
#[path = "network/loss.rs"]
mod loss;
#[cfg(test)]
#[path = "network/net.rs"]
mod net;
#[cfg(test)]
#[path = "network/publisher.rs"]
mod publisher;

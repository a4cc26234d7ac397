//! The media plane against clients honest and hostile: the core in a simulated network, the whole over real sockets.

#[cfg(test)]
#[path = "common/media_client.rs"]
mod media_client;
#[cfg(test)]
#[path = "common/permits.rs"]
mod permits;
#[cfg(test)]
#[path = "common/tcp_client.rs"]
mod tcp_client;

#[cfg(test)]
#[path = "media/anew.rs"]
mod anew;
#[cfg(test)]
#[path = "media/attacks.rs"]
mod attacks;
#[cfg(test)]
#[path = "media/forwarding.rs"]
mod forwarding;
#[cfg(test)]
#[path = "media/layers.rs"]
mod layers;
#[cfg(test)]
#[path = "media/plane.rs"]
mod plane;
#[cfg(test)]
#[path = "media/shards.rs"]
mod shards;
#[cfg(test)]
#[path = "media/spanning.rs"]
mod spanning;
#[cfg(test)]
#[path = "media/srtp.rs"]
mod srtp;
#[cfg(test)]
#[path = "media/tap.rs"]
mod tap;
#[cfg(test)]
#[path = "media/tcp.rs"]
mod tcp;
#[cfg(test)]
#[path = "media/transport.rs"]
mod transport;
#[cfg(test)]
#[path = "media/world.rs"]
mod world;

//! The SFU without input and output: demultiplexing, ICE-lite, DTLS, SRTP, SDP slots, forwarding, repairs. It may not open a
//! socket, read a clock, touch the store or know a role; `crate::udp` runs it.

pub(crate) mod across;
pub(crate) mod admit;
mod again;
pub(crate) mod aim;
#[doc(hidden)]
pub mod allowed;
pub mod answer;
pub(crate) mod arrivals;
#[doc(hidden)]
pub mod av1;
#[doc(hidden)]
pub mod codec;
pub(crate) mod connect;
mod continuity;
pub mod counters;
pub(crate) mod demux;
mod dependency;
#[doc(hidden)]
pub mod descriptor;
pub(crate) mod downlink;
#[doc(hidden)]
pub mod dtls;
pub(crate) mod edges;
#[doc(hidden)]
pub mod estimate;
pub mod event;
#[doc(hidden)]
pub mod extension;
pub(crate) mod failure;
pub(crate) mod forward;
#[doc(hidden)]
pub mod framing;
#[doc(hidden)]
pub mod fuzz;
pub(crate) mod gauge;
#[doc(hidden)]
pub mod h264;
pub(crate) mod history;
pub(crate) mod ice;
pub(crate) mod keyframes;
pub(crate) mod layers;
pub(crate) mod loudness;
pub mod mail;
pub mod offer;
#[doc(hidden)]
pub mod outbox;
pub(crate) mod pace;
pub(crate) mod pacer;
pub(crate) mod paths;
pub(crate) mod peer;
pub(crate) mod peers;
pub mod quality;
pub(crate) mod rate;
pub(crate) mod receive;
#[doc(hidden)]
pub mod red;
#[doc(hidden)]
pub mod rtcp;
#[doc(hidden)]
pub mod rtp;
pub(crate) mod select;
pub(crate) mod sends;
pub mod sfu;
pub(crate) mod shaking;
#[doc(hidden)]
pub mod simulcast;
pub(crate) mod skips;
pub(crate) mod slot;
#[doc(hidden)]
pub mod srtp;
pub(crate) mod stream;
#[doc(hidden)]
pub mod stun;
pub mod tap;
pub(crate) mod tick;
pub(crate) mod timer;
mod told;
pub mod turn;
#[doc(hidden)]
pub mod vp8;
#[doc(hidden)]
pub mod vp9;
pub(crate) mod window;

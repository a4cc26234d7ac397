//! How much may be sent to one receiver: what was sent, what the receiver says of it, and the bit rate that follows (after
//! draft-ietf-rmcat-gcc-02). No input or output, no clock; every list is bounded.

pub(crate) mod aimd;
pub(crate) mod ease;
#[doc(hidden)]
pub mod estimator;
#[doc(hidden)]
pub mod feedback;
#[doc(hidden)]
pub mod ledger;
pub(crate) mod loss;
pub(crate) mod probe;
pub(crate) mod received;
pub(crate) mod trend;

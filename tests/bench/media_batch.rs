//! The bare way out of a machine: several messages by one call, each cut by the system into datagrams of one size. What a server can
//! do no better than.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;

use arrayvec::ArrayVec;
use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

/// Messages of one call, and bytes of all of them, at most: as many as the server sends at once.
const MANY: usize = 16;
const FULL: usize = 32 * 1024;

/// What waits to be sent.
pub(crate) struct Batch<'a> {
    socket: &'a UdpSocket,
    bytes: Vec<u8>,
    messages: ArrayVec<(SocketAddrAny, Range<usize>), MANY>,
}

impl<'a> Batch<'a> {
    /// Everything that leaves by this socket is cut into datagrams of this size.
    pub(crate) fn new(socket: &'a UdpSocket, size: usize) -> Self {
        let size = i32::try_from(size).unwrap();
        setsockopt(socket, sockopt::UdpGsoSegment, &size).unwrap();
        Self {
            socket,
            bytes: Vec::new(),
            messages: ArrayVec::new(),
        }
    }

    /// Adds a message; `write` appends it.
    pub(crate) fn add(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.messages.push((to.into(), start..self.bytes.len()));
        if self.messages.is_full() || self.bytes.len() >= FULL {
            self.send();
        }
    }

    pub(crate) fn send(&mut self) {
        {
            let mut slices = ArrayVec::<_, MANY>::new();
            let mut controls = ArrayVec::<_, MANY>::new();
            for (_, range) in &self.messages {
                slices.push([IoSlice::new(&self.bytes[range.clone()])]);
                controls.push(SendAncillaryBuffer::default());
            }
            let mut headers = ArrayVec::<_, MANY>::new();
            for (((to, _), slice), control) in self.messages.iter().zip(&slices).zip(&mut controls)
            {
                headers.push(MMsgHdr::new_with_addr(to, slice, control));
            }
            let mut left = &mut headers[..];
            while !left.is_empty() {
                let sent = sendmmsg(self.socket, left, SendFlags::empty()).unwrap();
                left = &mut left[sent..];
            }
        }
        self.messages.clear();
        self.bytes.clear();
    }
}

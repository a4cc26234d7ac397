//! A media client that has nothing but a TCP connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use conclave::clock::{Clock, SystemClock};
use conclave::media::framing::{Frames, append};

use crate::media_client::Client;

/// A [`Client`] on a connection. It blocks, for moments.
pub(crate) struct TcpClient {
    pub(crate) client: Client,
    stream: TcpStream,
    frames: Frames,
    checked: bool,
    pub(crate) gone: bool,
}

impl TcpClient {
    pub(crate) fn new(client: Client, stream: TcpStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        let mut frames = Frames::new(2048);
        frames.grow(2048, 4);
        Self {
            client,
            stream,
            frames,
            checked: false,
            gone: false,
        }
    }

    pub(crate) fn pump(&mut self, during: Duration) {
        let begun = SystemClock.instant();
        while begun.elapsed() < during && !self.gone {
            if !self.checked {
                self.checked = true;
                self.client.check(true);
            }
            self.client.advance(SystemClock.instant());
            self.flush();
            self.read();
        }
        self.flush();
    }

    /// Goes on until this is so, or five seconds at most.
    pub(crate) fn pump_until(&mut self, so: impl Fn(&Client) -> bool) {
        let begun = SystemClock.instant();
        while begun.elapsed() < Duration::from_secs(5) && !self.gone && !so(&self.client) {
            self.pump(Duration::from_millis(5));
        }
    }

    fn read(&mut self) {
        match self.stream.read(self.frames.space()) {
            Ok(0) => self.gone = true,
            Ok(count) => self.frames.filled(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.gone = true,
        }
        while let Some(datagram) = self.frames.take().unwrap() {
            self.client.receive(datagram, SystemClock.instant());
        }
    }

    pub(crate) fn flush(&mut self) {
        let mut out = Vec::new();
        for datagram in self.client.take() {
            append(&mut out, &datagram);
        }
        self.gone |= self.stream.write_all(&out).is_err();
    }

    /// Checks and shakes hands.
    pub(crate) fn connect(&mut self) -> bool {
        let begun = SystemClock.instant();
        while begun.elapsed() < Duration::from_secs(5) && !self.gone && !self.client.is_connected()
        {
            if self.client.checked > 0 && !self.client.is_shaking() {
                self.client.shake(SystemClock.instant());
            }
            self.pump(Duration::from_millis(5));
        }
        self.client.is_connected()
    }

    /// Goes on over another connection, as after a change of networks.
    pub(crate) fn moved(mut self, stream: TcpStream) -> Self {
        self.client.take();
        Self::new(self.client, stream)
    }
}

/// The addresses for connections that an answer names.
pub(crate) fn passive(sdp: &str) -> Vec<SocketAddr> {
    let lines = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"));
    lines
        .filter(|line| line.ends_with(" typ host tcptype passive"))
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[2], "tcp");
            SocketAddr::new(words[4].parse().unwrap(), words[5].parse().unwrap())
        })
        .collect()
}

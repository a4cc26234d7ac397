//! What sits at the ends: a camera and a microphone that answer what is asked of them, a receiver that reports, asks again and counts.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use conclave::media::estimate::estimator::Estimator;
use conclave::media::estimate::ledger::{Ledger, Purpose};
use conclave::media::rtcp::{Compound, Report, reports};
use conclave_policy::source::Source;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc,
    SymbolTypeTcc, TransportLayerCc,
};

use crate::media_client::{Client, OPUS, RED, RTX, Received, Sending, VP8, vp8};

const FRAME: u64 = 33;
const MTU: usize = 1100;
/// What stands in the pictures of the first of several encodings; the next has one more.
const MARK: u8 = 0x60;
/// The payload types of repairs of sound.
const OPUS_RTX: u8 = OPUS + 1;
const RED_RTX: u8 = RED + 1;
/// What comes later than this, in microseconds, is not played.
const LATEST: u32 = 500_000;

/// A camera: so many bits a second in frames of several packets; key frames on demand, lost packets again.
pub(crate) struct Camera {
    pub(crate) source: Source,
    /// Which of several encodings.
    encoding: Option<usize>,
    /// Somebody wants it.
    pub(crate) active: bool,
    pub(crate) rate: u64,
    picture: u16,
    next: u64,
    key: bool,
    kept: BTreeMap<u64, Sending>,
    /// Requests that came: key frames, packets.
    pub(crate) asked: (u32, u32),
    /// What it knows of its own way, and the most it would send: then it obeys.
    pub(crate) obeys: Option<(Ledger, Estimator, u64)>,
    /// What it was told (REMB).
    pub(crate) told: Option<u64>,
    /// Asked for what was never sent.
    pub(crate) strange: u32,
}

impl Camera {
    pub(crate) fn new(source: Source, rate: u64) -> Self {
        Self {
            source,
            encoding: None,
            active: true,
            rate,
            picture: 1,
            next: 0,
            key: true,
            kept: BTreeMap::new(),
            asked: (0, 0),
            obeys: None,
            told: None,
            strange: 0,
        }
    }

    /// One of several encodings of a source.
    pub(crate) fn encoding(source: Source, encoding: usize, rate: u64) -> Self {
        Self {
            encoding: Some(encoding),
            ..Self::new(source, rate)
        }
    }

    fn ssrc(&self) -> u32 {
        match self.encoding {
            Some(encoding) => Client::encoding_ssrc(self.source, encoding),
            None => Client::ssrc(self.source),
        }
    }

    /// Whether anybody wants it; what begins again begins with a key frame.
    pub(crate) fn switch(&mut self, active: bool) {
        self.key |= active && !self.active;
        self.active = active;
    }

    pub(crate) fn run(&mut self, client: &mut Client, now: u64) {
        if now < self.next || !self.active {
            return;
        }
        self.next = now + FRAME * 1000;
        let usual = self.rate * FRAME / 8000;
        // A key frame is as large as five others.
        let mut left = usize::try_from(if self.key { usual * 5 } else { usual }).unwrap();
        let timestamp = u32::try_from((now / 1000 * 90) & 0xffff_ffff).unwrap();
        let mut first = true;
        while left > 0 {
            let size = left.min(MTU);
            left -= size;
            let mut sending = match self.encoding {
                Some(encoding) => client.next_of(self.source, encoding, Vec::new()),
                None => client.next(self.source, Vec::new(), 0),
            };
            sending.payload = vp8(self.picture & 0x7fff, self.picture as u8, self.key, size);
            if let (Some(encoding), Some(last)) = (self.encoding, sending.payload.last_mut()) {
                *last = MARK + u8::try_from(encoding).unwrap();
            }
            if !first {
                sending.payload[0] &= !0x10;
            }
            (sending.timestamp, sending.marker) = (timestamp, left == 0);
            client.send(&sending);
            self.kept.insert(sending.index, sending);
            first = false;
        }
        while self.kept.len() > 1000 {
            self.kept.pop_first();
        }
        self.picture = self.picture.wrapping_add(1);
        self.key = false;
    }

    /// Adapts to what is reported of the way.
    pub(crate) fn obey(&mut self, most: u64, now: Instant) {
        self.obeys = Some((Ledger::new(now), Estimator::default(), most));
    }

    pub(crate) fn sent(&mut self, size: usize, now: Instant) {
        if let Some((ledger, _, _)) = &mut self.obeys {
            ledger.number(size, Purpose::Media, now);
        }
    }

    pub(crate) fn take(&mut self, client: &mut Client, packet: &[u8], now: Instant) {
        let own = self.ssrc();
        for report in reports(packet) {
            match report {
                Report::KeyFrame { media } if media == own => {
                    self.asked.0 += 1;
                    self.key = true;
                }
                Report::Nack { media, lost } if media == own => {
                    for number in lost.iter() {
                        self.asked.1 += 1;
                        let kept = self.kept.values();
                        let Some(sent) = kept.rev().find(|sent| sent.index as u16 == number) else {
                            self.strange += 1;
                            continue;
                        };
                        let again = client.repair_of(sent);
                        client.send(&again);
                    }
                }
                Report::Arrivals(feedback) => {
                    if let Some((ledger, estimator, most)) = &mut self.obeys {
                        estimator.feedback(&feedback, ledger, now);
                        self.rate = (estimator.estimate() * 9 / 10).min(*most);
                    }
                }
                Report::Bandwidth(bits) => self.told = Some(bits),
                _ => {}
            }
        }
    }
}

/// What a microphone does against losses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Against {
    /// A packet carries the frame before again, more coarsely (Opus in-band FEC).
    pub(crate) fec: bool,
    /// A packet carries the whole one before again (RED).
    pub(crate) red: bool,
}

/// A microphone: a packet every 20 ms that carries its frame's number.
#[derive(Default)]
pub(crate) struct Microphone {
    against: Against,
    next: u64,
    pub(crate) frames: u32,
    before: Option<Vec<u8>>,
    kept: BTreeMap<u64, Sending>,
    /// Packets that it was asked for again.
    pub(crate) asked: u32,
}

impl Microphone {
    pub(crate) fn new(against: Against) -> Self {
        Self {
            against,
            ..Self::default()
        }
    }

    pub(crate) fn run(&mut self, client: &mut Client, now: u64) {
        if now < self.next {
            return;
        }
        self.next = now + 20_000;
        self.frames += 1;
        let mut opus = vec![0x78; 80];
        opus[1..5].copy_from_slice(&self.frames.to_be_bytes());
        opus[5..9].copy_from_slice(&(now as u32).to_be_bytes());
        opus[9] = u8::from(self.against.fec);
        let mut sending = client.next(Source::Microphone, opus.clone(), 960);
        if self.against.red {
            let before = self.before.replace(opus.clone()).unwrap_or_default();
            let head = [
                0x80 | OPUS,
                0x0f,
                0,
                u8::try_from(before.len()).unwrap(),
                OPUS,
            ];
            sending.payload_type = RED;
            sending.payload = [&head[..], &before, &opus].concat();
        }
        client.send(&sending);
        self.kept.insert(sending.index, sending);
        while self.kept.len() > 64 {
            self.kept.pop_first();
        }
    }

    /// What is asked for comes again in a stream of its own.
    pub(crate) fn take(&mut self, client: &mut Client, packet: &[u8]) {
        for report in reports(packet) {
            let Report::Nack { media, lost } = report else {
                continue;
            };
            if media != Client::ssrc(Source::Microphone) {
                continue;
            }
            for number in lost.iter() {
                self.asked += 1;
                let mut kept = self.kept.values();
                if let Some(sent) = kept.find(|sent| sent.index as u16 == number) {
                    let again = client.repair_of(sent);
                    client.send(&again);
                }
            }
        }
    }
}

/// What comes on one slot.
#[derive(Default)]
struct Track {
    sound: bool,
    newest: Option<u64>,
    missing: BTreeMap<u64, (u64, u64, u32)>,
    /// Since when it cannot go on.
    stuck: Option<u64>,
}

impl Track {
    fn arrived(&mut self, index: u64, now: u64) {
        match self.newest {
            Some(newest) if index <= newest => {
                self.missing.remove(&index);
            }
            newest => {
                for lost in newest.map_or(index, |newest| newest + 1)..index {
                    self.missing.insert(lost, (now, 0, 0));
                }
                self.newest = Some(index);
            }
        }
    }
}

/// A receiver.
pub(crate) struct Receiver {
    /// It reports arrivals (every so many microseconds), or a bandwidth.
    pub(crate) every: u64,
    pub(crate) remb: Option<u64>,
    arrived: BTreeMap<i64, u64>,
    newest: Option<i64>,
    reported: i64,
    count: u8,
    next: u64,
    asked: u64,
    tracks: HashMap<u32, Track>,
    frames: HashMap<u32, Frames>,
    /// When each packet of the last second came, and its bytes.
    recent: VecDeque<(u64, usize)>,
    /// Frames of sound: heard in their own packet or by the next one; and how long the former were under way.
    pub(crate) heard: BTreeSet<u32>,
    pub(crate) late: Vec<u32>,
    pub(crate) pictures: Vec<u64>,
    /// Which encodings came, and since when.
    pub(crate) layers: Vec<(u64, u8)>,
    /// It asks for lost packets of sound too.
    pub(crate) asks_for_sound: bool,
    pub(crate) bytes: u64,
    pub(crate) padding: u64,
    pub(crate) repaired: u64,
}

/// Pictures under way: by media time, the packets and whether the last is known.
#[derive(Default)]
struct Frames(BTreeMap<u64, (u32, bool)>);

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            every: 60_000,
            remb: None,
            arrived: BTreeMap::new(),
            newest: None,
            reported: i64::MIN,
            count: 0,
            next: 0,
            asked: 0,
            tracks: HashMap::new(),
            frames: HashMap::new(),
            recent: VecDeque::new(),
            heard: BTreeSet::new(),
            late: Vec::new(),
            pictures: Vec::new(),
            layers: Vec::new(),
            asks_for_sound: false,
            bytes: 0,
            padding: 0,
            repaired: 0,
        }
    }

    /// Bits a second over the last second.
    pub(crate) fn rate(&self) -> u64 {
        self.recent.iter().map(|(_, bytes)| *bytes as u64 * 8).sum()
    }

    pub(crate) fn take(&mut self, client: &Client, packet: &Received, now: u64) {
        if let Some(number) = packet.number {
            let number = match self.newest {
                None => i64::from(number),
                Some(newest) => {
                    newest + i64::from(number.wrapping_sub(newest as u16).cast_signed())
                }
            };
            self.newest = Some(self.newest.map_or(number, |newest| newest.max(number)));
            self.arrived.entry(number).or_insert(now);
        }
        self.recent.push_back((now, packet.payload.len()));
        self.bytes += packet.payload.len() as u64;
        while self
            .recent
            .front()
            .is_some_and(|(at, _)| now - at > 1_000_000)
        {
            self.recent.pop_front();
        }
        let header = &packet.header;
        match header.payload_type {
            OPUS | RED => {
                self.sound(header.ssrc, packet.index, now);
                self.hear(header.payload_type, &packet.payload, now);
            }
            VP8 => {
                self.note_layer(&packet.payload, now);
                self.video(
                    header.ssrc,
                    packet.index,
                    header.marker,
                    header.timestamp,
                    now,
                );
            }
            RTX | OPUS_RTX | RED_RTX if header.padding => self.padding += 1,
            OPUS_RTX | RED_RTX => {
                self.repaired += 1;
                let of = client.server().repairs[&header.ssrc];
                let number = u16::from_be_bytes(packet.payload[..2].try_into().unwrap());
                if let Some(track) = self.tracks.get_mut(&of) {
                    track.missing.retain(|index, _| *index as u16 != number);
                }
                self.hear(header.payload_type - 1, &packet.payload[2..], now);
            }
            RTX => {
                self.repaired += 1;
                let of = client.server().repairs[&header.ssrc];
                let number = u16::from_be_bytes(packet.payload[..2].try_into().unwrap());
                let newest = self.tracks.get(&of).and_then(|track| track.newest).unwrap();
                let behind = (newest as u16).wrapping_sub(number).cast_signed();
                let index = newest.checked_add_signed(-i64::from(behind)).unwrap();
                self.video(of, index, header.marker, header.timestamp, now);
            }
            other => panic!("{other}"),
        }
    }

    /// The frames of a packet of sound.
    fn hear(&mut self, payload_type: u8, payload: &[u8], now: u64) {
        let number =
            |opus: &[u8], at: usize| u32::from_be_bytes(opus[at..at + 4].try_into().unwrap());
        let mut blocks = vec![payload];
        if payload_type == RED {
            let length = usize::from(u16::from_be_bytes([payload[2] & 3, payload[3]]));
            blocks = vec![&payload[5 + length..], &payload[5..5 + length]];
            blocks.retain(|block| !block.is_empty());
        }
        self.late
            .push((now as u32).wrapping_sub(number(blocks[0], 5)));
        for opus in blocks {
            let frame = number(opus, 1);
            // What the player would have played long ago is of no use any more.
            if (now as u32).wrapping_sub(number(opus, 5)) > LATEST {
                continue;
            }
            self.heard.insert(frame);
            if opus[9] == 1 {
                self.heard.insert(frame - 1);
            }
        }
    }

    fn sound(&mut self, ssrc: u32, index: u64, now: u64) {
        if !self.asks_for_sound {
            return;
        }
        let track = self.tracks.entry(ssrc).or_default();
        track.sound = true;
        track.arrived(index, now);
    }

    fn note_layer(&mut self, payload: &[u8], now: u64) {
        let Some(layer) = payload.last().and_then(|last| last.checked_sub(MARK)) else {
            return;
        };
        if self.layers.last().is_none_or(|(_, last)| *last != layer) {
            self.layers.push((now, layer));
        }
    }

    fn video(&mut self, ssrc: u32, index: u64, marker: bool, timestamp: u32, now: u64) {
        let track = self.tracks.entry(ssrc).or_default();
        track.arrived(index, now);
        let _ = timestamp;
        // A picture is shown when it and all before it are there.
        let frames = self.frames.entry(ssrc).or_default();
        if marker {
            frames.0.insert(index, (timestamp, true));
        }
        let whole = track.missing.keys().next().copied().unwrap_or(u64::MAX);
        while let Some(frame) = frames.0.first_entry() {
            if *frame.key() >= whole {
                break;
            }
            frame.remove();
            self.pictures.push(now);
        }
    }

    pub(crate) fn run(&mut self, client: &mut Client, now: u64) {
        if now >= self.asked {
            self.asked = now + 20_000;
            self.ask(client, now);
        }
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        if let Some(bits) = self.remb {
            let compound = Compound::receiver(1, Vec::new());
            let bits = u32::try_from(bits).unwrap();
            client.report(&compound.bandwidth(1, bits, vec![2]));
        } else if let Some(report) = self.report() {
            client.report(&Compound::default().with(report));
        }
    }

    /// Asks for what is missing, every 80 ms, for a second; then it needs a key frame.
    fn ask(&mut self, client: &mut Client, now: u64) {
        for (ssrc, track) in &mut self.tracks {
            let mut lost = Vec::new();
            for (index, (since, asked, times)) in &mut track.missing {
                if now - *since >= 10_000 && now - *asked >= 80_000 && *times < 10 {
                    (*asked, *times) = (now, *times + 1);
                    lost.push(*index as u16);
                }
            }
            if !lost.is_empty() {
                client.report(&Compound::default().nack(1, *ssrc, &lost));
            }
            let stuck = track
                .missing
                .values()
                .any(|(since, _, _)| now - since > 1_000_000);
            if track.sound {
                track
                    .missing
                    .retain(|_, (since, _, _)| now - *since <= u64::from(LATEST));
                continue;
            }
            if stuck && track.stuck.is_none_or(|at| now - at > 500_000) {
                track.stuck = Some(now);
                client.report(&Compound::default().key_frame(1, *ssrc));
                track
                    .missing
                    .retain(|_, (since, _, _)| now - *since <= 1_000_000);
            }
        }
    }

    fn report(&mut self) -> Option<TransportLayerCc> {
        let (&first, &first_at) = self.arrived.first_key_value()?;
        let base = if self.reported == i64::MIN {
            first
        } else {
            self.reported.min(first)
        };
        let base = base.max(first - 200);
        let reference = first_at / 64_000;
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        let mut last = (reference * 64_000) as i64;
        let mut number = base;
        for (known, at) in std::mem::take(&mut self.arrived) {
            while number < known {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                number += 1;
            }
            let ticks = (at as i64 - last) / 250;
            last += ticks * 250;
            symbols.push(SymbolTypeTcc::PacketReceivedLargeDelta);
            deltas.push(RecvDelta {
                type_tcc_packet: SymbolTypeTcc::PacketReceivedLargeDelta,
                delta: ticks.clamp(-32_000, 32_000) * 250,
            });
            number += 1;
        }
        self.reported = self.reported.max(number);
        self.count = self.count.wrapping_add(1);
        let chunks = symbols.chunks(7).map(|part| {
            let mut symbol_list = part.to_vec();
            symbol_list.resize(7, SymbolTypeTcc::PacketNotReceived);
            PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size: SymbolSizeTypeTcc::TwoBit,
                symbol_list,
            })
        });
        Some(TransportLayerCc {
            sender_ssrc: 1,
            media_ssrc: 2,
            base_sequence_number: base as u16,
            packet_status_count: u16::try_from(symbols.len()).unwrap(),
            reference_time: (reference & 0xff_ffff) as u32,
            fb_pkt_count: self.count,
            packet_chunks: chunks.collect(),
            recv_deltas: deltas,
        })
    }
}

/// Microseconds as a duration.
pub(crate) fn micros(from: Instant, to: Instant) -> u64 {
    let elapsed: Duration = to.duration_since(from);
    u64::try_from(elapsed.as_micros()).unwrap()
}

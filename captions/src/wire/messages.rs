//! The messages of the four directions and how each stands in a frame: its kind, then its fields in the order of the
//! declaration.

use super::bytes::{Reader, Writer};
use super::{
    MAX_CUE_TEXT, MAX_HINT, MAX_HINTS, MAX_LANGUAGE, MAX_LANGUAGES, MAX_PAIRS, MAX_PATH,
    MAX_PAYLOAD, MAX_REASON, MAX_TEXT, MAX_TEXTS, Message, WireError,
};

/// One tap of one track. Made by the server, never used twice within a run of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Track(pub u64);

/// How the audio of a track is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// RFC 7587, 48 kHz clock.
    Opus,
    /// 8 kHz clock, 16 kHz sound (RFC 3551, section 4.5.2).
    G722,
    /// G.711, µ-law.
    Pcmu,
    /// G.711, A-law.
    Pcma,
}

/// Why a track closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// The speaker is done: what was heard is recognised to its end.
    Ended,
    /// Nothing that is not said yet may be said: what is buffered is dropped.
    Cut,
}

/// From the server to a recogniser.
#[derive(Clone, PartialEq, Eq)]
pub enum ToRecogniser {
    /// Comes first.
    Hello {
        /// [`super::VERSION`].
        version: u16,
        /// The path of the model; opened before the sandbox closes.
        model: String,
        /// The language of every track that names none; else it is detected.
        language: Option<String>,
        /// How often the open words of a speaker are recognised anew, when there is time; 0 for finished cues only.
        partial_step_ms: u16,
    },
    /// A track begins.
    Open {
        /// Which.
        track: Track,
        /// How its audio is coded.
        codec: Codec,
        /// The language that is spoken, if someone said so.
        language: Option<String>,
        /// Names and words that may come up.
        hints: Vec<String>,
    },
    /// One packet.
    Audio {
        /// Of which track.
        track: Track,
        /// The sequence number, extended so that it never wraps.
        sequence: u64,
        /// The timestamp of the RTP packet.
        timestamp: u32,
        /// The meeting's time of the packet's first sample.
        at_ms: i64,
        /// What the packet carries.
        payload: Vec<u8>,
    },
    /// A track ends.
    Close {
        /// Which.
        track: Track,
        /// Why.
        why: Closing,
    },
    /// Answered by a pong.
    Ping {
        /// Comes back.
        nonce: u64,
    },
    /// Whether the finished cues of a track that are not in English are wanted in English too. Nothing is wanted to begin with.
    English {
        /// Of which track.
        track: Track,
        /// Whether they are.
        wanted: bool,
    },
}

/// From a recogniser to the server.
#[derive(Clone, PartialEq, Eq)]
pub enum FromRecogniser {
    /// The answer to a hello: the model is loaded and the sandbox closed.
    Ready {
        /// [`super::VERSION`].
        version: u16,
        /// What the model is called.
        model: String,
        /// The languages it knows.
        languages: Vec<String>,
        /// Whether it can detect the language.
        multilingual: bool,
    },
    /// The worker ends now, and why.
    Failed {
        /// A line for the log.
        reason: String,
    },
    /// A caption, new or revised.
    Cue {
        /// Of which track.
        track: Track,
        /// Counts up within the track.
        cue: u64,
        /// Counts up within the cue.
        revision: u32,
        /// The language of the text.
        language: String,
        /// The meeting's time of the first word.
        t0_ms: i64,
        /// The meeting's time of the last word's end.
        t1_ms: i64,
        /// Never taken back: each revision's begins with that of the one before.
        committed: String,
        /// The recogniser's guess at what follows.
        tentative: String,
        /// No further revision comes; nothing is tentative. Where nothing is committed either the guess was nothing.
        finished: bool,
    },
    /// The answer to a close: nothing of this track follows.
    Closed {
        /// Which.
        track: Track,
    },
    /// How the worker keeps up.
    Load {
        /// How many passes wait.
        waiting: u32,
        /// Whether captions come later than they should.
        delayed: bool,
        /// Whether there are only finished cues.
        finals_only: bool,
    },
    /// The answer to a ping.
    Pong {
        /// Of the ping.
        nonce: u64,
    },
    /// What a finished cue is in English, where that was asked for.
    English {
        /// Of which track.
        track: Track,
        /// Of which cue.
        cue: u64,
        /// None where it could not be done.
        text: Option<String>,
    },
    /// Whether the captions of one track come later than they should.
    Late {
        /// Of which track.
        track: Track,
        /// Whether they do.
        late: bool,
    },
}

/// What translates.
#[derive(Clone, PartialEq, Eq)]
pub enum Engine {
    /// Apertium's programs, as this machine has them.
    Apertium,
    /// Models in a folder.
    Neural {
        /// The folder's path.
        models: String,
    },
    /// A server that speaks LibreTranslate's protocol.
    Http {
        /// Where it is.
        address: String,
        /// What it asks for; may be empty.
        key: String,
    },
}

/// From the server to a translator.
#[derive(Clone, PartialEq, Eq)]
pub enum ToTranslator {
    /// Comes first.
    Hello {
        /// [`super::VERSION`].
        version: u16,
        /// What translates.
        engine: Engine,
    },
    /// Texts of one room, to translate together.
    Translate {
        /// Comes back.
        id: u64,
        /// Their language.
        source: String,
        /// The language wanted.
        target: String,
        /// The texts.
        texts: Vec<String>,
    },
    /// Answered by a pong.
    Ping {
        /// Comes back.
        nonce: u64,
    },
}

/// From a translator to the server.
#[derive(Clone, PartialEq, Eq)]
pub enum FromTranslator {
    /// The answer to a hello.
    Ready {
        /// [`super::VERSION`].
        version: u16,
        /// What the engine is called.
        engine: String,
        /// From which language into which.
        pairs: Vec<(String, String)>,
    },
    /// The worker ends now, and why.
    Failed {
        /// A line for the log.
        reason: String,
    },
    /// The answer to a request.
    Translated {
        /// Of the request.
        id: u64,
        /// One for each text; none where translation failed.
        texts: Vec<Option<String>>,
    },
    /// The answer to a ping.
    Pong {
        /// Of the ping.
        nonce: u64,
    },
}

impl Codec {
    fn number(self) -> u8 {
        match self {
            Self::Opus => 0,
            Self::G722 => 1,
            Self::Pcmu => 2,
            Self::Pcma => 3,
        }
    }

    fn of(number: u8) -> Result<Self, WireError> {
        match number {
            0 => Ok(Self::Opus),
            1 => Ok(Self::G722),
            2 => Ok(Self::Pcmu),
            3 => Ok(Self::Pcma),
            _ => Err(WireError::Unknown("codec")),
        }
    }
}

impl Closing {
    fn number(self) -> u8 {
        match self {
            Self::Ended => 0,
            Self::Cut => 1,
        }
    }

    fn of(number: u8) -> Result<Self, WireError> {
        match number {
            0 => Ok(Self::Ended),
            1 => Ok(Self::Cut),
            _ => Err(WireError::Unknown("reason")),
        }
    }
}

impl Engine {
    fn write(&self, to: &mut Writer) {
        match self {
            Self::Apertium => to.u8(0),
            Self::Neural { models } => {
                to.u8(1);
                to.text("models", models, MAX_PATH);
            }
            Self::Http { address, key } => {
                to.u8(2);
                to.text("address", address, MAX_PATH);
                to.text("key", key, MAX_PATH);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        match from.u8("engine")? {
            0 => Ok(Self::Apertium),
            1 => Ok(Self::Neural {
                models: from.text("models", MAX_PATH)?,
            }),
            2 => Ok(Self::Http {
                address: from.text("address", MAX_PATH)?,
                key: from.text("key", MAX_PATH)?,
            }),
            _ => Err(WireError::Unknown("engine")),
        }
    }
}

impl Message for ToRecogniser {
    fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut to;
        match self {
            Self::Hello {
                version,
                model,
                language,
                partial_step_ms,
            } => {
                to = Writer::new(0);
                to.u16(*version);
                to.text("model", model, MAX_PATH);
                write_language(&mut to, language.as_deref());
                to.u16(*partial_step_ms);
            }
            Self::Open {
                track,
                codec,
                language,
                hints,
            } => {
                to = Writer::new(1);
                to.u64(track.0);
                to.u8(codec.number());
                write_language(&mut to, language.as_deref());
                to.list("hints", hints, MAX_HINTS, |to, hint| {
                    to.text("hint", hint, MAX_HINT);
                });
            }
            Self::Audio {
                track,
                sequence,
                timestamp,
                at_ms,
                payload,
            } => {
                to = Writer::new(2);
                to.u64(track.0);
                to.u64(*sequence);
                to.u32(*timestamp);
                to.i64(*at_ms);
                to.bytes("payload", payload, MAX_PAYLOAD);
            }
            Self::Close { track, why } => {
                to = Writer::new(3);
                to.u64(track.0);
                to.u8(why.number());
            }
            Self::Ping { nonce } => {
                to = Writer::new(4);
                to.u64(*nonce);
            }
            Self::English { track, wanted } => {
                to = Writer::new(5);
                to.u64(track.0);
                to.bool(*wanted);
            }
        }
        to.finish()
    }

    fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(frame);
        let message = match from.u8("kind")? {
            0 => Self::Hello {
                version: from.u16("version")?,
                model: from.text("model", MAX_PATH)?,
                language: read_language(&mut from)?,
                partial_step_ms: from.u16("step")?,
            },
            1 => Self::Open {
                track: track(&mut from)?,
                codec: Codec::of(from.u8("codec")?)?,
                language: read_language(&mut from)?,
                hints: from.list("hints", MAX_HINTS, |from| from.text("hint", MAX_HINT))?,
            },
            2 => Self::Audio {
                track: track(&mut from)?,
                sequence: from.u64("sequence")?,
                timestamp: from.u32("timestamp")?,
                at_ms: from.i64("time")?,
                payload: from.bytes("payload", MAX_PAYLOAD)?.to_vec(),
            },
            3 => Self::Close {
                track: track(&mut from)?,
                why: Closing::of(from.u8("reason")?)?,
            },
            4 => Self::Ping {
                nonce: from.u64("nonce")?,
            },
            5 => Self::English {
                track: track(&mut from)?,
                wanted: from.bool("wanted")?,
            },
            _ => return Err(WireError::Unknown("kind")),
        };
        from.finish()?;
        Ok(message)
    }
}

impl Message for FromRecogniser {
    fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut to;
        match self {
            Self::Ready {
                version,
                model,
                languages,
                multilingual,
            } => {
                to = Writer::new(0);
                to.u16(*version);
                to.line("model", model, MAX_REASON);
                to.list("languages", languages, MAX_LANGUAGES, |to, language| {
                    to.text("language", language, MAX_LANGUAGE);
                });
                to.bool(*multilingual);
            }
            Self::Failed { reason } => {
                to = Writer::new(1);
                to.line("reason", reason, MAX_REASON);
            }
            Self::Cue {
                track,
                cue,
                revision,
                language,
                t0_ms,
                t1_ms,
                committed,
                tentative,
                finished,
            } => {
                to = Writer::new(2);
                to.u64(track.0);
                to.u64(*cue);
                to.u32(*revision);
                to.text("language", language, MAX_LANGUAGE);
                to.i64(*t0_ms);
                to.i64(*t1_ms);
                to.text("committed text", committed, MAX_CUE_TEXT);
                to.text("tentative text", tentative, MAX_CUE_TEXT);
                to.bool(*finished);
            }
            Self::Closed { track } => {
                to = Writer::new(3);
                to.u64(track.0);
            }
            Self::Load {
                waiting,
                delayed,
                finals_only,
            } => {
                to = Writer::new(4);
                to.u32(*waiting);
                to.bool(*delayed);
                to.bool(*finals_only);
            }
            Self::Pong { nonce } => {
                to = Writer::new(5);
                to.u64(*nonce);
            }
            Self::English { track, cue, text } => {
                to = Writer::new(6);
                to.u64(track.0);
                to.u64(*cue);
                to.option(text.as_deref(), |to, text| {
                    to.text("English text", text, MAX_CUE_TEXT);
                });
            }
            Self::Late { track, late } => {
                to = Writer::new(7);
                to.u64(track.0);
                to.bool(*late);
            }
        }
        to.finish()
    }

    fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(frame);
        let message = match from.u8("kind")? {
            0 => Self::Ready {
                version: from.u16("version")?,
                model: from.line("model", MAX_REASON)?,
                languages: from.list("languages", MAX_LANGUAGES, |from| {
                    from.text("language", MAX_LANGUAGE)
                })?,
                multilingual: from.bool("multilingual")?,
            },
            1 => Self::Failed {
                reason: from.line("reason", MAX_REASON)?,
            },
            2 => Self::Cue {
                track: track(&mut from)?,
                cue: from.u64("cue")?,
                revision: from.u32("revision")?,
                language: from.text("language", MAX_LANGUAGE)?,
                t0_ms: from.i64("begin")?,
                t1_ms: from.i64("end")?,
                committed: from.text("committed text", MAX_CUE_TEXT)?,
                tentative: from.text("tentative text", MAX_CUE_TEXT)?,
                finished: from.bool("finished")?,
            },
            3 => Self::Closed {
                track: track(&mut from)?,
            },
            4 => Self::Load {
                waiting: from.u32("waiting")?,
                delayed: from.bool("delayed")?,
                finals_only: from.bool("finals only")?,
            },
            5 => Self::Pong {
                nonce: from.u64("nonce")?,
            },
            6 => Self::English {
                track: track(&mut from)?,
                cue: from.u64("cue")?,
                text: from.option("English text", |from| {
                    from.text("English text", MAX_CUE_TEXT)
                })?,
            },
            7 => Self::Late {
                track: track(&mut from)?,
                late: from.bool("late")?,
            },
            _ => return Err(WireError::Unknown("kind")),
        };
        from.finish()?;
        Ok(message)
    }
}

impl Message for ToTranslator {
    fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut to;
        match self {
            Self::Hello { version, engine } => {
                to = Writer::new(0);
                to.u16(*version);
                engine.write(&mut to);
            }
            Self::Translate {
                id,
                source,
                target,
                texts,
            } => {
                to = Writer::new(1);
                to.u64(*id);
                to.text("source", source, MAX_LANGUAGE);
                to.text("target", target, MAX_LANGUAGE);
                to.list("texts", texts, MAX_TEXTS, |to, text| {
                    to.text("text", text, MAX_TEXT);
                });
            }
            Self::Ping { nonce } => {
                to = Writer::new(2);
                to.u64(*nonce);
            }
        }
        to.finish()
    }

    fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(frame);
        let message = match from.u8("kind")? {
            0 => Self::Hello {
                version: from.u16("version")?,
                engine: Engine::read(&mut from)?,
            },
            1 => Self::Translate {
                id: from.u64("id")?,
                source: from.text("source", MAX_LANGUAGE)?,
                target: from.text("target", MAX_LANGUAGE)?,
                texts: from.list("texts", MAX_TEXTS, |from| from.text("text", MAX_TEXT))?,
            },
            2 => Self::Ping {
                nonce: from.u64("nonce")?,
            },
            _ => return Err(WireError::Unknown("kind")),
        };
        from.finish()?;
        Ok(message)
    }
}

impl Message for FromTranslator {
    fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut to;
        match self {
            Self::Ready {
                version,
                engine,
                pairs,
            } => {
                to = Writer::new(0);
                to.u16(*version);
                to.line("engine", engine, MAX_REASON);
                to.list("pairs", pairs, MAX_PAIRS, |to, (source, target)| {
                    to.text("source", source, MAX_LANGUAGE);
                    to.text("target", target, MAX_LANGUAGE);
                });
            }
            Self::Failed { reason } => {
                to = Writer::new(1);
                to.line("reason", reason, MAX_REASON);
            }
            Self::Translated { id, texts } => {
                to = Writer::new(2);
                to.u64(*id);
                to.list("texts", texts, MAX_TEXTS, |to, text| {
                    to.option(text.as_deref(), |to, text| to.text("text", text, MAX_TEXT));
                });
            }
            Self::Pong { nonce } => {
                to = Writer::new(3);
                to.u64(*nonce);
            }
        }
        to.finish()
    }

    fn decode(frame: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(frame);
        let message = match from.u8("kind")? {
            0 => Self::Ready {
                version: from.u16("version")?,
                engine: from.line("engine", MAX_REASON)?,
                pairs: from.list("pairs", MAX_PAIRS, |from| {
                    Ok((
                        from.text("source", MAX_LANGUAGE)?,
                        from.text("target", MAX_LANGUAGE)?,
                    ))
                })?,
            },
            1 => Self::Failed {
                reason: from.line("reason", MAX_REASON)?,
            },
            2 => Self::Translated {
                id: from.u64("id")?,
                texts: from.list("texts", MAX_TEXTS, |from| {
                    from.option("text", |from| from.text("text", MAX_TEXT))
                })?,
            },
            3 => Self::Pong {
                nonce: from.u64("nonce")?,
            },
            _ => return Err(WireError::Unknown("kind")),
        };
        from.finish()?;
        Ok(message)
    }
}

fn track(from: &mut Reader<'_>) -> Result<Track, WireError> {
    from.u64("track").map(Track)
}

fn write_language(to: &mut Writer, language: Option<&str>) {
    to.option(language, |to, language| {
        to.text("language", language, MAX_LANGUAGE);
    });
}

fn read_language(from: &mut Reader<'_>) -> Result<Option<String>, WireError> {
    from.option("language", |from| from.text("language", MAX_LANGUAGE))
}

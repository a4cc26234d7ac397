//! The models that can be named: file, size, digest, languages and cost.
//!
//! Sizes and SHA-256 are those that the publisher (`ggerganov/whisper.cpp` at Hugging Face) states for the revision of
//! [`DEFAULT_ADDRESS`]; independent lists of the same files agree with each.

/// Where the known files are fetched from unless the settings say otherwise: one revision, so that a name stands for one
/// file for ever.
pub const DEFAULT_ADDRESS: &str =
    "https://huggingface.co/ggerganov/whisper.cpp/resolve/5359861c739e955e79d9a303bcbc70fb988958b1";

/// What a model understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Languages {
    /// 99 languages.
    Many,
    /// 99 languages and Cantonese.
    ManyAndCantonese,
}

/// What captions of one person who talks without a pause cost: milliseconds of one core for each second of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Measured on one core of a shared AMD EPYC server: words every second, every two seconds, whole sentences only.
    Measured {
        /// Words appear after a second.
        each_second: u32,
        /// Words appear after two seconds.
        each_two: u32,
        /// Sentences appear when they end.
        sentences: u32,
    },
    /// Not measured by us.
    Unmeasured,
}

/// A model that `conclave captions fetch` knows by name.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The name of its file, here and where it is published.
    pub file: &'static str,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: &'static str,
    /// What it understands.
    pub languages: Languages,
    /// What it costs.
    pub cost: Cost,
}

/// The model of this name.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|model| model.name == name)
}

/// Every known model, the cheapest first. The first of each pair is the faster one, the second the smaller.
pub const KNOWN: &[Known] = &[
    Known {
        name: "tiny",
        file: "ggml-tiny-q8_0.bin",
        size: 43_537_433,
        sha256: "c2085835d3f50733e2ff6e4b41ae8a2b8d8110461e18821b09a15c40c42d1cca",
        languages: Languages::Many,
        cost: Cost::Measured {
            each_second: 212,
            each_two: 106,
            sentences: 26,
        },
    },
    Known {
        name: "tiny-q5_1",
        file: "ggml-tiny-q5_1.bin",
        size: 32_152_673,
        sha256: "818710568da3ca15689e31a743197b520007872ff9576237bda97bd1b469c3d7",
        languages: Languages::Many,
        cost: Cost::Unmeasured,
    },
    Known {
        name: "base",
        file: "ggml-base-q8_0.bin",
        size: 81_768_585,
        sha256: "c577b9a86e7e048a0b7eada054f4dd79a56bbfa911fbdacf900ac5b567cbb7d9",
        languages: Languages::Many,
        cost: Cost::Measured {
            each_second: 422,
            each_two: 211,
            sentences: 52,
        },
    },
    Known {
        name: "base-q5_1",
        file: "ggml-base-q5_1.bin",
        size: 59_707_625,
        sha256: "422f1ae452ade6f30a004d7e5c6a43195e4433bc370bf23fac9cc591f01a8898",
        languages: Languages::Many,
        cost: Cost::Unmeasured,
    },
    Known {
        name: "small",
        file: "ggml-small-q8_0.bin",
        size: 264_464_607,
        sha256: "49c8fb02b65e6049d5fa6c04f81f53b867b5ec9540406812c643f177317f779f",
        languages: Languages::Many,
        cost: Cost::Measured {
            each_second: 1_533,
            each_two: 767,
            sentences: 191,
        },
    },
    Known {
        name: "small-q5_1",
        file: "ggml-small-q5_1.bin",
        size: 190_085_487,
        sha256: "ae85e4a935d7a567bd102fe55afc16bb595bdb618e11b2fc7591bc08120411bb",
        languages: Languages::Many,
        cost: Cost::Unmeasured,
    },
    Known {
        name: "medium",
        file: "ggml-medium-q8_0.bin",
        size: 823_369_779,
        sha256: "42a1ffcbe4167d224232443396968db4d02d4e8e87e213d3ee2e03095dea6502",
        languages: Languages::Many,
        cost: Cost::Unmeasured,
    },
    Known {
        name: "medium-q5_0",
        file: "ggml-medium-q5_0.bin",
        size: 539_212_467,
        sha256: "19fea4b380c3a618ec4723c3eef2eb785ffba0d0538cf43f8f235e7b3b34220f",
        languages: Languages::Many,
        cost: Cost::Unmeasured,
    },
    Known {
        name: "large-v3-turbo",
        file: "ggml-large-v3-turbo-q8_0.bin",
        size: 874_188_075,
        sha256: "317eb69c11673c9de1e1f0d459b253999804ec71ac4c23c17ecf5fbe24e259a1",
        languages: Languages::ManyAndCantonese,
        cost: Cost::Unmeasured,
    },
    Known {
        name: "large-v3-turbo-q5_0",
        file: "ggml-large-v3-turbo-q5_0.bin",
        size: 574_041_195,
        sha256: "394221709cd5ad1f40c46e6031ca61bce88931e6e088c188294c6d5a55ffa7e2",
        languages: Languages::ManyAndCantonese,
        cost: Cost::Unmeasured,
    },
];

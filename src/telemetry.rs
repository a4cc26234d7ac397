//! What an operator sees: log lines without personal data, and the samples for Prometheus that the parts register.

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::media::counters::MediaCounters;

/// The mark with which the text format ends.
const END: &str = "# EOF\n";

/// What of the media plane's counters is shown for each of its threads too.
const OF_EACH: [&str; 6] = [
    "peers",
    "busy_microseconds",
    "datagrams_received",
    "datagrams_sent",
    "strays",
    "letters_dropped",
];

/// Everything registered, as Prometheus reads it, and the counters of the media plane's shards by name and value.
pub fn samples(registry: &Registry, shards: &[MediaCounters]) -> String {
    let mut text = String::new();
    if encode(&mut text, registry).is_err() {
        tracing::error!("metrics cannot be encoded");
        text.clear();
    }
    let body = text.strip_suffix(END).map_or(text.len(), str::len);
    text.truncate(body);
    let all = shards.iter().copied();
    let all = all.fold(MediaCounters::default(), MediaCounters::plus);
    for (name, value) in all.iter() {
        let name = format!("conclave_media_{name}");
        family(&mut text, &name, [(String::new(), value)].into_iter());
    }
    for name in OF_EACH {
        let each = (0..).zip(shards).filter_map(|(shard, counters): (u8, _)| {
            let (_, value) = counters.iter().find(|(known, _)| *known == name)?;
            Some((format!("{{shard=\"{shard}\"}}"), value))
        });
        family(&mut text, &format!("conclave_media_shard_{name}"), each);
    }
    text.push_str(END);
    text
}

/// The samples of one name, by their labels.
fn family(text: &mut String, name: &str, samples: impl Iterator<Item = (String, u64)>) {
    // How many transports stand rises and falls; everything else only rises.
    let (kind, end) = match name.ends_with("_peers") {
        true => ("gauge", ""),
        false => ("counter", "_total"),
    };
    // Writing to a string cannot fail.
    let _infallible = writeln!(text, "# TYPE {name} {kind}");
    for (labels, value) in samples {
        let _infallible = writeln!(text, "{name}{end}{labels} {value}");
    }
}

/// Starts logging to standard error.
pub fn log(json: bool, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("`log.filter`: {error}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match json {
        true => lines.json().boxed(),
        false => lines.compact().boxed(),
    };
    let started = tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(is_ours_or_brief))
        .with(lines)
        .try_init();
    started.map_err(|error| error.to_string())
}

/// What libraries trace holds what they carry: tungstenite writes out every frame, with words, names and passwords. No filter asks
/// for that.
fn is_ours_or_brief(said: &Metadata<'_>) -> bool {
    *said.level() <= Level::DEBUG || said.target().starts_with("conclave")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::counters::Counters;
    use crate::rooms::refusal::ErrorCode;

    #[test]
    fn what_alerts_and_their_page_name_is_counted() {
        let known: Vec<_> = MediaCounters::default()
            .iter()
            .map(|(name, _)| name)
            .collect();
        let mut named = 0;
        for text in [
            include_str!("../ops/alerts.yml"),
            include_str!("../docs/metrics.md"),
        ] {
            for word in
                text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
            {
                let word = word.strip_prefix("conclave_").unwrap_or(word);
                let Some(name) = word.strip_prefix("media_") else {
                    continue;
                };
                let name = name.strip_suffix("_total").unwrap_or(name);
                let name = match name.strip_prefix("shard_") {
                    Some(name) => {
                        assert!(OF_EACH.contains(&name), "{word}");
                        name
                    }
                    None => name,
                };
                // A name that ends on an underscore is the beginning of several.
                let found = known.iter().any(|known| {
                    *known == name || (name.ends_with('_') && known.starts_with(name))
                });
                assert!(found || name.is_empty(), "{word}");
                named += 1;
            }
        }
        assert!(named > 20);
    }

    #[test]
    fn samples_end_with_the_mark_of_the_format() {
        let (counters, mut registry) = (Counters::default(), Registry::with_prefix("conclave"));
        counters.register(&mut registry);
        counters.closed(ErrorCode::Removed);
        let shard = |forwarded_audio, peers, busy_microseconds| MediaCounters {
            forwarded_audio,
            peers,
            busy_microseconds,
            ..MediaCounters::default()
        };
        let text = samples(&registry, &[shard(1, 2, 50), shard(2, 0, 70)]);
        assert!(
            text.contains("conclave_websockets_closed_total{code=\"removed\"} 1"),
            "{text}"
        );
        assert!(text.contains("conclave_media_forwarded_audio_total 3"));
        assert!(text.contains("conclave_media_peers 2"));
        let each = "conclave_media_shard_busy_microseconds_total{shard=\"0\"} 50\n\
                    conclave_media_shard_busy_microseconds_total{shard=\"1\"} 70\n";
        assert!(text.contains(each), "{text}");
        assert!(text.contains("conclave_media_shard_peers{shard=\"1\"} 0"));
        assert!(text.ends_with(END));
    }
}

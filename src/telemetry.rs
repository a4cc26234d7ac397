//! What an operator sees: log lines without personal data, and the samples for Prometheus that the parts register.

use std::fmt::Write as _;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

/// The mark with which the text format ends.
const END: &str = "# EOF\n";

/// Everything registered, as Prometheus reads it, and the counters of the media plane by name and value.
pub fn samples(registry: &Registry, media: impl Iterator<Item = (&'static str, u64)>) -> String {
    let mut text = String::new();
    if encode(&mut text, registry).is_err() {
        tracing::error!("metrics cannot be encoded");
        text.clear();
    }
    let body = text.strip_suffix(END).map_or(text.len(), str::len);
    text.truncate(body);
    for (name, value) in media {
        let name = format!("conclave_media_{name}");
        // How many transports stand rises and falls; everything else only rises.
        let lines = match name.ends_with("_peers") {
            true => format!("# TYPE {name} gauge\n{name} {value}"),
            false => format!("# TYPE {name} counter\n{name}_total {value}"),
        };
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "{lines}");
    }
    text.push_str(END);
    text
}

/// Starts logging to standard error.
pub fn log(json: bool, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("`log.filter`: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if json {
        builder.json().try_init()
    } else {
        builder.compact().try_init()
    };
    started.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::counters::Counters;
    use crate::media::counters::MediaCounters;
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
        let text = samples(
            &registry,
            [("forwarded_audio", 3), ("peers", 2)].into_iter(),
        );
        assert!(
            text.contains("conclave_websockets_closed_total{code=\"removed\"} 1"),
            "{text}"
        );
        assert!(text.contains("conclave_media_forwarded_audio_total 3"));
        assert!(text.contains("conclave_media_peers 2"));
        assert!(text.ends_with(END));
    }
}

//! What the gateway counts, for Prometheus. No label names a room, a person or an address.

use std::fmt::Write as _;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::rooms::refusal::ErrorCode;

/// Why a connection was closed, as a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    code: Code,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Code(ErrorCode);

impl EncodeLabelValue for Code {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0.as_str())
    }
}

/// Everything that the gateway counts.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Open WebSockets.
    pub connections: Gauge,
    /// WebSocket upgrades that were refused.
    pub upgrades_refused: Counter,
    /// Connections closed for speaking too often.
    pub rate_limited: Counter,
    closed: Family<Reason, Counter>,
}

impl Counters {
    /// Registers everything.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("websockets", "Open WebSockets", self.connections.clone());
        registry.register(
            "upgrades_refused",
            "Refused WebSocket upgrades",
            self.upgrades_refused.clone(),
        );
        registry.register(
            "rate_limited",
            "Connections closed for speaking too often",
            self.rate_limited.clone(),
        );
        registry.register(
            "websockets_closed",
            "Closed WebSockets by reason",
            self.closed.clone(),
        );
    }

    /// Counts a closed connection.
    pub fn closed(&self, code: ErrorCode) {
        self.closed
            .get_or_create(&Reason { code: Code(code) })
            .inc();
    }
}

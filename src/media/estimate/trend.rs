//! Whether a queue builds up on the way: groups of packets, the trend of their delay, and a threshold that adapts
//! (draft-ietf-rmcat-gcc-02, section 5; the trend is a line through the last delays instead of its Kalman filter, as in
//! Carlucci et al., "Congestion Control for Web Real-Time Communication", IEEE/ACM ToN 2017).

use std::collections::VecDeque;

/// Packets sent within this many microseconds form a group.
const GROUP: i64 = 5_000;
/// Groups that the line goes through.
const WINDOW: usize = 20;
/// How much of a smoothed delay remains when the next comes.
const SMOOTHING: f64 = 0.9;
/// From slope to the scale of the threshold.
const GAIN: f64 = 4.0;
/// Groups that count, at most, towards that.
const MOST_GROUPS: u32 = 60;
/// How long delays must rise, in milliseconds.
const OVER: f64 = 10.0;
/// How fast the threshold follows upwards and downwards.
const FOLLOW: (f64, f64) = (0.0087, 0.039);
/// Where the threshold begins, and between what it stays, in milliseconds.
const THRESHOLD: (f64, f64, f64) = (12.5, 6.0, 600.0);
/// A group so far from the threshold is a single event and does not move it.
const SPIKE: f64 = 15.0;
/// Arrivals so much later than their sending are another beginning, in microseconds.
const BREAK: i64 = 3_000_000;

/// What the way is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Delays stay.
    #[default]
    Normal,
    /// Delays rise: a queue grows.
    Over,
    /// Delays fall: a queue drains.
    Under,
}

/// Packets that were sent together.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
}

/// The detector.
#[derive(Debug)]
pub(crate) struct Trend {
    group: Option<Group>,
    before: Option<Group>,
    groups: u32,
    accumulated: f64,
    smoothed: f64,
    /// Time of arrival and smoothed delay, in milliseconds.
    line: VecDeque<(f64, f64)>,
    begun: i64,
    threshold: f64,
    updated: Option<f64>,
    over_for: Option<f64>,
    slope: f64,
    usage: Usage,
}

impl Trend {
    pub(crate) const fn new() -> Self {
        Self {
            group: None,
            before: None,
            groups: 0,
            accumulated: 0.0,
            smoothed: 0.0,
            line: VecDeque::new(),
            begun: 0,
            threshold: THRESHOLD.0,
            updated: None,
            over_for: None,
            slope: 0.0,
            usage: Usage::Normal,
        }
    }

    /// What it finds now.
    pub(crate) const fn usage(&self) -> Usage {
        self.usage
    }

    /// A packet was sent and arrived, in microseconds of the two clocks.
    pub(crate) fn packet(&mut self, sent: i64, arrived: i64) {
        let Some(group) = &mut self.group else {
            self.group = Some(Group::of(sent, arrived));
            return;
        };
        if sent < group.first_sent {
            // It was overtaken and belongs to a group that is closed.
            return;
        }
        if group.takes(sent, arrived) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrived = group.last_arrived.max(arrived);
            return;
        }
        let closed = *group;
        self.group = Some(Group::of(sent, arrived));
        if let Some(before) = self.before.replace(closed) {
            self.compare(before, closed);
        }
    }

    fn compare(&mut self, before: Group, group: Group) {
        let sent = group.last_sent - before.last_sent;
        let arrived = group.last_arrived - before.last_arrived;
        if arrived < 0 || (arrived - sent).abs() > BREAK {
            *self = Self {
                threshold: self.threshold,
                ..Self::new()
            };
            return;
        }
        if self.groups == 0 {
            self.begun = group.last_arrived;
        }
        self.groups = self.groups.saturating_add(1);
        let (sent, arrived) = (sent as f64 / 1000.0, arrived as f64 / 1000.0);
        self.accumulated += arrived - sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        let at = (group.last_arrived - self.begun) as f64 / 1000.0;
        self.line.push_back((at, self.smoothed));
        if self.line.len() > WINDOW {
            self.line.pop_front();
        }
        let slope = if self.line.len() == WINDOW {
            slope(&self.line).unwrap_or(self.slope)
        } else {
            self.slope
        };
        self.detect(slope, sent, at);
    }

    fn detect(&mut self, slope: f64, sent: f64, at: f64) {
        if self.groups < 2 {
            return;
        }
        let trend = f64::from(self.groups.min(MOST_GROUPS)) * slope * GAIN;
        if trend > self.threshold {
            let over = self.over_for.map_or(sent / 2.0, |over| over + sent);
            let lasting = self.over_for.is_some() && over > OVER;
            self.over_for = Some(over);
            if lasting && slope >= self.slope {
                self.over_for = Some(0.0);
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.usage = if trend < -self.threshold {
                Usage::Under
            } else {
                Usage::Normal
            };
        }
        self.slope = slope;
        self.adapt(trend.abs(), at);
    }

    fn adapt(&mut self, trend: f64, at: f64) {
        let before = self.updated.replace(at).unwrap_or(at);
        if trend > self.threshold + SPIKE {
            return;
        }
        let follow = if trend < self.threshold {
            FOLLOW.1
        } else {
            FOLLOW.0
        };
        let elapsed = (at - before).clamp(0.0, 100.0);
        let threshold = self.threshold + follow * (trend - self.threshold) * elapsed;
        self.threshold = threshold.clamp(THRESHOLD.1, THRESHOLD.2);
    }
}

/// How long packets wait on the way, beside the least that they ever waited lately.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// When the present part of the memory began.
    since: i64,
    /// The least difference of the two clocks in this part and in the one before.
    least: Option<(i64, i64)>,
    smoothed: f64,
}

/// How long one part of that memory lasts: clocks drift less than a millisecond in two.
const PART: i64 = 10_000_000;

impl Standing {
    /// A packet was sent and arrived, in microseconds of the two clocks; for how long it waited.
    pub(crate) fn packet(&mut self, sent: i64, arrived: i64) -> i64 {
        let took = arrived - sent;
        let (now, before) = match self.least {
            Some((_, before)) if (took - before).abs() > BREAK => (took, took),
            Some((now, _)) if sent - self.since > PART => {
                self.since = sent;
                (took, now)
            }
            Some((now, before)) => (now.min(took), before),
            None => (took, took),
        };
        self.least = Some((now, before));
        let waits = took - now.min(before);
        self.smoothed += (waits as f64 - self.smoothed) * 0.1;
        waits
    }

    /// The wait, in milliseconds.
    pub(crate) fn milliseconds(&self) -> f64 {
        self.smoothed / 1000.0
    }
}

impl Group {
    const fn of(sent: i64, arrived: i64) -> Self {
        Self {
            first_sent: sent,
            last_sent: sent,
            first_arrived: arrived,
            last_arrived: arrived,
        }
    }

    /// Whether a packet belongs to it: sent with it, or held up with it and let go at once.
    const fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent - self.first_sent <= GROUP {
            return true;
        }
        let late = (arrived - self.last_arrived) - (sent - self.last_sent);
        late < 0 && arrived - self.last_arrived <= GROUP && arrived - self.first_arrived < 100_000
    }
}

/// The slope of the line with the least squares.
fn slope(line: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = line.len() as f64;
    let (sum_x, sum_y) = line
        .iter()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = line.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        (
            above + (x - mean_x) * (y - mean_y),
            below + (x - mean_x) * (x - mean_x),
        )
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets every 10 ms over a link that takes `takes` microseconds for each.
    fn run(trend: &mut Trend, from: i64, packets: i64, takes: i64, jitter: i64) -> Vec<Usage> {
        let mut free = 0;
        let mut found = Vec::new();
        for packet in 0..packets {
            let sent = from + packet * 10_000;
            free = (sent + 20_000).max(free) + takes;
            let noise = (packet * 7919 % 13) * jitter / 13;
            trend.packet(sent, free + noise);
            found.push(trend.usage());
        }
        found
    }

    #[test]
    fn a_growing_queue_is_found_within_a_few_hundred_milliseconds() {
        let mut trend = Trend::new();
        assert!(
            run(&mut trend, 0, 200, 8_000, 0)
                .iter()
                .all(|usage| *usage == Usage::Normal)
        );
        let found = run(&mut trend, 2_000_000, 60, 12_000, 0);
        let first = found.iter().position(|usage| *usage == Usage::Over);
        assert!(first.is_some_and(|first| first < 40), "{first:?}");
    }

    #[test]
    fn a_steady_way_with_jitter_is_normal() {
        let mut trend = Trend::new();
        let found = run(&mut trend, 0, 3000, 5_000, 8_000);
        let over = found.iter().filter(|usage| **usage == Usage::Over).count();
        assert!(over < 30, "{over}");
    }

    #[test]
    fn another_clock_begins_anew() {
        let mut trend = Trend::new();
        run(&mut trend, 0, 100, 5_000, 0);
        for packet in 0..100 {
            trend.packet(1_000_000 + packet * 10_000, 90_000_000 + packet * 10_000);
        }
        assert_eq!(trend.usage(), Usage::Normal);
    }
}

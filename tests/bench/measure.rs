//! What all figures share: how they are printed, medians, and what the kernel says about a process.

use std::time::Duration;

/// Prints one figure.
pub(crate) fn figure(name: &str, value: f64, unit: &str, ratio: Option<f64>) {
    let ratio = ratio.map_or(String::new(), |ratio| format!(" ratio={}", short(ratio)));
    println!("figure {name} {} {unit}{ratio}", short(value));
}

/// Prints how a figure came about.
pub(crate) fn note(text: &str) {
    println!("# {text}");
}

/// Three digits are more than such measurements are worth.
fn short(value: f64) -> String {
    match value {
        value if value.fract() == 0.0 => format!("{value}"),
        value if value.abs() >= 100.0 => format!("{value:.0}"),
        value if value.abs() >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// The value below which this share of the values lies (nearest rank).
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// CPU time, user and system, of a process or a thread: `path` is its folder under `/proc`.
pub(crate) fn cpu_time(path: &str) -> Duration {
    /// `USER_HZ`, which is the same on every Linux that this runs on.
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string(format!("{path}/stat")).unwrap();
    // The name before it may hold blanks.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = |place: usize| fields[place].parse::<u64>().unwrap();
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / TICKS)
}

/// Resident memory of a process, in KiB.
pub(crate) fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

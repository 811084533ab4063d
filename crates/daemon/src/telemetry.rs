//! What a process tells of itself: a log on standard error, metrics for Prometheus, and a health answer that did real work.

mod health;
mod server;

pub(crate) use health::reachable;
pub use health::{HEALTH_SECONDS_MAX, Health, Report, Standing};
pub use server::serve;

use crate::config::{Log, LogFormat};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use model::Role;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The environment variable that overrides `[log] level`.
pub const LEVEL_VARIABLE: &str = "BREVDUE_LOG";

/// Buckets of histograms named `…_seconds`: from a cached answer to a large message on a slow line.
const SECONDS_BUCKETS: [f64; 12] = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Buckets of histograms named `…_bytes`: from a line to the largest message.
const BYTES_BUCKETS: [f64; 8] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 4_194_304.0, 67_108_864.0];

/// Buckets of every other histogram, which counts things.
const COUNT_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0, 2048.0];

/// Telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is neither a level nor a list of directives.
    #[error("`{level}` is not a log level ({problem}); write error, warn, info, debug or trace, or info,imap=debug")]
    Level {
        /// As configured.
        level: String,
        /// What is wrong.
        problem: String,
    },
    /// The buckets are empty, which constants are not.
    #[error("the buckets of the histograms cannot be used: {0}")]
    Buckets(String),
    /// A second subscriber or recorder.
    #[error("set up a second time in one process: {0}")]
    Twice(String),
}

/// Sends tracing to standard error. Once, early in `main`.
pub fn init(log: &Log) -> Result<(), TelemetryError> {
    let level = std::env::var(LEVEL_VARIABLE).ok().filter(|level| !level.is_empty());
    let registry = tracing_subscriber::registry().with(filter(level.as_deref().unwrap_or(&log.level))?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let done = match log.format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    done.map_err(|error| TelemetryError::Twice(error.to_string()))
}

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let parsed = EnvFilter::builder().parse(level);
    parsed.map_err(|problem| TelemetryError::Level { level: level.to_owned(), problem: problem.to_string() })
}

/// The process's metrics. Clones are the same.
#[derive(Clone)]
pub struct Recorder {
    handle: PrometheusHandle,
}

impl Recorder {
    /// Records what goes through the `metrics` macros from here on, with the role as a label of everything. Once, before
    /// the first limit is made.
    pub fn install(role: Role) -> Result<Self, TelemetryError> {
        let handle = builder(role)?.install_recorder().map_err(|error| TelemetryError::Twice(error.to_string()))?;
        Ok(Self { handle })
    }

    /// Everything in Prometheus's text format.
    pub fn render(&self) -> String {
        // Moves what histograms gathered into their buckets; without it they would grow between scrapes.
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Keeps memory bounded when nobody scrapes.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

fn builder(role: Role) -> Result<PrometheusBuilder, TelemetryError> {
    let suffix = |end: &str| Matcher::Suffix(end.to_owned());
    PrometheusBuilder::new()
        .add_global_label("role", role.name())
        .set_buckets(&COUNT_BUCKETS)
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_seconds"), &SECONDS_BUCKETS))
        .and_then(|builder| builder.set_buckets_for_metric(suffix("_bytes"), &BYTES_BUCKETS))
        .map_err(|error| TelemetryError::Buckets(error.to_string()))
}

#[cfg(test)]
mod tests;

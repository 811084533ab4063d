//! What a process tells of itself: a log on standard error, metrics for Prometheus, and a health answer that did real work.

mod health;
mod server;

pub use health::{HEALTH_SECONDS_MAX, Health};
pub use server::serve;

use crate::config::{Log, LogFormat};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use model::Role;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The environment variable that overrides `[log] level`.
pub const LEVEL_VARIABLE: &str = "BREVDUE_LOG";

/// Seconds in which most of what is measured happens, from a cached answer to a large message.
const SECONDS_BUCKETS: [f64; 12] = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0];

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
    PrometheusBuilder::new()
        .add_global_label("role", role.name())
        .set_buckets(&SECONDS_BUCKETS)
        .map_err(|error| TelemetryError::Twice(error.to_string()))
}

#[cfg(test)]
mod tests;

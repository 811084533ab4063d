//! Configuration, TLS, tracing, metrics, health and shutdown, shared by every process.

pub mod accept;
pub mod ca;
pub mod clock;
pub mod config;
pub mod doors;
pub mod limits;
pub mod listen;
pub mod probe;
pub mod shared;
pub mod shutdown;
pub mod stream;
pub mod telemetry;
pub mod tls;

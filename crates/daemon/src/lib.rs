//! Configuration, TLS, tracing, metrics, health and shutdown, shared by every process.

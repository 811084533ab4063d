//! Stands in for `libsqlite3-sys` so that sqlx and rusqlite share one encrypting SQLite; it holds no code of its own.
pub use real::*;

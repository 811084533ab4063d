//! Snapshots of the catalogue: when they are taken, where they wait for the worker that carries them into a store, and the service
//! that it asks. How a copy is made and becomes a catalogue again is `catalogue`'s; stores are the worker's matter.

mod keeper;
mod limits;
mod service;

pub use keeper::KeepError;
pub(crate) use keeper::Keeper;
pub(crate) use service::Service;

//! The node over real sockets: sessions, pushes, deliveries and the drain, good and bad.

mod client;
mod delivery;
mod drain;
mod links;
mod pushes;
mod sessions;
mod transfers;
mod world;

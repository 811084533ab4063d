//! Trials of power cuts, under the names that these tests have for them.

pub use faulty_disk::{Acknowledged, Trial, fresh_disk as disk};

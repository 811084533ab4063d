//! What every format of an export does.

use crate::doors::manifest::Whole;
use crate::doors::piece::{Folder, Message};
use crate::failure::Failure;

/// A format. The calls come in the order of the mailbox: a folder, its messages, each begun, in pieces, and ended.
pub trait Sink: Send {
    /// What follows is of this folder.
    fn folder(&mut self, folder: &Folder) -> Result<(), Failure>;
    /// A message begins.
    fn begin(&mut self, message: Message) -> Result<(), Failure>;
    /// Octets of it.
    fn data(&mut self, data: &[u8]) -> Result<(), Failure>;
    /// It is whole.
    fn end(&mut self) -> Result<(), Failure>;
    /// That was all.
    fn finish(self: Box<Self>) -> Result<Whole, Failure>;
}

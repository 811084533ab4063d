//! The brevdue binary: a table of contents of its roles and commands.
fn main() {}

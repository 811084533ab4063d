//! A message in each file: one, or a tree of them. What a manifest says of them goes before what they look like.

use super::text::{FileText, time_of};
use super::tree::{self, Kind};
use super::{About, Out, Stopped, listed};
use std::path::Path;

/// One file.
pub fn file(path: &Path, out: &mut Out) -> Result<(), Stopped> {
    let about = About { internal_date_ms: time_of(path), ..About::default() };
    out.message(&path.display().to_string(), &mut FileText::new(path, about, false))
}

/// Every file of a tree that ends in `.eml`; its folders are the mailbox's, and what is at the top goes into INBOX.
pub fn tree(root: &Path, out: &mut Out) -> Result<(), Stopped> {
    let listed = listed::files(root, out)?;
    below(root, "", 0, &listed, out)
}

fn below(folder: &Path, name: &str, depth: usize, listed: &listed::Listed, out: &mut Out) -> Result<(), Stopped> {
    for entry in tree::entries(folder, depth, out)? {
        match entry.kind {
            Kind::File if tree::has_end(&entry.path, "eml") && !listed.contains(&entry.path) => {
                if !listed.enter(folder, out)? {
                    out.plain_folder(if name.is_empty() { model::folder::INBOX.to_owned() } else { name.to_owned() })?;
                }
                file(&entry.path, out)?;
            }
            Kind::File => {}
            Kind::Folder => {
                let name = tree::join(name, &tree::folder_level(&entry.name));
                below(&entry.path, &name, depth + 1, listed, out)?;
            }
        }
    }
    Ok(())
}

//! The options of LIST: which names are selected and what is told of each (RFC 5258 §3.1, §3.2, RFC 5819,
//! RFC 6154, RFC 9590).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::command::metadata;
use crate::command::status::{self, Item};

/// Options of one LIST; there are fewer kinds, and a client may repeat itself.
const OPTIONS_MAX: usize = 16;

/// Which names are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Only names that are subscribed to, also those that do not exist.
    pub subscribed: bool,
    /// Only folders with a special use.
    pub special_use: bool,
    /// Also names above those.
    pub recursive: bool,
}

/// What is told of them, beside what always is: \HasChildren and the special use.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returns {
    /// \Subscribed
    pub subscribed: bool,
    /// A STATUS of each with these items.
    pub status: Vec<Item>,
    /// The values of these entries of each.
    pub metadata: Vec<String>,
}

impl Selection {
    /// Reads the options in their parentheses, of which there may be none.
    ///
    /// # Errors
    /// One is not known, or RECURSIVEMATCH stands alone.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut selection = Self::default();
        cursor.list(OPTIONS_MAX, |cursor| {
            match cursor.atom()?.to_ascii_uppercase().as_str() {
                "SUBSCRIBED" => selection.subscribed = true,
                "SPECIAL-USE" => selection.special_use = true,
                "RECURSIVEMATCH" => selection.recursive = true,
                // There are no folders elsewhere that it could add.
                "REMOTE" => {}
                _ => return Err(Malformed("There is no such selection option")),
            }
            Ok(())
        })?;
        // RFC 5258 §3.1: it asks about the names below, and there must be something to ask.
        if selection.recursive && !selection.subscribed && !selection.special_use {
            return Err(Malformed("RECURSIVEMATCH needs another selection option, and not only REMOTE"));
        }
        Ok(selection)
    }
}

impl Returns {
    /// Reads the options in their parentheses, of which there may be none.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut returns = Self::default();
        cursor.list(OPTIONS_MAX, |cursor| {
            match cursor.atom()?.to_ascii_uppercase().as_str() {
                "SUBSCRIBED" => returns.subscribed = true,
                // Always told.
                "CHILDREN" | "SPECIAL-USE" => {}
                "STATUS" => {
                    cursor.space()?;
                    returns.status = status::items(cursor)?;
                }
                "METADATA" => {
                    cursor.space()?;
                    returns.metadata = metadata::entries(cursor)?;
                }
                _ => return Err(Malformed("There is no such return option")),
            }
            Ok(())
        })?;
        Ok(returns)
    }
}

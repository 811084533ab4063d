//! What a check found, with where it is.

use std::fmt;

/// Findings that one check tells of: who has more has a file to restore, not a list to read.
const FINDINGS_MAX: usize = 1_000;

/// Something that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// In the log rather than in the file itself.
    pub in_log: bool,
    /// The page, or the log's frame, from 1.
    pub page: Option<u64>,
    /// Octets from the beginning of the file or the log.
    pub offset: Option<u64>,
    /// The table or index.
    pub table: Option<String>,
    /// The row's id there.
    pub row: Option<i64>,
    /// The folder's id.
    pub folder: Option<u64>,
    /// The message there.
    pub uid: Option<u32>,
    /// What is wrong, in words that hold no address and no content.
    pub what: String,
}

impl Finding {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    pub(super) fn of_row(table: &str, row: i64, what: impl Into<String>) -> Self {
        Self { table: Some(table.to_owned()), row: Some(row), ..Self::new(what) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.in_log { "log frame" } else { "page" };
        let mut places = Vec::new();
        places.extend(self.page.map(|page| format!("{unit} {page}")));
        places.extend(self.offset.map(|offset| format!("offset {offset}")));
        places.extend(self.table.as_ref().map(|table| format!("table {table}")));
        places.extend(self.row.map(|row| format!("row {row}")));
        places.extend(self.folder.map(|folder| format!("folder {folder}")));
        places.extend(self.uid.map(|uid| format!("UID {uid}")));
        if places.is_empty() { f.write_str(&self.what) } else { write!(f, "{}: {}", places.join(", "), self.what) }
    }
}

/// Findings on their way out, and how many there were.
#[derive(Default)]
pub(super) struct Findings {
    waiting: Vec<Finding>,
    count: usize,
}

impl Findings {
    /// Adds one; the first beyond the limit says that there are more.
    pub(super) fn add(&mut self, finding: Finding) {
        self.count += 1;
        match self.count {
            ..=FINDINGS_MAX => self.waiting.push(finding),
            count if count == FINDINGS_MAX + 1 => self.waiting.push(Finding::new("there is more, which is not listed")),
            _ => {}
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_full(&self) -> bool {
        self.count > FINDINGS_MAX
    }

    pub(super) fn take(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.waiting)
    }
}

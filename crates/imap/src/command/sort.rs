//! SORT (RFC 5256 §3, RFC 5957), by message number and by UID, and with RETURN (RFC 5267 §3). The node sorts.

use super::search::extended::{Extended, Fits, fits};
use super::search::results::{self, Results};
use super::search::wanted::{Terms, both, told};
use super::search::{Criteria, Returns, end_line};
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::session::answer::{Answer, Outcome, Stop};
use crate::session::{Selected, Session, patiently};
use model::Uid;
use wire::session::{SearchKey, SortCriterion, SortField};

/// Criteria of one SORT: there are ten, and each counts only where those before it are equal.
const CRITERIA_MAX: usize = 20;

/// SORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// UID SORT.
    pub by_uid: bool,
    /// What is to be answered; `None` for the answer of RFC 5256.
    pub returns: Option<Returns>,
    /// By what, the first counts most.
    pub sort: Vec<Criterion>,
    /// What is wanted.
    pub criteria: Criteria,
}

/// One thing to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Criterion {
    /// REVERSE
    pub reverse: bool,
    /// What is compared; the rank is RELEVANCY.
    pub field: SortField,
}

impl Criterion {
    /// Whether it is RELEVANCY.
    pub fn is_relevancy(&self) -> bool {
        self.field == SortField::Rank
    }

    /// In the node's terms.
    pub fn wire(&self, ranks: Option<&Vec<wire::session::UidRuns>>) -> SortCriterion {
        let ranks = ranks.filter(|_| self.is_relevancy()).cloned().unwrap_or_default();
        SortCriterion { field: self.field.into(), reverse: self.reverse, ranks }
    }

    fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let reverse = cursor.word("REVERSE ");
        let field = match cursor.atom()?.to_ascii_uppercase().as_str() {
            "ARRIVAL" => SortField::Arrival,
            "CC" => SortField::Cc,
            "DATE" => SortField::Date,
            "DISPLAYFROM" => SortField::DisplayFrom,
            "DISPLAYTO" => SortField::DisplayTo,
            "FROM" => SortField::From,
            "RELEVANCY" => SortField::Rank,
            "SIZE" => SortField::Size,
            "SUBJECT" => SortField::Subject,
            "TO" => SortField::To,
            _ => return Err(Malformed("There is no such sort criterion")),
        };
        Ok(Self { reverse, field })
    }
}

impl Sort {
    /// Reads the options, the criteria, the charset and the keys.
    ///
    /// # Errors
    /// One is missing, malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        cursor.space()?;
        let returns = Returns::parse(cursor)?;
        let sort = cursor.list(CRITERIA_MAX, Criterion::parse)?;
        if sort.is_empty() {
            return Err(Malformed("Expected at least one sort criterion"));
        }
        cursor.space()?;
        Ok(Self { by_uid, returns, sort, criteria: Criteria::parse_after_charset(cursor)? })
    }

    /// Searches and sorts at the node.
    ///
    /// # Errors
    /// BAD without a selected folder, or for a message number that does not exist; NO of the node.
    pub async fn run(self, session: &mut Session, tag: &str) -> Outcome {
        if self.sort.iter().any(Criterion::is_relevancy) && !self.criteria.has_fuzzy() {
            // RFC 6203 §5
            return Ok(Answer::bad("RELEVANCY is of a search with FUZZY"));
        }
        if let Some(returns) = self.returns {
            let sort = Some(self.sort);
            let extended = Extended { by_uid: self.by_uid, returns, criteria: self.criteria, sort };
            return extended.run(session, tag).await;
        }
        session.selected()?;
        self.criteria.check(session)?;
        let mut selected = session.selected()?;
        let key = Terms::new(&selected).all_of(&self.criteria.keys)?;
        let fits = match self.sort.iter().any(Criterion::is_relevancy) {
            true => Some(fits(&mut selected, &self.criteria).await?),
            false => None,
        };
        let (results, modseq) = sorted(&mut selected, key, &self.sort, fits.as_ref()).await?;
        selected.connection.out.extend_from_slice(b"* SORT");
        results::write_plain(&mut selected, self.by_uid, &results).await?;
        end_line(&mut selected.connection.out, self.criteria.has_modseq().then_some(modseq));
        Ok(Answer::ok("Done"))
    }
}

/// What a search finds of what the client knows, in order, and the highest MODSEQ of it.
///
/// # Errors
/// NO of the node; the connection's end.
pub async fn sorted(
    selected: &mut Selected<'_>,
    key: SearchKey,
    sort: &[Criterion],
    fits: Option<&Fits>,
) -> Result<(Results, u64), Stop> {
    let ranks = fits.map(Fits::ranks).transpose()?;
    let request = wire::session::Sort {
        folder: selected.view.folder,
        key: Some(both(told(selected.view), key)),
        criteria: sort.iter().map(|criterion| criterion.wire(ranks.as_ref())).collect(),
    };
    let sorting = selected.node.sort(request);
    let sorted = patiently(selected.connection, selected.tag, sorting).await??;
    let known = selected.view.uids();
    let uids = sorted.uids.into_iter().filter_map(Uid::new).filter(|uid| known.contains(*uid));
    Ok((Results::Sorted(uids.collect()), sorted.highest_modseq))
}

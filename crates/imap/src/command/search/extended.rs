//! SEARCH and SORT with RETURN: one search, of which an ESEARCH tells what was asked (RFC 4731, RFC 5182, RFC 5267, RFC 9394).

use super::context::Context;
use super::criteria::Criteria;
use super::fuzzy::{Strength, score};
use super::results::{self, Correlator, Extras, Results};
use super::returns::Returns;
use super::streamed;
use super::wanted::{self, Terms};
use crate::command::sort::Criterion;
use crate::session::answer::{Answer, Code, Outcome, Status, Stop};
use crate::session::view::View;
use crate::session::{Selected, Session, patiently};
use model::{Uid, UidSet};
use wire::convert::uid_set;
use wire::session::SearchKey;

/// Runs of UIDs in the sets that order by relevancy: more do not fit a frame to the node.
const RANK_RUNS_MAX: usize = 50_000;

/// A searching command with RETURN.
#[derive(Debug)]
pub struct Extended {
    /// The UID form.
    pub by_uid: bool,
    /// What is to be answered.
    pub returns: Returns,
    /// What is wanted.
    pub criteria: Criteria,
    /// SORT: by what.
    pub sort: Option<Vec<Criterion>>,
}

/// Messages that fit a FUZZY search strictly.
pub struct Fits {
    whole: UidSet,
    words: UidSet,
}

impl Fits {
    fn score(&self, uid: Uid) -> u8 {
        if self.whole.contains(uid) {
            score(Strength::Whole)
        } else if self.words.contains(uid) {
            score(Strength::Words)
        } else {
            score(Strength::Stems)
        }
    }

    /// From best to worst.
    ///
    /// # Errors
    /// NO when they are too many to be sent.
    pub fn ranks(&self) -> Result<Vec<wire::session::UidRuns>, Stop> {
        let sets = [self.whole.clone(), self.words.difference(&self.whole)];
        if sets.iter().map(|set| set.runs().len()).sum::<usize>() > RANK_RUNS_MAX {
            return Err(Answer::refused("LIMIT", "Too many messages to sort by relevancy").into());
        }
        Ok(sets.iter().map(wire::session::UidRuns::from).collect())
    }
}

impl Extended {
    /// Searches and answers.
    ///
    /// # Errors
    /// BAD for what makes no sense; NO of the node.
    pub async fn run(self, session: &mut Session, tag: &str) -> Outcome {
        let save = self.returns.save;
        let outcome = self.answer(session, tag).await;
        let failed = match &outcome {
            Ok(answer) => answer.status == Status::No,
            Err(Stop::Answer(answer)) => answer.status == Status::No,
            Err(Stop::Answered | Stop::End(_)) => false,
        };
        // RFC 5182 §2.1: a SAVE that fails with NO leaves nothing saved; with BAD what was saved stays.
        if let (true, Ok(selected)) = (save && failed, session.selected()) {
            selected.view.searches.saved = UidSet::new();
        }
        outcome
    }

    async fn answer(self, session: &mut Session, tag: &str) -> Outcome {
        session.selected()?;
        self.criteria.check(session)?;
        if self.returns.relevancy && !self.criteria.has_fuzzy() {
            // RFC 6203 §4
            return Ok(Answer::bad("RELEVANCY is of a search with FUZZY"));
        }
        let mut selected = session.selected()?;
        if self.returns.update && selected.view.searches.has(tag) {
            return Ok(Answer::bad("The tag is in use for updates"));
        }
        let key = Terms::new(&selected).all_of(&self.criteria.keys)?;
        let by_relevancy = self.sort.as_ref().is_some_and(|sort| sort.iter().any(Criterion::is_relevancy));
        let fits = match self.returns.relevancy || by_relevancy {
            true => Some(fits(&mut selected, &self.criteria).await?),
            false => None,
        };
        let correlator = Correlator { tag, folder: None, uid: self.by_uid };
        let streams = self.sort.is_none() && streamed::is_for(&self.returns);
        let (results, mut modseq) = match &self.sort {
            None if streams => {
                let by_modseq = self.criteria.has_modseq();
                streamed::all(&mut selected, key.clone(), &correlator, &self.returns, by_modseq).await?
            }
            None => search(&mut selected, key.clone()).await?,
            Some(sort) => crate::command::sort::sorted(&mut selected, key.clone(), sort, fits.as_ref()).await?,
        };
        let named = results.named(&self.returns);
        if !self.criteria.has_modseq() {
            modseq = 0;
        } else if named.len() < results.len() {
            // RFC 7162 §3.1.10: the highest MODSEQ of those that are told.
            (_, modseq) = search(&mut selected, wanted::both(wanted::among(&named), key.clone())).await?;
        }
        if self.returns.tells() && !streams {
            let score = |uid| fits.as_ref().map_or(score(Strength::Stems), |fits| fits.score(uid));
            let extras = Extras { modseq, score: if self.returns.relevancy { Some(&score) } else { None } };
            let (connection, view) = (&mut *selected.connection, &*selected.view);
            results::write(connection, Some(view), &correlator, &self.returns, &results, &extras).await?;
        }
        if self.returns.save {
            selected.view.searches.saved = named;
        }
        if self.returns.update {
            let sort = self.sort.map(|sort| sort.iter().map(|one| one.wire(None)).collect());
            let fetch = self.returns.fetch;
            let context = Context { tag: tag.to_owned(), by_uid: self.by_uid, key, results, sort, fetch };
            if by_relevancy || !selected.view.searches.add(context) {
                // RFC 5267 §4.3.1
                crate::session::answer::untagged_no(
                    &mut selected.connection.out,
                    &Code::NoUpdate(tag.to_owned()),
                    "Too many updates are asked for",
                );
            }
        }
        Ok(Answer::ok("Done"))
    }
}

/// What a search finds of what the client knows, and the highest MODSEQ of it. The client hears that it takes its time.
///
/// # Errors
/// NO of the node; the connection's end.
pub async fn search(selected: &mut Selected<'_>, key: SearchKey) -> Result<(Results, u64), Stop> {
    patiently(selected.connection, selected.tag, find(selected.node, selected.view, key)).await?
}

/// The same without a word to the client.
///
/// # Errors
/// NO of the node.
pub async fn find(node: &node_client::Session, view: &View, key: SearchKey) -> Result<(Results, u64), Stop> {
    let request = wire::session::Search { folder: view.folder, key: Some(key) };
    let found = node.search(request).await?.all().await?;
    let uids = uid_set(found.uids.as_ref())?.intersection(view.uids());
    Ok((Results::Mailbox(uids), found.highest_modseq))
}

/// The messages that fit more strictly than FUZZY asks: RELEVANCY is made of them.
///
/// # Errors
/// NO of the node.
pub async fn fits(selected: &mut Selected<'_>, criteria: &Criteria) -> Result<Fits, Stop> {
    let (whole, words) = {
        let terms = Terms::new(selected);
        let of = |strength| Terms { strength, ..terms }.all_of(&criteria.keys);
        (of(Strength::Whole)?, of(Strength::Words)?)
    };
    Ok(Fits { whole: search(selected, whole).await?.0.set(), words: search(selected, words).await?.0.set() })
}

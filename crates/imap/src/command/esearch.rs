//! ESEARCH (RFC 7377): one search over several folders, with an answer for each in which something was found.

use super::search::results::{self, Correlator, Extras, Results};
use super::search::wanted::Terms;
use super::search::{Criteria, Returns};
use super::source::Source;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::name;
use crate::session::answer::{Answer, Outcome, Stop};
use crate::session::{Session, patiently};
use node_client::ClientError;
use wire::convert::uid_set;
use wire::session::{FailureCode, Folder, SearchKey};

/// ESEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Esearch {
    /// Where; the selected folder when nothing is said.
    pub sources: Option<Vec<Source>>,
    /// What is to be answered.
    pub returns: Returns,
    /// What is wanted.
    pub criteria: Criteria,
}

impl Esearch {
    /// Reads where to search, the options, the charset and the keys.
    ///
    /// # Errors
    /// One is malformed or not known, or cannot be had from several folders.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let mut sources = None;
        if cursor.word("IN ") {
            sources = Some(Source::parse_list(cursor)?);
            cursor.space()?;
        }
        let returns = Returns::parse(cursor)?.unwrap_or(Returns::ALL);
        // RFC 7377 §2.2: what is kept belongs to one folder.
        if returns.context || returns.update {
            return Err(Malformed("Updates are of one folder: use SEARCH"));
        }
        if returns.save && sources.as_ref().is_some_and(|sources| sources.iter().any(|one| *one != Source::Selected)) {
            return Err(Malformed("SAVE is of the selected folder"));
        }
        if returns.relevancy {
            return Err(Malformed("RELEVANCY is not comparable between folders"));
        }
        Ok(Self { sources, returns, criteria: Criteria::parse(cursor)? })
    }

    /// Searches one folder after the other.
    ///
    /// # Errors
    /// BAD for what makes no sense; NO of the node.
    pub async fn run(self, session: &mut Session, tag: &str) -> Outcome {
        session.account()?;
        self.criteria.check(session)?;
        let sources = self.sources.as_deref().unwrap_or(&[Source::Selected]);
        if sources == [Source::Selected] {
            return self.run_selected(session, tag).await;
        }
        let selected = session.selected().ok().map(|selected| selected.view.name.clone());
        let account = session.account()?;
        let list = wire::session::List { status: true, recent: false };
        let folders = account.node.list_with(list).await?;
        let chosen = Source::select(sources, &folders, selected.as_ref())?;
        // Message numbers and `$` are refused here, before anything is answered.
        let key = Terms::of_folders(jiff::Timestamp::now().as_millisecond()).all_of(&self.criteria.keys)?;
        for folder in chosen {
            self.search_one(session, tag, folder, key.clone()).await?;
        }
        Ok(Answer::ok("Done"))
    }

    async fn run_selected(&self, session: &mut Session, tag: &str) -> Outcome {
        let mut selected = session.selected()?;
        let key = Terms::new(&selected).all_of(&self.criteria.keys)?;
        let (results, modseq) = super::search::extended::search(&mut selected, key).await?;
        let (name, uid_validity) = (selected.view.name.as_str().to_owned(), selected.view.uid_validity);
        if self.returns.save {
            selected.view.searches.saved = results.named(&self.returns);
        }
        self.tell(session, tag, (&name, uid_validity), (&results, modseq)).await?;
        Ok(Answer::ok("Done"))
    }

    /// A folder that goes while it is searched has nothing to tell.
    async fn search_one(&self, session: &mut Session, tag: &str, folder: &Folder, key: SearchKey) -> Result<(), Stop> {
        let node = session.account()?.node.clone();
        let search = wire::session::Search { folder: folder.id, key: Some(key) };
        let searching = async { node.search(search).await?.all().await };
        let found = match patiently(&mut session.connection, tag, searching).await? {
            Ok(found) => found,
            Err(ClientError::Failure(FailureCode::NoSuchFolder, _)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let results = Results::Mailbox(uid_set(found.uids.as_ref())?);
        let uid_validity = folder.status.map_or(0, |status| status.uid_validity);
        self.tell(session, tag, (&folder.name, uid_validity), (&results, found.highest_modseq)).await
    }

    /// RFC 7377 §2.1: always by UID, with the folder's name, and nothing where nothing was found.
    async fn tell(
        &self,
        session: &mut Session,
        tag: &str,
        (name, uid_validity): (&str, u32),
        (results, modseq): (&Results, u64),
    ) -> Result<(), Stop> {
        if results.is_empty() || !self.returns.tells() {
            return Ok(());
        }
        let mut written = Vec::new();
        name::write(&mut written, name, session.enabled.utf8_names());
        let correlator = Correlator { tag, folder: Some((written, uid_validity)), uid: true };
        let extras = Extras { modseq: if self.criteria.has_modseq() { modseq } else { 0 }, score: None };
        results::write(&mut session.connection, None, &correlator, &self.returns, results, &extras).await
    }
}

//! SORT: a search, then passes over what it found, step by step on the pool.

use crate::answer;
use crate::fault::{Fault, malformed};
use crate::limits::SORT_STEP_MESSAGES;
use crate::search;
use crate::session::Call;
use mailbox::{FolderId, SortCriterion, SortCursor, SortField};
use wire::convert::uid_set;
use wire::session::{self, SortField as Field};

/// Criteria of one SORT: there are nine to choose from, and each counts only where those before it are equal.
const SORT_CRITERIA_MAX: usize = 32;

/// Answers a SORT.
pub async fn sort(call: &Call, sort: session::Sort) -> Result<(), Fault> {
    let folder = FolderId::new(sort.folder);
    if sort.criteria.len() > SORT_CRITERIA_MAX {
        return Err(crate::fault::limit("criteria of a SORT"));
    }
    let criteria = sort.criteria.iter().map(criterion).collect::<Result<Vec<_>, _>>()?;
    let reading = call.enter().await?.reading();
    let (found, highest_modseq) = search::all(call, &reading, folder, sort.key.as_ref()).await?;
    let mut cursor = SortCursor::new(found, criteria);
    loop {
        call.outbox.ready().await;
        let step;
        (step, cursor) = reading
            .read_in_pool(move |reader| {
                let step = reader.sort(folder, &mut cursor, SORT_STEP_MESSAGES)?;
                Ok((step, cursor))
            })
            .await?;
        for body in answer::sorted(&step.sorted, highest_modseq) {
            call.outbox.ready().await;
            call.send(body, false);
        }
        if step.done {
            call.send(answer::sorted_all(highest_modseq), true);
            return Ok(());
        }
    }
}

fn criterion(criterion: &session::SortCriterion) -> Result<SortCriterion, Fault> {
    let field = Field::try_from(criterion.field).map_err(|_| malformed("a criterion of the SORT is unknown"))?;
    let field = match field {
        Field::Arrival => SortField::Arrival,
        Field::Cc => SortField::Cc,
        Field::Date => SortField::Date,
        Field::DisplayFrom => SortField::DisplayFrom,
        Field::DisplayTo => SortField::DisplayTo,
        Field::From => SortField::From,
        Field::Size => SortField::Size,
        Field::Subject => SortField::Subject,
        Field::To => SortField::To,
        Field::Rank => {
            let ranks = criterion.ranks.iter().map(|runs| uid_set(Some(runs)));
            SortField::Rank(ranks.collect::<Result<_, _>>()?)
        }
    };
    Ok(SortCriterion { field, reverse: criterion.reverse })
}

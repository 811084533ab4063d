//! What operators ask: lists, one entry, changes.

use super::convert;
use super::fault::malformed;
use super::files::Queues;
use super::limits::{ADDRESS_BYTES_MAX, DESTINATIONS_LISTED_MAX, LISTED_MAX};
use super::writer::After;
use mailbox::queue::{Action, ENVELOPE_BYTES_MAX, Selection};
use std::collections::HashMap;
use tonic::Status;
use wire::queue::{
    ChangeReply, ChangeRequest, Destination, DestinationsReply, DestinationsRequest, Entry, ListReply, ListRequest,
    ShowRequest,
};

/// Destinations, those with the most recipients first.
pub async fn destinations(queues: &Queues, request: DestinationsRequest) -> Result<DestinationsReply, Status> {
    let limit = request.limit.min(DESTINATIONS_LISTED_MAX) as usize;
    let mut by_name: HashMap<String, Destination> = HashMap::new();
    let mut total = 0;
    for file in queues.all() {
        let (found, count) = file.read(move |reader| reader.destinations(limit)).await?;
        total += count;
        for one in found {
            let entry = by_name.entry(one.name.clone()).or_default();
            entry.destination = one.name;
            entry.recipients += one.recipients;
            entry.leased += one.leased;
            entry.held += one.held;
            if one.paused_until_ms > entry.paused_until_ms {
                (entry.paused_until_ms, entry.paused_status) = (one.paused_until_ms, one.paused_status);
            }
        }
    }
    let mut destinations: Vec<_> = by_name.into_values().collect();
    destinations.sort_by(|a, b| b.recipients.cmp(&a.recipients).then_with(|| a.destination.cmp(&b.destination)));
    destinations.truncate(limit);
    Ok(DestinationsReply { destinations, total })
}

/// A page of entries: file by file, oldest first in each. It goes on after the last one that was shown.
pub async fn list(queues: &Queues, request: ListRequest) -> Result<ListReply, Status> {
    if request.destination.len() > ADDRESS_BYTES_MAX {
        return Err(malformed("the destination is none"));
    }
    let limit = request.limit.clamp(1, LISTED_MAX) as usize;
    let destination = (!request.destination.is_empty()).then_some(request.destination);
    let after = (request.after_entry != 0).then(|| queues.of_entry(request.after_entry)).transpose()?;
    let mut reply = ListReply::default();
    let mut octets = 0;
    for file in queues.all() {
        let row = match after {
            Some((of, row)) if of.number() == file.number() => row,
            Some((of, _)) if of.number() > file.number() => i64::MAX,
            Some(_) | None => 0,
        };
        let is_full = reply.entries.len() >= limit || octets >= ENVELOPE_BYTES_MAX;
        let room = if is_full { 0 } else { limit - reply.entries.len() };
        let name = destination.clone();
        let (found, total) = file.read(move |reader| reader.list(name.as_deref(), row, room)).await?;
        reply.total += total;
        for one in found {
            let entry = convert::listed(file, one);
            octets += entry.recipients.iter().map(|recipient| recipient.address.len() + 64).sum::<usize>();
            reply.entries.push(entry);
        }
    }
    Ok(reply)
}

/// One entry.
pub async fn show(queues: &Queues, request: ShowRequest) -> Result<Entry, Status> {
    let (file, row) = queues.of_entry(request.entry)?;
    let found = file.read(move |reader| reader.show(row)).await?;
    let found = found.ok_or_else(|| Status::not_found("the queue has no such entry"))?;
    Ok(convert::listed(file, found))
}

/// Retries, holds, releases or drops; step by step, so that others are not kept waiting.
pub async fn change(queues: &Queues, request: ChangeRequest) -> Result<ChangeReply, Status> {
    let action = match request.action() {
        wire::queue::Action::Retry => Action::Retry,
        wire::queue::Action::Hold => Action::Hold,
        wire::queue::Action::Release => Action::Release,
        wire::queue::Action::Drop => Action::Drop,
        wire::queue::Action::Unspecified => return Err(malformed("the action is none")),
    };
    let mut files = queues.all().to_vec();
    let selection = match (request.entry, request.destination.is_empty(), request.all) {
        (0, true, true) => Selection::All,
        (0, false, false) => Selection::Destination(request.destination),
        (entry, true, false) if entry != 0 => {
            let (file, row) = queues.of_entry(entry)?;
            files = vec![file.clone()];
            Selection::Entry(row)
        }
        _ => return Err(malformed("one of entry, destination and all says what is meant")),
    };
    let mut recipients = 0;
    for file in files {
        let mut cursor = None;
        loop {
            let selection = selection.clone();
            let progress = file.run(move |tx| tx.change(&selection, action, cursor), After::WAKE).await?;
            recipients += progress.recipients;
            cursor = progress.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(ChangeReply { recipients })
}

//! What workers ask but for bodies: leases, renewals, settlements, pauses.

use super::convert;
use super::fault::malformed;
use super::files::{File, Queues};
use super::limits::{
    ADDRESS_BYTES_MAX, LEASE_ENTRIES_MAX, LEASE_SECONDS_MAX, LEASE_SECONDS_MIN, LEASE_WAIT_MS_MAX, NAME_BYTES_MAX,
    NOT_DESTINATIONS_MAX, NOTICES_MAX, RECIPIENTS_MAX, RENEWED_MAX, STATUS_BYTES_MAX,
};
use super::meters;
use super::writer::{After, Work};
use mailbox::queue::{Handed, Leased, Wanted};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use wire::queue::{
    LeaseReply, LeaseRequest, PauseReply, PauseRequest, RenewReply, RenewRequest, SettleReply, SettleRequest,
};

/// Leases what is due, or waits until something is, as long as was asked.
pub async fn lease(queues: &Queues, request: LeaseRequest, stop: &CancellationToken) -> Result<LeaseReply, Status> {
    let until = Instant::now() + Duration::from_millis(request.wait_ms.min(LEASE_WAIT_MS_MAX).into());
    let wanted = wanted(request)?;
    let mut changes = queues.changes();
    loop {
        changes.mark_unchanged();
        let reply = lease_now(queues, &wanted).await?;
        if !reply.entries.is_empty() || Instant::now() >= until || stop.is_cancelled() {
            return Ok(reply);
        }
        let due = match reply.next_due_ms {
            0 => until,
            // Never at once: what is due and was not handed out is waited for like anything else.
            due => until
                .min(Instant::now() + Duration::from_millis(due.saturating_sub(queues.now_ms()).max(1).unsigned_abs())),
        };
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(reply);
                }
            }
            () = stop.cancelled() => return Ok(reply),
        }
    }
}

async fn lease_now(queues: &Queues, wanted: &Wanted) -> Result<LeaseReply, Status> {
    let mut reply = LeaseReply::default();
    let mut failed = None;
    for file in queues.in_turn() {
        let room = wanted.shares_max - reply.entries.len();
        if room == 0 {
            break;
        }
        let wanted = Wanted { shares_max: room, ..wanted.clone() };
        let after = After { wakes: |_| false, unclaimed: give_back };
        match file.run(move |tx| tx.lease(&wanted), after).await {
            Ok(handed) => add(&mut reply, file, handed),
            Err(status) => failed = Some(status),
        }
    }
    match failed {
        Some(status) if reply.entries.is_empty() => Err(status),
        _ => Ok(reply),
    }
}

fn add(reply: &mut LeaseReply, file: &File, handed: Handed) {
    if let Some(due) = handed.next_due_ms {
        reply.next_due_ms = if reply.next_due_ms == 0 { due } else { reply.next_due_ms.min(due) };
    }
    reply.entries.extend(handed.leased.into_iter().map(|leased| convert::leased(file, leased)));
}

/// Leases that their worker never heard of are due again at once.
fn give_back(handed: Handed) -> Option<Work> {
    let leases: Vec<_> = handed.leased.into_iter().map(|Leased { entry, lease, .. }| (entry, lease)).collect();
    if leases.is_empty() {
        return None;
    }
    let give_back = move |tx: &mut mailbox::queue::QueueTx<'_>| {
        for (entry, lease) in leases {
            match tx.settle(entry, lease, &[], &[]) {
                Ok(_) | Err(mailbox::Error::NoSuchLease) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    Some(Work::durable(give_back, After::WAKE).0)
}

fn wanted(request: LeaseRequest) -> Result<Wanted, Status> {
    if request.entries_max == 0 {
        return Err(malformed("a lease of nothing"));
    }
    if request.not_destinations.len() > NOT_DESTINATIONS_MAX {
        return Err(malformed("too many destinations are passed over"));
    }
    let shares_max = request.entries_max.min(LEASE_ENTRIES_MAX) as usize;
    Ok(Wanted {
        worker: convert::said(&request.worker, NAME_BYTES_MAX),
        shares_max,
        per_destination_max: if request.per_destination_max == 0 {
            shares_max
        } else {
            request.per_destination_max as usize
        },
        lease_ms: lease_ms(request.seconds),
        not: request.not_destinations.into_iter().collect(),
    })
}

fn lease_ms(seconds: u32) -> i64 {
    i64::from(seconds.clamp(LEASE_SECONDS_MIN, LEASE_SECONDS_MAX)) * 1000
}

/// Renews leases; those that are lost are told.
pub async fn renew(queues: &Queues, request: RenewRequest) -> Result<RenewReply, Status> {
    if request.leases.len() > RENEWED_MAX {
        return Err(malformed("too many leases at once"));
    }
    let ends = lease_ms(request.seconds);
    let mut reply = RenewReply::default();
    for file in queues.all() {
        let mut asked = Vec::new();
        for lease in &request.leases {
            if let Ok((of, row)) = queues.of_entry(lease.entry)
                && Arc::ptr_eq(of, file)
            {
                asked.push((row, lease_number(lease.lease)));
            }
        }
        if asked.is_empty() {
            continue;
        }
        let renew = move |tx: &mut mailbox::queue::QueueTx<'_>| {
            let mut lost = Vec::new();
            for (row, lease) in asked {
                match tx.renew(row, lease, ends) {
                    Ok(()) => {}
                    Err(mailbox::Error::NoSuchLease) => lost.push(lease.unsigned_abs()),
                    Err(error) => return Err(error),
                }
            }
            Ok(lost)
        };
        reply.lost.extend(file.run(renew, After::NOTHING).await?);
    }
    // Of files that are not here.
    let gone = request.leases.iter().filter(|lease| queues.of_entry(lease.entry).is_err());
    reply.lost.extend(gone.map(|lease| lease.lease));
    Ok(reply)
}

/// What became of a lease's recipients.
pub async fn settle(queues: &Queues, request: SettleRequest) -> Result<SettleReply, Status> {
    if request.settlements.len() > RECIPIENTS_MAX || request.notices.len() > NOTICES_MAX {
        return Err(malformed("too many settlements or notices"));
    }
    let (file, row) = queues.of_entry(request.entry)?;
    let lease = lease_number(request.lease);
    let settlements: Vec<_> = request.settlements.into_iter().map(convert::settlement).collect::<Result<_, _>>()?;
    let notices: Vec<_> = request.notices.into_iter().map(convert::notice).collect::<Result<_, _>>()?;
    let outcomes: Vec<_> = settlements.iter().map(|settlement| settlement.outcome).collect();
    let after = After { wakes: |left| *left, ..After::NOTHING };
    file.run(move |tx| tx.settle(row, lease, &settlements, &notices), after).await?;
    meters::settled(&outcomes);
    Ok(SettleReply {})
}

/// Nothing is handed out for a destination until then.
pub async fn pause(queues: &Queues, request: PauseRequest) -> Result<PauseReply, Status> {
    if request.destination.len() > ADDRESS_BYTES_MAX {
        return Err(malformed("the destination is none"));
    }
    let (name, status) = (request.destination, convert::said(&request.status, STATUS_BYTES_MAX));
    for file in queues.all() {
        let (name, status) = (name.clone(), status.clone());
        file.run(move |tx| tx.pause(&name, request.until_ms, &status), After::WAKE).await?;
    }
    Ok(PauseReply {})
}

/// One that does not fit was never given out.
fn lease_number(lease: u64) -> i64 {
    i64::try_from(lease).unwrap_or_default()
}

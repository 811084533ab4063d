//! Check: the mailbox's file, its log and its waiting mail looked at, a step at a time, on the pool of long reads; findings as
//! they are found. A damaged mailbox in which nothing is found any more is written again.
//!
//! Invariant: a step runs only while its frame may be sent, and a check that is given up ends with the step that is under way,
//! which is interrupted.

use crate::aside;
use crate::fault::{Fault, limit};
use crate::keyed::Keyed;
use crate::limits::{CHECK_PROGRESS_MS, FIRST_FINDING_STEPS_MAX};
use crate::primary::Primary;
use crate::session::Call;
use crate::volume::Kind;
use mailbox::{CheckDepth, CheckStep, Checker, Error, Finding, Interrupter, Options};
use model::MailboxId;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vault::MailboxKey;
use wire::session::server_frame::Body;
use wire::session::{Check, CheckFile, CheckFinding, Checked, Done};

/// Answers a Check.
pub async fn check(call: &Call, check: Check) -> Result<(), Fault> {
    let usage = call.enter().await?;
    let checks = usage.resident().primary().clone();
    let _turn = checks.checking.try_acquire().map_err(|_| limit("checks at once"))?;
    let resident = usage.resident().clone();
    let (path, alone) = (usage.path()?, resident.damage().is_some());
    let depth = if check.deep { CheckDepth::Everything } else { CheckDepth::Rows };
    let (primary, id) = (resident.primary().clone(), resident.id);
    let (key, file, on) = (resident.key().try_clone(), path.clone(), primary.clone());
    let opened = primary.readers.run(move || {
        let checker = Checker::open(&file, &key, &id, &on.settings.options, depth)?;
        if alone { checker.alone() } else { Ok(checker) }
    });
    let first = run(call, &primary, CheckFile::Mailbox, opened.await??).await?;
    if let Some(what) = &first {
        resident.found_damage(what);
    }
    let on = primary.clone();
    let waiting = primary.readers.run(move || open_waiting(&on, &id, depth)).await??;
    let wrong = match waiting {
        Some(Ok(checker)) => run(call, &primary, CheckFile::Waiting, checker).await?,
        Some(Err(what)) => {
            let findings = vec![CheckFinding { page: Some(1), what: what.clone(), ..CheckFinding::default() }];
            let checked = Checked { file: CheckFile::Waiting.into(), findings, at: 1, of: 1, ..Checked::default() };
            call.send(Body::Checked(checked), false);
            Some(what)
        }
        None => None,
    };
    if let Some(what) = wrong {
        resident.found_waiting_damage(what).await;
    }
    tell_kept(call, &primary, id).await?;
    if first.is_none() && check.deep {
        resident.recover(path).await?;
    }
    call.send(Body::Done(Done {}), true);
    Ok(())
}

/// The first thing that is wrong with a file that does not open for writing, as far as that shows soon.
pub fn first_finding(path: &Path, key: &MailboxKey, id: &MailboxId, options: &Options) -> Option<String> {
    first_of(Checker::open(path, key, id, options, CheckDepth::Pages).ok()?.alone().ok()?)
}

/// The first thing that is wrong, as far as that shows soon.
pub fn first_of(mut checker: Checker) -> Option<String> {
    for _ in 0..FIRST_FINDING_STEPS_MAX {
        let step = checker.step().ok()?;
        let named = step.findings.iter().find(|finding| finding.page.is_some());
        if let Some(finding) = named.or_else(|| step.findings.first().filter(|_| step.done)) {
            return Some(finding.to_string());
        }
        if step.done {
            break;
        }
    }
    None
}

/// The waiting-mail file's check, or why its first page says nothing.
fn open_waiting(
    primary: &Primary,
    id: &MailboxId,
    depth: CheckDepth,
) -> Result<Option<Result<Checker, String>>, Fault> {
    let Some(path) = primary.volumes.find(Kind::Waiting, id)? else { return Ok(None) };
    match Keyed::Waiting(*id).checker(primary, &path, depth) {
        // Drained and deleted since.
        Err(Error::Missing) => Ok(None),
        Err(Error::WrongKey) => Ok(Some(Err("the first page of the waiting-mail file does not open".to_owned()))),
        opened => Ok(Some(Ok(opened?))),
    }
}

/// Names what could not be saved of waiting mail that was damaged before, as long as the file is kept.
async fn tell_kept(call: &Call, primary: &Arc<Primary>, id: MailboxId) -> Result<(), Fault> {
    let on = primary.clone();
    let kept = primary.readers.run(move || aside::of(&on, &id)).await??;
    if kept.is_empty() {
        return Ok(());
    }
    let findings = kept.into_iter().map(|what| CheckFinding { what, ..CheckFinding::default() }).collect();
    let part = "set aside".to_owned();
    call.send(Body::Checked(Checked { file: CheckFile::Waiting.into(), part, at: 1, of: 1, findings }), false);
    Ok(())
}

/// Interrupts the step that is under way when the check is given up.
struct OnDrop(Interrupter);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

/// Runs a check to its end; the first thing that is wrong.
async fn run(
    call: &Call,
    primary: &Arc<Primary>,
    file: CheckFile,
    mut checker: Checker,
) -> Result<Option<String>, Fault> {
    let _interrupt = OnDrop(checker.interrupter());
    let mut first = None;
    let mut told = Instant::now();
    loop {
        call.outbox.ready().await;
        let stepped = primary.readers.run(move || {
            let step = checker.step();
            (checker, step)
        });
        let step;
        (checker, step) = stepped.await?;
        let step = step?;
        first = first.or_else(|| step.findings.first().map(Finding::to_string));
        let late = told.elapsed() >= Duration::from_millis(CHECK_PROGRESS_MS);
        if !step.findings.is_empty() || step.done || late {
            told = Instant::now();
            call.send(Body::Checked(checked(file, &step)), false);
        }
        if step.done {
            return Ok(first);
        }
    }
}

fn checked(file: CheckFile, step: &CheckStep) -> Checked {
    Checked {
        file: file.into(),
        part: step.part.name().to_owned(),
        at: step.at,
        of: step.of,
        findings: step.findings.iter().map(finding).collect(),
    }
}

fn finding(finding: &Finding) -> CheckFinding {
    CheckFinding {
        in_log: finding.in_log,
        page: finding.page,
        offset: finding.offset,
        table: finding.table.clone(),
        row: finding.row,
        folder: finding.folder,
        uid: finding.uid,
        what: finding.what.clone(),
    }
}

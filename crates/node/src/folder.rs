//! LIST, CREATE, DELETE, RENAME, SUBSCRIBE and STATUS.

use crate::answer;
use crate::fault::Fault;
use crate::push;
use crate::session::Call;
use mailbox::{Counts, TokenAnswer, Tx};
use model::Token;
use wire::convert::{folder_name, special_use, token};
use wire::session::server_frame::Body;
use wire::session::{Create, Created, Delete, Done, FailureCode, List, Rename, Status, Subscribe};

/// LIST: every folder; patterns are the front-end's.
pub async fn list(call: &Call, list: List) -> Result<(), Fault> {
    let counts = match (list.status, list.recent) {
        (false, _) => Counts::None,
        (true, false) => Counts::Kept,
        (true, true) => Counts::All,
    };
    let folders = call.enter().await?.read(|reader| reader.folders_with(counts))?;
    call.answer(answer::folders(&folders)).await;
    Ok(())
}

/// CREATE.
pub async fn create(call: &Call, create: Create) -> Result<(), Fault> {
    let (name, special_use, token) =
        (folder_name(&create.name)?, special_use(create.special_use)?, token(&create.token)?);
    let usage = call.enter().await?;
    let made = name.clone();
    let op = move |tx: &mut Tx<'_>| once(tx, token, |tx| tx.create_folder(&name, special_use).map(|_| ()));
    usage.write(call.origin(false), false, op).await?;
    // By its name, because a second try of the request finds it made.
    let created = match usage.read(|reader| reader.status(&made)) {
        Ok(status) => Created { folder: status.folder.get(), uid_validity: status.uid_validity.get() },
        Err(fault) if fault.code == FailureCode::NoSuchFolder => Created::default(),
        Err(fault) => return Err(fault),
    };
    call.send(Body::Created(created), true);
    Ok(())
}

/// DELETE.
pub async fn delete(call: &Call, delete: Delete) -> Result<(), Fault> {
    let name = folder_name(&delete.name)?;
    let usage = call.enter().await?;
    usage.write(call.origin(false), false, move |tx| tx.delete_folder(&name)).await?;
    done(call)
}

/// RENAME.
pub async fn rename(call: &Call, rename: Rename) -> Result<(), Fault> {
    let (from, to, token) = (folder_name(&rename.from)?, folder_name(&rename.to)?, token(&rename.token)?);
    let usage = call.enter().await?;
    // Renaming INBOX moves its messages (RFC 9051 §6.3.6): a folder gets new ones.
    usage.write(call.origin(false), true, move |tx| once(tx, token, |tx| tx.rename_folder(&from, &to))).await?;
    done(call)
}

/// SUBSCRIBE and UNSUBSCRIBE.
pub async fn subscribe(call: &Call, subscribe: Subscribe) -> Result<(), Fault> {
    let name = folder_name(&subscribe.name)?;
    let usage = call.enter().await?;
    usage.write(call.origin(false), false, move |tx| tx.set_subscribed(&name, subscribe.subscribed)).await?;
    push::tell_event(&usage.resident().views.borrow(), 0, wire::session::FolderEvent::Subscriptions);
    done(call)
}

/// STATUS.
pub async fn status(call: &Call, status: Status) -> Result<(), Fault> {
    let name = folder_name(&status.name)?;
    let status = call.enter().await?.read(|reader| reader.status(&name))?;
    call.send(answer::status(&status), true);
    Ok(())
}

/// Runs what may be asked for again after a broken link: with a token that is known it was done before.
fn once(
    tx: &mut Tx<'_>,
    token: Option<Token>,
    run: impl FnOnce(&mut Tx<'_>) -> Result<(), mailbox::Error>,
) -> Result<(), mailbox::Error> {
    let Some(token) = token else { return run(tx) };
    if tx.token_result(&token)?.is_some() {
        return Ok(());
    }
    run(tx)?;
    tx.remember(&token, &TokenAnswer::Done)
}

fn done(call: &Call) -> Result<(), Fault> {
    call.send(Body::Done(Done {}), true);
    Ok(())
}

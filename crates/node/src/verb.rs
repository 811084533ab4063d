//! The verbs of a session: each request to the module that answers it.

use crate::fault::{Fault, internal};
use crate::session::Call;
use crate::upload::Arrived;
use crate::{
    change, credit::Credit, fetch, folder, integrity, metadata, search, select, snapshot, sort, thread, upload,
};
use std::rc::Rc;
use tokio::sync::mpsc;
use wire::session::client_frame::Body;
use wire::session::{Append, Fetch};

/// A request with what it is fed while it is under way.
pub enum Verb {
    /// One that is answered from what stands in it.
    Plain(Body),
    /// FETCH, whose frames flow against credit.
    Fetch(Fetch, Rc<Credit>),
    /// APPEND, whose body follows against credit.
    Append(Append, mpsc::Receiver<Arrived>, Rc<Credit>),
}

/// Answers the request.
///
/// # Errors
/// What the answer is instead.
pub async fn run(call: &Call, verb: Verb) -> Result<(), Fault> {
    match verb {
        Verb::Fetch(fetch, credit) => fetch::fetch(call, fetch, &credit).await,
        Verb::Append(append, body, credit) => upload::append(call, append, body, &credit).await,
        Verb::Plain(body) => plain(call, body).await,
    }
}

async fn plain(call: &Call, body: Body) -> Result<(), Fault> {
    match body {
        Body::List(list) => folder::list(call, list).await,
        Body::Create(create) => folder::create(call, create).await,
        Body::Delete(delete) => folder::delete(call, delete).await,
        Body::Rename(rename) => folder::rename(call, rename).await,
        Body::Subscribe(subscribe) => folder::subscribe(call, subscribe).await,
        Body::Status(status) => folder::status(call, status).await,
        Body::Select(select) => select::select(call, select).await,
        Body::Unselect(_) => select::unselect(call),
        Body::Store(store) => change::store(call, store).await,
        Body::Copy(copy) => change::copy(call, copy).await,
        Body::Expunge(expunge) => change::expunge(call, expunge).await,
        Body::Search(search) => search::search(call, search).await,
        Body::Sort(sort) => sort::sort(call, sort).await,
        Body::Thread(thread) => thread::thread(call, thread).await,
        Body::VanishedSince(since) => select::vanished_since(call, since).await,
        Body::Watch(watch) => select::watch(call, watch).await,
        Body::AppendStatus(status) => upload::status(call, status).await,
        Body::GetMetadata(get) => metadata::get(call, get).await,
        Body::SetMetadata(set) => metadata::set(call, set).await,
        Body::GetQuota(_) => metadata::quota(call).await,
        Body::Check(check) => integrity::check(call, check).await,
        Body::Snapshot(_) => snapshot::snapshot(call).await,
        // The link takes these itself, or gives them what they are fed with.
        Body::Hello(_)
        | Body::Open(_)
        | Body::Close(_)
        | Body::Credit(_)
        | Body::Cancel(_)
        | Body::KeyOffer(_)
        | Body::Fetch(_)
        | Body::Append(_)
        | Body::Upload(_) => Err(internal("a frame of the link reached a session")),
    }
}

//! Deliveries as the MX drives them, and broken off at each step.

use crate::client::INBOX;
use crate::world::{Owner, PATIENCE, World, delivery_id, eventually};
use model::{DeliveryId, Role};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use wire::node::deliver_reply::Answer;
use wire::node::deliver_request::Step;
use wire::node::*;

pub const MESSAGE: &[u8] = b"Subject: delivered\r\n\r\nby pigeon\r\n";

/// A Deliver stream by hand.
pub struct Stream {
    steps: mpsc::Sender<DeliverRequest>,
    replies: Streaming<DeliverReply>,
}

impl Stream {
    pub async fn begin(world: &World, number: u8) -> Self {
        Self::begin_sized(world, delivery_id(number), 0).await
    }

    /// With a declared size.
    pub async fn begin_sized(world: &World, delivery: DeliveryId, size: u64) -> Self {
        let (steps, stream) = mpsc::channel(64);
        let begin = Begin { delivery_id: delivery.as_bytes().to_vec().into(), size };
        steps.send(DeliverRequest { step: Some(Step::Begin(begin)) }).await.unwrap();
        let replies = world.mx().deliver(ReceiverStream::new(stream)).await.unwrap().into_inner();
        Self { steps, replies }
    }

    pub async fn send(&self, step: Step) {
        self.steps.send(DeliverRequest { step: Some(step) }).await.unwrap();
    }

    pub async fn reply(&mut self) -> Result<Option<Answer>, Status> {
        let reply = tokio::time::timeout(PATIENCE, self.replies.message()).await.expect("silence")?;
        Ok(reply.map(|reply| reply.answer.unwrap()))
    }

    pub async fn admit(&mut self, owner: &Owner) -> Verdict {
        self.send(Step::Recipient(Recipient { mailbox_id: owner.mailbox.to_string(), epoch: 1 })).await;
        let Some(Answer::Admission(admission)) = self.reply().await.unwrap() else { panic!("no admission") };
        assert_eq!(admission.mailbox_id, owner.mailbox.to_string());
        admission.verdict()
    }

    pub async fn plain(&self, message: &[u8]) {
        self.send(Step::Plain(Plain { data: message.to_vec().into() })).await;
    }

    pub async fn sealed(&self, owner: &Owner, number: u8, message: &[u8]) -> u64 {
        let (body, wrap) = owner.sealed(delivery_id(number), message);
        let size = body.len() as u64;
        self.send(Step::Sealed(Sealed { data: body.into() })).await;
        self.send(Step::Wrap(Wrap { mailbox_id: owner.mailbox.to_string(), wrap: wrap.into() })).await;
        size
    }

    pub async fn commit(self, plain_size: u64, sealed_size: u64) -> Vec<(String, Outcome)> {
        self.commit_with(Commit { plain_size, sealed_size, ..Commit::default() }).await
    }

    pub async fn commit_with(mut self, commit: Commit) -> Vec<(String, Outcome)> {
        self.send(Step::Commit(commit)).await;
        let mut outcomes = Vec::new();
        while let Some(answer) = self.reply().await.unwrap() {
            if let Answer::Committed(committed) = answer {
                outcomes.push((committed.mailbox_id.clone(), committed.outcome()));
            }
        }
        outcomes.sort();
        outcomes
    }

    pub async fn refusal(&mut self) -> Code {
        loop {
            if let Err(status) = self.reply().await {
                return status.code();
            }
        }
    }
}

/// A message that waits for its owner.
pub async fn deliver_waiting(world: &World, owner: &Owner, number: u8, message: &[u8]) -> Outcome {
    let mut stream = Stream::begin(world, number).await;
    assert_eq!(stream.admit(owner).await, Verdict::Waiting);
    let size = stream.sealed(owner, number, message).await;
    stream.commit(0, size).await.remove(0).1
}

async fn status(world: &World, number: u8, owner: &Owner) -> Outcome {
    let request = DeliveryStatusRequest {
        delivery_id: delivery_id(number).as_bytes().to_vec().into(),
        mailbox_ids: vec![owner.mailbox.to_string()],
    };
    world.mx().delivery_status(request).await.unwrap().into_inner().committed[0].outcome()
}

#[tokio::test]
async fn an_open_mailbox_gets_it_at_once_and_its_sessions_hear() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let mut client = world.session(&owner).await;
    let inbox = client.select(1, INBOX).await;
    let mut stream = Stream::begin(&world, 7).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Open);
    stream.plain(MESSAGE).await;
    assert_eq!(stream.commit(MESSAGE.len() as u64, 0).await, [(owner.mailbox.to_string(), Outcome::Stored)]);
    let changes = client.push(1).await;
    assert_eq!((changes.appended[0].uid, changes.by_request), (1, 0));
    assert_eq!(client.body(1, inbox.folder, 1).await, MESSAGE);
    assert_eq!(status(&world, 7, &owner).await, Outcome::Stored);
    assert_eq!(status(&world, 8, &owner).await, Outcome::Failed);

    // The MX lost the answer and tries again.
    let mut stream = Stream::begin(&world, 7).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Open);
    stream.plain(MESSAGE).await;
    assert_eq!(stream.commit(MESSAGE.len() as u64, 0).await[0].1, Outcome::Already);
    assert_eq!(client.select(1, INBOX).await.uids.unwrap().bounds, [1, 1]);
}

#[tokio::test]
async fn a_promise_outlives_the_session() {
    let (world, owner) = (World::new().await, Owner::new(1));
    let client = world.session(&owner).await;
    let mut stream = Stream::begin(&world, 7).await;
    assert_eq!(stream.admit(&owner).await, Verdict::Open);
    drop(client);
    // Other links see the session gone; the mailbox still takes what it promised.
    stream.plain(MESSAGE).await;
    assert_eq!(stream.commit(MESSAGE.len() as u64, 0).await[0].1, Outcome::Stored);
    let log = world.file("mailboxes", &owner).with_extension("db-wal");
    eventually("the key is let go", || !log.exists()).await;
    let mut client = world.session(&owner).await;
    assert_eq!(client.select(1, INBOX).await.uids.unwrap().bounds, [1, 1]);
}

#[tokio::test]
async fn one_body_goes_to_open_and_waiting_mailboxes_alike() {
    let world = World::new().await;
    let (open, away, other) = (Owner::new(1), Owner::new(2), Owner::new(3));
    let mut client = world.session(&open).await;
    let large = [MESSAGE, &b"0123456789abcdef\r\n".repeat(150_000)].concat();
    let mut stream = Stream::begin(&world, 7).await;
    assert_eq!(stream.admit(&open).await, Verdict::Open);
    assert_eq!(stream.admit(&away).await, Verdict::Waiting);
    assert_eq!(stream.admit(&other).await, Verdict::Waiting);
    stream.send(Step::Drop(Drop { mailbox_id: other.mailbox.to_string() })).await;
    let (sealed, wrap) = away.sealed(delivery_id(7), &large);
    let mut credit = model::limits::CREDIT_BYTES;
    for (plain, sealed) in large.chunks(60_000).zip(sealed.chunks(60_000 * sealed.len() / large.len() + 1)) {
        while credit < (plain.len() + sealed.len()) as u64 {
            let Some(Answer::Credit(more)) = stream.reply().await.unwrap() else { panic!("no credit") };
            credit += more;
        }
        credit -= (plain.len() + sealed.len()) as u64;
        stream.plain(plain).await;
        stream.send(Step::Sealed(Sealed { data: sealed.to_vec().into() })).await;
    }
    stream.send(Step::Wrap(Wrap { mailbox_id: away.mailbox.to_string(), wrap: wrap.into() })).await;
    let outcomes = stream.commit(large.len() as u64, sealed.len() as u64).await;
    let expected = [(open.mailbox.to_string(), Outcome::Stored), (away.mailbox.to_string(), Outcome::Waiting)];
    assert_eq!(outcomes, expected);
    assert!(world.file("waiting", &away).exists() && !world.file("waiting", &other).exists());
    let inbox = client.select(1, INBOX).await;
    assert!(client.body(1, inbox.folder, 1).await == large);
    let mut client = world.session(&away).await;
    let inbox = client.select(1, INBOX).await;
    assert!(client.body(1, inbox.folder, 1).await == large);
}

#[tokio::test]
async fn a_stream_that_breaks_at_any_step_leaves_nothing() {
    let (world, open, away) = (World::new().await, Owner::new(1), Owner::new(2));
    let mut client = world.session(&open).await;
    let large = [MESSAGE, &b"0123456789abcdef\r\n".repeat(60_000)].concat();
    let (sealed, wrap) = away.sealed(delivery_id(7), &large);
    for steps in 0..=5 {
        let mut stream = Stream::begin(&world, 7).await;
        if steps > 0 {
            assert_eq!(stream.admit(&open).await, Verdict::Open, "{steps}");
        }
        if steps > 1 {
            assert_eq!(stream.admit(&away).await, Verdict::Waiting, "{steps}");
        }
        if steps > 2 {
            stream.plain(&large[..200_000]).await;
        }
        if steps > 3 {
            stream.send(Step::Sealed(Sealed { data: sealed[..250_000].to_vec().into() })).await;
        }
        if steps > 4 {
            stream.send(Step::Wrap(Wrap { mailbox_id: away.mailbox.to_string(), wrap: wrap.clone().into() })).await;
        }
        drop(stream);
        assert_eq!(status(&world, 7, &open).await, Outcome::Failed, "{steps}");
        assert_eq!(status(&world, 7, &away).await, Outcome::Failed, "{steps}");
    }
    eventually("the waiting file is gone", || !world.file("waiting", &away).exists()).await;
    assert_eq!(client.select(1, INBOX).await.uids, None);
    // And the retry with the same id is a delivery like any other.
    assert_eq!(deliver_waiting(&world, &away, 7, MESSAGE).await, Outcome::Waiting);
}

#[tokio::test]
async fn a_broken_order_is_refused_and_keeps_nothing() {
    let (world, open) = (World::new().await, Owner::new(1));
    let mut client = world.session(&open).await;
    let wrong: [fn() -> Vec<Step>; 9] = [
        || vec![Step::Begin(Begin::default())],
        || vec![Step::Commit(Commit { plain_size: 5, ..Commit::default() })],
        || vec![Step::Commit(Commit { prefix: b"Subject: no\r\n".as_slice().into(), ..Commit::default() })],
        || vec![Step::Commit(Commit { sealed_prefix: vec![0; 70_000].into(), ..Commit::default() })],
        || vec![Step::Commit(Commit { junk_mailbox_ids: vec!["x".into()], ..Commit::default() })],
        || vec![Step::Plain(Plain { data: vec![1; 300_000].into() })],
        || vec![Step::Sealed(Sealed { data: vec![1].into() })],
        || vec![Step::Wrap(Wrap { mailbox_id: "01".repeat(12), wrap: vec![1].into() })],
        || vec![Step::Plain(Plain { data: vec![1].into() }), Step::Recipient(Recipient::default())],
    ];
    for (at, steps) in wrong.into_iter().enumerate() {
        let mut stream = Stream::begin(&world, 7).await;
        assert_eq!(stream.admit(&open).await, Verdict::Open);
        for step in steps() {
            stream.send(step).await;
        }
        assert_eq!(stream.refusal().await, Code::InvalidArgument, "case {at}");
    }
    let (steps, stream) = mpsc::channel(1);
    steps.send(DeliverRequest { step: Some(Step::Plain(Plain::default())) }).await.unwrap();
    let mut replies = world.mx().deliver(ReceiverStream::new(stream)).await.unwrap().into_inner();
    assert_eq!(replies.message().await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(client.select(1, INBOX).await.uids, None);
}

#[tokio::test]
async fn refusals_before_the_body() {
    let world = World::with(|settings| settings.waiting_bytes_max = 10).await;
    let owner = Owner::new(1);
    assert_eq!(deliver_waiting(&world, &owner, 1, MESSAGE).await, Outcome::Waiting);
    let mut stream = Stream::begin(&world, 2).await;
    assert_eq!(stream.admit(&owner).await, Verdict::NoRoom);
    // The one that waits already is not refused when it is tried again.
    assert_eq!(deliver_waiting(&world, &owner, 1, MESSAGE).await, Outcome::Already);

    let full = World::with(|settings| settings.free_bytes_min = u64::MAX / 2).await;
    let mut stream = Stream::begin(&full, 1).await;
    assert_eq!(stream.admit(&owner).await, Verdict::DiskFull);

    let (steps, body) = mpsc::channel(4);
    let begin = Begin { delivery_id: vec![1; 16].into(), size: u64::MAX };
    steps.send(DeliverRequest { step: Some(Step::Begin(begin)) }).await.unwrap();
    let replies = world.mx().deliver(ReceiverStream::new(body)).await.unwrap().into_inner();
    assert_eq!(Stream { steps, replies }.admit(&owner).await, Verdict::TooBig);
}

#[tokio::test]
async fn a_front_end_that_has_it_open_is_asked_for_the_key() {
    let (world, owner) = (World::with(|settings| settings.key_wait = PATIENCE).await, Owner::new(1));
    world.session(&owner).await.call(1, wire::session::client_frame::Body::Close(wire::session::Close {})).await;
    // A link without a session, as after the node's restart; its front-end still has the key.
    let mut client = world.link(&owner).await;
    let mut stream = Stream::begin(&world, 7).await;
    let asked = async {
        let frame = client.next().await.unwrap();
        let Some(wire::session::server_frame::Body::KeyWanted(wanted)) = frame.body else { panic!("{frame:?}") };
        assert_eq!(wanted.mailbox_id, owner.mailbox.to_string());
        let opening = owner.opening(&client.welcome.boot_key);
        let offer = wire::session::KeyOffer {
            mailbox_id: wanted.mailbox_id,
            sealed_key: opening.sealed_key,
            wrapped_sealing_key: opening.wrapped_sealing_key,
        };
        client.send(frame.request, 0, wire::session::client_frame::Body::KeyOffer(offer)).await;
    };
    let (verdict, ()) = tokio::join!(stream.admit(&owner), asked);
    assert_eq!(verdict, Verdict::Open);
    stream.plain(MESSAGE).await;
    assert_eq!(stream.commit(MESSAGE.len() as u64, 0).await[0].1, Outcome::Stored);
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let world = World::new().await;
    let refused = world.grpc(Role::Imap).check(CheckRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let empty = DeliveryStatusRequest { delivery_id: Vec::new().into(), mailbox_ids: Vec::new() };
    assert!(world.mx().delivery_status(empty).await.unwrap().into_inner().committed.is_empty());
}

//! The queue as front-ends, workers and operators use it, and broken off at each step.

use crate::world::{PATIENCE, World};
use model::Role;
use std::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::queue::enqueue_request::Step;
use wire::queue::queue_client::QueueClient;
use wire::queue::{
    Action, ChangeRequest, DestinationsRequest, EnqueueBegin, EnqueueCommit, EnqueueRequest, EnqueueStatusRequest,
    Envelope, LeaseRequest, LeasedEntry, ListReply, ListRequest, Notice, Origin, QueueRecipient, ReadRequest,
    RenewRequest, Result as Fate, SettleRequest, Settlement, ShowRequest,
};

const TEXT: &[u8] = b"Subject: out\r\n\r\nby pigeon\r\n";
const PREFIX: &[u8] = b"Received: here\r\n";
/// Milliseconds that a worker waits who will be woken: nearly as long as anybody may.
const LONG_MS: u32 = 55_000;

pub fn to(addresses: &[&str]) -> Envelope {
    let recipient = |address: &&str| QueueRecipient { address: (*address).to_owned(), ..QueueRecipient::default() };
    Envelope {
        reverse_path: "sender@example.org".to_owned(),
        recipients: addresses.iter().map(recipient).collect(),
        origin: Origin::Forward.into(),
        ..Envelope::default()
    }
}

pub fn begin(number: u64, envelope: Envelope) -> Step {
    let id = [&[0; 8][..], &number.to_be_bytes()].concat();
    Step::Begin(EnqueueBegin { enqueue_id: id.into(), envelope: Some(envelope), size: 0 })
}

pub fn data(bytes: &[u8]) -> Step {
    Step::Data(bytes.to_vec().into())
}

pub fn commit(size: usize) -> Step {
    Step::Commit(EnqueueCommit { prefix: PREFIX.into(), size: size as u64 })
}

pub async fn send(queue: &mut QueueClient<Channel>, steps: Vec<Step>) -> Result<bool, Status> {
    let steps = steps.into_iter().map(|step| EnqueueRequest { step: Some(step) });
    let reply = tokio::time::timeout(PATIENCE, queue.enqueue(tokio_stream::iter(steps))).await.expect("silence")?;
    Ok(reply.into_inner().already)
}

pub async fn put(world: &World, number: u64, addresses: &[&str]) -> bool {
    let steps = vec![begin(number, to(addresses)), data(TEXT), commit(TEXT.len())];
    send(&mut world.queue(Role::Mx), steps).await.unwrap()
}

fn ask(entries_max: u32, wait_ms: u32) -> LeaseRequest {
    LeaseRequest { worker: "w".to_owned(), entries_max, seconds: 600, wait_ms, ..LeaseRequest::default() }
}

pub async fn lease(world: &World, entries_max: u32, wait_ms: u32) -> Vec<LeasedEntry> {
    let mut queue = world.queue(Role::Outbound);
    tokio::time::timeout(PATIENCE, queue.lease(ask(entries_max, wait_ms)))
        .await
        .expect("silence")
        .unwrap()
        .into_inner()
        .entries
}

pub async fn read(world: &World, leased: &LeasedEntry) -> Result<Vec<u8>, Status> {
    let request = ReadRequest { entry: leased.entry, lease: leased.lease };
    let mut stream = world.queue(Role::Outbound).read(request).await?.into_inner();
    let mut whole = Vec::new();
    while let Some(reply) = stream.message().await? {
        whole.extend_from_slice(&reply.data);
    }
    Ok(whole)
}

pub fn settlement(address: &str, result: Fate) -> Settlement {
    Settlement { address: address.to_owned(), result: result.into(), ..Settlement::default() }
}

pub async fn settle(world: &World, leased: &LeasedEntry, settlements: Vec<Settlement>) -> Result<(), Status> {
    let request = SettleRequest { entry: leased.entry, lease: leased.lease, settlements, notices: Vec::new() };
    world.queue(Role::Outbound).settle(request).await.map(drop)
}

#[tokio::test]
async fn what_is_put_in_is_handed_out_at_once_and_gone_when_it_is_decided() {
    let world = World::new().await;
    let waiting = lease(&world, 10, LONG_MS);
    let putting = async {
        assert!(!put(&world, 1, &["a@one.example", "b@two.example"]).await);
        // A retry after a lost answer.
        assert!(put(&world, 1, &["a@one.example", "b@two.example"]).await);
    };
    let (mut leased, ()) = tokio::join!(waiting, putting);
    assert!(!leased.is_empty(), "the lease waited to its end");
    leased.extend(lease(&world, 10, 0).await);
    let destinations: Vec<_> = leased.iter().map(|one| one.destination.as_str()).collect();
    assert_eq!(destinations, ["one.example", "two.example"]);
    let whole = [PREFIX, TEXT].concat();
    for one in &leased {
        assert_eq!((one.size as usize, read(&world, one).await.unwrap()), (whole.len(), whole.clone()));
        let address = &one.envelope.as_ref().unwrap().recipients[0].address;
        settle(&world, one, vec![settlement(address, Fate::Delivered)]).await.unwrap();
        let again = settle(&world, one, vec![settlement(address, Fate::Delivered)]).await;
        assert_eq!(again.unwrap_err().code(), Code::NotFound);
        assert_eq!(read(&world, one).await.unwrap_err().code(), Code::NotFound);
    }
    let list = world.queue(Role::Admin).list(ListRequest { limit: 10, ..ListRequest::default() }).await.unwrap();
    assert_eq!(list.into_inner(), ListReply::default());
    let mut id = [0; 16];
    id[15] = 1;
    let status = EnqueueStatusRequest { enqueue_id: id.to_vec().into() };
    assert!(world.queue(Role::Mx).enqueue_status(status).await.unwrap().into_inner().taken);
}

#[tokio::test]
async fn large_messages_stream_to_the_disk_and_back() {
    let world = World::new().await;
    let large: Vec<u8> = (0..2_500_000u32).flat_map(u32::to_le_bytes).collect();
    let mut steps = vec![begin(1, to(&["a@one.example"]))];
    steps.extend(large.chunks(60_000).map(data));
    steps.push(commit(large.len()));
    assert!(!send(&mut world.queue(Role::Submission), steps).await.unwrap());
    let leased = lease(&world, 1, 0).await.remove(0);
    assert!(read(&world, &leased).await.unwrap() == [PREFIX, &large].concat());
}

#[tokio::test]
async fn a_stream_that_breaks_at_any_step_leaves_nothing() {
    let world = World::new().await;
    let large = vec![b'x'; 400_000];
    let all = [vec![begin(1, to(&["a@one.example"]))], large.chunks(100_000).map(data).collect()].concat();
    for steps in 0..=all.len() {
        let code = send(&mut world.queue(Role::Mx), all[..steps].to_vec()).await.unwrap_err().code();
        assert_eq!(code, if steps == 0 { Code::InvalidArgument } else { Code::Cancelled }, "{steps}");
    }
    let short = [all.clone(), vec![commit(large.len() - 1)]].concat();
    assert_eq!(send(&mut world.queue(Role::Mx), short).await.unwrap_err().code(), Code::InvalidArgument);
    let nobody = vec![begin(1, to(&[])), commit(0)];
    assert_eq!(send(&mut world.queue(Role::Mx), nobody).await.unwrap_err().code(), Code::InvalidArgument);
    let injected = vec![begin(1, to(&["a@one.example\r\nDATA"])), commit(0)];
    assert_eq!(send(&mut world.queue(Role::Mx), injected).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(lease(&world, 10, 0).await, []);
    let whole = [all, vec![commit(large.len())]].concat();
    assert!(!send(&mut world.queue(Role::Mx), whole).await.unwrap());
}

#[tokio::test]
async fn a_full_queue_and_a_full_disk_say_so() {
    let world = World::with(|settings| settings.queue_messages_max = 1).await;
    put(&world, 1, &["a@one.example"]).await;
    let more = vec![begin(2, to(&["a@one.example"])), data(TEXT), commit(TEXT.len())];
    let refused = send(&mut world.queue(Role::Mx), more.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::ResourceExhausted, "the limit on messages in the queue is reached")
    );
    // The one that is in is still answered for.
    assert!(put(&world, 1, &["a@one.example"]).await);
    let full = World::with(|settings| settings.free_bytes_min = u64::MAX / 2).await;
    let refused = send(&mut full.queue(Role::Mx), more).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, "the queue's volume is full"));
}

#[tokio::test]
async fn messages_leases_and_ids_outlive_a_restart() {
    let world = World::new().await;
    put(&world, 1, &["a@one.example"]).await;
    put(&world, 2, &["a@two.example"]).await;
    let before = lease(&world, 1, 0).await.remove(0);
    let world = world.restart().await;
    assert!(put(&world, 1, &["a@one.example"]).await);
    let after = lease(&world, 10, 0).await;
    assert_eq!(after.len(), 1);
    assert!(after[0].entry != before.entry);
    let address = before.envelope.as_ref().unwrap().recipients[0].address.clone();
    let renewed = RenewRequest {
        leases: vec![
            ReadRequest { entry: before.entry, lease: before.lease },
            ReadRequest { entry: before.entry, lease: before.lease + 1000 },
        ],
        seconds: 600,
    };
    let lost = world.queue(Role::Outbound).renew(renewed).await.unwrap().into_inner().lost;
    assert_eq!(lost, [before.lease + 1000]);
    settle(&world, &before, vec![settlement(&address, Fate::Failed)]).await.unwrap();
}

#[tokio::test]
async fn a_lease_whose_worker_hung_up_goes_to_another() {
    let world = World::new().await;
    for _ in 0..20 {
        let mut queue = world.queue(Role::Outbound);
        let hung_up = tokio::spawn(async move { queue.lease(ask(10, 20_000)).await });
        tokio::task::yield_now().await;
        hung_up.abort();
    }
    put(&world, 1, &["a@one.example"]).await;
    assert_eq!(lease(&world, 10, LONG_MS).await.len(), 1);
}

#[tokio::test]
async fn each_role_may_do_its_part_only() {
    let world = World::new().await;
    put(&world, 1, &["a@one.example"]).await;
    let denied = |result: Result<(), Status>| assert_eq!(result.unwrap_err().code(), Code::PermissionDenied);
    for role in [Role::Mx, Role::Submission, Role::Imap, Role::Admin, Role::Node] {
        denied(world.queue(role).lease(ask(1, 0)).await.map(drop));
        denied(world.queue(role).read(ReadRequest { entry: 1, lease: 1 }).await.map(drop));
    }
    for role in [Role::Mx, Role::Outbound, Role::Imap] {
        denied(world.queue(role).list(ListRequest::default()).await.map(drop));
        denied(world.queue(role).change(ChangeRequest::default()).await.map(drop));
    }
    for role in [Role::Imap, Role::Admin] {
        denied(send(&mut world.queue(role), vec![begin(9, to(&["a@b.example"])), commit(0)]).await.map(drop));
    }
}

#[tokio::test]
async fn operators_list_hold_release_and_drop() {
    let world = World::new().await;
    for number in 1..=5 {
        put(&world, number, &["a@one.example", "b@one.example", "c@two.example"]).await;
    }
    let mut admin = world.queue(Role::Admin);
    let page = admin.list(ListRequest { limit: 2, ..ListRequest::default() }).await.unwrap().into_inner();
    let after_entry = page.entries[1].entry;
    let rest = admin.list(ListRequest { limit: 10, after_entry, ..ListRequest::default() }).await.unwrap().into_inner();
    assert_eq!((page.entries.len(), rest.entries.len(), page.total, rest.total), (2, 3, 5, 5));
    let change = |entry, destination: &str, all, action: Action| ChangeRequest {
        entry,
        destination: destination.to_owned(),
        all,
        action: action.into(),
    };
    let hold = admin.change(change(0, "one.example", false, Action::Hold)).await.unwrap().into_inner();
    assert_eq!(hold.recipients, 10);
    assert_eq!(lease(&world, 10, 0).await.len(), 5);
    let found = admin.destinations(DestinationsRequest { limit: 1 }).await.unwrap().into_inner();
    assert_eq!((found.total, found.destinations[0].recipients, found.destinations[0].held), (2, 10, 10));
    assert_eq!(admin.change(change(after_entry, "", false, Action::Release)).await.unwrap().into_inner().recipients, 2);
    let leased = lease(&world, 10, 0).await;
    assert_eq!((leased.len(), leased[0].entry), (1, after_entry));
    let shown = admin.show(ShowRequest { entry: after_entry }).await.unwrap().into_inner();
    assert_eq!(shown.recipients.iter().map(|one| one.leased_by.as_str()).collect::<Vec<_>>(), ["w", "w", "w"]);
    assert_eq!(admin.change(change(0, "", true, Action::Drop)).await.unwrap().into_inner().recipients, 15);
    assert_eq!(admin.show(ShowRequest { entry: after_entry }).await.unwrap_err().code(), Code::NotFound);
    let unclear = admin.change(change(0, "", false, Action::Drop)).await.unwrap_err();
    assert_eq!(unclear.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn notices_are_queued_with_the_settlement() {
    let world = World::new().await;
    put(&world, 1, &["a@one.example"]).await;
    let leased = lease(&world, 1, 0).await.remove(0);
    let envelope =
        Envelope { origin: Origin::System.into(), reverse_path: String::new(), ..to(&["sender@example.org"]) };
    let request = SettleRequest {
        entry: leased.entry,
        lease: leased.lease,
        settlements: vec![settlement("a@one.example", Fate::Failed)],
        notices: vec![Notice { envelope: Some(envelope), message: TEXT.into() }],
    };
    let foreign = SettleRequest {
        notices: vec![Notice { envelope: Some(to(&["a@b.example"])), message: TEXT.into() }],
        ..request.clone()
    };
    assert_eq!(world.queue(Role::Outbound).settle(foreign).await.unwrap_err().code(), Code::InvalidArgument);
    world.queue(Role::Outbound).settle(request).await.unwrap();
    let notice = lease(&world, 10, 0).await;
    assert_eq!(notice.iter().map(|one| one.destination.as_str()).collect::<Vec<_>>(), ["example.org"]);
    assert_eq!(read(&world, &notice[0]).await.unwrap(), TEXT);
}

/// How fast ten streams put messages of 10 KB in, and how much memory 100,000 of them cost: `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn measured() {
    let count: u64 = std::env::var("BREVDUE_QUEUED").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let world = World::new().await;
    let queue = world.queue(Role::Mx);
    let since = Instant::now();
    let mut streams = tokio::task::JoinSet::new();
    for stream in 0..10 {
        let mut queue = queue.clone();
        streams.spawn(async move {
            let text = vec![b'x'; 10_000];
            for number in 0..count / 10 {
                let to = to(&[&format!("a@d{}.example", number % 100)]);
                let steps = vec![begin(number * 10 + stream, to), data(&text), commit(text.len())];
                send(&mut queue, steps).await.unwrap();
            }
        });
    }
    while let Some(done) = streams.join_next().await {
        done.unwrap();
    }
    let taken = since.elapsed();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned();
    let since = Instant::now();
    let mut settled = 0;
    while settled < count {
        for one in lease(&world, 256, 0).await {
            let address = one.envelope.as_ref().unwrap().recipients[0].address.clone();
            settle(&world, &one, vec![settlement(&address, Fate::Delivered)]).await.unwrap();
            settled += 1;
        }
    }
    let rate = |time: std::time::Duration| count as f64 / time.as_secs_f64();
    eprintln!(
        "{count} put in: {:.0}/s; handed out and settled one by one: {:.0}/s; {peak}",
        rate(taken),
        rate(since.elapsed())
    );
}

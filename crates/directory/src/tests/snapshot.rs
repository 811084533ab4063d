//! Snapshots of the catalogue: what they hold and hide, when they are taken, how they reach a worker, and how one becomes a
//! catalogue again.

use super::durability::history::{add_domain, alias, node};
use super::*;
use crate::CopyError;
use crate::backup::{Keeper, Service};
use crate::catalogue::{Grant, Missed, Space, inspect};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use vault::{FileKey, NodeKey};
use wire::backup as told;
use wire::backup::backup_client::BackupClient;
use wire::backup::backup_server::BackupServer;

/// A catalogue with an alias in it, and its keeper.
struct Kept {
    folder: tempfile::TempDir,
    catalogue: Arc<Catalogue>,
    keeper: Arc<Keeper>,
}

impl Kept {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = Arc::new(Catalogue::open(&Self::file_in(&folder), &Self::key_in(&folder)).await.unwrap());
        catalogue.write(node(4001)).await.unwrap();
        catalogue.write(add_domain("x.test")).await.unwrap();
        catalogue.write(alias("ann", 1)).await.unwrap();
        let keeper = Arc::new(Keeper::open(Arc::clone(&catalogue), 60).await.unwrap());
        Self { folder, catalogue, keeper }
    }

    fn file_in(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("catalogue.db")
    }

    fn key_in(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("directory.key")
    }

    fn file(&self) -> PathBuf {
        Self::file_in(&self.folder)
    }

    fn key(&self) -> PathBuf {
        Self::key_in(&self.folder)
    }

    /// Takes one; where it is.
    async fn take(&self) -> PathBuf {
        let (row, unchanged) = self.keeper.take().await.unwrap();
        assert!(!unchanged);
        self.keeper.path(&row.id)
    }

    fn snapshots(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("catalogue.db-snapshots")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// The directory ends, and another opens what is there.
    async fn restarted(self) -> Self {
        let Self { folder, catalogue, keeper } = self;
        drop((catalogue, keeper));
        // The lock goes with the last reference, which is gone.
        let catalogue = Arc::new(Catalogue::open(&Self::file_in(&folder), &Self::key_in(&folder)).await.unwrap());
        let keeper = Arc::new(Keeper::open(Arc::clone(&catalogue), 60).await.unwrap());
        Self { folder, catalogue, keeper }
    }

    async fn changes(&self) -> u64 {
        self.catalogue.changed().await.unwrap().changes
    }
}

fn snapshot_key(file: &Path) -> FileKey {
    NodeKey::from_file(file).unwrap().catalogue_key().unwrap()
}

fn holds(octets: &[u8], what: &[u8]) -> bool {
    octets.windows(what.len()).any(|window| window == what)
}

#[tokio::test]
async fn a_snapshot_is_ciphertext_and_opens_with_the_directory_s_key() {
    let kept = Kept::new().await;
    let path = kept.take().await;
    let octets = fs::read(&path).unwrap();
    let plain = fs::read(kept.file().with_file_name("catalogue.db-wal")).unwrap();
    for what in [&b"ann@x.test"[..], b"x.test", &[1; 77], &[1; 90], b"CREATE TABLE", b"SQLite format 3", b"label 1"] {
        assert!(!holds(&octets, what), "{:?}", String::from_utf8_lossy(what));
    }
    assert!(holds(&plain, b"ann@x.test") && holds(&plain, &[1; 77]), "what is looked for can be found");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let (row, unchanged) = kept.keeper.take().await.unwrap();
    assert!(unchanged, "nothing has changed");
    assert_eq!((row.bytes, row.sha256), (octets.len() as u64, vault::digest(&octets)));
    let inside = inspect(&path, &snapshot_key(&kept.key())).await.unwrap();
    assert_eq!((inside.changes, inside.schema), (row.changes, row.schema));
    let another = NodeKey::generate().unwrap().catalogue_key().unwrap();
    assert!(matches!(inspect(&path, &another).await, Err(CopyError::WrongKey(_))));
    // Whichever octet is changed, it is noticed. In the first page it is as if the key were wrong.
    for at in [100, 5_000, octets.len() / 2, octets.len() - 1] {
        let mut flipped = octets.clone();
        flipped[at] ^= 4;
        fs::write(&path, &flipped).unwrap();
        let found = inspect(&path, &snapshot_key(&kept.key())).await;
        assert!(matches!(found, Err(CopyError::Damaged(..) | CopyError::WrongKey(_))), "{at}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_told_again_or_needs_no_backup_does_not_count() {
    let kept = Kept::new().await;
    let before = kept.changes().await;
    kept.catalogue.check().await.unwrap();
    kept.catalogue.write(node(4001)).await.unwrap();
    let none = Space::default();
    let mailbox = MailboxId::from_bytes([1; 12]);
    let grant = Grant { mailbox, version: 0, held: none, waiting: none, promised: none, least: none, wish: none };
    assert!(kept.catalogue.write(grant).await.unwrap().applied);
    assert!(kept.catalogue.write(add_domain("x.test")).await.is_err());
    kept.take().await;
    assert_eq!(kept.changes().await, before);
    // What the change feed says nothing of, too.
    kept.catalogue.rotate_srs().await.unwrap();
    kept.catalogue.write(node(4002)).await.unwrap();
    assert_eq!(kept.changes().await, before + 2);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_and_a_snapshot_that_waits_is_kept() {
    let kept = Kept::new().await;
    let folder = kept.folder.path().join("catalogue.db-snapshots");
    let waits = kept.take().await;
    fs::write(folder.join("0102030405060708090a0b0c.sqlite"), b"no row").unwrap();
    fs::write(folder.join("0102030405060708090a0b0d.sqlite.part"), b"not finished").unwrap();
    let kept = kept.restarted().await;
    assert_eq!(kept.snapshots(), [waits.file_name().unwrap().to_str().unwrap()]);
    assert!(kept.keeper.take().await.unwrap().1, "it is still the newest");

    // A newer one takes its place.
    kept.catalogue.write(add_domain("y.test")).await.unwrap();
    let newer = kept.take().await;
    assert!(!waits.exists() && newer.exists());
    // Its file is lost: another is taken.
    fs::remove_file(&newer).unwrap();
    let kept = kept.restarted().await;
    assert!(kept.catalogue.changed().await.unwrap().since_ms > 0);
    kept.take().await;
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_leaves_nothing_and_tells_no_key() {
    let kept = Kept::new().await;
    let folder = kept.folder.path().join("catalogue.db-snapshots");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, b"in the way").unwrap();
    let why = kept.keeper.take().await.unwrap_err().to_string();
    let key = snapshot_key(&kept.key());
    assert!(!why.contains("raw") && !why.contains(key.raw_key().as_str()), "{why}");
    // The engine itself cannot write.
    let source = crate::catalogue::Place { disk: &crate::catalogue::SystemDisk, path: kept.file() };
    let target = kept.folder.path().join("directory.key/below");
    let why = crate::catalogue::take_copy(&source, &key, &target).await.unwrap_err().to_string();
    assert!(!why.contains("raw") && !why.contains(key.raw_key().as_str()), "{why}");
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    kept.take().await;
}

#[tokio::test]
async fn writes_go_on_while_a_copy_is_made() {
    let kept = Kept::new().await;
    let write = async {
        for number in 0..40 {
            kept.catalogue.write(add_domain(&format!("d{number}.test"))).await.unwrap();
        }
    };
    let (taken, ()) = tokio::join!(kept.keeper.take(), write);
    let (row, _) = taken.unwrap();
    let known = kept.catalogue.changed().await.unwrap();
    // What came behind it waits for the next, since it was taken.
    assert_eq!(known.since_ms > 0, known.changes > row.changes);
    if known.changes > row.changes {
        kept.take().await;
    }
    assert_eq!(kept.catalogue.changed().await.unwrap().since_ms, 0);
}

/// The service on a port.
async fn served(kept: &Kept) -> (BackupClient<tonic::transport::Channel>, CancellationToken, JoinHandle<()>) {
    let (listener, stop) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), CancellationToken::new());
    let at = listener.local_addr().unwrap();
    let service = BackupServer::new(Service::new(Arc::clone(&kept.keeper), stop.clone()));
    let until = stop.clone().cancelled_owned();
    let task = tokio::spawn(async move {
        let server = tonic::transport::Server::builder().add_service(service);
        server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), until).await.unwrap();
    });
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{at}")).unwrap().connect_lazy();
    (BackupClient::new(channel), stop, task)
}

#[tokio::test]
async fn a_worker_fetches_what_waits_and_says_what_became_of_it() {
    let kept = Kept::new().await;
    let (mut rpc, stop, task) = served(&kept).await;
    let staged = |wait_ms| told::StagedRequest { wait_ms, at_most: 10, after: None };
    assert_eq!(rpc.staged(staged(0)).await.unwrap().into_inner().snapshots, []);
    // Who waits is told.
    let mut waiting = rpc.clone();
    let (found, taken) = tokio::join!(waiting.staged(staged(60_000)), rpc.take(told::TakeRequest {}));
    let (found, taken) = (found.unwrap().into_inner().snapshots, taken.unwrap().into_inner());
    let snapshot = taken.snapshot.unwrap();
    assert_eq!((found.as_slice(), taken.unchanged), (&[snapshot.clone()][..], false));
    assert_eq!((snapshot.kind(), snapshot.subject.as_str(), snapshot.messages), (told::Kind::Catalogue, "", 0));

    let mut octets = Vec::new();
    for (offset, end) in [(0, Some(1000)), (1000, None)] {
        let request = told::ReadRequest { id: snapshot.id.clone(), offset };
        let mut pieces = rpc.read(request).await.unwrap().into_inner();
        while let Some(piece) = pieces.message().await.unwrap() {
            octets.extend_from_slice(&piece.data);
        }
        octets.truncate(end.unwrap_or(octets.len()));
    }
    assert_eq!(vault::digest(&octets).as_slice(), &snapshot.sha256[..]);
    let unknown = told::ReadRequest { id: "0102030405060708090a0b0c".to_owned(), offset: 0 };
    assert_eq!(rpc.read(unknown).await.unwrap_err().code(), Code::NotFound);
    let state = |mailbox_id: &str| told::StateRequest { mailbox_id: mailbox_id.to_owned() };
    assert_eq!(rpc.state(state("010101010101010101010101")).await.unwrap_err().code(), Code::InvalidArgument);

    let failed = told::FailedRequest { id: snapshot.id.clone(), why: "the store is gone".to_owned(), differs: false };
    rpc.failed(failed).await.unwrap();
    let known = rpc.state(state("")).await.unwrap().into_inner();
    assert_eq!((known.uploaded, known.why.as_str(), known.late), (false, "the store is gone", false));
    // Said to differ where it does not, it stays; where it does, it goes, and another is taken though nothing has changed.
    let differs = |id: &str| told::FailedRequest { id: id.to_owned(), why: "it differs".to_owned(), differs: true };
    rpc.failed(differs(&snapshot.id)).await.unwrap();
    let whole = kept.snapshots();
    assert_eq!(whole.len(), 1);
    octets[100] ^= 1;
    std::fs::write(kept.folder.path().join("catalogue.db-snapshots").join(&whole[0]), &octets).unwrap();
    rpc.failed(differs(&snapshot.id)).await.unwrap();
    assert_eq!(kept.snapshots(), Vec::<String>::new());
    let known = rpc.state(state("")).await.unwrap().into_inner();
    assert!(known.newest.is_none() && known.due_since_ms > 0, "{known:?}");
    let again = rpc.take(told::TakeRequest {}).await.unwrap().into_inner();
    assert!(!again.unchanged);
    let snapshot = again.snapshot.unwrap();
    for _ in 0..2 {
        let uploaded = told::UploadedRequest { id: snapshot.id.clone(), ..Default::default() };
        rpc.uploaded(uploaded).await.unwrap();
    }
    let known = rpc.state(state("")).await.unwrap().into_inner();
    assert_eq!((known.uploaded, known.why.as_str(), known.due_since_ms), (true, "", 0));
    assert_eq!(kept.snapshots(), Vec::<String>::new());
    assert!(rpc.take(told::TakeRequest {}).await.unwrap().into_inner().unchanged);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_lost_catalogue_comes_back_and_begins_a_life_of_its_own() {
    let kept = Kept::new().await;
    let path = kept.take().await;
    let seen = kept.catalogue.feed().latest();
    let granted = kept.changes().await;
    // After the snapshot, and so lost; somebody's cache has heard of it.
    kept.catalogue.write(add_domain("later.test")).await.unwrap();
    let since = kept.catalogue.feed().latest();
    assert_eq!(since, seen + 1);
    let out = kept.folder.path().join("restored.db");
    let restored = crate::restore(&path, &kept.key(), &out, false).await.unwrap();
    assert_eq!((restored.domains, restored.aliases, restored.aside), (1, 1, None));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    // Plain, without the octets that the cipher keeps of each page.
    let octets = fs::read(&out).unwrap();
    assert_eq!((&octets[..15], octets[20]), (&b"SQLite format 3"[..], 0));

    let catalogue = Catalogue::open(&out, &kept.key()).await.unwrap();
    assert!(catalogue.alias(&ann()).await.unwrap().epoch > 1 << 32);
    let (credentials, wrapped) = catalogue.credentials(&ann()).await.unwrap();
    assert_eq!((credentials.len(), wrapped), (2, vec![1; 90]));
    // Whoever saw changes that are lost forgets everything, also when there are as many new ones by then.
    for number in 0..3 {
        assert_eq!(catalogue.missed(since).await.unwrap(), Missed::TooMuch);
        catalogue.write(add_domain(&format!("new{number}.test"))).await.unwrap();
    }
    let changed = catalogue.changed().await.unwrap();
    assert!(changed.newest.is_none() && changed.since_ms > 0 && changed.changes > granted);

    // It is there, and open.
    let refused = crate::restore(&path, &kept.key(), &out, true).await;
    assert!(matches!(refused, Err(CopyError::InUse(_))), "{refused:?}");
    let life = catalogue.feed().latest();
    drop(catalogue);
    // A restore that was cut off left this.
    fs::write(kept.folder.path().join("restored.db.restoring"), b"half").unwrap();
    let refused = crate::restore(&path, &kept.key(), &out, false).await;
    assert!(matches!(refused, Err(CopyError::Exists(_))), "{refused:?}");
    // In its place: what was there is kept, and the same snapshot begins another life.
    let restored = crate::restore(&path, &kept.key(), &out, true).await.unwrap();
    let catalogue = Catalogue::open(&out, &kept.key()).await.unwrap();
    assert!(catalogue.feed().latest() > life);
    drop(catalogue);
    let aside = Catalogue::open(restored.aside.as_deref().unwrap(), &kept.key()).await;
    assert_eq!(aside.unwrap().domains().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_snapshot_that_is_not_this_directory_s_restores_nothing() {
    let kept = Kept::new().await;
    let path = kept.take().await;
    let out = kept.folder.path().join("restored.db");
    let other = kept.folder.path().join("other.key");
    NodeKey::generate().unwrap().write_new(&other).unwrap();
    let refused = crate::restore(&path, &other, &out, true).await;
    assert!(matches!(refused, Err(CopyError::WrongKey(_))), "{refused:?}");
    let refused = crate::restore(&path, &kept.folder.path().join("none"), &out, true).await;
    assert!(matches!(refused, Err(CopyError::Key(_))), "{refused:?}");
    let mut octets = fs::read(&path).unwrap();
    let at = octets.len() - 5;
    octets[at] ^= 1;
    fs::write(&path, octets).unwrap();
    let refused = crate::restore(&path, &kept.key(), &out, true).await;
    assert!(matches!(refused, Err(CopyError::Damaged(..))), "{refused:?}");
    let left: Vec<_> = fs::read_dir(kept.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("restored.db") && name != "restored.db.lock"));
}

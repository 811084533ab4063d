//! A real S3 server on loopback (s3s-fs), behind a gate that can be closed in the middle of a request: its store is a folder that
//! a test can look into, and it refuses a wrong secret.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// The bucket that every server begins with.
pub const BUCKET: &str = "mail";
const KEY: &str = "test-key";
const SECRET: &str = "test-secret-of-the-store";
/// Octets that pass the gate at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Octets that one connection brings through a gate that holds: questions pass, and uploads wait.
const QUESTION_BYTES: usize = 128 * 1024;
/// Between two looks whether the gate is open again.
const LOOK: Duration = Duration::from_millis(20);

/// The server.
pub struct S3 {
    _runtime: Runtime,
    folder: tempfile::TempDir,
    port: u16,
    gate: Arc<Gate>,
}

/// What stands between the server and those who use it.
struct Gate {
    /// Octets that may still come in; below zero it is closed.
    left: AtomicI64,
    /// A closed one holds what comes, instead of breaking the connection.
    holds: AtomicBool,
}

impl Gate {
    /// Takes in so many octets of a connection that brought so many before; `false` where it is to break.
    async fn take(&self, count: usize, before: usize) -> bool {
        if self.left.fetch_sub(count as i64, Ordering::SeqCst) >= count as i64 {
            return true;
        }
        if self.is_cut() || before + count <= QUESTION_BYTES {
            return !self.is_cut();
        }
        while self.is_closed() {
            tokio::time::sleep(LOOK).await;
        }
        // Who sent it may be gone by now.
        false
    }

    fn is_closed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// Whether connections break at it now.
    fn is_cut(&self) -> bool {
        self.is_closed() && !self.holds.load(Ordering::SeqCst)
    }
}

impl S3 {
    /// Starts one with a bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("root").join(BUCKET)).expect("a bucket");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let gate = Arc::new(Gate { left: AtomicI64::new(i64::MAX), holds: AtomicBool::new(false) });
        let root = folder.path().join("root");
        let port = runtime.block_on(async {
            let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let behind = server.local_addr().expect("an address");
            tokio::spawn(serve(server, root));
            let front = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let port = front.local_addr().expect("an address").port();
            tokio::spawn(guard(front, behind, gate.clone()));
            port
        });
        Self { _runtime: runtime, folder, port, gate }
    }

    /// What its store says in `[backup]`, with these further lines of the section in front.
    pub fn settings(&self, section: &str) -> String {
        format!(
            "[backup]\n{section}\n[[backup.stores]]\nname = \"s3\"\nkind = \"s3\"\nendpoint = \"http://127.0.0.1:{}\"\n\
             bucket = \"{BUCKET}\"\nprefix = \"of/brevdue\"\npart_bytes = 5242880\ncredentials_file = \"{}\"\n",
            self.port,
            self.credentials().display()
        )
    }

    /// The file with its credentials, made when it is missing.
    pub fn credentials(&self) -> PathBuf {
        let file = self.folder.path().join("credentials");
        if !file.exists() {
            self.write_credentials(SECRET);
        }
        file
    }

    /// Writes another secret into it.
    pub fn write_credentials(&self, secret: &str) {
        fs::write(self.folder.path().join("credentials"), format!("{KEY}\n{secret}\n")).expect("written");
    }

    /// The right one.
    pub fn secret() -> &'static str {
        SECRET
    }

    /// The bucket's folder.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join("root").join(BUCKET)
    }

    /// Parts of uploads that are not whole, on the server's disk.
    pub fn parts(&self) -> usize {
        let root = self.folder.path().join("root");
        let names = fs::read_dir(root).expect("a folder").flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().contains(".part-")).count()
    }

    /// Names of objects of mailboxes that end so.
    pub fn objects(&self, suffix: &str) -> Vec<String> {
        let all = self.all_objects().into_iter();
        all.filter(|name| name.contains("/mailboxes/") && name.ends_with(suffix)).collect()
    }

    /// Names of all objects.
    pub fn all_objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.bucket(), &mut |path| {
            let name = path.strip_prefix(self.bucket()).expect("below").to_string_lossy().into_owned();
            // The server keeps notes of its own beside objects.
            if !name.split('/').any(|part| part.starts_with('.')) {
                found.push(name);
            }
        });
        found.sort();
        found
    }

    /// The network breaks when so many more octets have come in; new connections are closed at once.
    pub fn cut_after(&self, octets: i64) {
        self.gate.holds.store(false, Ordering::SeqCst);
        self.gate.left.store(octets, Ordering::SeqCst);
    }

    /// When so many more octets have come in, uploads stand still until it is mended, and break then; who asks is answered.
    pub fn hold_after(&self, octets: i64) {
        self.gate.holds.store(true, Ordering::SeqCst);
        self.gate.left.store(octets, Ordering::SeqCst);
    }

    /// Whether so many have come in.
    pub fn is_closed(&self) -> bool {
        self.gate.is_closed()
    }

    /// It is mended.
    pub fn mend(&self) {
        self.gate.left.store(i64::MAX, Ordering::SeqCst);
    }
}

fn walk(folder: &Path, told: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            walk(&entry.path(), told);
        } else {
            told(&entry.path());
        }
    }
}

async fn serve(listener: TcpListener, root: PathBuf) {
    let mut builder = S3ServiceBuilder::new(FileSystem::new(root).expect("a store"));
    builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = builder.build();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let connections = Builder::new(TokioExecutor::new());
            let _ = connections.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn guard(listener: TcpListener, behind: SocketAddr, gate: Arc<Gate>) {
    while let Ok((client, _)) = listener.accept().await {
        if !gate.is_cut() {
            tokio::spawn(pass(client, behind, gate.clone()));
        }
    }
}

async fn pass(mut client: TcpStream, behind: SocketAddr, gate: Arc<Gate>) {
    let Ok(mut server) = TcpStream::connect(behind).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let inwards = async {
        let (mut piece, mut before) = (vec![0; PIECE_BYTES], 0);
        while let Ok(count @ 1..) = from_client.read(&mut piece).await {
            if !gate.take(count, before).await {
                return;
            }
            before += count;
            if to_server.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    };
    let outwards = async {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = from_server.read(&mut piece).await {
            if gate.is_cut() || to_client.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    };
    // Whoever ends first closes both.
    tokio::select! {
        () = inwards => {}
        () = outwards => {}
    }
}

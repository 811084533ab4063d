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
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// The bucket that every server begins with.
pub const BUCKET: &str = "mail";
const KEY: &str = "test-key";
const SECRET: &str = "test-secret-of-the-store";
/// Octets that pass the gate at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The server.
pub struct S3 {
    _runtime: Runtime,
    folder: tempfile::TempDir,
    port: u16,
    /// Octets that may still come in; below zero the gate is closed.
    gate: Arc<AtomicI64>,
}

impl S3 {
    /// Starts one with a bucket.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir_all(folder.path().join("root").join(BUCKET)).expect("a bucket");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let gate = Arc::new(AtomicI64::new(i64::MAX));
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
        let mut found = Vec::new();
        walk(&self.bucket(), &mut |path| {
            let name = path.strip_prefix(self.bucket()).expect("below").to_string_lossy().into_owned();
            // The server keeps notes of its own beside objects.
            if name.contains("/mailboxes/")
                && name.ends_with(suffix)
                && !name.split('/').any(|part| part.starts_with('.'))
            {
                found.push(name);
            }
        });
        found.sort();
        found
    }

    /// The network breaks when so many more octets have come in; new connections are closed at once.
    pub fn cut_after(&self, octets: i64) {
        self.gate.store(octets, Ordering::SeqCst);
    }

    /// Whether it has broken.
    pub fn is_cut(&self) -> bool {
        self.gate.load(Ordering::SeqCst) < 0
    }

    /// It is mended.
    pub fn mend(&self) {
        self.gate.store(i64::MAX, Ordering::SeqCst);
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

async fn guard(listener: TcpListener, behind: SocketAddr, gate: Arc<AtomicI64>) {
    while let Ok((client, _)) = listener.accept().await {
        if gate.load(Ordering::SeqCst) >= 0 {
            tokio::spawn(pass(client, behind, gate.clone()));
        }
    }
}

async fn pass(mut client: TcpStream, behind: SocketAddr, gate: Arc<AtomicI64>) {
    let Ok(mut server) = TcpStream::connect(behind).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let inwards = async {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = from_client.read(&mut piece).await {
            if gate.fetch_sub(count as i64, Ordering::SeqCst) < count as i64 {
                return;
            }
            if to_server.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    };
    let outwards = async {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = from_server.read(&mut piece).await {
            if gate.load(Ordering::SeqCst) < 0 || to_client.write_all(&piece[..count]).await.is_err() {
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

//! The accept loop when file descriptors run out, in a process of its own, since the limit is the process's.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use daemon::accept::Acceptor;
use daemon::limits::Limit;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::HashSet;
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Clients that wait in the kernel's queue.
const CLIENTS: usize = 10;
/// Descriptors that are left for the server's ends of them.
const LEFT: usize = 3;

/// Leaves so many descriptors to this process.
fn leave(count: usize) {
    let listed = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    // The one of the listing itself is closed again.
    let open = listed.iter().filter(|path| fs::read_link(path).is_ok());
    let open: HashSet<u64> = open.map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap()).collect();
    let last = (0..).filter(|number| !open.contains(number)).nth(count - 1).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(last + 1), ..getrlimit(Resource::Nofile) }).unwrap();
}

#[tokio::test]
async fn everyone_is_served_once_there_are_descriptors_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(TcpStream::connect(address).await.unwrap());
    }
    leave(LEFT);
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    let acceptor = Acceptor::new(listener, Limit::new("test", CLIENTS), None);
    let accepting = {
        let (shutdown, tasks) = (shutdown.clone(), tasks.clone());
        tokio::spawn(async move {
            let greet = |mut connection: daemon::accept::Connection| async move {
                connection.stream.write_all(b"+").await.unwrap();
                assert_eq!(connection.stream.read(&mut [0; 1]).await.unwrap(), 0);
            };
            acceptor.run(&shutdown, &tasks, greet).await;
        })
    };
    let everyone = async {
        let greeted = &mut clients[..LEFT];
        for client in greeted {
            assert_eq!(client.read_u8().await.unwrap(), b'+');
        }
        // 24 is EMFILE: nothing is left, and seven still wait.
        assert_eq!(fs::File::open("/dev/null").unwrap_err().raw_os_error(), Some(24));
        for (at, mut client) in clients.into_iter().enumerate() {
            if at >= LEFT {
                assert_eq!(client.read_u8().await.unwrap(), b'+');
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), everyone).await.unwrap();
    shutdown.cancel();
    accepting.await.unwrap();
    tasks.close();
    tasks.wait().await;
}

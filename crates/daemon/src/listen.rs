//! Listening sockets by name: inherited from who started the process, or bound to the configured address.
//!
//! Inherited ones come as systemd passes them: `LISTEN_FDS` of them from descriptor 3 on, with their names in
//! `LISTEN_FDNAMES`, separated by colons (sd_listen_fds(3)). A process that is started again on the same sockets loses no
//! connection that waits in their queue.

use listenfd::ListenFd;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; the kernel cuts it at `net.core.somaxconn`.
pub const BACKLOG: u32 = 1024;

/// A socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Binding failed.
    #[error("cannot listen on {address} for {name}: {problem}; {remedy}", remedy = remedy(problem))]
    Bind {
        /// What it is for.
        name: String,
        /// The configured address.
        address: SocketAddr,
        /// What the operating system says.
        problem: io::Error,
    },
    /// An inherited descriptor is not a listening TCP socket.
    #[error("the inherited socket {name} cannot be used: {problem}; pass a listening TCP socket")]
    Inherited {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: io::Error,
    },
    /// Names and descriptors do not match.
    #[error("{descriptors} sockets were passed with {names} names; LISTEN_FDNAMES must name each once")]
    Names {
        /// How many descriptors.
        descriptors: usize,
        /// How many distinct names.
        names: usize,
    },
}

fn remedy(problem: &io::Error) -> &'static str {
    match problem.kind() {
        io::ErrorKind::AddrInUse => "another process has this address: stop it, or configure another address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE, which the systemd units give",
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
        _ => "check the address in the configuration",
    }
}

/// The sockets that were inherited and are not taken yet.
#[derive(Debug, Default)]
pub struct Listeners {
    inherited: HashMap<String, std::net::TcpListener>,
}

impl Listeners {
    /// None inherited: each is bound when it is taken.
    pub fn none() -> Self {
        Self::default()
    }

    /// Those in the environment. Call it once, early: it takes the variables away, so that no child takes them for its own.
    pub fn from_environment() -> Result<Self, ListenError> {
        let mut descriptors = ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self::inherit(&mut descriptors, &names)
    }

    fn inherit(descriptors: &mut ListenFd, names: &str) -> Result<Self, ListenError> {
        if descriptors.len() == 0 {
            return Ok(Self::none());
        }
        let names: Vec<_> = names.split(':').filter(|name| !name.is_empty()).collect();
        let mut inherited = HashMap::new();
        for (at, name) in names.iter().enumerate().take(descriptors.len()) {
            let problem = |problem| ListenError::Inherited { name: (*name).to_owned(), problem };
            let listener = descriptors.take_tcp_listener(at).map_err(problem)?;
            inherited.extend(listener.map(|listener| ((*name).to_owned(), listener)));
        }
        if inherited.len() != descriptors.len() || names.len() != descriptors.len() {
            return Err(ListenError::Names { descriptors: descriptors.len(), names: inherited.len() });
        }
        Ok(Self { inherited })
    }

    /// These, by name, as though they were inherited: for a process that binds for itself in tests and tools.
    pub fn of(listeners: impl IntoIterator<Item = (String, std::net::TcpListener)>) -> Self {
        Self { inherited: listeners.into_iter().collect() }
    }

    /// The inherited socket of this name, else a new one on `address`. Needs a tokio runtime.
    pub fn take(&mut self, name: &str, address: SocketAddr) -> Result<TcpListener, ListenError> {
        if let Some(listener) = self.inherited.remove(name) {
            let adopt = || {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            };
            return adopt().map_err(|problem| ListenError::Inherited { name: name.to_owned(), problem });
        }
        bind(address).map_err(|problem| ListenError::Bind { name: name.to_owned(), address, problem })
    }

    /// Names that were inherited and that nobody took: a role warns of them, since connections to them would hang.
    pub fn left(&self) -> Vec<&str> {
        self.inherited.keys().map(String::as_str).collect()
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a restart does not wait for connections of the last run to leave TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn loopback() -> std::net::TcpListener {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap()
    }

    #[tokio::test]
    async fn inherited_first_then_bound() {
        let given = loopback();
        let address = given.local_addr().unwrap();
        let mut listeners = Listeners::of([("imap".to_owned(), given), ("imaps".to_owned(), loopback())]);
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        assert_eq!(listeners.take("imap", any).unwrap().local_addr().unwrap(), address);
        assert_eq!(listeners.left(), ["imaps"]);
        let bound = listeners.take("imap", any).unwrap().local_addr().unwrap();
        assert_ne!(bound, address);
    }

    #[tokio::test]
    async fn an_address_in_use_says_what_to_do() {
        let taken = loopback();
        let address = taken.local_addr().unwrap();
        let error = Listeners::none().take("mx", address).unwrap_err().to_string();
        let expected = format!(
            "cannot listen on {address} for mx: Address already in use (os error 98); \
             another process has this address: stop it, or configure another address"
        );
        assert_eq!(error, expected);
    }

    /// Runs in the child of the test below, with sockets in its descriptors.
    #[test]
    fn child() {
        let Ok(expected) = std::env::var("EXPECT_INHERITED") else { return };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let mut listeners = Listeners::from_environment().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let got: Vec<_> =
            ["imap", "imaps"].map(|name| listeners.take(name, any).unwrap().local_addr().unwrap().to_string()).into();
        assert_eq!(got.join(" "), expected);
    }

    #[test]
    fn sockets_pass_to_a_child_by_name() {
        use std::os::fd::OwnedFd;
        let (first, second) = (loopback(), loopback());
        let addresses = format!("{} {}", first.local_addr().unwrap(), second.local_addr().unwrap());
        // A shell moves its standard input and output to descriptors 3 and 4, as a service manager would.
        let status = Command::new("sh")
            .args(["-c", "exec \"$0\" --exact listen::tests::child 3<&0 4>&1 </dev/null >/dev/null"])
            .arg(std::env::current_exe().unwrap())
            .env("LISTEN_FDS", "2")
            .env("LISTEN_FDNAMES", "imap:imaps")
            .env("EXPECT_INHERITED", &addresses)
            .stdin(OwnedFd::from(first))
            .stdout(OwnedFd::from(second))
            .status()
            .unwrap();
        assert!(status.success());
    }

    #[test]
    fn every_socket_needs_a_name() {
        // No descriptor is touched before the counts agree: there are none here.
        assert_eq!(Listeners::inherit(&mut ListenFd::empty(), "").unwrap().left(), Vec::<&str>::new());
    }
}

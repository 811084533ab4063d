//! Ports for servers that cannot be handed a listener: each is kept until its server is there, and for as long as it is.
//!
//! The socket that keeps a port is bound and does not listen. Linux binds another one to the same port where it is asked for by
//! its number and both have SO_REUSEADDR, which servers set; but nobody who asks for any free port is given it, nor does a
//! connection begin there. So tests that run at the same time never get each other's, not even while a server is down.

use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpSocket;

/// A TCP port of 127.0.0.1 that is nobody else's until this is dropped.
pub struct Port {
    number: u16,
    _socket: TcpSocket,
}

impl Port {
    /// A free one.
    pub fn free() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option that Linux has");
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        Self { number: socket.local_addr().expect("bound").port(), _socket: socket }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[test]
fn is_taken_by_its_number_alone() {
    use std::net::{TcpListener, TcpStream};
    let port = Port::free();
    assert!(TcpStream::connect(("127.0.0.1", port.number())).is_err(), "nobody listens yet");
    let listener = TcpListener::bind(("127.0.0.1", port.number())).expect("a server with SO_REUSEADDR");
    let _client = TcpStream::connect(("127.0.0.1", port.number())).expect("it listens");
    listener.accept().expect("a client");
    drop(listener);
    // As a server that is started again.
    TcpListener::bind(("127.0.0.1", port.number())).expect("it is kept meanwhile");
}

//! The trace field that says how a message came here (RFC 5321 §4.4).

use crate::Mx;
use message::trace::{Greeting, Received, Tls};
use model::DeliveryId;
use smtp::{Path, Protocol};
use std::net::IpAddr;

/// Who sent the message here, and how.
pub struct Peer<'a> {
    /// The name it gave in HELO or EHLO.
    pub hello: &'a str,
    /// Its address.
    pub address: IpAddr,
    /// How it spoke.
    pub protocol: Protocol,
    /// TLS's version and cipher suite.
    pub tls: Option<(&'static str, String)>,
}

/// Received, with its line ends. The recipient is named only when there is just one.
pub fn received(mx: &Mx, id: DeliveryId, peer: &Peer<'_>, name: Option<&str>, only: Option<&Path>) -> String {
    let greeting = match (peer.protocol.utf8, peer.protocol.extended) {
        (true, _) => Greeting::Utf8Smtp,
        (false, true) => Greeting::Esmtp,
        (false, false) => Greeting::Smtp,
    };
    let id = id.to_string();
    let recipients: Vec<&str> = only.map(Path::as_str).into_iter().collect();
    message::trace::received(&Received {
        greeted_as: peer.hello,
        client: peer.address,
        client_name: name,
        by: &mx.session.hostname,
        greeting,
        tls: peer.tls.as_ref().map(|(version, cipher)| Tls { version, cipher }),
        authenticated: false,
        id: &id,
        recipients: &recipients,
        at: mx.clock.now(),
    })
}

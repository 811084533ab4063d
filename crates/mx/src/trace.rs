//! The trace fields that go on top of a message (RFC 5321 §4.4): Return-Path, then Received.

use crate::Mx;
use message::trace::{Greeting, Received, Tls, received, return_path};
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

/// Both fields, with their line ends. The recipient is named only when there is just one.
pub fn fields(mx: &Mx, id: DeliveryId, reverse_path: &Path, peer: &Peer<'_>, only: Option<&Path>) -> String {
    let greeting = match (peer.protocol.utf8, peer.protocol.extended) {
        (true, _) => Greeting::Utf8Smtp,
        (false, true) => Greeting::Esmtp,
        (false, false) => Greeting::Smtp,
    };
    let id = id.to_string();
    let recipients: Vec<&str> = only.map(Path::as_str).into_iter().collect();
    let mut fields = return_path(reverse_path.as_str());
    fields.push_str(&received(&Received {
        greeted_as: peer.hello,
        client: peer.address,
        client_name: None,
        by: &mx.session.hostname,
        greeting,
        tls: peer.tls.as_ref().map(|(version, cipher)| Tls { version, cipher }),
        authenticated: false,
        id: &id,
        recipients: &recipients,
        at: mx.clock.now(),
    }));
    fields
}

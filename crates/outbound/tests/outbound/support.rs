//! Connections and messages of tests.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use outbound::connection::{Connection, Opening, open};
use outbound::fault::Fault;
use outbound::letter::{Letter, Recipient};
use outbound::outcome::Verdict;
use outbound::patience::Patience;
use outbound::text::{Pieces, Source};
use outbound::tls::{Demand, Tls};
use outbound::transaction::Sent;
use smtp::client::Notify;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// A message in memory, in pieces of a size that fits nothing.
pub struct Text(pub Vec<u8>);

impl Source for Text {
    fn open(&self) -> BoxFuture<'static, Result<Pieces, String>> {
        let pieces: Vec<_> = self.0.chunks(10_007).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        async move { Ok(stream::iter(pieces).boxed()) }.boxed()
    }
}

pub const SMALL: &str = "From: a@sender.test\r\nSubject: x\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n";

pub fn small() -> Text {
    Text(SMALL.as_bytes().to_vec())
}

pub fn letter(text: &Text) -> Letter {
    Letter {
        reverse_path: "a@sender.test".to_owned(),
        ret: None,
        envelope_id: String::new(),
        utf8: false,
        eight_bit: false,
        require_tls: false,
        of_system: false,
        size: text.0.len() as u64,
        arrived: jiff::Timestamp::UNIX_EPOCH,
    }
}

pub fn recipients(addresses: &[&str]) -> Vec<Recipient> {
    let recipient = |address: &&str| Recipient {
        address: (*address).to_owned(),
        notify: Notify::default(),
        original: String::new(),
        attempts: 0,
        delay_notified: false,
    };
    addresses.iter().map(recipient).collect()
}

/// A moment for what would take minutes; long enough for a busy machine.
pub fn patience() -> Patience {
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(120));
    Patience { greeting: long, end: long, last_word: long, hello: long, quit: short, ..Patience::default() }
}

/// With the authorities of a file, or those of a certificate that nobody has.
pub fn tls(ca: Option<&Path>) -> Tls {
    match ca {
        Some(file) => Tls::load(Some(file)).unwrap(),
        None => {
            let folder = tempfile::tempdir().unwrap();
            let made = rcgen::generate_simple_self_signed(vec!["nobody.test".to_owned()]).unwrap();
            let file = folder.path().join("ca.pem");
            std::fs::write(&file, made.cert.pem()).unwrap();
            Tls::load(Some(&file)).unwrap()
        }
    }
}

pub async fn connect_with(port: u16, demand: &Demand, tls: &Tls, patience: Patience) -> Result<Connection, Fault> {
    let opening = Opening {
        hello: "outbound.sender.test",
        host: "mx.postfix.test",
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        demand,
        implicit_tls: false,
        login: None,
        tls,
        patience,
    };
    open(&opening).await
}

pub async fn connect(port: u16) -> Result<Connection, Fault> {
    connect_with(port, &Demand::default(), &tls(None), patience()).await
}

/// Verdict, status and whether the server said so, of each recipient; `None` for those that were not decided.
pub fn verdicts(sent: &Sent) -> Vec<Option<(Verdict, String)>> {
    sent.outcomes.iter().map(|o| o.as_ref().map(|o| (o.verdict, o.status.to_string()))).collect()
}

pub fn delivered(notifies: bool, status: &str) -> Option<(Verdict, String)> {
    Some((Verdict::Delivered { notifies }, status.to_owned()))
}
pub fn deferred(status: &str) -> Option<(Verdict, String)> {
    Some((Verdict::Deferred, status.to_owned()))
}
pub fn failed(status: &str) -> Option<(Verdict, String)> {
    Some((Verdict::Failed, status.to_owned()))
}

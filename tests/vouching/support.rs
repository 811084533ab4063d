//! A resolver that asks a zone, a runtime for one test, keys, and messages that went by.

use ::dns::Resolver;
use authentication::{BodyStream, Checked, Signer, SigningKey};
use base64::Engine;
use daemon::config::Dns;
use daemon::shared::Shared;
use harness::zone::Zone;
use std::future::Future;
use vault::signing::{Algorithm, PrivateKey};

/// Runs a test's future.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The section that asks this zone over plain DNS and validates.
pub fn section(zone: &Zone) -> Dns {
    Dns { servers: vec![zone.plain()], trust_anchor: zone.trust_anchor(), ..Dns::default() }
}

/// A resolver for it. Within a runtime.
pub fn resolver(zone: &Zone) -> Resolver {
    daemon::tls::install_provider();
    Resolver::new(&section(zone), Shared::in_process()).unwrap()
}

/// A message as it went by, in pieces.
pub fn went_by(message: &[u8]) -> Checked {
    let mut stream = BodyStream::new();
    message.chunks(997).for_each(|piece| stream.push(piece));
    stream.finish()
}

/// A domain's two keys, and the TXT records of their public halves.
pub struct Keys {
    pub rsa: PrivateKey,
    pub ed25519: PrivateKey,
    domain: String,
}

impl Keys {
    pub fn of(domain: &str) -> Self {
        Self {
            rsa: PrivateKey::generate(Algorithm::Rsa2048).unwrap(),
            ed25519: PrivateKey::generate(Algorithm::Ed25519).unwrap(),
            domain: domain.to_owned(),
        }
    }

    pub fn signer(&self) -> Signer {
        let key = |selector, key| SigningKey::new(&self.domain, selector, key).unwrap();
        Signer::new(vec![key("r1", &self.rsa), key("e1", &self.ed25519)])
    }

    pub fn records(&self) -> String {
        let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
        let rsa = encode(self.rsa.public());
        let (head, tail) = rsa.split_at(200);
        format!(
            "r1._domainkey.{0}. 60 TXT \"v=DKIM1; k=rsa; p={head}\" \"{tail}\"\ne1._domainkey.{0}. 60 TXT \"v=DKIM1; k=ed25519; p={1}\"\n",
            self.domain,
            encode(self.ed25519.public())
        )
    }
}

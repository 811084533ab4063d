//! What messages with secrets print as: everything but the secrets.

use crate::directory::{SigningKey, SrsSecretsReply, Webhook};
use std::fmt;

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("selector", &self.selector).finish_non_exhaustive()
    }
}

impl fmt::Debug for SrsSecretsReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrsSecretsReply").finish_non_exhaustive()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let secret = b"7777".to_vec();
        let key = SigningKey { private_key: secret.clone().into(), ..SigningKey::default() };
        let srs = SrsSecretsReply { secrets: vec![secret.clone().into()] };
        let webhook = Webhook { secret: secret.into(), ..Webhook::default() };
        let printed = format!("{key:?} {srs:?} {webhook:?}");
        assert!(!printed.contains("7777") && !printed.contains("55"), "{printed}");
    }
}

//! DKIM signatures on what we write ourselves, with the keys of the domain that it is from.

use authentication::{BodyStream, Signer, SigningKey};
use directory::client::DirectoryClient;
use jiff::Timestamp;
use model::Address;

/// Signs for whatever domain has keys in the directory.
#[derive(Clone)]
pub struct Signers(DirectoryClient);

impl Signers {
    /// With the keys of the directory.
    pub fn new(directory: DirectoryClient) -> Self {
        Self(directory)
    }

    /// The DKIM-Signature fields of a message that is from this address; none when its domain has no keys, or they cannot be
    /// had now: an unsigned notice is better than none.
    pub async fn sign(&self, from: &str, message: &[u8], at: Timestamp) -> String {
        match self.fields(from, message, at).await {
            Ok(fields) => fields,
            Err(reason) => {
                tracing::warn!(reason, "a notice goes out unsigned");
                String::new()
            }
        }
    }

    async fn fields(&self, from: &str, message: &[u8], at: Timestamp) -> Result<String, String> {
        let from: Address = from.parse().map_err(|error| format!("{error}"))?;
        let keys = self.0.signing_keys(from.domain()).await.map_err(|error| error.to_string())?;
        let keys = keys.iter().map(|key| SigningKey::new(from.domain().as_str(), &key.selector, &key.key));
        let signer = Signer::new(keys.collect::<Result<_, _>>().map_err(|error| error.to_string())?);
        if signer.is_empty() {
            return Ok(String::new());
        }
        let mut stream = BodyStream::new();
        stream.push(message);
        signer.sign(b"", &stream.finish(), at).map_err(|error| error.to_string())
    }
}

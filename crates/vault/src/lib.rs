//! Keys, credentials, sealing and digests; the only crate with cryptographic primitives.

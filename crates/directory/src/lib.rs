//! The catalogue of accounts, domains, aliases, credentials and placement, and its gRPC service and client.

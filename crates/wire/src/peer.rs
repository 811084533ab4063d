//! Who is at the other end of a mutual TLS connection: the role that stands in the certificate. Verification is rustls's.

use model::Role;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;

/// The peer of an internal connection, as it stands in the extensions of every gRPC request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// From the certificate.
    pub role: Role,
    /// Where the connection came from.
    pub address: SocketAddr,
}

/// The name to ask for when connecting to a server of this role.
pub fn server_name(role: Role) -> Option<ServerName<'static>> {
    ServerName::try_from(role.dns_name()).ok()
}

/// The role that the certificate names. `None` without one, and with more than one: a certificate has one authority.
///
/// The certificate must have been verified against the internal CA before; this only reads it.
pub fn role_of_certificate(certificate: &CertificateDer<'_>) -> Option<Role> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut roles = certificate.valid_dns_names().filter_map(Role::of_dns_name);
    let role = roles.next()?;
    roles.all(|other| other == role).then_some(role)
}

/// The role of the client of an established connection.
pub fn role_of(connection: &rustls::ServerConnection) -> Option<Role> {
    role_of_certificate(connection.peer_certificates()?.first()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_with(names: &[&str]) -> Option<Role> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let certified = rcgen::generate_simple_self_signed(names).unwrap();
        role_of_certificate(certified.cert.der())
    }

    #[test]
    fn the_role_is_the_one_in_the_certificate() {
        for role in Role::ALL {
            assert_eq!(role_with(&["localhost", &role.dns_name(), "node-1.example.com"]), Some(role));
        }
    }

    #[test]
    fn no_role_and_two_roles_are_none() {
        for names in [
            &["localhost"][..],
            &["imap.brevdue.internal.example.com"],
            &["imapbrevdue.internal"],
            &["x.imap.brevdue.internal"],
            &["brevdue.internal"],
            &["postmaster.brevdue.internal"],
            &["mx.brevdue.internal", "imap.brevdue.internal"],
        ] {
            assert_eq!(role_with(names), None, "{names:?}");
        }
        assert_eq!(role_of_certificate(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])), None);
    }
}

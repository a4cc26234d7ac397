//! Whom a connection to the outside trusts: the authorities of the system, or those that the operator names.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Where systems keep the certificates that they trust.
const ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file of the system's authorities, if it has one.
pub(crate) fn system<'a>() -> Option<&'a Path> {
    ROOTS.iter().map(Path::new).find(|path| path.exists())
}

/// Adds the authorities of a PEM file. False when there is not one in it.
pub(crate) fn add(roots: &mut RootCertStore, path: &Path) -> bool {
    let Ok(certificates) = CertificateDer::pem_file_iter(path) else {
        return false;
    };
    // One that cannot be read among many is left out, as other programs do.
    let (added, _unread) = roots.add_parsable_certificates(certificates.flatten());
    added > 0
}

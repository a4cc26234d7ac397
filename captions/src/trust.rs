//! TLS for what this crate asks of other machines: the server's library and provider, trusting whom the system trusts.

use std::sync::Arc;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Where systems keep the certificates that they trust.
const ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Reads the certificates now, for a process that may not be able to later. None where the system has none.
pub(crate) fn tls() -> Option<TlsConfig> {
    let pem = ROOTS.iter().find_map(|path| std::fs::read(path).ok())?;
    let roots = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Some(
        TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(provider)
            .build(),
    )
}

/// What is said where [`tls`] finds nothing.
pub(crate) const NO_ROOTS: &str =
    "this system has no certificates to trust (package `ca-certificates`)";

//! The TLS certificate: the operator's, or a self-signed one that is made at the first start and kept.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Tls;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("`{0}`: {1}")]
    File(PathBuf, std::io::Error),
    /// A file is not PEM, or not of the kind it should be.
    #[error("`{0}` does not hold a certificate or key in PEM: {1}")]
    Pem(PathBuf, rustls::pki_types::pem::Error),
    /// The certificate cannot be made.
    #[error("a self-signed certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The two do not go together, or are not usable.
    #[error("certificate and key cannot be used: {0}")]
    Use(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3 with the operator's certificate, or with the self-signed one in the data folder.
pub fn server_config(tls: &Tls, data: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    let (certificate, key) = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ => self_signed(&tls.names, data)?,
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| CertificateError::Pem(certificate.clone(), error));
    let secret =
        PrivateKeyDer::from_pem_file(&key).map_err(|error| CertificateError::Pem(key, error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain?, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn self_signed(names: &[String], data: &Path) -> Result<(PathBuf, PathBuf), CertificateError> {
    let (certificate, key) = (data.join("tls-certificate.pem"), data.join("tls-key.pem"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let mut all = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    all.extend(names.iter().cloned());
    let made = rcgen::generate_simple_self_signed(all)?;
    write(&key, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
    write(&certificate, made.cert.pem().as_bytes(), 0o644)?;
    Ok((certificate, key))
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), CertificateError> {
    let written = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(mode)
        .open(path);
    written
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .map_err(|error| CertificateError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_self_signed_certificate_is_made_once_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        server_config(&Tls::default(), folder.path()).unwrap();
        let key = folder.path().join("tls-key.pem");
        let first = fs::read(&key).unwrap();
        assert_eq!(
            fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        server_config(&Tls::default(), folder.path()).unwrap();
        assert_eq!(fs::read(&key).unwrap(), first);
    }

    #[test]
    fn a_file_that_is_no_key_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.pem");
        fs::write(&file, "nothing").unwrap();
        let tls = Tls {
            certificate: Some(file.clone()),
            key: Some(file),
            names: Vec::new(),
        };
        assert!(
            server_config(&tls, folder.path())
                .unwrap_err()
                .to_string()
                .contains("x.pem")
        );
    }
}

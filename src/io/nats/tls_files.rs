//! Certificates and keys for TLS with the servers: checked at the start, and read by the client at each connect.

use crate::decode::settings::{ClientCertificate, NatsTls};
use async_nats::ConnectOptions;
use async_nats::rustls::crypto::ring;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::sign::CertifiedKey;
use std::path::Path;

/// The options with these files.
pub(super) fn with_tls(mut options: ConnectOptions, tls: &NatsTls) -> ConnectOptions {
    if let Some(authorities) = &tls.authorities {
        options = options.add_root_certificates(authorities.clone());
    }
    if let Some(client) = &tls.client {
        options = options.add_client_certificate(client.certificate.clone(), client.key.clone());
    }
    options.require_tls(tls.is_required())
}

/// The faults of the files; none where all can be used.
pub(super) fn check(tls: &NatsTls) -> Vec<String> {
    let authorities = tls.authorities.as_deref();
    let authorities = authorities.and_then(|path| certificates("NATS_CA", path).err());
    let client = tls.client.as_ref().and_then(|files| pair(files).err());
    authorities.into_iter().chain(client).collect()
}

/// The certificates of a file, at least one.
fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fault = |what: String| format!("{setting}: {}: {what}", path.display());
    let text = std::fs::read(path).map_err(|err| fault(err.to_string()))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(fault(
            "no certificate (a PEM block that begins with -----BEGIN CERTIFICATE-----)".to_owned(),
        )),
        Err(err) => Err(fault(format!("invalid PEM: {err}"))),
    }
}

/// Checks that the key can be read and belongs to the certificate.
fn pair(files: &ClientCertificate) -> Result<(), String> {
    let certificates = certificates("NATS_CERT", &files.certificate)?;
    let fault = |what: String| format!("NATS_KEY: {}: {what}", files.key.display());
    let text = std::fs::read(&files.key).map_err(|err| fault(err.to_string()))?;
    // The error of the parser may repeat what it read.
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        fault("no private key (a PEM block PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY, not encrypted)".to_owned())
    })?;
    let certified = CertifiedKey::from_der(certificates, key, &ring::default_provider());
    let wrong = |err| {
        let certificate = files.certificate.display();
        fault(format!(
            "the key does not fit the certificate {certificate}: {err}"
        ))
    };
    certified.map(|_| ()).map_err(wrong)
}

/// Advice for what TLS said; empty where there is none.
pub(super) fn hint(text: &str) -> &'static str {
    let said = text.to_lowercase();
    if said.contains("certificaterequired") || said.contains("certificate required") {
        ". Set NATS_CERT and NATS_KEY to a client certificate that the server trusts"
    } else if said.contains("unknownissuer") || said.contains("unknown issuer") {
        ". Set NATS_CA to the authority of its certificate"
    } else if said.contains("not valid for name") || said.contains("notvalidforname") {
        ". Give the server in NATS_URL by a name that its certificate has"
    } else if said.contains("corrupt message") {
        ". The server answers without TLS: set that up, or unset NATS_CERT and NATS_CA"
    } else {
        ""
    }
}

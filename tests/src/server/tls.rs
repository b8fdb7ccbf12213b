//! A certificate authority for one run of the tests.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};

/// The authority and the server's certificate.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    server: Arc<ServerConfig>,
}

impl Authority {
    /// Makes an authority, and a server certificate for `localhost`, 127.0.0.1 and `host_name`.
    pub(super) fn new(host_name: &str) -> io::Result<Self> {
        let mut params = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Authority of the hub simulator");
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        let pem = issuer.as_ref().pem();

        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        if host_name != "localhost" {
            names.push(host_name.to_owned());
        }
        let (chain, key) = issue(&issuer, names, host_name, ExtendedKeyUsagePurpose::ServerAuth)?;
        let mut roots = RootCertStore::empty();
        roots.add(issuer.as_ref().der().clone()).map_err(io::Error::other)?;
        let provider = Arc::new(default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(io::Error::other)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![chain.der().clone()], key)
            .map_err(io::Error::other)?;
        Ok(Self { issuer, pem, server: Arc::new(server) })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    pub(super) fn issue_client(&self, common_name: &str) -> io::Result<(String, String)> {
        let (certificate, key) = issue(&self.issuer, Vec::new(), common_name, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn issue(
    issuer: &CertifiedIssuer<'static, KeyPair>,
    names: Vec<String>,
    common_name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> io::Result<(rcgen::Certificate, KeyPair)> {
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.signed_by(&key, issuer).map_err(io::Error::other)?;
    Ok((certificate, key))
}

/// The common name in the subject of a certificate that TLS has verified.
///
/// In `TBSCertificate` the subject is the fifth field behind the optional version: serial number, signature
/// algorithm, issuer, validity, subject (RFC 5280 §4.1).
pub(super) fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    /// Object identifier 2.5.4.3, `id-at-commonName`.
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    let (_, certificate, _) = der(certificate)?;
    let (_, mut fields, _) = der(certificate)?;
    if let (0xa0, _, rest) = der(fields)? {
        fields = rest;
    }
    for _ in 0..4 {
        fields = der(fields)?.2;
    }
    let (_, mut names, _) = der(fields)?;
    while let Some((_, set, rest)) = der(names) {
        let (_, attribute, _) = der(set)?;
        let (_, kind, value) = der(attribute)?;
        if kind == COMMON_NAME {
            return String::from_utf8(der(value)?.1.to_vec()).ok();
        }
        names = rest;
    }
    None
}

/// Splits the first DER element off: tag, contents, what follows.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, mut bytes) = bytes.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, rest) = bytes.split_at_checked(usize::from(first & 0x7f))?;
        len = digits.iter().try_fold(0_usize, |len, &digit| len.checked_mul(256)?.checked_add(usize::from(digit)))?;
        bytes = rest;
    }
    let (contents, rest) = bytes.split_at_checked(len)?;
    Some((tag, contents, rest))
}

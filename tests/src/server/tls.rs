//! A certificate authority for one run of the tests, and what TLS tells of clients.

use std::{io, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    DigitallySignedStruct, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime, pem::PemObject},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use sha2::{Digest, Sha256};

use crate::hub::PeerCertificate;

/// A client certificate with its private key.
pub struct ClientCertificate {
    /// The certificate in PEM.
    pub certificate: String,
    /// The private key in PEM.
    pub key: String,
    /// The SHA-256 of its DER, in hex.
    pub thumbprint: String,
}

impl ClientCertificate {
    /// Makes one that is signed by nobody else.
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn self_signed(common_name: &str) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = leaf(Vec::new(), common_name, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self::new(&params.self_signed(&key).map_err(io::Error::other)?, &key))
    }

    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let digits = Sha256::digest(certificate.der()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { certificate: certificate.pem(), key: key.serialize_pem(), thumbprint: digits }
    }
}

/// The authority and the server's certificate.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    server: Arc<ServerConfig>,
    /// Whose client certificates are trusted: this authority's and those of others.
    clients: RootCertStore,
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
        let server = serve_as(&issuer, names, host_name)?;
        let mut clients = RootCertStore::empty();
        clients.add(issuer.as_ref().der().clone()).map_err(io::Error::other)?;
        Ok(Self { issuer, pem, server, clients })
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    pub(super) fn trust_clients(&mut self, pem: &[u8]) -> io::Result<()> {
        let before = self.clients.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            self.clients.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        if self.clients.len() == before { Err(io::Error::other("no certificate to trust")) } else { Ok(()) }
    }

    /// TLS as it is now, for a port.
    pub(super) fn acceptor(&self) -> io::Result<Acceptor> {
        self.accepting(Arc::clone(&self.server))
    }

    /// The same with a certificate for this name only.
    pub(super) fn acceptor_as(&self, host_name: &str) -> io::Result<Acceptor> {
        self.accepting(serve_as(&self.issuer, vec![host_name.to_owned()], host_name)?)
    }

    fn accepting(&self, config: Arc<ServerConfig>) -> io::Result<Acceptor> {
        let clients = WebPkiClientVerifier::builder_with_provider(
            Arc::new(self.clients.clone()),
            Arc::clone(config.crypto_provider()),
        );
        Ok(Acceptor { config, clients: clients.build().map_err(io::Error::other)? })
    }

    pub(super) fn issue_client(&self, common_name: &str) -> io::Result<ClientCertificate> {
        let (certificate, key) = issue(&self.issuer, Vec::new(), common_name, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(ClientCertificate::new(&certificate, &key))
    }
}

/// Makes TLS connections, and tells whose they are.
#[derive(Clone)]
pub(super) struct Acceptor {
    config: Arc<ServerConfig>,
    /// Knows the authorities that are trusted.
    clients: Arc<dyn ClientCertVerifier>,
}

impl Acceptor {
    pub(super) fn open(&self) -> io::Result<ServerConnection> {
        ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)
    }

    /// The client's certificate, after the handshake.
    pub(super) fn peer(&self, tls: &ServerConnection) -> Option<PeerCertificate> {
        let (certificate, chain) = tls.peer_certificates()?.split_first()?;
        let trusted = self.clients.verify_client_cert(certificate, chain, UnixTime::now()).is_ok();
        let common_name = if trusted { common_name(certificate) } else { None };
        Some(PeerCertificate { common_name, thumbprint: Sha256::digest(certificate).into() })
    }
}

/// Asks for a client certificate and takes any whose key the client has. It may be known by its thumbprint; and a client
/// with a wrong one, or with none, is to be told by CONNACK.
#[derive(Debug)]
struct AnyClient(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS with a certificate for these names.
fn serve_as(
    issuer: &CertifiedIssuer<'static, KeyPair>,
    names: Vec<String>,
    common_name: &str,
) -> io::Result<Arc<ServerConfig>> {
    let (chain, key) = issue(issuer, names, common_name, ExtendedKeyUsagePurpose::ServerAuth)?;
    let provider = Arc::new(default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_client_cert_verifier(Arc::new(AnyClient(provider)))
        .with_single_cert(vec![chain.der().clone()], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(server))
}

/// A certificate that signs no others, yet to be signed.
fn leaf(names: Vec<String>, common_name: &str, usage: ExtendedKeyUsagePurpose) -> io::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    Ok(params)
}

fn issue(
    issuer: &CertifiedIssuer<'static, KeyPair>,
    names: Vec<String>,
    common_name: &str,
    usage: ExtendedKeyUsagePurpose,
) -> io::Result<(rcgen::Certificate, KeyPair)> {
    let mut params = leaf(names, common_name, usage)?;
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(io::Error::other)?;
    let certificate = params.signed_by(&key, issuer).map_err(io::Error::other)?;
    Ok((certificate, key))
}

/// The common name in the subject of a certificate.
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

//! TCP and TLS, on the standard library and rustls. Nothing here waits longer than it is told.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore};

use super::link::Remote;

/// For connecting to one address, and for each answer in the TLS handshake.
const SETUP: Duration = Duration::from_secs(10);
/// How long a full socket may hold the driver up.
const SEND: Duration = Duration::from_millis(100);
/// The shortest wait a socket can be told: none at all would mean for ever.
const SHORTEST: Duration = Duration::from_millis(1);

/// A TLS client that trusts the certificates in a PEM text, and has the client certificate and the private key in the PEM
/// file `own`.
///
/// # Errors
/// There is none in it, or a bad one.
pub(crate) fn trust_pem(pem: &[u8], own: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    trust(roots, own)
}

/// As [`trust_pem`], of a PEM file.
///
/// # Errors
/// The file cannot be read, or as [`trust_pem`].
pub(crate) fn trust_file(file: &Path, own: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    trust_pem(&std::fs::read(file)?, own)
}

/// As [`trust_pem`], of what this system trusts.
///
/// # Errors
/// The system has no certificates, or as [`trust_pem`].
pub(crate) fn trust_system(own: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    // Systems carry some that are not well-formed; the others serve.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trust(roots, own)
}

fn trust(roots: RootCertStore, own: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    if roots.is_empty() {
        return Err(io::Error::other("no certificate to trust: name a PEM file with --ca"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = config.with_root_certificates(roots);
    let Some(own) = own else { return Ok(Arc::new(config.with_no_client_auth())) };
    let chain = CertificateDer::pem_file_iter(own).and_then(Iterator::collect).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(own).map_err(io::Error::other)?;
    config.with_client_auth_cert(chain, key).map(Arc::new).map_err(io::Error::other)
}

/// One connection.
pub(crate) struct Tls {
    tcp: TcpStream,
    tls: ClientConnection,
    /// For the demonstration: bytes until the cable is cut.
    cut_in: Option<usize>,
}

impl Tls {
    /// Connects and makes the TLS handshake.
    ///
    /// # Errors
    /// No address answers, or the certificate is not to be trusted.
    pub(crate) fn open(remote: &Remote) -> io::Result<Self> {
        let mut failure = io::Error::other("the name has no address");
        for address in (remote.host.as_str(), remote.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, SETUP) {
                Ok(tcp) => return Self::handshake(tcp, remote),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn handshake(mut tcp: TcpStream, remote: &Remote) -> io::Result<Self> {
        // MQTT's packets are small, and what follows one waits for its answer.
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(SETUP))?;
        tcp.set_write_timeout(Some(SETUP))?;
        let name = ServerName::try_from(remote.host.clone()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(&remote.tls), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        tcp.set_write_timeout(Some(SEND))?;
        Ok(Self { tcp, tls, cut_in: None })
    }

    /// Which TLS was agreed upon.
    pub(crate) fn version(&self) -> &'static str {
        match self.tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        }
    }

    /// Sends what fits of `bytes` and gives how many they were; 0 if the socket is full.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(left) = self.cut_in.filter(|left| *left <= bytes.len()) {
            return self.cut(&bytes[..left]);
        }
        match self.flush() {
            Err(error) if is_pause(&error) => return Ok(0),
            other => other?,
        }
        // TLS takes the bytes even if the socket does not: then they leave with the next call.
        let sent = self.tls.writer().write(bytes)?;
        self.cut_in = self.cut_in.map(|left| left - sent);
        match self.flush() {
            Err(error) if !is_pause(&error) => Err(error),
            _ => Ok(sent),
        }
    }

    /// Whether bytes wait for room in the socket.
    pub(crate) fn is_full(&self) -> bool {
        self.tls.wants_write()
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Waits at most for `wait` and gives how many bytes came into `room`: 0 if there are none yet.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn receive(&mut self, room: &mut [u8], wait: Duration) -> io::Result<usize> {
        let ready = self.decrypted(room)?;
        if ready > 0 {
            return Ok(ready);
        }
        match self.flush() {
            Err(error) if !is_pause(&error) => return Err(error),
            _ => {}
        }
        self.tcp.set_read_timeout(Some(wait.max(SHORTEST)))?;
        match self.tls.read_tls(&mut self.tcp) {
            Err(error) if is_pause(&error) => return Ok(0),
            other => other?,
        };
        let state = self.tls.process_new_packets();
        // An alert, or an answer of TLS's own.
        let _ = self.flush();
        state.map_err(io::Error::other)?;
        self.decrypted(room)
    }

    fn decrypted(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.tls.reader().read(room) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Err(error) if is_pause(&error) => Ok(0),
            other => other,
        }
    }

    /// Says good-bye in TLS, to a peer that may be gone already, and closes.
    pub(crate) fn close(mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
        let _ = self.tcp.shutdown(Shutdown::Both);
    }

    /// For the demonstration: the cable is cut after so many bytes more, wherever in a packet that is.
    pub(crate) const fn cut_after(&mut self, bytes: usize) {
        self.cut_in = Some(bytes);
    }

    fn cut(&mut self, last: &[u8]) -> io::Result<usize> {
        if last.is_empty() {
            return Err(ErrorKind::ConnectionReset.into());
        }
        self.cut_in = Some(0);
        let sent = self.tls.writer().write(last)?;
        let _ = self.flush();
        let _ = self.tcp.shutdown(Shutdown::Both);
        Ok(sent)
    }
}

/// Nothing is wrong, only nothing to do: the names differ between systems.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

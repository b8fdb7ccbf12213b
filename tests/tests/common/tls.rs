//! TLS clients of a server in the same process.

// Each test program uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use iothub_tests::server::ClientCertificate;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// Far more than anything here takes: only a failure waits for it.
pub const LIMIT: Duration = Duration::from_secs(20);

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts this authority, shows this certificate, and speaks these versions of TLS.
pub fn config(
    ca_pem: &str,
    client: Option<&ClientCertificate>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    Arc::new(match client {
        None => config.with_no_client_auth(),
        Some(client) => {
            let chain = vec![CertificateDer::from_pem_slice(client.certificate.as_bytes()).unwrap()];
            config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap()).unwrap()
        }
    })
}

/// Connects to a port of this machine, whose server must be `host`. The handshake is made with the first byte.
pub fn connect(config: Arc<ClientConfig>, host: &'static str, port: u16) -> Stream {
    let tls = ClientConnection::new(config, ServerName::try_from(host).unwrap()).unwrap();
    StreamOwned::new(tls, plain(port))
}

/// Connects to a port of this machine that is at ease in every version of TLS.
pub fn open(ca_pem: &str, client: Option<&ClientCertificate>, host: &'static str, port: u16) -> Stream {
    connect(config(ca_pem, client, rustls::DEFAULT_VERSIONS), host, port)
}

/// As [`open`], with the handshake made, for a driver that looks for input now and then: a read waits for 5 ms.
pub fn polled(ca_pem: &str, host: &'static str, port: u16) -> Stream {
    let mut stream = open(ca_pem, None, host, port);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).unwrap();
    }
    stream.sock.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    stream
}

pub fn plain(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

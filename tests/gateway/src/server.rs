//! The hub on loopback: one tokio thread, with and without TLS.

use crate::Outcome;
use crate::hub::Hub;
use std::io::Read;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, pki_types::PrivateKeyDer};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Prints the port with TLS, the port without, and its certificate in hexadecimal; ends when its input does.
pub fn run() -> Outcome<()> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der())?;
    let der = certified.cert.der().clone();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![der.clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for acceptor in [Some(acceptor), None] {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            let listener = socket.listen(BACKLOG)?;
            println!("{}", listener.local_addr()?.port());
            tokio::spawn(accept(listener, acceptor));
        }
        println!("{}", der.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        Ok(())
    })
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        match acceptor.clone() {
            None => drop(tokio::spawn(serve(tcp))),
            Some(acceptor) => drop(tokio::spawn(async move {
                if let Ok(tls) = acceptor.accept(tcp).await {
                    serve(tls).await;
                }
            })),
        }
    }
}

/// Answers until the device is gone. Packets come whole here: a device sends little, and waits for the answer.
async fn serve(mut transport: impl AsyncRead + AsyncWrite + Unpin) {
    let mut hub = Hub::echoing();
    let mut room = [0; 4_096];
    while let Ok(len @ 1..) = transport.read(&mut room).await {
        hub.receive(&room[..len]);
        if transport.write_all(hub.answer()).await.is_err() || transport.flush().await.is_err() {
            return;
        }
        hub.taken();
    }
}

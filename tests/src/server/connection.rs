//! One connection: socket, TLS, WebSocket and its part of the hub.

use std::{
    io::{self, Read, Write},
    mem,
    net::{Shutdown, TcpStream},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::Duration,
};

use rustls::ServerConnection;
use tungstenite::protocol::frame::coding::CloseCode;

use super::{Door, Shared, lock, tls::Acceptor};
use crate::{
    hub::{ConnId, PeerCertificate},
    websocket::ServerEnd,
};

/// Bytes to read from a socket, or to take from the hub, at a time.
const CHUNK: usize = 16 * 1024;

/// What wakes a connection's thread.
pub(super) enum Input {
    /// Bytes from the socket.
    Bytes(Vec<u8>),
    /// The socket has ended.
    Closed,
    /// The hub has something for this connection.
    Wake,
}

/// Serves one connection to its end.
pub(super) fn serve(shared: &Shared, stream: TcpStream, door: Door) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (sender, inputs) = sync_channel(16);
    let reader = stream.try_clone()?;
    let bytes = sender.clone();
    let reader = std::thread::spawn(move || read(reader, &bytes));

    let open = door.open;
    let result = Transport::open(stream.try_clone()?, door, &inputs).and_then(|mut transport| {
        let conn = shared.with(|hub, now| open(hub, now, transport.peer.take()));
        lock(&shared.peers).insert(conn, sender);
        let result = run(shared, conn, &mut transport, &inputs);
        lock(&shared.peers).remove(&conn);
        shared.with(|hub, now| hub.handle_eof(conn, now));
        transport.close();
        result
    });
    // This ends the reader, whether it waits for the socket or for room in the channel.
    let _ = stream.shutdown(Shutdown::Both);
    drop(inputs);
    let _ = reader.join();
    result
}

/// Reads a socket to its end. A full channel holds the client back.
fn read(mut stream: TcpStream, inputs: &SyncSender<Input>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(len @ 1..) = stream.read(&mut buffer) {
        if inputs.send(Input::Bytes(buffer[..len].to_vec())).is_err() {
            return;
        }
    }
    let _ = inputs.send(Input::Closed);
}

fn run(shared: &Shared, conn: ConnId, transport: &mut Transport, inputs: &Receiver<Input>) -> io::Result<()> {
    let mut received = mem::take(&mut transport.early);
    loop {
        let (output, close, due) = shared.with(|hub, now| {
            if !received.is_empty() {
                hub.handle_input(conn, now, &received);
            }
            let output = hub.poll_transmit(conn, CHUNK);
            (output, hub.wants_close(conn), hub.poll_timeout().map(|at| at.since(now).as_millis()))
        });
        received.clear();
        if !output.is_empty() {
            transport.write(&output)?;
            continue;
        }
        if close.is_some() || transport.is_over() {
            return Ok(());
        }
        // At least a millisecond, so that a deadline of this very millisecond does not spin.
        match inputs.recv_timeout(Duration::from_millis(due.unwrap_or(60_000).clamp(1, 60_000))) {
            Ok(Input::Bytes(bytes)) => received = transport.receive(&bytes)?,
            Ok(Input::Wake) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Input::Closed) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The socket, and on it TLS and WebSocket, if there are any.
struct Transport {
    stream: TcpStream,
    tls: Option<ServerConnection>,
    websocket: Option<ServerEnd>,
    /// The client's certificate.
    peer: Option<PeerCertificate>,
    /// MQTT's bytes that came with the end of the handshakes.
    early: Vec<u8>,
}

impl Transport {
    /// Makes the handshakes.
    fn open(stream: TcpStream, door: Door, inputs: &Receiver<Input>) -> io::Result<Self> {
        let tls = door.tls.as_ref().map(Acceptor::open).transpose()?;
        let websocket = door.websocket.map(ServerEnd::new);
        let mut transport = Self { stream, tls, websocket, peer: None, early: Vec::new() };
        while transport.is_handshaking() {
            let Ok(Input::Bytes(bytes)) = inputs.recv() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let mqtt = transport.receive(&bytes)?;
            transport.early.extend(mqtt);
            if transport.is_over() {
                transport.close();
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
        }
        transport.peer = door.tls.zip(transport.tls.as_ref()).and_then(|(acceptor, tls)| acceptor.peer(tls));
        Ok(transport)
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
            || self.websocket.as_ref().is_some_and(|websocket| !websocket.is_open())
    }

    /// Whether the WebSocket is over: refused, closed or broken.
    fn is_over(&self) -> bool {
        self.websocket.as_ref().is_some_and(|websocket| websocket.over().is_some())
    }

    /// MQTT's bytes in what the socket gave.
    fn receive(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let plain = self.decrypt(bytes)?;
        let Some(websocket) = &mut self.websocket else { return Ok(plain) };
        let mqtt = websocket.receive(&plain);
        let output = websocket.output();
        self.encrypt(&output)?;
        Ok(mqtt)
    }

    fn write(&mut self, mqtt: &[u8]) -> io::Result<()> {
        let Some(websocket) = &mut self.websocket else { return self.encrypt(mqtt) };
        websocket.send(mqtt);
        let output = websocket.output();
        self.encrypt(&output)
    }

    /// Feeds TLS with some of the bytes from the socket, and sends what it has to say.
    fn feed(&mut self, bytes: &mut &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        tls.read_tls(bytes)?;
        let state = tls.process_new_packets();
        while tls.wants_write() {
            tls.write_tls(&mut self.stream)?;
        }
        state.map(drop).map_err(io::Error::other)
    }

    /// The client's bytes in what the socket gave, and in what came with the handshake.
    fn decrypt(&mut self, mut bytes: &[u8]) -> io::Result<Vec<u8>> {
        if self.tls.is_none() {
            return Ok(bytes.to_vec());
        }
        let mut plain = Vec::new();
        loop {
            if let Some(tls) = &mut self.tls
                && let Err(error) = tls.reader().read_to_end(&mut plain)
                && error.kind() != io::ErrorKind::WouldBlock
            {
                return Err(error);
            }
            if bytes.is_empty() {
                return Ok(plain);
            }
            // TLS buffers little: it takes some, and what is there is taken out before more goes in.
            self.feed(&mut bytes)?;
        }
    }

    fn encrypt(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(bytes) };
        while !bytes.is_empty() {
            let len = tls.writer().write(bytes)?;
            bytes = &bytes[len..];
            while tls.wants_write() {
                tls.write_tls(&mut self.stream)?;
            }
        }
        Ok(())
    }

    /// Says good-bye in WebSocket and TLS. The client may be gone already.
    fn close(&mut self) {
        if let Some(websocket) = &mut self.websocket {
            websocket.close(CloseCode::Normal);
            let output = websocket.output();
            let _ = self.encrypt(&output);
        }
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = tls.write_tls(&mut self.stream);
        }
    }
}

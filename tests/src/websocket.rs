//! The server's end of a WebSocket, by tungstenite, without I/O: bytes of the transport in and out, MQTT's bytes out
//! and in. It checks what IoT Hub checks: the path, with any query, and the sub-protocol.

#![expect(clippy::result_large_err, reason = "tungstenite's type")]

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    mem,
    rc::Rc,
};

use iothub_proto::websocket::PATH;
use tungstenite::{
    Error, HandshakeError, Message, WebSocket,
    handshake::{
        MidHandshake,
        server::{ErrorResponse, Request, Response, ServerHandshake},
    },
    http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL},
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

/// What the client asks for is checked by this.
type Check = fn(&Request, Response) -> Result<Response, ErrorResponse>;

/// Who serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// IoT Hub.
    Hub,
    /// The Device Provisioning Service. The C# and Java SDKs ask it for the path `/`.
    Provisioning,
}

/// A connection that a client has begun.
pub struct ServerEnd {
    stage: Stage,
    pipe: Pipe,
    /// Bytes of a frame at most: longer messages are sent in fragments, each followed by a ping.
    fragment: usize,
}

#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Stage {
    Asked(MidHandshake<ServerHandshake<Pipe, Check>>),
    Open(Box<WebSocket<Pipe>>),
    /// The client has closed, or did something wrong.
    Over(Error),
}

impl ServerEnd {
    /// Awaits a client's request.
    #[must_use]
    pub fn new(service: Service) -> Self {
        let pipe = Pipe::default();
        let check: Check = match service {
            Service::Hub => |request, response| check(&[PATH], request, response),
            Service::Provisioning => |request, response| check(&[PATH, "/"], request, response),
        };
        let stage = Stage::Asked(ServerHandshake::start(pipe.clone(), check, None));
        Self { stage, pipe, fragment: usize::MAX }
    }

    /// Sends what is longer in frames of at most so many bytes, and pings in between.
    #[must_use]
    pub fn with_fragments(mut self, len: usize) -> Self {
        self.fragment = len.max(1);
        self
    }

    /// Takes bytes from the client, and gives MQTT's. [`output`](Self::output) may have something to say to them.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.pipe.0.borrow_mut().input.extend(bytes);
        let mut mqtt = Vec::new();
        if let Stage::Asked(_) = &self.stage {
            self.upgrade();
        }
        while let Stage::Open(socket) = &mut self.stage {
            match socket.read() {
                Ok(Message::Binary(bytes)) => mqtt.extend(bytes),
                Ok(Message::Text(_)) => self.close(CloseCode::Unsupported),
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.stage = Stage::Over(error),
            }
        }
        mqtt
    }

    fn upgrade(&mut self) {
        // tungstenite takes many small reads for an attack, so it gets the request whole.
        if !self.pipe.0.borrow_mut().input.make_contiguous().ends_with(b"\r\n\r\n") {
            return;
        }
        let Stage::Asked(handshake) = mem::replace(&mut self.stage, Stage::Over(Error::AlreadyClosed)) else { return };
        self.stage = match handshake.handshake() {
            Ok(socket) => Stage::Open(Box::new(socket)),
            Err(HandshakeError::Interrupted(handshake)) => Stage::Asked(handshake),
            Err(HandshakeError::Failure(error)) => Stage::Over(error),
        };
    }

    /// Whether MQTT can flow.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    /// Why it is over, if it is: [`Error::ConnectionClosed`] after a good end.
    #[must_use]
    pub const fn over(&self) -> Option<&Error> {
        if let Stage::Over(error) = &self.stage { Some(error) } else { None }
    }

    /// Sends MQTT's bytes to the client: nothing unless it is open.
    pub fn send(&mut self, mqtt: &[u8]) {
        let Stage::Open(socket) = &mut self.stage else { return };
        let mut pieces = mqtt.chunks(self.fragment).peekable();
        let mut kind = Data::Binary;
        while let Some(piece) = pieces.next() {
            let fin = pieces.peek().is_none();
            // The pipe takes all; after a Close nothing is to be sent any more.
            let _ = socket.send(Message::Frame(Frame::message(piece.to_vec(), OpCode::Data(kind), fin)));
            if !fin {
                let _ = socket.send(Message::Ping(piece[..piece.len().min(125)].to_vec().into()));
            }
            kind = Data::Continue;
        }
    }

    /// Says that this is the end, if it is not over already.
    pub fn close(&mut self, code: CloseCode) {
        if let Stage::Open(socket) = &mut self.stage {
            let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
        }
    }

    /// What is to be sent to the client.
    pub fn output(&mut self) -> Vec<u8> {
        mem::take(&mut self.pipe.0.borrow_mut().output)
    }
}

/// One of these paths with any query, and the sub-protocol in any case (the C SDK writes `MQTT`), which is given back as it
/// came.
fn check(paths: &[&str], request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let refuse = |status: StatusCode| {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        refusal
    };
    if !paths.contains(&request.uri().path()) {
        return Err(refuse(StatusCode::NOT_FOUND));
    }
    let asked = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL);
    let protocols = asked.iter().filter_map(|names| names.to_str().ok()).flat_map(|names| names.split(','));
    let mqtt = protocols.map(str::trim).find(|name| name.eq_ignore_ascii_case("mqtt"));
    let mqtt = mqtt.and_then(|name| HeaderValue::from_str(name).ok()).ok_or_else(|| refuse(StatusCode::BAD_REQUEST))?;
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, mqtt);
    Ok(response)
}

/// What tungstenite takes for a socket.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Bytes>>);

#[derive(Default)]
struct Bytes {
    input: VecDeque<u8>,
    output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.0.borrow_mut().input.read(room)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

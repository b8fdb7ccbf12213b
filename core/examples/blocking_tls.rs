//! A complete device over the standard library's sockets and rustls, in one thread.
//!
//! ```text
//! cargo run -p iothub-proto --example blocking_tls -- 'HostName=…;DeviceId=…;SharedAccessKey=…'
//! ```
//!
//! This file is the driver; its comments name the steps and laws of [`Client`]. What the device does is in `device`.
//! The thread waits for the socket when it reads and never when it writes: a hub that does not read can neither keep
//! the device from reading nor stop its timers.

mod device;

pub(crate) use device::Options;
use device::{Device, MAX_PACKET, Outcome};
use iothub_proto::event::Disconnected;
use iothub_proto::{Client, Inbound, RxBuffer, Slot, Storage};
use rustls::{ClientConfig, ClientConnection};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

fn main() -> ExitCode {
    let Err(error) = Options::read(std::env::args().skip(1)).and_then(|options| run(&options)) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{error}\n{}", device::USAGE);
    ExitCode::FAILURE
}

pub(crate) fn run(options: &Options) -> Outcome<()> {
    let tls = options.tls()?;
    let mut device = Device::new(options)?;
    let (mut tx, mut slots, mut inbound) = (vec![0; 64 * 1024], [Slot::EMPTY; 128], [Inbound::EMPTY; 64]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut client = Client::new(device.config(), storage)?;
    loop {
        let ended = match Transport::open(device.host(), options.port, &tls) {
            Ok(transport) => Some(converse(transport, &mut client, &mut device)?),
            Err(error) => {
                println!("no connection: {error}");
                None
            }
        };
        let Some(again) = device.retry(ended) else { return Ok(()) };
        while device.now() < again {
            device.idle(&mut client);
            let left = Duration::from_millis(again.since(device.now()).as_millis());
            std::thread::sleep(left.min(device.sleep(&client)));
        }
    }
}

/// One connection, from CONNECT to its end.
fn converse(mut transport: Transport, client: &mut Client<'_>, device: &mut Device<'_>) -> Outcome<Disconnected> {
    // A new buffer: what an earlier connection left behind must not be taken for this one's.
    let mut memory = vec![0; MAX_PACKET as usize];
    let mut rx = RxBuffer::new(&mut memory);
    device.sign_in(client)?;
    loop {
        // Step 1: input, until there is no event. What waits without input comes here, too (law 2), and the end
        // before the error that explains it (law 6): so an error here is a mistake of this program.
        while let Some(event) = client.poll_event(device.now(), &mut rx)? {
            if let Some(ended) = device.handle(client, &event) {
                transport.close();
                return Ok(ended);
            }
        }
        // Deadlines fire here only, after the bytes in hand (law 7). One that ends the connection is an event of step 1
        // as well, so its error is not needed.
        let _ = client.handle_timeout(device.now());
        device.read_sensor(client);

        // Step 2: output, until there is none or the socket is full.
        // Step 3: sleep until input, room to send, or the next deadline; not if an event waits, such as the end.
        let moved = transport
            .send(client, device)
            .and_then(|()| if client.has_event() { Ok(()) } else { transport.receive(&mut rx, device.sleep(client)) });
        if let Err(error) = moved {
            println!("the link broke: {error}");
            client.handle_eof(device.now())?;
        }
    }
}

/// TLS on a socket.
struct Transport {
    tls: ClientConnection,
    tcp: TcpStream,
}

impl Transport {
    fn open(host: &str, port: u16, tls: &Arc<ClientConfig>) -> Outcome<Self> {
        let tls = ClientConnection::new(Arc::clone(tls), host.to_owned().try_into()?)?;
        let mut failed = io::Error::from(ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, Duration::from_secs(20)) {
                Ok(tcp) => {
                    tcp.set_nodelay(true)?;
                    return Ok(Self { tls, tcp });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed.into())
    }

    /// Passes on what the client lends, once the TLS handshake is over. Until then, and while the hub does not read,
    /// nothing is confirmed, so that the client's own deadline ends a link that is stuck.
    fn send(&mut self, client: &mut Client<'_>, device: &Device<'_>) -> Outcome<()> {
        while self.flush()?
            && !self.tls.is_handshaking()
            && let Some(bytes) = client.poll_transmit()
        {
            // TLS may take a part only. What it took is as good as sent: it is confirmed, and not lent again (law 11).
            let taken = self.tls.writer().write(bytes)?;
            client.confirm_transmit(device.now(), taken)?;
        }
        Ok(())
    }

    /// Writes what TLS holds; `false` if the socket is full before the end of it.
    fn flush(&mut self) -> io::Result<bool> {
        self.tcp.set_nonblocking(true)?;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.tcp) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.tcp.set_nonblocking(false)?;
        Ok(!self.tls.wants_write())
    }

    /// Waits for input, and takes what there is. Its end is an error.
    fn receive(&mut self, rx: &mut RxBuffer<'_>, wait: Duration) -> Outcome<()> {
        if self.take(rx)? {
            return Ok(());
        }
        // Nobody tells this thread that there is room to send: look again soon. A wait of 0 would be endless.
        let limit = Duration::from_millis(if self.tls.wants_write() { 20 } else { 60_000 });
        self.tcp.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), limit)))?;
        match self.tls.read_tls(&mut self.tcp) {
            Ok(_) => self.tls.process_new_packets()?,
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => return Ok(()),
                _ => return Err(error.into()),
            },
        };
        self.take(rx).map(drop)
    }

    /// Takes what is decrypted; `false` if there was nothing.
    fn take(&mut self, rx: &mut RxBuffer<'_>) -> Outcome<bool> {
        match self.tls.reader().read(rx.space()) {
            Ok(0) => Err("closed by the hub".into()),
            Ok(len) => {
                rx.commit(len);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A last word in TLS. The hub may be gone already.
    fn close(&mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
    }
}

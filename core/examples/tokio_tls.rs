//! The device of `blocking_tls` over tokio and tokio-rustls.
//!
//! ```text
//! cargo run -p iothub-proto --example tokio_tls -- 'HostName=…;DeviceId=…;SharedAccessKey=…'
//! ```
//!
//! This file is the driver; its comments name the steps and laws of [`Client`]. What the device does is in `device`.

mod device;

use device::{Device, MAX_PACKET, Options, Outcome};
use iothub_proto::event::Disconnected;
use iothub_proto::{Client, Inbound, RxBuffer, Slot, Storage};
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = run().await else { return ExitCode::SUCCESS };
    eprintln!("{error}\n{}", device::USAGE);
    ExitCode::FAILURE
}

async fn run() -> Outcome<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let tls = TlsConnector::from(options.tls()?);
    let mut device = Device::new(&options)?;
    let (mut tx, mut slots, mut inbound) = (vec![0; 64 * 1024], [Slot::EMPTY; 128], [Inbound::EMPTY; 64]);
    let storage = Storage { tx: &mut tx, slots: &mut slots, inbound: &mut inbound };
    let mut client = Client::new(device.config(), storage)?;
    loop {
        let opening = tokio::time::timeout(Duration::from_secs(30), open(device.host(), options.port, &tls));
        let ended = match opening.await.map_err(Into::into).flatten() {
            Ok(transport) => Some(converse(transport, &mut client, &mut device).await?),
            Err(error) => {
                println!("no connection: {error}");
                None
            }
        };
        let Some(again) = device.retry(ended) else { return Ok(()) };
        while device.now() < again {
            device.idle(&mut client);
            let left = Duration::from_millis(again.since(device.now()).as_millis());
            tokio::time::sleep(left.min(device.sleep(&client))).await;
        }
    }
}

/// TLS on a socket.
async fn open(host: &str, port: u16, tls: &TlsConnector) -> Outcome<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    Ok(tls.connect(host.to_owned().try_into()?, tcp).await?)
}

/// One connection, from CONNECT to its end.
async fn converse(
    transport: TlsStream<TcpStream>,
    client: &mut Client<'_>,
    device: &mut Device<'_>,
) -> Outcome<Disconnected> {
    let (mut reader, mut writer) = tokio::io::split(transport);
    // A new buffer: what an earlier connection left behind must not be taken for this one's.
    let mut memory = vec![0; MAX_PACKET as usize];
    let mut rx = RxBuffer::new(&mut memory);
    // TLS has taken bytes that the socket may not have.
    let mut unflushed = false;
    device.sign_in(client)?;
    loop {
        // Step 1: input, until there is no event. What waits without input comes here, too (law 2), and the end
        // before the error that explains it (law 6): so an error here is a mistake of this program.
        while let Some(event) = client.poll_event(device.now(), &mut rx)? {
            if let Some(ended) = device.handle(client, &event) {
                // A last word in TLS. The hub may be gone already, or not read.
                let _ = tokio::time::timeout(Duration::from_secs(2), writer.shutdown()).await;
                return Ok(ended);
            }
        }
        // Deadlines fire here only, after the bytes in hand (law 7). One that ends the connection is an event of step 1
        // as well, so its error is not needed.
        let _ = client.handle_timeout(device.now());
        device.read_sensor(client);

        // Steps 2 and 3 at once: what is lent leaves when there is room, unless input or a deadline is first. Then it is
        // lent again, unchanged (law 11); what left is confirmed.
        let wait = device.sleep(client);
        let lent = client.poll_transmit();
        let more = lent.is_some();
        let moved = tokio::select! {
            read = reader.read(rx.space()) => match read {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                read => read.map(|len| rx.commit(len)),
            },
            sent = send(&mut writer, lent), if more || unflushed => {
                unflushed = more;
                sent.and_then(|len| client.confirm_transmit(device.now(), len).map_err(io::Error::other))
            }
            () = tokio::time::sleep(wait) => Ok(()),
        };
        if let Err(error) = moved {
            println!("the link broke: {error}");
            client.handle_eof(device.now())?;
        }
    }
}

/// Has TLS take some of these bytes, or the socket what TLS has. Nothing is lost if it is dropped before its end.
async fn send(writer: &mut WriteHalf<TlsStream<TcpStream>>, bytes: Option<&[u8]>) -> io::Result<usize> {
    match bytes {
        Some(bytes) => writer.write(bytes).await,
        None => writer.flush().await.map(|()| 0),
    }
}

//! The gateway: one task a device, all in one thread. A device is a client, a receive buffer and a transport.

use crate::Outcome;
use crate::usage::{Usage, cpu, memory};
use iothub_proto::auth::Identity;
use iothub_proto::time::Instant;
use iothub_proto::topic::Features;
use iothub_proto::{ConnectOptions, Event, OwnedClient, OwnedLimits, RxBytes, Settings, Telemetry};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Barrier, Semaphore};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Connections being opened at a time.
const OPENING: usize = 64;

pub enum Transport {
    Plain(u16),
    Tls(u16, TlsConnector),
}

impl Transport {
    /// TLS to this port, trusting the certificate whose DER this is in hexadecimal.
    pub fn tls(port: u16, certificate: &str) -> Outcome<Self> {
        let digits =
            certificate.as_bytes().chunks(2).map(|digits| Ok(u8::from_str_radix(str::from_utf8(digits)?, 16)?));
        let der: Vec<u8> = digits.collect::<Outcome<_>>()?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(der))?;
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self::Tls(port, TlsConnector::from(Arc::new(config))))
    }
}

pub struct Gateway {
    connections: usize,
    messages: usize,
    transport: Transport,
    settings: Arc<Settings>,
    start: std::time::Instant,
    opening: Semaphore,
    /// Where all devices and the one who measures meet: ready, told to begin, done, told to end.
    together: Barrier,
}

impl Gateway {
    pub fn new(connections: usize, messages: usize, transport: Transport) -> Self {
        let settings = Settings { features: Features::ALL_DEVICE, ..Settings::default() };
        Self {
            connections,
            messages,
            transport,
            settings: Arc::new(settings),
            start: std::time::Instant::now(),
            opening: Semaphore::new(OPENING),
            together: Barrier::new(connections + 1),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.start.elapsed().as_millis() as u64)
    }

    /// Every device signs in, exchanges its messages, and leaves.
    pub fn run(self) -> Outcome<Usage> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let this = Rc::new(self);
        let mut usage = Usage::default();
        let tasks = tokio::task::LocalSet::new();
        let before = (cpu(), memory());
        for number in 0..this.connections {
            let this = Rc::clone(&this);
            tasks.spawn_local(async move { this.device(number).await.expect("a good hub on loopback") });
        }
        runtime.block_on(tasks.run_until(async {
            this.together.wait().await;
            let ready = (cpu(), std::time::Instant::now());
            usage.signed_in = ready.0 - before.0;
            this.together.wait().await;
            this.together.wait().await;
            usage.exchanged = cpu() - ready.0;
            usage.wall = ready.1.elapsed();
            usage.memory = memory().saturating_sub(before.1);
            this.together.wait().await;
        }));
        runtime.block_on(tasks);
        Ok(usage)
    }

    async fn device(&self, number: usize) -> Outcome<()> {
        let device_id = format!("device-{number:07}");
        let identity = Identity::device("localhost", &device_id);
        let client = OwnedClient::new(&identity, Arc::clone(&self.settings), OwnedLimits::default())?;
        let permit = self.opening.acquire().await?;
        match &self.transport {
            Transport::Plain(port) => {
                let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
                tcp.set_nodelay(true)?;
                drop(permit);
                self.converse(client, tcp).await
            }
            Transport::Tls(port, connector) => {
                let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
                tcp.set_nodelay(true)?;
                let tls = connector.connect(ServerName::try_from("localhost")?, tcp).await?;
                drop(permit);
                self.converse(client, tls).await
            }
        }
    }

    async fn converse(&self, client: OwnedClient, transport: impl AsyncRead + AsyncWrite + Unpin) -> Outcome<()> {
        let rx = RxBytes::new(client.settings().max_packet as usize + 4_096);
        let mut device = Device { client, rx, transport, acknowledged: 0, received: 0, ready: false };
        let options = ConnectOptions { password: Some("a token"), ..ConnectOptions::default() };
        device.client.connect(self.now(), &options)?;
        device.drive(self, |device| device.ready).await?;
        self.together.wait().await;
        self.together.wait().await;
        for sent in 1..=self.messages {
            let message = Telemetry { payload: &[b'x'; 64], ..Telemetry::default() };
            device.client.send_telemetry(self.now(), &message)?;
            device.drive(self, |device| device.acknowledged == sent && device.received == sent).await?;
        }
        self.together.wait().await;
        self.together.wait().await;
        Ok(())
    }
}

struct Device<T> {
    client: OwnedClient,
    rx: RxBytes,
    transport: T,
    acknowledged: usize,
    received: usize,
    ready: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Device<T> {
    /// The driver that the client's documentation asks for, until `done`.
    async fn drive(&mut self, gateway: &Gateway, done: impl Fn(&Self) -> bool) -> Outcome<()> {
        loop {
            while let Some(event) = self.client.poll_event(gateway.now(), &mut self.rx)? {
                match event.as_event() {
                    Event::Message(message) => {
                        self.received += 1;
                        if let Some(token) = message.token {
                            self.client.message_accept(gateway.now(), token)?;
                        }
                    }
                    Event::TelemetryAcked(_) => self.acknowledged += 1,
                    Event::Ready { .. } => self.ready = true,
                    Event::Disconnected(ended) => return Err(format!("{ended:?}").into()),
                    _ => {}
                }
            }
            let mut sent = false;
            while let Some(bytes) = self.client.poll_transmit() {
                let len = self.transport.write(bytes).await?;
                self.client.confirm_transmit(gateway.now(), len)?;
                sent = true;
            }
            if sent {
                self.transport.flush().await?;
            }
            if done(self) {
                return Ok(());
            }
            let due = self.client.poll_timeout().map_or(u64::MAX / 2, |at| at.since(gateway.now()).as_millis());
            tokio::select! {
                read = self.transport.read(self.rx.space()) => match read? {
                    0 => return Err("the hub closed the connection".into()),
                    len => self.rx.commit(len),
                },
                () = tokio::time::sleep(std::time::Duration::from_millis(due)) => {}
            }
            // After the bytes in hand (law 7). What is fatal comes again from `poll_event`.
            if self.client.poll_timeout().is_some_and(|at| at <= gateway.now()) && self.rx.filled().is_empty() {
                let _ = self.client.handle_timeout(gateway.now());
            }
        }
    }
}

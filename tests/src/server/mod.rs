//! The hub on loopback, for real clients: TLS and plain TCP, with and without WebSocket.
//!
//! Each connection has two threads. One reads the socket and passes the bytes on; the other owns the
//! connection: it feeds the hub, encrypts and writes, and waits for bytes, for a wake-up or for the hub's next
//! deadline, whichever is first. Whoever changes the hub wakes the connections that then have something to do,
//! so nothing is polled.
//!
//! ```no_run
//! use std::time::Duration;
//! use iothub_tests::{hub::{Credentials, Hub, HubConfig}, server::Server};
//!
//! let mut hub = Hub::new(HubConfig::new("localhost"));
//! hub.register("dev1", Credentials::key("AAECAw==").unwrap());
//! let mut server = Server::new(hub).unwrap();
//! let port = server.listen_tls(0).unwrap();
//! // … a client connects to localhost:port, trusting server.ca_pem() …
//! let telemetry = server.wait(Duration::from_secs(10), |hub| hub.take_telemetry().pop());
//! ```

mod connection;
mod tls;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::SyncSender,
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use iothub_proto::time::Instant;

use crate::{
    hub::{ConnId, Hub, PeerCertificate},
    websocket::Service,
};
use connection::Input;
use tls::{Acceptor, Authority};

pub use tls::ClientCertificate;

/// What the threads share.
struct Shared {
    hub: Mutex<Hub>,
    /// Told after every change of the hub.
    changed: Condvar,
    /// How to wake the thread of a connection.
    peers: Mutex<HashMap<ConnId, SyncSender<Input>>>,
    stopping: AtomicBool,
    start: std::time::Instant,
}

/// No thread of the server panics while it holds a lock; if a test does, the hub is as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Time since the server's start: the hub's monotonic clock.
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Changes the hub, and wakes those whom it concerns.
    fn with<T>(&self, change: impl FnOnce(&mut Hub, Instant) -> T) -> T {
        let mut hub = lock(&self.hub);
        let result = self.step(&mut hub, change);
        drop(hub);
        self.changed.notify_all();
        result
    }

    /// Changes the hub and wakes the connections that have something to do then, or all of them if there is a
    /// new deadline to wait for.
    fn step<T>(&self, hub: &mut Hub, change: impl FnOnce(&mut Hub, Instant) -> T) -> T {
        let now = self.now();
        hub.handle_timeout(now);
        let before = hub.poll_timeout();
        let result = change(hub, now);
        let earlier = hub.poll_timeout().is_some_and(|due| before.is_none_or(|before| due < before));
        let ready = hub.ready();
        for (_, wake) in lock(&self.peers).iter().filter(|(conn, _)| earlier || ready.contains(conn)) {
            // A full channel wakes its thread by itself.
            let _ = wake.try_send(Input::Wake);
        }
        result
    }
}

/// How a connection is opened: to the hub or to the provisioning service.
type Open = fn(&mut Hub, Instant, Option<PeerCertificate>) -> ConnId;

/// What is behind a port, and what clients of it must speak below MQTT.
#[derive(Clone)]
struct Door {
    open: Open,
    tls: Option<Acceptor>,
    websocket: Option<Service>,
}

/// A hub that serves real sockets. Dropping it ends every connection and joins every thread.
pub struct Server {
    shared: Arc<Shared>,
    authority: Authority,
    listeners: Vec<(SocketAddr, JoinHandle<()>)>,
}

impl Server {
    /// Makes a server with an authority of its own, and sets the hub's wall clock to this machine's.
    ///
    /// # Errors
    /// The certificates cannot be made.
    pub fn new(mut hub: Hub) -> io::Result<Self> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
        hub.config.unix_base = unix.as_secs();
        let authority = Authority::new(hub.config.gateway_host_name.as_deref().unwrap_or(&hub.config.host_name))?;
        let shared = Shared {
            hub: Mutex::new(hub),
            changed: Condvar::new(),
            peers: Mutex::default(),
            stopping: AtomicBool::new(false),
            start: std::time::Instant::now(),
        };
        Ok(Self { shared: Arc::new(shared), authority, listeners: Vec::new() })
    }

    /// Listens on 127.0.0.1 without TLS and gives the port; 0 chooses a free one.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_plain(&mut self, port: u16) -> io::Result<u16> {
        self.listen(port, Door { open: Hub::accept, tls: None, websocket: None })
    }

    /// Listens on 127.0.0.1 with TLS and gives the port; 0 chooses a free one.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_tls(&mut self, port: u16) -> io::Result<u16> {
        let tls = Some(self.authority.acceptor()?);
        self.listen(port, Door { open: Hub::accept, tls, websocket: None })
    }

    /// As [`listen_tls`](Self::listen_tls), with a certificate for this name only: one that clients of `localhost` must
    /// not take.
    ///
    /// # Errors
    /// The port cannot be had, or `host_name` cannot stand in a certificate.
    pub fn listen_tls_as(&mut self, host_name: &str, port: u16) -> io::Result<u16> {
        let tls = Some(self.authority.acceptor_as(host_name)?);
        self.listen(port, Door { open: Hub::accept, tls, websocket: None })
    }

    /// As [`listen_plain`](Self::listen_plain), for the provisioning service.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_dps_plain(&mut self, port: u16) -> io::Result<u16> {
        self.listen(port, Door { open: Hub::accept_dps, tls: None, websocket: None })
    }

    /// As [`listen_tls`](Self::listen_tls), for the provisioning service.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_dps_tls(&mut self, port: u16) -> io::Result<u16> {
        let tls = Some(self.authority.acceptor()?);
        self.listen(port, Door { open: Hub::accept_dps, tls, websocket: None })
    }

    /// As [`listen_plain`](Self::listen_plain), for MQTT over WebSocket.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_websocket_plain(&mut self, port: u16) -> io::Result<u16> {
        self.listen(port, Door { open: Hub::accept, tls: None, websocket: Some(Service::Hub) })
    }

    /// As [`listen_tls`](Self::listen_tls), for MQTT over WebSocket.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_websocket_tls(&mut self, port: u16) -> io::Result<u16> {
        let tls = Some(self.authority.acceptor()?);
        self.listen(port, Door { open: Hub::accept, tls, websocket: Some(Service::Hub) })
    }

    /// As [`listen_dps_tls`](Self::listen_dps_tls), for MQTT over WebSocket.
    ///
    /// # Errors
    /// The port cannot be had.
    pub fn listen_dps_websocket_tls(&mut self, port: u16) -> io::Result<u16> {
        let tls = Some(self.authority.acceptor()?);
        self.listen(port, Door { open: Hub::accept_dps, tls, websocket: Some(Service::Provisioning) })
    }

    fn listen(&mut self, port: u16, door: Door) -> io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::spawn(move || accept(&shared, &listener, &door));
        self.listeners.push((address, thread));
        Ok(address.port())
    }

    /// The certificate that clients are to trust.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.authority.pem()
    }

    /// Has ports that are opened from now on trust client certificates of further authorities, in PEM.
    ///
    /// # Errors
    /// There is none in it, or a bad one.
    pub fn trust_clients(&mut self, pem: &[u8]) -> io::Result<()> {
        self.authority.trust_clients(pem)
    }

    /// Makes a client certificate for this common name, signed by the server's authority.
    ///
    /// # Errors
    /// The certificate cannot be made.
    pub fn issue_client(&self, common_name: &str) -> io::Result<ClientCertificate> {
        self.authority.issue_client(common_name)
    }

    /// Uses the hub, and sends at once what comes of it.
    pub fn with<T>(&self, change: impl FnOnce(&mut Hub) -> T) -> T {
        self.shared.with(|hub, _| change(hub))
    }

    /// Waits until `check` gives something. It is asked after every change of the hub, and once more at the end.
    pub fn wait<T>(&self, limit: Duration, mut check: impl FnMut(&mut Hub) -> Option<T>) -> Option<T> {
        let end = std::time::Instant::now() + limit;
        let mut hub = lock(&self.shared.hub);
        loop {
            if let Some(found) = self.shared.step(&mut hub, |hub, _| check(hub)) {
                return Some(found);
            }
            let left = end.checked_duration_since(std::time::Instant::now())?;
            // The hub's own deadlines also count when no connection is there to keep them.
            let now = self.shared.now();
            let due = hub.poll_timeout().map_or(left, |at| Duration::from_millis(at.since(now).as_millis().max(1)));
            let waited = self.shared.changed.wait_timeout(hub, left.min(due));
            hub = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for (address, thread) in self.listeners.drain(..) {
            // The listener sees the flag with its next connection: this one.
            let _ = TcpStream::connect(address);
            let _ = thread.join();
        }
    }
}

/// Accepts connections until the server stops, then ends them and waits for their threads.
fn accept(shared: &Arc<Shared>, listener: &TcpListener, door: &Door) {
    let mut connections: Vec<(JoinHandle<()>, TcpStream)> = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok((stream, handle)) = stream.and_then(|stream| Ok((stream.try_clone()?, stream))) else { continue };
        let (shared, door) = (Arc::clone(shared), door.clone());
        let thread = std::thread::spawn(move || {
            // An error here is a client that went away.
            let _ = connection::serve(&shared, stream, door);
        });
        connections.retain(|(thread, _)| !thread.is_finished());
        connections.push((thread, handle));
    }
    for (thread, stream) in connections {
        let _ = stream.shutdown(Shutdown::Both);
        let _ = thread.join();
    }
}

//! A device holds a whole conversation with an IoT Hub, and shows it.
//!
//! ```text
//! cargo run --example quickstart
//! cargo run --example quickstart -- --provision
//! cargo run --example quickstart -- --connection-string 'HostName=…;DeviceId=…;SharedAccessKey=…'
//! ```
//!
//! The first talks to the hub simulator in the same process and fails unless everything it shows has happened, by
//! the hub's own records. The second asks the simulator's provisioning service for the hub first. The third talks to a
//! real hub, and `--help` tells how a real provisioning service is asked for one.
//!
//! | file | what |
//! |---|---|
//! | `device` | the driver: the part to copy |
//! | `provision` | the same for the provisioning service |
//! | `link` | the transport under it: TLS, and WebSocket if asked for |
//! | `tls` | TCP and TLS |
//! | `app` | what the device does with its events |
//! | `setting` | whom the device talks to |
//! | `story` | the steps of the conversation |
//! | `simulator` | the hub, its service side and its records |
//! | `options`, `transcript` | what is asked for and what is printed |

mod app;
mod device;
mod link;
mod options;
mod provision;
mod setting;
mod simulator;
mod story;
mod tls;
mod transcript;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use options::RealHub;
#[cfg(test)]
pub(crate) use options::Source;
pub(crate) use options::{Request, parse};
use setting::Setting;
use story::Played;
use transcript::Transcript;

/// Far more than the conversation with the simulator takes: every step of it has a limit of its own.
const SIMULATOR_LIMIT: Duration = Duration::from_secs(60);
/// The same with a real hub, without the time for messages and for people.
const REAL_LIMIT: u32 = 240;

fn main() -> ExitCode {
    let request = match parse(std::env::args().skip(1)) {
        Ok(Request::Help) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(request) => request,
        Err(error) => {
            eprintln!("quickstart: {error} (--help tells more)");
            return ExitCode::from(2);
        }
    };
    let _guard = watch(match &request {
        Request::Real(hub) => Duration::from_secs(u64::from(REAL_LIMIT + hub.wait + hub.count / 20)),
        _ => SIMULATOR_LIMIT,
    });
    if run(&request, Box::new(std::io::stdout())) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Does what is asked, writes how it goes, and tells whether everything has happened.
pub(crate) fn run(request: &Request, out: Box<dyn Write>) -> bool {
    let log = Transcript::new(out);
    let done = match request {
        Request::Help => return true,
        Request::Simulator { count, provision, websocket } => {
            Setting::simulator(*count, *provision, *websocket, &log).and_then(|setting| setting.play(&log).map(drop))
        }
        Request::Real(hub) => converse(hub, &log),
    };
    match done {
        Ok(()) => true,
        Err(missing) => {
            match log.current() {
                0 => log.text(format_args!("NOT COMPLETED: {missing}")),
                step => log.text(format_args!("\nNOT COMPLETED, step {step}: {missing}")),
            }
            false
        }
    }
}

/// Talks to a real hub. If that does not know the device, the provisioning service is asked again, once: the device may
/// have moved.
fn converse(hub: &RealHub, log: &Transcript) -> Result<(), String> {
    let hub = hub.with_secret()?;
    let mut asked_again = false;
    loop {
        match Setting::real(&hub, log)?.play(log)? {
            Played::Whole => return Ok(()),
            Played::Moved(why) if asked_again => return Err(why),
            Played::Moved(_) => {
                asked_again = true;
                log.device("is refused by this hub, and asks the provisioning service again");
            }
        }
    }
}

/// Ends the program if it takes longer than `limit`, for instance over a name that does not resolve. Dropping what
/// it gives calls that off.
fn watch(limit: Duration) -> Sender<()> {
    let (guard, dropped) = channel();
    std::thread::spawn(move || {
        if dropped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            eprintln!("quickstart: NOT COMPLETED within {} s", limit.as_secs());
            std::process::exit(1);
        }
    });
    guard
}

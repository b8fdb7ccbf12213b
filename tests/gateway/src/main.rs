//! A gateway: thousands of devices in one tokio thread, each over a TLS connection of its own, and what that costs.
//!
//! ```sh
//! cargo run --release --manifest-path tests/gateway/Cargo.toml [-- CONNECTIONS [MESSAGES]]    # 5,000 and 10 each
//! ```
//!
//! `gateway.rs` is the part to copy: one task a device. The hub is a second process on loopback, so that its work is not
//! counted: that of `tests/fleet`, behind TLS. For each message of a device it sends one to the device.
//!
//! CPU time is this process's, from `/proc/self/stat`; memory is resident, from `/proc/self/status`. The same is done
//! without TLS, and with the machines alone, their bytes handed over in memory. So the difference is what TLS takes, and
//! what sockets and tokio take.

mod alone;
mod gateway;
#[path = "../../fleet/src/hub.rs"]
mod hub;
mod server;
mod usage;

use gateway::{Gateway, Transport};
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use usage::Usage;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const HELP: &str = "usage: [CONNECTIONS [MESSAGES]]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Outcome<()> {
    match *arguments {
        ["hub"] => server::run(),
        ["run", connections, messages, ref transport @ ..] => {
            let (connections, messages) = (connections.parse()?, messages.parse()?);
            let usage = match *transport {
                [] => alone::run(connections, messages),
                [port] => Gateway::new(connections, messages, Transport::Plain(port.parse()?)).run()?,
                [port, certificate] => {
                    Gateway::new(connections, messages, Transport::tls(port.parse()?, certificate)?).run()?
                }
                _ => return Err(HELP.into()),
            };
            println!("{usage}");
            Ok(())
        }
        [] => measure("5000", "10"),
        [connections] => measure(connections, "10"),
        [connections, messages] => measure(connections, messages),
        _ => Err(HELP.into()),
    }
}

fn measure(connections: &str, messages: &str) -> Outcome<()> {
    // Each has a socket; some files are open besides.
    let connections = connections.parse::<usize>().map_err(|_| HELP)?.min(usage::open_files()?.saturating_sub(64));
    let messages = messages.parse::<usize>().map_err(|_| HELP)?;
    let mut hub =
        Command::new(std::env::current_exe()?).arg("hub").stdout(Stdio::piped()).stdin(Stdio::piped()).spawn()?;
    let lines = BufReader::new(hub.stdout.take().ok_or("no output of the hub")?).lines();
    let [tls, plain, certificate] = &lines.take(3).collect::<Result<Vec<_>, _>>()?[..] else {
        return Err("the hub ended".into());
    };

    println!("{connections} connections, {messages} messages each way on each; CPU in µs, memory in KiB\n");
    println!("| | CPU a sign-in | CPU a message | messages a second | memory a connection |");
    println!("|---|---|---|---|---|");
    let one = |what: &str, transport: &[&String]| -> Outcome<f64> {
        let usage = in_a_process(connections, messages, transport)?;
        println!(
            "| {what} | {:.1} | {:.2} | {:.0} | {:.1} |",
            usage.signed_in.as_secs_f64() * 1e6 / connections as f64,
            usage.message_cpu(connections, messages),
            2.0 * (connections * messages) as f64 / usage.wall.as_secs_f64(),
            usage.memory as f64 / connections as f64
        );
        Ok(usage.message_cpu(connections, messages))
    };
    let alone = one("machines alone", &[])?;
    let sockets = one("over TCP", &[plain])?;
    let whole = one("over TLS", &[tls, certificate])?;
    println!(
        "\nof a message's CPU over TLS: machine {:.0} %, sockets and tokio {:.0} %, TLS {:.0} %",
        100.0 * alone / whole,
        100.0 * (sockets - alone) / whole,
        100.0 * (whole - sockets) / whole
    );
    // It ends with its input.
    drop(hub.stdin.take());
    hub.wait()?;
    Ok(())
}

/// One run, in a process of its own, so that its memory is.
fn in_a_process(connections: usize, messages: usize, transport: &[&String]) -> Outcome<Usage> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg(connections.to_string()).arg(messages.to_string()).args(transport);
    let output = command.stderr(Stdio::inherit()).output()?;
    if output.status.success() { str::from_utf8(&output.stdout)?.parse() } else { Err("a run has failed".into()) }
}

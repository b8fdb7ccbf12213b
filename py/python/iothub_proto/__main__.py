"""`python -m iothub_proto`: a token, a packet explained, a quick device for the terminal."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from . import ConnectionString, IotHubError, Registration, SharedAccessKey, SystemProperties, __version__
from ._explain import explain

_EPILOG = """\
A connection string is what the portal shows for a device or module:
  HostName=contoso.azure-devices.net;DeviceId=dev1;SharedAccessKey=...
It is a secret, and what stands on a command line can be read by others on the machine, so it may also come from the
environment variable IOTHUB_DEVICE_CONNECTION_STRING, or from standard input with "-".
"""

_SECRET = "IOTHUB_DEVICE_CONNECTION_STRING"
_KEY = "IOTHUB_DEVICE_DPS_DEVICE_KEY"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; its exit code."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.run(options)
    except (IotHubError, OSError, ValueError, TimeoutError) as error:
        print(f"{options.command}: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m iothub_proto",
        description="The device side of Azure IoT Hub's MQTT dialect.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    sas = commands.add_parser("sas", help="print a SAS token", description="Prints a SAS token: an MQTT password.")
    _secret(sas)
    sas.add_argument("--ttl", type=_seconds, default=3600, help="seconds it is valid (default %(default)s)")
    sas.set_defaults(run=_sas)

    told = commands.add_parser(
        "explain",
        help="tell MQTT packets in words",
        description="One line a packet: offset, kind, flags, the topic taken apart, properties decoded, the payload.",
        epilog='Examples: explain 20020000; explain capture.bin; explain --pcap dump.pcap; some-program | explain -. '
        "Passwords are not shown. The exit code is 1 if something could not be read.",
    )
    told.add_argument("input", help="bytes in hexadecimal, a file of bytes, or - for standard input")
    told.add_argument("--pcap", action="store_true", help="the input is a packet capture (needs dpkt)")
    told.add_argument("--port", type=int, default=1883, help="the hub's port in the capture (default %(default)s)")
    told.set_defaults(run=_explain)

    send = commands.add_parser(
        "send",
        help="send telemetry",
        description="Connects, sends messages, and ends when the hub has stored them all.",
    )
    _connection(send)
    send.add_argument("payload", nargs="*", help="a message each; without any, each line of standard input is one")
    send.add_argument("-p", "--property", action="append", default=[], metavar="NAME=VALUE", help="may be repeated")
    send.add_argument("--content-type", help="such as application/json")
    send.add_argument("--count", type=int, default=1, help="send all of it so many times (default %(default)s)")
    send.set_defaults(run=_send)

    provision = commands.add_parser(
        "provision",
        help="ask which hub a device belongs to",
        description="Registers a device with the Device Provisioning Service, and prints the beginning of its connection "
        "string: what is missing is the key, or x509=true.",
        epilog=f"The key is that of the enrollment, in base64: from ${_KEY}, or from standard input with --key -. "
        "With --certfile none is needed.",
    )
    provision.add_argument("--id-scope", required=True, help="such as 0ne00000001")
    provision.add_argument("--registration-id", required=True, help="the device's name at the service")
    provision.add_argument("--key", metavar="KEY", help=f"of the device, or - for standard input; default: ${_KEY}")
    provision.add_argument("--group", action="store_true", help="the key is that of an enrollment group")
    provision.add_argument("--payload", help="JSON for the service")
    provision.add_argument("--host", default=Registration.GLOBAL_HOST, help="default %(default)s")
    _network(provision)
    provision.set_defaults(run=_provision)

    listen = commands.add_parser(
        "listen",
        help="print what the hub sends",
        description="Connects and prints messages, method calls (answered 200) and desired properties, until "
        "interrupted. A message is accepted when it is printed.",
    )
    _connection(listen)
    listen.add_argument("--for", dest="seconds", type=_seconds, help="end after so many seconds")
    listen.set_defaults(run=_listen)
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < 1e9:
        raise argparse.ArgumentTypeError("not a number of seconds")
    return seconds


def _secret(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--connection-string", metavar="STRING", help=f"of the device, or - for standard input; default: ${_SECRET}"
    )


def _connection(parser: argparse.ArgumentParser) -> None:
    _secret(parser)
    _network(parser)


def _network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cafile", help="trust this authority (PEM) instead of the system's")
    parser.add_argument("--certfile", help="client certificate and key (PEM), of a device without a key")
    parser.add_argument("--port", type=int, help="default 8883, or 443 with --websocket")
    parser.add_argument("--websocket", action="store_true", help="MQTT over WebSocket")
    parser.add_argument("--proxy", metavar="URL", help="http://host:port of an HTTP proxy to go through")


def _hidden(given: str | None, variable: str, what: str) -> str:
    """A secret from the command line, from standard input, or from the environment."""
    text = given or os.environ.get(variable)
    if text == "-":
        text = sys.stdin.readline().strip()
    if not text:
        raise ValueError(f"no {what}: give --{what.replace(' ', '-')} or set {variable}")
    return text


def _connection_string(options: argparse.Namespace) -> str:
    return _hidden(options.connection_string, _SECRET, "connection string")


def _sas(options: argparse.Namespace) -> int:
    parsed = ConnectionString(_connection_string(options))
    password = parsed.password(expiry=int(time.time() + options.ttl))
    if password is None:
        raise ValueError("a device with a certificate has no token")
    print(password)
    return 0


def _explain(options: argparse.Namespace) -> int:
    if options.pcap:
        return _explain_capture(options)
    bad = False
    for line in explain(_input(options.input)):
        print(f"{line.offset:8}  {line.text}")
        bad |= line.malformed
    return int(bad)


def _input(text: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if os.path.exists(text):
        with open(text, "rb") as file:
            return file.read()
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a file nor hexadecimal") from None


def _explain_capture(options: argparse.Namespace) -> int:
    from ._pcap import streams

    bad = False
    with open(options.input, "rb") as file:
        for stream in streams(file, options.port):
            print("device to hub:" if stream.to_hub else "hub to device:")
            for line in explain(bytes(stream.data)):
                print(f"{line.offset:8}  {line.text}")
                bad |= line.malformed
            if stream.missing:
                print(f"{len(stream.data):8}  what follows was not captured")
                bad = True
    return int(bad)


def _device(options: argparse.Namespace) -> Any:
    from .aio import Device

    return Device.from_connection_string(
        _connection_string(options),
        cafile=options.cafile,
        certfile=options.certfile,
        port=options.port,
        websockets=options.websocket,
        proxy=options.proxy,
    )


def _provision(options: argparse.Namespace) -> int:
    from .aio import Credential, provision, tls_context

    key = None
    if not options.certfile:
        key = SharedAccessKey(_hidden(options.key, _KEY, "key"))
        if options.group:
            key = key.derive_device_key(options.registration_id)
    assigned = asyncio.run(
        provision(
            options.id_scope,
            options.registration_id,
            Credential(key),
            payload=None if options.payload is None else options.payload.encode(),
            ssl=tls_context(options.cafile, options.certfile),
            host=options.host,
            port=options.port,
            websockets=options.websocket,
            proxy=options.proxy,
        )
    )
    print(f"HostName={assigned.hub};DeviceId={assigned.device_id}")
    if assigned.payload:
        print(f"payload: {assigned.payload.decode()}", file=sys.stderr)
    return 0


def _send(options: argparse.Namespace) -> int:
    properties = [pair.partition("=")[::2] for pair in options.property]
    system = SystemProperties(content_type=options.content_type)
    device = _device(options)
    payloads = options.payload or [line.rstrip("\n") for line in sys.stdin]

    async def send() -> None:
        done, total, begun = 0, len(payloads) * options.count, time.monotonic()
        async with device:
            # As many on their way as a hub's answer time is worth.
            tasks: set[asyncio.Task[None]] = set()
            for number in range(total):
                payload = payloads[number % len(payloads)]
                tasks.add(asyncio.create_task(device.send(payload, properties=properties, system=system)))
                if len(tasks) >= 256 or number == total - 1:
                    await asyncio.gather(*tasks)
                    done += len(tasks)
                    tasks.clear()
                    _progress(done, total, begun)

    asyncio.run(send())
    return 0


def _progress(done: int, total: int, begun: float) -> None:
    rate = done / max(time.monotonic() - begun, 1e-9)
    live = sys.stderr.isatty()
    if live or done == total:
        end = "\n" if done == total else "\r"
        print(f"{done} of {total} stored, {rate:.0f} a second", end=end, file=sys.stderr, flush=True)


def _listen(options: argparse.Namespace) -> int:
    device = _device(options)

    async def messages() -> None:
        async for message in device.messages():
            print(f"message {dict(message.properties)}: {message.payload!r}", flush=True)

    async def desired() -> None:
        async for patch in device.desired():
            print(f"desired {'properties' if patch.full else 'change'}: {patch.properties}", flush=True)

    async def states() -> None:
        async for state in device.states():
            print(f"state {state}", file=sys.stderr, flush=True)

    def called(request: Any) -> None:
        print(f"method {request.name}: {request.payload!r}", flush=True)

    async def listen() -> None:
        device.method()(called)
        async with device:
            tasks = [asyncio.create_task(task()) for task in (messages, desired, states)]
            try:
                async with asyncio.timeout(options.seconds):
                    await asyncio.gather(*tasks)
            except TimeoutError:
                pass

    asyncio.run(listen())
    return 0


if __name__ == "__main__":
    sys.exit(main())

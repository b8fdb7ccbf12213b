"""This package beside gmqtt, paho-mqtt and azure-iot-device, in turns: `bench/run`.

1 KiB payloads; a cloud-to-device topic of 5 properties; the garbage collector is off. Time is the thread's own on the
processor, which is not longer for who is interrupted. In each round every contestant has its turn, and all turns are equally
long, a few milliseconds, so that what else the machine does falls on all of them alike. A time is that of the best round; a
ratio is taken in each round, and the median of all counts. Ratios mean something, seconds little.
"""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote, urlencode

import gmqtt
import paho.mqtt.client as paho
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.protocol import MQTTProtocol

import iothub_proto as iot

ROUNDS, CALLS = 100, 200
# Seconds of a turn, in which all the calls are made again and again.
TURN = 0.004

BAG = (
    "%24.mid=4c8a6a0e-7a2b-4f6e-9a57-6f2f1b0d5f6e&%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound&"
    "iothub-ack=full&room=kitchen%20%26%20hall&unit=%C2%B0C"
)
TOPIC = "devices/dev1/messages/devicebound/" + BAG
PAYLOAD = b"x" * 1024
PROPERTIES = {"room": "kitchen & hall", "unit": "°C", "level": "3", "alert": "false", "batch": "2026-11"}
SENT_TO = "devices/dev1/messages/events/"
SENT_TOPIC = SENT_TO + "room=kitchen%20%26%20hall&unit=%C2%B0C&level=3&alert=false&batch=2026-11"


# Where the packet id stands in what is sent: behind header, topic length and topic.
ID = slice(3 + 2 + len(SENT_TOPIC), 3 + 2 + len(SENT_TOPIC) + 2)


def publish(qos: int, packet_id: int = 0) -> bytes:
    topic = TOPIC.encode()
    body = len(topic).to_bytes(2) + topic + (packet_id.to_bytes(2) if qos else b"") + PAYLOAD
    return bytes([0x30 | qos << 1, len(body) & 0x7F | 0x80, len(body) >> 7]) + body


QOS_0 = publish(0)
QOS_1 = [publish(1, number) for number in range(1, CALLS + 1)]


def ours() -> iot.Client:
    client = iot.Client(iot.Identity("hub", "dev1"), iot.Settings(features=iot.Feature.NONE, keep_alive=0))
    client.connect(now=0.0)
    client.data_to_send()
    client.receive_data(b"\x20\x02\x00\x00", now=0.0)
    while client.next_event() is not None:
        pass
    return client


def our_receive(client: iot.Client) -> None:
    for _ in range(CALLS):
        client.receive_data(QOS_0, now=0.0)
        client.next_event()


def our_receive_read(client: iot.Client) -> None:
    for _ in range(CALLS):
        client.receive_data(QOS_0, now=0.0)
        event: Any = client.next_event()
        dict(event.properties)


def our_receive_acknowledge(client: iot.Client) -> None:
    for packet in QOS_1:
        client.receive_data(packet, now=0.0)
        event: Any = client.next_event()
        client.message_accept(event.token, now=0.0)
        client.data_to_send()


def encoded() -> str:
    """The topic, put together as azure-iot-device does: what a user of an MQTT client has to do for each message."""
    return SENT_TO + urlencode(PROPERTIES, quote_via=quote)


def our_publish(client: iot.Client) -> None:
    for _ in range(CALLS):
        client.send_telemetry(PAYLOAD, PROPERTIES, now=0.0)
        client.receive_data(b"\x40\x02" + client.data_to_send()[ID], now=0.0)
        client.next_event()


def our_parse() -> None:
    for _ in range(CALLS):
        dict(iot.Properties(BAG))


class Sink:
    """A transport that takes everything."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent = data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


class Gmqtt:
    """gmqtt's own protocol and handlers, over a transport that takes everything."""

    def __init__(self) -> None:
        client = self.client = gmqtt.Client("dev1", optimistic_acknowledgement=True)
        client._connection_state.protocol_version = 4
        client.on_message = lambda *_: None
        self.sink = Sink()
        handler = client._package_handler
        self.protocol = MQTTProtocol(connection_state=client._connection_state, id_generator=handler.id_generator)
        self.protocol._transport = self.sink
        client._connection = MQTTConnection(self.sink, self.protocol, True, 60, package_handler=handler)

    def receive(self) -> None:
        for _ in range(CALLS):
            self.protocol._read_packet(QOS_0)

    def receive_acknowledge(self) -> None:
        for packet in QOS_1:
            self.protocol._read_packet(packet)

    def publish(self) -> None:
        for _ in range(CALLS):
            self.client.publish(encoded(), PAYLOAD, qos=1)
            self.protocol._read_packet(b"\x40\x02" + self.sink.sent[ID])

    def publish_encoded(self) -> None:
        for _ in range(CALLS):
            self.client.publish(SENT_TOPIC, PAYLOAD, qos=1)
            self.protocol._read_packet(b"\x40\x02" + self.sink.sent[ID])


class Socket:
    """What paho reads from and writes to."""

    def __init__(self) -> None:
        self.data, self.at, self.sent = b"", 0, b""

    def feed(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def recv(self, count: int) -> bytes:
        if self.at == len(self.data):
            raise BlockingIOError
        self.at += count
        return self.data[self.at - count : self.at]

    def send(self, data: bytes) -> int:
        self.sent = bytes(data)
        return len(data)

    def pending(self) -> int:
        return 0

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return -1


class Paho:
    """paho-mqtt's client, over a socket in memory."""

    def __init__(self) -> None:
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "dev1", protocol=paho.MQTTv311)
        self.client.on_message = lambda *_: None
        self.socket = self.client._sock = Socket()
        self.client._state = paho._ConnectionState.MQTT_CS_CONNECTED

    def receive(self) -> None:
        for _ in range(CALLS):
            self.socket.feed(QOS_0)
            self.client.loop_read()

    def receive_acknowledge(self) -> None:
        for packet in QOS_1:
            self.socket.feed(packet)
            self.client.loop_read()
            self.client.loop_write()

    def publish(self) -> None:
        for _ in range(CALLS):
            info = self.client.publish(encoded(), PAYLOAD, qos=1)
            self.client.loop_write()
            self.socket.feed(b"\x40\x02" + info.mid.to_bytes(2))
            self.client.loop_read()


class Azure:
    """azure-iot-device's parser of properties. It needs another paho-mqtt, so it is another process."""

    CODE = f"""
import gc, sys, time
from azure.iot.device.iothub.models import Message
from azure.iot.device.iothub.pipeline.mqtt_topic_iothub import extract_message_properties_from_topic as extract
message = Message(b"")
gc.disable()
for _ in sys.stdin:
    begun = time.thread_time()
    for _ in range({CALLS}):
        extract({TOPIC!r}, message)
    print(time.thread_time() - begun, flush=True)
"""

    def __init__(self, python: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([python, "-c", self.CODE], stdin=pipe, stdout=pipe, text=True)

    def parse(self) -> float:
        """Seconds of a round."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


# A contestant's calls. It may say itself how many seconds they took.
Work = Callable[[], float | None]


def seconds(work: Work) -> float:
    begun = time.thread_time()
    told = work()
    return time.thread_time() - begun if told is None else told


def turn(work: Work) -> float:
    """Microseconds a call, of all that fit into a turn."""
    total, count = 0.0, 0
    while total < TURN:
        total += seconds(work)
        count += CALLS
    return total / count * 1e6


def rounds(contestants: dict[str, Work]) -> dict[str, list[float]]:
    """Microseconds a call of each contestant, in each round; who begins changes."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    order = list(contestants.items())
    gc.collect()
    gc.disable()
    for _ in range(ROUNDS):
        for name, work in order:
            times[name].append(turn(work))
        order.append(order.pop(0))
    gc.enable()
    return times


def show(what: str, times: dict[str, list[float]], bars: Mapping[str, float | None]) -> bool:
    """Prints a row for each peer; whether every bar is met."""
    met = True
    for peer, bar in bars.items():
        ratio = median(theirs / ours for theirs, ours in zip(times[peer], times["ours"], strict=True))
        here, there = min(times["ours"]), min(times[peer])
        missed = bar is not None and ratio < bar
        met &= not missed
        end = f" {bar:g} |" if bar is not None else " |"
        print(f"| {what} | {here:.2f} | {peer} | {there:.2f} | {ratio:.1f} |{end}{'  MISSED' if missed else ''}", flush=True)
    return met


class Event:
    __slots__ = ("payload", "properties", "token")


def make_events() -> None:
    for _ in range(CALLS):
        event: Any = Event()
        event.payload = event.properties = event.token = None


def import_time() -> float:
    """Milliseconds of processor time that `import iothub_proto` adds to the start of an interpreter, at best."""
    least = {"pass": float("inf"), "import iothub_proto": float("inf")}
    for _ in range(15):
        for code in least:
            started = subprocess.Popen([sys.executable, "-I", "-c", code])
            _, status, used = os.wait4(started.pid, 0)
            started.returncode = os.waitstatus_to_exitcode(status)
            assert started.returncode == 0
            least[code] = min(least[code], (used.ru_utime + used.ru_stime) * 1e3)
    return least["import iothub_proto"] - least["pass"]


def idle_bytes() -> float:
    """Bytes that one connected client with nothing pending adds to the process."""
    count, page = 20_000, 4096

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    kept = [ours() for _ in range(1000)]
    before = resident()
    kept += [ours() for _ in range(count)]
    return (resident() - before) / count


async def main() -> int:
    assert encoded() == SENT_TOPIC
    client, gm, pa, azure = ours(), Gmqtt(), Paho(), Azure(sys.argv[1])
    print("| what | µs here | beside | µs there | times as fast | bar |")
    print("|---|---|---|---|---|---|")
    times = rounds({
        "ours": lambda: our_receive(client),
        "gmqtt": gm.receive,
        "paho-mqtt": pa.receive,
        "floor": make_events,
    })
    met = show("receive, to the event", times, {"gmqtt": 8, "paho-mqtt": 30})
    event = times
    times = rounds({"ours": lambda: our_receive_read(client), "gmqtt": gm.receive})
    met &= show("receive and `dict(properties)`", times, {"gmqtt": 3.5})
    times = rounds({
        "ours": lambda: our_receive_acknowledge(client),
        "gmqtt": gm.receive_acknowledge,
        "paho-mqtt": pa.receive_acknowledge,
    })
    met &= show("receive and acknowledge", times, {"gmqtt": 8, "paho-mqtt": 8})
    times = rounds({
        "ours": lambda: our_publish(client),
        "gmqtt": gm.publish,
        "paho-mqtt": pa.publish,
        "gmqtt, its topic made before": gm.publish_encoded,
    })
    bars = {"gmqtt": 10, "paho-mqtt": 10, "gmqtt, its topic made before": None}
    met &= show("publish with 5 properties, and PUBACK", times, bars)
    times = rounds({"ours": our_parse, "azure-iot-device": azure.parse})
    met &= show("properties taken apart", times, {"azure-iot-device": 15})
    azure.close()
    least = min(event["floor"])
    over = median(ours / floor for ours, floor in zip(event["ours"], event["floor"], strict=True))
    print(f"\nthe floor, an event object of Python: {least:.2f} µs; receive, to the event: {over:.1f} times that")
    milliseconds, idle = import_time(), idle_bytes()
    met &= milliseconds < 30 and idle <= 1024
    print(f"import: {milliseconds:.1f} ms (bar 30); an idle client: {idle:.0f} bytes (bar 1024)")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""MQTT 3.1.1 packets of either direction, told in one line each: `python -m iothub_proto explain`.

A packet capture is read as it is, so this knows what hub and device may say, and judges only what it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ._properties import Properties

_KINDS = (
    "reserved 0",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "reserved 15",
)

_REFUSALS = {
    0: "accepted",
    1: "refused: protocol version",
    2: "refused: client id",
    3: "refused: unavailable",
    4: "refused: bad user name or password",
    5: "refused: not authorised",
}

_SHOWN = 60
"""Bytes of a payload that are shown."""


@dataclass(frozen=True, slots=True)
class Line:
    """One packet, or what is wrong where the reading stopped."""

    offset: int
    """Of its first byte in the input."""
    text: str
    malformed: bool = False


class _Malformed(Exception):
    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at


class _Fields:
    """What is left of one packet."""

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def take(self, count: int, what: str) -> bytes:
        if self.at + count > self.end:
            raise _Malformed(self.at, f"{what} runs past the end of the packet")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self, what: str) -> int:
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        return int.from_bytes(self.take(2, what))

    def binary(self, what: str) -> bytes:
        return self.take(self.u16(f"the length of {what}"), what)

    def text(self, what: str) -> str:
        start = self.at + 2
        raw = self.binary(what)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise _Malformed(start + error.start, f"{what} is not UTF-8") from None

    def rest(self) -> bytes:
        return self.take(self.end - self.at, "the rest")


def explain(data: bytes) -> Iterator[Line]:
    """Each packet in `data`, until its end or the first thing that cannot be read."""
    at = 0
    while at < len(data):
        try:
            text, end = _packet(data, at)
        except _Malformed as wrong:
            yield Line(wrong.at, f"cannot go on: {wrong}", malformed=True)
            return
        yield Line(at, text)
        at = end


def _packet(data: bytes, at: int) -> tuple[str, int]:
    """The packet at `at`, and where the next one begins."""
    first = data[at]
    length, body = _remaining_length(data, at + 1)
    end = body + length
    if end > len(data):
        raise _Malformed(len(data), f"{_KINDS[first >> 4]} of {end - at} bytes ends after {len(data) - at}")
    fields = _Fields(data, body, end)
    told = _told(first, fields)
    if fields.at != end:
        raise _Malformed(fields.at, f"{end - fields.at} bytes too many in {_KINDS[first >> 4]}")
    return " ".join(part for part in (_KINDS[first >> 4], told) if part), end


def _remaining_length(data: bytes, at: int) -> tuple[int, int]:
    """The number, and where the packet's body begins (MQTT 3.1.1, 2.2.3)."""
    value = 0
    for index in range(4):
        if at + index >= len(data):
            raise _Malformed(len(data), "the length of the packet is missing")
        digit = data[at + index]
        value |= (digit & 0x7F) << 7 * index
        if digit < 0x80:
            return value, at + index + 1
    raise _Malformed(at + 4, "the length of the packet has a fifth byte")


def _told(first: int, fields: _Fields) -> str:
    kind, flags = first >> 4, first & 0xF
    if kind != 3 and flags != (2 if kind in (6, 8, 10) else 0):
        raise _Malformed(fields.at - 2, f"flags {flags:#x} are not those of {_KINDS[kind]}")
    match _KINDS[kind]:
        case "CONNECT":
            return _connect(fields)
        case "CONNACK":
            present, code = fields.u8("its flags") & 1, fields.u8("its code")
            return f"{_REFUSALS.get(code, f'reserved code {code}')}, session {'present' if present else 'new'}"
        case "PUBLISH":
            return _publish(flags, fields)
        case "SUBSCRIBE":
            return f"id {fields.u16('its id')}: {_filters(fields, qos=True)}"
        case "UNSUBSCRIBE":
            return f"id {fields.u16('its id')}: {_filters(fields, qos=False)}"
        case "SUBACK":
            packet_id = fields.u16("its id")
            codes = ("refused" if code == 0x80 else f"QoS {code}" for code in fields.rest())
            return f"id {packet_id}: {', '.join(codes)}"
        case "PUBACK" | "PUBREC" | "PUBREL" | "PUBCOMP" | "UNSUBACK":
            return f"id {fields.u16('its id')}"
        case "PINGREQ" | "PINGRESP" | "DISCONNECT":
            return ""
        case _:
            raise _Malformed(fields.at - 2, f"packet type {kind} is reserved")


def _connect(fields: _Fields) -> str:
    protocol, level = fields.text("the protocol name"), fields.u8("the protocol level")
    flags, keep_alive = fields.u8("its flags"), fields.u16("the keep-alive")
    told = [f"{protocol} level {level}", f"keep-alive {keep_alive} s", "clean session" if flags & 2 else "kept session"]
    told.append(f"client id {fields.text('the client id')!r}")
    if flags & 4:
        topic, body = fields.text("the topic of the will"), fields.binary("the will")
        told.append(f"will QoS {flags >> 3 & 3} on {_topic(topic)}: {_preview(body)}")
    if flags & 0x80:
        told.append(f"user name {fields.text('the user name')!r}")
    if flags & 0x40:
        told.append(f"password *** ({len(fields.binary('the password'))} bytes)")
    return ", ".join(told)


def _publish(flags: int, fields: _Fields) -> str:
    qos = flags >> 1 & 3
    if qos == 3:
        raise _Malformed(fields.at - 2, "QoS 3 does not exist")
    topic = fields.text("the topic")
    told = [f"QoS {qos}"]
    if qos:
        told.append(f"id {fields.u16('its id')}")
    told += [name for bit, name in ((8, "DUP"), (1, "RETAIN")) if flags & bit]
    return f"{', '.join(told)}: {_topic(topic)}: {_preview(fields.rest())}"


def _filters(fields: _Fields, *, qos: bool) -> str:
    told: list[str] = []
    while fields.at < fields.end:
        text = fields.text("a filter")
        told.append(f"{text} at QoS {fields.u8('its QoS')}" if qos else text)
    return ", ".join(told) or "no filter"


def _topic(topic: str) -> str:
    """A topic of IoT Hub's dialect, taken apart; any other as it is."""
    match topic.split("/"):
        case ["devices", device, "messages", "events", *bag]:
            return f"telemetry of {device}{_bag(bag)}"
        case ["devices", device, "modules", module, "messages", "events", *bag]:
            return f"telemetry of {device}/{module}{_bag(bag)}"
        case ["devices", device, "messages", "devicebound", *bag]:
            return f"message for {device}{_bag(bag)}"
        case ["devices", device, "modules", module, "inputs", name, *bag]:
            return f"message for input {name} of {device}/{module}{_bag(bag)}"
        case ["$iothub", "methods", "POST", name, query]:
            return f"call of method {name}{_query(query)}"
        case ["$iothub", "methods", "res", status, query]:
            return f"answer {status} to a method{_query(query)}"
        case ["$iothub", "twin", "GET", query]:
            return f"twin: get{_query(query)}"
        case ["$iothub", "twin", "PATCH", "properties", "reported", query]:
            return f"twin: report{_query(query)}"
        case ["$iothub", "twin", "PATCH", "properties", "desired", query]:
            return f"twin: desired properties{_query(query)}"
        case ["$iothub", "twin", "res", status, query]:
            return f"twin: answer {status}{_query(query)}"
        case ["$dps", "registrations", "res", status, query]:
            return f"provisioning: answer {status}{_query(query)}"
        case ["$dps", "registrations", *_, query]:
            return f"provisioning: request{_query(query)}"
        case _:
            return f"topic {topic!r}"


def _bag(parts: list[str]) -> str:
    bag = "/".join(parts)
    if not bag:
        return ""
    return " {" + ", ".join(f"{name}={value!r}" for name, value in Properties(bag).pairs()) + "}"


def _query(text: str) -> str:
    return " " + text.removeprefix("?") if text else ""


def _preview(body: bytes) -> str:
    if not body:
        return "no payload"
    shown = body[:_SHOWN]
    more = f"… ({len(body)} bytes)" if len(body) > _SHOWN else ""
    try:
        text = shown.decode()
    except UnicodeDecodeError as error:
        # Cut inside a character, or no text at all.
        if not more or error.start < len(shown) - 3:
            return f"{shown.hex(' ')}{more}"
        text = shown[: error.start].decode()
    return f"{text if text.isprintable() else repr(text)}{more}"

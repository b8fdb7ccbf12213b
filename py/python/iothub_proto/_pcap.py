"""MQTT in a packet capture: the TCP streams of one port, put together. Needs dpkt: `pip install iothub-proto[pcap]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, BinaryIO, TypeAlias

Address: TypeAlias = tuple[bytes, int]


@dataclass(slots=True)
class Stream:
    """One direction of a connection."""

    to_hub: bool
    data: bytearray = field(default_factory=bytearray)
    begin: int | None = None
    """The sequence number of the first byte."""
    missing: bool = False
    """Bytes after these were not captured."""

    def add(self, sequence: int, payload: bytes) -> None:
        """Puts a segment in its place; one that was sent again is there already."""
        if self.begin is None:
            self.begin = sequence
        at = (sequence - self.begin) & 0xFFFF_FFFF
        if at > len(self.data):
            self.missing = True
        elif at + len(payload) > len(self.data):
            self.data[at:] = payload


def streams(capture: BinaryIO, port: int) -> list[Stream]:
    """The streams to and from `port`, in the order in which they begin. `ValueError` for what is no capture."""
    dpkt: Any = import_module("dpkt")

    try:
        reader = dpkt.pcap.UniversalReader(capture)
    except (ValueError, dpkt.dpkt.Error) as error:
        raise ValueError(f"no packet capture: {error}") from None
    open_: dict[tuple[Address, Address], Stream] = {}
    found: list[Stream] = []
    for _, frame in reader:
        packet = _ip(dpkt, reader.datalink(), frame)
        segment: Any = getattr(packet, "data", None)
        if type(segment) is not dpkt.tcp.TCP or port not in (segment.sport, segment.dport):
            continue
        key = (packet.src, segment.sport), (packet.dst, segment.dport)
        opens = bool(segment.flags & dpkt.tcp.TH_SYN)
        if opens or key not in open_:
            open_[key] = Stream(to_hub=segment.dport == port)
            found.append(open_[key])
        if opens:
            open_[key].begin = (segment.seq + 1) & 0xFFFF_FFFF
        elif segment.data:
            open_[key].add(segment.seq, segment.data)
    return [stream for stream in found if stream.data]


def _ip(dpkt: Any, link: int, frame: bytes) -> Any:
    """The IP packet in a frame of one of the usual links, or None."""
    try:
        if link == dpkt.pcap.DLT_EN10MB:
            return dpkt.ethernet.Ethernet(frame).data
        if link == dpkt.pcap.DLT_LINUX_SLL:
            return dpkt.sll.SLL(frame).data
        if link in (dpkt.pcap.DLT_NULL, dpkt.pcap.DLT_LOOP):
            frame = frame[4:]
        return dpkt.ip6.IP6(frame) if frame[0] >> 4 == 6 else dpkt.ip.IP(frame)
    except (dpkt.dpkt.Error, IndexError):
        return None

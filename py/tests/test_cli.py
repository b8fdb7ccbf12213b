"""`python -m iothub_proto`."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from hub import KEY, Hub, running

from iothub_proto import SharedAccessKey, resource_uri
from iothub_proto.__main__ import main
from iothub_proto._explain import explain

SECRET = f"HostName=localhost;DeviceId=dev1;SharedAccessKey={KEY}"


def test_sas_prints_a_token_that_the_key_signed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sas", "-c", SECRET, "--ttl", "60"]) == 0
    token = capsys.readouterr().out.strip()
    expiry = int(token.rpartition("se=")[2])
    assert token == SharedAccessKey(KEY).token(resource_uri("localhost", "dev1"), expiry=expiry)


def test_a_connection_string_from_the_environment_or_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IOTHUB_DEVICE_CONNECTION_STRING", raising=False)
    assert main(["sas"]) == 1
    assert "IOTHUB_DEVICE_CONNECTION_STRING" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET + "\n"))
    assert main(["sas", "-c", "-"]) == 0
    monkeypatch.setenv("IOTHUB_DEVICE_CONNECTION_STRING", SECRET)
    assert main(["sas"]) == 0


def test_errors_do_not_show_the_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sas", "-c", SECRET + ";SharedAccessKey=" + KEY]) == 1
    told = capsys.readouterr()
    assert KEY not in told.out + told.err
    assert "SharedAccessKey" in told.err


def told(data: bytes) -> list[str]:
    return [f"{line.offset} {line.text}" for line in explain(data)]


def text(value: str) -> bytes:
    return len(value.encode()).to_bytes(2) + value.encode()


def packet(first: int, body: bytes) -> bytes:
    assert len(body) < 16384
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
    return bytes([first]) + length + body


def test_explain_tells_every_packet() -> None:
    connect = text("MQTT") + b"\x04\xc6\x00\xf0" + text("dev1") + text("devices/dev1/messages/events/")
    connect += b"\x00\x04gone" + text("hub/dev1/?api-version=2021-04-12") + text("SharedAccessSignature sig=x")
    subscribe = b"\x00\x01" + text("$iothub/methods/POST/#") + b"\x00" + text("$iothub/twin/res/#") + b"\x01"
    bag = "devices/dev1/messages/devicebound/%24.mid=m%261&room=k%20h&none"
    conversation = [
        (packet(0x10, connect), "CONNECT MQTT level 4, keep-alive 240 s, clean session, client id 'dev1', will QoS 0 on "
         "telemetry of dev1: gone, user name 'hub/dev1/?api-version=2021-04-12', password *** (27 bytes)"),
        (b"\x20\x02\x01\x00", "CONNACK accepted, session present"),
        (b"\x20\x02\x00\x05", "CONNACK refused: not authorised, session new"),
        (packet(0x82, subscribe), "SUBSCRIBE id 1: $iothub/methods/POST/# at QoS 0, $iothub/twin/res/# at QoS 1"),
        (b"\x90\x04\x00\x01\x00\x80", "SUBACK id 1: QoS 0, refused"),
        (packet(0x3A, text(bag) + b"\x00\x07hello"), "PUBLISH QoS 1, id 7, DUP: message for dev1 {$.mid='m&1', room='k h', "
         "none=None}: hello"),
        (b"\x40\x02\x00\x07", "PUBACK id 7"),
        (packet(0x30, text("$iothub/methods/POST/blink/?$rid=3") + b"\x00\xff"), "PUBLISH QoS 0: call of method blink "
         "$rid=3: 00 ff"),
        (packet(0x30, text("$iothub/methods/res/200/?$rid=3")), "PUBLISH QoS 0: answer 200 to a method $rid=3: no payload"),
        (packet(0x30, text("$iothub/twin/res/204/?$rid=1&$version=4")), "PUBLISH QoS 0: twin: answer 204 "
         "$rid=1&$version=4: no payload"),
        (packet(0x31, text("a/b") + b"x" * 61), "PUBLISH QoS 0, RETAIN: topic 'a/b': " + "x" * 60 + "… (61 bytes)"),
        (b"\xa2\x05\x00\x02\x00\x01a", "UNSUBSCRIBE id 2: a"),
        (b"\xb0\x02\x00\x02", "UNSUBACK id 2"),
        (b"\xc0\x00", "PINGREQ"),
        (b"\xd0\x00", "PINGRESP"),
        (b"\xe0\x00", "DISCONNECT"),
    ]
    at, expected = 0, []
    for data, words in conversation:
        expected.append(f"{at} {words}")
        at += len(data)
    assert told(b"".join(data for data, _ in conversation)) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("d0", "1 cannot go on: the length of the packet is missing"),
        ("30ffffffff01", "5 cannot go on: the length of the packet has a fifth byte"),
        ("d001ff", "2 cannot go on: 1 bytes too many in PINGRESP"),
        ("d100", "0 cannot go on: flags 0x1 are not those of PINGRESP"),
        ("3603000161", "0 cannot go on: QoS 3 does not exist"),
        ("30040002c328", "4 cannot go on: the topic is not UTF-8"),
        ("3003000561", "4 cannot go on: the topic runs past the end of the packet"),
        ("f000", "0 cannot go on: packet type 15 is reserved"),
        ("200500", "3 cannot go on: CONNACK of 7 bytes ends after 3"),
    ],
)
def test_explain_says_where_and_why_it_stops(data: str, words: str) -> None:
    assert told(bytes.fromhex(data)) == [words]


def test_explain_stops_at_any_cut_without_another_error() -> None:
    whole = packet(0x10, text("MQTT") + b"\x04\xc0\x00\xf0" + text("d") + text("u") + text("p"))
    for end in range(1, len(whole)):
        assert told(whole[:end])[-1].startswith(f"{end} cannot go on") or "runs past" in told(whole[:end])[-1]


def test_explain_takes_hex_files_and_standard_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"\xd0\x00\xc0")
    assert main(["explain", "d0 00"]) == 0
    assert main(["explain", str(file)]) == 1
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xd0\x00")))
    assert main(["explain", "-"]) == 0
    assert main(["explain", "neither"]) == 1
    assert capsys.readouterr().out.count("PINGRESP") == 3


def capture(*segments: tuple[int, int, int, bytes]) -> bytes:
    """A capture of Ethernet, IPv4 and TCP: source port, sequence number, flags and payload of each segment."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for port, sequence, flags, payload in segments:
        to, sport, dport = (b"\2", 5000, 1883) if port != 1883 else (b"\1", 1883, 5000)
        tcp = struct.pack(">HHIIBBHHH", sport, dport, sequence, 0, 0x50, flags, 1024, 0, 0) + payload
        source, target = (b"\1", b"\2") if to == b"\2" else (b"\2", b"\1")
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
        frame = bytes(12) + b"\x08\x00" + ip + b"\x7f\0\0" + source + b"\x7f\0\0" + target + tcp
        out += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
    return out


def test_explain_reads_a_capture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("dpkt")
    file = tmp_path / "dump.pcap"
    syn, ack = 2, 16
    file.write_bytes(
        capture(
            (5000, 99, syn, b""),
            (1883, 499, syn | ack, b""),
            (5000, 100, ack, b"\xc0"),
            (5000, 100, ack, b"\xc0\x00"),  # Sent again, with more.
            (1883, 500, ack, b"\xd0\x00"),
            (5000, 102, ack, b"\xe0\x00"),
        )
    )
    assert main(["explain", "--pcap", str(file)]) == 0
    assert capsys.readouterr().out.split() == "device to hub: 0 PINGREQ 2 DISCONNECT hub to device: 0 PINGRESP".split()
    file.write_bytes(capture((5000, 100, ack, b"\xc0\x00"), (5000, 110, ack, b"\xe0\x00")))
    assert main(["explain", "--pcap", str(file)]) == 1
    assert "not captured" in capsys.readouterr().out
    file.write_bytes(b"no capture")
    assert main(["explain", "--pcap", str(file)]) == 1


@pytest.fixture
def hub(tmp_path: Path) -> Any:
    with running(tmp_path, "--websocket", "0", "--dps-tls", "0", "--dps-polls", "0", "--enroll-group", KEY) as hub:
        yield hub


def test_send_and_listen(hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    link = ["-c", hub.connection_string(), "--cafile", hub.cafile, "--port", str(hub.tls)]
    assert main(["send", *link, "-p", "a=b=c", "--content-type", "text/plain", "one", "two", "--count", "2"]) == 0
    told = capsys.readouterr()
    assert "4 of 4 stored" in told.err
    events = [hub.event("telemetry") for _ in range(4)]
    assert [event["text"] for event in events] == ["one", "two", "one", "two"]
    assert dict(map(tuple, events[0]["properties"])) == {"$.ct": "text/plain", "a": "b=c"}
    monkeypatch.setattr("sys.stdin", io.StringIO("three\n"))
    assert main(["send", *link]) == 0
    assert hub.event("telemetry")["text"] == "three"

    hub.do("send dev1 hello")
    hub.do('desired dev1 {"a":1}')
    assert main(["listen", *link, "--for", "1"]) == 0
    told = capsys.readouterr()
    assert "b'hello'" in told.out and "desired properties: {'a': 1}" in told.out
    assert "Online" in told.err and KEY not in told.err + told.out
    assert hub.ask("queued dev1", "queued")["messages"] == 0


def test_send_over_websocket(hub: Hub) -> None:
    link = ["-c", hub.connection_string(), "--cafile", hub.cafile, "--port", str(hub.listening["websocket"])]
    assert main(["send", *link, "--websocket", "through 443"]) == 0
    assert hub.event("telemetry")["text"] == "through 443"


def test_provision(hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    service = ["--host", "localhost", "--port", str(hub.listening["dps_tls"]), "--cafile", hub.cafile]
    device = ["--id-scope", "0ne00000001", "--registration-id", "reg-001"]
    monkeypatch.delenv("IOTHUB_DEVICE_DPS_DEVICE_KEY", raising=False)
    assert main(["provision", *device, *service]) == 1
    assert "IOTHUB_DEVICE_DPS_DEVICE_KEY" in capsys.readouterr().err
    monkeypatch.setenv("IOTHUB_DEVICE_DPS_DEVICE_KEY", KEY)
    assert main(["provision", *device, *service]) == 1
    assert "refused" in capsys.readouterr().err
    assert main(["provision", *device, *service, "--group", "--payload", '{"a":1}']) == 0
    told = capsys.readouterr()
    assert told.out == "HostName=localhost;DeviceId=reg-001\n" and '{"a":1}' in told.err
    assert KEY not in told.out + told.err


def test_a_device_that_cannot_connect_says_why(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    refused = ["-c", hub.connection_string(key="AAAA"), "--cafile", hub.cafile, "--port", str(hub.tls)]
    assert main(["send", *refused, "x"]) == 1
    assert "refused" in capsys.readouterr().err

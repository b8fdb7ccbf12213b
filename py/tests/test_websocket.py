"""`WebSocket` without a network: bytes of a web server in, MQTT out, and the other way round."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iothub_proto import CapacityError, ConfigurationError, LocalProtocolError, Usage, WebSocket, WebSocketError
from iothub_proto import WebSocketFailure as Failure
from iothub_proto import WebSocketState as State

RANDOM = b"the sample nonceand a secret one"
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)


def asked(window: int = 4096) -> WebSocket:
    socket = WebSocket(window)
    socket.connect("contoso.azure-devices.net", now=0.0, random=RANDOM)
    request = socket.data_to_send(now=0.0)
    key = base64.b64encode(RANDOM[:16])
    assert request.startswith(b"GET /$iothub/websocket HTTP/1.1\r\nHost: contoso.azure-devices.net\r\n")
    assert b"\r\nSec-WebSocket-Key: " + key + b"\r\n" in request and request.endswith(b"\r\n\r\n")
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    assert accept in ANSWER
    return socket


def opened(window: int = 4096) -> WebSocket:
    socket = asked(window)
    assert socket.receive_data(ANSWER, now=0.1) == b"" and socket.state is State.OPEN
    return socket


def frame(first: int, payload: bytes) -> bytes:
    """As a server sends it."""
    assert len(payload) < 65536
    return bytes([first]) + (
        bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
    ) + payload


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """First bytes and payloads of what a client sent, unmasked."""
    found = []
    while data:
        first, length, at = data[0], data[1] & 0x7F, 2
        assert data[1] & 0x80, "a client masks"
        if length == 126:
            length, at = int.from_bytes(data[2:4]), 4
        mask, body = data[at : at + 4], data[at + 4 : at + 4 + length]
        found.append((first, bytes(byte ^ mask[index % 4] for index, byte in enumerate(body))))
        data = data[at + 4 + length :]
    return found


def test_mqtt_goes_in_masked_binary_frames() -> None:
    socket = opened(512)
    payload = bytes(range(256)) * 10
    sent = frames(socket.data_to_send(payload, now=1.0))
    assert len(sent) > 1 and {first for first, _ in sent} == {0x82}
    assert b"".join(body for _, body in sent) == payload
    assert socket.data_to_send(now=1.0) == b"" and socket.next_deadline() is None


@given(st.lists(st.integers(0, 60), max_size=12), st.booleans())
def test_split_the_input_anywhere(cuts: list[int], early: bool) -> None:
    stream = ANSWER + frame(0x02, b"\x20\x02") + frame(0x89, b"still there?") + frame(0x80, b"\x00\x00")
    stream += frame(0x82, b"\x30" * 300) + frame(0x8A, b"")
    socket, got, sent, at = asked(), b"", b"", 0
    for cut in [*cuts, len(stream)]:
        got += socket.receive_data(memoryview(stream)[at : at + cut], now=1.0)
        at += cut
        if early:
            sent += socket.data_to_send(now=1.0)
    sent += socket.data_to_send(now=1.0)
    assert got == b"\x20\x02\x00\x00" + b"\x30" * 300 and frames(sent) == [(0x8A, b"still there?")]
    assert socket.state is State.OPEN and socket.error is None


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Failure.REFUSED, 404),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", Failure.REFUSED, 302),
        (b"SSH-2.0-x\r\n\r\n", Failure.BAD_STATUS_LINE, None),
        (ANSWER.replace(b"s3p", b"S3p"), Failure.BAD_ACCEPT, None),
        (ANSWER.replace(b"mqtt", b"amqp"), Failure.BAD_PROTOCOL, None),
        (b"HTTP/1.1 101 Yes\r\n" + b"X: y\r\n" * 5000, Failure.RESPONSE_TOO_LARGE, None),
    ],
)
def test_what_is_no_upgrade(answer: bytes, kind: Failure, status: int | None) -> None:
    socket = asked()
    for _ in range(2):
        with pytest.raises(WebSocketError) as error:
            while True:
                socket.receive_data(answer, now=1.0)
        assert (error.value.kind, error.value.status, error.value.code) == (kind, status, None)
    assert socket.state is State.CLOSED and isinstance(socket.error, WebSocketError)
    socket.connect("contoso.azure-devices.net", now=2.0, random=RANDOM)
    assert socket.state is State.UPGRADING and socket.error is None


def test_bytes_before_an_error_are_given_first() -> None:
    socket = opened()
    assert socket.receive_data(frame(0x82, b"mqtt") + frame(0x81, b"text"), now=1.0) == b"mqtt"
    assert socket.error is not None and socket.error.kind is Failure.TEXT_FRAME
    with pytest.raises(WebSocketError):
        socket.receive_data(b"", now=1.0)
    assert frames(socket.data_to_send(now=1.0)) == [(0x88, (1003).to_bytes(2))]
    assert socket.state is State.CLOSED


def test_a_close_from_the_server_has_its_code() -> None:
    socket = opened()
    with pytest.raises(WebSocketError) as error:
        socket.receive_data(frame(0x88, (1001).to_bytes(2)), now=1.0)
    assert (error.value.kind, error.value.code) == (Failure.CLOSED, 1001) and socket.state is State.CLOSING
    assert frames(socket.data_to_send(now=1.0)) == [(0x88, (1001).to_bytes(2))]
    assert socket.state is State.CLOSED


def test_a_polite_end() -> None:
    socket = opened()
    socket.disconnect(now=1.0)
    assert frames(socket.data_to_send(now=1.0)) == [(0x88, (1000).to_bytes(2))]
    assert socket.next_deadline() == 3.0
    socket.handle_timeout(now=3.0)
    assert socket.state is State.CLOSED and socket.error is None
    socket.receive_eof(now=3.0)
    assert socket.state is State.OFFLINE


def test_the_upgrade_has_a_deadline() -> None:
    socket = asked()
    deadline = socket.next_deadline()
    assert deadline == 30.0
    socket.handle_timeout(now=29.0)
    with pytest.raises(WebSocketError) as error:
        socket.handle_timeout(now=deadline)
    assert error.value.kind is Failure.TIMED_OUT and socket.state is State.CLOSED


def test_wrong_calls_change_nothing() -> None:
    socket = WebSocket(256)
    with pytest.raises(LocalProtocolError):
        socket.receive_data(b"", now=0.0)
    for host in ("", "a b", "a\r\nX: y"):
        with pytest.raises(ConfigurationError):
            socket.connect(host, now=0.0, random=RANDOM)
    with pytest.raises(CapacityError):
        socket.connect("h" * 200, now=0.0, random=RANDOM)
    for random in (b"", RANDOM + b"x"):
        with pytest.raises((TypeError, ValueError)):
            socket.connect("h", now=0.0, random=random)
    with pytest.raises(ValueError, match="256"):
        WebSocket(10)
    socket.connect("h", now=0.0, random=RANDOM)
    with pytest.raises(LocalProtocolError) as early:
        socket.data_to_send(b"mqtt", now=0.0)
    assert early.value.kind is Usage.INVALID_STATE and repr(socket) == "<WebSocket UPGRADING>"
    with pytest.raises(LocalProtocolError):
        socket.receive_data(b"", now=-1.0)

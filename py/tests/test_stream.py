"""Payloads larger than `Settings.max_packet`, in pieces."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from packets import MESSAGES, events, packets, publish, ready_client

import iothub_proto as hub
from iothub_proto import Disconnected, StreamBegin, StreamEnd, StreamKind, StreamPiece

LARGE = bytes(range(256)) * 40
STREAM = publish(MESSAGES + "room=kitchen", LARGE, 7, dup=True) + publish(MESSAGES, b"small", 8)


def streaming(**settings: Any) -> hub.Client:
    return ready_client(max_packet=256, stream_payloads=True, **settings)


@given(st.lists(st.integers(1, 3000), max_size=20))
def test_a_message_in_pieces_wherever_it_is_cut(cuts: list[int]) -> None:
    client, rest, told = streaming(), STREAM, []
    for cut in [*cuts, len(STREAM)]:
        if rest:
            client.receive_data(rest[:cut], now=1.0)
            rest = rest[cut:]
            told += events(client)
    begin, *pieces, end, small = told
    match begin:
        case StreamBegin(StreamKind.MESSAGE, length, properties, input=None, redelivered=True, name=None, request=None):
            assert length == len(LARGE) and properties == {"room": "kitchen"}
        case other:
            raise AssertionError(other)
    assert all(isinstance(piece, StreamPiece) for piece in pieces)
    assert b"".join(piece.payload for piece in pieces) == LARGE
    offsets = [piece.offset for piece in pieces]
    assert offsets == [sum(len(piece.payload) for piece in pieces[:index]) for index in range(len(pieces))]
    assert isinstance(end, StreamEnd) and end.kind is StreamKind.MESSAGE and end.token is not None
    assert small.payload == b"small"
    client.message_accept(small.token, now=1.0)
    assert client.data_to_send() == b""
    client.message_accept(end.token, now=1.0)
    assert [body for _, body in packets(client.data_to_send())] == [b"\x00\x07", b"\x00\x08"]


def test_methods_twins_and_others_in_pieces() -> None:
    client = streaming()
    client.receive_data(publish("$iothub/methods/POST/update/?$rid=5", LARGE), now=1.0)
    begin, *_, end = events(client)
    assert (begin.kind, begin.name, end.kind) == (StreamKind.METHOD_CALL, "update", StreamKind.METHOD_CALL)
    client.method_respond(begin.request, 200, now=1.0)
    assert b"$iothub/methods/res/200/?$rid=5" in client.data_to_send()

    token = client.twin_get(now=1.0)
    asked = client.data_to_send().decode("latin-1").partition("$rid=")[2]
    document = b'{"desired":{"text":"' + b"x" * 5000 + b'","$version":9},"reported":{"$version":1}}'
    client.receive_data(publish(f"$iothub/twin/res/200/?$rid={asked}", document), now=1.0)
    begin, *pieces, end = events(client)
    assert (begin.kind, begin.payload_len) == (StreamKind.TWIN_DOCUMENT, len(document))
    assert b"".join(piece.payload for piece in pieces) == document
    assert (end.twin_token, end.version, end.stale, end.token) == (token, 9, False, None)

    client.receive_data(publish("$iothub/twin/PATCH/properties/desired/?$version=10", LARGE), now=1.0)
    begin, *_, end = events(client)
    assert (begin.kind, begin.version, end.version) == (StreamKind.TWIN_DESIRED, 10, 10)
    client.receive_data(publish("else/where", LARGE), now=1.0)
    begin, *_, end = events(client)
    assert (begin.kind, begin.name, end.kind) == (StreamKind.UNKNOWN, "else/where", StreamKind.UNKNOWN)


def test_a_stream_that_is_cut_has_no_end() -> None:
    client = streaming()
    client.receive_data(STREAM[:1000], now=1.0)
    client.receive_data(b"", now=1.0)
    begin, *pieces, last = events(client)
    assert isinstance(begin, StreamBegin) and isinstance(pieces[0], StreamPiece) and isinstance(last, Disconnected)

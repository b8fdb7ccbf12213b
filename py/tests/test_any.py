"""What holds for any input: chunks, properties, instants."""

import copy
import json
import math
import pickle
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packets import MESSAGES, new_client, no_features, packets, publish, ready_client, sign_in, topic_of

import iothub_proto as hub
from iothub_proto import Feature, Properties

STREAM = b"".join(
    [
        publish(MESSAGES + "a=1&b=caf%C3%A9&a=2&%24.mid=m", b"x" * 300, 1),
        publish(MESSAGES, b""),
        publish("$iothub/methods/POST/reboot/?$rid=1", b'{"now":true}'),
        publish("$iothub/twin/PATCH/properties/desired/?$version=5", b'{"speed":3,"$version":5}'),
        publish("unheard/of", b"?"),
        publish(MESSAGES + "large=1", bytes(2000), 2),
        publish(MESSAGES + "again=1", b"y", 3, dup=True),
        b"\xd0\x00",
    ]
)
BROKEN = STREAM + b"\x92\x00" + STREAM


def conversation(chunks: list[bytes]) -> list[object]:
    """Events, and the error at the end."""
    client = ready_client(max_packet=1024)
    seen: list[object] = []
    for chunk in chunks:
        client.receive_data(chunk, now=1.0)
        try:
            seen += iter(client.next_event, None)
        except hub.RemoteProtocolError as error:
            return [*seen, error.kind, error.packet, error.offset]
    return seen


def split(stream: bytes, cuts: set[int]) -> list[bytes]:
    at = [0, *sorted(cuts), len(stream)]
    return [stream[start:end] for start, end in zip(at, at[1:], strict=False)]


def test_the_conversation_has_every_kind_in_it() -> None:
    kinds = [type(event) for event in conversation([BROKEN])]
    assert kinds == [
        hub.Message,
        hub.Message,
        hub.MethodCall,
        hub.TwinDesired,
        hub.Unknown,
        hub.Skipped,
        hub.Message,
        hub.Disconnected,
        hub.Violation,
        int,
        int,
    ]


@pytest.mark.parametrize("stream", [STREAM, BROKEN], ids=["whole", "broken"])
def test_byte_by_byte(stream: bytes) -> None:
    assert conversation([bytes([byte]) for byte in stream]) == conversation([stream])


@given(st.sampled_from([STREAM, BROKEN]), st.sets(st.integers(1, len(STREAM) - 1), max_size=12))
def test_split_anywhere_the_events_are_the_same(stream: bytes, cuts: set[int]) -> None:
    assert conversation(split(stream, cuts)) == conversation([stream])


@given(st.sampled_from([bytes, bytearray, memoryview]), st.sets(st.integers(1, len(STREAM) - 1), max_size=5))
def test_taken_late_the_events_are_the_same(kind: type, cuts: set[int]) -> None:
    """All chunks are handed in before the first event is taken; a buffer may be used again at once."""
    client = ready_client(max_packet=1024)
    for chunk in split(STREAM, cuts):
        data = bytearray(chunk)
        client.receive_data(kind(bytes(data) if kind is bytes else data), now=1.0)
        data[:] = bytes(len(data))
    assert [*iter(client.next_event, None)] == conversation([STREAM])


@given(st.binary(max_size=200))
def test_garbage_is_no_more_than_a_protocol_error(garbage: bytes) -> None:
    client = ready_client()
    client.receive_data(garbage or b"\x00", now=1.0)
    try:
        for event in iter(client.next_event, None):
            repr(event)
    except hub.RemoteProtocolError:
        assert client.state is hub.State.FAILED


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: not name.startswith(("$.", "iothub-"))
)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(names, values), max_size=12))
@example([("a", "1"), ("b", "2"), ("a", "3")])
def test_what_is_sent_is_what_is_read(pairs: list[tuple[str, str]]) -> None:
    client = no_features()
    client.send_telemetry(b"", pairs, now=0.0)
    [(_, body)] = packets(client.data_to_send())
    bag = topic_of(body).removeprefix("devices/dev1/messages/events/")
    received = Properties(bag)
    assert received.multi_items() == received.pairs() == pairs
    first: dict[str, str] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    assert dict(received) == first and list(received) == list(first) and len(received) == len(first)
    assert received == first and received == Properties(bag) and received != {**first, "another": ""}
    assert list(received.items()) == list(first.items()) and list(received.values()) == list(first.values())
    for name in first:
        assert name in received and received[name] == received.get(name) == first[name]
    assert "another" not in received and received.get("another", 7) == 7 and 5 not in received
    with pytest.raises(KeyError, match="another"):
        received["another"]


@given(st.one_of(st.text("ab&=%24.mid$?/+é", max_size=30), values))
def test_any_text_is_a_bag(bag: str) -> None:
    properties = Properties(bag)
    for name, value in properties.pairs():
        for part in (name, value or ""):
            raw = part.encode("utf-8", "surrogateescape")
            assert raw in unquote_to_bytes(bag)
    names_of_all = [name for name, _ in properties.pairs()]
    assert set(properties) <= set(names_of_all)
    repr(properties.system)


def test_properties_are_matched_like_any_mapping() -> None:
    match Properties("room=kitchen&empty&%24.mid=1"):
        case {"room": room, "empty": None, **rest}:
            assert room == "kitchen" and rest == {}
        case other:
            pytest.fail(repr(other))
    assert Properties("a=%FF")["a"] == "\udcff"
    assert repr(Properties("a='")) == "Properties(\"a='\")"


def test_properties_are_not_changed() -> None:
    properties: Any = Properties("a=1&%24.mid=m&a=2")
    attempts: list[Callable[[], object]] = [
        lambda: properties.__setitem__("a", "2"),
        lambda: properties.__delitem__("a"),
        lambda: properties.__ior__({"b": "1"}),
        lambda: properties.update(b="1"),
        lambda: properties.setdefault("b", "1"),
        lambda: properties.pop("a"),
        properties.popitem,
        properties.clear,
    ]
    for attempt in attempts:
        with pytest.raises(TypeError, match="cannot be changed"):
            attempt()
    with pytest.raises(AttributeError):
        properties.raw = ""
    assert type(properties | {"b": "2"}) is dict and json.loads(json.dumps(properties)) == {"a": "1"}
    for again in (copy.copy(properties), copy.deepcopy(properties), pickle.loads(pickle.dumps(properties))):
        assert again == properties == {"a": "1"} and again.raw == properties.raw and again.system.message_id == "m"


seconds = st.floats(0, 1e7, allow_nan=False)


def deadline_after(now: float) -> float:
    client = new_client(features=Feature.NONE, connect_timeout=0.001)
    client.connect(now=now)
    client.data_to_send()
    deadline = client.next_deadline()
    assert deadline is not None
    return deadline


@given(seconds)
@example(0.0)
@example(1.0005)
@example(2**20 - 0.001)
@example(4_000_000.2919999)
def test_a_deadline_given_out_is_the_same_when_it_comes_back(now: float) -> None:
    """`now` is rounded down to milliseconds, but for a thousandth of one; so a deadline is due when it is there."""
    deadline = deadline_after(now)
    assert deadline == (math.floor(now * 1000 + 1e-3) + 1) / 1000
    client = new_client(features=Feature.NONE, connect_timeout=0.001)
    client.connect(now=now)
    client.data_to_send()
    client.handle_timeout(now=deadline)
    assert client.state is hub.State.FAILED


@given(seconds)
def test_nothing_happens_before_its_time(now: float) -> None:
    deadline = deadline_after(now)
    client = new_client(features=Feature.NONE, connect_timeout=0.001)
    client.connect(now=now)
    client.data_to_send()
    client.handle_timeout(now=max(now, deadline - 2e-6))
    assert client.state is hub.State.CONNECTING
    assert client.next_deadline() == deadline


@given(st.floats(1e7, 8e15))
def test_deadlines_come_back_in_any_age(now: float) -> None:
    deadline = deadline_after(now)
    client = new_client(features=Feature.NONE, connect_timeout=0.001)
    client.connect(now=now)
    client.data_to_send()
    client.handle_timeout(now=deadline)
    assert client.state is hub.State.FAILED


@pytest.mark.parametrize("now", [-0.1, math.nan, math.inf, -math.inf, 1e16])
def test_instants_that_are_none(now: float) -> None:
    client = new_client(features=Feature.NONE)
    sign_in(client, now=5.0)
    for call in (
        lambda: client.receive_data(b"\xf0", now=now),
        lambda: client.handle_timeout(now=now),
        lambda: client.send_telemetry(b"", now=now),
        lambda: client.data_to_send(now=now),
        lambda: client.disconnect(now=now),
    ):
        with pytest.raises(hub.LocalProtocolError) as bad:
            call()
        assert bad.value.kind is hub.Usage.BAD_INSTANT
    assert client.next_event() is None and client.state is hub.State.READY and client.unacked == []


@given(st.integers(0, 2**32 - 1), st.sampled_from(hub.RetryCause), st.floats(0, 1e6))
def test_backoff_stays_in_its_range(random: int, cause: hub.RetryCause, ready_for: float) -> None:
    backoff = hub.Backoff(hub.RetryPolicy(lost=(1, 2, 8), unavailable=(1, 2, 8), unauthorized=(1, 2, 8)))
    for failure in range(6):
        assert backoff.failures == failure
        match backoff.next(cause, ready_for=0.0, random=random):
            case hub.Retry(after, reprovision):
                assert cause is hub.RetryCause.REJECTED or 1 <= after <= min(8, 2 * 2**failure)
                assert reprovision == (cause is hub.RetryCause.REJECTED)
    backoff.next(cause, ready_for=ready_for, random=random)
    assert backoff.failures == (1 if ready_for >= 60 else 7)
    backoff.reset()
    assert backoff.failures == 0

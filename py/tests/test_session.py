"""How a session begins and ends: what is called, what comes of it, in which order."""

from typing import assert_never

import pytest
from packets import CONNACK, MESSAGES, events, new_client, no_features, packets, publish, ready_client, sign_in, suback

import iothub_proto as hub
from iothub_proto import DisconnectReason, Feature, LastSent, State, TimeoutReason, Usage, Withdrawn


def test_sign_in() -> None:
    client = new_client()
    assert client.state is State.OFFLINE and client.next_deadline() is None and client.timeout_reason is None
    client.connect("secret", now=1.0)
    assert client.state is State.CONNECTING
    assert b"secret" in client.data_to_send()
    assert client.timeout_reason is TimeoutReason.CONNACK and client.next_deadline() == 31.0
    client.receive_data(CONNACK, now=1.5)
    (connected,) = events(client)
    assert isinstance(connected, hub.Connected) and not connected.session_present
    assert client.state is State.SUBSCRIBING
    client.receive_data(suback(client.data_to_send(), refused=1), now=1.6)
    (ready,) = events(client)
    assert isinstance(ready, hub.Ready) and ready.refused == Feature.METHODS
    assert client.state is State.READY


def test_events_come_before_the_error_they_were_received_with() -> None:
    client = ready_client()
    client.receive_data(publish(MESSAGES, b"1", 1) + publish(MESSAGES, b"2") + b"\xf0\x00" + b"more", now=1.0)
    seen: list[hub.Event] = []
    for _ in range(3):
        event = client.next_event()
        assert event is not None
        seen.append(event)
    first, second, last = seen
    assert isinstance(first, hub.Message) and isinstance(second, hub.Message) and second.payload == b"2"
    assert isinstance(last, hub.Disconnected) and last.reason is DisconnectReason.FAILED
    assert isinstance(last.error, hub.RemoteProtocolError) and last.last_sent is LastSent.SUBSCRIBE
    assert client.state is State.FAILED
    for _ in range(2):
        with pytest.raises(hub.RemoteProtocolError) as raised:
            client.next_event()
        assert raised.value.kind is hub.Violation.FORBIDDEN_TYPE
        assert (raised.value.packet, raised.value.offset) == (0xF0, 0)
    assert client.data_to_send() == b""
    sign_in(client, now=5.0)
    assert events(client) == []


def test_refusals() -> None:
    client = new_client()
    client.connect("expired", now=0.0)
    client.data_to_send()
    client.receive_data(b"\x20\x02\x00\x05", now=0.1)
    ended = client.next_event()
    assert isinstance(ended, hub.Disconnected) and isinstance(ended.error, hub.RefusedError)
    with pytest.raises(hub.RefusedError) as refused:
        client.next_event()
    assert refused.value.code == 5 and refused.value.retry_cause is hub.RetryCause.UNAUTHORIZED


def test_a_dead_link() -> None:
    client = new_client()
    client.connect(now=0.0)
    client.data_to_send()
    client.handle_timeout(now=29.999)
    assert client.next_event() is None
    client.handle_timeout(now=30.0)
    assert isinstance(client.next_event(), hub.Disconnected)
    with pytest.raises(TimeoutError) as dead:
        client.next_event()
    assert isinstance(dead.value, hub.TimedOutError) and dead.value.reason is TimeoutReason.CONNACK


def test_the_end_comes_after_what_was_received_before() -> None:
    client = ready_client()
    client.receive_data(publish(MESSAGES, b"1", 1) + publish(MESSAGES, b"unfinished")[:-3], now=1.0)
    client.receive_data(b"", now=2.0)
    assert client.state is State.READY
    message, ended = events(client)
    assert isinstance(message, hub.Message) and isinstance(ended, hub.Disconnected)
    assert ended.reason is DisconnectReason.TRANSPORT_CLOSED and ended.error is None and ended.ready_for == 2.0
    assert client.state is State.OFFLINE
    client.receive_data(b"", now=2.0)
    client.receive_eof(now=2.0)
    assert events(client) == []
    with pytest.raises(hub.LocalProtocolError) as late:
        client.receive_data(b"late", now=2.0)
    assert late.value.kind is Usage.INVALID_STATE


def test_connect_again_before_the_end_was_taken() -> None:
    client = ready_client()
    token = client.send_telemetry(b"x", now=1.0)
    client.data_to_send()
    client.receive_data(publish(MESSAGES, b"1", 1), now=1.0)
    client.receive_eof(now=1.0)
    sign_in(client, now=0.5, session_present=True)
    [(first, _)] = packets(client.data_to_send())
    assert first == 0x3A, "sent again, with DUP"
    assert client.unacked == [token] and events(client) == []


def test_nothing_leaves_after_the_end() -> None:
    client = ready_client()
    client.receive_data(publish(MESSAGES, b"1", 1), now=1.0)
    client.receive_eof(now=1.0)
    client.send_telemetry(b"x", now=1.0, qos=0)
    assert client.data_to_send() == b""
    events(client)
    sign_in(client, now=2.0)
    assert packets(client.data_to_send())[0][0] == 0x30


def test_a_polite_end_and_what_was_withdrawn() -> None:
    client = no_features()
    sent = client.send_telemetry(b"sent", now=1.0)
    client.data_to_send()
    unsent = client.send_telemetry(b"unsent", now=1.0)
    assert client.telemetry_sent(sent) and not client.telemetry_sent(unsent)
    client.disconnect(now=1.0)
    assert client.state is State.DRAINING and client.timeout_reason is TimeoutReason.DRAIN
    assert client.telemetry_withdraw(unsent, now=1.0) is Withdrawn.UNSENT
    assert client.telemetry_withdraw(sent, now=1.0) is Withdrawn.MAYBE_SENT
    client.disconnect(now=1.0)
    assert client.data_to_send() == b"\xe0\x00"
    (ended,) = events(client)
    assert isinstance(ended, hub.Disconnected) and ended.reason is DisconnectReason.REQUESTED


def test_subscribe_later() -> None:
    client = no_features()
    client.subscribe(Feature.METHODS | Feature.TWIN, now=1.0)
    client.receive_data(suback(client.data_to_send()), now=1.1)
    (event,) = events(client)
    assert isinstance(event, hub.Subscribed)
    assert event.features == Feature.METHODS | Feature.TWIN and event.refused is Feature.NONE
    with pytest.raises(ValueError):
        client.subscribe(Feature(64), now=1.0)


def test_the_will() -> None:
    client = new_client(connect_reserve=1024)
    will = hub.Telemetry(b"gone", {"a": "b"}, qos=0, system=hub.SystemProperties(message_id="w"))
    assert (will.payload, will.qos, will.properties) == (b"gone", 0, [("a", "b")])
    client.connect("p", now=0.0, will=will)
    connect = client.data_to_send()
    assert b"devices/dev1/messages/events/%24.mid=w&a=b" in connect and b"gone" in connect


def test_credentials_expire() -> None:
    client = new_client(features=Feature.NONE)
    client.connect("p", now=0.0, lifetime=3600.0, random=0)
    client.data_to_send()
    client.receive_data(CONNACK, now=0.0)
    events(client)
    while client.timeout_reason is not TimeoutReason.CREDENTIAL:
        deadline = client.next_deadline()
        assert deadline is not None
        client.handle_timeout(now=deadline)
        if client.data_to_send() == b"\xc0\x00":
            client.receive_data(b"\xd0\x00", now=deadline)
        assert events(client) == []
    assert client.next_deadline() == 3300.0
    client.handle_timeout(now=3300.0)
    assert isinstance(client.next_event(), hub.CredentialExpiring)


def test_the_hub_may_be_cutting_the_link_because_of_a_message() -> None:
    client = no_features()
    poison = client.send_telemetry(b"poison", now=0.0)
    for cut in range(2):
        client.data_to_send()
        client.receive_eof(now=cut)
        (ended,) = events(client)
        assert isinstance(ended, hub.Disconnected) and ended.last_sent is LastSent.TELEMETRY
        if cut == 0:
            assert ended.suspect is None
            sign_in(client, now=cut)
    match ended.suspect:
        case hub.Suspect(token, cuts):
            assert (token, cuts) == (poison, 2)
        case other:
            pytest.fail(repr(other))


def name(event: hub.Event) -> str:
    """Type checkers see that no kind is missing; every kind is given to it below."""
    match event:
        case hub.Connected(session_present):
            return f"connected {session_present}"
        case hub.Ready(refused) | hub.Subscribed(_, refused):
            return f"subscribed but {refused}"
        case hub.TelemetryAcked(token):
            return f"stored {token}"
        case hub.Message(payload, properties) | hub.MessageLeft(payload, properties):
            return f"message {payload!r} {dict(properties)}"
        case hub.MethodCall(name=called):
            return f"method {called}"
        case hub.TwinDocument(version=version) | hub.TwinDesired(version=version) | hub.TwinReported(version=version):
            return f"twin {version}"
        case hub.TwinRequestFailed(reason=reason) | hub.TwinSyncFailed(reason=reason):
            return f"failed {reason}"
        case hub.Skipped(topic) | hub.Unknown(topic):
            return f"other {topic}"
        case hub.CredentialExpiring():
            return "expiring"
        case hub.Disconnected(reason):
            return f"over {reason}"
        case _:
            assert_never(event)


def test_every_kind_is_matched() -> None:
    client = ready_client()
    client.receive_data(publish(MESSAGES + "a=b", b"x") + publish("other/topic", b"y"), now=1.0)
    assert [name(event) for event in events(client)] == ["message b'x' {'a': 'b'}", "other other/topic"]
    client.receive_eof(now=1.0)
    assert [name(event) for event in events(client)] == ["over transport_closed"]

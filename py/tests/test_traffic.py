"""Telemetry, messages, methods and the twin: what is called, what comes of it, in which order."""

import pytest
from packets import MESSAGES, events, no_features, packet_id_of, packets, puback, publish, ready_client, topic_of

import iothub_proto as hub
from iothub_proto import Feature, State, TimeoutReason, Usage


def test_telemetry_until_it_is_acknowledged() -> None:
    client = ready_client()
    system = hub.SystemProperties(message_id="m-1", content_type="application/json")
    token = client.send_telemetry(b"21.5", {"room": "kitchen", "é": "a/b"}, now=1.0, system=system)
    assert client.unacked == [token] and client.pending.telemetry == 1
    [(first, body)] = packets(client.data_to_send())
    assert first == 0x32 and body.endswith(b"21.5")
    assert topic_of(body) == (
        "devices/dev1/messages/events/%24.mid=m-1&%24.ct=application%2Fjson&room=kitchen&%C3%A9=a%2Fb"
    )
    client.receive_data(puback(packet_id_of(body)), now=2.0)
    match events(client):
        case [hub.TelemetryAcked(acked)]:
            assert acked == token
        case other:
            pytest.fail(repr(other))
    assert client.unacked == [] and client.pending == ready_client().pending
    with pytest.raises(hub.LocalProtocolError) as stale:
        client.telemetry_withdraw(token, now=2.0)
    assert stale.value.kind is Usage.STALE


@pytest.mark.parametrize(
    "properties",
    [
        {"a": "1", "b": "2"},
        [("a", "1"), ("b", "2")],
        (pair for pair in [("a", "1"), ["b", "2"]]),
        hub.Properties("a=1&b=2"),
        {str(n): "x" for n in range(20)},
    ],
    ids=["dict", "pairs", "iterator", "received", "many"],
)
def test_properties_come_in_any_shape(properties: dict[str, str]) -> None:
    client = ready_client()
    client.send_telemetry(b"", properties, now=0.0, qos=0)
    [(first, body)] = packets(client.data_to_send())
    bag = topic_of(body).removeprefix("devices/dev1/messages/events/")
    assert first == 0x30
    assert bag == ("&".join(f"{n}=x" for n in range(20)) if len(bag) > 20 else "a=1&b=2")


@pytest.mark.parametrize("properties", [{"a": 1}, {1: "a"}, {"a": None}, [("a",)], ["ab", "c"], 7, hub.Properties("a")])
def test_wrong_properties_are_refused_and_nothing_changed(properties: dict[str, str]) -> None:
    client = ready_client()
    with pytest.raises((TypeError, ValueError)):
        client.send_telemetry(b"", properties, now=0.0)
    with pytest.raises(hub.ConfigurationError) as empty:
        client.send_telemetry(b"", {"": "x"}, now=0.0)
    assert (empty.value.field, empty.value.at) == ("property_name", 0)
    assert client.pending.telemetry == 0 and client.data_to_send() == b""


@pytest.mark.parametrize("payload", [b"abc", bytearray(b"abc"), memoryview(b"xabcx")[1:4], memoryview(b"aabbcc")[::2]])
def test_payloads_are_any_buffer(payload: bytes) -> None:
    client = ready_client()
    client.send_telemetry(payload, now=0.0)
    assert packets(client.data_to_send())[0][1].endswith(b"abc")
    client.receive_data(payload[:0], now=0.0)
    assert client.state is State.OFFLINE


def test_messages_are_accepted_in_order_and_left() -> None:
    client = ready_client()
    client.receive_data(b"".join(publish(MESSAGES + "a=1", b"m", n) for n in (1, 2, 3)), now=1.0)
    first, second, third = events(client)
    assert isinstance(first, hub.Message) and isinstance(second, hub.Message) and isinstance(third, hub.Message)
    assert first.token is not None and second.token is not None and third.token is not None
    client.message_accept(second.token, now=1.0)
    assert client.data_to_send() == b""
    client.message_leave(first.token, now=1.0)
    client.message_accept(third.token, now=1.0)
    assert client.data_to_send() == puback(2) + puback(3)
    with pytest.raises(hub.LocalProtocolError):
        client.message_accept(third.token, now=1.0)


def test_a_full_window_leaves_messages() -> None:
    client = ready_client(limits=hub.Limits(messages=1))
    client.receive_data(publish(MESSAGES, b"1", 1) + publish(MESSAGES + "a=b", b"2", 2), now=1.0)
    first, second = events(client)
    assert isinstance(first, hub.Message)
    match second:
        case hub.MessageLeft(payload=b"2", properties={"a": "b"}, input=None, redelivered=False):
            pass
        case other:
            pytest.fail(repr(other))


def test_auto_accept() -> None:
    client = ready_client(auto_accept=True)
    client.receive_data(publish(MESSAGES, b"1", 1), now=1.0)
    assert client.next_event() is not None and client.data_to_send() == b""
    assert client.next_event() is None and client.data_to_send() == puback(1)


def test_larger_messages_are_skipped() -> None:
    client = ready_client(max_packet=128)
    client.receive_data(publish(MESSAGES + "a=b", bytes(1000), 9)[:64], now=1.0)
    client.receive_data(publish(MESSAGES + "a=b", bytes(1000), 9)[64:], now=1.0)
    (skipped,) = events(client)
    assert isinstance(skipped, hub.Skipped) and skipped.payload_len == 1000 and skipped.packet_id == 9
    assert skipped.topic == MESSAGES + "a=b" and skipped.token is not None and skipped.request is None
    client.message_accept(skipped.token, now=1.0)
    assert client.data_to_send() == puback(9)


def test_methods_are_answered_inside_the_match() -> None:
    client = ready_client()
    client.receive_data(publish("$iothub/methods/POST/reboot/?$rid=1f", b'{"in":5}'), now=1.0)
    match client.next_event():
        case hub.MethodCall(name="reboot", payload=b'{"in":5}', request=request):
            client.method_respond(request, 200, b"{}", now=1.0)
        case other:
            pytest.fail(repr(other))
    [(_, body)] = packets(client.data_to_send())
    assert topic_of(body) == "$iothub/methods/res/200/?$rid=1f" and body.endswith(b"{}")
    assert str(request) == "1f" and repr(request) == 'RequestId("1f")'
    client.receive_eof(now=2.0)
    with pytest.raises(hub.LocalProtocolError) as stale:
        client.method_respond(request, 200, now=2.0)
    assert stale.value.kind is Usage.STALE


def test_a_request_id_of_any_length_can_be_kept() -> None:
    client = ready_client()
    rid = "r" * 300
    client.receive_data(publish(f"$iothub/methods/POST/m/?$rid={rid}"), now=1.0)
    call = client.next_event()
    assert isinstance(call, hub.MethodCall) and call.request == call.request and hash(call.request) == hash(rid)
    client.method_respond(call.request, 404, now=1.0)
    assert rid.encode() in client.data_to_send()


def rid_of(sent: bytes) -> str:
    return topic_of(packets(sent)[0][1]).split("$rid=")[1]


def test_twin_requests() -> None:
    client = ready_client()
    get = client.twin_get(now=1.0)
    rid = rid_of(client.data_to_send())
    document = b'{"desired":{"$version":4},"reported":{"$version":2}}'
    client.receive_data(publish(f"$iothub/twin/res/200/?$rid={rid}", document), now=1.1)
    match client.next_event():
        case hub.TwinDocument(payload, token, version, stale):
            assert (payload, token, version, stale) == (document, get, 4, False)
        case other:
            pytest.fail(repr(other))

    report = client.twin_report(b'{"fan":3}', now=1.2)
    rid = rid_of(client.data_to_send())
    client.receive_data(publish(f"$iothub/twin/res/204/?$rid={rid}&$version=3"), now=1.3)
    (reported,) = events(client)
    assert isinstance(reported, hub.TwinReported) and (reported.token, reported.version) == (report, 3)

    report = client.twin_report(b'{"fan":4}', now=1.4)
    rid = rid_of(client.data_to_send())
    client.receive_data(publish(f"$iothub/twin/res/429/?$rid={rid}", b'{"x":1}'), now=1.5)
    (failed,) = events(client)
    assert isinstance(failed, hub.TwinRequestFailed) and failed.token == report
    assert (failed.reason, failed.status, failed.payload) == (hub.RequestFailure.STATUS, 429, b'{"x":1}')
    assert isinstance(failed.error, hub.RequestFailed) and failed.error.status == 429
    assert failed.error.payload == b'{"x":1}'

    client.twin_get(now=2.0)
    client.data_to_send()
    deadline = client.next_deadline()
    assert client.timeout_reason is TimeoutReason.REQUEST and deadline == 62.0
    client.handle_timeout(now=deadline)
    (failed,) = events(client)
    assert isinstance(failed, hub.TwinRequestFailed) and failed.reason is hub.RequestFailure.TIMED_OUT
    assert client.state is State.READY


def test_bad_patches_are_refused() -> None:
    client = ready_client()
    with pytest.raises(hub.LocalProtocolError) as bad:
        client.twin_report(b'{"a.b":1}', now=1.0)
    assert bad.value.kind is Usage.BAD_PATCH and bad.value.rule is hub.PatchRule.BAD_KEY
    with pytest.raises(hub.LocalProtocolError) as bad:
        hub.check_patch(b"[]")
    assert bad.value.rule is hub.PatchRule.NOT_AN_OBJECT


def test_twin_synchronisation_and_the_replica() -> None:
    client = ready_client(twin_sync=True)
    rid = rid_of(client.data_to_send())
    document = b'{"desired":{"speed":3,"deep":{"x":[1,2.5,null,true,"t"]},"$version":7},"reported":{"$version":1}}'
    client.receive_data(publish(f"$iothub/twin/res/200/?$rid={rid}", document), now=1.0)
    (event,) = events(client)
    assert isinstance(event, hub.TwinDocument) and event.token is None
    twin = hub.TwinReplica(event.payload)
    assert twin.desired == {"speed": 3, "deep": {"x": [1, 2.5, None, True, "t"]}} and twin.desired_version == 7
    client.receive_data(
        publish("$iothub/twin/PATCH/properties/desired/?$version=8", b'{"deep":null,"$version":8}'), now=2.0
    )
    (event,) = events(client)
    assert isinstance(event, hub.TwinDesired) and event.version == 8 and not event.unsynced
    assert twin.apply_desired(event.payload, event.version) is hub.Applied.MERGED
    assert twin.desired == {"speed": 3}
    assert twin.apply_desired(event.payload, 8) is hub.Applied.STALE
    assert twin.apply_desired(event.payload, 10) is hub.Applied.GAP
    assert twin.apply_reported(b'{"a":1}', 2) is hub.Applied.MERGED and twin.reported == {"a": 1}
    assert twin.reported_version == 2
    with pytest.raises(hub.LocalProtocolError) as bad:
        hub.TwinReplica(b"{")
    assert bad.value.kind is Usage.BAD_TWIN


def test_modules() -> None:
    client = ready_client(module="mod1")
    client.receive_data(publish("devices/dev1/modules/mod1/inputs/in1/%24.cdid=other&a=1", b"x", 4), now=1.0)
    (message,) = events(client)
    assert isinstance(message, hub.Message) and message.input == "in1"
    assert message.properties.system.connection_device_id == "other"
    client.send_telemetry(b"x", now=1.0, system=hub.SystemProperties(output="out1"))
    assert "%24.on=out1" in topic_of(packets(client.data_to_send())[0][1])
    with pytest.raises(hub.LocalProtocolError) as wrong:
        client.subscribe(Feature.MESSAGES, now=1.0)
    assert wrong.value.kind is Usage.WRONG_IDENTITY


def test_send_by_pieces() -> None:
    client = no_features()
    client.send_telemetry(b"a" * 50, now=0.0)
    client.send_telemetry(b"b" * 50, now=0.0)
    whole = b""
    while piece := client.data_to_send(7, now=0.0):
        assert len(piece) <= 7
        whole += piece
    assert [body[-50:] for _, body in packets(whole)] == [b"a" * 50, b"b" * 50]
    assert client.data_to_send(0) == b""


def test_capacity() -> None:
    client = no_features(limits=hub.Limits(tx=2048, commands=2))
    with pytest.raises(hub.CapacityError) as never:
        client.send_telemetry(bytes(4096), now=0.0)
    assert never.value.kind is Usage.TOO_LARGE and never.value.needed is not None and never.value.needed > 4096
    client.send_telemetry(bytes(500), now=0.0)
    with pytest.raises(hub.CapacityError) as full:
        client.send_telemetry(bytes(1500), now=0.0)
    assert full.value.kind is Usage.TX_FULL and full.value.free == client.tx_free
    client.send_telemetry(b"", now=0.0)
    with pytest.raises(hub.CapacityError) as slots:
        client.send_telemetry(b"", now=0.0)
    assert slots.value.kind is Usage.SLOTS_FULL and slots.value.needed is None
    assert isinstance(slots.value, hub.LocalProtocolError)

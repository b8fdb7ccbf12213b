"""Memory: sessions leave nothing behind, and an idle client is small."""

import gc
import sys
import tracemalloc
import weakref
from pathlib import Path

import pytest
from packets import HOST, MESSAGES, packet_id_of, packets, puback, publish, ready_client, topic_of

import iothub_proto as hub

SETTINGS = hub.Settings(twin_sync=False)


def session() -> None:
    """Every kind of object that the binding makes is made, and dropped."""
    client = ready_client()
    client.send_telemetry(b"x" * 100, {"a": "b"}, now=1.0, system=hub.SystemProperties(message_id="m"))
    [(_, body)] = packets(client.data_to_send())
    client.receive_data(puback(packet_id_of(body)) + publish(MESSAGES + "a=1&%24.mid=2", b"y" * 2000, 1), now=1.0)
    for event in iter(client.next_event, None):
        if isinstance(event, hub.Message):
            dict(event.properties), event.properties.system, repr(event)
            assert event.token is not None
            client.message_accept(event.token, now=1.0)
    client.receive_data(publish("$iothub/methods/POST/m/?$rid=1", b"{}"), now=1.0)
    call = client.next_event()
    assert isinstance(call, hub.MethodCall)
    client.method_respond(call.request, 200, now=1.0)
    get = client.twin_get(now=1.0)
    rid = topic_of(packets(client.data_to_send())[-1][1]).split("$rid=")[1]
    client.receive_data(publish(f"$iothub/twin/res/200/?$rid={rid}", b'{"desired":{"$version":1}}'), now=1.0)
    document = client.next_event()
    assert isinstance(document, hub.TwinDocument) and document.token == get
    try:
        client.message_accept(hub.MessageToken(99), now=1.0)
    except hub.LocalProtocolError:
        pass
    client.receive_data(b"\xf0\x00 and a rest", now=1.0)
    ended = client.next_event()
    assert isinstance(ended, hub.Disconnected) and ended.error is not None
    try:
        client.next_event()
    except hub.RemoteProtocolError:
        pass


def resident() -> int:
    """Bytes of the process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
def test_ten_thousand_sessions_leave_nothing() -> None:
    for _ in range(1000):
        session()
    gc.collect()
    tracemalloc.start()
    for _ in range(100):
        session()
    gc.collect()
    python, process = tracemalloc.get_traced_memory()[0], resident()
    for _ in range(900):
        session()
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - python
    tracemalloc.stop()
    assert grown < 20_000, "bytes of Python objects after 900 sessions"
    for _ in range(8000):
        session()
    gc.collect()
    assert resident() - process < 4_000_000, "bytes of the process after 8,900 sessions"


def test_a_client_goes_with_its_last_reference() -> None:
    client = ready_client()
    gone = weakref.ref(client)
    client.receive_data(publish(MESSAGES, b"x"), now=1.0)
    message = client.next_event()
    del client
    assert gone() is None and isinstance(message, hub.Message) and message.payload == b"x"


def test_a_chunk_is_dropped_once_it_is_taken() -> None:
    client = ready_client()
    chunk = publish(MESSAGES, b"x" * 100) * 3
    before = sys.getrefcount(chunk)
    client.receive_data(chunk, now=1.0)
    assert sys.getrefcount(chunk) == before + 1, "not copied"
    kept = list(iter(client.next_event, None))
    assert len(kept) == 3 and sys.getrefcount(chunk) == before


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="there is no /proc here")
def test_an_idle_client_has_less_than_a_kilobyte() -> None:
    identity = hub.Identity(HOST, "dev1")

    def idle() -> hub.Client:
        client = hub.Client(identity, SETTINGS)
        client.connect("the password", now=0.0)
        sent = client.data_to_send()
        client.receive_data(b"\x20\x02\x00\x00", now=0.0)
        client.next_event()
        sent = client.data_to_send()
        client.receive_data(b"\x90\x06" + sent[3:5] + b"\x01\x00\x00\x00", now=0.0)
        assert isinstance(client.next_event(), hub.Ready) and client.next_event() is None
        return client

    count = 20_000
    warm = [idle() for _ in range(1000)]
    gc.collect()
    before = resident()
    clients = [idle() for _ in range(count)]
    each = (resident() - before) / count
    assert each <= 1024, f"{each:.0f} bytes a client"
    assert len(warm) + len(clients) == 21_000

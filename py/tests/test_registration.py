"""`ProvisioningClient` without a network: the service's bytes written by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from packets import packets, publish, suback, topic_of

from iothub_proto import (
    Assigned,
    Assigning,
    ConfigurationError,
    Connected,
    Disconnected,
    DisconnectReason,
    Identity,
    LocalProtocolError,
    NotAssigned,
    ProvisioningClient,
    Ready,
    RefusedError,
    Registration,
    RegistrationFailed,
    RegistrationFailure,
    Settings,
    State,
    Throttled,
    TimedOutError,
    TimeoutReason,
)

WHO = Registration("0ne00000001", "reg-001")
OPERATION = {"operationId": "4.op", "status": "assigning"}
DONE = {
    "status": "assigned",
    "registrationState": {
        "assignedHub": "contoso.azure-devices.net",
        "deviceId": "dev1",
        "substatus": "initialAssignment",
        "payload": {"a": 1},
    },
}


def answer(status: int, body: object, number: int = 1, retry_after: int | None = None) -> bytes:
    later = "" if retry_after is None else f"&retry-after={retry_after}"
    return publish(f"$dps/registrations/res/{status}/?$rid={number}{later}", json.dumps(body).encode())


def ready(**options: Any) -> tuple[ProvisioningClient, str, bytes]:
    """A client that has asked to be registered, and the topic and body of that."""
    client = ProvisioningClient(WHO, **options)
    client.connect("the password", now=0.0)
    [(first, body)] = packets(client.data_to_send())
    assert first == 0x10 and b"0ne00000001/registrations/reg-001/api-version=" in body and b"the password" in body
    client.receive_data(b"\x20\x02\x00\x00", now=0.0)
    assert isinstance(client.next_event(), Connected)
    client.receive_data(suback(client.data_to_send()), now=0.0)
    assert isinstance(client.next_event(), Ready) and client.state is State.READY
    [(first, body)] = packets(client.data_to_send())
    topic = topic_of(body)
    return client, topic, body[2 + len(topic) :]


def test_from_connect_to_a_hub() -> None:
    client, topic, body = ready(payload=b'{"modelId":"dtmi:x;1"}')
    assert topic == "$dps/registrations/PUT/iotdps-register/?$rid=1"
    assert json.loads(body) == {"registrationId": "reg-001", "payload": {"modelId": "dtmi:x;1"}}
    client.receive_data(answer(202, OPERATION, retry_after=3), now=0.0)
    working = client.next_event()
    assert isinstance(working, Assigning) and working.retry_after == 3.0
    assert (client.next_deadline(), client.timeout_reason) == (3.0, TimeoutReason.POLL)
    client.handle_timeout(now=3.0)
    [(_, question)] = packets(client.data_to_send())
    assert topic_of(question) == "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.op"
    for byte in answer(200, DONE, 2):
        client.receive_data(bytes([byte]), now=3.1)
    match client.next_event():
        case Assigned(hub, device_id, substatus, payload) as assigned:
            assert (hub, device_id, substatus) == ("contoso.azure-devices.net", "dev1", "initialAssignment")
            assert json.loads(payload) == {"a": 1} and assigned.identity == Identity(hub, device_id)
        case other:
            pytest.fail(repr(other))
    assert client.data_to_send() == b"\xe0\x00"
    ended = client.next_event()
    assert isinstance(ended, Disconnected) and ended.reason is DisconnectReason.REQUESTED
    client.receive_data(b"", now=3.2)
    assert client.next_event() is None and client.state is State.OFFLINE and client.strays == 0


def test_throttled_it_asks_again_later() -> None:
    client, _, _ = ready()
    client.receive_data(answer(429, {"errorCode": 429001}, retry_after=5), now=0.0)
    match client.next_event():
        case Throttled(status=429, code=429001, retry_after=wait):
            assert wait >= 5.0
            client.handle_timeout(now=wait)
        case other:
            pytest.fail(repr(other))
    [(_, body)] = packets(client.data_to_send())
    assert topic_of(body) == "$dps/registrations/PUT/iotdps-register/?$rid=2"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (401, {"errorCode": 401002, "message": "no"}, RegistrationFailure.REFUSED, 401002),
        (200, {"status": "failed", "registrationState": {"errorCode": 400207}}, RegistrationFailure.FAILED, 400207),
        (200, {"status": "disabled"}, RegistrationFailure.DISABLED, 0),
        (200, {"status": "assigned"}, RegistrationFailure.BAD_ANSWER, 0),
        (200, {"status": "assigned", "x": "x" * 5000}, RegistrationFailure.ANSWER_TOO_LARGE, 0),
    ],
)
def test_not_assigned(status: int, body: object, kind: RegistrationFailure, code: int) -> None:
    client, _, _ = ready()
    client.receive_data(answer(status, body), now=0.0)
    event = client.next_event()
    assert isinstance(event, NotAssigned) and event == event
    assert (event.error.kind, event.error.code) == (kind, code)
    if kind is RegistrationFailure.REFUSED:
        assert event.error.status == status and json.loads(event.error.payload) == body
    ended = client.next_event()
    assert isinstance(ended, Disconnected) and isinstance(ended.error, RegistrationFailed)
    for _ in range(2):
        with pytest.raises(RegistrationFailed) as error:
            client.next_event()
        assert (error.value.kind, error.value.code) == (kind, code)
    assert client.state is State.FAILED and client.data_to_send() == b""
    client.connect("the password", now=1.0)
    assert client.state is State.CONNECTING


def test_refused_and_too_late() -> None:
    client = ProvisioningClient(WHO, deadline=100.0)
    client.connect(now=0.0)
    client.data_to_send()
    client.receive_data(b"\x20\x02\x00\x05", now=0.0)
    assert isinstance(client.next_event(), Disconnected)
    with pytest.raises(RefusedError) as refused:
        client.next_event()
    assert refused.value.code == 5

    client, _, _ = ready(deadline=100.0)
    for now in (60.0, 100.0):
        client.handle_timeout(now=now)
        client.data_to_send()
    ended = client.next_event()
    assert isinstance(ended, Disconnected)
    with pytest.raises(TimedOutError, match="no hub was assigned in time") as late:
        client.next_event()
    assert late.value.reason is TimeoutReason.REGISTRATION


def test_what_cannot_work_is_said_at_once() -> None:
    for scope, name in (("", "reg"), ("0ne", ""), ("0ne", "a b"), ("0ne", "a" * 129), ("0ne", "reg.")):
        with pytest.raises(ConfigurationError):
            Registration(scope, name)
    with pytest.raises(ConfigurationError) as bad:
        ProvisioningClient(WHO, payload=b"{no json")
    assert (bad.value.field, bad.value.at) == ("payload", 1)
    with pytest.raises(ConfigurationError):
        ProvisioningClient(WHO, settings=Settings(keep_alive=1178))
    with pytest.raises(LocalProtocolError):
        ProvisioningClient(WHO, payload=b'"' + b"x" * 100_000 + b'"')
    client, _, _ = ready()
    client.receive_eof(now=1.0)
    with pytest.raises(LocalProtocolError):
        client.receive_data(b"x", now=1.0)
    assert "reg-001" in repr(client) and "OFFLINE" in repr(client)
    assert WHO == Registration("0ne00000001", "reg-001") and len({WHO, Registration("0ne00000001", "reg-001")}) == 1

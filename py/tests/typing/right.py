"""What a type checker must take. It is also run."""

from typing import assert_never, assert_type

from iothub_proto import (
    Assigned,
    Assigning,
    Client,
    Connected,
    CredentialExpiring,
    Disconnected,
    Event,
    Feature,
    Identity,
    IotHubError,
    Message,
    MessageLeft,
    MessageToken,
    MethodCall,
    NotAssigned,
    Properties,
    ProvisioningClient,
    ProvisioningEvent,
    Ready,
    Registration,
    RegistrationFailed,
    Skipped,
    StreamBegin,
    StreamEnd,
    StreamPiece,
    Subscribed,
    SystemProperties,
    TelemetryAcked,
    TelemetryToken,
    Throttled,
    TwinDesired,
    TwinDocument,
    TwinReported,
    TwinRequestFailed,
    TwinSyncFailed,
    Unknown,
    WebSocket,
)


def handle(client: Client, event: Event, now: float) -> str:
    match event:
        case Message(payload, properties, token):
            assert_type(payload, bytes)
            assert_type(properties, Properties)
            assert_type(token, MessageToken | None)
            if token is not None:
                client.message_accept(token, now=now)
            return properties.get("room") or "nowhere"
        case MethodCall(name="reboot", request=request):
            client.method_respond(request, 200, b"{}", now=now)
            return "rebooting"
        case MethodCall(name):
            return name
        case TelemetryAcked(token=stored):
            assert_type(stored, TelemetryToken)
            return str(stored)
        case TwinDocument(payload=json) | TwinDesired(payload=json):
            return json.decode()
        case TwinRequestFailed(error=error) | TwinSyncFailed(error=error) | Disconnected(error=IotHubError() as error):
            return str(error)
        case Connected() | Ready() | Subscribed() | TwinReported() | Skipped() | MessageLeft() | Unknown():
            return "noted"
        case StreamBegin() | StreamPiece() | StreamEnd():
            return "in pieces"
        case CredentialExpiring() | Disconnected():
            return "again"
        case _:
            assert_never(event)


def registered(event: ProvisioningEvent) -> Identity | float | None:
    match event:
        case Assigned(hub, device_id):
            assert_type(hub, str)
            return Identity(hub, device_id)
        case Assigning(retry_after=wait) | Throttled(retry_after=wait):
            return wait
        case NotAssigned(error):
            assert_type(error, RegistrationFailed)
            raise error
        case Connected() | Ready() | Disconnected():
            return None
        case _:
            assert_never(event)


def provision(client: ProvisioningClient, socket: WebSocket, now: float) -> None:
    socket.connect("global.azure-devices-provisioning.net", now=now, random=bytes(32))
    client.receive_data(socket.receive_data(bytearray(b""), now=now), now=now)
    assert_type(socket.data_to_send(client.data_to_send(100), now=now), bytes)
    if (event := client.next_event()) is not None:
        registered(event)


def send(client: Client, now: float) -> None:
    system = SystemProperties(content_type="application/json")
    token = client.send_telemetry(bytearray(b"{}"), [("room", "kitchen")], now=now, system=system)
    assert_type(token, TelemetryToken)
    assert_type(client.unacked, list[TelemetryToken])
    client.telemetry_withdraw(token, now=now)
    client.subscribe(Feature.METHODS | Feature.TWIN, now=now)
    assert_type(client.next_deadline(), float | None)


if __name__ == "__main__":
    send(Client(Identity("contoso.azure-devices.net", "dev1")), now=0.0)
    ProvisioningClient(Registration("0ne00000001", "reg-001"), payload=b"{}")

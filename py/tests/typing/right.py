"""What a type checker must take. It is also run."""

from typing import assert_never, assert_type

from iothub_proto import (
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
    Properties,
    Ready,
    Skipped,
    Subscribed,
    SystemProperties,
    TelemetryAcked,
    TelemetryToken,
    TwinDesired,
    TwinDocument,
    TwinReported,
    TwinRequestFailed,
    TwinSyncFailed,
    Unknown,
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
        case CredentialExpiring() | Disconnected():
            return "again"
        case _:
            assert_never(event)


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

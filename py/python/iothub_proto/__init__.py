"""The device side of Azure IoT Hub's MQTT dialect as a state machine: bytes and time in, bytes and events out.

`Client` opens no socket, reads no clock and starts no thread: any transport can carry it. `iothub_proto.aio` is a
device on asyncio that does all of that.

>>> from iothub_proto import Client, Connected, Identity, Ready, Settings, Feature
>>> client = Client(Identity("contoso.azure-devices.net", "dev1"), Settings(features=Feature.NONE))
>>> client.connect("SharedAccessSignature sr=...", now=0.0)
>>> connect = client.data_to_send()  # for the transport
>>> client.receive_data(bytes.fromhex("20020000"), now=0.1)  # what came back
>>> client.next_event()
Connected(session_present=False)
>>> client.next_event()
Ready(refused=<Feature.NONE: 0>)
"""

from ._enums import (
    Applied,
    DisconnectReason,
    Feature,
    LastSent,
    MessageToken,
    PatchRule,
    RegistrationFailure,
    RequestFailure,
    RetryCause,
    State,
    StreamKind,
    TelemetryToken,
    TimeoutReason,
    TwinToken,
    Usage,
    Violation,
    WebSocketFailure,
    WebSocketState,
    Withdrawn,
)
from ._errors import (
    CapacityError,
    ConfigurationError,
    IotHubError,
    LocalProtocolError,
    RefusedError,
    RegistrationFailed,
    RemoteProtocolError,
    RequestFailed,
    TimedOutError,
    WebSocketError,
)
from ._native import (
    Assigned,
    Assigning,
    Backoff,
    Client,
    Connected,
    ConnectionString,
    CredentialExpiring,
    Disconnected,
    Identity,
    Limits,
    Message,
    MessageLeft,
    MethodCall,
    NotAssigned,
    Pending,
    ProvisioningClient,
    Ready,
    Registration,
    RequestId,
    Retry,
    RetryPolicy,
    Settings,
    SharedAccessKey,
    Skipped,
    StreamBegin,
    StreamEnd,
    StreamPiece,
    Subscribed,
    Suspect,
    SystemProperties,
    Telemetry,
    TelemetryAcked,
    Throttled,
    TwinDesired,
    TwinDocument,
    TwinReplica,
    TwinReported,
    TwinRequestFailed,
    TwinSyncFailed,
    Unknown,
    WebSocket,
    check_patch,
    registration_uri,
    resource_uri,
    sas_token,
    string_to_sign,
)
from ._native import __version__ as __version__
from ._properties import Properties

Event = (
    Connected
    | CredentialExpiring
    | Disconnected
    | Message
    | MessageLeft
    | MethodCall
    | Ready
    | Skipped
    | StreamBegin
    | StreamEnd
    | StreamPiece
    | Subscribed
    | TelemetryAcked
    | TwinDesired
    | TwinDocument
    | TwinReported
    | TwinRequestFailed
    | TwinSyncFailed
    | Unknown
)
"""What `Client.next_event` gives: a type checker sees whether a `match` has a case for each."""

ProvisioningEvent = Connected | Ready | Assigning | Throttled | Assigned | NotAssigned | Disconnected
"""What `ProvisioningClient.next_event` gives."""

__all__ = [
    "Applied",
    "Assigned",
    "Assigning",
    "Backoff",
    "CapacityError",
    "Client",
    "ConfigurationError",
    "Connected",
    "ConnectionString",
    "CredentialExpiring",
    "DisconnectReason",
    "Disconnected",
    "Event",
    "Feature",
    "Identity",
    "IotHubError",
    "LastSent",
    "Limits",
    "LocalProtocolError",
    "Message",
    "MessageLeft",
    "MessageToken",
    "MethodCall",
    "NotAssigned",
    "PatchRule",
    "Pending",
    "Properties",
    "ProvisioningClient",
    "ProvisioningEvent",
    "Ready",
    "RefusedError",
    "Registration",
    "RegistrationFailed",
    "RegistrationFailure",
    "RemoteProtocolError",
    "RequestFailed",
    "RequestFailure",
    "RequestId",
    "Retry",
    "RetryCause",
    "RetryPolicy",
    "Settings",
    "SharedAccessKey",
    "Skipped",
    "State",
    "StreamBegin",
    "StreamEnd",
    "StreamKind",
    "StreamPiece",
    "Subscribed",
    "Suspect",
    "SystemProperties",
    "Telemetry",
    "TelemetryAcked",
    "TelemetryToken",
    "Throttled",
    "TimedOutError",
    "TimeoutReason",
    "TwinDesired",
    "TwinDocument",
    "TwinReplica",
    "TwinReported",
    "TwinRequestFailed",
    "TwinSyncFailed",
    "TwinToken",
    "Unknown",
    "Usage",
    "Violation",
    "WebSocket",
    "WebSocketError",
    "WebSocketFailure",
    "WebSocketState",
    "Withdrawn",
    "check_patch",
    "registration_uri",
    "resource_uri",
    "sas_token",
    "string_to_sign",
]

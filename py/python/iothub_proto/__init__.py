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
    RequestFailure,
    RetryCause,
    State,
    TelemetryToken,
    TimeoutReason,
    TwinToken,
    Usage,
    Violation,
    Withdrawn,
)
from ._errors import (
    CapacityError,
    ConfigurationError,
    IotHubError,
    LocalProtocolError,
    RefusedError,
    RemoteProtocolError,
    RequestFailed,
    TimedOutError,
)
from ._native import (
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
    Pending,
    Ready,
    RequestId,
    Retry,
    RetryPolicy,
    Settings,
    SharedAccessKey,
    Skipped,
    Subscribed,
    Suspect,
    SystemProperties,
    Telemetry,
    TelemetryAcked,
    TwinDesired,
    TwinDocument,
    TwinReplica,
    TwinReported,
    TwinRequestFailed,
    TwinSyncFailed,
    Unknown,
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

__all__ = [
    "Applied",
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
    "PatchRule",
    "Pending",
    "Properties",
    "Ready",
    "RefusedError",
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
    "Subscribed",
    "Suspect",
    "SystemProperties",
    "Telemetry",
    "TelemetryAcked",
    "TelemetryToken",
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
    "Withdrawn",
    "check_patch",
    "registration_uri",
    "resource_uri",
    "sas_token",
    "string_to_sign",
]

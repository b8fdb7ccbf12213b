"""What `Device.states` tells, and why a connection ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, final

from .._enums import LastSent
from .._errors import IotHubError
from ._delivery import Delivery


@final
class ConnectionLost(IotHubError, ConnectionError):
    """The transport ended. The hub gives no reason over MQTT; what was sent last is the best hint."""

    last_sent: LastSent | None
    """The last packet sent: after TELEMETRY the hub may have objected to a message."""

    def __init__(self, last_sent: LastSent | None) -> None:
        what = "nothing" if last_sent is None else last_sent.value
        super().__init__(f"the connection ended; last sent: {what}")
        self.last_sent = last_sent


@final
class DeviceClosed(IotHubError):
    """The device was closed before this was done."""

    def __init__(self, message: str = "the device is closed") -> None:
        super().__init__(message)


@final
@dataclass(frozen=True, slots=True)
class Connecting:
    """A connection is being made."""

    attempt: int
    """1 for the first since the last connection that held."""


@final
@dataclass(frozen=True, slots=True)
class Online:
    """Signed in and subscribed."""

    session_present: bool
    """Whether the hub had kept what it queued for this device."""


@final
@dataclass(frozen=True, slots=True)
class Offline:
    """Without a connection until the next attempt."""

    reason: Exception
    """Why: `RefusedError`, `TimedOutError`, `RemoteProtocolError`, `ConnectionLost`, `OSError`, `ssl.SSLError`, or
    whatever a token provider raised."""
    retry_in: float
    """Seconds to the next attempt."""
    reprovision: bool
    """Whether so many attempts have failed that the device may belong to another hub now."""
    suspect: Delivery | None
    """The message the hub may be closing the link for, after at least two such cuts: `withdraw` it if it is."""


@final
@dataclass(frozen=True, slots=True)
class Closed:
    """`Device.close` was called. The last state."""


ConnectionState: TypeAlias = Connecting | Online | Offline | Closed

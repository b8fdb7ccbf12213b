"""What is raised. Nothing here ever holds a secret."""

from ._enums import (
    PatchRule,
    RegistrationFailure,
    RequestFailure,
    RetryCause,
    TimeoutReason,
    Usage,
    Violation,
    WebSocketFailure,
)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class IotHubError(Exception):
    """What all errors of this package are."""

    def __reduce__(self) -> "tuple[Any, ...]":
        # As it is, whatever its class takes to make one: for pickle and copy.
        return _again, (type(self), self.args, self.__dict__)


def _again(error: type[IotHubError], args: tuple[object, ...], attributes: dict[str, object]) -> IotHubError:
    again = error.__new__(error, *args)
    again.__dict__.update(attributes)
    return again


class LocalProtocolError(IotHubError):
    """The call was wrong, and nothing changed: correct it."""

    kind: Usage
    """What was wrong."""
    field: str | None
    """The field or setting, if it was one."""
    at: int | None
    """Offset in bytes of the first bad character, if it was a text; its limit if it is too long."""
    rule: PatchRule | None
    """The rule of twins that a patch breaks."""

    def __init__(
        self,
        message: str,
        kind: Usage,
        field: str | None = None,
        at: int | None = None,
        rule: PatchRule | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.field = field
        self.at = at
        self.rule = rule


class ConfigurationError(LocalProtocolError, ValueError):
    """An identity, a setting, a connection string or a key that cannot work. Also a `ValueError`."""


class CapacityError(LocalProtocolError):
    """The memory set by `Limits` is too small or too full. Nothing changed."""

    needed: int | None
    """Bytes the packet needs, if bytes are what is short."""
    free: int | None
    """Bytes of the largest packet that fits now; of the largest that ever can, if `kind` is `Usage.TOO_LARGE`."""

    def __init__(self, message: str, kind: Usage, needed: int | None = None, free: int | None = None) -> None:
        super().__init__(message, kind)
        self.needed = needed
        self.free = free


class RemoteProtocolError(IotHubError):
    """The hub broke the protocol. The connection is over."""

    kind: Violation
    """What was wrong."""
    packet: int
    """The packet's first byte: type and flags."""
    offset: int
    """Offset of the wrong byte from the start of the packet."""

    def __init__(self, message: str, kind: Violation, packet: int, offset: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.packet = packet
        self.offset = offset


class RefusedError(IotHubError):
    """The hub refused the connection (CONNACK return code). The connection is over."""

    code: int
    """1: protocol version, 2: client id, 3: unavailable, 4: bad user name or password, 5: not authorised."""
    retry_cause: RetryCause
    """What to give `Backoff.next`."""

    def __init__(self, message: str, code: int, retry_cause: RetryCause) -> None:
        super().__init__(message)
        self.code = code
        self.retry_cause = retry_cause


class TimedOutError(IotHubError, TimeoutError):
    """A deadline that means a dead link has passed. The connection is over. Also a `TimeoutError`."""

    reason: TimeoutReason
    """Which deadline."""

    def __init__(self, message: str, reason: TimeoutReason) -> None:
        super().__init__(message)
        self.reason = reason


class RequestFailed(IotHubError):
    """A twin request ended without success; the connection goes on. Made by the events that tell so."""

    reason: RequestFailure
    """Why."""
    status: int | None
    """The hub's status if it answered with one: 400 for a bad patch, 429 when throttled, 5xx."""
    payload: bytes
    """What the hub says about it: JSON, or nothing."""

    def __init__(self, message: str, reason: RequestFailure, status: int | None = None, payload: bytes = b"") -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.payload = payload


class RegistrationFailed(IotHubError):
    """The Device Provisioning Service did not assign the device to a hub, and will not by asking again."""

    kind: RegistrationFailure
    """Why."""
    status: int | None
    """In HTTP's numbers, if there was an answer with one: 400, 401, 404, 409."""
    code: int
    """The service's own number, such as 401002, whose thousands are the status; 0 if it gave none."""
    payload: bytes
    """What the service says about it: JSON with errorCode, trackingId and message as a rule, or nothing."""

    def __init__(
        self, message: str, kind: RegistrationFailure, status: int | None, code: int, payload: bytes = b""
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.code = code
        self.payload = payload


class WebSocketError(IotHubError):
    """The WebSocket under MQTT has failed. The connection is over."""

    kind: WebSocketFailure
    """What was wrong."""
    status: int | None
    """The HTTP status, if the upgrade was answered with another than 101: 401, 403 and 407 tell of credentials or of a
    proxy that wants some, 404 of a wrong path, 429 and 503 of a server that wants to be left alone for a while."""
    code: int | None
    """Why the server closed it (RFC 6455 section 7.4), if it said so."""

    def __init__(
        self, message: str, kind: WebSocketFailure, status: int | None = None, code: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.code = code

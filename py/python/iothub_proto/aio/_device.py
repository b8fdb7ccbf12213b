"""A device or module that stays connected."""

from __future__ import annotations

import asyncio
import json
import ssl as tls
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar, cast, final

from .._enums import Feature
from .._native import ConnectionString, Identity, Limits, RetryPolicy, Settings, SystemProperties, Telemetry
from ._delivery import Delivery, SendTimeout
from ._endpoint import Endpoint
from ._engine import Engine, Properties
from ._feed import Feed
from ._message import Messages
from ._methods import MethodHandler
from ._sign_in import Credential, sign_in, tls_context
from ._states import ConnectionState
from ._twin import Desired, Json, Twin, parse_twin

Body: TypeAlias = bytes | bytearray | memoryview | str | Mapping[str, Any] | list[Any]
"""What can be sent: bytes as they are, text as UTF-8, a mapping or list as JSON."""

Handler = TypeVar("Handler", bound=MethodHandler)

_JSON = SystemProperties(content_type="application/json", content_encoding="utf-8")

_LARGEST = 512 * 1024
"""Bytes of the largest packet: more than the hub sends, and no memory until it comes."""

_WAIT = 60.0
"""Seconds that a call waits unless told otherwise."""


@final
class Device:
    """A device or module that connects, stays connected, and signs in again before its credential ends.

    >>> async with Device.from_connection_string(text) as device:
    ...     await device.send({"temperature": 21.5}, properties={"room": "kitchen"})

    Entering connects, and raises if that fails; later failures are retried with growing delays, and told by `states` and
    by the logger "iothub_proto". A device is entered once, and belongs to the event loop it was entered in.

    identity: who it is.
    credential: how it proves that.
    ssl: TLS; by default the server is verified against the system's authorities. `tls_context` makes others.
    host, port: where to connect, if not to the hub itself on 8883, or 443 with WebSocket.
    websockets: MQTT over WebSocket, for networks that let nothing out but port 443.
    proxy: an HTTP proxy to go through, http://host:port or http://name:password@host:port. Most let only port 443 through.
    will: what the hub sends as telemetry of this device if the connection breaks.
    settings: of the machine. What to subscribe to follows from what is used, if its features are `Feature.NONE`, as they
        are by default.
    limits, retry: memory, and the delays between attempts.
    connect_timeout: seconds for proxy, TCP, TLS, WebSocket and the signing of a token.
    max_methods: handlers of methods running at once; further calls are answered 503.
    """

    def __init__(
        self,
        identity: Identity,
        credential: Credential,
        *,
        ssl: tls.SSLContext | None = None,
        host: str | None = None,
        port: int | None = None,
        websockets: bool = False,
        proxy: str | None = None,
        will: Telemetry | None = None,
        settings: Settings | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        connect_timeout: float = 30.0,
        max_methods: int = 16,
    ) -> None:
        if settings is None:
            settings = Settings(features=Feature.NONE, twin_sync=True, max_packet=_LARGEST)
        if settings.stream_payloads:
            raise ValueError("a device delivers payloads whole; a Client delivers them in pieces")
        self._inputs = identity.module_id is not None
        self._engine = Engine(
            identity,
            Endpoint(host or identity.host_name, port, ssl, websockets, proxy, connect_timeout),
            sign_in(identity, credential, will),
            settings,
            limits,
            retry,
            max_methods,
        )

    @classmethod
    def from_connection_string(
        cls,
        text: str,
        *,
        product: str | None = None,
        model_id: str | None = None,
        token_ttl: float = 3600.0,
        ssl: tls.SSLContext | None = None,
        cafile: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        **options: Any,
    ) -> Self:
        """A device from the connection string that the portal shows.

        product, model_id: as of `Identity`. token_ttl: as of `Credential`. cafile, certfile, keyfile: as of
        `tls_context`, instead of ssl. options: as of `Device`.

        Raises `ConfigurationError` for what is no connection string of a device or module.
        """
        parsed = ConnectionString(text, product=product, model_id=model_id)
        if ssl is None and (cafile or certfile):
            ssl = tls_context(cafile, certfile, keyfile)
        credential = Credential(parsed.key, parsed.key_name, token=parsed.token, ttl=token_ttl)
        options.setdefault("host", parsed.connect_host)
        return cls(parsed.identity, credential, ssl=ssl, **options)

    async def __aenter__(self) -> Self:
        await self._engine.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, timeout: float = 5.0) -> list[Delivery]:
        """Waits at most `timeout` seconds for what was submitted to be acknowledged, then ends the connection politely,
        for which there is as much time again.

        Gives what the hub has not acknowledged; it may have it nevertheless.
        """
        return await self._engine.close(timeout)

    # Telemetry.

    async def send(
        self,
        payload: Body,
        *,
        properties: Properties | None = None,
        qos: int = 1,
        system: SystemProperties | None = None,
        component: str | None = None,
        timeout: float | None = _WAIT,
    ) -> None:
        """Sends a message, and waits until the hub has stored it, over as many connections as it takes.

        component: of an IoT Plug and Play device, that the message is from.
        timeout: seconds for that; None for as long as it takes.

        Raises `SendTimeout` in the end, `Undelivered` if the device is closed meanwhile, `LocalProtocolError` for what
        the hub would not take. Both a timeout and a cancellation withdraw the message if no byte of it has left;
        otherwise it stays on its way, and the exception has it as `delivery`.
        """
        body, system = _encoded(payload, system, component)
        delivery: Delivery | None = None
        try:
            async with asyncio.timeout(timeout):
                delivery = await self._engine.submit_in_turn(body, properties, qos, system)
                await delivery
        except TimeoutError:
            if delivery is not None:
                self._engine.withdraw_unsent(delivery)
            raise SendTimeout(delivery) from None
        except asyncio.CancelledError as cancelled:
            if delivery is not None:
                self._engine.withdraw_unsent(delivery)
                cancelled.delivery = delivery  # type: ignore[attr-defined]
            raise

    def submit(
        self,
        payload: Body,
        *,
        properties: Properties | None = None,
        qos: int = 1,
        system: SystemProperties | None = None,
        component: str | None = None,
    ) -> Delivery:
        """Queues a message and gives its `Delivery`, to be awaited or not.

        Raises `CapacityError` when there is no room for it now, where `send` would wait.
        """
        body, system = _encoded(payload, system, component)
        return self._engine.submit(body, properties, qos, system)

    def unacknowledged(self) -> list[Delivery]:
        """What the hub has not acknowledged, oldest first."""
        return self._engine.unacknowledged()

    # From the cloud.

    def messages(self) -> Messages:
        """Cloud-to-device messages, or those that come through a module's inputs, from now on."""
        self._engine.ask(Feature.INPUTS if self._inputs else Feature.MESSAGES)
        return Messages(self._engine.inbox())

    def method(self, name: str | None = None, *, component: str | None = None) -> Callable[[Handler], Handler]:
        """Registers a handler for a direct method, before or after entering; without a name, for all that have none.

        >>> @device.method("reboot")
        ... async def reboot(request):
        ...     return {"in": 5}

        It gets a `MethodRequest`, may be `async`, and returns the body of the answer, or a status and a body. An
        exception answers 500, an unknown method 404.

        component: of an IoT Plug and Play device, whose command it is.
        """
        if component is not None:
            name = f"{component}*{name}"

        def register(handler: Handler) -> Handler:
            self._engine.methods.register(name, handler)
            self._engine.ask(Feature.METHODS)
            return handler

        return register

    # The twin.

    async def twin(self, *, timeout: float | None = _WAIT) -> Twin:
        """The whole twin.

        Raises `TimeoutError` after `timeout` seconds, `RequestFailed` if the hub refuses or the connection ends.
        """
        async with asyncio.timeout(timeout):
            return parse_twin(cast("bytes", await self._engine.twin_request(None)))

    async def report(self, patch: Mapping[str, Json], *, timeout: float | None = _WAIT) -> int | None:
        """Reports properties, as a JSON merge patch: None removes one. Gives the new version of the reported section.

        Raises as `twin`, and `LocalProtocolError` for a patch that breaks a rule of twins. After `TimeoutError` and a
        lost connection the hub may have taken it.
        """
        async with asyncio.timeout(timeout):
            return cast("int | None", await self._engine.twin_request(json.dumps(patch).encode()))

    def desired(self) -> Desired:
        """The desired properties: the whole section first, then each change, none missed; the whole again after a
        reconnect."""
        self._engine.ask(Feature.TWIN | Feature.DESIRED)
        return self._engine.desired.reader()

    # The connection.

    @property
    def state(self) -> ConnectionState:
        """Where the connection is."""
        return self._engine.state

    def states(self) -> Feed[ConnectionState]:
        """The present state, and each one to come, the last being `Closed`. A slow reader misses older ones."""
        return self._engine.watch()

    def __repr__(self) -> str:
        return f"<Device {self._engine.name} {self.state!r}>"


def _encoded(
    payload: Body, system: SystemProperties | None, component: str | None
) -> tuple[bytes, SystemProperties | None]:
    """The bytes of a payload, and the system properties it goes with."""
    match payload:
        case bytes():
            body = payload
        case str():
            body = payload.encode()
        case bytearray() | memoryview():
            body = bytes(payload)
        case _:
            body = json.dumps(payload).encode()
            # The hub routes on a body only if these say that it is JSON.
            system = _JSON if system is None else system
    if component is not None:
        system = (system or SystemProperties()).with_component(component)
    return body, system

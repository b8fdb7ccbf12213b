"""What a device has in flight: the client, its driver, and who waits for which event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias, final
from weakref import WeakSet

from .._enums import Feature, MessageToken, TelemetryToken, TwinToken, Usage
from .._errors import CapacityError, LocalProtocolError
from .._native import (
    Backoff,
    Client,
    Disconnected,
    Identity,
    Limits,
    MessageLeft,
    MethodCall,
    RequestId,
    RetryPolicy,
    Settings,
    Skipped,
    SystemProperties,
    TelemetryAcked,
    TwinDesired,
    TwinDocument,
    TwinReported,
    TwinRequestFailed,
    TwinSyncFailed,
    Unknown,
)
from .._native import Message as NativeMessage
from ._delivery import Delivery, DeliveryStatus
from ._driver import Driver, SignIn
from ._endpoint import Endpoint
from ._feed import Feed
from ._message import Inbox, Message
from ._methods import Methods
from ._states import Closed, ConnectionState, DeviceClosed
from ._twin import DesiredPatch, DesiredState, parse_patch, parse_twin

Properties: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
"""Application properties."""

if TYPE_CHECKING:
    from .. import Event

logger = logging.getLogger("iothub_proto")

_STATES = 64
"""Connection states a slow reader may have before it; older ones are dropped then."""


@final
class Engine:
    """One device from `open` to `close`, which may be called once each."""

    def __init__(
        self,
        identity: Identity,
        endpoint: Endpoint,
        sign_in: SignIn,
        settings: Settings,
        limits: Limits | None,
        retry: RetryPolicy | None,
        max_methods: int,
    ) -> None:
        self.name = identity.client_id
        self.client = Client(identity, settings, limits)
        self.methods = Methods(self._respond, max_methods)
        self.desired = DesiredState()
        self.state: ConnectionState = Closed()
        self._connection = (endpoint, sign_in, Backoff(retry))
        self._wanted = Feature.NONE
        self._asked = Feature.NONE
        self._deliveries: dict[TelemetryToken, Delivery] = {}
        self._abandoned: list[Delivery] = []
        self._requests: dict[TwinToken, asyncio.Future[bytes | int | None]] = {}
        self._watchers: WeakSet[Feed[ConnectionState]] = WeakSet()
        self._room = asyncio.Lock()
        self._progress = asyncio.Event()
        self._driver: Driver | None = None
        self._task: asyncio.Task[None] | None = None
        self._inbox: Inbox | None = None
        self._failure: BaseException | None = None

    # Opening and closing.

    async def open(self) -> None:
        """Connects. Raises what the first attempt failed with."""
        if self._task is not None:
            raise RuntimeError("a device is opened once; make another")
        loop = asyncio.get_running_loop()
        self._inbox = Inbox(loop)
        self._driver = Driver(self.client, *self._connection, self._on_event, self._on_state, self._progress.set, self._deliveries.get)
        first: asyncio.Future[None] = loop.create_future()
        self.ask(Feature.NONE)
        self._task = loop.create_task(self._driver.run(first), name="iothub-proto connection")
        self._task.add_done_callback(self._run_ended)
        try:
            await first
        except BaseException:
            first.cancel()
            await self._stop()
            raise

    async def close(self, timeout: float) -> list[Delivery]:
        """Lets what is in flight settle, ends the connection, and gives what the hub has not acknowledged."""
        try:
            async with asyncio.timeout(timeout):
                while self.client.pending.telemetry and self._is_running():
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            pass
        if self._driver is not None and self._task is not None and self._driver.disconnect():
            await asyncio.wait([self._task], timeout=max(timeout, 1.0))
        await self._stop()
        return self._abandoned

    async def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._driver is not None:
            await self._driver.stop()
        await self.methods.close()
        self._end_all()

    def _run_ended(self, task: asyncio.Task[None]) -> None:
        """The connection's task is over: nobody may go on waiting."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("the device has failed", exc_info=error)
            self._failure = error
        self._end_all()

    def _end_all(self) -> None:
        self._abandoned += self._deliveries.values()
        self._deliveries.clear()
        for delivery in self._abandoned:
            delivery.settle(DeliveryStatus.ABANDONED)
        for request in self._requests.values():
            _fail(request, self._closed())
        self._requests.clear()
        if not isinstance(self.state, Closed):
            self._on_state(Closed())
        for watcher in self._watchers:
            watcher.close()
        self.desired.close()
        if self._inbox is not None:
            self._inbox.close()
        self._progress.set()

    def _is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def _closed(self) -> DeviceClosed:
        closed = DeviceClosed("the device is not open" if self._task is None else "the device is closed")
        closed.__cause__ = self._failure
        return closed

    def running(self) -> Driver:
        """The driver; raises `DeviceClosed` unless there is one."""
        if self._driver is None or not self._is_running():
            raise self._closed()
        return self._driver

    # What the application asks for.

    def ask(self, features: Feature) -> None:
        """Subscribes, now or on opening; kept for every connection."""
        self._wanted |= features
        missing = self._wanted & ~self._asked
        if self._driver is not None and missing:
            self.client.subscribe(missing, now=self._driver.now())
            self._asked |= missing
            self._driver.wake()

    def inbox(self) -> Inbox:
        """Where messages wait."""
        self.running()
        assert self._inbox is not None  # It is made with the driver.
        return self._inbox

    def watch(self) -> Feed[ConnectionState]:
        """The present state and those to come."""
        watcher: Feed[ConnectionState] = Feed()
        watcher.put(self.state)
        if isinstance(self.state, Closed) and self._task is not None:
            watcher.close()
        self._watchers.add(watcher)
        return watcher

    def submit(
        self, payload: bytes, properties: Properties | None, qos: int, system: SystemProperties | None
    ) -> Delivery:
        """Queues a message. Raises `CapacityError` when there is no room."""
        driver = self.running()
        token = self.client.send_telemetry(payload, properties, qos=qos, system=system, now=driver.now())
        delivery = Delivery(token, self._withdraw)
        if qos == 0:
            delivery.settle(DeliveryStatus.ACKNOWLEDGED)
        else:
            self._deliveries[token] = delivery
        driver.wake()
        return delivery

    async def submit_in_turn(
        self, payload: bytes, properties: Properties | None, qos: int, system: SystemProperties | None
    ) -> Delivery:
        """Queues a message when there is room, first come, first served."""
        async with self._room:
            while True:
                try:
                    return self.submit(payload, properties, qos, system)
                except CapacityError as full:
                    if full.kind is Usage.TOO_LARGE:
                        raise
                self._progress.clear()
                await self._progress.wait()

    def unacknowledged(self) -> list[Delivery]:
        """What the hub has not acknowledged, oldest first."""
        return list(self._deliveries.values())

    def withdraw_unsent(self, delivery: Delivery) -> None:
        """Takes a message back if no byte of it has left."""
        if delivery.status is DeliveryStatus.PENDING and not self.client.telemetry_sent(delivery.token):
            delivery.withdraw()

    def _withdraw(self, delivery: Delivery) -> bool:
        unsent = not self.client.telemetry_sent(delivery.token)
        self.client.telemetry_withdraw(delivery.token, now=self.running().now())
        del self._deliveries[delivery.token]
        delivery.settle(DeliveryStatus.WITHDRAWN)
        self.running().wake()
        return unsent

    async def twin_request(self, patch: bytes | None) -> bytes | int | None:
        """GET without a patch, giving the document; PATCH with one, giving the version."""
        driver = self.running()
        self.ask(Feature.TWIN)
        if patch is None:
            token = self.client.twin_get(now=driver.now())
        else:
            token = self.client.twin_report(patch, now=driver.now())
        answer = self._requests[token] = asyncio.get_running_loop().create_future()
        driver.wake()
        try:
            outcome: bytes | int | None = await answer
            return outcome
        finally:
            self._requests.pop(token, None)

    # What the hub tells.

    def _on_event(self, event: Event) -> None:
        match event:
            case TelemetryAcked(token=acked):
                delivery = self._deliveries.pop(acked, None)
                if delivery is not None:
                    delivery.settle(DeliveryStatus.ACKNOWLEDGED)
            case NativeMessage():
                assert self._inbox is not None
                self._inbox.put(Message(event, self._decide))
            case MethodCall():
                self.methods.call(event)
            case TwinDocument(token=None, payload=payload, version=version, stale=False):
                twin = parse_twin(payload)
                self.desired.put(DesiredPatch(twin.desired, version, full=True, unsynced=False))
            case TwinDocument(token=asked, payload=payload):
                self._answer(asked, payload)
            case TwinDesired(version=version, unsynced=unsynced, payload=payload):
                self.desired.put(DesiredPatch(parse_patch(payload), version, full=False, unsynced=unsynced))
            case TwinReported(token=token, version=version):
                self._answer(token, version)
            case TwinRequestFailed(token=token):
                request = self._requests.pop(token, None)
                if request is not None:
                    _fail(request, event.error)
            case TwinSyncFailed():
                logger.error("twin synchronisation has failed on this connection: %s", event.error)
            case Skipped() | MessageLeft() | Unknown():
                self._passed_by(event)
            case Disconnected():
                # What was not asked for yet is stale now, and comes again.
                if self._inbox is not None:
                    self._inbox.clear()
            case _:
                pass

    def _passed_by(self, event: Skipped | MessageLeft | Unknown) -> None:
        logger.warning("not delivered: %r", event)
        if isinstance(event, Skipped):
            if event.request is not None:
                self._respond(event.request, 413, b"")
            elif event.token is not None:
                self._decide(event.token, False)

    def _answer(self, token: TwinToken | None, outcome: bytes | int | None) -> None:
        request = None if token is None else self._requests.pop(token, None)
        if request is not None and not request.done():
            request.set_result(outcome)

    def _on_state(self, state: ConnectionState) -> None:
        self.state = state
        for watcher in self._watchers:
            if len(watcher) >= _STATES:
                watcher.clear()
            watcher.put(state)

    def _decide(self, token: MessageToken, accept: bool) -> bool:
        """Accepts or leaves a message; false if its connection has ended."""
        if self._driver is None:
            return False
        decide = self.client.message_accept if accept else self.client.message_leave
        try:
            decide(token, now=self._driver.now())
        except LocalProtocolError as stale:
            if stale.kind is not Usage.STALE:
                raise
            return False
        self._driver.wake()
        return True

    def _respond(self, request: RequestId, status: int, body: bytes) -> None:
        if self._driver is None:
            return
        try:
            self.client.method_respond(request, status, body, now=self._driver.now())
        except LocalProtocolError as error:
            logger.warning("the answer to a method could not be sent: %s", error)
        self._driver.wake()


def _fail(request: asyncio.Future[bytes | int | None], error: Exception) -> None:
    if not request.done():
        request.set_exception(error)
        request.exception()  # Nobody has to wait for it.

"""Moves bytes and time between the machine and a transport, and connects again when that ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from .._enums import DisconnectReason, RetryCause, State, TelemetryToken
from .._errors import IotHubError, LocalProtocolError, RefusedError
from .._native import Backoff, Client, Connected, CredentialExpiring, Disconnected, ProvisioningClient, Ready
from ._delivery import Delivery
from ._endpoint import Endpoint
from ._link import Link, farewell
from ._states import Connecting, ConnectionLost, ConnectionState, Offline, Online

if TYPE_CHECKING:
    from .. import Event

logger = logging.getLogger("iothub_proto")

SignIn: TypeAlias = Callable[[Client, Callable[[], float]], Awaitable[None]]
"""Calls `Client.connect` with a fresh credential, at the time that the second argument gives."""

_SOONEST = 0.001
"""A timer is never armed sooner than this many seconds ahead, so that no clock can make it spin."""


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a connection, or an attempt at one, ended."""

    reason: Exception
    requested: bool = False
    ready_for: float = 0.0
    suspect: Delivery | None = None

    @property
    def cause(self) -> RetryCause:
        return self.reason.retry_cause if isinstance(self.reason, RefusedError) else RetryCause.LOST


class Pump:
    """Moves bytes and time between a machine and one link at a time."""

    def __init__(self, client: Client | ProvisioningClient) -> None:
        self._machine = client
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._leaving: set[Link] = set()
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """The clock of the machine."""
        return self._loop.time()

    def take_events(self) -> None:
        """Takes all that the machine tells."""
        raise NotImplementedError

    def over(self, error: Exception) -> None:
        """The connection has ended."""
        raise NotImplementedError

    async def dial(self, endpoint: Endpoint) -> None:
        """A new link, on which MQTT can flow."""
        self._link = endpoint.link(self)
        await endpoint.connect(self._link)

    def drop_link(self) -> None:
        """No byte and no deadline of this connection is heard of any more."""
        link, self._link = self._link, None
        if link is not None:
            link.hang_up()
            self._leaving.add(link)
            link.gone.add_done_callback(lambda _: self._leaving.discard(link))
        if self._machine.state not in (State.OFFLINE, State.FAILED):
            self._machine.receive_eof(now=self.now())
            self.take_events()
        self._arm()

    def turn(self) -> None:
        """What follows anything that happened: events, then bytes, then the timer."""
        self.take_events()
        if self._link is not None:
            self._link.flush(self._machine)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._machine.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(max(deadline, self.now() + _SOONEST), self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        try:
            self._machine.handle_timeout(now=self.now())
        except IotHubError:
            pass  # Fatal: it comes again as an event.
        self.turn()

    def received(self, data: bytes) -> None:
        """From the link."""
        self._machine.receive_data(data, now=self.now())
        self.turn()

    def link_lost(self, error: Exception | None) -> None:
        """From the link: there will be no more bytes."""
        try:
            self._machine.receive_eof(now=self.now())
        except LocalProtocolError:
            pass  # It was over already.
        self.turn()
        self.over(error or ConnectionLost(None))

    def room(self) -> None:
        """From the link: it takes bytes again."""
        self.turn()

    async def stop(self) -> None:
        """Nothing is to happen any more. Transports have two seconds to close politely."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await farewell(self._leaving)


class Driver(Pump):
    """Drives one client. What is not the connection's own goes to `on_event`; `on_turn` follows whatever happened."""

    def __init__(
        self,
        client: Client,
        endpoint: Endpoint,
        sign_in: SignIn,
        backoff: Backoff,
        on_event: Callable[[Event], None],
        on_state: Callable[[ConnectionState], None],
        on_turn: Callable[[], None],
        find: Callable[[TelemetryToken], Delivery | None],
    ) -> None:
        super().__init__(client)
        self._client = client
        self._endpoint = endpoint
        self._sign_in = sign_in
        self._backoff = backoff
        self._on_event = on_event
        self._on_state = on_state
        self._on_turn = on_turn
        self._find = find
        self._due: asyncio.Handle | None = None
        self._session_present = False
        self._ended: asyncio.Future[_Ended] | None = None
        self._closing = False

    def wake(self) -> None:
        """After a command: what it queued leaves when the present callback is done, with what else was queued."""
        if self._due is None:
            self._due = self._loop.call_soon(self.turn)

    async def run(self, first: asyncio.Future[None]) -> None:
        """Holds a connection until `close`. `first` is told how the first attempt ended; if it failed, so does this."""
        attempt = 0
        while not self._closing:
            attempt += 1
            self._on_state(Connecting(attempt))
            ended = await self._one_connection(first)
            if not first.done():
                first.set_exception(ended.reason)
                return
            if ended.requested:
                attempt = 0  # A renewal, or the end.
                continue
            if ended.ready_for > 0:
                attempt = 0
            retry = self._backoff.next(ended.cause, ready_for=ended.ready_for, random=secrets.randbits(32))
            logger.warning("offline, next attempt in %.1f s: %s", retry.after, _said(ended.reason))
            self._on_state(Offline(ended.reason, retry.after, retry.reprovision, ended.suspect))
            await asyncio.sleep(retry.after)

    async def _one_connection(self, first: asyncio.Future[None]) -> _Ended:
        self._ended = self._loop.create_future()
        self._first = first
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                await self.dial(self._endpoint)
                await self._sign_in(self._client, self.now)
            self.turn()
            return await self._ended
        except TimeoutError:
            return _Ended(TimeoutError(f"no connection in {self._endpoint.timeout:g} s"))
        except Exception as error:  # Whatever a network, TLS, a proxy or somebody's token provider can raise.
            return _Ended(error)
        finally:
            self.drop_link()

    def turn(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        super().turn()
        self._on_turn()

    def take_events(self) -> None:
        try:
            while (event := self._client.next_event()) is not None:
                self._handle(event)
        except IotHubError as error:
            self.over(error)  # Fatal; `Disconnected` came before it and said more.
        except Exception as error:
            logger.exception("an event could not be handled; the connection is made anew")
            self.over(error)

    def over(self, error: Exception) -> None:
        self._finish(_Ended(error))

    def _handle(self, event: Event) -> None:
        match event:
            case Connected(session_present=present):
                self._session_present = present
            case Ready(refused=refused):
                if refused:
                    logger.error("the hub refused to subscribe %s", refused)
                logger.info("online")
                self._on_state(Online(self._session_present))
                if not self._first.done():
                    self._first.set_result(None)
            case CredentialExpiring():
                logger.info("the credential ends soon: signing in again")
                self._client.disconnect(now=self.now())
            case Disconnected():
                self._on_event(event)
                self._finish(self._how(event))
            case _:
                self._on_event(event)

    def _how(self, event: Disconnected) -> _Ended:
        requested = event.reason is DisconnectReason.REQUESTED
        reason = event.error if event.error is not None else ConnectionLost(event.last_sent)
        suspect = None if event.suspect is None else self._find(event.suspect.token)
        if suspect is not None:
            logger.error("the hub may be closing the link for one message: withdraw it, or it is tried again")
        return _Ended(reason, requested, event.ready_for, suspect)

    def _finish(self, ended: _Ended) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(ended)

    def disconnect(self) -> bool:
        """The polite end, for good: `run` returns when it is done. False if there is no connection to end."""
        self._closing = True
        connected = self._client.state in (State.CONNECTING, State.SUBSCRIBING, State.READY)
        if connected:
            self._client.disconnect(now=self.now())
            self.turn()
        return connected

    async def stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        await super().stop()


def _said(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

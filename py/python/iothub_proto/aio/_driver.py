"""Moves bytes and time between the machine and a transport, and connects again when that ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from .._enums import DisconnectReason, RetryCause, State, TelemetryToken
from .._errors import IotHubError, LocalProtocolError, RefusedError
from .._native import Backoff, Client, Connected, CredentialExpiring, Disconnected, Ready
from ._delivery import Delivery
from ._states import Connecting, ConnectionLost, ConnectionState, Offline, Online

if TYPE_CHECKING:
    from .. import Event

logger = logging.getLogger("iothub_proto")

Dial: TypeAlias = Callable[[Callable[[], asyncio.Protocol]], Awaitable[None]]
"""Makes a transport for the protocol that the argument makes."""

SignIn: TypeAlias = Callable[[Client, Callable[[], float]], Awaitable[None]]
"""Calls `Client.connect` with a fresh credential, at the time that the second argument gives."""

_CHUNK = 64 * 1024
"""Bytes given to the transport at once."""

_SOONEST = 0.001
"""A timer is never armed sooner than this many seconds ahead, so that no clock can make it spin."""

_GOODBYE = 2.0
"""Seconds a transport has to close politely."""


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


class Driver:
    """Drives one client. What is not the connection's own goes to `on_event`; `on_turn` follows whatever happened."""

    def __init__(
        self,
        client: Client,
        dial: Dial,
        sign_in: SignIn,
        backoff: Backoff,
        connect_timeout: float,
        on_event: Callable[[Event], None],
        on_state: Callable[[ConnectionState], None],
        on_turn: Callable[[], None],
        find: Callable[[TelemetryToken], Delivery | None],
    ) -> None:
        self._client = client
        self._dial = dial
        self._sign_in = sign_in
        self._backoff = backoff
        self._connect_timeout = connect_timeout
        self._on_event = on_event
        self._on_state = on_state
        self._on_turn = on_turn
        self._find = find
        self._loop = asyncio.get_running_loop()
        self._link: _Link | None = None
        self._leaving: set[_Link] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due: asyncio.Handle | None = None
        self._session_present = False
        self._ended: asyncio.Future[_Ended] | None = None
        self._closing = False

    def now(self) -> float:
        """The clock of the machine."""
        return self._loop.time()

    def wake(self) -> None:
        """After a command: what it queued leaves when the present callback is done, with what else was queued."""
        if self._due is None:
            self._due = self._loop.call_soon(self._turn)

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
            async with asyncio.timeout(self._connect_timeout):
                await self._dial(self._new_link)
                await self._sign_in(self._client, self.now)
            self._turn()
            return await self._ended
        except TimeoutError:
            return _Ended(TimeoutError(f"no connection in {self._connect_timeout:g} s"))
        except Exception as error:  # Whatever a network, TLS or somebody's token provider can raise.
            return _Ended(error)
        finally:
            self._drop_link()

    def _new_link(self) -> asyncio.Protocol:
        self._link = _Link(self)
        return self._link

    def _drop_link(self) -> None:
        """No byte and no deadline of this connection is heard of any more."""
        link, self._link = self._link, None
        if link is not None:
            link.hang_up()
            self._leaving.add(link)
            link.gone.add_done_callback(lambda _: self._leaving.discard(link))
        if self._client.state not in (State.OFFLINE, State.FAILED):
            self._client.receive_eof(now=self.now())
            self._take_events()
        self._arm()

    def _turn(self) -> None:
        """What follows anything that happened: events, then bytes, then the timer."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._take_events()
        if self._link is not None:
            self._link.flush(self._client)
        self._arm()
        self._on_turn()

    def _take_events(self) -> None:
        try:
            while (event := self._client.next_event()) is not None:
                self._handle(event)
        except IotHubError as error:
            self._finish(_Ended(error))  # Fatal; `Disconnected` came before it and said more.
        except Exception as error:
            logger.exception("an event could not be handled; the connection is made anew")
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

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._client.next_deadline()
        if deadline is not None:
            self._timer = self._loop.call_at(max(deadline, self.now() + _SOONEST), self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        try:
            self._client.handle_timeout(now=self.now())
        except IotHubError:
            pass  # Fatal: it comes again as an event.
        self._turn()

    def received(self, data: bytes) -> None:
        """From the link."""
        self._client.receive_data(data, now=self.now())
        self._turn()

    def link_lost(self, error: Exception | None) -> None:
        """From the link: there will be no more bytes."""
        try:
            self._client.receive_eof(now=self.now())
        except LocalProtocolError:
            pass  # It was over already.
        self._turn()
        self._finish(_Ended(error or ConnectionLost(None)))

    def room(self) -> None:
        """From the link: it takes bytes again."""
        self._turn()

    def disconnect(self) -> bool:
        """The polite end, for good: `run` returns when it is done. False if there is no connection to end."""
        self._closing = True
        connected = self._client.state in (State.CONNECTING, State.SUBSCRIBING, State.READY)
        if connected:
            self._client.disconnect(now=self.now())
            self._turn()
        return connected

    async def stop(self) -> None:
        """Nothing is to happen any more. Transports have two seconds to close politely."""
        for handle in (self._timer, self._due):
            if handle is not None:
                handle.cancel()
        self._timer = self._due = None
        leaving = [link.gone for link in self._leaving]
        if leaving:
            await asyncio.wait(leaving, timeout=_GOODBYE)
        for link in list(self._leaving):
            link.abort()


class _Link(asyncio.Protocol):
    """One transport."""

    def __init__(self, driver: Driver) -> None:
        self._driver: Driver | None = driver
        self._transport: asyncio.Transport | None = None
        self._full = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._driver is not None:
            self._driver.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.gone.done():
            self.gone.set_result(None)
        if self._driver is not None:
            self._driver.link_lost(exc)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._driver is not None:
            self._driver.room()

    def flush(self, client: Client) -> None:
        """Bytes leave the machine only when the transport takes them: what has not left can be withdrawn."""
        while self._transport is not None and not self._full and (data := client.data_to_send(_CHUNK)):
            self._transport.write(data)

    def hang_up(self) -> None:
        """Closes what is left of it, politely for two seconds."""
        self._driver = None
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(_GOODBYE, self.abort)
        elif not self.gone.done():
            self.gone.set_result(None)  # It never came to be.

    def abort(self) -> None:
        """Closes what is left of it at once."""
        if self._transport is not None:
            self._transport.abort()


def _said(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

"""One connection's bytes, over TLS or over WebSocket on top of it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Protocol, cast

from .._enums import WebSocketState
from .._errors import WebSocketError
from .._native import Client, ProvisioningClient, WebSocket
from ._states import ConnectionLost

_CHUNK = 64 * 1024
"""Bytes given to the transport at once."""

_GOODBYE = 2.0
"""Seconds a transport has to close politely."""


class Owner(Protocol):
    """Who hears of a link."""

    def received(self, data: bytes) -> None:
        """Bytes of MQTT came in."""

    def link_lost(self, error: Exception | None) -> None:
        """There will be no more bytes."""

    def room(self) -> None:
        """It takes bytes again."""


class Link(asyncio.Protocol):
    """One transport. With `websocket`, the host as the server is asked for it, MQTT goes in WebSocket's frames."""

    def __init__(self, owner: Owner, websocket: str | None) -> None:
        self._owner: Owner | None = owner
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._host = websocket
        self._socket = None if websocket is None else WebSocket()
        self.opened: asyncio.Future[None] = self._loop.create_future()
        """Done when MQTT can flow; an exception if it never will."""
        self.gone: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._socket is None or self._host is None:
            self._open()
        else:
            self._socket.connect(self._host, now=self._loop.time(), random=secrets.token_bytes(32))
            self._transport.write(self._socket.data_to_send(now=self._loop.time()))

    def data_received(self, data: bytes) -> None:
        if self._owner is None:
            return
        if self._socket is None:
            self._owner.received(data)
            return
        try:
            mqtt = self._socket.receive_data(data, now=self._loop.time())
        except WebSocketError:
            mqtt = b""
        self._write_control(self._socket)
        if self._socket.state is WebSocketState.OPEN:
            self._open()
        if mqtt:
            self._owner.received(mqtt)
        if self._socket.error is not None:
            self._lost(self._socket.error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.gone.done():
            self.gone.set_result(None)
        self._lost(exc)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self._owner is not None:
            self._owner.room()

    def _open(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def _lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionLost(None))
            self.opened.exception()  # Nobody has to wait for it.
        elif self._owner is not None:
            self._owner.link_lost(error)

    def flush(self, client: Client | ProvisioningClient) -> None:
        """Bytes leave the machine only when the transport takes them: what has not left can be withdrawn."""
        while self._transport is not None and not self._full and (data := self._next(client)):
            self._transport.write(data)

    def _next(self, client: Client | ProvisioningClient) -> bytes:
        if self._socket is None:
            return client.data_to_send(_CHUNK)
        if self._socket.state is not WebSocketState.OPEN:
            return b""
        return self._socket.data_to_send(client.data_to_send(_CHUNK), now=self._loop.time())

    def _write_control(self, socket: WebSocket) -> None:
        """Answers to pings, and the last word."""
        if self._transport is not None and (data := socket.data_to_send(now=self._loop.time())):
            self._transport.write(data)

    def hang_up(self) -> None:
        """Closes what is left of it, politely for two seconds."""
        self._owner = None
        self.opened.cancel()
        if self._transport is not None:
            if self._socket is not None:
                self._socket.disconnect(now=self._loop.time())
                self._write_control(self._socket)
            self._transport.close()
            self._loop.call_later(_GOODBYE, self.abort)
        elif not self.gone.done():
            self.gone.set_result(None)  # It never came to be.

    def abort(self) -> None:
        """Closes what is left of it at once."""
        if self._transport is not None:
            self._transport.abort()


async def farewell(links: set[Link]) -> None:
    """Lets links that hung up close: politely for two seconds."""
    if leaving := [link.gone for link in links]:
        await asyncio.wait(leaving, timeout=_GOODBYE)
    for link in list(links):
        link.abort()

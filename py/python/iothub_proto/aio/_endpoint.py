"""Where a connection goes, and through what: TCP, an HTTP proxy, TLS, WebSocket."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from dataclasses import dataclass, field
from typing import final
from urllib.parse import unquote, urlsplit

from .._errors import IotHubError
from ._link import Link, Owner
from ._states import ConnectionLost

_ANSWER = 16 * 1024
"""Bytes of the longest answer a proxy may give."""


@final
class ProxyError(IotHubError, ConnectionError):
    """The HTTP proxy did not let us through."""

    status: int | None
    """Its HTTP status: 407 if it wants a name and a password, or others. None if that was no HTTP."""

    def __init__(self, status: int | None) -> None:
        what = "answered with no HTTP" if status is None else f"refused the connection with status {status}"
        super().__init__(f"the proxy {what}")
        self.status = status


class Endpoint:
    """A server by name, and the way to it. Its certificate is verified unless `context` says otherwise."""

    def __init__(
        self,
        host: str,
        port: int | None,
        context: ssl.SSLContext | None,
        websockets: bool,
        proxy: str | None,
        timeout: float,
    ) -> None:
        if not re.fullmatch(r"[!-~]+", host):
            raise ValueError("a host name has no white space")
        self.timeout = timeout
        self._host = host
        self._port = (443 if websockets else 8883) if port is None else port
        self._context = context
        self._websockets = websockets
        self._proxy = None if proxy is None else _Proxy.parse(proxy)

    def link(self, owner: Owner) -> Link:
        """A link to it, not connected."""
        named = self._host if self._port == 443 else f"{self._host}:{self._port}"
        return Link(owner, named if self._websockets else None)

    async def connect(self, link: Link) -> None:
        """Connects a link, so that MQTT can flow on it. What is raised is whatever a network, TLS, a proxy or a web
        server can answer."""
        # Loading the system's certificates takes milliseconds, so not before it is needed.
        if self._context is None:
            self._context = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        if self._proxy is None:
            await loop.create_connection(
                lambda: link, self._host, self._port, ssl=self._context, ssl_handshake_timeout=self.timeout
            )
        else:
            tunnel = await self._proxy.tunnel(f"{self._host}:{self._port}")
            try:
                transport = await loop.start_tls(
                    tunnel, link, self._context, server_hostname=self._host, ssl_handshake_timeout=self.timeout
                )
            except BaseException:
                tunnel.abort()
                raise
            if transport is None:
                raise ConnectionLost(None)
            link.connection_made(transport)
        await link.opened


@dataclass(frozen=True)
class _Proxy:
    host: str
    port: int
    credentials: str | None = field(repr=False)

    @staticmethod
    def parse(url: str) -> _Proxy:
        try:
            parts = urlsplit(url)
            port = parts.port or 3128
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            # Without the text: a password may be in it.
            raise ValueError("a proxy is http://host:port or http://name:password@host:port")
        if parts.username is None:
            return _Proxy(parts.hostname, port, None)
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return _Proxy(parts.hostname, port, base64.b64encode(pair.encode()).decode())

    async def tunnel(self, target: str) -> asyncio.Transport:
        """A transport through the proxy (RFC 9110 section 9.3.6)."""
        request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if self.credentials is not None:
            request += f"Proxy-Authorization: Basic {self.credentials}\r\n"
        loop = asyncio.get_running_loop()
        asked = _Tunnel(loop.create_future(), f"{request}\r\n".encode())
        transport, _ = await loop.create_connection(lambda: asked, self.host, self.port)
        try:
            await asked.through
        except BaseException:
            transport.abort()
            raise
        return transport


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a way through, and reads its answer."""

    def __init__(self, through: asyncio.Future[None], request: bytes) -> None:
        self.through = through
        self._request = request
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.through.done():
            return
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] ([1-5]\d\d)(?: |$|\r)", head)
        if not end:
            if len(self._answer) > _ANSWER:
                self.through.set_exception(ProxyError(None))
        elif status is None or rest:
            # Behind its answer nothing comes before we speak.
            self.through.set_exception(ProxyError(None))
        elif not status[1].startswith(b"2"):
            self.through.set_exception(ProxyError(int(status[1])))
        else:
            self.through.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.through.done():
            self.through.set_exception(exc or ConnectionLost(None))

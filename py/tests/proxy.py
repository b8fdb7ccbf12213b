"""An HTTP proxy on loopback that lets CONNECT through to one name, for the tests of `iothub_proto.aio`."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """What it was asked, and how it answers."""

    def __init__(self, credentials: str | None, answer: bytes | None) -> None:
        self.port = 0
        self.asked: list[str] = []
        self._credentials = credentials
        self._answer = answer
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            if self._answer is not None:
                writer.write(self._answer)
                await writer.drain()
            elif self._is_known(head):
                await self._tunnel(head.split()[1], reader, writer)
            else:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    def _is_known(self, head: str) -> bool:
        if self._credentials is None:
            return "Authorization" not in head
        return f"Proxy-Authorization: Basic {base64.b64encode(self._credentials.encode()).decode()}\r\n" in head

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.partition(":")
        from_server, to_server = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            sink.close()

        try:
            await asyncio.gather(pump(reader, to_server), pump(from_server, writer))
        finally:
            to_server.close()

    async def close(self) -> None:
        """Ends all connections."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


@asynccontextmanager
async def proxy(credentials: str | None = None, answer: bytes | None = None) -> AsyncIterator[Proxy]:
    """A proxy that wants these credentials, or gives nothing but this answer."""
    made = Proxy(credentials, answer)
    async with await asyncio.start_server(made.serve, "127.0.0.1") as server:
        made.port = server.sockets[0].getsockname()[1]
        try:
            yield made
        finally:
            await made.close()

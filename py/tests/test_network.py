"""The asyncio device where only port 443 is open: WebSocket and HTTP proxies, against the hub simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devices import QUICK, run, until
from hub import Hub, running
from proxy import proxy

from iothub_proto import WebSocketError, WebSocketFailure
from iothub_proto.aio import ConnectionLost, Device, MethodRequest, Offline, Online, ProxyError


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with running(tmp_path, "--websocket", "0") as hub:
        yield hub


def device(hub: Hub, **options: Any) -> Device:
    options = {"cafile": hub.cafile, "port": hub.listening["websocket"], "websockets": True, "retry": QUICK} | options
    return Device.from_connection_string(hub.connection_string(), **options)


def test_everything_works_over_websocket(hub: Hub) -> None:
    large = "x" * 200_000

    async def test() -> None:
        async with device(hub) as d:

            @d.method("echo")
            def echo(request: MethodRequest) -> Any:
                return request.json()

            await d.send(large)
            hub.do("send dev1 hello")
            async for message in d.messages():
                assert message.text() == "hello"
                break
            answer = await asyncio.to_thread(hub.ask, 'invoke dev1 echo {"a":1}', "answer")
            assert answer["payload"] == '{"a": 1}'
            await d.report({"a": 1})
            assert (await d.twin()).reported == {"a": 1}

    run(test)
    assert hub.event("telemetry")["text"] == large


def test_a_websocket_that_is_cut_is_made_anew(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            states = d.states()
            await d.send(b"before")
            hub.do("end dev1")
            async for state in states:
                if isinstance(state, Offline):
                    assert isinstance(state.reason, ConnectionLost | WebSocketError)
                    break
            await d.send(b"after")
            assert isinstance(d.state, Online)

    run(test)
    assert [hub.event("telemetry")["text"] for _ in range(2)] == ["before", "after"]


def test_a_server_without_websocket(hub: Hub) -> None:
    async def test() -> None:
        with pytest.raises((ConnectionLost, WebSocketError)):
            async with device(hub, port=hub.tls, connect_timeout=5):
                pass

    run(test)


@pytest.mark.parametrize("websockets", [True, False])
def test_through_a_proxy(hub: Hub, websockets: bool) -> None:
    port = hub.listening["websocket"] if websockets else hub.tls

    async def test() -> None:
        async with proxy("Aladdin:open sesame!") as p:
            url = f"http://Aladdin:open%20sesame%21@127.0.0.1:{p.port}"
            async with device(hub, proxy=url, websockets=websockets, port=port) as d:
                await d.send(b"through")
                hub.do("end dev1")
                await until(lambda: len(p.asked) == 2)
                await d.send(b"again")
            assert p.asked[0].startswith(f"CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost:{port}\r\n")

    run(test)
    assert [hub.event("telemetry")["text"] for _ in range(2)] == ["through", "again"]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (None, 407),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 403),
        (b"HTTP/1.0 302 Elsewhere\r\nLocation: /\r\n\r\n", 302),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", None),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000, None),
    ],
)
def test_a_proxy_that_refuses(hub: Hub, answer: bytes | None, status: int | None) -> None:
    async def test() -> None:
        async with proxy("name:password", answer) as p:
            with pytest.raises(ProxyError) as error:
                async with device(hub, proxy=f"http://name:wrong@127.0.0.1:{p.port}"):
                    pass
            assert error.value.status == status and "wrong" not in str(error.value)

    run(test)


def test_a_proxy_that_hangs_up_or_is_silent(hub: Hub) -> None:
    async def test() -> None:
        async with proxy(answer=b"HTTP/1.1 200") as p:
            with pytest.raises(ConnectionError):
                async with device(hub, proxy=f"http://127.0.0.1:{p.port}"):
                    pass

        connections: list[asyncio.StreamWriter] = []

        async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)

        async with await asyncio.start_server(silent, "127.0.0.1") as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(TimeoutError):
                async with device(hub, proxy=f"http://127.0.0.1:{port}", connect_timeout=0.2):
                    pass
            for writer in connections:
                writer.close()
                await writer.wait_closed()

    run(test)


def test_what_is_no_proxy() -> None:
    for url in ("proxy:3128", "https://proxy", "http://", "http://secret:word@h:port", "http://secret@h/path", "ftp://h"):
        with pytest.raises(ValueError, match="a proxy is http://") as error:
            Device.from_connection_string("HostName=h;DeviceId=d;x509=true", proxy=url)
        assert "secret" not in str(error.value)


def test_a_server_that_answers_otherwise() -> None:
    """What a web server can say is an exception with its status."""

    class Transport(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__()
            self.sent = b""

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.sent += data

        def close(self) -> None:
            pass

        def abort(self) -> None:
            pass

    async def test() -> None:
        from iothub_proto.aio._endpoint import Endpoint

        class Nobody:
            def received(self, data: bytes) -> None:
                raise AssertionError

            link_lost = received  # type: ignore[assignment]

            def room(self) -> None:
                raise AssertionError

        link = Endpoint("contoso.azure-devices.net", None, None, True, None, 30).link(Nobody())  # type: ignore[arg-type]
        transport = Transport()
        link.connection_made(transport)
        assert transport.sent.startswith(b"GET /$iothub/websocket HTTP/1.1\r\nHost: contoso.azure-devices.net\r\n")
        link.data_received(b"HTTP/1.1 503 Later\r\nRetry-After: 5\r\n\r\n")
        with pytest.raises(WebSocketError) as error:
            await link.opened
        assert (error.value.kind, error.value.status) == (WebSocketFailure.REFUSED, 503)

    run(test)

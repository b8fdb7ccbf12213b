"""A device on trio: python trio_device.py CONNECTION_STRING [CAFILE [PORT]]

Sends a reading, answers what comes, until interrupted. To connect again, see `blocking.py`.
"""

import math
import ssl
import sys
import time

import trio

import iothub_proto as iot

TTL = 3600.0


class Link:
    """A client and its transport. One task reads, one minds the time, and whoever made bytes writes them."""

    def __init__(self, client: iot.Client, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self.client = client
        self.stream = stream
        self.writing = trio.Lock()
        self.timer = trio.CancelScope()

    async def turn(self) -> None:
        """What follows anything that happened: events, bytes, and a timer that is set anew."""
        while (event := self.client.next_event()) is not None:
            print(event, flush=True)
            match event:
                case iot.Message(token=token) if token is not None:
                    self.client.message_accept(token, now=trio.current_time())
                case iot.MethodCall(request=request):
                    self.client.method_respond(request, 200, b"{}", now=trio.current_time())
                case _:
                    pass
        async with self.writing:
            while data := self.client.data_to_send(65536, now=trio.current_time()):
                await self.stream.send_all(data)
        self.timer.cancel()

    async def read(self) -> None:
        while True:
            data = await self.stream.receive_some()
            self.client.receive_data(data, now=trio.current_time())
            await self.turn()
            if not data:
                raise ConnectionError("the hub closed the connection")

    async def mind_the_time(self) -> None:
        while True:
            deadline = self.client.next_deadline()
            with trio.CancelScope(deadline=math.inf if deadline is None else deadline) as self.timer:
                await trio.sleep_forever()
            self.client.handle_timeout(now=trio.current_time())  # Does nothing if it was only set anew.
            if deadline is not None and deadline <= trio.current_time():
                await self.turn()


async def main() -> None:
    secret = iot.ConnectionString(sys.argv[1])
    context = ssl.create_default_context(cafile=sys.argv[2] if len(sys.argv) > 2 else None)
    port = int(sys.argv[3]) if len(sys.argv) > 3 else 8883
    client = iot.Client(secret.identity)
    stream = await trio.open_ssl_over_tcp_stream(secret.connect_host, port, ssl_context=context)
    link = Link(client, stream)
    client.connect(secret.password(expiry=int(time.time() + TTL)), lifetime=TTL, now=trio.current_time())
    client.send_telemetry(b"21.5", {"room": "kitchen"}, now=trio.current_time())
    async with stream, trio.open_nursery() as nursery:
        await link.turn()
        nursery.start_soon(link.read)
        nursery.start_soon(link.mind_the_time)


trio.run(main)

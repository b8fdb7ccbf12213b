"""A device in ten lines: python ten_lines.py CONNECTION_STRING [CAFILE [PORT]]"""

import asyncio
import sys

from iothub_proto.aio import Device


async def main(text: str, cafile: str | None = None, port: str = "8883") -> None:
    async with Device.from_connection_string(text, cafile=cafile, port=int(port)) as device:
        await device.send({"temperature": 21.5}, properties={"room": "kitchen"})
        async for message in device.messages():
            print(message.text(), flush=True)


asyncio.run(main(*sys.argv[1:]))

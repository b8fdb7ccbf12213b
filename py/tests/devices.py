"""Devices of `iothub_proto.aio` under test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hub import LIMIT, Hub

from iothub_proto import RetryPolicy
from iothub_proto.aio import Device

QUICK = RetryPolicy(lost=(0, 0.01, 0.05), unavailable=(0, 0.01, 0.05), unauthorized=(0, 0.01, 0.05))


def device(hub: Hub, client: str = "dev1", **options: Any) -> Device:
    options = {"cafile": hub.cafile, "port": hub.tls, "retry": QUICK} | options
    return Device.from_connection_string(hub.connection_string(client), **options)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test, which may not take for ever."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())


async def until(condition: Callable[[], bool]) -> None:
    """Lets the device go on until this holds."""
    while not condition():
        await asyncio.sleep(0.001)

"""A queue from callbacks to `async for`."""

from __future__ import annotations

import asyncio
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class Feed(Generic[T]):
    """What comes, in order, until the device is closed."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | None] = asyncio.Queue()

    def put(self, item: T) -> None:
        """For the device: one more."""
        self._queue.put_nowait(item)

    def clear(self) -> None:
        """For the device: forget what was not read yet."""
        while not self._queue.empty():
            self._queue.get_nowait()

    def close(self) -> None:
        """For the device: no more will come. What is queued is still given out."""
        self._queue.put_nowait(None)

    def __len__(self) -> int:
        return self._queue.qsize()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        item = await self._queue.get()
        if item is None:
            self._queue.put_nowait(None)  # For the next reader.
            raise StopAsyncIteration
        return item

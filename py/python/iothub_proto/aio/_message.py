"""Cloud-to-device messages and module inputs, each accepted or left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, final

from .._enums import MessageToken
from .._native import Message as NativeMessage
from .._properties import Properties
from ._feed import Feed


@final
class Message:
    """A message from the cloud, or from another module.

    `async with message:` accepts it if the block ends well, and leaves it with the hub if it raises. A message that is
    left comes again on a later connection.
    """

    __slots__ = ("_decide", "_event")

    def __init__(self, event: NativeMessage, decide: Callable[[MessageToken, bool], bool]) -> None:
        self._event = event
        self._decide: Callable[[MessageToken, bool], bool] | None = decide

    @property
    def payload(self) -> bytes:
        """Its body."""
        return self._event.payload

    @property
    def properties(self) -> Properties:
        """Its properties; those the hub knows are under `.system`."""
        return self._event.properties

    @property
    def input(self) -> str | None:
        """The module's input it came through; None for a cloud-to-device message."""
        return self._event.input

    @property
    def redelivered(self) -> bool:
        """It may have been delivered before."""
        return self._event.redelivered

    def text(self) -> str:
        """The body as UTF-8. `UnicodeDecodeError` if it is not."""
        return self._event.payload.decode()

    def json(self) -> Any:
        """The body as JSON. `ValueError` if it is none."""
        return json.loads(self._event.payload)

    async def accept(self) -> bool:
        """Tells the hub that it is done with. False if it was decided before, or if its connection has ended meanwhile:
        then it comes again."""
        return self.settle(accept=True)

    async def leave(self) -> bool:
        """Gives it back to the hub: it comes again on a later connection. False if it was decided before."""
        return self.settle(accept=False)

    def settle(self, accept: bool) -> bool:
        """As `accept` and `leave`, from where nothing can be awaited."""
        decide, self._decide = self._decide, None
        token = self._event.token
        if decide is None:
            return False
        return token is None or decide(token, accept)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.settle(accept=kind is None)

    def __repr__(self) -> str:
        return f"<Message {self._event!r}>"


class Inbox(Feed[Message]):
    """Messages that came and were not asked for yet. The machine's window bounds them: 64, where the hub sends 50."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop

    def leave_soon(self, message: Message) -> None:
        """From any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(message.settle, False)


@final
class Messages:
    """The messages for this device: `async for message in device.messages()`.

    A message is accepted when the next one is asked for. `break`, `return` or an exception inside the loop leaves it
    with the hub. Loops in several tasks share the messages.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._current: Message | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        current, self._current = self._current, None
        if current is not None:
            current.settle(accept=True)
        self._current = await anext(self._inbox)
        return self._current

    def __del__(self) -> None:
        # The loop was left. Garbage may be collected in any thread; the device lives in one.
        if self._current is not None:
            self._inbox.leave_soon(self._current)

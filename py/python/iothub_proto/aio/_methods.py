"""Direct methods: handlers by name."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

from .._native import MethodCall, RequestId

logger = logging.getLogger("iothub_proto")

MethodHandler: TypeAlias = Callable[["MethodRequest"], Any | Awaitable[Any]]
"""A function or coroutine function. It returns the body, or a status and a body; a body is bytes, None, or what
`json.dumps` takes. A function runs in the event loop, so it must not block."""

Respond: TypeAlias = Callable[[RequestId, int, bytes], None]


@final
@dataclass(frozen=True, slots=True)
class MethodRequest:
    """A call of a direct method."""

    name: str
    payload: bytes
    """JSON, or nothing."""

    @property
    def component(self) -> str | None:
        """The component of an IoT Plug and Play device whose command is called; None for the default component."""
        component, star, _ = self.name.partition("*")
        return component if star else None

    @property
    def command(self) -> str:
        """The command, without the component."""
        component, star, command = self.name.partition("*")
        return command if star else component

    def json(self) -> Any:
        """The payload as JSON; None if there is none. `ValueError` if it is no JSON."""
        return json.loads(self.payload) if self.payload else None


class Methods:
    """Calls handlers, a bounded number at once, and answers with what they return."""

    def __init__(self, respond: Respond, limit: int) -> None:
        self._respond = respond
        self._limit = limit
        self._handlers: dict[str, MethodHandler] = {}
        self._other: MethodHandler | None = None
        self._running: set[asyncio.Task[None]] = set()

    def register(self, name: str | None, handler: MethodHandler) -> None:
        """`handler` is for calls of `name` from now on; without a name, for those that no other handler takes."""
        if name is None:
            self._other = handler
        else:
            self._handlers[name] = handler

    def call(self, event: MethodCall) -> None:
        """The hub calls a method: answers 404 for an unknown one, 503 when too many are running."""
        handler = self._handlers.get(event.name, self._other)
        if handler is None:
            logger.warning("no handler for method %r: answered 404", event.name)
            self._respond(event.request, 404, b"")
        elif len(self._running) >= self._limit:
            logger.warning("%d methods are running: answered 503 to %r", self._limit, event.name)
            self._respond(event.request, 503, b"")
        else:
            task = asyncio.get_running_loop().create_task(self._run(handler, event), name=f"method {event.name}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run(self, handler: MethodHandler, event: MethodCall) -> None:
        try:
            outcome = handler(MethodRequest(event.name, event.payload))
            if inspect.isawaitable(outcome):
                outcome = await outcome
            status, body = _answer(outcome)
        except Exception:
            logger.exception("the handler of method %r failed: answered 500", event.name)
            status, body = 500, b""
        self._respond(event.request, status, body)

    async def close(self) -> None:
        """Ends what is still running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _answer(outcome: Any) -> tuple[int, bytes]:
    """Status and body out of what a handler returned."""
    status, body = cast("tuple[int, Any]", outcome) if isinstance(outcome, tuple) else (200, outcome)
    match body:
        case None:
            return status, b""
        case bytes() | bytearray():
            return status, bytes(body)
        case _:
            return status, json.dumps(body).encode()

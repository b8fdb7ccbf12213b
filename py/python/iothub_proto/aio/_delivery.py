"""One message on its way to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import TYPE_CHECKING, final

from .._errors import IotHubError

if TYPE_CHECKING:
    from .._enums import TelemetryToken


class DeliveryStatus(StrEnum):
    """How far a message has come."""

    PENDING = "pending"
    """Queued, or sent and not acknowledged yet. It is sent again after a reconnect until it is acknowledged."""
    ACKNOWLEDGED = "acknowledged"
    """The hub has stored it. At QoS 0, where nothing is acknowledged: it was queued."""
    WITHDRAWN = "withdrawn"
    """Taken back: it is not sent (again)."""
    ABANDONED = "abandoned"
    """The device was closed before the hub acknowledged it. The hub may have it."""


@final
class Undelivered(IotHubError):
    """A message was withdrawn, or abandoned with its device."""

    delivery: Delivery
    """Which message."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(f"not acknowledged: {delivery.status.value}")
        self.delivery = delivery


@final
class SendTimeout(IotHubError, TimeoutError):
    """`Device.send` has waited long enough."""

    delivery: Delivery | None
    """The message. Withdrawn if no byte of it had left; otherwise still on its way, so its status may yet become
    acknowledged. None if there was no room for it in all that time."""

    def __init__(self, delivery: Delivery | None) -> None:
        super().__init__("not acknowledged in time" if delivery else "no room in time")
        self.delivery = delivery


@final
class Delivery:
    """One message on its way to the hub. Await it to wait for the acknowledgement.

    Cancelling the wait does not cancel the message: see `withdraw`. Awaiting raises `Undelivered` if it was withdrawn
    or abandoned.
    """

    __slots__ = ("_done", "_status", "_take_back", "token")

    def __init__(self, token: TelemetryToken, take_back: Callable[[Delivery], bool]) -> None:
        self.token = token
        self._status = DeliveryStatus.PENDING
        self._take_back = take_back
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def status(self) -> DeliveryStatus:
        """How far it has come."""
        return self._status

    def withdraw(self) -> bool:
        """Takes it back, so that it is not sent (again).

        True if the hub will never get it; false if it may have it, or if it was settled already.
        """
        return self._status is DeliveryStatus.PENDING and self._take_back(self)

    def settle(self, status: DeliveryStatus) -> None:
        """For the device that sends it."""
        if self._status is not DeliveryStatus.PENDING:
            return
        self._status = status
        if self._done.done():
            return
        if status is DeliveryStatus.ACKNOWLEDGED:
            self._done.set_result(None)
        else:
            self._done.set_exception(Undelivered(self))
            self._done.exception()  # Nobody has to wait for it.

    def __await__(self) -> Generator[None, None, None]:
        return asyncio.shield(self._done).__await__()

    def __repr__(self) -> str:
        return f"<Delivery {self._status.value}>"

"""Asks the Device Provisioning Service which hub a device belongs to."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import ssl as tls
from collections.abc import Mapping
from typing import Any, TypeAlias

from .._enums import RetryCause
from .._errors import IotHubError, RefusedError, RegistrationFailed
from .._native import (
    Assigned,
    Backoff,
    Connected,
    Disconnected,
    NotAssigned,
    ProvisioningClient,
    Registration,
    RetryPolicy,
    Settings,
    Throttled,
)
from ._driver import Pump
from ._endpoint import Endpoint
from ._sign_in import Credential
from ._states import ConnectionLost

logger = logging.getLogger("iothub_proto")

_ANSWER = 64 * 1024
"""Bytes of the largest answer, payload included."""

JsonPayload: TypeAlias = Mapping[str, Any] | list[Any] | bytes
"""JSON, or what `json.dumps` makes it of."""


async def provision(
    id_scope: str,
    registration_id: str,
    credential: Credential,
    *,
    payload: JsonPayload | None = None,
    product: str | None = None,
    ssl: tls.SSLContext | None = None,
    host: str = Registration.GLOBAL_HOST,
    port: int | None = None,
    websockets: bool = False,
    proxy: str | None = None,
    retry: RetryPolicy | None = None,
    connect_timeout: float = 30.0,
    timeout: float = 300.0,
) -> Assigned:
    """Registers a device with the Device Provisioning Service, and gives the hub that it belongs to.

    >>> credential = Credential(SharedAccessKey(key))
    >>> assigned = await provision("0ne00000001", "reg-001", credential)
    >>> async with Device(assigned.identity, credential) as device:
    ...     await device.send(b"here I am")

    credential: as at the hub; a key, a signer, or none with a client certificate in `ssl`. A device of an enrollment
        group has a key of its own: `group_key.derive_device_key(registration_id)`.
    payload: for a custom allocation policy, or for the application behind the hub.
    ssl, host, port, websockets, proxy, connect_timeout: as of `Device`. The system's authorities know the service.
    timeout: seconds for all of it.

    Raises `RegistrationFailed` if the service does not assign a hub, `RefusedError` if it refuses the device, and what the
    first connection fails with; once the service has accepted the device, a connection that is lost is made again. After
    `timeout` seconds a `TimeoutError`.
    """
    registration = Registration(id_scope, registration_id, product=product)
    body = payload if payload is None or isinstance(payload, bytes) else json.dumps(payload).encode()
    client = ProvisioningClient(registration, payload=body, settings=Settings(max_packet=_ANSWER), deadline=timeout)
    endpoint = Endpoint(host, port, ssl, websockets, proxy, connect_timeout)
    backoff = Backoff(retry)
    registering = _Registering(client)
    try:
        async with asyncio.timeout(timeout):
            while True:
                try:
                    return await registering.attempt(endpoint, registration, credential)
                except (RefusedError, RegistrationFailed):
                    raise
                except (IotHubError, OSError) as error:
                    if not registering.accepted:
                        raise
                    wait = backoff.next(RetryCause.LOST, random=secrets.randbits(32)).after
                    logger.warning("provisioning was interrupted, next attempt in %.1f s: %s", wait, error)
                await asyncio.sleep(wait)
    finally:
        await registering.stop()


class _Registering(Pump):
    """Drives one registration, over as many connections as it takes."""

    def __init__(self, client: ProvisioningClient) -> None:
        super().__init__(client)
        self._client = client
        self._ended: asyncio.Future[Assigned] = self._loop.create_future()
        self._assigned: Assigned | None = None
        self.accepted = False
        """The service has accepted the device at least once."""

    async def attempt(self, endpoint: Endpoint, registration: Registration, credential: Credential) -> Assigned:
        """One connection, to its end."""
        self._ended = self._loop.create_future()
        try:
            async with asyncio.timeout(endpoint.timeout):
                await self.dial(endpoint)
                password, _ = await credential.fresh(registration)
            self._client.connect(password, now=self.now(), random=secrets.randbits(32))
            self.turn()
            return await self._ended
        finally:
            self._ended.cancel()
            self.drop_link()

    def take_events(self) -> None:
        try:
            while (event := self._client.next_event()) is not None:
                match event:
                    case Connected():
                        self.accepted = True
                    case Throttled(status=status, retry_after=wait):
                        logger.info("the provisioning service has no time (%d): again in %.1f s", status, wait)
                    case Assigned():
                        self._assigned = event
                    case NotAssigned(error=error):
                        self.over(error)
                    case Disconnected(error=error, last_sent=last_sent):
                        self.over(error if error is not None else ConnectionLost(last_sent))
                    case _:
                        pass
        except IotHubError as error:
            self.over(error)

    def over(self, error: Exception) -> None:
        if self._ended.done():
            return
        if self._assigned is not None:
            self._ended.set_result(self._assigned)
        else:
            self._ended.set_exception(error)

"""What a connection is made with: TLS, and a fresh credential each time."""

from __future__ import annotations

import inspect
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from .._native import Client, Identity, Registration, SharedAccessKey, Telemetry
from ._driver import SignIn

TokenProvider: TypeAlias = Callable[[Identity | Registration, int], str | Awaitable[str]]
"""Signs elsewhere, as in a TPM: gets the identity, or with the Device Provisioning Service the registration, and the Unix
time at which the token is to expire, and gives the whole SAS token. Both have a `resource_uri`."""


@dataclass(frozen=True, slots=True)
class Credential:
    """How a device proves who it is. With none of them, by the client certificate of its TLS context."""

    key: SharedAccessKey | None = None
    key_name: str | None = None
    """The hub policy that the key belongs to; a device's own key has none. Registrations have their own."""
    provider: TokenProvider | None = None
    token: str | None = field(default=None, repr=False)
    """A ready-made token, which cannot be renewed."""
    ttl: float = 3600.0
    """Seconds that a new token is to live."""

    async def fresh(self, who: Identity | Registration) -> tuple[str | None, float | None]:
        """The password, and the seconds it is good for from now on."""
        if self.token is not None:
            return self.token, None
        expiry = int(time.time() + self.ttl)
        if self.key is not None:
            key_name = "registration" if isinstance(who, Registration) else self.key_name
            return self.key.token(who, expiry=expiry, key_name=key_name), self.ttl
        if self.provider is not None:
            token = self.provider(who, expiry)
            return (await token if inspect.isawaitable(token) else token), self.ttl
        return None, None


def sign_in(identity: Identity, credential: Credential, will: Telemetry | None) -> SignIn:
    """Signs in with a credential made at that moment."""

    async def connect(client: Client, clock: Callable[[], float]) -> None:
        password, lifetime = await credential.fresh(identity)
        client.connect(
            now=clock(), password=password, lifetime=lifetime, random=secrets.randbits(32), will=will
        )

    return connect


def tls_context(
    cafile: str | None = None, certfile: str | None = None, keyfile: str | None = None, password: str | None = None
) -> ssl.SSLContext:
    """TLS that verifies the hub, against the system's authorities or those in `cafile`, and shows a client certificate
    if there is one. All are names of PEM files; `password` opens the key.

    Raises `OSError` or `ssl.SSLError` for a file that cannot be read.
    """
    context = ssl.create_default_context(cafile=cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certfile is not None:
        context.load_cert_chain(certfile, keyfile, password)
    return context

"""The twin, as Python objects."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final
from weakref import WeakSet

from ..pnp import Property, split
from ._feed import Feed

Json: TypeAlias = Any
"""What `json.loads` gives."""

_LIMIT = 32
"""Patches a slow reader of `Device.desired` may have before it."""


@final
@dataclass(frozen=True, slots=True)
class Twin:
    """The whole twin of a device or module."""

    desired: dict[str, Json]
    """What the back end wants, without metadata."""
    reported: dict[str, Json]
    """What the device has reported, without metadata."""
    desired_version: int | None
    reported_version: int | None


@final
@dataclass(frozen=True, slots=True)
class DesiredPatch:
    """A change of the desired section, or the whole of it."""

    properties: dict[str, Json]
    """A JSON merge patch: `None` removes a property. The section itself if `full`."""
    version: int | None
    """The version of the desired section with this patch applied."""
    full: bool
    """All there is, and not a change: first of all, after a reconnect, when a patch was missed, and for a reader that
    has fallen behind."""
    unsynced: bool
    """Synchronisation has failed on this connection, which was logged: patches before this one may be missing."""

    def split(self, *components: str) -> Iterator[Property]:
        """The properties one by one, with their components: see `iothub_proto.pnp.split`."""
        return split(self.properties, *components, version=self.version)


def parse_twin(document: bytes) -> Twin:
    """A twin from the hub's JSON. `ValueError` if it is none."""
    whole = _object(json.loads(document))
    desired, reported = _object(whole.get("desired")), _object(whole.get("reported"))
    return Twin(_plain(desired), _plain(reported), _version(desired), _version(reported))


def parse_patch(patch: bytes) -> dict[str, Json]:
    """A desired patch from the hub's JSON. `ValueError` if it is none."""
    return _plain(_object(json.loads(patch)))


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise ValueError("twins and their sections are objects")
    return cast("dict[str, Json]", value)


def _plain(section: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in section.items() if not name.startswith("$")}


def _version(section: dict[str, Json]) -> int | None:
    version = section.get("$version")
    return version if isinstance(version, int) else None


def _merge(target: dict[str, Json], patch: dict[str, Json]) -> None:
    """RFC 7396, in place. The hub nests no deeper than 10."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            inner = target.get(name)
            if not isinstance(inner, dict):
                inner = target[name] = {}
            _merge(cast("dict[str, Json]", inner), cast("dict[str, Json]", value))
        else:
            target[name] = value


@final
class Desired(Feed[DesiredPatch]):
    """The changes of the desired section, the whole of it first.

    A reader that falls behind gets the whole section instead of the patches it has not read, so memory is bounded and
    nothing is missed.
    """

    def offer(self, patch: DesiredPatch, whole: DesiredPatch | None) -> None:
        """For the device: `patch`, or `whole` with all patches before it in it, which is None while nobody knows."""
        behind = len(self) >= _LIMIT
        if patch.full or behind:
            # Without a whole all of them are unsynced, so no reader counts on having each.
            self.clear()
        self.put(whole if behind and whole is not None else patch)


class DesiredState:
    """The desired section as far as it is known, and who follows it."""

    def __init__(self) -> None:
        self._whole: DesiredPatch | None = None
        self._readers: WeakSet[Desired] = WeakSet()

    def reader(self) -> Desired:
        """A new reader, which begins with what is known."""
        reader = Desired()
        if self._whole is not None:
            reader.put(copy.deepcopy(self._whole))
        self._readers.add(reader)
        return reader

    def put(self, patch: DesiredPatch) -> None:
        """A patch or a document came. Each reader gets a copy, to change as it likes."""
        if patch.full:
            self._whole = patch
        elif patch.unsynced:
            self._whole = None
        elif self._whole is not None:
            properties = copy.deepcopy(self._whole.properties)
            _merge(properties, copy.deepcopy(patch.properties))
            self._whole = DesiredPatch(properties, patch.version, full=True, unsynced=False)
        for reader in self._readers:
            reader.offer(copy.deepcopy(patch), copy.deepcopy(self._whole))

    def close(self) -> None:
        """No more will come."""
        for reader in self._readers:
            reader.close()

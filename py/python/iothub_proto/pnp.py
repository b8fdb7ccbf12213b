"""IoT Plug and Play: desired properties by component, and what a device reports about them.

>>> from iothub_proto.pnp import Report, split
>>> desired = {"interval": 5, "thermostat1": {"__t": "c", "targetTemperature": 21.5}, "$version": 7}
>>> report = Report()
>>> for wanted in split(desired, "thermostat1"):
...     report.acknowledge(wanted, code=200)
>>> report["interval"]
{'value': 5, 'ac': 200, 'av': 7}
>>> report["thermostat1"]
{'__t': 'c', 'targetTemperature': {'value': 21.5, 'ac': 200, 'av': 7}}

The model is told by `Identity(model_id=...)`; telemetry of a component is sent with `component=`, and its commands are
methods named `component*command`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast, final

_MARKER = "__t"
"""The member that marks an object as a component; its value is 'c'."""


@final
@dataclass(frozen=True, slots=True)
class Property:
    """One desired property."""

    component: str | None
    """Its component; None for the default component."""
    name: str
    value: Any
    """In a patch None says that the property is no more; so does the whole component, if `component` is None and the name
    is a component's."""
    version: int
    """The version of the desired section that it came with."""


def split(desired: Mapping[str, Any], *components: str, version: int | None = None) -> Iterator[Property]:
    """The properties of a desired section or patch, one by one.

    components: the model's names of them. An object with one of these names, or with the marker `"__t": "c"`, is a
        component, whose members are given; other objects are values. A patch may come without the marker.
    version: of the section, if it has no `$version` itself.

    Raises `ValueError` if there is no version.
    """
    found: Any = desired.get("$version", version)
    if not isinstance(found, int):
        raise ValueError("acknowledgements need the version of the desired section")
    for name, value in desired.items():
        if name.startswith("$"):
            continue
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            if name in components or members.get(_MARKER) == "c":
                for inner, own in members.items():
                    if not inner.startswith("$") and inner != _MARKER:
                        yield Property(name, inner, own, found)
                continue
        yield Property(None, name, value, found)


@final
class Report(dict[str, Any]):
    """A patch of reported properties, for `Device.report` and `json.dumps`."""

    def set(self, name: str, value: Any, *, component: str | None = None) -> None:
        """Reports a property."""
        self._section(component)[name] = value

    def acknowledge(self, wanted: Property, *, code: int = 200, description: str | None = None) -> None:
        """Answers a desired property: what became of it, in HTTP's numbers.

        code: 200 done, 202 in progress, 203 it is the device's default, 4xx refused, 5xx failed.
        description: for people.
        """
        self.answer(wanted, wanted.value, code=code, description=description)

    def answer(self, wanted: Property, value: Any, *, code: int = 200, description: str | None = None) -> None:
        """As `acknowledge`, with the value that holds now instead of the one that was wanted."""
        answer = {"value": value, "ac": code, "av": wanted.version}
        if description is not None:
            answer["ad"] = description
        self._section(wanted.component)[wanted.name] = answer

    def _section(self, component: str | None) -> dict[str, Any]:
        if component is None:
            return self
        section: dict[str, Any] = self.setdefault(component, {_MARKER: "c"})
        return section

"""IoT Plug and Play: components, commands, writable properties."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from devices import device, run
from hub import Hub

from iothub_proto import SystemProperties, check_patch, pnp
from iothub_proto.aio import MethodRequest
from iothub_proto.pnp import Property, Report, split

DESIRED = {
    "interval": 5,
    "window": {"from": 1, "to": 2},
    "fan": {"__t": "c", "speed": 3, "$metadata": 1},
    "thermostat1": {"targetTemperature": 21.5},
    "lamp": None,
    "$version": 7,
}


def test_a_section_is_split_by_components() -> None:
    assert list(split(DESIRED, "thermostat1", "lamp")) == [
        Property(None, "interval", 5, 7),
        Property(None, "window", {"from": 1, "to": 2}, 7),
        Property("fan", "speed", 3, 7),
        Property("thermostat1", "targetTemperature", 21.5, 7),
        Property(None, "lamp", None, 7),
    ]
    assert list(split({"a": 1}, version=3)) == [Property(None, "a", 1, 3)]
    with pytest.raises(ValueError, match="version"):
        list(split({"a": 1}))


def test_a_report_is_a_patch_that_the_hub_takes() -> None:
    report = Report()
    for wanted in split(DESIRED, "thermostat1"):
        if wanted.name == "speed":
            report.answer(wanted, 2, code=400, description="too fast")
        elif wanted.value is not None:
            report.acknowledge(wanted)
    report.set("serial", "12")
    report.set("rpm", 900, component="fan")
    assert report == {
        "interval": {"value": 5, "ac": 200, "av": 7},
        "window": {"value": {"from": 1, "to": 2}, "ac": 200, "av": 7},
        "fan": {"__t": "c", "speed": {"value": 2, "ac": 400, "av": 7, "ad": "too fast"}, "rpm": 900},
        "thermostat1": {"__t": "c", "targetTemperature": {"value": 21.5, "ac": 200, "av": 7}},
        "serial": "12",
    }
    check_patch(json.dumps(report).encode())


def test_system_properties_of_a_component() -> None:
    system = SystemProperties(message_id="m").with_component("fan")
    assert system == SystemProperties(message_id="m", component="fan")
    assert system.with_component("lamp").component == "lamp" and system.component == "fan"


def test_a_method_name_is_split_at_its_first_star() -> None:
    for name, component, command in [("a", None, "a"), ("c*a", "c", "a"), ("c*a*b", "c", "a*b"), ("*a", "", "a")]:
        request = MethodRequest(name, b"")
        assert (request.component, request.command) == (component, command)
    assert pnp.__doc__


def test_a_plug_and_play_device(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub, model_id="dtmi:com:example:TemperatureController;1") as d:

            @d.method("getReport", component="thermostat1")
            def report(request: MethodRequest) -> Any:
                return [request.component, request.command, request.json()]

            await d.send({"temperature": 21.5}, component="thermostat1")
            await d.send(b"raw", component="thermostat2", system=SystemProperties(message_id="m"))
            d.submit(b"queued", component="thermostat3")
            answer = await asyncio.to_thread(hub.ask, "invoke dev1 thermostat1*getReport 5", "answer")
            assert answer["payload"] == '["thermostat1", "getReport", 5]'

            hub.do('desired dev1 {"thermostat1":{"__t":"c","targetTemperature":20}}')
            async for patch in d.desired():
                done = Report()
                for wanted in patch.split("thermostat1"):
                    done.acknowledge(wanted)
                if done:
                    await d.report(done)
                    break
            reported = (await d.twin()).reported["thermostat1"]
            assert reported["targetTemperature"] == {"value": 20, "ac": 200, "av": patch.version}

    run(test)
    bags = [dict(map(tuple, hub.event("telemetry")["properties"])) for _ in range(3)]
    assert bags[0] == {"$.ct": "application/json", "$.ce": "utf-8", "$.sub": "thermostat1"}
    assert bags[1] == {"$.mid": "m", "$.sub": "thermostat2"} and bags[2] == {"$.sub": "thermostat3"}

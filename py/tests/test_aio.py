"""What passes between an asyncio device and the hub simulator, over TLS."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from devices import device, run, until
from hub import Hub

from iothub_proto import LocalProtocolError, RequestFailed, SystemProperties, Telemetry
from iothub_proto.aio import DesiredPatch, Device, MethodRequest, Offline, Online


def test_telemetry_arrives_with_its_properties(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            await d.send(b"21.5", properties={"room": "kitchen & hall"}, system=SystemProperties(message_id="m1"))
            await d.send("text")
            await d.send({"t": 21.5})
            await d.send(b"once", qos=0)
            assert d.unacknowledged() == []

    run(test)
    first, text, json_, once = (hub.event("telemetry") for _ in range(4))
    assert (first["text"], first["qos"], first["dup"]) == ("21.5", 1, False)
    assert dict(map(tuple, first["properties"])) == {"$.mid": "m1", "room": "kitchen & hall"}
    assert text["text"] == "text"
    assert dict(map(tuple, json_["properties"])) == {"$.ct": "application/json", "$.ce": "utf-8"}
    assert (once["text"], once["qos"]) == ("once", 0)


def test_what_the_hub_would_not_take_raises_and_the_connection_stays(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            with pytest.raises(LocalProtocolError):
                await d.send(b"x" * (256 * 1024 + 1))
            with pytest.raises(LocalProtocolError):
                await d.send(b"", properties={"": "no name"})
            await d.send(b"good")
            assert isinstance(d.state, Online)

    run(test)
    assert hub.event("telemetry")["text"] == "good"


def test_messages_are_accepted_when_the_next_is_asked_for(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            for text in ("one", "two", "three"):
                hub.do(f"send dev1 {text}")
            seen = []
            async for message in d.messages():
                seen.append(message.text())
                if len(seen) == 3:
                    break
            assert seen == ["one", "two", "three"]
            await until(lambda: hub.ask("queued dev1", "queued")["messages"] == 1)

    run(test)


def test_a_loop_that_is_left_leaves_its_message(hub: Hub) -> None:
    async def leave_by(d: Device, how: str) -> None:
        async for _ in d.messages():
            if how == "break":
                break
            if how == "return":
                return
            raise KeyError(how)

    async def test() -> None:
        hub.do("send dev1 stubborn")
        for how in ("break", "return", "raise"):
            async with device(hub) as d:
                try:
                    await leave_by(d, how)
                except KeyError:
                    pass
            assert hub.ask("queued dev1", "queued")["messages"] == 1, how
        async with device(hub) as d:
            async for message in d.messages():
                assert message.redelivered
                assert await message.accept()
                assert not await message.accept(), "once"
                break
        assert hub.ask("queued dev1", "queued")["messages"] == 0

    run(test)


def test_what_was_left_does_not_hold_up_what_comes_later(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            hub.do("send dev1 left")
            async for _ in d.messages():
                break
            gc.collect()
            hub.do("send dev1 later")
            async for message in d.messages():
                assert message.text() == "later"
                await message.accept()
                break
            await until(lambda: hub.ask("queued dev1", "queued")["messages"] == 1)

    run(test)


def test_a_message_as_a_block(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            messages = d.messages()
            hub.do('message dev1 {"payload":"{\\"a\\":1}","properties":{"p":"ä b"},"system":{"$.ct":"application/json"}}')
            with pytest.raises(KeyError):
                async with await anext(messages) as message:
                    assert message.json() == {"a": 1}
                    assert message.properties["p"] == "ä b"
                    assert message.properties.system.content_type == "application/json"
                    raise KeyError
            assert hub.ask("queued dev1", "queued")["messages"] == 1
        async with device(hub) as d:
            async with await anext(d.messages()):
                pass
            await until(lambda: hub.ask("queued dev1", "queued")["messages"] == 0)

    run(test)


def test_a_message_of_an_ended_connection_is_not_accepted_and_comes_again(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            messages = d.messages()
            hub.do("send dev1 twice")
            first = await anext(messages)
            states = d.states()
            hub.do("end dev1")
            async for state in states:
                if isinstance(state, Offline):
                    break
            assert not await first.accept()
            second = await anext(messages)
            assert (second.text(), second.redelivered) == ("twice", True)

    run(test)


def test_methods(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        d = device(hub)

        @d.method("sum")
        def add(request: MethodRequest) -> Any:
            return {"sum": sum(request.json())}

        async with d:

            @d.method("late")
            async def late(request: MethodRequest) -> Any:
                await asyncio.sleep(0)
                return 201, b'"raw"'

            @d.method("broken")
            def broken(request: MethodRequest) -> Any:
                raise KeyError("in the handler")

            @d.method("nothing")
            def nothing(request: MethodRequest) -> None:
                assert request.payload == b"" and request.json() is None

            answers = []
            for call in ("sum [1,2]", "late", "broken", "nothing", "unheard"):
                hub.do(f"invoke dev1 {call}")
                answer = await asyncio.to_thread(hub.event, "answer")
                answers.append((answer["status"], answer["payload"]))
            assert answers == [(200, '{"sum": 3}'), (201, '"raw"'), (500, ""), (200, ""), (404, "")]

    run(test)
    assert "in the handler" in caplog.text and "unheard" in caplog.text


def test_methods_at_once_are_bounded(hub: Hub) -> None:
    async def test() -> None:
        d = device(hub, max_methods=2)
        go = asyncio.Event()

        @d.method("wait")
        async def wait(request: MethodRequest) -> None:
            await go.wait()

        async with d:
            for _ in range(3):
                hub.do("invoke dev1 wait")
            assert (await asyncio.to_thread(hub.event, "answer"))["status"] == 503
            go.set()
            assert (await asyncio.to_thread(hub.event, "answer"))["status"] == 200
            assert (await asyncio.to_thread(hub.event, "answer"))["status"] == 200

    run(test)


def test_the_twin(hub: Hub) -> None:
    async def test() -> None:
        hub.do('desired dev1 {"interval":5,"gone":1}')
        async with device(hub) as d:
            twin = await d.twin()
            assert twin.desired == {"interval": 5, "gone": 1}
            version = await d.report({"interval": 5})
            assert (await d.twin()).reported == {"interval": 5}
            assert (await d.twin()).reported_version == version
            with pytest.raises(LocalProtocolError):
                await d.report({"bad.key": 1})
            hub.do("fault twin-status 429")
            with pytest.raises(RequestFailed) as refused:
                await d.report({"a": 1})
            assert refused.value.status == 429
            desired = d.desired()
            whole = await anext(desired)
            assert (whole.properties, whole.full) == ({"interval": 5, "gone": 1}, True)
            hub.do('desired dev1 {"interval":7,"gone":null}')
            patch = await anext(desired)
            assert patch == DesiredPatch({"interval": 7, "gone": None}, whole.version + 1, full=False, unsynced=False)
            late = d.desired()
            assert (await anext(late)).properties == {"interval": 7}
            # What changes while there is no connection is not missed.
            hub.do("end dev1")
            hub.do('desired dev1 {"interval":9}')
            while (patch := await anext(desired)).properties.get("interval") != 9:
                pass

    run(test)


def test_a_module_and_the_will(hub: Hub) -> None:
    async def test() -> None:
        will = Telemetry(b"gone", {"reason": "link"})
        async with device(hub, "dev1/mod1", will=will) as d:
            messages = d.messages()
            await d.twin()
            hub.do("input dev1/mod1 alarm fire")
            message = await anext(messages)
            assert (message.input, message.text()) == ("alarm", "fire")
            await d.send(b"out", system=SystemProperties(output="smoke"))
            hub.do("end dev1/mod1")
            await until(lambda: not isinstance(d.state, Online))

    run(test)
    assert {hub.event("telemetry")["text"] for _ in range(2)} == {"out", "gone"}

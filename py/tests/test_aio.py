"""The asyncio device against the hub simulator over TLS."""

from __future__ import annotations

import asyncio
import gc
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub import KEY, LIMIT, Hub, running

from iothub_proto import (
    CapacityError,
    ConfigurationError,
    Identity,
    Limits,
    LocalProtocolError,
    RefusedError,
    RequestFailed,
    RetryPolicy,
    SharedAccessKey,
    SystemProperties,
    Telemetry,
)
from iothub_proto.aio import (
    Closed,
    Connecting,
    Credential,
    Delivery,
    DeliveryStatus,
    DesiredPatch,
    Device,
    DeviceClosed,
    MethodRequest,
    Offline,
    Online,
    SendTimeout,
    Undelivered,
    tls_context,
)

QUICK = RetryPolicy(lost=(0, 0.01, 0.05), unavailable=(0, 0.01, 0.05), unauthorized=(0, 0.01, 0.05))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with running(tmp_path) as hub:
        yield hub


def device(hub: Hub, client: str = "dev1", **options: Any) -> Device:
    options = {"cafile": hub.cafile, "port": hub.tls, "retry": QUICK} | options
    return Device.from_connection_string(hub.connection_string(client), **options)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Runs a test, which may not take for ever."""

    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await test()

    asyncio.run(limited())


async def until(condition: Callable[[], bool]) -> None:
    """Lets the device go on until this holds."""
    while not condition():
        await asyncio.sleep(0.001)


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


def test_the_first_failure_raises(hub: Hub, tmp_path: Path) -> None:
    async def test() -> None:
        with pytest.raises(RefusedError) as refused:
            async with Device.from_connection_string(
                hub.connection_string(key="AAAA"), cafile=hub.cafile, port=hub.tls
            ):
                pass
        assert refused.value.code == 5
        with pytest.raises(ssl.SSLCertVerificationError):
            async with Device.from_connection_string(hub.connection_string(), port=hub.tls):
                pass
        with pytest.raises(OSError):
            async with device(hub, port=1):
                pass
        with pytest.raises(ConfigurationError):
            Device.from_connection_string("HostName=localhost")

    run(test)


def test_nothing_is_lost_in_cuts(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            deliveries = []
            for burst in range(5):
                deliveries += [d.submit(f"{burst}/{n}") for n in range(40)]
                await deliveries[-20]
                hub.do("end dev1")
            await asyncio.gather(*deliveries)
            assert {delivery.status for delivery in deliveries} == {DeliveryStatus.ACKNOWLEDGED}

    run(test)
    texts: set[str] = set()
    while len(texts) < 200:
        event = hub.event("telemetry")
        assert event["text"] not in texts or event["dup"], "twice only with DUP"
        texts.add(event["text"])


def test_states_tell_why(hub: Hub) -> None:
    async def test() -> None:
        d = device(hub)
        assert isinstance(d.state, Closed)
        async with d:
            states = d.states()
            assert isinstance(await anext(states), Online)
            hub.do("fault refuse 3")
            hub.do("end dev1")
            lost, again, refused = [await anext(states) for _ in range(3)]
            assert isinstance(lost, Offline) and "connection" in str(lost.reason)
            assert isinstance(again, Connecting)
            assert isinstance(refused, Offline) and isinstance(refused.reason, RefusedError)
            assert refused.reason.code == 3
            assert isinstance(await anext(states), Connecting)
            assert await anext(states) == Online(session_present=True)
        assert [state async for state in states] == [Closed()]

    run(test)


def test_a_timeout_withdraws_only_what_has_not_left(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            hub.do("fault puback-delay 300")
            with pytest.raises(SendTimeout) as sent:
                await d.send(b"sent", timeout=0.1)
            delivery = sent.value.delivery
            assert delivery is not None and delivery.status is DeliveryStatus.PENDING
            await delivery
            assert delivery.status is DeliveryStatus.ACKNOWLEDGED
            hub.do("fault puback-delay 0")

            hub.do("fault refuse 3\nfault refuse 3\nfault refuse 3\nfault refuse 3\nend dev1")
            await until(lambda: isinstance(d.state, Offline))
            with pytest.raises(SendTimeout) as unsent:
                await d.send(b"never", timeout=0)
            assert unsent.value.delivery is not None
            assert unsent.value.delivery.status is DeliveryStatus.WITHDRAWN
            with pytest.raises(Undelivered):
                await unsent.value.delivery

            task = asyncio.create_task(d.send(b"cancelled"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
            given: Delivery = getattr(cancelled.value, "delivery")
            assert given.status is DeliveryStatus.WITHDRAWN
            await d.send(b"last")

    run(test)
    texts = [hub.event("telemetry")["text"] for _ in range(2)]
    assert texts == ["sent", "last"]


def test_send_waits_for_room_and_submit_does_not(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub, limits=Limits(commands=4)) as d:
            hub.do("fault puback-delay 50")
            with pytest.raises(CapacityError):
                for n in range(5):
                    d.submit(str(n))
            await asyncio.gather(*(d.send(f"s{n}") for n in range(20)))
            with pytest.raises(CapacityError):
                for n in range(5):
                    d.submit("x")
            with pytest.raises(SendTimeout) as full:
                await d.send(b"no room", timeout=0.01)
            assert full.value.delivery is None

    run(test)


def test_renewal_loses_nothing(hub: Hub) -> None:
    async def test() -> None:
        key = SharedAccessKey(KEY)

        def sign(identity: Identity, expiry: int) -> str:
            return key.token(identity, expiry=expiry + 3600)  # The hub is not to be faster than a slow machine.

        credential, context = Credential(provider=sign, ttl=0.2), tls_context(hub.cafile)
        d = Device(Identity("localhost", "dev1"), credential, ssl=context, port=hub.tls, retry=QUICK)

        @d.method("ping")
        def ping(request: MethodRequest) -> Any:
            return "pong"

        async with d:
            online = 0
            deliveries = []
            async for state in d.states():
                assert not isinstance(state, Offline)
                deliveries.append(d.submit("x"))
                online += isinstance(state, Online)
                if online == 3:
                    break
            await asyncio.gather(*deliveries)
            answer = {"status": 404103}
            while answer["status"] == 404103:  # The hub calls while the device signs in again.
                hub.do("invoke dev1 ping")
                answer = await asyncio.to_thread(hub.event, "answer")
            assert (answer["status"], answer["payload"]) == (200, '"pong"')

    run(test)


def test_close_gives_what_was_not_acknowledged(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            await d.send(b"good")
            hub.do("fault drop-pubacks 1000")
            lost = d.submit(b"lost")
            messages, desired, states = d.messages(), d.desired(), d.states()
            waiting = [asyncio.create_task(d.send(b"also")), asyncio.create_task(anext(messages, None))]
            await asyncio.sleep(0)
            left = await d.close(timeout=0.1)
            assert len(left) == 2 and left[0] is lost and lost.status is DeliveryStatus.ABANDONED
            with pytest.raises(Undelivered):
                await waiting[0]
            assert await waiting[1] is None
            assert [patch async for patch in desired][1:] == []
            assert [state async for state in states][-1] == Closed()
            with pytest.raises(DeviceClosed):
                d.submit(b"x")
            with pytest.raises(DeviceClosed):
                await d.twin()
        with pytest.raises(RuntimeError):
            async with d:
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


def test_a_client_certificate(hub: Hub) -> None:
    async def test() -> None:
        file = str(hub.directory / "dev2.pem")
        hub.ask(f"certificate dev2 {file}", "certificate")
        context = tls_context(hub.cafile, file)
        async with Device(Identity("localhost", "dev2"), Credential(), ssl=context, port=hub.tls) as d:
            await d.send(b"by certificate")

    run(test)
    assert hub.event("telemetry")["from"] == "dev2"


def test_a_token_signed_elsewhere(hub: Hub) -> None:
    async def test() -> None:
        key = SharedAccessKey(KEY)
        calls = []

        async def sign(identity: Identity, expiry: int) -> str:
            calls.append(expiry)
            return key.token(identity, expiry=expiry)

        context = tls_context(hub.cafile)
        async with Device(Identity("localhost", "dev1"), Credential(provider=sign), ssl=context, port=hub.tls) as d:
            await d.send(b"signed")
        assert len(calls) == 1

    run(test)


def test_two_devices_with_one_identity_both_live_and_slow_down(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with device(hub) as one, device(hub) as two:
            deliveries = [d.submit(f"{n}") for n in range(20) for d in (one, two)]
            await asyncio.gather(*deliveries)

    caplog.set_level(logging.WARNING)
    run(test)
    assert "offline" in caplog.text


def test_the_poison_message_is_named_and_can_be_withdrawn(hub: Hub) -> None:
    async def test() -> None:
        async with device(hub) as d:
            hub.do("fault poison bad")
            bad = d.submit(b"bad")
            good = [d.submit(b"good") for _ in range(5)]
            async for state in d.states():
                if isinstance(state, Offline) and state.suspect is not None:
                    assert state.suspect is bad
                    bad.withdraw()
                    break
            await asyncio.gather(*good)

    run(test)


def test_a_handler_that_fails_does_not_end_the_device(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with device(hub) as d:
            hub.do("desired dev1 {}")
            await d.send(b"before")
            d._engine.desired.put = None  # type: ignore[assignment, method-assign]
            d.desired()
            await until(lambda: "could not be handled" in caplog.text)
            await d.send(b"after")

    run(test)

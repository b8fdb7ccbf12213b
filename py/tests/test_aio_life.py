"""How an asyncio device signs in, loses its link, waits, and ends, against the hub simulator over TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
from devices import QUICK, device, run, until
from hub import KEY, Hub

from iothub_proto import CapacityError, ConfigurationError, Identity, Limits, RefusedError, SharedAccessKey
from iothub_proto.aio import (
    Closed,
    Connecting,
    Credential,
    Delivery,
    DeliveryStatus,
    Device,
    DeviceClosed,
    MethodRequest,
    Offline,
    Online,
    SendTimeout,
    Undelivered,
    tls_context,
)


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

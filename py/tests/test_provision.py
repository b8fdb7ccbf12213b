"""`provision` against the simulator of the Device Provisioning Service, and the device that it makes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devices import QUICK, run
from hub import KEY, Hub, running

from iothub_proto import (
    Assigned,
    ConfigurationError,
    Identity,
    RefusedError,
    Registration,
    RegistrationFailed,
    RegistrationFailure,
    RetryPolicy,
    SharedAccessKey,
)
from iothub_proto.aio import Credential, Device, Offline, provision, tls_context

SCOPE = "0ne00000001"
GROUP = SharedAccessKey.from_bytes(b"the key of an enrollment group")
GROUP_TEXT = "dGhlIGtleSBvZiBhbiBlbnJvbGxtZW50IGdyb3Vw"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    options = ["--dps-tls", "0", "--dps-websocket", "0", "--dps-polls", "0", "--enroll", f"dev1={KEY}"]
    options += ["--enroll-x509", "dev2", "--enroll-group", GROUP_TEXT]
    with running(tmp_path, *options) as hub:
        yield hub


async def registered(hub: Hub, name: str = "dev1", key: Any = None, **options: Any) -> Assigned:
    """The device of this name, registered."""
    ssl = tls_context(hub.cafile)
    options = {"host": "localhost", "port": hub.listening["dps_tls"], "ssl": ssl, "retry": QUICK, "timeout": 20} | options
    return await provision(SCOPE, name, Credential(key or SharedAccessKey(KEY)), **options)


def test_a_key_then_a_device(hub: Hub) -> None:
    async def test() -> None:
        credential = Credential(SharedAccessKey(KEY))
        assigned = await registered(hub, payload={"modelId": "dtmi:com:example:Thermostat;1"})
        assert (assigned.hub, assigned.device_id) == ("localhost", "dev1")
        assert assigned.substatus == "initialAssignment"
        assert json.loads(assigned.payload) == {"modelId": "dtmi:com:example:Thermostat;1"}
        assert assigned.identity == Identity("localhost", "dev1")
        async with Device(assigned.identity, credential, ssl=tls_context(hub.cafile), port=hub.tls) as device:
            await device.send(b"provisioned")

    run(test)
    assert hub.event("telemetry")["text"] == "provisioned"


def test_a_key_derived_from_a_groups(hub: Hub) -> None:
    async def test() -> None:
        key = GROUP.derive_device_key("reg-007")
        assert (await registered(hub, "reg-007", key)).device_id == "reg-007"
        with pytest.raises(RefusedError) as error:
            await registered(hub, "reg-008", key)
        assert error.value.code == 5

    run(test)


def test_a_signer_elsewhere_gets_the_registration(hub: Hub) -> None:
    seen: list[Identity | Registration] = []

    async def sign(who: Identity | Registration, expiry: int) -> str:
        seen.append(who)
        return SharedAccessKey(KEY).token(who.resource_uri, expiry=expiry, key_name="registration")

    async def test() -> None:
        ssl, port = tls_context(hub.cafile), hub.listening["dps_tls"]
        credential = Credential(provider=sign)
        assigned = await provision(SCOPE, "dev1", credential, ssl=ssl, host="localhost", port=port, timeout=20)
        assert assigned.device_id == "dev1" and seen == [Registration(SCOPE, "dev1")]

    run(test)


def test_a_client_certificate_from_registration_to_telemetry(hub: Hub) -> None:
    ssl = tls_context(hub.cafile, hub.certificate("dev2"))

    async def test() -> None:
        port = hub.listening["dps_tls"]
        assigned = await provision(SCOPE, "dev2", Credential(), ssl=ssl, host="localhost", port=port, timeout=20)
        async with Device(assigned.identity, Credential(), ssl=ssl, port=hub.tls) as device:
            await device.send(b"by certificate")
        with pytest.raises(RefusedError):
            await provision(SCOPE, "dev1", Credential(), ssl=ssl, host="localhost", port=port, timeout=20)

    run(test)
    telemetry = hub.event("telemetry")
    assert (telemetry["text"], telemetry["from"]) == ("by certificate", "dev2")


def test_over_websocket(hub: Hub) -> None:
    async def test() -> None:
        assigned = await registered(hub, websockets=True, port=hub.listening["dps_websocket"])
        assert assigned.device_id == "dev1"

    run(test)


def test_what_the_service_says_is_an_exception(hub: Hub) -> None:
    async def test() -> None:
        hub.do("enrollment dev1 disabled")
        with pytest.raises(RegistrationFailed) as disabled:
            await registered(hub)
        assert disabled.value.kind is RegistrationFailure.DISABLED
        hub.do("enrollment dev1 failed")
        with pytest.raises(RegistrationFailed) as failed:
            await registered(hub)
        assert failed.value.kind is RegistrationFailure.FAILED and failed.value.code > 0
        hub.do("enrollment dev1 enabled")
        hub.do("fault dps-status 404")
        with pytest.raises(RegistrationFailed) as refused:
            await registered(hub)
        assert (refused.value.kind, refused.value.status) == (RegistrationFailure.REFUSED, 404)
        assert json.loads(refused.value.payload)["errorCode"] // 1000 == 404
        with pytest.raises(RefusedError):
            await registered(hub, key=SharedAccessKey.from_bytes(b"another"))
        with pytest.raises(ConfigurationError):
            await registered(hub, "no id")

    run(test)


def test_silence_ends_in_time_and_a_cut_is_survived(hub: Hub) -> None:
    async def test() -> None:
        hub.do("fault dps-silence 1")
        with pytest.raises(TimeoutError):
            await registered(hub, timeout=0.5)
        # CONNACK and SUBACK pass, and the answer does not.
        hub.do("fault cut-out 20")
        assert (await registered(hub)).device_id == "dev1"
        hub.do("fault cut-out 2")
        with pytest.raises(ConnectionError):
            await registered(hub)

    run(test)


def test_a_refused_device_is_told_to_register_again(hub: Hub) -> None:
    policy = RetryPolicy(unauthorized=(0, 0.01, 0.05), lost=(0, 0.01, 0.05), reprovision_after=3)
    credential, ssl = Credential(SharedAccessKey(KEY)), tls_context(hub.cafile)

    async def test() -> None:
        assigned = await registered(hub)
        async with Device(assigned.identity, credential, ssl=ssl, port=hub.tls, retry=policy) as device:
            states = device.states()
            for _ in range(2):
                hub.do("fault refuse 5")
            hub.do("end dev1")
            failures = 0
            async for state in states:
                if isinstance(state, Offline):
                    failures += 1
                    if state.reprovision:
                        break
            assert failures == 3
        hub.do("assign dev1 another.azure-devices.net thing1")
        again = await registered(hub)
        assert again.identity == Identity("another.azure-devices.net", "thing1")

    run(test)


def test_cancelling_leaves_nothing_behind(hub: Hub) -> None:
    async def test() -> None:
        hub.do("fault dps-silence 5")
        task = asyncio.create_task(registered(hub))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(test)

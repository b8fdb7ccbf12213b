"""The examples, as they stand, against the hub simulator."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hub import KEY, running

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("name", ["ten_lines.py", "blocking.py", "trio_device.py"])
def test_an_example_sends_and_receives(name: str, tmp_path: Path) -> None:
    with running(tmp_path) as hub:
        arguments = [sys.executable, str(EXAMPLES / name), hub.connection_string(), hub.cafile, str(hub.tls)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as example:
            try:
                assert example.stdout is not None
                event = hub.event("telemetry")
                assert ["room", "kitchen"] in event["properties"]
                hub.do("send dev1 hello")
                told = ""
                while "hello" not in told:
                    told = example.stdout.readline()
                    assert told, "it ended"
                if name != "ten_lines.py":
                    hub.do("invoke dev1 reboot")
                    assert hub.event("answer")["status"] == 200
                    assert hub.ask("queued dev1", "queued")["messages"] == 0
            finally:
                example.kill()


def test_a_provisioned_device_finds_its_hub(tmp_path: Path) -> None:
    with running(tmp_path, "--dps-tls", "0", "--dps-polls", "0", "--enroll", f"dev1={KEY}") as hub:
        ports = ["localhost", str(hub.listening["dps_tls"]), str(hub.tls)]
        arguments = [sys.executable, str(EXAMPLES / "provisioned.py"), "0ne00000001", "dev1", KEY, hub.cafile, *ports]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as example:
            try:
                assert ["room", "kitchen"] in hub.event("telemetry")["properties"]
                assert example.stdout is not None
                assert example.stdout.readline() == "dev1 belongs to localhost\n"
            finally:
                example.kill()


def test_the_blocking_example_is_short_and_connects_again(tmp_path: Path) -> None:
    assert len((EXAMPLES / "blocking.py").read_text().splitlines()) < 60
    with running(tmp_path) as hub:
        arguments = [sys.executable, str(EXAMPLES / "blocking.py"), hub.connection_string(), hub.cafile, str(hub.tls)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as example:
            try:
                assert example.stdout is not None
                hub.event("telemetry")
                hub.do("end dev1")
                connected = 0
                while connected < 2:
                    told = example.stdout.readline()
                    assert told, "it ended"
                    connected += told.startswith("Ready")
                hub.do("send dev1 again")
                while "again" not in told:
                    told = example.stdout.readline()
                    assert told, "it ended"
            finally:
                example.kill()


@pytest.mark.parametrize("page", ["README.md", "COMING_FROM_AZURE_IOT_DEVICE.md"])
def test_the_pages_are_python_and_name_what_there_is(page: str) -> None:
    import iothub_proto
    from iothub_proto import aio

    text = (EXAMPLES.parent / page).read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(block, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for name in re.findall(r"`device\.(\w+)", text):
        assert hasattr(aio.Device, name), name
    ours = {*dir(iothub_proto), *dir(aio)}
    for name in re.findall(r"`([A-Z]\w+)\(", text):
        assert name in ours, name

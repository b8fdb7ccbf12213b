"""Type checkers agree with the built module, take what is right, and refuse what is wrong."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TOP = HERE.parents[1]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec(module.partition(".")[0]) is None:
        pytest.skip(f"{module} is not installed")
    if module == "basedpyright":
        arguments = ("--pythonpath", sys.executable, *arguments)
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=300)


def refused(output: str) -> set[int]:
    """The lines of wrong.py with an error."""
    return {int(line) for line in re.findall(r"wrong\.py:(\d+)(?::\d+)?(?: -|:) error", output)}


WRONG = {
    number for number, line in enumerate((HERE / "wrong.py").read_text().splitlines(), 1) if line.endswith("# wrong")
}


def test_stubs_are_those_of_the_module() -> None:
    # Not the sources beside this: the module is where it was installed.
    arguments = ("--mypy-config-file", "tests/typing/stubtest.ini", "--allowlist", "tests/typing/allowlist.txt")
    checked = run("mypy.stubtest", "iothub_proto", *arguments)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_what_is_right_is_taken(checker: str) -> None:
    checked = run(checker)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_what_is_wrong_is_refused(checker: str) -> None:
    checked = run(checker, "tests/typing/wrong.py")
    assert refused(checked.stdout) == WRONG and len(WRONG) > 15, checked.stdout

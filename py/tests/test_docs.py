"""What the docstrings show is what happens."""

import doctest

import pytest

import iothub_proto as hub
from iothub_proto import _native

DOCUMENTED = {"iothub_proto": hub.__doc__, "Properties": hub.Properties.__doc__} | {
    name: kind.__doc__ for name, kind in vars(_native).items()
}


@pytest.mark.parametrize("name", [name for name, text in DOCUMENTED.items() if text and ">>>" in text])
def test_examples(name: str) -> None:
    example = doctest.DocTestParser().get_doctest(DOCUMENTED[name] or "", {}, name, None, None)
    result = doctest.DocTestRunner().run(example)
    assert result.failed == 0 and result.attempted > 1


def test_everything_public_is_documented() -> None:
    for name in hub.__all__:
        item = getattr(hub, name)
        assert item.__doc__, name
        for member, value in vars(item).items() if isinstance(item, type) and item is not int else []:
            if not member.startswith("_") and (callable(value) or hasattr(value, "__get__")):
                assert value.__doc__, f"{name}.{member}"

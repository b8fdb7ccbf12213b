"""Exceptions: one for each error of the machine, none of them with a secret."""

import copy
import pickle
import re
from enum import Enum
from pathlib import Path

import pytest
from packets import HOST, KEY, MESSAGES, no_features, publish, ready_client

import iothub_proto as hub
from iothub_proto import _enums, _native

CORE = Path(__file__).parents[2] / "core" / "src"


def variants(name: str) -> set[str]:
    """The names in one of the machine's enums, as ours are spelled."""
    for source in CORE.rglob("*.rs"):
        if found := re.search(rf"^pub enum {name}\b.*?\{{\n(.*?)^\}}", source.read_text(), re.M | re.S):
            names = re.findall(r"^    ([A-Z]\w*)", found[1], re.M)
            return {re.sub(r"(?<=.)[A-Z]", lambda capital: "_" + capital[0], name).upper() for name in names}
    raise AssertionError(f"the machine has no enum {name}")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (hub.State, "State"),
        (hub.TimeoutReason, "TimeoutReason"),
        (hub.PatchRule, "PatchRule"),
        (hub.Violation, "Violation"),
        (hub.DisconnectReason, "DisconnectReason"),
        (hub.LastSent, "LastSent"),
        (hub.RequestFailure, "RequestError"),
        (hub.Withdrawn, "Withdrawn"),
        (hub.RetryCause, "RetryCause"),
        (hub.RegistrationFailure, "RegistrationError"),
        (hub.StreamKind, "StreamSource"),
        (hub.StreamKind, "StreamEnd"),
        (hub.Applied, "Applied"),
    ],
)
def test_enums_are_those_of_the_machine(ours: type[Enum], theirs: str) -> None:
    assert set(ours.__members__) == variants(theirs)
    assert all(member.name.lower() == member.value for member in ours)


def test_a_websocket_fails_and_is_as_the_machines() -> None:
    failures = variants("WebSocketError") - {"USAGE", "CAPACITY", "PEER"} | variants("WebSocketViolation")
    assert set(hub.WebSocketFailure.__members__) == failures
    states = (CORE / "websocket" / "mod.rs").read_text().partition("pub enum State {")[2].partition("\n}")[0]
    assert [member.name.title() for member in hub.WebSocketState] == re.findall(r"^    (\w+),", states, re.M)


def test_every_usage_error_has_its_kind() -> None:
    own = {"BAD_CONNECTION_STRING", "BAD_KEY", "BAD_TWIN", "IN_USE"}
    assert set(hub.Usage.__members__) == variants("UsageError") | variants("CapacityError") | own


PARTS = {"PART_WANTED"}
"""What only a client in memory of the caller's tells: it alone sends in parts."""


def test_every_event_and_every_error_is_known() -> None:
    source = (Path(__file__).parents[1] / "src").joinpath
    mapping, events = source("errors.rs").read_text(), source("events.rs").read_text()
    for name in variants("Error"):
        assert f"Error::{name.title().replace('_', '')}(" in mapping
    for name in variants("Event") - PARTS:
        assert f"Event::{name.title().replace('_', '')}" in events
    registration = source("provisioning.rs").read_text()
    for name in variants("ProvisioningEvent"):
        assert f"Event::{name.title().replace('_', '')}" in registration


def test_the_union_has_every_event() -> None:
    kinds = {kind.__name__ for kind in hub.Event.__args__}
    assert len(kinds) == len(variants("Event") - PARTS)
    assert {kind for kind in vars(_native) if kind in kinds} == kinds
    assert len(hub.ProvisioningEvent.__args__) == len(variants("ProvisioningEvent"))


def test_families() -> None:
    assert issubclass(hub.CapacityError, hub.LocalProtocolError)
    assert issubclass(hub.ConfigurationError, hub.LocalProtocolError | ValueError)
    assert issubclass(hub.TimedOutError, TimeoutError)
    for family in (hub.LocalProtocolError, hub.RemoteProtocolError, hub.RefusedError, hub.TimedOutError):
        assert issubclass(family, hub.IotHubError)
    assert issubclass(hub.RequestFailed, hub.IotHubError)


def raised() -> list[hub.IotHubError]:
    errors: list[hub.IotHubError] = []
    client = no_features(limits=hub.Limits(tx=1024))
    for call in (
        lambda: client.connect(now=1.0),
        lambda: client.send_telemetry(bytes(5000), now=1.0),
        lambda: client.twin_report(b"nonsense", now=1.0),
        lambda: hub.Identity("a b", "c"),
        lambda: hub.Client(hub.Identity("a", "c"), hub.Settings(keep_alive=1178)),
        lambda: hub.Settings(max_packet=-1),
        lambda: hub.Limits(commands=1 << 16),
        lambda: (client.receive_data(b"\xd3\x00", now=1.0), client.next_event(), client.next_event()),
    ):
        with pytest.raises(hub.IotHubError) as error:
            call()
        errors.append(error.value)
    return [*errors, hub.RequestFailed("m", hub.RequestFailure.STATUS, 429, b"x")]


def test_errors_can_be_copied() -> None:
    kinds = set()
    for error in raised():
        for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
            assert type(again) is type(error) and again.args == error.args and vars(again) == vars(error)
            assert str(again) == str(error) != ""
        kinds.add(type(error))
    assert len(kinds) >= 5


def test_settings_are_checked() -> None:
    for setting, value, field in [
        ("keep_alive", 1178, "keep_alive"),
        ("keep_alive", 1 << 40, "keep_alive"),
        ("max_packet", 63, "max_packet"),
        ("packet_limit", 1 << 31, "packet_limit"),
        ("send_window", 0, "send_window"),
        ("ping_timeout", 0.0, "timeout"),
    ]:
        with pytest.raises(hub.ConfigurationError) as bad:
            hub.Client(hub.Identity(HOST, "dev1"), hub.Settings(**{setting: value}))
        assert (bad.value.kind, bad.value.field) == (hub.Usage.BAD_SETTING, field)
    with pytest.raises(ValueError, match="negative"):
        hub.Settings(ping_timeout=-1)
    with pytest.raises(hub.LocalProtocolError, match="inputs"):
        hub.Client(hub.Identity(HOST, "dev1"), hub.Settings(features=hub.Feature.INPUTS))


def test_settings_are_what_was_said() -> None:
    settings = hub.Settings(keep_alive=60, ping_timeout=1.5, features=hub.Feature.TWIN, auto_accept=True)
    assert (settings.keep_alive, settings.ping_timeout, settings.auto_accept) == (60, 1.5, True)
    assert settings.features is hub.Feature.TWIN and settings.twin_sync is True
    assert repr(settings) == "Settings(features=2, auto_accept=True, keep_alive=60, ping_timeout=1.5)"
    assert settings == eval(repr(settings), vars(hub) | {"features": 2}) and settings != hub.Settings()
    documented = re.findall(r"^(\w+): (.*)", hub.Settings.__doc__ or "", re.M)
    assert len(documented) == 19
    for name, text in documented:
        default = eval(text.strip().rstrip(".").rpartition("default ")[2].partition(",")[0].replace(" MiB", " << 20"))
        assert getattr(hub.Settings(), name) == default, name
    assert hub.Limits() == hub.Limits(tx=1 << 20, commands=1024, messages=64)


SECRETS = ["my-password", KEY, "SharedAccessSignature sr=secret"]


def test_no_secret_is_shown() -> None:
    client = hub.Client(hub.Identity(HOST, "dev1"), hub.Settings(features=hub.Feature.NONE))
    client.connect("my-password", now=0.0)
    texts = [repr(client)]
    client.data_to_send()
    texts.append(repr(client))
    for text in (
        f"HostName={HOST};DeviceId=dev1;SharedAccessKey={KEY}",
        f"HostName={HOST};DeviceId=dev1;ModuleId=m;SharedAccessKey={KEY};SharedAccessKeyName=n",
        f"HostName={HOST};DeviceId=dev1;SharedAccessSignature=SharedAccessSignature sr=secret",
        f"HostName={HOST};DeviceId=dev1;x509=true",
    ):
        parsed = hub.ConnectionString(text)
        texts += [repr(parsed), repr(parsed.key), str(parsed), repr(parsed.identity)]
        for broken in (text + "\n;=", text.replace("HostName", "Hostname2"), text + " x", text[:-1] + "\u00e9"):
            with pytest.raises(hub.ConfigurationError) as error:
                hub.ConnectionString(broken)
            texts += [repr(error.value), str(error.value), repr(vars(error.value))]
    with pytest.raises(hub.ConfigurationError) as error:
        hub.SharedAccessKey(KEY[:-1])
    texts += [repr(error.value), repr(hub.SharedAccessKey(KEY))]
    for text in texts:
        assert not any(secret in text for secret in SECRETS), text
        assert KEY[:-1] not in text
    assert any("***" in text for text in texts)


def test_reprs_tell_what_matters() -> None:
    client = ready_client()
    client.receive_data(publish(MESSAGES + "a=1", b"x" * 1000, 1), now=1.0)
    assert "1044 bytes to read" in repr(client) and "READY" in repr(client) and "dev1" in repr(client)
    message = repr(client.next_event())
    assert len(message) < 250 and "<1000 bytes: b'xxxx" in message and "Properties('a=1')" in message
    assert repr(_enums.State.READY) == "<State.READY: 'ready'>"
    assert repr(hub.SystemProperties(message_id="a")) == "SystemProperties(message_id='a')"
    assert repr(hub.Identity("h", "d", "m", model_id="dtmi:x;1")) == 'Identity("h", "d", "m", model_id="dtmi:x;1")'
    assert repr(client.pending) == "Pending(telemetry=0, twin_requests=0, method_answers=0, messages=1)"


def test_events_are_immutable_and_final() -> None:
    for kind in {*hub.Event.__args__, *hub.ProvisioningEvent.__args__}:
        with pytest.raises(TypeError):
            type("Sub", (kind,), {})
        with pytest.raises(TypeError):
            kind()
        assert isinstance(kind.__match_args__, tuple) and kind.__module__ == "iothub_proto" and kind.__doc__
        assert all(hasattr(kind, name) for name in kind.__match_args__)
    client = ready_client()
    client.receive_data(publish(MESSAGES, b"x"), now=1.0)
    message = client.next_event()
    assert message is not None
    with pytest.raises(AttributeError):
        message.payload = b""
    with pytest.raises(AttributeError):
        message.other = 1

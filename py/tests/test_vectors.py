"""The vectors that Rust and C run, too."""

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from packets import MESSAGES, new_client, packets, publish, ready_client, topic_of

import iothub_proto as hub
from iothub_proto import ConnectionString, Identity, Properties, SharedAccessKey, SystemProperties, Usage

# Characters that no topic can carry in an id: such identities are signed for, but refused.
UNUSABLE = set("+# /") | {chr(c) for c in range(128, 1000)}

VECTORS = Path(__file__).parents[2] / "tests" / "vectors"


def vectors(file: str, name: str, least: int) -> list[Any]:
    """A list of vectors, at least so many: one that was emptied by mistake is no success."""
    found = json.loads((VECTORS / f"{file}.json").read_text())
    for part in name.split("."):
        found = found[part]
    assert isinstance(found, list) and len(found) >= least
    return found


def decoded(text: str | dict[str, str] | None) -> str | None:
    """A text of a vector; one that is not UTF-8 is given in hex."""
    return bytes.fromhex(text["hex"]).decode("utf-8", "surrogateescape") if isinstance(text, dict) else text


def identity_of(vector: dict[str, str | None]) -> Identity:
    return Identity(
        vector["host_name"] or "",
        vector["device_id"] or "",
        vector["module_id"],
        product=vector["product"],
        model_id=vector["model_id"],
        api_version=vector["api_version"],
    )


def resource_of(vector: dict[str, str]) -> str:
    match vector["kind"]:
        case "hub" | "device" | "module":
            return hub.resource_uri(vector["host_name"], vector.get("device_id"), vector.get("module_id"))
        case "registration":
            return hub.registration_uri(vector["id_scope"], vector["registration_id"])
        case "encoded":
            return vector["uri"]
        case kind:
            raise AssertionError(kind)


@pytest.mark.parametrize("vector", vectors("sas", "tokens", 27), ids=lambda vector: vector["name"])
def test_tokens(vector: dict[str, Any]) -> None:
    key, resource = SharedAccessKey(vector["key"]), resource_of(vector["resource"])
    expiry, key_name = vector["expiry"], vector["key_name"]
    to_sign = hub.string_to_sign(resource, expiry=expiry)
    assert to_sign.decode() == vector["string_to_sign"]
    signature = key.sign(to_sign)
    assert base64.b64encode(signature).decode() == vector["signature"]
    assert hub.sas_token(resource, signature, expiry=expiry, key_name=key_name) == vector["token"]
    assert key.token(resource, expiry=expiry, key_name=key_name) == vector["token"]
    if vector["resource"]["kind"] in ("device", "module") and not UNUSABLE & set(vector["resource"]["device_id"]):
        part = vector["resource"]
        identity = Identity(part["host_name"], part["device_id"], part.get("module_id"))
        assert key.token(identity, expiry=expiry + 0.5, key_name=key_name) == vector["token"]


def test_signatures_and_derived_keys() -> None:
    for vector in vectors("sas", "signatures", 1):
        signature = SharedAccessKey(vector["key"]).sign(vector["message"].encode())
        assert base64.b64encode(signature).decode() == vector["signature"]
        raw = SharedAccessKey.from_bytes(base64.b64decode(vector["key"]))
        assert raw.sign(vector["message"].encode()) == signature
    for vector in vectors("sas", "derived_keys", 4):
        derived = SharedAccessKey(vector["group_key"]).derive_device_key(vector["registration_id"])
        assert derived.sign(b"x") == SharedAccessKey(vector["device_key"]).sign(b"x")


@pytest.mark.parametrize("vector", vectors("sas", "bad_keys", 5), ids=lambda vector: vector["name"])
def test_bad_keys(vector: dict[str, Any]) -> None:
    with pytest.raises(hub.ConfigurationError) as bad:
        SharedAccessKey(vector["key"])
    assert bad.value.kind is Usage.BAD_KEY and bad.value.at == vector.get("at")
    assert len(vector["key"]) < 4 or vector["key"] not in str(bad.value)


@pytest.mark.parametrize("vector", vectors("identity", "good", 6), ids=lambda vector: vector["name"])
def test_identities(vector: dict[str, Any]) -> None:
    identity = identity_of(vector["identity"])
    assert identity.client_id == vector["client_id"]
    assert identity.user_name == vector["user_name"]
    assert identity.resource_uri == vector["resource_uri"]
    assert identity == identity_of(vector["identity"]) and hash(identity) == hash(identity_of(vector["identity"]))
    assert hub.Client(identity).identity == identity


@pytest.mark.parametrize("vector", vectors("identity", "bad", 22), ids=lambda vector: vector["name"])
def test_bad_identities(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as bad:
        identity_of(vector["identity"])
    assert isinstance(bad.value, hub.ConfigurationError) and bad.value.kind is Usage.BAD_TEXT
    field = re.sub("(?<=.)[A-Z]", lambda found: "_" + found[0], vector["field"]).lower()
    assert (bad.value.field, bad.value.at) == (field, vector["at"])


@pytest.mark.parametrize("vector", vectors("connection_strings", "good", 22), ids=lambda vector: vector["name"])
def test_connection_strings(vector: dict[str, Any]) -> None:
    if UNUSABLE & set(vector["device_id"]):
        with pytest.raises(hub.ConfigurationError) as unusable:
            ConnectionString(vector["text"])
        assert unusable.value.field == "device_id"
        return
    parsed = ConnectionString(vector["text"])
    identity, credential = parsed.identity, vector["credential"]
    assert (identity.host_name, identity.device_id) == (vector["host_name"], vector["device_id"])
    assert identity.module_id == vector["module_id"]
    assert parsed.connect_host == vector["connect_host"]
    assert parsed.unknown_keys == vector["unknown_keys"]
    password = parsed.password(expiry=1767225600)
    assert parsed.x509 == (credential["kind"] == "x509")
    match credential["kind"]:
        case "key":
            key = SharedAccessKey(credential["key"])
            assert parsed.key is not None and parsed.key.sign(b"x") == key.sign(b"x")
            assert parsed.key_name == credential["name"]
            assert password == key.token(identity, expiry=1767225600, key_name=credential["name"])
        case "token":
            assert password == parsed.token == credential["token"]
        case _:
            assert password is None and parsed.key is None and parsed.token is None


@pytest.mark.parametrize("vector", vectors("connection_strings", "bad", 44), ids=lambda vector: vector["name"])
def test_bad_connection_strings(vector: dict[str, Any]) -> None:
    with pytest.raises(hub.ConfigurationError) as bad:
        ConnectionString(vector["text"])
    assert bad.value.kind is Usage.BAD_CONNECTION_STRING
    assert (bad.value.field, bad.value.at) == (vector.get("key"), vector.get("at"))


@pytest.mark.parametrize("vector", vectors("properties", "received", 37), ids=lambda vector: vector["rule"])
def test_received_properties(vector: dict[str, Any]) -> None:
    properties = Properties(vector["bag"])
    assert properties.raw == vector["bag"]
    assert properties.pairs() == [(decoded(name), decoded(value)) for name, value in vector["pairs"]]
    application = [(decoded(name), decoded(value)) for name, value in vector["application"]]
    assert properties.multi_items() == application
    first = dict(reversed(application))
    assert dict(properties) == first and list(properties) == list(dict(application))
    system = {name: decoded(value) for name, value in vector["system"].items()}
    assert properties.system == SystemProperties(**system)


@pytest.mark.parametrize("vector", vectors("properties", "sent", 8), ids=lambda vector: vector["rule"])
def test_sent_properties(vector: dict[str, Any]) -> None:
    module = "m" if "output" in vector["system"] else None
    client = ready_client(module=module)
    client.send_telemetry(b"", vector["application"], now=0.0, system=SystemProperties(**vector["system"]))
    [(_, body)] = packets(client.data_to_send())
    assert topic_of(body).split("/messages/events/")[1] == vector["bag"]


@pytest.mark.parametrize("vector", vectors("topics", "received", 60), ids=lambda vector: vector["rule"])
def test_received_topics(vector: dict[str, Any]) -> None:
    if UNUSABLE & set(vector["device"]):
        with pytest.raises(hub.ConfigurationError):
            Identity("h", vector["device"])
        return
    client = hub.Client(Identity("h", vector["device"], vector["module"]), hub.Settings(twin_sync=False))
    client.connect(now=0.0)
    client.data_to_send()
    client.receive_data(b"\x20\x02\x00\x00" + publish(vector["topic"], b"{}"), now=0.0)
    assert isinstance(client.next_event(), hub.Connected)
    event, means = client.next_event(), vector["means"]
    if set("+#") & set(vector["topic"]) or not vector["topic"]:
        # No topic name at all (MQTT 3.1.1, 3.3.2.1 and 4.7.3).
        assert isinstance(event, hub.Disconnected) and isinstance(event.error, hub.RemoteProtocolError)
        return
    match means["kind"]:
        case "cloud_to_device":
            assert isinstance(event, hub.Message) and event.input is None and event.properties.raw == means["bag"]
        case "input":
            assert isinstance(event, hub.Message) and event.input == means["name"]
            assert event.properties.raw == means["bag"]
        case "method":
            assert isinstance(event, hub.MethodCall) and event.name == means["name"]
            assert str(event.request) == means["request_id"]
        case "desired":
            assert isinstance(event, hub.TwinDesired) and event.version == means["version"]
        case "twin_response":
            assert event is None, "nobody asked"
        case "unknown":
            assert isinstance(event, hub.Unknown) and event.topic == vector["topic"]
        case kind:
            raise AssertionError(kind)


def test_every_system_property_is_known() -> None:
    """The vectors name what the machine calls by the same name."""
    names = {name for vector in vectors("properties", "received", 37) for name in vector["system"]}
    fields = {name for name, kind in vars(SystemProperties).items() if name[0] != "_" and not callable(kind)}
    assert names <= fields
    client = ready_client(module="m")
    client.send_telemetry(b"", now=0.0, system=SystemProperties(**{name: name for name in fields}))
    [(_, body)] = packets(client.data_to_send())
    received = Properties(topic_of(body).split("/messages/events/")[1])
    assert len(received.pairs()) == len(fields) == 18 and dict(received) == {}
    assert received.system == SystemProperties(**{name: name for name in fields})
    assert all(getattr(received.system, name) == name for name in fields)
    assert new_client().identity.device_id in MESSAGES

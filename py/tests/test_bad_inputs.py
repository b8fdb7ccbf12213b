"""Bytes that no hub should send, by the table that Rust and C run, too."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packets import CONNACK, new_client, puback, suback

import iothub_proto as hub
from iothub_proto import Client, Feature

TABLE = Path(__file__).parents[2] / "tests" / "vectors" / "bad_inputs.json"
ROWS: list[dict[str, Any]] = json.loads(TABLE.read_text())["inputs"]
PACKET_ID = 1


def brought(state: str) -> Client:
    """A client in the row's state, with one QoS 1 message."""
    client = new_client(features=Feature.MESSAGES, keep_alive=0, clean_session=state == "connecting_clean")
    client.send_telemetry(b"kept", now=1.0)
    client.connect(now=1.0)
    assert client.data_to_send()[:1] == b"\x10"
    if state in ("subscribing", "connected"):
        assert fed(client, [CONNACK]) == (["Connected"], None)
        subscribe = client.data_to_send()
        if state == "connected":
            assert fed(client, [suback(subscribe)]) == (["Ready"], None)
            assert client.data_to_send()[:1] == b"\x32"
    return client


def name_of(event: hub.Event) -> str:
    match event:
        case hub.Connected(session_present=True):
            return "Connected session_present"
        case hub.Ready(refused=refused) if refused:
            assert refused == Feature.MESSAGES
            return "Ready refused"
        case hub.Unknown(retain=True):
            return "Unknown retain"
        case _:
            return type(event).__name__


def fed(client: Client, chunks: Iterable[bytes]) -> tuple[list[str], hub.IotHubError | None]:
    """The names of the events, and the error at the end."""
    names: list[str] = []
    for chunk in chunks:
        client.receive_data(chunk, now=1.0)
        try:
            names += map(name_of, iter(client.next_event, None))
        except hub.IotHubError as error:
            return names, error
    return names, None


def lives_again(client: Client) -> None:
    """Another connection makes it live, and the message is acknowledged there."""
    client.connect(now=1.0)
    client.data_to_send()
    fed(client, [CONNACK])
    fed(client, [suback(client.data_to_send())])
    assert client.data_to_send()[:1] == b"\x32"
    assert fed(client, [puback(PACKET_ID)]) == (["TelemetryAcked"], None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['row']}-{row['name']}")
def test_ends_as_the_table_says_however_it_is_split(row: dict[str, Any]) -> None:
    data = bytes.fromhex(row["bytes"].replace("PP", f"{PACKET_ID:04x}").replace("SS", "ffff"))
    events, wanted = row.get("events", []), row.get("error")
    splits = [[data[:at], data[at:]] for at in range(1, len(data))]
    for chunks in [[data], *splits, [data[at : at + 1] for at in range(len(data))]]:
        client = brought(row["state"])
        names, error = fed(client, chunks)
        if wanted is None:
            assert (names, error) == (events, None)
            assert (client.strays, client.data_to_send().hex()) == (row["strays"], row["sent"])
            continue
        assert names == [*events, "Disconnected"]
        if wanted["family"] == "Peer":
            assert isinstance(error, hub.RemoteProtocolError)
            assert error.kind.name.replace("_", "") == wanted["violation"].upper()
            assert error.offset == wanted["offset"]
        else:
            assert isinstance(error, hub.RefusedError) and error.code == wanted["code"]
        with pytest.raises(type(error)) as again:
            client.next_event()
        assert vars(again.value) == vars(error) and client.data_to_send() == b""
        lives_again(client)


def test_the_table_has_all_rows() -> None:
    assert [row["row"] for row in ROWS] == list(range(1, 207))

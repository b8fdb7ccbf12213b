"""The hub's side of a conversation, by hand."""

from iothub_proto import Client, Event, Feature, Identity, Limits, Ready, Settings

HOST = "contoso.azure-devices.net"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
CONNACK = bytes.fromhex("20020000")
MESSAGES = "devices/dev1/messages/devicebound/"


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2) + data


def packet(first: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = rest >> 7, rest & 0x7F
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([first]) + length + body


def publish(topic: str, payload: bytes = b"", packet_id: int | None = None, *, dup: bool = False) -> bytes:
    ident = b"" if packet_id is None else packet_id.to_bytes(2)
    return packet(0x30 | (ident != b"") << 1 | dup << 3, text(topic) + ident + payload)


def puback(packet_id: int) -> bytes:
    return b"\x40\x02" + packet_id.to_bytes(2)


def suback(subscribe: bytes, refused: int = 0) -> bytes:
    """Grants what a SUBSCRIBE asks for, but for so many filters at its end."""
    [(first, body)] = packets(subscribe)
    assert first == 0x82
    codes, rest = b"", body[2:]
    while rest:
        end = 2 + int.from_bytes(rest[:2])
        codes, rest = codes + rest[end : end + 1], rest[end + 1 :]
    codes = codes[: len(codes) - refused] + b"\x80" * refused
    return packet(0x90, body[:2] + codes)


def packets(data: bytes) -> list[tuple[int, bytes]]:
    """First byte and body of each packet."""
    found: list[tuple[int, bytes]] = []
    while data:
        length, at = 0, 1
        while True:
            length |= (data[at] & 0x7F) << 7 * (at - 1)
            at += 1
            if data[at - 1] < 0x80:
                break
        found.append((data[0], data[at : at + length]))
        data = data[at + length :]
    return found


def topic_of(publish_body: bytes) -> str:
    return publish_body[2 : 2 + int.from_bytes(publish_body[:2])].decode()


def packet_id_of(publish_body: bytes) -> int:
    at = 2 + int.from_bytes(publish_body[:2])
    return int.from_bytes(publish_body[at : at + 2])


def new_client(*, limits: Limits | None = None, module: str | None = None, **settings: object) -> Client:
    made = Settings(**{"twin_sync": False, **settings})
    return Client(Identity(HOST, "dev1", module), made, limits)


def sign_in(client: Client, now: float = 0.0, *, session_present: bool = False) -> Ready:
    """Brings a client to Ready."""
    client.connect("the password", now=now)
    assert client.data_to_send()[:1] == b"\x10"
    client.receive_data(b"\x20\x02" + bytes([session_present, 0]), now=now)
    client.next_event()
    event = client.next_event()
    if event is None:
        client.receive_data(suback(client.data_to_send()), now=now)
        event = client.next_event()
    assert isinstance(event, Ready)
    return event


def ready_client(*, limits: Limits | None = None, module: str | None = None, **settings: object) -> Client:
    client = new_client(limits=limits, module=module, **settings)
    sign_in(client)
    return client


def no_features(**settings: object) -> Client:
    """Nothing is subscribed, so CONNACK makes it ready."""
    return ready_client(features=Feature.NONE, **settings)


def events(client: Client) -> list[Event]:
    return list(iter(client.next_event, None))

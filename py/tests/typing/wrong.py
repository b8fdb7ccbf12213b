"""What a type checker must refuse: each line marked so, and no other."""

from typing import assert_never

from iothub_proto import Client, Connected, Event, Identity, Message, Properties, Settings, TelemetryToken


def wrong(client: Client, event: Event, token: TelemetryToken, properties: Properties) -> None:
    client.receive_data(b"", 1.0)  # wrong
    client.receive_data("text", now=1.0)  # wrong
    client.send_telemetry(b"")  # wrong
    client.send_telemetry(b"", {"a": 1}, now=1.0)  # wrong
    client.send_telemetry("text", now=1.0)  # wrong
    client.message_accept(token, now=1.0)  # wrong
    client.method_respond("1", 200, now=1.0)  # wrong
    client.telemetry_withdraw(5, now=1.0)  # wrong
    client.subscribe(4, now=1.0)  # wrong
    client.state = client.state  # wrong
    properties["a"] = "b"  # wrong
    length = len(properties["a"])  # wrong
    Settings(60)  # wrong
    Identity("h")  # wrong
    Client("h", "d")  # wrong
    event.payload  # wrong

    class Mine(Message):  # wrong
        pass

    match event:
        case Message(payload=payload):
            payload.append(1)  # wrong
        case Connected(1, 2):  # wrong
            print(length, Mine)
        case _:
            assert_never(event)  # wrong

"""Microsoft's Python SDK as a client of the hub simulator.

Reads a connection string and the file of the certificate to trust from its arguments, signs in, and then
tells by telemetry what it sees, so that the service's side can check it. Ends when told to by a method.
"""

import json
import sys
import threading

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse


def main() -> None:
    connection_string, ca_file = sys.argv[1:]
    with open(ca_file, encoding="ascii") as file:
        ca = file.read()
    client = IoTHubDeviceClient.create_from_connection_string(connection_string, server_verification_cert=ca)
    stop = threading.Event()

    def tell(what: str, **facts: object) -> None:
        message = Message(json.dumps(facts), content_type="application/json", content_encoding="utf-8")
        message.custom_properties["what"] = what
        client.send_message(message)

    def on_message(message: Message) -> None:
        tell(
            "message",
            data=message.data.decode(),
            id=message.message_id,
            correlation_id=message.correlation_id,
            properties=message.custom_properties,
        )

    def on_patch(patch: dict) -> None:
        tell("patch", patch=patch)

    def on_method(request) -> None:
        if request.name == "stop":
            client.send_method_response(MethodResponse.create_from_method_request(request, 200, None))
            stop.set()
        else:
            answer = {"name": request.name, "payload": request.payload}
            client.send_method_response(MethodResponse.create_from_method_request(request, 207, answer))

    client.on_message_received = on_message
    client.on_twin_desired_properties_patch_received = on_patch
    client.on_method_request_received = on_method
    client.connect()
    twin = client.get_twin()
    client.patch_twin_reported_properties({"interval": twin["desired"]["interval"], "list": [1, {"a": None}]})
    tell("ready", twin=twin, special="a b/ü%?&=")
    stop.wait(60)
    client.shutdown()


if __name__ == "__main__":
    main()

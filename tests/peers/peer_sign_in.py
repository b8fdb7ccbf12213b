"""Microsoft's Python SDK signs in for everything a device can receive, says so, and leaves."""

import sys

from azure.iot.device import IoTHubDeviceClient, Message


def main() -> None:
    connection_string, ca_file = sys.argv[1:]
    with open(ca_file, encoding="ascii") as file:
        ca = file.read()
    client = IoTHubDeviceClient.create_from_connection_string(connection_string, server_verification_cert=ca)
    client.connect()
    client.on_message_received = lambda message: None
    client.on_method_request_received = lambda request: None
    client.on_twin_desired_properties_patch_received = lambda patch: None
    # Answers to twin requests are subscribed by the first of them.
    client.get_twin()
    ready = Message("{}")
    ready.custom_properties["what"] = "ready"
    client.send_message(ready)
    client.shutdown()


if __name__ == "__main__":
    main()

"""The service's side of IoT Hub behind an MQTT broker that knows nothing of it: a plain client plays the hub.

Reads the broker's port on 127.0.0.1 from its arguments. On its input it takes commands, one a line, until that ends:

    send dev1 hello             a cloud-to-device message
    invoke dev1 7 echo {"a":1}  a method call with request id 7
    desired dev1 {"a":1}        a patch of the desired properties

On its output it tells what happens, one JSON object a line. Its session is persistent, so what the broker has for it
waits while either is away. One device has one twin here, since `$iothub` topics name no device.
"""

import json
import sys

import paho.mqtt.client as mqtt

FILTERS = ["devices/+/messages/events/#", "$iothub/methods/res/#", "$iothub/twin/GET/#", "$iothub/twin/PATCH/properties/reported/#"]

desired = {"$version": 1}
reported = {"$version": 1}


def tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def on_connect(client: mqtt.Client, _data: object, flags: dict, _code: int) -> None:
    tell("connected", session_present=bool(flags["session present"]))
    client.subscribe([(filter, 1) for filter in FILTERS])


def on_subscribe(_client: mqtt.Client, _data: object, _mid: int, granted: tuple) -> None:
    tell("subscribed", granted=list(granted))


def on_message(client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
    topic, payload = message.topic, message.payload
    rid = topic.partition("$rid=")[2]
    if topic.startswith("devices/"):
        tell("telemetry", topic=topic, qos=message.qos, body=json.loads(payload))
    elif topic.startswith("$iothub/methods/res/"):
        tell("answer", status=int(topic.split("/")[3]), rid=rid, payload=payload.decode())
    elif topic.startswith("$iothub/twin/GET/"):
        document = json.dumps({"desired": desired, "reported": reported})
        client.publish(f"$iothub/twin/res/200/?$rid={rid}", document, qos=1)
    else:
        patch = json.loads(payload)
        reported.update(patch)
        reported["$version"] += 1
        client.publish(f"$iothub/twin/res/204/?$rid={rid}&$version={reported['$version']}", None, qos=1)
        tell("reported", patch=patch)


def run(client: mqtt.Client, command: str) -> None:
    verb, device, rest = command.rstrip("\n").split(" ", 2)
    if verb == "send":
        topic = f"devices/{device}/messages/devicebound/%24.mid={rest}&%24.to=%2Fdevices%2F{device}%2Fmessages%2FdeviceBound"
        client.publish(topic, rest, qos=1)
    elif verb == "invoke":
        rid, method, payload = rest.split(" ", 2)
        client.publish(f"$iothub/methods/POST/{method}/?$rid={rid}", payload, qos=1)
    elif verb == "desired":
        patch = json.loads(rest)
        desired.update(patch)
        desired["$version"] += 1
        patch["$version"] = desired["$version"]
        client.publish(f"$iothub/twin/PATCH/properties/desired/?$version={patch['$version']}", json.dumps(patch), qos=1)


def main() -> None:
    options = {"callback_api_version": mqtt.CallbackAPIVersion.VERSION1} if hasattr(mqtt, "CallbackAPIVersion") else {}
    client = mqtt.Client(client_id="hub", clean_session=False, protocol=mqtt.MQTTv311, **options)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.reconnect_delay_set(0.05, 0.2)
    client.connect("127.0.0.1", int(sys.argv[1]), keepalive=30)
    client.loop_start()
    for command in sys.stdin:
        run(client, command)
    client.loop_stop()


if __name__ == "__main__":
    main()

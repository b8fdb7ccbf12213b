"""The plain MQTT client paho against the hub simulator, as the documentation tells how to do it by hand.

Reads a connection string and the file of the certificate to trust from its arguments. Drops its connection
without DISCONNECT at the end, so that its will is published.
"""

import base64
import hashlib
import hmac
import json
import ssl
import sys
import threading
import time
import urllib.parse

import paho.mqtt.client as mqtt


def sas_token(resource: str, key: str) -> str:
    quoted = urllib.parse.quote(resource, safe="")
    expiry = int(time.time()) + 3600
    digest = hmac.new(base64.b64decode(key), f"{quoted}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(digest), safe="")
    return f"SharedAccessSignature sr={quoted}&sig={signature}&se={expiry}"


def main() -> None:
    connection_string, ca_file = sys.argv[1:]
    fields = dict(pair.split("=", 1) for pair in connection_string.split(";"))
    host, device, key = fields["HostName"], fields["DeviceId"], fields["SharedAccessKey"]
    options = {} if not hasattr(mqtt, "CallbackAPIVersion") else {"callback_api_version": mqtt.CallbackAPIVersion.VERSION1}
    client = mqtt.Client(client_id=device, clean_session=False, protocol=mqtt.MQTTv311, **options)
    client.username_pw_set(f"{host}/{device}/?api-version=2021-04-12", sas_token(f"{host}/devices/{device}", key))
    client.tls_set(ca_certs=ca_file, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    events = f"devices/{device}/messages/events/"
    client.will_set(f"{events}what=will", json.dumps({"gone": True}), qos=1)
    got = {name: threading.Event() for name in ("subscribed", "twin", "message")}

    def on_subscribe(_client, _data, _mid, granted, *_rest) -> None:
        assert list(granted) == [1, 1], granted
        got["subscribed"].set()

    def on_message(_client, _data, message) -> None:
        if message.topic.startswith("$iothub/twin/res/200/?$rid=first"):
            got["twin"].set()
        elif message.topic.startswith(f"devices/{device}/messages/devicebound/%24.mid="):
            got["message"].set()

    client.on_subscribe, client.on_message = on_subscribe, on_message
    client.connect(host, 8883, keepalive=30)
    client.loop_start()
    client.subscribe([(f"devices/{device}/messages/devicebound/#", 2), ("$iothub/twin/res/#", 1)])
    assert got["subscribed"].wait(20)
    client.publish("$iothub/twin/GET/?$rid=first", None, qos=1).wait_for_publish(20)
    assert got["twin"].wait(20)
    client.publish(f"{events}what=ready", json.dumps({"n": 1}), qos=1, retain=True).wait_for_publish(20)
    assert got["message"].wait(20)
    client.publish(f"{events}what=done&x", json.dumps({"n": 2}), qos=0).wait_for_publish(20)
    # Long after its PUBACK of the message: it is written by the same thread.
    client.publish(f"{events}what=last", json.dumps({"n": 3}), qos=1).wait_for_publish(20)
    client.socket().shutdown(2)
    client.loop_stop()


if __name__ == "__main__":
    main()

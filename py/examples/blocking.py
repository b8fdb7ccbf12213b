"""A device on a blocking socket: python blocking.py CONNECTION_STRING [CAFILE [PORT]]"""

import random
import socket
import ssl
import sys
import time
from time import monotonic as now

import iothub_proto as iot

TTL = 3600.0


def handle(client: iot.Client, event: iot.Event) -> None:
    print(event, flush=True)
    match event:
        case iot.Message(token=token) if token is not None:
            client.message_accept(token, now=now())
        case iot.MethodCall(request=request):
            client.method_respond(request, 200, b"{}", now=now())
        case iot.CredentialExpiring():
            client.disconnect(now=now())
        case _:
            pass


def live(client: iot.Client, link: ssl.SSLSocket) -> None:
    """One connection: events, then bytes out, then sleep until there are bytes in or a deadline."""
    while True:
        while (event := client.next_event()) is not None:
            handle(client, event)
        if client.state is iot.State.OFFLINE:
            return
        link.sendall(client.data_to_send(now=now()))
        deadline = client.next_deadline()
        link.settimeout(None if deadline is None else max(deadline - now(), 0.001))
        try:
            client.receive_data(link.recv(65536), now=now())
        except TimeoutError:
            client.handle_timeout(now=now())


secret, backoff = iot.ConnectionString(sys.argv[1]), iot.Backoff()
context = ssl.create_default_context(cafile=sys.argv[2] if len(sys.argv) > 2 else None)
address = secret.connect_host, int(sys.argv[3]) if len(sys.argv) > 3 else 8883
client = iot.Client(secret.identity)
client.send_telemetry(b"21.5", {"room": "kitchen"}, now=now())
while True:
    try:
        with context.wrap_socket(socket.create_connection(address, 30), server_hostname=address[0]) as link:
            client.connect(secret.password(expiry=int(time.time() + TTL)), lifetime=TTL, now=now())
            live(client, link)
    except (OSError, iot.IotHubError) as error:
        print(error, flush=True)
    if client.state not in (iot.State.OFFLINE, iot.State.FAILED):
        client.receive_eof(now=now())
    time.sleep(backoff.next(iot.RetryCause.LOST, random=random.getrandbits(32)).after)

"""An asyncio device on the standard library alone.

>>> async with Device.from_connection_string(text) as device:
...     await device.send({"temperature": 21.5})
...     async for message in device.messages():
...         print(message.text())
"""

from ._delivery import Delivery, DeliveryStatus, SendTimeout, Undelivered
from ._device import Device
from ._endpoint import ProxyError
from ._message import Message, Messages
from ._methods import MethodRequest
from ._provision import provision
from ._sign_in import Credential, tls_context
from ._states import Closed, Connecting, ConnectionLost, ConnectionState, DeviceClosed, Offline, Online
from ._twin import Desired, DesiredPatch, Twin

__all__ = [
    "Closed",
    "Connecting",
    "ConnectionLost",
    "ConnectionState",
    "Credential",
    "Delivery",
    "DeliveryStatus",
    "Desired",
    "DesiredPatch",
    "Device",
    "DeviceClosed",
    "Message",
    "Messages",
    "MethodRequest",
    "Offline",
    "Online",
    "ProxyError",
    "SendTimeout",
    "Twin",
    "Undelivered",
    "provision",
    "tls_context",
]

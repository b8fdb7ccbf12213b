"""A device from the factory: it asks which hub it belongs to, and asks again when that hub refuses it for long.

    python provisioned.py ID_SCOPE REGISTRATION_ID KEY [CA_FILE [SERVICE_HOST SERVICE_PORT HUB_PORT]]
"""

import asyncio
import sys

from iothub_proto import SharedAccessKey
from iothub_proto.aio import Credential, Device, Offline, provision, tls_context


async def main(
    id_scope: str,
    registration_id: str,
    key: str,
    cafile: str | None = None,
    host: str = "global.azure-devices-provisioning.net",
    port: str = "8883",
    hub_port: str = "8883",
) -> None:
    credential, ssl = Credential(SharedAccessKey(key)), tls_context(cafile)
    while True:
        assigned = await provision(id_scope, registration_id, credential, ssl=ssl, host=host, port=int(port))
        print(f"{assigned.device_id} belongs to {assigned.hub}", flush=True)
        async with Device(assigned.identity, credential, ssl=ssl, port=int(hub_port)) as device:
            await device.send({"temperature": 21.5}, properties={"room": "kitchen"})
            async for state in device.states():
                if isinstance(state, Offline) and state.reprovision:
                    break


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""An OPC UA mailbox server as a process of its own whose PLC does nothing but count heartbeats.

Starts in a fraction of the time of ``python -m plc_sim``: there is no plant to compile.
"""

from __future__ import annotations

import asyncio
import json

from plc_sim.image import MailboxImage
from plc_sim.opcua_server import OpcUaMailboxServer
from sorter.config.models import OpcUaTags
from sorter.model.mailbox import LAYOUT_VERSION, STATUS_BOOT_ID, STATUS_HEARTBEAT, STATUS_VERSION


async def serve() -> None:
    image = MailboxImage(low_word_first=False, event_slots=37, scan_slots=5)
    image.status[STATUS_VERSION] = LAYOUT_VERSION
    image.status[STATUS_BOOT_ID] = 1
    server = OpcUaMailboxServer(image, OpcUaTags())
    await server.start()
    print(json.dumps({"event": "listening", "opcua_port": server.port}), flush=True)  # noqa: T201
    while True:
        image.status[STATUS_HEARTBEAT] += 1
        await server.publish()
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(serve())

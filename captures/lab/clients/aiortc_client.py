"""aiortc offers a data channel: ``aiortc_client.py FOLDER STUN_URL [call]``.

As every client here it writes what it gathered to ``FOLDER/offer``; in a call it takes
``FOLDER/answer`` and says so when it is connected.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiortc


async def main(folder: Path, server: str, *, call: bool) -> None:
    """Offer, and in a call connect."""
    configuration = aiortc.RTCConfiguration([aiortc.RTCIceServer(server)])
    connection = aiortc.RTCPeerConnection(configuration)
    channel = connection.createDataChannel("lab")
    opened = asyncio.Event()
    channel.on("open", lambda: opened.set())
    await connection.setLocalDescription(await connection.createOffer())
    sdp = connection.localDescription.sdp
    said = {"program": f"aiortc {aiortc.__version__}", "sdp": sdp}
    (folder / ".offer").write_text(json.dumps(said))
    (folder / ".offer").rename(folder / "offer")
    while call and not (folder / "answer").exists():
        await asyncio.sleep(0.05)
    if call:
        answer = (folder / "answer").read_text()
        await connection.setRemoteDescription(aiortc.RTCSessionDescription(answer, "answer"))
        await opened.wait()
        channel.send("hello from aiortc")
        print("connected", flush=True)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], call="call" in sys.argv[3:]))

"""Programs on the client that a page may talk to, or that talk to each other.

``python -m captures.lab.local_programs listen`` takes what comes and answers
nothing, as the apps did that trackers handed cookies to; ``... agent FOLDER HERE THERE`` is one end
of an ICE connection over the loopback, which finds the other's description in ``FOLDER``; ``...
members FOLDER HERE THERE ADDRESS...`` has an end on each of the addresses, as members of a
conference have one towards each of the others.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

from aioice import Candidate, Connection, ice

LISTENED_PORT = 12580


def _listen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("", LISTENED_PORT))
        print("ready", flush=True)
        while True:
            print("heard", here.recv(1500), flush=True)


async def _agent(folder: Path, here: str, there: str, address: str = "127.0.0.1") -> None:
    agent = Connection(ice_controlling=here < there)
    # aioice leaves the loopback out; programs that know they share a host do not.
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: [address]
    await agent.gather_candidates()
    lines = [candidate.to_sdp() for candidate in agent.local_candidates]
    said = json.dumps([agent.local_username, agent.local_password, lines])
    (folder / f".{here}").write_text(said)
    (folder / f".{here}").rename(folder / here)
    while not (folder / there).exists():
        await asyncio.sleep(0.05)
    agent.remote_username, agent.remote_password, theirs = json.loads((folder / there).read_text())
    for line in theirs:
        await agent.add_remote_candidate(Candidate.from_sdp(line))
    await agent.add_remote_candidate(None)
    await agent.connect()
    for _ in range(5):
        await agent.send(f"hello from {here}".encode())
        await agent.recv()
        await asyncio.sleep(0.1)
    print("connected", flush=True)
    await asyncio.sleep(1)
    await agent.close()


async def _members(folder: Path, here: str, there: str, *addresses: str) -> None:
    ends = []
    for number, address in enumerate(addresses):
        ends.append(
            asyncio.create_task(_agent(folder, f"{here}{number}", f"{there}{number}", address))
        )
        # The next one gathers from another address.
        while not (folder / f"{here}{number}").exists():
            await asyncio.sleep(0.01)
    await asyncio.gather(*ends)
    print("all connected", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        _listen()
    elif sys.argv[1] == "members":
        asyncio.run(_members(Path(sys.argv[2]), *sys.argv[3:]))
    else:
        asyncio.run(_agent(Path(sys.argv[2]), *sys.argv[3:]))

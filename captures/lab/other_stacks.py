"""Stories of WebRTC stacks that are no browsers, as clients; `scripts/lab-stacks` installs them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from . import stories
from .network import CLIENT, PEER, STUN, Host
from .processes import Process, wait_until
from .servers import TURN_PASSWORD, TURN_USER
from .session import PAGE_URL, STUN_ONLY, Lab, call

_CLIENTS = Path(__file__).with_name("clients")
_INSTALLED = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "pcapleak-lab"
_COMMANDS = {
    "aiortc": (f"{_INSTALLED}/aiortc/bin/python", f"{_CLIENTS}/aiortc_client.py"),
    "libdatachannel": ("node", f"{_CLIENTS}/libdatachannel.cjs"),
    "pion": (f"{_INSTALLED}/pion",),
    "webrtcbin": ("/usr/bin/python3", f"{_CLIENTS}/webrtcbin_client.py"),
    "werift": ("node", f"{_CLIENTS}/werift.cjs"),
}
STACKS = tuple(_COMMANDS)


def install() -> None:
    """Install what is missing of the stacks, before the first one of a run is used."""
    script = Path(__file__).parents[2] / "scripts" / "lab-stacks"
    subprocess.run(["sh", script, _INSTALLED], check=True, stdout=subprocess.DEVNULL)


def offer(lab: Lab, stack: str, *, connect: bool = False) -> None:
    """The stack offers a data channel, and with ``connect`` reaches a Chromium on the internet."""
    install()
    folder = lab.net.client.new_folder(stack)
    lab.start()
    there = stories.with_microphone(lab, host=lab.net.peer) if connect else None
    lab.record("eth0")
    process = lab.net.client.start(
        *_COMMANDS[stack], str(folder), STUN_ONLY["iceServers"][0]["urls"],
        *(["call"] if connect else []),
        environment={
            "HOME": str(lab.scratch),
            "NODE_PATH": str(_INSTALLED / "node_modules"),
            "PION_VERSION": _version("golang-github-pion-webrtc.v3-dev"),
        },
    )  # fmt: skip
    lab.enter(process)
    wait_until((folder / "offer").exists, f"{stack} to gather", 20)
    said = json.loads((folder / "offer").read_text())
    # Of each candidate some stacks tell a second component, which they do not have.
    own = [row for row in _candidates(said["sdp"]) if row["line"].split()[1] == "1"]
    lab.program = {"program": said["program"], "candidates": own}
    if there is not None:
        answer = call(there, "answer", "b", STUN_ONLY, said["sdp"])
        (folder / ".answer").write_text(answer)
        (folder / ".answer").rename(folder / "answer")
        process.wait_for("connected", 20)
        time.sleep(1)


def _version(package: str) -> str:
    """The version of what a Debian package holds, without Debian's own revision."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.rpartition("-")[0]


def _candidates(sdp: str) -> list[dict[str, Any]]:
    return [
        {"who": "a", "line": line[2:]}
        for line in sdp.splitlines()
        if line.startswith("a=candidate:")
    ]


def qtwebengine(lab: Lab) -> None:
    """The leak page in QtWebEngine, whose engine is an older Chromium's."""
    install()
    folder = lab.net.client.new_folder("qtwebengine")
    lab.start()
    lab.record("eth0")
    _in_qtwebengine(lab, "qtwebengine_client.py", folder, PAGE_URL, json.dumps(STUN_ONLY))
    wait_until((folder / "reading").exists, "the page in QtWebEngine to gather", 30)
    lab.program = json.loads((folder / "reading").read_text())


def own_page_in_qtwebengine(lab: Lab, url: str, proxy: str | None) -> tuple[Path, list[str]]:
    """The page of `pcapleak page`, started and saved by clicks: the folder of its reading, and what
    it loaded beside itself."""
    folder = lab.net.client.new_folder("qtwebengine")
    given = [proxy.rpartition("/")[2]] if proxy else []
    _in_qtwebengine(lab, "qtwebengine_page.py", folder, url, *given)
    loaded = folder / "loaded"
    wait_until(lambda: loaded.exists() and loaded.read_text(), "the page's reading", 40)
    return folder, json.loads(loaded.read_text())


def _in_qtwebengine(lab: Lab, client: str, folder: Path, *arguments: str) -> None:
    process = lab.net.client.start(
        "/usr/bin/python3", f"{_CLIENTS}/{client}", str(folder), *arguments,
        environment={
            "HOME": str(lab.scratch),
            "QT_QPA_PLATFORM": "offscreen",
            "QTWEBENGINE_DISABLE_SANDBOX": "1",
            "XDG_RUNTIME_DIR": str(lab.scratch),
        },
    )  # fmt: skip
    lab.enter(process)


def turn_client(lab: Lab) -> None:
    """coturn's TURN client, which sends a few messages to a peer through a relay."""
    lab.start()
    lab.record("eth0")
    with (
        lab.net.peer.start("turnutils_peer", "-L", PEER, "-p", "3480"),
        lab.net.client.start(
            "turnutils_uclient", "-v", "-u", TURN_USER, "-w", TURN_PASSWORD, "-e", PEER,
            "-r", "3480", "-n", "3", "-m", "1", "-c", STUN,
        ) as client,
    ):  # fmt: skip
        client.wait_for("Total lost packets", 30)
        said = client.output()
    relays = {line.rpartition(" ")[2] for line in said.splitlines() if "relay addr" in line}
    version = _version("coturn")
    lab.program = {
        "program": f"coturn's turnutils_uclient {version}",
        "candidates": [
            {"who": "a", "line": f"candidate:1 1 udp 0 {address} {port} typ relay"}
            for address, _, port in (relay.rpartition(":") for relay in sorted(relays))
        ],
    }


_BARESIP = """\
sip_listen {address}:5060
audio_source ausine,440
audio_player aufile,{folder}/heard.wav
audio_alert aufile,{folder}/heard.wav
module_path /usr/lib/baresip/modules
module stun.so
module ice.so
module g711.so
module ausine.so
module aufile.so
module_app account.so
module_app menu.so
"""


def _baresip(lab: Lab, host: Host, address: str, *arguments: str) -> Process:
    folder = host.new_folder("baresip")
    (folder / "config").write_text(_BARESIP.format(address=address, folder=folder))
    (folder / "accounts").write_text(
        f"<sip:lab@{address}>;regint=0;answermode=auto;medianat=ice;stunserver=stun:{STUN}:3478\n"
    )
    process = host.start("baresip", "-f", str(folder), "-s", *arguments)
    lab.enter(process)
    process.wait_for("baresip is ready")
    return process


def baresip(lab: Lab) -> None:
    """baresip calls another one on the internet, with ICE; the lab's SIP is in clear."""
    install()
    lab.start()
    lab.record("eth0")
    _baresip(lab, lab.net.peer, PEER)
    process = _baresip(lab, lab.net.client, CLIENT, "-e", f"/dial sip:lab@{PEER}")
    process.wait_for("Call established", 20)
    time.sleep(0.5)
    # It traces what it sends; the answer comes after the first line of a response.
    invite = process.output().partition("INVITE ")[2].partition("\nSIP/2.0 ")[0]
    version = _version("baresip-core")
    lab.program = {"program": f"baresip {version}", "candidates": _candidates(invite)}

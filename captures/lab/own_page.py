"""The page that `pcapleak page` writes, run by real browsers while their packets are recorded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from . import other_stacks, stories, tunnel_stories
from .expected import PROXY, WIREGUARD
from .network import STUN, STUN6, WEB, network
from .processes import wait_until
from .servers import TURN_PASSWORD, TURN_USER
from .session import HTTP_PROXY, Beside, Lab, Page

_GATHER_S = 40.0
_LATE_S = 10.0
"""What the page tells its reader to wait: browsers announce names late."""
_IPV4 = ("--stun", f"stun:{STUN}:3478")
_SERVERS = (*_IPV4, "--stun", f"stun:[{STUN6}]:3478")
_CREDENTIALS = ("--turn-user", TURN_USER, "--turn-password", TURN_PASSWORD)
_SILENT = ("--stun", "stun:198.51.100.99:3478")
_RELAY = ("--turn", f"turn:{STUN}:3478?transport=tcp", *_CREDENTIALS)
_RELAY_UDP = ("--turn", f"turn:{STUN}:3478?transport=udp", *_CREDENTIALS)


class Run(NamedTuple):
    """What a run leaves."""

    capture: Path
    reading: Path
    page: Path
    loaded: list[str]
    """What the page loaded beside itself."""


@dataclass(frozen=True)
class OwnPage:
    """One way to run the page."""

    name: str
    prepare: Callable[[Lab], str | None]
    """Makes the network, records it, and gives the proxy if there is one."""
    policy: dict[str, str] = field(default_factory=dict)
    browser: str = "chromium"
    servers: tuple[str, ...] = _SERVERS
    options: tuple[str, ...] = ()
    """Ids of the switches to press."""
    mode: int | None = None
    """What the page must take the browser for; None where it must not say."""
    managed: dict[str, str] = field(default_factory=dict)
    """Chromium's managed policy."""


def record_own_page(story: OwnPage, output: Path, beside: Beside | None = None) -> Run:
    """Write the page, run it by clicks, and keep the capture and what the browser saved."""
    capture, saved = output / f"{story.name}.pcapng", output / "pcapleak-reading.json"
    written = output / f"{story.name}.html"
    command = [sys.executable, "-m", "pcapleak", "page", str(written), *story.servers]
    subprocess.run(command, check=True, capture_output=True)
    with tempfile.TemporaryDirectory(prefix="pcapleak-lab-") as folder, ExitStack() as stack:
        scratch = Path(folder)
        lab = Lab(stack.enter_context(network(scratch)), scratch, stack, story.browser, beside)
        if story.managed:
            lab.net.client.use_chromium_policy(**story.managed)
        proxy = story.prepare(lab)
        if story.browser == "qtwebengine":
            there, loaded = other_stacks.own_page_in_qtwebengine(lab, written.as_uri(), proxy)
            kept = there / saved.name
            wait_until(lambda: _is_whole(kept), "the reading to be saved")
            shutil.copyfile(kept, saved)
            time.sleep(_LATE_S)
        else:
            loaded = _run_by_clicks(lab, story, written.as_uri(), proxy, saved)
        lab.stop_beside()
        lab.recorder.merge(capture)
    return Run(capture, saved, written, loaded)


def _run_by_clicks(lab: Lab, story: OwnPage, url: str, proxy: str | None, saved: Path) -> list[str]:
    """Save the page's reading to ``saved``; gives what the page loaded beside itself."""
    with_microphone = "microphone" in story.options
    page = lab.open(
        proxy=proxy,
        flags=stories.MICROPHONE_FLAGS if with_microphone else (),
        preferences=stories.MICROPHONE_PREFERENCES if with_microphone else {},
        url=url,
    )
    shutil.copyfile(press(page, story.options), saved)
    loaded = page.loaded()
    time.sleep(_LATE_S)
    page.close()
    return loaded


def press(page: Page, options: tuple[str, ...]) -> Path:
    """Choose, start, wait for the end, and save the reading; gives the file it is saved in."""
    for option in options:
        page.click(f"#{option}")
    page.click("#start")
    wait_until(lambda: page.shows("#reading"), "the page's test to end", _GATHER_S)
    page.click("#save")
    saved = page.downloads / "pcapleak-reading.json"
    wait_until(lambda: _is_whole(saved), "the reading to be saved")
    return saved


def _is_whole(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True


def _behind_socks(lab: Lab) -> str:
    lab.start()
    proxy = lab.socks()
    lab.record("eth0")
    return proxy


def _behind_http_proxy(lab: Lab) -> str:
    lab.start()
    proxy = lab.http_proxy()
    lab.record("eth0")
    return proxy


def _call_behind_socks(lab: Lab) -> str:
    proxy = _behind_socks(lab)
    lab.record("lo", options=("-f", "not tcp port 2828"))
    return proxy


def _in_full_tunnel(lab: Lab) -> None:
    lab.start()
    tunnel_stories.enter(lab, lab.wireguard())
    lab.use_tunnel_resolver()


def _beside_split_tunnel(lab: Lab) -> None:
    lab.start()
    tunnel_stories.enter(lab, lab.wireguard(), f"{WEB}/32")


_FIREFOX_PROXY = {"proxy": HTTP_PROXY}

OWN_PAGES = (
    OwnPage("page-socks", _behind_socks, PROXY, mode=2),
    OwnPage("page-full-tunnel", _in_full_tunnel, WIREGUARD, servers=_IPV4, mode=2),
    OwnPage("page-split-tunnel", _beside_split_tunnel, WIREGUARD, mode=2),
    OwnPage("page-microphone", _behind_socks, PROXY, options=("microphone",), mode=1),
    OwnPage(
        "page-mode-3",
        _behind_socks,
        PROXY,
        mode=3,
        managed={"WebRtcIPHandling": "default_public_interface_only"},
    ),
    OwnPage(
        "page-mode-4",
        _behind_socks,
        PROXY,
        servers=(*_SERVERS, *_RELAY),
        mode=4,
        managed={"WebRtcIPHandling": "disable_non_proxied_udp"},
    ),
    OwnPage("page-relay-only", _behind_socks, PROXY, servers=_RELAY_UDP, options=("relay",)),
    OwnPage("page-call", _call_behind_socks, PROXY, options=("call",), mode=2),
    OwnPage("page-qtwebengine", _behind_socks, PROXY, "qtwebengine", mode=2),
    OwnPage("page-qtwebengine-tunnel", _in_full_tunnel, WIREGUARD, "qtwebengine", _IPV4, mode=2),
    OwnPage("page-firefox", _behind_http_proxy, _FIREFOX_PROXY, "firefox", mode=2),
    OwnPage("page-firefox-tunnel", _in_full_tunnel, WIREGUARD, "firefox", _IPV4, mode=2),
    OwnPage(
        "page-firefox-silent-server",
        _behind_http_proxy,
        _FIREFOX_PROXY,
        "firefox",
        servers=(*_SERVERS, *_SILENT),
        mode=2,
    ),
    OwnPage(
        "page-firefox-microphone",
        _behind_http_proxy,
        _FIREFOX_PROXY,
        "firefox",
        options=("microphone",),
        mode=2,
    ),
)

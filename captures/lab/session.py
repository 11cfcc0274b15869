"""One recording: what a scenario may use, and the files it ends in."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import servers
from .chromium import Chromium
from .network import CLIENT, CLIENT6, STUN, STUN6, WEB, Host, Network, network
from .processes import LabError
from .recorder import Recorder
from .truth import judge, read_wire
from .tunnels import TUNNEL, WireGuard

STUN_SERVER = {"iceServers": [{"urls": f"stun:{STUN}:3478"}]}
STUN6_SERVER = {"urls": f"stun:[{STUN6}]:3478"}
PAGE_URL = f"http://{WEB}/"

# Chromium announces each of a page's four names twice, one packet a second.
_CHROMIUM_SETTLE_S = 8.5


@dataclass(frozen=True)
class Scenario:
    """One story: how it is judged, what must be found, and how it goes."""

    name: str
    summary: str
    play: Callable[[Lab], None]
    policy: dict[str, str] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    settle_s: float = _CHROMIUM_SETTLE_S


@dataclass(frozen=True)
class Paths:
    """The two files of a recording."""

    capture: Path
    truth: Path


class Lab:
    """What a scenario uses: hosts, servers, tunnels, browsers and recorders."""

    def __init__(self, net: Network, scratch: Path, stack: ExitStack) -> None:
        self.net = net
        self.scratch = scratch
        self._stack = stack
        self.recorder = Recorder(net.client, scratch)
        stack.callback(self.recorder.stop)
        self.tls: servers.Certificate | None = None
        self.web: servers.Web | None = None
        self.page: Chromium | None = None
        self.key_log: Path | None = None
        self.editing: tuple[str, ...] = ()
        self.facts: dict[str, Any] = {}

    def record(self, *interfaces: str) -> None:
        """Record these interfaces of the client from now on."""
        for interface in interfaces:
            self.recorder.add(interface)

    def start_servers(self, *, tls: bool = False) -> None:
        """Start what every scenario needs: web, STUN/TURN and the LAN's resolver."""
        if tls:
            self.tls = servers.certificate(self.net.internet, self.scratch)
        self.web = servers.Web(self.net, self.scratch, self.tls)
        self._stack.enter_context(self.web.process)
        self._stack.enter_context(servers.coturn(self.net, self.scratch, self.tls))
        self._stack.enter_context(servers.lan_resolver(self.net, self.scratch))

    def socks(self) -> str:
        """Start the SOCKS5 proxy; returns the browser's flag for it."""
        self._stack.enter_context(servers.socks(self.net))
        return "--proxy-server=socks5://198.51.100.30:1080"

    def wireguard(self) -> WireGuard:
        """Start the server's end of a WireGuard tunnel."""
        tunnel = WireGuard(self.net, self.scratch)
        self._stack.callback(tunnel.stop)
        return tunnel

    def chromium(self, *flags: str, url: str = PAGE_URL, host: Host | None = None) -> Chromium:
        """Open the page in Chromium, on the client unless said otherwise."""
        browser = Chromium(host or self.net.client, self.scratch, *flags, key_log=self.key_log)
        self._stack.callback(browser.close)
        browser.open(url)
        self.page = self.page or browser
        return browser

    def gather(self, page: Chromium, who: str = "a", **configuration: object) -> None:
        """Run the leak sequence on a page, with the lab's STUN server unless said otherwise."""
        page.run(f"gather({json.dumps(who)}, {json.dumps(configuration or STUN_SERVER)})")


def record(name: str, output: Path) -> Paths:
    """Play the scenario ``name`` and write its capture and its answer key into ``output``.

    Raises `LabError` if the scenario is unknown or something in it does not work.
    """
    from .scenarios import SCENARIOS

    for scenario in SCENARIOS:
        if scenario.name == name:
            return _record(scenario, output)
    raise LabError(f"no scenario {name!r}; there are {', '.join(s.name for s in SCENARIOS)}")


def _record(scenario: Scenario, output: Path) -> Paths:
    paths = Paths(output / f"{scenario.name}.pcapng", output / f"{scenario.name}.json")
    with tempfile.TemporaryDirectory(prefix="pcapleak-lab-") as folder, ExitStack() as stack:
        scratch = Path(folder)
        net = stack.enter_context(network(scratch))
        lab = Lab(net, scratch, stack)
        scenario.play(lab)
        time.sleep(scenario.settle_s)
        if lab.page is None:
            raise LabError(f"{scenario.name} opened no page")
        reading = lab.page.run("read()")
        reading.update(_request(lab))
        lab.page.leave()
        lab.page.close()
        output.mkdir(parents=True, exist_ok=True)
        lab.recorder.merge(paths.capture, *lab.editing, key_log=lab.key_log)
        truth = _truth(scenario, reading, paths.capture)
    paths.truth.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")
    return paths


def _request(lab: Lab) -> dict[str, Any]:
    if lab.web is None:
        raise LabError("no web server")
    last = [one for one in lab.web.requests() if one["path"].startswith("/")][-1]
    return {"http_client": last["client"], "accept_language": last["accept_language"]}


def _truth(scenario: Scenario, reading: dict[str, Any], capture: Path) -> dict[str, Any]:
    wire = read_wire(capture, (CLIENT, CLIENT6, TUNNEL, "127.0.0.1", "::1"))
    expect = {"findings": [], **scenario.expect}
    return {
        "scenario": scenario.name,
        "summary": scenario.summary,
        "policy": scenario.policy,
        "expect": expect,
        "candidates": [judge(candidate, wire) for candidate in reading["candidates"]],
        "page": reading,
        "client_udp_ports": sorted(wire.client_udp_ports),
    }

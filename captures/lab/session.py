"""What a scenario may use: hosts, servers, tunnels, browsers and recorders."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import servers
from .chromium import Chromium
from .firefox import Firefox
from .network import GATEWAY, PROXY, RESOLVER, STUN, STUN6, WEB, Host, Network
from .processes import LabError, Process
from .recorder import Recorder
from .tunnels import TUNNEL_GATEWAY, OpenVpn, WireGuard

Page = Chromium | Firefox

PAGE_URL = f"http://{WEB}/"
NAMED_URL = "http://www.example/"
SOCKS_PROXY = f"socks5://{PROXY}:1080"
HTTP_PROXY = f"http://{PROXY}:8080"

_STUN_URL, _STUN6_URL = f"stun:{STUN}:3478", f"stun:[{STUN6}]:3478"


def ice(*urls: str, relay_only: bool = False) -> dict[str, Any]:
    """An RTCPeerConnection's configuration with these servers; TURN with its credentials."""
    entries = [
        {
            "urls": url,
            "username": servers.TURN_USER,
            "credential": servers.TURN_PASSWORD,
        }
        if url.startswith("turn")
        else {"urls": url}
        for url in urls
    ]
    return {
        "iceServers": entries,
        **({"iceTransportPolicy": "relay"} if relay_only else {}),
    }


STUN_ONLY = ice(_STUN_URL)
DUAL_STACK = ice(_STUN_URL, _STUN6_URL)


@dataclass(frozen=True)
class Beside:
    """A program that watches the client's network while the recorders do."""

    command: tuple[str, ...]
    ready: str
    """What it prints when it watches."""


class Lab:
    """One scenario's workshop; the stack it was given takes everything down again."""

    def __init__(
        self,
        net: Network,
        scratch: Path,
        stack: ExitStack,
        browser: str,
        beside: Beside | None = None,
    ) -> None:
        self.net = net
        self.scratch = scratch
        self.browser = browser
        self.beside = beside
        self._beside: Process | None = None
        self.key_log: Path | None = None
        self.tls: servers.Certificate | None = None
        self.web: servers.Web | None = None
        self.pages: list[Page] = []
        self.kept: list[dict[str, Any]] = []
        """Candidates that pages had read before they were loaded again."""
        self.program: dict[str, Any] = {}
        """What a program that is driven as no page is read: its name, and its candidates."""
        self.editing: tuple[str, ...] = ()
        self.recorder = Recorder(net.client, scratch)
        self._stack = stack
        stack.callback(self.recorder.stop)

    def start(self, *, tls: bool = False, rest: bool = False) -> None:
        """Start what every scenario needs: web, STUN/TURN and the LAN's resolver."""
        if tls:
            self.make_certificate()
        self.web = servers.Web(self.net, self.scratch, self.tls)
        self._stack.enter_context(self.web.process)
        self._stack.enter_context(servers.coturn(self.net, self.scratch, self.tls, rest=rest))
        self._stack.enter_context(servers.resolver(self.net.router, GATEWAY, self.scratch))

    def make_certificate(self) -> servers.Certificate:
        """The certificate of all servers, made at the first call."""
        self.tls = self.tls or servers.certificate(self.net.internet, self.scratch)
        return self.tls

    def trust(self) -> tuple[str, ...]:
        """Chromium's flag to trust the lab's certificate, if one was made."""
        if self.tls is None:
            return ()
        return (f"--ignore-certificate-errors-spki-list={self.tls.key_hash(self.net.internet)}",)

    def record(self, *interfaces: str, options: tuple[str, ...] = ()) -> None:
        """Record these interfaces of the client from now on."""
        if self.beside is not None and not self.recording:
            self._start_beside(self.beside)
        for interface in interfaces:
            self.recorder.add(interface, *options)

    def record_at(self, host: Host) -> None:
        """Record at another host than the client."""
        self.recorder = Recorder(host, self.scratch)
        self._stack.callback(self.recorder.stop)

    @property
    def recording(self) -> bool:
        """Whether anything is recorded yet."""
        return self.recorder.started

    def _start_beside(self, beside: Beside) -> None:
        process = self.net.client.start(*beside.command, stop_signal=signal.SIGINT)
        self._stack.callback(process.stop)
        process.wait_for(beside.ready, 30)
        self._beside = process

    def stop_beside(self) -> None:
        """End the program that watched beside the recorder, and let it write its report."""
        if self._beside is not None:
            self._beside.stop()

    def _use_public_resolver(self) -> None:
        """Let the proxies resolve names."""
        self._stack.enter_context(servers.resolver(self.net.internet, RESOLVER, self.scratch))
        self.net.internet.use_resolver(RESOLVER)

    def socks(self) -> str:
        """Start the SOCKS5 proxy and return its URL."""
        self._use_public_resolver()
        self._stack.enter_context(servers.socks(self.net))
        return SOCKS_PROXY

    def http_proxy(self) -> str:
        """Start the HTTP proxy and return its URL."""
        self._use_public_resolver()
        self._stack.enter_context(servers.http_proxy(self.net, self.scratch))
        return HTTP_PROXY

    def enter(self, process: Process) -> None:
        """Stop a program that a story started when the scenario ends."""
        self._stack.enter_context(process)

    def quic(self) -> None:
        """Start the HTTP/3 server."""
        root = self.scratch / "htdocs"
        root.mkdir()
        self._stack.enter_context(servers.quic(self.net, self.make_certificate(), root))

    def dhcp(self, address: str, *options: str) -> None:
        """Start the router's DHCP server, which gives the client ``address``."""
        self._stack.enter_context(servers.dhcp(self.net, self.scratch, address, *options))

    def renew_lease(self, take: str) -> None:
        """Let the client ask for a lease, which the shell script ``take`` puts to use."""
        script = self.scratch / "lease.sh"
        script.write_text(take)
        script.chmod(0o700)
        self.net.client.run(
            "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "3", "-O", "staticroutes",
            "-s", str(script),
        )  # fmt: skip

    def wireguard(self) -> WireGuard:
        """Start the server's end of a WireGuard tunnel."""
        tunnel = WireGuard(self.net, self.scratch)
        self._stack.callback(tunnel.stop)
        return tunnel

    def openvpn(self) -> OpenVpn:
        """Start the server's end of an OpenVPN tunnel."""
        tunnel = OpenVpn(self.net, self.scratch, self.make_certificate())
        self._stack.callback(tunnel.stop)
        return tunnel

    def use_tunnel_resolver(self) -> None:
        """Let the client ask a resolver inside the tunnel from now on."""
        self._stack.enter_context(servers.resolver(self.net.vpn, TUNNEL_GATEWAY, self.scratch))
        self.net.client.use_resolver(TUNNEL_GATEWAY)

    def open(
        self,
        *,
        proxy: str | None = None,
        flags: tuple[str, ...] = (),
        preferences: Mapping[str, bool] = MappingProxyType({}),
        url: str = PAGE_URL,
        host: Host | None = None,
        browser: str | None = None,
    ) -> Page:
        """Open the page in a browser on the client, unless another host is given.

        ``flags`` are Chromium's, ``preferences`` Firefox's.
        """
        place = host or self.net.client
        page: Page
        if (browser or self.browser) == "chromium":
            arguments = (*flags, *([f"--proxy-server={proxy}"] if proxy else []))
            page = Chromium(place, self.scratch, arguments, self.key_log)
        else:
            chosen = {**_firefox_proxy(proxy), **preferences}
            page = Firefox(place, self.scratch, chosen, self.key_log)
        self._stack.callback(page.close)
        page.open(url)
        self.pages.append(page)
        return page

    def reload(self, page: Page, url: str = PAGE_URL) -> None:
        """Load the page again, and keep what it had read."""
        number = len({row["who"] for row in self.kept}) + 1
        read = page.run("read()")["candidates"]
        self.kept += [{**row, "who": f"load {number}"} for row in read]
        page.open(url)


def _firefox_proxy(proxy: str | None) -> dict[str, bool | int | str]:
    if proxy == SOCKS_PROXY:
        return {
            "network.proxy.type": 1,
            "network.proxy.socks": PROXY,
            "network.proxy.socks_port": 1080,
            "network.proxy.socks_version": 5,
            "network.proxy.socks_remote_dns": True,
        }
    if proxy == HTTP_PROXY:
        return {
            "network.proxy.type": 1,
            "network.proxy.http": PROXY,
            "network.proxy.http_port": 8080,
            "network.proxy.ssl": PROXY,
            "network.proxy.ssl_port": 8080,
        }
    if proxy is not None:
        raise LabError(f"no such proxy: {proxy}")
    return {}


def call(page: Page, function: str, *arguments: object) -> Any:
    """Call a function of the page and return what it resolves to."""
    return page.run(f"{function}({', '.join(json.dumps(one) for one in arguments)})")


def gather(page: Page, who: str = "a", configuration: dict[str, Any] = STUN_ONLY) -> None:
    """Run the leak sequence: an offer is made and set, and candidates are gathered."""
    call(page, "gather", who, configuration)


def begin(page: Page, function: str, *arguments: object) -> None:
    """Call a function of the page and do not wait for it."""
    page.run(f"void {function}({', '.join(json.dumps(one) for one in arguments)})")


def connect(
    here: Page,
    there: Page,
    configuration: dict[str, Any] = STUN_ONLY,
    theirs: dict[str, Any] | None = None,
) -> None:
    """Connect two pages; the descriptions are carried by the lab, not by any network."""
    offer = call(here, "offer", "a", configuration)
    call(here, "accept", "a", call(there, "answer", "b", theirs or configuration, offer))
    must_connect(call(here, "connected", "a"))


def must_connect(state: str) -> None:
    """Raise `LabError` unless this is the state of a connection that came about."""
    if state != "connected":
        raise LabError(f"the pages did not connect: {state}")

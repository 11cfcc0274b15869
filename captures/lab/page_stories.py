"""What a page can do with STUN beside calling somebody: the stories of PL501 to PL503, and calls
within one host, which look alike.

Everything the page tries is kept in what it read, with the browser's refusal (`attempts`).
"""

from __future__ import annotations

from typing import Any

from . import servers
from .firefox import DRIVING_FILTER
from .local_programs import LISTENED_PORT
from .network import CLIENT, GATEWAY, NEIGHBOUR, PEER, STUN
from .session import STUN_ONLY, Lab, call, gather, ice, must_connect

COOKIE = "fb.1.1738012345678.1092847365"
FRAGMENT = COOKIE.replace(".", "/")
"""The cookie in the alphabet of username fragments."""

_PIECES = (
    "eyJ1c2VyIjoiYWxpY2UuZXhhbXBsZSIsImhpc3RvcnkiOlsi",
    "d3d3LmV4YW1wbGUvYWNjb3VudCIsInd3dy5leGFtcGxlL2Jh",
    "c2tldCJdLCJnZW8iOiI1Mi41MiwxMy40MCIsInRpbWUiOjE3",
    "MzgwMTIzNDUsInRva2VuIjoiMTA5Mjg0NzM2NSJ9MDAwMDAw",
    "c2Vjb25kIG1lc3NhZ2UgZnJvbSB0aGUgcGFnZSBpdHNlbGYh",
    "YW5kIHRoZSBsYXN0IG9mIHRoZW0sIGJ5ZSBhbmQgdGhhbmtz",
)


def _record(lab: Lab, *, loopback: bool = True) -> None:
    lab.record("eth0")
    if loopback:
        lab.record("lo", options=("-f", DRIVING_FILTER))


def _server(url: str, username: str) -> dict[str, Any]:
    return {"iceServers": [{"urls": url, "username": username, "credential": "none"}]}


def loopback_channel(lab: Lab) -> None:
    """A page that hands a cookie to a program on its host, in every way it can."""
    lab.start()
    _record(lab)
    listener = lab.net.client.python("local_programs", "listen")
    lab.enter(listener)
    listener.wait_for("ready")
    page = lab.open()
    here = [[host, LISTENED_PORT] for host in ("127.0.0.1", CLIENT)]
    call(page, "forge", "cookie", {}, COOKIE, here, 0.5)
    call(page, "forge", "own fragment", {}, "page", here, 0.5, FRAGMENT)
    call(page, "forge", "fragment", {}, FRAGMENT, here, 0.5)
    call(page, "forge", "long fragment", {}, f"{FRAGMENT}/{FRAGMENT}", here, 0.5)
    for host in ("::1", "localhost", "::ffff:127.0.0.1"):
        call(page, "forge", host, {}, f"{FRAGMENT}/{FRAGMENT}", [[host, LISTENED_PORT]], 0.5)
    for server in (
        ice(f"stun:127.0.0.1:{LISTENED_PORT}"),
        ice(f"stun:localhost:{LISTENED_PORT}"),
        _server(f"turn:127.0.0.1:{LISTENED_PORT}", COOKIE),
        _server(f"turn:127.0.0.1:{LISTENED_PORT}?transport=tcp", COOKIE),
    ):
        call(page, "forge", server["iceServers"][0]["urls"], server, "", [])


def lan_scan(lab: Lab) -> None:
    """A page that looks for hosts and services on the LAN."""
    lab.start()
    devices = [f"192.168.50.{number}" for number in range(60, 70)]
    lab.net.neighbour.links(*(f"addr add {address}/24 dev eth0" for address in devices))
    _record(lab, loopback=False)
    page = lab.open()
    absent = [f"192.168.50.{number}" for number in range(100, 106)]
    hosts = [GATEWAY, NEIGHBOUR, *devices, *absent]
    ports = [80, 443, 1900, 3000, 5000, 7547, 8080, 8443, 9100]
    call(page, "forge", "hosts", {}, "scan", [[host, 8080] for host in hosts], 1.5)
    call(page, "forge", "ports", {}, "scan", [[GATEWAY, port] for port in ports], 1.5)
    call(page, "forge", "tcp ports", {}, "scan", [[GATEWAY, port, "tcp"] for port in ports], 0.5)
    for url in ("stun:{}:3478", "turn:{}:8080?transport=tcp"):
        servers = ice(*(url.format(host) for host in hosts))
        call(page, "forge", url, servers, "", [], 0.5)


def stun_data(lab: Lab) -> None:
    """A page that sends data to a server on the internet, in usernames."""
    lab.start()
    _record(lab, loopback=False)
    page = lab.open()
    for number, piece in enumerate(_PIECES):
        call(page, "forge", f"check {number}", {}, piece, [[PEER, 3478]], 0.3)
    for number, piece in enumerate(_PIECES):
        server = _server(f"turn:{STUN}:3478", piece)
        call(page, "forge", f"turn {number}", server, "", [], 0.3)


def two_tabs(lab: Lab) -> None:
    """A call between two tabs of one browser, without any server."""
    lab.start()
    _record(lab)
    must_connect(call(lab.open(), "tabs", STUN_ONLY))


def conference(lab: Lab) -> None:
    """A conference with 30 hosts of the LAN, without any server."""
    lab.start()
    members = [f"192.168.50.{number}" for number in range(100, 130)]
    lab.net.neighbour.links(*(f"addr add {address}/24 dev eth0" for address in members))
    _record(lab, loopback=False)
    folder = lab.scratch / "descriptions"
    folder.mkdir()
    here = lab.net.client.python(
        "local_programs", "members", str(folder), "a", "b", *[CLIENT] * len(members)
    )
    there = lab.net.neighbour.python("local_programs", "members", str(folder), "b", "a", *members)
    for end in (here, there):
        lab.enter(end)
    for end in (here, there):
        end.wait_for("all connected", 30)


def rest_credentials(lab: Lab) -> None:
    """Three calls by a relay whose usernames are made for each user and hour."""
    lab.start(rest=True)
    _record(lab, loopback=False)
    page = lab.open()
    for who in ("a", "b", "c"):
        user, password = servers.rest_credentials(f"{who}6f1c2d7e-4b0a-4c7e-9d52-8e1f0a3b5c64")
        server = {"urls": f"turn:{STUN}:3478", "username": user, "credential": password}
        gather(page, who, {"iceServers": [server]})


def local_programs(lab: Lab) -> None:
    """A call between two programs of the host, over its loopback."""
    lab.start()
    _record(lab)
    folder = lab.scratch / "descriptions"
    folder.mkdir()
    ends = [
        lab.net.client.python("local_programs", "agent", str(folder), here, there)
        for here, there in (("a", "b"), ("b", "a"))
    ]
    for end in ends:
        lab.enter(end)
    for end in ends:
        end.wait_for("connected")

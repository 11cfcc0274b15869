"""Proxies by what they are asked for and grant: SOCKS, HTTP's CONNECT and its forwarding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sized
from typing import Literal

from msgspec import Struct, field

from pcapleak.decode.tunnels.socks import SocksReply, SocksRequest
from pcapleak.decode.web.http import HttpRequest, HttpResponse
from pcapleak.values.packets import Context, Endpoint

ProxyKind = Literal["socks", "http-connect"]

MAX_PROXIES = 4096
"""Servers remembered: about 1.5 kB each with one of everything, so 6 MB."""
MAX_FRAMES = 16
MAX_NAME = 255
MAX_DETAILS = 256
"""Destinations, flows, relays or bound addresses of one proxy."""
MAX_ALL_DETAILS = 100_000
"""Of these beyond the first of each, over all proxies: at most about 350 bytes each, so 35 MB."""
MAX_OPEN = 10_000
"""Requests that wait for their answer: about 500 bytes each, so 5 MB."""

_Asked = Literal["connect", "relay", "forward"]

_FORWARDERS_OWN = frozenset((407, 502, 503, 504))
"""What a proxy answers itself; anything else it forwards from the server."""


class Proxy(Struct):
    """What was seen of one proxy on one interface."""

    kind: ProxyKind
    interface: int
    server: Endpoint
    layers: tuple[str, ...] = ()
    clients: list[Endpoint] = field(default_factory=list)
    requests: int = 0
    granted: int = 0
    refused: int = 0
    first_ns: int = 0
    last_ns: int = 0
    first_granted_ns: int | None = None
    destinations: dict[tuple[str, int], int] = field(default_factory=dict)
    """Host and port asked for, and how often."""
    relays: list[Endpoint] = field(default_factory=list)
    """Where the proxy relays UDP (SOCKS 5 UDP ASSOCIATE)."""
    bound: list[Endpoint] = field(default_factory=list)
    """Addresses the proxy said it uses towards destinations."""
    frames: list[int] = field(default_factory=list)
    flows: list[int] = field(default_factory=list)

    @property
    def confirmed(self) -> bool:
        """Whether it was seen to grant a request."""
        return self.granted > 0


class ProxyTable:
    """Proxies by (kind, interface, encapsulation, server, layers)."""

    def __init__(self) -> None:
        self._proxies: dict[tuple[object, ...], Proxy] = {}
        self._open: OrderedDict[tuple[int, tuple[str, ...]], tuple[Proxy, _Asked]] = OrderedDict()
        self._details = 0
        self.dropped = 0
        """Requests to proxies, and details of proxies, beyond the bounds."""

    def add(
        self, context: Context, message: SocksRequest | SocksReply | HttpRequest | HttpResponse
    ) -> None:
        """Take one message."""
        if isinstance(message, SocksRequest):
            asked: _Asked = "relay" if message.command == "udp-associate" else "connect"
            self._request(context, "socks", str(message.destination), message.port, asked)
        elif isinstance(message, SocksReply):
            self._socks_reply(context, message)
        elif isinstance(message, HttpRequest):
            self._http_request(context, message)
        else:
            self._http_response(context, message)

    def proxies(self) -> list[Proxy]:
        """Every proxy that was asked for something, in order of first sight."""
        return list(self._proxies.values())

    def _proxy(self, context: Context, kind: ProxyKind) -> Proxy | None:
        server = context.destination
        key = (kind, context.interface, context.carrier, server, context.layers)
        proxy = self._proxies.get(key)
        if proxy is None:
            if len(self._proxies) >= MAX_PROXIES:
                self.dropped += 1
                return None
            proxy = self._proxies[key] = Proxy(
                kind, context.interface, server, context.layers, first_ns=context.ts_ns
            )
        return proxy

    def _request(
        self, context: Context, kind: ProxyKind, host: str, port: int, asked: _Asked
    ) -> None:
        proxy = self._proxy(context, kind)
        if proxy is None:
            return
        proxy.requests += 1
        proxy.last_ns = context.ts_ns
        if context.source not in proxy.clients and len(proxy.clients) < MAX_FRAMES:
            proxy.clients.append(context.source)
        if len(proxy.frames) < MAX_FRAMES:
            proxy.frames.append(context.frame)
        if context.flow not in proxy.flows and self._room(proxy.flows):
            proxy.flows.append(context.flow)
        destination = (host[:MAX_NAME], port)
        if destination in proxy.destinations:
            proxy.destinations[destination] += 1
        elif self._room(proxy.destinations):
            proxy.destinations[destination] = 1
        self._open[context.flow, context.layers] = proxy, asked
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)

    def _room(self, kept: Sized) -> bool:
        """Whether one more of something is kept: the first always."""
        if not kept:
            return True
        if len(kept) >= MAX_DETAILS:
            return False
        if self._details >= MAX_ALL_DETAILS:
            self.dropped += 1
            return False
        self._details += 1
        return True

    def _answer(self, context: Context, granted: bool) -> tuple[Proxy, _Asked] | None:
        """The proxy that answers, and what it was asked for."""
        found = self._open.pop((context.flow, context.layers), None)
        if found is None:
            return None
        proxy = found[0]
        proxy.last_ns = context.ts_ns
        if granted:
            proxy.granted += 1
            if proxy.first_granted_ns is None:
                proxy.first_granted_ns = context.ts_ns
        else:
            proxy.refused += 1
        return found

    def _socks_reply(self, context: Context, message: SocksReply) -> None:
        found = self._answer(context, message.succeeded)
        bound = message.bound
        if found is None or not message.succeeded or bound is None:
            return
        proxy, asked = found
        if bound.address.is_unspecified:
            # "The address you reached me by" (RFC 1928 section 6, by custom).
            bound = Endpoint(context.source.address, bound.port)
        if asked != "relay" and any(bound.port == port for _, port in proxy.destinations):
            # It says the destination again: no port that it sends from.
            return
        places = proxy.relays if asked == "relay" else proxy.bound
        if bound not in places and self._room(places):
            places.append(bound)

    def _http_request(self, context: Context, message: HttpRequest) -> None:
        asked: _Asked = "connect" if message.method == "CONNECT" else "forward"
        wanted = message.authority or message.forwarded_to(context.destination)
        if wanted is not None:
            self._request(context, "http-connect", str(wanted[0]), wanted[1], asked)

    def _http_response(self, context: Context, message: HttpResponse) -> None:
        if message.status >= 200:
            found = self._open.get((context.flow, context.layers))
            forwarded = found is not None and found[1] == "forward"
            refusals = _FORWARDERS_OWN if forwarded else range(300, 600)
            self._answer(context, message.status not in refusals)

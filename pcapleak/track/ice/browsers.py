"""Which browser runs at an address, from what it says of itself outside ICE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from pcapleak.decode.dns.message import DnsMessage
from pcapleak.decode.tunnels.socks import SocksRequest
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.tls import ClientHello
from pcapleak.track.ice.session import Engine, Session
from pcapleak.track.sightings import Sighting
from pcapleak.values.packets import Context, IPAddress

MAX_CLIENTS = 4096
"""Addresses remembered, each with at most six sightings and four examples: 2.5 kB with one of
each, so 10 MB."""

MAX_EXAMPLE = 512
"""Bytes kept of a User-Agent field; real ones have 60 to 200."""

SERVICES: dict[str, Engine] = {
    "services.mozilla.com": "firefox",
    "detectportal.firefox.com": "firefox",
    "incoming.telemetry.mozilla.org": "firefox",
    "content-signature-2.cdn.mozilla.net": "firefox",
    "aus5.mozilla.org": "firefox",
    "ads.mozilla.org": "firefox",
    "clients2.google.com": "chromium",
    "update.googleapis.com": "chromium",
    "clientservices.googleapis.com": "chromium",
    "optimizationguide-pa.googleapis.com": "chromium",
    "content-autofill.googleapis.com": "chromium",
    "redirector.gvt1.com": "chromium",
    "edge.microsoft.com": "chromium",
    "msedge.api.cdp.microsoft.com": "chromium",
    "go-updater.brave.com": "chromium",
    "componentupdater.brave.com": "chromium",
}
"""Hosts that the browsers themselves ask for, not their pages."""

_TAIL = 7
_TAILS = frozenset(name[-_TAIL:] for name in SERVICES)
"""How they end: nearly every other host is told from them by a look."""


class Statement(NamedTuple):
    """What one kind of evidence says."""

    engine: Engine
    how: Literal["user-agent", "service"]


class Browser(NamedTuple):
    """An engine at an address, and how it is known."""

    address: IPAddress
    statement: Statement
    example: str
    """The User-Agent field, or the service asked for."""
    webrtc: bool
    """Whether a WebRTC session of this address was seen."""
    seen: list[Sighting]


class Client:
    """What was seen of the browsers at one address."""

    __slots__ = ("examples", "insecure_pages", "secure_pages", "statements")

    def __init__(self) -> None:
        self.statements: dict[Statement, Sighting] = {}
        self.examples: dict[Statement, str] = {}
        self.secure_pages: Sighting | None = None
        """Cleartext requests with `Sec-CH-UA`, which Chromium sends only to origins it
        trusts (a secure context)."""
        self.insecure_pages: Sighting | None = None
        """Cleartext requests of Chromium without it."""


MAX_LISTED = 256


class BrowserEvidence:
    """Statements about browsers by client address."""

    def __init__(self) -> None:
        self.clients: dict[IPAddress, Client] = {}
        self.forgotten = 0
        """Messages of clients beyond `MAX_CLIENTS`."""

    def add(
        self,
        context: Context,
        message: HttpRequest | SocksRequest | ClientHello | QuicInitial,
    ) -> None:
        """Take a message a browser may have sent."""
        if isinstance(message, HttpRequest):
            self._http(context, message)
        elif isinstance(message, SocksRequest):
            self._host(context, message.destination)
        else:
            self._host(context, message.server_name)

    def asked(self, context: Context, query: DnsMessage) -> None:
        """Take a DNS query a browser may have sent."""
        for question in query.questions[:4]:
            if question.name[-_TAIL:].lower() in _TAILS:
                self._host(context, question.name)

    def listed(self, sessions: Iterable[Session]) -> list[Browser]:
        """Each engine at each address, the first `MAX_LISTED`."""
        webrtc = {address for session in sessions for address in session.client_addresses}
        found = []
        for address, client in self.clients.items():
            for engine in dict.fromkeys(statement.engine for statement in client.statements):
                said = {s: seen for s, seen in client.statements.items() if s.engine == engine}
                best = min(said, key=lambda statement: statement.how != "user-agent")
                example = client.examples[best]
                seen = list(said.values())
                found.append(Browser(address, best, example, address in webrtc, seen))
        return found[:MAX_LISTED]

    def _http(self, context: Context, message: HttpRequest) -> None:
        agent = message.header("user-agent")
        engine = engine_of_user_agent(agent) if agent else None
        if agent is not None and engine is not None:
            self._state(context, Statement(engine, "user-agent"), agent)
        if message.method == "CONNECT":
            if message.authority is not None:
                self._host(context, message.authority[0])
        elif engine == "chromium":
            client = self._client(context)
            if client is None:
                return
            if message.header("sec-ch-ua") is not None:
                client.secure_pages = _again(client.secure_pages, context)
            else:
                client.insecure_pages = _again(client.insecure_pages, context)

    def _host(self, context: Context, host: IPAddress | str | None) -> None:
        if not isinstance(host, str):
            return
        name = host.lower().rstrip(".")
        if name[-_TAIL:] not in _TAILS:
            return
        while name:
            engine = SERVICES.get(name)
            if engine is not None:
                self._state(context, Statement(engine, "service"), host)
                return
            name = name.partition(".")[2]

    def _client(self, context: Context) -> Client | None:
        address = (context.outer or (context.source,))[0].address
        client = self.clients.get(address)
        if client is None:
            if len(self.clients) >= MAX_CLIENTS:
                self.forgotten += 1
                return None
            client = self.clients[address] = Client()
        return client

    def _state(self, context: Context, statement: Statement, example: str) -> None:
        client = self._client(context)
        if client is None:
            return
        client.statements[statement] = _again(client.statements.get(statement), context)
        client.examples.setdefault(statement, example[:MAX_EXAMPLE])


def _again(sighting: Sighting | None, context: Context) -> Sighting:
    if sighting is None:
        return Sighting(context)
    sighting.add(context)
    return sighting


def engine_of_user_agent(text: str) -> Engine | None:
    """The engine a User-Agent field names; every browser on iOS is WebKit."""
    if "Gecko/" in text and ("Firefox/" in text or "Thunderbird/" in text):
        return "firefox"
    if "Chrome/" in text or "Chromium/" in text:
        return "chromium"
    if "AppleWebKit/" in text:
        return "webkit"
    return None

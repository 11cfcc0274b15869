"""Who was asked for names, how, and what was answered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sized
from ipaddress import ip_address
from typing import Literal

from msgspec import Struct, field

from pcapleak.decode.dns.message import ADDRESS_SIZES, CNAME, DnsMessage
from pcapleak.decode.web.quic import QuicInitial
from pcapleak.decode.web.tls import ClientHello
from pcapleak.track.public_resolvers import is_resolver_name
from pcapleak.values.packets import Context, Endpoint, IPAddress

ResolverTransport = Literal["udp", "tcp", "dot", "doq", "doh"]

MAX_RESOLVERS = 8192
"""Real captures have a handful; about 1.4 kB each with one name, so 12 MB."""
MAX_NAMES = 256
MAX_ALL_DETAILS = 100_000
"""Names, flows and client subnets beyond the first of each, over all resolvers: at most about
400 bytes each, so 40 MB."""
MAX_RECENT = 16_384
"""Flows whose entry is known without looking for it: about 100 bytes each, so 2 MB."""
MAX_ASKED = 32_768
"""Questions whose answer may come: about 250 bytes each, so 9 MB."""
MAX_ASKING = 65_536
"""Flows whose questions are known apart: about 300 bytes each, so 20 MB."""
MAX_ON_FLOW = 16
"""Different names asked on one flow that are known apart."""
MAX_FLOWS = 64
MAX_FRAMES = 16
MAX_ANSWERS = 100_000
"""Addresses whose names are remembered: at about 300 bytes each, 30 MB."""
MAX_SHARED = 10_000
"""Further names of addresses, such as a hosting provider's: at about 300 bytes each, 3 MB."""

DOT_PORT = 853


class Resolver(Struct):
    """One client's use of one resolver over one transport on one interface.

    Over DoT, DoQ and DoH queries cannot be counted: `queries` counts connections, and `names`
    holds the resolver's own name where the client said it.
    """

    interface: int
    client: IPAddress
    endpoint: Endpoint
    transport: ResolverTransport
    layers: tuple[str, ...] = ()
    """What carried the queries: ("socks",) for DNS over TCP through a proxy."""
    queries: int = 0
    responses: int = 0
    first_ns: int = 0
    last_ns: int = 0
    frames: list[int] = field(default_factory=list)
    """The first frames with queries (with responses, where no query was seen)."""
    flows: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    """Names asked, in lower case, with how often; the first `MAX_NAMES`."""
    recursive: bool = False
    """Whether any query wanted recursion, as those of a stub resolver do (RFC 1034 section 4.3.1).
    A host that is a resolver itself asks name servers without."""
    client_subnets: list[str] = field(default_factory=list)
    """EDNS client subnets in the queries (RFC 7871): the resolver passes them on."""


class ResolverTracker:
    """Resolvers by (interface, encapsulation, client, endpoint, transport), and names by
    address."""

    def __init__(self) -> None:
        self._resolvers: dict[tuple[object, ...], Resolver] = {}
        self._by_flow: dict[int, tuple[Endpoint, Endpoint, Resolver]] = {}
        """Client, server and entry of each flow's last message, nearly always the next one's."""
        self._names_of: dict[bytes, str] = {}
        """By packed address."""
        self._shared: dict[tuple[str, bytes], None] = {}
        """Further names by which an address was given."""
        self._asked: OrderedDict[tuple[int, int], str] = OrderedDict()
        """Questions that wait for an answer, by flow and id."""
        self._on_flow: dict[int, tuple[list[str], list[int]]] = {}
        """By flow the different names asked, in lower case, and the number of questions."""
        self._details = 0
        self.unasked = 0
        """Answers to no question."""
        self.dropped = 0
        """Queries to resolvers beyond `MAX_RESOLVERS`."""

    def add(self, context: Context, message: DnsMessage | ClientHello | QuicInitial) -> None:
        """Take one DNS message, or a hello that may open an encrypted channel to a resolver."""
        if isinstance(message, DnsMessage):
            self._add_message(context, message)
            return
        transport = _encrypted(context, message)
        if transport is not None:
            entry = self._entry(context, transport, context.source, context.destination)
            if entry is not None:
                entry.recursive = True
                self._count(entry, context, message.server_name or "")

    def resolvers(self) -> list[Resolver]:
        """Every resolver use, in order of first sight."""
        return list(self._resolvers.values())

    def name_of(self, address: IPAddress) -> str | None:
        """The name a client asked for when it was first given `address`."""
        return self._names_of.get(address.packed)

    def addresses_of(self, names: Collection[str]) -> list[IPAddress]:
        """The addresses first given for one of `names`, which are in lower case."""
        return [ip_address(packed) for packed, name in self._names_of.items() if name in names]

    def answers_for(self, name: str) -> list[IPAddress]:
        """Every address that was given for `name`, which is in lower case."""
        shared = [ip_address(packed) for known, packed in self._shared if known == name]
        return [*self.addresses_of((name,)), *shared]

    def asked_on(self, flow: int) -> tuple[list[str], int] | None:
        """The different names asked on a flow and how many questions there were; None where
        that is not known. A name that is not known is the empty one."""
        found = self._on_flow.get(flow)
        return None if found is None else (found[0], found[1][0])

    def _add_message(self, context: Context, message: DnsMessage) -> None:
        transport: ResolverTransport = "tcp" if context.transport == "tcp" else "udp"
        if not message.is_response:
            entry = self._entry(context, transport, context.source, context.destination)
            if entry is None:
                return
            name = message.questions[0].name if message.questions else ""
            self._count(entry, context, name)
            entry.recursive = entry.recursive or message.recursion_desired
            self._asked[context.flow, message.id] = name
            if len(self._asked) > MAX_ASKED:
                self._asked.popitem(last=False)
            subnet = message.client_subnet if message.additionals else None
            if subnet is not None:
                text = str(subnet)
                if text not in entry.client_subnets and self._room(entry.client_subnets, MAX_FLOWS):
                    entry.client_subnets.append(text)
            return
        entry = self._entry(context, transport, context.destination, context.source)
        if entry is None:
            return
        entry.responses += 1
        entry.last_ns = context.ts_ns
        if not entry.queries and len(entry.frames) < MAX_FRAMES:
            entry.frames.append(context.frame)
        asked = self._asked.get((context.flow, message.id))
        if asked is None:
            self.unasked += 1
        elif message.questions and message.questions[0].name.lower() == asked.lower():
            self._remember(message)

    def _entry(
        self,
        context: Context,
        transport: ResolverTransport,
        client: Endpoint,
        server: Endpoint,
    ) -> Resolver | None:
        flow = context.flow
        last = self._by_flow.get(flow)
        # The very objects: addresses that are only equal take ten times as long to compare.
        if last is not None and last[0] is client and last[1] is server:
            entry = last[2]
            if entry.layers == context.layers and entry.interface == context.interface:
                return entry
        where = context.interface, context.carrier
        key = (*where, client.address, server, transport, context.layers)
        found = self._resolvers.get(key)
        if found is None:
            if len(self._resolvers) >= MAX_RESOLVERS:
                self.dropped += 1
                return None
            found = self._resolvers[key] = Resolver(
                context.interface,
                client.address,
                server,
                transport,
                context.layers,
                first_ns=context.ts_ns,
                last_ns=context.ts_ns,
            )
        if flow not in found.flows and self._room(found.flows, MAX_FLOWS):
            found.flows.append(flow)
        if len(self._by_flow) >= MAX_RECENT:
            self._by_flow.clear()
        self._by_flow[flow] = client, server, found
        return found

    def _count(self, entry: Resolver, context: Context, name: str) -> None:
        entry.queries += 1
        entry.last_ns = context.ts_ns
        if entry.queries == 1:
            entry.frames.clear()
        if len(entry.frames) < MAX_FRAMES:
            entry.frames.append(context.frame)
        name = name.lower()
        self._ask_on(context.flow, name)
        if name in entry.names:
            entry.names[name] += 1
        elif name and self._room(entry.names, MAX_NAMES):
            entry.names[name] = 1

    def _ask_on(self, flow: int, name: str) -> None:
        found = self._on_flow.get(flow)
        if found is None:
            if len(self._on_flow) < MAX_ASKING:
                self._on_flow[flow] = [name], [1]
            return
        names, count = found
        count[0] += 1
        if len(names) <= MAX_ON_FLOW and name not in names:
            names.append(name if len(names) < MAX_ON_FLOW else "")

    def _room(self, kept: Sized, limit: int) -> bool:
        """Whether one more of something is kept: the first always."""
        if not kept:
            return True
        if len(kept) >= limit or self._details >= MAX_ALL_DETAILS:
            return False
        self._details += 1
        return True

    def _remember(self, message: DnsMessage) -> None:
        """Aliases included, an answer's addresses belong to the name that was asked."""
        asked = message.questions[0].name
        plain = asked.lower()
        reached = {plain}
        for name, rtype, _, _, _, data, raw in message.answers:
            # Nearly every answer is of the very name that was asked, written the same.
            if name != asked and name.lower() not in reached:
                continue
            if rtype == CNAME and isinstance(data, str):
                reached.add(data.lower())
            elif ADDRESS_SIZES.get(rtype) == len(raw) and len(self._names_of) < MAX_ANSWERS:
                first = self._names_of.setdefault(raw, plain)
                if first != plain and len(self._shared) < MAX_SHARED:
                    self._shared[plain, raw] = None


def _encrypted(context: Context, message: ClientHello | QuicInitial) -> ResolverTransport | None:
    """The transport of a resolver that `message` opens a channel to, if it does."""
    if isinstance(message, QuicInitial):
        if "doq" in message.alpn or any(name.startswith("doq-") for name in message.alpn):
            return "doq"
        if not message.fragments:
            # Undecryptable: a server's, or a version whose secrets are not public.
            return None
        if context.destination.port == DOT_PORT:
            return "doq"
    elif "dot" in message.alpn or context.destination.port == DOT_PORT:
        return "dot"
    name = (message.server_name or "").lower()
    return "doh" if is_resolver_name(name) else None

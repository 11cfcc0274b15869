"""Names of multicast DNS, and those by which browsers hide addresses in ICE candidates."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from pcapleak.decode.dns.message import AAAA, ANY, NSEC, A, DnsMessage, Record, SrvData
from pcapleak.track.sightings import Budget, Sighting, see
from pcapleak.values.packets import Context, Direction, IPAddress

MAX_NAMES = 20_000
"""Names remembered: about 2500 bytes each with their sightings, so 50 MB at the most."""

MAX_ARRIVING = 1000
"""Of these that were first said by others, as the recorder marks it, and of what others said of all
names beyond the first: a watch judges them again and again, and is about what its own host says."""

MAX_ADDRESSES = 16
"""Addresses and askers remembered for a name; a WebRTC name has one address."""

MAX_SIGHTINGS = 50_000
"""Of these beyond the first of each name: at most about 850 bytes each, so 43 MB."""

MAX_TIMES = 6
"""Times kept of a name's announcements and answers; Chromium announces it twice."""

MAX_CUT, MAX_ANNOUNCERS = 256, 256
"""Times of cut announcements kept for one announcer, and announcers: 2 MB at the most."""

AGAIN_NS = 100_000_000
"""One announcement is on all interfaces within this."""

UUID_NAME = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})([0-9a-f]*)\.local\.?\Z",
    re.IGNORECASE,
)
"""draft-ietf-mmusic-mdns-ice-candidates: a UUID; older Safari appends a counter."""


class NameRecord:
    """What was said of one name."""

    __slots__ = (
        "_uuid", "addresses", "announcers", "answered", "asked", "askers", "denied", "goodbye_ns",
        "interfaces", "is_service", "name", "nsec", "placed", "said", "times", "ttl_s",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self._uuid = _uuid_of(name)
        self.addresses: dict[IPAddress, Sighting] = {}
        self.announcers: dict[IPAddress, Sighting] = {}
        """Who said which address it has."""
        self.placed: dict[tuple[int, IPAddress, IPAddress], Sighting] = {}
        """Interface, announcer and address of each announcement."""
        self.interfaces: set[int] = set()
        self.said: Sighting | None = None
        """Every message that gave it an address."""
        self.times: list[tuple[int, bool]] = []
        """When it was given an address, each time once on however many interfaces, and whether
        somebody had just asked for it."""
        self.answered = 0
        """How many of these came within a second of a question for it."""
        self.asked: Sighting | None = None
        self.askers: dict[IPAddress, Sighting] = {}
        self.ttl_s: int | None = None
        self.nsec = False
        """An NSEC record came with an address, or a record that was cut off: Chromium's responder
        does that."""
        self.denied = False
        self.goodbye_ns: int | None = None
        self.is_service = False
        """A service points at it (SRV), or it is more than a host's name."""

    @property
    def uuid(self) -> str | None:
        """The UUID in it, where browsers could have made the name.

        They make random ones (version 4, RFC 9562 section 5.4). Printers and Cast devices
        have UUID names too; theirs are targets of services.
        """
        return None if self.is_service else self._uuid

    @property
    def first_ns(self) -> int | None:
        """When it was first given an address."""
        return None if self.said is None else self.said.first_ns

    @property
    def sightings(self) -> list[Sighting]:
        """Every message that gave it an address or asked for it."""
        seen = [sighting for sighting in (self.said, self.asked) if sighting is not None]
        if self.said is None:
            # Its goodbye names the address it had (RFC 6762 section 10.1).
            seen += self.addresses.values()
        return seen

    @property
    def announcer(self) -> IPAddress | None:
        """Who gave it an address first: the IPv4 sender, if one did."""
        found = sorted(
            self.announcers.items(), key=lambda item: (item[0].version, item[1].first_ns)
        )
        return found[0][0] if found else None

    @property
    def is_wildcard(self) -> bool:
        """Announced for an unspecified address: no candidate carries such a name."""
        return bool(self.addresses) and all(address.is_unspecified for address in self.addresses)

    @property
    def engine(self) -> tuple[str, str] | None:
        """Which engine announces like this, and why."""
        if self.said is None or self.uuid is None:
            return None
        if self.nsec and self.said.count > self.answered:
            return "chromium", "announced its name unasked, with an NSEC record"
        if not self.nsec and self.answered == self.said.count:
            return "firefox", "answered for its name only when asked, without NSEC"
        return None


def _uuid_of(name: str) -> str | None:
    match = UUID_NAME.match(name)
    if match is None:
        return None
    uuid = match[1].lower()
    return uuid if uuid[14] == "4" and uuid[19] in "89ab" else None


class NameTracker:
    """What multicast DNS said of host names."""

    def __init__(self) -> None:
        self.records: dict[str, NameRecord] = {}
        """By name in lower case."""
        self.forgotten = 0
        """Names beyond `MAX_NAMES` or `MAX_ARRIVING` that were not remembered."""
        self._arrived = 0
        self.cut: dict[IPAddress, list[int]] = {}
        """When browsers' names were announced, by announcer, in messages that the recorder kept
        no address of: the first `MAX_CUT` times."""
        self._budget = Budget(MAX_SIGHTINGS)
        self._arriving = Budget(MAX_ARRIVING)

    @property
    def details_forgotten(self) -> int:
        """Addresses and askers beyond `MAX_SIGHTINGS`."""
        return self._budget.refused + self._arriving.refused

    def _budget_of(self, context: Context) -> Budget:
        return self._arriving if context.direction == Direction.INBOUND else self._budget

    def add(self, context: Context, message: DnsMessage) -> None:
        """Take one multicast DNS message."""
        # A probe asks for the name it is about to take, with what it will say (RFC 6762
        # section 8.1); the answers in a query are what the asker knows already.
        claims = message.authorities if message.is_probe else ()
        probed = {record.name.lower() for record in claims}
        if not message.is_response:
            for question in message.questions:
                if question.type in (A, AAAA, ANY) and question.name.lower() not in probed:
                    self._ask(context, question.name)
        if message.cut_name and message.is_response:
            self._announce_cut(context, message.cut_name)
        for record in (*message.answers, *message.authorities, *message.additionals):
            if record.type in (A, AAAA) and isinstance(record.data, IPv4Address | IPv6Address):
                if message.is_response or record in claims:
                    self._say(context, record, record.data)
            elif isinstance(record.data, SrvData) and (
                known := self._record(context, record.data.target)
            ):
                known.is_service = True
        if message.is_response:
            # Beside its address a browser's responder says nothing but NSEC, if that.
            lost_additional = message.missing == 1 and not message.additionals
            for record in (*message.answers, *message.additionals):
                known = self.records.get(record.name.lower())
                if known is not None and (record.type == NSEC or lost_additional):
                    known.nsec = True

    def names(self) -> list[NameRecord]:
        """The names browsers hide addresses by, in the order they were first seen."""
        found = [record for record in self.records.values() if record.uuid is not None]
        return sorted(found, key=_first_seen)

    def _announce_cut(self, context: Context, name: str) -> None:
        local = name if "." in name else f"{name}.local"
        if NameRecord(local.lower()).uuid is None:
            return
        times = self.cut.setdefault(context.source.address, [])
        if len(times) < MAX_CUT and len(self.cut) <= MAX_ANNOUNCERS:
            times.append(context.ts_ns)

    def _record(self, context: Context, name: str) -> NameRecord | None:
        key = name.lower()
        record = self.records.get(key)
        if record is None:
            if not key.endswith(".local"):
                return None
            arrives = context.direction == Direction.INBOUND
            if len(self.records) >= MAX_NAMES or (arrives and self._arrived >= MAX_ARRIVING):
                self.forgotten += 1
                return None
            self._arrived += arrives
            record = self.records[key] = NameRecord(key)
        return record

    def _ask(self, context: Context, name: str) -> None:
        record = self._record(context, name)
        if record is None:
            return
        record.interfaces.add(context.interface)
        if record.asked is None:
            record.asked = Sighting(context)
        else:
            record.asked.add(context)
        see(record.askers, context.source.address, context, MAX_ADDRESSES, self._budget_of(context))

    def _say(self, context: Context, record: Record, address: IPAddress) -> None:
        known = self._record(context, record.name)
        if known is None:
            return
        known.interfaces.add(context.interface)
        if record.ttl_s == 0:
            known.goodbye_ns = context.ts_ns
            if known.said is not None:
                return
        budget = self._budget_of(context)
        see(known.addresses, address, context, MAX_ADDRESSES, budget)
        see(known.announcers, context.source.address, context, MAX_ADDRESSES, budget)
        place = context.interface, context.source.address, address
        see(known.placed, place, context, MAX_ADDRESSES, budget)
        if record.ttl_s == 0:
            return
        known.ttl_s = record.ttl_s
        if known.said is None:
            known.said = Sighting(context)
        else:
            known.said.add(context)
        # RFC 6762 section 6 has answers sent within 120 ms; Chromium's limit of one a second
        # for a name can delay them by as much.
        asked = known.asked is not None and (
            0 <= context.ts_ns - known.asked.last_ns < 1_100_000_000
        )
        known.answered += asked
        last = known.times[-1][0] if known.times else None
        if len(known.times) < MAX_TIMES and (last is None or context.ts_ns - last > AGAIN_NS):
            known.times.append((context.ts_ns, asked))


def _first_seen(record: NameRecord) -> tuple[int, str]:
    return min((seen.first_ns for seen in record.sightings), default=0), record.name

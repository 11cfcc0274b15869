"""Browsers' multicast DNS responders, told apart by when they send.

Chromium's responder (services/network/mdns_responder.cc) announces each name twice. All that it
announces stands in one queue that sends one packet a second, in order; what would have to wait
longer than ten seconds is dropped. So names belong to the gatherings that asked for them in
that order, however far the queue lags, and two responders of a host keep different time.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from pcapleak.track.ice.agents import AT_ONCE_NS, Agent
from pcapleak.track.names import NameRecord
from pcapleak.values.packets import SECOND, IPAddress

LATE_NS = SECOND // 8
"""How long after its second a packet is sent: 40 ms were seen on a busy machine."""

EARLY_NS = SECOND // 200
"""Clocks of timers and of capture differ by less."""

PROMPT_NS = SECOND // 50
"""How late packets mostly are at most."""

QUEUE_NS = 10 * SECOND
"""What would wait longer is dropped (kMaxScheduledDelay)."""


MAX_RESPONDERS = 8
"""Responders of one host: each is a browser with a profile of its own."""


class Page(Struct, eq=False):
    """Names of one page: it has one for each address."""

    names: list[NameRecord] = field(default_factory=list)
    addresses: set[IPAddress] = field(default_factory=set)
    announcers: set[IPAddress] = field(default_factory=set)

    @property
    def first_ns(self) -> int:
        """When its first name was announced."""
        return self.names[0].first_ns or 0

    def fits(self, name: NameRecord) -> bool:
        """Whether the name can be of this page."""
        same = not self.announcers.isdisjoint(name.announcers)
        return same and self.addresses.isdisjoint(name.addresses)

    def take(self, name: NameRecord) -> None:
        """Add a name."""
        self.names.append(name)
        self.addresses.update(name.addresses)
        self.announcers.update(name.announcers)


class Batch(Struct, eq=False):
    """Names that one gathering asked for."""

    page: Page
    responder: Responder
    first_ns: int
    is_prompt: bool
    """Nothing was waiting: the first was announced as soon as it was asked for."""
    names: list[NameRecord] = field(default_factory=list)
    last_ns: int = 0
    """When the last of them was announced for the last time."""
    is_whole: bool = False
    """The last of them was announced twice."""
    is_crowded: bool = False
    """The queue went on with another batch in the second after."""
    continues: Batch | None = None
    """The batch whose session may have asked for these too."""
    agent: Agent | None = None
    """The session that asked for them."""
    others: list[Agent] = field(default_factory=list)
    """Further sessions that can have asked for them."""
    is_blurred: bool = False
    """Another responder can have sent them."""

    def leave_page(self) -> None:
        """Take the names for a page's of their own."""
        self.page = Page()
        for name in self.names:
            self.page.take(name)


class Responder(Struct, eq=False):
    """One browser's responder, as a recording shows it."""

    slot_ns: int
    """When its last packet was due."""
    batches: list[Batch] = field(default_factory=list)
    busy_ns: int = 0
    """Since when something waited."""
    has_gap: bool = False
    """Something that it must have sent was not recorded."""
    is_resumed: bool = False
    """Its queue was at work when the recording began, for pages of before."""

    @property
    def usual(self) -> int:
        """How many names a page mostly asks for, by those that were announced together; where the
        beginning is missing, by all kinds of addresses."""
        if self.is_resumed:
            names = (name for batch in self.batches for name in batch.names)
            return len(
                {(one.version, one.is_unspecified) for name in names for one in name.addresses}
            )
        return max((len(batch.names) for batch in self.batches), default=0)

    def lateness(self, at_ns: int) -> int | None:
        """How late a packet is that its queue sent next; None where it comes too early for one,
        or so late that the queue had run dry."""
        late = at_ns - self.slot_ns - SECOND
        return late if -EARLY_NS <= late <= LATE_NS else None

    def is_dry(self, at_ns: int) -> bool:
        """Whether nothing waits any more."""
        return at_ns - self.slot_ns - SECOND > LATE_NS

    def is_between(self, at_ns: int) -> bool:
        """Whether the name it announced last is still to be announced again."""
        names = self.batches[-1].names if self.batches else []
        return bool(names) and any(time > at_ns for time, asked in names[-1].times if not asked)

    def goes_with(self, name: NameRecord, at_ns: int) -> bool:
        """Whether a name came with the last one, for another address: of a responder that does
        not wait; those of two browsers begin with the same address."""
        if not self.batches or not self.batches[-1].page.fits(name):
            return False
        return at_ns - self.batches[-1].first_ns <= AT_ONCE_NS

    def send(self, at_ns: int, *, asked: bool = False) -> bool:
        """Note a packet of its own, unless it is an answer (`asked`): those wait elsewhere."""
        late = self.lateness(at_ns)
        if late is not None:
            self.slot_ns += SECOND + min(late, 0)
            return True
        if not asked and self.is_dry(at_ns):
            self.slot_ns = at_ns
            return True
        return False

    def begin(self, name: NameRecord, at_ns: int, *, is_prompt: bool) -> Batch:
        """Take a name that is announced for the first time."""
        last = self.batches[-1] if self.batches else None
        page = last.page if last is not None else Page()
        is_new_page = not page.addresses.isdisjoint(name.addresses)
        # The name before was dropped where its second packet was due. A session asks for the
        # names of its addresses at once: this one was asked for later.
        is_later = (
            last is not None
            and not is_prompt
            and not last.is_whole
            and at_ns - last.last_ns > AT_ONCE_NS
        )
        is_new_page |= is_later and not name.is_wildcard
        # A page's IPv4 name is the first of its names, those of unspecified addresses the last.
        is_new_page |= (
            last is not None and last.names[-1].is_wildcard and _is_first(name) and not is_prompt
        )
        # Only what has waited for long is dropped, and who waits for nothing drops nothing.
        lost = last is not None and not last.is_whole and at_ns - last.last_ns > AT_ONCE_NS
        if lost and (is_prompt or at_ns - self.busy_ns < QUEUE_NS - SECOND):
            self.has_gap = True
            self.is_resumed |= sum(batch.is_prompt for batch in self.batches) == 1
        if is_prompt:
            self.busy_ns = at_ns
        if last is None or is_prompt or is_new_page or is_later:
            if last is not None and not is_prompt:
                last.is_crowded = True
            last = Batch(Page() if is_new_page else page, self, at_ns, is_prompt)
            self.batches.append(last)
        last.page.take(name)
        last.names.append(name)
        last.is_whole = False
        return last


def find_responders(names: Iterable[NameRecord]) -> list[Responder]:
    """The responders of one host whose names these are, in the order they began."""
    events = sorted(
        (
            (at_ns, name.name, asked, name)
            for name in names
            for at_ns, asked in (*_sent(name), *_withdrawn(name))
        ),
        key=lambda event: event[:2],
    )
    responders: list[Responder] = []
    owners: dict[str, Responder] = {}
    for at_ns, _, asked, name in events:
        owner = owners.get(name.name)
        if owner is not None:
            sent = owner.send(at_ns, asked=asked)
            if sent and name is owner.batches[-1].names[-1] and at_ns != name.goodbye_ns:
                owner.batches[-1].last_ns = min(at_ns, owner.slot_ns)
                owner.batches[-1].is_whole = True
            continue
        if asked:
            continue
        together = next((one for one in responders if one.goes_with(name, at_ns)), None)
        if together is not None:
            together.begin(name, at_ns, is_prompt=False).last_ns = at_ns
            owners[name.name] = together
            continue
        able = [one for one in responders if not one.is_between(at_ns)]
        waiting = [(late, one) for one in able if (late := one.lateness(at_ns)) is not None]
        if waiting:
            _, owner = min(waiting, key=lambda one: one[0])
            owner.send(at_ns)
            batch = owner.begin(name, at_ns, is_prompt=False)
            batch.is_blurred |= len(waiting) > 1
        else:
            dry = [one for one in able if one.is_dry(at_ns)]
            if dry or len(responders) == MAX_RESPONDERS:
                owner = max(dry or responders, key=lambda one: one.slot_ns)
            else:
                owner = Responder(at_ns)
                responders.append(owner)
            owner.slot_ns = at_ns
            batch = owner.begin(name, at_ns, is_prompt=True)
        owners[name.name] = owner
        batch.last_ns = min(at_ns, owner.slot_ns)
    for one in responders:
        begun, *later = [name for batch in one.batches for name in batch.names]
        if not _is_first(begun) and any(map(_is_first, later)):
            # Its page's IPv4 name was announced before the recording began.
            one.batches[0].is_prompt = False
            one.has_gap = one.is_resumed = True
    return responders


def _is_first(name: NameRecord) -> bool:
    """Whether it hides an IPv4 address."""
    return any(one.version == 4 and not one.is_unspecified for one in name.addresses)


def _sent(name: NameRecord) -> list[tuple[int, bool]]:
    """When its address was sent, and whether as an answer; the first time is none where all
    are."""
    if all(asked for _, asked in name.times):
        return [(at_ns, number > 0) for number, (at_ns, _) in enumerate(name.times)]
    return name.times


def _withdrawn(name: NameRecord) -> list[tuple[int, bool]]:
    return [] if name.goodbye_ns is None else [(name.goodbye_ns, False)]


def asked_between(batch: Batch, usual: int, late_ns: int = LATE_NS) -> tuple[int, int]:
    """From when to when the gathering began that asked for a batch; `usual` is how many names
    the host's gatherings ask for, `late_ns` how late a packet may have been."""
    low = batch.last_ns - QUEUE_NS - late_ns
    high = batch.first_ns + EARLY_NS
    if batch.responder.is_resumed and batch is batch.responder.batches[0]:
        # It was announced twice, mostly, before the name of the next address.
        high -= 2 * SECOND
    if batch.is_crowded and (len(batch.names) < usual or not batch.is_whole):
        # What would have come in the second after was dropped.
        high = min(high, batch.last_ns + SECOND - QUEUE_NS + late_ns)
    return low, high

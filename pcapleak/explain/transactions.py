"""STUN transactions: which response answers which request, how fast, after how many tries."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from msgspec import Struct, field

from pcapleak.decode.stun.decoder import StunMessage
from pcapleak.values.packets import Context

MAX_TRANSACTIONS = 50_000
"""Transactions remembered; the oldest goes first. About 600 bytes each, so 30 MB."""

MAX_SENDS = 16
"""Sends of one request kept; libwebrtc makes 9, RFC 8489 7."""

Timers = Literal["libwebrtc", "rfc8489"]

_FIRST_WAIT_NS: tuple[tuple[Timers, int], ...] = (
    ("libwebrtc", 250_000_000),
    ("rfc8489", 500_000_000),
)
"""The first retransmission timeout: libwebrtc's stun_request.cc; RFC 8489 section 6.2.1."""

_TIMER_SLACK = 0.2


class Transaction(Struct):
    """One request, its retransmissions and its answer."""

    method_name: str
    transaction_id: bytes
    forward: bool
    """Asked by the flow's orig."""
    sends: list[tuple[int, int]] = field(default_factory=list)
    """(frame, time) of each send, the first `MAX_SENDS`."""
    retransmissions: int = 0
    response_frame: int | None = None
    response_ns: int | None = None
    error_code: int | None = None

    @property
    def round_trip_ns(self) -> int | None:
        """Time from the last send to the answer; None where the answer is missing or came
        after a retransmission, when it is unsure which send it answers."""
        if self.response_ns is None or self.retransmissions or not self.sends:
            return None
        return self.response_ns - self.sends[0][1]

    @property
    def timers(self) -> Timers | None:
        """Whose retransmission timers the sends follow: both double, so the first wait tells."""
        if len(self.sends) < 2:
            return None
        wait = self.sends[1][1] - self.sends[0][1]
        for name, expected in _FIRST_WAIT_NS:
            if abs(wait - expected) <= expected * _TIMER_SLACK:
                return name
        return None


class TransactionTable:
    """Pairs STUN messages of the same flow and transaction id."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, bytes], Transaction] = OrderedDict()
        self.dropped = 0

    def add(self, context: Context, message: StunMessage) -> Transaction | None:
        """Take a message; gives its transaction as known after it, or None for indications
        and for answers whose request was not seen."""
        kind = message.message_class
        if kind == "indication":
            return None
        key = (context.flow, message.transaction_id)
        known = self._known.get(key)
        if kind == "request":
            if known is None or known.forward != context.forward:
                known = self._open(key, context, message)
            else:
                known.retransmissions += 1
            if len(known.sends) < MAX_SENDS:
                known.sends.append((context.frame, context.ts_ns))
            return known
        if known is None or known.forward == context.forward:
            return None
        if known.response_frame is None:
            known.response_frame, known.response_ns = context.frame, context.ts_ns
            known.error_code = message.error.code if message.error else None
        return known

    def _open(self, key: tuple[int, bytes], context: Context, message: StunMessage) -> Transaction:
        if len(self._known) >= MAX_TRANSACTIONS:
            self._known.popitem(last=False)
            self.dropped += 1
        opened = Transaction(message.method_name, message.transaction_id, context.forward)
        self._known[key] = opened
        return opened

    def transactions(self) -> list[Transaction]:
        """All transactions remembered, in the order of their first request."""
        return list(self._known.values())

    def unanswered(self) -> list[Transaction]:
        """Requests no answer was seen for."""
        return [known for known in self._known.values() if known.response_frame is None]

"""ClientHellos of QUIC that took more than one datagram.

Since key shares became large a browser's hello has two Initial packets, and Chromium sends its
pieces out of order on purpose.
"""

from __future__ import annotations

from pcapleak.decode.web.quic import CryptoFragment, QuicInitial, join_fragments
from pcapleak.errors import DecodeError
from pcapleak.values.packets import Context

MAX_OPEN = 1024
"""Connections whose hello is not whole yet."""
MAX_BYTES = 8192
"""Bytes of pieces kept of one hello, so 8 MB for all."""
MAX_PIECES = 64
"""Of one hello; Chromium cuts its into some 20. About 130 bytes each beside their own: 9 MB."""


class QuicHellos:
    """Pieces of hellos by (flow, connection id the client chose)."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, bytes], tuple[CryptoFragment, ...]] = {}

    def join(self, context: Context, message: QuicInitial) -> QuicInitial:
        """`message`, with the hello that it completes if it does."""
        if message.hello is not None or not message.fragments:
            return message
        key = (context.flow, message.dcid)
        pieces = self._open.pop(key, ()) + message.fragments
        if len(pieces) > MAX_PIECES or sum(len(piece.data) for piece in pieces) > MAX_BYTES:
            return message
        try:
            hello = join_fragments(pieces)
        except DecodeError:
            return message
        if hello is not None:
            return message._replace(hello=hello)
        if len(self._open) >= MAX_OPEN:
            del self._open[next(iter(self._open))]
        self._open[key] = pieces
        return message

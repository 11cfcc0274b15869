"""What clients say of themselves in clear: languages, browser, time zone."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import unquote

from msgspec import Struct

from pcapleak.decode.ice.page import read_page_facts
from pcapleak.decode.web.http import HttpRequest
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.track.sightings import Sighting
from pcapleak.values.packets import Context, IPAddress

ClaimKind = Literal["language", "browser", "time zone"]

MAX_CLAIMS = 4096
"""Claims remembered: at most 600 bytes of text each and 500 around it, so 5 MB."""
MAX_TEXT = 500
MAX_SEARCHED = 1 << 16
"""Bytes of a body searched for a time zone; scripts that report one send a few kB."""

_ZONE_MARK = re.compile(rb"time_?zone|[?&]tz=", re.IGNORECASE)


class Claim(Struct, frozen=True):
    """One thing one client said, and where it was first seen."""

    client: IPAddress
    kind: ClaimKind
    value: str
    seen: Sighting


class ClaimTracker:
    """The different claims of each client, each counted."""

    def __init__(self) -> None:
        self._claims: dict[tuple[IPAddress, ClaimKind, str], Claim] = {}
        self.forgotten = 0
        """Claims beyond `MAX_CLAIMS`."""

    def add(self, context: Context, message: HttpRequest | WebSocketMessage) -> None:
        """Take a message that may tell something of who sent it."""
        if isinstance(message, WebSocketMessage):
            self._zone(context, message.payload)
        else:
            for name in _FIELDS:
                self.field(context, name, message.header(name) or "")
            self._zone(context, message.target.encode("latin-1", "replace"))
            self._zone(context, message.body)

    def field(self, context: Context, name: str, value: str) -> bool:
        """Take a header field; says whether it is one that tells something."""
        kind = _FIELDS.get(name)
        if kind is not None and value:
            self.note(context, kind, value)
        return kind is not None

    def note(self, context: Context, kind: ClaimKind, value: str) -> None:
        """Take one claim."""
        key = (context.source.address, kind, value[:MAX_TEXT])
        known = self._claims.get(key)
        if known is not None:
            known.seen.add(context)
        elif len(self._claims) < MAX_CLAIMS:
            self._claims[key] = Claim(*key, Sighting(context))
        else:
            self.forgotten += 1

    def claims(self) -> list[Claim]:
        """Every claim, in order of first sight."""
        return list(self._claims.values())

    def _zone(self, context: Context, data: bytes) -> None:
        if _ZONE_MARK.search(data, 0, MAX_SEARCHED) is None:
            return
        text = unquote(data[:MAX_SEARCHED].decode("utf-8", "replace"))
        zone = read_page_facts(text).timezone
        if zone is not None:
            self.note(context, "time zone", zone)


_FIELDS: dict[str, ClaimKind] = {"accept-language": "language", "user-agent": "browser"}

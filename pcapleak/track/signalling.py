"""Candidate lines that signalling carried: in clear, or decrypted by keys given."""

from __future__ import annotations

import re
from typing import assert_never

from msgspec import Struct

from pcapleak.decode.ice.candidate import CandidateLine, find_candidates
from pcapleak.decode.ice.terms import ice_passwords
from pcapleak.decode.messages import Signalling
from pcapleak.decode.web.http import HttpRequest, HttpResponse
from pcapleak.decode.web.sip import SipMessage
from pcapleak.decode.web.websocket import WebSocketMessage
from pcapleak.track.sightings import Sighting
from pcapleak.values.packets import Context, Endpoint

MAX_LINES = 10_000
"""Lines remembered: about 2 kB each of the longest, so 20 MB at the most."""

MAX_PASSWORDS = 10_000
"""Passwords remembered: two texts of 256 bytes at the most, and their place, so 8 MB."""

MAX_TEXT = 1 << 20
"""Bytes of one message that are searched; descriptions have up to 100 kB."""

_UFRAG = re.compile(
    r"(?:ice-ufrag:|\busername_?fragment\\{0,3}\"\s*:\s*\\{0,3}\")([A-Za-z0-9+/]{4,256})", re.I
)
"""In SDP (RFC 8839 section 5.4), or beside a line in RTCIceCandidateInit, quoted once or twice."""

_MARKS = (b"candidate:", b"candidate%3A", b"candidate%3a", b"<candidate ")


class SignalledLine(Struct, frozen=True):
    """A candidate line, who sent it first, and where it was seen."""

    line: CandidateLine
    sender: Endpoint
    receiver: Endpoint
    channel: str
    """http, http2, http3, websocket or sip"""
    username_fragment: str | None
    """The line's own, or that of the description it stands in."""
    own: bool
    """A client sent it: it tells of the client, not of a peer."""
    encrypted: bool
    """Keys were given for what carried it; nobody on the way could read it."""
    seen: Sighting


class SignalledPassword(Struct, frozen=True):
    """An ICE agent's password, and where a description first showed it."""

    password: str
    channel: str
    frame: int


def signalled_text(message: Signalling) -> tuple[str, bytes]:
    """The channel and the text of a message that may carry signalling."""
    match message:
        case HttpRequest() | HttpResponse():
            return "http", message.body
        case WebSocketMessage():
            return "websocket", message.payload
        case SipMessage():
            return "sip", message.body
    assert_never(message)


class SignallingTracker:
    """Candidate lines, each counted, by what they say and who said it first."""

    def __init__(self) -> None:
        self._lines: dict[CandidateLine, SignalledLine] = {}
        self.passwords: dict[str, SignalledPassword] = {}
        """By username fragment."""
        self.forgotten = 0
        """Lines beyond `MAX_LINES`."""

    def add(self, context: Context, message: Signalling) -> None:
        """Take a message that may carry candidate lines."""
        self.text(context, *signalled_text(message))

    def text(self, context: Context, channel: str, data: bytes) -> None:
        """Search the text of a message."""
        data = data[:MAX_TEXT]
        for owner, password in ice_passwords(data).items():
            if len(self.passwords) < MAX_PASSWORDS:
                shown = SignalledPassword(password, channel, context.frame)
                self.passwords.setdefault(owner, shown)
        if not any(mark in data for mark in _MARKS):
            return
        text = data.decode("utf-8", "replace")
        if "candidate%3" in text:
            from urllib.parse import unquote_plus

            text = unquote_plus(text)
        fragments = set(_UFRAG.findall(text))
        description = fragments.pop() if len(fragments) == 1 else None
        for line in dict.fromkeys(find_candidates(text)):
            known = self._lines.get(line)
            if known is not None:
                known.seen.add(context)
            elif len(self._lines) < MAX_LINES:
                sender, receiver = context.source, context.destination
                fragment = line.username_fragment or description
                encrypted = "tls" in context.layers
                self._lines[line] = SignalledLine(
                    line,
                    sender,
                    receiver,
                    channel,
                    fragment,
                    context.forward,
                    encrypted,
                    Sighting(context),
                )
            else:
                self.forgotten += 1

    def lines(self) -> list[SignalledLine]:
        """Every line, in the order they were first seen."""
        return list(self._lines.values())

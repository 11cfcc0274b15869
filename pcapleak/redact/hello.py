"""Hellos of TLS and DTLS: the server's name renamed, keys and certificates blanked."""

from __future__ import annotations

from pcapleak.redact.draft import Draft
from pcapleak.redact.names import Renamer

_SERVER_NAME = 0
_PROTOCOLS = 16
_NUMBER_EXTENSIONS = frozenset((1, 5, 10, 11, 13, 14, 17, 18, 22, 23, 27, 28, 34, 43, 45, 49, 50))
"""Extensions that list numbers, the same for every user of a program."""
_KNOWN_PROTOCOLS = frozenset(
    b"""
    h2 h2c h3 h3-27 h3-28 h3-29 h3-30 h3-31 h3-32 hq hq-interop hq-29 http/0.9 http/1.0 http/1.1
    spdy/1 spdy/2 spdy/3 spdy/3.1 dot doq doq-i00 doq-i02 doq-i11 stun.turn stun.nat-discovery
    webrtc c-webrtc ftp imap pop3 managesieve coap co xmpp-client xmpp-server acme-tls/1 mqtt
    irc nntp nnsp smb sunrpc tds/8.0 ntske/1 radius/1.0 radius/1.1 postgresql masque
    """.split()
)
"""Names that ALPN registers (RFC 7301 section 6), and drafts of QUIC's that browsers offer."""
_RECORD, _DTLS_RECORD = 5, 13


def redact_client_hello(renamer: Renamer, draft: Draft, at: int, *, datagram: bool) -> None:
    """Draw the body of the ClientHello at `at`, as far as it is there."""
    data = draft.source

    def vector(at: int, width: int, *, shown: bool) -> int:
        end = at + width + int.from_bytes(data[at : at + width], "big")
        draft.number(at, at + width)
        if shown:
            draft.keep(at + width, end)
        return end

    draft.number(at, at + 2)
    at = vector(at + 34, 1, shown=False)
    if datagram:
        at = vector(at, 1, shown=False)
    at = vector(at, 2, shown=True)
    at = vector(at, 1, shown=True)
    end = min(at + 2 + int.from_bytes(data[at : at + 2], "big"), len(data))
    draft.number(at, at + 2)
    at += 2
    while at + 4 <= end:
        kind = int.from_bytes(data[at : at + 2], "big")
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        draft.number(at, at + 4)
        if kind == _SERVER_NAME and size > 5:
            draft.number(at + 4, at + 9)
            name = data[at + 9 : at + 4 + size]
            if len(name) == size - 5:
                draft.put(at + 9, same_length_host(renamer, name))
        elif kind == _PROTOCOLS:
            draft.number(at + 4, at + 6)
            draft.put(at + 6, known_protocols(data[at + 6 : at + 4 + size]))
        elif kind in _NUMBER_EXTENSIONS:
            draft.keep(at + 4, at + 4 + size)
        at += 4 + size


def known_protocols(names: bytes) -> bytes:
    """ALPN's names, each behind its length, with those covered that nobody has registered."""
    made = bytearray()
    while names:
        size = names[0]
        name = names[1 : 1 + size]
        # RFC 8701: two equal bytes whose low half is ten stand for nothing.
        grease = size == 2 and name[:1] == name[1:] and name[:1] and name[0] & 15 == 10
        made += names[:1] + (name if name in _KNOWN_PROTOCOLS or grease else b"x" * len(name))
        names = names[1 + size :]
    return bytes(made)


def same_length_host(renamer: Renamer, name: bytes) -> bytes:
    """A host name of the same length. An address in letters becomes another only where it is as
    long; else a word."""
    made = renamer.host(name.decode("utf-8", "surrogateescape")).encode("utf-8", "replace")
    return made if len(made) == len(name) else renamer.token(name)


def redact_tls(renamer: Renamer, data: bytes) -> Draft:
    """A direction of a TLS stream from its start: record headers and the hello."""
    draft = Draft(data)
    at = 0
    while at + _RECORD <= len(data):
        draft.number(at, at + _RECORD)
        size = int.from_bytes(data[at + 3 : at + _RECORD], "big")
        if at == 0 and data[0] == 22 and data[5:6] in (b"\1", b"\2"):
            draft.number(_RECORD, _RECORD + 4)
            if data[5] == 1:
                part = Draft(data[: _RECORD + size])
                redact_client_hello(renamer, part, _RECORD + 4, datagram=False)
                draft.draw(_RECORD + 4, _after(part, _RECORD + 4))
        at += _RECORD + size
    return draft


def _after(draft: Draft, at: int) -> Draft:
    part = Draft(draft.source[at:])
    part.out[:], part.known[:] = draft.out[at:], draft.known[at:]
    return part


def redact_dtls(renamer: Renamer, data: bytes) -> Draft:
    """The records of a datagram: headers, and the hello of a client."""
    draft = Draft(data)
    at = 0
    while at + _DTLS_RECORD <= len(data) and 20 <= data[at] <= 25:
        draft.number(at, at + _DTLS_RECORD)
        size = int.from_bytes(data[at + 11 : at + 13], "big")
        if data[at] == 22 and data[at + 3 : at + 5] == b"\0\0":
            draft.number(at + 13, at + 25)
            whole = data[at + 14 : at + 17] == data[at + 22 : at + 25]
            if data[at + 13 : at + 14] == b"\1" and whole:
                part = Draft(data[: at + 13 + size])
                redact_client_hello(renamer, part, at + 25, datagram=True)
                draft.draw(at + 25, _after(part, at + 25))
        at += _DTLS_RECORD + size
    return draft

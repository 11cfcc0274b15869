"""URLs of STUN and TURN servers (RFC 7064, RFC 7065), as browsers take them."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from pcapleak.errors import PcapleakError

PUBLIC_STUN = ("stun:stun.l.google.com:19302", "stun:stun.cloudflare.com:3478")
"""Asked where no server is given: public for years, and reached over IPv4 and IPv6."""

STUN_SCHEMES = ("stun", "stuns")
TURN_SCHEMES = ("turn", "turns")

MAX_URL = 300
"""Characters: a name has at most 253."""

_URL = re.compile(
    r"(?P<scheme>[A-Za-z0-9.+-]+):(?P<host>\[[^\]]*\]|[^\[\]:?]*)(?::(?P<port>[^?]*))?"
    r"(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_EXAMPLES: dict[tuple[str, ...], str] = {
    STUN_SCHEMES: "stun:stun.example.org:3478",
    TURN_SCHEMES: "turn:turn.example.org:3478?transport=udp",
}


def parse_server(option: str, text: str, schemes: tuple[str, ...]) -> str:
    """The URL with its scheme in small letters.

    Raises:
        PcapleakError: it is none that a browser takes; the text says why and shows one.
    """
    problem = _problem(text, schemes)
    if problem is not None:
        raise PcapleakError(
            f"{option}: {text[:80]!r} {problem}; write one such as {_EXAMPLES[schemes]}"
        )
    scheme, _, rest = text.partition(":")
    return f"{scheme.lower()}:{rest}"


def _problem(text: str, schemes: Collection[str]) -> str | None:
    match = _URL.fullmatch(text)
    if len(text) > MAX_URL or match is None:
        return "is no URL of a server"
    if match["scheme"].lower() not in schemes:
        return f"does not begin with {' or '.join(f'{scheme}:' for scheme in schemes)}"
    if match["host"].startswith("//"):
        return "has // after its scheme, where its host stands"
    if not _is_host(match["host"]):
        return "names no host (a name, an IPv4 address, or an IPv6 address in brackets)"
    port = match["port"]
    if port is not None and not _is_port(port):
        return "has no port from 1 to 65535 after its host"
    query = match["query"]
    if query is not None and "turn" not in schemes:
        return "has a query, which only TURN has"
    if query is not None and query not in ("transport=udp", "transport=tcp"):
        return "has another query than ?transport=udp or ?transport=tcp"
    return None


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536


def _is_host(text: str) -> bool:
    if text.startswith("["):
        try:
            return IPv6Address(text[1:-1]).scope_id is None
        except AddressValueError:
            return False
    labels = text.removesuffix(".").split(".")
    if labels[-1].isdecimal():
        try:
            return bool(IPv4Address(text))
        except AddressValueError:
            return False
    return len(text) <= 253 and all(_LABEL.fullmatch(label) for label in labels)

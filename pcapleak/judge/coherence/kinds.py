"""What kind of network an autonomous system is: hosting, VPN, relay, mobile or residential.

No registry says so. A short table of well-known systems is sure; the words of an
organisation's name are a guess, and are said to be one.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from pcapleak.values.evidence import Confidence

NetworkKind = Literal["hosting", "vpn", "relay", "mobile", "residential", "unknown"]


class Kind(NamedTuple):
    """The kind of a network, how surely, and why."""

    kind: NetworkKind
    confidence: Confidence | None
    reason: str


UNKNOWN = Kind("unknown", None, "nothing tells")

_SYSTEMS: dict[NetworkKind, tuple[int, ...]] = {
    # Clouds and hosting companies, by the names that the ASN table gives them.
    "hosting": (
        8075, 8100, 8560, 9009, 12586, 12876, 14061, 14618, 15003, 15169, 16125, 16265, 16276,
        16509, 20454, 20473, 20860, 22612, 24940, 25369, 26496, 28753, 29066, 29802, 30633, 31898,
        33970, 35913, 36352, 37963, 39351, 40676, 42708, 44066, 44592, 45090, 45102, 46606, 46844,
        47583, 49981, 50304, 51167, 51332, 51396, 51852, 53667, 53850, 54290, 55081, 55286,
        59253, 60068, 60781, 62240, 62563, 63949, 132203, 136557, 136787, 141995, 147049, 197540,
        199524, 200651, 202422, 202425, 203020, 205544, 211612, 212238, 396982,
    ),
    "vpn": (62371, 199218, 203619, 208172, 209103, 216025, 397540),
    # Egress of iCloud Private Relay and Cloudflare WARP: many users, no place of their own.
    "relay": (13335, 36183, 54113, 132892, 209242),
    "mobile": (9808, 20057, 21928, 22394, 44034),
    "residential": (
        701, 1136, 2856, 3209, 3215, 3303, 3320, 5410, 6730, 6830, 7018, 7922, 12322, 15557, 33915,
    ),
}  # fmt: skip
_KIND_OF = {number: kind for kind, numbers in _SYSTEMS.items() for number in numbers}

_WORDS: tuple[tuple[NetworkKind, re.Pattern[str]], ...] = (
    ("vpn", re.compile(r"vpn\b|\bvpn", re.IGNORECASE)),
    (
        "hosting",
        re.compile(
            r"hosting|\bhost\b|\bcloud|server|\bvps\b|data ?cent(?:er|re)|\bcolo|dedicated",
            re.IGNORECASE,
        ),
    ),
    ("mobile", re.compile(r"\bmobile?\b|cellular|\bgsm\b|\blte\b", re.IGNORECASE)),
    (
        "residential",
        re.compile(
            r"telecom|telekom|broadband|\bcable\b|\bfib(?:er|re|ra)\b|telephone|"
            r"telecomunica|provedor|\bisp\b",
            re.IGNORECASE,
        ),
    ),
)


def network_kind(asn: int | None, organisation: str | None) -> Kind:
    """The kind of an autonomous system: high from the table, low from words of its name.

    A system of a telephone company holds homes, phones and its own data centres, so
    `residential` is never surer than medium.
    """
    known = _KIND_OF.get(asn) if asn is not None else None
    if known is not None:
        sure: Confidence = "medium" if known in ("residential", "mobile") else "high"
        return Kind(known, sure, f"AS{asn} is in the table of {known} networks")
    for kind, words in _WORDS:
        found = words.search(organisation or "")
        if found is not None:
            return Kind(kind, "low", f"the organisation's name has {found[0]!r}")
    return UNKNOWN

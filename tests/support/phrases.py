"""English that readers stumbled over, and faults that a sentence made of parts may have."""

from __future__ import annotations

import re
from collections.abc import Iterator

STUMBLED_OVER = (
    r"nothing left beside",
    r"seen were",
    r"not put to the test were",
    r"nothing of this kind was put to the test",
    r"a page that asked knows its real address",
    r"(?:is|are) not to be (?:seen|told)",
    r"what went (?:beside|through it)",
    r"past the tunnel or proxy",
    r"flows that bypassed",
    r"the client went on outside",
    r"tunnels are called like",
    r"an endpoint that is still to be seen",
    r"looks no name up",
    r"is no kind of traffic",
    r"no protocol is called",
    r"take camera and microphone permissions back",
    r"it is how multicast",
    r"belongs into the policy",
    r"\b(?:one|an? (?:file|folder|capture|object|line)) a (?:line|core|capture|finding|report)\b",
    r"let a helper that sees no packet",
    r"fit the rest of the story",
    r"not asked for",
    r"in no recording",
    r"\bbeside (?:the|it|one)\b.*\btunnel\b",
    r"pcapleak\[",
    r"\b1 \w+s were\b",
)
"""As regular expressions, in any case."""

FAULTS = (
    r"(?<![\d.,:/-])1 (?:flow|packet|quer(?:ie)|finding|server|host|frame|socket|session|message"
    r"|addresse|capture|name|peer|byte|port|answer|connection|time|program|handshake)s\b",
    r"\b(?:flows|packets|queries|findings|they|them) (?:was|is|goes|has)\b",
    r"\b1 (?:flow|packet|query|finding|answer) (?:were|are|go|have)\b",
    r"\ba (?:[aei]\w+|openvpn|ikev\d|other|unit)\b",
    r"\ban (?:[bcdgjkpqtvwz][a-z]+)\b",
    r"\b(?:the the|a a|to to|of of|is is|that that|and and)\b",
    r"(?<=\w) +[,;](?= )",
    r"(?<!\.)\.\.(?!\.)",
    r"(?<=\S)  +(?=\S)",
    r"\(\)|\{\}|\bNone\b|\bnan\b",
    r"\. \(and\b",
    r"[,;:]$",
    r"\b(?:wireguard|openvpn|ikev[12]) (?:tunnel|handshake)\b",
)
"""As regular expressions, in this case."""

_STUMBLED = re.compile("|".join(STUMBLED_OVER), re.IGNORECASE)
_FAULTY = re.compile("|".join(FAULTS))
_OPTION_LAST = re.compile(r"--[a-z-]+( \S+)?$")


def faults(text: str) -> Iterator[str]:
    """What is wrong with a text that the program says."""
    for pattern in (_STUMBLED, _FAULTY):
        for match in pattern.finditer(text):
            yield f"{match.group()!r} in {text!r}"


def faults_of_sentences(text: str) -> Iterator[str]:
    """What is wrong with a text of whole sentences: also how it begins and ends."""
    yield from faults(text)
    begins = text.split(maxsplit=1)[0] if text.split() else ""
    if begins.isalpha() and begins[0].islower():
        yield f"begins in lower case: {text!r}"
    if not text.endswith(".") and not _OPTION_LAST.search(text):
        yield f"ends without a full stop: {text!r}"

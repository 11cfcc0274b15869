"""PL405: the resolver is of another country or provider than the exit."""

from __future__ import annotations

from collections.abc import Iterator

from pcapleak.judge.coherence.contradiction import (
    Pairs,
    Signs,
    contradicted,
    contradiction,
    page_sees,
)
from pcapleak.judge.coherence.text import network, where
from pcapleak.values.findings import Finding, FindingKind, Observers, Severity

KIND = FindingKind(
    id="PL405",
    name="coherence-resolver",
    severity=Severity.MEDIUM,
    is_leak=False,
    exposes=False,
    observers=Observers("the resolver beside the exit", ("the page's name servers",)),
    has_causes=False,
    when=(
        "The DNS resolver is of another provider or country than the exit, or the client subnet "
        "its questions carry is of another network: the client's own."
    ),
    meaning=(
        "The name servers of a page see which resolver asks for it. A resolver of the user's own "
        "provider names that provider in spite of the exit."
    ),
    confirm=(
        "Filter dns.flags.response == 0 and look at where questions go; dns.opt.client.addr4 "
        "shows client subnets."
    ),
    remedy="Use the tunnel's resolver, or resolve through the proxy (see PL203).",
    sources=("docs/coherence.md", "RFC 7871 section 11"),
    weaknesses=(
        "The address a resolver asks from may be another than the one it is asked at. Public "
        "resolvers answer from everywhere and are never held against anyone; one that no list "
        "has is at most uncertain. A router hides the resolver behind it."
    ),
)


def find(signs: Signs, pairs: Pairs) -> Iterator[Finding]:
    """An exit and a resolver, or the client's own network that a resolver tells of."""
    sign = signs["resolver"]
    for comparison, place in contradicted(pairs, "resolver"):
        other = comparison.other
        assert other is not None
        what = "a resolver"
        if other.address in sign.subnets:
            what = f"the client's own network {sign.subnets[other.address]}"
        message = (
            f"{page_sees(signs, place)} {network(place)}, its name servers {what} {where(other)} "
            f"{network(other)}"
        )
        yield contradiction(KIND, signs, "resolver", comparison, message)

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
        "The DNS resolver belongs to a different provider or country than the exit, or the "
        "client subnet in its queries belongs to another network: the client's own."
    ),
    meaning=(
        "A page's name servers see which resolver asks for it. If that is the resolver of the "
        "user's own provider, it names that provider whatever the exit."
    ),
    confirm=(
        "Filter for dns.flags.response == 0 and look at where the queries go; "
        "dns.opt.client.addr4 shows client subnets."
    ),
    remedy="Use the tunnel's resolver, or resolve through the proxy (see PL203).",
    sources=("docs/coherence.md", "RFC 7871 section 11"),
    weaknesses=(
        "A resolver may query from a different address than the one it is asked at. Public "
        "resolvers answer from everywhere and never count; one on no list is at most uncertain. "
        "A router hides the resolver behind it."
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
            f"{page_sees(signs, place)} {network(place)}; its name servers "
            f"would see {what} {where(other)} {network(other)}"
        )
        yield contradiction(KIND, signs, "resolver", comparison, message)

"""Parts of one session, put together one after the other."""

from __future__ import annotations

from typing import Any

import floods
from hypothesis import given
from hypothesis import strategies as st

from pcapleak.pipeline.analyzer import Analyzer
from pcapleak.track.ice.agents import Agent
from pcapleak.track.ice.sockets import Socket, collect_sockets
from pcapleak.track.state import CaptureFacts
from pcapleak.values.packets import Interface

DERIVED = (
    "addresses", "address_set", "links", "checking", "gathers", "said_letters", "lettered", "udp",
    "opened_ns", "sockets", "views",
)  # fmt: skip


def sockets_of(*kinds: str) -> list[Socket]:
    analyzer = Analyzer(None, [Interface(0, 0, floods.RAW, "eth0")])
    analyzer.state.captures.append(CaptureFacts("flood", "pcap"))
    for kind in kinds:
        for batch in floods.batches(kind, 8):
            analyzer.add(batch)
    return collect_sockets(analyzer.state.ice.links)


SOCKETS = sockets_of("sockets", "checks", "permissions")


def known(agent: Agent) -> dict[str, Any]:
    found = {name: getattr(agent, name) for name in DERIVED}
    return found | {"tie_breakers": set(agent.tie_breakers)}


@given(st.permutations(range(len(SOCKETS))), st.sets(st.integers(0, len(SOCKETS) - 1), max_size=2))
def test_a_session_is_the_same_grown_or_made_at_once(order: list[int], views: set[int]) -> None:
    """In whatever order its parts come, and with parts that were seen behind a NAT."""

    def part(numbers: list[int]) -> Agent:
        own = [SOCKETS[number] for number in numbers if number not in views]
        seen = [SOCKETS[number] for number in numbers if number in views]
        return Agent(min(SOCKETS[number].first_ns for number in numbers), own, seen)

    grown = part(order[:1])
    for number in order[1:]:
        grown.absorb(part([number]))
    whole = part(order)
    # A session's beginning stays that of the part it grew from.
    grown.began_ns = whole.began_ns
    assert known(grown) == known(whole)


def test_the_sockets_differ_in_what_is_summed_up() -> None:
    assert {socket.gathers for socket in SOCKETS} == {True, False}
    assert any(socket.tie_breakers for socket in SOCKETS)
    assert len({socket.local.address for socket in SOCKETS}) > 2

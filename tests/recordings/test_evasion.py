"""A search for evasion: whatever strangers send into a recording, a leak in it is never no leak,
and a clean one never a leak, unless somebody on the host's own network sends in its name.

`PCAPLEAK_EVASION=long` searches for long; what it finds is kept in `FOUND`.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab_truth import read_truth
from mutations import CAPTURES, Packet, packets_of
from strangers import IMPOSTORS, LIBRARY, Host, Visit, host_of, visited

import pcapleak
from pcapleak.policy.policy import Policy
from pcapleak.values.packets import Interface

LONG = os.environ.get("PCAPLEAK_EVASION") == "long"
EXAMPLES = int(os.environ.get("PCAPLEAK_EVASION_EXAMPLES", "400")) if LONG else 4
SAMPLE = ("socks", "tunnel-drop", "native-ipv6", "split-tunnel", "mode-4", "full-tunnel",
          "openvpn", "firefox-socks", "kill-switch", "firefox-native-ipv6")  # fmt: skip
TURNS: Counter[tuple[str, str]] = Counter()

FOUND: tuple[tuple[str, tuple[Visit, ...]], ...] = (
    # In the proxy's name, so that all the client's traffic was between a mirror's ends.
    (
        "mode-4",
        (
            Visit("advertisement", 1, 0, 87),
            Visit("advertisement", 1, 0, 0),
            Visit("encapsulated", 2, 0, 0),
        ),
    ),
    # The question to a bare answer came inside of GRE, by chance on the same sockets.
    (
        "firefox-socks",
        (
            Visit("stun_answer", 400, 1, 381),
            Visit("encapsulated", 400, 289, 1823),
        ),
    ),
    # A neighbour claimed a name that its host took back: the analysis ended with an exception.
    (
        "full-tunnel",
        (
            Visit("name_claim", 2, 229, 264),
            Visit("stun_question", 1, 0, 0),
            Visit("stun_question", 3, 0, 0, True),
        ),
    ),
)
"""What searches found, by the name of the capture."""


class Base(NamedTuple):
    """A recording before any visit."""

    policy: Policy
    interfaces: list[Interface]
    packets: list[Packet]
    host: Host | None
    result: str


@cache
def base(name: str) -> Base:
    path = next(one for one in CAPTURES if one.stem == name)
    given_ = read_truth(path.with_suffix(".json")).get("policy") or {}
    policy = Policy.from_options(**{key: [value] for key, value in given_.items()})
    document = pcapleak.analyze(path, policy).document
    interfaces, packets = packets_of(path)
    names = [name.name for name in document.mdns_names]
    host = host_of(interfaces, packets, names)
    return Base(policy, interfaces, packets, host, document.verdict.result)


def judged(name: str, visits: tuple[Visit, ...], tmp_path: Path) -> tuple[str, str, str]:
    """The verdict before and after, and why the latter."""
    known = base(name)
    assert known.host is not None
    path = visited(known.interfaces, known.packets, known.host, visits, tmp_path / f"{name}.pcapng")
    verdict = pcapleak.analyze(path, known.policy).document.verdict
    return known.result, verdict.result, verdict.reason


def check(name: str, visits: tuple[Visit, ...], tmp_path: Path) -> None:
    before, after, why = judged(name, visits, tmp_path)
    who = "an impostor" if any(visit.kind in IMPOSTORS for visit in visits) else "strangers"
    TURNS[f"{before} to {after}" if before != after else f"{before} stays", who] += 1
    if before == "leak":
        assert after != "no-leak", (name, visits, why)
    elif who == "strangers":
        assert after != "leak", (name, visits, why)


VISITS = st.lists(
    st.builds(
        Visit,
        st.sampled_from(sorted(LIBRARY)),
        st.one_of(st.integers(1, 5), st.sampled_from((50, 400))),
        st.integers(0, 999),
        st.integers(0, 1 << 16),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@pytest.mark.parametrize("name", [one.stem for one in CAPTURES] if LONG else SAMPLE)
def test_strangers_turn_no_verdict_round(name: str, tmp_path: Path) -> None:
    if base(name).host is None:
        pytest.skip("no Ethernet")

    @settings(
        max_examples=EXAMPLES,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(VISITS)
    def search(visits: tuple[Visit, ...]) -> None:
        check(name, visits, tmp_path)

    search()


@pytest.mark.parametrize("kind", LIBRARY)
@pytest.mark.parametrize("name", ["socks", "native-ipv6", "full-tunnel"])
def test_each_kind_of_stranger_alone_turns_nothing_round(
    name: str, kind: str, tmp_path: Path
) -> None:
    check(name, (Visit(kind, 300, 300, 1, True),), tmp_path)


@pytest.mark.parametrize(("name", "visits"), FOUND)
def test_what_was_found_once_is_found_no_more(
    name: str, visits: tuple[Visit, ...], tmp_path: Path
) -> None:
    check(name, visits, tmp_path)


def test_the_turns_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        for (turn, who), count in sorted(TURNS.items()):
            sys.stdout.write(f"\n{turn}, after visits of {who}: {count}")
    assert not any(turn == "leak to no-leak" for turn, _ in TURNS)
    assert ("no-leak to leak", "strangers") not in TURNS

"""The invariants of docs/architecture.md, held over real captures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcapleak.capture import open_capture
from pcapleak.capture.batches import rows_of
from pcapleak.pipeline.analyzer import read_captures
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document
from pcapleak.values.packets import RecordBatch

SCENARIOS = {
    "socks.pcapng": Policy.from_options(proxy=["socks5://198.51.100.30:1080"]),
    "mode4.any.pcap": Policy.from_options(proxy=["socks5://198.51.100.30:1080"]),
    "tunneldrop.pcapng": Policy.from_options(tunnel=["wg0"], vpn_endpoint=["198.51.100.40:51820"]),
    "loop.any.pcap": Policy.from_options(proxy=["socks5://198.51.100.30:1080"]),
    "wgfull6.any.pcap": Policy(),
}


def cut(batch: RecordBatch, bounds: list[int]) -> Iterator[RecordBatch]:
    """The same records in several batches, cut before each row of `bounds`."""
    edges = [0, *sorted(set(bounds)), len(batch)]
    for start, stop in pairwise(edges):
        yield rows_of(batch, start, stop)


def analyze(path: Path, policy: Policy, places: list[float]) -> Document:
    """The report of a capture whose batches are cut at these fractions of their length."""
    with open_capture(path) as source:
        batches = chain.from_iterable(
            cut(batch, [max(1, int(place * len(batch))) for place in places]) for batch in source
        )
        return read_captures([source], batches, policy).document()


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_packet_at_a_time_gives_the_same_report(browser: Path, name: str) -> None:
    path = browser / name
    whole = analyze(path, SCENARIOS[name], [])
    single = analyze(path, SCENARIOS[name], [i / 5000 for i in range(5000)])
    assert single == whole


@pytest.mark.parametrize("name", SCENARIOS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.floats(0, 1, exclude_max=True), max_size=12))
def test_any_cut_into_batches_gives_the_same_report(
    browser: Path, name: str, places: list[float]
) -> None:
    path = browser / name
    assert analyze(path, SCENARIOS[name], places) == analyze(path, SCENARIOS[name], [])


@pytest.mark.parametrize(
    "name",
    [
        "ndpi__whatsapp_voice_and_message.pcap",
        "ndpi__stun_google_meet.pcapng",
        "ndpi__telegram_videocall.pcapng",
        "ndpi__stun_tcp_multiple_msgs_same_pkt.pcap",
        "ndpi__teams.pcap",
    ],
)
def test_any_cut_of_public_captures_gives_the_same_report(corpus: Path, name: str) -> None:
    path = corpus / "public" / name
    whole = analyze(path, Policy(), [])
    places = [random.Random(7).random() for _ in range(40)]
    assert analyze(path, Policy(), places) == whole

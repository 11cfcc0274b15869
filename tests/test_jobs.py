"""Reading with several processes gives the reports of one."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_invariants import cut

from pcapleak.capture import open_capture
from pcapleak.errors import CaptureError, DecodeError
from pcapleak.pipeline.analyze import analyze
from pcapleak.pipeline.analyzer import Analyzer, read_captures
from pcapleak.pipeline.arena import Arena
from pcapleak.pipeline.jobs import read_in_parts, take
from pcapleak.pipeline.parts import prepare
from pcapleak.pipeline.pool import analyze_each
from pcapleak.policy.policy import Policy
from pcapleak.report.document import Document
from pcapleak.track.state import CaptureFacts

SOCKS = Policy.from_options(proxy=["socks5://198.51.100.30:1080"])
CAPTURES = [
    "browser/socks.pcapng",
    "browser/mode4.any.pcap",
    "browser/tunneldrop.pcapng",
    "public/ndpi__whatsapp_voice_and_message.pcap",
    "public/ndpi__stun_google_meet.pcapng",
    "public/ndpi__teams.pcap",
    "public/ndpi__dns_fragmented.pcap",
    "public/ndpi__ipv6_in_gtp.pcap",
    "public/ndpi__teredo.pcap",
    "public/arkime__6-4-gre-ppp-udp-4-dns.pcap",
    "public/pcapplusplus__ip4_fragments.pcap",
    "public/pcapplusplus__ipv6_opt_fragments.pcap",
]
"""Proxied and tunnelled browsers, calls, TCP, an `any` recording, fragments, and tunnels."""


def whole(path: Path) -> Document:
    with open_capture(path) as source:
        return read_captures([source], source, SOCKS).document()


def shared(path: Path, places: list[float]) -> Document:
    """The batches cut at these fractions of their length; every other piece goes to and fro as
    if another process had prepared it."""
    with open_capture(path) as source:
        analyzer = Analyzer(SOCKS, source.interfaces)
        facts = CaptureFacts(source.path, source.format)
        analyzer.state.captures.append(facts)
        for batch in source:
            bounds = [max(1, int(place * len(batch))) for place in places]
            for number, piece in enumerate(cut(batch, bounds)):
                if number % 2:
                    analyzer.add(piece)
                    continue
                own = [each for each in source.interfaces if each.parent is None]
                handed = pickle.loads(pickle.dumps(prepare(piece, 0, own)))
                take(analyzer, handed, piece.data, 0)
        facts.bytes, facts.truncated = source.bytes_read, source.truncated
        facts.problems = list(source.problems)
        return analyzer.document()


@pytest.mark.parametrize("name", CAPTURES)
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(places=st.lists(st.floats(0, 1, exclude_max=True), max_size=8))
def test_pieces_prepared_elsewhere_give_the_same_report(
    corpus: Path, name: str, places: list[float]
) -> None:
    assert shared(corpus / name, places) == whole(corpus / name)


@pytest.mark.parametrize("name", ["ndpi__teams.pcap", "ndpi__stun_google_meet.pcapng"])
def test_parts_read_by_other_processes_give_the_same_report(
    corpus: Path, tmp_path: Path, name: str
) -> None:
    path = repeated(corpus / "public" / name, tmp_path, 4 << 20)
    together = read_in_parts(path, SOCKS, 3, part_size=1 << 20)
    assert together is not None
    assert together.document() == whole(path)


def repeated(path: Path, folder: Path, size: int) -> Path:
    """A capture that holds the same packets again and again, until it is `size` bytes long."""
    data = path.read_bytes()
    if path.suffix == ".pcap":
        head, body = data[:24], data[24:]
    else:
        at = 0
        while data[at : at + 4] != b"\x06\0\0\0":  # The first enhanced packet block.
            at += int.from_bytes(data[at + 4 : at + 8], "little")
        head, body = data[:at], data[at:]
    target = folder / path.name
    target.write_bytes(head + body * -(-size // len(body)))
    return target


def test_a_capture_whose_later_parts_need_earlier_ones_is_read_by_one_process(
    corpus: Path, tmp_path: Path
) -> None:
    one = (corpus / "public" / "ndpi__stun_google_meet.pcapng").read_bytes()
    path = tmp_path / "sections.pcapng"
    path.write_bytes(one * -(-(4 << 20) // len(one)))
    assert read_in_parts(path, None, 2, part_size=1 << 20) is None
    assert analyze(path, jobs=2).document == analyze(path).document


def test_each_of_many_captures_is_reported_in_order(corpus: Path) -> None:
    paths = [corpus / name for name in CAPTURES[:4]]
    found = analyze_each(paths, SOCKS, 2, all_flows=False)
    assert list(found) == [analyze(path, SOCKS, all_flows=False).document for path in paths]


def test_one_bad_capture_among_many_is_told_and_the_others_are_reported(
    corpus: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"no capture at all")
    paths = [corpus / CAPTURES[0], bad, corpus / CAPTURES[2]]
    failed: list[CaptureError] = []
    found = list(analyze_each(paths, SOCKS, 2, all_flows=False, failed=failed.append))
    assert [Path(each.captures[0].path) for each in found] == [paths[0], paths[2]]
    assert [error.path for error in failed] == [str(bad)]
    with pytest.raises(CaptureError, match=str(bad)):
        analyze(paths, SOCKS, jobs=2)


@pytest.mark.parametrize(
    "error", [CaptureError("a", "b", "c"), DecodeError("stun", "header", 3, "short")]
)
def test_errors_survive_the_way_between_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_the_command_confined_to_its_files_shares_the_work_all_the_same() -> None:
    captures = Path(__file__).resolve().parent.parent / "captures"
    command = [sys.executable, "-m", "pcapleak", "analyze", "--exit-zero", "--json", "-"]
    files = [str(captures / name) for name in ("socks.pcapng", "mode-4.pcapng")]
    alone, shared = (
        subprocess.run([*command, *files, "--jobs", jobs], capture_output=True, check=True)
        for jobs in ("1", "2")
    )
    assert shared.stdout == alone.stdout
    assert shared.stderr == b""


@pytest.mark.parametrize("slot_size", [0, 1 << 10, 1 << 20])
def test_columns_come_back_as_they_were_whether_they_fit_or_not(slot_size: int) -> None:
    columns = [np.arange(10_000), np.zeros(0, np.uint8), np.arange(9_000)[::3], np.ones(7, ">u2")]
    arena = Arena(2, slot_size)
    handed = arena.put(1, (columns, "text"))
    arena.put(0, [np.full(20_000, 7)])
    found, text = arena.get(handed)
    assert text == "text"
    for column, expected in zip(found, columns, strict=True):
        assert column.dtype == expected.dtype
        assert np.array_equal(column, expected)
    assert len(handed.data) < 30_000 or slot_size < 1 << 20
    arena.close()

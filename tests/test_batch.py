"""Many captures over processes that may die give what one process gives."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pcapleak.cli import app
from pcapleak.errors import PcapleakError
from pcapleak.fleet.fleet import Fleet, Row, Side, merge
from pcapleak.fleet.run import cluster, find, run, serial
from pcapleak.fleet.tasks import examine
from pcapleak.fleet.writers import to_html, to_json, write_parquet
from pcapleak.policy.policy import Policy

pytest.importorskip("distributed")

SOCKS = Policy.from_options(proxy=["socks5://198.51.100.30:1080"])


@pytest.fixture(scope="module")
def captures(corpus: Path, browser: Path) -> list[str]:
    """64 small captures, the browsers' first."""
    browser = sorted((browser).glob("*.pcap*"))
    public = sorted((corpus / "public").glob("*.pcap*"))
    small = [str(path) for path in (*browser, *public) if path.stat().st_size < 200_000]
    return small[:64]


@pytest.fixture(scope="module")
def alone(captures: list[str]) -> Fleet:
    return serial(captures, SOCKS)


@pytest.fixture
def four() -> Iterator[object]:
    with cluster("local", 4) as client:
        yield client


def test_four_workers_of_which_one_is_killed_give_what_one_process_gives(
    captures: list[str], alone: Fleet, four: object, tmp_path: Path
) -> None:
    pids = list(four.run(os.getpid).values())  # type: ignore[attr-defined]

    def kill_one(done: int, total: int) -> None:
        if done == 8:
            os.kill(pids[0], signal.SIGKILL)

    fleet = run(four, captures, SOCKS, tmp_path, kill_one)  # type: ignore[arg-type]
    assert len(fleet.rows) == 64
    assert fleet == alone
    kept = {path.stem for path in tmp_path.glob("*.json")}
    assert kept == {row.key for row in alone.rows if row.key}

    # A second run finds its reports and makes no other.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = run(four, captures, SOCKS, tmp_path)  # type: ignore[arg-type]
    assert again == alone
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_file_whose_name_is_no_text_costs_no_other_its_row(browser: Path, tmp_path: Path) -> None:
    good = browser / "socks.pcapng"
    odd = tmp_path / os.fsdecode(b"\xff.pcapng")
    odd.symlink_to(good)
    with cluster("local", 1) as client:
        fleet = run(client, [str(odd), str(good)], SOCKS)
    assert [row.result for row in fleet.rows] == ["leak", "leak"]
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(fleet, tmp_path)
    paths = {
        entry["path"] for entry in parquet.read_table(tmp_path / "captures.parquet").to_pylist()
    }
    assert paths == {str(good), str(tmp_path / "\\udcff.pcapng")}


def test_a_file_named_in_several_ways_is_one_capture(
    browser: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.pcapng").write_bytes((browser / "socks.pcapng").read_bytes())
    (tmp_path / "other.pcapng").symlink_to("one.pcapng")
    monkeypatch.chdir(tmp_path)
    assert find(["./one.pcapng", "one.pcapng", str(tmp_path), "*.pcapng"]) == ["./one.pcapng"]


def test_reports_by_another_policy_are_not_taken(browser: Path) -> None:
    path = str(browser / "socks.pcapng")
    assert examine(path, SOCKS).row.key != examine(path, Policy()).row.key


def test_a_corrupt_capture_costs_its_row(browser: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"no capture at all")
    good = str(browser / "socks.pcapng")
    fleet = serial([str(bad), good], SOCKS)
    assert {row.path: row.result for row in fleet.rows} == {str(bad): "error", good: "leak"}
    assert "not a capture" in next(row.reason for row in fleet.rows if row.result == "error")


def test_captures_are_read_from_urls(browser: Path) -> None:
    path = browser / "socks.pcapng"
    here, there = examine(str(path), SOCKS), examine(f"file://{path}", SOCKS)
    assert there.row.path == f"file://{path}"
    assert there.row.key == here.row.key
    assert (there.row.exposed, there.row.clients) == (here.row.exposed, here.row.clients)
    assert find([f"file://{path.parent}/socks.p*"]) == [f"file://{path}"]


def test_a_path_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PcapleakError, match="leads to no capture"):
        find([str(tmp_path / "*.pcap")])


def row(path: str, own: str, peer: str, **values: object) -> Row:
    side = Side(own, peer, path, "ice-1", ("192.0.2.1",))
    return Row(path, sides=(side,), **values)  # type: ignore[arg-type]


def test_the_two_ends_of_a_call_find_each_other_by_their_fragments() -> None:
    fleet = Fleet([row("a", "abcd", "wxyz"), row("b", "wxyz", "abcd"), row("c", "abcd", "none")])
    assert [(one.capture, other.capture) for one, other in fleet.calls] == [("a", "b")]


def test_both_ends_in_one_capture_are_no_call_of_two() -> None:
    both = (Side("abcd", "wxyz", "a", "ice-1", ()), Side("wxyz", "abcd", "a", "ice-2", ()))
    assert Fleet([Row("a", sides=both)]).calls == []


def test_merging_needs_no_order(alone: Fleet) -> None:
    parts = [Fleet([row]) for row in reversed(alone.rows)]
    uneven = [merge(parts[:5]), *parts[5:9], merge([merge(parts[9:30]), merge(parts[30:])])]
    assert merge(uneven) == alone


def test_hosts_names_and_addresses_that_recur_are_told() -> None:
    fleet = Fleet(
        [
            Row("a", result="leak", clients=("192.0.2.1",), exposed=("203.0.113.7",)),
            Row("b", result="no-leak", clients=("192.0.2.1", "192.0.2.9"), names=("n.local",)),
            Row("c", result="leak", exposed=("203.0.113.7",), names=("n.local",)),
        ]
    )
    assert [(host.address, host.captures, host.leaking) for host in fleet.hosts] == [
        ("192.0.2.1", 2, 1),
        ("192.0.2.9", 1, 0),
    ]
    assert [(one.value, one.captures) for one in fleet.names] == [("n.local", ("b", "c"))]
    assert [(one.value, one.captures) for one in fleet.addresses] == [("203.0.113.7", ("a", "c"))]


def test_the_summary_is_written_whole_and_harmless(alone: Fleet, tmp_path: Path) -> None:
    hostile = merge([alone, Fleet([Row("<script>\x1b[2J.pcap", reason="\x9b\x07")])])
    data = json.loads(to_json(hostile))
    assert len(data["captures"]) == len(alone.rows) + 1
    page = to_html(hostile)
    assert "<script" not in page
    assert "\x1b" not in page
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(alone, tmp_path)
    table = parquet.read_table(tmp_path / "captures.parquet").to_pylist()
    assert [entry["path"] for entry in table] == [row.path for row in alone.rows]


def test_the_command_prints_the_tables_and_exits_by_the_worst(
    browser: Path, tmp_path: Path
) -> None:
    arguments = ["--workers", "1", "--json", str(tmp_path / "fleet.json")]
    path = str(browser / "socks.pcapng")
    result = CliRunner().invoke(
        app, ["batch", path, *arguments, "--proxy", "socks5://198.51.100.30:1080"]
    )
    assert result.exit_code == 1, result.output
    assert "1 capture: 1 leak" in result.output
    assert json.loads((tmp_path / "fleet.json").read_text())["captures"][0]["result"] == "leak"

"""Many captures over processes that may die give what one process gives."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Collection
from pathlib import Path

import dask
import distributed
import psutil
import pytest
from places import ROOT
from pyarrow import parquet
from typer.testing import CliRunner

from pcapleak.cli import app
from pcapleak.errors import PcapleakError
from pcapleak.fleet import workers
from pcapleak.fleet.fleet import Fleet, Row, Side, merge
from pcapleak.fleet.run import find, row_of, run, serial
from pcapleak.fleet.tasks import examine
from pcapleak.fleet.workers import Answer
from pcapleak.fleet.writers import to_html, to_json, write_parquet
from pcapleak.policy.policy import Policy

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


def children() -> list[psutil.Process]:
    """The workers: processes that spawn started, but for the one that tracks resources."""
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


def test_four_workers_of_which_one_is_killed_give_what_one_process_gives(
    captures: list[str], alone: Fleet, tmp_path: Path
) -> None:
    listening: list[object] = []

    def kill_one(done: int, total: int) -> None:
        if done == 8:
            for child in children():
                listening.extend(
                    one for one in child.net_connections() if one.status == psutil.CONN_LISTEN
                )
            children()[0].kill()

    fleet = run(captures, SOCKS, tmp_path, kill_one, workers=4)
    assert len(fleet.rows) == len(captures)
    assert fleet == alone
    assert not listening, "another user could speak to a worker"
    kept = {path.stem for path in tmp_path.glob("*.json")}
    assert kept == {row.key for row in alone.rows if row.key}

    # A second run finds its reports and makes no other.
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = run(captures, SOCKS, tmp_path, workers=4)
    assert again == alone
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def _deadly(path: str, policy: Policy, known: Collection[str]) -> str:
    if "bad" in path:
        os.kill(os.getpid(), signal.SIGKILL)
    return "{}"


def test_a_capture_that_kills_its_worker_costs_its_own_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "examine", _deadly)
    paths = ["one", "bad", "two", "three"]
    answers = list(workers.local_answers(paths, SOCKS, (), workers=2))
    assert {answer.path: answer.text for answer in answers} == {
        "one": "{}", "bad": None, "two": "{}", "three": "{}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("tls://cluster.example:8786", True),
        ("tcp://127.0.0.1:8786", True),
        ("tcp://localhost:8786", True),
        ("[::1]:8786", True),
        ("127.0.0.1:8786", True),
        ("tcp://cluster.example:8786", False),
        ("tcp://192.168.1.2:8786", False),
        ("cluster:8786", False),
        ("ucx://127.0.0.2.example:1", False),
        ("", False),
    ],
)
def test_a_cluster_that_strangers_may_speak_to_is_refused(
    address: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: asked.append(address))
    if trusted:
        workers.connect(address)
    else:
        with pytest.raises(PcapleakError, match="neither uses TLS nor is on this machine"):
            workers.connect(address)
        workers.connect(address, insecure=True)
    assert asked == [address]


def test_a_cluster_under_tls_of_which_a_worker_is_killed_gives_the_same(
    captures: list[str], alone: Fleet
) -> None:
    security = distributed.Security.temporary()
    known = {
        "distributed.comm.tls.ca-file": security.tls_ca_file,
        "distributed.comm.tls.client.cert": security.tls_client_cert,
        "distributed.comm.tls.client.key": security.tls_client_key,
    }
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, security=security
        ) as machine,
        dask.config.set(known),
    ):
        pids = [worker.pid for worker in machine.workers.values()]

        def kill_one(done: int, total: int) -> None:
            if done == 8:
                os.kill(pids[0], signal.SIGKILL)

        assert machine.scheduler_address.startswith("tls://")
        fleet = run(captures, SOCKS, None, kill_one, scheduler=machine.scheduler_address)
    assert fleet == alone


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, '{"key": "../../x", "report": "{}", "error": null}',
     '{"key": "a", "report": null, "error": null}', '{"key": 1, "report": 1, "error": null}'],
)  # fmt: skip
def test_what_a_worker_answers_is_data_and_may_be_nonsense(text: str, tmp_path: Path) -> None:
    found = row_of(Answer("a.pcap", text), {}, tmp_path)
    assert found.result == "error"
    assert not list(tmp_path.iterdir())


def test_a_corrupt_kept_report_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    paths = [str(ROOT / "captures" / name) for name in ("socks.pcapng", "full-tunnel.pcapng")]
    before = run(paths, SOCKS, tmp_path, workers=1)
    key = next(row.key for row in before.rows if "socks" in row.path)
    (tmp_path / f"{key}.json").write_text("[" * 100_000)
    after = {row.path: row for row in run(paths, SOCKS, tmp_path, workers=1).rows}
    assert after[paths[1]].result != "error"
    assert after[paths[0]].result == "error"
    assert f"{key}.json" in after[paths[0]].reason


def test_a_file_whose_name_is_no_text_costs_no_other_its_row(corpus: Path, tmp_path: Path) -> None:
    good = corpus / "browser" / "socks.pcapng"
    odd = tmp_path / os.fsdecode(b"\xff.pcapng")
    odd.symlink_to(good)
    fleet = run([str(odd), str(good)], SOCKS, workers=1)
    assert [row.result for row in fleet.rows] == ["leak", "leak"]
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
    assert json.loads(examine(path, SOCKS))["key"] != json.loads(examine(path, Policy()))["key"]


def test_a_corrupt_capture_costs_its_row(browser: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"no capture at all")
    good = str(browser / "socks.pcapng")
    fleet = serial([str(bad), good], SOCKS)
    assert {row.path: row.result for row in fleet.rows} == {str(bad): "error", good: "leak"}
    assert "not a capture" in next(row.reason for row in fleet.rows if row.result == "error")


def test_captures_are_read_from_urls(browser: Path) -> None:
    path = browser / "socks.pcapng"
    (here,), (there,) = (serial([name], SOCKS).rows for name in (str(path), f"file://{path}"))
    assert there.path == f"file://{path}"
    assert there.key == here.key
    assert (there.exposed, there.clients) == (here.exposed, here.clients)
    assert find([f"file://{path.parent}/socks.p*"]) == [f"file://{path}"]


def test_a_path_that_leads_to_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(PcapleakError, match="no capture found"):
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
    assert page.count("<script") == 1, "the page's own"
    assert "&lt;script&gt;" in page
    assert "\x1b" not in page
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


def test_the_terminal_has_a_short_row_for_each_capture_and_names_the_damaged(
    browser: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "captures"
    folder.mkdir()
    (folder / "leak.pcapng").symlink_to(browser / "socks.pcapng")
    (folder / "damaged.pcap").write_bytes(b"")
    (folder / "notes.txt").write_text("seen on Monday")
    shown = CliRunner().invoke(
        app,
        ["batch", str(folder), "--proxy", "socks5://198.51.100.30:1080"],
        env={"COLUMNS": "80"},
    )
    assert "2 captures: 1 leak, 1 error" in shown.stdout
    lines = [line.rstrip() for line in shown.stdout.splitlines()]
    assert max(map(len, lines)) <= 80
    (leak,) = (line for line in lines if line.startswith("leak.pcapng"))
    assert "PL101" in leak
    (damaged,) = (line for line in lines if line.startswith("damaged.pcap"))
    assert damaged.split()[1] == "error"
    assert "is empty" in " ".join(lines)


def test_a_long_reason_is_cut_between_sentences() -> None:
    first = f"Nothing left {'wg0 ' * 20}at all."
    fleet = Fleet([Row("a.pcap", result="leak", reason=f"{first} {'It was so. ' * 20}")])
    page = to_html(fleet)
    assert first in page
    assert "It was so.</td>" in page

"""Several captures analyzed by several processes give what one process gives."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from places import CAPTURES

from pcapleak import analyze
from pcapleak.errors import CaptureError, DecodeError
from pcapleak.pipeline.analyze import Asked, reports_on
from pcapleak.policy.policy import Policy

FILES = [
    CAPTURES / name
    for name in ("socks.pcapng", "mode-4.pcapng", "tunnel-drop.pcapng", "full-tunnel.pcapng")
]
SOCKS = Policy.from_options(proxy=["socks5://198.51.100.30:1080"])


def test_each_of_many_captures_is_reported_in_order() -> None:
    found = reports_on([[path] for path in FILES], Asked(SOCKS), jobs=2)
    assert list(found) == [analyze(path, SOCKS, all_flows=False).document for path in FILES]


def test_groups_of_captures_are_merged_side_by_side() -> None:
    groups = [FILES[:2], FILES[2:]]
    assert list(reports_on(groups, Asked(SOCKS), jobs=2)) == list(reports_on(groups, Asked(SOCKS)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_bad_capture_among_many_is_told_and_the_others_are_reported(
    jobs: int, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"no capture at all")
    paths = [FILES[0], bad, FILES[2]]
    failed: list[CaptureError] = []
    groups = [[path] for path in paths]
    found = list(reports_on(groups, Asked(SOCKS), jobs=jobs, failed=failed.append))
    assert [Path(each.captures[0].path) for each in found] == [paths[0], paths[2]]
    assert [error.path for error in failed] == [str(bad)]
    with pytest.raises(CaptureError, match=str(bad)):
        analyze(paths, SOCKS, jobs=jobs)


def test_what_can_be_read_of_a_group_is_reported(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"no capture at all")
    failed: list[CaptureError] = []
    (found,) = reports_on([[bad, FILES[0]]], Asked(SOCKS), failed=failed.append)
    assert found == analyze(FILES[0], SOCKS, all_flows=False).document
    assert len(failed) == 1
    assert list(reports_on([[bad]], Asked(SOCKS), failed=failed.append)) == []


@pytest.mark.parametrize(
    "error", [CaptureError("a", "b", "c"), DecodeError("stun", "header", 3, "short")]
)
def test_errors_survive_the_way_between_processes(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_the_command_confined_to_its_files_shares_the_work_all_the_same() -> None:
    command = [sys.executable, "-m", "pcapleak", "analyze", "--exit-zero", "--json", "-"]
    alone, shared = (
        subprocess.run(
            [*command, *map(str, FILES[:2]), "--jobs", jobs], capture_output=True, check=True
        )
        for jobs in ("1", "2")
    )
    assert shared.stdout == alone.stdout
    assert shared.stderr == b""

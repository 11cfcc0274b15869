"""The Python face: `pcapleak.analyze` and `Report`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli_runs import DIRECT, PROXY, SOCKS
from places import ROOT
from sample_report import sample

import pcapleak


def policy() -> pcapleak.Policy:
    return pcapleak.Policy.from_options(proxy=[PROXY])


def test_every_public_name_is_there() -> None:
    """What `__all__` promises can be imported, and nothing else is invented."""
    assert sorted(pcapleak.__all__) == pcapleak.__all__
    for name in pcapleak.__all__:
        assert getattr(pcapleak, name) is not None
        assert name in dir(pcapleak)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = pcapleak.nonsense


def test_importing_the_package_loads_nothing() -> None:
    """`import pcapleak` costs nothing until something of it is used."""
    code = "import sys, pcapleak; print({'numpy', 'pandas', 'typer'} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert result.stdout == "set()\n"


def test_one_path_is_one_report() -> None:
    """A path, as text or `Path`, gives a report with the JSON's fields."""
    report = pcapleak.analyze(SOCKS, policy())
    assert report.verdict.result == "leak"
    assert report.verdict.exposed_addresses == ["203.0.113.7"]
    assert report.captures[0].path == str(SOCKS)
    assert report.policy.fields["proxies"].source == "given"
    assert report.to_json() == pcapleak.analyze(str(SOCKS), policy()).to_json()


def test_several_paths_are_reports_or_one() -> None:
    """A list gives a report for each path, and with `merge` a single one."""
    reports = pcapleak.analyze([SOCKS, DIRECT], policy())
    assert [report.captures[0].path for report in reports] == [str(SOCKS), str(DIRECT)]
    merged = pcapleak.analyze([SOCKS, DIRECT], policy(), merge=True)
    assert [capture.path for capture in merged.captures] == [str(SOCKS), str(DIRECT)]
    assert merged.statistics.packets == sum(report.statistics.packets for report in reports)


def test_every_flow_is_listed_unless_asked_otherwise() -> None:
    """The library lists all flows, as its tables should; `all_flows=False` those that matter."""
    every = pcapleak.analyze(SOCKS, policy())
    assert len(every.flows) == every.statistics.flows
    some = pcapleak.analyze(SOCKS, policy(), all_flows=False)
    assert set(some.flows["id"]) <= set(every.flows["id"])
    assert "bypass" in set(some.flows["path"])


def test_unreadable_path_raises() -> None:
    """A path that is no capture raises an error that says what to do."""
    with pytest.raises(pcapleak.CaptureError, match=r"no such file; "):
        pcapleak.analyze(Path("nothing.pcap"))


def test_progress_is_told() -> None:
    """Progress comes in bytes, and ends at the size of the file."""
    calls: list[tuple[int, int | None]] = []
    pcapleak.analyze(SOCKS, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (SOCKS.stat().st_size, SOCKS.stat().st_size)
    assert calls == sorted(calls)


def test_report_survives_json() -> None:
    """A report written and read back is the same report."""
    report = pcapleak.Report(sample())
    again = pcapleak.Report.from_json(report.to_json())
    assert again.document == report.document
    assert again.to_html() == report.to_html()
    pd.testing.assert_frame_equal(again.flows, report.flows)


def test_report_shows_itself_in_a_line() -> None:
    """The representation is one harmless line."""
    text = repr(pcapleak.Report(sample("\x1b[31m")))
    assert text == "<Report \\x1b[31m: leak, 2 findings>"


def test_progress_true_shows_nothing_outside_notebooks(capsys: pytest.CaptureFixture[str]) -> None:
    """A script that asks for a bar gets its report, and no bar."""
    assert pcapleak.analyze(SOCKS, progress=True).verdict.result
    assert capsys.readouterr() == ("", "")

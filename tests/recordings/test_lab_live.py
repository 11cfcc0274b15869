"""The lab records a real browser afresh; file and watch say what its page read in that very run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import need_tool
from lab_truth import compare, compare_document, read_truth

from captures.lab import SCENARIOS, Beside, record
from pcapleak.report.report import Report

_TOOLS = {
    "socks": ("microsocks",),
    "full-tunnel": ("wireguard-go", "wg"),
    "split-tunnel": ("wireguard-go", "wg"),
    "tunnel-drop": ("wireguard-go", "wg"),
}


@pytest.mark.parametrize("name", _TOOLS)
def test_file_and_watch_say_what_the_page_reads(
    name: str, root_network: None, tmp_path: Path
) -> None:
    for tool in ("chromium", "turnserver", "dnsmasq", "dumpcap", "nft", *_TOOLS[name]):
        need_tool(tool)
    policy = next(scenario.policy for scenario in SCENARIOS if scenario.name == name)
    options = [part for option, value in policy.items() for part in (_flag(option), value)]
    watched = tmp_path / "watched.json"
    watch = Beside(
        (sys.executable, "-m", "pcapleak", "live", "--json", str(watched), *options), "watching"
    )
    paths = record(name, tmp_path, watch)
    truth = read_truth(paths.truth)
    assert any(one["showable"] == "yes" for one in truth["candidates"])
    assert compare(paths.capture, truth).problems == []
    live = Report.from_json(watched.read_text()).document
    assert compare_document(live, truth).problems == []


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")

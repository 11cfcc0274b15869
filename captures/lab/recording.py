"""From a scenario to its two files."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .network import (
    CLIENT,
    CLIENT6,
    LOCAL_NET_CLIENT,
    SECOND_CLIENT,
    SHARED_CLIENT,
    network,
)
from .session import Beside, Lab
from .truth import judge, read_wire
from .tunnels import TUNNEL

# Chromium announces each of a page's four names twice, one packet a second.
_CHROMIUM_SETTLE_S = 8.5


@dataclass(frozen=True)
class Scenario:
    """One story: how it is judged, what must be found, and how it goes."""

    name: str
    summary: str
    play: Callable[[Lab], None]
    policy: dict[str, str] = field(default_factory=dict)
    expect: dict[str, Any] = field(default_factory=dict)
    browser: str = "chromium"
    settle_s: float | None = None

    @property
    def patience_s(self) -> float:
        """How long the recording goes on when the story is over."""
        if self.settle_s is not None:
            return self.settle_s
        return _CHROMIUM_SETTLE_S if self.browser == "chromium" else 2.0


@dataclass(frozen=True)
class Paths:
    """The two files of a recording."""

    capture: Path
    truth: Path


def record_scenario(scenario: Scenario, output: Path, beside: Beside | None = None) -> Paths:
    """Play ``scenario`` and write ``NAME.pcapng`` and ``NAME.json`` into ``output``."""
    paths = Paths(output / f"{scenario.name}.pcapng", output / f"{scenario.name}.json")
    with (
        tempfile.TemporaryDirectory(prefix="pcapleak-lab-") as folder,
        ExitStack() as stack,
    ):
        scratch = Path(folder)
        lab = Lab(
            stack.enter_context(network(scratch)),
            scratch,
            stack,
            scenario.browser,
            beside,
        )
        scenario.play(lab)
        time.sleep(scenario.patience_s)
        reading = _reading(lab)
        for page in lab.pages:
            page.leave()
            page.close()
        lab.stop_beside()
        output.mkdir(parents=True, exist_ok=True)
        lab.recorder.merge(paths.capture, *lab.editing, key_log=lab.key_log)
    write_truth(scenario, reading, paths)
    return paths


def judge_again(scenario: Scenario, output: Path) -> None:
    """Work out the answer key of a recording anew, from the capture and what its page read."""
    paths = _paths(scenario, output)
    write_truth(scenario, json.loads(paths.truth.read_text())["page"], paths)


def _paths(scenario: Scenario, output: Path) -> Paths:
    return Paths(output / f"{scenario.name}.pcapng", output / f"{scenario.name}.json")


def _reading(lab: Lab) -> dict[str, Any]:
    """What the client's page or program read; without one, nothing."""
    if lab.program:
        return lab.program
    if not lab.pages or lab.web is None:
        return {"candidates": []}
    client, *rest = lab.pages
    reading: dict[str, Any] = client.run("read()")
    reading["candidates"] = [*lab.kept, *reading["candidates"]]
    for number, page in enumerate([page for page in rest if page.host is client.host], 2):
        read = page.run("read()")["candidates"]
        which = {"browser": page.name} if page.name != client.name else {}
        reading["candidates"] += [{**row, "who": f"{row['who']}{number}", **which} for row in read]
    others = [page for page in rest if page.host is not client.host]
    if others:
        reading["remote"] = [page.run("read()")["candidates"] for page in others]
    first = lab.web.requests()[0]
    reading["http_client"] = first["client"]
    reading["accept_language"] = first["accept_language"]
    return reading


def write_truth(scenario: Scenario, reading: dict[str, Any], paths: Paths) -> None:
    """Write the answer key: the scenario, what its page read, and what packets show of that."""
    clients = (
        CLIENT, CLIENT6, LOCAL_NET_CLIENT, SHARED_CLIENT, SECOND_CLIENT, TUNNEL, "127.0.0.1", "::1",
    )  # fmt: skip
    wire = read_wire(paths.capture, clients)
    engine = {"engine": scenario.browser} if reading["candidates"] else {}
    truth = {
        "scenario": scenario.name,
        "summary": scenario.summary,
        "policy": scenario.policy,
        "expect": {**engine, "findings": [], **scenario.expect},
        "candidates": judge(reading["candidates"], wire, scenario.browser),
        "page": reading,
        "client_udp_ports": sorted(wire.client_udp_ports),
    }
    paths.truth.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n")

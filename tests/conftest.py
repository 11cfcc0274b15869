"""What tests may need beyond Python: each fixture skips, saying so, where it is absent."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import hypothesis
import pytest
import quiet
from places import ROOT, TESTS

quiet.watch()

# Time is measured by benchmarks: a busy machine fails no test.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

CORPUS = ROOT.parent / "shared" / "captures"

UNTRACED = ("live", "pipeline/test_bounds", "pipeline/test_hostile", "recordings")
"""Tests of speed, memory and whole recordings: branches are not counted where counting them
would change what is measured, or where minutes of it would tell nothing new."""


def need_tool(name: str) -> str:
    """The path of an installed program, or a skip that says how to get it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (make system-deps brings it)")
    return path


@pytest.fixture(scope="session")
def browser() -> Path:
    """The folder of recorded browsers with what each page read."""
    return ROOT / "captures" / "browser"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of public captures, which no clone has: their licences differ."""
    if not CORPUS.is_dir():
        pytest.skip(f"no public captures at {os.path.relpath(CORPUS, ROOT)}")
    return CORPUS


@pytest.fixture(scope="session")
def tshark() -> str:
    """The path of tshark."""
    return need_tool("tshark")


@pytest.fixture(scope="session")
def root_network() -> None:
    """Root and the right to make network namespaces."""
    need_tool("ip")
    if os.geteuid() != 0:
        pytest.skip("needs root to make network namespaces")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave some tests out of the count of branches."""
    for item in items:
        if item.path.relative_to(TESTS).as_posix().startswith(UNTRACED):
            item.add_marker("no_cover")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where something tried to reach the network, whoever caught the error."""
    if quiet.offences:
        for offence in quiet.offences:
            print(f"\nreached for the network: {offence}")  # noqa: T201
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
